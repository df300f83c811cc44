import { type DataType, typeText } from '../schema/index.js'
import { isNotFinite, recast, scaled, unscaled } from './cells.js'
import { escapeText, millisOf, NULL, unescapeText, wholeOf } from './rows.js'

/** Lines' texts as BSON and back, without values in between: what the driver is given is made from the text at once. */

/** As BSON's decimals, or as whole numbers of 64 bits that count the last place: 12.50 of decimal(10,2) as 1250. */
export type DecimalsAs = 'decimal128' | 'integer'

/** What is used of BSON's classes, which the driver brings. */
export interface BsonClasses {
  /** Default: `decimal128`. */
  readonly decimals?: DecimalsAs
  readonly Long: { fromBigInt(value: bigint): unknown; fromNumber(value: number): unknown }
  readonly Double: new (value: number) => unknown
  readonly Binary: new (bytes: Uint8Array) => unknown
  readonly Decimal128: { new (bytes: Uint8Array): unknown; fromString(text: string): unknown }
  readonly BSON: { calculateObjectSize(document: object): number; EJSON: { stringify(value: unknown): string } }
}

/** A value as the driver hands it out when it is asked to keep BSON's types. */
interface BsonValue {
  readonly _bsontype?: string
  readonly value?: number
  readonly bytes?: Uint8Array
  readonly buffer?: Uint8Array
  readonly position?: number
  toString(): string
}

const LARGEST_EXACT_DIGITS = 15
const [MINUS, POINT, NINE] = [45, 46, 57]
const DECIMAL_BIAS = 6176
/** More digits Decimal128 does not have. */
const DECIMAL_DIGITS = 34
/** So many digits every whole number of 64 bits has room for. */
const LONG_DIGITS = 18

/**
 * Makes what a document holds of the text at a place of a line: most values need no text of their own, which is a third of the work.
 * Undefined for what another database has there and MongoDB has not: the date `0000-00-00`, the timestamp `infinity`.
 */
export type CellEncoder = (line: string, from: number, to: number) => unknown

/** Makes what a document holds of a text. */
export function encoder(type: DataType, bson: BsonClasses): (text: string) => unknown {
  const value = cellEncoder(type, bson)
  return (text) => value(text, 0, text.length)
}

export function cellEncoder(type: DataType, bson: BsonClasses): CellEncoder {
  const value = encodeSome(type, bson)
  return (line, from, to) => (to - from === NULL.length && line.startsWith(NULL, from) ? null : value(line, from, to))
}

function encodeSome(type: DataType, { Long, Double, Binary, Decimal128, decimals }: BsonClasses): CellEncoder {
  switch (type.kind) {
    case 'long':
      return (line, from, to) =>
        to - from <= LARGEST_EXACT_DIGITS ? Long.fromNumber(signedOf(line, from, to)) : Long.fromBigInt(BigInt(line.slice(from, to)))
    case 'integer':
    case 'short':
    case 'byte':
      // The driver writes a whole number of 32 bits as an int32.
      return signedOf
    case 'float':
    case 'double':
      // And any number with a fraction as a double.
      return (line, from, to) => {
        const value = Number(line.slice(from, to))
        return Number.isInteger(value) ? new Double(value) : value
      }
    case 'decimal': {
      const { scale } = type
      if (decimals === 'integer')
        return (line, from, to) => {
          const text = line.slice(from, to)
          return isNotFinite(text) ? undefined : Long.fromBigInt(unscaled(text, scale))
        }
      // Amounts of money are often the same: one object stands for all that are.
      const [short, long] = [new Map<number, unknown>(), new Map<string, unknown>()]
      return (line, from, to) => {
        const point = scale === 0 ? to : to - scale - 1
        const hasPoint = scale === 0 || (point > from && line.charCodeAt(point) === POINT)
        if (to - from > LARGEST_EXACT_DIGITS || !hasPoint || line.charCodeAt(to - 1) > NINE) {
          const text = line.slice(from, to)
          return remembered(long, text, () => Decimal128.fromString(isNotFinite(text) ? text : shortestDecimal(text, scale)))
        }
        const negative = line.charCodeAt(from) === MINUS
        const whole = wholeOf(line, negative ? from + 1 : from, point)
        const amount = wholeOf(line, point + 1, to, whole)
        const units = negative ? -amount : amount
        return remembered(short, units, () => new Decimal128(decimalBytes(units, scale)))
      }
    }
    case 'boolean':
      return (line, from, to) => to - from === 1 && line.startsWith('1', from)
    case 'date':
    case 'timestamp':
    case 'timestamp_ntz':
      return (line, from, to) => {
        const milliseconds = millisOf(line, from, to)
        return Number.isNaN(milliseconds) ? undefined : new Date(milliseconds)
      }
    case 'binary':
      return (line, from, to) => new Binary(Buffer.from(line.slice(from, to), 'hex'))
    default:
      return (line, from, to) => unescapeText(line.slice(from, to))
  }
}

