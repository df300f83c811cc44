import { expect, test, vi } from 'vitest'
import { startPushgateway } from '../prometheus/pushgateway.js'
import { shop, TRUNCATED } from './project.js'
import { headline, startReceivers, type Told } from './receivers.js'
import { alertmanagerOn, describeWithStack, firingIn, generated, prometheusOn } from './stack.js'

describeWithStack('alerts of a run that failed, by Prometheus and Alertmanager', () => {
  test('reach every channel, are said again, keep what follows from them quiet, and end', async () => {
    const receivers = await startReceivers()
    const gateway = await startPushgateway()
    const timing = "groupWait: '0s', groupInterval: '1s', repeat: '3s'"
    const one = await shop({ receivers, pushgateway: gateway.url, timing })
    const folder = await generated(one)
    const alertmanager = await alertmanagerOn(folder, `${receivers.url}/slack`)
    const prometheus = await prometheusOn(folder, { pushgateway: gateway.url, alertmanager: alertmanager.url })
    try {
      expect((await one.sluice('run')).code).toBe(0)
      one.land('cut-off.csv', TRUNCATED)
      expect((await one.sluice('run')).code).toBe(1)
      const said = (what: string | RegExp) => receivers.told.filter((told) => headline(told).match(what) !== null)
      await vi.waitUntil(() => said('pagerduty trigger bronze.raw_orders failed').length >= 3, { timeout: 60_000 })
      await vi.waitUntil(() => said('slack').length >= 1 && said('email').length >= 3 && said('webhook').length >= 1, { timeout: 20_000 })

      const [page] = said('pagerduty trigger bronze.raw_orders failed')
      expect(page?.body).toMatchObject({
        routing_key: 'b'.repeat(32),
        payload: { severity: 'critical' },
        links: [{ href: 'http://127.0.0.1:9464/runbooks/DatasetFailed', text: 'What to do' }],
      })
      expect(said(/^email \[FIRING\] DatasetFailed bronze\.raw_orders/)[0]?.body).toContain('To: oncall@shop.test, night@shop.test')
      expect(said(/^slack/)[0]?.body).toMatchObject({ channel: '#shop', attachments: [{ color: 'warning' }] })
      expect(said(/^slack/).map(headline)).toContain('slack [FIRING] RowsHeld silver.orders')
      expect(said(/^webhook firing Watchdog/)[0]?.authorization).toBe('Bearer open-sesame')
      // Said again after three seconds, at the turn of the group's own interval.
      const pauses = pausesBetween(said('pagerduty trigger bronze.raw_orders failed'))
      for (const pause of pauses) expect(pause).toBeGreaterThan(2_000)

      // What is made from the failed dataset is stale from now on, and nobody is told; nor of a warning on a dataset that is critical.
      one.edit('sluice.config.ts', "lake: './lake',", "lake: './lake',\n  every: '1s',")
      expect((await one.sluice('run')).code).toBe(1)
      await vi.waitUntil(async () => (await firingIn(prometheus)).includes('DatasetStale gold.revenue_by_day'), { timeout: 20_000 })
      await vi.waitUntil(() => said('pagerduty trigger bronze.rates was last up to date').length > 0, { timeout: 20_000 })
      expect((await statesIn(alertmanager.url)).filter((state) => /^(DatasetStale|RowsHeld).* suppressed$/.test(state))).toEqual([
        'DatasetStale gold.revenue_by_day suppressed',
        'DatasetStale silver.orders suppressed',
        'RowsHeld silver.orders suppressed',
      ])
      const since = Date.now()
      await vi.waitUntil(() => said('pagerduty trigger bronze.raw_orders failed').some(({ at }) => at > since), { timeout: 20_000 })
      const stale = receivers.told.filter(
        (told) => told.at > since && /(DatasetStale|RowsHeld|pagerduty trigger) (silver|gold)/.test(headline(told)),
      )
      expect(stale.map(headline)).toEqual([])

      one.land('cut-off.csv', 'order_id,ordered_on,amount\n7,2026-01-04,2.00\n')
      expect((await one.sluice('run')).code).toBe(0)
      await vi.waitUntil(() => said('pagerduty resolve').length >= 2 && said(/^email \[RESOLVED\] RunFailed/).length >= 1, {
        timeout: 30_000,
      })
      await expect.poll(() => said(/^email \[RESOLVED\] DatasetFailed bronze\.raw_orders/).length, { timeout: 20_000 }).toBe(1)
    } finally {
      await prometheus.stop()
      await alertmanager.stop()
      await gateway.stop()
      await receivers.close()
    }
  })
})

function pausesBetween(all: readonly Told[]): number[] {
  return all.slice(1).map(({ at }, index) => at - (all[index]?.at ?? 0))
}

async function statesIn(url: string): Promise<string[]> {
  const alerts = (await (await fetch(`${url}/api/v2/alerts`)).json()) as readonly {
    readonly labels: Readonly<Record<string, string>>
    readonly status: { readonly state: string }
  }[]
  return alerts.map(({ labels, status }) => `${labels['alertname']} ${labels['dataset'] ?? ''} ${status.state}`).sort()
}
