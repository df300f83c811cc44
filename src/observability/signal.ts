import { failure, SIGNAL_INVALID } from '../errors/index.js'
import type { LabelDomains, LabelsOf, MetricDefinition, MetricUnit } from './definition.js'
import { type Duration, milliseconds } from './duration.js'
import type {
  AggregateOperator,
  ArithmeticOperator,
  ComparisonOperator,
  Expression,
  InstantFunction,
  Matcher,
  RangeFunction,
  SelectExpression,
  SetOperator,
  Window,
} from './expression.js'

/** A length of time, or `auto`: Grafana's `$__rate_interval` on a dashboard, four scrape intervals elsewhere. */
export type WindowSize = Duration | 'auto'

/** What a vector is compared with or reckoned with: a number, a length of time (in seconds), or a vector with the same labels. */
export type Operand<Label extends string> = number | Duration | Vector<Label>

/**
 * One number for each combination of `Label`'s values: what panels draw and alerts watch.
 *
 * `rows.increase('1h').sum('dataset').gt(1000)` is `sum by (dataset) (increase(sluice_rows_total[1h])) > 1000`.
 *
 * `Label` is invariant: vectors reckon with each other only when their labels are the same, since Prometheus would match nothing, and
 * say nothing, where they differ.
 */
export class Vector<in out Label extends string> {
  declare readonly brand: (label: Label) => Label
  readonly expression: Expression
  /** The labels an element may have. */
  readonly labels: readonly string[]
  readonly unit: MetricUnit | undefined

  constructor(expression: Expression, labels: readonly string[], unit?: MetricUnit) {
    this.expression = expression
    this.labels = labels
    this.unit = unit
  }

  /** `sum by (dataset) (...)`; of no labels: one number. */
  sum<By extends Label = never>(...by: By[]): Vector<By> {
    return this.#aggregate('sum', by)
  }
  avg<By extends Label = never>(...by: By[]): Vector<By> {
    return this.#aggregate('avg', by)
  }
  min<By extends Label = never>(...by: By[]): Vector<By> {
    return this.#aggregate('min', by)
  }
  max<By extends Label = never>(...by: By[]): Vector<By> {
    return this.#aggregate('max', by)
  }
  /** How many elements there are. */
  count<By extends Label = never>(...by: By[]): Vector<By> {
    return new Vector(this.#aggregate('count', by).expression, by)
  }
  /** The `count` largest elements, with all their labels. */
  topk(count: number): Vector<Label> {
    return this.#kept({ kind: 'aggregate', operator: 'topk', grouping: { by: [] }, parameter: count, of: this.expression })
  }
  bottomk(count: number): Vector<Label> {
    return this.#kept({ kind: 'aggregate', operator: 'bottomk', grouping: { by: [] }, parameter: count, of: this.expression })
  }

  plus(other: Operand<Label>): Vector<Label> {
    return this.#arithmetic('+', other, this.unit)
  }
  minus(other: Operand<Label>): Vector<Label> {
    return this.#arithmetic('-', other, this.unit)
  }
  times(other: Operand<Label>): Vector<Label> {
    return this.#arithmetic('*', other, typeof other === 'number' ? this.unit : undefined)
  }
  /** For shares use `ratio`, which says nothing where there is nothing to divide by. */
  dividedBy(other: Operand<Label>): Vector<Label> {
    return this.#arithmetic('/', other, typeof other === 'number' ? this.unit : undefined)
  }

  /** Leaves out the elements for which it does not hold; the others keep their value. */
  gt(other: Operand<Label>): Vector<Label> {
    return this.#compare('>', other)
  }
  atLeast(other: Operand<Label>): Vector<Label> {
    return this.#compare('>=', other)
  }
  lt(other: Operand<Label>): Vector<Label> {
    return this.#compare('<', other)
  }
  atMost(other: Operand<Label>): Vector<Label> {
    return this.#compare('<=', other)
  }
  equals(other: Operand<Label>): Vector<Label> {
    return this.#compare('==', other)
  }
  differsFrom(other: Operand<Label>): Vector<Label> {
    return this.#compare('!=', other)
  }

  /** 1 where it holds, 0 where not: what an SLO counts. */
  isGreater(other: Operand<Label>): Vector<Label> {
    return this.#test('>', other)
  }
  isAtLeast(other: Operand<Label>): Vector<Label> {
    return this.#test('>=', other)
  }
  isLess(other: Operand<Label>): Vector<Label> {
    return this.#test('<', other)
  }
  isAtMost(other: Operand<Label>): Vector<Label> {
    return this.#test('<=', other)
  }

  /** The elements that are in the other as well. */
  and(other: Vector<Label>): Vector<Label> {
    return this.#set('and', other)
  }
  /** These, and those of the other whose labels are not among them. */
  or(other: Vector<Label>): Vector<Label> {
    return this.#set('or', other)
  }
  /** The elements that are not in the other. */
  unless(other: Vector<Label>): Vector<Label> {
    return this.#set('unless', other)
  }
  /** 0 where there is nothing yet: a panel that counts rare things is not dark. */
  orZero(this: Vector<never>): Vector<never> {
    const zero: Expression = { kind: 'vector', of: { kind: 'number', value: 0 } }
    return new Vector<never>({ kind: 'set', operator: 'or', left: this.expression, right: zero }, [], this.unit)
  }

  abs(): Vector<Label> {
    return this.#call('abs')
  }
  round(): Vector<Label> {
    return this.#call('round')
  }
  clampMin(bound: number): Vector<Label> {
    return this.#call('clamp_min', bound)
  }
  clampMax(bound: number): Vector<Label> {
    return this.#call('clamp_max', bound)
  }

  /** Throws SIGNAL_INVALID: what types hold in an editor must hold in a file that is only loaded. */
  #aggregate<By extends Label>(operator: AggregateOperator, by: readonly By[]): Vector<By> {
    const unknown = by.find((label) => !this.labels.includes(label))
    if (unknown !== undefined)
      throw failure(SIGNAL_INVALID, {
        signal: operator,
        problem: `what it is taken of has no label "${unknown}"`,
        advice: `Its labels: ${this.labels.join(', ') || 'none'}.`,
      })
    return new Vector<By>({ kind: 'aggregate', operator, grouping: { by }, of: this.expression }, by, this.unit)
  }
  #arithmetic(operator: ArithmeticOperator, other: Operand<Label>, unit: MetricUnit | undefined): Vector<Label> {
    return new Vector<Label>({ kind: 'binary', operator, left: this.expression, right: operand(other) }, this.labels, unit)
  }
  #compare(operator: ComparisonOperator, other: Operand<Label>): Vector<Label> {
    return this.#kept({ kind: 'comparison', operator, left: this.expression, right: operand(other), bool: false })
  }
  #test(operator: ComparisonOperator, other: Operand<Label>): Vector<Label> {
    return new Vector<Label>({ kind: 'comparison', operator, left: this.expression, right: operand(other), bool: true }, this.labels)
  }
  #set(operator: SetOperator, other: Vector<Label>): Vector<Label> {
    return this.#kept({ kind: 'set', operator, left: this.expression, right: other.expression })
  }
  #call(name: InstantFunction, ...args: number[]): Vector<Label> {
    return this.#kept({ kind: 'call', function: name, of: this.expression, args })
  }
  #kept(expression: Expression): Vector<Label> {
    return new Vector<Label>(expression, this.labels, this.unit)
  }
}

