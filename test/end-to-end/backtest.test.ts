import { beforeAll, describe, expect, test } from 'vitest'
import { type BacktestedAlert, backtest } from '../../src/monitoring/backtest.js'
import { type Series, seriesInMemory } from '../../src/monitoring/series.js'
import { ruleGroup } from '../../src/observability/index.js'
import { defaultAlerts } from '../../src/pipeline/default-alerts.js'
import { freshnessRules } from '../../src/pipeline/metrics.js'

/** A year of three datasets that run each hour, with what went wrong put in at known times. */

const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000]
const from = Date.UTC(2025, 0, 1)
const to = from + 365 * DAY
const NAMES = ['DatasetFailed', 'DatasetStale', 'DatasetSlow', 'QuarantineShareHigh', 'DatasetUnchanged']
const DATASETS = ['bronze.orders', 'silver.orders', 'gold.revenue']

/** Days and hours in which nothing ran. */
const OUTAGES = [
  { day: 20, hours: 6 },
  { day: 75, hours: 12 },
  { day: 140, hours: 3 },
  { day: 222, hours: 48 },
  { day: 333, hours: 5 },
]
/** At noon, of one dataset, mended by the next run. */
const FAILURES = [
  { day: 33, dataset: 'silver.orders' },
  { day: 181, dataset: 'bronze.orders' },
  { day: 300, dataset: 'silver.orders' },
]
/** Half as much again as four times what it took before. */
const SLOW = { day: 250, days: 14, dataset: 'gold.revenue' }
/** Each other run holds a tenth of its rows. */
const FLAPPING = { day: 100, days: 7, dataset: 'silver.orders' }

function year(): Series[] {
  const kept = new Map<string, { labels: Record<string, string>; times: number[]; values: number[] }>()
  const keep = (metric: string, dataset: string, time: number, value: number) => {
    const one = kept.get(`${metric} ${dataset}`) ?? { labels: { __name__: metric, dataset }, times: [], values: [] }
    kept.set(`${metric} ${dataset}`, one)
    // Only changes are kept, as runs keep them.
    if (one.values.at(-1) === value) return
    one.times.push(time)
    one.values.push(value)
  }
  for (let run = 0; run < 365 * 24; run++) {
    const [day, hour] = [Math.floor(run / 24), run % 24]
    if (OUTAGES.some((one) => run >= one.day * 24 && run < one.day * 24 + one.hours)) continue
    for (const [place, dataset] of DATASETS.entries()) {
      const time = from + run * HOUR + (place + 1) * MINUTE
      const failed = hour === 12 && FAILURES.some((one) => one.day === day && one.dataset === dataset)
      const slow = dataset === SLOW.dataset && day >= SLOW.day && day < SLOW.day + SLOW.days
      const flaps = dataset === FLAPPING.dataset && day >= FLAPPING.day && day < FLAPPING.day + FLAPPING.days && run % 2 === 1
      keep('sluice_dataset_interval_seconds', dataset, time, 3600)
      keep('sluice_step_failed', dataset, time, failed ? 1 : 0)
      if (failed) continue
      keep('sluice_step_last_success_timestamp_seconds', dataset, time, time / 1000)
      keep('sluice_dataset_last_change_timestamp_seconds', dataset, time, time / 1000)
      keep('sluice_step_last_duration_seconds', dataset, time, slow ? 270 : 45 + (run % 3))
      keep('sluice_step_quarantined_ratio', dataset, time, flaps ? 0.1 : 0)
      keep('sluice_step_gate_rows', dataset, time, 1000)
    }
  }
  return [...kept.values()].map(({ labels, times, values }) => ({
    labels,
    times: Float64Array.from(times),
    values: Float64Array.from(values),
  }))
}

