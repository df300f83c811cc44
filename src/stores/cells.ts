import { createHash } from 'node:crypto'
import { type DataType, type Field, sameType, typeText, widens } from '../schema/index.js'
import { NULL, unescapeText } from './rows.js'
import type { BucketDigest, Buckets, Where } from './store.js'

/** Values by their texts in lines, for stores that sort, sift and check rows in this process. */

/** `b` before or after `a`, neither being null: numbers by value (NaN last), text by its bytes in UTF-8. */
export type Comparison = (a: string, b: string) => number

export function comparison(type: DataType): Comparison {
  switch (type.kind) {
    case 'integer':
    case 'short':
    case 'byte':
      return (a, b) => Number(a) - Number(b)
    case 'long':
      return (a, b) => signOf(BigInt(a), BigInt(b))
    case 'decimal': {
      const { scale } = type
      return (a, b) =>
        isNotFinite(a) || isNotFinite(b) ? compareDoubles(Number(a), Number(b)) : signOf(unscaled(a, scale), unscaled(b, scale))
    }
    case 'float':
    case 'double':
      return (a, b) => compareDoubles(Number(a), Number(b))
    case 'string':
      return (a, b) => Buffer.compare(Buffer.from(unescapeText(a)), Buffer.from(unescapeText(b)))
    default:
      return (a, b) => (a < b ? -1 : a > b ? 1 : 0)
  }
}

