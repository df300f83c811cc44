import { describe, expect, test } from 'vitest'
import { isSluiceError } from '../../src/errors/index.js'
import { type EvaluateOptions, evaluate, evaluateRange } from '../../src/monitoring/evaluator.js'
import { heldSeries, type Series, type SeriesSource, seriesInMemory } from '../../src/monitoring/series.js'
import { promql } from '../../src/observability/promql.js'
import { parsePromql } from '../../src/observability/promql-parser.js'

const second = 1000
const minute = 60_000

describe('evaluate', () => {
  const source = seriesInMemory([
    every(15, 'requests_total{job="load",status="ok"}', [0, 10, 20, 30, 40, 50, 60, 70, 80]),
    every(15, 'requests_total{job="load",status="failed"}', [0, 0, 1, 1, 2, 2, 3, 0, 1]),
    every(15, 'requests_total{job="sync",status="ok"}', [5, 5, 5, 5, 5, 5, 5, 5, 5]),
    every(60, 'temperature{host="a"}', [20, 21, 22]),
    every(60, 'temperature{host="b"}', [-3, Number.NaN, 7]),
    every(60, 'limit{host="a"}', [21, 21, 21]),
    ...[
      ['0.1', 10],
      ['0.5', 30],
      ['1', 30],
      ['+Inf', 40],
    ].map(([le, count]) => every(60, `took_bucket{le="${le}"}`, [0, 0, Number(count)])),
  ])

  test.each<[string, string]>([
    ['requests_total{status="failed"}', 'requests_total{job="load",status="failed"} 1'],
    ['requests_total{job!~"l.*"}', 'requests_total{job="sync",status="ok"} 5'],
    ['requests_total{job="sync"} offset 1m', 'requests_total{job="sync",status="ok"} 5'],
    ['nothing', ''],
    ['increase(requests_total{status="ok"}[1m])', '{job="load",status="ok"} 40\n{job="sync",status="ok"} 0'],
    [
      'rate(requests_total{job="load"}[1m])',
      '{job="load",status="failed"} 0.04444444444444444\n{job="load",status="ok"} 0.6666666666666666',
    ],
    ['resets(requests_total{status="failed"}[2m])', '{job="load",status="failed"} 1'],
    ['last_over_time(temperature[5m])', 'temperature{host="a"} 22\ntemperature{host="b"} 7'],
    ['avg_over_time(temperature{host="a"}[3m])', '{host="a"} 21'],
    ['max_over_time(temperature[2m])', '{host="a"} 22\n{host="b"} 7'],
    ['quantile_over_time(0, temperature[3m])', '{host="a"} 20\n{host="b"} NaN'],
    ['predict_linear(temperature{host="a"}[3m], 60)', '{host="a"} 23'],
    ['sum by (job) (requests_total)', '{job="load"} 81\n{job="sync"} 5'],
    ['sum without (job) (requests_total)', '{status="failed"} 1\n{status="ok"} 85'],
    ['count(requests_total)', '{} 3'],
    ['sum(nothing)', ''],
    ['topk(1, requests_total)', 'requests_total{job="load",status="ok"} 80'],
    ['bottomk by (job) (1, requests_total)', 'requests_total{job="load",status="failed"} 1\nrequests_total{job="sync",status="ok"} 5'],
    ['topk(0, requests_total)', ''],
    [
      'sort_desc(requests_total)',
      'requests_total{job="load",status="ok"} 80\nrequests_total{job="sync",status="ok"} 5\nrequests_total{job="load",status="failed"} 1',
    ],
    ['temperature > 10', 'temperature{host="a"} 22'],
    ['10 < temperature', 'temperature{host="a"} 22'],
    ['temperature > bool 10', '{host="a"} 1\n{host="b"} 0'],
    ['temperature > limit', 'temperature{host="a"} 22'],
    ['temperature - limit', '{host="a"} 1'],
    ['temperature / 0', '{host="a"} Infinity\n{host="b"} Infinity'],
    ['temperature unless limit', 'temperature{host="b"} 7'],
    ['limit or temperature', 'limit{host="a"} 21\ntemperature{host="b"} 7'],
    ['limit and on () nothing', ''],
    ['clamp(temperature, 0, 10)', '{host="a"} 10\n{host="b"} 7'],
    ['round(temperature, 5)', '{host="a"} 20\n{host="b"} 5'],
    ['timestamp(requests_total{job="sync"} offset 20s)', '{job="sync",status="ok"} 90'],
    ['histogram_quantile(0.5, took_bucket)', '{} 0.30000000000000004'],
    ['histogram_quantile(0.99, took_bucket)', '{} 1'],
    ['absent(nothing{job="load",status=~"ok"})', '{job="load"} 1'],
    ['absent(temperature)', ''],
    ['absent_over_time(nothing[5m])', '{} 1'],
    ['vector(time())', '{} 120'],
    ['1 ^ (0 / 0) + vector(0)', '{} 1'],
  ])('%s', (query, expected) => {
    expect(text(query, source, 2 * minute)).toBe(expected)
  })

  test.each<[string, number]>([
    ['time()', 120],
    ['scalar(limit)', 21],
    ['scalar(temperature)', Number.NaN],
    ['2 ^ 3 ^ 2', 512],
    ['-2 ^ 2', -4],
    ['1 > bool 2', 0],
    ['-7 % 3', -1],
  ])('%s is %d', (query, value) => {
    expect(evaluate(parsePromql(query), source, 2 * minute)).toEqual({ kind: 'scalar', value })
  })

  test.each([
    ['temperature / on () limit', 'at the left more than one series is present with the labels {}'],
    ['limit / on () temperature', 'at the right more than one series is present with the labels {}'],
  ])('%s has an answer only where series can be told apart', (query, problem) => {
    expect(refusal(query, source, 2 * minute)).toMatchObject({ code: 'QUERY_MATCHING', message: expect.stringContaining(problem) })
  })

  test('two metrics with the same labels cannot lose their names', () => {
    const same = seriesInMemory([every(60, 'a{x="1"}', [1]), every(60, 'b{x="1",y="2"}', [2])])
    expect(text('a or b', same, 0)).toBe('a{x="1"} 1\nb{x="1",y="2"} 2')
    const alike = seriesInMemory([every(60, 'a{x="1"}', [1]), every(60, 'b{x="1"}', [2])])
    expect(refusal('abs(a or on (x, __name__) b)', alike, 0)).toMatchObject({ code: 'QUERY_MATCHING', facts: { labels: '{x="1"}' } })
  })

  test('labels named like what every object has are labels', () => {
    const odd = seriesInMemory([every(60, 'm{__proto__="a",constructor="b"}', [1])])
    expect(text('sum by (__proto__, toString) (m{constructor="b",toString=""})', odd, 0)).toBe('{__proto__="a"} 1')
  })
})

