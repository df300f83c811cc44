import { isSql, quoteName, renderSql, type Session, sqlInputs, sqlType } from '../engine/index.js'
import { DATASET_OUTPUT_MISMATCH, failure, INTERVAL_INVALID } from '../errors/index.js'
import type { Field, Relation } from '../schema/index.js'
import { PROVENANCE_FIELDS } from '../sources/index.js'
import { rowCount, type Snapshot, type TableDiff } from '../table/index.js'
import { placeSqlError } from './check-sql.js'
import { type Dataset, declaredFields } from './dataset.js'
import type { Decision, Upstream } from './decide.js'
import { type Consumed, inputsOf } from './note.js'
import { type Batch, type Placement, type Published, publish, type StepContext } from './publish.js'
import { changedName, sqlContext } from './workspace.js'

/** A half-open range of days: from is in it, to is not. Dates as YYYY-MM-DD. */
export interface Interval {
  readonly from: string
  readonly to: string
}

const TOUCHED = '_touched'

/** Fills a dataset from its query. */
export async function runQuery(
  step: StepContext,
  decision: Decision,
  interval?: Interval,
): Promise<Published & { readonly rowsRead: number }> {
  const { session, dataset } = step
  const mode = interval === undefined ? decision.mode : 'interval'
  const rowsRead = await defineUpstream(session, dataset, decision.upstream, mode === 'incremental')
  const { sql, fields } = await stagedQuery(step)
  const recompute = mode === 'incremental' && dataset.write.kind === 'replaceBy'
  const readAgain = recompute ? await findTouchedKeys(step, decision.upstream, sql) : 0
  const batch: Batch = {
    query: recompute
      ? touchedOnly(sql, dataset.write.columns)
      : interval === undefined
        ? sql
        : `SELECT * FROM (${sql}) WHERE ${intervalPredicate(dataset, interval)}`,
    fields,
    extraFields: [],
    mode,
    placement: placementOf(dataset, mode, interval),
    // An interval takes in a part only, so what was consumed before still holds.
    consumed: mode === 'interval' ? (decision.state.note?.consumed ?? {}) : consumedNow(decision.upstream),
    ...supersedes(dataset, mode, interval),
  }
  return { ...(await publish(step, decision.state, batch)), rowsRead: rowsRead + readAgain }
}

/** Held rows that this step computes again, or has newer ones for. */
function supersedes(dataset: Dataset, mode: Decision['mode'] | 'interval', interval: Interval | undefined): Pick<Batch, 'supersedes'> {
  if (interval !== undefined) return { supersedes: intervalPredicate(dataset, interval) }
  if (dataset.write.kind === 'merge') return { supersedes: sameKey(dataset) }
  if (dataset.write.kind !== 'replaceBy' || mode === 'full') return {}
  const same = dataset.write.columns.map((key) => `k.${quoteName(key)} IS NOT DISTINCT FROM t.${quoteName(key)}`)
  return { supersedes: `EXISTS (SELECT 1 FROM ${TOUCHED} AS k WHERE ${same.join(' AND ')})` }
}

/** SQL over `t`, a held row, that is true when a staged row has its key. */
export function sameKey(dataset: Dataset): string {
  return `EXISTS (SELECT 1 FROM "_staged" AS s WHERE ${dataset.key.map((key) => `s.${quoteName(key)} = t.${quoteName(key)}`).join(' AND ')})`
}

function placementOf(dataset: Dataset, mode: Decision['mode'] | 'interval', interval: Interval | undefined): Placement {
  if (interval !== undefined) return { how: 'replace-where', predicate: intervalPredicate(dataset, interval) }
  if (mode === 'full') return { how: 'replace-all' }
  switch (dataset.write.kind) {
    case 'append':
      return { how: 'append' }
    case 'merge':
      return { how: 'merge' }
    case 'overwrite':
      return { how: 'replace-all' }
    case 'replaceBy':
      return { how: 'replace-keys', keys: dataset.write.columns, relation: TOUCHED }
  }
}

/** Names what the query reads, in the session; answers how many rows that is. */
async function defineUpstream(session: Session, dataset: Dataset, upstream: readonly Upstream[], incremental: boolean): Promise<number> {
  const inputs = inputsOf(dataset)
  let rows = 0
  for (const one of upstream) {
    const declared = relationOf(dataset, one.name)
    const whole = async () =>
      one.snapshot === undefined ? nothingLike(declared) : withDeclared(await one.table.select(one.snapshot), one.snapshot, declared)
    if (inputs.whole.includes(one.name)) {
      await session.define(one.name, await whole())
      rows += one.snapshot === undefined ? 0 : await rowCount(one.snapshot)
    }
    if (inputs.changed !== one.name) continue
    const added = incremental ? one.diff : undefined
    const rowsAdded =
      added === undefined || one.snapshot === undefined ? undefined : withDeclared(changedRows(added), one.snapshot, declared)
    await session.define(`${one.name} (changed)`, rowsAdded ?? (await whole()))
    const total = one.snapshot === undefined ? 0 : await rowCount(one.snapshot)
    rows += added === undefined ? total : await countRows(session, changedName(one))
  }
  return rows
}

async function countRows(session: Session, relation: string): Promise<number> {
  const [row] = await session.rows(`SELECT count(*) AS n FROM ${relation}`)
  return Number(row?.['n'] ?? 0)
}

