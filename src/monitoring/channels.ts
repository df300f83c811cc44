import { appendFile, mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { CHANNEL_CLIENT_MISSING, failure, isSluiceError, messageOf, NOTIFY_FAILED, PUSH_REFUSED } from '../errors/index.js'
import {
  deliver,
  type EmailChannel,
  type PagerDutyChannel,
  type SecretText,
  type SlackChannel,
  type WebhookChannel,
} from '../observability/index.js'
import type { Message } from './notifier.js'

export interface ChannelContext {
  /** Reads a secret from the environment. Throws SECRET_NOT_SET. */
  secret(text: SecretText): string
  /** What a relative log file is relative to. */
  readonly folder: string
}

/** Sends a message by every channel of its receiver. Answers those that failed; one that fails keeps none of the others from being tried. */
export async function send(message: Message, context: ChannelContext): Promise<readonly Error[]> {
  const { slack, email, pagerDuty, webhook, logFile } = message.receiver
  const tried = await Promise.allSettled([
    ...(slack === undefined ? [] : [toSlack(message, slack, context)]),
    ...(email === undefined ? [] : [toEmail(message, email, context)]),
    ...(pagerDuty === undefined ? [] : [toPagerDuty(message, pagerDuty, context)]),
    ...(webhook === undefined ? [] : [toWebhook(message, webhook, context)]),
    ...(logFile === undefined ? [] : [toLog(message, resolve(context.folder, logFile))]),
  ])
  return tried.flatMap((one) => (one.status === 'rejected' ? [failed(message, one.reason)] : []))
}

function failed({ receiver }: Message, reason: unknown): Error {
  if (isSluiceError(reason) && reason.code !== PUSH_REFUSED.code) return reason
  return failure(NOTIFY_FAILED, { receiver: receiver.name, problem: messageOf(reason) }, { cause: reason })
}

function statusOf({ notices }: Message): 'firing' | 'resolved' {
  return notices.some(({ status }) => status === 'firing') ? 'firing' : 'resolved'
}

function titleOf(message: Message): string {
  const firing = message.notices.filter(({ status }) => status === 'firing').length
  const about = Object.values(message.group).join(' ')
  return `[${statusOf(message).toUpperCase()}${firing > 0 ? `:${firing}` : ''}] ${about}`.trim()
}

const RANK = { critical: 2, warning: 1, info: 0 } as const

function worst({ notices }: Message): keyof typeof RANK {
  return notices.map(({ alert }) => alert.severity).reduce((most, one) => (RANK[one] > RANK[most] ? one : most), 'info')
}

/** In the shape that Alertmanager's webhook has, version 4, so that what listens to one can listen to the other. */
async function toWebhook(message: Message, { url, token }: WebhookChannel, { secret }: ChannelContext): Promise<void> {
  const body = {
    version: '4',
    groupKey: message.key,
    status: statusOf(message),
    receiver: message.receiver.name,
    groupLabels: message.group,
    commonLabels: common(message.notices.map(({ alert }) => alert.labels)),
    commonAnnotations: {},
    externalURL: '',
    truncatedAlerts: 0,
    alerts: message.notices.map(({ status, alert, endedAt }) => ({
      status,
      labels: alert.labels,
      annotations: {
        summary: alert.summary,
        description: alert.description,
        ...(alert.runbook === undefined ? {} : { runbook_url: alert.runbook }),
      },
      startsAt: new Date(alert.since).toISOString(),
      endsAt: endedAt === undefined ? '0001-01-01T00:00:00Z' : new Date(endedAt).toISOString(),
      generatorURL: '',
      value: alert.value,
    })),
  }
  await post(url, secret, body, token === undefined ? {} : { authorization: `Bearer ${secret(token)}` })
}

function common(all: readonly Readonly<Record<string, string>>[]): Readonly<Record<string, string>> {
  const [first = {}, ...rest] = all
  return Object.fromEntries(Object.entries(first).filter(([label, value]) => rest.every((labels) => labels[label] === value)))
}

async function toSlack(message: Message, { url, channel }: SlackChannel, { secret }: ChannelContext): Promise<void> {
  const colour = statusOf(message) === 'resolved' ? 'good' : { critical: 'danger', warning: 'warning', info: '#439FE0' }[worst(message)]
  const text = message.notices
    .map(({ status, alert }) => {
      const mark = status === 'resolved' ? ' (resolved)' : ''
      const page = alert.runbook === undefined ? '' : `\n<${alert.runbook}|What to do>`
      return `*${slackText(alert.summary)}*${mark}\n${slackText(alert.description)}${page}`
    })
    .join('\n\n')
  const title = titleOf(message)
  const attachment = { color: colour, title, fallback: title, text, mrkdwn_in: ['text'] }
  await post(url, secret, { ...(channel === undefined ? {} : { channel }), attachments: [attachment] })
}

function slackText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** https://developer.pagerduty.com/docs/events-api-v2/trigger-events/ */
async function toPagerDuty(message: Message, { routingKey, url }: PagerDutyChannel, { secret }: ChannelContext): Promise<void> {
  const [first] = message.notices
  const status = statusOf(message)
  const links = message.notices.flatMap(({ alert }) =>
    alert.runbook === undefined ? [] : [{ href: alert.runbook, text: `What to do: ${alert.alert}` }],
  )
  await post(url ?? 'https://events.pagerduty.com/v2/enqueue', secret, {
    routing_key: secret(routingKey),
    event_action: status === 'firing' ? 'trigger' : 'resolve',
    dedup_key: message.key.slice(0, 255),
    ...(status === 'resolved'
      ? {}
      : {
          payload: {
            summary: (message.notices.length > 1 ? titleOf(message) : (first?.alert.summary ?? titleOf(message))).slice(0, 1024),
            source: 'sluice',
            severity: worst(message),
            custom_details: {
              alerts: message.notices.map(({ alert }) => ({ labels: alert.labels, summary: alert.summary, value: alert.value })),
            },
          },
          links,
        }),
  })
}

async function post(
  address: SecretText,
  secret: ChannelContext['secret'],
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const url = secret(address)
  // Of a webhook's address the path may be a secret, and all of one that the environment keeps is.
  const shown = typeof address === 'object' ? `The address in ${address.name}` : URL.canParse(url) ? new URL(url).origin : 'Its address'
  await deliver({ method: 'POST', url, shown, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })
}

/** The little of nodemailer that is used. */
interface Mailer {
  createTransport(options: object): { sendMail(mail: object): Promise<unknown>; close(): void }
}

async function toEmail(message: Message, channel: EmailChannel, { secret }: ChannelContext): Promise<void> {
  const name = 'nodemailer'
  const mailer = (await import(name).catch((cause: unknown) => {
    throw failure(CHANNEL_CLIENT_MISSING, { channel: 'email', client: name }, { cause })
  })) as Mailer & { readonly default?: Mailer }
  const { createTransport } = mailer.default ?? mailer
  const at = channel.smtp.lastIndexOf(':')
  const port = at === -1 ? 587 : Number(channel.smtp.slice(at + 1))
  const encrypted = channel.tls ?? true
  const transport = createTransport({
    host: at === -1 ? channel.smtp : channel.smtp.slice(0, at),
    port,
    secure: encrypted && port === 465,
    requireTLS: encrypted && port !== 465,
    ignoreTLS: !encrypted,
    ...(channel.username === undefined
      ? {}
      : { auth: { user: channel.username, pass: channel.password === undefined ? '' : secret(channel.password) } }),
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    socketTimeout: 20_000,
  })
  try {
    const text = message.notices
      .map(({ status, alert, endedAt }) =>
        [
          `${status === 'resolved' ? 'Resolved' : alert.severity}: ${alert.summary}`,
          alert.description,
          `Since ${new Date(alert.since).toISOString()}${endedAt === undefined ? '' : `, until ${new Date(endedAt).toISOString()}`}. Value ${alert.value}.`,
          ...(alert.runbook === undefined ? [] : [`What to do: ${alert.runbook}`]),
        ].join('\n'),
      )
      .join('\n\n')
    await transport.sendMail({ from: channel.from, to: channel.to.join(', '), subject: titleOf(message).replaceAll(/[\r\n]+/g, ' '), text })
  } finally {
    transport.close()
  }
}

/** A JSON document a line. */
async function toLog(message: Message, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const time = new Date().toISOString()
  const lines = message.notices.map(({ status, alert, endedAt }) =>
    JSON.stringify({
      time,
      status,
      alert: alert.alert,
      severity: alert.severity,
      summary: alert.summary,
      value: alert.value,
      since: new Date(alert.since).toISOString(),
      ...(endedAt === undefined ? {} : { until: new Date(endedAt).toISOString() }),
      labels: alert.labels,
    }),
  )
  await appendFile(path, `${lines.join('\n')}\n`)
}
