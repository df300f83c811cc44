import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Databases, describeWithStores, newDatabases, onMongodb, onMysql, onPostgres, TestProject } from './project.js'

interface Advised {
  readonly id: string
  readonly about: string
  readonly how: string
  readonly measured?: { readonly before: { readonly rows: number }; readonly after: { readonly rows: number } }
}

const ROWS = 8_000
const columns = { id: 'column.long({ nullable: false })', name: 'column.string()' }
const many = '{ parallel: 4, batchRows: 100, '

describeWithStores('connections of a store', () => {
  let databases: Databases
  const project = (pool: number) =>
    new TestProject({
      columns,
      addresses: databases,
      storeOptions: `pool: ${pool}, schema: 'shop'`,
      syncs: `export const toMysql = sync(items, ${many} name: 'to_mysql', to: warehouse.table('items') })
export const toPostgres = sync(items, ${many} name: 'to_postgres', to: ledger.table('items') })
export const toDocuments = sync(items, ${many} name: 'to_documents', to: documents.table('items') })
export const within = sync(warehouse.table('items'), ${many} name: 'within', key: ['id'], to: warehouse.table('copies') })
export const others = sync(warehouse.table('items'), ${many} name: 'others', key: ['id'], to: warehouse.table('others') })`,
    })
  beforeAll(async () => {
    databases = await newDatabases()
    await onPostgres(databases.postgres, 'CREATE SCHEMA shop')
  })
  afterAll(() => databases?.drop())

  async function filled(one: TestProject): Promise<TestProject> {
    await one.rows('first', `SELECT i::BIGINT AS id, 'item ' || i AS name FROM range(${ROWS}) AS t(i)`)
    await one.run()
    return one
  }

  test('that are fewer than a sync asks for: it waits, says so, and is advised', async () => {
    const one = await filled(project(1))
    const done = await one.synced('to_mysql', 'to_postgres', 'to_documents')
    expect(Object.values(done).map(({ inserted }) => inserted)).toEqual([ROWS, ROWS, ROWS])
    const found = await one.sluice(
      'query',
      'select sync, store, connections, retries, waits, waited_ms from _sluice.store_usage order by sync',
    )
    const usage: { sync: string; store: string; connections: number; retries: number; waits: number; waited_ms: number }[] =
      found.json().rows
    expect(usage.map(({ sync, store, connections, retries }) => [sync, store, Number(connections), Number(retries)])).toEqual([
      ['to_documents', 'documents', 1, 0],
      ['to_mysql', 'warehouse', 1, 0],
      ['to_postgres', 'ledger', 1, 0],
    ])
    // Eighty batches, of which four are on their way at a time.
    for (const { waits, waited_ms } of usage) expect([Number(waits) > 40, Number(waited_ms) > 100]).toEqual([true, true])
    const advised: { advice: Advised[] } = (await one.sluice('advise', '--try')).json()
    const pools = advised.advice.filter(({ id }) => id === 'pool-size')
    expect(pools.map(({ about }) => about).sort()).toEqual(['to_documents', 'to_mysql', 'to_postgres'])
    for (const { how, measured } of pools) {
      expect(how).toContain('`pool: 4`')
      expect([measured?.before.rows, measured?.after.rows]).toEqual([ROWS, ROWS])
    }
    const left = 'SELECT count(*) FROM information_schema.tables WHERE table_name LIKE '
    expect(Number((await onMysql(databases.mysql, `${left} 'sluice_advise%' AND table_schema = DATABASE()`))[0]?.[0])).toBe(0)
    expect(Number((await onPostgres(databases.postgres, `${left} 'sluice_advise%'`))[0]?.[0])).toBe(0)
    expect(
      await onMongodb(databases.mongodb, (client) =>
        client
          .db()
          .listCollections({ name: /^sluice_advise/ })
          .toArray(),
      ),
    ).toEqual([])
  })

  test('of one that a sync reads and writes: enough are left to write what is read', async () => {
    const one = await filled(project(4))
    await one.synced('to_mysql')
    const { within } = await one.synced('within')
    expect([within?.inserted, within?.reason]).toEqual([ROWS, expect.stringContaining('3 ranges of id side by side')])
    const two = project(1)
    // To compare the two, what is read goes to a file first.
    expect((await two.synced('within', '--full')).within?.mode).toBe('compare')
    const refused = await two.sluice('sync', 'others')
    expect([refused.code, refused.json().syncs[0].error.code]).toEqual([2, 'SYNC_POOL_TOO_SMALL'])
  })
})
