import { failure, QUERY_MATCHING, QUERY_RANGE_INVALID } from '../errors/index.js'
import {
  type AggregateOperator,
  type ArithmeticOperator,
  type ComparisonOperator,
  type Expression,
  type Grouping,
  type InstantFunction,
  labelOf,
  type Matching,
  type RangeExpression,
  resultOf,
  type SelectExpression,
  type Window,
} from '../observability/expression.js'
import { average, greatest, least, quantile, type Semantics, total, windowFunction } from './range-functions.js'
import { countUntil, type Labels, labelsKey, labelsText, type Series, type SeriesSource } from './series.js'

export type { Semantics } from './range-functions.js'

export interface EvaluateOptions {
  /** `prometheus3` when left out. They differ in whether a window holds its first instant, in extrapolation near zero, and in rounding. */
  readonly semantics?: Semantics
  /** How long a sample counts as the present value, in milliseconds; 5 minutes when left out. */
  readonly lookback?: number
  /** Milliseconds, from which `auto` windows follow; 15 seconds when left out. */
  readonly scrapeInterval?: number
}

/** In milliseconds since 1970, and milliseconds. */
export interface TimeRange {
  readonly start: number
  readonly end: number
  readonly step: number
}

/** One element of an instant vector. */
export interface Sample {
  readonly labels: Labels
  readonly value: number
}

export type InstantResult =
  | { readonly kind: 'scalar'; readonly value: number }
  | { readonly kind: 'vector'; readonly samples: readonly Sample[] }

export interface MatrixSeries {
  readonly labels: Labels
  /** Milliseconds since 1970 and the value, ascending; steps without a value are left out. */
  readonly points: readonly (readonly [time: number, value: number])[]
}

/**
 * The value of an expression at one time, as Prometheus has it.
 *
 * `evaluate(parsePromql('sum by (job) (rate(runs_total[5m]))'), source, Date.now())` is
 * `{ kind: 'vector', samples: [{ labels: { job: 'load' }, value: 0.2 }] }`.
 *
 * Fails with QUERY_MATCHING where series cannot be told apart.
 */
export function evaluate(expression: Expression, source: SeriesSource, time: number, options: EvaluateOptions = {}): InstantResult {
  const evaluation = new Evaluation(source, { start: time, step: 0, count: 1 }, options)
  if (resultOf(expression) === 'scalar') return { kind: 'scalar', value: evaluation.scalar(expression)[0] ?? Number.NaN }
  const samples = evaluation
    .vector(expression)
    .filter((column) => column.present[0] === 1)
    .map(({ labels, values }) => ({ labels, value: values[0] ?? Number.NaN }))
  return { kind: 'vector', samples }
}

/**
 * The value of an expression at `start` and each `step` after it until `end`; a number is one series without labels.
 *
 * Fails with QUERY_MATCHING where series cannot be told apart, and with QUERY_RANGE_INVALID.
 */
export function evaluateRange(
  expression: Expression,
  source: SeriesSource,
  { start, end, step }: TimeRange,
  options: EvaluateOptions = {},
): readonly MatrixSeries[] {
  if (!(step > 0)) throw failure(QUERY_RANGE_INVALID, { problem: `its step is ${step} ms` })
  if (!(start <= end)) throw failure(QUERY_RANGE_INVALID, { problem: 'it ends before it starts' })
  const steps = { start, step, count: Math.floor((end - start) / step) + 1 }
  const evaluation = new Evaluation(source, steps, options)
  const columns = resultOf(expression) === 'scalar' ? [columnOf({}, evaluation.scalar(expression))] : evaluation.vector(expression)
  return columns.filter(isSeen).map(({ labels, values, present }) => {
    const points: [number, number][] = []
    for (let index = 0; index < steps.count; index++)
      if (present[index] === 1) points.push([start + index * step, values[index] ?? Number.NaN])
    return { labels, points }
  })
}

