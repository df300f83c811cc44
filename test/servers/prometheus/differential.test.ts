import { afterAll, beforeAll, expect, test } from 'vitest'
import { isSluiceError } from '../../../src/errors/index.js'
import { evaluate, evaluateRange, type Semantics } from '../../../src/monitoring/evaluator.js'
import { heldSeries, type Labels, labelsKey, type Series, type SeriesSource, seriesInMemory } from '../../../src/monitoring/series.js'
import { promql } from '../../../src/observability/promql.js'
import { parsePromql } from '../../../src/observability/promql-parser.js'
import { chance } from '../../chance.js'
import { blocksFrom, describeWithPrometheus, type PrometheusServer, startPrometheus } from './server.js'

const origin = 1_700_000_000_000
const span = 3 * 3_600_000
const interval = 15_000

const rangeFunctions = [
  'rate',
  'irate',
  'increase',
  'delta',
  'idelta',
  'deriv',
  'changes',
  'resets',
  'avg_over_time',
  'min_over_time',
  'max_over_time',
  'sum_over_time',
  'count_over_time',
  'last_over_time',
  'present_over_time',
  'absent_over_time',
  'stddev_over_time',
  'stdvar_over_time',
]
const instantFunctions = ['abs', 'ceil', 'floor', 'round', 'sqrt', 'exp', 'ln', 'log2', 'log10', 'sgn', 'timestamp', 'sort', 'sort_desc']
const aggregates = ['sum', 'avg', 'min', 'max', 'count', 'group', 'stddev', 'stdvar']