function operand(other: number | Duration | { readonly expression: Expression }): Expression {
  if (typeof other === 'number') return { kind: 'number', value: other }
  if (typeof other === 'string') return { kind: 'number', value: milliseconds(other) / 1000 }
  return other.expression
}

const PATTERN = Symbol.for('sluice.label-pattern')

/** A condition on a label other than being one of some values. */
export interface LabelPattern<Value extends string> {
  readonly [PATTERN]: true
  readonly operator: '!=' | '=~' | '!~'
  readonly text: string
  readonly values?: readonly Value[]
}

/** `where({ status: not('ok') })` is `{status!="ok"}`; of several: `{status!~"ok|skipped"}`. */
export function not<const Value extends string>(...values: Value[]): LabelPattern<Value> {
  const [only] = values
  return values.length === 1 && only !== undefined
    ? { [PATTERN]: true, operator: '!=', text: only, values }
    : { [PATTERN]: true, operator: '!~', text: oneOf(values), values }
}

/** `where({ dataset: pattern('silver\\..*') })` is `{dataset=~"silver\\..*"}`: a regular expression of the whole value, for open labels. */
export function pattern(text: string): LabelPattern<string> {
  return { [PATTERN]: true, operator: '=~', text }
}

export type Conditions<Values> = {
  readonly [Label in keyof Values]?:
    | Values[Label]
    | readonly Values[Label][]
    | (Values[Label] extends string ? LabelPattern<Values[Label]> : never)
}

function oneOf(values: readonly string[]): string {
  return values.map((value) => value.replaceAll(/[\\^$.|?*+()[\]{}]/g, '\\$&')).join('|')
}

/** A metric's series, or those of them that `where` chose. */
export abstract class Selection<Domains extends LabelDomains> {
  readonly definition: MetricDefinition
  readonly matchers: readonly Matcher[]