function signOf(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function compareDoubles(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
  return a < b ? -1 : a > b ? 1 : 0
}

/** What decimals may be besides numbers: in PostgreSQL's numeric, and in BSON's Decimal128. */
export function isNotFinite(text: string): boolean {
  return text === 'NaN' || text === 'Infinity' || text === '-Infinity'
}

/** A decimal's digits without its point: `-1.50` with a scale of 2 is -150. Digits past the scale are left out. The text is a finite decimal. */
export function unscaled(text: string, scale: number): bigint {
  const point = text.indexOf('.')
  if (point < 0) return BigInt(text) * 10n ** BigInt(scale)
  return BigInt(text.slice(0, point) + text.slice(point + 1, point + 1 + scale).padEnd(scale, '0'))
}

/** The other way: -150 with a scale of 2 is `-1.50`. */
export function scaled(digits: bigint, scale: number): string {
  const text = (digits < 0n ? -digits : digits).toString().padStart(scale + 1, '0')
  const point = text.length - scale
  return `${digits < 0n ? '-' : ''}${text.slice(0, point)}${scale === 0 ? '' : `.${text.slice(point)}`}`
}

/** How a value of one type is written as one of another that holds it: `1.5` as `1.5000` in decimal(10,4). */
export function recast(from: DataType, to: DataType): (text: string) => string {
  if (to.kind === 'decimal' && !sameType(from, to)) {
    const { scale } = to
    return (text) => (text === NULL || isNotFinite(text) ? text : scaled(unscaled(text, scale), scale))
  }
  return (text) => text
}

/** Whether a column of one type may be read or written as one of another: `timestamp` and `timestamp_ntz` have the same lines. */
export function readsAs(from: DataType, to: DataType): boolean {
  const clocks: readonly string[] = ['timestamp', 'timestamp_ntz']
  return widens(from, to) || (clocks.includes(from.kind) && clocks.includes(to.kind))
}

/** Whether a value of one type may also be one of the other, so that its text is looked at. */
export function mayHold(own: DataType, wanted: DataType): boolean {
  if (readsAs(own, wanted) || readsAs(wanted, own)) return true
  return own.kind === 'string' || wanted.kind === 'string' || (own.kind !== 'binary' && wanted.kind !== 'binary')
}

const BITS: Partial<Record<DataType['kind'], bigint>> = { long: 63n, integer: 31n, short: 15n, byte: 7n }

/** Why a value of `from` is none of `to`; undefined when it is one. */
export function misfit(from: DataType, to: DataType): (text: string) => string | undefined {
  if (readsAs(from, to)) return () => undefined
  const bits = BITS[to.kind]
  const fits = (text: string) => {
    if (from.kind === 'decimal' && isNotFinite(text)) return to.kind === 'decimal'
    if (bits !== undefined && (BITS[from.kind] !== undefined || from.kind === 'decimal')) {
      if (from.kind === 'decimal' && /\.\d*[1-9]/.test(text)) return false
      const number = unscaled(text, 0)
      return number >= -(1n << bits) && number < 1n << bits
    }
    if (to.kind === 'decimal' && (BITS[from.kind] !== undefined || from.kind === 'decimal')) {
      const scale = from.kind === 'decimal' ? from.scale : 0
      const digits = unscaled(text, Math.max(scale, to.scale))
      const beyond = 10n ** BigInt(Math.max(scale, to.scale) - to.scale)
      return digits % beyond === 0n && scaled(digits / beyond, 0).replace('-', '').length <= to.precision
    }
    if (to.kind === 'double' && from.kind === 'long') return BigInt(Number(text)) === BigInt(text)
    return false
  }
  return (text) => (text === NULL || fits(text) ? undefined : `not a value of ${typeText(to)}`)
}

/** Tells the rows that are wanted. A row is the texts of `columns`; null is in no range. */
export function sifter(where: Where | undefined, columns: readonly Field[]): (cells: readonly string[]) => boolean {
  if (where === undefined) return () => true
  if (where.kind === 'sample') return () => Math.random() < where.share
  if (where.kind === 'buckets') {
    const bucket = bucketOf(where.buckets, columns)
    const wanted = new Set(where.numbers)
    return (cells) => wanted.has(bucket(cells))
  }
  const place = columns.findIndex((column) => column.name === where.column.name)
  const compare = comparison(where.column.type)
  const { from, after, to } = where
  return (cells) => {
    const text = cells[place] ?? NULL
    if (text === NULL) return false
    if (from !== undefined && compare(text, from) < 0) return false
    if (after !== undefined && compare(text, after) <= 0) return false
    return to === undefined || compare(text, to) < 0
  }
}

/** The number of the bucket that a row belongs in. A row is the texts of `columns`. */
export function bucketOf(buckets: Buckets, columns: readonly Field[]): (cells: readonly string[]) => number {
  const placeOf = (wanted: Field) => columns.findIndex((column) => column.name === wanted.name)
  if (buckets.kind === 'text') {
    const place = placeOf(buckets.column)
    const compare = comparison({ kind: 'string' })
    return (cells) => {
      const text = cells[place] ?? NULL
      if (text === NULL) return 0
      let [first, last] = [0, buckets.bounds.length]
      while (first < last) {
        const middle = (first + last) >> 1
        if (compare(text, buckets.bounds[middle] ?? '') < 0) last = middle
        else first = middle + 1
      }
      return first
    }
  }
  if (buckets.kind === 'range') {
    const place = placeOf(buckets.column)
    const { start, width, count } = buckets
    return (cells) => {
      const text = cells[place] ?? NULL
      if (text === NULL) return 0
      const distance = BigInt(text) - start
      return distance < 0n ? 0 : Math.min(Number(distance / width), count - 1)
    }
  }
  const parts = buckets.columns.map((wanted) => {
    const place = placeOf(wanted)
    return { place, text: recast(columns[place]?.type ?? wanted.type, wanted.type) }
  })
  return (cells) => {
    const line = parts.map(({ place, text }) => text(cells[place] ?? NULL)).join('\t')
    return Number.parseInt(md5(line).slice(0, 4), 16) % buckets.count
  }
}

/** Adds lines up, bucket by bucket. */
export function digester(): { add(bucket: number, line: string): void; digests(): BucketDigest[] } {
  const found = new Map<number, { rows: number; xor: bigint; sum: bigint }>()
  return {
    add(bucket, line) {
      const hash = BigInt(`0x${md5(line).slice(0, 15)}`)
      const one = found.get(bucket) ?? { rows: 0, xor: 0n, sum: 0n }
      found.set(bucket, { rows: one.rows + 1, xor: one.xor ^ hash, sum: one.sum + hash })
    },
    digests: () => [...found].sort(([a], [b]) => a - b).map(([bucket, one]) => ({ bucket, ...one })),
  }
}

function md5(line: string): string {
  return createHash('md5').update(line).digest('hex')
}
