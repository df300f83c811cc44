import { type Alert, type Expression, isAlert, type Labels, metricsOf, type RuleGroup } from '../observability/index.js'
import { AlertState } from './alert-state.js'
import { Past, windowsIn } from './past.js'
import { type ChangeSource, labelsKey } from './series.js'

/** Alerts replayed over what was kept: what they would have said, and what another threshold would have. */

export interface BacktestOptions {
  /** Unix milliseconds. */
  readonly from: number
  readonly to: number
  /** Longest time between two looks where nothing changes, in milliseconds. Default a 20,000th of the whole. */
  readonly step?: number
  /** Whether other thresholds are played too, which takes most of the time. Default true. */
  readonly otherThresholds?: boolean
  readonly signal?: AbortSignal | undefined
  /** @param share of the whole that is done, 0 to 1 */
  onProgress?(alert: string, share: number): void
}

/** One time that an alert fired for one element. Unix milliseconds; `to` is undefined when it still did at the end. */
export interface Episode {
  readonly labels: Labels
  readonly from: number
  readonly to: number | undefined
}

export interface OtherThreshold {
  readonly threshold: number
  readonly pages: number
  readonly perWeek: number
  readonly firingSeconds: number
}

export interface BacktestedAlert {
  readonly alert: string
  readonly severity: Alert['severity']
  /** How often it began to fire, each element by itself. */
  readonly pages: number
  readonly perWeek: number
  readonly firingSeconds: number
  readonly episodes: readonly Episode[]
  /** Other alerts that fired while this one did, and in how many of its episodes. */
  readonly together: readonly { readonly alert: string; readonly episodes: number }[]
  /** The number its condition compares with; undefined when there is none, or it is 0. */
  readonly threshold: number | undefined
  readonly otherThresholds: readonly OtherThreshold[]
}

const WEEK = 7 * 86_400_000
const FACTORS = [0.5, 0.75, 1.5, 2, 3]

/**
 * Between two changes of what it reads, a condition can only become true or false by time passing: where a window moves past a change, or an
 * age past its bound. So alerts are judged at every change, where each window has passed it, and every `step` in between.
 */
export async function backtest(groups: readonly RuleGroup[], changes: ChangeSource, options: BacktestOptions): Promise<BacktestedAlert[]> {
  const rules = groups.flatMap((group) =>
    group.rules
      .filter(isAlert)
      .filter((one) => !one.watchdog)
      .map((one) => ({ one, every: group.every })),
  )
  const past = new Past(groups, changes, options)
  const replayed: { one: Alert; episodes: Episode[]; threshold: number | undefined; others: OtherThreshold[] }[] = []
  for (const [done, { one, every }] of rules.entries()) {
    options.onProgress?.(one.name, done / rules.length)
    const expression = one.when.expression
    const times = lookTimes(groups, expression, changes, every, options)
    const play = (condition: Expression) => replay(one, condition, times, past, options)
    const episodes = await play(expression)
    const threshold = thresholdOf(expression)
    const others: OtherThreshold[] = []
    for (const factor of options.otherThresholds === false || threshold === undefined || threshold === 0 ? [] : FACTORS) {
      const other = rounded((threshold ?? 0) * factor)
      others.push({ threshold: other, ...counted(await play(withThreshold(expression, other)), options) })
    }
    replayed.push({ one, episodes, threshold: threshold === 0 ? undefined : threshold, others })
  }
  return replayed.map(({ one, episodes, threshold, others }) => ({
    alert: one.name,
    severity: one.severity,
    ...counted(episodes, options),
    episodes,
    together: replayed
      .filter((other) => other.one !== one)
      .map((other) => ({
        alert: other.one.name,
        episodes: episodes.filter((mine) => other.episodes.some((theirs) => overlap(mine, theirs))).length,
      }))
      .filter((other) => other.episodes > 0)
      .sort((left, right) => right.episodes - left.episodes),
    threshold,
    otherThresholds: others,
  }))
}

async function replay(one: Alert, condition: Expression, times: Float64Array, past: Past, options: BacktestOptions): Promise<Episode[]> {
  await new Promise((resolve) => setImmediate(resolve))
  options.signal?.throwIfAborted()
  const state = new AlertState({ name: one.name, for: one.for, keepFiring: one.keepFiring })
  const ended: Episode[] = []
  const open = new Map<string, Episode>()
  let active = 0
  const look = (time: number, samples: readonly { readonly labels: Labels; readonly value: number }[]) => {
    if (samples.length === 0 && active === 0) return undefined
    const standing = state.step(samples, time)
    active = 0
    let next: number | undefined
    for (const { labels: all, state: how, activeAt } of standing) {
      if (how !== 'resolved') active += 1
      // Where something waits, the next look that matters is when it has waited long enough.
      if (how === 'pending') next = Math.min(next ?? Number.POSITIVE_INFINITY, activeAt + one.for)
      if (how === 'pending') continue
      const { alertname: _, ...labels } = all
      const key = labelsKey(labels)
      const begun = open.get(key)
      if (how === 'firing' && begun === undefined) open.set(key, { labels, from: time, to: undefined })
      if (how === 'resolved' && begun !== undefined) {
        ended.push({ ...begun, to: time })
        open.delete(key)
      }
    }
    return next
  }
  const found = past.at(condition, times)
  const places = found.map(() => 0)
  for (const [index, time] of times.entries()) {
    const samples = found.flatMap(({ labels, points }, which) => {
      const point = points[places[which] ?? 0]
      if (point?.[0] !== time) return []
      places[which] = (places[which] ?? 0) + 1
      return [{ labels, value: point[1] }]
    })
    const next = look(time, samples)
    const following = times[index + 1] ?? Number.POSITIVE_INFINITY
    if (next !== undefined && next > time && next < following && next <= options.to) {
      const then = past.at(condition, Float64Array.of(next))
      look(
        next,
        then.map(({ labels, points: [point] }) => ({ labels, value: point?.[1] ?? Number.NaN })),
      )
    }
  }
  return [...ended, ...open.values()].sort((left, right) => left.from - right.from)
}

