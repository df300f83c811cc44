import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Cause, causeOf, findings } from '../../src/reconciliation/index.js'
import { column } from '../../src/schema/index.js'
import { escapeText, NULL } from '../../src/stores/index.js'

const text = column.string().type
const money = column.decimal(10, 2).type
const fine = column.decimal(18, 6).type
const double = column.double().type
const instant = column.timestamp().type

describe('the cause of a difference:', () => {
  const cases: [Cause | undefined, string, string, typeof text][] = [
    [undefined, '12.50', '12.5', money],
    [undefined, '12.50', '12.5', double],
    [undefined, '1e16', '10000000000000000', double],
    [undefined, '0.00001', '1e-05', double],
    [undefined, '-0.00', '0.00', money],
    ['real', '12.50', '19.50', money],
    ['real', '12.50', '-12.50', money],
    ['real', 'north', 'south', text],
    ['null-vs-zero', NULL, '0.00', money],
    ['null-vs-zero', '0', NULL, double],
    ['real', NULL, '0', text],
    ['null-vs-empty', NULL, '', text],
    ['null-vs-empty', '', NULL, text],
    ['real', NULL, '3.00', money],
    ['decimal-scale', '12.345678', '12.35', fine],
    ['decimal-scale', '12.345678', '12.34', fine],
    ['decimal-scale', '-12.345678', '-12.346', fine],
    ['decimal-scale', '12.34', '12.345678', money],
    ['real', '12.345678', '12.36', fine],
    ['decimal-scale', '12.52', '12.50', money],
    ['decimal-scale', '17.50', '18.00', money],
    ['real', '12.50', '12.52', money],
    ['float-precision', '0.1', '0.10000000149011612', double],
    ['float-precision', '429490.2', '429490.1875', double],
    ['float-precision', '0.3', '0.30000000000000004', double],
    ['float-precision', '-0', '0', double],
    ['real', 'NaN', '1', double],
    ['timezone', '2018-01-01 05:00:00.000000', '2018-01-01 00:00:00.000000', instant],
    ['timezone', '2018-01-01 05:00:00.000000', '2018-01-01 10:30:00.000000', instant],
    ['timezone', '2018-03-11 07:12:34.123456', '2018-03-11 03:12:34.123456', instant],
    ['real', '2018-01-01 05:00:00.000000', '2018-01-03 05:00:00.000000', instant],
    ['real', '2018-01-01 05:00:00.000000', '2018-01-01 05:07:00.000000', instant],
    ['truncated', '2018-01-01 05:00:01.123456', '2018-01-01 05:00:01.000000', instant],
    ['truncated', '2018-01-01 05:00:01.123456', '2018-01-01 05:00:01.123000', instant],
    ['truncated', 'a long name', 'a long', text],
    ['truncated', 'padded  ', 'padded', text],
    ['real', 'something', '', text],
    ['case', 'Queens', 'QUEENS', text],
    ['encoding', 'Zürich', 'ZÃ¼rich', text],
    ['encoding', 'Zürich', 'Z?rich', text],
    ['encoding', 'Zürich', 'Z\uFFFDrich', text],
    ['encoding', 'é', 'e\u0301', text],
    ['encoding', 'taxi 🚕', 'taxi ????', text],
    ['truncated', 'beef00', 'beef', column.binary().type],
    ['real', '1', '0', column.boolean().type],
    ['real', '2018-01-01', '2018-01-02', column.date().type],
  ]
  test.each(cases)('%s: %s, %s', (cause, left, right, type) => {
    expect(causeOf(left, right, type)).toBe(cause)
  })

  test('what is within a tolerance is equal', () => {
    expect(causeOf('12.50', '12.51', money, { absolute: 0.01 })).toBeUndefined()
    expect(causeOf('12.50', '12.52', money, { absolute: 0.01 })).toBe('real')
    expect(causeOf('1000', '1001', double, { relative: 0.001 })).toBeUndefined()
    expect(causeOf('12.50', NULL, money, { absolute: 100 })).toBe('real')
  })

  test('equal texts are equal, of whatever type', () => {
    fc.assert(fc.property(fc.string(), (value) => causeOf(escapeText(value), escapeText(value), text) === undefined))
  })

  test('two numbers differ for a cause, or not at all', () => {
    const number = fc
      .tuple(fc.integer({ min: -1e9, max: 1e9 }), fc.integer({ min: 0, max: 6 }))
      .map(([value, scale]) => (value / 10 ** scale).toFixed(scale))
    fc.assert(
      fc.property(number, number, (one, other) => {
        const cause = causeOf(one, other, fine)
        expect(cause === undefined).toBe(Number(one) === Number(other))
      }),
    )
  })
})

test('a row that one side lacks is one finding, and each column that differs another', () => {
  const columns = [
    { name: 'id', type: text, nullable: false },
    { name: 'fare', type: money, nullable: true },
    { name: 'zone', type: text, nullable: true },
  ]
  const options = { columns, key: ['id'], tolerances: {} }
  expect(findings({ left: 'a\t1.00\tx' }, options)).toMatchObject([{ key: { id: 'a' }, column: null, cause: 'missing' }])
  expect(findings({ right: 'a\t1.00\tx' }, options)).toMatchObject([{ key: { id: 'a' }, column: null, cause: 'extra' }])
  expect(findings({ left: 'a\t\\N\tQueens', right: 'a\t0.00\tqueens' }, options)).toEqual([
    { key: { id: 'a' }, column: 'fare', left: null, right: '0.00', cause: 'null-vs-zero' },
    { key: { id: 'a' }, column: 'zone', left: 'Queens', right: 'queens', cause: 'case' },
  ])
  expect(findings({ left: 'a\t1.00\tx', right: 'a\t1.0\tx' }, options)).toEqual([])
})