const queries = [
  'requests_total',
  'temperature{job="a"}',
  'temperature{job!="a",host=~"h[12]"} offset 7m',
  'temperature{host!~"h1|h2"} offset -90s',
  'temperature{missing=""}',
  'nothing',
  ...rangeFunctions.map((name) => `${name}(requests_total[5m])`),
  ...rangeFunctions.map((name) => `${name}(temperature[1m])`),
  ...['rate', 'increase', 'avg_over_time', 'deriv', 'delta', 'last_over_time', 'absent_over_time'].flatMap((name) => [
    `${name}(requests_total{job="a"}[45s])`,
    `${name}(requests_total[20m] offset 3m)`,
    `${name}(temperature[15s])`,
  ]),
  'predict_linear(temperature[10m], 3600)',
  'predict_linear(temperature[10m] offset 2m, -60)',
  ...[0, 0.25, 0.5, 0.99, 1, -1, 2, 'NaN'].map((share) => `quantile_over_time(${share}, temperature[5m])`),
  ...instantFunctions.map((name) => `${name}(temperature)`),
  'timestamp(temperature offset 1m)',
  'timestamp(-temperature)',
  'round(temperature, 0.3)',
  'round(temperature, -7)',
  'clamp(temperature, -10, 20)',
  'clamp(temperature, 20, -10)',
  'clamp_min(temperature, 3.5)',
  'clamp_max(temperature, 3.5)',
  ...aggregates.flatMap((name) => [
    `${name}(temperature)`,
    `${name} by (job) (temperature)`,
    `${name} without (host) (rate(requests_total[5m]))`,
  ]),
  'sum by (job, nothing, __name__) (temperature)',
  'sum without (job, host) (temperature)',
  ...[1, 3, 0, -1, 100].flatMap((count) => [`topk(${count}, temperature)`, `bottomk by (job) (${count}, temperature)`]),
  ...[0.1, 0.5, 1.5, -0.5].map((share) => `quantile by (job) (${share}, temperature)`),
  ...['+', '-', '*', '/', '%', '^'].flatMap((operator) => [
    `temperature ${operator} 2.5`,
    `-3 ${operator} temperature`,
    `temperature ${operator} pressure`,
    `sum by (job) (temperature) ${operator} on (job) limit`,
  ]),
  ...['==', '!=', '>', '<', '>=', '<='].flatMap((operator) => [
    `temperature ${operator} 20`,
    `20 ${operator} temperature`,
    `temperature ${operator} bool 20`,
    `temperature ${operator} pressure`,
    `temperature ${operator} bool pressure`,
    `count by (job) (temperature) ${operator} on (job) limit`,
    `time() ${operator} bool 1700004000`,
  ]),
  ...['and', 'or', 'unless'].flatMap((operator) => [
    `temperature ${operator} pressure`,
    `temperature ${operator} on (job) limit`,
    `temperature > 20 ${operator} ignoring (host) limit`,
    `temperature ${operator} nothing`,
    `nothing ${operator} temperature`,
  ]),
  'temperature / ignoring (host) pressure',
  'temperature / on (job) limit',
  'limit / on (job) temperature',
  'abs(temperature or pressure)',
  '-1 * (temperature or pressure)',
  'sum by (status) (rate(requests_total[5m])) / on () group(limit)',
  ...[0, 0.5, 0.9, 0.99, 1, 2, -1, 'NaN'].map((share) => `histogram_quantile(${share}, latency_bucket)`),
  'histogram_quantile(0.9, rate(latency_bucket[5m]))',
  'histogram_quantile(0.5, sum by (job, le) (rate(latency_bucket[10m])))',
  'histogram_quantile(0.5, sum by (le) (odd_bucket))',
  'histogram_quantile(0.5, temperature)',
  'absent(nothing)',
  'absent(nothing{a="b",c=~"d",e="",f="g",f="h",i=~"j",i="k"})',
  'absent(temperature)',
  'absent(temperature{host="late"})',
  'absent(sum(nothing))',
  'absent_over_time(nothing{a="b"}[5m])',
  'absent_over_time(temperature{host="late"}[3m])',
  'time()',
  'vector(time() / 7)',
  'scalar(temperature)',
  'scalar(limit{job="a"})',
  'scalar(limit{job="a"}) * temperature',
  'vector(1) + on () nothing or vector(2)',
  '1 / 0',
  '-1 / 0 + vector(0)',
  '0 / 0',
  '2 ^ 3 ^ 2',
  '-2 ^ 2',
  '2 * -2 ^ 2',
  '-temperature ^ 2',
  'temperature + pressure offset 5m * 2',
  '7 % -3 - -7 % 3',
  '1 > bool 2 == bool 0',
  'count(temperature == temperature) or vector(0)',
  'sum by (job) (rate(requests_total{status="500"}[5m])) / sum by (job) (rate(requests_total[5m])) > 0.1 and sum by (job) (increase(requests_total[5m])) > 5',
]

const seeds = [1, 2]
const instants = 26