/**
 * The value of an expression at each of these times, which ascend, as `evaluate` has it at each: for times that lie as they happen to.
 *
 * The source is asked once, for all that the times look at. Fails with QUERY_MATCHING where series cannot be told apart.
 */
export function evaluateTimes(
  expression: Expression,
  source: SeriesSource,
  times: Float64Array,
  options: EvaluateOptions = {},
): readonly MatrixSeries[] {
  if (times.length === 0) return []
  const evaluation = new Evaluation(source, { start: times[0] ?? 0, step: 0, count: times.length, times }, options)
  const columns = resultOf(expression) === 'scalar' ? [columnOf({}, evaluation.scalar(expression))] : evaluation.vector(expression)
  return columns.filter(isSeen).map(({ labels, values, present }) => {
    const points: [number, number][] = []
    for (let index = 0; index < times.length; index++)
      if (present[index] === 1) points.push([times[index] ?? 0, values[index] ?? Number.NaN])
    return { labels, points }
  })
}

interface Steps {
  readonly start: number
  readonly step: number
  readonly count: number
  /** In place of what follows from the start and the step. */
  readonly times?: Float64Array
}

/** One series of a result: a value for each step at which it is present. */
interface Column {
  readonly labels: Labels
  readonly values: Float64Array
  readonly present: Uint8Array
}

/** Works on all steps of a node before its parent's, so that labels are compared once and windows slide. */
class Evaluation {
  private readonly source: SeriesSource
  private readonly steps: Steps
  private readonly semantics: Semantics
  private readonly lookback: number
  private readonly automatic: number

  constructor(
    source: SeriesSource,
    steps: Steps,
    { semantics = 'prometheus3', lookback = 300_000, scrapeInterval = 15_000 }: EvaluateOptions,
  ) {
    this.source = source
    this.steps = steps
    this.semantics = semantics
    this.lookback = lookback
    // What Grafana's `$__rate_interval` is.
    this.automatic = Math.max(4 * scrapeInterval, steps.step + scrapeInterval)
  }

  scalar(expression: Expression): Float64Array {
    const result = new Float64Array(this.steps.count)
    switch (expression.kind) {
      case 'number':
        return result.fill(expression.value)
      case 'time':
        return result.map((_, index) => this.timeOf(index) / 1000)
      case 'scalar': {
        const columns = this.vector(expression.of)
        return result.map((_, index) => {
          const seen = columns.filter((column) => column.present[index] === 1)
          return seen.length === 1 ? (seen[0]?.values[index] ?? Number.NaN) : Number.NaN
        })
      }
      case 'binary':
      case 'comparison': {
        const left = this.scalar(expression.left)
        const right = this.scalar(expression.right)
        const operate =
          expression.kind === 'binary'
            ? arithmetic[expression.operator]
            : (one: number, other: number) => Number(comparisons[expression.operator](one, other))
        return result.map((_, index) => operate(left[index] ?? Number.NaN, right[index] ?? Number.NaN))
      }
      default:
        throw new TypeError(`${expression.kind} is no number.`)
    }
  }

  vector(expression: Expression): readonly Column[] {
    switch (expression.kind) {
      case 'select':
        return this.select(expression)
      case 'range':
        return expression.function === 'absent_over_time' ? this.absent(this.range(expression), expression.of) : this.range(expression)
      case 'call':
        return this.call(expression.function, expression.of, expression.args)
      case 'vector':
        return [columnOf({}, this.scalar(expression.of))]
      case 'absent':
        return this.absent(this.vector(expression.of), expression.of)
      case 'histogram_quantile':
        return histogramQuantile(expression.quantile, this.vector(expression.of), this.steps.count, this.semantics)
      case 'aggregate':
        return this.aggregate(expression.operator, expression.grouping, expression.parameter ?? 0, this.vector(expression.of))
      case 'binary': {
        const operate = arithmetic[expression.operator]
        const of = (left: number, right: number) => operate(left, right)
        return this.operation(expression.left, expression.right, expression.matching, {
          of,
          keeps: undefined,
          named: false,
          vectorValue: false,
        })
      }
      case 'comparison': {
        const compare = comparisons[expression.operator]
        const operation: Operation = expression.bool
          ? { of: (left, right) => Number(compare(left, right)), keeps: undefined, named: false, vectorValue: false }
          : { of: (left) => left, keeps: compare, named: true, vectorValue: true }
        return this.operation(expression.left, expression.right, expression.matching, operation)
      }
      case 'set':
        return setOperation(
          expression.operator,
          this.vector(expression.left),
          this.vector(expression.right),
          expression.matching,
          this.steps.count,
        )
      default:
        throw new TypeError(`${expression.kind} is no vector.`)
    }
  }

