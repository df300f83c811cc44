import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startPushgateway } from '../prometheus/pushgateway.js'
import type { PrometheusServer } from '../prometheus/server.js'
import { readText, type Shop, shop, TRUNCATED, withVariables } from './project.js'
import { describeWithStack, type Element, elements, firingIn, generated, prometheusOn, serving } from './stack.js'

interface Board {
  readonly uid: string
  readonly panels: readonly {
    readonly title: string
    readonly type: string
    readonly panels?: Board['panels']
    readonly targets?: readonly Target[]
  }[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string; readonly query: string }[] }
  readonly annotations: { readonly list: readonly { readonly name: string; readonly expr?: string }[] }
}
interface Target {
  readonly refId: string
  readonly expr?: string
  readonly instant?: boolean
}

function boardsIn(folder: string): Board[] {
  return readdirSync(`${folder}/grafana/dashboards`).map((file) => JSON.parse(readText(folder, `grafana/dashboards/${file}`)) as Board)
}

/** Every query of every panel. */
function queriesOf(boards: readonly Board[]) {
  const within = (board: Board, panels: Board['panels']): { name: string; kind: string; query: string; instant: boolean }[] =>
    panels.flatMap(({ title, type, targets = [], panels: inner = [] }) => [
      ...targets.flatMap(({ refId, expr, instant }) =>
        expr === undefined
          ? []
          : [{ name: `${board.uid} / ${title} ${refId}: ${expr}`, kind: type, query: withVariables(expr), instant: instant === true }],
      ),
      ...within(board, inner),
    ])
  return boards.flatMap((board) => within(board, board.panels))
}

const isLit = (found: readonly Element[]) => found.some(({ values }) => values.some((value) => !Number.isNaN(value)))

/** Nothing that depends on when it was looked at: no window, no recorded signal. */
const isTimeless = (query: string) => !/increase|rate|:/.test(query)

const WAYS = ['served', 'pushed'] as const

describeWithStack('dashboards of a project that ran well', () => {
  describe.each(WAYS)('%s', (way) => {
    const stops: (() => Promise<void>)[] = []
    let folder: string
    let [ours, prometheus] = ['', { url: '' }]

    beforeAll(async () => {
      const gateway = await startPushgateway()
      stops.push(gateway.stop)
      const one = await shop(way === 'pushed' ? { pushgateway: gateway.url } : {})
      folder = await generated(one)
      await runWell(one)
      const server = await serving(one)
      stops.push(server.stop)
      ours = server.url
      const addresses = way === 'pushed' ? { pushgateway: gateway.url } : { served: server.url }
      const theirs = await prometheusOn(folder, addresses)
      stops.push(theirs.stop)
      prometheus = theirs
      const seen = async (query: string) => isLit(await elements(theirs.url, query, { time: Date.now() }))
      await vi.waitUntil(() => seen('count_over_time(sluice_run_failed[1m]) > 2'), { timeout: 20_000, interval: 200 })
      // A second run is what makes a rate.
      one.newRates()
      one.land('more.csv', 'order_id,ordered_on,amount\n4,2026-01-03,2.00\n5,2026-01-03,-2.00\n')
      await runWell(one)
      await vi.waitUntil(() => seen('sluice_runs_total{status="ok"} == 2'), { timeout: 20_000, interval: 200 })
      await vi.waitUntil(() => seen('increase(sluice_runs_total{status="ok"}[1m]) > 0'), { timeout: 20_000, interval: 200 })
      await vi.waitUntil(() => seen('count_over_time(dataset:shop_rows:increase1h[1m]) > 5'), { timeout: 20_000, interval: 200 })
    })
    afterAll(async () => {
      for (const stop of stops.reverse()) await stop()
    })

    test('no panel is dark in Prometheus, nor over our own API', async () => {
      const queries = queriesOf(boardsIn(folder))
      expect(queries.length).toBeGreaterThan(40)
      expect([...new Set(queries.map(({ kind }) => kind))].sort()).toEqual([
        'bargauge',
        'gauge',
        'heatmap',
        'piechart',
        'stat',
        'table',
        'timeseries',
      ])
      const time = Date.now()
      const dark: string[] = []
      for (const { name, query, instant } of queries) {
        for (const [whose, url, end] of [
          ['Prometheus', prometheus.url, time],
          // Our looks are 15 s apart, and a rate takes two of them; what is kept holds on.
          ['ours', ours, time + 60_000],
        ] as const) {
          const at = instant ? { time: end } : { time: end, start: time - 120_000 }
          if (!isLit(await elements(url, query, at))) dark.push(`${whose}: ${name}`)
        }
      }
      expect(dark).toEqual([])
    })

    test('numbers that do not depend on the moment are the same in both', async () => {
      const queries = [...new Set(queriesOf(boardsIn(folder)).map(({ query }) => query))].filter(isTimeless)
      expect(queries.length).toBeGreaterThan(12)
      const time = Date.now()
      const inOrder = (found: readonly Element[]) =>
        found.map(({ labels, values: [value] }) => [JSON.stringify(Object.entries(labels).sort()), value] as const).sort()
      for (const query of queries) {
        const [theirs, own] = [inOrder(await elements(prometheus.url, query, { time })), inOrder(await elements(ours, query, { time }))]
        expect(
          own.map(([labels]) => labels),
          query,
        ).toEqual(theirs.map(([labels]) => labels))
        own.forEach(([labels, value], index) => {
          expect(value, `${query} ${labels}`).toBeCloseTo(theirs[index]?.[1] ?? Number.NaN, 6)
        })
      }
    })

    test('the variables of every dashboard have values', async () => {
      for (const { uid, templating } of boardsIn(folder)) {
        const asked = templating.list.filter(({ type }) => type === 'query')
        expect(asked.length, uid).toBeGreaterThan(0)
        for (const { name, query } of asked) {
          const [, selector = '', label = ''] = /^label_values\((.*), (\w+)\)$/.exec(query) ?? []
          const match = new URLSearchParams({
            'match[]': withVariables(selector),
            start: String(Date.now() / 1000 - 120),
            end: String(Date.now() / 1000),
          })
          const answers = await Promise.all(
            [prometheus.url, ours].map(
              async (url) => (await (await fetch(`${url}/api/v1/label/${label}/values?${match}`)).json()) as { data: string[] },
            ),
          )
          expect(answers[0]?.data, `${uid} ${name}`).not.toEqual([])
          expect(answers[1]?.data, `${uid} ${name}`).toEqual(answers[0]?.data)
        }
      }
    })

    test('marks are drawn by queries that Prometheus takes', async () => {
      const marks = boardsIn(folder).flatMap(({ annotations }) => annotations.list.flatMap(({ expr }) => expr ?? []))
      expect(marks.length).toBeGreaterThan(0)
      for (const expr of marks) expect(await elements(prometheus.url, withVariables(expr), { time: Date.now() })).toEqual([])
    })
  })
})

