import type { Field, Timestamp } from '../schema/index.js'
import type { Condition } from './condition.js'

/** A value as the engine hands it to TypeScript: long as bigint, decimal and date as text, timestamps as `Timestamp`. */
export type Value =
  | string
  | number
  | bigint
  | boolean
  | null
  | Timestamp
  | Uint8Array
  | readonly Value[]
  | ReadonlyMap<Value, Value>
  | { readonly [name: string]: Value }
export type Row = Readonly<Record<string, Value>>

export interface Batch {
  readonly columns: readonly Field[]
  /** One array of values a row, in the order of `columns`. */
  readonly rows: readonly (readonly Value[])[]
  readonly size: number
  /** One value, decoded when asked for: a batch that is kept costs the engine's own bytes and no JavaScript objects. */
  value(row: number, column: number): Value
}

/** A data file to read, as a table's log describes it. */
export interface ScanFile {
  /** Where the engine finds it. */
  readonly path: string
  readonly rows?: number
  /** Values of partition columns by the name under which they are stored, as text; null is null. */
  readonly partition: Readonly<Record<string, string | null>>
  /** Numbers of rows, from 0, that are no longer there. */
  readonly deleted?: Iterable<number>
  /** True when the file is known to have just the columns wanted, of their types. Such files are read by all threads at once. */
  readonly exact?: boolean
}

export interface Scan {
  readonly files: readonly ScanFile[]
  /** The columns wanted, partition columns included. A column that a file lacks is null. */
  readonly columns: readonly Field[]
  readonly partitionColumns: readonly string[]
  /** True when files may hold narrower types than the columns have. */
  readonly widened?: boolean
  /** Adds a column of this name with the number, from 0, of the file a row came from. */
  readonly fileNumber?: string
  /** Adds a column of this name with a row's number, from 0, in its file. */
  readonly rowNumber?: string
}

export interface WriteRequest {
  /** A SELECT whose columns are the file's columns. */
  readonly query: string
  /** The query's columns, where files have them under stored names (column mapping). */
  readonly columns?: readonly Field[]
  /** An existing folder; files already there stay. */
  readonly folder: string
  /** Each file's name starts with it, so that the files of one write can be found and taken away. */
  readonly prefix: string
  readonly partitionBy?: readonly string[]
  /** `keep` for files that stay (small), `temporary` for ones read once and deleted (quick). Default `keep`. */
  readonly purpose?: 'keep' | 'temporary'
  /** A new file is begun past this size. Default 256 MiB. Not with `partitionBy`. */
  readonly fileBytes?: number
}

export interface ColumnStatistics {
  /** The column's path: `['address', 'city']` for a struct's field. */
  readonly path: readonly string[]
  /** As the engine writes the value in text; absent when it is not known. */
  readonly min?: string
  readonly max?: string
  readonly nulls: number
  readonly hasNan: boolean
}

export interface WrittenFile {
  /** The file's whole path. */
  readonly path: string
  readonly rows: number
  readonly bytes: number
  readonly partition: Readonly<Record<string, string | null>>
  readonly statistics: readonly ColumnStatistics[]
}

/**
 * Runs SQL. What a pipeline asks of an engine is set-based: a query, a folder of files. Nothing calls back into TypeScript for
 * a row, so an engine on another machine can keep this contract.
 *
 * The time zone of every session is UTC. Failures are SluiceErrors (ENGINE_*, STORAGE_FULL); those a user's SQL causes carry
 * `position`, the offset of the failure in the statement, in their facts.
 */
export interface Engine {
  readonly name: string
  /** A session of its own: temporary relations of one are not seen by another. When `signal` aborts, its statement ends with ENGINE_CANCELLED. */
  connect(signal?: AbortSignal): Promise<Session>
  /** Takes everything away that the engine kept, its temporary files too. */
  close(): Promise<void>
}

export interface Session {
  /** A folder for short-lived files that the engine and this process both reach. The engine takes it away when it closes. */
  readonly scratch: string
  /** Aborts with the session's signal. */
  execute(sql: string): Promise<void>
  /** All rows at once: for small answers. */
  rows(sql: string): Promise<Row[]>
  /** Rows in batches, read as they are asked for; memory does not grow with the answer. */
  stream(sql: string): AsyncIterable<Batch>
  /** What a predicate asks of columns one by one, as far as that can be told; ENGINE_SQL_INVALID when it is no SQL. */
  condition(predicate: string): Promise<Condition>
  /** The functions that an expression calls, by name, operators among them; ENGINE_SQL_INVALID when it is no SQL. */
  functions(expression: string): Promise<string[]>
  /** The columns a SELECT would give, without running it. */
  describe(sql: string): Promise<Field[]>
  /** Names a SELECT for the rest of the session, in place of an earlier one of that name. */
  define(name: string, select: string): Promise<void>
  /** A SELECT over data files. */
  scan(scan: Scan): string
  /** Runs a SELECT into Parquet files and tells what was written. On failure, no file of it is left. A result without rows leaves no file. */
  write(request: WriteRequest): Promise<WrittenFile[]>
  /** Share of the running statement that is done, 0 to 1, where it is known. */
  progress(): number | undefined
  close(): Promise<void>
}