describe('Prometheus 2 and 3', () => {
  const samples = seriesInMemory([every(60, 'm', [10, 20, 30, 40, 50, 60])])

  test.each<[string, number, EvaluateOptions['semantics'], string]>([
    ['m', 10 * minute, 'prometheus2', 'm 60'],
    ['m', 10 * minute, 'prometheus3', ''],
    ['m', 10 * minute - 1, 'prometheus3', 'm 60'],
    ['count_over_time(m[2m])', 4 * minute, 'prometheus2', '{} 3'],
    ['count_over_time(m[2m])', 4 * minute, 'prometheus3', '{} 2'],
    // Zero lies 60 s before the first sample, near enough to go back to; the window's edge, five minutes before it, does not.
    ['increase(m[10m])', 5 * minute, 'prometheus2', '{} 60'],
    ['increase(m[10m])', 5 * minute, 'prometheus3', '{} 55.00000000000001'],
  ])('%s at %d by %s', (query, time, semantics = 'prometheus3', expected) => {
    expect(text(query, samples, time, { semantics })).toBe(expected)
  })

  test('3 is what is meant when nothing is said', () => {
    expect(text('count_over_time(m[2m])', samples, 4 * minute)).toBe('{} 2')
  })
})

describe('a series that ended', () => {
  const stale = { ...every(60, 'm', [1, 2, 0, 4]), stale: Uint8Array.of(0, 0, 1, 0) }
  const source = seriesInMemory([stale])

  test.each<[string, number, string]>([
    ['m', 1.5, 'm 2'],
    ['m', 2, ''],
    ['m', 2.5, ''],
    ['m', 3, 'm 4'],
    ['count_over_time(m[5m])', 3, '{} 3'],
    ['sum_over_time(m[5m])', 2.5, '{} 3'],
  ])('%s after %d minutes', (query, minutes, expected) => {
    expect(text(query, source, minutes * minute)).toBe(expected)
  })
})

