import { quoteName, type Session } from '../../engine/index.js'
import { failure, isSluiceError, TABLE_OUTSIDE_PREDICATE } from '../../errors/index.js'
import type { Change } from '../change.js'
import { filesWithin, type Snapshot } from '../snapshot.js'
import type { Range } from '../statistics.js'
import { findTouched, type Rewritten, rewrite, type Touched } from './rewrite.js'

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
  const condition = `EXISTS (SELECT 1 FROM ${keysRelation} AS k WHERE ${keys.map((key) => `k.${quoteName(key)} IS NOT DISTINCT FROM t.${quoteName(key)}`).join(' AND ')})`
  const candidates = filesWithin(snapshot, await keyRanges(session, keys, keysRelation))
  const touched = await findTouched(session, snapshot, { candidates, condition })
  const rewritten = await rewrite(session, snapshot, touched, condition, query)
  return change({ mode: 'Overwrite', replaceBy: JSON.stringify(keys) }, touched, rewritten)
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
 * @param predicate SQL over the table's columns @param ranges what the predicate needs of each column, for file skipping
 */
export async function prepareReplaceWhere(
  session: Session,
  snapshot: Snapshot,
  predicate: string,
  query: string,
  ranges: Readonly<Record<string, Range>> = {},
): Promise<Change> {
  const touched = await findTouched(session, snapshot, { candidates: filesWithin(snapshot, ranges), condition: `(${predicate})` })
  const guard = 'outside replaceWhere'
  const guarded = `SELECT * FROM (${query}) WHERE CASE WHEN (${predicate}) IS TRUE THEN true ELSE error('${guard}') END`
  try {
    return change({ mode: 'Overwrite', predicate }, touched, await rewrite(session, snapshot, touched, `(${predicate})`, guarded))
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
  const touched = await findTouched(session, snapshot, { candidates: [...snapshot.files], condition })
  const rewritten = await rewrite(session, snapshot, touched, condition)
  return {
    operation: 'DELETE',
    parameters: { predicate: JSON.stringify([condition]) },
    metrics: {
      numRemovedFiles: rewritten.removes.length,
      numAddedFiles: rewritten.adds.length,
      numDeletedRows: touched.rows,
      numCopiedRows: rewritten.copiedRows,
    },
    adds: rewritten.adds,
    removes: rewritten.removes,
    blind: false,
    deleted: touched.rows,
  }
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
    adds: rewritten.adds,
    removes: rewritten.removes,
    blind: false,
  }
}
