import { type Alert, alertLabels, isAlert, type Labels, type RuleGroup } from '../observability/index.js'
import { evaluate, evaluateRange } from './evaluator.js'
import { sourceAt } from './recordings.js'
import { type ChangeSource, labelsKey } from './series.js'
import { type StandingAlert, standingAlert } from './standing.js'

export interface Checked {
  readonly firing: readonly StandingAlert[]
  readonly pending: readonly StandingAlert[]
}

export interface CheckOptions {
  /** Unix milliseconds. Default now. */
  readonly now?: number
  /** True: an alert that has not held for its `for` is pending. False: what holds at the newest sample fires. */
  readonly pending?: boolean
}

const LOOK_BACK = [3_600_000, 86_400_000, 7 * 86_400_000]

/** Judges every alert now. The watchdog, which always fires, is passed over. */
export function checkAlerts(
  groups: readonly RuleGroup[],
  changes: ChangeSource,
  { now = Date.now(), pending = false }: CheckOptions = {},
): Checked {
  const found = groups.flatMap((group) =>
    group.rules
      .filter(isAlert)
      .filter((one) => !one.watchdog)
      .flatMap((one) => holding(groups, one, changes, now)),
  )
  if (!pending) return { firing: found.map(({ firing }) => firing), pending: [] }
  const served = found.filter(({ one, firing }) => now - firing.since >= one.for)
  return {
    firing: served.map(({ firing }) => firing),
    pending: found.filter((each) => !served.includes(each)).map(({ firing }) => firing),
  }
}

function holding(groups: readonly RuleGroup[], one: Alert, changes: ChangeSource, now: number) {
  const source = sourceAt(groups, changes, now)
  const result = evaluate(one.when.expression, source, now)
  if (result.kind === 'scalar') return []
  return result.samples.map(({ labels, value }) => {
    const all = alertLabels(one, labels)
    return { one, firing: standingAlert(one, all, value, holdsSince(groups, one, changes, labels, now)) }
  })
}

/** When it began to hold without a break, to some seconds, further back to minutes; no further than a week. */
function holdsSince(groups: readonly RuleGroup[], one: Alert, changes: ChangeSource, labels: Labels, now: number): number {
  const key = labelsKey(labels)
  let since = now
  for (const back of LOOK_BACK) {
    const start = now - back
    const step = Math.max(1_000, back / 2_000)
    const range = evaluateRange(one.when.expression, sourceAt(groups, changes, now), { start, end: now, step })
    const points = range.find((series) => labelsKey(series.labels) === key)?.points ?? []
    for (let index = points.length - 1; index >= 0; index--) {
      const at = points[index]?.[0] ?? 0
      if (since - at > step * 1.5) return since
      since = Math.min(since, at)
    }
    if (since - start > step * 1.5) return since
  }
  return since
}
