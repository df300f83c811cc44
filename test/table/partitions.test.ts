import { existsSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { quoteText, sqlType } from '../../src/engine/index.js'
import { type Column, column } from '../../src/schema/index.js'
import { part } from '../fixtures.js'
import { openSession } from '../session.js'
import { codeOf, dataFiles, newTable, rowsOf, values } from './table.js'

const session = openSession()

/** What the log says of the partition of the one row `value`, and how the row reads. */
async function written(type: Column, value: string) {
  const table = await newTable(session(), { n: column.integer(), p: type }, { partitionColumns: ['p'] })
  await table.append(`SELECT 1 AS n, ${value} AS p`)
  const [[path, add] = ['', undefined]] = (await table.snapshot()).files
  expect(existsSync(join(table.path, path))).toBe(true)
  // Any reader finds the file by decoding the log's path once.
  expect(existsSync(join(table.path, decodeURIComponent(add?.path ?? '')))).toBe(true)
  const same = await session().rows(
    `SELECT p IS NOT DISTINCT FROM CAST(${value} AS ${sqlType(type.type)}) AS same FROM (${await table.read()})`,
  )
  return { logged: add?.partitionValues['p'], reads: same[0]?.['same'] }
}

describe('a partition value comes back as it was', () => {
  test.each<[Column, string, string | null]>([
    [column.string(), "'plain'", 'plain'],
    [column.string(), 'null', null],
    [column.string(), "' a b '", ' a b '],
    [column.string(), "'a/b\\c'", 'a/b\\c'],
    [column.string(), "'100%'", '100%'],
    [column.string(), "'%2F %25'", '%2F %25'],
    [column.string(), "'a=b&c=d#e?f'", 'a=b&c=d#e?f'],
    [column.string(), "'日本 né 😀'", '日本 né 😀'],
    [column.string(), "'it''s \"so\"'", 'it\'s "so"'],
    [column.string(), "'..'", '..'],
    [column.string(), "'null'", 'null'],
    [column.string(), "'NULL'", 'NULL'],
    [column.string(), "'line' || chr(10) || 'end'", 'line\nend'],
    [column.long(), '9007199254740993', '9007199254740993'],
    [column.integer(), '-5', '-5'],
    [column.boolean(), 'true', 'true'],
    [column.date(), "DATE '2020-02-29'", '2020-02-29'],
    [column.decimal(10, 2), '1.5', '1.50'],
    [column.double(), '1.5', '1.5'],
    [column.timestamp(), "TIMESTAMPTZ '2020-01-01 12:00:00.5+00'", '2020-01-01T12:00:00.5Z'],
    [column.timestamp(), "TIMESTAMPTZ '1969-12-31 23:59:59.999999+00'", '1969-12-31T23:59:59.999999Z'],
    [column.timestampNtz(), "TIMESTAMP '2020-01-01 12:00:00'", '2020-01-01 12:00:00'],
  ])('%j: %s', async (type, value, logged) => {
    expect(await written(type, value)).toEqual({ logged, reads: true })
  })

  test('except for the word that folders have for null, which is refused', async () => {
    const table = await newTable(session(), { n: column.integer(), p: column.string() }, { partitionColumns: ['p'] })
    expect(await codeOf(table.append("SELECT 1 AS n, '__HIVE_DEFAULT_PARTITION__' AS p"))).toMatch(/^(ENGINE|TABLE)_/)
    expect(dataFiles(table)).toEqual([])
  })

  test('except for an empty text, which Delta cannot tell from null', async () => {
    const table = await newTable(session(), { n: column.integer(), p: column.string() }, { partitionColumns: ['p'] })
    await table.append("SELECT 1 AS n, '' AS p")
    expect(await rowsOf(table)).toEqual(['1 null'])
  })

  test('whatever the text', async () => {
    const table = await newTable(session(), { n: column.integer(), p: column.string() }, { partitionColumns: ['p'] })
    const text = fc
      .oneof(fc.string({ unit: 'grapheme', maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 8 }))
      .filter((one) => !one.includes('\0') && one !== '')
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(text, { minLength: 1, maxLength: 6 }), async (all) => {
        await table.overwrite(values('n, p', ...all.map((one, index) => `(${index}, ${quoteText(one)})`)))
        const rows = await session().rows(`SELECT p FROM (${await table.read()}) ORDER BY n`)
        expect(rows.map((row) => row['p'])).toEqual(all)
      }),
      { numRuns: part(40) },
    )
  })
})

