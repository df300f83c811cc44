import { expect, test } from 'vitest'
import { AlertState, type AlertTiming } from '../../src/monitoring/alert-state.js'

const held = [{ labels: { __name__: 'load', host: 'a' }, value: 7 }]
const seen = (timing: Omit<AlertTiming, 'name'>, holds: string) => {
  const state = new AlertState({ name: 'LoadHigh', ...timing })
  return [...holds].map((mark, minute) => state.step(mark === '#' ? held : [], minute)[0]?.state.charAt(0) ?? '.').join('')
}

test.each<[Omit<AlertTiming, 'name'>, string, string]>([
  [{}, '#.##', 'frff'],
  [{ for: 2 }, '####.', 'ppffr'],
  [{ for: 2 }, '##.##', 'pp.pp'],
  [{ for: 1, keepFiring: 2 }, '##...', 'pfffr'],
  [{ for: 1, keepFiring: 2 }, '##.#...#', 'pfffffrp'],
  [{ keepFiring: 1 }, '#..#', 'ffrf'],
])('%o: the condition %s makes %s', (timing, holds, states) => {
  expect(seen(timing, holds)).toBe(states)
})

test('an alert has the labels of its sample and of its definition, but not the name of the metric', () => {
  const state = new AlertState({ name: 'LoadHigh', labels: { severity: 'page', host: 'all', empty: '' } })
  expect(state.step(held, 5)).toEqual([
    { labels: { host: 'all', severity: 'page', alertname: 'LoadHigh' }, state: 'firing', value: 7, activeAt: 5, firedAt: 5 },
  ])
})

test('samples that make the same alert are refused, and nothing changes', () => {
  const state = new AlertState({ name: 'LoadHigh', labels: { host: 'all' } })
  const both = ['a', 'b'].map((host) => ({ labels: { host }, value: 1 }))
  state.step(held, 0)
  expect(() => state.step(both, 1)).toThrow(expect.objectContaining({ code: 'QUERY_MATCHING' }))
  expect(state.step(held, 2)).toMatchObject([{ state: 'firing', activeAt: 0 }])
})

test('another process goes on where one was', () => {
  const timing = { name: 'LoadHigh', for: 10, keepFiring: 5 }
  const first = new AlertState(timing)
  first.step([{ labels: {}, value: Number.POSITIVE_INFINITY }], 0)
  const second = new AlertState(timing, JSON.parse(JSON.stringify(first)))
  expect(second.step([{ labels: {}, value: Number.NaN }], 10)).toMatchObject([
    { state: 'firing', activeAt: 0, firedAt: 10, value: Number.NaN },
  ])
  second.step([], 12)
  const third = new AlertState(timing, JSON.parse(JSON.stringify(second)))
  expect(third.step([], 16)).toMatchObject([{ state: 'firing', goneSince: 12, value: Number.NaN }])
  expect(third.step([], 17)).toMatchObject([{ state: 'resolved', resolvedAt: 17, firedAt: 10 }])
  expect(third.toJSON()).toEqual({ alerts: [] })
})
