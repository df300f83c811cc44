import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Columns, column } from '../../src/schema/index.js'
import type { FilesOptions } from '../../src/sources/index.js'
import { part } from '../fixtures.js'
import { openSession } from '../session.js'
import { take } from './take.js'

const session = openSession()
const ab = { a: column.string(), b: column.string() }
const csv = (content: string | Uint8Array, columns: Columns = ab, options: FilesOptions = {}) =>
  take(session(), columns, 'x.csv', content, options)
const rowsOf = async (content: string | Uint8Array, columns: Columns = ab) =>
  (await csv(content, columns)).rows.map((row) => Object.values(row))

describe('CSV as it should be', () => {
  test.each<[string, string, unknown[][]]>([
    [
      'plain',
      'a,b\n1,2\n3,4\n',
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    [
      'without an ending on its last line',
      'a,b\n1,2\n3,4',
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    ['of one short row without an ending', 'a,b\n1,2', [['1', '2']]],
    [
      'Windows endings',
      'a,b\r\n1,2\r\n3,4\r\n',
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    [
      'mixed endings',
      'a,b\r\n1,2\n3,4\r\n',
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    [
      'a byte order mark',
      '\uFEFFa,b\n1,2\n3,4\n',
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    ['a quoted header', '"a","b"\n1,2\n', [['1', '2']]],
    ['quoted delimiters and quotes', 'a,b\n"1,5","say ""so"""\n', [['1,5', 'say "so"']]],
    [
      'a quoted line feed',
      'a,b\n"1\n5",2\n3,4\n',
      [
        ['1\n5', '2'],
        ['3', '4'],
      ],
    ],
    [
      'a quoted Windows ending among Unix ones',
      'a,b\n"1\r\n5",2\n3,4\n',
      [
        ['1\r\n5', '2'],
        ['3', '4'],
      ],
    ],
    ['a quoted Windows ending among its like', 'a,b\r\n"1\r\n5",2\r\n', [['1\r\n5', '2']]],
    ['a quoted carriage return', 'a,b\n"1\r5",2\n', [['1\r5', '2']]],
    [
      'empty values are null',
      'a,b\n,2\n3,\n,\n',
      [
        [null, '2'],
        ['3', null],
        [null, null],
      ],
    ],
    ['blank around values stays', 'a,b\n 1 , 2\n', [[' 1 ', ' 2']]],
    ['other alphabets', 'a,b\né,日本😀\n', [['é', '日本😀']]],
    [
      'a blank line is no row',
      'a,b\n1,2\n\n3,4\n\n',
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    ['NULL and NA are text', 'a,b\nNULL,NA\n', [['NULL', 'NA']]],
    ['a backslash is a backslash', 'a,b\n\\,"\\"\n', [['\\', '\\']]],
    ['a comment sign is none', 'a,b\n#1,2\n', [['#1', '2']]],
  ])('%s', async (_, text, rows) => {
    expect(await rowsOf(text)).toEqual(rows)
  })

  test.each([
    [';', 'a;b\n1,5;2\n'],
    ['\t', 'a\tb\n1,5\t2\n'],
    ['|', 'a|b\n1,5|2\n'],
  ])('the delimiter %j is seen in the header', async (_, text) => {
    expect(await rowsOf(text)).toEqual([['1,5', '2']])
  })

  test('or named', async () => {
    expect((await csv('a^b\n1,5^2\n', ab, { delimiter: '^' })).rows).toEqual([{ a: '1,5', b: '2' }])
  })

  test('compressed with gzip', async () => {
    const taken = await take(session(), ab, 'x.csv.gz', gzipSync('a,b\n1,2\n"3\n",4\n'))
    expect(taken.rows).toEqual([
      { a: '1', b: '2' },
      { a: '3\n', b: '4' },
    ])
    expect((await take(session(), ab, 'x.csv.gz', gzipSync('a,b\n1\n3,4\n'))).held).toEqual(['1 line_parsed: 1'])
  })

  test('of one column keeps its empty values', async () => {
    expect(await rowsOf('a\n1\n\n2\n', { a: column.string() })).toEqual([['1'], [null], ['2']])
  })

  test('counts its rows from 1, in their order', async () => {
    const { intake } = await csv('a,b\n1,x\n2,y\n3,z\n')
    expect(await session().rows(`SELECT a, _source_file, _source_row FROM (${intake.query})`)).toEqual([
      { a: '1', _source_file: 'x.csv', _source_row: 1n },
      { a: '2', _source_file: 'x.csv', _source_row: 2n },
      { a: '3', _source_file: 'x.csv', _source_row: 3n },
    ])
  })
})

describe('lines that cannot be parsed are held, with their text', () => {
  test.each<[string, string | Uint8Array, string[], unknown[][]]>([
    ['too few fields', 'a,b\n1\n3,4\n', ['1 line_parsed: 1'], [['3', '4']]],
    ['too few fields at the end', 'a,b\n1,2\n3', ['2 line_parsed: 3'], [['1', '2']]],
    ['too many fields', 'a,b\n1,2,3\n3,4\n', ['1 line_parsed: 1,2,3'], [['3', '4']]],
    ['a NUL byte', 'a,b\n1,\0\n3,4\n', ['1 line_parsed: 1,\\x00'], [['3', '4']]],
    [
      'broken UTF-8',
      Buffer.concat([Buffer.from('a,b\n1,'), Buffer.from([0xff, 0xe9]), Buffer.from('\n3,4\n')]),
      ['1 line_parsed: 1,\\xff\\xe9'],
      [['3', '4']],
    ],
    [
      'a quote never closed',
      'a,b\n1,"2\n3,4\n5,6\n',
      ['1 line_parsed: 1,"2'],
      [
        ['3', '4'],
        ['5', '6'],
      ],
    ],
    ['a quote never closed at the end', 'a,b\n1,2\n3,"4', ['2 line_parsed: 3,"4'], [['1', '2']]],
    ['text after a quote', 'a,b\n1,"x"y\n3,4\n', ['1 line_parsed: 1,"x"y'], [['3', '4']]],
    ['several', 'a,b\n1\n3,4\n5,6,7\n', ['1 line_parsed: 1', '3 line_parsed: 5,6,7'], [['3', '4']]],
    ['all of them', 'a,b\n1\n2\n', ['1 line_parsed: 1', '2 line_parsed: 2'], []],
  ])('%s', async (_, text, held, rows) => {
    const taken = await csv(text)
    expect(taken.held).toEqual(held)
    expect(taken.rows.map((row) => Object.values(row))).toEqual(rows)
  })

  test.each([
    ['a delimiter too many at the end', '1,2,'],
    ['a quote within', '1,x"y'],
    ['a blank before a quote', '1, "x"'],
    ['a blank after a quote', '"x" ,1'],
  ])('%s is judged alike, whether or not another line is bad', async (_, line) => {
    const alone = await csv(`a,b\n${line}\n3,4\n`)
    const beside = await csv(`a,b\n${line}\n3,4\nbad\n`)
    expect(beside.rows).toEqual(alone.rows)
    expect(beside.held).toEqual([...alone.held, '3 line_parsed: bad'])
  })

  test('with the number of the line in the file', async () => {
    const { intake } = await csv('a,b\n"1\n2",2\n3\n')
    expect(
      await session().rows(`SELECT _raw['line_number'] AS line, _source_row FROM (${intake.query}) WHERE _problem IS NOT NULL`),
    ).toEqual([{ line: '4', _source_row: 2n }])
  })
})

describe('values that cannot be read are held, with their text', () => {
  const typed = { n: column.integer(), d: column.decimal(6, 2), at: column.timestamp(), on: column.boolean() }

  test('a sound file needs no care', async () => {
    const taken = await csv('n,d,at,on\n1,2.50,2020-01-01 00:00:00Z,true\n,,,\n', typed)
    expect(taken.rows.map((row) => ({ ...row, at: String(row['at']) }))).toEqual([
      { n: 1, d: '2.50', at: '2020-01-01T00:00:00.000000Z', on: true },
      { n: null, d: null, at: 'null', on: null },
    ])
    expect(taken.careful).toBe(false)
  })

  test.each([
    ['n', 'abc'],
    ['n', '1.5'],
    ['n', '3000000000'],
    ['d', '12345.67'],
    ['d', '1,5'],
    ['at', '2020-13-01 00:00:00'],
    ['on', 'maybe'],
    ['at', 'infinity'],
    ['at', '-Infinity'],
  ])('%s = %j', async (name, value) => {
    const line = Object.keys(typed).map((one) => (one === name ? `"${value}"` : ''))
    const taken = await csv(`n,d,at,on\n1,1,,\n${line.join(',')}\n`, typed)
    expect(taken.held).toEqual([`2 value_converts: ${name}=${value}`])
    expect(taken.rows).toHaveLength(1)
  })

  test.each(['2026-01-02 xyz', '2026-01-02 23:59:59', '2026-01-02T10:00:00Z', '0044-03-15 BC', 'infinity', '-infinity', '2026-02-30'])(
    '%j is no date',
    async (value) => {
      const taken = await csv(`id,day\n1,2026-01-02\n2,${value}\n`, { id: column.long(), day: column.date() })
      expect(taken.held).toEqual([`2 value_converts: day=${value}`])
    },
  )

  test.each(['2026-01-02', ' 2026-01-02 ', '2026-1-2', '2026-01-02 00:00:00', '2026-01-02T00:00:00.000Z'])(
    '%j is a date',
    async (value) => {
      const taken = await csv(`id,day\n1,${value}\n`, { id: column.long(), day: column.date() })
      expect(taken).toMatchObject({ rows: [{ id: 1n, day: '2026-01-02' }], held: [], careful: false })
    },
  )

  test('a whole number may be written with a point', async () => {
    expect((await csv('n,d,at,on\n1.0,1,,\n2e3,1,,\n', typed)).rows.map((row) => row['n'])).toEqual([1, 2000])
  })
})

describe('files that are refused by name', () => {
  test.each<[string, string, string]>([
    ['empty', '', 'SOURCE_FILE_EMPTY'],
    ['a header alone', 'a,b\n', 'SOURCE_FILE_EMPTY'],
    ['a header alone, unended', 'a,b', 'SOURCE_FILE_EMPTY'],
    ['a header alone, Windows, with a byte order mark', '\uFEFFa,b\r\n', 'SOURCE_FILE_EMPTY'],
    ['no header', '\n1,2\n', 'SOURCE_FILE_EMPTY'],
    ['two columns of one name', 'a,A\n1,2\n', 'SOURCE_FILE_UNREADABLE'],
    ['a header whose quote is open', 'a,"b\n1,2\n', 'SOURCE_FILE_UNREADABLE'],
    ['endings of old', 'a,b\r1,2\r3,4\r', 'SOURCE_FILE_UNREADABLE'],
  ])('%s', async (_, text, code) => {
    const taken = await csv(text)
    expect(taken).toMatchObject({ rows: [], refused: [`x.csv ${code}`] })
  })

  test.each(['', 'a,b\n', 'a,b'])('unless an empty one may be taken: %j', async (text) => {
    expect(await csv(text, ab, { empty: 'take' })).toMatchObject({ rows: [], refused: [] })
  })

  test('cut gzip', async () => {
    const whole = gzipSync(`a,b\n${'1,2\n'.repeat(5000)}`)
    expect((await take(session(), ab, 'x.csv.gz', whole.subarray(0, whole.length - 12))).refused).toEqual([
      'x.csv.gz SOURCE_FILE_UNREADABLE',
    ])
  })
})

describe('any table of text', () => {
  const cell = fc
    .oneof(
      fc.string({ unit: 'grapheme', maxLength: 6 }),
      fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', '\r\n', ' ', 'a', ';', "'", '\\'), maxLength: 5 }),
      fc.constantFrom('', 'null', '-'),
    )
    .filter((one) => !/[\0\uFEFF]/.test(one))
  const table = fc.array(fc.tuple(cell, cell, cell), { minLength: 1, maxLength: 8 })
  const abc = { a: column.string(), b: column.string(), c: column.string() }
  const written = (rows: readonly (readonly string[])[], ending: string, always: boolean) =>
    rows.map((row) => `${row.map((one) => (always || /[",\r\n]/.test(one) ? `"${one.replaceAll('"', '""')}"` : one)).join(',')}${ending}`)
  // An empty text and null are one in CSV.
  const expected = (rows: readonly (readonly string[])[]) => rows.map((row) => row.map((one) => one || null))
  const text = (values: readonly unknown[]) => values.map((one) => (one === '' ? null : one))

  test('written by RFC 4180 comes back equal', async () => {
    await fc.assert(
      fc.asyncProperty(table, fc.constantFrom('\n', '\r\n'), fc.boolean(), async (rows, ending, always) => {
        const taken = await csv(`a,b,c${ending}${written(rows, ending, always).join('')}`, abc)
        expect(taken.refused).toEqual([])
        expect(taken.held).toEqual([])
        expect(taken.rows.map((row) => text(Object.values(row)))).toEqual(expected(rows))
      }),
      { numRuns: part(150) },
    )
  })

  test('with lines damaged: every line is a row or is held, and none is lost', async () => {
    const damage = fc.constantFrom('short', 'long', 'nul', 'utf8', 'quote')
    const simple = fc.string({ unit: fc.constantFrom('a', 'é', ' ', '1', ';'), minLength: 1, maxLength: 4 })
    const line = fc.tuple(fc.tuple(simple, simple, simple), fc.option(damage, { freq: 2 }))
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 10 }), fc.constantFrom('\n', '\r\n'), async (lines, ending) => {
        const bytes = lines.map(([cells, how]) => {
          const sound = Buffer.from(cells.join(','))
          const made = {
            short: Buffer.from(cells.slice(0, 2).join(',')),
            long: Buffer.from([...cells, 'x'].join(',')),
            nul: Buffer.concat([Buffer.from([0]), sound]),
            utf8: Buffer.concat([sound, Buffer.from([0xc3, 0x28])]),
            quote: Buffer.from(`"x"z${cells.join(',')}`),
          }
          return Buffer.concat([how === null ? sound : made[how], Buffer.from(ending)])
        })
        const taken = await csv(Buffer.concat([Buffer.from(`a,b,c${ending}`), ...bytes]), abc)
        expect(taken.rows.map((row) => Object.values(row))).toEqual(lines.filter(([, how]) => how === null).map(([cells]) => cells))
        const bad = lines.flatMap(([, how], index) => (how === null ? [] : [`${index + 1} line_parsed`]))
        expect(taken.held.map((one) => one.slice(0, one.indexOf(':')))).toEqual(bad)
      }),
      { numRuns: part(100) },
    )
  })
})
