import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { env, type Field } from '../../../src/schema/index.js'
import { type MysqlOptions, mysql } from '../../../src/stores/mysql.js'
import { RowBatch } from '../../../src/stores/rows.js'
import type { OpenStore } from '../../../src/stores/store.js'
import { describeWithMysql } from './servers.js'

const CODE: Field = { name: 'code', type: { kind: 'string' }, nullable: false }
const ZONE: Field = { name: 'zone', type: { kind: 'long' }, nullable: true }
const ID: Field = { name: 'id', type: { kind: 'long' }, nullable: false }

describeWithMysql("mysql's own", () => {
  const opened: { store: OpenStore; name: string }[] = []
  afterEach(async () => {
    for (const { store, name } of opened.splice(0)) {
      await store.sql?.script(`DROP TABLE IF EXISTS ${name}`)
      await store.close()
    }
  })
  async function open(options: MysqlOptions = {}) {
    const store = await mysql({ url: env('MYSQL_URL'), ...options }).open({ projectFolder: '.' })
    const { sql } = store
    if (sql === undefined) throw new Error('no SQL')
    const name = `own_${randomUUID().slice(0, 8)}`
    opened.push({ store, name })
    return { store, sql, name, table: store.table(name) }
  }

  for (const localInfile of [true, false]) {
    describe(localInfile ? 'with LOAD DATA LOCAL' : 'without LOAD DATA LOCAL', () => {
      test('ids of AUTO_INCREMENT stay, and none is used up by rows that are there', async () => {
        const { sql, name, table } = await open({ localInfile })
        await sql.script(`CREATE TABLE ${name} (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, code VARCHAR(20) NOT NULL UNIQUE, zone INT)`)
        expect((await table.shape())?.defaulted).toEqual(['id'])
        const columns = [CODE, ZONE]
        await table.upsert(new RowBatch(columns, ['a\t1', 'b\t2']), { key: ['code'] })
        for (const zone of [3, 4, 5]) {
          expect(await table.upsert(new RowBatch(columns, [`a\t${zone}`, 'b\t2']), { key: ['code'] })).toEqual({
            inserted: 0,
            updated: 1,
            refused: [],
          })
        }
        await table.upsert(new RowBatch(columns, ['c\t9']), { key: ['code'] })
        const [a, b, c] = await sql.query(`SELECT id, code, zone FROM ${name} ORDER BY code`)
        expect([a, b]).toEqual([
          { id: '1', code: 'a', zone: '5' },
          { id: '2', code: 'b', zone: '2' },
        ])
        // A statement that puts in rows of another table takes ids by twos and fours; the three updates would have taken six.
        expect(Number(c?.['id'])).toBeLessThan(5)
      })

      test('a text that its collation takes for another is refused, never put in its place', async () => {
        const { sql, name, table } = await open({ localInfile })
        await sql.script(`CREATE TABLE ${name} (code VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY, zone INT)`)
        const columns = [CODE, ZONE]
        await table.upsert(new RowBatch(columns, ['a\t1']), { key: ['code'] })
        const { inserted, updated, refused } = await table.upsert(new RowBatch(columns, ['A\t2', 'b\t3', 'B\t4']), { key: ['code'] })
        expect([inserted, updated, refused.map(({ line }) => line)]).toEqual([1, 0, ['A\t2', 'B\t4']])
        expect(await table.remove(new RowBatch([CODE], ['A', 'b']))).toBe(1)
        expect(await sql.query(`SELECT code, zone FROM ${name}`)).toEqual([{ code: 'a', zone: '1' }])
      })

      test('what does not fit a column is refused, row by row', async () => {
        const { sql, name, table } = await open({ localInfile })
        await sql.script(
          `CREATE TABLE ${name} (id INT PRIMARY KEY, code VARCHAR(3) NOT NULL, zone SMALLINT, at DATETIME(3), CHECK (zone <> 13))`,
        )
        const columns = [ID, CODE, ZONE, { name: 'at', type: { kind: 'timestamp' }, nullable: true } as const]
        const good = ['1\tabc\t1\t\\N', '2\tab\t-32768\t2018-01-01 00:00:00.123000']
        const bad = [
          '3\tabcd\t1\t\\N',
          '4\tabc\t32768\t\\N',
          '5\tabc\t13\t\\N',
          '6\t\\N\t1\t\\N',
          '7\tabc\t1\t2018-01-01 00:00:00.123400',
          '3000000000\tabc\t1\t\\N',
        ]
        const { inserted, refused } = await table.upsert(new RowBatch(columns, [...bad, ...good]), { key: ['id'], fresh: true })
        expect([inserted, refused.map(({ line }) => line).sort()]).toEqual([2, [...bad].sort()])
        expect(await table.count()).toBe(2)
      })
    })
  }

  test('columns of other makers are read as the types that hold them', async () => {
    const { sql, name, table } = await open()
    await sql.script(`CREATE TABLE ${name} (id BIGINT UNSIGNED PRIMARY KEY, tiny TINYINT(1), small TINYINT UNSIGNED, y YEAR, bits BIT(5), f FLOAT, e ENUM('x','y'), j JSON, latin VARCHAR(9) CHARACTER SET latin1, t TIME, at DATETIME);
      INSERT INTO ${name} VALUES (18446744073709551615, 2, 255, 2018, b'10101', 0.1, 'y', '{"a": 1}', 'é', '25:00:01', '2018-01-01 05:00:00')`)
    const columns = (await table.shape())?.columns ?? []
    expect(columns.map(({ type }) => ('precision' in type ? `decimal(${type.precision},${type.scale})` : type.kind))).toEqual([
      'decimal(20,0)',
      'boolean',
      'short',
      'short',
      'integer',
      'float',
      'string',
      'string',
      'string',
      'string',
      'timestamp',
    ])
    const lines = async (wanted: readonly Field[]) => {
      const found: string[] = []
      for await (const batch of table.scan({ columns: wanted })) found.push(...batch.lines)
      return found
    }
    expect(await lines(columns)).toEqual([
      '18446744073709551615\t1\t255\t2018\t21\t0.10000000149011612\ty\t{"a": 1}\té\t25:00:01\t2018-01-01 05:00:00.000000',
    ])
    // Who knows better that TINYINT(1) is a number may have it as one.
    expect(await lines([{ name: 'tiny', type: { kind: 'integer' }, nullable: true }])).toEqual(['2'])
  })

  test('a deadlock is met again and finished', async () => {
    const { store, sql, name, table } = await open()
    await sql.script(`CREATE TABLE ${name} (id INT PRIMARY KEY, zone INT); INSERT INTO ${name} VALUES (1, 0), (2, 0), (3, 0)`)
    const before = await deadlocks(store)
    const other = await sql.connection()
    // The other holds row 2 and has changed more, so that the store's transaction is the one that the server ends.
    await other.run('START TRANSACTION')
    await other.run(`UPDATE ${name} SET zone = 7 WHERE id IN (2, 3)`)
    await other.run(`INSERT INTO ${name} SELECT 100 + seq, 0 FROM seq_1_to_500`)
    const writing = table.upsert(new RowBatch([ID, ZONE], ['1\t5', '2\t5']), { key: ['id'] })
    const settled = writing.then(
      () => true,
      () => true,
    )
    // Until the store holds row 1 and waits for row 2. What INNODB_TRX shows is as old as the last look, while looks are less than 100 ms apart.
    for (let waiting = 0; waiting === 0 && !(await Promise.race([settled, sleep(150, false)])); ) {
      const [row] = await sql.query("SELECT COUNT(*) AS n FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'")
      waiting = Number(row?.['n'])
    }
    await other.run(`UPDATE ${name} SET zone = 7 WHERE id = 1`)
    await other.run('COMMIT')
    expect(await writing).toEqual({ inserted: 0, updated: 2, refused: [] })
    expect(await deadlocks(store)).toBeGreaterThan(before)
    expect(await sql.query(`SELECT id, zone FROM ${name} WHERE id < 3 ORDER BY id`)).toEqual([
      { id: '1', zone: '5' },
      { id: '2', zone: '5' },
    ])
    await other.close()
  })

  test('a statement of a script that fails is told by its number; those before it have run', async () => {
    const { sql, name } = await open()
    const script = `CREATE TABLE ${name} (a INT); INSERT INTO ${name} VALUES (1); SELECT nothing FROM ${name}; DROP TABLE ${name}`
    await expect(sql.script(script)).rejects.toMatchObject({ code: 'STORE_STATEMENT_FAILED', facts: { number: 3 } })
    expect(await sql.query(`SELECT a FROM ${name}`)).toEqual([{ a: '1' }])
  })

  test('a lock is held by one at a time, and free when its holder fails', async () => {
    const { sql, name } = await open()
    const second = await open()
    await sql.locked(name, 0, async () => {
      await expect(second.sql.locked(name, 50, async () => 1)).rejects.toMatchObject({ code: 'STORE_LOCK_HELD' })
    })
    await expect(sql.locked(name, 0, () => Promise.reject(new Error('mine')))).rejects.toThrow('mine')
    expect(await second.sql.locked(name, 5_000, async () => 2)).toBe(2)
  })

  test('a connection that the server ended is replaced', async () => {
    const { sql, name, table } = await open({ pool: 1, retry: { delay: 1 } })
    await sql.script(`CREATE TABLE ${name} (id INT PRIMARY KEY)`)
    const [mine] = await sql.query('SELECT CONNECTION_ID() AS id')
    await sql.script(`KILL ${mine?.['id']}`)
    expect(await table.count()).toBe(0)
    const [now] = await sql.query('SELECT CONNECTION_ID() AS id')
    expect(now?.['id']).not.toBe(mine?.['id'])
  })

  test('a statement that takes too long is given up, and ended in the server', async () => {
    const { sql } = await open({ timeout: 500, retry: { attempts: 1 } })
    const watcher = await open()
    const mark = `sluice${randomUUID().slice(0, 8)}`
    await expect(sql.query(`SELECT SLEEP(60), '${mark}' AS mark`)).rejects.toMatchObject({ code: 'STORE_TIMEOUT' })
    const running = async () =>
      (await watcher.sql.query(`SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT SLEEP(60), %${mark}%'`)).length
    await expect.poll(running, { timeout: 20_000 }).toBe(0)
  })
})

async function deadlocks(store: OpenStore): Promise<number> {
  const [row] = (await store.sql?.query("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")) ?? []
  return Number(row?.['Value'])
}
