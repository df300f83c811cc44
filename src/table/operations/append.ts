import { literal, quoteName, type Session, type SqlValue, sqlType } from '../../engine/index.js'
import { failure, TABLE_CHANGE_INVALID } from '../../errors/index.js'
import { type Change, type WrittenRows, writeRows } from '../change.js'
import type { Snapshot } from '../snapshot.js'

export type RowInput = Readonly<Record<string, SqlValue>>

/** Rows as a SELECT of the table's columns; what a row leaves out is null. Throws TABLE_CHANGE_INVALID for a column that is not there. */
export function rowsSql({ path, fields }: Pick<Snapshot, 'path' | 'fields'>, rows: readonly RowInput[]): string {
  const known = new Set(fields.map((field) => field.name))
  const unknown = rows.flatMap((row) => Object.keys(row)).find((name) => !known.has(name))
  if (unknown !== undefined) throw failure(TABLE_CHANGE_INVALID, { path, problem: `there is no column "${unknown}"` })
  const columns = fields.map(({ name, type }) => `CAST(${quoteName(name)} AS ${sqlType(type)}) AS ${quoteName(name)}`).join(', ')
  const names = fields.map(({ name }) => quoteName(name)).join(', ')
  const values = rows.map((row) => `(${fields.map(({ name }) => literal(row[name] ?? null)).join(', ')})`)
  // A row of nulls, left out again, lets no rows at all be written like any others.
  const nothing = `(${fields.map(() => 'NULL').join(', ')})`
  return `SELECT ${columns} FROM (VALUES ${[...values, ...(rows.length === 0 ? [nothing] : [])].join(', ')}) AS v(${names})${rows.length === 0 ? ' WHERE false' : ''}`
}

/** Adds a query's rows. */
export async function prepareAppend(session: Session, snapshot: Snapshot, query: string): Promise<Change> {
  return appendWritten(snapshot, await writeRows(session, snapshot, query))
}

/** Adds rows that are in data files already. */
export function appendWritten(snapshot: Snapshot, { adds, rows, bytes }: WrittenRows): Change {
  return {
    operation: 'WRITE',
    parameters: { mode: 'Append', partitionBy: JSON.stringify(snapshot.partitionColumns) },
    metrics: { numFiles: adds.length, numOutputRows: rows, numOutputBytes: bytes },
    adds,
    removes: [],
    blind: true,
  }
}
