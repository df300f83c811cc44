import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { Decimal128, Double, Int32, Long } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ended, startSluice } from '../../fixtures.js'
import { type Databases, describeWithStores, newDatabases, onMongodb, onMysql, onPostgres, TestProject } from './project.js'

const STORES = { mysql: 'warehouse', postgres: 'ledger', mongodb: 'documents', duckdb: 'shelf' } as const
type Kind = keyof typeof STORES

const datasets = Object.entries(STORES)
  .map(
    ([kind, store]) => `
export const whole_${kind} = dataset('bronze.whole_${kind}', { columns, from: storeTable(${store}.table('orders')), write: append() })
export const news_${kind} = dataset('bronze.news_${kind}', {
  columns, key: ['id'], from: storeTable(${store}.table('orders'), { cursor: 'changed_at', settle: '0s', rows: 400 }), write: merge(),
})
export const ids_${kind} = dataset('bronze.ids_${kind}', {
  columns, from: storeTable(${store}.table('orders'), { cursor: 'id' }), write: append(),
})
export const bad_${kind} = dataset('bronze.bad_${kind}', { columns, from: storeTable(${store}.table('orders'), { cursor: 'paid' }), write: append() })
export const none_${kind} = dataset('bronze.none_${kind}', { columns, from: storeTable(${store}.table('nothing')), write: append() })`,
  )
  .join('\n')

const DATASETS = `import { append, column, dataset, merge, storeTable } from 'sluice'
import { documents, ledger, shelf, warehouse } from '../stores.js'

const columns = {
  id: column.long({ nullable: false }),
  name: column.string(),
  amount: column.decimal(12, 2),
  ratio: column.double(),
  changed_at: column.timestamp(),
}
${datasets}
`

/** Three minutes before now: what is younger may wait. */
const minute = (number: number) => new Date(Date.UTC(2026, 0, 1) + number * 60_000)
const order = (id: number, name = `o'rder\t${id} 😀`) => ({
  id,
  name,
  amount: `${id}.50`,
  ratio: id / 7,
  at: minute(id),
  paid: id % 2 === 0,
})
type Order = ReturnType<typeof order>
const clock = (at: Date) => at.toISOString().replace('T', ' ').replace('Z', '')

