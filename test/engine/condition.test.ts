import { describe, expect, test } from 'vitest'
import { type Condition, conditionOf } from '../../src/engine/condition.js'
import { quoteText } from '../../src/engine/index.js'
import { openSession } from '../session.js'

const session = openSession()

async function serialized(predicate: string): Promise<string> {
  const [row] = await session().rows(`SELECT json_serialize_sql(${quoteText(`SELECT 1 FROM t WHERE ${predicate}`)})::VARCHAR AS tree`)
  return String(row?.['tree'])
}

/** `a = 1 [number]`, in brackets where it has parts. */
function show(condition: Condition): string {
  switch (condition.kind) {
    case 'and':
    case 'or':
      return condition.of.length === 0 ? 'never' : `(${condition.of.map(show).join(` ${condition.kind} `)})`
    case 'compare':
      return `${condition.column.join('.')} ${condition.op} ${condition.value} [${condition.type}]`
    case 'null':
      return `${condition.column.join('.')} is ${condition.is ? '' : 'not '}null`
    case 'unknown':
      return '?'
  }
}

describe('a condition', () => {
  test.each([
    ['a = 1', 'a = 1 [number]'],
    ['1 = a', 'a = 1 [number]'],
    ['1 < a', 'a > 1 [number]'],
    ["'x' >= a", 'a <= x [text]'],
    ['((t.s."b C") <= -5)', 't.s.b C <= -5 [number]'],
    ['a > -1.50', 'a > -1.50 [number]'],
    ['a < 0.05', 'a < 0.05 [number]'],
    ['a = -0.5', 'a = -0.5 [number]'],
    ['a = 1e5', 'a = 1e+5 [number]'],
    ["a = '0.5'::DOUBLE", 'a = 5e-1 [number]'],
    ['a = 5::BIGINT', 'a = 5 [number]'],
    ['a = 9007199254740993', 'a = 9007199254740993 [number]'],
    ['a = -9223372036854775807', 'a = -9223372036854775807 [number]'],
    ['a = 123456789012345.678', 'a = 123456789012345.678 [number]'],
    ["a = 'it''s \"value\":12345678901234567890,'", 'a = it\'s "value":12345678901234567890, [text]'],
    ['a IS NOT DISTINCT FROM 3', 'a = 3 [number]'],
    ['a IS NOT DISTINCT FROM NULL', 'a is null'],
    ['a = NULL', 'never'],
    ['a IN (1, NULL, 2)', '(a = 1 [number] or never or a = 2 [number])'],
    ["a BETWEEN 'b' AND 'c'", '(a >= b [text] and a <= c [text])'],
    ['a IS NULL AND (b IS NOT NULL OR c)', '(a is null and (b is not null or c = true [boolean]))'],
    ['a = true', 'a = true [boolean]'],
    ["a = CAST('f' AS BOOLEAN)", 'a = false [boolean]'],
    ["a = DATE '2024-01-31'", 'a = 2024-01-31 [date]'],
    ["a < CAST('2024-01-31 10:00:00' AS TIMESTAMP)", 'a < 2024-01-31 10:00:00 [timestamp_ntz]'],
    ["TIMESTAMPTZ '2024-01-31 10:00:00Z' < a", 'a > 2024-01-31 10:00:00Z [timestamp]'],
    ["a LIKE 'ab%c'", '(a >= ab [text] and a < ac [text])'],
    ["a LIKE 'a_'", '(a >= a [text] and a < b [text])'],
    ["a LIKE '100\\%'", '(a >= 100 [text] and a < 101 [text])'],
  ])('of %s', async (predicate, expected) => {
    expect(show(conditionOf(await serialized(predicate)))).toBe(expected)
  })

  test.each([
    'NOT a',
    'a <> 1',
    'a IS DISTINCT FROM 1',
    'a NOT IN (1)',
    'a NOT BETWEEN 1 AND 2',
    "a NOT LIKE 'x%'",
    "a LIKE '%x'",
    "a LIKE '_x'",
    "a LIKE 'x😀%'",
    "a ILIKE 'x%'",
    'a = b',
    'a + 1 = 2',
    "lower(a) = 'x'",
    "a COLLATE NOCASE = 'x'",
    "a = 'x' COLLATE NOCASE",
    'a IN (1, b)',
    "a IN (1, '2')",
    'a IN (1, 2e0)',
    "a BETWEEN 1 AND '2'",
    'a BETWEEN 1 AND b',
    'a = ANY (SELECT 1)',
    "a = 'NaN'::DOUBLE",
    'a = 1::HUGEINT',
    'a = 1::DECIMAL(4, 2)',
    "a = '1.5'::INTEGER",
    'a = 12345678901234567890',
    'a = 0.1234567890123456789012',
    "a = TIME '10:00:00'",
    "a = '\\xAA'::BLOB",
    '(a).b = 1',
    'true',
    'a = 1 UNION SELECT 2',
    'a =',
    'a = 1; SELECT 1',
    'a = 1) OR (b = 2',
  ])('that is unknown: %s', async (predicate) => {
    expect(conditionOf(await serialized(predicate))).toEqual({ kind: 'unknown' })
  })

  test('holds what is known beside the unknown', async () => {
    expect(show(conditionOf(await serialized('NOT a AND b = 1 OR c > 2')))).toBe('((? and b = 1 [number]) or c > 2 [number])')
  })

  test('of a tree that was parsed leaves out numbers that lost digits by it', async () => {
    const tree = async (predicate: string) => show(conditionOf(JSON.parse(await serialized(predicate))))
    expect(await tree('a = 9007199254740991')).toBe('a = 9007199254740991 [number]')
    expect(await tree('a = 9007199254740993')).toBe('?')
    expect(await tree('a = 90071992547409.93')).toBe('?')
  })

  test.each([undefined, null, 7, '', 'no JSON', '[]', '{"error":false}', '{"error":false,"statements":[{"node":7}]}'])(
    'of %j is unknown',
    (text) => {
      expect(conditionOf(text)).toEqual({ kind: 'unknown' })
    },
  )
})
