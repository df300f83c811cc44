import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defineMetric } from '../../src/observability/definition.js'
import { exposition } from '../../src/observability/exposition.js'
import { type CumulativeSample, Registry, type StoredSample } from '../../src/observability/registry.js'

const runs = defineMetric('counter', 'runs_total', { help: 'Runs.', labels: { pipeline: '*', status: ['ok', 'failed'] } })
const results = defineMetric('counter', 'results_total', { help: 'Results.', labels: { status: ['ok', 'failed'], late: ['yes', 'no'] } })
const fresh = defineMetric('gauge', 'table_fresh', { help: 'Whether it is fresh.', labels: { layer: ['bronze', 'silver'] } })
const load = defineMetric('gauge', 'load', { help: 'Load.' })
const waits = defineMetric('histogram', 'wait_seconds', { help: 'Waits.', unit: 'seconds', labels: { queue: '*' } }, [1, 5])

const text = (registry: Registry) => exposition(registry.collect(), 'text')
const linesOf = (registry: Registry) =>
  text(registry)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))

describe('a counter', () => {
  test('grows by what it is told, under its labels in whatever order they are given', () => {
    const registry = new Registry()
    registry.counter(runs).with({ pipeline: 'a', status: 'ok' }).inc()
    registry.counter(runs).with({ status: 'ok', pipeline: 'a' }).inc(2.5)
    expect(linesOf(registry)).toEqual(['runs_total{pipeline="a",status="ok"} 3.5'])
  })

  test('is the same series each time, to keep and record to', () => {
    const family = new Registry().counter(runs)
    expect(family.with({ pipeline: 'a', status: 'ok' })).toBe(family.with({ pipeline: 'a', status: 'ok' }))
    expect(family.with({ pipeline: 'a', status: 'ok' })).not.toBe(family.with({ pipeline: 'a', status: 'failed' }))
  })

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('does not take %s', (by) => {
    const series = new Registry().counter(runs).with({ pipeline: 'a', status: 'ok' })
    expect(() => series.inc(by)).toThrowError(expect.objectContaining({ code: 'METRIC_VALUE_INVALID' }))
    expect(series.value).toBe(0)
  })

  test('whose labels are all listed is there with 0 from the start, in every combination', () => {
    const registry = new Registry()
    registry.register(results)
    expect(linesOf(registry)).toEqual([
      'results_total{status="ok",late="yes"} 0',
      'results_total{status="ok",late="no"} 0',
      'results_total{status="failed",late="yes"} 0',
      'results_total{status="failed",late="no"} 0',
    ])
  })
})

describe('labels', () => {
  test.each([
    ['a missing one', { pipeline: 'a' }, 'the label "status" is missing'],
    ['an unknown one', { pipeline: 'a', status: 'ok', day: 'Monday' }, 'it has no label "day"'],
    ['a value that is not listed', { pipeline: 'a', status: 'late' }, 'the label "status" is one of ok, failed'],
    ['none of its own', { pipeline: 'a', toString: 'ok' }, 'the label "status" is missing'],
  ])('%s is refused, before and after the series is there', (_, labels, problem) => {
    const family = new Registry().counter(runs)
    const refusal = expect.objectContaining({ code: 'METRIC_VALUE_INVALID', message: expect.stringContaining(problem) })
    expect(() => family.with(labels as unknown as Record<string, string>)).toThrowError(refusal)
    family.with({ pipeline: 'a', status: 'ok' }).inc()
    expect(() => family.with(labels as unknown as Record<string, string>)).toThrowError(refusal)
  })

  test('past the limit of series nothing is kept, and that is counted', () => {
    const registry = new Registry()
    const small = defineMetric('counter', 'visits_total', { help: 'Visits.', labels: { user: '*' }, seriesLimit: 2 })
    for (const user of ['a', 'b', 'c', 'd', 'c', 'a']) registry.counter(small).with({ user }).inc()
    expect(linesOf(registry)).toEqual([
      'sluice_metric_series_refused_total{metric="visits_total"} 3',
      'visits_total{user="a"} 2',
      'visits_total{user="b"} 1',
    ])
  })
})

describe('a gauge', () => {
  test('without labels is absent until it is set', () => {
    const registry = new Registry()
    registry.gauge(load).with({})
    expect(linesOf(registry)).toEqual([])
    registry.gauge(load).with({}).set(0)
    expect(linesOf(registry)).toEqual(['load 0'])
  })

  test('goes up and down, and takes any number', () => {
    const registry = new Registry()
    const gauge = registry.gauge(load).with({})
    gauge.inc(3)
    gauge.dec()
    expect(gauge.value).toBe(2)
    gauge.set(Number.NEGATIVE_INFINITY)
    expect(linesOf(registry)).toEqual(['load -Inf'])
    gauge.set(Number.NaN)
    expect(linesOf(registry)).toEqual(['load NaN'])
  })

  test('says the time in Unix seconds', () => {
    const gauge = new Registry().gauge(load).with({})
    const before = Date.now() / 1000
    gauge.setToNow()
    expect(gauge.value).toBeGreaterThanOrEqual(before)
    expect(gauge.value).toBeLessThanOrEqual(Date.now() / 1000)
  })

  test('is set when it is looked at, by a callback', () => {
    const registry = new Registry()
    let looks = 0
    registry.onCollect(() => {
      looks += 1
      registry.gauge(load).with({}).set(looks)
    })
    expect(linesOf(registry)).toEqual(['load 1'])
    expect(registry.takeChanges().samples).toEqual([{ metric: 'load', labels: {}, kind: 'gauge', value: 2 }])
  })
})

