import { DEFAULT_INHIBITIONS, inhibits, type Labels, type Notifications, type Receiver, routesFor } from '../observability/index.js'
import { labelsKey } from './series.js'
import type { StandingAlert } from './standing.js'

export interface Notice {
  readonly status: 'firing' | 'resolved'
  readonly alert: StandingAlert
  /** Unix milliseconds; undefined while it fires. */
  readonly endedAt: number | undefined
}

/** One message: by one channel of one receiver, about the alerts of one group. */
export interface Message {
  readonly receiver: Receiver
  readonly group: Labels
  /** What tells the same group again: a key for whatever folds messages together. */
  readonly key: string
  readonly notices: readonly Notice[]
}

/** Alerts with all of these labels are not told of until then. */
export interface Silence {
  readonly id: string
  readonly matchers: Readonly<Record<string, string>>
  /** Unix milliseconds. */
  readonly until: number
  readonly comment: string
}

interface GroupState {
  /** When the first alert of it was seen. */
  begun: number
  /** When it was last told of; undefined before the first time. */
  told?: number
  /** Fingerprints of the alerts that were firing when it was last told of. */
  firing: string[]
}

/** What a notifier must remember over a restart. Plain JSON. */
export interface NotifierState {
  groups: Record<string, GroupState>
  /** Alerts that were last seen firing, by fingerprint. */
  standing: Record<string, StandingAlert>
  /** When alerts that no longer fire ended, until they were told of. */
  ended: Record<string, number>
}

export function emptyNotifierState(): NotifierState {
  return { groups: {}, standing: {}, ended: {} }
}

/**
 * Decides who is told of what, and when, as Alertmanager does: alerts are grouped by labels, a new group waits a little for more, a changed one
 * is told of at the next interval, one that stays as it is after its repeat time; an inhibited or silenced alert is not told of.
 *
 * `const { messages, told } = notifier.due(firing, silences, now)`; after each is sent, `told(message)`: what was not sent is due again.
 */
export class Notifier {
  readonly #notifications: Notifications
  readonly #state: NotifierState

  constructor(notifications: Notifications, state: NotifierState = emptyNotifierState()) {
    this.#notifications = notifications
    this.#state = state
    // Of routes and channels that are gone nothing will ever be told.
    const starts = [...notifications.routes.map(({ to }, place) => ({ to, place })), { to: notifications.default, place: -1 }].flatMap(
      ({ to, place }) => channelsOf(to).map(([channel]) => keyStart(to, channel, place)),
    )
    for (const key of Object.keys(state.groups)) if (!starts.some((start) => key.startsWith(start))) delete state.groups[key]
  }

  get state(): NotifierState {
    return this.#state
  }

