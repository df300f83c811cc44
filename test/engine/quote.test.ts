import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { literal, quoteName, quotePath, quoteText, type SqlValue } from '../../src/engine/index.js'
import { Timestamp } from '../../src/schema/index.js'
import { openSession } from '../session.js'

const session = openSession()
const hostile = fc
  .oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: fc.constantFrom("'", '"', '\\', ';', '--', '/*', '$$', '\n', '$1', '?', '{', '}', '%', '\u2028', '😀') }),
    fc.constantFrom("'; DROP TABLE x; --", "E'\\'", "''", '""', '$tag$', 'NULL'),
  )
  .filter((one) => !one.includes('\0'))

describe('quoting', () => {
  test.each([
    [quoteName('fare "amount"'), '"fare ""amount"""'],
    [quoteText("O'Hare"), "'O''Hare'"],
    [quotePath('/a/*[1]?.csv'), "'/a/[*][[]1][?].csv'"],
    [literal(null), 'NULL'],
    [literal(-5), '-5'],
    [literal(10n ** 18n), '1000000000000000000'],
    [literal(true), 'TRUE'],
    [literal(new Timestamp(1n)), "TIMESTAMPTZ '1970-01-01T00:00:00.000001Z'"],
    [literal([1, 'a', null]), "[1, 'a', NULL]"],
    [literal(new Map([['k', 1]])), "MAP {'k': 1}"],
  ])('%s', (written, expected) => {
    expect(written).toBe(expected)
  })

  test('text comes back as it was, whatever it is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(hostile, { minLength: 1, maxLength: 5 }), async (all) => {
        const [row] = await session().rows(`SELECT ${all.map((one, index) => `${literal(one)} AS c${index}`).join(', ')}`)
        expect(Object.values(row ?? {})).toEqual(all)
      }),
      { numRuns: 100 },
    )
  })

  test('a name names its column, whatever it is', async () => {
    await fc.assert(
      fc.asyncProperty(
        hostile.filter((one) => one !== ''),
        async (name) => {
          const rows = await session().rows(`SELECT t.${quoteName(name)} FROM (SELECT 7 AS ${quoteName(name)}) AS t`)
          expect(rows).toEqual([{ [name]: 7 }])
        },
      ),
      { numRuns: 100 },
    )
  })

  test('other values come back as they were', async () => {
    const value: fc.Arbitrary<SqlValue> = fc.oneof(
      fc.integer(),
      fc.double(),
      fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }).filter((one) => one > 2n ** 31n || one < -(2n ** 31n)),
      fc.boolean(),
      fc.constant(null),
      fc.bigInt({ min: -62135596800000000n, max: 253402300799999999n }).map((micros) => new Timestamp(micros)),
      fc.uint8Array({ maxLength: 8 }),
    )
    await fc.assert(
      fc.asyncProperty(value, async (one) => {
        const [row] = await session().rows(`SELECT ${literal(one)} AS x`)
        const back = row?.['x']
        if (typeof one === 'number') expect(Object.is(Number(back), one) || Number(back) === one).toBe(true)
        else if (one instanceof Uint8Array) expect(Uint8Array.from(back as Uint8Array)).toEqual(one)
        else expect(back).toEqual(one)
      }),
      { numRuns: 200 },
    )
  })
})
