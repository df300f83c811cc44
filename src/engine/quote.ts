import { type DataType, Timestamp } from '../schema/index.js'

/** SQL quoting, all of it: nothing else in Sluice puts a quote around anything that goes into SQL. */

/** `"fare amount"` */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** `'O''Hare'` */
export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

export function quoteNames(names: readonly string[], prefix = ''): string {
  return names.map((name) => `${prefix}${quoteName(name)}`).join(', ')
}

/** A path for the engine's file readers, in which `*`, `?` and `[` mean themselves. */
export function quotePath(path: string): string {
  return quoteText(path.replace(/[*?[]/g, (character) => `[${character}]`))
}

export type SqlValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Timestamp
  | Uint8Array
  | readonly SqlValue[]
  | ReadonlyMap<string, SqlValue>

/** A value as a SQL literal. Numbers that SQL has no literal for (NaN, infinities) are cast from text. */
export function literal(value: SqlValue): string {
  if (value === null) return 'NULL'
  switch (typeof value) {
    case 'string':
      return quoteText(value)
    case 'bigint':
      return value.toString()
    case 'boolean':
      return value ? 'TRUE' : 'FALSE'
    case 'number':
      if (Number.isInteger(value) && Math.abs(value) < 1e15) return Object.is(value, -0) ? "'-0'::DOUBLE" : value.toString()
      return `${quoteText(String(value))}::DOUBLE`
  }
  if (value instanceof Timestamp) return `TIMESTAMPTZ ${quoteText(value.toString())}`
  if (value instanceof Uint8Array) return `from_hex(${quoteText(Buffer.from(value).toString('hex'))})`
  if (value instanceof Map) {
    const entries = [...(value as ReadonlyMap<string, SqlValue>)]
    return `MAP {${entries.map(([key, one]) => `${literal(key)}: ${literal(one)}`).join(', ')}}`
  }
  return `[${(value as readonly SqlValue[]).map(literal).join(', ')}]`
}

/** The type as DuckDB writes it. */
export function sqlType(type: DataType): string {
  switch (type.kind) {
    case 'string':
      return 'VARCHAR'
    case 'long':
      return 'BIGINT'
    case 'integer':
      return 'INTEGER'
    case 'short':
      return 'SMALLINT'
    case 'byte':
      return 'TINYINT'
    case 'float':
      return 'FLOAT'
    case 'double':
      return 'DOUBLE'
    case 'boolean':
      return 'BOOLEAN'
    case 'date':
      return 'DATE'
    case 'timestamp':
      return 'TIMESTAMPTZ'
    case 'timestamp_ntz':
      return 'TIMESTAMP'
    case 'binary':
      return 'BLOB'
    case 'decimal':
      return `DECIMAL(${type.precision},${type.scale})`
    case 'array':
      return `${sqlType(type.element)}[]`
    case 'map':
      return `MAP(${sqlType(type.key)}, ${sqlType(type.value)})`
    case 'struct':
      return `STRUCT(${type.fields.map((field) => `${quoteName(field.name)} ${sqlType(field.type)}`).join(', ')})`
  }
}