  constructor(definition: MetricDefinition, matchers: readonly Matcher[]) {
    this.definition = definition
    this.matchers = matchers
  }

  /** 1, without labels, when there is no such series. */
  absent(): Vector<never> {
    return new Vector<never>({ kind: 'absent', of: this.select() }, [])
  }

  protected chosen(conditions: Conditions<LabelsOf<Domains>>): Matcher[] {
    const added = Object.entries(conditions).flatMap(([label, wanted]): Matcher[] => {
      const domain = this.definition.domains[label]
      const wrong = (problem: string, advice: string) => failure(SIGNAL_INVALID, { signal: this.definition.name, problem, advice })
      if (domain === undefined) throw wrong(`it has no label "${label}"`, `Its labels: ${this.definition.labelNames.join(', ') || 'none'}.`)
      if (wanted === undefined) return []
      const named = typeof wanted === 'string' ? [wanted] : isPattern(wanted) ? (wanted.values ?? []) : (wanted as readonly string[])
      const unknown = domain === '*' ? undefined : named.find((value) => !domain.includes(value))
      if (unknown !== undefined) throw wrong(`"${label}" is never "${unknown}"`, `Its values: ${(domain as readonly string[]).join(', ')}.`)
      if (typeof wanted === 'string') return [{ label, operator: '=', value: wanted }]
      if (isPattern(wanted)) return [{ label, operator: wanted.operator, value: wanted.text }]
      return [{ label, operator: '=~', value: oneOf(named) }]
    })
    return [...this.matchers, ...added]
  }

  protected select(suffix = ''): SelectExpression {
    return { kind: 'select', metric: `${this.definition.name}${suffix}`, matchers: this.matchers }
  }

  protected ranged(name: RangeFunction, window: WindowSize, suffix = '', parameter?: number): Expression {
    return {
      kind: 'range',
      function: name,
      of: this.select(suffix),
      window: windowOf(window),
      ...(parameter === undefined ? {} : { parameter }),
    }
  }
}

function isPattern(value: unknown): value is LabelPattern<string> {
  return typeof value === 'object' && value !== null && PATTERN in value
}

function windowOf(window: WindowSize): Window {
  return window === 'auto' ? 'auto' : milliseconds(window)
}

type NamesOf<Domains extends LabelDomains> = keyof Domains & string

/** A counter's series. A counter is never read as it stands: what it says depends on when it began. */
export class CounterSelection<Domains extends LabelDomains> extends Selection<Domains> {
  where(conditions: Conditions<LabelsOf<Domains>>): CounterSelection<Domains> {
    return new CounterSelection(this.definition, this.chosen(conditions))
  }
  /** How much a second, on average over the window. Needs two scrapes in it. */
  rate(window: WindowSize = 'auto'): Vector<NamesOf<Domains>> {
    return new Vector(this.ranged('rate', window), this.definition.labelNames)
  }
  /** How much in the window. */
  increase(window: WindowSize): Vector<NamesOf<Domains>> {
    return new Vector(this.ranged('increase', window), this.definition.labelNames)
  }
}

/** A gauge's series. */
export class GaugeSelection<Domains extends LabelDomains, Unit extends MetricUnit | undefined = undefined> extends Selection<Domains> {
  declare readonly unitBrand: Unit
  where(conditions: Conditions<LabelsOf<Domains>>): GaugeSelection<Domains, Unit> {
    return new GaugeSelection(this.definition, this.chosen(conditions))
  }
  now(): Vector<NamesOf<Domains>> {
    return this.#vector(this.select())
  }
  /** Seconds since the time that the gauge says: `time() - x`. Goes on growing when nothing runs. */
  age(this: GaugeSelection<Domains, 'timestamp_seconds'>): Vector<NamesOf<Domains>> {
    return new Vector(
      { kind: 'binary', operator: '-', left: { kind: 'time' }, right: this.select() },
      this.definition.labelNames,
      'seconds',
    )
  }
  avgOver(window: WindowSize): Vector<NamesOf<Domains>> {
    return this.#vector(this.ranged('avg_over_time', window))
  }
  minOver(window: WindowSize): Vector<NamesOf<Domains>> {
    return this.#vector(this.ranged('min_over_time', window))
  }
  maxOver(window: WindowSize): Vector<NamesOf<Domains>> {
    return this.#vector(this.ranged('max_over_time', window))
  }
  lastOver(window: WindowSize): Vector<NamesOf<Domains>> {
    return this.#vector(this.ranged('last_over_time', window))
  }
  /** @param quantile 0 to 1 */
  quantileOver(quantile: number, window: WindowSize): Vector<NamesOf<Domains>> {
    return this.#vector(this.ranged('quantile_over_time', window, '', quantile))
  }
  /** Last less first, in the window. */
  delta(window: WindowSize): Vector<NamesOf<Domains>> {
    return this.#vector(this.ranged('delta', window))
  }
  /** How often it changed in the window. */
  changes(window: WindowSize): Vector<NamesOf<Domains>> {
    return new Vector(this.ranged('changes', window), this.definition.labelNames)
  }
  /** What it will be, by a straight line through the window. */
  predict(window: WindowSize, ahead: Duration): Vector<NamesOf<Domains>> {
    return this.#vector(this.ranged('predict_linear', window, '', milliseconds(ahead) / 1000))
  }
  #vector(expression: Expression): Vector<NamesOf<Domains>> {
    return new Vector(expression, this.definition.labelNames, this.definition.unit)
  }
}

