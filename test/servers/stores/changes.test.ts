import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Databases, describeWithStores, newDatabases, onMongodb, onMysql, onPostgres, TestProject, written } from './project.js'

const columns = {
  id: 'column.long({ nullable: false })',
  name: 'column.string()',
  amount: 'column.decimal(18, 4)',
  at: 'column.timestamp()',
}

const MIGRATION = `CREATE TABLE items (
  id BIGINT NOT NULL PRIMARY KEY,
  name VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
  amount DECIMAL(18, 4),
  at DATETIME(6),
  updated_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  INDEX (updated_at)
);
`

const LAKE = ['to_mysql', 'to_postgres', 'to_shelf', 'to_documents'] as const
const SYNCS = `export const toMysql = sync(items, { name: 'to_mysql', to: warehouse.table('items') })
export const toPostgres = sync(items, { name: 'to_postgres', to: ledger.table('items') })
export const toShelf = sync(items, { name: 'to_shelf', to: shelf.table('items') })
export const toDocuments = sync(items, { name: 'to_documents', to: documents.table('items') })
const follow = { key: ['id'], except: ['updated_at'], cursor: 'updated_at' }
export const byCursor = sync(warehouse.table('items'), { ...follow, name: 'by_cursor', to: documents.table('followed') })
export const kept = sync(warehouse.table('items'), { ...follow, name: 'kept', to: documents.table('kept'), deletes: 'keep' })
export const keptOfLake = sync(items, { name: 'kept_of_lake', to: ledger.table('kept'), deletes: 'keep' })`

const some = (where: string, name = "'item ' || i") =>
  `SELECT i::BIGINT AS id, ${name} AS name, (i + 0.5)::DECIMAL(18, 4) AS amount, make_timestamptz((1704067200000 + i) * 1000) AS at
   FROM range(1, 1201) AS t(i) WHERE ${where}`

