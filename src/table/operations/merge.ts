import { quoteName, quoteNames, type Session, sqlType } from '../../engine/index.js'
import { failure, TABLE_CHANGE_INVALID, TABLE_KEYS_REPEAT } from '../../errors/index.js'
import { type Field, sameType } from '../../schema/index.js'
import { type Change, scanFiles } from '../change.js'
import { filesThat, type Snapshot, withinRanges } from '../snapshot.js'
import type { Range } from '../statistics.js'
import { findTouched, keepsChanges, type Rewritten, readsOf, rewrite, type Touched } from './rewrite.js'

export interface MergeSource {
  /** A relation of the session, or a SELECT in brackets, that gives the same rows each time it is read. */
  readonly relation: string
  readonly keys: readonly string[]
  /** Column sets that are known to repeat in no row. */
  readonly proven?: readonly (readonly string[])[]
}

/** `all`: every column that the source has too; or SQL by column name, over `t` (the table) and `s` (the source). */
export type MergeValues = 'all' | Readonly<Record<string, string>>

/**
 * What becomes of rows. Of several clauses of a kind, the first whose `when` (SQL over `t` and `s`) is true counts; a row for which none is
 * stays as it is, or is not inserted. Without clauses: matched rows are replaced, others inserted.
 */
export interface MergeClauses {
  readonly matched?: readonly MergeClause[]
  readonly notMatched?: readonly { readonly when?: string; readonly insert: MergeValues }[]
  /** Rows of the table without a row of the source; over `t` alone. */
  readonly notMatchedBySource?: readonly MergeClause[]
}

export type MergeClause = { readonly when?: string } & ({ readonly update: MergeValues } | { readonly delete: true })

export interface MergeChange extends Change {
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
}

/**
 * MERGE on keys: a row whose keys are in the table replaces that row, another is inserted; or what the clauses say.
 * Throws TABLE_KEYS_REPEAT when a key stands twice in the source, or is null; TABLE_CHANGE_INVALID for clauses that name no column.
 */
export async function prepareMerge(session: Session, snapshot: Snapshot, given: MergeSource, clauses?: MergeClauses): Promise<MergeChange> {
  const source = await asTableTypes(session, snapshot, given)
  const plan = planMerge(snapshot, source, await session.describe(`SELECT * FROM ${source.relation}`), clauses)
  const { rows: sourceRows, ranges } = await inspectSource(session, snapshot, source)
  const mayHold = plan.readsAll ? () => true : withinRanges(snapshot, ranges)
  const candidates = sourceRows === 0 && !plan.readsAll ? [] : await filesThat(snapshot, mayHold)
  const touched = plan.touches === undefined ? NOTHING : await findTouched(session, snapshot, { candidates, condition: plan.touches })
  const shared = { ...description(source, clauses), blind: false, reads: readsOf(candidates, mayHold) }

  if (plan.upsert && !keepsChanges(snapshot)) {
    const rewritten = await rewrite(session, snapshot, touched, plan.touches ?? 'false', { query: `SELECT * FROM ${source.relation}` })
    const counts = { sourceRows, inserted: sourceRows - touched.rows, updated: touched.rows, deleted: 0 }
    return { ...shared, ...changeOf(rewritten, counts), ...counts }
  }
  const target = await scanFiles(session, snapshot, touched.files)
  const keysOnly = await scanFiles(session, snapshot, candidates, { columns: source.keys })
  const queries = plan.queries(target, keysOnly)
  const updated = touched.rows === 0 ? 0 : await count(session, queries.updated)
  const incoming = [...(updated === 0 ? [] : queries.updated), ...queries.inserted]
  const rewritten = await rewrite(session, snapshot, touched, plan.touches ?? 'false', {
    query: incoming.length === 0 ? undefined : incoming.join(' UNION ALL BY NAME '),
    changes: [
      ...(touched.rows === 0 ? [] : queries.before),
      ...(updated === 0 ? [] : queries.updated.map((query) => `SELECT *, 'update_postimage' AS _change_type FROM (${query})`)),
      ...queries.inserted.map((query) => `SELECT *, 'insert' AS _change_type FROM (${query})`),
    ],
  })
  const inserted = rewritten.outputRows - rewritten.copiedRows - updated
  const counts = { sourceRows, inserted, updated, deleted: touched.rows - updated }
  return { ...shared, ...changeOf(rewritten, counts), ...counts }
}