/** A histogram's series. */
export class HistogramSelection<Domains extends LabelDomains> extends Selection<Domains> {
  where(conditions: Conditions<LabelsOf<Domains>>): HistogramSelection<Domains> {
    return new HistogramSelection(this.definition, this.chosen(conditions))
  }
  /** Observations a second. */
  rate(window: WindowSize = 'auto'): Vector<NamesOf<Domains>> {
    return new Vector(this.ranged('rate', window, '_count'), this.definition.labelNames)
  }
  /** Observations in the window. */
  increase(window: WindowSize): Vector<NamesOf<Domains>> {
    return new Vector(this.ranged('increase', window, '_count'), this.definition.labelNames)
  }
  /** The value that a share of observations stays under, from the buckets. @param quantile 0 to 1 */
  quantile<By extends NamesOf<Domains> = never>(quantile: number, window: WindowSize, ...by: By[]): Vector<By> {
    if (!(quantile >= 0 && quantile <= 1)) throw this.#wrong(`${quantile} is no quantile`, 'Give a number from 0 to 1.')
    const buckets: Expression = {
      kind: 'aggregate',
      operator: 'sum',
      grouping: { by: [...by, 'le'] },
      of: this.ranged('rate', window, '_bucket'),
    }
    return new Vector<By>({ kind: 'histogram_quantile', quantile, of: buckets }, by, this.definition.unit)
  }
  /** The average observation. */
  mean<By extends NamesOf<Domains> = never>(window: WindowSize, ...by: By[]): Vector<By> {
    const part = (suffix: string) =>
      new Vector<NamesOf<Domains>>(this.ranged('rate', window, suffix), this.definition.labelNames).sum(...by)
    return new Vector<By>(ratio(part('_sum'), part('_count')).expression, by, this.definition.unit)
  }
  /** Share of observations at or under a bound, which is one of the buckets'. */
  under<By extends NamesOf<Domains> = never>(bound: number, window: WindowSize, ...by: By[]): Vector<By> {
    if (!this.definition.buckets.includes(bound))
      throw this.#wrong(`${bound} is no bucket's bound`, `Bounds: ${this.definition.buckets.join(', ')}.`)
    const bucket = new HistogramSelection<Domains>(this.definition, [
      ...this.matchers,
      { label: 'le', operator: '=', value: String(bound) },
    ])
    const met = new Vector<NamesOf<Domains>>(bucket.ranged('rate', window, '_bucket'), this.definition.labelNames).sum(...by)
    return ratio(met, this.rate(window).sum(...by))
  }
  /** The buckets themselves, for a heatmap. */
  buckets(window: WindowSize = 'auto'): Vector<'le'> {
    const of = this.ranged('increase', window, '_bucket')
    return new Vector<'le'>({ kind: 'aggregate', operator: 'sum', grouping: { by: ['le'] }, of }, ['le'])
  }
  #wrong(problem: string, advice: string) {
    return failure(SIGNAL_INVALID, { signal: this.definition.name, problem, advice })
  }
}

/**
 * A share. Where there is nothing to divide by it says nothing, rather than NaN; with `atLeast`, also where there is too little for the share to mean much.
 *
 * `ratio(failed, all, { atLeast: 10 })` is `failed / (all >= 10)`.
 */
export function ratio<Label extends string>(
  part: Vector<Label>,
  whole: Vector<Label>,
  guard: { readonly atLeast?: number } = {},
): Vector<Label> {
  const enough = guard.atLeast === undefined ? whole.gt(0) : whole.atLeast(guard.atLeast)
  return new Vector<Label>(part.dividedBy(enough).expression, part.labels, 'ratio')
}

/** `vector(1)`: one number that is always there. */
export function constant(value: number): Vector<never> {
  return new Vector<never>({ kind: 'vector', of: { kind: 'number', value } }, [])
}
