import { quoteName, quoteText, sqlType } from '../engine/index.js'
import type { DataType } from '../schema/index.js'
import { textBucketSql } from './bucket-ranges.js'
import { lineSql } from './lines.js'
import { unescapeText } from './rows.js'
import type { Buckets, Where } from './store.js'

/** Which rows, as DuckDB's SQL: the same for a file that is a store and for the lake. */

/** A line's text as a SQL value. NUL would end the statement's text: it is written as a call. */
function valueSql(text: string, type: DataType): string {
  const texts = (plain: string) => plain.split('\0').map(quoteText).join(' || chr(0) || ')
  switch (type.kind) {
    case 'string':
      return `(${texts(unescapeText(text))})`
    case 'binary':
      return `from_hex(${quoteText(text)})`
    case 'timestamp':
      return `CAST(${quoteText(`${text}+00`)} AS TIMESTAMPTZ)`
    default:
      return `CAST(${quoteText(text)} AS ${sqlType(type)})`
  }
}

/** ` WHERE ...`, on the engine's own columns. */
export function whereSql(where: Where | undefined): string {
  if (where === undefined) return ''
  if (where.kind === 'sample') return ` WHERE random() < ${where.share}`
  if (where.kind === 'buckets') {
    return where.numbers.length === 0 ? ' WHERE false' : ` WHERE ${bucketSql(where.buckets)} IN (${where.numbers.join(', ')})`
  }
  const { column, from, after, to } = where
  const limits = [
    ['>=', from],
    ['>', after],
    ['<', to],
  ] as const
  const parts = limits.flatMap(([sign, text]) =>
    text === undefined ? [] : [`${quoteName(column.name)} ${sign} ${valueSql(text, column.type)}`],
  )
  return ` WHERE ${[`${quoteName(column.name)} IS NOT NULL`, ...parts].join(' AND ')}`
}

/** The number of a row's bucket. */
export function bucketSql(buckets: Buckets): string {
  if (buckets.kind === 'hash') return `CAST('0x' || left(md5(${lineSql(buckets.columns)}), 4) AS BIGINT) % ${buckets.count}`
  if (buckets.kind === 'text')
    return textBucketSql(buckets.bounds, quoteName(buckets.column.name), (text) => valueSql(text, buckets.column.type))
  const { column, start, width, count } = buckets
  return `CAST(least(${count - 1}, greatest(0, (CAST(${quoteName(column.name)} AS HUGEINT) - (${start})) // ${width})) AS BIGINT)`
}
