import { quoteName, type Session, sqlType } from '../../engine/index.js'
import { failure, isSluiceError, TABLE_CHANGE_INVALID, TABLE_OUTSIDE_PREDICATE } from '../../errors/index.js'
import { type Change, scanFiles } from '../change.js'
import { filesThat, type Snapshot, whereHolds, withinRanges } from '../snapshot.js'
import type { Range } from '../statistics.js'
import { asTableTypes } from './merge.js'
import { findTouched, type Rewritten, readsOf, rewrite, type Touched } from './rewrite.js'

/**
 * Deletes the rows whose keys stand in `keys` (nulls equal nulls) and adds the query's rows, in one commit.
 *
 * @param keysRelation a relation of the session with the key columns, each combination once
 */
export async function prepareReplaceKeys(
  session: Session,
  snapshot: Snapshot,
  keys: readonly string[],
  keysRelation: string,
  query: string,
): Promise<Change> {
  const { relation } = await asTableTypes(session, snapshot, { relation: keysRelation, keys })
  const condition = `EXISTS (SELECT 1 FROM ${relation} AS k WHERE ${keys.map((key) => `k.${quoteName(key)} IS NOT DISTINCT FROM t.${quoteName(key)}`).join(' AND ')})`
  const mayHold = withinRanges(snapshot, await keyRanges(session, keys, relation))
  const candidates = await filesThat(snapshot, mayHold)
  const touched = await findTouched(session, snapshot, { candidates, condition })
  const rewritten = await rewrite(session, snapshot, touched, condition, { query })
  return { ...change({ mode: 'Overwrite', replaceBy: JSON.stringify(keys) }, touched, rewritten), reads: readsOf(candidates, mayHold) }
}

async function keyRanges(session: Session, keys: readonly string[], relation: string): Promise<Record<string, Range>> {
  const bounds = keys.flatMap((key, index) => [
    `min(${quoteName(key)})::VARCHAR AS min${index}`,
    `max(${quoteName(key)})::VARCHAR AS max${index}`,
    `count(*) - count(${quoteName(key)}) AS nulls${index}`,
  ])
  const [row] = await session.rows(`SELECT ${bounds.join(', ')} FROM ${relation}`)
  return Object.fromEntries(
    keys.map((key, index): [string, Range] => [
      key,
      {
        min: (row?.[`min${index}`] ?? null) as string | null,
        max: (row?.[`max${index}`] ?? null) as string | null,
        nulls: Number(row?.[`nulls${index}`] ?? 0) > 0,
      },
    ]),
  )
}

/**
 * Deletes the rows for which the predicate is true and adds the query's rows, in one commit.
 * Throws TABLE_OUTSIDE_PREDICATE when one of those is outside it; then nothing is written.
 *
 * @param predicate SQL over the table's columns
 */
export async function prepareReplaceWhere(session: Session, snapshot: Snapshot, predicate: string, query: string): Promise<Change> {
  const mayHold = whereHolds(snapshot, await session.condition(predicate))
  const candidates = await filesThat(snapshot, mayHold)
  const touched = await findTouched(session, snapshot, { candidates, condition: `(${predicate})` })
  const guard = 'outside replaceWhere'
  // As the table will hold them: 1.6 is a 2 in a column of whole numbers.
  const casts = snapshot.fields.map(({ name, type }) => `CAST(${quoteName(name)} AS ${sqlType(type)}) AS ${quoteName(name)}`)
  const guarded = `SELECT * FROM (SELECT ${casts.join(', ')} FROM (${query})) WHERE CASE WHEN (${predicate}) IS TRUE THEN true ELSE error('${guard}') END`
  try {
    const rewritten = await rewrite(session, snapshot, touched, `(${predicate})`, { query: guarded })
    return { ...change({ mode: 'Overwrite', predicate }, touched, rewritten), reads: readsOf(candidates, mayHold) }
  } catch (thrown) {
    if (isSluiceError(thrown) && thrown.message.includes(guard))
      throw failure(TABLE_OUTSIDE_PREDICATE, { path: snapshot.path, predicate }, { cause: thrown })
    throw thrown
  }
}