describeWithPrometheus('the evaluator and Prometheus', () => {
  const histories = new Map<number, { source: SeriesSource; server: PrometheusServer }>()
  beforeAll(async () => {
    for (const seed of seeds) {
      const series = history(seed)
      histories.set(seed, { source: seriesInMemory(series), server: await startPrometheus({ data: await blocksFrom(series) }) })
    }
  })
  afterAll(async () => {
    for (const { server } of histories.values()) await server.stop()
  })
  const historyOf = (seed: number) => {
    const found = histories.get(seed)
    if (found === undefined) throw new Error(`There is no history ${seed}.`)
    return found
  }

  test('agree on every query at many instants', async () => {
    const compared = new Comparison('prometheus2')
    for (const seed of seeds) {
      const { source, server } = historyOf(seed)
      await inTurns(
        queries.flatMap((query) => timesOf(seed).map((time) => ({ query, time }))),
        ({ query, time }) => compared.instant(server, query, query, source, time),
      )
    }
    expect(compared.differences).toEqual([])
    expect(compared.evaluations).toBeGreaterThanOrEqual(10_000)
    expect(compared.values).toBeGreaterThan(30_000)
    expect(compared.refusals).toBeGreaterThan(100)
    console.info(compared.summary('instants'))
  })

  test('agree on every query over ranges, printed anew', async () => {
    const compared = new Comparison('prometheus2')
    for (const seed of seeds) {
      const { source, server } = historyOf(seed)
      const ranges = [
        { start: origin - 600_000, end: origin + span + 600_000, step: 60_000 },
        { start: origin + 1234, end: origin + span, step: 37_000 },
        { start: origin, end: origin + span, step: 1_800_000 },
      ]
      await inTurns(
        queries.flatMap((query) => ranges.map((range) => ({ query, range }))),
        ({ query, range }) => compared.range(server, query, promql(parsePromql(query)), source, range),
      )
    }
    expect(compared.differences).toEqual([])
    expect(compared.values).toBeGreaterThan(500_000)
    console.info(compared.summary('ranges'))
  })

  test('every query is read back from what is printed', () => {
    for (const query of queries) {
      const read = parsePromql(query)
      expect(parsePromql(promql(read))).toEqual(read)
    }
  })

  test('the semantics of Prometheus 3 differ, so the comparison can fail', async () => {
    const compared = new Comparison('prometheus3')
    const [seed = 0] = seeds
    const { source, server } = historyOf(seed)
    await inTurns(
      ['rate(requests_total[5m])', 'count_over_time(temperature[1m])', 'temperature'].flatMap((query) =>
        timesOf(seed).map((time) => ({ query, time })),
      ),
      ({ query, time }) => compared.instant(server, query, query, source, time),
    )
    const found = new Set(compared.differences.map((difference) => difference.split(' at ')[0]))
    expect(found).toContain('rate(requests_total[5m])')
    expect(found).toContain('count_over_time(temperature[1m])')
  })

  test('agree on held values, which Prometheus scraped', async () => {
    const seed = 11
    const changes = history(seed).map(sparse)
    const anchor = origin + span
    const scraped = changes.map((series) => scrapes(series, anchor))
    const server = await startPrometheus({ data: await blocksFrom(scraped) })
    const compared = new Comparison('prometheus2')
    const held = (time: number) => heldSeries(seriesInMemory(changes), { interval, anchor: time })
    try {
      const random = chance(seed)
      const times = Array.from({ length: 8 }, () => anchor - interval * Math.floor(random() * 600))
      await inTurns(
        queries.flatMap((query) => times.map((time) => ({ query, time }))),
        ({ query, time }) => compared.instant(server, query, query, held(time), time),
      )
      const range = (step: number) => ({ start: anchor - Math.floor((span * 0.8) / step) * step, end: anchor, step })
      await inTurns(
        queries.flatMap((query) => [60_000, 1_800_000].map((step) => ({ query, step }))),
        ({ query, step }) => compared.range(server, query, query, held(anchor), range(step)),
      )
    } finally {
      await server.stop()
    }
    expect(compared.differences).toEqual([])
    expect(compared.values).toBeGreaterThan(30_000)
    console.info(compared.summary('held values'))
  })

  const timesOf = (seed: number) => {
    const random = chance(seed * 1000)
    return Array.from({ length: instants }, (_, index) => {
      const time = origin - 300_000 + random() * (span + 900_000)
      // Half of them where samples without jitter lie, so that windows begin and end on one.
      return index % 2 === 0 ? Math.round(time / interval) * interval + (origin % interval) : Math.round(time)
    })
  }
})

class Comparison {
  readonly differences: string[] = []
  evaluations = 0
  values = 0
  refusals = 0
  private worst = 0
  private readonly semantics: Semantics

  constructor(semantics: Semantics) {
    this.semantics = semantics
  }

  summary(what: string): string {
    return `${what}: ${this.evaluations} evaluations, ${this.values} values, ${this.refusals} refusals, worst relative difference ${this.worst.toExponential(1)}`
  }

