import { describe, expect, test } from 'vitest'
import { type ArrivedColumn, type Column, column, compareSchema, type DataType, typeText, widens } from '../../src/schema/index.js'

const type = (one: Column) => one.type

describe('typeText', () => {
  test.each<[Column, string]>([
    [column.long(), 'long'],
    [column.timestampNtz(), 'timestamp_ntz'],
    [column.decimal(10, 2), 'decimal(10,2)'],
    [column.array(column.map(column.string(), column.date())), 'array<map<string, date>>'],
    [column.struct({ a: column.long(), b: column.struct({ c: column.binary() }) }), 'struct<a: long, b: struct<c: binary>>'],
  ])('%#', (one, text) => {
    expect(typeText(one.type)).toBe(text)
  })
})

describe('widens: every value of the one is exactly a value of the other', () => {
  test.each<[Column, Column, boolean]>([
    [column.byte(), column.long(), true],
    [column.long(), column.integer(), false],
    [column.integer(), column.double(), true],
    [column.long(), column.double(), false],
    [column.float(), column.double(), true],
    [column.double(), column.float(), false],
    [column.integer(), column.float(), false],
    [column.integer(), column.decimal(10, 0), true],
    [column.integer(), column.decimal(10, 1), false],
    [column.long(), column.decimal(19, 0), true],
    [column.decimal(5, 2), column.decimal(10, 2), true],
    [column.decimal(5, 2), column.decimal(5, 3), false],
    [column.decimal(5, 2), column.decimal(6, 1), false],
    [column.decimal(5, 2), column.double(), false],
    [column.date(), column.timestamp(), false],
    [column.string(), column.long(), false],
    [column.array(column.integer()), column.array(column.long()), true],
    [column.map(column.string(), column.integer()), column.map(column.string(), column.byte()), false],
    [column.struct({ a: column.integer() }), column.struct({ a: column.long(), b: column.string() }), true],
    [column.struct({ a: column.integer(), b: column.string() }), column.struct({ a: column.long() }), false],
  ])('%#', (from, to, exact) => {
    expect(widens(type(from), type(to))).toBe(exact)
  })
})

describe('compareSchema', () => {
  const expected = { id: column.long(), fare: column.double({ aliases: ['Fare_Amount'] }), fee: column.double({ optional: true }) }
  const compared = (...arrived: readonly (string | [string, DataType])[]) => {
    const columns = arrived.map((one): ArrivedColumn => (typeof one === 'string' ? { name: one } : { name: one[0], type: one[1] }))
    const { mapping, extra, drift } = compareSchema(expected, columns)
    return {
      mapping: [...mapping].map(([name, found]) => `${name}=${found.name}`),
      extra: extra.map((one) => one.name),
      drift: drift.map((one) => `${one.column} ${one.change} ${one.expected} -> ${one.arrived}: ${one.policy}`),
    }
  }

  test('what is expected, in other case and by alias, is no drift', () => {
    expect(compared('ID', 'FARE_AMOUNT')).toEqual({ mapping: ['id=ID', 'fare=FARE_AMOUNT'], extra: [], drift: [] })
  })

  test('a name goes before an alias', () => {
    expect(compared('id', 'fare_amount', 'fare')).toMatchObject({ mapping: ['id=id', 'fare=fare'], extra: ['fare_amount'] })
  })

  test.each([
    ['missing', ['id'], ['fare missing double -> absent: evolve']],
    ['extra', ['id', 'fare', 'x'], ['x extra absent -> text: drop']],
    ['re-typed', ['id', ['fare', { kind: 'string' }]], ['fare retyped double -> string: evolve']],
    ['re-typed within, which is none', [['id', { kind: 'short' }], 'fare'], []],
    ['re-ordered', ['fare', 'id'], ['fare reordered after id -> column 1: evolve']],
    ['all at once', ['x', 'fare'], ['id missing long -> absent: evolve', 'x extra absent -> text: drop']],
  ] as const)('%s', (_, arrived, drift) => {
    expect(compared(...(arrived as readonly string[])).drift).toEqual(drift)
  })

  test('each change follows its policy', () => {
    const policies = { missing: 'fail', extra: 'evolve', retyped: 'quarantine', reordered: 'fail' } as const
    const { drift } = compareSchema(expected, [{ name: 'more' }, { name: 'id', type: { kind: 'string' } }], policies)
    expect(drift.map((one) => one.policy)).toEqual(['quarantine', 'fail', 'evolve'])
  })
})
