import type { DataType, Field } from '../schema/index.js'
import type { RowBatch } from './rows.js'

const STORE = Symbol.for('sluice.store')
const STORE_TABLE = Symbol.for('sluice.store-table')

/** What a store can do, as data: what needs more of it than it has is refused before it begins. */
export interface Capabilities {
  /** Rows are put by their key: in place of the row that has it, if there is one. */
  readonly upsert: boolean
  readonly delete: boolean
  /** A batch is there whole or not at all, for whoever looks. */
  readonly transactions: boolean
  /** Rows that are new come in faster than one statement each. */
  readonly bulkLoad: boolean
  /** `scan` gives rows in the order of the wanted column. */
  readonly orderedScan: boolean
  /** `digests` are computed where the rows are. */
  readonly digest: boolean
  /** Tables and indexes are made from a dataset's columns. */
  readonly ddl: boolean
  /** It runs SQL: migrations, SQL tests and workloads. */
  readonly sql: boolean
  /** Text may hold NUL. */
  readonly nul: boolean
  /** `exact`: every value; `checked`: those that it has exactly, each other row being refused; `refused`: no such column. */
  readonly types: Readonly<Record<DataType['kind'], 'exact' | 'checked' | 'refused'>>
}

/** A database outside the lake that can be written and read, as a project's definitions name it. Nothing is opened until `open`. */
export interface Store {
  readonly [STORE]: true
  /** `mysql`, `postgres`, `mongodb`, `duckdb`, `memory` */
  readonly kind: string
  readonly capabilities: Capabilities
  /** For people: `mysql at db.example.com:3306/taxi`. Never a secret. */
  describe(): string
  /** The environment variable that it needs and that is not set. */
  lacking(): string | undefined
  /** A table or collection of it, for definitions. */
  table(name: string, options?: StoreTableOptions): StoreTable
  /** Throws STORE_CLIENT_MISSING, STORE_URL_INVALID, STORE_UNREACHABLE, STORE_DENIED, SECRET_NOT_SET. */
  open(context: StoreContext): Promise<OpenStore>
}

export interface StoreContext {
  /** What a relative path of a file is relative to. */
  readonly projectFolder: string
  readonly signal?: AbortSignal | undefined
  /** Connections at most, in place of the store's own `pool`. */
  readonly connections?: number
}

export interface StoreTableOptions {
  /** Made with the table when it is not there; none is ever dropped. */
  readonly indexes?: readonly StoreIndex[]
}

export interface StoreIndex {
  /** Default: from the table's and the columns' names. */
  readonly name?: string
  readonly columns: readonly string[]
  readonly unique?: boolean
}

/** A table or collection of a store, as definitions name it. */
export interface StoreTable {
  readonly [STORE_TABLE]: true
  readonly store: Store
  readonly name: string
  readonly indexes: readonly StoreIndex[]
}

/** A store with its connections. Every call is made again while its failure is transient, as the store's `retry` says. */
export interface OpenStore {
  readonly capabilities: Capabilities
  /** The server's own word: `MariaDB 10.11.19`. */
  readonly version: string
  table(name: string): OpenTable
  /** Where it runs SQL. */
  readonly sql?: StoreSql
  /** What its calls met with so far, where it is reached over connections. */
  readonly usage?: () => StoreUsage
  /** A short text kept in the store itself under a name (in the table `sluice_state`), so that it cannot disagree with the rows beside it. */
  readState(name: string): Promise<string | undefined>
  writeState(name: string, text: string): Promise<void>
  /** Ends its connections. Never throws. */
  close(): Promise<void>
}

export interface StoreUsage {
  /** That it may have open at a time. */
  readonly connections: number
  /** Calls that were made again after a transient failure. */
  readonly retries: number
  /** How often a call found all connections in use, and for how long such calls waited, together. */
  readonly waits: number
  readonly waitedMs: number
}

export interface TableShape {
  /** In the store's order. Types are those of the lake that hold every value of the store's; nullable as the store has it. */
  readonly columns: readonly Field[]
  /** Columns that the store fills by itself where a row does not give them: AUTO_INCREMENT, DEFAULT. */
  readonly defaulted: readonly string[]
  /** Columns of the primary key, in order. */
  readonly key: readonly string[]
  readonly indexes: readonly Required<StoreIndex>[]
}

export interface TableToMake {
  readonly columns: readonly Field[]
  readonly key: readonly string[]
  readonly indexes: readonly StoreIndex[]
}

/**
 * Which rows: those of a range of one column (`from` and below `to`, each as a line has it), those of some buckets, or any, each with a chance
 * of `share`. `after` is a range that leaves its start out.
 */
export type Where =
  | { readonly kind: 'range'; readonly column: Field; readonly from?: string; readonly after?: string; readonly to?: string }
  | { readonly kind: 'buckets'; readonly buckets: Buckets; readonly numbers: readonly number[] }
  | { readonly kind: 'sample'; readonly share: number }

/**
 * How rows are sorted into buckets, numbered from 0, which is also the one of rows without a value.
 * - `range`: by a whole number: `floor((value - start) / width)`, at least 0 and at most `count - 1`.
 * - `text`: by a text: how many of the bounds it is not before. Bounds are written as in lines and ascend by their bytes; `count` is one more.
 * - `hash`: by the line of the key's columns: the number that the first 4 hexadecimal digits of its MD5 are, modulo `count` (a power of 2, at most 65,536).
 */
