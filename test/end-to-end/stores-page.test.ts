import { spawnSync } from 'node:child_process'
import { readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { sqlType } from '../../src/engine/index.js'
import { CAUSES, causeOf } from '../../src/reconciliation/cause.js'
import type { DataType } from '../../src/schema/index.js'
import { duckdb } from '../../src/stores/duckdb.js'
import { memory } from '../../src/stores/memory.js'
import { mongodb } from '../../src/stores/mongodb.js'
import { mysql } from '../../src/stores/mysql.js'
import { mysqlTypeSql } from '../../src/stores/mysql-types.js'
import { postgres } from '../../src/stores/postgres.js'
import { postgresTypeSql } from '../../src/stores/postgres-types.js'
import { repository, sluice, temporaryFolder } from '../fixtures.js'
import { fencesOf, sluiceForShells, typeAll, writeFence } from './page.js'

const PAGES = { 'stores.md': 4, 'syncs.md': 20, 'anomalies.md': 4 }

/** Made before the tests, which run side by side. */
let folder: string
let shell: string
beforeAll(() => {
  folder = temporaryFolder()
  shell = sluiceForShells()
})

test.concurrent.each(Object.entries(PAGES))(
  'what is typed in docs/%s prints what the page says, and its files are what it takes',
  async (page, least) => {
    const project = join(folder, page, 'shop')
    expect((await sluice('init', project)).code).toBe(0)
    symlinkSync(join(repository, 'node_modules'), join(project, 'node_modules'))
    let commands = 0
    for (const fence of fencesOf(page)) {
      if (fence.language === '') commands += await typeAll(fence, project, shell)
      else expect(writeFence(fence, project), fence.text).toBe(true)
    }
    expect(commands).toBeGreaterThan(least)
    const tsc = join(repository, 'node_modules', 'typescript', 'bin', 'tsc')
    expect(spawnSync(process.execPath, [tsc, '-p', project], { encoding: 'utf8' })).toMatchObject({ stdout: '', status: 0 })
  },
)

/** The cells of the table under a heading of a page, its head first. */
function tableUnder(heading: string, name = 'stores.md'): string[][] {
  const page = readFileSync(join(repository, 'docs', name), 'utf8')
  const [, text = ''] = page.split(`# ${heading}\n`)
  const lines = (text.split('\n#')[0] ?? '').split('\n').filter((line) => line.startsWith('|') && !line.startsWith('| ---'))
  return lines.map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim().replaceAll('`', '')),
  )
}

const STORES = [mysql(), postgres(), mongodb({}), duckdb({ path: 'x.duckdb' }), memory()]

test('the table of what stores can do is what they say', () => {
  const [head = [], ...rows] = tableUnder('What each can do')
  expect(head).toEqual(['', ...STORES.map((store) => store.kind)])
  const able = Object.keys(memory().capabilities).filter((name) => name !== 'types')
  const said = able.map((name) => [name, ...STORES.map(({ capabilities }) => (Reflect.get(capabilities, name) === true ? 'yes' : 'no'))])
  expect(rows).toEqual(said)
})

test('the table of types has what tables are made with', () => {
  const [, ...rows] = tableUnder('Types')
  const kinds = rows.flatMap(([lake = '']) => lake.split(', '))
  expect(kinds.map((kind) => kind.replace(/\(.*/, '')).sort()).toEqual(Object.keys(memory().capabilities.types).sort())
  for (const [lake = '', ofMysql = '', ofPostgres = '', ofMongodb, ofDuckdb] of rows) {
    if (lake.includes(',') && !lake.includes('(')) {
      expect(new Set([ofMysql, ofPostgres, ofMongodb, ofDuckdb]), lake).toEqual(new Set(['refused']))
      for (const { capabilities } of STORES)
        for (const kind of lake.split(', ')) expect(Reflect.get(capabilities.types, kind)).toBe('refused')
      continue
    }
    const type = (lake.startsWith('decimal') ? { kind: 'decimal', precision: 10, scale: 2 } : { kind: lake }) as DataType
    const field = { name: 'x', type, nullable: true }
    expect(mysqlTypeSql(field, undefined, 'c').split(' ')[0], lake).toBe(
      ofMysql
        .split(',')
        .slice(0, lake.startsWith('decimal') ? 2 : 1)
        .join(','),
    )
    expect(postgresTypeSql(field, false), lake).toBe(ofPostgres)
    expect(sqlType(type), lake).toBe(ofDuckdb)
  }
})

test('each cause in the table of causes is the cause of its example', () => {
  const [, ...rows] = tableUnder('Causes', 'syncs.md')
  expect(rows.map(([cause = '']) => cause).sort()).toEqual([...CAUSES].sort())
  const types: Record<string, DataType> = {
    'decimal-scale': { kind: 'decimal', precision: 10, scale: 3 },
    'float-precision': { kind: 'double' },
    'null-vs-zero': { kind: 'long' },
    timezone: { kind: 'timestamp' },
    real: { kind: 'decimal', precision: 10, scale: 2 },
  }
  const written = (cell = '') => (cell === 'null' ? '\\N' : cell === 'an empty text' ? '' : cell)
  for (const [cause = '', left, right] of rows.filter(([cause]) => cause !== 'missing' && cause !== 'extra'))
    expect(causeOf(written(left), written(right), types[cause] ?? { kind: 'string' }), cause).toBe(cause)
})
