/** An instant with microseconds, as Delta keeps it; a JavaScript Date would lose the last three digits. */
export class Timestamp {
  /** Microseconds since 1970-01-01T00:00:00Z. */
  readonly micros: bigint

  constructor(micros: bigint) {
    this.micros = micros
  }

  static fromDate(date: Date): Timestamp {
    return new Timestamp(BigInt(date.getTime()) * 1000n)
  }

  /** Rounded down to the millisecond. */
  toDate(): Date {
    return new Date(Number(floorDivide(this.micros, 1000n)))
  }

  /** `2018-01-01T05:00:00.000000Z` */
  toString(): string {
    return `${this.wallClock().replace(' ', 'T')}Z`
  }

  toJSON(): string {
    return this.toString()
  }

  /** `2018-01-01 05:00:00.000000`: the reading of a clock in UTC, without a zone. */
  wallClock(): string {
    const millis = floorDivide(this.micros, 1000n)
    const rest = Number(this.micros - millis * 1000n)
    return `${isoText(millis).slice(0, -1).replace('T', ' ')}${String(rest).padStart(3, '0')}`
  }
}

/** Milliseconds of a Date reach the year 275760, microseconds of 64 bits the year 294247. The calendar is the same again after 400 years. */
const LAST_OF_DATE = 8_640_000_000_000_000n
const FAR_YEARS = 20_000
const FAR_MILLIS = BigInt((FAR_YEARS / 400) * 146_097) * 86_400_000n

function isoText(millis: bigint): string {
  if (millis >= -LAST_OF_DATE && millis <= LAST_OF_DATE) return new Date(Number(millis)).toISOString()
  const sign = millis < 0n ? -1 : 1
  const near = new Date(Number(millis - BigInt(sign) * FAR_MILLIS)).toISOString()
  const [, year = '', rest = ''] = /^([+-]\d{6})(.*)$/.exec(near) ?? []
  return `${sign < 0 ? '-' : '+'}${Math.abs(Number(year) + sign * FAR_YEARS)}${rest}`
}

function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by
  return value % by < 0n ? quotient - 1n : quotient
}