  due(
    firing: readonly StandingAlert[],
    silences: readonly Silence[],
    now: number,
  ): { readonly messages: readonly Message[]; told(message: Message): void } {
    // A clock that was put back makes nobody wait until it has caught up.
    for (const group of Object.values(this.#state.groups)) {
      if (group.begun > now) group.begun = now
      if (group.told !== undefined && group.told > now) group.told = now
    }
    const current = new Map(firing.map((one) => [labelsKey(one.labels), one]))
    for (const [key, one] of current) {
      this.#state.standing[key] = one
      delete this.#state.ended[key]
    }
    for (const key of Object.keys(this.#state.standing)) if (!current.has(key)) this.#state.ended[key] ??= now
    const groups = this.#groups(this.#audible(firing, silences, now))
    const messages = [...groups.values()].flatMap((group) => this.#message(group, current, now) ?? [])
    // A group that waited and whose alerts went before it was told of.
    for (const [key, { told }] of Object.entries(this.#state.groups))
      if (told === undefined && !groups.has(key)) delete this.#state.groups[key]
    this.#forget()
    return { messages, told: (message) => this.#told(message, now) }
  }

  /** Alerts that nothing keeps quiet, and those that ended after they were told of. */
  #audible(firing: readonly StandingAlert[], silences: readonly Silence[], now: number): StandingAlert[] {
    const rules = [...DEFAULT_INHIBITIONS, ...this.#notifications.inhibit]
    const heard = firing.filter(({ labels }) => {
      const silenced = silences.some(
        ({ matchers, until }) => until > now && Object.entries(matchers).every(([label, value]) => (labels[label] ?? '') === value),
      )
      return !silenced && !firing.some((source) => rules.some((rule) => inhibits(rule, source.labels, labels)))
    })
    const ended = Object.keys(this.#state.ended).flatMap((key) => this.#state.standing[key] ?? [])
    return [...heard, ...ended]
  }

  #groups(alerts: readonly StandingAlert[]) {
    const groups = new Map<string, { key: string; receiver: Receiver; repeat: number; group: Labels; alerts: StandingAlert[] }>()
    for (const alert of alerts) {
      const routes = routesFor(this.#notifications, alert.labels)
      const ways =
        routes.length === 0
          ? [{ to: this.#notifications.default, repeat: this.#notifications.repeat, place: -1 }]
          : routes.map((route) => ({ ...route, place: this.#notifications.routes.indexOf(route) }))
      const group = Object.fromEntries(
        this.#notifications.groupBy.flatMap((label) => (alert.labels[label] === undefined ? [] : [[label, alert.labels[label]]])),
      )
      for (const { to, repeat, place } of ways) {
        for (const [channel, receiver] of channelsOf(to)) {
          const key = `${keyStart(to, channel, place)}${labelsKey(group)}`
          const one = groups.get(key) ?? { key, receiver, repeat, group, alerts: [] }
          one.alerts.push(alert)
          groups.set(key, one)
        }
      }
    }
    return groups
  }

  #message(
    { key, receiver, repeat, group, alerts }: { key: string; receiver: Receiver; repeat: number; group: Labels; alerts: StandingAlert[] },
    current: ReadonlyMap<string, StandingAlert>,
    now: number,
  ): Message | undefined {
    const state = this.#state.groups[key]
    const told = new Set(state?.firing)
    const standing = alerts.filter(({ labels }) => current.has(labelsKey(labels)))
    const ended = alerts.filter(({ labels }) => !current.has(labelsKey(labels)) && told.has(labelsKey(labels)))
    if (standing.length === 0 && ended.length === 0) return undefined
    if (state === undefined) {
      this.#state.groups[key] = { begun: now, firing: [] }
      if (this.#notifications.groupWait > 0) return undefined
    } else if (state.told === undefined) {
      if (now - state.begun < this.#notifications.groupWait) return undefined
    } else {
      if (now - state.told < this.#notifications.groupInterval) return undefined
      const changed = ended.length > 0 || standing.some(({ labels }) => !told.has(labelsKey(labels)))
      if (!changed && now - state.told < repeat) return undefined
    }
    const notices = [
      ...standing.map((alert): Notice => ({ status: 'firing', alert, endedAt: undefined })),
      ...ended.map((alert): Notice => ({ status: 'resolved', alert, endedAt: this.#state.ended[labelsKey(alert.labels)] ?? now })),
    ]
    return { receiver, group, key, notices }
  }

  #told({ key, notices }: Message, now: number): void {
    const firing = notices.filter(({ status }) => status === 'firing').map(({ alert }) => labelsKey(alert.labels))
    if (firing.length === 0) delete this.#state.groups[key]
    else this.#state.groups[key] = { begun: this.#state.groups[key]?.begun ?? now, told: now, firing }
    this.#forget()
  }

  /** What ended is kept until every group that told of it has told of its end. */
  #forget(): void {
    const awaited = new Set(Object.values(this.#state.groups).flatMap((group) => group.firing))
    for (const key of Object.keys(this.#state.ended)) {
      if (awaited.has(key)) continue
      delete this.#state.ended[key]
      delete this.#state.standing[key]
    }
  }
}

/** Routes to one receiver are told apart, as in Alertmanager: each has its own repeat. */
function keyStart(to: Receiver, channel: string, place: number): string {
  return `${to.name}/${channel}/${place === -1 ? 'default' : place}:`
}

/** A receiver's channels one by one, so that one that is down is tried again without the others saying the same twice. */
function channelsOf({ name, ...channels }: Receiver): (readonly [channel: string, receiver: Receiver])[] {
  return Object.entries(channels).map(([channel, settings]) => [channel, { name, [channel]: settings }])
}
