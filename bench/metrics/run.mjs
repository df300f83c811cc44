// Sluice's metrics, prom-client's and OpenTelemetry's, side by side, in turn: node bench/metrics/run.mjs --help
import { availableParallelism, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { ValueType } from '@opentelemetry/api'
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import { AggregationType, MeterProvider } from '@opentelemetry/sdk-metrics'
import fastify from 'fastify'
import { Hono } from 'hono'
import { routePath } from 'hono/route'
import promClient from 'prom-client'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '31' },
    milliseconds: { type: 'string', default: '20' },
    case: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const usage = `usage: node bench/metrics/run.mjs [options], after npm run build

  --rounds N        rounds after a warm-up, 31 unless told; in each all sides take their turn, and medians are compared
  --milliseconds N  about how long each side's turn is, 20 unless told
  --case NAME       only cases whose name begins so; may be repeated
  --json            answers everything measured as JSON

cases
  counter labels    one more, its three labels given each time; 200 series
  counter bound     one more, on a series found before; OpenTelemetry has none
  histogram labels  an observation, its three labels given each time; 200 series of 11 buckets
  histogram bound   an observation, on a series found before
  scrape            the text of 200 counters and 200 histograms
  hono, fastify     a request through the application in this process, with its middleware for metrics, and with none
  hono unsized      the same, when the answer does not say its size: ours then counts its bytes on their way, the others do not

A middleware of each side counts, times and sizes requests and knows how many there are now. Ours is the one that users get; the others'
are written here, as their guides have it, and go by the header Content-Length.`
const [rounds, turn] = [Number(values.rounds), Number(values.milliseconds)]
if (values.help) {
  console.log(usage)
  process.exit(0)
}
if (!Number.isInteger(rounds) || rounds < 1 || !(turn > 0)) {
  console.error(usage)
  process.exit(2)
}

const ours = await Promise.all(
  ['definition', 'registry', 'exposition', 'http'].map((name) => import(`../../dist/observability/${name}.js`)),
).then(
  (modules) => Object.assign({}, ...modules),
  () => undefined,
)
if (ours === undefined) {
  console.error('There is no dist to measure. Run `npm run build` first.')
  process.exit(2)
}

const SERIES = 200
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const SIZED = { 'content-length': '4' }
const NAMES = ['pipeline', 'table', 'status']
const labels = Array.from({ length: SERIES }, (_, index) => ({
  pipeline: `pipeline-${index % 10}`,
  table: `silver.table_${index}`,
  status: index % 2 === 0 ? 'ok' : 'failed',
}))
const observations = Array.from({ length: 1024 }, (_, index) => ((index * 7919) % 1024) / 100)

/** Kept, so that no compiler finds that nobody reads it. */
let lastScrape = ''

const subjects = { ours: sluice(), 'prom-client': prometheusClient(), opentelemetry: openTelemetrySdk() }
const cases = {
  'counter labels': { unit: 'ns', of: (subject) => subject.countLabels },
  'counter bound': { unit: 'ns', of: (subject) => subject.countBound },
  'histogram labels': { unit: 'ns', of: (subject) => subject.observeLabels },
  'histogram bound': { unit: 'ns', of: (subject) => subject.observeBound },
  scrape: { unit: 'ms', of: (subject) => subject.scrape },
  hono: { unit: 'µs', over: honoWith(undefined, SIZED), of: (subject) => honoWith(subject.hono, SIZED) },
  'hono unsized': { unit: 'µs', over: honoWith(undefined, {}), of: (subject) => honoWith(subject.hono, {}) },
  fastify: { unit: 'µs', over: await fastifyWith(undefined), of: (subject) => fastifyWith(subject.fastify) },
}
const perSecond = { ns: 1e9, µs: 1e6, ms: 1e3 }

await requireSameScrapes()
const wanted = Object.keys(cases).filter((name) => values.case === undefined || values.case.some((start) => name.startsWith(start)))
const measured = []
for (const name of wanted) measured.push(await measure(name, cases[name]))
const result = {
  rounds,
  machine: { processors: availableParallelism(), node: process.version, load: loadavg()[0] },
  cases: measured,
}
if (values.json) console.log(JSON.stringify(result, null, 2))
else print(result)

async function measure(name, { unit, over, of }) {
  const sides = new Map()
  if (over !== undefined) sides.set('nothing', over)
  for (const [side, subject] of Object.entries(subjects)) {
    const work = await of(subject)
    if (work !== undefined) sides.set(side, work)
  }
  const times = new Map([...sides.keys()].map((side) => [side, []]))
  const repeats = new Map()
  for (const [side, work] of sides) repeats.set(side, await repeatsFor(work))
  for (let round = 0; round < rounds; round++) {
    // Each side goes first as often as the others.
    const order = [...sides.keys()]
    for (let index = 0; index < order.length; index++) {
      const side = order[(index + round) % order.length]
      times.get(side).push(((await timed(sides.get(side), repeats.get(side))) / repeats.get(side)) * perSecond[unit])
    }
  }
  // A round's own difference: what the machine does beside changes from round to round.
  const nothing = times.get('nothing')
  const more = (side) => median(times.get(side).map((time, round) => time - (nothing?.[round] ?? 0)))
  const found = Object.fromEntries(
    [...times].map(([side, all]) => [side, { median: median(all), least: Math.min(...all), over: more(side) }]),
  )
  const others = Object.entries(found).filter(([side]) => side !== 'ours' && side !== 'nothing')
  const timesOurs = Object.fromEntries(others.map(([side, { over: theirs }]) => [side, theirs / found.ours.over]))
  return { name, unit, overNothing: over !== undefined, sides: found, timesOurs }
}

