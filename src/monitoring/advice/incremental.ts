import { type Advice, type Adviser, type DatasetFacts, type Facts, medianOf, whole } from './advice.js'

/** Once or twice may have been asked for. */
const FEWEST_STEPS = 3
/** Reading fewer rows again costs next to nothing. */
const FEWEST_ROWS = 10_000
/** The share of rows that were new; above it, reading all of them is not much more. */
const MOST_CHANGED = 0.2

/** A dataset that reads all of another at each run, while that other only ever grows. */
export const incremental: Adviser = {
  id: 'incremental',
  advise: (facts) => facts.datasets.flatMap((one) => of(one, facts)),
}

function of(one: DatasetFacts, { datasets }: Facts): Advice[] {
  // Only one of them can be read by changed(): the one that grows most.
  if (one.reads.some(({ how }) => how === 'changed')) return []
  const again = one.steps.filter((step) => step.mode === 'full' && step.upstreamChanged)
  const rowsRead = medianOf(again.map((step) => step.rowsRead))
  if (again.length < FEWEST_STEPS || rowsRead < FEWEST_ROWS) return []
  const runs = new Set(again.map((step) => step.runId))
  const grown = one.reads
    .flatMap(({ name }) => datasets.filter((other) => other.name === name && other.onlyAppends))
    .map((source) => ({ source, rows: source.steps.filter((step) => runs.has(step.runId)).map((step) => step.rowsWritten) }))
    .filter(({ source, rows }) => rows.length >= FEWEST_STEPS && (source.table?.rows ?? 0) * 2 >= rowsRead)
    .sort((left, right) => (right.source.table?.rows ?? 0) - (left.source.table?.rows ?? 0))
  const [largest] = grown
  if (largest === undefined) return []
  const changed = medianOf(largest.rows)
  if (changed > rowsRead * MOST_CHANGED) return []
  const seconds = medianOf(again.map((step) => step.seconds))
  const { name } = largest.source
  return [
    {
      id: 'incremental',
      about: one.name,
      title: `Reads all of ${name} at each run, which only ever grows`,
      evidence: [
        { what: 'steps in full in 30 days, because what it reads had changed', value: again.length, unit: 'count' },
        { what: 'rows read by the middle one', value: rowsRead, unit: 'rows' },
        { what: `rows that were new in ${name}`, value: changed, unit: 'rows' },
        { what: 'time of the middle one', value: seconds, unit: 'seconds' },
      ],
      expected: `A step reads about ${whole(changed)} rows instead of ${whole(rowsRead)}.`,
      how:
        one.write === 'overwrite'
          ? `Read ${name} with changed(), and write with append(), with merge() on a key, or with replaceBy() on the columns it is grouped by: those groups are computed again, and no others. Right only when a row of ${one.name} does not depend on all of ${name}.`
          : `Read ${name} with changed(); write stays ${one.write}(). Right only when a new row of ${name} changes no row of ${one.name} but its own${one.write === 'replaceBy' ? ' group' : ''}.`,
      impact: seconds >= 60 ? 'high' : seconds >= 5 ? 'medium' : 'low',
    },
  ]
}
