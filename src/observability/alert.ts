import { ALERT_INVALID, failure } from '../errors/index.js'
import { defineMetric, type Labels, type MetricDefinition } from './definition.js'
import { type Duration, milliseconds } from './duration.js'
import { GaugeSelection, type Vector } from './signal.js'

export const ALERT = Symbol.for('sluice.alert')
export const RECORDING = Symbol.for('sluice.recording')
export const RULE_GROUP = Symbol.for('sluice.rule-group')

/** `critical` wakes a person, `warning` waits for the morning, `info` is for the record. */
export type Severity = 'critical' | 'warning' | 'info'

/** The value an alert fired with, for its texts; each way of writing it is Prometheus' template function of that name. */
export interface ValueText {
  /** `0.0734` */
  toString(): string
  /** `1d 2h 3m 4s`, of seconds. */
  readonly duration: string
  /** `7.34%`, of a ratio. */
  readonly percentage: string
  /** `1.5k` */
  readonly humanized: string
  /** `1.5Ki` */
  readonly binary: string
}

/** A text of an alert; only labels that its condition still has can stand in it. */
export type AlertText<Label extends string> = string | ((labels: { readonly [Name in Label]: string }, value: ValueText) => string)

export interface AlertDefinition<Label extends string> {
  /** It fires for each element that this has. */
  readonly when: Vector<Label>
  /** How long the condition holds before it pages. Default at once. */
  readonly for?: Duration
  /** How long it goes on when the condition is gone, so that a flapping one pages once. */
  readonly keepFiring?: Duration
  readonly severity: Severity
  /** The team or person who acts on it; a label, so that routes can go by it. */
  readonly owner?: string
  /** One line. */
  readonly summary: AlertText<Label>
  /** What it means, and for whom. */
  readonly description: AlertText<Label>
  /** What to do, step by step; commands in backquotes. They make its page. */
  readonly steps?: readonly string[]
  readonly labels?: Labels
  /** At least one that fires and one that stays quiet: `sluice alerts test`, and `promtool test rules` on what is generated. */
  readonly tests: readonly AlertTest[]
}

export interface Alert {
  readonly [ALERT]: true
  readonly name: string
  readonly when: Vector<never>
  /** Milliseconds. */
  readonly for: number
  /** Milliseconds. */
  readonly keepFiring: number
  readonly severity: Severity
  readonly owner: string | undefined
  /** With `{{ $labels.dataset }}` and `{{ $value }}`, as Prometheus has it. */
  readonly summary: string
  readonly description: string
  readonly steps: readonly string[]
  /** Without severity and owner. */
  readonly labels: Labels
  readonly tests: readonly AlertTest[]
  /** True for the one that always fires, to show that paging works; `alerts check` passes over it. */
  readonly watchdog: boolean
}

/** Samples given to a test: a metric's series with its values in Prometheus' notation, `0x5 1x10` (0 and 5 more times 0, then 1s). */
export interface GivenSeries {
  readonly metric: string
  readonly labels: Labels
  readonly values: string
}

export interface AlertTest {
  readonly name: string
  readonly series: readonly GivenSeries[]
  /** Time between values, in milliseconds. */
  readonly interval: number
  /** Milliseconds after the first value. The first is at the Unix epoch, so an age is that of a moment near 0. */
  readonly at: number
  readonly fires: boolean
  /** Labels of the elements it fires for, the alert's own left out; undefined: whichever. */
  readonly expected?: readonly Labels[]
}

export interface TestGiven {
  readonly series: readonly GivenSeries[]
  readonly at: Duration
  /** Between values. Default 1m. */
  readonly every?: Duration
}

const KEPT_LABELS = ['alertname', 'severity', 'owner']

