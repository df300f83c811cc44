import type { RangeFunction } from '../observability/expression.js'

/** Which Prometheus to agree with, where 2 and 3 differ. */
export type Semantics = 'prometheus2' | 'prometheus3'

/** A function of the samples in a window of one series. */
export interface WindowFunction {
  /** With fewer samples there is no result. */
  readonly fewest: 1 | 2
  /**
   * Of the samples from index `low` to before `high`, for the window that ends at `end`, evaluated at `time`; both in milliseconds and different
   * when there is an offset.
   */
  at(low: number, high: number, end: number, time: number): number
}

export interface WindowOptions {
  /** Milliseconds. */
  readonly window: number
  readonly parameter: number
  readonly semantics: Semantics
}

/** The function by its name in PromQL, over a series whose `times` (milliseconds) ascend and that has no staleness markers. */
export function windowFunction(name: RangeFunction, times: Float64Array, values: Float64Array, options: WindowOptions): WindowFunction {
  switch (name) {
    case 'rate':
    case 'increase':
    case 'delta':
      return extrapolated(name, times, values, options)
    case 'irate':
    case 'idelta':
      return { fewest: 2, at: (_, high) => lastDifference(name === 'irate', times, values, high) }
    case 'deriv':
      return { fewest: 2, at: (low, high) => regression(times, values, low, high, times[low] ?? 0).slope }
    case 'predict_linear':
      return {
        fewest: 2,
        at(low, high, _, time) {
          const { slope, intercept } = regression(times, values, low, high, time)
          return slope * options.parameter + intercept
        },
      }
    case 'changes':
      return {
        fewest: 1,
        at: (low, high) => pairs(values, low, high, (before, now) => now !== before && !(Number.isNaN(now) && Number.isNaN(before))),
      }
    case 'resets':
      return { fewest: 1, at: (low, high) => pairs(values, low, high, (before, now) => now < before) }
    case 'avg_over_time':
      return { fewest: 1, at: (low, high) => average(values, low, high) }
    case 'min_over_time':
      return { fewest: 1, at: (low, high) => least(values, low, high) }
    case 'max_over_time':
      return { fewest: 1, at: (low, high) => greatest(values, low, high) }
    case 'sum_over_time':
      return { fewest: 1, at: (low, high) => total(values, low, high) }
    case 'count_over_time':
      return { fewest: 1, at: (low, high) => high - low }
    case 'last_over_time':
      return { fewest: 1, at: (_, high) => values[high - 1] ?? Number.NaN }
    case 'present_over_time':
    case 'absent_over_time':
      return { fewest: 1, at: () => 1 }
    case 'quantile_over_time':
      return { fewest: 1, at: (low, high) => quantile(options.parameter, values, low, high) }
    case 'stddev_over_time':
      return { fewest: 1, at: (low, high) => Math.sqrt(variance(values, low, high)) }
    case 'stdvar_over_time':
      return { fewest: 1, at: (low, high) => variance(values, low, high) }
  }
}

/** A sum with Neumaier's compensation, so that its error does not grow with the number of values. */
class CompensatedSum {
  sum = 0
  lost = 0

  add(value: number): void {
    const next = this.sum + value
    if (Math.abs(next) === Number.POSITIVE_INFINITY) this.lost = 0
    else if (Math.abs(this.sum) >= Math.abs(value)) this.lost += this.sum - next + value
    else this.lost += value - next + this.sum
    this.sum = next
  }

  total(): number {
    return this.sum + this.lost
  }
}

/** Of no values it is 0. */
export function total(values: Float64Array, low: number, high: number): number {
  const sum = new CompensatedSum()
  for (let index = low; index < high; index++) sum.add(values[index] ?? 0)
  return sum.total()
}

/** The sum by the count; when the sum is too large for a number, the running mean. */
export function average(values: Float64Array, low: number, high: number): number {
  const sum = total(values, low, high)
  if (Math.abs(sum) !== Number.POSITIVE_INFINITY) return sum / (high - low)
  const mean = new CompensatedSum()
  for (let index = low; index < high; index++) {
    const count = index - low + 1
    const share = (count - 1) / count
    mean.sum *= share
    mean.lost *= share
    mean.add((values[index] ?? 0) / count)
  }
  return mean.total()
}

/** NaN only when every value is. */
export function least(values: Float64Array, low: number, high: number): number {
  let least = values[low] ?? Number.NaN
  for (let index = low + 1; index < high; index++) {
    const value = values[index] ?? Number.NaN
    if (value < least || Number.isNaN(least)) least = value
  }
  return least
}

/** NaN only when every value is. */
export function greatest(values: Float64Array, low: number, high: number): number {
  let greatest = values[low] ?? Number.NaN
  for (let index = low + 1; index < high; index++) {
    const value = values[index] ?? Number.NaN
    if (value > greatest || Number.isNaN(greatest)) greatest = value
  }
  return greatest
}