describe('a year replayed', () => {
  let found: ReadonlyMap<string, BacktestedAlert>
  beforeAll(async () => {
    const groups = [
      freshnessRules,
      ruleGroup('sluice', { every: '1m', rules: defaultAlerts([]).filter(({ name }) => NAMES.includes(name)) }),
    ]
    found = new Map((await backtest(groups, seriesInMemory(year()), { from, to })).map((one) => [one.alert, one]))
  })

  const of = (name: string) => {
    const one = found.get(name)
    if (one === undefined) throw new Error(`${name} was not replayed`)
    return one
  }

  test('outages are found, each for every dataset, from two missed intervals on until the next run', () => {
    const stale = of('DatasetStale')
    // The last run before an outage is an hour before it, so three hours without one are two missed intervals and over.
    expect(stale.pages).toBe(OUTAGES.length * DATASETS.length)
    for (const { day, hours } of OUTAGES) {
      for (const [place, dataset] of DATASETS.entries()) {
        const lastRun = from + day * DAY - HOUR + (place + 1) * MINUTE
        const episode = stale.episodes.find(
          (one) => one.labels['dataset'] === dataset && one.from > lastRun && one.from <= lastRun + 5 * HOUR,
        )
        expect(episode?.to, `${dataset} on day ${day}`).toBe(lastRun + (hours + 1) * HOUR)
        expect((episode?.from ?? 0) - lastRun).toBeGreaterThan(2 * HOUR)
        expect((episode?.from ?? 0) - lastRun).toBeLessThan(4 * HOUR)
      }
    }
  })

  test('failures are found, each from its run to the next', () => {
    expect(of('DatasetFailed').episodes.map(({ labels, ...times }) => ({ ...times, dataset: labels['dataset'] }))).toEqual(
      FAILURES.map(({ day, dataset }) => {
        const at = from + day * DAY + 12 * HOUR + (DATASETS.indexOf(dataset) + 1) * MINUTE
        return { from: at, to: at + HOUR, dataset }
      }),
    )
    expect(of('DatasetFailed').firingSeconds).toBe(3 * 3600)
    expect(of('DatasetFailed').threshold).toBeUndefined()
  })

  test('the slow fortnight is one page: its average of a week catches up with it', () => {
    const [one, ...others] = of('DatasetSlow').episodes
    expect(others).toEqual([])
    expect(one?.labels).toEqual({ dataset: SLOW.dataset })
    expect(one?.from).toBe(from + SLOW.day * DAY + 3 * MINUTE)
    // 270 > 3 * (46 + share * 224) while less than a fifth of the week was slow: 33.6 of 168 hours have 90 > 46 + 44.8.
    expect(((one?.to ?? 0) - (one?.from ?? 0)) / HOUR).toBeCloseTo((168 * 44) / 224, 0)
  })

  test('the flapping week is counted as the noise that it is, and a higher threshold does away with it', () => {
    const share = of('QuarantineShareHigh')
    expect(share.pages).toBe((FLAPPING.days * 24) / 2)
    expect(share.perWeek).toBeCloseTo(84 / (365 / 7), 3)
    expect(share.firingSeconds).toBe(84 * 3600)
    expect(share.threshold).toBe(0.05)
    expect(share.otherThresholds.map(({ threshold, pages }) => [threshold, pages])).toEqual([
      [0.025, 84],
      [0.0375, 84],
      [0.075, 84],
      [0.1, 0],
      [0.15, 0],
    ])
  })

  test('other thresholds of staleness find what they would have', () => {
    // Hours between runs: 7, 13, 4, 49, 6; and 2 where a run failed.
    expect(of('DatasetStale').otherThresholds.map(({ threshold, pages }) => [threshold, pages])).toEqual([
      [1, 18],
      [1.5, OUTAGES.length * 3 + FAILURES.length],
      [3, 15],
      [4, 12],
      [6, 9],
    ])
    expect(of('DatasetUnchanged').pages).toBe(6)
  })

  test('what fires together is named', () => {
    expect(of('DatasetUnchanged').together).toEqual([{ alert: 'DatasetStale', episodes: 6 }])
    expect(of('QuarantineShareHigh').together).toEqual([])
  })
})
