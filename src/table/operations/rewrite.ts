import { randomUUID } from 'node:crypto'
import { quoteName, type Session } from '../../engine/index.js'
import { bytesOf, type Change, deletedRows, liveRows, removeFile, scanFiles, sum, writeChanges, writeRows } from '../change.js'
import type { FileTest } from '../files.js'
import type { AddFile } from '../log/actions.js'
import { encodeVectors, RowSet, vectorFileName } from '../log/deletion-vector.js'
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
  /** Where rows are marked rather than rewritten: which, for each file. */
  readonly marks?: readonly RowSet[]
}

const FILE_NUMBER = '_sluice_file'
const ROW_NUMBER = '_sluice_row'

/** Whether rows that go are marked in a deletion vector, and their files kept. */
export function marksRows({ metadata }: Snapshot): boolean {
  return metadata.configuration['delta.enableDeletionVectors'] === 'true'
}

export function keepsChanges({ metadata }: Pick<Snapshot, 'metadata'>): boolean {
  return metadata.configuration['delta.enableChangeDataFeed'] === 'true'
}

/** The files in which the condition holds for at least one row. Reads only the columns that SQL needs. */
export async function findTouched(session: Session, snapshot: Snapshot, touch: Touch): Promise<Touched> {
  if (touch.candidates.length === 0) return { files: [], rows: 0, total: 0 }
  if (marksRows(snapshot)) return findMarks(session, snapshot, touch)
  const scan = await scanFiles(session, snapshot, touch.candidates, { fileNumber: FILE_NUMBER })
  const counts = await session.rows(
    `SELECT t.${quoteName(FILE_NUMBER)} AS file, count(*) AS n FROM (${scan}) AS t WHERE ${touch.condition} GROUP BY ALL`,
  )
  const files = counts.flatMap((row) => touch.candidates.slice(Number(row['file']), Number(row['file']) + 1))
  return { files, rows: sum(counts.map((row) => Number(row['n']))), total: await countRows(session, snapshot, files) }
}

async function findMarks(session: Session, snapshot: Snapshot, touch: Touch): Promise<Touched> {
  const scan = await scanFiles(session, snapshot, touch.candidates, { fileNumber: FILE_NUMBER, rowNumber: ROW_NUMBER })
  const found = new Map<number, number[]>()
  for await (const batch of session.stream(
    `SELECT t.${quoteName(FILE_NUMBER)} AS f, t.${quoteName(ROW_NUMBER)} AS r FROM (${scan}) AS t WHERE ${touch.condition}`,
  )) {
    for (let row = 0; row < batch.size; row++) {
      const file = Number(batch.value(row, 0))
      const rows = found.get(file) ?? []
      found.set(file, rows)
      rows.push(Number(batch.value(row, 1)))
    }
  }
  const numbers = [...found.keys()].sort((left, right) => left - right)
  const files = numbers.flatMap((number) => touch.candidates.slice(number, number + 1))
  const marks = numbers.map((number) => RowSet.of(found.get(number) ?? []))
  return { files, marks, rows: sum(marks.map((one) => one.size)), total: await countRows(session, snapshot, files) }
}

/** Other writers may leave statistics out; then the rows are counted, for a file whose every row seems to go is not read again. */
export async function countRows(session: Session, snapshot: Snapshot, files: readonly File[]): Promise<number> {
  const known = files.map(([, add]) => liveRows(add))
  if (known.every((rows) => rows !== undefined)) return sum(known)
  const [row] = await session.rows(`SELECT count(*) AS n FROM (${await scanFiles(session, snapshot, files)})`)
  return Number(row?.['n'] ?? 0)
}

export interface Rewritten {
  readonly adds: readonly AddFile[]
  readonly removes: Change['removes']
  readonly changes: NonNullable<Change['changes']>
  readonly outputRows: number
  readonly copiedRows: number
  readonly bytes: number
  readonly removedBytes: number
  /** Of files whose rows were marked rather than rewritten. */
  readonly marked: number
}

/** What takes the place of the rows that go. */
export interface Incoming {
  readonly query?: string | undefined
  /** For the change data feed: SELECTs of rows with their `_change_type`, in place of 'delete' and 'insert'. */
  readonly changes?: readonly string[] | undefined
}

/**
 * Takes the rows that the condition holds for out of the touched files, and puts a query's rows in.
 * Files whose every row goes are dropped without being read; where the table marks deleted rows, no file is rewritten.
 */
