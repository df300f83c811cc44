import type { ChildProcess } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ended, startSluice } from '../../fixtures.js'
import { type Shop, type ShopOptions, shop, TRUNCATED } from './project.js'
import { headline, type Receivers, startReceivers, type Told } from './receivers.js'

let receivers: Receivers
let one: Shop
const watching: { readonly child: ChildProcess; readonly end: Promise<unknown> }[] = []

beforeEach(async () => {
  receivers = await startReceivers()
})
afterEach(async () => {
  for (const { child, end } of watching.splice(0)) {
    child.kill('SIGKILL')
    await end
  }
  await receivers.close()
})

async function failedShop(options: ShopOptions = {}): Promise<void> {
  one = await shop({ receivers, ...options })
  await run(0)
  one.land('cut-off.csv', TRUNCATED)
  await run(1)
}

async function run(code: number): Promise<void> {
  const ran = await one.sluice('run')
  expect(ran.code, ran.stdout + ran.stderr).toBe(code)
}

async function mend(): Promise<void> {
  one.land('cut-off.csv', 'order_id,ordered_on,amount\n7,2026-01-04,2.00\n')
  await run(0)
}

function watch(): ChildProcess {
  const child = startSluice(
    { env: one.env },
    'monitor',
    'up',
    '--every',
    '1s',
    '--runbook-url',
    'http://127.0.0.1:9464/runbooks/',
    '--project',
    one.folder,
  )
  watching.push({ child, end: ended(child) })
  return child
}

const said = (what: string | RegExp): readonly Told[] => receivers.told.filter((told) => headline(told).match(what) !== null)
const waitUntil = (what: () => boolean | Promise<boolean>) => vi.waitUntil(what, { timeout: 60_000, interval: 50 })
const lastTurn = async () => (await one.sluice('monitor', 'status')).json().turnedAt as string | null

/** Resolves right after a turn, `count` turns on. */
async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) {
    const before = await lastTurn()
    await waitUntil(async () => (await lastTurn()) !== before)
  }
}

describe('sluice monitor up', () => {
  test('tells every channel, by severity and in groups, says it again, and tells of the end', async () => {
    await failedShop({ timing: "groupBy: ['alertname'], groupWait: '1s', groupInterval: '1s', repeat: '4s'" })
    watch()
    await waitUntil(() => said('pagerduty trigger bronze.raw_orders failed').length >= 3)
    const [page] = said('pagerduty trigger bronze.raw_orders failed')
    expect(page?.body).toMatchObject({
      routing_key: 'b'.repeat(32),
      payload: { severity: 'critical' },
      links: [{ href: 'http://127.0.0.1:9464/runbooks/DatasetFailed' }],
    })
    await waitUntil(() => said(/^email .*DatasetFailed/).length > 0 && said(/^slack .*RowsHeld/).length > 0 && said(/^webhook/).length > 0)
    expect(said(/^email .*DatasetFailed/)[0]?.body).toContain('To: oncall@shop.test, night@shop.test')
    expect(said(/^slack .*RowsHeld/)[0]?.body).toMatchObject({ channel: '#shop', attachments: [{ color: 'warning' }] })
    expect(said(/^webhook firing Watchdog/)[0]?.authorization).toBe('Bearer open-sesame')
    for (const [index, { at }] of said('pagerduty trigger bronze.raw_orders failed').slice(1).entries())
      expect(at - (said('pagerduty trigger bronze.raw_orders failed')[index]?.at ?? 0)).toBeGreaterThan(3_000)

    // All datasets are stale from now on: one message for them, but for what is made from the dataset that failed.
    one.edit('sluice.config.ts', "lake: './lake',", "lake: './lake',\n  every: '1s',")
    await run(1)
    const stale = () =>
      said(/^pagerduty/).flatMap(({ body }) =>
        (body.payload?.custom_details.alerts ?? []).map(
          ({ labels }: { labels: Record<string, string> }) => `${labels['alertname']} ${labels['dataset']}`,
        ),
      )
    await waitUntil(() => stale().includes('DatasetStale bronze.rates') && said(/^email .*DatasetStale/).length > 0)
    await turns(2)
    expect(stale()).not.toContain('DatasetStale silver.orders')
    expect(stale()).not.toContain('DatasetStale gold.revenue_by_day')

    await mend()
    // Messages of one turn go out one after the other.
    const resolved = () => said(/^email \[RESOLVED\].*RunFailed/)
    await waitUntil(
      () => said('pagerduty resolve').length > 0 && said(/^email \[RESOLVED\].*DatasetFailed/).length > 0 && resolved().length > 0,
    )
    expect(resolved()).toHaveLength(1)
  })

  test('keeps quiet what is silenced, and speaks again when that has ended', async () => {
    await failedShop({ timing: "groupWait: '0s', groupInterval: '1s', repeat: '2s'" })
    const silence = (await one.sluice('monitor', 'silence', '--match', 'alertname=RunFailed', '--for', '1h', '--comment', 'known')).json()
    watch()
    await waitUntil(() => said('pagerduty trigger bronze.raw_orders failed').length >= 3)
    expect(said('The last run failed')).toEqual([])
    expect((await one.sluice('monitor', 'unsilence', silence.id)).code).toBe(0)
    await waitUntil(() => said('pagerduty trigger The last run failed').length >= 1)
  })

  test('killed between two turns and started again, tells nothing twice', async () => {
    await failedShop()
    const first = watch()
    await waitUntil(
      () =>
        said(/^pagerduty trigger/).length >= 2 && said(/^email/).length >= 2 && said(/^slack/).length >= 1 && said(/^webhook/).length >= 1,
    )
    await turns(1)
    first.kill('SIGKILL')
    const before = receivers.told.map(headline)
    expect(new Set(before).size).toBe(before.length)
    watch()
    await turns(3)
    expect(receivers.told.map(headline)).toEqual(before)
    // It still knows of what it has told, for it tells of the end.
    await mend()
    await waitUntil(() => said('pagerduty resolve').length === 2)
  })

  test('tries again a receiver that is down, and does not bother those that took it', async () => {
    receivers.down.add('email')
    await failedShop()
    watch()
    await waitUntil(() => receivers.refused.length >= 4)
    expect(said(/^email/)).toEqual([])
    expect(said('pagerduty trigger The last run failed')).toHaveLength(1)
    receivers.down.clear()
    await waitUntil(() => said(/^email .*RunFailed/).length === 1 && said(/^email .*DatasetFailed/).length === 1)
    await turns(2)
    const all = receivers.told.map(headline)
    expect(new Set(all).size).toBe(all.length)
  })
})
