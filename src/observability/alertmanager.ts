import { failure, RECEIVER_SECRET_MISPLACED } from '../errors/index.js'
import { type Alert, alertLabels } from './alert.js'
import type { Labels } from './definition.js'
import { durationText } from './duration.js'
import { generatedYaml } from './generated.js'
import { quoted } from './promql.js'
import type {
  EmailChannel,
  Inhibition,
  Notifications,
  PagerDutyChannel,
  Receiver,
  Route,
  SecretText,
  SlackChannel,
  WebhookChannel,
} from './receiver.js'

/** Every project has it: while a dataset's critical alert fires, its others are known to follow from it. */
export const DEFAULT_INHIBITIONS: readonly Inhibition[] = [
  { source: { severity: 'critical' }, target: { severity: ['warning', 'info'] }, equal: ['dataset'] },
]

export interface AlertmanagerOptions {
  /** Where Alertmanager finds a file for each secret, named like its environment variable. Default `/etc/alertmanager/secrets`. */
  readonly secretsFolder?: string
  /** Whether alerts have a `runbook_url`, for PagerDuty to link to. Default false. */
  readonly runbooks?: boolean
  /** Beside the default ones and those of `notifications`. */
  readonly inhibitions?: readonly Inhibition[]
}

/**
 * `alertmanager.yml`, which `amtool check-config` passes; a comment says which receivers get each alert.
 *
 * Secrets are never in it: it names the files that hold them. Alertmanager 0.25 reads a Slack address, a PagerDuty key, a mail password and a
 * webhook's token from files, but not a webhook's address: throws RECEIVER_SECRET_MISPLACED where that is a secret.
 */
export function alertmanagerConfig(notifications: Notifications, alerts: readonly Alert[], options: AlertmanagerOptions = {}): string {
  const secrets = options.secretsFolder ?? '/etc/alertmanager/secrets'
  const inhibitions = [...DEFAULT_INHIBITIONS, ...notifications.inhibit, ...(options.inhibitions ?? [])]
  const document = {
    route: {
      receiver: notifications.default.name,
      group_by: notifications.groupBy,
      group_wait: durationText(notifications.groupWait),
      group_interval: durationText(notifications.groupInterval),
      repeat_interval: durationText(notifications.repeat),
      ...(notifications.routes.length === 0 ? {} : { routes: notifications.routes.map(routeOf) }),
    },
    inhibit_rules: inhibitions.map(inhibitRule),
    receivers: receiversOf(notifications).map((one) => receiverOf(one, secrets, options.runbooks ?? false)),
  }
  const reached = alertRoutes(notifications, alerts).map(({ alert, receivers }) => `${alert}: ${receivers.join(', ')}`)
  return generatedYaml('sluice generate alertmanager', document, reached)
}

/** All receivers that are named, each once. */
export function receiversOf(notifications: Notifications): readonly Receiver[] {
  return [...new Map([notifications.default, ...notifications.routes.map(({ to }) => to)].map((one) => [one.name, one])).values()]
}

/** Names of the environment variables whose values the receivers need. */
export function secretNames(notifications: Notifications): readonly string[] {
  const names = receiversOf(notifications)
    .flatMap(({ slack, email, pagerDuty, webhook }) => [slack?.url, email?.password, pagerDuty?.routingKey, webhook?.token, webhook?.url])
    .flatMap((text) => (typeof text === 'object' ? [text.name] : []))
  return [...new Set(names)].sort()
}

/** The routes that take an alert with these labels, in order; none means that it goes to the default receiver. */
export function routesFor(notifications: Notifications, labels: Labels): readonly Route[] {
  const taken = notifications.routes.filter(({ match = {} }) => matches(match, labels))
  const last = taken.findIndex((route) => !route.continue)
  return last === -1 ? taken : taken.slice(0, last + 1)
}

/** Who is told of an alert with these labels, as Alertmanager reads the routes. */
export function receiversFor(notifications: Notifications, labels: Labels): readonly Receiver[] {
  const routes = routesFor(notifications, labels)
  return routes.length === 0 ? [notifications.default] : routes.map(({ to }) => to)
}

export interface AlertRoute {
  readonly alert: string
  readonly receivers: readonly string[]
}

/** For each alert, who is told of it by the labels that it always has; a route that goes by another label is not counted. */
export function alertRoutes(notifications: Notifications, alerts: readonly Alert[]): readonly AlertRoute[] {
  return alerts.map((alert) => ({
    alert: alert.name,
    receivers: receiversFor(notifications, alertLabels(alert, {})).map(({ name }) => name),
  }))
}

/**
 * Whether one alert that fires keeps another quiet. Labels that are to be equal must be there: two alerts that both lack `dataset` are not
 * about the same one.
 */
export function inhibits(inhibition: Inhibition, source: Labels, target: Labels): boolean {
  return (
    matches(inhibition.source, source) &&
    matches(inhibition.target, target) &&
    inhibition.equal.every((label) => (source[label] ?? '') !== '' && source[label] === target[label]) &&
    !(matches(inhibition.target, source) && matches(inhibition.source, target))
  )
}

