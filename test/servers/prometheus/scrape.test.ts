import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Hono } from 'hono'
import { expect, onTestFinished, test, vi } from 'vitest'
import { defineMetric } from '../../../src/observability/definition.js'
import { exposition } from '../../../src/observability/exposition.js'
import { honoMetrics, nodeMetricsHandler } from '../../../src/observability/http.js'
import { pushMetrics } from '../../../src/observability/pushgateway.js'
import { Registry } from '../../../src/observability/registry.js'
import { repository, temporaryFolder } from '../../fixtures.js'
import { describeWithPushgateway, startPushgateway } from './pushgateway.js'
import { describeWithPrometheus, type PrometheusServer, startPrometheus } from './server.js'

const awkward = 'C:\\temp "x"\nü'
const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }

/** One metric of each kind, with what is hard to write, and those of the middleware. */
async function filled(): Promise<Registry> {
  const registry = new Registry()
  const failures = defineMetric('counter', 'shop_failures_total', { help: 'Failures, in "C:\\temp".\nOr elsewhere.', labels: { at: '*' } })
  registry.counter(failures).with({ at: awkward }).inc(3.25)
  registry.counter(failures).with({ at: '' }).inc(1e21)
  const load = defineMetric('gauge', 'shop_load_ratio', { help: 'Load.', unit: 'ratio', labels: { of: '*' } })
  for (const value of [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, -1e-7]) {
    registry
      .gauge(load)
      .with({ of: String(value) })
      .set(value)
  }
  const waits = defineMetric('histogram', 'shop_wait_seconds', { help: 'Waits.', unit: 'seconds', labels: { queue: '*' } }, [0.5, 10])
  registry.histogram(waits).with({ queue: 'q' }).observe(0.25, trace)
  registry.histogram(waits).with({ queue: 'q' }).observe(70)
  const app = new Hono()
  app.use(honoMetrics({ registry }))
  app.get('/orders/:id', (context) => context.text('fine'))
  await app.request('/orders/1')
  await app.request('/nowhere')
  return registry
}

describeWithPrometheus('what is exposed', () => {
  test('passes promtool, with every metric by the conventions', async () => {
    const file = join(temporaryFolder(), 'metrics')
    const registry = await filled()
    await writeFile(file, exposition(registry.collect(), 'text'))
    const check = () => promisify(execFile)('sh', ['-c', 'promtool check metrics < "$1"', 'sh', file])
    expect(await check()).toEqual({ stdout: '', stderr: '' })
    await writeFile(file, (await readFile(file, 'utf8')).replaceAll('shop_failures_total', 'shop_failures'))
    await expect(check()).rejects.toThrowError('counter metrics should have "_total" suffix')
  })

  test('is read by Prometheus in both formats to the same values, with units and exemplars', async () => {
    const registry = await filled()
    const asked: string[] = []
    const answer = nodeMetricsHandler(registry)
    const port = await portOf((request, response) => {
      // Whoever asks for nothing gets text.
      if (request.url === '/text') request.headers.accept = ''
      answer(request, response)
      asked.push(`${request.url} ${response.getHeader('content-type')}`)
    })
    const targets = `static_configs: [{ targets: ["127.0.0.1:${port}"] }]`
    const prometheus = await prometheusWith(
      [`{ job_name: openmetrics, ${targets} }`, `{ job_name: text, metrics_path: /text, ${targets} }`],
      '--enable-feature=exemplar-storage',
    )
    await vi.waitUntil(async () => (await valuesOf(prometheus, 'shop_wait_seconds_count')).length === 2, { timeout: 20_000 })
    const seen = async (job: string) =>
      (await valuesOf(prometheus, `{job="${job}",__name__=~"shop_.*|http_.*"}`))
        .map(({ labels: { instance: _, job: __, ...labels }, value }) => JSON.stringify([labels, value]))
        .sort()
    const openmetrics = await seen('openmetrics')
    expect(new Set(asked)).toEqual(
      new Set(['/metrics application/openmetrics-text; version=1.0.0; charset=utf-8', '/text text/plain; version=0.0.4; charset=utf-8']),
    )
    expect(openmetrics).toEqual(await seen('text'))
    expect(openmetrics).toHaveLength(
      exposition(registry.collect(), 'text')
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#')).length,
    )
    expect(await valuesOf(prometheus, 'shop_failures_total{job="text"}')).toMatchObject([
      { labels: { at: awkward }, value: '3.25' },
      { value: '1e+21' },
    ])
    const load = await valuesOf(prometheus, 'shop_load_ratio{job="openmetrics"}')
    expect(Object.fromEntries(load.map(({ labels, value }) => [labels['of'], value]))).toEqual({
      Infinity: '+Inf',
      '-Infinity': '-Inf',
      NaN: 'NaN',
      '-1e-7': '-1e-07',
    })
    const metadata = await (await fetch(`${prometheus.url}/api/v1/targets/metadata?metric=shop_wait_seconds`)).json()
    const { data } = metadata as { data: { target: { job: string }; type: string; unit: string }[] }
    expect(data.map(({ target, type, unit }) => `${target.job}: ${type} ${unit}`).sort()).toEqual([
      'openmetrics: histogram seconds',
      'text: histogram ',
    ])
    const end = Date.now() / 1000
    const exemplars = await prometheus.ask('query_exemplars', {
      query: 'shop_wait_seconds_bucket',
      start: String(end - 600),
      end: String(end + 60),
    })
    expect(exemplars).toMatchObject({
      status: 'success',
      data: [
        {
          seriesLabels: { job: 'openmetrics', queue: 'q', le: '0.5' },
          exemplars: [{ labels: { trace_id: trace.traceId, span_id: trace.spanId }, value: '0.25' }],
        },
      ],
    })
  })
})