describe('evaluateRange', () => {
  test('has a point for each step at which there is a value', () => {
    const source = seriesInMemory([every(60, 'm{job="a"}', [1, 2, 3]), every(60, 'm{job="b"}', [5])])
    expect(evaluateRange(parsePromql('sum(m)'), source, { start: 0, end: 150 * second, step: 50 * second }, { lookback: minute })).toEqual([
      {
        labels: {},
        points: [
          [0, 6],
          [50 * second, 6],
          [100 * second, 2],
          [150 * second, 3],
        ],
      },
    ])
    expect(evaluateRange(parsePromql('m > 2'), source, { start: 0, end: 200 * second, step: 50 * second }, { lookback: minute })).toEqual([
      { labels: { __name__: 'm', job: 'a' }, points: [[150 * second, 3]] },
      {
        labels: { __name__: 'm', job: 'b' },
        points: [
          [0, 5],
          [50 * second, 5],
        ],
      },
    ])
    expect(evaluateRange(parsePromql('time() / 10'), source, { start: 0, end: minute, step: minute })).toEqual([
      {
        labels: {},
        points: [
          [0, 0],
          [minute, 6],
        ],
      },
    ])
  })

  test('is the same as an instant for each step', () => {
    const source = seriesInMemory([
      every(
        15,
        'm{x="a"}',
        Array.from({ length: 200 }, (_, index) => (index * 7) % 50),
      ),
      every(
        17,
        'm{x="b"}',
        Array.from({ length: 150 }, (_, index) => (index * 5) % 30),
      ),
    ])
    for (const query of [
      'm',
      'rate(m[2m])',
      'topk(1, m)',
      'sum(m) or m',
      'm > 20',
      'stddev_over_time(m[1m] offset 30s)',
      'absent(m > 40)',
    ]) {
      // Far apart, and close together.
      for (const step of [13 * second, 20 * minute]) {
        const range = { start: -minute, end: 60 * minute, step }
        const points = evaluateRange(parsePromql(query), source, range).flatMap(({ labels, points: of }) =>
          of.map(([time, value]) => `${time} ${JSON.stringify(labels)} ${value}`),
        )
        const instants: string[] = []
        for (let time = range.start; time <= range.end; time += step) {
          const result = evaluate(parsePromql(query), source, time)
          if (result.kind === 'vector')
            instants.push(...result.samples.map(({ labels, value }) => `${time} ${JSON.stringify(labels)} ${value}`))
        }
        expect(points.sort()).toEqual(instants.sort())
        expect(points.length).toBeGreaterThan(0)
      }
    }
  })

  test('asks its source once, or only for what far steps see', () => {
    const asked: [number, number][] = []
    const source: SeriesSource = {
      select(_metric, _matchers, from, to) {
        asked.push([from, to])
        return []
      },
    }
    evaluateRange(parsePromql('rate(m[5m] offset 1m)'), source, { start: 0, end: 60 * minute, step: minute })
    expect(asked.splice(0)).toEqual([[-6 * minute, 59 * minute]])
    evaluateRange(parsePromql('rate(m[5m])'), source, { start: 0, end: 2 * 1440 * minute, step: 1440 * minute })
    expect(asked).toEqual([0, 1, 2].map((day) => [day * 1440 * minute - 5 * minute, day * 1440 * minute]))
  })

  test('an automatic window is what Grafana takes', () => {
    const asked: number[] = []
    const source: SeriesSource = {
      select(_metric, _matchers, from, to) {
        asked.push(to - from)
        return []
      },
    }
    const rate = { kind: 'range', function: 'rate', of: { kind: 'select', metric: 'm', matchers: [] }, window: 'auto' } as const
    evaluate(rate, source, 0)
    evaluate(rate, source, 0, { scrapeInterval: 30 * second })
    evaluateRange(rate, source, { start: 0, end: 0, step: 10 * minute })
    expect(asked).toEqual([minute, 2 * minute, 10 * minute + 15 * second])
    expect(promql(rate)).toBe('rate(m[1m])')
  })

  test.each([
    [{ start: 0, end: 10, step: 0 }, 'its step is 0 ms'],
    [{ start: 0, end: 10, step: Number.NaN }, 'its step is NaN ms'],
    [{ start: 10, end: 0, step: 1 }, 'it ends before it starts'],
  ])('%o is refused', (range, problem) => {
    expect(() => evaluateRange(parsePromql('m'), seriesInMemory([]), range)).toThrow(
      expect.objectContaining({ code: 'QUERY_RANGE_INVALID', facts: { problem } }),
    )
  })
})

