import { describe, expect, test } from 'vitest'
import { testAlert, testAlerts } from '../../src/monitoring/alert-tests.js'
import { type Alert, type AlertTest, fires, given, isAlert, isRecording, staysQuiet } from '../../src/observability/index.js'
import { promql } from '../../src/observability/promql.js'
import { slo } from '../../src/observability/slo.js'
import { fresh, lastSuccess, waiting } from './sample.js'

const good = lastSuccess.age().isAtMost('26h')
const alertsOf = (group: { readonly rules: readonly unknown[] }) => group.rules.filter(isAlert)
const conditionOf = (one: Alert | undefined) => (one === undefined ? undefined : promql(one.when.expression))

describe('an objective', () => {
  test('records what is good, and the share of bad time in seven windows', () => {
    const recorded = fresh.rules.filter(isRecording)
    expect(recorded.map(({ definition, signal }) => [definition.name, promql(signal.expression)])).toEqual([
      ['dataset:shop_fresh:good', 'time() - shop_last_success_timestamp_seconds <= bool 93600'],
      ...['5m', '30m', '1h', '2h', '6h', '1d', '3d'].map((window) => [
        `dataset:shop_fresh:error_ratio_${window}`,
        `1 - avg_over_time(dataset:shop_fresh:good[${window}])`,
      ]),
    ])
  })

  test('alerts by the burn rates of the workbook', () => {
    const [fast, slow, absent] = alertsOf(fresh)
    const ratio = (window: string, bound: number) => `dataset:shop_fresh:error_ratio_${window} > ${bound}`
    expect(conditionOf(fast)).toBe(`${ratio('1h', 0.144)} and ${ratio('5m', 0.144)} or ${ratio('6h', 0.06)} and ${ratio('30m', 0.06)}`)
    expect(conditionOf(slow)).toBe(`${ratio('1d', 0.03)} and ${ratio('2h', 0.03)} or ${ratio('3d', 0.01)} and ${ratio('6h', 0.01)}`)
    expect(conditionOf(absent)).toBe('absent(dataset:shop_fresh:good)')
    expect([fast, slow, absent].map((one) => [one?.name, one?.severity, one?.owner])).toEqual([
      ['ShopFreshBurnsFast', 'critical', 'shop'],
      ['ShopFreshBurnsSlowly', 'warning', 'shop'],
      ['ShopFreshAbsent', 'warning', 'shop'],
    ])
  })

  test('has tests that hold', () => {
    const results = testAlerts([fresh])
    expect(results).toHaveLength(7)
    expect(results.filter(({ ok }) => !ok)).toEqual([])
  })

  test('pages when what is measured goes bad, by what is recorded on the way', () => {
    const hourly = slo('hourly', { good: lastSuccess.age().isAtMost('1h'), objective: 0.99, summary: 'late' })
    const [fast] = alertsOf(hourly)
    if (fast === undefined) throw new Error('There is no alert.')
    const written = { series: [given(lastSuccess, { dataset: 'orders' }, '0x90')] }
    const played = (example: AlertTest) => testAlert([hourly], hourly.every, fast, example)
    expect(played(staysQuiet('within the hour', { ...written, at: '60m' }))).toMatchObject({ ok: true })
    expect(played(fires('twenty minutes late', { ...written, at: '80m' }))).toMatchObject({
      ok: true,
      fired: [{ labels: { dataset: 'orders' } }],
    })
  })

  test('leaves out windows whose threshold cannot be exceeded', () => {
    const [fast] = alertsOf(slo('lenient', { good, objective: 0.9, summary: 'late' }))
    expect(conditionOf(fast)).toBe('dataset:lenient:error_ratio_6h > 0.6 and dataset:lenient:error_ratio_30m > 0.6')
    expect(alertsOf(slo('careless', { good, objective: 0.5, summary: 'late' })).map(({ name }) => name)).toEqual([
      'CarelessBurnsSlowly',
      'CarelessAbsent',
    ])
  })

  test('of one number has no label in its names', () => {
    const short = slo('queue_short', { good: waiting.now().isAtMost(100), objective: 0.999, window: '28d', summary: 'long' })
    expect(short.good.definition.name).toBe('all:queue_short:good')
    expect(conditionOf(alertsOf(short)[0])).toContain('all:queue_short:error_ratio_1h > 0.01344 ')
  })

  test('is drawn from what it records', () => {
    expect(promql(fresh.errorRatio['1h'].now().expression)).toBe('dataset:shop_fresh:error_ratio_1h')
  })

  test.each([
    ['a name in another case', 'Fresh', { good, objective: 0.99 }],
    ['more than all', 'fresh', { good, objective: 99 }],
    ['all', 'fresh', { good, objective: 1 }],
    ['a week', 'fresh', { good, objective: 0.99, window: '7d' as const }],
    ['a condition that leaves out bad time', 'fresh', { good: lastSuccess.age().atMost('26h'), objective: 0.99 }],
  ])('that cannot be kept is refused: %s', (_, name, definition) => {
    expect(() => slo(name, { ...definition, summary: 'late' })).toThrow(expect.objectContaining({ code: 'SLO_INVALID' }))
  })
})