  private timeOf(index: number): number {
    return this.steps.times?.[index] ?? this.steps.start + index * this.steps.step
  }

  /** `timestamps`: the samples' times in seconds instead of their values. */
  private select(expression: SelectExpression, timestamps = false): readonly Column[] {
    const { offset = 0 } = expression
    const closed = this.semantics === 'prometheus2'
    return this.load(expression, this.lookback).flatMap(({ labels, times, values, stale }) => {
      const column = this.column(labels)
      let high = 0
      for (let index = 0; index < this.steps.count; index++) {
        const time = this.timeOf(index) - offset
        while ((times[high] ?? Number.POSITIVE_INFINITY) <= time) high += 1
        const seen = times[high - 1]
        if (seen === undefined || stale?.[high - 1] === 1) continue
        const age = time - seen
        if (age > this.lookback || (age === this.lookback && !closed)) continue
        column.values[index] = timestamps ? seen / 1000 : (values[high - 1] ?? Number.NaN)
        column.present[index] = 1
      }
      return isSeen(column) ? [column] : []
    })
  }

  private range({ function: name, of, window, parameter = 0 }: RangeExpression): readonly Column[] {
    const { offset = 0 } = of
    const length = this.lengthOf(window)
    const closed = this.semantics === 'prometheus2'
    const columns = this.load(of, length).flatMap((series) => {
      const { times, values } = withoutStale(series)
      const column = this.column(name === 'last_over_time' ? series.labels : without(series.labels, ['__name__']))
      const evaluation = windowFunction(name, times, values, { window: length, parameter, semantics: this.semantics })
      let low = 0
      let high = 0
      for (let index = 0; index < this.steps.count; index++) {
        const time = this.timeOf(index)
        const end = time - offset
        const start = end - length
        while ((times[high] ?? Number.POSITIVE_INFINITY) <= end) high += 1
        while (low < high && ((times[low] ?? 0) < start || (!closed && times[low] === start))) low += 1
        if (high - low < evaluation.fewest) continue
        column.values[index] = evaluation.at(low, high, end, time)
        column.present[index] = 1
      }
      return isSeen(column) ? [column] : []
    })
    return merged(columns)
  }

  private lengthOf(window: Window): number {
    return window === 'auto' ? this.automatic : window
  }

  /** The series that steps look at, each over the `length` before it. Where steps lie far apart only what they see is asked for. */
  private load(expression: SelectExpression, length: number): readonly Series[] {
    const { metric, matchers, offset = 0 } = expression
    const { count, step } = this.steps
    const select = (first: number, last: number) => [
      ...this.source.select(metric, matchers, this.timeOf(first) - offset - length, this.timeOf(last) - offset),
    ]
    if (count === 1 || this.steps.times !== undefined || step <= 2 * length) return ordered(select(0, count - 1))
    const pieces = new Map<string, Series[]>()
    for (let index = 0; index < count; index++) {
      const end = this.timeOf(index) - offset
      for (const series of select(index, index)) {
        const key = labelsKey(series.labels)
        const piece = between(series, end - length, end)
        const known = pieces.get(key)
        if (known === undefined) pieces.set(key, [piece])
        else known.push(piece)
      }
    }
    return ordered([...pieces.values()].map(joined))
  }

