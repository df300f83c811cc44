import {
  type Expression,
  isRecording,
  type Labels,
  type Matcher,
  metricsOf,
  type Recording,
  type RuleGroup,
} from '../observability/index.js'
import { evaluateRange, type MatrixSeries } from './evaluator.js'
import { type ChangeSource, heldSeries, type Series, type SeriesSource, seriesInMemory } from './series.js'

export interface SourceOptions {
  /** Milliseconds between two looks. Default 15 s. */
  readonly scrapeInterval?: number
}

/** As `metricsOf`, with what recorded signals read in place of their names. */
export function metricsOfRules(groups: readonly RuleGroup[], ...expressions: readonly Expression[]): Set<string> {
  const recordings = recordingsOf(groups)
  const found = new Set<string>()
  const walk = (expression: Expression): void => {
    for (const metric of metricsOf(expression)) {
      const recorded = recordings.get(metric)
      if (recorded !== undefined) walk(recorded.recording.signal.expression)
      else found.add(metric)
    }
  }
  for (const group of groups) for (const rule of group.rules) walk(isRecording(rule) ? rule.signal.expression : rule.when.expression)
  expressions.forEach(walk)
  return found
}

interface Recorded {
  readonly recording: Recording<never>
  /** Milliseconds between two turns of its group. */
  readonly every: number
}

function recordingsOf(groups: readonly RuleGroup[]): ReadonlyMap<string, Recorded> {
  return new Map(
    groups.flatMap(({ every, rules }) =>
      rules.filter(isRecording).map((recording) => [recording.definition.name, { recording, every }] as const),
    ),
  )
}

/**
 * What a Prometheus with these rules would hold at `anchor`: kept values seen through the virtual scrape grid, and recorded signals worked
 * out when somebody asks for them.
 * @param anchor Unix milliseconds: the time of an instant query, the end of a range query
 */
export function sourceAt(
  groups: readonly RuleGroup[],
  changes: ChangeSource,
  anchor: number,
  { scrapeInterval = 15_000 }: SourceOptions = {},
): SeriesSource {
  return withRecordings(groups, heldSeries(changes, { interval: scrapeInterval, anchor }))
}

/** Adds recorded signals to a source. A signal that reads another is worked out from it. */
export function withRecordings(groups: readonly RuleGroup[], samples: SeriesSource): SeriesSource {
  const recordings = recordingsOf(groups)
  const workedOut = new Map<string, Series[]>()
  const beingWorkedOut = new Set<string>()
  const source: SeriesSource = {
    select(metric: string, matchers: readonly Matcher[], from: number, to: number) {
      const recorded = recordings.get(metric)
      if (recorded === undefined) return samples.select(metric, matchers, from, to)
      // What was recorded elsewhere, or is given to a test, stands as it is. What reads itself reads what there was before: nothing.
      const given = [...samples.select(metric, matchers, from, to)]
      if (given.length > 0 || beingWorkedOut.has(metric)) return given
      const key = `${metric} ${from} ${to}`
      const found = workedOut.get(key) ?? workOut(recorded, from, to)
      workedOut.set(key, found)
      return seriesInMemory(found).select(metric, matchers, from, to)
    },
  }
  const workOut = ({ recording: { definition, signal }, every }: Recorded, from: number, to: number): Series[] => {
    const start = to - Math.floor((to - from) / every) * every
    beingWorkedOut.add(definition.name)
    try {
      return evaluateRange(signal.expression, source, { start, end: to, step: every }).map(({ labels, points }) =>
        recordedSeries({ ...labels, __name__: definition.name }, points, every, to),
      )
    } finally {
      beingWorkedOut.delete(definition.name)
    }
  }
  return source
}

/** A turn that does not find an element ends its series, so that its last value does not linger. */
function recordedSeries(labels: Labels, points: MatrixSeries['points'], every: number, to: number): Series {
  const looks = points.flatMap(([time, value], index) => {
    const next = points[index + 1]?.[0] ?? Number.POSITIVE_INFINITY
    const ends = next > time + every && time + every <= to
    return [{ time, value, stale: 0 }, ...(ends ? [{ time: time + every, value: Number.NaN, stale: 1 }] : [])]
  })
  return {
    labels,
    times: Float64Array.from(looks, ({ time }) => time),
    values: Float64Array.from(looks, ({ value }) => value),
    stale: Uint8Array.from(looks, ({ stale }) => stale),
  }
}