describe('heldSeries', () => {
  const pushed = seriesInMemory([
    at('runs_total', [
      [100, 1],
      [5000, 2],
      [70_000, 3],
    ]),
  ])
  const heldAt = (anchor: number) => heldSeries(pushed, { interval: 15 * second, anchor })

  test('sees the last value at every look, back from the anchor, and none before the first', () => {
    const [series, ...rest] = heldAt(80 * second).select('runs_total', [], -minute, 80 * second)
    expect(rest).toEqual([])
    expect([...(series?.times ?? [])]).toEqual([5000, 20_000, 35_000, 50_000, 65_000, 80_000])
    expect([...(series?.values ?? [])]).toEqual([2, 2, 2, 2, 2, 3])
  })

  test('looks only where it is asked to', () => {
    const year = 365 * 1440 * minute
    const [series] = heldAt(year).select('runs_total', [], year - minute, year)
    expect([...(series?.times ?? [])]).toEqual([60, 45, 30, 15, 0].map((seconds) => year - seconds * second))
    expect([...heldAt(year).select('runs_total', [], year + 1, year + 2)]).toEqual([])
    const days = { start: 0, end: year, step: 1440 * minute }
    const [sums] = evaluateRange(parsePromql('count_over_time(runs_total[1m])'), heldAt(year), days)
    // At the first step nothing had been pushed.
    expect(sums?.points.length).toBe(365)
    expect(new Set(sums?.points.map(([, value]) => value))).toEqual(new Set([4]))
  })

  test('a push counts at once, and its age goes on after the last process has ended', () => {
    expect(text('runs_total', heldAt(70_000), 70_000)).toBe('runs_total 3')
    expect(text('increase(runs_total[1m])', heldAt(75_000), 75_000)).toBe('{} 1.3333333333333333')
    const day = 1440 * minute
    const success = heldSeries(seriesInMemory([at('last_success_seconds', [[5000, 5]])]), { interval: 15 * second, anchor: day })
    expect(text('time() - last_success_seconds', success, day)).toBe('{} 86395')
  })

  test('a series that ended is marked once', () => {
    const ended: Series = {
      ...at('m', [
        [0, 1],
        [20_000, 0],
        [200_000, 5],
      ]),
      stale: Uint8Array.of(0, 1, 0),
    }
    const held = heldSeries(seriesInMemory([ended]), { interval: 15 * second, anchor: 240 * second })
    const [whole] = held.select('m', [], 0, 240 * second)
    expect([...(whole?.times ?? [])]).toEqual([0, 15, 30, 210, 225, 240].map((seconds) => seconds * second))
    expect([...(whole?.stale ?? [])]).toEqual([0, 0, 1, 0, 0, 0])
    expect([...held.select('m', [], 31 * second, 200 * second)]).toEqual([])
    const [marked] = held.select('m', [], 30 * second, 200 * second)
    expect([...(marked?.times ?? [])]).toEqual([30 * second])
    expect(text('m', held, 60 * second)).toBe('')
  })
})

/** Series with a sample every so many seconds from 0. */
function every(seconds: number, selector: string, values: readonly number[]): Series {
  return at(
    selector,
    values.map((value, index) => [index * seconds * second, value]),
  )
}

function at(selector: string, points: readonly (readonly [time: number, value: number])[]): Series {
  const select = parsePromql(selector)
  if (select.kind !== 'select') throw new Error(`${selector} is no selector.`)
  return {
    labels: Object.fromEntries([['__name__', select.metric], ...select.matchers.map(({ label, value }) => [label, value])]),
    times: Float64Array.from(points, ([time]) => time),
    values: Float64Array.from(points, ([, value]) => value),
  }
}

/** The samples of an answer, one a line, as they come. */
function text(query: string, source: SeriesSource, time: number, options: EvaluateOptions = {}): string {
  const result = evaluate(parsePromql(query), source, time, options)
  if (result.kind === 'scalar') return String(result.value)
  return result.samples
    .map(({ labels, value }) => {
      const { __name__: name = '', ...rest } = labels
      const inside = Object.entries(rest).map(([label, of]) => `${label}=${JSON.stringify(of)}`)
      return `${name}${inside.length > 0 || name === '' ? `{${inside.join(',')}}` : ''} ${value}`
    })
    .join('\n')
}

function refusal(query: string, source: SeriesSource, time: number) {
  try {
    evaluate(parsePromql(query), source, time)
  } catch (error) {
    if (isSluiceError(error)) return error
    throw error
  }
  throw new Error(`${query} was evaluated.`)
}
