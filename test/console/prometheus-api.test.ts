import { request } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { type ApiContext, answer, serve } from '../../src/console/index.js'
import { type Series, seriesInMemory } from '../../src/monitoring/index.js'
import { alert, fires, gauge, given, Registry, record, ruleGroup, staysQuiet } from '../../src/observability/index.js'

/** Answers and refusals in the shapes of https://prometheus.io/docs/prometheus/latest/querying/api/. */

const now = Date.UTC(2026, 0, 5, 12)
const rows = gauge('api_rows', { help: 'Rows.', unit: 'rows', labels: { dataset: '*' } })
const most = record('all:api_rows:max', rows.now().max())
const many = alert('Many', {
  when: rows.now().gt(5),
  for: '10m',
  severity: 'warning',
  summary: ({ dataset }, value) => `${dataset} has ${value}`,
  description: 'Many.',
  tests: [
    fires('when many', { series: [given(rows, { dataset: 'a' }, '9x20')], at: '15m' }),
    staysQuiet('when few', { series: [given(rows, { dataset: 'a' }, '1x20')], at: '15m' }),
  ],
})

function series(dataset: string, changes: readonly (readonly [minutesAgo: number, value: number])[]): Series {
  return {
    labels: { __name__: 'api_rows', job: 'shop', dataset },
    times: Float64Array.from(changes, ([minutes]) => now - minutes * 60_000),
    values: Float64Array.from(changes, ([, value]) => value),
  }
}

const all = [
  series('a', [
    [120, 1],
    [60, 9],
  ]),
  series('b', [
    [30, 2],
    [2, 8],
  ]),
  series('c', [
    [90, Number.POSITIVE_INFINITY],
    [80, 3],
  ]),
]
const context: ApiContext = {
  groups: [ruleGroup('api', { rules: [most, many] })],
  help: [{ name: 'api_rows', kind: 'gauge', help: 'Rows.' }],
  scrapeInterval: 15_000,
  kept: async () => ({ series: all, changes: seriesInMemory(all) }),
  now: () => now,
}

const ask = (path: string, query: ConstructorParameters<typeof URLSearchParams>[0] = {}) =>
  answer(context, path, new URLSearchParams(query))
const dataOf = async (path: string, query: ConstructorParameters<typeof URLSearchParams>[0] = {}) => {
  const { status, body } = await ask(path, query)
  expect([status, body]).toEqual([200, { status: 'success', data: expect.anything() }])
  return (body as { readonly data: unknown }).data
}
const seconds = (minutesAgo: number) => String(now / 1000 - minutesAgo * 60)

