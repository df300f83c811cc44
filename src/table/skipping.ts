import type { Condition } from '../engine/index.js'
import type { DataType, Field } from '../schema/index.js'
import { type FileStatistics, mayHold } from './statistics.js'

type Comparison = Extract<Condition, { kind: 'compare' }>

/** What the log says of a file that holds rows. */
export interface DescribedFile {
  readonly statistics: FileStatistics
  /** As text, null for null. */
  readonly partition: Readonly<Record<string, string | null>>
}

/**
 * False only when statistics or partition values prove that the condition is true of no row of the file.
 * A column that is not found, a comparison whose casts are not certain and statistics that are absent or make no sense prove nothing.
 *
 * @param fields the table's columns; statistics and partition values go by their stored names
 * @param partitionColumns by the names that `fields` have
 * @param alias what the table may be called before a column's name
 */
export function mayHoldRow(
  condition: Condition,
  file: DescribedFile,
  fields: readonly Field[],
  partitionColumns: readonly string[],
  alias?: string,
): boolean {
  switch (condition.kind) {
    case 'and':
      return condition.of.every((one) => mayHoldRow(one, file, fields, partitionColumns, alias))
    case 'or':
      return condition.of.some((one) => mayHoldRow(one, file, fields, partitionColumns, alias))
    case 'unknown':
      return true
    case 'null':
    case 'compare': {
      const path = resolve(condition.column, fields, alias)
      if (path === undefined) return true
      const known = describe(path, file, partitionColumns)
      if (condition.kind === 'compare') return known === undefined || mayCompare(condition, known)
      if (known === undefined) return true
      if (condition.is) return known.nulls !== 0
      return known.nulls === undefined || known.nulls !== known.rows
    }
  }
}

/** The fields from the column to the leaf that the name means; undefined when it means none, or more than one. */
function resolve(names: readonly string[], fields: readonly Field[], alias: string | undefined): readonly Field[] | undefined {
  const [first = '', ...others] = names
  const paths = descend(names, fields)
  if (alias !== undefined && others.length > 0 && first.toLowerCase() === alias.toLowerCase()) paths.push(...descend(others, fields))
  return paths.length === 1 ? paths[0] : undefined
}

function descend([name, ...others]: readonly string[], fields: readonly Field[]): (readonly Field[])[] {
  return fields
    .filter((field) => field.name.toLowerCase() === name?.toLowerCase())
    .flatMap((field) => {
      if (others.length === 0) return [[field]]
      return field.type.kind === 'struct' ? descend(others, field.type.fields).map((path) => [field, ...path]) : []
    })
}

/** What is known of one column in one file. */
interface Known {
  readonly type: DataType
  readonly low?: unknown
  readonly high?: unknown
  readonly nulls?: number
  readonly rows?: number
}

function describe(
  path: readonly Field[],
  { statistics, partition }: DescribedFile,
  partitionColumns: readonly string[],
): Known | undefined {
  const [column] = path
  const type = path.at(-1)?.type
  if (column === undefined || type === undefined || type.kind === 'struct') return undefined
  const names = path.map((field) => field.stored?.name ?? field.name)
  if (partitionColumns.includes(column.name)) {
    const value = within(partition, names)
    if (value === null) return { type, nulls: 1, rows: 1 }
    // The protocol has '' for null, some writers for the empty text.
    if (typeof value !== 'string' || value === '') return undefined
    const bound = type.kind === 'boolean' && (value === 'true' || value === 'false') ? value === 'true' : value
    return { type, low: bound, high: bound, nulls: 0, rows: 1 }
  }
  const nulls = within(statistics.nulls, names)
  const { rows } = statistics
  return {
    type,
    low: within(statistics.min, names),
    high: within(statistics.max, names),
    // A struct that is null makes its fields null; not every writer counts those.
    ...(typeof nulls === 'number' && (path.length === 1 || nulls > 0) ? { nulls } : {}),
    ...(rows === undefined ? {} : { rows }),
  }
}

/** A column may be called what every object has: `constructor`. */
function within(values: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, name) =>
      typeof at === 'object' && at !== null && Object.hasOwn(at, name) ? (at as Readonly<Record<string, unknown>>)[name] : undefined,
    values,
  )
}

/** Sorts with nothing, so as a bound proves nothing. */
const OPEN = '\uFFFF'

