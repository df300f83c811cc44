import { quoteNames, quoteText, type Session } from '../engine/index.js'
import type { Journal } from '../journal/index.js'
import { type ColumnProfile, profile } from '../quality/index.js'
import { type Field, Timestamp } from '../schema/index.js'
import { type DeltaTable, parseStatistics, rowCount, type Snapshot } from '../table/index.js'
import { type Dataset, tableFields } from './dataset.js'

/** Enough rows for the shape of a column, few enough that a run does not wait for it. */
const SAMPLE_ROWS = 50_000

/** Keeps what a dataset's columns look like. Large tables are looked at through a sample, and say so; bounds and nulls come from the table's own statistics. */
export async function recordProfile(journal: Journal, session: Session, table: DeltaTable, dataset: Dataset, runId: string): Promise<void> {
  const snapshot = await table.snapshot()
  const rows = await rowCount(snapshot)
  const share = rows <= SAMPLE_ROWS ? 100 : Math.max(0.001, (100 * SAMPLE_ROWS) / rows)
  const select = await table.select(snapshot)
  const fields = tableFields(dataset).filter((field) => !field.name.startsWith('_'))
  const relation = share === 100 ? `(${select})` : await sample(session, select, fields, share)
  const measured = await profile(session, relation, fields)
  const exact =
    share === 100
      ? measured.columns
      : measured.columns.map((column) => withTableStatistics(column, snapshot, rows / Math.max(1, measured.rows)))
  await journal.append('profiles', [
    {
      run_id: runId,
      dataset: dataset.name,
      version: snapshot.version,
      rows,
      profiled_rows: measured.rows,
      columns: JSON.stringify(exact),
      recorded_at: Timestamp.fromDate(new Date()),
    },
  ])
}

/** Drawn once, because it is looked at twice and drawing reads the whole table. */
async function sample(session: Session, select: string, fields: readonly Field[], percent: number): Promise<string> {
  const columns = quoteNames(fields.map((field) => field.name))
  await session.execute(
    `CREATE OR REPLACE TEMP TABLE _sample AS SELECT ${columns} FROM (${select}) USING SAMPLE ${percent.toFixed(4)} PERCENT (system, 42)`,
  )
  return '_sample'
}

/** A sample has fewer nulls than the table and narrower bounds; the log knows both, the bounds of all but texts. Nulls that it does not know are reckoned up. */
function withTableStatistics(column: ColumnProfile, snapshot: Snapshot, scale: number): ColumnProfile {
  const files = [...snapshot.files.values()].map((add) => parseStatistics(add.stats))
  const nulls = files.map((file) => file.nulls[column.column])
  const counted = nulls.every((one) => typeof one === 'number')
    ? { nulls: nulls.reduce((sum, one) => sum + one, 0) }
    : { nulls: Math.round(column.nulls * scale) }
  const kind = snapshot.fields.find((field) => field.name === column.column)?.type.kind ?? 'string'
  const ordered = files.flatMap((file) => [file.min[column.column], file.max[column.column]]).filter((one) => one !== undefined)
  if (kind === 'string' || ordered.length === 0) return { ...column, ...counted }
  ordered.sort((left, right) =>
    typeof left === 'number' && typeof right === 'number' ? left - right : String(left) < String(right) ? -1 : 1,
  )
  const [min, max] = [ordered.at(0), ordered.at(-1)].map((one) => String(one).replace('T', ' '))
  return { ...column, ...counted, min: min ?? null, max: max ?? null }
}

export interface KeptProfile {
  readonly version: number
  readonly rows: number
  readonly profiledRows: number
  readonly columns: readonly ColumnProfile[]
}

export async function keptProfile(journal: Journal, dataset: string): Promise<KeptProfile | undefined> {
  const [row] = await journal.read('profiles', `WHERE dataset = ${quoteText(dataset)} ORDER BY recorded_at DESC LIMIT 1`)
  if (row === undefined) return undefined
  return {
    version: Number(row.version),
    rows: Number(row.rows),
    profiledRows: Number(row.profiled_rows),
    columns: JSON.parse(row.columns ?? '[]') as ColumnProfile[],
  }
}