/** Between two values it interpolates; NaN counts as less than any number. */
export function quantile(share: number, values: Float64Array, low: number, high: number): number {
  if (low === high || Number.isNaN(share)) return Number.NaN
  if (share < 0) return Number.NEGATIVE_INFINITY
  if (share > 1) return Number.POSITIVE_INFINITY
  const sorted = values.slice(low, high).sort()
  // JavaScript sorts NaN to the end.
  let numbers = sorted.length
  while (numbers > 0 && Number.isNaN(sorted[numbers - 1])) numbers -= 1
  const ranked = (rank: number) => sorted[(rank + numbers) % sorted.length] ?? Number.NaN
  const rank = share * (sorted.length - 1)
  const below = Math.max(0, Math.floor(rank))
  const above = Math.min(sorted.length - 1, below + 1)
  const weight = rank - Math.floor(rank)
  return ranked(below) * (1 - weight) + ranked(above) * weight
}

/** Welford's, compensated. */
function variance(values: Float64Array, low: number, high: number): number {
  const mean = new CompensatedSum()
  const squares = new CompensatedSum()
  for (let index = low; index < high; index++) {
    const value = values[index] ?? 0
    const delta = value - mean.total()
    mean.add(delta / (index - low + 1))
    squares.add(delta * (value - mean.total()))
  }
  return squares.total() / (high - low)
}

function pairs(values: Float64Array, low: number, high: number, counts: (before: number, now: number) => boolean): number {
  let count = 0
  for (let index = low + 1; index < high; index++) if (counts(values[index - 1] ?? 0, values[index] ?? 0)) count += 1
  return count
}

function lastDifference(counter: boolean, times: Float64Array, values: Float64Array, high: number): number {
  const last = values[high - 1] ?? 0
  const before = values[high - 2] ?? 0
  const difference = counter && last < before ? last : last - before
  return counter ? difference / (((times[high - 1] ?? 0) - (times[high - 2] ?? 0)) / 1000) : difference
}

/**
 * What the window's whole length would have seen, taken from the samples in it: up to the window's edge where a sample stands near it, else by
 * half of the samples' spacing; a counter is never followed below zero.
 *
 * Source: `extrapolatedRate` in Prometheus' promql/functions.go. Prometheus 2.42 looks at zero before it asks whether the edge is near, later
 * ones after (prometheus/prometheus#13725).
 */
function extrapolated(
  name: 'rate' | 'increase' | 'delta',
  times: Float64Array,
  values: Float64Array,
  options: WindowOptions,
): WindowFunction {
  const isCounter = name !== 'delta'
  const resetsUntil = isCounter ? countResets(values) : undefined
  const zeroFirst = options.semantics === 'prometheus2'
  return {
    fewest: 2,
    at(low, high, end) {
      const firstTime = times[low] ?? 0
      const first = values[low] ?? 0
      let growth = (values[high - 1] ?? 0) - first
      if (resetsUntil !== undefined && resetsUntil[high - 1] !== resetsUntil[low])
        for (let index = low + 1; index < high; index++) {
          const before = values[index - 1] ?? 0
          if ((values[index] ?? 0) < before) growth += before
        }
      const sampled = ((times[high - 1] ?? 0) - firstTime) / 1000
      const spacing = sampled / (high - 1 - low)
      const near = spacing * 1.1
      let toStart = (firstTime - (end - options.window)) / 1000
      let toEnd = (end - (times[high - 1] ?? 0)) / 1000
      if (!zeroFirst && toStart >= near) toStart = spacing / 2
      if (isCounter && growth > 0 && first >= 0) toStart = Math.min(toStart, sampled * (first / growth))
      if (zeroFirst && toStart >= near) toStart = spacing / 2
      if (toEnd >= near) toEnd = spacing / 2
      const factor = (sampled + toStart + toEnd) / sampled
      return growth * (name === 'rate' ? factor / (options.window / 1000) : factor)
    },
  }
}

/** How many resets lie at or before each sample: windows without one, which are most, need not be looked through. */
function countResets(values: Float64Array): Uint32Array {
  const counts = new Uint32Array(values.length)
  for (let index = 1; index < values.length; index++)
    counts[index] = (counts[index - 1] ?? 0) + ((values[index] ?? 0) < (values[index - 1] ?? 0) ? 1 : 0)
  return counts
}

/** The line of least squares through samples, per second; its intercept is at `origin`, in milliseconds. */
function regression(
  times: Float64Array,
  values: Float64Array,
  low: number,
  high: number,
  origin: number,
): { slope: number; intercept: number } {
  const x = new CompensatedSum()
  const y = new CompensatedSum()
  const xy = new CompensatedSum()
  const xx = new CompensatedSum()
  const first = values[low] ?? 0
  let constant = true
  for (let index = low; index < high; index++) {
    const seconds = ((times[index] ?? 0) - origin) / 1000
    const value = values[index] ?? 0
    if (index > low && value !== first) constant = false
    x.add(seconds)
    y.add(value)
    xy.add(seconds * value)
    xx.add(seconds * seconds)
  }
  if (constant)
    return Math.abs(first) === Number.POSITIVE_INFINITY ? { slope: Number.NaN, intercept: Number.NaN } : { slope: 0, intercept: first }
  const count = high - low
  const covariance = xy.total() - (x.total() * y.total()) / count
  const slope = covariance / (xx.total() - (x.total() * x.total()) / count)
  return { slope, intercept: y.total() / count - (slope * x.total()) / count }
}