/** The rows that differ, old and new: rows that a rewrite only moved cancel out. */
function changedRows(diff: TableDiff): string {
  if (!diff.removes) return diff.added
  return `(${diff.added} EXCEPT ALL ${diff.removed}) UNION ALL (${diff.removed} EXCEPT ALL ${diff.added})`
}

function relationOf(dataset: Dataset, name: string): Relation | undefined {
  const inputs = isSql(dataset.from) ? sqlInputs(dataset.from) : { relations: [], changed: [] }
  return [...inputs.relations, ...inputs.changed].find((one) => one.name === name)
}

/** A column that was declared after the table was last written is null in the rows there are. */
export function withDeclared(select: string, snapshot: Snapshot, relation: Pick<Relation, 'columns'> | undefined): string {
  const has = new Set(snapshot.fields.map((field) => field.name.toLowerCase()))
  const absent = Object.entries(relation?.columns ?? {}).filter(([name]) => !has.has(name.toLowerCase()))
  if (absent.length === 0) return select
  return `SELECT *, ${absent.map(([name, column]) => `NULL::${sqlType(column.type)} AS ${quoteName(name)}`).join(', ')} FROM (${select})`
}

/** A relation without rows, for a dataset that has no table yet. */
function nothingLike(relation: Relation | undefined): string {
  const columns = Object.entries(relation?.columns ?? {}).map(
    ([column, declared]) => `NULL::${sqlType(declared.type)} AS ${quoteName(column)}`,
  )
  const provenance = PROVENANCE_FIELDS.map((field) => `NULL::${sqlType(field.type)} AS ${quoteName(field.name)}`)
  return `SELECT ${[...columns, ...provenance].join(', ')} WHERE false`
}

/** The keys of the rows that changed, then the query's relation over all rows. Answers how many rows are read for it. */
async function findTouchedKeys({ session, dataset }: StepContext, upstream: readonly Upstream[], sql: string): Promise<number> {
  const keys = dataset.write.columns.map(quoteName).join(', ')
  await session.execute(`CREATE OR REPLACE TEMP TABLE ${TOUCHED} AS SELECT DISTINCT ${keys} FROM (${sql})`)
  const changed = upstream.find((one) => one.name === inputsOf(dataset).changed)
  if (changed?.snapshot === undefined) return 0
  const all = withDeclared(await changed.table.select(changed.snapshot), changed.snapshot, relationOf(dataset, changed.name))
  await session.define(`${changed.name} (changed)`, all)
  return await rowCount(changed.snapshot)
}

function touchedOnly(sql: string, keys: readonly string[]): string {
  const same = keys.map((key) => `k.${quoteName(key)} IS NOT DISTINCT FROM q.${quoteName(key)}`).join(' AND ')
  return `SELECT q.* FROM (${sql}) AS q WHERE EXISTS (SELECT 1 FROM ${TOUCHED} AS k WHERE ${same})`
}

function consumedNow(upstream: readonly Upstream[]): Record<string, Consumed> {
  return Object.fromEntries(
    upstream.flatMap((one) =>
      one.snapshot === undefined ? [] : [[one.name, { table: one.snapshot.metadata.id, version: one.snapshot.version }]],
    ),
  )
}

/**
 * The query with its columns matched by name and cast to their declared types, and what it passes on of where a row came from.
 * Throws DATASET_OUTPUT_MISMATCH, QUERY_INVALID. The relations it reads must be defined in the session.
 */
export async function stagedQuery({
  workspace,
  session,
  dataset,
}: Pick<StepContext, 'workspace' | 'session' | 'dataset'>): Promise<{ sql: string; fields: Field[] }> {
  if (!isSql(dataset.from)) throw new Error(`${dataset.name} is not filled by a query`)
  const rendered = renderSql(dataset.from, sqlContext(workspace.values))
  const given = await session.describe(rendered.text).catch((error: unknown) => {
    throw placeSqlError(error, rendered, dataset, workspace.project.folder)
  })
  const names = new Set(given.map((field) => field.name))
  const declared = declaredFields(dataset)
  const provenance = PROVENANCE_FIELDS.filter((field) => names.has(field.name) && !declared.some((one) => one.name === field.name))
  const fields = [...declared, ...provenance]
  const missing = declared.filter((field) => !names.has(field.name)).map((field) => field.name)
  const extra = [...names].filter((name) => !fields.some((field) => field.name === name))
  if (missing.length > 0 || extra.length > 0) {
    throw failure(DATASET_OUTPUT_MISMATCH, { dataset: dataset.name, missing, extra }, { place: dataset.from.place })
  }
  const select = fields.map((field) => `CAST(${quoteName(field.name)} AS ${sqlType(field.type)}) AS ${quoteName(field.name)}`)
  return { sql: `SELECT ${select.join(', ')} FROM (${rendered.text})`, fields }
}

/** The date or timestamp column by which a dataset can be run for an interval: of its partition, else of what it is replaced by. */
export function intervalColumn(dataset: Dataset): string | undefined {
  return [...dataset.partition, ...dataset.write.columns].find((name) =>
    ['date', 'timestamp', 'timestamp_ntz'].includes(dataset.columns[name]?.type.kind ?? ''),
  )
}

function intervalPredicate(dataset: Dataset, { from, to }: Interval): string {
  const column = intervalColumn(dataset)
  if (column === undefined) throw failure(INTERVAL_INVALID, { dataset: dataset.name, problem: 'it has no date or timestamp partition' })
  const type = sqlType(dataset.columns[column]?.type ?? { kind: 'date' })
  return `${quoteName(column)} >= '${from}'::${type} AND ${quoteName(column)} < '${to}'::${type}`
}