const NOTHING: Touched = { files: [], rows: 0, total: 0 }

interface MergePlan {
  /** SQL over `t`: true for rows that are replaced or go. Undefined when rows are only inserted. */
  readonly touches: string | undefined
  /** Rows without a match matter too, so no file can be passed over. */
  readonly readsAll: boolean
  /** Matched rows become the source's, the others are inserted: nothing of the matched rows is needed. */
  readonly upsert: boolean
  queries(target: string, keysOnly: string): { readonly before: string[]; readonly updated: string[]; readonly inserted: string[] }
}

function planMerge(
  snapshot: Snapshot,
  { relation, keys }: MergeSource,
  columns: readonly Field[],
  clauses: MergeClauses = UPSERT,
): MergePlan {
  const { matched = [], notMatched = [], notMatchedBySource = [] } = clauses
  const own = new Set(snapshot.fields.map((field) => field.name))
  const arriving = columns.map((column) => column.name).filter((name) => own.has(name))
  for (const values of [...matched, ...notMatchedBySource]
    .map((one) => ('update' in one ? one.update : {}))
    .concat(notMatched.map((one) => one.insert))) {
    const unknown = Object.keys(values === 'all' ? {} : values).find((name) => !own.has(name))
    if (unknown !== undefined) throw failure(TABLE_CHANGE_INVALID, { path: snapshot.path, problem: `there is no column "${unknown}"` })
  }
  const on = keys.map((key) => `s.${quoteName(key)} = t.${quoteName(key)}`).join(' AND ')
  const matches = (more: string) => `EXISTS (SELECT 1 FROM ${relation} AS s WHERE ${on}${more === 'true' ? '' : ` AND (${more})`})`
  const touches = [
    ...(matched.length === 0 ? [] : [matches(anyOf(matched))]),
    ...(notMatchedBySource.length === 0 ? [] : [`(NOT ${matches('true')} AND (${anyOf(notMatchedBySource)}))`]),
  ]
  const whole = arriving.length === own.size
  return {
    touches: touches.length === 0 ? undefined : `(${touches.join(' OR ')})`,
    readsAll: notMatchedBySource.length > 0,
    upsert:
      whole &&
      notMatchedBySource.length === 0 &&
      [...matched, ...notMatched].length === 2 &&
      matched.every((one) => one.when === undefined && 'update' in one && one.update === 'all') &&
      notMatched.every((one) => one.when === undefined && one.insert === 'all'),
    queries(target, keysOnly) {
      const joined = `(${target}) AS t JOIN ${relation} AS s ON ${on}`
      const alone = `(${target}) AS t WHERE NOT ${matches('true')}`
      const setOf = (values: MergeValues): Readonly<Record<string, string>> =>
        values === 'all' ? Object.fromEntries(arriving.map((name) => [name, `s.${quoteName(name)}`])) : values
      const updates = (of: readonly MergeClause[], from: string, and: string) => {
        if (!of.some((one) => 'update' in one)) return { before: [], after: [] }
        const columnsSql = snapshot.fields.map(({ name }) => {
          const cases = of.map(
            (one) => `WHEN ${one.when ?? 'true'} THEN ${('update' in one ? setOf(one.update)[name] : undefined) ?? `t.${quoteName(name)}`}`,
          )
          return `CASE ${cases.join(' ')} END AS ${quoteName(name)}`
        })
        const holds = `CASE ${of.map((one) => `WHEN ${one.when ?? 'true'} THEN ${'update' in one}`).join(' ')} ELSE false END`
        return {
          before: [`SELECT t.*, 'update_preimage' AS _change_type FROM ${from} ${and} ${holds}`],
          after: [`SELECT ${columnsSql.join(', ')} FROM ${from} ${and} ${holds}`],
        }
      }
      const deletes = (of: readonly MergeClause[], from: string, and: string) =>
        of.some((one) => 'delete' in one)
          ? [
              `SELECT t.*, 'delete' AS _change_type FROM ${from} ${and} CASE ${of.map((one) => `WHEN ${one.when ?? 'true'} THEN ${'delete' in one}`).join(' ')} ELSE false END`,
            ]
          : []
      const [both, ours] = [updates(matched, joined, 'WHERE'), updates(notMatchedBySource, alone, 'AND')]
      const insertedSql = notMatched.map((one, index) => {
        const values = setOf(one.insert)
        const select = snapshot.fields.map(({ name, type }) => `${values[name] ?? `NULL::${sqlType(type)}`} AS ${quoteName(name)}`)
        const earlier = notMatched.slice(0, index).map((before) => ` AND (${before.when ?? 'true'}) IS NOT TRUE`)
        return `SELECT ${select.join(', ')} FROM ${relation} AS s WHERE NOT EXISTS (SELECT 1 FROM (${keysOnly}) AS t WHERE ${on})${earlier.join('')} AND (${one.when ?? 'true'})`
      })
      return {
        before: [...both.before, ...ours.before, ...deletes(matched, joined, 'WHERE'), ...deletes(notMatchedBySource, alone, 'AND')],
        updated: [...both.after, ...ours.after],
        inserted: insertedSql,
      }
    },
  }
}

