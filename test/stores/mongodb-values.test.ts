import fc from 'fast-check'
import { Binary, BSON, Decimal128, Double, Int32, Long } from 'mongodb'
import { expect, test } from 'vitest'
import type { DataType } from '../../src/schema/index.js'
import { scaled, unscaled } from '../../src/stores/cells.js'
import { cellEncoder, decoder, encoder, valueCheck } from '../../src/stores/mongodb-values.js'

const classes = { Long, Double, Binary, Decimal128, BSON }
const bytes = (value: unknown) => Buffer.from(BSON.serialize({ value })).toString('hex')

const cases: readonly (readonly [DataType, string, unknown])[] = [
  [{ kind: 'integer' }, '0', new Int32(0)],
  [{ kind: 'integer' }, '2147483647', new Int32(2_147_483_647)],
  [{ kind: 'integer' }, '-2147483648', new Int32(-2_147_483_648)],
  [{ kind: 'byte' }, '-128', new Int32(-128)],
  [{ kind: 'long' }, '3', Long.fromNumber(3)],
  [{ kind: 'long' }, '-9223372036854775808', Long.MIN_VALUE],
  [{ kind: 'double' }, '3', new Double(3)],
  [{ kind: 'double' }, '-0', new Double(-0)],
  [{ kind: 'double' }, '0.1', new Double(0.1)],
  [{ kind: 'double' }, '1e+300', new Double(1e300)],
  [{ kind: 'double' }, 'NaN', new Double(Number.NaN)],
  [{ kind: 'float' }, '-Infinity', new Double(Number.NEGATIVE_INFINITY)],
  [{ kind: 'decimal', precision: 10, scale: 2 }, '0.00', Decimal128.fromString('0.00')],
  [{ kind: 'decimal', precision: 10, scale: 2 }, '-12345678.90', Decimal128.fromString('-12345678.90')],
  [{ kind: 'decimal', precision: 38, scale: 4 }, '123456789012345678.9000', Decimal128.fromString('123456789012345678.9000')],
  [{ kind: 'decimal', precision: 10, scale: 2 }, 'NaN', Decimal128.fromString('NaN')],
  [{ kind: 'decimal', precision: 10, scale: 0 }, 'NaN', Decimal128.fromString('NaN')],
  [{ kind: 'decimal', precision: 38, scale: 5 }, '-Infinity', Decimal128.fromString('-Infinity')],
  [{ kind: 'date' }, '1969-12-31', new Date('1969-12-31T00:00:00Z')],
  [{ kind: 'timestamp' }, '0001-01-01 00:00:00.000000', new Date('0001-01-01T00:00:00.000Z')],
  [{ kind: 'timestamp' }, '9999-12-31 23:59:59.999000', new Date('9999-12-31T23:59:59.999Z')],
  [{ kind: 'string' }, '\\\\N', '\\N'],
  [{ kind: 'string' }, '\\N', null],
]

test.each(cases)('%o %s is written as its BSON type', (type, text, value) => {
  expect(bytes(encoder(type, classes)(text))).toBe(bytes(value))
})

test('a value stands anywhere in a line, and is then written as it is alone', () => {
  const cell = fc.oneof(
    fc
      .record({ scale: fc.integer({ min: 0, max: 6 }), units: fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }) })
      .map(({ scale, units }): [DataType, string, unknown] => {
        const text = scaled(units, scale)
        return [{ kind: 'decimal', precision: 20, scale }, text, Decimal128.fromString(text)]
      }),
    fc
      .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
      .map((value): [DataType, string, unknown] => [{ kind: 'long' }, String(value), Long.fromBigInt(value)]),
    fc.integer().map((value): [DataType, string, unknown] => [{ kind: 'integer' }, String(value), new Int32(value)]),
    fc.constantFrom(...cases),
  )
  fc.assert(
    fc.property(fc.array(cell, { minLength: 1 }), (cells) => {
      const line = cells.map(([, text]) => text).join('\t')
      let from = 0
      for (const [type, text, value] of cells) {
        expect(bytes(cellEncoder(type, classes)(line, from, from + text.length))).toBe(bytes(value))
        from += text.length + 1
      }
    }),
  )
  // Fewer digits than the scale has, as limits of a range may be written, after what looks like a point.
  const money: DataType = { kind: 'decimal', precision: 10, scale: 2 }
  for (const text of ['5', '12.5', '0.', '-3'])
    expect(String(cellEncoder(money, classes)(`.\t${text}`, 2, 2 + text.length))).toBe(
      String(Decimal128.fromString(scaled(unscaled(text, 2), 2))),
    )
})

test('what MongoDB has not is undefined', () => {
  const times = ['0000-00-00', '2018-00-10', '2018-02-30', 'infinity', '-infinity', '0044-03-15 BC', '10000-01-01']
  for (const text of times) expect([text, encoder({ kind: 'date' }, classes)(text)]).toEqual([text, undefined])
  for (const text of ['0000-00-00 00:00:00.000000', 'infinity', '0044-03-15 12:00:00.123 BC', '20000-01-01 00:00:00.000000'])
    expect([text, encoder({ kind: 'timestamp' }, classes)(text)]).toEqual([text, undefined])
  expect(encoder({ kind: 'decimal', precision: 10, scale: 2 }, { ...classes, decimals: 'integer' })('NaN')).toBeUndefined()
})

test('a decimal met again is the same one, each column by its own scale', () => {
  const [cents, mills] = [2, 3].map((scale) => encoder({ kind: 'decimal', precision: 10, scale }, classes))
  const texts = ['1.50', '-1.50', '1.50', '0.00', '-1.50']
  expect(texts.map((text) => String(cents?.(text)))).toEqual(texts)
  expect(String(mills?.('1.500'))).toBe('1.500')
})

test('what is finer than a millisecond is told', () => {
  const check = valueCheck({ kind: 'timestamp' }, classes)
  const told = ['2018-01-01 05:00:00.123000', '2018-01-01 05:00:00', '\\N'].map((text) => check?.(text))
  expect(told).toEqual([undefined, undefined, undefined])
  expect(check?.('2018-01-01 05:00:00.000001')).toMatch(/finer than a millisecond/)
})

test('decimals as whole numbers count the last place, and go back; what has no room in 64 bits is told', () => {
  const whole = { ...classes, decimals: 'integer' } as const
  const money = { kind: 'decimal', precision: 10, scale: 2 } as const
  for (const [text, cents] of [
    ['12.50', 1250n],
    ['-0.05', -5n],
    ['0.00', 0n],
  ] as const) {
    expect(bytes(encoder(money, whole)(text))).toBe(bytes(Long.fromBigInt(cents)))
    expect(decoder(money, whole)(Long.fromBigInt(cents))).toBe(text)
  }
  // As others may have left it there.
  expect(decoder(money, whole)(Decimal128.fromString('12.5'))).toBe('12.50')
  expect(valueCheck(money, whole)).toBeUndefined()
  const wide = { kind: 'decimal', precision: 38, scale: 2 } as const
  expect(valueCheck(wide, whole)?.('92233720368547758.07')).toBeUndefined()
  expect(valueCheck(wide, whole)?.('92233720368547758.08')).toMatch(/64 bits/)
})