type Conditions = Readonly<Record<string, string | readonly string[] | undefined>>

/** A label that is not there is an empty one, as Prometheus has it. */
function matches(conditions: Conditions, labels: Labels): boolean {
  return Object.entries(conditions).every(([label, wanted]) => {
    const value = labels[label] ?? ''
    return wanted === undefined || (typeof wanted === 'string' ? value === wanted : wanted.includes(value))
  })
}

function routeOf(route: Route): object {
  return {
    receiver: route.to.name,
    matchers: matchersOf(route.match ?? {}),
    ...(route.continue ? { continue: true } : {}),
    repeat_interval: durationText(route.repeat),
  }
}

function inhibitRule({ source, target, equal }: Inhibition): object {
  const present = equal.filter((label) => source[label] === undefined).map((label) => `${label}!=""`)
  return { source_matchers: [...matchersOf(source), ...present], target_matchers: matchersOf(target), equal }
}

function matchersOf(conditions: Conditions): readonly string[] {
  return Object.entries(conditions).flatMap(([label, wanted]) => {
    if (wanted === undefined) return []
    return typeof wanted === 'string' ? [`${label}=${quoted(wanted)}`] : [`${label}=~${quoted(oneOf(wanted))}`]
  })
}

/** A regular expression that only these texts match, whole; of none, one that nothing matches. */
function oneOf(values: readonly string[]): string {
  return values.length === 0 ? '[^\\s\\S]' : values.map((value) => value.replaceAll(/[\\^$.|?*+()[\]{}]/g, '\\$&')).join('|')
}

function receiverOf(one: Receiver, secrets: string, runbooks: boolean): object {
  return {
    name: one.name,
    ...(one.slack === undefined ? {} : { slack_configs: [slackOf(one.slack, secrets)] }),
    ...(one.email === undefined ? {} : { email_configs: [emailOf(one.email, secrets)] }),
    ...(one.pagerDuty === undefined ? {} : { pagerduty_configs: [pagerDutyOf(one.pagerDuty, secrets, runbooks)] }),
    ...(one.webhook === undefined ? {} : { webhook_configs: [webhookOf(one, one.webhook, secrets)] }),
  }
}

/** `api_url: text`, or `api_url_file` with the file of a secret. */
function textOrFile(field: string, text: SecretText, secrets: string): object {
  return typeof text === 'string' ? { [field]: text } : { [`${field}_file`]: `${secrets}/${text.name}` }
}

const ALERT_LINES = [
  '{{ range .Alerts }}*{{ .Annotations.summary }}*',
  '{{ .Annotations.description }}{{ if .Annotations.runbook_url }}',
  '<{{ .Annotations.runbook_url }}|What to do>{{ end }}',
  '{{ end }}',
].join('\n')

function slackOf({ url, channel }: SlackChannel, secrets: string): object {
  return {
    ...textOrFile('api_url', url, secrets),
    ...(channel === undefined ? {} : { channel }),
    send_resolved: true,
    color: '{{ if ne .Status "firing" }}good{{ else if eq .CommonLabels.severity "critical" }}danger{{ else }}warning{{ end }}',
    title: '[{{ .Status | toUpper }}] {{ .GroupLabels.SortedPairs.Values | join " " }}',
    text: ALERT_LINES,
  }
}

function emailOf({ to, from, smtp, username, password, tls }: EmailChannel, secrets: string): object {
  return {
    to: to.join(', '),
    from,
    smarthost: smtp,
    ...(username === undefined ? {} : { auth_username: username }),
    ...(password === undefined ? {} : textOrFile('auth_password', password, secrets)),
    require_tls: tls ?? true,
    send_resolved: true,
    headers: { Subject: '[{{ .Status | toUpper }}] {{ .GroupLabels.SortedPairs.Values | join " " }}' },
  }
}

function pagerDutyOf({ routingKey, url }: PagerDutyChannel, secrets: string, runbooks: boolean): object {
  return {
    ...textOrFile('routing_key', routingKey, secrets),
    ...(url === undefined ? {} : { url }),
    severity: '{{ .CommonLabels.severity }}',
    description: '{{ (index .Alerts 0).Annotations.summary }}',
    ...(runbooks ? { links: [{ href: '{{ (index .Alerts 0).Annotations.runbook_url }}', text: 'What to do' }] } : {}),
    send_resolved: true,
  }
}

function webhookOf(one: Receiver, { url, token }: WebhookChannel, secrets: string): object {
  if (typeof url === 'object')
    throw failure(RECEIVER_SECRET_MISPLACED, {
      receiver: one.name,
      field: 'webhook address',
      advice: 'Write the address as a text, and keep what is secret in `token`, which is sent in a header.',
    })
  return {
    url,
    send_resolved: true,
    ...(token === undefined
      ? {}
      : {
          http_config: {
            authorization: typeof token === 'string' ? { credentials: token } : { credentials_file: `${secrets}/${token.name}` },
          },
        }),
  }
}