describe('a histogram', () => {
  test('counts each observation in its bucket, bounds included', () => {
    const registry = new Registry()
    const series = registry.histogram(waits).with({ queue: 'q' })
    for (const value of [0.5, 1, 1.5, 5, 100]) series.observe(value)
    expect(registry.collect()).toMatchObject([{ series: [{ buckets: [2, 2, 1], sum: 108, count: 5 }] }])
    expect(() => series.observe(Number.NaN)).toThrowError(expect.objectContaining({ code: 'METRIC_VALUE_INVALID' }))
    expect(series.count).toBe(5)
  })

  test('keeps the last exemplar of each bucket', () => {
    const series = new Registry().histogram(waits).with({ queue: 'q' })
    const trace = (digit: string) => ({ traceId: digit.repeat(32), spanId: digit.repeat(16) })
    series.observe(0.1, trace('a'))
    series.observe(0.2, trace('b'))
    series.observe(0.3)
    series.observe(7, trace('c'))
    expect(series.exemplars[0]).toMatchObject({ value: 0.2, ...trace('b') })
    expect(series.exemplars[1]).toBeUndefined()
    expect(series.exemplars[2]).toMatchObject({ value: 7, ...trace('c') })
  })

  test('observes the seconds between the start of a timer and its end, and answers them', () => {
    const series = new Registry().histogram(waits).with({ queue: 'q' })
    const seconds = series.startTimer()()
    expect(seconds).toBeGreaterThanOrEqual(0)
    expect([series.count, series.sum]).toEqual([1, seconds])
  })
})

describe('a registry', () => {
  test('takes the same declaration twice, and no other of that name', () => {
    const registry = new Registry()
    registry.counter(runs)
    expect(() => registry.counter({ ...runs })).not.toThrow()
    expect(() => registry.counter({ ...runs, help: 'Other runs.' })).toThrowError(expect.objectContaining({ code: 'METRIC_INVALID' }))
    expect(() => registry.gauge(runs)).toThrowError(expect.objectContaining({ code: 'METRIC_INVALID' }))
  })

  test('takes no two that OpenMetrics cannot tell apart', () => {
    const registry = new Registry()
    registry.register(runs)
    expect(() => registry.register(defineMetric('gauge', 'runs', { help: 'Runs now.' }))).toThrowError(
      expect.objectContaining({ code: 'METRIC_INVALID', message: expect.stringContaining('runs_total') }),
    )
  })

  test('answers metrics by name, as they were when it was asked', () => {
    const registry = new Registry()
    registry.register(results)
    registry.histogram(waits).with({ queue: 'q' }).observe(1)
    registry.gauge(load).with({}).set(1)
    const before = registry.collect()
    registry.histogram(waits).with({ queue: 'q' }).observe(1)
    expect(before.map(({ definition }) => definition.name)).toEqual(['load', 'results_total', 'wait_seconds'])
    expect(before[2]).toMatchObject({ series: [{ buckets: [1, 0, 0], count: 1 }] })
  })
})

