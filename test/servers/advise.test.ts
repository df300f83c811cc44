import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ended, sluiceWith, temporaryFolder } from '../fixtures.js'
import { type Databases, describeWithStores, newDatabases, onMysql, onPostgres } from './stores/project.js'

/** `sluice advise` on tables of 40,000 rows that a test's statement reads whole. */

const CONFIG = `import { defineProject, env } from 'sluice'
import { mysql } from 'sluice/stores/mysql'
import { postgres } from 'sluice/stores/postgres'
const retry = { attempts: 1 }
export default defineProject({
  name: 'shop',
  lake: './lake',
  stores: { warehouse: mysql({ url: env('MYSQL_URL'), retry }), ledger: postgres({ url: env('POSTGRES_URL'), retry }) },
})
`
const DATASET = `import { column, dataset, overwrite, sql } from 'sluice'
export const one = dataset('silver.one', { columns: { id: column.long() }, from: sql\`SELECT 1 AS id\`, write: overwrite() })
`
const STATEMENTS = `-- test: dear orders of a shop
-- expect: rows
SELECT count(*) FROM orders AS o WHERE o.shop = 7 AND amount > 990 AND 'orders' <> 'other';

-- test: the last of a shop
-- expect: rows
SELECT id, placed FROM orders WHERE orders.shop < 90 ORDER BY id LIMIT 3;

-- test: all
-- expect: rows
SELECT shop, sum(amount) FROM orders GROUP BY shop
`
const TABLE = 'CREATE TABLE orders (id BIGINT PRIMARY KEY, shop INT, amount INT, placed TIMESTAMP NULL)'

describeWithStores('advice on indexes', () => {
  const folder = temporaryFolder()
  let databases: Databases
  const here = (env: Readonly<Record<string, string>>, ...words: string[]): Promise<Ended> =>
    sluiceWith({ env: { MYSQL_URL: databases.mysql, POSTGRES_URL: databases.postgres, ...env } }, ...words, '--project', folder)
  const schemas = async () => [
    ...(await onMysql(databases.mysql, 'SELECT table_name, index_name FROM information_schema.statistics WHERE table_schema = database()')),
    ...(await onPostgres(databases.postgres, "SELECT tablename, indexname FROM pg_indexes WHERE schemaname <> 'pg_catalog'")),
  ]

  beforeAll(async () => {
    databases = await newDatabases()
    const files = { 'sluice.config.ts': CONFIG, 'datasets/one.ts': DATASET }
    const tests = Object.fromEntries(['warehouse', 'ledger'].map((store) => [`sql/tests/${store}/performance/orders.sql`, STATEMENTS]))
    for (const [file, text] of Object.entries({ ...files, ...tests })) {
      mkdirSync(join(folder, file, '..'), { recursive: true })
      writeFileSync(join(folder, file), text)
    }
    await onMysql(
      databases.mysql,
      TABLE,
      'INSERT INTO orders SELECT seq, seq % 100, seq * 7 % 1000, NULL FROM seq_1_to_40000',
      'ANALYZE TABLE orders',
    )
    await onPostgres(
      databases.postgres,
      TABLE,
      'INSERT INTO orders SELECT i, i % 100, i * 7 % 1000, NULL FROM generate_series(1, 40000) AS g(i)',
      'ANALYZE orders',
    )
  })
  afterAll(() => databases?.drop())

  test('names the columns, measures on a temporary copy before and after, and leaves both servers as they were', async () => {
    const before = await schemas()
    const ended = await here({}, 'advise', '--try', '--json')
    expect(ended.code, ended.stderr).toBe(0)
    const { advice } = ended.json()
    expect(advice.map((one: { about: string; id: string }) => `${one.id} ${one.about}`).sort()).toEqual([
      'index ledger.orders',
      'index warehouse.orders',
    ])
    for (const one of advice) {
      expect(one.how).toContain('ON orders (shop, amount)')
      expect(one.evidence[0]).toMatchObject({ what: 'rows that its plan reads', unit: 'rows' })
      expect(one.evidence[0].value).toBeGreaterThan(30_000)
      expect(one.problem).toBeUndefined()
      expect(one.measured.before.rows).toBeGreaterThan(30_000)
      expect(one.measured.before.index).toBeUndefined()
      expect(one.measured.after.index).toBe('idx_tried')
      expect(one.measured.after.rows).toBeLessThan(2_000)
    }
    expect(await schemas()).toEqual(before)
  })

  test('says which store did not answer, and speaks of the other', async () => {
    const { code, stdout, stderr } = await here({ MYSQL_URL: 'mysql://nobody:x@127.0.0.1:1/none' }, 'advise')
    expect(code).toBe(0)
    expect(stderr).toContain('warehouse was not looked at: ')
    expect(stdout).toContain('ledger.orders')
    expect(stdout).not.toContain('warehouse.orders')
  })

  test('falls silent once there is such an index', async () => {
    const index = 'CREATE INDEX idx_dear ON orders (shop, amount)'
    await onMysql(databases.mysql, index)
    await onPostgres(databases.postgres, index)
    expect((await here({}, 'advise', '--json')).json()).toEqual({ advice: [] })
  })
})