describe('answers', () => {
  test('an instant query is a vector, now or at a time in either notation', async () => {
    expect(await dataOf('query', { query: 'api_rows{dataset="a"}' })).toEqual({
      resultType: 'vector',
      result: [{ metric: { __name__: 'api_rows', job: 'shop', dataset: 'a' }, value: [now / 1000, '9'] }],
    })
    const earlier = {
      resultType: 'vector',
      result: [{ metric: { __name__: 'api_rows', job: 'shop', dataset: 'a' }, value: [now / 1000 - 5400, '1'] }],
    }
    expect(await dataOf('query', { query: 'api_rows{dataset="a"}', time: seconds(90) })).toEqual(earlier)
    expect(await dataOf('query', { query: 'api_rows{dataset="a"}', time: '2026-01-05T10:30:00Z' })).toEqual(earlier)
  })

  test('a number is a scalar; infinity and what is no number are written as Prometheus does', async () => {
    expect(await dataOf('query', { query: '1 + 1' })).toEqual({ resultType: 'scalar', result: [now / 1000, '2'] })
    expect(await dataOf('query', { query: 'sum(api_rows{dataset="c"})', time: seconds(85) })).toMatchObject({
      result: [{ metric: {}, value: [now / 1000 - 5100, '+Inf'] }],
    })
    expect(await dataOf('query', { query: '-1 / 0' })).toMatchObject({ result: [now / 1000, '-Inf'] })
    expect(await dataOf('query', { query: '0 / 0' })).toMatchObject({ result: [now / 1000, 'NaN'] })
  })

  test.each(['60', '60.0', '1m', '60000ms'])('a range query by a step of %s is a matrix', async (step) => {
    expect(await dataOf('query_range', { query: 'api_rows{dataset="b"}', start: seconds(3), end: seconds(0), step })).toEqual({
      resultType: 'matrix',
      result: [
        {
          metric: { __name__: 'api_rows', job: 'shop', dataset: 'b' },
          values: [
            [now / 1000 - 180, '2'],
            [now / 1000 - 120, '8'],
            [now / 1000 - 60, '8'],
            [now / 1000, '8'],
          ],
        },
      ],
    })
  })

  test('series, names of labels and their values', async () => {
    expect(await dataOf('series', { 'match[]': 'api_rows{dataset=~"a|b"}' })).toEqual([
      { __name__: 'api_rows', job: 'shop', dataset: 'a' },
      { __name__: 'api_rows', job: 'shop', dataset: 'b' },
    ])
    expect(await dataOf('labels')).toEqual(['__name__', 'dataset', 'job'])
    expect(await dataOf('label/dataset/values')).toEqual(['a', 'b', 'c'])
    expect(await dataOf('label/dataset/values', { 'match[]': 'api_rows', end: seconds(45) })).toEqual(['a', 'c'])
    expect(await dataOf('label/nothing/values')).toEqual([])
    const both = new URLSearchParams([
      ['match[]', 'api_rows{dataset="a"}'],
      ['match[]', 'api_rows{dataset="c"}'],
    ])
    expect(await dataOf('label/dataset/values', both)).toEqual(['a', 'c'])
  })

  test('recorded signals, rules, alerts, metadata', async () => {
    expect(await dataOf('query', { query: 'all:api_rows:max' })).toMatchObject({ result: [{ value: [now / 1000, '9'] }] })
    const { groups } = (await dataOf('rules')) as {
      groups: { name: string; rules: { name: string; state?: string; alerts?: object[] }[] }[]
    }
    expect(groups).toMatchObject([
      {
        name: 'api',
        file: 'sluice',
        interval: 60,
        rules: [
          { type: 'recording', name: 'all:api_rows:max', query: 'max(api_rows)' },
          { type: 'alerting', name: 'Many', query: 'api_rows > 5', duration: 600, state: 'firing', labels: { severity: 'warning' } },
        ],
      },
    ])
    expect(await dataOf('rules', { type: 'record' })).toMatchObject({ groups: [{ rules: [{ type: 'recording' }] }] })
    expect(await dataOf('alerts')).toMatchObject({
      alerts: [
        { state: 'firing', labels: { alertname: 'Many', dataset: 'a' }, annotations: { summary: 'a has 9' }, value: '9' },
        { state: 'pending', labels: { alertname: 'Many', dataset: 'b' } },
      ],
    })
    expect(await dataOf('metadata')).toEqual({ api_rows: [{ type: 'gauge', help: 'Rows.', unit: '' }] })
    expect(await dataOf('metadata', { metric: 'other' })).toEqual({})
    expect(await dataOf('status/buildinfo')).toMatchObject({ version: expect.stringMatching(/^\d+\.\d+\.\d+$/) })
  })
})

describe('refusals', () => {
  const range = { query: 'api_rows', start: seconds(60), end: seconds(0), step: '60' }
  test.each<readonly [string, string, Record<string, string>, string]>([
    ['no query', 'query', {}, 'query'],
    ['an empty query', 'query', { query: ' ' }, 'query'],
    ['a query that ends too early', 'query', { query: 'sum(' }, ''],
    ['a time that is none', 'query', { query: 'api_rows', time: 'noon' }, 'time'],
    ['no start', 'query_range', { query: 'api_rows', end: seconds(0), step: '60' }, 'start'],
    ['an end before the start', 'query_range', { ...range, start: seconds(-1) }, 'end timestamp must not be before start time'],
    ['no step', 'query_range', { ...range, step: '' }, 'step'],
    ['a step of nothing', 'query_range', { ...range, step: '0' }, 'zero or negative'],
    ['a step that is none', 'query_range', { ...range, step: '1 minute' }, 'step'],
    [
      'more points than Prometheus gives',
      'query_range',
      { ...range, start: seconds(60 * 24), step: '1' },
      'exceeded maximum resolution of 11000 points',
    ],
    ['series of everything', 'series', {}, 'no match[] parameter provided'],
    ['a match that is no selector', 'series', { 'match[]': 'sum(api_rows)' }, 'match[]'],
  ])('%s', async (_, path, query, why) => {
    const { status, body } = await ask(path, query)
    expect(status).toBe(400)
    expect(body).toEqual({ status: 'error', errorType: 'bad_data', error: expect.stringContaining(why) })
  })

  test('11,000 points are not too many', async () => {
    const { status } = await ask('query_range', { ...range, start: String(now / 1000 - 11_000), step: '1' })
    expect(status).toBe(200)
  })

  test('what is not there', async () => {
    expect(await ask('admin/tsdb/delete_series')).toMatchObject({ status: 404, body: { status: 'error', errorType: 'not_found' } })
  })

  test('what cannot be told apart', async () => {
    const { status, body } = await ask('query', { query: 'api_rows + on(job) api_rows' })
    expect(status).toBeGreaterThanOrEqual(400)
    expect(body).toMatchObject({ status: 'error' })
  })
})

