import { failure, STORE_TYPE_UNSUPPORTED } from '../errors/index.js'
import { type DataType, type Field, typeText } from '../schema/index.js'
import { areMany, limitsSql, runsOf, runsSql } from './bucket-ranges.js'
import { NULL, unescapeText } from './rows.js'
import type { Buckets, Capabilities, Where } from './store.js'

export const POSTGRES_CAPABILITIES: Capabilities = {
  upsert: true,
  delete: true,
  transactions: true,
  bulkLoad: true,
  orderedScan: true,
  digest: true,
  ddl: true,
  sql: true,
  nul: false,
  types: {
    // Without NUL.
    string: 'checked',
    long: 'exact',
    integer: 'exact',
    short: 'exact',
    byte: 'exact',
    float: 'exact',
    double: 'exact',
    boolean: 'exact',
    date: 'exact',
    timestamp: 'exact',
    timestamp_ntz: 'exact',
    binary: 'exact',
    decimal: 'exact',
    array: 'refused',
    map: 'refused',
    struct: 'refused',
  },
}

/** A column as the catalog has it. */
export interface PostgresColumn {
  readonly name: string
  /** Of a domain, its base: `int8`, `varchar`. */
  readonly type: string
  /** As SQL: `numeric(10,2)`. */
  readonly typeSql: string
  readonly nullable: boolean
  readonly precision: number | undefined
  readonly scale: number | undefined
  /** Characters, where they are limited. */
  readonly length: number | undefined
  /** Digits of a second, where they are limited. */
  readonly fraction: number | undefined
  /** Orders text by its bytes. */
  readonly byBytes: boolean
  /** Tells texts apart by their bytes. */
  readonly tellsBytes: boolean
  readonly defaulted: boolean
}

