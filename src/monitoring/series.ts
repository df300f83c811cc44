import { labelOf, type Matcher, matching } from '../observability/expression.js'

export type Labels = Readonly<Record<string, string>>

/** One set of labels, and what was seen of it. */
export interface Series {
  /** With the metric's name as `__name__`. */
  readonly labels: Labels
  /** Milliseconds since 1970, ascending, none twice. */
  readonly times: Float64Array
  readonly values: Float64Array
  /**
   * 1 where the series ended: Prometheus' staleness marker. It stands beside the values because JavaScript does not keep the bits by which
   * Prometheus tells that NaN from others.
   */
  readonly stale?: Uint8Array
}

/** Where the samples of a query come from. */
export interface SeriesSource {
  /** Every series of the metric whose labels match and that has a sample in `[from, to]`, with at least the samples there. */
  select(metric: string, matchers: readonly Matcher[], from: number, to: number): Iterable<Series>
}

/** Where values are kept as they change: each holds until the next. */
export interface ChangeSource {
  /** Every series of the metric whose labels match, with the changes in `[from, to]` and the last one before `from`. */
  changes(metric: string, matchers: readonly Matcher[], from: number, to: number): Iterable<Series>
}

/** Series in memory. */
export function seriesInMemory(series: Iterable<Series>): SeriesSource & ChangeSource {
  const byMetric = new Map<string, Series[]>()
  for (const one of series) {
    const metric = labelOf(one.labels, '__name__')
    const known = byMetric.get(metric)
    if (known === undefined) byMetric.set(metric, [one])
    else known.push(one)
  }
  const chosen = (metric: string, matchers: readonly Matcher[]) => {
    const matches = matching(matchers)
    return (byMetric.get(metric) ?? []).filter((one) => matches(one.labels))
  }
  return {
    select: (metric, matchers, from, to) =>
      chosen(metric, matchers).filter(({ times }) => (times[countUntil(times, from, false)] ?? Number.POSITIVE_INFINITY) <= to),
    changes: chosen,
  }
}

export interface HeldOptions {
  /** Milliseconds between two looks. */
  readonly interval: number
  /** A time at which there is a look, in milliseconds: the time of an instant query, the end of a range query. */
  readonly anchor: number
}

/**
 * Values that hold until they change, as a Prometheus would have scraped them: looks every `interval` at `anchor - k * interval`, each with the
 * value of the last change at or before it, and none before the first change. A series that ended gets one staleness marker, at the next look.
 *
 * `heldSeries(changes, { interval: 15_000, anchor: time })` is the source for `evaluate(expression, source, time)`: the newest change counts
 * at once, and a value still stands when nothing has been pushed for a year. Only looks that a selection asks for are made.
 */
export function heldSeries(changes: ChangeSource, { interval, anchor }: HeldOptions): SeriesSource {
  return {
    *select(metric, matchers, from, to) {
      const first = anchor - Math.floor((anchor - from) / interval) * interval
      const last = anchor - Math.ceil((anchor - to) / interval) * interval
      if (first > last) return
      for (const series of changes.changes(metric, matchers, first, last)) {
        const looks = looksOf(series, first, last, interval)
        if (looks.times.length > 0) yield looks
      }
    },
  }
}

function looksOf({ labels, times, values, stale }: Series, first: number, last: number, interval: number): Series {
  const count = Math.round((last - first) / interval) + 1
  const looks = { times: new Float64Array(count), values: new Float64Array(count), stale: new Uint8Array(count) }
  let length = 0
  let ended = false
  // The change that holds at the look; -1 before the first.
  let held = countUntil(times, first, true) - 1
  // A series that ended before the look before this one has had its marker.
  let told = held >= 0 && stale?.[held] === 1 && (times[held] ?? 0) <= first - interval
  for (let look = 0; look < count; look++) {
    const time = first + look * interval
    while ((times[held + 1] ?? Number.POSITIVE_INFINITY) <= time) {
      held += 1
      told = false
    }
    if (held < 0) continue
    const isStale = stale?.[held] === 1
    if (isStale && told) continue
    told = isStale
    ended ||= isStale
    looks.times[length] = time
    looks.values[length] = values[held] ?? Number.NaN
    looks.stale[length] = isStale ? 1 : 0
    length += 1
  }
  const of = { labels, times: looks.times.subarray(0, length), values: looks.values.subarray(0, length) }
  return ended ? { ...of, stale: looks.stale.subarray(0, length) } : of
}

/** How many of the ascending times lie before `time`, or with `including` at it. */
export function countUntil(times: Float64Array, time: number, including: boolean): number {
  let low = 0
  let high = times.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const at = times[middle] ?? 0
    if (at < time || (including && at === time)) low = middle + 1
    else high = middle
  }
  return low
}

/** A text that two sets of labels share only when they are equal; an empty label is none. */
export function labelsKey(labels: Labels): string {
  return JSON.stringify(
    Object.entries(labels)
      .filter(([, value]) => value !== '')
      .sort(([one], [other]) => (one < other ? -1 : 1)),
  )
}

/** Labels as PromQL writes them: `{job="load",status="ok"}`. */
export function labelsText(labels: Labels): string {
  const written = Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1))
  return `{${written.map(([label, value]) => `${label}=${JSON.stringify(value)}`).join(',')}}`
}