function signedOf(line: string, from: number, to: number): number {
  return line.charCodeAt(from) === MINUS ? -wholeOf(line, from + 1, to) : wholeOf(line, from, to)
}

function remembered<Key>(made: Map<Key, unknown>, key: Key, make: () => unknown): unknown {
  const known = made.get(key)
  if (known !== undefined) return known
  const value = make()
  made.set(key, value)
  return value
}

/**
 * The sixteen bytes of a decimal of at most 15 digits, four times as quick as from its text: the digits as a whole number, the exponent of 14
 * bits above them, the sign in the last bit. Source: IEEE 754-2008, decimal128, binary integer significand.
 */
function decimalBytes(units: number, scale: number): Uint8Array {
  const coefficient = Math.abs(units)
  const bytes = new Uint8Array(16)
  const upper = Math.floor(coefficient / 0x1_0000_0000)
  bytes[0] = coefficient
  bytes[1] = coefficient >>> 8
  bytes[2] = coefficient >>> 16
  bytes[3] = coefficient >>> 24
  bytes[4] = upper
  bytes[5] = upper >>> 8
  bytes[6] = upper >>> 16
  const exponent = (DECIMAL_BIAS - scale) << 1
  bytes[14] = exponent
  bytes[15] = (exponent >>> 8) | (units < 0 ? 0x80 : 0)
  return bytes
}

/** `1000.00` as `1E3`: digits that Decimal128 has no room for may be nothing but zeros. */
function shortestDecimal(text: string, scale: number): string {
  const digits = unscaled(text, scale).toString()
  const short = digits.replace(/0+$/, '')
  return short === '' || short === '-'
    ? `0E-${scale}`
    : digits.length <= DECIMAL_DIGITS
      ? `${digits}E-${scale}`
      : `${short}E${digits.length - short.length - scale}`
}

/** Why a text of a column cannot be a document's value. Undefined when every text of the type can. */
export function valueCheck(type: DataType, { decimals }: BsonClasses): ((text: string) => string | undefined) | undefined {
  switch (type.kind) {
    case 'timestamp':
    case 'timestamp_ntz':
      return (text) => (/\.\d{3}(?!000)\d{3}$/.test(text) ? 'finer than a millisecond, which MongoDB does not keep' : undefined)
    case 'decimal':
      if (decimals === 'integer') return type.precision <= LONG_DIGITS ? undefined : (text) => longProblem(text, type.scale)
      if (type.precision <= DECIMAL_DIGITS) return undefined
      return (text) => {
        const digits = text.replace(/[-.]/g, '').replace(/^0+/, '').replace(/0+$/, '')
        return text === NULL || isNotFinite(text) || digits.length <= DECIMAL_DIGITS
          ? undefined
          : `longer than the ${DECIMAL_DIGITS} digits that MongoDB keeps`
      }
    default:
      return undefined
  }
}

function longProblem(text: string, scale: number): string | undefined {
  if (text === NULL || isNotFinite(text)) return undefined
  const units = unscaled(text, scale)
  return BigInt.asIntN(64, units) === units ? undefined : 'longer than a whole number of 64 bits'
}

/** The text of whatever a document holds, as a line of the wanted type has it if the value is one; otherwise as the value itself is written. */
export function decoder(type: DataType, bson: BsonClasses): (value: unknown) => string {
  const units = bson.decimals === 'integer' && type.kind === 'decimal' ? type.scale : 0
  return (value) => {
    if (value === null || value === undefined) return NULL
    if (units > 0 && isWhole(value)) return scaled(BigInt(String(value)), units)
    if (typeof value === 'string') return escapeText(value)
    if (typeof value === 'boolean') return type.kind === 'boolean' ? (value ? '1' : '0') : String(value)
    if (typeof value === 'number') return numberText(doubleText(value), type)
    if (typeof value === 'bigint') return numberText(String(value), type)
    if (value instanceof Date) return clockText(value, type)
    const held = value as BsonValue
    switch (held._bsontype) {
      case 'Int32':
        return numberText(String(held.value), type)
      case 'Double':
        return numberText(doubleText(Number(held.value)), type)
      case 'Long':
        return numberText(held.toString(), type)
      case 'Decimal128':
        return decimalText(held, type)
      case 'Binary':
        return Buffer.from(held.buffer ?? new Uint8Array())
          .subarray(0, held.position)
          .toString('hex')
      case 'ObjectId':
        return held.toString()
      default:
        return escapeText(bson.BSON.EJSON.stringify(value))
    }
  }
}

function isWhole(value: unknown): boolean {
  if (typeof value === 'bigint' || Number.isInteger(value)) return true
  const { _bsontype } = Object(value) as BsonValue
  return _bsontype === 'Int32' || _bsontype === 'Long'
}