describeWithStores('a table of a store as a source', () => {
  let databases: Databases
  let project: TestProject

  beforeAll(async () => {
    databases = await newDatabases()
    project = new TestProject({
      columns: { id: 'column.long({ nullable: false })' },
      addresses: databases,
      syncs: '',
      files: { 'datasets/orders.ts': DATASETS },
    })
  })
  afterAll(() => databases?.drop())

  const onShelf = async (...statements: string[]) => {
    const instance = await DuckDBInstance.create(join(project.folder, 'shelf.duckdb'))
    const connection = await instance.connect()
    for (const statement of statements) await connection.run(statement)
    connection.closeSync()
    instance.closeSync()
  }
  const sql: Record<'mysql' | 'postgres' | 'duckdb', (...statements: string[]) => Promise<unknown>> = {
    mysql: (...statements) => onMysql(databases.mysql, ...statements),
    postgres: (...statements) => onPostgres(databases.postgres, ...statements),
    duckdb: onShelf,
  }
  const text = (value: string) => `'${value.replaceAll("'", "''")}'`
  const values = (orders: readonly Order[]) =>
    orders.map((one) => `(${one.id}, ${text(one.name)}, ${one.amount}, ${one.ratio}, '${clock(one.at)}', ${one.paid})`).join(', ')
  const document = (one: Order) => ({
    id: Long.fromNumber(one.id),
    name: one.name,
    amount: Decimal128.fromString(one.amount),
    ratio: new Double(one.ratio),
    changed_at: one.at,
    paid: one.paid,
  })
  const collection = <Result>(body: (orders: import('mongodb').Collection) => Promise<Result>) =>
    onMongodb(databases.mongodb, (client) => body(client.db().collection('orders')))

  const make = async (kind: Kind, orders: readonly Order[]) => {
    if (kind === 'mongodb') return collection((all) => all.insertMany(orders.map(document)))
    const types = { mysql: ['DOUBLE', 'DATETIME(6)'], postgres: ['DOUBLE PRECISION', 'TIMESTAMPTZ(6)'], duckdb: ['DOUBLE', 'TIMESTAMPTZ'] }[
      kind
    ]
    const name = kind === 'mysql' ? 'VARCHAR(100) CHARACTER SET utf8mb4' : 'VARCHAR(100)'
    return sql[kind](
      `CREATE TABLE orders (id BIGINT PRIMARY KEY, name ${name}, amount DECIMAL(12, 2), ratio ${types[0]}, changed_at ${types[1]} NOT NULL, paid BOOLEAN)`,
      ...(kind === 'postgres' ? ["SET TIME ZONE 'UTC'"] : kind === 'duckdb' ? ["SET TimeZone = 'UTC'"] : []),
      `INSERT INTO orders VALUES ${values(orders)}`,
    )
  }
  const add = (kind: Kind, orders: readonly Order[]) =>
    kind === 'mongodb'
      ? collection((all) => all.insertMany(orders.map(document)))
      : sql[kind](
          ...(kind === 'postgres' ? ["SET TIME ZONE 'UTC'"] : kind === 'duckdb' ? ["SET TimeZone = 'UTC'"] : []),
          `INSERT INTO orders VALUES ${values(orders)}`,
        )
  const update = (kind: Kind, id: number, name: string, at: Date) =>
    kind === 'mongodb'
      ? collection((all) => all.updateOne({ id }, { $set: { name, changed_at: at } }))
      : sql[kind](
          ...(kind === 'postgres' ? ["SET TIME ZONE 'UTC'"] : kind === 'duckdb' ? ["SET TimeZone = 'UTC'"] : []),
          `UPDATE orders SET name = ${text(name)}, changed_at = '${clock(at)}' WHERE id = ${id}`,
        )
  const remove = (kind: Kind, id: number) =>
    kind === 'mongodb' ? collection((all) => all.deleteOne({ id })) : sql[kind](`DELETE FROM orders WHERE id = ${id}`)

  const run = async (dataset: string, ...words: string[]) => {
    const done = await project.sluice('run', dataset, ...words)
    expect(done.code, `${done.stdout}${done.stderr}`).toBe(0)
    return done.json().steps[0]
  }
  const rows = async (dataset: string) => {
    const done = await project.sluice('query', `select id, name, amount, ratio, changed_at from ${dataset} order by all`)
    expect(done.code, done.stdout).toBe(0)
    return done.json().rows
  }
  const shown = (orders: readonly Order[]) =>
    orders.map((one) => ({
      id: String(one.id),
      name: one.name,
      amount: one.amount,
      ratio: one.ratio,
      changed_at: `${clock(one.at).replace(' ', 'T')}000Z`,
    }))

  describe.each(Object.keys(STORES) as Kind[])('%s', (kind) => {
    const first = Array.from({ length: 1_000 }, (_, index) => order(index + 1))
    beforeAll(() => make(kind, first))

    test('in full: read once, again when anything has changed, with nothing left of what is gone', async () => {
      const dataset = `bronze.whole_${kind}`
      const done = await run(dataset)
      expect(done).toMatchObject({ status: 'ok', rowsAccepted: 1_000 })
      expect(done.files).toMatchObject([{ path: `${kind}:orders`, status: 'taken', rows: 1_000 }])
      expect(await rows(dataset)).toEqual(shown(first))
      expect(await run(dataset)).toMatchObject({ status: 'skipped', files: [{ status: 'known' }] })
      await update(kind, 5, 'five', minute(5))
      await remove(kind, 6)
      await run(dataset)
      const expected = first.filter((one) => one.id !== 6).map((one) => (one.id === 5 ? { ...one, name: 'five' } : one))
      expect(await rows(dataset)).toEqual(shown(expected))
      await update(kind, 5, order(5).name, minute(5))
      await add(kind, [order(6)])
      await run(dataset)
      expect(await rows(dataset)).toEqual(shown(first))
    })

    test('by a cursor: what is past the last run, in commits of some rows', async () => {
      const dataset = `bronze.news_${kind}`
      const done = await run(dataset)
      expect(done.files.map((file: { rows: number }) => file.rows)).toEqual([334, 333, 333])
      expect(await rows(dataset)).toEqual(shown(first))
      expect(await run(dataset)).toMatchObject({ status: 'skipped' })
      await add(kind, [order(1_001), order(1_002)])
      await update(kind, 7, 'seven', minute(1_003))
      expect(await run(dataset)).toMatchObject({ rowsIn: 3 })
      const now = [...first, order(1_001), order(1_002)].map((one) => (one.id === 7 ? { ...one, name: 'seven', at: minute(1_003) } : one))
      expect(await rows(dataset)).toEqual(shown(now))
      // Without a change of the cursor nobody sees it; a full refresh does.
      await remove(kind, 8)
      expect(await run(dataset)).toMatchObject({ status: 'skipped' })
      await run(dataset, '--full-refresh')
      expect(await rows(dataset)).toEqual(shown(now.filter((one) => one.id !== 8)))
      expect(await run(dataset)).toMatchObject({ status: 'skipped' })
    })

    test('by a cursor of whole numbers', async () => {
      const dataset = `bronze.ids_${kind}`
      const before = await run(dataset)
      expect(before.rowsAccepted).toBe(1_001)
      await add(kind, [order(2_000)])
      expect(await run(dataset)).toMatchObject({ rowsAccepted: 1 })
      expect((await rows(dataset)).at(-1)).toEqual(shown([order(2_000)])[0])
    })

    test('killed, and run again: each row once', async () => {
      const dataset = `bronze.news_${kind}`
      for (const milliseconds of [400, 800, 1_200, 1_600]) {
        const killed = startSluice({}, 'run', dataset, '--full-refresh', '--project', project.folder, '--json')
        const end = ended(killed)
        await sleep(milliseconds)
        killed.kill('SIGKILL')
        await end
      }
      await run(dataset, '--full-refresh')
      const [{ n, d }] = (
        await project.sluice('query', `select count(*)::integer as n, count(distinct id)::integer as d from ${dataset}`)
      ).json().rows
      expect([n, d]).toEqual([1_002, 1_002])
    })

    test('what cannot be is said', async () => {
      const said = async (dataset: string) => {
        const done = await project.sluice('run', dataset)
        return [done.code, done.json().steps[0].error.code]
      }
      expect(await said(`bronze.bad_${kind}`)).toEqual([2, 'SOURCE_CURSOR_INVALID'])
      expect(await said(`bronze.none_${kind}`)).toEqual([2, 'STORE_TABLE_MISSING'])
    })
  })

  test('a date that is none is held, and the others come', async () => {
    await onMysql(
      databases.mysql,
      "SET sql_mode = ''",
      "UPDATE orders SET changed_at = '2026-00-00 00:00:00' WHERE id = 3",
      'ALTER TABLE orders ADD COLUMN extra INT DEFAULT 1',
    )
    const done = await run('bronze.whole_mysql')
    expect(done).toMatchObject({ rowsQuarantined: 1 })
    const held = await project.sluice('quarantine', 'explain', 'bronze.whole_mysql')
    expect(held.stdout).toContain('2026-00-00')
  })

  test('rows that have no cursor are not passed over', async () => {
    await collection(async (all) => {
      await all.updateOne({ id: 4 }, { $unset: { changed_at: '' } })
      await all.insertOne({ id: new Int32(9_999) })
    })
    const done = await project.sluice('run', 'bronze.news_mongodb')
    expect([done.code, done.json().steps[0].error]).toMatchObject([
      2,
      { code: 'SOURCE_CURSOR_INVALID', message: expect.stringMatching(/2 rows have none/) },
    ])
  })
})
