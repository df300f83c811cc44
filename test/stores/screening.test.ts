import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Field } from '../../src/schema/index.js'
import { NULL, RowBatch } from '../../src/stores/rows.js'
import { plainDoubles, screen } from '../../src/stores/screening.js'

const text = (name: string): Field => ({ name, type: { kind: 'string' }, nullable: true })
const double = (name: string): Field => ({ name, type: { kind: 'double' }, nullable: true })
const cell = fc.constantFrom(
  '',
  'a',
  'b',
  NULL,
  '1',
  '1e15',
  '0.0000001',
  '-0.00000012',
  '1234567890123456',
  '5e-324',
  '0.5',
  'NaN',
  '-Infinity',
)

describe('rows that a store may be given', () => {
  const columns = ['a', 'b', 'c'].map(text)

  test('of two with one key the later, none with null in it, none that a check finds', () => {
    const checks = [{ column: 'c', problem: (value: string) => (value === 'bad' ? 'bad' : undefined) }]
    const batch = new RowBatch(columns, ['1\tx\tgood', '2\tx\tbad', `${NULL}\tx\tgood`, '1\ty\tgood', '3\tx\tgood'])
    const { kept, refused } = screen(batch, ['a'], checks)
    expect(kept.lines).toEqual(['1\ty\tgood', '3\tx\tgood'])
    expect(refused).toEqual([
      { line: '2\tx\tbad', reason: '"c" is bad' },
      { line: `${NULL}\tx\tgood`, reason: 'null in the key a' },
    ])
  })

  test('are those that splitting each line tells, whatever the key', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell, cell)), fc.shuffledSubarray(['a', 'b', 'c'], { minLength: 1 }), (rows, key) => {
        const lines = rows.map((cells) => cells.join('\t'))
        const places = key.map((name) => ['a', 'b', 'c'].indexOf(name))
        const keyOf = (cells: readonly string[]) => places.map((place) => cells[place]).join('\t')
        const good = rows.filter((cells) => places.every((place) => cells[place] !== NULL))
        const latest = new Map(good.map((cells) => [keyOf(cells), cells.join('\t')]))
        const { kept, refused } = screen(new RowBatch(columns, lines), key, [])
        expect(kept.lines).toEqual(latest.size === rows.length ? lines : [...latest.values()])
        expect(refused.length).toBe(rows.length - good.length)
      }),
    )
  })

  test('a sign that a line does not show spares it the closer look; columns may share one, or have one each', () => {
    const looked: string[] = []
    const check = (column: string, sign?: { test(line: string): boolean }) => ({
      column,
      ...(sign === undefined ? {} : { sign }),
      problem: (value: string) => {
        looked.push(`${column}=${value}`)
        return undefined
      },
    })
    const [withX, withY] = [/x/, /y/]
    screen(new RowBatch(columns, ['1\tx\t2', '2\ty\t3']), ['a'], [check('b', withX), check('c', withX), check('b', withY), check('c')])
    expect(looked).toEqual(['b=x', 'c=2', 'c=2', 'b=y', 'c=3'])
  })
})

test('doubles that a database writes in its own way are written as lines have them, and nothing else is touched', () => {
  expect(plainDoubles([text('a')])).toBeUndefined()
  const columns = [text('a'), double('b'), text('c'), double('d')]
  const plain = plainDoubles(columns) as (line: string) => string
  expect(plain('1e15\t1e15\t1e15\t0.0000001')).toBe('1e15\t1000000000000000\t1e15\t1e-7')
  fc.assert(
    fc.property(fc.tuple(cell, cell, cell, cell), (cells) => {
      const expected = cells.map((value, place) =>
        place % 2 === 1 && /^-?[\d.]+(?:e[-+]?\d+)?$/.test(value) ? String(Number(value)) : value,
      )
      expect(plain(cells.join('\t'))).toBe(expected.join('\t'))
    }),
  )
})
