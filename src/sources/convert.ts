import { quoteName, quoteText, sqlType } from '../engine/index.js'
import { type ArrivedColumn, type Columns, type DataType, isTime, widens } from '../schema/index.js'

/**
 * SQL that reads arrived values as the declared types, exactly or not at all: 1.5 is no integer, although SQL would make it 2, and a time of
 * day is no date. A double is rounded to a decimal's scale.
 */

const INTEGERS = new Set<DataType['kind']>(['long', 'integer', 'short', 'byte'])
const FRACTIONAL = new Set<DataType['kind']>(['double', 'float', 'decimal'])

/** True, as SQL, when casting the value loses nothing that a cast would silently drop. */
function exactSql(value: string, from: DataType | undefined, to: DataType): string | undefined {
  const isText = from === undefined || from.kind === 'string'
  if (to.kind === 'decimal' && isText) {
    return `(try_cast(${value} AS DECIMAL(38, ${Math.min(37, to.scale + 9)})) = try_cast(${value} AS ${sqlType(to)}))`
  }
  if (to.kind === 'date') {
    const day = `try_cast(${value} AS DATE)`
    // The engine stops reading a date where it ends: at a time of day, or at the BC of a year long ago.
    if (isText) return `(isfinite(${day}) AND ${day} = try_cast(trim(${value}) AS TIMESTAMP))`
    return isTime(from) ? `(isfinite(${value}) AND ${day} = ${value})` : undefined
  }
  if (!INTEGERS.has(to.kind)) return undefined
  if (isText) {
    return `regexp_full_match(${value}, '\\s*[+-]?[0-9]+(\\.0*)?([eE][+]?[0-9]+)?\\s*')`
  }
  if (FRACTIONAL.has(from.kind)) return `(${value} = try_cast(${value} AS ${sqlType(to)}))`
  return undefined
}

/**
 * NULL in place of infinity, which the engine has among dates and timestamps, and reads from text: a table has it not. In a file, it would be
 * a day of the year 5881580.
 */
export function finite(value: string, type: DataType): string {
  if (type.kind !== 'date' && !isTime(type)) return value
  const infinity = (text: string) => `CAST('${text}' AS ${sqlType(type)})`
  return `nullif(nullif(${value}, ${infinity('infinity')}), ${infinity('-infinity')})`
}

/** Ends the statement where a value, once it is read, is none. */
export function required(value: string, read: string, type: DataType): string {
  return `coalesce(${read}, CASE WHEN ${value} IS NOT NULL THEN CAST(error('not exactly a value of its type') AS ${sqlType(type)}) END)`
}

/** NULL where the value cannot be read as the type. */
export function tryConvert(value: string, from: DataType | undefined, to: DataType): string {
  if (from !== undefined && widens(from, to)) return `CAST(${value} AS ${sqlType(to)})`
  const exact = exactSql(value, from, to)
  // try_cast makes a null of each part of a nested value that does not convert; TRY makes one of the whole.
  const nested = to.kind === 'struct' || to.kind === 'array' || to.kind === 'map'
  const cast = nested ? `TRY(CAST(${value} AS ${sqlType(to)}))` : `try_cast(${value} AS ${sqlType(to)})`
  return exact === undefined ? finite(cast, to) : `CASE WHEN ${exact} THEN ${cast} END`
}

/** Ends the statement where the value cannot be read as the type. */
export function convert(value: string, from: DataType | undefined, to: DataType): string {
  const cast = `CAST(${value} AS ${sqlType(to)})`
  if (from !== undefined && widens(from, to)) return cast
  const exact = exactSql(value, from, to)
  const read = exact === undefined ? finite(cast, to) : `CASE WHEN ${exact} THEN ${cast} END`
  return read === cast ? cast : required(value, read, to)
}

export interface ReadColumns {
  readonly columns: Columns
  readonly mapping: ReadonlyMap<string, ArrivedColumn>
  /** Declared columns that are left out, by policy. */
  readonly dropped: ReadonlySet<string>
  readonly extra: readonly ArrivedColumn[]
  /** Rows of this file are held, for this reason. */
  readonly problem?: string
  /** Columns that no table keeps, and that a held row keeps all the same. */
  readonly besides?: readonly ArrivedColumn[]
}

/** The SELECT list that turns an arrived row into a declared one. `careful` adds `_problem` and `_raw`. */
export function selectList({ columns, mapping, dropped, extra, problem, besides = [] }: ReadColumns, careful: boolean): string[] {
  const read = careful ? tryConvert : convert
  const failures: { name: string; value: string; failed: string }[] = []
  const declared = Object.entries(columns).map(([name, column]) => {
    const arrived = mapping.get(name)
    if (arrived === undefined || dropped.has(name)) return `NULL::${sqlType(column.type)} AS ${quoteName(name)}`
    const value = quoteName(arrived.name)
    const converted = read(value, arrived.type, column.type)
    if (careful && !(arrived.type !== undefined && widens(arrived.type, column.type))) {
      failures.push({ name, value, failed: `(${value} IS NOT NULL AND (${converted}) IS NULL)` })
    }
    return `${converted} AS ${quoteName(name)}`
  })
  const kept = extra.map((one) => `${quoteName(one.name)}::${sqlType(one.type ?? { kind: 'string' })} AS ${quoteName(one.name)}`)
  if (!careful) return [...declared, ...kept]
  const any = failures.map((one) => one.failed).join(' OR ') || 'false'
  const entries = failures.map((one) => `CASE WHEN ${one.failed} THEN {'k': ${quoteText(one.name)}, 'v': ${one.value}::VARCHAR} END`)
  entries.push(
    ...besides.map(
      (one) => `CASE WHEN ${quoteName(one.name)} IS NOT NULL THEN {'k': ${quoteText(one.name)}, 'v': ${quoteName(one.name)}::VARCHAR} END`,
    ),
  )
  const raw = entries.length === 0 ? 'NULL' : `map_from_entries(list_filter([${entries.join(', ')}], lambda e : e IS NOT NULL))`
  return [
    ...declared,
    ...kept,
    `CASE WHEN ${any} THEN 'value_converts' ${problem === undefined ? '' : `ELSE ${quoteText(problem)}`} END AS _problem`,
    `${besides.length > 0 ? raw : `CASE WHEN ${any} THEN ${raw} END`}::MAP(VARCHAR, VARCHAR) AS _raw`,
  ]
}
