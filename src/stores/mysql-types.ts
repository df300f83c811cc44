import { failure, STORE_TYPE_UNSUPPORTED } from '../errors/index.js'
import { type DataType, type Field, typeText } from '../schema/index.js'
import { bucketRangesSql } from './bucket-ranges.js'
import { escapeText, NULL, unescapeText } from './rows.js'
import type { Buckets, Capabilities, Where } from './store.js'

export const MYSQL_CAPABILITIES: Capabilities = {
  upsert: true,
  delete: true,
  transactions: true,
  bulkLoad: true,
  orderedScan: true,
  digest: true,
  ddl: true,
  sql: true,
  nul: true,
  types: {
    string: 'exact',
    long: 'exact',
    integer: 'exact',
    short: 'exact',
    byte: 'exact',
    // NaN, the infinities and -0 are none of its.
    float: 'checked',
    double: 'checked',
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

/** A column as information_schema has it. */
export interface MysqlColumn {
  readonly name: string
  /** `varchar`, `tinyint` */
  readonly dataType: string
  /** `varchar(255)`, `tinyint(1) unsigned` */
  readonly columnType: string
  readonly nullable: boolean
  readonly precision: number | undefined
  readonly scale: number | undefined
  /** Digits of a second. */
  readonly fraction: number | undefined
  readonly charset: string | undefined
  readonly collation: string | undefined
  readonly defaulted: boolean
  readonly autoIncrement: boolean
}

export function quoteMysql(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``
}

/** Text as a literal, whatever it holds; needs NO_BACKSLASH_ESCAPES to be off. */
export function mysqlText(text: string): string {
  const escaped = text.replace(/[\\'\0\n\r]/g, (character) => TEXT_ESCAPES[character] ?? character)
  return `_utf8mb4'${escaped}'`
}

const TEXT_ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', "'": "\\'", '\0': '\\0', '\n': '\\n', '\r': '\\r' }

/** A line's text of a value as a literal. A line's escapes are MySQL's own, but for the quote. */
export function mysqlLiteral(text: string, type: DataType): string {
  if (text === NULL) return 'NULL'
  if (type.kind === 'string') return mysqlText(unescapeText(text))
  if (type.kind === 'binary') return text === '' ? "''" : `X'${text}'`
  if (['timestamp', 'timestamp_ntz'].includes(type.kind)) return `TIMESTAMP'${text}'`
  if (type.kind === 'date') return `DATE'${text}'`
  // A number longer than this is of no type that is written so.
  return /^-?[\d.e+-]{1,330}$/i.test(text) ? text : mysqlText(text)
}

/** In a key or index a column has a length; an index of InnoDB takes 3,072 bytes, a character up to 4. */
export function mysqlTypeSql({ name, type }: Field, indexed: { readonly columns: number } | undefined, binaryCollation: string): string {
  switch (type.kind) {
    case 'string':
      return indexed === undefined
        ? `LONGTEXT CHARACTER SET utf8mb4 COLLATE ${binaryCollation}`
        : `VARCHAR(${indexedLength(indexed.columns, 4)}) CHARACTER SET utf8mb4 COLLATE ${binaryCollation}`
    case 'binary':
      return indexed === undefined ? 'LONGBLOB' : `VARBINARY(${indexedLength(indexed.columns, 4)})`
    case 'long':
      return 'BIGINT'
    case 'integer':
      return 'INT'
    case 'short':
      return 'SMALLINT'
    case 'byte':
      return 'TINYINT'
    case 'boolean':
      return 'TINYINT(1)'
    // A FLOAT shows six digits.
    case 'float':
    case 'double':
      return 'DOUBLE'
    case 'date':
      return 'DATE'
    case 'timestamp':
    case 'timestamp_ntz':
      return 'DATETIME(6)'
    case 'decimal':
      if (type.scale <= 30) return `DECIMAL(${type.precision},${type.scale})`
      throw unsupported(name, type, 'It takes 30 digits after the point: round it to a decimal of a smaller scale.')
    default:
      throw unsupported(name, type, 'Write its parts as columns of their own, or as JSON text.')
  }
}

function unsupported(column: string, type: DataType, advice: string): Error {
  return failure(STORE_TYPE_UNSUPPORTED, { store: 'mysql', column, type: typeText(type), advice })
}

function indexedLength(columns: number, bytes: number): number {
  return Math.min(255, Math.floor(3_000 / bytes / columns))
}

/** The lake's type that holds every value of a column. */
export function lakeType({ dataType, columnType, precision = 0, scale = 0 }: MysqlColumn): DataType {
  const unsigned = columnType.includes('unsigned')
  switch (dataType) {
    case 'tinyint':
      if (columnType.startsWith('tinyint(1)') && !unsigned) return { kind: 'boolean' }
      return { kind: unsigned ? 'short' : 'byte' }
    case 'smallint':
      return { kind: unsigned ? 'integer' : 'short' }
    case 'mediumint':
      return { kind: 'integer' }
    case 'int':
      return { kind: unsigned ? 'long' : 'integer' }
    case 'bigint':
      return unsigned ? { kind: 'decimal', precision: 20, scale: 0 } : { kind: 'long' }
    case 'year':
      return { kind: 'short' }
    case 'bit':
      if (precision === 1) return { kind: 'boolean' }
      return precision < 32 ? { kind: 'integer' } : precision < 64 ? { kind: 'long' } : { kind: 'decimal', precision: 20, scale: 0 }
    case 'decimal':
      return precision <= 38 ? { kind: 'decimal', precision, scale } : { kind: 'string' }
    case 'float':
      return { kind: 'float' }
    case 'double':
      return { kind: 'double' }
    case 'date':
      return { kind: 'date' }
    case 'datetime':
    case 'timestamp':
      return { kind: 'timestamp' }
    default:
      return { kind: /binary|blob|geometry|point|linestring|polygon|vector/.test(dataType) ? 'binary' : 'string' }
  }
}

/** Whether a column tells texts apart, and orders them, by their bytes. */
export function comparesBytes({ collation }: MysqlColumn): boolean {
  return collation === undefined || /nopad_bin$|0900_bin$|^binary$/.test(collation)
}

/** Bytes of text from which on it is not the server that escapes it: its REPLACE takes time by the square of the length. */
const LONG_TEXT = 4_096

/** SQL of a value's text in a line, null for null. */
function valueSql(column: MysqlColumn, type: DataType, longAsHex: boolean): string {
  const value = quoteMysql(column.name)
  switch (type.kind) {
    case 'string': {
      const text =
        column.charset === 'utf8mb4' ? value : `CONVERT(${column.charset === undefined ? `CAST(${value} AS CHAR)` : value} USING utf8mb4)`
      if (!longAsHex || column.charset === undefined || /char|enum|set/.test(column.dataType)) return escapedSql(text)
      return String.raw`IF(LENGTH(${text}) > ${LONG_TEXT}, CONCAT('\\x', HEX(${text})), ${escapedSql(text)})`
    }
    case 'binary':
      return `LOWER(HEX(${value}))`
    case 'boolean':
      return column.dataType === 'tinyint' || column.dataType === 'bit' ? `(${value} <> 0)` : `${value}`
    case 'float':
    case 'double':
      return `(${value} + 0e0)`
    case 'date':
      return column.dataType === 'date' ? value : `DATE_FORMAT(${value}, '%Y-%m-%d')`
    case 'timestamp':
    case 'timestamp_ntz':
      return column.fraction === 6 ? value : `DATE_FORMAT(${value}, '%Y-%m-%d %H:%i:%s.%f')`
    case 'decimal':
      return column.dataType === 'decimal' && column.scale === type.scale ? value : `CAST(${value} AS DECIMAL(65,${type.scale}))`
    default:
      return column.dataType === 'bit' ? `(${value} + 0)` : value
  }
}

/** Byte by byte, which is many times quicker than by the rules of a collation. */
function escapedSql(text: string): string {
  const bytes = `CAST(${text} AS BINARY)`
  return String.raw`REPLACE(REPLACE(REPLACE(REPLACE(REPLACE(${bytes}, '\\', '\\\\'), '\t', '\\t'), '\n', '\\n'), '\r', '\\r'), '\0', '\\0')`
}

/** SQL of a row's line. With `longAsHex` long texts are `\x` and their bytes, which `withoutHex` turns back. */
export function mysqlLineSql(columns: readonly { readonly column: MysqlColumn; readonly type: DataType }[], longAsHex = false): string {
  const values = columns.map(({ column, type }) => {
    const value = valueSql(column, type, longAsHex)
    return column.nullable ? String.raw`IFNULL(${value}, '\\N')` : value
  })
  return String.raw`CONVERT(CONCAT_WS('\t', ${values.join(', ')}) USING utf8mb4)`
}

export function withoutHex(line: string): string {
  if (!line.includes('\\x')) return line
  return line
    .split('\t')
    .map((text) => (text.startsWith('\\x') ? escapeText(Buffer.from(text.slice(2), 'hex').toString()) : text))
    .join('\t')
}

export function mysqlBucketSql(buckets: Buckets, columnOf: (field: Field) => MysqlColumn): string {
  if (buckets.kind === 'hash') {
    const line = mysqlLineSql(buckets.columns.map((field) => ({ column: columnOf(field), type: field.type })))
    return `MOD(CAST(CONV(LEFT(MD5(${line}), 4), 16, 10) AS UNSIGNED), ${buckets.count})`
  }
  const value = `CAST(${quoteMysql(columnOf(buckets.column).name)} AS DECIMAL(30,0))`
  const end = buckets.start + buckets.width * BigInt(buckets.count - 1)
  return `(CASE WHEN ${value} < ${end} THEN IF(${value} < ${buckets.start}, 0, (${value} - ${buckets.start}) DIV ${buckets.width}) WHEN ${value} IS NULL THEN 0 ELSE ${buckets.count - 1} END)`
}

/** What stands behind WHERE. */
export function mysqlWhereSql(where: Where, columnOf: (field: Field) => MysqlColumn): string {
  if (where.kind === 'buckets') {
    if (where.numbers.length === 0) return 'FALSE'
    return where.buckets.kind === 'hash'
      ? `${mysqlBucketSql(where.buckets, columnOf)} IN (${where.numbers.join(', ')})`
      : bucketRangesSql(where.buckets, where.numbers, quoteMysql(columnOf(where.buckets.column).name))
  }
  const column = columnOf(where.column)
  const value = mysqlOrderSql(column)
  const literal = (text: string) => {
    const written = mysqlLiteral(text, where.column.type)
    return comparesBytes(column) || where.column.type.kind !== 'string' ? written : `CAST(${written} AS BINARY)`
  }
  const parts = [
    `${value} IS NOT NULL`,
    ...(where.from === undefined ? [] : [`${value} >= ${literal(where.from)}`]),
    ...(where.after === undefined ? [] : [`${value} > ${literal(where.after)}`]),
    ...(where.to === undefined ? [] : [`${value} < ${literal(where.to)}`]),
  ]
  return where.from === undefined && where.after === undefined && where.to === undefined ? 'TRUE' : parts.join(' AND ')
}

/** What a column is ordered and compared by. */
export function mysqlOrderSql(column: MysqlColumn): string {
  return comparesBytes(column) ? quoteMysql(column.name) : `CAST(${quoteMysql(column.name)} AS BINARY)`
}
