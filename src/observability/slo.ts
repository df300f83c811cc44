import { failure, SLO_INVALID } from '../errors/index.js'
import {
  type Alert,
  type AlertTest,
  type AlertText,
  alert,
  fires,
  type Recording,
  type RuleGroup,
  record,
  ruleGroup,
  staysQuiet,
} from './alert.js'
import type { Labels } from './definition.js'
import { type Duration, milliseconds } from './duration.js'
import { Vector } from './signal.js'

export type SloWindow = '5m' | '30m' | '1h' | '2h' | '6h' | '1d' | '3d'

const WINDOWS: readonly SloWindow[] = ['5m', '30m', '1h', '2h', '6h', '1d', '3d']

/** A share of the budget that is gone within `long`; `short` shows that it still goes. */
interface Burn {
  readonly share: number
  readonly long: SloWindow
  readonly short: SloWindow
}

/** Google, The Site Reliability Workbook, chapter 5 "Alerting on SLOs", table 5-8. */
const FAST: readonly Burn[] = [
  { share: 0.02, long: '1h', short: '5m' },
  { share: 0.05, long: '6h', short: '30m' },
]
const SLOW: readonly Burn[] = [
  { share: 0.1, long: '1d', short: '2h' },
  { share: 0.1, long: '3d', short: '6h' },
]

export interface SloDefinition<Label extends string> {
  /** 1 where it is well, 0 where not: `age.isAtMost('26h')`. */
  readonly good: Vector<Label>
  /** The share of time that it is to be good: 0.99. */
  readonly objective: number
  /** What the objective is about. Default 30d, from 28d to 90d. */
  readonly window?: Duration
  readonly owner?: string
  /** One line, of what is not as promised: `Orders are late`. */
  readonly summary: AlertText<Label>
  readonly description?: AlertText<Label>
  readonly steps?: readonly string[]
  readonly labels?: Labels
}

/** Rules; and what they record, to be drawn. */
export interface Slo<Label extends string> extends RuleGroup {
  readonly objective: number
  readonly good: Recording<Label>
  /** Share of bad time in each window. */
  readonly errorRatio: Readonly<Record<SloWindow, Recording<Label>>>
}

/**
 * A promise on how much of the time something is good, with the alerts that go off when its error budget is spent too fast.
 *
 * ```ts
 * export const fresh = slo('orders_fresh', { good: lastOrder.age().isAtMost('26h'), objective: 0.99, summary: 'Orders are late' })
 * ```
 *
 * records `dataset:orders_fresh:good` and `dataset:orders_fresh:error_ratio_5m` to `_3d`, and alerts with `OrdersFreshBurnsFast` (critical:
 * 14.4 times as fast as the budget allows over 1h and 5m, or 6 times over 6h and 30m), `OrdersFreshBurnsSlowly` (warning: 3 times over 1d
 * and 2h, or once over 3d and 6h) and `OrdersFreshAbsent` (warning: nothing says whether it is good).
 *
 * Time is counted, not events: batches run too seldom for a share of them to mean much. A factor is the share of the budget (2 %, 5 %, 10 %,
 * 10 %) times the objective's window over the alert's (Google, The Site Reliability Workbook, chapter 5, "Alerting on SLOs"); those in
 * brackets are for 30 d. A pair of windows whose threshold no share of bad time could exceed is left out.
 *
 * Throws SLO_INVALID.
 */
