import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'

/** One thing that somebody was told. */
export interface Told {
  /** Milliseconds since 1970 at which it arrived. */
  readonly at: number
  readonly channel: 'slack' | 'pagerduty' | 'webhook' | 'email'
  readonly authorization: string | undefined
  // biome-ignore lint/suspicious/noExplicitAny: a test reads a message freely, and fails where it is otherwise
  readonly body: any
}

export interface Receivers {
  /** `http://127.0.0.1:PORT`; what is posted to `/slack`, `/pagerduty` and `/webhook` is kept. */
  readonly url: string
  /** `127.0.0.1:PORT`, for mail. */
  readonly smtp: string
  /** In the order in which it arrived; a letter's body is its text. */
  readonly told: readonly Told[]
  /** Channels that answer 503, and mail that is refused for now, until they are taken out. */
  readonly down: Set<Told['channel']>
  /** How often something came that was turned away. */
  readonly refused: Told[]
  close(): Promise<void>
}

/** Slack, PagerDuty, a webhook and a mailbox on this machine, as far as alerts reach them. */
export async function startReceivers(): Promise<Receivers> {
  const told: Told[] = []
  const refused: Told[] = []
  const down = new Set<Told['channel']>()
  const take = (one: Told): boolean => {
    const isDown = down.has(one.channel)
    ;(isDown ? refused : told).push(one)
    return !isDown
  }
  const http = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const channel = (request.url ?? '').slice(1) as Told['channel']
      const body: unknown = JSON.parse(Buffer.concat(chunks).toString())
      const taken = take({ at: Date.now(), channel, authorization: request.headers.authorization, body })
      // PagerDuty's answer is 202.
      response.writeHead(taken ? (channel === 'pagerduty' ? 202 : 200) : 503).end('ok')
    })
  })
  const mail = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, _, callback) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const body = Buffer.concat(chunks).toString()
        const taken = take({ at: Date.now(), channel: 'email', authorization: undefined, body })
        callback(taken ? null : Object.assign(new Error('Try again later'), { responseCode: 451 }))
      })
    },
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  await new Promise<void>((resolve) => mail.listen(0, '127.0.0.1', () => resolve()))
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    smtp: `127.0.0.1:${(mail.server.address() as AddressInfo).port}`,
    told,
    down,
    refused,
    async close() {
      http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
      await new Promise<void>((resolve) => mail.close(() => resolve()))
    },
  }
}

/** What a message by any channel is about: `email [FIRING] DatasetFailed bronze.raw_orders`. */
export function headline({ channel, body }: Told): string {
  switch (channel) {
    case 'slack':
      return `slack ${body.attachments[0].title}`
    case 'pagerduty':
      return `pagerduty ${body.event_action} ${body.payload?.summary ?? ''}`.trim()
    case 'webhook':
      return `webhook ${body.status} ${body.alerts.map((one: { labels: Record<string, string> }) => one.labels['alertname']).join(' ')}`
    case 'email':
      return `email ${/^Subject: (.*)$/m.exec(body)?.[1]?.trim()}`
  }
}
