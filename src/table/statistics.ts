import type { ColumnStatistics, WrittenFile } from '../engine/index.js'
import { type DataType, type Field, isTime } from '../schema/index.js'

/**
 * Per-file statistics, as the log keeps them: `{"numRecords":3,"minValues":{"a":1},"maxValues":{"a":9},"nullCount":{"a":0}}`.
 * Source: the Delta protocol, "Per-file Statistics"; the lengths and roundings are Spark's, save that a timestamp's max is rounded up
 * to the millisecond, so that readers that do not widen it skip nothing they need.
 */

/** Spark's default of delta.dataSkippingNumIndexedCols. */
const INDEXED_LEAVES = 32
const STRING_PREFIX = 32

/** JSON text is built by hand: a long beyond 2^53 or a decimal would lose digits as a JavaScript number. */
type JsonTree = Map<string, string | JsonTree>

export function formatStatistics(
  file: WrittenFile,
  fields: readonly Field[],
  partitionColumns: readonly string[],
  indexedLeaves = INDEXED_LEAVES,
): string {
  const min: JsonTree = new Map()
  const max: JsonTree = new Map()
  const nulls: JsonTree = new Map()
  const byPath = new Map(file.statistics.map((one) => [one.path.join('\0'), one]))
  for (const { path, type } of leaves(fields.filter((field) => !partitionColumns.includes(field.name))).slice(
    0,
    indexedLeaves < 0 ? undefined : indexedLeaves,
  )) {
    const found = byPath.get(path.join('\0'))
    if (found === undefined) continue
    set(nulls, path, String(found.nulls))
    const low = formatBound(found.min, type, found, 'min')
    const high = formatBound(found.max, type, found, 'max')
    if (low !== undefined) set(min, path, low)
    if (high !== undefined) set(max, path, high)
  }
  return `{"numRecords":${file.rows},"minValues":${format(min)},"maxValues":${format(max)},"nullCount":${format(nulls)}}`
}

function leaves(fields: readonly Field[], above: readonly string[] = []): { path: string[]; type: DataType }[] {
  return fields.flatMap((field) => {
    const path = [...above, field.name]
    if (field.type.kind === 'struct') return leaves(field.type.fields, path)
    return field.type.kind === 'array' || field.type.kind === 'map' ? [] : [{ path, type: field.type }]
  })
}

function set(tree: JsonTree, path: readonly string[], value: string): void {
  const [head = '', ...rest] = path
  if (rest.length === 0) {
    tree.set(head, value)
    return
  }
  const below = tree.get(head) ?? new Map()
  tree.set(head, below)
  set(below as JsonTree, rest, value)
}

function format(tree: JsonTree): string {
  return `{${[...tree].map(([name, value]) => `${JSON.stringify(name)}:${typeof value === 'string' ? value : format(value)}`).join(',')}}`
}

function formatBound(text: string | undefined, type: DataType, column: ColumnStatistics, side: 'min' | 'max'): string | undefined {
  if (text === undefined) return undefined
  switch (type.kind) {
    case 'string':
      return formatString(text, side)
    case 'date':
      return /^\d{4}-\d{2}-\d{2}$/.test(text) ? JSON.stringify(text) : undefined
    case 'timestamp':
    case 'timestamp_ntz':
      return formatTimestamp(text, type.kind === 'timestamp', side)
    case 'float':
    case 'double':
      if (column.hasNan || !Number.isFinite(Number(text))) return undefined
      // As a double, which the column may once become, a float is not what its shortest text says.
      return side === 'max' && Number(text) === 0 ? '0.0' : String(type.kind === 'float' ? Math.fround(Number(text)) : Number(text))
    case 'boolean':
    case 'binary':
      return undefined
    default:
      return /^-?\d+(\.\d+)?$/.test(text) ? text : undefined
  }
}

function formatString(text: string, side: 'min' | 'max'): string | undefined {
  const points = [...text]
  if (points.length <= STRING_PREFIX) return JSON.stringify(text)
  const prefix = points.slice(0, STRING_PREFIX).join('')
  if (side === 'min') return JSON.stringify(prefix)
  // A cut maximum must not sort before what was cut off.
  // Nothing comes after U+10FFFF: what is cut off there may be more than any bound of this length.
  if (points[STRING_PREFIX] === '\u{10FFFF}') return undefined
  return JSON.stringify(prefix + ((points[STRING_PREFIX] ?? '') < '\u007F' ? '\u007F' : '\u{10FFFF}'))
}