describeWithPushgateway('a Pushgateway', () => {
  test('shows what was pushed last for a group, whatever its labels are', async () => {
    const { url, stop } = await startPushgateway()
    onTestFinished(stop)
    const text = (value: number) => `# TYPE shop_load gauge\nshop_load ${value}\n`
    const awkwardGroup = { job: 'nightly run', grouping: { pipeline: 'a/b', layer: '', stage: '..', at: awkward } }
    await pushMetrics(url, awkwardGroup, `${text(1)}# TYPE shop_gone gauge\nshop_gone 1\n`)
    await pushMetrics(url, { job: 'other' }, text(2))
    await pushMetrics(url, awkwardGroup, text(3))
    const shown = await (await fetch(`${url}/metrics`)).text()
    expect(
      shown
        .split('\n')
        .filter((line) => line.startsWith('shop_'))
        .sort(),
    ).toEqual([
      'shop_load{at="C:\\\\temp \\"x\\"\\nü",instance="",job="nightly run",layer="",pipeline="a/b",stage=".."} 3',
      'shop_load{instance="",job="other"} 2',
    ])
    await expect(pushMetrics(url, { job: 'other' }, 'no metric at all\n')).rejects.toThrowError(
      expect.objectContaining({ code: 'PUSH_REFUSED', message: expect.stringContaining('400') }),
    )
  })

  test('has failures of processes one after another counted, when each goes on from the totals', async () => {
    const gateway = await startPushgateway()
    onTestFinished(gateway.stop)
    const prometheus = await prometheusWith([
      `{ job_name: push, honor_labels: true, static_configs: [{ targets: ["127.0.0.1:${gateway.port}"] }] }`,
    ])
    const store = join(temporaryFolder(), 'totals.json')
    const seen = async (query: string) => Number((await valuesOf(prometheus, query))[0]?.value ?? 0)
    const settled = async () => {
      const before = await seen('count_over_time(shop_failures_total{job="durable"}[10m])')
      await vi.waitUntil(async () => (await seen('count_over_time(shop_failures_total{job="durable"}[10m])')) >= before + 8, {
        timeout: 20_000,
      })
    }
    // The first has nothing to go on from, and nothing fails yet; in each of the next two one thing fails.
    for (const failures of ['0', '1', '1']) {
      await promisify(execFile)(process.execPath, ['--input-type=module', '-e', nightly, repository, gateway.url, store, failures])
      await settled()
    }
    expect(await seen('shop_failures_total{job="durable"}')).toBe(2)
    expect(await seen('shop_failures_total{job="forgetful"}')).toBe(1)
    // Prometheus extrapolates to the time between two scrapes, so 2 of them are a little more.
    expect(await seen('round(increase(shop_failures_total{job="durable"}[10m]))')).toBe(2)
    expect(await seen('round(increase(shop_failures_total{job="forgetful"}[10m]))')).toBe(1)
  })
})

/** A process that counts failures from 0 and pushes them; and then once more as one that goes on from the totals in a file. */
const nightly = `
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
const [repository, url, store, failures] = process.argv.slice(1)
const { createJiti } = createRequire(repository + '/package.json')('jiti')
const load = (name) => createJiti(repository + '/').import(repository + '/src/observability/' + name + '.ts')
const [{ defineMetric }, { Registry }, { exposition }, { pushMetrics }] = await Promise.all(
  ['definition', 'registry', 'exposition', 'pushgateway'].map(load),
)
const metric = defineMetric('counter', 'shop_failures_total', { help: 'Failures.' })
const registry = new Registry()
registry.counter(metric).with({}).inc(Number(failures))
await pushMetrics(url, { job: 'forgetful' }, exposition(registry.collect(), 'text'))
if (existsSync(store)) registry.restore(JSON.parse(readFileSync(store, 'utf8')))
await pushMetrics(url, { job: 'durable' }, exposition(registry.collect(), 'text'))
writeFileSync(store, JSON.stringify([{ metric: metric.name, labels: {}, value: registry.counter(metric).with({}).value }]))
`

interface Value {
  readonly labels: Readonly<Record<string, string>>
  readonly value: string
}

async function valuesOf(prometheus: PrometheusServer, query: string): Promise<Value[]> {
  const answer = await prometheus.ask('query', { query })
  if (answer.status === 'error') throw new Error(answer.error)
  const result = answer.data.result as { metric: Readonly<Record<string, string>>; value: [number, string] }[]
  return result.map(({ metric, value }) => ({ labels: metric, value: value[1] }))
}

async function prometheusWith(jobs: readonly string[], ...flags: string[]): Promise<PrometheusServer> {
  const config = `global: { scrape_interval: 100ms, scrape_timeout: 100ms }\nscrape_configs:\n${jobs.map((job) => `  - ${job}\n`).join('')}`
  const prometheus = await startPrometheus({ config, flags })
  onTestFinished(prometheus.stop)
  return prometheus
}

async function portOf(listener: RequestListener): Promise<number> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}
