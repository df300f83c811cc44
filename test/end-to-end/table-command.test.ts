import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { column, fieldsOf } from '../../src/schema/index.js'
import { DeltaTable } from '../../src/table/index.js'
import { sluice, temporaryFolder } from '../fixtures.js'

/** `sluice table` on a table that belongs to no project. */
describe('sluice table', () => {
  let folder: string
  let path: string
  beforeAll(async () => {
    folder = temporaryFolder()
    path = join(folder, 'any table')
    const table = await DeltaTable.create(path, {
      fields: fieldsOf({ id: column.long(), name: column.string(), at: column.timestamp() }),
      properties: { 'delta.enableDeletionVectors': 'true' },
    })
    for (let from = 0; from < 100; from += 20)
      await table.append(
        `SELECT i AS id, 'n' || i AS name, TIMESTAMPTZ '2024-01-01 00:00:00+00' AS at FROM range(${from}, ${from + 20}) AS r(i)`,
      )
    await table.delete('t.id IN (7, 8)')
    await table.close()
  })
  const table = async (...words: string[]) => {
    const ended = await sluice('table', ...words, '--json')
    return { code: ended.code, document: JSON.parse(ended.stdout) }
  }

  test('show tells version, rows, files, columns and protocol', async () => {
    const { document } = await table('show', path)
    expect(document).toMatchObject({
      version: 6,
      rows: 98,
      files: 5,
      rowsMarkedDeleted: 2,
      properties: { 'delta.enableDeletionVectors': 'true' },
    })
    expect(document.columns.map((one: { name: string; type: string }) => `${one.name} ${one.type}`)).toEqual([
      'id long',
      'name string',
      'at timestamp',
    ])
    const { stdout } = await sluice('table', 'show', path)
    expect(stdout).toContain('5 (')
    expect(stdout).toContain('deletionVectors')
  })

  test('read filters, picks columns, goes back, and says when it shows a part', async () => {
    const { document } = await table('read', path, '--where', 'id < 10', '--columns', 'id')
    expect(document.rows.map((row: { id: string }) => Number(row.id)).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 9])
    expect((await table('read', path, '--version', '5', '--where', "name = 'n7'")).document.rows).toHaveLength(1)
    expect((await table('read', path, '--timestamp', '2999-01-01', '--limit', '3')).document).toMatchObject({ truncated: true, version: 6 })
    expect((await sluice('table', 'read', path)).stdout).toContain('the first 20 rows')
  })

  test.each(['parquet', 'csv', 'jsonl'])('read --out writes .%s, whole or not at all', async (ending) => {
    const out = join(folder, `rows.${ending}`)
    expect((await table('read', path, '--out', out)).document).toMatchObject({ rows: 98, out })
    expect(existsSync(out)).toBe(true)
    if (ending === 'csv') expect(readFileSync(out, 'utf8').split('\n')[0]).toBe('id,name,at')
    const bad = await table('read', path, '--out', join(folder, `bad.${ending}`), '--where', "error('no')")
    expect(bad.code).not.toBe(0)
    expect(readdirSync(folder).filter((name) => name.includes('bad'))).toEqual([])
  })

  test('optimize, vacuum, checkpoint and restore do what they say', async () => {
    expect((await table('optimize', path)).document).toMatchObject({ optimized: true, filesRemoved: 5, filesAdded: 1, version: 7 })
    expect((await table('optimize', path)).document).toMatchObject({ optimized: false, version: 7 })
    expect((await table('vacuum', path, '--dry-run')).document).toMatchObject({ files: [], dryRun: true })
    const guarded = await table('vacuum', path, '--retention-hours', '0')
    expect([guarded.code, guarded.document.error.code]).toEqual([2, 'TABLE_VACUUM_RETENTION'])
    expect((await table('checkpoint', path)).document).toMatchObject({ version: 7 })
    expect((await table('restore', path, '--version', '5')).document).toMatchObject({ restored: 5, version: 8 })
    expect((await table('show', path)).document.rows).toBe(100)
    expect((await table('vacuum', path, '--retention-hours', '0', '--force')).document.files.length).toBeGreaterThan(0)
    expect((await table('history', path, '--limit', '3')).document.versions.map((one: { operation: string }) => one.operation)).toEqual([
      'VACUUM END',
      'VACUUM START',
      'RESTORE',
    ])
  })

  test.each<[string, string[], string]>([
    ['a table that is not there', ['show', './nothing-here'], 'TABLE_NOT_FOUND'],
    ['an action that does not exist', ['shwo', 'x'], 'USAGE_WRONG'],
    ['a version to come', ['read', 'PATH', '--version', '99'], 'TABLE_VERSION_NOT_FOUND'],
    ['a time before the table', ['read', 'PATH', '--timestamp', '1999-01-01'], 'TABLE_VERSION_NOT_FOUND'],
    ['SQL that is none', ['read', 'PATH', '--where', 'id <<< 3'], 'ENGINE_SQL_INVALID'],
    ['a column that is not there', ['read', 'PATH', '--columns', 'idd'], 'TABLE_CHANGE_INVALID'],
    ['a file of no known kind', ['read', 'PATH', '--out', 'rows.xlsx'], 'USAGE_WRONG'],
    ['an order by a column that is not there', ['optimize', 'PATH', '--z-order', 'nope'], 'TABLE_CHANGE_INVALID'],
  ])('%s is an error with a code, and no stack', async (_, words, code) => {
    const ended = await sluice('table', ...words.map((word) => (word === 'PATH' ? path : word)), '--json')
    expect(ended.code).not.toBe(0)
    expect(JSON.parse(ended.stdout).error.code).toBe(code)
    expect(ended.stdout + ended.stderr).not.toContain('    at ')
  })
})
