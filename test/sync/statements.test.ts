import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { junit, readMigrations, readSqlTests, statementsOf } from '../../src/sync/index.js'
import { temporaryFolder } from '../fixtures.js'

test('each statement of a script says its line', () => {
  expect(statementsOf('SELECT 1;\n\n-- two\nSELECT 1;\nSELECT 1', 'mysql')).toEqual([
    { text: 'SELECT 1', line: 1 },
    { text: '-- two\nSELECT 1', line: 3 },
    { text: 'SELECT 1', line: 5 },
  ])
  expect(statementsOf('CREATE FUNCTION f() AS $$ a; b $$;\nSELECT 2', 'postgres').map(({ line }) => line)).toEqual([1, 2])
})

describe('the files of a store', () => {
  test('are migrations in the order of their numbers, those of another dialect left out', () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, '010_last.sql'), 'SELECT 10')
    writeFileSync(join(folder, '002_trips.mysql.sql'), '-- up\nCREATE TABLE a (b INT);\nCREATE TABLE c (d INT);\n-- down\nDROP TABLE a;')
    writeFileSync(join(folder, '002_trips.duckdb.sql'), 'CREATE TABLE a (b INT)')
    const found = readMigrations(folder, 'mysql')
    expect(found.map(({ version, name, up, down }) => [version, name, up.length, down.length])).toEqual([
      ['002', 'trips', 2, 1],
      ['010', 'last', 1, 0],
    ])
    expect(found[0]?.up[1]?.line).toBe(3)
    expect(readMigrations(folder, 'duckdb').map(({ file }) => file)).toEqual(['002_trips.duckdb.sql', '010_last.sql'])
  })

  test('are refused when two have one number, or a name says nothing', () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, '1_a.sql'), 'SELECT 1')
    writeFileSync(join(folder, '01_b.sql'), 'SELECT 1')
    expect(() => readMigrations(folder, 'mysql')).toThrow('01_b.sql has the same number')
    const other = temporaryFolder()
    writeFileSync(join(other, 'first.sql'), 'SELECT 1')
    expect(() => readMigrations(other, 'mysql')).toThrow('its name is not 001_what_it_does.sql')
  })

  test('have the same checksum with other line ends, and another with other words', () => {
    const checksumOf = (text: string) => {
      const folder = temporaryFolder()
      writeFileSync(join(folder, '1_a.sql'), text)
      return readMigrations(folder, 'mysql')[0]?.checksum
    }
    expect(checksumOf('SELECT 1;\r\nSELECT 2;\r\n')).toBe(checksumOf('SELECT 1;\nSELECT 2;'))
    expect(checksumOf('SELECT 1')).not.toBe(checksumOf('SELECT 2'))
  })

  test('are tests that say what they expect', () => {
    const folder = temporaryFolder()
    mkdirSync(join(folder, 'data'))
    writeFileSync(
      join(folder, 'data', 'trips.sql'),
      '-- test: none negative\nSELECT 1;\n-- test: three of them\n-- expect: 3 rows\nSELECT 2;\n-- test: by index\n-- uses: idx_a\nSELECT 3;\n-- test: zero\n-- expect: value 0\nSELECT 4;\n-- test: look\n-- show\nSELECT 5',
    )
    writeFileSync(join(folder, 'other.postgres.sql'), 'SELECT 1')
    const { tests, others } = readSqlTests(folder, 'mysql')
    expect(tests.map(({ name, sql, wanted }) => [name, sql, wanted.kind])).toEqual([
      ['none negative', 'SELECT 1', 'rows'],
      ['three of them', 'SELECT 2', 'rows'],
      ['by index', 'SELECT 3', 'index'],
      ['zero', 'SELECT 4', 'value'],
      ['look', 'SELECT 5', 'show'],
    ])
    expect(others).toEqual([{ file: 'other.postgres.sql', dialect: 'postgres' }])
    writeFileSync(join(folder, 'wrong.sql'), '-- expect: some rows\nSELECT 1')
    expect(() => readSqlTests(folder, 'mysql')).toThrow('"some rows" is none of')
  })
})

test('JUnit output escapes what XML does not take', () => {
  const xml = junit([
    {
      name: 'warehouse',
      results: [
        { name: 'a < b & "c"', file: 'x.sql', status: 'failed', durationMs: 1500, problem: 'found \u0000 in it' },
        { name: 'd', file: 'x.sql', status: 'skipped', durationMs: 0, problem: 'no server' },
      ],
    },
  ])
  expect(xml).toContain('<testsuites tests="2" failures="1" skipped="1" errors="0" time="1.500">')
  expect(xml).toContain('name="a &lt; b &amp; &quot;c&quot;" time="1.500"><failure message="found \\u0000 in it">')
  expect(xml).toContain('<skipped message="no server"/>')
})