/**
 * Defines an alert.
 *
 * ```ts
 * export const refunds = alert('RefundsHigh', {
 *   when: ratio(refunded.increase('1h').sum('shop'), paid.increase('1h').sum('shop'), { atLeast: 20 }).gt(0.1),
 *   for: '10m',
 *   severity: 'warning',
 *   owner: 'payments',
 *   summary: ({ shop }, value) => `${shop} refunds ${value.percentage} of its payments`,
 *   description: 'More than a tenth of an hour’s payments were given back.',
 *   tests: [
 *     fires('when a fifth is given back', { series: [given(paid, { shop: 'a' }, '0+10x90'), given(refunded, { shop: 'a' }, '0+2x90')], at: '90m' }),
 *     staysQuiet('when few pay', { series: [given(paid, { shop: 'a' }, '0 1x90'), given(refunded, { shop: 'a' }, '0 1x90')], at: '90m' }),
 *   ],
 * })
 * ```
 *
 * Throws ALERT_INVALID.
 */
export function alert<Label extends string>(name: string, definition: AlertDefinition<Label>): Alert {
  return finished(name, definition, false)
}

/** An alert that always fires: what listens for it knows, by its silence, that nothing else can arrive either. */
export function watchdog(name = 'Watchdog'): Alert {
  const when = { expression: { kind: 'vector', of: { kind: 'number', value: 1 } }, labels: [] } as unknown as Vector<never>
  return finished(
    name,
    {
      when,
      severity: 'info',
      summary: 'Alerts can reach you',
      description: 'This one always fires. When it stops arriving, nothing else arrives either.',
      steps: ['Nothing: it is well. Point a dead man’s switch at this alert, to be told when it stops.'],
      tests: [],
    },
    true,
  )
}

function finished<Label extends string>(name: string, definition: AlertDefinition<Label>, always: boolean): Alert {
  const wrong = (problem: string, advice: string) => failure(ALERT_INVALID, { name, problem, advice })
  if (!/^[A-Z][A-Za-z0-9]*$/.test(name)) throw wrong('its name is not in CamelCase', 'Call it for what is wrong: QueueTooLong.')
  // A project's files are not held to their types when they are loaded.
  const tests: readonly AlertTest[] = definition.tests ?? []
  const taken = Object.keys(definition.labels ?? {}).find(
    (label) => KEPT_LABELS.includes(label) || (definition.when.labels as readonly string[]).includes(label),
  )
  if (taken !== undefined) throw wrong(`its label "${taken}" is one it has already`, 'Choose another name for it.')
  if (!always && !tests.some((test) => test.fires)) throw wrong('no test shows that it fires', 'Add `fires(...)` to its tests.')
  if (!always && tests.every((test) => test.fires)) throw wrong('no test shows that it stays quiet', 'Add `staysQuiet(...)` to its tests.')
  if (!always && !compares(definition.when.expression))
    throw wrong('its condition compares nothing, so it would always fire', 'End it in a comparison, such as `.gt(0)`.')
  return {
    [ALERT]: true,
    name,
    when: definition.when as unknown as Vector<never>,
    for: milliseconds(definition.for ?? '0s'),
    keepFiring: milliseconds(definition.keepFiring ?? '0s'),
    severity: definition.severity,
    owner: definition.owner,
    summary: template(definition.summary, definition.when.labels),
    description: template(definition.description, definition.when.labels),
    steps: definition.steps ?? [],
    labels: definition.labels ?? {},
    tests,
    watchdog: always,
  }
}

/** Whether some of it can be false: a comparison, or what asks for absence. */
function compares(expression: Vector<never>['expression']): boolean {
  if (expression.kind === 'comparison') return !expression.bool
  if (expression.kind === 'absent') return true
  if (expression.kind === 'set')
    return expression.operator === 'or'
      ? compares(expression.left) && compares(expression.right)
      : compares(expression.left) || compares(expression.right)
  return 'of' in expression && expression.kind !== 'vector' ? compares(expression.of) : false
}

