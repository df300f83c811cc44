import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { literal, quoteText, sqlType } from '../../src/engine/index.js'
import { type Column, column } from '../../src/schema/index.js'
import { parseStatistics, type Range } from '../../src/table/index.js'
import { filesThat, withinRanges } from '../../src/table/snapshot.js'
import { formatStatistics, mayHold } from '../../src/table/statistics.js'
import { part, temporaryFolder } from '../fixtures.js'
import { openSession } from '../session.js'
import { newTable, values } from './table.js'

const session = openSession()

describe('a file is skipped', () => {
  const statistics = (text: string) => parseStatistics(`{"numRecords":2,${text}}`)
  const range = (min: string | null, max: string | null, nulls = false): Range => ({ min, max, nulls })
  const oneToNine = '"minValues":{"x":1},"maxValues":{"x":9},"nullCount":{"x":0}'

  test.each<[string, boolean, string, Column, Range]>([
    ['when all is below', true, oneToNine, column.long(), range('10', '20')],
    ['when all is above', true, oneToNine, column.long(), range('-5', '0')],
    ['not when the range touches', false, oneToNine, column.long(), range('9', '20')],
    ['not when nothing is known', false, '"minValues":{}', column.long(), range('10', '20')],
    ['when nothing is wanted', true, oneToNine, column.long(), range(null, null)],
    ['when null is wanted and there is none', true, oneToNine, column.long(), range(null, null, true)],
    ['not when null is wanted and there is one', false, '"nullCount":{"x":1}', column.long(), range(null, null, true)],
    ['not when null is wanted and nobody counted', false, '"nullCount":{}', column.long(), range(null, null, true)],
    ['when it holds nulls alone', true, '"nullCount":{"x":2}', column.long(), range('1', '2')],
    [
      'not when neighbours beyond 2^53 look the same',
      false,
      '"minValues":{"x":9007199254740993},"maxValues":{"x":9007199254740993}',
      column.long(),
      range('9007199254740993', '9007199254740993'),
    ],
    ['by date', true, '"minValues":{"x":"2020-01-01"},"maxValues":{"x":"2020-12-31"}', column.date(), range('2021-01-01', '2021-12-31')],
    [
      'not when a date of five digits is wanted beside',
      false,
      '"minValues":{"x":"2020-01-01"},"maxValues":{"x":"2020-12-31"}',
      column.date(),
      range('2020-06-01', '12020-01-01'),
    ],
    [
      'by instant',
      true,
      '"minValues":{"x":"2020-01-01T00:00:00.000Z"},"maxValues":{"x":"2020-01-01T00:00:00.001Z"}',
      column.timestamp(),
      range('2020-01-01 00:00:00.003+00', '2020-01-02 00:00:00+00'),
    ],
    [
      'not within the millisecond that writers cut off',
      false,
      '"minValues":{"x":"2020-01-01T00:00:00.000Z"},"maxValues":{"x":"2020-01-01T00:00:00.001Z"}',
      column.timestamp(),
      range('2020-01-01 00:00:00.001999+00', '2020-01-02 00:00:00+00'),
    ],
    ['by text', true, '"minValues":{"x":"a"},"maxValues":{"x":"m"}', column.string(), range('n', 'z')],
    [
      'not by text beyond the basic plane',
      false,
      '"minValues":{"x":"😀"},"maxValues":{"x":"😀"}',
      column.string(),
      range('\uFFFD', '\uFFFD'),
    ],
  ])('%s', (_, skipped, text, type, wanted) => {
    expect(mayHold(statistics(text), 'x', type.type, wanted)).toBe(!skipped)
  })

  test.each(['constructor', 'toString', '__proto__'])('never for want of statistics, in a column called %s', (name) => {
    expect(mayHold(parseStatistics('{"numRecords":2}'), name, { kind: 'string' }, range('a', 'b'))).toBe(true)
  })

  test.each(['', 'no JSON', 'null', '[]', '{"minValues":7}'])('never by statistics that make no sense: %j', (text) => {
    expect(mayHold(parseStatistics(text), 'x', { kind: 'long' }, range('1', '2'))).toBe(true)
  })

  test('when a merge or a read names a range, and its rows alone are opened', async () => {
    const table = await newTable(session(), { n: column.integer(), p: column.string() }, { partitionColumns: ['p'] })
    await table.append(values('n, p', "(1, 'a')", "(2, 'b')", '(3, null)'))
    await table.append(values('n, p', "(11, 'a')"))
    const snapshot = await table.snapshot()
    const opened = async (ranges: Record<string, Range>) => (await filesThat(snapshot, withinRanges(snapshot, ranges))).length
    expect(await opened({})).toBe(4)
    expect(await opened({ n: range('10', '20') })).toBe(1)
    expect(await opened({ p: range('a', 'a') })).toBe(2)
    expect(await opened({ p: range(null, null, true) })).toBe(1)
    expect(await opened({ p: range('a', 'a', true) })).toBe(3)
    expect(await opened({ p: range('a', 'a'), n: range('1', '5') })).toBe(1)
  })
})