/** Deletes the rows for which the condition is true, over the relation `t`. */
export async function prepareDelete(
  session: Session,
  snapshot: Snapshot,
  condition: string,
): Promise<Change & { readonly deleted: number }> {
  const mayHold = whereHolds(snapshot, await session.condition(condition))
  const candidates = await filesThat(snapshot, mayHold)
  const touched = await findTouched(session, snapshot, { candidates, condition: `(${condition})` })
  const rewritten = await rewrite(session, snapshot, touched, `(${condition})`)
  return {
    operation: 'DELETE',
    parameters: { predicate: JSON.stringify([condition]) },
    metrics: {
      numRemovedFiles: rewritten.removes.length - rewritten.marked,
      numAddedFiles: rewritten.adds.length - rewritten.marked,
      numDeletedRows: touched.rows,
      numCopiedRows: rewritten.copiedRows,
      numDeletionVectorsAdded: rewritten.marked,
      numAddedChangeFiles: rewritten.changes.length,
    },
    ...parts(rewritten),
    reads: readsOf(candidates, mayHold),
    deleted: touched.rows,
  }
}

/**
 * Sets columns of the rows for which the condition is true. `{ fare: 'fare * 2' }`
 *
 * @param set SQL by column name, over the relation `t` @param condition SQL over `t`; all rows without it
 */
export async function prepareUpdate(
  session: Session,
  snapshot: Snapshot,
  set: Readonly<Record<string, string>>,
  condition = 'true',
): Promise<Change & { readonly updated: number }> {
  const unknown = Object.keys(set).find((name) => !snapshot.fields.some((field) => field.name === name))
  if (unknown !== undefined) throw failure(TABLE_CHANGE_INVALID, { path: snapshot.path, problem: `there is no column "${unknown}"` })
  const mayHold = whereHolds(snapshot, await session.condition(condition))
  const candidates = await filesThat(snapshot, mayHold)
  const touched = await findTouched(session, snapshot, { candidates, condition: `(${condition})` })
  const columns = snapshot.fields.map(({ name }) => `${set[name] ?? `t.${quoteName(name)}`} AS ${quoteName(name)}`)
  const rows = `(${await scanFiles(session, snapshot, touched.files)}) AS t WHERE (${condition})`
  const query = `SELECT ${columns.join(', ')} FROM ${rows}`
  const rewritten = await rewrite(session, snapshot, touched, `(${condition})`, {
    query: touched.rows === 0 ? undefined : query,
    changes:
      touched.rows === 0
        ? []
        : [`SELECT t.*, 'update_preimage' AS _change_type FROM ${rows}`, `SELECT *, 'update_postimage' AS _change_type FROM (${query})`],
  })
  return {
    operation: 'UPDATE',
    parameters: { predicate: JSON.stringify([condition]) },
    metrics: {
      numRemovedFiles: rewritten.removes.length - rewritten.marked,
      numAddedFiles: rewritten.adds.length - rewritten.marked,
      numUpdatedRows: touched.rows,
      numCopiedRows: rewritten.copiedRows,
      numDeletionVectorsAdded: rewritten.marked,
      numAddedChangeFiles: rewritten.changes.length,
    },
    ...parts(rewritten),
    reads: readsOf(candidates, mayHold),
    updated: touched.rows,
  }
}

function parts({ adds, removes, changes }: Rewritten): Pick<Change, 'adds' | 'removes' | 'changes' | 'blind'> {
  return { adds, removes, changes, blind: false }
}

function change(parameters: Readonly<Record<string, string>>, touched: Touched, rewritten: Rewritten): Change {
  return {
    operation: 'WRITE',
    parameters,
    metrics: {
      numFiles: rewritten.adds.length,
      numOutputRows: rewritten.outputRows,
      numOutputBytes: rewritten.bytes,
      numRemovedFiles: rewritten.removes.length,
      numRemovedBytes: rewritten.removedBytes,
      numDeletedRows: touched.rows,
      numCopiedRows: rewritten.copiedRows,
    },
    ...parts(rewritten),
  }
}