function template<Label extends string>(text: AlertText<Label>, labels: readonly string[]): string {
  if (typeof text === 'string') return text
  const placeholders = Object.fromEntries(labels.map((label) => [label, `{{ $labels.${label} }}`]))
  const value: ValueText = {
    toString: () => '{{ $value }}',
    duration: '{{ $value | humanizeDuration }}',
    percentage: '{{ $value | humanizePercentage }}',
    humanized: '{{ $value | humanize }}',
    binary: '{{ $value | humanize1024 }}',
  }
  return (text as (labels: Labels, value: ValueText) => string)(placeholders, value)
}

/** Values of a series for a test. For a histogram, `part` names which of its series, and the bucket's has `le` too. */
export function given<Given extends Labels>(
  metric: { readonly definition: MetricDefinition; with(labels: Given): unknown },
  labels: NoInfer<Given> & { readonly le?: string },
  values: string,
  part: '' | 'bucket' | 'sum' | 'count' = '',
): GivenSeries {
  return { metric: part === '' ? metric.definition.name : `${metric.definition.name}_${part}`, labels, values }
}

export function fires(name: string, { series, at, every = '1m' }: TestGiven, expected?: readonly Labels[]): AlertTest {
  return { name, series, at: milliseconds(at), interval: milliseconds(every), fires: true, ...(expected === undefined ? {} : { expected }) }
}

export function staysQuiet(name: string, { series, at, every = '1m' }: TestGiven): AlertTest {
  return { name, series, at: milliseconds(at), interval: milliseconds(every), fires: false }
}

/**
 * A signal that is kept under a name of its own, worked out at each turn of its group: `level:metric:operation`.
 * It is read as a gauge: `record('dataset:rows:increase1h', rows.increase('1h').sum('dataset')).now().gt(5)`.
 */
export class Recording<Label extends string> extends GaugeSelection<{ readonly [Name in Label]: '*' }> {
  readonly [RECORDING] = true
  readonly signal: Vector<never>

  constructor(name: string, signal: Vector<Label>, help: string) {
    const domains = Object.fromEntries(signal.labels.map((label) => [label, '*' as const]))
    super(defineMetric('gauge', name, { help, labels: domains }), [])
    this.signal = signal as unknown as Vector<never>
  }
}

/** Throws ALERT_INVALID when the name has not three parts. */
export function record<Label extends string>(name: string, signal: Vector<Label>, help = `Recorded: ${name}.`): Recording<Label> {
  if (!/^[a-z0-9_]+:[a-z0-9_]+:[a-z0-9_]+$/.test(name))
    throw failure(ALERT_INVALID, {
      name,
      problem: 'a recorded signal is named level:metric:operation',
      advice: 'Such as dataset:rows:increase1h.',
    })
  return new Recording(name, signal, help)
}

export type Rule = Alert | Recording<never>

/** Rules that are worked out together, one after the other: what one records, the next can read. */
export interface RuleGroup {
  readonly [RULE_GROUP]: true
  readonly name: string
  /** Milliseconds. */
  readonly every: number
  readonly rules: readonly Rule[]
}

export function ruleGroup(
  name: string,
  definition: { readonly every?: Duration; readonly rules: readonly (Alert | { readonly [RECORDING]: true })[] },
): RuleGroup {
  return { [RULE_GROUP]: true, name, every: milliseconds(definition.every ?? '1m'), rules: definition.rules as unknown as readonly Rule[] }
}

export function isAlert(value: unknown): value is Alert {
  return typeof value === 'object' && value !== null && ALERT in value
}

export function isRecording(value: unknown): value is Recording<never> {
  return typeof value === 'object' && value !== null && RECORDING in value
}

export function isRuleGroup(value: unknown): value is RuleGroup {
  return typeof value === 'object' && value !== null && RULE_GROUP in value
}

/** All labels an alert goes out with, for one element of its condition. */
export function alertLabels(one: Alert, labels: Labels): Labels {
  const { __name__: _, ...element } = labels
  return {
    ...element,
    ...one.labels,
    severity: one.severity,
    ...(one.owner === undefined ? {} : { owner: one.owner }),
    ...(one.watchdog ? { watchdog: 'true' } : {}),
    alertname: one.name,
  }
}