function formatTimestamp(text: string, utc: boolean, side: 'min' | 'max'): string | undefined {
  const match = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?(?:\+00)?$/.exec(text)
  if (match === null) return undefined
  const micros = Number((match[3] ?? '').padEnd(6, '0'))
  const millis = side === 'min' ? Math.floor(micros / 1000) : Math.ceil(micros / 1000)
  const date = new Date(Date.parse(`${match[1]}T${match[2]}Z`) + millis)
  return Number.isNaN(date.getTime()) ? undefined : JSON.stringify(utc ? date.toISOString() : date.toISOString().slice(0, -1))
}

/** What can be known of a file without opening it. */
export interface FileStatistics {
  readonly rows?: number
  readonly min: Readonly<Record<string, unknown>>
  readonly max: Readonly<Record<string, unknown>>
  readonly nulls: Readonly<Record<string, unknown>>
}

/** Statistics that make no sense (some writers put their own there) count as absent. */
export function parseStatistics(text: string | undefined): FileStatistics {
  const nothing = { min: {}, max: {}, nulls: {} }
  if (text === undefined) return nothing
  try {
    const { numRecords, minValues, maxValues, nullCount } = JSON.parse(text) as Readonly<Record<string, unknown>>
    return {
      ...(typeof numRecords === 'number' ? { rows: numRecords } : {}),
      min: record(minValues),
      max: record(maxValues),
      nulls: record(nullCount),
    }
  } catch {
    return nothing
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
}

/** The smallest and largest value wanted of a column, as the engine writes them in text, and whether null is wanted too. */
export interface Range {
  readonly min: string | null
  readonly max: string | null
  readonly nulls: boolean
}

/**
 * False only when the statistics prove that no row of the file has a value in the range.
 * A missing bound proves nothing.
 */
export function mayHold(statistics: FileStatistics, column: string, type: DataType, range: Range): boolean {
  const nulls = own(statistics.nulls, column)
  if (range.nulls && nulls !== 0) return true
  if (range.min === null || range.max === null) return false
  if (statistics.rows !== undefined && nulls === statistics.rows) return false
  const low = comparable(own(statistics.min, column), type)
  const high = comparable(own(statistics.max, column), type)
  const wantedLow = comparable(range.min, type)
  const wantedHigh = comparable(range.max, type)
  if (low !== undefined && wantedHigh !== undefined && low > wantedHigh) return false
  // Some writers cut a timestamp's maximum down to the millisecond.
  const slack = typeof high === 'number' && isTime(type) ? 1 : 0
  if (high !== undefined && wantedLow !== undefined && (typeof high === 'number' ? high + slack : high) < wantedLow) return false
  return true
}

/** A column may be called what every object has: `constructor`. */
function own(values: Readonly<Record<string, unknown>>, column: string): unknown {
  return Object.hasOwn(values, column) ? values[column] : undefined
}

/** A value that `<` orders as the engine does, or undefined where it would not. Longs and decimals as doubles are near enough only when they differ. */
function comparable(value: unknown, type: DataType): number | string | undefined {
  if (value === undefined || value === null) return undefined
  switch (type.kind) {
    case 'date':
      // Years of five digits, or before the first, do not sort as text.
      return /^\d{4}-\d{2}-\d{2}/.test(String(value)) && !String(value).includes('BC') ? String(value).slice(0, 10) : undefined
    case 'timestamp':
    case 'timestamp_ntz': {
      const millis = Date.parse(
        `${String(value)
          .replace(' ', 'T')
          .replace(/(\+00(:00)?|Z)$/, '')}Z`,
      )
      return Number.isNaN(millis) ? undefined : millis
    }
    case 'string': {
      // UTF-16 order is not byte order beyond the basic plane.
      const text = String(value)
      return /[\uD800-\uFFFF]/.test(text) ? undefined : text
    }
    case 'long':
    case 'integer':
    case 'short':
    case 'byte':
    case 'float':
    case 'double':
    case 'decimal': {
      // Some write the shortest text of a float, some the double that it is.
      const number = type.kind === 'float' ? Math.fround(Number(value)) : Number(value)
      return Number.isFinite(number) ? number : undefined
    }
    default:
      return undefined
  }
}
