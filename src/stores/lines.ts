import { quoteName, sqlType } from '../engine/index.js'
import type { DataType, Field } from '../schema/index.js'
import { NULL } from './rows.js'

/** Lines (see rows.ts) as the engine, DuckDB, writes and reads them. */

/** SQL of a row's line: `SELECT ${lineSql(columns)} AS line FROM ...`. */
export function lineSql(columns: readonly Field[]): string {
  return `concat_ws(chr(9), ${columns.map((column) => `coalesce(${valueSql(quoteName(column.name), column.type)}, '${NULL}')`).join(', ')})`
}

function valueSql(value: string, type: DataType): string {
  switch (type.kind) {
    case 'string': {
      const escapes = [
        ["'\\'", "'\\\\'"],
        ['chr(9)', "'\\t'"],
        ['chr(10)', "'\\n'"],
        ['chr(13)', "'\\r'"],
        ['chr(0)', "'\\0'"],
      ] as const
      return escapes.reduce((sql, [from, to]) => `replace(${sql}, ${from}, ${to})`, value)
    }
    case 'boolean':
      return `CASE WHEN ${value} THEN '1' WHEN NOT ${value} THEN '0' END`
    case 'float':
    case 'double':
      return `CASE WHEN isnan(${value}) THEN 'NaN' WHEN isinf(${value}) THEN CASE WHEN ${value} > 0 THEN 'Infinity' ELSE '-Infinity' END ELSE regexp_replace(CAST(CAST(${value} AS DOUBLE) AS VARCHAR), '\\.0$', '') END`
    case 'timestamp':
      return `strftime(${value} AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%f')`
    case 'timestamp_ntz':
      return `strftime(${value}, '%Y-%m-%d %H:%M:%S.%f')`
    case 'binary':
      return `lower(hex(${value}))`
    case 'date':
      return `strftime(${value}, '%Y-%m-%d')`
    default:
      return `CAST(${value} AS VARCHAR)`
  }
}

/**
 * A value's text in a line as a value of the column's type. With `try_cast` text that is none of the type is NULL, with `CAST` it ends the
 * statement, or is NULL for a date.
 */
export function readSql(text: string, type: DataType, cast: 'try_cast' | 'CAST' = 'try_cast'): string {
  switch (type.kind) {
    case 'string':
      return unescapedSql(text)
    case 'binary':
      return `from_hex(${text})`
    case 'timestamp':
      return `${cast}(${text} || '+00' AS TIMESTAMPTZ)`
    case 'date':
      // The engine stops reading a date where it ends, at the BC of PostgreSQL's `0044-03-15 BC`.
      return `CASE WHEN try_cast(${text} AS TIMESTAMP) IS NOT NULL THEN ${cast}(${text} AS DATE) END`
    default:
      return `${cast}(${text} AS ${sqlType(type)})`
  }
}

/** The text behind a line's: what stands between two `\\` has no other backslash than those of \t, \n, \r and \0. */
function unescapedSql(text: string): string {
  const escapes = [
    ['\\t', 9],
    ['\\n', 10],
    ['\\r', 13],
    ['\\0', 0],
  ] as const
  const part = escapes.reduce((sql, [from, code]) => `replace(${sql}, '${from}', chr(${code}))`, 'part')
  return `CASE WHEN contains(${text}, '\\') THEN array_to_string(list_transform(string_split(${text}, '\\\\'), lambda part: ${part}), '\\') ELSE ${text} END`
}

/** 64 bits less four, from the MD5 of a line: what digests add up. Every store has the same. */
export function hashSql(line: string): string {
  return `CAST('0x' || left(md5(${line}), 15) AS BIGINT)`
}
