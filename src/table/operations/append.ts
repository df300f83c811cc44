import { literal, quoteName, type Session, type SqlValue, sqlType } from '../../engine/index.js'
import { failure, TABLE_CHANGE_INVALID, TABLE_SCHEMA_MISMATCH } from '../../errors/index.js'
import { type Change, type WrittenRows, writeRows } from '../change.js'
import type { Snapshot } from '../snapshot.js'
import { type Evolved, evolve } from './columns.js'

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

/**
 * A query with the table's columns: what it leaves out is null. A column that the table lacks joins it with `mergeSchema`, and is
 * refused without. Throws TABLE_SCHEMA_MISMATCH.
 */
export async function fitted(
  session: Session,
  snapshot: Snapshot,
  query: string,
  mergeSchema: boolean,
): Promise<Evolved & { readonly query: string }> {
  const arriving = await session.describe(`SELECT * FROM (${query})`)
  const names = new Map(arriving.map((field) => [field.name.toLowerCase(), field.name]))
  const evolved = mergeSchema ? evolve(snapshot, arriving) : { snapshot, change: {} }
  const known = new Set(evolved.snapshot.fields.map((field) => field.name.toLowerCase()))
  const mismatch = (problem: string) => failure(TABLE_SCHEMA_MISMATCH, { path: snapshot.path, problem })
  const extra = arriving.filter((field) => !known.has(field.name.toLowerCase())).map((field) => field.name)
  if (extra.length > 0) throw mismatch(`the table has no ${extra.join(', ')} (\`mergeSchema\` adds columns)`)
  const absent = evolved.snapshot.fields.find((field) => !field.nullable && !names.has(field.name.toLowerCase()))
  if (absent !== undefined) throw mismatch(`they have no ${absent.name}, which may not be null`)
  const select = evolved.snapshot.fields.map(({ name, type }) => {
    const arrived = names.get(name.toLowerCase())
    return `${arrived === undefined ? `NULL::${sqlType(type)}` : quoteName(arrived)} AS ${quoteName(name)}`
  })
  return { ...evolved, query: `SELECT ${select.join(', ')} FROM (${query})` }
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
