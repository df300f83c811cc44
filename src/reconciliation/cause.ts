import type { DataType } from '../schema/index.js'
import { microsOf, millisOf, NULL, unescapeText } from '../stores/index.js'

/** Why two values differ, or why a row is on one side only. */
export const CAUSES = [
  'missing',
  'extra',
  'real',
  'float-precision',
  'decimal-scale',
  'timezone',
  'null-vs-zero',
  'null-vs-empty',
  'truncated',
  'case',
  'encoding',
] as const
export type Cause = (typeof CAUSES)[number]

/** By how much two numbers may differ and still be called equal: by so much at most, or by such a share of the greater. */
export interface Tolerance {
  readonly absolute?: number
  readonly relative?: number
}

/** Offsets of time zones are whole quarters of an hour, from -12 h to +14 h. */
const QUARTER_HOUR_MS = 15 * 60 * 1000
const WIDEST_OFFSET_MS = 14 * 60 * 60 * 1000
/** A value that went through a 32-bit float is off by at most this share. Source: IEEE 754, binary32, half a unit in the last of 24 bits. */
const SINGLE_PRECISION = 2 ** -24

/**
 * Why the values of one column differ, each as a line has it; undefined when they are equal after all, or within the tolerance.
 *
 * `causeOf('12.345', '12.35', { kind: 'decimal', precision: 10, scale: 3 })` is `decimal-scale`: the right is the left, rounded.
 */
export function causeOf(left: string, right: string, type: DataType, tolerance: Tolerance = {}): Cause | undefined {
  if (left === right) return undefined
  if (left === NULL || right === NULL) return nullCause(left === NULL ? right : left, type)
  switch (type.kind) {
    case 'string':
      return textCause(unescapeText(left), unescapeText(right))
    case 'binary':
      return startsWith(left, right) ? 'truncated' : 'real'
    case 'timestamp':
    case 'timestamp_ntz':
      return timeCause(left, right)
    case 'boolean':
    case 'date':
      return 'real'
    default:
      return numberCause(left, right, type, tolerance)
  }
}

function nullCause(other: string, type: DataType): Cause {
  if (other === '') return 'null-vs-empty'
  return type.kind !== 'string' && type.kind !== 'binary' && isNumeric(other) && Number(other) === 0 ? 'null-vs-zero' : 'real'
}

function numberCause(left: string, right: string, type: DataType, { absolute = 0, relative = 0 }: Tolerance): Cause | undefined {
  if (!isNumeric(left) || !isNumeric(right)) return left.toLowerCase() === right.toLowerCase() ? undefined : 'real'
  const exact = isPlain(left) && isPlain(right)
  if (exact && comparable(left) === comparable(right)) return undefined
  const [one, other] = [Number(left), Number(right)]
  const greater = Math.max(Math.abs(one), Math.abs(other))
  const apart = Math.abs(one - other)
  const isFloat = type.kind === 'double' || type.kind === 'float'
  if (one === other && (isFloat || !exact)) return Object.is(one, other) ? undefined : 'float-precision'
  if (apart <= absolute || apart <= relative * greater) return undefined
  const single = apart <= SINGLE_PRECISION * greater
  if (isFloat && single) return 'float-precision'
  // A copy loses digits. That it has some which its source lacks is of that kind only where the source is written with fewer.
  if (exact && (isRounding(left, right) || (isRounding(right, left) && left.length < right.length))) return 'decimal-scale'
  return single ? 'float-precision' : 'real'
}

/** Whether `short` is `long` with fewer digits after the point, rounded or cut off; both plain decimals. */
function isRounding(long: string, short: string): boolean {
  const digits = scaleOf(short)
  if (digits >= scaleOf(long)) return false
  const [exact, shorter] = [unscaled(long, scaleOf(long)), unscaled(short, digits)]
  const power = 10n ** BigInt(scaleOf(long) - digits)
  const cut = exact / power
  const up = exact < 0n ? cut - 1n : cut + 1n
  const rest = exact % power < 0n ? -(exact % power) : exact % power
  return shorter === cut || (shorter === up && rest * 2n >= power)
}

/** Digits after the point that say something: 2 of `12.3400`. */
function scaleOf(plain: string): number {
  return (plain.split('.')[1] ?? '').replace(/0+$/, '').length
}

function unscaled(plain: string, scale: number): bigint {
  const [whole = '0', part = ''] = plain.split('.')
  const digits = BigInt(`${whole.replace('-', '')}${part.padEnd(scale, '0').slice(0, scale)}`)
  return whole.startsWith('-') ? -digits : digits
}

/** `-0` and `0` are one number, written twice, unless they are doubles. */
function comparable(plain: string): string {
  const scale = scaleOf(plain)
  return /^-?0*$/.test(plain.replace('.', '')) ? plain.replace(/[^-]/g, '') : `${unscaled(plain, scale)}e-${scale}`
}

function isPlain(text: string): boolean {
  return /^-?\d+(\.\d+)?$/.test(text)
}

function isNumeric(text: string): boolean {
  return text !== '' && !Number.isNaN(Number(text))
}

function timeCause(left: string, right: string): Cause {
  const apart = Math.abs(millisOf(left) - millisOf(right))
  if (Number.isNaN(apart)) return 'real'
  const [one, other] = [microsOf(left), microsOf(right)]
  if (apart > 0 && apart <= WIDEST_OFFSET_MS && apart % QUARTER_HOUR_MS === 0 && (one - other) % 1000n === 0n) return 'timezone'
  return [1_000n, 1_000_000n, 60_000_000n].some((unit) => isCut(one, other, unit) || isCut(other, one, unit)) ? 'truncated' : 'real'
}

/** Whether `cut` is `whole` at the start of its millisecond, second or minute. */
function isCut(whole: bigint, cut: bigint, unit: bigint): boolean {
  const rest = ((whole % unit) + unit) % unit
  return rest !== 0n && whole - rest === cut
}

function textCause(left: string, right: string): Cause {
  if (startsWith(left, right)) return 'truncated'
  if (left.toLowerCase() === right.toLowerCase()) return 'case'
  if (left.normalize('NFC') === right.normalize('NFC')) return 'encoding'
  return isMisread(left, right) || isMisread(right, left) ? 'encoding' : 'real'
}

/** An emptied text was not cut off: that is a difference of its own. */
function startsWith(left: string, right: string): boolean {
  return left !== '' && right !== '' && (left.startsWith(right) || right.startsWith(left))
}

/** Whether `bad` is `good` after its UTF-8 was read as Latin-1 (or Windows-1252), or what is beyond ASCII became `?` or U+FFFD. */
function isMisread(good: string, bad: string): boolean {
  if (isAscii(good)) return false
  const bytes = Buffer.from(good, 'utf8')
  if (bytes.toString('latin1') === bad || new TextDecoder('windows-1252').decode(bytes) === bad) return true
  // One mark for a character, for each of its two UTF-16 units, or for each of its bytes.
  const pattern = [...good]
    .map((character) => (isAscii(character) ? character.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&') : '[?\uFFFD]{1,4}'))
    .join('')
  return new RegExp(`^${pattern}$`, 'su').test(bad)
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 127) return false
  return true
}