describe('no file with a wanted row is skipped', () => {
  const micros = fc.oneof(
    fc.bigInt({ min: -62135596800000000n, max: 253402300799999999n }),
    fc.bigInt({ min: -3000n, max: 3000n }),
    fc.bigInt({ min: -9000000000000000n * 20n, max: 9000000000000000n * 30n }),
  )
  const days = fc.oneof(fc.integer({ min: -2_000_000, max: 5_000_000 }), fc.integer({ min: 15_000, max: 15_020 }))
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 6 }),
    fc
      .tuple(fc.constantFrom('a', 'é', '\uD7FF', '\uFFFD', '😀'), fc.string({ unit: 'grapheme', maxLength: 4 }))
      .map(([one, rest]) => one.repeat(32) + rest),
    fc.constantFrom('', 'null', '\u007F', '\uE000', '\u{10FFFF}'),
  )
  const types: [string, Column, fc.Arbitrary<string>][] = [
    ['string', column.string(), text.filter((one) => !one.includes('\0')).map(quoteText)],
    [
      'long',
      column.long(),
      fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: 2n ** 53n - 2n, max: 2n ** 53n + 4n })).map(String),
    ],
    ['integer', column.integer(), fc.integer({ min: -9, max: 9 }).map(String)],
    ['byte', column.byte(), fc.integer({ min: -128, max: 127 }).map(String)],
    [
      'decimal',
      column.decimal(38, 10),
      fc.bigInt({ min: -(10n ** 37n), max: 10n ** 37n }).map(
        (one) =>
          `${one / 10n ** 10n}.${String(one < 0n ? -one : one)
            .padStart(10, '0')
            .slice(-10)}`,
      ),
    ],
    ['double', column.double(), fc.double().map(literal)],
    ['float', column.float(), fc.float().map(literal)],
    ['boolean', column.boolean(), fc.boolean().map(literal)],
    ['date', column.date(), days.map((one) => `(DATE '1970-01-01' + ${one})`)],
    ['timestamp', column.timestamp(), micros.map((one) => `make_timestamptz(${one})`)],
    ['timestamp_ntz', column.timestampNtz(), micros.map((one) => `make_timestamp(${one})`)],
    ['binary', column.binary(), fc.uint8Array({ maxLength: 3 }).map(literal)],
  ]

  test.each(types)('%s', async (_, { type }, value) => {
    const some = fc.array(fc.oneof({ weight: 9, arbitrary: value }, { weight: 1, arbitrary: fc.constant('NULL') }), {
      minLength: 1,
      maxLength: 4,
    })
    const folder = temporaryFolder()
    await fc.assert(
      fc.asyncProperty(some, some, some, async (held, wanted, more) => {
        const cast = (one: string) => `CAST(${one} AS ${sqlType(type)})`
        const list = (all: readonly string[]) => `[${all.map(cast).join(', ')}]`
        const [file] = await session().write({ query: `SELECT unnest(${list(held)}) AS x`, folder, prefix: randomUUID() })
        if (file === undefined) throw new Error('nothing was written')
        const statistics = parseStatistics(formatStatistics(file, [{ name: 'x', type, nullable: true }], []))
        for (const asked of [wanted, more, [...held.slice(0, 1), ...more]]) {
          const [found] = await session().rows(
            `WITH w AS (SELECT unnest(${list(asked)}) AS x), h AS (SELECT unnest(${list(held)}) AS x),
             r AS (SELECT min(x) AS low, max(x) AS high, count(*) > count(x) AS nulls FROM w)
             SELECT low::VARCHAR AS min, high::VARCHAR AS max, nulls, (SELECT count(*) FROM h, r WHERE x BETWEEN low AND high OR (x IS NULL AND nulls)) AS n FROM r`,
          )
          const range = { min: found?.['min'], max: found?.['max'], nulls: found?.['nulls'] } as Range
          if (Number(found?.['n']) > 0) expect(mayHold(statistics, 'x', type, range), JSON.stringify({ statistics, range })).toBe(true)
        }
      }),
      { numRuns: part(60) },
    )
  })
})