export type Buckets =
  | { readonly kind: 'range'; readonly column: Field; readonly start: bigint; readonly width: bigint; readonly count: number }
  | { readonly kind: 'text'; readonly column: Field; readonly bounds: readonly string[]; readonly count: number }
  | { readonly kind: 'hash'; readonly columns: readonly Field[]; readonly count: number }

/** The rows of one bucket in short. `xor` and `sum` are over the first 15 hexadecimal digits (60 bits) of the MD5 of each row's line. */
export interface BucketDigest {
  readonly bucket: number
  readonly rows: number
  readonly xor: bigint
  readonly sum: bigint
}

export interface ScanRequest {
  /** The columns wanted, of types into which the store's values fit; their order is that of the lines. */
  readonly columns: readonly Field[]
  readonly where?: Where
  /** Rows come in its order, nulls first. Only where `orderedScan`. */
  readonly orderBy?: string
  /** At most so many rows. */
  readonly limit?: number
  /** Rows in a batch, about: 20,000. */
  readonly batchRows?: number
  readonly signal?: AbortSignal | undefined
}

export interface Written {
  readonly inserted: number
  /** Rows that were there with other values. */
  readonly updated: number
  /** Rows that the store does not take, as they came, and its reason. All others are in. */
  readonly refused: readonly RefusedRow[]
}

export interface RefusedRow {
  readonly line: string
  readonly reason: string
}

export interface UpsertRequest {
  /** The columns that tell one row from another; the store has a unique index on them. */
  readonly key: readonly string[]
  /** True when none of these keys is expected in the table: the quickest way is tried, and another when that proves wrong. */
  readonly fresh?: boolean
}

/** A table or collection of an open store. Throws STORE_* (see errors): transient ones after the store's retries. */
export interface OpenTable {
  readonly name: string
  /** Undefined when there is no such table. */
  shape(): Promise<TableShape | undefined>
  /** Makes the table, unless it is there, and the indexes that it lacks. Throws STORE_TYPE_UNSUPPORTED for a column that it could not keep without loss. */
  make(table: TableToMake): Promise<void>
  count(where?: Where): Promise<number>
  /** Exact sums of whole and decimal numbers, as text, null without a value. Only where `digest`. */
  totals(columns: readonly Field[]): Promise<{ readonly rows: number; readonly sums: readonly (string | null)[] }>
  /** The least and the greatest value of a column, as lines have them; undefined when there is none. */
  bounds(column: Field): Promise<{ readonly least: string; readonly greatest: string } | undefined>
  /** Buckets without rows are left out. Only where `digest`. */
  digests(columns: readonly Field[], buckets: Buckets, where?: Where): Promise<BucketDigest[]>
  scan(request: ScanRequest): AsyncIterable<RowBatch>
  /** Puts rows by their key: the same batch again changes nothing. Of two rows of a batch with one key the later counts. */
  upsert(batch: RowBatch, request: UpsertRequest): Promise<Written>
  /** Takes the rows away that have these keys (the batch's columns); answers how many there were. */
  remove(keys: RowBatch): Promise<number>
  /** Takes the table itself away, if it is there. No sync does: it is for tables that Sluice made to try something on. */
  drop?(): Promise<void>
}

/** How a store that has SQL runs it. */
export interface StoreSql {
  /** The name of its SQL: `mysql`, `postgres`, `duckdb`. */
  readonly dialect: string
  quoteName(name: string): string
  /** Several statements, one after the other, on one connection. Throws STORE_STATEMENT_FAILED with the statement's number. */
  script(text: string): Promise<void>
  /** All rows of one statement, with values as text as the server shows them; for small answers. */
  query(text: string): Promise<readonly Readonly<Record<string, string | number | null>>[]>
  /** Runs `body` while no other holder of a lock of that name does, in any process. Throws STORE_LOCK_HELD after `waitMs`. */
  locked<Result>(name: string, waitMs: number, body: () => Promise<Result>): Promise<Result>
  /** Runs statements of a workload on a connection of their own, in transactions that are made again when they meet a deadlock. */
  connection(): Promise<StoreConnection>
}

/** One connection of a workload. */
export interface StoreConnection {
  /** Answers how many rows it changed, or the rows it found. */
  run(
    text: string,
    values?: readonly (string | number | null)[],
  ): Promise<{ readonly changed: number; readonly rows: readonly (readonly (string | number | null)[])[] }>
  close(): Promise<void>
}

/** Makes a store out of its parts: what every member of the family is returned through. */
export function defineStore(parts: Omit<Store, typeof STORE | 'table'>): Store {
  const store: Store = {
    [STORE]: true,
    ...parts,
    table: (name, options = {}) => ({ [STORE_TABLE]: true, store, name, indexes: options.indexes ?? [] }),
  }
  return store
}

export function isStore(value: unknown): value is Store {
  return typeof value === 'object' && value !== null && STORE in value
}

export function isStoreTable(value: unknown): value is StoreTable {
  return typeof value === 'object' && value !== null && STORE_TABLE in value
}

/**
 * The first of these stores whose secrets are set; the last when none is.
 *
 * `firstConfigured(mysql({ url: env('MYSQL_URL') }), duckdb({ path: 'serving.duckdb' }))` is a file until MYSQL_URL is set.
 */
export function firstConfigured(...stores: readonly [Store, ...Store[]]): Store {
  const [first] = stores
  const chosen = stores.find((store) => store.lacking() === undefined) ?? stores.at(-1) ?? first
  const lacking = stores.slice(0, stores.indexOf(chosen)).map((store) => `${store.lacking()} is not set`)
  if (lacking.length === 0) return chosen
  return defineStore({ ...chosen, describe: () => `${chosen.describe()} (${lacking.join(', ')})` })
}