describeWithStack('a batch run that fails and is pushed once', () => {
  test.each([
    ['after one that went well', true],
    ['as the first run of all', false],
  ])('fires at the first look after it: %s', async (_, first) => {
    const gateway = await startPushgateway()
    const one = await shop({ pushgateway: gateway.url })
    const folder = await generated(one)
    const prometheus: PrometheusServer = await prometheusOn(folder, { pushgateway: gateway.url })
    try {
      if (first) {
        await runWell(one)
        const seen = async () => isLit(await elements(prometheus.url, 'sluice_run_failed == 0', { time: Date.now() }))
        await vi.waitUntil(seen, { timeout: 20_000, interval: 200 })
        expect((await firingIn(prometheus)).filter((name) => name.includes('Failed'))).toEqual([])
      }
      one.land('cut-off.csv', TRUNCATED)
      const failed = await one.sluice('run')
      expect(failed.code, failed.stdout).toBe(1)
      // The first evaluation that a scrape after the push precedes; a pushed gauge needs no second one.
      await vi.waitUntil(async () => isLit(await elements(prometheus.url, 'sluice_run_failed == 1', { time: Date.now() })), {
        timeout: 20_000,
        interval: 50,
      })
      const firing = async () => (await firingIn(prometheus)).filter((name) => name.includes('Failed'))
      await vi.waitUntil(async () => (await firing()).length > 0, { timeout: 20_000, interval: 50 })
      expect(await firing()).toEqual(['DatasetFailed bronze.raw_orders', 'RunFailed'])
      const time = Date.now()
      const [failedSince] = await elements(prometheus.url, 'timestamp(ALERTS{alertname="RunFailed"})', { time, start: time - 60_000 })
      const [seenSince] = await elements(prometheus.url, 'timestamp(sluice_run_failed == 1)', { time, start: time - 60_000 })
      expect(failedSince?.values.length).toBeGreaterThan(0)
      expect((failedSince?.values[0] ?? 0) - (seenSince?.values[0] ?? 0)).toBeLessThanOrEqual(2)
      // Our own says the same with no server.
      const checked = await one.sluice('alerts', 'check')
      expect(checked.code).toBe(1)
      expect(checked.json().firing.map(({ alert }: { alert: string }) => alert)).toEqual(
        expect.arrayContaining(['DatasetFailed', 'RunFailed']),
      )
      // A file that is whole takes its place: all is quiet again.
      one.land('cut-off.csv', 'order_id,ordered_on,amount\n7,2026-01-04,2.00\n')
      await runWell(one)
      await expect.poll(firing, { timeout: 20_000 }).toEqual([])
    } finally {
      await prometheus.stop()
      await gateway.stop()
    }
  })
})

async function runWell(one: Shop): Promise<void> {
  const ran = await one.sluice('run')
  expect(ran.code, ran.stdout + ran.stderr).toBe(0)
}
