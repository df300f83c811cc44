import { type Adviser, medianOf, whole } from './advice.js'

/** What a forest learns from: 100 trees of 256 rows each, unless told otherwise. */
const FOREST_ROWS = 25_600
/** So many times as many are judged at each run. */
const MANY_TIMES = 20
/** A search that is over sooner is quick enough. */
const LONG_RUN = 5
const FEWEST_RUNS = 2
/** The share of the rows that are new since the last run. */
const MOST_NEW = 0.2

/** A search for odd rows that judges all of them again, many times what its method learns from. */
export const judging: Adviser = {
  id: 'anomaly-sample',
  advise: ({ anomalies }) =>
    anomalies.flatMap(({ name, dataset, methods, runs }) => {
      const last = runs.at(-1)
      if (last === undefined || runs.length < FEWEST_RUNS || !methods.includes('isolation_forest')) return []
      const fresh = medianOf(runs.slice(1).map((run, index) => Math.max(0, run.judged - (runs[index]?.judged ?? 0))))
      const seconds = medianOf(runs.map((run) => run.seconds))
      if (last.judged < FOREST_ROWS * MANY_TIMES || seconds < LONG_RUN || fresh > last.judged * MOST_NEW) return []
      const parts = Math.min(100, Math.floor(last.judged / Math.max(FOREST_ROWS * 4, fresh)))
      if (parts < 2) return []
      return [
        {
          id: 'anomaly-sample',
          about: name,
          title: `Judges all ${whole(last.judged)} rows at each run, of which few are new`,
          evidence: [
            { what: 'rows judged', value: last.judged, unit: 'rows' },
            { what: 'rows that a forest learns from', value: FOREST_ROWS, unit: 'rows' },
            { what: 'rows that were new to the middle run', value: fresh, unit: 'rows' },
            { what: 'runs in 30 days', value: runs.length, unit: 'count' },
            { what: 'time of the middle one', value: seconds, unit: 'seconds' },
          ],
          expected: `A run that judges one row in ${whole(parts)} has ${whole(last.judged / parts)} rows, ${whole(last.judged / parts / FOREST_ROWS)} times what the forest learns from, and takes about as much less time.`,
          how: `Give ${name} a \`where\` that keeps to what is recent, such as the last months of ${dataset}. What it leaves out is no longer judged, and is gone from the results.`,
          impact: seconds >= 600 ? 'high' : seconds >= 60 ? 'medium' : 'low',
          trial: { change: 'judge-part', anomalies: name, parts },
        },
      ]
    }),
}
