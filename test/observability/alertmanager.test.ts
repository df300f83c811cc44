import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import {
  alertmanagerConfig,
  alertRoutes,
  DEFAULT_INHIBITIONS,
  inhibits,
  receiversFor,
  secretNames,
} from '../../src/observability/alertmanager.js'
import { notifications, receiver } from '../../src/observability/index.js'
import { batchFailed, datasetLate, notified, refusals, team } from './sample.js'

interface Config {
  readonly route: { readonly receiver: string; readonly routes?: readonly Record<string, unknown>[] }
  readonly receivers: readonly Record<string, readonly Record<string, unknown>[]>[]
  readonly inhibit_rules: readonly Record<string, unknown>[]
}
const configOf = (text: string) => parse(text) as Config

describe('the configuration', () => {
  const text = alertmanagerConfig(notified, [batchFailed, datasetLate, refusals])
  const config = configOf(text)

  test('has the routes, each said again in its own time', () => {
    expect(config.route).toEqual({
      receiver: 'team',
      group_by: ['alertname', 'dataset'],
      group_wait: '30s',
      group_interval: '5m',
      repeat_interval: '6h',
      routes: [
        { receiver: 'hook', matchers: ['severity=~"critical|warning"', 'owner="shop"'], continue: true, repeat_interval: '6h' },
        { receiver: 'oncall', matchers: ['severity="critical"'], repeat_interval: '1h' },
        { receiver: 'hook', matchers: ['kind="freshness"'], repeat_interval: '12h' },
      ],
    })
  })

  test('says first who gets each alert', () => {
    expect(text.split('\n').slice(1, 4)).toEqual(['# BatchFailed: hook, oncall', '# DatasetLate: hook, hook', '# BatchesRefused: team'])
  })

  test('names the files of secrets, and none of their variables otherwise', () => {
    const at = '/etc/alertmanager/secrets'
    const [slack, hook, oncall] = config.receivers
    expect(slack?.['slack_configs']?.[0]).toMatchObject({ api_url_file: `${at}/SLACK_WEBHOOK`, channel: '#shop' })
    expect(hook?.['webhook_configs']?.[0]).toMatchObject({ http_config: { authorization: { credentials_file: `${at}/HOOK_TOKEN` } } })
    expect(oncall?.['email_configs']?.[0]).toMatchObject({
      auth_password_file: `${at}/SMTP_PASSWORD`,
      to: 'oncall@shop.test, night@shop.test',
    })
    expect(oncall?.['pagerduty_configs']?.[0]).toMatchObject({ routing_key_file: `${at}/PAGERDUTY_KEY` })
    expect(secretNames(notified)).toEqual(['HOOK_TOKEN', 'PAGERDUTY_KEY', 'SLACK_WEBHOOK', 'SMTP_PASSWORD'])
    const elsewhere = configOf(alertmanagerConfig(notified, [], { secretsFolder: '/run/secrets' }))
    expect(elsewhere.receivers[0]?.['slack_configs']?.[0]).toMatchObject({ api_url_file: '/run/secrets/SLACK_WEBHOOK' })
  })

  test('links PagerDuty to a page only when alerts have one', () => {
    const link = (runbooks: boolean) =>
      configOf(alertmanagerConfig(notified, [], { runbooks })).receivers[2]?.['pagerduty_configs']?.[0]?.['links']
    expect(link(false)).toBeUndefined()
    expect(link(true)).toEqual([{ href: '{{ (index .Alerts 0).Annotations.runbook_url }}', text: 'What to do' }])
  })

  test("refuses a webhook's secret address, and does not show it", () => {
    const secret = notifications({ default: receiver('chat', { webhook: { url: { name: 'CHAT_URL' } } }) })
    expect(() => alertmanagerConfig(secret, [])).toThrow(
      expect.objectContaining({ code: 'RECEIVER_SECRET_MISPLACED', message: expect.stringContaining('"chat"') }),
    )
  })

  test('has the inhibitions of every project, of these notifications and of the caller', () => {
    const derived = { source: { alertname: 'RunFailed', dataset: 'bronze' }, target: { dataset: ['silver', 'gold.all'] }, equal: [] }
    expect(configOf(alertmanagerConfig(notified, [], { inhibitions: [derived] })).inhibit_rules).toEqual([
      { source_matchers: ['severity="critical"', 'dataset!=""'], target_matchers: ['severity=~"warning|info"'], equal: ['dataset'] },
      {
        source_matchers: ['alertname="BatchFailed"', 'dataset="orders"', 'owner!=""'],
        target_matchers: ['alertname="DatasetLate"'],
        equal: ['owner'],
      },
      { source_matchers: ['alertname="RunFailed"', 'dataset="bronze"'], target_matchers: ['dataset=~"silver|gold\\\\.all"'], equal: [] },
    ])
  })
})

describe('the receivers of an alert', () => {
  const names = (labels: Record<string, string>) => receiversFor(notified, labels).map(({ name }) => name)

  test('are those of the first route that takes it, and of those before it that pass it on', () => {
    expect(names({ severity: 'critical', owner: 'shop' })).toEqual(['hook', 'oncall'])
    expect(names({ severity: 'critical', owner: 'other' })).toEqual(['oncall'])
    expect(names({ severity: 'warning', owner: 'shop' })).toEqual(['hook'])
    expect(names({ severity: 'info', kind: 'freshness' })).toEqual(['hook'])
  })

  test('are the default when no route takes it', () => {
    expect(names({})).toEqual(['team'])
    expect(alertRoutes(notified, [refusals])).toEqual([{ alert: 'BatchesRefused', receivers: ['team'] }])
  })

  test('a label that is not there is an empty one; one of no values is never there', () => {
    const of = (values: string | readonly string[]) =>
      notifications({ default: team, routes: [{ to: receiver('other', {}), match: { zone: values } }] })
    expect(receiversFor(of(''), {}).map(({ name }) => name)).toEqual(['other'])
    expect(receiversFor(of([]), {}).map(({ name }) => name)).toEqual(['team'])
  })
})

describe('an inhibition', () => {
  const [critical] = DEFAULT_INHIBITIONS
  const holds = (source: Record<string, string>, target: Record<string, string>) =>
    critical !== undefined && inhibits(critical, source, target)

  test('keeps the lesser alerts of a dataset quiet', () => {
    expect(holds({ severity: 'critical', dataset: 'orders' }, { severity: 'warning', dataset: 'orders' })).toBe(true)
    expect(holds({ severity: 'critical', dataset: 'orders' }, { severity: 'info', dataset: 'orders' })).toBe(true)
  })

  test('does not reach another dataset, an alert of none, or another critical one', () => {
    expect(holds({ severity: 'critical', dataset: 'orders' }, { severity: 'warning', dataset: 'refunds' })).toBe(false)
    expect(holds({ severity: 'critical' }, { severity: 'warning' })).toBe(false)
    expect(holds({ severity: 'critical', dataset: 'orders' }, { severity: 'critical', dataset: 'orders' })).toBe(false)
    expect(holds({ severity: 'warning', dataset: 'orders' }, { severity: 'info', dataset: 'orders' })).toBe(false)
  })

  test('that an alert is on both sides of does not keep it quiet itself', () => {
    const same = { source: { dataset: 'orders' }, target: { dataset: 'orders' }, equal: [] }
    expect(inhibits(same, { dataset: 'orders' }, { dataset: 'orders' })).toBe(false)
  })
})