describeWithStores('changes between two syncs', () => {
  let databases: Databases
  let project: TestProject
  const nothing = { mode: 'nothing', inserted: 0, updated: 0, deleted: 0 }

  beforeAll(async () => {
    databases = await newDatabases()
    project = new TestProject({
      columns,
      addresses: databases,
      syncs: SYNCS,
      files: { 'sql/migrations/warehouse/001_items.mysql.sql': MIGRATION },
    })
    expect((await project.sluice('migrate', 'up')).code).toBe(0)
    await project.rows('first', some('i <= 900'))
    await project.rows('second', some('i > 900 AND i <= 1000'))
    await project.run()
    const done = await project.synced()
    for (const name of [...LAKE, 'by_cursor', 'kept', 'kept_of_lake'])
      expect([name, written(done[name])]).toEqual([name, { mode: 'load', inserted: 1000, updated: 0, deleted: 0 }])
    // As if that had been some time ago: what is as young as the sync itself is looked at again.
    await onMysql(databases.mysql, 'UPDATE items SET updated_at = updated_at - INTERVAL 1 HOUR')
  })
  afterAll(() => databases?.drop())

  test('none: nothing is written', async () => {
    const done = await project.synced()
    for (const name of [...LAKE, 'kept_of_lake']) expect(written(done[name])).toEqual(nothing)
    for (const name of ['by_cursor', 'kept']) expect(written(done[name])).toEqual({ ...nothing, mode: 'cursor' })
  })

  test('a file more, by its key: updates and inserts, and only those are written', async () => {
    await project.rows('third', some('i > 990 AND i <= 1100', "'third ' || i"))
    await project.run()
    const done = await project.synced()
    for (const name of [...LAKE, 'kept_of_lake'])
      expect([name, written(done[name])]).toEqual([name, { mode: 'changes', inserted: 100, updated: 10, deleted: 0 }])
    for (const name of ['by_cursor', 'kept'])
      expect([name, written(done[name])]).toEqual([name, { mode: 'cursor', inserted: 100, updated: 10, deleted: 0 }])
    await project.requireEqual()
  })

  test('rows that are gone are taken away, and kept where that is said', async () => {
    // 20 rows go, 5 come, one changes.
    await project.rows(
      'second',
      `${some('i > 920 AND i <= 990 AND i <> 930')} UNION ALL ${some('i = 930', "'changed'")} UNION ALL ${some('i > 1100 AND i <= 1105')}`,
    )
    await project.run()
    const done = await project.synced()
    for (const name of LAKE) expect([name, written(done[name])]).toEqual([name, { mode: 'changes', inserted: 5, updated: 1, deleted: 20 }])
    expect(written(done['by_cursor'])).toEqual({ mode: 'cursor', inserted: 5, updated: 1, deleted: 20 })
    expect(written(done['kept'])).toEqual({ mode: 'cursor', inserted: 5, updated: 1, deleted: 0 })
    expect(written(done['kept_of_lake'])).toEqual({ mode: 'changes', inserted: 5, updated: 1, deleted: 0 })
    await project.requireEqual(...LAKE, 'by_cursor')
    const kept = await onMongodb(databases.mongodb, (client) => client.db().collection('kept').countDocuments())
    expect([Number(kept), Number((await onPostgres(databases.postgres, 'SELECT count(*) FROM kept'))[0]?.[0])]).toEqual([1105, 1105])
  })

  test('what is to be kept is no difference, and a repair does not take it away', async () => {
    const { by } = await project.reconciled('kept', 'kept_of_lake', '--repair')
    for (const name of ['kept', 'kept_of_lake']) expect([name, by[name]?.repaired?.deleted ?? 0]).toEqual([name, 0])
    const kept = await onMongodb(databases.mongodb, (client) => client.db().collection('kept').countDocuments())
    expect(Number(kept)).toBe(1105)
  })

  test('all rows are compared when that is asked for', async () => {
    await onMysql(databases.mysql, 'UPDATE items SET amount = 1 WHERE id = 5', 'DELETE FROM items WHERE id = 6')
    await onMysql(databases.mysql, "INSERT INTO items (id, name) VALUES (100000, 'other')")
    // By its state there is nothing to do.
    expect(written((await project.synced('to_mysql'))['to_mysql'])).toEqual(nothing)
    expect(written((await project.synced('to_mysql', '--full'))['to_mysql'])).toEqual({
      mode: 'compare',
      inserted: 1,
      updated: 1,
      deleted: 1,
    })
    await project.requireEqual('to_mysql')
  })

  describe('behind our back', () => {
    const rows = 1085
    test.each([
      ['the tables and what is known of them are gone', 'DROP TABLE IF EXISTS items, sluice_state'],
      ['the table is gone, what is known of it stays', 'DROP TABLE items'],
    ])('%s: filled again', async (_, sql) => {
      await onPostgres(databases.postgres, sql)
      const file = join(project.folder, 'shelf.duckdb')
      for (const path of [file, `${file}.wal`]) rmSync(path, { force: true })
      await onMongodb(databases.mongodb, async (client) => {
        await client.db().collection('items').drop()
        if (sql.includes('sluice_state')) await client.db().collection('sluice_state').drop()
      })
      const names = ['to_postgres', 'to_shelf', 'to_documents']
      const done = await project.synced(...names)
      for (const name of names)
        expect([name, written(done[name])]).toEqual([name, { mode: 'load', inserted: rows, updated: 0, deleted: 0 }])
      await project.requireEqual(...names)
    })

    test('an older copy restored, its state with it: what lies between is written', async () => {
      await onPostgres(databases.postgres, 'CREATE TABLE old_items AS TABLE items', 'CREATE TABLE old_state AS TABLE sluice_state')
      await project.rows('third', `${some('i > 990 AND i <= 1100', "'restored ' || i")}`)
      await project.run()
      expect(written((await project.synced('to_postgres'))['to_postgres'])).toEqual({
        mode: 'changes',
        inserted: 0,
        updated: 110,
        deleted: 0,
      })
      await onPostgres(
        databases.postgres,
        ...[
          'DELETE FROM items',
          'INSERT INTO items SELECT * FROM old_items',
          'DELETE FROM sluice_state',
          'INSERT INTO sluice_state SELECT * FROM old_state',
        ],
      )
      expect(written((await project.synced('to_postgres'))['to_postgres'])).toEqual({
        mode: 'changes',
        inserted: 0,
        updated: 110,
        deleted: 0,
      })
      await project.requireEqual('to_postgres')
    })
  })
})