export async function rewrite(
  session: Session,
  snapshot: Snapshot,
  touched: Touched,
  condition: string,
  incoming: Incoming = {},
): Promise<Rewritten> {
  const changes = keepsChanges(snapshot) ? await changeFiles(session, snapshot, touched, condition, incoming) : []
  const marked = touched.marks === undefined ? undefined : await markRows(session, snapshot, touched, touched.marks)
  const copied = marked === undefined ? touched.total - touched.rows : 0
  const survivors =
    copied === 0 ? [] : [`SELECT t.* FROM (${await scanFiles(session, snapshot, touched.files)}) AS t WHERE (${condition}) IS NOT TRUE`]
  const parts = [...survivors, ...(incoming.query === undefined ? [] : [`SELECT * FROM (${incoming.query})`])]
  const written =
    parts.length === 0 ? { adds: [], rows: 0, bytes: 0 } : await writeRows(session, snapshot, parts.join(' UNION ALL BY NAME '))
  return {
    adds: [...written.adds, ...(marked?.adds ?? [])],
    removes: touched.files.map(([, add]) => removeFile(add)),
    changes,
    outputRows: written.rows,
    copiedRows: copied,
    bytes: written.bytes,
    removedBytes: bytesOf(touched.files.map(([, add]) => add)),
    marked: marked?.adds.length ?? 0,
  }
}

async function changeFiles(session: Session, snapshot: Snapshot, touched: Touched, condition: string, { query, changes }: Incoming) {
  const gone =
    touched.rows === 0
      ? []
      : [`SELECT t.*, 'delete' AS _change_type FROM (${await scanFiles(session, snapshot, touched.files)}) AS t WHERE ${condition}`]
  return writeChanges(
    session,
    snapshot,
    changes ?? [...gone, ...(query === undefined ? [] : [`SELECT *, 'insert' AS _change_type FROM (${query})`])],
  )
}

/** The touched files again, each with the rows that go added to those marked before; a file that loses its last row just goes. */
async function markRows(session: Session, snapshot: Snapshot, touched: Touched, marks: readonly RowSet[]): Promise<{ adds: AddFile[] }> {
  const kept: { add: AddFile; rows: RowSet; physical: number }[] = []
  const read = new Map<string, Promise<Uint8Array | undefined>>()
  for (const [index, file] of touched.files.entries()) {
    const [, add] = file
    const now = marks[index] ?? RowSet.of([])
    const live = await countRows(session, snapshot, [file])
    if (now.size === live) continue
    const before = await deletedRows(snapshot, add, read)
    kept.push({ add, rows: before === undefined ? now : before.union(now), physical: live + (before?.size ?? 0) })
  }
  if (kept.length === 0) return { adds: [] }
  const { path, encoded } = vectorFileName(randomUUID())
  const { bytes, places } = encodeVectors(kept.map((one) => one.rows))
  await snapshot.storage.put(`${snapshot.path}/${path}`, bytes)
  return {
    adds: kept.map(({ add, physical }, index) => {
      const place = places[index] ?? { offset: 0, sizeInBytes: 0, cardinality: 0 }
      return {
        ...add,
        dataChange: true,
        stats: looseBounds(add, physical),
        deletionVector: { storageType: 'u', pathOrInlineDv: encoded, ...place },
      }
    }),
  }
}

/** With rows marked as deleted, the bounds may be those of rows that are gone. Source: the Delta protocol, "Per-file Statistics", tightBounds. */
function looseBounds({ stats }: AddFile, rows: number): string {
  if (parseStatistics(stats).rows === undefined || stats === undefined) return `{"numRecords":${rows},"tightBounds":false}`
  const { tightBounds } = JSON.parse(stats) as { tightBounds?: boolean }
  if (tightBounds === false) return stats
  if (tightBounds === true) return stats.replace(/"tightBounds"\s*:\s*true(?!.*"tightBounds")/s, '"tightBounds":false')
  // At the end of the text it is the last word: a column may be called so too.
  return stats.replace(/\}\s*$/, ',"tightBounds":false}')
}

/** What an operation over these rows has read, for telling conflicts. */
export function readsOf(candidates: readonly File[], mayHold: FileTest): NonNullable<Change['reads']> {
  return { files: candidates.map(([, add]) => add), mayHold }
}