  async instant(server: PrometheusServer, query: string, asked: string, source: SeriesSource, time: number): Promise<void> {
    const answer = await server.ask('query', { query: asked, time: (time / 1000).toFixed(3) })
    const place = `${query} at ${time}`
    const own = refusalOf(() => evaluate(parsePromql(query), source, time, { semantics: this.semantics }))
    this.evaluations += 1
    if (answer.status === 'error' || own.code !== undefined)
      return this.refused(place, answer.status === 'error' ? answer.error : undefined, own.code)
    const ours = own.value.kind === 'scalar' ? [{ labels: {}, value: own.value.value }] : own.value.samples
    const theirs =
      answer.data.resultType === 'scalar'
        ? [{ labels: {}, value: numberOf((answer.data.result as [number, string])[1]) }]
        : (answer.data.result as { metric: Labels; value: [number, string] }[]).map(({ metric, value }) => ({
            labels: metric,
            value: numberOf(value[1]),
          }))
    if (/^(?:sort|topk\(|bottomk\()/.test(query)) this.series(`${place} in order`, numbered(ours), numbered(theirs))
    this.series(place, byLabels(ours), byLabels(theirs))
  }

  async range(
    server: PrometheusServer,
    query: string,
    asked: string,
    source: SeriesSource,
    range: { start: number; end: number; step: number },
  ): Promise<void> {
    const answer = await server.ask('query_range', {
      query: asked,
      start: (range.start / 1000).toFixed(3),
      end: (range.end / 1000).toFixed(3),
      step: (range.step / 1000).toFixed(3),
    })
    const place = `${query} at ${range.start} by ${range.step}`
    const own = refusalOf(() => evaluateRange(parsePromql(query), source, range, { semantics: this.semantics }))
    this.evaluations += 1
    if (answer.status === 'error' || own.code !== undefined)
      return this.refused(place, answer.status === 'error' ? answer.error : undefined, own.code)
    const ours = own.value.flatMap(({ labels, points }) =>
      points.map(([time, value]) => ({ labels: { ...labels, __time__: String(time) }, value })),
    )
    const theirs = (answer.data.result as { metric: Labels; values: [number, string][] }[]).flatMap(({ metric, values }) =>
      values.map(([time, value]) => ({ labels: { ...metric, __time__: String(Math.round(time * 1000)) }, value: numberOf(value) })),
    )
    this.series(place, byLabels(ours), byLabels(theirs))
  }

  private refused(place: string, theirs: string | undefined, ours: string | undefined): void {
    this.refusals += 1
    if (ours !== 'QUERY_MATCHING' || theirs === undefined || !/many-to-(?:many|one)|same labelset/.test(theirs))
      this.differences.push(`${place}: ${ours ?? 'a value'} here, ${theirs ?? 'a value'} there`)
  }

  private series(place: string, ours: ReadonlyMap<string, number>, theirs: ReadonlyMap<string, number>): void {
    for (const key of new Set([...ours.keys(), ...theirs.keys()])) {
      this.values += 1
      const one = ours.get(key)
      const other = theirs.get(key)
      if (one !== undefined && other !== undefined) {
        if (Object.is(one, other) || one === other) continue
        const difference = Math.abs(one - other) / Math.max(Math.abs(one), Math.abs(other))
        if (difference <= 1e-9) {
          this.worst = Math.max(this.worst, difference)
          continue
        }
      }
      this.differences.push(`${place}: ${key} is ${one ?? 'absent'} here, ${other ?? 'absent'} there`)
    }
  }
}

function refusalOf<Value>(work: () => Value): { readonly value: Value; readonly code?: undefined } | { readonly code: string } {
  try {
    return { value: work() }
  } catch (error) {
    if (isSluiceError(error)) return { code: error.code }
    throw error
  }
}

function byLabels(samples: readonly { labels: Labels; value: number }[]): Map<string, number> {
  const values = new Map(samples.map(({ labels, value }) => [labelsKey(labels), value]))
  if (values.size !== samples.length) throw new Error('Two samples have the same labels.')
  return values
}

function numbered(samples: readonly { value: number }[]): Map<string, number> {
  return new Map(samples.map(({ value }, index) => [`#${index}`, value]))
}

function numberOf(text: string): number {
  return Number(text.replace('Inf', 'Infinity'))
}

async function inTurns<Task>(tasks: readonly Task[], work: (task: Task) => Promise<void>): Promise<void> {
  const turns = tasks.values()
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const task of turns) await work(task)
    }),
  )
}

