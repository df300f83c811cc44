import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Field } from '../../src/schema/index.js'
import { duckdb } from '../../src/stores/duckdb.js'
import { RowBatch } from '../../src/stores/index.js'
import { actsAsMap } from './laws.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-duckdb-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const store = duckdb({ path: 'serving.duckdb', threads: 1 })
const held = store.open({ projectFolder: folder })
afterAll(async () => (await held).close())

describe('duckdb', () => {
  const columns: readonly Field[] = [
    { name: 'id', type: { kind: 'long' }, nullable: false },
    { name: 'fare', type: { kind: 'double' }, nullable: true },
  ]
  const otherProcess = (path: string, sql: string) =>
    execFileSync(
      process.execPath,
      [
        '-e',
        `const { DuckDBInstance } = require('@duckdb/node-api')
        DuckDBInstance.create(process.argv[1], { access_mode: 'READ_ONLY' }).then(async (one) => {
          const rows = (await (await one.connect()).runAndReadAll(process.argv[2])).getRows()
          console.log(rows.map(String).join(';'))
        }, (error) => console.log(error.message))`,
        path,
        sql,
      ],
      { encoding: 'utf8' },
    ).trim()

  it('holds what a Map would', async () => {
    const opened = await held
    await actsAsMap(async () => {
      await opened.sql?.script('DROP TABLE IF EXISTS law')
      return opened.table('law')
    }, 8)
  })

  it('leaves one file that another process can open, once it is closed', async () => {
    const path = join(folder, 'below', 'other.duckdb')
    const one = await duckdb({ path: 'below/other.duckdb' }).open({ projectFolder: folder })
    await one.table('trips').make({ columns, key: ['id'], indexes: [] })
    await one.table('trips').upsert(new RowBatch(columns, ['1\t1.5', '2\t\\N']), { key: ['id'] })
    expect(otherProcess(path, 'FROM trips')).toMatch(/lock/)
    await one.close()
    expect(existsSync(`${path}.wal`)).toBe(false)
    expect(otherProcess(path, 'FROM trips ORDER BY id')).toBe('1,1.5;2,')
  })

  it('tells 0 from -0', async () => {
    const opened = await held
    await opened.table('zeros').make({ columns, key: ['id'], indexes: [] })
    for (const line of ['1\t0', '1\t-0', '1\t0']) {
      await opened.table('zeros').upsert(new RowBatch(columns, [line]), { key: ['id'] })
      for await (const batch of opened.table('zeros').scan({ columns })) expect(batch.lines).toEqual([line])
    }
  })

  it('refuses rows that break a CHECK, and takes all others of the batch', async () => {
    const opened = await held
    await opened.sql?.script('CREATE TABLE checked (id BIGINT PRIMARY KEY, fare DOUBLE CHECK (fare >= 0))')
    const lines = Array.from({ length: 100 }, (_, index) => `${index}\t${index === 17 || index === 83 ? -1 : index}`)
    const { inserted, refused } = await opened.table('checked').upsert(new RowBatch(columns, lines), { key: ['id'] })
    expect(refused.map(({ line }) => line)).toEqual(['17\t-1', '83\t-1'])
    expect(inserted).toBe(98)
    expect(await opened.table('checked').count()).toBe(98)
  })

  it('runs scripts, and names the statement that failed', async () => {
    const { sql } = await held
    await sql?.script("CREATE TABLE s (a VARCHAR); INSERT INTO s VALUES (';'); -- ; not one\nINSERT INTO s VALUES ('b')")
    expect(await sql?.query('SELECT a, 1 AS n, NULL AS nothing FROM s ORDER BY a')).toEqual([
      { a: ';', n: 1, nothing: null },
      { a: 'b', n: 1, nothing: null },
    ])
    await expect(sql?.script('SELECT 1; SELECT nothing_such; SELECT 2')).rejects.toMatchObject({
      code: 'STORE_STATEMENT_FAILED',
      facts: { number: 2, statement: 'SELECT nothing_such' },
    })
    const connection = await sql?.connection()
    expect((await connection?.run('INSERT INTO s VALUES ($1), ($2)', ['c', null]))?.changed).toBe(2)
    expect((await connection?.run('SELECT count(a), max(a) FROM s'))?.rows).toEqual([['3', 'c']])
    await connection?.close()
  })

  it('lets one holder of a lock in, and tells the other when it has waited', async () => {
    const { sql } = await held
    let end = () => {}
    const first = sql?.locked('migrate', 0, () => new Promise<string>((done) => (end = () => done('first'))))
    await expect(sql?.locked('migrate', 1, async () => 'second')).rejects.toMatchObject({ code: 'STORE_LOCK_HELD' })
    expect(await sql?.locked('another', 0, async () => 'another')).toBe('another')
    const third = sql?.locked('migrate', 10_000, async () => 'third')
    end()
    expect([await first, await third]).toEqual(['first', 'third'])
  })
})