  private column(labels: Labels): Column {
    return { labels, values: new Float64Array(this.steps.count), present: new Uint8Array(this.steps.count) }
  }

  private call(name: InstantFunction, of: Expression, args: readonly number[]): readonly Column[] {
    if (name === 'timestamp' && of.kind === 'select') return unnamed(this.select(of, true))
    const columns = this.vector(of)
    if (name === 'timestamp')
      return unnamed(columns.map((column) => ({ ...column, values: column.values.map((_, index) => this.timeOf(index) / 1000) })))
    if (name === 'sort' || name === 'sort_desc') {
      // A range has no order of its own.
      return this.steps.count > 1 ? columns : columns.toSorted(byValue(0, name === 'sort_desc'))
    }
    const [one = Number.NaN, other = Number.NaN] = args
    if (name === 'clamp' && other < one) return []
    const apply =
      name === 'round' && args.length === 0
        ? (value: number) => instantFunctions.round(value, 1, 0)
        : (value: number) => instantFunctions[name](value, one, other)
    return unnamed(columns.map((column) => ({ ...column, values: column.values.map(apply) })))
  }

  private absent(columns: readonly Column[], of: Expression): readonly Column[] {
    const column = this.column(of.kind === 'select' ? absentLabels(of) : {})
    column.values.fill(1)
    for (let index = 0; index < this.steps.count; index++)
      column.present[index] = columns.some(({ present }) => present[index] === 1) ? 0 : 1
    return [column]
  }

  private aggregate(operator: AggregateOperator, grouping: Grouping, parameter: number, columns: readonly Column[]): readonly Column[] {
    const labelsFor = (labels: Labels) =>
      'by' in grouping ? only(labels, grouping.by) : without(labels, [...grouping.without, '__name__'])
    const groups = groupedBy(columns, labelsFor)
    if (operator === 'topk' || operator === 'bottomk') return this.extremes(groups, Math.trunc(parameter), operator === 'topk')
    const reduce =
      operator === 'quantile' ? (values: Float64Array, count: number) => quantile(parameter, values, 0, count) : this.reducer(operator)
    return groups.map(({ labels, columns: members }) => {
      const column = this.column(labels)
      const values = new Float64Array(members.length)
      for (let index = 0; index < this.steps.count; index++) {
        let count = 0
        for (const member of members) if (member.present[index] === 1) values[count++] = member.values[index] ?? Number.NaN
        if (count === 0) continue
        column.values[index] = reduce(values, count)
        column.present[index] = 1
      }
      return column
    })
  }

  private reducer(operator: Exclude<AggregateOperator, 'topk' | 'bottomk' | 'quantile'>): (values: Float64Array, count: number) => number {
    switch (operator) {
      case 'sum':
        return (values, count) => total(values, 0, count)
      case 'avg':
        return (values, count) => average(values, 0, count)
      case 'min':
        return (values, count) => least(values, 0, count)
      case 'max':
        return (values, count) => greatest(values, 0, count)
      case 'count':
        return (_, count) => count
      case 'group':
        return () => 1
      case 'stdvar':
        return (values, count) => this.variance(values, count)
      case 'stddev':
        return (values, count) => Math.sqrt(this.variance(values, count))
    }
  }

  /** Welford's. Of one infinite value it is 0 in Prometheus 2. */
  private variance(values: Float64Array, count: number): number {
    let mean = values[0] ?? Number.NaN
    let squares = Number.isFinite(mean) || this.semantics === 'prometheus2' ? 0 : Number.NaN
    for (let index = 1; index < count; index++) {
      const value = values[index] ?? Number.NaN
      const delta = value - mean
      mean += delta / (index + 1)
      squares += delta * (value - mean)
    }
    return squares / count
  }