/** Series with jitter, gaps, late starts, early ends, resets and values that are no numbers. */
function history(seed: number): readonly Series[] {
  const random = chance(seed)
  const series: Series[] = []
  const add = (labels: Labels, next: (before: number) => number) => {
    const jitter = random() < 0.5 ? 0 : random() * 4000
    const start = labels['host'] === 'late' ? span * 0.5 : random() < 0.3 ? random() * span * 0.4 : 0
    const end = random() < 0.3 ? span * (0.6 + random() * 0.4) : span
    const times: number[] = []
    const values: number[] = []
    let value = 0
    let silent = 0
    for (let time = start - (start % interval); time <= end; time += interval) {
      value = next(value)
      if (random() < 0.01) silent = Math.ceil(random() * 40)
      if (silent-- > 0) continue
      times.push(origin + time + Math.round(random() * jitter))
      values.push(value)
    }
    series.push({ labels, times: Float64Array.from(times), values: Float64Array.from(values) })
  }
  const jobs = ['a', 'b', 'c']
  for (const job of jobs) {
    for (const status of ['200', '404', '500']) {
      const rate = random() * 20
      add({ __name__: 'requests_total', job, status }, (before) => (random() < 0.01 ? 0 : before + Math.floor(random() * rate)))
    }
    for (const host of ['h1', 'h2', 'h3', 'late']) {
      add({ __name__: 'temperature', job, host }, (before) => {
        const likelihood = random()
        if (likelihood < 0.003) return Number.NaN
        if (likelihood < 0.005) return Number.POSITIVE_INFINITY
        return (Number.isFinite(before) ? before : 20) * 0.98 + random() * 12 - 5
      })
      add({ __name__: 'pressure', job, host }, () => (random() < 0.2 ? 20 : random() * 40 - 10))
    }
    if (job !== 'c') add({ __name__: 'limit', job }, () => 3 + Math.floor(random() * 3))
    const rates = ['0.1', '0.5', '1.0', '2.5', '+Inf'].map((le) => ({ le, rate: random() * 5 }))
    let sum = 0
    for (const { le, rate } of rates) {
      sum += rate
      const total = sum
      add({ __name__: 'latency_bucket', job, le }, (before) => before + total * (0.5 + random()))
    }
  }
  for (const le of ['-5', '-1', '1', '1.0', 'many', '+Inf']) add({ __name__: 'odd_bucket', le }, () => Math.floor(random() * 10))
  return series
}

/** A value for each run of samples, a few minutes apart, as a pipeline would push them. */
function sparse({ labels, times, values }: Series): Series {
  const kept = (_: number, index: number) => index % 17 === 0
  return { labels, times: times.filter(kept).map((time, index) => time + ((index * 7919) % 60_000)), values: values.filter(kept) }
}

/** What a Prometheus that scraped the last pushed value every interval, back from the anchor, would have. */
function scrapes({ labels, times, values }: Series, anchor: number): Series {
  const seen: [number, number][] = []
  for (let time = anchor; time >= origin - interval; time -= interval) {
    const change = times.findLastIndex((at) => at <= time)
    if (change >= 0) seen.unshift([time, values[change] ?? Number.NaN])
  }
  return { labels, times: Float64Array.from(seen, ([time]) => time), values: Float64Array.from(seen, ([, value]) => value) }
}
