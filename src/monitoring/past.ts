import { matching } from '../observability/expression.js'
import { type Expression, isAlert, isRecording, type Matcher, type Recording, type RuleGroup } from '../observability/index.js'
import { evaluateTimes, type MatrixSeries } from './evaluator.js'
import { windowFunction } from './range-functions.js'
import { type ChangeSource, countUntil, type Labels, type Series, type SeriesSource, seriesInMemory } from './series.js'

/** Conditions worked out at many times of the past at once. */

type Range = Extract<Expression, { readonly kind: 'range' }>
type Select = Extract<Expression, { readonly kind: 'select' }>

export interface PastOptions {
  /** Unix milliseconds. */
  readonly from: number
  readonly to: number
}

/** A window is looked at this often, or four times a minute if that is seldomer. */
const LOOKS_A_WINDOW = 480
const INTERVAL = 15_000

/**
 * What kept values were, as a Prometheus would have seen them that looked at the very times that are asked for. Each part of an expression is
 * worked out once for all of them, and windows once for all conditions that have them: trying another threshold costs little.
 *
 * `new Past(groups, changes, { from, to }).at(expression, times)` is `evaluate(expression, sourceAt(groups, changes, time), time)` at each time.
 */
export class Past {
  readonly #changes: ChangeSource
  readonly #span: PastOptions
  readonly #recordings: ReadonlyMap<string, { readonly recording: Recording<never>; readonly every: number; readonly reach: number }>
  readonly #recorded = new Map<string, ChangeSource>()
  /** Of windows, for one set of times: series by what asks for them. */
  #windows: { readonly times: Float64Array; readonly found: Map<string, readonly Series[]> } = {
    times: new Float64Array(),
    found: new Map(),
  }

  constructor(groups: readonly RuleGroup[], changes: ChangeSource, span: PastOptions) {
    this.#changes = changes
    this.#span = span
    const reach = longestWindow(groups)
    this.#recordings = new Map(
      groups.flatMap(({ every, rules }) =>
        rules.filter(isRecording).map((recording) => [recording.definition.name, { recording, every, reach }] as const),
      ),
    )
  }

  /** @param times Unix milliseconds, ascending */
  at(expression: Expression, times: Float64Array): readonly MatrixSeries[] {
    const interval = intervalFor(expression)
    const windows = new Map<string, readonly Series[]>()
    const plain = this.#withoutWindows(expression, times, interval, windows)
    const held: SeriesSource = {
      select: (metric, matchers, _from, to) => {
        const known = windows.get(metric)
        return known === undefined ? this.#held(metric, matchers, times, to) : known.filter(({ labels }) => matching(matchers)(labels))
      },
    }
    return evaluateTimes(plain, held, times, { scrapeInterval: interval })
  }

  /** Series as they stood at the times: the last change at or before each. */
  *#held(metric: string, matchers: readonly Matcher[], times: Float64Array, to: number): Iterable<Series> {
    const recorded = this.#recordings.get(metric)
    if (recorded !== undefined && !this.#isKept(metric)) {
      const matches = matching(matchers)
      for (const one of this.#recordedAt(metric, recorded.recording.signal.expression, times)) if (matches(one.labels)) yield one
      return
    }
    for (const { labels, times: changed, values, stale } of this.#sourceOf(metric).changes(metric, matchers, times[0] ?? 0, to)) {
      const seen = new Seen(labels, times.length)
      let held = -1
      for (const time of times) {
        while ((changed[held + 1] ?? Number.POSITIVE_INFINITY) <= time) held += 1
        seen.add(time, held < 0 || stale?.[held] === 1 ? undefined : (values[held] ?? Number.NaN))
      }
      yield* seen.series()
    }
  }

  /** A recorded signal that is read at a moment, not over a window: worked out for these times alone. */
  #recordedAt(metric: string, expression: Expression, times: Float64Array): readonly Series[] {
    const name = `recorded ${metric}`
    const known = this.#windowsAt(times).get(name)
    if (known !== undefined) return known
    // What reads itself reads what there was before: nothing.
    this.#windowsAt(times).set(name, [])
    const found = this.at(expression, times).flatMap(({ labels, points }) => {
      const seen = new Seen({ ...labels, __name__: metric }, times.length)
      let place = 0
      for (const time of times) {
        const point = points[place]
        if (point?.[0] === time) place += 1
        seen.add(time, point?.[0] === time ? point[1] : undefined)
      }
      return seen.series()
    })
    this.#windowsAt(times).set(name, found)
    return found
  }

  #isKept(metric: string): boolean {
    const { from, to } = this.#span
    for (const _ of this.#changes.changes(metric, [], from, to)) return true
    return false
  }

  /** The expression with a series in memory in place of each window, and of each look at an earlier time. */
  #withoutWindows(expression: Expression, times: Float64Array, interval: number, windows: Map<string, readonly Series[]>): Expression {
    const inner = (part: Expression) => this.#withoutWindows(part, times, interval, windows)
    if (expression.kind === 'range' || (expression.kind === 'select' && (expression.offset ?? 0) !== 0)) {
      const name = `${interval} ${JSON.stringify(expression)}`
      const work = () => (expression.kind === 'range' ? this.#window(expression, times, interval) : this.#earlier(expression, times))
      const found = this.#windowsAt(times).get(name) ?? work()
      this.#windowsAt(times).set(name, found)
      windows.set(name, found)
      if (expression.kind === 'range' && expression.function === 'absent_over_time')
        return { kind: 'absent', of: { ...expression.of, metric: name, offset: 0 } }
      return { kind: 'select', metric: name, matchers: [] }
    }
    if ('left' in expression) return { ...expression, left: inner(expression.left), right: inner(expression.right) } as Expression
    return 'of' in expression ? ({ ...expression, of: inner(expression.of) } as Expression) : expression
  }

  #windowsAt(times: Float64Array): Map<string, readonly Series[]> {
    if (this.#windows.times !== times) this.#windows = { times, found: new Map() }
    return this.#windows.found
  }

  #earlier({ metric, matchers, offset = 0 }: Select, times: Float64Array): readonly Series[] {
    const shifted = times.map((time) => time - offset)
    return [...this.#held(metric, matchers, shifted, shifted.at(-1) ?? 0)].map((one) => ({
      ...one,
      times: one.times.map((time) => time + offset),
    }))
  }

  /** A function over a window that ends at each of the times, and was looked at back from there. */
  #window({ function: name, of, window, parameter = 0 }: Range, times: Float64Array, interval: number): readonly Series[] {
    const { metric, matchers, offset = 0 } = of
    const length = window === 'auto' ? 4 * interval : window
    const pause = this.#recordings.get(metric)?.every ?? Math.max(interval, Math.floor(length / LOOKS_A_WINDOW))
    const most = Math.ceil(length / pause)
    const looks = { times: new Float64Array(most), values: new Float64Array(most) }
    const options = { window: length, parameter, semantics: 'prometheus3' as const }
    const worked = windowFunction(name, looks.times, looks.values, options)
    const all = this.#sourceOf(metric).changes(metric, matchers, (times[0] ?? 0) - offset - length, (times.at(-1) ?? 0) - offset)
    const kept = ({ __name__, ...rest }: Labels): Labels =>
      name === 'last_over_time' && __name__ !== undefined ? { ...rest, __name__ } : rest
    return [...all].flatMap(({ labels, times: changed, values, stale }) => {
      const found = new Seen(kept(labels), times.length)
      for (const time of times) {
        const end = time - offset
        // Forwards, so that each look goes on from the change that the one before it saw; a window leaves out where it begins.
        let held = countUntil(changed, end - (most - 1) * pause, true) - 1
        let seen = 0
        for (let back = most - 1; back >= 0; back--) {
          const at = end - back * pause
          if (at <= end - length) continue
          while ((changed[held + 1] ?? Number.POSITIVE_INFINITY) <= at) held += 1
          if (held < 0 || stale?.[held] === 1) continue
          looks.times[seen] = at
          looks.values[seen] = values[held] ?? Number.NaN
          seen += 1
        }
        found.add(time, seen < worked.fewest ? undefined : worked.at(0, seen, end, time))
      }
      return found.series()
    })
  }

  /** Where a metric's values are: kept, or a recorded signal's as its group's turns have made them. */
  #sourceOf(metric: string): ChangeSource {
    const found = this.#recordings.get(metric)
    if (found === undefined) return this.#changes
    const known = this.#recorded.get(metric)
    if (known !== undefined) return known
    // What reads itself reads what there was before: nothing.
    this.#recorded.set(metric, this.#changes)
    const source = this.#isKept(metric) ? this.#changes : seriesInMemory(this.#workedOut(found))
    this.#recorded.set(metric, source)
    return source
  }

  #workedOut({
    recording,
    every,
    reach,
  }: {
    readonly recording: Recording<never>
    readonly every: number
    readonly reach: number
  }): Series[] {
    const { from, to } = this.#span
    const before = Math.ceil(reach / every)
    const turns = Float64Array.from({ length: before + Math.floor((to - from) / every) + 1 }, (_, index) => from + (index - before) * every)
    return this.at(recording.signal.expression, turns).map(({ labels, points }) =>
      changesOf({ ...labels, __name__: recording.definition.name }, points, every),
    )
  }
}

