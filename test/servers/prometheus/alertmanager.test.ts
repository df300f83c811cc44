import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import fc from 'fast-check'
import { SMTPServer } from 'smtp-server'
import { expect, test } from 'vitest'
import { alertmanagerConfig, DEFAULT_INHIBITIONS, inhibits, receiversFor } from '../../../src/observability/alertmanager.js'
import { isAlert, type Labels, notifications, receiver } from '../../../src/observability/index.js'
import { temporaryFolder } from '../../fixtures.js'
import { groups, notified } from '../../observability/sample.js'
import { amtool, describeWithAlertmanager } from './alertmanager.js'
import { freePort, startServer } from './server.js'

const plain = receiver('plain', {})

/** Routes with everything that is awkward in a matcher. */
const awkward = notifications({
  default: plain,
  routes: [
    { to: receiver('dots', {}), match: { dataset: ['a.b', 'c|d', 'e"f'] }, continue: true },
    { to: receiver('lost', {}), match: { dataset: [] } },
    { to: receiver('empty', {}), match: { zone: '', severity: 'info' }, continue: true },
    { to: receiver('slash', {}), match: { dataset: 'x\\y' } },
    { to: receiver('last', {}), match: { severity: ['critical', 'info'] } },
  ],
})

const labelSets = fc.record(
  {
    severity: fc.constantFrom('critical', 'warning', 'info'),
    owner: fc.constantFrom('shop', 'other'),
    kind: fc.constantFrom('freshness', 'x'),
    dataset: fc.constantFrom('a.b', 'axb', 'c|d', 'c', 'e"f', 'x\\y'),
    zone: fc.constantFrom('', 'north'),
  },
  { requiredKeys: [] },
)

describeWithAlertmanager('generated configuration and Alertmanager', () => {
  test('it is taken', async () => {
    const file = join(temporaryFolder(), 'alertmanager.yml')
    const alerts = groups.flatMap(({ rules }) => rules.filter(isAlert))
    await writeFile(file, alertmanagerConfig(notified, alerts, { runbooks: true }))
    await expect(amtool('check-config', file)).resolves.toContain('SUCCESS')
  })

  test.each([
    ['of the shop', notified],
    ['with awkward values', awkward],
  ])('routes %s are read there as we read them', async (_, routes) => {
    const file = join(temporaryFolder(), 'alertmanager.yml')
    await writeFile(file, alertmanagerConfig(routes, []))
    const reached = new Set<string>()
    for (const labels of fc.sample(labelSets, { numRuns: 40, seed: 11 })) {
      const written = Object.entries(labels).map(([label, value]) => `${label}=${JSON.stringify(value)}`)
      const [theirs = ''] = (await amtool('config', 'routes', 'test', `--config.file=${file}`, ...written)).split('\n')
      const ours = receiversFor(routes, labels as Labels).map(({ name }) => name)
      expect(theirs, written.join(' ')).toBe(ours.join(','))
      reached.add(theirs)
    }
    expect(reached.size).toBeGreaterThan(3)
  })

  test('alerts are kept quiet there where we say so', async () => {
    const server = await startAlertmanager(temporaryFolder(), alertmanagerConfig(notifications({ default: plain }), []))
    try {
      const alerts: readonly Labels[] = [
        { alertname: 'A', severity: 'critical', dataset: 'orders' },
        { alertname: 'B', severity: 'warning', dataset: 'orders' },
        { alertname: 'C', severity: 'info', dataset: 'orders' },
        { alertname: 'D', severity: 'warning', dataset: 'refunds' },
        { alertname: 'E', severity: 'critical' },
        { alertname: 'F', severity: 'warning' },
      ]
      await post(
        server.url,
        alerts.map((labels) => ({ labels })),
      )
      const quiet = () => quietIn(server.url)
      const ours = alerts.filter((target) => DEFAULT_INHIBITIONS.some((one) => alerts.some((source) => inhibits(one, source, target))))
      await expect.poll(quiet, { timeout: 10_000 }).toEqual(ours.map(({ alertname }) => alertname))
      expect(ours.map(({ alertname }) => alertname)).toEqual(['B', 'C'])
    } finally {
      await server.stop()
    }
  })

  test('an alert reaches each channel, with its texts and its secrets', async () => {
    const folder = temporaryFolder()
    const listener = await listening()
    const mail = await mailbox()
    await writeFile(join(folder, 'SLACK'), `${listener.url}/slack`)
    await writeFile(join(folder, 'PAGERDUTY'), 'a'.repeat(32))
    await writeFile(join(folder, 'TOKEN'), 'open-sesame')
    const everyone = receiver('everyone', {
      slack: { url: { name: 'SLACK' }, channel: '#shop' },
      pagerDuty: { routingKey: { name: 'PAGERDUTY' }, url: `${listener.url}/pagerduty` },
      webhook: { url: `${listener.url}/webhook`, token: { name: 'TOKEN' } },
      email: { to: ['team@shop.test', 'night@shop.test'], from: 'alerts@shop.test', smtp: mail.address, tls: false },
    })
    const told = notifications({ default: everyone, groupWait: '0s' })
    const server = await startAlertmanager(folder, alertmanagerConfig(told, [], { secretsFolder: folder, runbooks: true }))
    try {
      const labels = { alertname: 'BatchFailed', dataset: 'orders', severity: 'critical' }
      const annotations = { summary: 'orders failed', description: 'It is as it was.', runbook_url: 'https://example.org/BatchFailed' }
      await post(server.url, [{ labels, annotations }])
      await expect.poll(() => [listener.received.length, mail.letters.length], { timeout: 20_000 }).toEqual([3, 1])
      const sent = new Map(listener.received.map((one) => [one.path, one]))
      expect(sent.get('/slack')?.body).toMatchObject({
        channel: '#shop',
        attachments: [
          {
            color: 'danger',
            title: '[FIRING] BatchFailed orders',
            text: '*orders failed*\nIt is as it was.\n<https://example.org/BatchFailed|What to do>\n',
          },
        ],
      })
      expect(sent.get('/pagerduty')?.body).toMatchObject({
        routing_key: 'a'.repeat(32),
        event_action: 'trigger',
        payload: { summary: 'orders failed', severity: 'critical' },
        links: [{ href: 'https://example.org/BatchFailed', text: 'What to do' }],
      })
      expect(sent.get('/webhook')).toMatchObject({ authorization: 'Bearer open-sesame', body: { receiver: 'everyone', status: 'firing' } })
      expect(mail.letters[0]).toContain('To: team@shop.test, night@shop.test')
      expect(mail.letters[0]).toContain('Subject: [FIRING] BatchFailed orders')
    } finally {
      await server.stop()
      listener.close()
      mail.close()
    }
  })
})