function lookTimes(
  groups: readonly RuleGroup[],
  expression: Expression,
  changes: ChangeSource,
  every: number,
  { from, to, step }: BacktestOptions,
): Float64Array {
  const longest = Math.max(every, Math.ceil((step ?? (to - from) / 20_000) / every) * every)
  const windows = [0, ...windowsOf(expression, groups)]
  const times = new Set<number>()
  for (let time = from; time <= to; time += longest) times.add(time)
  times.add(to)
  const ceiling = (time: number) => from + Math.ceil((time - from) / every) * every
  const reach = Math.max(...windows)
  for (const metric of seriesNamesOf(expression, groups)) {
    for (const series of changes.changes(metric, [], from - reach, to)) {
      for (const changed of series.times) {
        for (const window of windows) {
          // One turn after a window has passed the change: its edge is open.
          const time = ceiling(changed + window + (window === 0 ? 0 : 1))
          if (time >= from && time <= to) times.add(time)
        }
      }
    }
  }
  return Float64Array.from(times).sort()
}

function signalsIn(expression: Expression, groups: readonly RuleGroup[]): Expression[] {
  const recorded = new Map(
    groups.flatMap((group) =>
      group.rules.flatMap((rule) => (isAlert(rule) ? [] : [[rule.definition.name, rule.signal.expression] as const])),
    ),
  )
  const all = [expression]
  for (const one of all) {
    for (const metric of metricsOf(one)) {
      const inner = recorded.get(metric)
      if (inner !== undefined && !all.includes(inner)) all.push(inner)
    }
  }
  return all
}

function seriesNamesOf(expression: Expression, groups: readonly RuleGroup[]): Set<string> {
  return new Set(signalsIn(expression, groups).flatMap((one) => [...metricsOf(one)]))
}

function windowsOf(expression: Expression, groups: readonly RuleGroup[]): number[] {
  return [...new Set(signalsIn(expression, groups).flatMap((one) => windowsIn(one)))]
}

function counted(episodes: readonly Episode[], { from, to }: BacktestOptions): Omit<OtherThreshold, 'threshold'> {
  const ms = episodes.reduce((sum, episode) => sum + (episode.to ?? to) - episode.from, 0)
  return {
    pages: episodes.length,
    perWeek: rounded(episodes.length / Math.max((to - from) / WEEK, 1e-9)),
    firingSeconds: Math.round(ms / 1000),
  }
}

function overlap(one: Episode, other: Episode): boolean {
  return one.from <= (other.to ?? Number.POSITIVE_INFINITY) && other.from <= (one.to ?? Number.POSITIVE_INFINITY)
}

function rounded(value: number): number {
  return Number(value.toPrecision(4))
}

/** The first number that the first comparison compares with, be it alone or part of a sum. */
function thresholdOf(expression: Expression): number | undefined {
  if (expression.kind === 'comparison') return numberIn(expression.right)
  if (expression.kind === 'set') return thresholdOf(expression.left)
  return 'of' in expression ? thresholdOf(expression.of) : undefined
}

function numberIn(expression: Expression): number | undefined {
  if (expression.kind === 'number') return expression.value
  return expression.kind === 'binary' ? (numberIn(expression.right) ?? numberIn(expression.left)) : undefined
}

function withThreshold(expression: Expression, threshold: number): Expression {
  if (expression.kind === 'comparison') return { ...expression, right: withNumber(expression.right, threshold) }
  if (expression.kind === 'set') return { ...expression, left: withThreshold(expression.left, threshold) }
  return 'of' in expression ? ({ ...expression, of: withThreshold(expression.of, threshold) } as Expression) : expression
}

function withNumber(expression: Expression, value: number): Expression {
  if (expression.kind === 'number') return { kind: 'number', value }
  if (expression.kind !== 'binary') return expression
  return numberIn(expression.right) === undefined
    ? { ...expression, left: withNumber(expression.left, value) }
    : { ...expression, right: withNumber(expression.right, value) }
}
