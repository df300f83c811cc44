import { describe, expect, test } from 'vitest'
import * as catalog from '../../src/errors/catalog.js'
import { didYouMean, type ErrorDefinition, editDistance, failure, isSluiceError, nearest } from '../../src/errors/index.js'

/** Facts that answer any question with a word, and with two where there may be several. */
const several = /^(known|features|keys|variables|datasets|missing|extra|expectations|problems|columns)$/
const anyFacts = (name: string) =>
  new Proxy(
    {},
    {
      get(_, fact) {
        if (several.test(String(fact))) return fact === 'expectations' ? [{ name: 'one', failed: 1, evaluated: 2 }] : ['one', 'two']
        return name === 'DATASET_CYCLE' ? ['one', 'two'] : 'thing'
      },
    },
  )

const entries = Object.entries(catalog) as unknown as [string, ErrorDefinition<object>][]

describe('every error of the catalog', () => {
  test('there are some', () => {
    expect(entries.length).toBeGreaterThan(50)
    expect(new Set(entries.map(([, one]) => one.code)).size).toBe(entries.length)
  })

  test.each(entries)('%s has its name for code, a message, a hint, and an exit code that fits', (name, one) => {
    expect(one.code).toBe(name)
    expect(name).toMatch(/^[A-Z]+(_[A-Z0-9]+)*$/)
    const error = failure(one, anyFacts(name))
    for (const text of [error.message, error.hint]) {
      expect(text).not.toMatch(name === 'SQL_VALUE_UNDEFINED' ? /\[object/ : /undefined|\[object|NaN|function/)
      expect(text.trim().length).toBeGreaterThan(2)
    }
    expect([1, 2, 3, 75]).toContain(one.exit)
    expect(one.exit === 75).toBe(one.retry === 'transient')
  })
})

describe('an error', () => {
  test('is recognised by brand, tells its cause and where, and prints no stack', () => {
    const cause = new Error('under it')
    const error = failure(catalog.TABLE_NOT_FOUND, { path: '/t' }, { cause, place: { file: 'a.ts', line: 3 } })
    expect([isSluiceError(error), isSluiceError(cause), isSluiceError(null)]).toEqual([true, false, false])
    expect(error.cause).toBe(cause)
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      code: 'TABLE_NOT_FOUND',
      message: error.message,
      hint: error.hint,
      retry: error.retry,
      exit: error.exit,
      file: 'a.ts',
      line: 3,
    })
  })
})

describe('the near word', () => {
  test.each([
    ['', '', 0],
    ['run', 'run', 0],
    ['rnu', 'run', 1],
    ['rn', 'run', 1],
    ['runs', 'run', 1],
    ['kitten', 'sitting', 3],
    ['', 'abc', 3],
    ['abc', '', 3],
  ])('%j to %j is %i edits, both ways', (left, right, distance) => {
    expect([editDistance(left, right), editDistance(right, left)]).toEqual([distance, distance])
  })

  test('is found without case, when it is near enough to have been meant', () => {
    expect(nearest('rnu', ['plan', 'run'])).toBe('run')
    expect(nearest('QUARANTINE', ['query', 'quarantine'])).toBe('quarantine')
    expect(nearest('lineage', ['run', 'plan'])).toBeUndefined()
    expect(nearest('x', [])).toBeUndefined()
  })

  test('else all there are', () => {
    expect(didYouMean('rnu', ['plan', 'run'])).toBe('Did you mean "run"?')
    expect(didYouMean('nothing-like-it', ['b', 'a'])).toBe('There is: a, b.')
    expect(didYouMean('x', [])).toBe('')
  })
})
