import { failure, STORE_TYPE_UNSUPPORTED } from '../errors/index.js'
import { type DataType, type Field, typeText } from '../schema/index.js'
import { areMany, limitsSql, type Run, runsOf, runsSql, textBucketSql } from './bucket-ranges.js'
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
  if (buckets.kind === 'text') {
    const column = columnOf(buckets.column)
    return textBucketSql(buckets.bounds, bytesSql(column), (text) => bytesLiteral(column, text))
  }
  const value = `CAST(${quoteMysql(columnOf(buckets.column).name)} AS DECIMAL(30,0))`
  const end = buckets.start + buckets.width * BigInt(buckets.count - 1)
  return `(CASE WHEN ${value} < ${end} THEN IF(${value} < ${buckets.start}, 0, (${value} - ${buckets.start}) DIV ${buckets.width}) WHEN ${value} IS NULL THEN 0 ELSE ${buckets.count - 1} END)`
}

/** What stands behind WHERE. */
export function mysqlWhereSql(where: Where, columnOf: (field: Field) => MysqlColumn): string {
  if (where.kind === 'range') {
    const { from, after, to } = where
    if (from === undefined && after === undefined && to === undefined) return 'TRUE'
    const column = columnOf(where.column)
    const [value, start] = [mysqlOrderSql(column), from ?? after]
    const near = where.column.type.kind === 'string' ? nearSql(column, { ...where, ...(start === undefined ? {} : { from: start }) }) : []
    const limits = limitsSql(value, (text) => orderedLiteral(column, text, where.column.type), where)
    return [`${value} IS NOT NULL`, ...near, ...limits].join(' AND ')
  }
  if (where.kind === 'sample') return `RAND() < ${where.share}`
  const { buckets, numbers } = where
  if (numbers.length === 0) return 'FALSE'
  if (buckets.kind === 'hash') return `${mysqlBucketSql(buckets, columnOf)} IN (${numbers.join(', ')})`
  const column = columnOf(buckets.column)
  const name = quoteMysql(column.name)
  const runs = runsOf(buckets, numbers)
  if (buckets.kind === 'range') return runsSql(runs, name, (run) => limitsSql(name, (text) => text, run).join(' AND '))
  if (areMany(runs, isServed(column))) return `${mysqlBucketSql(buckets, columnOf)} IN (${numbers.join(', ')})`
  const bytes = bytesSql(column)
  const literal = (text: string) => bytesLiteral(column, text)
  return runsSql(runs, name, (run) => [...nearSql(column, run), ...limitsSql(bytes, literal, run)].join(' AND '))
}

/**
 * Limits that are no narrower than those wanted and that an index serves, where a column's order is that of bytes but for spaces at the end,
 * which count for nothing: texts of printable characters alone stand alike in both, and a text past one of them is past its beginning.
 */
function nearSql(column: MysqlColumn, limits: Run): string[] {
  if (isByBytes(column) || !isServed(column)) return []
  const name = quoteMysql(column.name)
  const [from, to] = [limits.from, limits.to].map((text) => (text === undefined ? undefined : unescapeText(text)))
  const isPrintable = (text: string) => /^[!-~]+$/.test(text)
  return [
    ...(from !== undefined && from.length > 1 && isPrintable(from) ? [`${name} >= ${mysqlText(from.slice(0, -1))}`] : []),
    ...(to !== undefined && isPrintable(to) ? [`${name} < ${mysqlText(to)}`] : []),
  ]
}

function orderedLiteral(column: MysqlColumn, text: string, type: DataType): string {
  return type.kind === 'string' && column.collation !== undefined ? bytesLiteral(column, text) : mysqlLiteral(text, type)
}

/** What a column is ordered and compared by: texts by their bytes in UTF-8. */
export function mysqlOrderSql(column: MysqlColumn): string {
  return column.collation === undefined ? quoteMysql(column.name) : bytesSql(column)
}

/** A value's text, in the order of its bytes in UTF-8. */
function bytesSql(column: MysqlColumn): string {
  const name = quoteMysql(column.name)
  if (isByBytes(column)) return name
  if (isUnicode(column)) return `CAST(${name} AS BINARY)`
  return `CAST(CONVERT(${column.charset === undefined ? `CAST(${name} AS CHAR)` : name} USING utf8mb4) AS BINARY)`
}

/** A line's text to compare it with. */
function bytesLiteral(column: MysqlColumn, text: string): string {
  const plain = unescapeText(text)
  return isByBytes(column) ? mysqlText(plain) : `X'${Buffer.from(plain).toString('hex')}'`
}

/** Whether an index of the column finds ranges of its texts' bytes. */
function isServed(column: MysqlColumn): boolean {
  return isByBytes(column) || (isUnicode(column) && /_bin$/.test(column.collation ?? ''))
}

/** Whether the server's own order of a column is that of its texts' bytes in UTF-8. An ENUM is ordered by its list. */
function isByBytes(column: MysqlColumn): boolean {
  return isUnicode(column) && comparesBytes(column)
}

function isUnicode({ charset, dataType }: MysqlColumn): boolean {
  return charset !== undefined && /^(?:utf8mb4|utf8mb3|utf8|ascii)$/.test(charset) && !/^(?:enum|set)$/.test(dataType)
}
