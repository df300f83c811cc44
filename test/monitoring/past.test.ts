import { expect, test } from 'vitest'
import { evaluate } from '../../src/monitoring/evaluator.js'
import { Past } from '../../src/monitoring/past.js'
import { sourceAt } from '../../src/monitoring/recordings.js'
import { labelsKey, type Series, seriesInMemory } from '../../src/monitoring/series.js'
import { gauge, parsePromql, record, ruleGroup } from '../../src/observability/index.js'

/** All times at once are what one after the other are: the evaluator, which is held against Prometheus, is the measure. */

const HOUR = 3_600_000
const from = Date.UTC(2026, 0, 5)

const succeeded = gauge('past_success_timestamp_seconds', { help: 'When.', unit: 'timestamp_seconds', labels: { dataset: '*' } })
const fresh = record('dataset:past_fresh:bool', succeeded.age().isAtMost('2h'))
const groups = [ruleGroup('past', { every: '1m', rules: [fresh, record('dataset:past_fresh:share2h', fresh.avgOver('2h'))] })]

function series(metric: string, dataset: string, changes: readonly (readonly [hour: number, value: number, stale?: 1])[]): Series {
  return {
    labels: { __name__: metric, dataset },
    times: Float64Array.from(changes, ([hour]) => from + hour * HOUR),
    values: Float64Array.from(changes, ([, value]) => value),
    stale: Uint8Array.from(changes, ([, , stale = 0]) => stale),
  }
}

const success = (hour: number) => [hour, (from + hour * HOUR) / 1000] as const
const changes = seriesInMemory([
  series('past_rows_total', 'a', [
    [-3, 0],
    [-2.5, 10],
    [0.3, 50],
    [1.7, 80],
    [6, 81],
  ]),
  series('past_rows_total', 'b', [
    [0.9, 0],
    [1.2, 7],
    [5, 7.5],
  ]),
  series('past_success_timestamp_seconds', 'a', [success(-2.5), success(0.3), success(1.7), success(6)]),
  series('past_success_timestamp_seconds', 'b', [success(1.2), [4, Number.NaN, 1], success(5)]),
])

const times = Float64Array.from({ length: 32 }, (_, index) => from + index * 15 * 60_000)

test.each([
  'past_rows_total > 40',
  'sum(past_rows_total)',
  'time() - past_success_timestamp_seconds > 3600',
  'past_rows_total{dataset!="a"} offset 1h',
  'increase(past_rows_total[1h]) > 0',
  'sum by (dataset) (rate(past_rows_total[30m]))',
  'past_rows_total > 2 * avg_over_time(past_rows_total[2h])',
  'last_over_time(past_rows_total[1h])',
  'max_over_time(past_success_timestamp_seconds[1h] offset 30m)',
  'absent(past_rows_total{dataset="b"})',
  'absent_over_time(past_success_timestamp_seconds{dataset="b"}[30m])',
  'dataset:past_fresh:bool == 1',
  'avg_over_time(dataset:past_fresh:bool[2h])',
  '1 - avg_over_time(dataset:past_fresh:bool[1h]) > 0.2 and past_rows_total > 0',
  'vector(1) unless sum(past_rows_total) > 60',
])('%s', (text) => {
  const expression = parsePromql(text)
  const found = new Past(groups, changes, { from, to: times.at(-1) ?? from }).at(expression, times)
  const seen = new Map(found.map(({ labels, points }) => [labelsKey(labels), new Map(points)]))
  let compared = 0
  for (const time of times) {
    const result = evaluate(expression, sourceAt(groups, changes, time), time)
    const samples = result.kind === 'vector' ? result.samples : [{ labels: {}, value: result.value }]
    const own = [...seen].filter(([, points]) => points.has(time))
    expect(own.map(([key]) => key).sort(), `labels at ${(time - from) / HOUR} h`).toEqual(
      samples.map(({ labels }) => labelsKey(labels)).sort(),
    )
    for (const { labels, value } of samples) {
      expect(seen.get(labelsKey(labels))?.get(time), `${labelsKey(labels)} at ${(time - from) / HOUR} h`).toBeCloseTo(value, 9)
      compared += 1
    }
  }
  expect(compared).toBeGreaterThan(0)
})

test('a signal that is recorded from what is recorded is worked out from it, and one that reads itself has no value', () => {
  const share = record('all:past_fresh:share', fresh.avgOver('1h').avg())
  const circle = record('all:past_circle:sum', gauge('all_past_circle', { help: 'Never set.' }).now().sum())
  const all = [...groups, ruleGroup('shares', { every: '1m', rules: [share, circle] })]
  const found = new Past(all, changes, { from, to: times.at(-1) ?? from }).at(share.now().expression, times)
  expect(found).toHaveLength(1)
  expect(found[0]?.points.at(0)?.[1]).toBeCloseTo(0.5, 1)
  expect(new Past(all, changes, { from, to: from + HOUR }).at(circle.now().expression, times)).toEqual([])
})
