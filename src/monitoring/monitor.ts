import { alertLabels, isAlert, type RuleGroup } from '../observability/index.js'
import { AlertState, type AlertStateDocument } from './alert-state.js'
import { evaluate } from './evaluator.js'
import { emptyNotifierState, type NotifierState } from './notifier.js'
import { sourceAt } from './recordings.js'
import { type ChangeSource, labelsKey } from './series.js'
import { type StandingAlert, standingAlert } from './standing.js'

/** What `sluice monitor` remembers from turn to turn and over restarts. Plain JSON. */
export interface MonitorState {
  readonly format: 1
  /** Unix milliseconds of the last turn. */
  readonly turnedAt: number
  /** By group, place in the group and name. */
  readonly alerts: Readonly<Record<string, AlertStateDocument>>
  readonly notifier: NotifierState
  /** As the last turn left them. */
  readonly firing: readonly StandingAlert[]
  readonly pending: readonly StandingAlert[]
}

export function emptyMonitorState(): MonitorState {
  return { format: 1, turnedAt: 0, alerts: {}, notifier: emptyNotifierState(), firing: [], pending: [] }
}

export interface Turn {
  readonly firing: readonly StandingAlert[]
  readonly pending: readonly StandingAlert[]
  readonly alerts: MonitorState['alerts']
}

export interface TurnOptions {
  /** What an alert's page is called is this and the alert's name. */
  readonly runbookUrl?: string | undefined
}

/**
 * One turn: every alert is judged, and pending, firing and gone follow as in Prometheus.
 * @param now Unix milliseconds, later than the last turn's
 */
export function takeTurn(
  groups: readonly RuleGroup[],
  changes: ChangeSource,
  before: MonitorState['alerts'],
  now: number,
  { runbookUrl }: TurnOptions = {},
): Turn {
  const source = sourceAt(groups, changes, now)
  const [firing, pending, alerts] = [[] as StandingAlert[], [] as StandingAlert[], {} as Record<string, AlertStateDocument>]
  for (const group of groups) {
    for (const [place, one] of group.rules.entries()) {
      if (!isAlert(one)) continue
      const key = `${group.name}/${place}/${one.name}`
      const state = new AlertState({ name: one.name, labels: alertLabels(one, {}), for: one.for, keepFiring: one.keepFiring }, before[key])
      const result = evaluate(one.when.expression, source, now)
      const active = state.step(result.kind === 'vector' ? result.samples : [], now)
      for (const { labels, value, activeAt, state: standing } of active) {
        if (standing !== 'resolved')
          (standing === 'firing' ? firing : pending).push(standingAlert(one, labels, value, activeAt, runbookUrl))
      }
      if (active.some((each) => each.state !== 'resolved')) alerts[key] = state.toJSON()
    }
  }
  return { firing: onePerLabels(firing), pending: onePerLabels(pending), alerts }
}

/** What has the same labels is the same alert to whoever is told. */
function onePerLabels(all: readonly StandingAlert[]): StandingAlert[] {
  return [...new Map(all.map((one) => [labelsKey(one.labels), one])).values()]
}
