import { createHash } from 'node:crypto'
import { literal, quoteName, quoteNames, type Session } from '../engine/index.js'
import { failure, STORE_TABLE_UNFIT, SYNC_INVALID, SYNC_KEY_NOT_UNIQUE, SYNC_SOURCE_MISSING } from '../errors/index.js'
import { type Field, typeText } from '../schema/index.js'
import { engineRows, type OpenStore, type OpenTable, type RowSet, storeRows } from '../stores/index.js'
import { type Mapped, mappedColumns, relationFields, type Sync, stateName } from '../sync/index.js'
import type { DeltaTable, Snapshot } from '../table/index.js'
import { isDataset } from './dataset.js'
import { type OpenStores, tableLabel } from './stores.js'
import type { Workspace } from './workspace.js'

/** Both ends of a sync, opened. The sets have the target's names. */
export interface Sides {
  readonly sync: Sync
  readonly from: string
  readonly to: string
  readonly source: RowSet
  readonly target: RowSet
  readonly targetStore: OpenStore
  readonly targetTable: OpenTable
  readonly mapped: readonly Mapped[]
  /** By the target's names. */
  readonly key: readonly string[]
  /** Of a dataset: its table, and the version that is copied. */
  readonly lake?: { readonly table: DeltaTable; readonly snapshot: Snapshot; readonly id: string }
  /** Of a store's table. */
  readonly sourceTable?: OpenTable
  /** The source's cursor, which need not be copied. */
  readonly cursor?: Field
  /** Changes when the columns or the key do. */
  readonly mapping: string
  /** What the source is, for the state: another table under the same name is another source. */
  readonly sourceId: string
}

/**
 * Opens both ends of a sync.
 * @param make whether a target that is not there is made Throws SYNC_SOURCE_MISSING, STORE_TABLE_UNFIT, STORE_TYPE_UNSUPPORTED, STORE_*.
 */
export async function openSides(workspace: Workspace, session: Session, stores: OpenStores, one: Sync, make: boolean): Promise<Sides> {
  const { project, signal } = workspace
  const to = tableLabel(project, one.to)
  const targetStore = await stores.open(one.to.store)
  const targetTable = targetStore.table(one.to.name)
  const source = await openSource(workspace, session, stores, one)
  const { mapped } = source
  const columns = mapped.map(({ target }) => target)
  const key = one.key.map((name) => one.rename[name] ?? name)
  if (make) {
    // What is known of a table that is gone is not true of the one that is made now.
    if ((await targetTable.shape()) === undefined) await targetStore.writeState(stateName(one.name), '')
    await targetTable.make({ columns, key, indexes: one.to.indexes })
  }
  await requireFit(
    one,
    to,
    targetTable,
    columns.map((column) => column.name),
  )
  const fingerprint = [columns.map((column) => [column.name, typeText(column.type)]), key]
  return {
    ...source,
    sync: one,
    to,
    target: storeRows(session, { label: to, table: targetTable, columns, key, ...abilities(targetStore), signal }),
    targetStore,
    targetTable,
    key,
    mapping: createHash('sha256').update(JSON.stringify(fingerprint)).digest('hex').slice(0, 16),
  }
}

function abilities({ capabilities, sql }: OpenStore): { readonly digest: boolean; readonly textRanges: boolean } {
  return { digest: capabilities.digest, textRanges: sql !== undefined && sql.dialect !== 'duckdb' }
}

type Source = Pick<Sides, 'from' | 'source' | 'mapped' | 'sourceId' | 'lake' | 'sourceTable' | 'cursor'>

