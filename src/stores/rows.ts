import type { Value } from '../engine/index.js'
import { type DataType, type Field, Timestamp, typeText } from '../schema/index.js'

/**
 * Rows as they travel between the lake and stores: a line of text for each, which is the same text whoever writes it.
 *
 * Values stand in the order of the columns with a tab between them; null is `\N`; in text, `\`, tab, newline, carriage return and NUL are
 * `\\`, `\t`, `\n`, `\r` and `\0`. Booleans are 1 and 0; decimals have all digits of their scale; dates are `2018-01-01`; timestamps, in UTC,
 * and readings of a clock are `2018-01-01 05:00:00.000000`; binary is hexadecimal, in lower case; doubles are the shortest text that reads
 * back the same, `NaN`, `Infinity` and `-Infinity` among them. It is what MySQL's LOAD DATA and PostgreSQL's COPY read, and equal rows are
 * equal lines, whatever holds them (but for doubles past 1e15 or under 1e-4, which databases write in more than one way).
 */
export class RowBatch {
  readonly columns: readonly Field[]
  /** Without the newline. */
  readonly lines: readonly string[]

  constructor(columns: readonly Field[], lines: readonly string[]) {
    this.columns = columns
    this.lines = lines
  }

  /** Rows of values, in the order of the columns, as an engine hands them out. */
  static of(columns: readonly Field[], rows: readonly (readonly Value[])[]): RowBatch {
    return new RowBatch(
      columns,
      rows.map((row) => columns.map((column, index) => encodeValue(row[index] ?? null, column.type)).join('\t')),
    )
  }

  get size(): number {
    return this.lines.length
  }

  /** One array of values a row, in the order of the columns. */
  rows(): Value[][] {
    return this.lines.map((line) => decodeLine(line, this.columns))
  }

  /** The same rows with these columns only, in this order. */
  pick(names: readonly string[]): RowBatch {
    const places = names.map((name) => this.columns.findIndex((column) => column.name === name))
    const columns = places.map((place) => this.columns[place]).filter((column) => column !== undefined)
    return new RowBatch(
      columns,
      this.lines.map((line) => {
        const values = line.split('\t')
        return places.map((place) => values[place]).join('\t')
      }),
    )
  }

  slice(from: number, to: number): RowBatch {
    return new RowBatch(this.columns, this.lines.slice(from, to))
  }
}

/** How null stands in a line. */
export const NULL = '\\N'

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r', '\0': '\\0' }
const ESCAPED: Readonly<Record<string, string>> = { '\\': '\\', t: '\t', n: '\n', r: '\r', '0': '\0' }

export function escapeText(text: string): string {
  return /[\\\t\n\r\0]/.test(text) ? text.replace(/[\\\t\n\r\0]/g, (character) => ESCAPES[character] ?? character) : text
}

export function unescapeText(text: string): string {
  return text.includes('\\') ? text.replace(/\\(.)/g, (_, character: string) => ESCAPED[character] ?? character) : text
}

/** A value's text in a line. */
export function encodeValue(value: Value, type: DataType): string {
  if (value === null) return NULL
  switch (type.kind) {
    case 'string':
      return escapeText(String(value))
    case 'boolean':
      return value === true ? '1' : '0'
    case 'float':
    case 'double':
      return Object.is(value, -0) ? '-0' : String(value)
    case 'timestamp':
    case 'timestamp_ntz':
      return (value as Timestamp).wallClock()
    case 'binary':
      return Buffer.from(value as Uint8Array).toString('hex')
    case 'array':
    case 'map':
    case 'struct':
      throw new TypeError(`${typeText(type)} has no text in a line`)
    default:
      return String(value)
  }
}

/** The value behind its text in a line: long as bigint, decimal and date as text, timestamps as `Timestamp`. */
export function decodeValue(text: string, type: DataType): Value {
  if (text === NULL) return null
  switch (type.kind) {
    case 'string':
      return unescapeText(text)
    case 'boolean':
      return text === '1'
    case 'long':
      return BigInt(text)
    case 'integer':
    case 'short':
    case 'byte':
    case 'float':
    case 'double':
      return Number(text)
    case 'timestamp':
    case 'timestamp_ntz':
      return new Timestamp(microsOf(text))
    case 'binary':
      return new Uint8Array(Buffer.from(text, 'hex'))
    default:
      return text
  }
}

export function decodeLine(line: string, columns: readonly Field[]): Value[] {
  const texts = line.split('\t')
  return columns.map((column, index) => decodeValue(texts[index] ?? NULL, column.type))
}

/** Microseconds since 1970 of `2018-01-01 05:00:00.000000`, read as UTC. Throws RangeError where `millisOf` is NaN. */
export function microsOf(text: string): bigint {
  return BigInt(millisOf(text)) * 1000n + BigInt(text.slice(23, 26) || '0')
}

/**
 * Whole milliseconds since 1970 of `2018-01-01 05:00:00.000000`, here or at a place of a line; what is finer is left out, and seconds need no
 * fraction. NaN of what databases have and calendars do not: `0000-00-00`, `2018-02-30`, `infinity`, years before 1 or of five digits.
 */
export function millisOf(text: string, from = 0, to = text.length): number {
  const length = to - from
  const isLong = length >= SECONDS_LENGTH && length <= TIME_LENGTH
  if ((!isLong && length !== DATE_LENGTH) || !isDigit(text, from) || !isDigit(text, to - 1)) return Number.NaN
  const year = twoDigits(text, from) * 100 + twoDigits(text, from + 2)
  const [month, day] = [twoDigits(text, from + 5), twoDigits(text, from + 8)]
  if (month < 1 || month > 12 || day < 1 || (day > 28 && day > monthLength(year, month))) return Number.NaN
  const days = daysOf(year, month, day)
  if (!isLong) return days * 86_400_000
  const seconds = days * 86_400 + twoDigits(text, from + 11) * 3_600 + twoDigits(text, from + 14) * 60 + twoDigits(text, from + 17)
  return seconds * 1000 + wholeOf(text, from + 20, Math.min(from + 23, to))
}

const DATE_LENGTH = '2018-01-01'.length
const SECONDS_LENGTH = '2018-01-01 05:00:00'.length
const TIME_LENGTH = '2018-01-01 05:00:00.000000'.length

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code >= 48 && code <= 57
}

function monthLength(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

function twoDigits(text: string, at: number): number {
  return text.charCodeAt(at) * 10 + text.charCodeAt(at + 1) - 48 * 11
}

/** The number that the digits at a place of a text are, after those of `value`; 0 where there are none. At most 15 digits are exact. */
export function wholeOf(text: string, from: number, to: number, value = 0): number {
  for (let at = from; at < to; at++) value = value * 10 + text.charCodeAt(at) - 48
  return value
}

/** Days since 1970-01-01 in the proleptic Gregorian calendar. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
function daysOf(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const yearOfEra = y - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468
}
