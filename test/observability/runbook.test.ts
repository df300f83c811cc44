import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { composeStack } from '../../src/observability/compose.js'
import { metricsOf, runbook } from '../../src/observability/runbook.js'
import { always, batchFailed, datasetLate, shop, shopDetails } from './sample.js'

test("an alert's page says what it knows", () => {
  const page = runbook(batchFailed, { dashboards: [shop, shopDetails], receivers: ['hook', 'oncall'] })
  expect(page).toBe(`# BatchFailed

\`<dataset>\` failed \`<value>\` times in an hour

| | |
|---|---|
| Severity | critical |
| Owner | shop |
| Goes to | hook, oncall |
| Fires | at once |
| Labels | \`severity="critical"\` \`owner="shop"\` |

## What it means

A batch ended with an error; the table is as it was before.

## What to do

1. Look at the error: \`sluice status\`
2. Run it again: \`sluice run\`

## When it fires

\`\`\`promql
sum by (dataset) (increase(shop_batches_total{status="failed"}[1h])) > 0
\`\`\`

For example:

- It fires when one failed: \`shop_batches_total{dataset="orders",status="failed"}\` is \`0x30 1x30\`, a value each 1m, after 50m.
- It stays quiet when all went well: \`shop_batches_total{dataset="orders",status="ok"}\` is \`0+1x60\`, a value each 1m, after 50m.

## Keeping it quiet

While you work on it, for two hours:

\`\`\`sh
amtool silence add alertname="BatchFailed" --duration=2h --author="$USER" --comment="why"
\`\`\`

## Where it is drawn

- Shop (\`shop\`)
`)
})

test('the page says how long it waits and how it ends, and owns up to what is missing', () => {
  const page = runbook(datasetLate)
  expect(page).toContain('| Fires | when it has held for 10m |\n| Ends | 5m after it no longer holds |')
  expect(page).toContain('No steps are written down')
  expect(page).not.toContain('Where it is drawn')
  expect(runbook(always)).not.toContain('For example')
})

test('metrics are found wherever they stand in a condition', () => {
  expect([...metricsOf(batchFailed.when.expression)]).toEqual(['shop_batches_total'])
  expect([...metricsOf(always.when.expression)]).toEqual([])
})

interface Service {
  readonly image: string
  readonly ports: readonly string[]
  readonly healthcheck: { readonly test: readonly string[] }
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly secrets?: readonly { readonly source: string; readonly target: string }[]
  readonly volumes: readonly string[]
}

test('the stack is pinned, looked after, kept to this machine, and without a password of its own', () => {
  const stack = parse(composeStack({ secrets: ['SLACK_WEBHOOK'], mysql: true, ports: { grafana: 3001 } })) as {
    readonly services: Readonly<Record<string, Service>>
    readonly volumes: Readonly<Record<string, unknown>>
    readonly secrets: Readonly<Record<string, unknown>>
  }
  expect(Object.keys(stack.services)).toEqual(['prometheus', 'pushgateway', 'alertmanager', 'grafana'])
  for (const service of Object.values(stack.services)) {
    expect(service.image).toMatch(/:v?\d+\.\d+\.\d+$/)
    expect(service.ports.every((port) => port.startsWith('127.0.0.1:'))).toBe(true)
    expect(service.healthcheck.test[0]).toBe('CMD')
    const named = service.volumes.map((volume) => volume.split(':')[0] ?? '').filter((name) => !name.startsWith('.'))
    expect(named.filter((name) => !(name in stack.volumes))).toEqual([])
  }
  expect(stack.services['prometheus']?.command).toContain('--storage.tsdb.retention.time=30d')
  expect(stack.services['grafana']?.ports).toEqual(['127.0.0.1:3001:3000'])
  expect(stack.services['grafana']?.environment?.['GF_SECURITY_ADMIN_PASSWORD']).toMatch(/^\$\{GRAFANA_ADMIN_PASSWORD:\?/)
  expect(stack.services['grafana']?.environment).toMatchObject({
    MYSQL_HOST: expect.stringMatching(/^\$\{MYSQL_HOST:\?/),
    MYSQL_DATABASE: expect.stringMatching(/^\$\{MYSQL_DATABASE:\?/),
    MYSQL_USER: expect.stringMatching(/^\$\{GRAFANA_MYSQL_USER:\?/),
    MYSQL_PASSWORD: expect.stringMatching(/^\$\{GRAFANA_MYSQL_PASSWORD:\?/),
  })
  expect(stack.services['alertmanager']?.secrets).toEqual([{ source: 'SLACK_WEBHOOK', target: '/etc/alertmanager/secrets/SLACK_WEBHOOK' }])
  expect(stack.secrets).toEqual({ SLACK_WEBHOOK: { file: './secrets/SLACK_WEBHOOK' } })
  expect(parse(composeStack())).not.toHaveProperty('secrets')
  expect(composeStack()).not.toContain('MYSQL')
})
