import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { duckdb, literal, quoteName, type SqlValue, sqlType, type Value } from '../../src/engine/index.js'
import { type Field, Timestamp } from '../../src/schema/index.js'
import {
  decodeLine,
  decodeValue,
  encodeValue,
  escapeText,
  lineSql,
  microsOf,
  millisOf,
  RowBatch,
  unescapeText,
} from '../../src/stores/index.js'

const field = (name: string, type: Field['type']): Field => ({ name, type, nullable: true })
const columns: readonly Field[] = [
  ...(['string', 'long', 'integer', 'double', 'boolean', 'date', 'timestamp', 'timestamp_ntz', 'binary'] as const).map((kind) =>
    field(kind, { kind }),
  ),
  field('decimal', { kind: 'decimal', precision: 20, scale: 3 }),
]

const day = fc.date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T00:00:00Z'), noInvalidDate: true })
const instant = fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n }).map((micros) => new Timestamp(micros))
const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.stringMatching(/^[\\\t\n\r\0Nntr0]{0,8}$/))
const decimal = fc.bigInt({ min: -(10n ** 20n) + 1n, max: 10n ** 20n - 1n }).map(
  (digits) =>
    `${digits < 0n ? '-' : ''}${String(digits < 0n ? -digits : digits)
      .padStart(4, '0')
      .replace(/(\d{3})$/, '.$1')}`,
)
// Past 1e15 and under 1e-4, DuckDB writes doubles in a way of its own.
const double = fc.oneof(
  fc.double({ min: 0.001, max: 1e14, noNaN: true }),
  fc.double({ min: -1e14, max: -0.001, noNaN: true }),
  fc.constantFrom(0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
)
const values = [
  text,
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.integer(),
  double,
  fc.boolean(),
  day.map((date) => date.toISOString().slice(0, 10)),
  instant,
  instant,
  fc.uint8Array(),
  decimal,
].map((one): fc.Arbitrary<Value> => fc.option<Value>(one as fc.Arbitrary<Value>, { nil: null }))
const row = fc.tuple(...values) as fc.Arbitrary<Value[]>

describe('a line', () => {
  it('is read back as what it was written from', () => {
    fc.assert(
      fc.property(row, (given) => {
        const batch = RowBatch.of(columns, [given])
        expect(batch.rows()).toEqual([given])
        expect(batch.lines[0]?.split('\t').length).toBe(columns.length)
        expect(batch.lines[0]).not.toMatch(/[\n\r\0]/)
      }),
    )
  })
  it('is the same line again, written from what it was read as', () => {
    fc.assert(
      fc.property(row, (given) => {
        const [line = ''] = RowBatch.of(columns, [given]).lines
        expect(RowBatch.of(columns, [decodeLine(line, columns)]).lines).toEqual([line])
      }),
    )
  })
  it('keeps text apart from null and from its own escapes', () => {
    const string = { kind: 'string' } as const
    for (const one of ['\\N', '', 'N', '\\', '\\\\N', '\t', '\\t']) {
      expect(encodeValue(one, string)).not.toBe('\\N')
      expect(decodeValue(encodeValue(one, string), string)).toBe(one)
      expect(unescapeText(escapeText(one))).toBe(one)
    }
  })
  it('has the columns that are picked, in their order', () => {
    const batch = new RowBatch(columns.slice(0, 3), ['a\\tb\t1\t2', '\\N\t3\t\\N'])
    expect(batch.pick(['integer', 'string']).lines).toEqual(['2\ta\\tb', '\\N\t\\N'])
    expect(batch.pick(['integer', 'string']).columns.map(({ name }) => name)).toEqual(['integer', 'string'])
  })
})

describe('a clock’s reading', () => {
  it('is as many microseconds and milliseconds as it was made from', () => {
    fc.assert(
      fc.property(instant, (one) => {
        const line = one.wallClock()
        expect(microsOf(line)).toBe(one.micros)
        expect(millisOf(line)).toBe(one.toDate().getTime())
      }),
    )
  })

  it('is none where a calendar has no such day', () => {
    const day = fc.tuple(fc.integer({ min: 0, max: 9999 }), fc.integer({ min: 0, max: 13 }), fc.integer({ min: 0, max: 32 }))
    fc.assert(
      fc.property(day, ([year, month, date]) => {
        const text = [String(year).padStart(4, '0'), String(month).padStart(2, '0'), String(date).padStart(2, '0')].join('-')
        const value = new Date(`${text}T00:00:00Z`)
        const isThere = !Number.isNaN(value.getTime()) && value.toISOString().startsWith(text)
        expect([text, millisOf(text)]).toEqual([text, isThere ? value.getTime() : Number.NaN])
      }),
    )
  })
})

describe('a line by the engine', () => {
  const engine = duckdb({ temporaryFolder: join(tmpdir(), `sluice-rows-${process.pid}`), threads: 1 })
  afterAll(() => engine.close())

  const sqlOf = (value: Value, { type }: Field): string => {
    if (typeof value === 'string' && type.kind === 'string')
      return value
        .split('\0')
        .map((part) => literal(part))
        .join(' || chr(0) || ')
    if (value instanceof Timestamp) return `CAST('${value.wallClock()}${type.kind === 'timestamp' ? '+00' : ''}' AS ${sqlType(type)})`
    return `CAST(${literal(value as SqlValue)} AS ${sqlType(type)})`
  }

  it('is the one that is written here', async () => {
    const session = await engine.connect()
    const rows = fc
      .sample(row, { numRuns: 200, seed: 1 })
      .map((one) => one.map((value) => (typeof value === 'string' ? Buffer.from(value).toString() : value)))
    const sql = rows.map((one, number) => `(${number}, ${one.map((value, place) => sqlOf(value, columns[place] as Field)).join(', ')})`)
    const names = columns.map(({ name }) => quoteName(name)).join(', ')
    const found = await session.rows(`SELECT ${lineSql(columns)} AS line FROM (VALUES ${sql.join(', ')}) AS t(n, ${names}) ORDER BY n`)
    expect(found.map(({ line }) => line)).toEqual(RowBatch.of(columns, rows).lines)
  })
})