/** How often fills a turn, found after enough runs for the compiler to have done its work. */
async function repeatsFor(work) {
  let repeats = 1
  for (;;) {
    const seconds = await timed(work, repeats)
    if (seconds * 1000 >= turn) return Math.max(1, Math.round((repeats * turn) / (seconds * 1000)))
    repeats *= 2
  }
}

async function timed(work, repeats) {
  const started = performance.now()
  await work(repeats)
  return (performance.now() - started) / 1000
}

function median(all) {
  const sorted = all.toSorted((left, right) => left - right)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

function print({ machine, cases: all }) {
  console.log(`medians of ${rounds} rounds, ${machine.processors} processors, Node ${machine.node}, load ${machine.load.toFixed(1)}\n`)
  for (const { name, unit, overNothing, sides, timesOurs } of all) {
    console.log(overNothing ? `${name}, ${unit} more than the ${sides.nothing.median.toFixed(2)} of no middleware` : `${name}, ${unit}`)
    for (const [side, { over, least }] of Object.entries(sides)) {
      if (side === 'nothing') continue
      const ratio = timesOurs[side] === undefined ? '' : `  ${timesOurs[side].toFixed(1)} times ours`
      console.log(`  ${side.padEnd(14)} ${over.toFixed(2).padStart(9)}${overNothing ? '' : `  least ${least.toFixed(2)}`}${ratio}`)
    }
  }
}

function sluice() {
  const { defineMetric, exposition, honoMetrics, fastifyMetrics, Registry } = ours
  const registry = new Registry()
  const options = { help: 'Measured.', labels: Object.fromEntries(NAMES.map((name) => [name, '*'])) }
  const counter = registry.counter(defineMetric('counter', 'ours_total', options))
  const histogram = registry.histogram(defineMetric('histogram', 'ours_seconds', options, BUCKETS))
  const [boundCounter, boundHistogram] = [counter.with(labels[0]), histogram.with(labels[0])]
  fill((of) => {
    counter.with(of).inc()
    histogram.with(of).observe(0.3)
  })
  return {
    countLabels(repeats) {
      for (let index = 0; index < repeats; index++) counter.with(labels[index % SERIES]).inc()
    },
    countBound(repeats) {
      for (let index = 0; index < repeats; index++) boundCounter.inc()
    },
    observeLabels(repeats) {
      for (let index = 0; index < repeats; index++) histogram.with(labels[index % SERIES]).observe(observations[index & 1023])
    },
    observeBound(repeats) {
      for (let index = 0; index < repeats; index++) boundHistogram.observe(observations[index & 1023])
    },
    scrape(repeats) {
      for (let index = 0; index < repeats; index++) lastScrape = exposition(registry.collect(), 'text')
    },
    hono: (app) => app.use(honoMetrics({ registry: new Registry() })),
    fastify: (app) => app.register(fastifyMetrics({ registry: new Registry() })),
  }
}

function prometheusClient() {
  const register = new promClient.Registry()
  const common = { help: 'Measured.', registers: [register] }
  const counter = new promClient.Counter({ ...common, name: 'theirs_total', labelNames: NAMES })
  const histogram = new promClient.Histogram({ ...common, name: 'theirs_seconds', labelNames: NAMES, buckets: [...BUCKETS] })
  const [boundCounter, boundHistogram] = [counter.labels(labels[0]), histogram.labels(labels[0])]
  fill((of) => {
    counter.inc(of)
    histogram.observe(of, 0.3)
  })
  const http = () => {
    const registers = [new promClient.Registry()]
    const named = (name) => ({ name, help: 'Measured.', registers })
    const requests = new promClient.Counter({ ...named('requests_total'), labelNames: ['method', 'route', 'status'] })
    const durations = new promClient.Histogram({ ...named('duration_seconds'), labelNames: ['method', 'route'], buckets: [...BUCKETS] })
    const asked = new promClient.Histogram({ ...named('request_bytes'), labelNames: ['method', 'route'], buckets: [...ours.SIZE_BUCKETS] })
    const answered = new promClient.Histogram({
      ...named('response_bytes'),
      labelNames: ['method', 'route'],
      buckets: [...ours.SIZE_BUCKETS],
    })
    const active = new promClient.Gauge(named('active'))
    return {
      begin: () => active.inc(),
      end(method, route, status, seconds, request, response) {
        active.dec()
        requests.inc({ method, route, status })
        durations.observe({ method, route }, seconds)
        asked.observe({ method, route }, request)
        answered.observe({ method, route }, response)
      },
    }
  }
  return {
    countLabels(repeats) {
      for (let index = 0; index < repeats; index++) counter.inc(labels[index % SERIES])
    },
    countBound(repeats) {
      for (let index = 0; index < repeats; index++) boundCounter.inc()
    },
    observeLabels(repeats) {
      for (let index = 0; index < repeats; index++) histogram.observe(labels[index % SERIES], observations[index & 1023])
    },
    observeBound(repeats) {
      for (let index = 0; index < repeats; index++) boundHistogram.observe(observations[index & 1023])
    },
    async scrape(repeats) {
      for (let index = 0; index < repeats; index++) lastScrape = await register.metrics()
    },
    hono: (app) => app.use(honoMiddleware(http())),
    fastify: (app) => fastifyHooks(app, http()),
  }
}

function openTelemetrySdk() {
  const readerOf = () => new PrometheusExporter({ preventServerStart: true })
  const meterOf = (reader) => {
    const views = [
      {
        instrumentName: '*seconds',
        aggregation: { type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM, options: { boundaries: [...BUCKETS] } },
      },
    ]
    return new MeterProvider({ readers: [reader], views }).getMeter('measured')
  }
  const reader = readerOf()
  const meter = meterOf(reader)
  const counter = meter.createCounter('theirs', { description: 'Measured.', valueType: ValueType.DOUBLE })
  const histogram = meter.createHistogram('theirs_seconds', { description: 'Measured.' })
  const serializer = new PrometheusSerializer()
  fill((of) => {
    counter.add(1, of)
    histogram.record(0.3, of)
  })
  const http = () => {
    const own = meterOf(readerOf())
    const requests = own.createCounter('requests')
    const durations = own.createHistogram('duration_seconds')
    const advice = { advice: { explicitBucketBoundaries: [...ours.SIZE_BUCKETS] } }
    const [asked, answered] = [own.createHistogram('request_bytes', advice), own.createHistogram('response_bytes', advice)]
    const active = own.createUpDownCounter('active')
    return {
      begin: () => active.add(1),
      end(method, route, status, seconds, request, response) {
        active.add(-1)
        requests.add(1, { method, route, status })
        durations.record(seconds, { method, route })
        asked.record(request, { method, route })
        answered.record(response, { method, route })
      },
    }
  }
  return {
    countLabels(repeats) {
      for (let index = 0; index < repeats; index++) counter.add(1, labels[index % SERIES])
    },
    countBound: undefined,
    observeLabels(repeats) {
      for (let index = 0; index < repeats; index++) histogram.record(observations[index & 1023], labels[index % SERIES])
    },
    observeBound: undefined,
    async scrape(repeats) {
      for (let index = 0; index < repeats; index++) lastScrape = serializer.serialize((await reader.collect()).resourceMetrics)
    },
    hono: (app) => app.use(honoMiddleware(http())),
    fastify: (app) => fastifyHooks(app, http()),
  }
}

function fill(record) {
  for (const of of labels) record(of)
}

/** All sides write the same: 200 counters and 200 histograms of 12 buckets. */
async function requireSameScrapes() {
  for (const [side, { scrape }] of Object.entries(subjects)) {
    await scrape(1)
    const lines = lastScrape.split('\n').filter((line) => line.includes('table_')).length
    if (lines !== SERIES * (1 + BUCKETS.length + 1 + 2)) throw new Error(`${side} writes ${lines} lines.`)
  }
}

function honoMiddleware({ begin, end }) {
  return async (context, next) => {
    const started = performance.now()
    begin()
    await next()
    const seconds = (performance.now() - started) / 1000
    const asked = Number(context.req.header('content-length') ?? 0)
    const answered = Number(context.res.headers.get('content-length') ?? 0)
    end(context.req.method, routePath(context, -1), String(context.res.status), seconds, asked, answered)
  }
}

function fastifyHooks(app, { begin, end }) {
  app.addHook('onRequest', (request, _, done) => {
    request.started = performance.now()
    begin()
    done()
  })
  app.addHook('onResponse', (request, reply, done) => {
    const seconds = (performance.now() - request.started) / 1000
    const asked = Number(request.headers['content-length'] ?? 0)
    const answered = Number(reply.getHeader('content-length') ?? 0)
    end(request.method, request.routeOptions.url, String(reply.statusCode), seconds, asked, answered)
    done()
  })
}

function honoWith(use, headers) {
  const app = new Hono()
  use?.(app)
  app.get('/orders/:id', (context) => context.text('fine', 200, headers))
  return async (repeats) => {
    for (let index = 0; index < repeats; index++) {
      const response = await app.fetch(new Request(`http://localhost/orders/${index}`))
      if (response.status !== 200) throw new Error(`It answered ${response.status}.`)
    }
  }
}

async function fastifyWith(use) {
  const app = fastify()
  await use?.(app)
  app.get('/orders/:id', async () => 'fine')
  await app.ready()
  return async (repeats) => {
    for (let index = 0; index < repeats; index++) {
      const response = await app.inject(`/orders/${index}`)
      if (response.statusCode !== 200) throw new Error(`It answered ${response.statusCode}.`)
    }
  }
}
