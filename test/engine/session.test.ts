import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { duckdb } from '../../src/engine/index.js'
import { temporaryFolder } from '../fixtures.js'
import { openSession } from '../session.js'
import { codeOf } from '../table/table.js'

const session = openSession()
const LONG = 'SELECT sum(hash(a.range + b.range)) FROM range(1000000) a, range(1000000) b'

describe('errors are ours', () => {
  test.each([
    ['selec 1', 'ENGINE_SQL_INVALID'],
    ['SELECT nothing FROM (SELECT 1 AS one)', 'ENGINE_SQL_INVALID'],
    ['SELECT * FROM nowhere', 'ENGINE_SQL_INVALID'],
    ["SELECT CAST('x' AS INTEGER)", 'ENGINE_VALUE_INVALID'],
    ['SELECT 127::TINYINT + 1::TINYINT', 'ENGINE_VALUE_INVALID'],
    ["SELECT error('mine')", 'ENGINE_FAILED'],
    ["FROM read_parquet('/nowhere/x.parquet')", 'STORAGE_FILE_MISSING'],
  ])('%s is %s', async (sql, code) => {
    expect(await codeOf(session().rows(sql))).toBe(code)
  })

  test('a file that is none of its kind', async () => {
    const path = join(temporaryFolder(), 'x.parquet')
    writeFileSync(path, 'this is no Parquet file at all')
    expect(await codeOf(session().rows(`FROM read_parquet('${path}')`))).toBe('ENGINE_FILE_UNREADABLE')
  })

  test('carry the offset in characters, not bytes', async () => {
    const sql = "SELECT 'éé😀', nothing FROM (SELECT 1 AS one)"
    await expect(session().rows(sql)).rejects.toMatchObject({ facts: { position: sql.indexOf('nothing') } })
    await expect(session().describe(sql)).rejects.toMatchObject({ facts: { position: sql.indexOf('nothing') } })
  })
})

describe('cancellation', () => {
  test('ends a running statement', async () => {
    const engine = duckdb({ threads: 2, temporaryFolder: join(temporaryFolder(), 'engine') })
    const controller = new AbortController()
    const own = await engine.connect(controller.signal)
    const started = Date.now()
    setTimeout(() => controller.abort(), 100)
    expect(await codeOf(own.rows(LONG))).toBe('ENGINE_CANCELLED')
    expect(Date.now() - started).toBeLessThan(5000)
    expect(await codeOf(own.rows('SELECT 1'))).toBe('ENGINE_CANCELLED')
    await own.close()
    await engine.close()
  })

  test('is of one session alone', async () => {
    const engine = duckdb({ threads: 2, temporaryFolder: join(temporaryFolder(), 'engine') })
    const controller = new AbortController()
    const [own, other] = [await engine.connect(controller.signal), await engine.connect()]
    controller.abort()
    expect(await other.rows('SELECT 1 AS one')).toEqual([{ one: 1 }])
    await Promise.all([own.close(), other.close()])
    await engine.close()
  })
})

describe('a session', () => {
  test('speaks UTC', async () => {
    expect(await session().rows("SELECT (TIMESTAMPTZ '2020-07-01 12:00:00')::VARCHAR AS at")).toEqual([{ at: '2020-07-01 12:00:00+00' }])
  })

  test('gives text as it is, with what could be a byte order mark', async () => {
    expect(await session().rows("SELECT chr(65279) || 'a' AS short, chr(65279) || repeat('b', 20) AS long")).toEqual([
      { short: '\ufeffa', long: `\ufeff${'b'.repeat(20)}` },
    ])
  })

  test('keeps its relations to itself', async () => {
    const engine = duckdb({ threads: 1, temporaryFolder: join(temporaryFolder(), 'engine') })
    const [one, two] = [await engine.connect(), await engine.connect()]
    await one.define('mine', 'SELECT 1 AS n')
    expect(await one.rows('FROM mine')).toEqual([{ n: 1 }])
    expect(await codeOf(two.rows('FROM mine'))).toBe('ENGINE_SQL_INVALID')
    await Promise.all([one.close(), two.close()])
    await engine.close()
  })

  test('streams in batches', async () => {
    let rows = 0
    let batches = 0
    for await (const batch of session().stream('SELECT range AS n FROM range(10000)')) {
      expect(batch.columns).toEqual([{ name: 'n', type: { kind: 'long' }, nullable: true }])
      rows += batch.rows.length
      batches++
    }
    expect([rows, batches > 1]).toEqual([10000, true])
  })

  test('takes its temporary folder away', async () => {
    const temporary = join(temporaryFolder(), 'engine')
    const engine = duckdb({ threads: 1, temporaryFolder: temporary })
    await (await engine.connect()).close()
    expect(existsSync(temporary)).toBe(true)
    await engine.close()
    expect(existsSync(temporary)).toBe(false)
  })

  test('leaves no file of a write that failed, nor of one without rows', async () => {
    const folder = temporaryFolder()
    const bad = "SELECT i, i % 3 AS p, CASE WHEN i = 150000 THEN error('boom') END AS e FROM range(200000) AS r(i)"
    expect(await codeOf(session().write({ query: bad, folder, prefix: 'one' }))).toMatch(/^ENGINE_/)
    expect(await codeOf(session().write({ query: bad, folder, prefix: 'two', partitionBy: ['p'] }))).toMatch(/^ENGINE_/)
    expect(await session().write({ query: 'SELECT 1 AS n WHERE false', folder, prefix: 'three' })).toEqual([])
    expect(readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())).toEqual([])
  })

  test('a stream that fails midway fails, and does not end as if it were whole', async () => {
    const read = async () => {
      for await (const _ of session().stream(
        "SELECT CASE WHEN range = 900000 THEN error('late') ELSE range END AS n FROM range(1000000)",
      )) {
      }
    }
    await expect(read()).rejects.toMatchObject({ code: 'ENGINE_FAILED', message: expect.stringContaining('late') })
  })

  test('describes what a SELECT gives, without running it', async () => {
    const sql = `SELECT 1::TINYINT AS a, 1.5 AS b, {'x y': [1], 'z': MAP {'k': DATE '2020-01-01'}} AS c, error('not run') AS d`
    expect((await session().describe(sql)).map((field) => field.type)).toMatchObject([
      { kind: 'byte' },
      { kind: 'decimal', precision: 2, scale: 1 },
      {
        kind: 'struct',
        fields: [
          { name: 'x y', type: { kind: 'array', element: { kind: 'integer' } } },
          { name: 'z', type: { kind: 'map', key: { kind: 'string' }, value: { kind: 'date' } } },
        ],
      },
      {},
    ])
  })
})

describe('a stream is whole', () => {
  const count = async (rows: number) => {
    let seen = 0
    for await (const batch of session().stream(`SELECT * FROM range(${rows})`)) seen += batch.size
    return seen
  }

  test('whatever else the session does meanwhile', async () => {
    let seen = 0
    for await (const batch of session().stream('SELECT * FROM range(100000)')) {
      seen += batch.size
      await session().rows('SELECT 1')
    }
    expect(seen).toBe(100_000)
  })

  test('beside other streams and statements', async () => {
    const all = [
      count(100_000),
      session()
        .rows('SELECT 1')
        .then(() => 0),
      count(100_000),
      count(10),
    ]
    expect(await Promise.all(all)).toEqual([100_000, 0, 100_000, 10])
  })
})