  private extremes(groups: readonly Group[], count: number, descending: boolean): readonly Column[] {
    return groups.flatMap(({ columns }) => {
      const chosen = columns.map((column) => ({ ...column, present: new Uint8Array(this.steps.count) }))
      let order: readonly Column[] = chosen
      for (let index = 0; index < this.steps.count; index++) {
        const seen = chosen.filter((_, position) => columns[position]?.present[index] === 1)
        order = seen.sort(byValue(index, descending)).slice(0, Math.max(0, count))
        for (const column of order) column.present[index] = 1
      }
      return this.steps.count > 1 ? chosen.filter(isSeen) : order
    })
  }

  private operation(left: Expression, right: Expression, modifier: Matching | undefined, operation: Operation): readonly Column[] {
    const { count } = this.steps
    if (resultOf(left) === 'vector' && resultOf(right) === 'vector')
      return matchedOperation(this.vector(left), this.vector(right), modifier ?? { ignoring: [] }, operation, count)
    const swapped = resultOf(left) === 'scalar'
    const numbers = this.scalar(swapped ? left : right)
    const columns = this.vector(swapped ? right : left).map(({ labels, values, present }) => {
      const column = this.column(operation.named ? labels : without(labels, ['__name__']))
      for (let index = 0; index < count; index++) {
        if (present[index] !== 1) continue
        const value = values[index] ?? Number.NaN
        const number = numbers[index] ?? Number.NaN
        const [one, other] = swapped ? [number, value] : [value, number]
        if (operation.keeps?.(one, other) === false) continue
        column.values[index] = operation.vectorValue ? value : operation.of(one, other)
        column.present[index] = 1
      }
      return column
    })
    return operation.named ? columns : merged(columns)
  }
}

interface Operation {
  readonly of: (left: number, right: number) => number
  /** Elements for which it does not hold are left out. */
  readonly keeps: ((left: number, right: number) => boolean) | undefined
  /** The result keeps the metric's name. */
  readonly named: boolean
  /** Between a number and series the result is the series' value, whichever side it is on. */
  readonly vectorValue: boolean
}

const arithmetic: Record<ArithmeticOperator, (left: number, right: number) => number> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
  '%': (left, right) => left % right,
  // 1 to any power is 1, and so is -1 to an infinite one: IEEE 754 says so, JavaScript does not.
  '^': (left, right) => (left === 1 || (left === -1 && Math.abs(right) === Number.POSITIVE_INFINITY) ? 1 : left ** right),
}

const comparisons: Record<ComparisonOperator, (left: number, right: number) => boolean> = {
  '==': (left, right) => left === right,
  '!=': (left, right) => left !== right,
  '>': (left, right) => left > right,
  '<': (left, right) => left < right,
  '>=': (left, right) => left >= right,
  '<=': (left, right) => left <= right,
}

const instantFunctions: Record<
  Exclude<InstantFunction, 'timestamp' | 'sort' | 'sort_desc'>,
  (value: number, one: number, other: number) => number
> = {
  abs: Math.abs,
  ceil: Math.ceil,
  floor: Math.floor,
  // Halves go up; and dividing by the inverse loses less than multiplying.
  round: (value, nearest) => Math.floor(value * (1 / nearest) + 0.5) / (1 / nearest),
  sqrt: Math.sqrt,
  exp: Math.exp,
  ln: Math.log,
  log2: Math.log2,
  log10: Math.log10,
  sgn: (value) => (value < 0 ? -1 : value > 0 ? 1 : value),
  clamp: (value, lowest, highest) => Math.max(lowest, Math.min(highest, value)),
  clamp_min: (value, lowest) => Math.max(lowest, value),
  clamp_max: (value, highest) => Math.min(highest, value),
}

function columnOf(labels: Labels, values: Float64Array): Column {
  return { labels, values, present: new Uint8Array(values.length).fill(1) }
}

function isSeen({ present }: Column): boolean {
  return present.includes(1)
}