const UPSERT: MergeClauses = { matched: [{ update: 'all' }], notMatched: [{ insert: 'all' }] }

function anyOf(clauses: readonly { readonly when?: string }[]): string {
  return clauses.some((one) => one.when === undefined) ? 'true' : clauses.map((one) => `(${one.when})`).join(' OR ')
}

async function count(session: Session, queries: readonly string[]): Promise<number> {
  if (queries.length === 0) return 0
  const [row] = await session.rows(`SELECT count(*) AS n FROM (${queries.join(' UNION ALL BY NAME ')})`)
  return Number(row?.['n'] ?? 0)
}

/** Keys are compared as the table keeps them: under its columns' names, in their types, and in a partition column with an empty text as the null that it becomes. */
export async function asTableTypes(session: Session, snapshot: Snapshot, source: MergeSource): Promise<MergeSource> {
  const arrived = await session.describe(`SELECT * FROM ${source.relation}`)
  const casts = arrived.map(({ name, type }) => {
    const field = snapshot.fields.find((one) => one.name.toLowerCase() === name.toLowerCase())
    const partition = field?.type.kind === 'string' && snapshot.partitionColumns.includes(field.name)
    if (field === undefined || (field.name === name && sameType(type, field.type) && !partition))
      return { sql: quoteName(name), same: true }
    const cast = `CAST(${quoteName(name)} AS ${sqlType(field.type)})`
    return { sql: `${partition ? `NULLIF(${cast}, '')` : cast} AS ${quoteName(field.name)}`, same: false }
  })
  const keys = source.keys.map((key) => snapshot.fields.find((field) => field.name.toLowerCase() === key.toLowerCase())?.name ?? key)
  if (casts.every((one) => one.same)) return { ...source, keys }
  return { ...source, keys, relation: `(SELECT ${casts.map((one) => one.sql).join(', ')} FROM ${source.relation})` }
}

function description(
  { keys }: MergeSource,
  { matched = [], notMatched = [], notMatchedBySource = [] }: MergeClauses = UPSERT,
): Pick<Change, 'operation' | 'parameters'> {
  const predicates = (clauses: readonly ({ readonly when?: string } & object)[]) =>
    JSON.stringify(
      clauses.map((one) => ({
        ...(one.when === undefined ? {} : { predicate: one.when }),
        actionType: 'delete' in one ? 'delete' : 'insert' in one ? 'insert' : 'update',
      })),
    )
  return {
    operation: 'MERGE',
    parameters: {
      predicate: keys.map((key) => `t.${key} = s.${key}`).join(' AND '),
      matchedPredicates: predicates(matched),
      notMatchedPredicates: predicates(notMatched),
      notMatchedBySourcePredicates: predicates(notMatchedBySource),
    },
  }
}

export function changeOf(
  { adds, removes, changes, copiedRows, outputRows, bytes, removedBytes, marked }: Rewritten,
  rows: { sourceRows: number; inserted: number; updated: number; deleted: number },
): Pick<Change, 'adds' | 'removes' | 'changes' | 'metrics'> {
  return {
    adds,
    removes,
    changes,
    metrics: {
      numSourceRows: rows.sourceRows,
      numTargetRowsInserted: rows.inserted,
      numTargetRowsUpdated: rows.updated,
      numTargetRowsDeleted: rows.deleted,
      numTargetRowsCopied: copiedRows,
      numOutputRows: outputRows,
      numTargetFilesAdded: adds.length - marked,
      numTargetFilesRemoved: removes.length - marked,
      numTargetBytesAdded: bytes,
      numTargetBytesRemoved: removedBytes,
      numTargetDeletionVectorsAdded: marked,
      numTargetChangeFilesAdded: changes.length,
    },
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