export function slo<Label extends string>(name: string, definition: SloDefinition<Label>): Slo<Label> {
  const wrong = (problem: string, advice: string) => failure(SLO_INVALID, { name, problem, advice })
  const { good, objective, window = '30d' } = definition
  const length = milliseconds(window)
  if (!/^[a-z][a-z0-9_]*$/.test(name)) throw wrong('its name is not in snake_case', 'Call it for what is promised: orders_fresh.')
  if (!(objective > 0 && objective < 1)) throw wrong(`its objective is ${objective}`, 'Give a share between 0 and 1, such as 0.99.')
  if (length < milliseconds('28d') || length > milliseconds('90d'))
    throw wrong(`its window is ${window}`, 'Give 28d to 90d; for less, the alerts would be as long as the window.')
  if (good.expression.kind === 'comparison' && !good.expression.bool)
    throw wrong('its `good` leaves out what is not good, so that bad time is not seen', 'Use isAtMost, isLess, isAtLeast or isGreater.')

  const level = good.labels.length === 0 ? 'all' : good.labels.join('_')
  const recorded = record(`${level}:${name}:good`, good, `1 where ${name} is well, 0 where not.`)
  const errorRatios = WINDOWS.map((span) => {
    const bad = new Vector<Label>(
      { kind: 'binary', operator: '-', left: { kind: 'number', value: 1 }, right: read(recorded).avgOver(span).expression },
      good.labels,
      'ratio',
    )
    return [span, record(`${level}:${name}:error_ratio_${span}`, bad, `Share of ${span} in which ${name} was not well.`)] as const
  })
  const errorRatio = Object.fromEntries(errorRatios) as unknown as Readonly<Record<SloWindow, Recording<Label>>>

  const over = (span: SloWindow, threshold: number) => read(errorRatio[span]).now().gt(threshold)
  const burns = (pairs: readonly Burn[]): Vector<Label> | undefined =>
    pairs
      .map(({ share, long, short }) => ({ long, short, threshold: rounded(((share * length) / milliseconds(long)) * (1 - objective)) }))
      .filter(({ threshold }) => threshold < 1)
      .map(({ long, short, threshold }) => over(long, threshold).and(over(short, threshold)))
      .reduce<Vector<Label> | undefined>((all, next) => (all === undefined ? next : all.or(next)), undefined)

  const element = Object.fromEntries(good.labels.map((label) => [label, 'a']))
  const samples = (values: string) => [{ metric: recorded.definition.name, labels: element, values }]
  const quietWhenGood = staysQuiet('when all is good', { series: samples('1x60'), at: '1h' })
  const quietAgain = staysQuiet('when it is good again after a bad hour', { series: samples('0x59 1x40'), at: '100m' })
  const common = {
    ...(definition.owner === undefined ? {} : { owner: definition.owner }),
    ...(definition.labels === undefined ? {} : { labels: definition.labels }),
    steps: definition.steps ?? [],
  }
  const burnAlert = (
    suffix: string,
    pairs: readonly Burn[],
    severity: 'critical' | 'warning',
    speed: string,
    also: readonly AlertTest[],
  ): Alert[] => {
    const when = burns(pairs)
    if (when === undefined) return []
    return [
      alert<Label>(`${camelCase(name)}${suffix}`, {
        when,
        for: '2m',
        severity,
        summary: definition.summary,
        description:
          definition.description ??
          ((_, value) => `${value.percentage} of the time was bad; ${percentage(1 - objective)} of ${window} may be. ${speed}`),
        tests: [fires('when nothing is good for an hour', { series: samples('0x60'), at: '1h' }), quietWhenGood, ...also],
        ...common,
      }),
    ]
  }
  const absent = alert(`${camelCase(name)}Absent`, {
    when: recorded.absent(),
    for: '10m',
    severity: 'warning',
    summary: `Nothing says whether ${name} is well`,
    description: 'What it is reckoned from is gone, so that its other alerts are blind.',
    tests: [
      fires('when there is nothing', { series: [], at: '15m' }),
      staysQuiet('when it is known, though bad', { series: samples('0x20'), at: '15m' }),
    ],
    ...common,
  })
  const group = ruleGroup(`slo_${name}`, {
    // Several turns in the shortest window.
    every: '1m',
    rules: [
      recorded,
      ...WINDOWS.map((span) => errorRatio[span]),
      ...burnAlert('BurnsFast', FAST, 'critical', 'At this speed the rest of the budget is gone within days.', [quietAgain]),
      ...burnAlert('BurnsSlowly', SLOW, 'warning', 'At this speed the budget does not last.', []),
      absent,
    ],
  })
  return { ...group, objective, good: recorded, errorRatio }
}

/** A recording reads with the labels it was recorded with. */
function read<Label extends string>(recording: Recording<Label>) {
  const labelled = (vector: { readonly expression: Vector<never>['expression'] }) =>
    new Vector<Label>(vector.expression, recording.signal.labels, recording.signal.unit)
  return {
    now: () => labelled(recording.now()),
    avgOver: (window: Duration) => labelled(recording.avgOver(window)),
  }
}

/** Without the dust of binary fractions: 0.144, not 0.14400000000000013. */
function rounded(value: number): number {
  return Number(value.toPrecision(12))
}

function percentage(share: number): string {
  return `${rounded(share * 100)}%`
}

function camelCase(name: string): string {
  return name.replaceAll(/(?:^|_)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}
