import { quoteName, type Session } from '../../engine/index.js'
import { bytesOf, type Change, removeFile, scanFiles, sum, writeRows } from '../change.js'
import type { AddFile } from '../log/actions.js'
import type { Snapshot } from '../snapshot.js'
import { parseStatistics } from '../statistics.js'

type File = readonly [string, AddFile]

/** Which rows of a table an operation is about. */
export interface Touch {
  /** The files that may hold such rows. */
  readonly candidates: readonly File[]
  /** SQL that is true for them, over the relation `t`; null counts as false. */
  readonly condition: string
}

export interface Touched {
  readonly files: readonly File[]
  /** Rows the condition holds for. */
  readonly rows: number
  /** All rows of the touched files. */
  readonly total: number
}

/** The files in which the condition holds for at least one row. Reads only the columns that SQL needs. */
export async function findTouched(session: Session, snapshot: Snapshot, touch: Touch): Promise<Touched> {
  if (touch.candidates.length === 0) return { files: [], rows: 0, total: 0 }
  const number = '_sluice_file'
  const scan = scanFiles(session, snapshot, touch.candidates, { fileNumber: number })
  const counts = await session.rows(
    `SELECT t.${quoteName(number)} AS file, count(*) AS n FROM (${scan}) AS t WHERE ${touch.condition} GROUP BY ALL`,
  )
  const files = counts.flatMap((row) => touch.candidates.slice(Number(row['file']), Number(row['file']) + 1))
  return {
    files,
    rows: sum(counts.map((row) => Number(row['n']))),
    total: await countRows(session, snapshot, files),
  }
}

/** Other writers may leave statistics out; then the rows are counted, for a file whose every row seems to go is not read again. */
async function countRows(session: Session, snapshot: Snapshot, files: readonly File[]): Promise<number> {
  const known = files.map(([, add]) => parseStatistics(add.stats).rows)
  if (known.every((rows) => rows !== undefined)) return sum(known)
  const [row] = await session.rows(`SELECT count(*) AS n FROM (${scanFiles(session, snapshot, files)})`)
  return Number(row?.['n'] ?? 0)
}

export interface Rewritten {
  readonly adds: readonly AddFile[]
  readonly removes: Change['removes']
  readonly outputRows: number
  readonly copiedRows: number
  readonly bytes: number
  readonly removedBytes: number
}

/**
 * Takes the rows that the condition holds for out of the touched files, and puts a query's rows in.
 * Files whose every row goes are dropped without being read.
 */
export async function rewrite(
  session: Session,
  snapshot: Snapshot,
  touched: Touched,
  condition: string,
  incoming?: string,
): Promise<Rewritten> {
  const copied = touched.total - touched.rows
  const survivors =
    copied === 0 ? [] : [`SELECT t.* FROM (${scanFiles(session, snapshot, touched.files)}) AS t WHERE (${condition}) IS NOT TRUE`]
  const parts = [...survivors, ...(incoming === undefined ? [] : [`SELECT * FROM (${incoming})`])]
  const written =
    parts.length === 0 ? { adds: [], rows: 0, bytes: 0 } : await writeRows(session, snapshot, parts.join(' UNION ALL BY NAME '))
  return {
    adds: written.adds,
    removes: touched.files.map(([, add]) => removeFile(add)),
    outputRows: written.rows,
    copiedRows: copied,
    bytes: written.bytes,
    removedBytes: bytesOf(touched.files.map(([, add]) => add)),
  }
}
