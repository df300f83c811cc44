import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { env, parseVariable, parseVariables, readSecret, requiredValue, Timestamp, variable, variables } from '../../src/schema/index.js'

describe('Timestamp', () => {
  test.each([
    [0n, '1970-01-01T00:00:00.000000Z'],
    [-1n, '1969-12-31T23:59:59.999999Z'],
    [1514764800000001n, '2018-01-01T00:00:00.000001Z'],
    // Past what a Date reaches: the first and the last of 64 bits.
    [2n ** 63n - 1n, '+294247-01-10T04:00:54.775807Z'],
    [-(2n ** 63n), '-290308-12-21T19:59:05.224192Z'],
  ])('%i microseconds are %s', (micros, text) => {
    expect(String(new Timestamp(micros))).toBe(text)
    expect(JSON.stringify(new Timestamp(micros))).toBe(`"${text}"`)
  })

  test('toDate rounds down, also before 1970', () => {
    expect(new Timestamp(-1n).toDate().getTime()).toBe(-1)
    expect(new Timestamp(1999n).toDate().getTime()).toBe(1)
  })

  test('a Date goes there and back', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true }), (date) => {
        expect(Timestamp.fromDate(date).toDate()).toEqual(date)
      }),
    )
  })
})

const vars = variables({
  input: variable.path(),
  hours: variable.integer({ default: 6 }),
  share: variable.number(),
  on: variable.boolean(),
  day: variable.date(),
})

describe('variables', () => {
  test.each([
    [vars.hours, '48', 48],
    [vars.hours, '-1', -1],
    [vars.share, '0.5', 0.5],
    [vars.share, '1e3', 1000],
    [vars.on, 'true', true],
    [vars.on, 'false', false],
    [vars.day, '2020-02-29', '2020-02-29'],
    [vars.input, ' any text ', ' any text '],
  ])('%# reads %j', (one, text, value) => {
    expect(parseVariable(one, text)).toBe(value)
  })

  test.each([
    [vars.hours, '1.5'],
    [vars.hours, ''],
    [vars.hours, '9007199254740993'],
    [vars.share, ''],
    [vars.share, 'Infinity'],
    [vars.share, 'x'],
    [vars.on, 'yes'],
    [vars.day, '2020-02-30'],
    [vars.day, '2020-1-1'],
    [vars.day, 'today'],
  ])('%# refuses %j', (one, text) => {
    expect(() => parseVariable(one, text)).toThrow(expect.objectContaining({ code: 'VARIABLE_INVALID' }))
  })

  test('a value, else the default, else an error that names it', () => {
    expect([requiredValue(vars.hours, { hours: 0 }), requiredValue(vars.hours, {})]).toEqual([0, 6])
    expect(() => requiredValue(vars.day, {})).toThrow(
      expect.objectContaining({ code: 'VARIABLE_NOT_SET', message: expect.stringContaining('day') }),
    )
  })

  test('an unknown name suggests the near one', () => {
    expect(parseVariables(vars, { hours: '2', on: 'true' })).toEqual({ hours: 2, on: true })
    expect(() => parseVariables(vars, { hour: '2' })).toThrow(
      expect.objectContaining({ code: 'VARIABLE_UNKNOWN', hint: expect.stringContaining('hours') }),
    )
    expect(() => parseVariables(vars, { constructor: '2' })).toThrow(expect.objectContaining({ code: 'VARIABLE_UNKNOWN' }))
  })
})

describe('secrets', () => {
  test('are read when asked for, and an unset or empty one is named', () => {
    expect(readSecret(env('KEY'), { KEY: 'value' })).toBe('value')
    expect(() => readSecret(env('KEY'), {})).toThrow(
      expect.objectContaining({ code: 'SECRET_NOT_SET', message: expect.stringContaining('KEY') }),
    )
    expect(() => readSecret(env('KEY'), { KEY: '' })).toThrow(expect.objectContaining({ code: 'SECRET_NOT_SET' }))
  })
})