/** A series as it is seen at one time after another; where it is not, it has ended: the value before it does not linger. */
class Seen {
  readonly #labels: Labels
  readonly #times: Float64Array
  readonly #values: Float64Array
  readonly #stale: Uint8Array
  #length = 0

  constructor(labels: Labels, most: number) {
    this.#labels = labels
    this.#times = new Float64Array(most)
    this.#values = new Float64Array(most)
    this.#stale = new Uint8Array(most)
  }

  add(time: number, value: number | undefined): void {
    if (value === undefined && (this.#length === 0 || this.#stale[this.#length - 1] === 1)) return
    this.#times[this.#length] = time
    this.#values[this.#length] = value ?? Number.NaN
    this.#stale[this.#length] = value === undefined ? 1 : 0
    this.#length += 1
  }

  /** None when it was never seen. */
  series(): Series[] {
    const [times, values, stale] = [this.#times, this.#values, this.#stale].map((all) => all.subarray(0, this.#length))
    return this.#length === 0 ? [] : [{ labels: this.#labels, times, values, stale } as Series]
  }
}

/** Where the value became another one, or none. */
function changesOf(labels: Readonly<Record<string, string>>, points: MatrixSeries['points'], every: number): Series {
  const [times, values, stale] = [[] as number[], [] as number[], [] as number[]]
  const add = (time: number, value: number, gone: 0 | 1) => {
    times.push(time)
    values.push(value)
    stale.push(gone)
  }
  let last: readonly [time: number, value: number] | undefined
  for (const point of points) {
    const [time, value] = point
    if (last !== undefined && time > last[0] + every) add(last[0] + every, Number.NaN, 1)
    if (last === undefined || time > last[0] + every || !Object.is(value, last[1])) add(time, value, 0)
    last = point
  }
  return { labels, times: Float64Array.from(times), values: Float64Array.from(values), stale: Uint8Array.from(stale) }
}

/** Four looks a minute, as Prometheus would; fewer where the shortest window is days long, which then still has hundreds of them. */
function intervalFor(expression: Expression): number {
  const shortest = Math.min(...windowsIn(expression))
  return Number.isFinite(shortest) ? Math.max(INTERVAL, Math.floor(shortest / LOOKS_A_WINDOW)) : INTERVAL
}

/** Milliseconds of every window in it, but of those that go by the interval. */
export function windowsIn(expression: Expression): number[] {
  const own = expression.kind === 'range' && typeof expression.window === 'number' ? [expression.window] : []
  const inside = 'of' in expression ? windowsIn(expression.of) : []
  const sides = 'left' in expression ? [...windowsIn(expression.left), ...windowsIn(expression.right)] : []
  return [...own, ...inside, ...sides]
}

/** How far back rules look; of a recorded signal that is read over a window, both together. */
function longestWindow(groups: readonly RuleGroup[]): number {
  const rules = groups.flatMap((group) => group.rules)
  const longest = (of: readonly Expression[]) => Math.max(0, ...of.flatMap(windowsIn))
  const recorded = rules.filter(isRecording).map(({ signal }) => signal.expression)
  return longest(recorded) + longest([...recorded, ...rules.filter(isAlert).map(({ when }) => when.expression)])
}