/** NaN comes last, whichever way. */
function byValue(index: number, descending: boolean): (one: Column, other: Column) => number {
  return (one, other) => {
    const left = one.values[index] ?? Number.NaN
    const right = other.values[index] ?? Number.NaN
    if (Number.isNaN(left) || Number.isNaN(right)) return Number(Number.isNaN(left)) - Number(Number.isNaN(right))
    if (left === right) return 0
    return left < right === descending ? 1 : -1
  }
}

function without(labels: Labels, names: readonly string[]): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([label]) => !names.includes(label)))
}

function only(labels: Labels, names: readonly string[]): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([label]) => names.includes(label)))
}

/** The labels that an absent series would have. Prometheus drops one for which more than `=` is asked, unless that comes first. */
function absentLabels({ matchers }: SelectExpression): Labels {
  const sure = new Map<string, string>()
  const seen = new Set<string>()
  for (const { label, operator, value } of matchers) {
    if (operator !== '=' || seen.has(label)) sure.delete(label)
    else {
      seen.add(label)
      sure.set(label, value)
    }
  }
  return Object.fromEntries([...sure].filter(([, value]) => value !== ''))
}

/** By their labels, so that what depends on order does not depend on the source. */
function ordered(series: readonly Series[]): readonly Series[] {
  return series
    .map((one) => ({ ...one, labels: Object.fromEntries(Object.entries(one.labels).filter(([, value]) => value !== '')) }))
    .map((one) => ({ one, key: labelsKey(one.labels) }))
    .sort((left, right) => (left.key < right.key ? -1 : 1))
    .map(({ one }) => one)
}

function between({ labels, times, values, stale }: Series, from: number, to: number): Series {
  const low = countUntil(times, from, false)
  const high = countUntil(times, to, true)
  const piece = { labels, times: times.subarray(low, high), values: values.subarray(low, high) }
  return stale === undefined ? piece : { ...piece, stale: stale.subarray(low, high) }
}

function joined(pieces: readonly Series[]): Series {
  const length = pieces.reduce((sum, { times }) => sum + times.length, 0)
  const whole = { times: new Float64Array(length), values: new Float64Array(length), stale: new Uint8Array(length) }
  let position = 0
  for (const { times, values, stale } of pieces) {
    whole.times.set(times, position)
    whole.values.set(values, position)
    if (stale !== undefined) whole.stale.set(stale, position)
    position += times.length
  }
  return { labels: pieces[0]?.labels ?? {}, ...whole }
}

function withoutStale({ times, values, stale }: Series): { readonly times: Float64Array; readonly values: Float64Array } {
  if (stale === undefined || !stale.includes(1)) return { times, values }
  const isLive = (_: number, index: number) => stale[index] !== 1
  return { times: times.filter(isLive), values: values.filter(isLive) }
}

function unnamed(columns: readonly Column[]): readonly Column[] {
  return merged(columns.map((column) => ({ ...column, labels: without(column.labels, ['__name__']) })))
}

interface Group {
  readonly labels: Labels
  readonly columns: Column[]
}

function groupedBy(columns: readonly Column[], labelsFor: (labels: Labels) => Labels): readonly Group[] {
  const groups = new Map<string, Group>()
  for (const column of columns) {
    const labels = labelsFor(column.labels)
    const key = labelsKey(labels)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { labels, columns: [column] })
    else group.columns.push(column)
  }
  return [...groups.values()]
}

/** One column for each set of labels. Two that are present at the same step cannot be told apart. */
function merged(columns: readonly Column[]): readonly Column[] {
  const groups = groupedBy(columns, (labels) => labels)
  if (groups.length === columns.length) return columns
  return groups.map(({ labels, columns: [first, ...rest] }) => {
    if (first === undefined || rest.length === 0) return first ?? columnOf(labels, new Float64Array())
    const column = { labels, values: first.values.slice(), present: first.present.slice() }
    for (const { values, present } of rest)
      for (let index = 0; index < present.length; index++) {
        if (present[index] !== 1) continue
        if (column.present[index] === 1)
          throw failure(QUERY_MATCHING, { problem: 'more than one series of the result has the labels', labels: labelsText(labels) })
        column.values[index] = values[index] ?? Number.NaN
        column.present[index] = 1
      }
    return column
  })
}

