import { type Adviser, medianOf, whole } from './advice.js'

/** Once or twice may have been asked for. */
const FEWEST_RUNS = 3
/** Fewer rows are compared at next to no cost. */
const FEWEST_ROWS = 10_000
const MOST_CHANGED = 0.2

/** A sync between stores that compares all rows at each run, though few of them change. */
export const comparing: Adviser = {
  id: 'sync-cursor',
  advise: ({ syncs }) =>
    syncs.flatMap(({ name, fromStore, cursor, runs, knownRows }) => {
      const compared = runs.filter((run) => run.status === 'ok' && run.mode === 'compare')
      if (!fromStore || compared.length < FEWEST_RUNS || knownRows < FEWEST_ROWS) return []
      const [sent, seconds] = [medianOf(compared.map((run) => run.rows)), medianOf(compared.map((run) => run.seconds))]
      if (sent > knownRows * MOST_CHANGED) return []
      return [
        {
          id: 'sync-cursor',
          about: name,
          title: 'Compares all rows at each run, though few change',
          evidence: [
            { what: 'runs in 30 days that compared all rows', value: compared.length, unit: 'count' },
            { what: 'rows, as far as is known', value: knownRows, unit: 'rows' },
            { what: 'rows that the middle run sent', value: sent, unit: 'rows' },
            { what: 'its time', value: seconds, unit: 'seconds' },
          ],
          expected: `A run reads about ${whole(sent)} rows of its source instead of all ${whole(knownRows)}. Rows that are gone are still found: by their number, and then by their keys.`,
          how:
            cursor === undefined
              ? `Give ${name} a \`cursor\`: a column that grows with every change of a row, such as \`updated_at TIMESTAMP ... ON UPDATE CURRENT_TIMESTAMP\`, with an index on it.`
              : `Its cursor ${cursor} is not gone by: more than half of the rows have one past the last sync's. See that only a change of a row moves it.`,
          impact: seconds >= 600 ? 'high' : seconds >= 30 ? 'medium' : 'low',
        },
      ]
    }),
}
