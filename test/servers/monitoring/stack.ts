import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { ended, startSluice, temporaryFolder } from '../../fixtures.js'
import { describeWithAlertmanager } from '../prometheus/alertmanager.js'
import { describeWithPushgateway } from '../prometheus/pushgateway.js'
import { freePort, type PrometheusServer, type StartedServer, startPrometheus, startServer } from '../prometheus/server.js'
import { readText, SECRETS, type Shop } from './project.js'

/** The servers of a monitoring stack on what `sluice generate` writes: addresses and intervals are those of this test, all else is as it is. */

/** A `describe` for what needs Prometheus, Pushgateway and Alertmanager; else skipped by name, in CI a failure. */
export function describeWithStack(name: string, body: () => void): void {
  describeWithAlertmanager(name, () => describeWithPushgateway('with a Pushgateway', body))
}

const INTERVAL = '1s'

/** Writes what a shop generates and answers the folder. */
export async function generated(shop: Shop): Promise<string> {
  const folder = join(temporaryFolder(), 'monitoring')
  const made = await shop.sluice('generate', 'all', '--out', folder)
  expect(made.code, made.stdout + made.stderr).toBe(0)
  return folder
}

export interface Addresses {
  readonly served?: string
  readonly pushgateway?: string
  readonly alertmanager?: string
}

/** Prometheus on the generated configuration and rules, which are looked at each second. */
export async function prometheusOn(folder: string, addresses: Addresses): Promise<PrometheusServer> {
  const given = { 'pushgateway:9091': addresses.served ?? addresses.pushgateway, 'alertmanager:9093': addresses.alertmanager }
  const rules = join(temporaryFolder(), 'rules.yml')
  writeFileSync(rules, readText(folder, 'prometheus/rules.yml').replaceAll(/interval: \w+$/gm, `interval: ${INTERVAL}`))
  let config = readText(folder, 'prometheus/prometheus.yml')
  if (addresses.served !== undefined) {
    // `sluice serve` in the Pushgateway's place, as a job of the project's name.
    const pushed = 'job_name: pushgateway\n    honor_labels: true'
    expect(config).toContain(pushed)
    config = config.replace(pushed, 'job_name: shop')
  }
  for (const [placeholder, address] of Object.entries(given)) {
    if (address !== undefined) expect(config).toContain(placeholder)
    config = config.replaceAll(placeholder, address?.replace('http://', '') ?? '127.0.0.1:9')
  }
  return startPrometheus({
    config: config.replaceAll(/_interval: \w+$/gm, `_interval: ${INTERVAL}`).replace('- rules.yml', `- ${rules}`),
    // What fired before it found the Alertmanager is said to it a second later, not a minute.
    flags: ['--rules.alert.resend-delay=1s'],
  })
}

/** Alertmanager on the generated configuration, with the secrets in a folder of this test. */
export async function alertmanagerOn(folder: string, slack: string): Promise<StartedServer & { readonly url: string }> {
  const home = temporaryFolder()
  const secrets = join(home, 'secrets')
  mkdirSync(secrets)
  for (const [name, text] of Object.entries({ ...SECRETS, SLACK_WEBHOOK: slack })) writeFileSync(join(secrets, name), text)
  const file = join(home, 'alertmanager.yml')
  writeFileSync(file, readText(folder, 'alertmanager/alertmanager.yml').replaceAll('/etc/alertmanager/secrets', secrets))
  const checked = await promisify(execFile)('amtool', ['check-config', file])
  expect(checked.stdout).toContain('SUCCESS')
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const flags = [`--storage.path=${join(home, 'data')}`, `--web.listen-address=127.0.0.1:${port}`, '--cluster.listen-address=']
  return { url, ...(await startServer('prometheus-alertmanager', [`--config.file=${file}`, ...flags], `${url}/-/ready`)) }
}

/** `sluice serve` on a free port. */
export async function serving(shop: Shop): Promise<StartedServer & { readonly url: string }> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const child = startSluice({ env: shop.env }, 'serve', '--project', shop.folder, '--port', String(port), '--json')
  const end = ended(child)
  for (let attempt = 0; (await fetch(`${url}/-/ready`).catch(() => undefined))?.status !== 200; attempt++) {
    if (child.exitCode !== null || attempt > 300) throw new Error(`serve did not become ready: ${(await end).stderr}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    url,
    async stop() {
      child.kill('SIGTERM')
      await end
    },
  }
}

export interface Element {
  readonly labels: Readonly<Record<string, string>>
  readonly values: readonly number[]
}

/** What a query answers, of Prometheus or of our own API; with `start` it is one over a range. */
export async function elements(
  url: string,
  query: string,
  { time, start }: { readonly time: number; readonly start?: number },
): Promise<Element[]> {
  const asked =
    start === undefined ? { query, time: String(time / 1000) } : { query, start: String(start / 1000), end: String(time / 1000), step: '1' }
  const answer = await fetch(`${url}/api/v1/${start === undefined ? 'query' : 'query_range'}`, {
    method: 'POST',
    body: new URLSearchParams(asked),
  })
  const { status, data, error } = (await answer.json()) as {
    readonly status: string
    readonly error?: string
    readonly data: { readonly result: readonly { metric: Record<string, string>; value?: [number, string]; values?: [number, string][] }[] }
  }
  if (status !== 'success') throw new Error(`${query}: ${error}`)
  return data.result.map(({ metric: { job: _job, instance: _instance, ...labels }, value, values = [] }) => ({
    labels,
    values: (value === undefined ? values : [value, ...values]).map(([, text]) => Number(text.replace('Inf', 'Infinity'))),
  }))
}

/** `RunFailed` and `DatasetFailed silver.orders`, of what fires in Prometheus. */
export async function firingIn(prometheus: PrometheusServer): Promise<string[]> {
  const { data } = (await (await fetch(`${prometheus.url}/api/v1/alerts`)).json()) as {
    readonly data: { readonly alerts: readonly { readonly state: string; readonly labels: Readonly<Record<string, string>> }[] }
  }
  return data.alerts
    .filter(({ state }) => state === 'firing')
    .map(({ labels }) => `${labels['alertname']} ${labels['dataset'] ?? ''}`.trim())
    .sort()
}
