import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Databases, describeWithStores, engineText, newDatabases, onMysql, onPostgres, TestProject } from './project.js'

const STORES = ['warehouse', 'ledger', 'shelf'] as const
type StoreName = (typeof STORES)[number]

const FIRST = 'CREATE TABLE counted (id INTEGER NOT NULL PRIMARY KEY, what VARCHAR(100));\n-- down\nDROP TABLE counted;\n'
/** As many statements as tell whether one ran twice: each would break its key. */
const SECOND = `${Array.from({ length: 12 }, (_, id) => `INSERT INTO counted VALUES (${id}, 'one; two -- three');`).join('\n')}\n-- down\nDELETE FROM counted;\n`

describeWithStores('migrations', () => {
  let databases: Databases
  let project: TestProject
  beforeAll(async () => {
    databases = await newDatabases()
    project = new TestProject({ columns: { id: 'column.long({ nullable: false })' }, addresses: databases, syncs: '' })
  })
  afterAll(() => databases?.drop())

  const file = (store: StoreName, name: string, text: string) => project.write(`sql/migrations/${store}/${name}.sql`, text)
  const migrate = (...words: string[]) => project.sluice('migrate', ...words)
  const ask = (store: StoreName, sql: string): Promise<unknown[][]> => {
    if (store === 'warehouse') return onMysql(databases.mysql, sql)
    if (store === 'ledger') return onPostgres(databases.postgres, sql)
    const path = join(project.folder, 'shelf.duckdb')
    return engineText(`ATTACH '${path}' AS f (READ_ONLY); USE f; ${sql}`)
  }
  const counted = async (store: StoreName) => Number((await ask(store, 'SELECT count(*) FROM counted'))[0]?.[0])
  const statuses = async (store: StoreName) => {
    const answer = await migrate('status', store)
    expect(answer.code, answer.stdout).toBe(0)
    return answer.json().stores[0].migrations.map((one: { version: string; status: string }) => `${one.version} ${one.status}`)
  }

  describe.each(STORES)('%s', (store) => {
    test('up twice, status and check', async () => {
      file(store, '001_counted', FIRST)
      expect(await statuses(store)).toEqual(['001 pending'])
      const lacking = await migrate('check', store)
      expect([lacking.code, lacking.json().error.code]).toEqual([1, 'MIGRATION_PENDING'])
      const up = await migrate('up', store)
      expect([up.code, up.json().stores[0].migrations.length]).toEqual([0, 1])
      const again = await migrate('up', store)
      expect([again.code, again.json().stores[0].migrations.length]).toEqual([0, 0])
      expect((await migrate('check', store)).code).toBe(0)
      expect(await statuses(store)).toEqual(['001 applied'])
    })

    test('two at once: each statement runs once', async () => {
      file(store, '002_rows', SECOND)
      const both = await Promise.all([migrate('up', store), migrate('up', store)])
      // A file has one process at a time: the other says so.
      for (const one of both) expect([0, 75], one.stdout).toContain(one.code)
      expect(both.map((one) => one.code)).toContain(0)
      if (store !== 'shelf') expect(both.map((one) => one.code)).toEqual([0, 0])
      const applied = both.flatMap((one) => (one.code === 0 ? one.json().stores[0].migrations : []))
      expect(applied.map((one: { version: string }) => one.version)).toEqual(['002'])
      expect(await counted(store)).toBe(12)
    })

    test('an applied file that has changed is refused, and nothing is run', async () => {
      file(store, '001_counted', FIRST.replace('what', 'why'))
      file(store, '003_more', "INSERT INTO counted VALUES (100, 'x');")
      const up = await migrate('up', store)
      expect([up.code, up.json().error.code]).toEqual([2, 'MIGRATION_CHANGED'])
      expect((await migrate('check', store)).json().error.code).toBe('MIGRATION_CHANGED')
      expect(await statuses(store)).toEqual(['001 changed', '002 applied', '003 pending'])
      file(store, '001_counted', FIRST)
      expect(await counted(store)).toBe(12)
      expect((await migrate('up', store)).code).toBe(0)
      expect(await counted(store)).toBe(13)
    })

    test('a second statement that fails, mended: gone on with, or done over as a whole', async () => {
      file(
        store,
        '004_broken',
        "INSERT INTO counted VALUES (200, 'x');\nINSERT INTO nowhere VALUES (1);\nINSERT INTO counted VALUES (201, 'x');",
      )
      const broken = await migrate('up', store)
      expect(broken.json().error).toMatchObject({ code: 'MIGRATION_FAILED', message: expect.stringMatching(/004_broken.*2/) })
      // MySQL's DDL ends transactions, so what ran stays and is noted.
      expect(await counted(store)).toBe(store === 'warehouse' ? 14 : 13)
      expect((await statuses(store)).at(-1)).toBe(store === 'warehouse' ? '004 unfinished' : '004 pending')
      file(
        store,
        '004_broken',
        "INSERT INTO counted VALUES (200, 'x');\nINSERT INTO counted VALUES (202, 'x');\nINSERT INTO counted VALUES (201, 'x');",
      )
      const mended = await migrate('up', store)
      expect(mended.code, mended.stdout).toBe(0)
      expect(await counted(store)).toBe(16)
      expect((await migrate('check', store)).code).toBe(0)
    })

    test('down, one after the other', async () => {
      const lacks = await migrate('down', store, '--yes')
      expect([lacks.code, lacks.json().error.code]).toEqual([2, 'MIGRATION_INVALID'])
      await migrate('down', store)
      expect(await counted(store)).toBe(16)
      for (const name of ['003_more', '004_broken']) {
        rmSync(join(project.folder, 'sql/migrations', store, `${name}.sql`))
      }
      expect(await statuses(store)).toEqual(['001 applied', '002 applied', '003 gone', '004 gone'])
      file(store, '003_more', "INSERT INTO counted VALUES (100, 'x');\n-- down\nDELETE FROM counted WHERE id = 100;")
      file(
        store,
        '004_broken',
        "INSERT INTO counted VALUES (200, 'x');\nINSERT INTO counted VALUES (202, 'x');\nINSERT INTO counted VALUES (201, 'x');\n-- down\nDELETE FROM counted WHERE id >= 200;",
      )
      const left: number[] = []
      for (let times = 0; times < 3; times++) {
        const down = await migrate('down', store, '--yes')
        expect(down.code, down.stdout).toBe(0)
        left.push(await counted(store))
      }
      expect(left).toEqual([13, 12, 0])
      expect((await migrate('down', store, '--yes')).code).toBe(0)
      await expect(counted(store)).rejects.toThrow()
      expect(await statuses(store)).toEqual(['001 pending', '002 pending', '003 pending', '004 pending'])
      expect((await migrate('up', store)).code).toBe(0)
      expect(await counted(store)).toBe(16)
    })
  })

  test('a sync waits for them', async () => {
    project.syncs("export const one = sync(items, { name: 'one', to: ledger.table('items') })")
    await project.rows('all', 'SELECT 1::BIGINT AS id')
    await project.run()
    file('ledger', '005_later', 'CREATE TABLE items (id BIGINT PRIMARY KEY);')
    const early = await project.sluice('sync')
    expect([early.code, early.json().syncs[0].error.code]).toEqual([1, 'MIGRATION_PENDING'])
    expect((await migrate('up', 'ledger')).code).toBe(0)
    expect((await project.synced())['one']).toMatchObject({ mode: 'load', inserted: 1 })
  })
})
