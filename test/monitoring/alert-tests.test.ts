import { describe, expect, test } from 'vitest'
import { expandValues, testAlerts } from '../../src/monitoring/alert-tests.js'
import { alert, fires, gauge, given, record, ruleGroup, staysQuiet } from '../../src/observability/index.js'

const rows = gauge('tested_rows', { help: 'Rows.', unit: 'rows', labels: { dataset: '*' } })
const a = { dataset: 'a' }
const series = (values: string) => [given(rows, a, values)]

describe("Prometheus' notation for values", () => {
  test.each<readonly [string, readonly (number | 'stale' | undefined)[]]>([
    ['1', [1]],
    ['1x3', [1, 1, 1, 1]],
    ['0+10x3', [0, 10, 20, 30]],
    ['1-1x2', [1, 0, -1]],
    ['-2+4x2', [-2, 2, 6]],
    ['1e3 .5 +2', [1000, 0.5, 2]],
    ['_ 1 _x2 stale', [undefined, 1, undefined, undefined, 'stale']],
    ['Inf -Inf NaN', [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]],
    ['  1x0  2 ', [1, 2]],
  ])('%s', (text, values) => {
    expect(expandValues(text)).toEqual(values)
  })

  test.each(['', 'x3', '1x', '1+x3', 'one', '1,2', '_x-1'])('%j is refused', (text) => {
    expect(() => expandValues(text)).toThrowError(expect.objectContaining({ code: 'ALERT_TEST_INVALID' }))
  })
})

describe("an alert's tests", () => {
  const many = (...tests: Parameters<typeof alert>[1]['tests']) =>
    alert('TooMany', { when: rows.now().gt(5), for: '2m', severity: 'warning', summary: 'Many', description: 'Too many.', tests })
  const results = (...tests: Parameters<typeof alert>[1]['tests']) => testAlerts([ruleGroup('tested', { rules: [many(...tests)] })])

  test('pass when it does as they say', () => {
    const found = results(
      fires('once it has held', { series: series('9x5'), at: '2m' }, [a]),
      staysQuiet('before it has held', { series: series('9x5'), at: '1m' }),
      staysQuiet('when the series has ended', { series: series('9x3 stale'), at: '4m' }),
    )
    expect(found.map(({ ok }) => ok)).toEqual([true, true, true])
    expect(found[0]?.fired).toEqual([{ labels: { ...a }, value: 9 }])
  })

  test('fail with what was otherwise', () => {
    const found = results(
      fires('too early', { series: series('9x5'), at: '1m' }),
      staysQuiet('though it fires', { series: series('9x5'), at: '3m' }),
      fires('for another', { series: series('9x5'), at: '3m' }, [{ dataset: 'b' }]),
    )
    expect(found.map(({ test: name, problem }) => [name, problem])).toEqual([
      ['too early', 'it did not fire'],
      ['though it fires', 'it fired for {dataset="a"}'],
      ['for another', expect.stringContaining('was expected to for {alertname="TooMany",dataset="b",severity="warning"}')],
    ])
    expect(found.every(({ ok }) => !ok)).toBe(true)
  })

  test('read recorded signals, worked out from what is given or given themselves', () => {
    const held = record('dataset:tested_rows:max10m', rows.maxOver('10m'))
    const one = alert('HeldMany', {
      when: held.now().gt(5),
      severity: 'info',
      summary: 'Many',
      description: 'Many of late.',
      tests: [
        fires('minutes after', { series: series('9 0x9'), at: '5m' }, [a]),
        staysQuiet('long after', { series: series('9 0x20'), at: '15m' }),
        fires('as it is given', { series: [{ metric: held.definition.name, labels: a, values: '7x5' }], at: '2m' }, [a]),
      ],
    })
    expect(testAlerts([ruleGroup('tested', { rules: [held, one] })]).map(({ problem }) => problem)).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })
})