export function quotePostgres(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function postgresText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** A line's text of a value as a literal. */
export function postgresLiteral(text: string, { kind }: DataType): string {
  if (text === NULL) return 'NULL'
  if (kind === 'string') return postgresText(unescapeText(text))
  if (kind === 'binary') return `'\\x${text.replaceAll("'", '')}'::bytea`
  if (kind === 'date') return `${postgresText(text)}::date`
  if (kind === 'timestamp') return `${postgresText(text)}::timestamptz`
  if (kind === 'timestamp_ntz') return `${postgresText(text)}::timestamp`
  if (kind === 'boolean') return postgresText(text)
  if (kind === 'double' || kind === 'float') return `${postgresText(text)}::float8`
  return `${postgresText(text)}::numeric`
}

export function postgresTypeSql({ name, type }: Field, indexed: boolean): string {
  switch (type.kind) {
    case 'string':
      return indexed ? 'text COLLATE "C"' : 'text'
    case 'binary':
      return 'bytea'
    case 'long':
      return 'bigint'
    case 'integer':
      return 'integer'
    case 'short':
    case 'byte':
      return 'smallint'
    case 'boolean':
      return 'boolean'
    case 'float':
      return 'real'
    case 'double':
      return 'double precision'
    case 'date':
      return 'date'
    case 'timestamp':
      return 'timestamptz'
    case 'timestamp_ntz':
      return 'timestamp'
    case 'decimal':
      return `numeric(${type.precision},${type.scale})`
    default:
      throw failure(STORE_TYPE_UNSUPPORTED, {
        store: 'postgres',
        column: name,
        type: typeText(type),
        advice: 'Write its parts as columns of their own, or as JSON text.',
      })
  }
}

/** The lake's type that holds every value of a column. */
export function lakeTypeOf({ type, precision, scale = 0 }: PostgresColumn): DataType {
  switch (type) {
    case 'bool':
      return { kind: 'boolean' }
    case 'int2':
      return { kind: 'short' }
    case 'int4':
      return { kind: 'integer' }
    case 'int8':
    case 'oid':
      return { kind: 'long' }
    case 'float4':
      return { kind: 'float' }
    case 'float8':
      return { kind: 'double' }
    case 'numeric':
      return precision !== undefined && precision <= 38 && scale >= 0 && scale <= precision
        ? { kind: 'decimal', precision, scale }
        : { kind: 'string' }
    case 'date':
      return { kind: 'date' }
    case 'timestamptz':
      return { kind: 'timestamp' }
    case 'timestamp':
      return { kind: 'timestamp_ntz' }
    case 'bytea':
      return { kind: 'binary' }
    default:
      return { kind: 'string' }
  }
}

/** Years that are written as lines have them; those before the year 1, and infinity, stay as PostgreSQL writes them, which is no date of a lake. */
function clockSql(value: string): string {
  return `CASE WHEN ${value} >= '0001-01-01' AND ${value} < 'infinity' THEN to_char(${value}, 'YYYY-MM-DD HH24:MI:SS.US') ELSE ${value}::text END`
}

/** SQL of a value as COPY is to write it, whose own escapes text needs no others than. */
export function postgresCopySql(column: PostgresColumn, type: DataType): string {
  const value = quotePostgres(column.name)
  switch (type.kind) {
    case 'string':
      return column.type === 'text' || column.type === 'varchar' ? value : `${value}::text`
    case 'binary':
      return `encode(${value}, 'hex')`
    case 'boolean':
      return column.type === 'bool' ? `${value}::int` : `(${value} <> 0)::int`
    case 'float':
    case 'double':
      return column.type === 'float8' ? value : `${value}::float8`
    case 'timestamp':
    case 'timestamp_ntz':
      return column.type === 'timestamptz' ? clockSql(`(${value} AT TIME ZONE 'UTC')`) : clockSql(`${value}::timestamp`)
    case 'date':
      return column.type === 'date' ? value : `${value}::date`
    case 'decimal':
      return column.type === 'numeric' && column.scale === type.scale ? value : `round(${value}::numeric, ${type.scale})`
    default:
      return column.type === 'bool' ? `${value}::int` : value
  }
}

/** SQL of a row's line. */
export function postgresLineSql(columns: readonly { readonly column: PostgresColumn; readonly type: DataType }[]): string {
  const values = columns.map(({ column, type }) => {
    const copied = postgresCopySql(column, type)
    let text = `${copied}::text`
    if (type.kind === 'string')
      text = String.raw`replace(replace(replace(replace(${text}, '\', '\\'), E'\t', '\t'), E'\n', '\n'), E'\r', '\r')`
    return column.nullable ? String.raw`coalesce(${text}, '\N')` : text
  })
  // A function takes at most 100 arguments.
  const groups: string[] = []
  for (let from = 0; from < values.length; from += 90) groups.push(`concat_ws(E'\\t', ${values.slice(from, from + 90).join(', ')})`)
  return groups.length === 1 ? (groups[0] ?? "''") : `concat_ws(E'\\t', ${groups.join(', ')})`
}

export function postgresBucketSql(buckets: Buckets, columnOf: (field: Field) => PostgresColumn): string {
  if (buckets.kind === 'hash') {
    const line = postgresLineSql(buckets.columns.map((field) => ({ column: columnOf(field), type: field.type })))
    return `(('x' || left(md5(${line}), 4))::bit(16)::int % ${buckets.count})`
  }
  if (buckets.kind === 'text') {
    const value = bytesSql(columnOf(buckets.column))
    return `(CASE WHEN ${value} IS NULL THEN 0 ELSE ${amongSql(buckets.bounds, value, 0)} END)`
  }
  const value = quotePostgres(columnOf(buckets.column).name)
  const last = buckets.start + buckets.width * BigInt(buckets.count - 1)
  return `(CASE WHEN ${value} IS NULL OR ${value} < ${buckets.start} THEN 0 WHEN ${value} >= ${last} THEN ${buckets.count - 1} ELSE div(${value}::numeric - ${buckets.start}, ${buckets.width})::int END)`
}

/** Bounds that `width_bucket` looks through, one after the other. */
const AT_ONCE = 32

/** The number of a text's bucket. A longer tree of comparisons would be compiled, which takes longer than all that it is then quicker. */
function amongSql(bounds: readonly string[], value: string, first: number): string {
  if (bounds.length <= AT_ONCE)
    return `${first} + width_bucket((${value})::text COLLATE "C", ARRAY[${bounds.map(textLiteral).join(', ')}]::text[])`
  const middle = bounds.length >> 1
  const [below, above] = [amongSql(bounds.slice(0, middle), value, first), amongSql(bounds.slice(middle + 1), value, first + middle + 1)]
  return `CASE WHEN ${value} < ${textLiteral(bounds[middle] ?? '')} THEN ${below} ELSE ${above} END`
}

/** What stands behind WHERE. */
export function postgresWhereSql(where: Where, columnOf: (field: Field) => PostgresColumn): string {
  if (where.kind === 'range') {
    const column = columnOf(where.column)
    return limitsSql(postgresOrderSql(column), (text) => postgresLiteral(text, where.column.type), where).join(' AND ') || 'TRUE'
  }
  if (where.kind === 'sample') return `random() < ${where.share}`
  const { buckets, numbers } = where
  if (numbers.length === 0) return 'FALSE'
  if (buckets.kind === 'hash') return `${postgresBucketSql(buckets, columnOf)} IN (${numbers.join(', ')})`
  const column = columnOf(buckets.column)
  const [value, literal] = buckets.kind === 'text' ? [bytesSql(column), textLiteral] : [quotePostgres(column.name), (text: string) => text]
  const runs = runsOf(buckets, numbers)
  if (buckets.kind === 'text' && areMany(runs, !value.includes('COLLATE')))
    return `${postgresBucketSql(buckets, columnOf)} IN (${numbers.join(', ')})`
  return runsSql(runs, value, (run) => limitsSql(value, literal, run).join(' AND '))
}

function textLiteral(text: string): string {
  return postgresText(unescapeText(text))
}

/** What a column is ordered and compared by: texts by their bytes. */
export function postgresOrderSql(column: PostgresColumn): string {
  return lakeTypeOf(column).kind !== 'string' || column.type === 'numeric' ? quotePostgres(column.name) : bytesSql(column)
}

/** A value's text, in the order of its bytes. */
function bytesSql(column: PostgresColumn): string {
  const value = quotePostgres(column.name)
  return column.byBytes && (column.type === 'text' || column.type === 'varchar') ? value : `${value}::text COLLATE "C"`
}
