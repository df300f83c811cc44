import type { Timestamp } from './timestamp.js'
import type { DataType, Field } from './types.js'

export interface ColumnOptions {
  /** Default true. */
  readonly nullable?: boolean
  readonly description?: string
  /** `USD`, `miles`, `seconds`. */
  readonly unit?: string
  /** `pii` keeps a column's values out of reports and samples. */
  readonly tags?: readonly string[]
  /** Other spellings under which the column arrives, compared without case. */
  readonly aliases?: readonly string[]
  /** The column may be absent from what arrives: noted, not drift. */
  readonly optional?: boolean
}

declare const VALUE: unique symbol

/** A declared column. `Value` is the TypeScript type of its values, null included where it is nullable. */
export interface Column<Value = unknown> {
  readonly type: DataType
  readonly nullable: boolean
  readonly description: string
  readonly unit?: string
  readonly tags: readonly string[]
  readonly aliases: readonly string[]
  readonly optional: boolean
  /** Carries the type only; never there at run time. */
  readonly [VALUE]?: Value
}

export type Columns = Readonly<Record<string, Column>>
export type ValueOf<C> = C extends Column<infer Value> ? Value : never
export type RowOf<C extends Columns> = { readonly [Name in keyof C]: ValueOf<C[Name]> }

type Nullable<Value, Options> = Options extends { readonly nullable: false } ? Value : Value | null

function declare<Value>(type: DataType, options: ColumnOptions = {}): Column<Value> {
  return {
    type,
    nullable: options.nullable ?? true,
    description: options.description ?? '',
    ...(options.unit === undefined ? {} : { unit: options.unit }),
    tags: options.tags ?? [],
    aliases: options.aliases ?? [],
    optional: options.optional ?? false,
  }
}

function primitive<Value>(kind: Exclude<DataType['kind'], 'decimal' | 'struct' | 'array' | 'map'>) {
  return <const Options extends ColumnOptions = Record<never, never>>(options?: Options): Column<Nullable<Value, Options>> =>
    declare<Nullable<Value, Options>>({ kind }, options)
}

/**
 * Declares a column: its type, then what else is known about it.
 *
 * `fare_amount: column.decimal(10, 2, { unit: 'USD' })` gives a Delta column `fare_amount decimal(10,2)`, `string | null` in TypeScript.
 */
export const column = {
  string: primitive<string>('string'),
  long: primitive<bigint>('long'),
  integer: primitive<number>('integer'),
  short: primitive<number>('short'),
  byte: primitive<number>('byte'),
  float: primitive<number>('float'),
  double: primitive<number>('double'),
  boolean: primitive<boolean>('boolean'),
  /** 'YYYY-MM-DD'. */
  date: primitive<string>('date'),
  /** An instant in UTC. */
  timestamp: primitive<Timestamp>('timestamp'),
  /** A wall-clock reading without a zone. In a table it needs the reader feature timestampNtz. */
  timestampNtz: primitive<Timestamp>('timestamp_ntz'),
  binary: primitive<Uint8Array>('binary'),
  /** @param precision digits in all, 1 to 38 @param scale digits after the point */
  decimal<const Options extends ColumnOptions = Record<never, never>>(
    precision: number,
    scale: number,
    options?: Options,
  ): Column<Nullable<string, Options>> {
    return declare({ kind: 'decimal', precision, scale }, options)
  },
  struct<const C extends Columns, const Options extends ColumnOptions = Record<never, never>>(
    columns: C,
    options?: Options,
  ): Column<Nullable<RowOf<C>, Options>> {
    return declare({ kind: 'struct', fields: fieldsOf(columns) }, options)
  },
  array<C extends Column, const Options extends ColumnOptions = Record<never, never>>(
    element: C,
    options?: Options,
  ): Column<Nullable<readonly ValueOf<C>[], Options>> {
    return declare({ kind: 'array', element: element.type }, options)
  },
  map<K extends Column, V extends Column, const Options extends ColumnOptions = Record<never, never>>(
    key: K,
    value: V,
    options?: Options,
  ): Column<Nullable<ReadonlyMap<NonNullable<ValueOf<K>>, ValueOf<V>>, Options>> {
    return declare({ kind: 'map', key: key.type, value: value.type }, options)
  },
}

/** The declared columns as the fields of a row, in order. */
export function fieldsOf(columns: Columns): Field[] {
  return Object.entries(columns).map(([name, declared]) => ({ name, type: declared.type, nullable: declared.nullable }))
}