function signature(modifier: Matching): (labels: Labels) => Labels {
  return 'on' in modifier ? (labels) => only(labels, modifier.on) : (labels) => without(labels, [...modifier.ignoring, '__name__'])
}

/** Columns of both sides by the labels that are matched. */
function sides(
  left: readonly Column[],
  right: readonly Column[],
  modifier: Matching,
): readonly { labels: Labels; left: Column[]; right: Column[] }[] {
  const pairs = new Map<string, { labels: Labels; left: Column[]; right: Column[] }>()
  for (const [side, columns] of [['left', left] as const, ['right', right] as const])
    for (const { labels, columns: members } of groupedBy(columns, signature(modifier))) {
      const key = labelsKey(labels)
      const pair = pairs.get(key) ?? { labels, left: [], right: [] }
      pair[side].push(...members)
      pairs.set(key, pair)
    }
  return [...pairs.values()]
}

function matchedOperation(
  left: readonly Column[],
  right: readonly Column[],
  modifier: Matching,
  operation: Operation,
  count: number,
): readonly Column[] {
  const anyLeft = new Uint8Array(count)
  for (const { present } of left) for (let index = 0; index < count; index++) if (present[index] === 1) anyLeft[index] = 1
  const columns = sides(left, right, modifier).flatMap((pair) => {
    const many = (side: string) =>
      failure(QUERY_MATCHING, {
        problem: `many-to-many matching is not allowed, and at ${side} more than one series is present with the labels`,
        labels: labelsText(pair.labels),
      })
    const results = pair.left.map(({ labels }): Column => {
      const kept = operation.named ? labels : without(labels, ['__name__'])
      const result = 'on' in modifier ? only(kept, modifier.on) : without(kept, modifier.ignoring)
      return { labels: result, values: new Float64Array(count), present: new Uint8Array(count) }
    })
    for (let index = 0; index < count; index++) {
      const matches = pair.right.filter(({ present }) => present[index] === 1)
      if (matches.length > 1 && anyLeft[index] === 1) throw many('the right')
      const [match] = matches
      if (match === undefined) continue
      let taken = false
      for (const [position, { values, present }] of pair.left.entries()) {
        const result = results[position]
        const [one, other] = [values[index] ?? Number.NaN, match.values[index] ?? Number.NaN]
        if (result === undefined || present[index] !== 1 || operation.keeps?.(one, other) === false) continue
        if (taken) throw many('the left')
        taken = true
        result.values[index] = operation.of(one, other)
        result.present[index] = 1
      }
    }
    return results.filter(isSeen)
  })
  return merged(columns)
}

function setOperation(
  operator: 'and' | 'or' | 'unless',
  left: readonly Column[],
  right: readonly Column[],
  modifier: Matching = { ignoring: [] },
  count: number,
): readonly Column[] {
  const chosen: Column[] = []
  const added: Column[] = []
  for (const pair of sides(left, right, modifier)) {
    const among = (columns: readonly Column[]) => {
      const any = new Uint8Array(count)
      for (const { present } of columns) for (let index = 0; index < count; index++) if (present[index] === 1) any[index] = 1
      return any
    }
    if (operator === 'or') {
      chosen.push(...pair.left)
      if (pair.right.length === 0) continue
      const taken = among(pair.left)
      added.push(
        ...pair.right.map((column) => ({ ...column, present: column.present.map((seen, index) => (taken[index] === 1 ? 0 : seen)) })),
      )
    } else if (pair.left.length > 0) {
      const matches = among(pair.right)
      const wanted = operator === 'and' ? 1 : 0
      chosen.push(
        ...pair.left.map((column) => ({ ...column, present: column.present.map((seen, index) => (matches[index] === wanted ? seen : 0)) })),
      )
    }
  }
  return merged([...chosen, ...added].filter(isSeen))
}

