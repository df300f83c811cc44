import { quoteName, quoteNames, type Session, sqlType } from '../../engine/index.js'
import { failure, TABLE_KEYS_REPEAT } from '../../errors/index.js'
import { sameType } from '../../schema/index.js'
import type { Change } from '../change.js'
import { filesWithin, type Snapshot } from '../snapshot.js'
import type { Range } from '../statistics.js'
import { prepareAppend } from './append.js'
import { findTouched, rewrite } from './rewrite.js'

export interface MergeSource {
  /** A relation of the session, or a SELECT in brackets, that gives the same rows each time it is read. */
  readonly relation: string
  readonly keys: readonly string[]
  /** Column sets that are known to repeat in no row. */
  readonly proven?: readonly (readonly string[])[]
}

export interface MergeChange extends Change {
  readonly inserted: number
  readonly updated: number
}

/**
 * MERGE on keys: a row whose keys are in the table replaces that row, another is inserted.
 * Throws TABLE_KEYS_REPEAT when a key stands twice in the source, or is null.
 */
export async function prepareMerge(session: Session, snapshot: Snapshot, given: MergeSource): Promise<MergeChange> {
  const source = await asTableTypes(session, snapshot, given)
  const { rows: sourceRows, ranges } = await inspectSource(session, snapshot, source)
  // The same expression decides which rows leave and which count as updated.
  const condition = `EXISTS (SELECT 1 FROM ${source.relation} AS s WHERE ${source.keys.map((key) => `s.${quoteName(key)} = t.${quoteName(key)}`).join(' AND ')})`
  const candidates = sourceRows === 0 ? [] : filesWithin(snapshot, ranges)
  const touched = await findTouched(session, snapshot, { candidates, condition })
  const inserted = sourceRows - touched.rows
  if (touched.files.length === 0) {
    const change = await prepareAppend(session, snapshot, `SELECT * FROM ${source.relation}`)
    return {
      ...change,
      ...description(source),
      metrics: metrics({ sourceRows, inserted, updated: 0, copied: 0 }, change),
      blind: false,
      inserted,
      updated: 0,
    }
  }
  const { adds, removes, copiedRows } = await rewrite(session, snapshot, touched, condition, `SELECT * FROM ${source.relation}`)
  return {
    ...description(source),
    adds,
    removes,
    metrics: metrics({ sourceRows, inserted, updated: touched.rows, copied: copiedRows }, { adds, removes }),
    blind: false,
    inserted,
    updated: touched.rows,
  }
}

/** Keys are compared as the table keeps them: in its columns' types, and in a partition column with an empty text as the null that it becomes. */
async function asTableTypes(session: Session, snapshot: Snapshot, source: MergeSource): Promise<MergeSource> {
  const arrived = await session.describe(`SELECT * FROM ${source.relation}`)
  const casts = arrived.map(({ name, type }) => {
    const field = snapshot.fields.find((one) => one.name === name)
    const partition = field?.type.kind === 'string' && snapshot.partitionColumns.includes(name)
    if (field === undefined || (sameType(type, field.type) && !partition)) return { name, sql: quoteName(name), same: true }
    const cast = `CAST(${quoteName(name)} AS ${sqlType(field.type)})`
    return { name, sql: `${partition ? `NULLIF(${cast}, '')` : cast} AS ${quoteName(name)}`, same: false }
  })
  if (casts.every((one) => one.same)) return source
  return { ...source, relation: `(SELECT ${casts.map((one) => one.sql).join(', ')} FROM ${source.relation})` }
}

function description({ keys }: MergeSource): Pick<Change, 'operation' | 'parameters'> {
  return {
    operation: 'MERGE',
    parameters: {
      predicate: keys.map((key) => `t.${key} = s.${key}`).join(' AND '),
      matchedPredicates: '[{"actionType":"update"}]',
      notMatchedPredicates: '[{"actionType":"insert"}]',
      notMatchedBySourcePredicates: '[]',
    },
  }
}

function metrics(
  rows: { sourceRows: number; inserted: number; updated: number; copied: number },
  { adds, removes }: Pick<Change, 'adds' | 'removes'>,
): Record<string, number> {
  return {
    numSourceRows: rows.sourceRows,
    numTargetRowsInserted: rows.inserted,
    numTargetRowsUpdated: rows.updated,
    numTargetRowsDeleted: 0,
    numTargetRowsCopied: rows.copied,
    numOutputRows: rows.sourceRows + rows.copied,
    numTargetFilesAdded: adds.length,
    numTargetFilesRemoved: removes.length,
  }
}

/** Counts the source, refuses keys that repeat, and finds each key's range for file skipping: one pass, 8 bytes a key. */
async function inspectSource(
  session: Session,
  snapshot: Snapshot,
  source: MergeSource,
): Promise<{ rows: number; ranges: Record<string, Range> }> {
  await requireUniqueKeys(session, snapshot.path, source)
  const bounds = source.keys.flatMap((key, index) => [
    `min(${quoteName(key)})::VARCHAR AS min${index}`,
    `max(${quoteName(key)})::VARCHAR AS max${index}`,
  ])
  const [row] = await session.rows(`SELECT count(*) AS n, ${bounds.join(', ')} FROM ${source.relation}`)
  const ranges = source.keys.map((key, index): [string, Range] => [
    key,
    { min: (row?.[`min${index}`] ?? null) as string | null, max: (row?.[`max${index}`] ?? null) as string | null, nulls: false },
  ])
  return { rows: Number(row?.['n'] ?? 0), ranges: Object.fromEntries(ranges) }
}

/** Throws TABLE_KEYS_REPEAT. Hashes are counted first, which is exact when none repeat; only when some do are the keys themselves grouped. */
export async function requireUniqueKeys(session: Session, path: string, { relation, keys, proven = [] }: MergeSource): Promise<void> {
  const names = quoteNames(keys)
  const anyNull = keys.map((key) => `${quoteName(key)} IS NULL`).join(' OR ')
  const known = proven.some((columns) => columns.every((column) => keys.includes(column)))
  const hashes = known ? 'count(*)' : `count(DISTINCT hash(${names}))`
  const [counts] = await session.rows(
    `SELECT count(*) AS n, ${hashes} AS hashes, count(*) FILTER (WHERE ${anyNull}) AS nulls FROM ${relation}`,
  )
  if (counts?.['n'] === counts?.['hashes'] && Number(counts?.['nulls'] ?? 0) === 0) return
  const example = keys.map((key) => `coalesce(${quoteName(key)}::VARCHAR, 'null')`).join(` || ', ' || `)
  const [found] = await session.rows(
    `SELECT count(*) AS n, min(example) AS example FROM (SELECT ${example} AS example FROM ${relation} GROUP BY ${names} HAVING count(*) > 1 OR ${anyNull})`,
  )
  const rows = Number(found?.['n'] ?? 0)
  if (rows > 0) throw failure(TABLE_KEYS_REPEAT, { path, keys, rows, example: String(found?.['example']) })
}
