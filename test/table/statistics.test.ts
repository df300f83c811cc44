import { describe, expect, test } from 'vitest'
import { type Column, type Columns, column } from '../../src/schema/index.js'
import { openSession } from '../session.js'
import { newTable } from './table.js'

const session = openSession()

/** The statistics of the one file that a query's rows make, as they stand in the log. */
async function statistics(columns: Columns, query: string, partitionColumns: readonly string[] = []): Promise<string> {
  const table = await newTable(session(), columns, { partitionColumns })
  await table.append(query)
  return [...(await table.snapshot()).files.values()][0]?.stats ?? ''
}

/** min and max of a column called `x`, as JSON text, for values in SQL. */
async function bounds(type: Column, ...sqlValues: readonly string[]): Promise<string> {
  const text = await statistics({ x: type }, `SELECT unnest([${sqlValues.join(', ')}]) AS x`)
  const found = /"minValues":(.*),"maxValues":(.*),"nullCount"/.exec(text)
  return `${found?.[1]} ${found?.[2]}`
}

describe('the whole of it', () => {
  test('counts rows and nulls, and bounds each column', async () => {
    expect(
      await statistics({ a: column.integer(), b: column.string() }, "SELECT * FROM (VALUES (1, 'x'), (3, null), (null, null)) v(a, b)"),
    ).toBe('{"numRecords":3,"minValues":{"a":1,"b":"x"},"maxValues":{"a":3,"b":"x"},"nullCount":{"a":1,"b":2}}')
  })

  test('nests structs, leaves lists and maps out, and has no partition column', async () => {
    const columns = {
      p: column.string(),
      s: column.struct({ 'a"b': column.integer(), deep: column.struct({ c: column.string() }) }),
      list: column.array(column.integer()),
      map: column.map(column.string(), column.integer()),
    }
    expect(await statistics(columns, `SELECT 'p' AS p, {'a"b': 1, 'deep': {'c': 'x'}} AS s, [1] AS list, MAP {'k': 1} AS map`, ['p'])).toBe(
      '{"numRecords":1,"minValues":{"s":{"a\\"b":1,"deep":{"c":"x"}}},"maxValues":{"s":{"a\\"b":1,"deep":{"c":"x"}}},"nullCount":{"s":{"a\\"b":0,"deep":{"c":0}}}}',
    )
  })

  test('covers the first 32 leaves', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `c${index}`)
    const columns = Object.fromEntries(names.map((name) => [name, column.integer()]))
    const { minValues, nullCount } = JSON.parse(await statistics(columns, `SELECT ${names.map((name) => `1 AS ${name}`).join(', ')}`))
    expect(Object.keys(minValues)).toEqual(names.slice(0, 32))
    expect(Object.keys(nullCount)).toEqual(names.slice(0, 32))
  })

  test('of nulls alone has no bounds', async () => {
    expect(await bounds(column.integer(), 'null', 'null')).toBe('{} {}')
  })
})

describe('bounds', () => {
  const a31 = 'a'.repeat(31)
  test.each<[string, Column, string[], string]>([
    [
      'longs keep every digit',
      column.long(),
      ['-9223372036854775808', '9007199254740993'],
      '{"x":-9223372036854775808} {"x":9007199254740993}',
    ],
    [
      'decimals keep every digit',
      column.decimal(38, 10),
      ['-0.0000000001', '1234567890123456789012345678.0123456789'],
      '{"x":-0.0000000001} {"x":1234567890123456789012345678.0123456789}',
    ],
    ['decimals keep their scale', column.decimal(10, 2), ['1.5'], '{"x":1.50} {"x":1.50}'],
    ['doubles', column.double(), ['-1.5e300::DOUBLE', '0.1'], '{"x":-1.5e+300} {"x":0.1}'],
    ['a NaN makes bounds unknown', column.double(), ["'nan'::DOUBLE", '1'], '{} {}'],
    ['an infinity has no JSON', column.double(), ["'-inf'::DOUBLE", '1'], '{} {"x":1}'],
    ['a maximum of zero may be minus zero', column.double(), ["'-0'::DOUBLE"], '{"x":0} {"x":0.0}'],
    ['dates', column.date(), ["DATE '1969-12-31'", "DATE '2020-02-29'"], '{"x":"1969-12-31"} {"x":"2020-02-29"}'],
    ['a date beyond four digits is unknown', column.date(), ["DATE '2020-01-01'", "DATE '12020-01-01'"], '{"x":"2020-01-01"} {}'],
    [
      'a timestamp is rounded outwards to the millisecond',
      column.timestamp(),
      ["TIMESTAMPTZ '2020-01-01 00:00:00.000999+00'", "TIMESTAMPTZ '2020-01-01 00:00:00.001001+00'"],
      '{"x":"2020-01-01T00:00:00.000Z"} {"x":"2020-01-01T00:00:00.002Z"}',
    ],
    [
      'also before 1970',
      column.timestamp(),
      ["TIMESTAMPTZ '1969-12-31 23:59:59.999999+00'"],
      '{"x":"1969-12-31T23:59:59.999Z"} {"x":"1970-01-01T00:00:00.000Z"}',
    ],
    [
      'a wall clock has no zone',
      column.timestampNtz(),
      ["TIMESTAMP '2020-01-01 12:00:00'"],
      '{"x":"2020-01-01T12:00:00.000"} {"x":"2020-01-01T12:00:00.000"}',
    ],
    ['text of 32 characters stands whole', column.string(), [`'${a31}b'`], `{"x":"${a31}b"} {"x":"${a31}b"}`],
    ['longer text is cut, its maximum raised', column.string(), [`'${a31}bc'`], `{"x":"${a31}b"} {"x":"${a31}b\u007F"}`],
    [
      'characters are code points, and beyond ASCII are raised to the last one',
      column.string(),
      [`'${'é'.repeat(31)}😀😀'`],
      `{"x":"${'é'.repeat(31)}😀"} {"x":"${'é'.repeat(31)}😀\u{10FFFF}"}`,
    ],
    ['text is escaped', column.string(), [`'"\\' || chr(10)`], '{"x":"\\"\\\\\\n"} {"x":"\\"\\\\\\n"}'],
    ['booleans and bytes have none', column.boolean(), ['true'], '{} {}'],
  ])('%s', async (_, type, given, expected) => {
    expect(await bounds(type, ...given)).toBe(expected)
  })

  test('are what a JSON reader takes for them', async () => {
    expect(JSON.parse(await statistics({ x: column.string() }, `SELECT '"\\' || chr(10) || chr(1) AS x`))).toMatchObject({
      minValues: { x: '"\\\n\u0001' },
    })
  })
})