describe('the server', () => {
  const stops: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop()
  })
  async function start(token?: string): Promise<string> {
    const registry = new Registry()
    registry.gauge(rows.definition).with({ dataset: 'a' }).set(3)
    const { server, address } = await serve({
      port: 0,
      host: '127.0.0.1',
      token,
      api: context,
      metrics: async () => registry,
      about: 'shop\n',
      pages: new Map([['/runbooks/Many', 'Do this.\n']]),
    })
    stops.push(() => new Promise((resolve) => server.close(resolve)))
    return address
  }

  test('takes a posted form as Grafana sends it, and nothing that writes', async () => {
    const address = await start()
    const posted = await fetch(`${address}/api/v1/query`, { method: 'POST', body: new URLSearchParams({ query: 'sum(api_rows)' }) })
    expect([posted.status, posted.headers.get('content-type'), await posted.json()]).toMatchObject([
      200,
      'application/json',
      { status: 'success' },
    ])
    for (const [method, path] of [
      ['DELETE', '/api/v1/series'],
      ['PUT', '/api/v1/query'],
      ['POST', '/metrics'],
    ] as const)
      expect((await fetch(address + path, { method })).status, `${method} ${path}`).toBe(405)
  })

  test('shows metrics in both formats, pages as plain text, and says what there is', async () => {
    const address = await start()
    const metrics = await fetch(`${address}/metrics`)
    expect(await metrics.text()).toContain('api_rows{dataset="a"} 3')
    const open = await fetch(`${address}/metrics`, { headers: { accept: 'application/openmetrics-text' } })
    expect((await open.text()).endsWith('# EOF\n')).toBe(true)
    const page = await fetch(`${address}/runbooks/Many`)
    expect([await page.text(), page.headers.get('content-type')]).toEqual(['Do this.\n', 'text/plain; charset=utf-8'])
    expect((await fetch(`${address}/-/ready`)).status).toBe(200)
    expect((await fetch(`${address}/nothing`)).status).toBe(404)
  })

  test.each(['/metrics', '/api/v1/query?query=1', '/', '/-/ready', '/runbooks/Many', '/nothing'])(
    'asks for the token at %s',
    async (path) => {
      const address = await start('open-sesame')
      const asked = (authorization?: string) => fetch(address + path, { headers: authorization === undefined ? {} : { authorization } })
      for (const wrong of [undefined, 'Bearer open-sesam', 'Bearer open-sesame2', 'open-sesame', 'Basic open-sesame']) {
        const refused = await asked(wrong)
        expect([refused.status, refused.headers.get('www-authenticate')], String(wrong)).toEqual([401, 'Bearer'])
        expect(await refused.text()).not.toContain('open-sesame')
      }
      expect((await asked('Bearer open-sesame')).status).toBe(path === '/nothing' ? 404 : 200)
    },
  )

  test.each<readonly [string, string | undefined, number]>([
    ['evil.example', undefined, 403],
    ['evil.example:9464', undefined, 403],
    ['localhost.evil.example', undefined, 403],
    ['LOCALHOST:9464', undefined, 200],
    ['[::1]:9464', undefined, 200],
    ['host.docker.internal:9464', undefined, 200],
    ['metrics.shop.test', 'open-sesame', 200],
  ])('asked for as %s with the token %s answers %i: no web page reads it by a name of its own', async (host, token, expected) => {
    const { port } = new URL(await start(token))
    const headers = { host, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) }
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port, path: '/metrics', headers }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      asked.on('error', reject)
      asked.end()
    })
    expect(status).toBe(expected)
  })
})