function mayCompare({ op, value, type: written }: Comparison, { type, low, high, nulls, rows }: Known): boolean {
  const wanted = asColumn(value, written, type)
  const [min, max] = [asBound(low, type), asBound(high, type)]
  if (wanted !== undefined && isExact(type, wanted)) {
    // Where equal as written is equal in fact, `x < 5` has no row in a file from 5 on.
    if ((op === '<' && String(min) === wanted) || (op === '>' && String(max) === wanted)) return false
  }
  // The engine orders NaN above all numbers, and a writer's maximum may leave it out.
  const unbounded = (type.kind === 'float' || type.kind === 'double') && (op === '>' || op === '>=')
  return mayHold(
    { ...(rows === undefined ? {} : { rows }), min: { value: min }, max: { value: max }, nulls: { value: nulls } },
    'value',
    type.kind === 'boolean' ? { kind: 'byte' } : type,
    {
      min: op === '<' || op === '<=' || unbounded ? OPEN : (wanted ?? OPEN),
      max: op === '>' || op === '>=' ? OPEN : (wanted ?? OPEN),
      nulls: false,
    },
  )
}

/** A bound as `mayHold` orders it. JSON of another kind than the column's is no bound. */
function asBound(bound: unknown, type: DataType): string | number | undefined {
  switch (type.kind) {
    case 'boolean':
      return typeof bound === 'boolean' ? Number(bound) : undefined
    case 'string':
    case 'date':
      return typeof bound === 'string' ? bound : undefined
    case 'timestamp':
    case 'timestamp_ntz':
      return typeof bound === 'string' ? utc(bound) : undefined
    default: {
      const number = typeof bound === 'number' || (typeof bound === 'string' && NUMBER.test(bound)) ? Number(bound) : Number.NaN
      return Number.isNaN(number) ? undefined : type.kind === 'float' ? Math.fround(number) : number
    }
  }
}

const NUMBER = /^-?\d+(\.\d+)?([eE][-+]?\d+)?$/
const DATE = /^\d{4}-\d{2}-\d{2}$/
const TIMESTAMP = /^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}:\d{2}(?:\.\d+)?))?(?:\+00(?::00)?|Z)?$/

/**
 * The constant as `mayHold` orders it among values of the column, or undefined where the engine's casts may make another value of it.
 * Every step here rounds as it orders, so that what was below is never above: such rounding hides a file's end, and never a row.
 * Sessions are in UTC.
 */
function asColumn(value: string, written: Comparison['type'], type: DataType): string | undefined {
  const isWhole = /^-?\d{1,15}$/.test(value)
  switch (type.kind) {
    case 'string':
      return written === 'text' ? value : undefined
    case 'boolean':
      return written === 'boolean' ? String(Number(value === 'true')) : undefined
    case 'date':
      return (written === 'text' || written === 'date') && DATE.test(value) ? value : undefined
    case 'timestamp':
    case 'timestamp_ntz':
      // What the engine does with more digits than a microsecond's is its own affair; a date's literal loses its time.
      if (written === 'number' || written === 'boolean' || /\.\d{7}/.test(value)) return undefined
      return written === 'date' && !DATE.test(value) ? undefined : utc(value)
    case 'byte':
    case 'short':
    case 'integer':
    case 'long':
      // Text is cast to the column's type, which rounds fractions.
      return written === 'number' || (written === 'text' && isWhole) ? value : undefined
    case 'decimal': {
      // Against a double, decimals become doubles, not always the nearest ones.
      if (value.includes('e')) return undefined
      // Both are taken to one decimal, whose scale is cut where 38 digits do not hold them; a whole number counts 19.
      const scale = Math.max(type.scale, value.split('.')[1]?.length ?? 0)
      if (Math.max(type.precision - type.scale, 19) + scale > 38) return undefined
      return written === 'number' || (written === 'text' && isWhole) ? value : undefined
    }
    case 'float':
    case 'double': {
      // A decimal of so few digits is divided once, and so becomes the nearest double (or float).
      const isNear = value.includes('e') || value.replace(/[-.]/g, '').length <= (type.kind === 'double' ? 15 : 7)
      if (!isNear || !(written === 'number' || (written === 'text' && isWhole))) return undefined
      return String(type.kind === 'float' ? Math.fround(Number(value)) : Number(value))
    }
    default:
      return undefined
  }
}

/** `2024-01-31 12:00:00.5`; undefined for a time of another zone, or none. */
function utc(text: string): string | undefined {
  const [, date, time = '00:00:00'] = TIMESTAMP.exec(text) ?? []
  return date === undefined ? undefined : `${date} ${time}`
}

function isExact(type: DataType, wanted: string): boolean {
  switch (type.kind) {
    case 'string':
      return !/[\uD800-\uFFFF]/.test(wanted)
    case 'date':
      return true
    case 'byte':
    case 'short':
    case 'integer':
    case 'long':
      return Number.isSafeInteger(Number(wanted))
    default:
      return false
  }
}
