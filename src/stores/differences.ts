import type { Session } from '../engine/index.js'
import type { RowSet } from './row-set.js'
import type { Where } from './store.js'

/** A row that two sets do not have alike, as each has it. */
export interface Difference {
  /** Undefined when the row is on the right alone. */
  readonly left?: string
  readonly right?: string
}

/** The rows in which two sets differ, kept by the engine until released. */
export interface Differences {
  /** Rows whose lines are not the same; values may still be equal, as 1e16 and 10000000000000000 are. */
  readonly count: number
  /** Rows that were looked at, of both sides together, each key once. */
  readonly compared: number
  /** Rows that were looked at, of each side. */
  readonly lefts: number
  readonly rights: number
  read(): AsyncIterable<Difference>
  release(): Promise<void>
}

let number = 0

/**
 * Compares two sets row by row, on their keys; both are read once. Memory is the engine's, which spills.
 * @param where the rows to look at: those of some buckets, say
 */
export async function differences(
  session: Session,
  left: RowSet,
  right: RowSet,
  { where, observe }: { readonly where?: Where; readonly observe?: (side: string, rows: number) => void } = {},
): Promise<Differences> {
  const [ours, theirs] = await Promise.all([
    left.lines(where, (rows) => observe?.(left.label, rows)),
    right.lines(where, (rows) => observe?.(right.label, rows)),
  ])
  const name = `_sluice_differences_${++number}`
  const keyed = (relation: string) => `(SELECT line, ${keySql(left.key.length)} AS k FROM ${relation})`
  try {
    // Joined by key, whole; what differs is kept, and the number of all pairs beside it.
    await session.execute(
      `CREATE OR REPLACE TEMP TABLE ${name} AS SELECT l.line AS l, r.line AS r FROM ${keyed(ours.relation)} AS l FULL JOIN ${keyed(theirs.relation)} AS r ON l.k = r.k WHERE l.line IS DISTINCT FROM r.line`,
    )
    const [counts] = await session.rows(
      `SELECT (SELECT count(*) FROM ${name}) AS n, (SELECT count(*) FROM ${name} WHERE l IS NULL) AS extra, (SELECT count(*) FROM ${name} WHERE r IS NULL) AS missing, (SELECT count(*) FROM ${ours.relation}) AS lefts`,
    )
    const [lefts, extra, missing] = ['lefts', 'extra', 'missing'].map((each) => Number(counts?.[each] ?? 0))
    return {
      count: Number(counts?.['n'] ?? 0),
      compared: (lefts ?? 0) + (extra ?? 0),
      lefts: lefts ?? 0,
      rights: (lefts ?? 0) - (missing ?? 0) + (extra ?? 0),
      async *read() {
        for await (const batch of session.stream(`SELECT l, r FROM ${name}`)) {
          for (let row = 0; row < batch.size; row++) {
            const [l, r] = [batch.value(row, 0) as string | null, batch.value(row, 1) as string | null]
            yield { ...(l === null ? {} : { left: l }), ...(r === null ? {} : { right: r }) }
          }
        }
      },
      release: () => session.execute(`DROP TABLE IF EXISTS ${name}`),
    }
  } finally {
    await Promise.all([ours.release(), theirs.release()])
  }
}

/** The key's part of a line. */
function keySql(columns: number): string {
  if (columns === 1) return `split_part(line, chr(9), 1)`
  return `array_to_string(string_split(line, chr(9))[1:${columns}], chr(9))`
}

/** The key's texts at the start of a line. */
export function keyOf(line: string, key: readonly string[]): string[] {
  return line.split('\t', key.length)
}
