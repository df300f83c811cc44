import { callerPlace } from '../engine/index.js'
import { failure, type Place, SYNC_INVALID } from '../errors/index.js'
import { type Columns, type Field, fieldsOf, isRelation, type Relation } from '../schema/index.js'
import { isStoreTable, type StoreTable } from '../stores/index.js'

const SYNC = Symbol.for('sluice.sync')

/** By how much two numbers of a column may differ and still be called equal. */
export interface ColumnTolerance {
  readonly absolute?: number
  readonly relative?: number
}

type NameOf<C> = keyof C & string

export interface SyncOptions<Name extends string> {
  readonly to: StoreTable
  /** For the command line and records; default `silver.trips to taxi_trips`. */
  readonly name?: string
  readonly description?: string
  /** What tells one row from another, by the source's names; default the dataset's key. The target needs a unique index on them. */
  readonly key?: readonly Name[]
  /** The only columns that go; default all. */
  readonly columns?: readonly Name[]
  /** Columns that stay behind. */
  readonly except?: readonly Name[]
  /** The target's names, where they are not the source's: `{ trip_id: 'record_id' }`. */
  readonly rename?: Readonly<Partial<Record<Name, string>>>
  /**
   * Of a store's table: a column that grows with every change of a row, such as `updated_at`. Rows at or above the value reached last are read;
   * without it, all rows are compared.
   */
  readonly cursor?: string
  /** What becomes of rows of the target that the source does not have; default `follow`: they are taken away. */
  readonly deletes?: 'follow' | 'keep'
  /** Rows in a batch, each written whole or not at all: 20,000; of a collection 5,000. */
  readonly batchRows?: number
  /** Batches that are written side by side: 2. */
  readonly parallel?: number
  /** For `reconcile`, by the source's names. */
  readonly tolerances?: Readonly<Partial<Record<Name, ColumnTolerance>>>
}

/** Keeps a store's table or collection equal to a dataset, or to another store's table. */
export interface Sync {
  readonly [SYNC]: true
  readonly name: string
  readonly description: string
  readonly from: Relation | StoreTable
  readonly to: StoreTable
  /** By the source's names. */
  readonly key: readonly string[]
  readonly columns: readonly string[] | undefined
  readonly except: readonly string[]
  readonly rename: Readonly<Record<string, string>>
  readonly cursor: string | undefined
  readonly deletes: 'follow' | 'keep'
  readonly batchRows: number | undefined
  readonly parallel: number
  readonly tolerances: Readonly<Record<string, ColumnTolerance>>
  /** Where it is defined. */
  readonly place: Place
}

/**
 * Defines a sync.
 *
 * `sync(trips, { to: warehouse.table('taxi_trips'), rename: { trip_id: 'record_id' } })`: after `sluice sync`, the table `taxi_trips` has the
 * rows of silver.trips, each once, and no others; `sluice reconcile` proves it. Throws SYNC_INVALID.
 */
export function sync<C extends Columns>(from: Relation<C>, options: SyncOptions<NameOf<C>>): Sync
export function sync(from: StoreTable, options: SyncOptions<string>): Sync
export function sync(from: Relation | StoreTable, options: SyncOptions<string>): Sync {
  const place = callerPlace(sync)
  const source = isRelation(from) || isStoreTable(from) ? from.name : 'nothing'
  const name = options.name ?? `${source} to ${isStoreTable(options.to) ? options.to.name : 'nothing'}`
  const wrong = (problem: string, advice: string) => failure(SYNC_INVALID, { name, problem, advice }, { place })
  if (source === 'nothing')
    throw wrong('what it copies is neither a dataset nor the table of a store', 'Give a dataset, or `store.table(...)`.')
  if (!isStoreTable(options.to)) throw wrong('`to` is no table of a store', 'Give `store.table(...)`.')
  if (isRelation(from)) {
    const known = Object.keys(from.columns)
    const named = [
      ...(options.key ?? []),
      ...(options.columns ?? []),
      ...(options.except ?? []),
      ...Object.keys(options.rename ?? {}),
      ...Object.keys(options.tolerances ?? {}),
    ]
    const unknown = named.find((column) => !known.includes(column))
    if (unknown !== undefined) throw wrong(`"${unknown}" is no column of ${from.name}`, `Columns: ${known.join(', ')}.`)
    if (options.cursor !== undefined) throw wrong('a dataset has versions, so it needs no `cursor`', 'Leave it out.')
  }
  const keyed = isRelation(from) && 'key' in from ? (from.key as readonly string[]) : []
  const key = options.key ?? keyed
  if (key.length === 0) throw wrong('it has no key', 'Give `key: [...]`, the columns that tell one row from another.')
  const { capabilities } = options.to.store
  if (!capabilities.upsert) throw wrong(`${options.to.store.kind} cannot put rows by their key`, 'Sync to a store that can.')
  for (const [option, value] of Object.entries({ batchRows: options.batchRows, parallel: options.parallel }))
    if (value !== undefined && !(Number.isInteger(value) && value > 0)) throw wrong(`${option} is ${value}`, 'Give a whole number above 0.')
  return {
    [SYNC]: true,
    name,
    description: options.description ?? '',
    from,
    to: options.to,
    key,
    columns: options.columns,
    except: options.except ?? [],
    rename: Object.fromEntries(Object.entries(options.rename ?? {}).filter((pair): pair is [string, string] => pair[1] !== undefined)),
    cursor: options.cursor,
    deletes: options.deletes ?? 'follow',
    batchRows: options.batchRows,
    parallel: options.parallel ?? 2,
    tolerances: Object.fromEntries(
      Object.entries(options.tolerances ?? {}).filter((pair): pair is [string, ColumnTolerance] => pair[1] !== undefined),
    ),
    place,
  }
}

export function isSync(value: unknown): value is Sync {
  return typeof value === 'object' && value !== null && SYNC in value
}

/** A column that goes from a source to a target. */
export interface Mapped {
  readonly source: Field
  readonly target: Field
}

/** The columns of a sync, given those of its source. Throws SYNC_INVALID for names that the source does not have. */
export function mappedColumns(one: Sync, sourceColumns: readonly Field[]): Mapped[] {
  const known = new Set(sourceColumns.map((column) => column.name))
  const named = [...one.key, ...(one.columns ?? []), ...Object.keys(one.rename), ...(one.cursor === undefined ? [] : [one.cursor])]
  const unknown = named.find((name) => !known.has(name))
  if (unknown !== undefined) {
    const problem = `"${unknown}" is no column of ${one.from.name}`
    throw failure(SYNC_INVALID, { name: one.name, problem, advice: `Columns: ${[...known].join(', ')}.` }, { place: one.place })
  }
  return sourceColumns
    .filter(
      (column) => one.key.includes(column.name) || ((one.columns?.includes(column.name) ?? true) && !one.except.includes(column.name)),
    )
    .map((source) => ({ source, target: { ...source, name: one.rename[source.name] ?? source.name } }))
}

/** The fields of a dataset's table, for mappedColumns. */
export function relationFields(relation: Relation): Field[] {
  return fieldsOf(relation.columns)
}