async function openSource(workspace: Workspace, session: Session, stores: OpenStores, one: Sync): Promise<Source> {
  const { project, signal } = workspace
  const key = one.key.map((name) => one.rename[name] ?? name)
  if ('store' in one.from) {
    const from = tableLabel(project, one.from)
    const store = await stores.open(one.from.store)
    const sourceTable = store.table(one.from.name)
    const shape = await sourceTable.shape()
    if (shape === undefined) {
      const advice = 'Fill it first: run the sync that does, or `sluice migrate up`.'
      throw failure(SYNC_SOURCE_MISSING, { name: one.name, source: from, advice }, { place: one.place })
    }
    const mapped = mappedColumns(one, shape.columns)
    const renamed = mapped.find(({ source, target }) => source.name !== target.name)
    if (renamed !== undefined) {
      const advice = 'Give the target the names of the source.'
      const problem = `it renames "${renamed.source.name}", and only columns of datasets can be renamed`
      throw failure(SYNC_INVALID, { name: one.name, problem, advice }, { place: one.place })
    }
    const columns = mapped.map(({ target }) => target)
    const source = storeRows(session, { label: from, table: sourceTable, columns, key, ...abilities(store), signal })
    const cursor = shape.columns.find((column) => column.name === one.cursor)
    const sourceId = `${one.from.store.describe()}/${one.from.name}`
    return { from, source, mapped, sourceTable, sourceId, ...(cursor === undefined ? {} : { cursor }) }
  }
  const from = one.from.name
  const table = workspace.table(one.from, session)
  if (!(await table.exists())) {
    const advice = `Run \`sluice run +${from}\` first.`
    throw failure(SYNC_SOURCE_MISSING, { name: one.name, source: from, advice }, { place: one.place })
  }
  const snapshot = await table.snapshot()
  const mapped = mappedColumns(one, relationFields(one.from))
  const select = renamedSql(mapped, await table.select(snapshot))
  const id = snapshot.metadata.id
  const source = engineRows(session, { label: from, relation: select, columns: mapped.map(({ target }) => target), key })
  return { from, source, mapped, sourceId: id, lake: { table, snapshot, id } }
}

/** A SELECT of a sync's columns, under the target's names. */
export function renamedSql(mapped: readonly Mapped[], relation: string): string {
  return `SELECT ${mapped.map(({ source, target }) => `${quoteName(source.name)} AS ${quoteName(target.name)}`).join(', ')} FROM (${relation})`
}

async function requireFit(one: Sync, to: string, table: OpenTable, columns: readonly string[]): Promise<void> {
  const shape = await table.shape()
  if (shape === undefined) {
    const advice = 'Run `sluice sync` first, which makes it, or `sluice migrate up`.'
    throw failure(
      STORE_TABLE_UNFIT,
      { store: to.split('.')[0] ?? to, table: one.to.name, problem: 'it is not there', advice },
      { place: one.place },
    )
  }
  const known = new Set(shape.columns.map((column) => column.name))
  const missing = columns.filter((name) => !known.has(name))
  if (missing.length === 0) return
  const facts = {
    store: to.split('.')[0] ?? to,
    table: one.to.name,
    problem: `it has no ${missing.map((name) => `"${name}"`).join(', ')}`,
    advice: 'Add the column in a migration, map it with `rename`, or leave it out with `except`.',
  }
  throw failure(STORE_TABLE_UNFIT, facts, { place: one.place })
}

/** A source with two rows of one key cannot be equal to a target that holds each key once. Throws SYNC_KEY_NOT_UNIQUE. */
export async function requireUniqueKey(session: Session, { sync: one, lake, mapped }: Sides): Promise<void> {
  if (lake === undefined) return
  const merged = isDataset(one.from) && one.from.write.kind === 'merge' && [...one.from.key].sort().join() === [...one.key].sort().join()
  if (merged) return
  const names = quoteNames(one.key)
  const relation = await lake.table.select(lake.snapshot)
  const [twice] = await session.rows(`SELECT ${names} FROM (${relation}) GROUP BY ${names} HAVING count(*) > 1 LIMIT 1`)
  if (twice === undefined) return
  const example = one.key.map((name) => `${name} = ${literal(String(twice[name]))}`).join(', ')
  const key = mapped.filter(({ source }) => one.key.includes(source.name)).map(({ source }) => source.name)
  throw failure(SYNC_KEY_NOT_UNIQUE, { name: one.name, key: key.join(', '), example }, { place: one.place })
}