describe('changes', () => {
  test('are what a counter grew by, with a 0 the first time', () => {
    const registry = new Registry()
    registry.register(results)
    registry.counter(results).with({ status: 'failed', late: 'no' }).inc(3)
    const values = () => registry.takeChanges().samples.map(({ labels, value }) => [labels['status'], labels['late'], value])
    expect(values()).toEqual([
      ['ok', 'yes', 0],
      ['ok', 'no', 0],
      ['failed', 'yes', 0],
      ['failed', 'no', 3],
    ])
    expect(values()).toEqual([])
    registry.counter(results).with({ status: 'failed', late: 'no' }).inc(4)
    expect(values()).toEqual([['failed', 'no', 4]])
  })

  test('of a histogram are those of its parts, buckets cumulative', () => {
    const registry = new Registry()
    registry.histogram(waits).with({ queue: 'q' }).observe(2)
    registry.takeChanges()
    registry.histogram(waits).with({ queue: 'q' }).observe(3)
    expect(registry.takeChanges().samples).toEqual([
      { metric: 'wait_seconds_bucket', labels: { queue: 'q', le: '5' }, kind: 'counter', value: 1 },
      { metric: 'wait_seconds_bucket', labels: { queue: 'q', le: '+Inf' }, kind: 'counter', value: 1 },
      { metric: 'wait_seconds_sum', labels: { queue: 'q' }, kind: 'counter', value: 3 },
      { metric: 'wait_seconds_count', labels: { queue: 'q' }, kind: 'counter', value: 1 },
    ])
  })

  test('of a gauge are its values, once each, and none while nobody has set it', () => {
    const registry = new Registry()
    registry.register(fresh)
    expect(registry.takeChanges().samples).toEqual([])
    const gauge = registry.gauge(fresh).with({ layer: 'silver' })
    gauge.set(1)
    const sample = { metric: 'table_fresh', labels: { layer: 'silver' }, kind: 'gauge', value: 1 }
    const first = registry.takeChanges()
    expect(first.samples).toEqual([sample])
    gauge.set(1)
    expect(registry.takeChanges().samples).toEqual([])
    first.putBack()
    expect(registry.takeChanges().samples).toEqual([sample])
  })

  test('added up are the totals, whatever is put back and in whatever order', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('count' as const), by: fc.integer({ min: 0, max: 9 }) }),
      fc.record({ kind: fc.constant('observe' as const), value: fc.integer({ min: 0, max: 9 }) }),
      fc.record({ kind: fc.constant('take' as const), lost: fc.boolean(), late: fc.boolean() }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const registry = new Registry()
        const stored: StoredSample[] = []
        const late: (() => void)[] = []
        for (const one of steps) {
          if (one.kind === 'count') registry.counter(runs).with({ pipeline: 'a', status: 'ok' }).inc(one.by)
          else if (one.kind === 'observe') registry.histogram(waits).with({ queue: 'q' }).observe(one.value)
          else {
            const { samples, putBack } = registry.takeChanges()
            if (!one.lost) stored.push(...samples)
            else if (one.late) late.push(putBack)
            else putBack()
          }
        }
        for (const putBack of late) putBack()
        stored.push(...registry.takeChanges().samples)
        const next = new Registry()
        next.register(runs)
        next.register(waits)
        next.restore(totalsOf(stored))
        expect(text(next)).toBe(text(registry))
      }),
      { numRuns: 200 },
    )
  })
})

describe('restored', () => {
  test('totals are added to what was counted since, and are no changes', () => {
    const registry = new Registry()
    const series = registry.counter(runs).with({ pipeline: 'a', status: 'ok' })
    series.inc(2)
    registry.restore([{ metric: 'runs_total', labels: { pipeline: 'a', status: 'ok' }, value: 40 }])
    expect(series.value).toBe(42)
    expect(registry.takeChanges().samples.map(({ value }) => value)).toEqual([2])
  })

  test('a gauge is what it was, unless it was set since', () => {
    const registry = new Registry()
    registry.gauge(fresh).with({ layer: 'silver' }).set(1)
    registry.restore(['bronze', 'silver'].map((layer) => ({ metric: 'table_fresh', labels: { layer }, value: 7 })))
    expect(linesOf(registry)).toEqual(['table_fresh{layer="bronze"} 7', 'table_fresh{layer="silver"} 1'])
    expect(registry.takeChanges().samples).toMatchObject([{ labels: { layer: 'silver' }, value: 1 }])
  })

  test('what the declarations no longer have is passed over', () => {
    const registry = new Registry()
    registry.register(runs)
    registry.restore([
      { metric: 'gone_total', labels: {}, value: 1 },
      { metric: 'runs_total', labels: { pipeline: 'a' }, value: 1 },
      { metric: 'runs_total', labels: { pipeline: 'a', status: 'late' }, value: 1 },
    ])
    expect(linesOf(registry)).toEqual([])
  })

  test('buckets of other bounds go to the next bound that is not below theirs', () => {
    const registry = new Registry()
    registry.register(waits)
    const bucket = (le: string, value: number) => ({ metric: 'wait_seconds_bucket', labels: { queue: 'q', le }, value })
    registry.restore([
      bucket('0.5', 1),
      bucket('2', 3),
      bucket('10', 7),
      bucket('+Inf', 8),
      { metric: 'wait_seconds_sum', labels: { queue: 'q' }, value: 50 },
      { metric: 'wait_seconds_count', labels: { queue: 'q' }, value: 8 },
    ])
    expect(registry.collect()).toMatchObject([{ series: [{ buckets: [1, 2, 5], sum: 50, count: 8 }] }])
  })
})

/** What a store has after it added all increases up. */
function totalsOf(samples: readonly StoredSample[]): CumulativeSample[] {
  const totals = new Map<string, CumulativeSample>()
  for (const { metric, labels, value } of samples) {
    const key = JSON.stringify([metric, labels])
    totals.set(key, { metric, labels, value: (totals.get(key)?.value ?? 0) + value })
  }
  return [...totals.values()]
}