describe('a partitioned table', () => {
  const columns = { n: column.integer(), day: column.date(), kind: column.string() }
  const open = () => newTable(session(), columns, { partitionColumns: ['day', 'kind'] })

  test('has a file for each combination of values', async () => {
    const table = await open()
    await table.append(
      values('n, day, kind', "(1, '2020-01-01', 'a')", "(2, '2020-01-01', 'a')", "(3, '2020-01-01', null)", "(4, null, 'a')"),
    )
    expect(
      dataFiles(table)
        .map((path) => path.slice(0, path.lastIndexOf('/')))
        .sort(),
    ).toEqual(['day=2020-01-01/kind=__HIVE_DEFAULT_PARTITION__', 'day=2020-01-01/kind=a', 'day=__HIVE_DEFAULT_PARTITION__/kind=a'])
    expect(await rowsOf(table)).toEqual(['1 2020-01-01 a', '2 2020-01-01 a', '3 2020-01-01 null', '4 null a'])
    expect(await rowsOf(table, { columns: ['kind'] })).toEqual(['a', 'a', 'a', 'null'])
  })

  test('merges, replaces and deletes across partitions', async () => {
    const table = await open()
    await table.append(values('n, day, kind', "(1, '2020-01-01', 'a')", "(2, '2020-01-02', 'b')", "(3, null, 'c')"))
    await table.merge(`(${values('n, day, kind', "(1, '2020-01-09', 'moved')", "(5, '2020-01-02', 'b')")})`, ['n'])
    expect(await rowsOf(table)).toEqual(['1 2020-01-09 moved', '2 2020-01-02 b', '3 null c', '5 2020-01-02 b'])
    await table.replaceKeys(
      ['day'],
      "(SELECT unnest([DATE '2020-01-02', null]) AS day)",
      "SELECT 7 AS n, DATE '2020-01-02' AS day, 'new' AS kind",
    )
    expect(await rowsOf(table)).toEqual(['1 2020-01-09 moved', '7 2020-01-02 new'])
    await table.replaceWhere("day >= DATE '2020-01-05'", "SELECT 8 AS n, DATE '2020-01-06' AS day, '' AS kind")
    expect(await rowsOf(table)).toEqual(['7 2020-01-02 new', '8 2020-01-06 null'])
    await table.delete("t.kind = 'new'")
    expect(await rowsOf(table)).toEqual(['8 2020-01-06 null'])
  })

  test('replaces rows by a day beyond the year 9999', async () => {
    const table = await open()
    const rows = values('n, day, kind', "(1, DATE '2020-06-01', 'a')", "(2, DATE '12020-01-01', 'typo')")
    await table.append(rows)
    await table.replaceKeys(['day'], `(SELECT day FROM (${rows}))`, rows)
    expect(await rowsOf(table)).toEqual(['1 2020-06-01 a', '2 12020-01-01 typo'])
  })

  test('keyed by a partition column merges an empty text onto the null that it becomes, or refuses it', async () => {
    const table = await newTable(session(), { k: column.string(), n: column.integer() }, { partitionColumns: ['k'] })
    const merged = await table.merge("(SELECT '' AS k, 1 AS n)", ['k']).then(
      () => table.merge("(SELECT '' AS k, 2 AS n)", ['k']).then(() => rowsOf(table)),
      (error: { code: string }) => error.code,
    )
    expect(['TABLE_KEYS_REPEAT', ['null 2']]).toContainEqual(merged)
  })
})