function doubleText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value)
}

/** A whole or broken number, of whatever BSON type, as the wanted type has it. */
function numberText(text: string, type: DataType): string {
  if (type.kind !== 'decimal' || !/^-?\d+(?:\.\d+)?$/.test(text)) return text
  const digits = scaled(unscaled(text, type.scale), type.scale)
  // More digits than the column has are shown: they are not what should be there.
  return Number(digits) === Number(text) && (text.split('.')[1] ?? '').length <= type.scale ? digits : text
}

function clockText(value: Date, type: DataType): string {
  if (Number.isNaN(value.getTime())) return 'invalid date'
  const text = value.toISOString().replace('T', ' ').replace('Z', '000')
  return type.kind === 'date' && text.endsWith(' 00:00:00.000000') ? text.slice(0, -16) : text
}

function decimalText(value: BsonValue, type: DataType): string {
  const scale = type.kind === 'decimal' ? type.scale : 0
  return (type.kind === 'decimal' ? quickDecimalText(value.bytes, scale) : undefined) ?? slowDecimalText(value.toString(), type)
}

/** The way back of `decimalBytes`; undefined for what it does not make. */
function quickDecimalText(bytes: Uint8Array | undefined, scale: number): string | undefined {
  if (bytes === undefined) return undefined
  const at = (index: number) => bytes[index] ?? 0
  for (let index = 7; index < 14; index++) if (at(index) !== 0) return undefined
  const exponent = ((at(15) & 0x7f) << 7) | (at(14) >>> 1)
  if (exponent !== DECIMAL_BIAS - scale || (at(14) & 1) !== 0 || at(6) > 0x1f) return undefined
  const lower = at(0) + at(1) * 0x100 + at(2) * 0x1_0000 + at(3) * 0x100_0000
  const digits = String((at(4) + at(5) * 0x100 + at(6) * 0x1_0000) * 0x1_0000_0000 + lower)
  // A zero has no sign in a line.
  const sign = at(15) >= 0x80 && digits !== '0' ? '-' : ''
  if (scale === 0) return sign + digits
  const padded = digits.padStart(scale + 1, '0')
  return `${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`
}

/** `1.5E+3` as `1500.00`; NaN and infinities as they are. */
function slowDecimalText(text: string, type: DataType): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:E([+-]\d+))?$/.exec(text) ?? []
  if (whole === '') return text
  const scale = fraction.length - Number(exponent)
  const digits = BigInt(whole + fraction)
  const signed = sign === '-' ? -digits : digits
  // Exponents reach 6,111: such a number is shown as it is written.
  if (Math.abs(scale) > 80) return digits === 0n ? recast(type, type)(numberText('0', type)) : text
  const plain = scale <= 0 ? (signed * 10n ** BigInt(-scale)).toString() : scaled(signed, scale)
  const trimmed = plain.includes('.') ? plain.replace(/\.?0+$/, '') : plain
  if (type.kind !== 'decimal') return trimmed
  return (trimmed.split('.')[1] ?? '').length <= type.scale ? scaled(unscaled(trimmed, type.scale), type.scale) : plain
}

/** The lake's type of what documents hold; text where they hold several. */
export function inferredType(values: readonly unknown[]): DataType {
  const found = values.filter((value) => value !== null && value !== undefined).map(typeOf)
  const [first = { kind: 'string' } as const] = found
  if (first.kind === 'decimal' && found.every((type) => type.kind === 'decimal')) {
    return { kind: 'decimal', precision: 38, scale: Math.max(...found.map((type) => (type.kind === 'decimal' ? type.scale : 0))) }
  }
  const whole: readonly string[] = ['integer', 'long']
  if (found.every((type) => whole.includes(type.kind))) return found.some((type) => type.kind === 'long') ? { kind: 'long' } : first
  return found.every((type) => typeText(type) === typeText(first)) ? first : { kind: 'string' }
}

function typeOf(value: unknown): DataType {
  if (typeof value === 'boolean') return { kind: 'boolean' }
  if (value instanceof Date) return { kind: 'timestamp' }
  const held = value as BsonValue
  switch (typeof value === 'object' ? held._bsontype : undefined) {
    case 'Int32':
      return { kind: 'integer' }
    case 'Long':
      return { kind: 'long' }
    case 'Double':
      return { kind: 'double' }
    case 'Binary':
      return { kind: 'binary' }
    case 'Decimal128': {
      const text = slowDecimalText(held.toString(), { kind: 'string' })
      return /^-?[\d.]+$/.test(text)
        ? { kind: 'decimal', precision: 38, scale: Math.min(38, (text.split('.')[1] ?? '').length) }
        : { kind: 'string' }
    }
    default:
      return { kind: 'string' }
  }
}