interface Bucket {
  readonly bound: number
  count: number
}

function histogramQuantile(share: number, columns: readonly Column[], count: number, semantics: Semantics): readonly Column[] {
  const bounded = columns.flatMap((column) => {
    const bound = boundOf(labelOf(column.labels, 'le'))
    return bound === undefined ? [] : [{ ...column, bound }]
  })
  const groups = new Map<string, (typeof bounded)[number][]>()
  for (const column of bounded) {
    const key = labelsKey(without(column.labels, ['le']))
    const known = groups.get(key)
    if (known === undefined) groups.set(key, [column])
    else known.push(column)
  }
  const results = [...groups.values()].map((members) => {
    members.sort((one, other) => one.bound - other.bound)
    const result = {
      labels: without(members[0]?.labels ?? {}, ['le', '__name__']),
      values: new Float64Array(count),
      present: new Uint8Array(count),
    }
    for (let index = 0; index < count; index++) {
      const buckets: Bucket[] = []
      for (const { bound, values, present } of members) {
        if (present[index] !== 1) continue
        const last = buckets.at(-1)
        const value = values[index] ?? Number.NaN
        if (last?.bound === bound) last.count += value
        else buckets.push({ bound, count: value })
      }
      if (buckets.length === 0) continue
      result.values[index] = bucketQuantile(share, buckets, semantics)
      result.present[index] = 1
    }
    return result
  })
  return merged(results)
}

/** A bucket's upper bound; undefined when the label is no number. */
function boundOf(text: string): number | undefined {
  if (/^[+-]?inf(?:inity)?$/i.test(text)) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined
}

/**
 * Interpolates within the bucket in which the quantile falls. Buckets ascend, and none has the bound of another.
 *
 * Source: `BucketQuantile` in Prometheus' promql/quantile.go.
 */
function bucketQuantile(share: number, buckets: readonly Bucket[], semantics: Semantics): number {
  if (Number.isNaN(share)) return Number.NaN
  if (share < 0) return Number.NEGATIVE_INFINITY
  if (share > 1) return Number.POSITIVE_INFINITY
  const last = buckets.at(-1)
  if (last?.bound !== Number.POSITIVE_INFINITY) return Number.NaN
  makeMonotonic(buckets, semantics)
  const highest = buckets.at(-2)
  if (highest === undefined || last.count === 0) return Number.NaN
  const rank = share * last.count
  const position = firstReaching(buckets, rank)
  const bucket = buckets[position]
  if (bucket === undefined || bucket === last) return highest.bound
  const below = buckets[position - 1]
  if (below === undefined) return bucket.bound <= 0 ? bucket.bound : bucket.bound * (rank / bucket.count)
  return below.bound + (bucket.bound - below.bound) * ((rank - below.count) / (bucket.count - below.count))
}

/** Counts of a cumulative histogram only grow; where they do not, samples of different scrapes were mixed. Prometheus 3 also levels out rounding. */
function makeMonotonic(buckets: readonly Bucket[], semantics: Semantics): void {
  let before = buckets[0]?.count ?? 0
  for (const bucket of buckets) {
    const same = semantics === 'prometheus3' && Math.abs(before - bucket.count) / (Math.abs(before) + Math.abs(bucket.count)) < 1e-12
    if (bucket.count < before || same) bucket.count = before
    else if (bucket.count > before) before = bucket.count
  }
}

/** The first bucket, the last left out, whose count reaches the rank; else the last. Halves like Prometheus, so that NaN leads to the same place. */
function firstReaching(buckets: readonly Bucket[], rank: number): number {
  let low = 0
  let high = buckets.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((buckets[middle]?.count ?? 0) >= rank) high = middle
    else low = middle + 1
  }
  return low
}
