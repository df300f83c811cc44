import { afterAll, beforeAll, expect, test } from 'vitest'
import { type GrafanaPanel, grafanaDashboard } from '../../../src/observability/grafana.js'
import { metrics, shop, shopDetails } from '../../observability/sample.js'
import { blocksFrom, describeWithPrometheus, type PrometheusServer, startPrometheus, type WrittenSeries } from './server.js'

const end = Date.UTC(2024, 0, 2)
const minute = 60_000

/** A day and an hour of a shop that works, of a sample a minute. */
function history(): readonly WrittenSeries[] {
  const times = Float64Array.from({ length: 25 * 60 }, (_, index) => end - (25 * 60 - 1 - index) * minute)
  const series = (name: string, labels: Readonly<Record<string, string>>, value: (index: number) => number): WrittenSeries => ({
    labels: { __name__: name, ...labels },
    times,
    values: Array.from(times, (_, index) => value(index)),
  })
  const scraped = { job: 'sluice', instance: '127.0.0.1:1' }
  const orders = { dataset: 'orders' }
  return [
    ...['ok', 'failed'].map((status) => series('shop_batches_total', { ...scraped, ...orders, status }, (index) => Math.floor(index / 50))),
    series('shop_rows_total', { ...scraped, ...orders }, (index) => index * 100),
    series('shop_last_success_timestamp_seconds', { ...scraped, ...orders }, (index) => end / 1000 - 90_000 + index * 60),
    series('shop_queue_rows', scraped, (index) => index % 200),
    ...['0.1', '1', '10', '+Inf'].map((le, at) =>
      series('shop_step_duration_seconds_bucket', { ...scraped, ...orders, step: 'read', le }, (index) => index * (at + 1)),
    ),
    series('dataset:shop_rows:increase1h', orders, () => 6000),
  ]
}

describeWithPrometheus('generated panels and Prometheus', () => {
  let server: PrometheusServer
  beforeAll(async () => {
    server = await startPrometheus({ data: await blocksFrom(history()) })
  })
  afterAll(() => server.stop())

  const boards = [shop, shopDetails].map((one) => grafanaDashboard(one, { metrics }))
  const panels = boards.flatMap(({ uid, panels: all }) =>
    all.flatMap((panel): readonly GrafanaPanel[] => [panel, ...(panel.panels ?? [])]).map((panel) => ({ uid, panel })),
  )
  const queries = panels.flatMap(({ uid, panel }) =>
    (panel.targets ?? []).flatMap(({ refId, expr, instant }) =>
      expr === undefined ? [] : [{ name: `${uid}: ${panel.title} ${refId}`, expr, instant: instant === true }],
    ),
  )

  test('there are panels', () => {
    expect(queries.length).toBeGreaterThan(10)
  })

  test.each(queries)('$name is not dark', async ({ expr, instant }) => {
    const query = expr.replaceAll('$__rate_interval', '4m').replaceAll('"$job"', '".+"').replaceAll('"$dataset"', '".*"')
    const time = String(end / 1000)
    const answer = instant
      ? await server.ask('query', { query, time })
      : await server.ask('query_range', { query, start: String(end / 1000 - 3600), end: time, step: '60' })
    if (answer.status === 'error') throw new Error(answer.error)
    const elements = answer.data.result as readonly { readonly value?: [number, string]; readonly values?: readonly [number, string][] }[]
    const points = elements.flatMap(({ value, values = [] }) => (value === undefined ? values : [value, ...values]))
    expect(points.filter(([, value]) => value !== 'NaN')).not.toEqual([])
  })

  test.each(
    boards.flatMap(({ uid, templating }) => templating.list.filter(({ type }) => type === 'query').map((one) => ({ uid, ...one }))),
  )('the variable $name of $uid has values', async ({ query }) => {
    const [, selector = '', label = ''] = /^label_values\((.*), (\w+)\)$/.exec(query) ?? []
    const match = new URLSearchParams({
      'match[]': selector.replace('"$job"', '".+"'),
      start: String(end / 1000 - 3600),
      end: String(end / 1000),
    })
    const answer = (await (await fetch(`${server.url}/api/v1/label/${label}/values?${match}`)).json()) as {
      readonly data: readonly string[]
    }
    expect(answer.data).not.toEqual([])
  })
})
