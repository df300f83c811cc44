import type { Severity } from './alert.js'
import { type Duration, milliseconds } from './duration.js'

export const NOTIFICATIONS = Symbol.for('sluice.notifications')

/** A secret by the name of its environment variable, as `env()` gives it; or a text that is none. */
export type SecretText = string | { readonly name: string }

export interface SlackChannel {
  /** The incoming webhook's address. */
  readonly url: SecretText
  readonly channel?: string
}
export interface EmailChannel {
  readonly to: readonly string[]
  readonly from: string
  /** `host:port` */
  readonly smtp: string
  readonly username?: string
  readonly password?: SecretText
  /** Default true; false only where the server is on this machine. */
  readonly tls?: boolean
}
export interface PagerDutyChannel {
  readonly routingKey: SecretText
  /** Default https://events.pagerduty.com/v2/enqueue. */
  readonly url?: string
}
export interface WebhookChannel {
  readonly url: SecretText
  /** Sent as `Authorization: Bearer`. */
  readonly token?: SecretText
}

/** Who is told, and how: any of these at once. */
export interface Receiver {
  readonly name: string
  readonly slack?: SlackChannel
  readonly email?: EmailChannel
  readonly pagerDuty?: PagerDutyChannel
  readonly webhook?: WebhookChannel
  /** Appended to, a line an alert, by `sluice monitor`; a path relative to the project. Alertmanager has no such thing. */
  readonly logFile?: string
}

export interface Route {
  readonly to: Receiver
  /** All of these labels; of several values, any. */
  readonly match?: { readonly severity?: Severity | readonly Severity[] } & Readonly<Record<string, string | readonly string[] | undefined>>
  /** Milliseconds until it is said again. */
  readonly repeat: number
  /** Whether later routes are tried too. */
  readonly continue: boolean
}

/** One alert keeps another quiet while it fires, where the labels named are the same. */
export interface Inhibition {
  readonly source: Readonly<Record<string, string | readonly string[]>>
  readonly target: Readonly<Record<string, string | readonly string[]>>
  readonly equal: readonly string[]
}

export interface Notifications {
  readonly [NOTIFICATIONS]: true
  readonly default: Receiver
  readonly routes: readonly Route[]
  readonly groupBy: readonly string[]
  /** Milliseconds. */
  readonly groupWait: number
  readonly groupInterval: number
  readonly repeat: number
  readonly inhibit: readonly Inhibition[]
}

export interface NotificationsDefinition {
  /** Who is told of what no route takes. */
  readonly default: Receiver
  readonly routes?: readonly {
    readonly to: Receiver
    readonly match?: Route['match']
    readonly repeat?: Duration
    readonly continue?: boolean
  }[]
  /** Default `alertname` and `dataset`. */
  readonly groupBy?: readonly string[]
  readonly groupWait?: Duration
  readonly groupInterval?: Duration
  readonly repeat?: Duration
  /** Beside those every project has: critical over warning of the same dataset, a failed dataset over its downstream's freshness. */
  readonly inhibit?: readonly Inhibition[]
}

/** Said again after an hour, six hours, a day. */
export const REPEAT: Readonly<Record<Severity, number>> = { critical: 3_600_000, warning: 21_600_000, info: 86_400_000 }

export function receiver(name: string, channels: Omit<Receiver, 'name'>): Receiver {
  return { name, ...channels }
}

/** `notifications({ default: team, routes: [{ to: oncall, match: { severity: 'critical' }, repeat: '1h' }] })`, exported from `monitors/`. */
export function notifications(definition: NotificationsDefinition): Notifications {
  const { groupBy = ['alertname', 'dataset'], groupWait = '30s', groupInterval = '5m', repeat = '6h', inhibit = [] } = definition
  return {
    [NOTIFICATIONS]: true,
    default: definition.default,
    routes: (definition.routes ?? []).map((route) => ({
      to: route.to,
      ...(route.match === undefined ? {} : { match: route.match }),
      repeat: route.repeat === undefined ? repeatOf(route.match?.severity, milliseconds(repeat)) : milliseconds(route.repeat),
      continue: route.continue ?? false,
    })),
    groupBy,
    groupWait: milliseconds(groupWait),
    groupInterval: milliseconds(groupInterval),
    repeat: milliseconds(repeat),
    inhibit,
  }
}

function repeatOf(severity: Severity | readonly Severity[] | undefined, otherwise: number): number {
  return typeof severity === 'string' ? REPEAT[severity] : otherwise
}

export function isNotifications(value: unknown): value is Notifications {
  return typeof value === 'object' && value !== null && NOTIFICATIONS in value
}
