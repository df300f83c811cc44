import { failure, QUERY_MATCHING } from '../errors/index.js'
import { type Labels, labelsKey, labelsText } from './series.js'

/** What of an alert's definition decides when it fires. */
export interface AlertTiming {
  /** `alertname`. */
  readonly name: string
  /** Put on every alert, over the sample's own. */
  readonly labels?: Labels
  /** How long the condition holds before the alert fires, in milliseconds; at once when left out. */
  readonly for?: number
  /** How long the alert still fires after the condition has gone, in milliseconds; not at all when left out. */
  readonly keepFiring?: number
}

/** One alert. Times are in milliseconds since 1970. */
export interface ActiveAlert {
  /** The sample's labels without the metric's name, the definition's, and `alertname`. No two alerts of a definition have the same. */
  readonly labels: Labels
  /** `resolved` at the one evaluation that ends it. */
  readonly state: 'pending' | 'firing' | 'resolved'
  /** The sample's value when the condition last held. */
  readonly value: number
  /** Since when the condition holds. */
  readonly activeAt: number
  readonly firedAt?: number
  /** Since when the condition is gone, while the alert is kept firing. */
  readonly goneSince?: number
  readonly resolvedAt?: number
}

/** What `JSON.stringify(state)` writes and `new AlertState(timing, document)` takes up. */
export interface AlertStateDocument {
  readonly alerts: readonly AlertDocument[]
}

/** An alert whose value is text, for JSON knows no NaN and no infinity. */
export type AlertDocument = Omit<ActiveAlert, 'value'> & { readonly value: string }

/**
 * The alerts of one definition, as Prometheus keeps them: pending while the condition holds, firing once it has held for `for`, gone at the
 * first evaluation that does not find it, unless `keepFiring` holds it longer.
 *
 *     const state = new AlertState({ name: 'RunSlow', for: 300_000 })
 *     state.step(samples, 0)         // [{ labels: { alertname: 'RunSlow' }, state: 'pending', activeAt: 0, … }]
 *     state.step(samples, 300_000)   // [{ labels: { alertname: 'RunSlow' }, state: 'firing', firedAt: 300_000, … }]
 *     state.step([], 360_000)        // [{ labels: { alertname: 'RunSlow' }, state: 'resolved', resolvedAt: 360_000, … }]
 *
 * With its document in hand another process goes on where this one was.
 */
export class AlertState {
  private readonly timing: AlertTiming
  private alerts: ReadonlyMap<string, ActiveAlert>

  constructor(timing: AlertTiming, document: AlertStateDocument = { alerts: [] }) {
    this.timing = timing
    this.alerts = new Map(document.alerts.map((alert) => [labelsKey(alert.labels), { ...alert, value: Number(alert.value) }]))
  }

  /**
   * Takes in the samples of one evaluation, which are those for which the condition holds, and gives every alert that is pending or firing, and
   * those that were firing and end here; one that was only pending goes without a word. An alert fires for the first time where its `firedAt` is
   * `time`. Times ascend from call to call.
   *
   * Fails with QUERY_MATCHING, and changes nothing, when two samples make the same alert.
   */
  step(samples: Iterable<{ readonly labels: Labels; readonly value: number }>, time: number): readonly ActiveAlert[] {
    const { for: wait = 0, keepFiring = 0 } = this.timing
    const found = this.found(samples)
    const next = new Map<string, ActiveAlert>()
    const resolved: ActiveAlert[] = []
    for (const [key, before] of this.alerts) {
      if (found.has(key) || before.state === 'pending') continue
      const goneSince = before.goneSince ?? time
      if (time - goneSince < keepFiring) next.set(key, { ...before, goneSince })
      else resolved.push({ ...before, state: 'resolved', resolvedAt: time })
    }
    for (const [key, { labels, value }] of found) {
      const before = this.alerts.get(key)
      const activeAt = before?.activeAt ?? time
      const firedAt = before?.firedAt ?? (time - activeAt >= wait ? time : undefined)
      const alert = { labels, value, activeAt }
      next.set(key, firedAt === undefined ? { ...alert, state: 'pending' } : { ...alert, state: 'firing', firedAt })
    }
    this.alerts = next
    return [...next.values(), ...resolved]
  }

  toJSON(): AlertStateDocument {
    return { alerts: [...this.alerts.values()].map((alert) => ({ ...alert, value: String(alert.value) })) }
  }

  private found(samples: Iterable<{ readonly labels: Labels; readonly value: number }>) {
    const { name, labels: added } = this.timing
    const found = new Map<string, { readonly labels: Labels; readonly value: number }>()
    for (const { labels: own, value } of samples) {
      const all = Object.entries({ ...own, ...added, alertname: name })
      const labels = Object.fromEntries(all.filter(([label, text]) => label !== '__name__' && text !== ''))
      const key = labelsKey(labels)
      if (found.has(key))
        throw failure(QUERY_MATCHING, { problem: `the alert ${name} has more than one sample with the labels`, labels: labelsText(labels) })
      found.set(key, { labels, value })
    }
    return found
  }
}