interface Received {
  readonly path: string
  readonly authorization: string | undefined
  readonly body: unknown
}

/** Keeps what is sent to it. */
async function listening(): Promise<{ readonly url: string; readonly received: Received[]; close(): void }> {
  const received: Received[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      received.push({
        path: request.url ?? '',
        authorization: request.headers.authorization,
        body: JSON.parse(Buffer.concat(chunks).toString()) as unknown,
      })
      // PagerDuty's answer is 202.
      response.writeHead(request.url === '/pagerduty' ? 202 : 200).end('ok')
    })
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${port}`, received, close: () => server.close() }
}

/** Keeps the letters sent to it. */
async function mailbox(): Promise<{ readonly address: string; readonly letters: string[]; close(): void }> {
  const letters: string[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, _, callback) {
      let letter = ''
      stream.on('data', (chunk: Buffer) => {
        letter += chunk.toString()
      })
      stream.on('end', () => {
        letters.push(letter)
        callback()
      })
    },
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', () => resolve()))
  return { address: `127.0.0.1:${port}`, letters, close: () => server.close(() => undefined) }
}

async function post(url: string, alerts: readonly object[]): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const posted = await fetch(`${url}/api/v2/alerts`, { method: 'POST', headers, body: JSON.stringify(alerts) })
  expect(posted.status).toBe(200)
}

/** Starts Alertmanager on a configuration. */
async function startAlertmanager(folder: string, config: string) {
  const file = join(folder, 'alertmanager.yml')
  await writeFile(file, config)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const flags = [`--storage.path=${join(folder, 'data')}`, `--web.listen-address=127.0.0.1:${port}`, '--cluster.listen-address=']
  return { url, ...(await startServer('prometheus-alertmanager', [`--config.file=${file}`, ...flags], `${url}/-/ready`)) }
}

/** Names of the alerts that another keeps quiet. */
async function quietIn(url: string): Promise<readonly string[]> {
  const answer = (await (await fetch(`${url}/api/v2/alerts`)).json()) as readonly {
    readonly labels: Readonly<Record<string, string>>
    readonly status: { readonly inhibitedBy: readonly string[] }
  }[]
  return answer
    .filter(({ status }) => status.inhibitedBy.length > 0)
    .map(({ labels }) => labels['alertname'] ?? '')
    .sort()
}
