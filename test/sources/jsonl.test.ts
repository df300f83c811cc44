import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type Columns, column } from '../../src/schema/index.js'
import { openSession } from '../session.js'
import { take } from './take.js'

const session = openSession()
const typed = { id: column.long(), name: column.string() }
const jsonl = (content: string | Uint8Array, columns: Columns = typed) => take(session(), columns, 'x.jsonl', content)

describe('JSON lines', () => {
  test('are rows, their keys the columns, in any order', async () => {
    const taken = await jsonl('{"id": 1, "name": "a"}\n{"name": "b", "id": 2}\n')
    expect(taken).toMatchObject({
      rows: [
        { id: 1n, name: 'a' },
        { id: 2n, name: 'b' },
      ],
      held: [],
      drift: [],
      careful: false,
    })
  })

  test('a key that some lines lack is null there', async () => {
    expect((await jsonl('{"id": 1}\n{"id": 2, "name": null}\n{"name": "c"}')).rows).toEqual([
      { id: 1n, name: null },
      { id: 2n, name: null },
      { id: null, name: 'c' },
    ])
  })

  test('numbers in text are read as numbers', async () => {
    expect((await jsonl('{"id": "1", "name": "a"}\n{"id": 2, "name": "b"}\n')).rows.map((row) => row['id'])).toEqual([1n, 2n])
  })

  test('text stays as it arrived, whatever it looks like', async () => {
    const text = { name: column.string() }
    for (const value of ['2020-01-01T05:00:00Z', '2020-01-01', '550E8400-E29B-41D4-A716-446655440000', '007', '12:30', 'true', '1e3']) {
      expect((await jsonl(`${JSON.stringify({ name: value })}\n`, text)).rows).toEqual([{ name: value }])
    }
  })

  test('decimals keep their digits, up to the 15 that a JSON number is sure to have, and all of them in text', async () => {
    const taken = await jsonl('{"d": 1234567890.12345}\n{"d": "1234567890.123456789"}\n', { d: column.decimal(20, 9) })
    expect(taken.rows).toEqual([{ d: '1234567890.123450000' }, { d: '1234567890.123456789' }])
  })

  test('an empty file is refused, and blank lines are no rows', async () => {
    expect((await jsonl('')).refused).toEqual(['x.jsonl SOURCE_FILE_EMPTY'])
    expect((await jsonl('{"id": 1, "name": "a"}\n\n{"id": 2, "name": "b"}\n')).rows).toHaveLength(2)
  })

  test('compressed with gzip', async () => {
    expect((await take(session(), typed, 'x.jsonl.gz', gzipSync('{"id": 1, "name": "a"}\n'))).rows).toEqual([{ id: 1n, name: 'a' }])
  })
})

describe('nested values', () => {
  const nested = {
    list: column.array(column.long()),
    s: column.struct({ a: column.long() }),
    m: column.map(column.string(), column.long()),
  }
  const sound = '{"list": [1, 2], "s": {"a": 1}, "m": {"k": 1}}\n{"list": null, "s": null, "m": null}\n'
  const rows = [
    { list: [1n, 2n], s: { a: 1n }, m: new Map([['k', 1n]]) },
    { list: null, s: null, m: null },
  ]

  test('are read as declared', async () => {
    expect((await jsonl(sound, nested)).rows).toEqual(rows)
  })

  test('are read so beside a bad line, too', async () => {
    expect(await jsonl(`${sound}bad\n`, nested)).toMatchObject({ rows, held: ['3 line_parsed: bad'] })
  })

  test('that do not convert are held', async () => {
    expect(await jsonl(`${sound}{"s": {"a": "x"}}\n`, nested)).toMatchObject({ rows, held: ['3 value_converts: s={"a":"x"}'] })
  })
})

describe('lines that cannot be read are held', () => {
  test.each<[string, string | Uint8Array, string]>([
    ['no JSON', '{"id": 1, "name": "a"}\n{"id": 2,\n{"id": 3, "name": "c"}\n', '2 line_parsed: {"id": 2,'],
    ['no object', '{"id": 1, "name": "a"}\n[2]\n{"id": 3, "name": "c"}\n', '2 line_parsed: [2]'],
    [
      'broken UTF-8',
      Buffer.concat([
        Buffer.from('{"id": 1, "name": "a"}\n{"id": 2, "name": "'),
        Buffer.from([0xff]),
        Buffer.from('"}\n{"id": 3, "name": "c"}\n'),
      ]),
      '2 line_parsed: {"id": 2, "name": "\\xff"}',
    ],
    ['a value of another type', '{"id": 1, "name": "a"}\n{"id": "two", "name": "b"}\n{"id": 3, "name": "c"}\n', '2 value_converts: id=two'],
    [
      'a fraction for a whole number',
      '{"id": 1, "name": "a"}\n{"id": 2.5, "name": "b"}\n{"id": 3, "name": "c"}\n',
      '2 value_converts: id=2.5',
    ],
  ])('%s', async (_, content, held) => {
    const taken = await jsonl(content)
    expect(taken.held).toEqual([held])
    expect(taken.rows).toEqual([
      { id: 1n, name: 'a' },
      { id: 3n, name: 'c' },
    ])
  })
})
