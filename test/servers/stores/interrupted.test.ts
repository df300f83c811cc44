import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Connection, createConnection } from 'mysql2/promise'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chance } from '../../chance.js'
import { describeWith, type Ended, ended, startSluice } from '../../fixtures.js'
import { mariadbProgram, type OwnServer, ownMariadb, ownPostgres, postgresFolder, proxyTo, smallDisk } from './own-server.js'
import { type Databases, describeWithStores, engineText, newDatabases, onMongodb, onMysql, onPostgres, TestProject } from './project.js'

const KILLS = Number(process.env['SLUICE_TEST_SYNC_KILLS'] ?? 12)
const ROWS = 4_000

const columns = {
  id: 'column.long({ nullable: false })',
  name: 'column.string()',
  amount: 'column.decimal(18, 4)',
  at: 'column.timestamp()',
}

/** The rows of a round: each has others changed, some gone and some new. */
const rowsSql = (round: number, rows = ROWS, padding = 0) => `SELECT i::BIGINT AS id,
  'item ' || i || CASE WHEN i % 7 = ${round % 7} THEN ' of round ${round}' ELSE '' END || repeat('x', ${padding}) AS name,
  (i * 7919 % 1000003 + 0.1234)::DECIMAL(18, 4) AS amount, make_timestamptz((1704067200000 + i * 61337) * 1000) AS at
  FROM range(1, ${rows + 1 + round * 10}) AS t(i) WHERE i % 50 <> ${round % 50}`

/** A column that tells when a row was last written, for the sync that follows a cursor. */
const MIGRATION = `CREATE TABLE items (
  id BIGINT NOT NULL PRIMARY KEY,
  name VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
  amount DECIMAL(18, 4),
  at DATETIME(6),
  updated_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  INDEX (updated_at)
);
`

const SYNCS = `export const toMysql = sync(items, { name: 'to_mysql', to: warehouse.table('items') })
export const toMongodb = sync(warehouse.table('items'), {
  name: 'to_mongodb', to: documents.table('items'), key: ['id'], except: ['updated_at'], cursor: 'updated_at', batchRows: 250,
})
export const toPostgres = sync(items, { name: 'to_postgres', to: ledger.table('items') })
export const toShelf = sync(items, { name: 'to_shelf', to: shelf.table('items') })`

const startSync = (project: TestProject, ...words: string[]) =>
  startSluice({}, 'sync', ...words, '--project', project.folder, '--batch', '250', '--json')

/** Number of rows, sum of the keys and of the amounts: asked of each server itself. */
async function held(databases: Pick<Databases, 'mysql' | 'postgres' | 'mongodb'>, project: TestProject): Promise<Record<string, string[]>> {
  const sql = 'SELECT count(*), sum(id), sum(amount) FROM items'
  const texts = (rows: readonly (readonly unknown[])[]) => (rows[0] ?? []).map(String)
  const documents = await onMongodb(databases.mongodb, (client) => client.db().collection('items').find().toArray())
  const amounts = documents.reduce((sum, one) => sum + BigInt(String(one['amount']).replace('.', '')), 0n).toString()
  return {
    mysql: texts(await onMysql(databases.mysql, sql)),
    postgres: texts(await onPostgres(databases.postgres, sql)),
    shelf: texts(await engineText(`ATTACH '${join(project.folder, 'shelf.duckdb')}' AS shelf (READ_ONLY); USE shelf; ${sql}`)),
    mongodb: [
      String(new Set(documents.map((one) => String(one['id']))).size),
      String(documents.reduce((sum, one) => sum + Number(one['id']), 0)),
      `${amounts.slice(0, -4)}.${amounts.slice(-4)}`,
    ],
  }
}

describeWithStores('a sync that is interrupted', () => {
  let databases: Databases
  let project: TestProject
  let round = 0
  const seed = Number(process.env['SLUICE_TEST_SEED'] ?? Date.now() % 1_000_000)
  const random = chance(seed)

  const change = async () => {
    round += 1
    await project.rows('all', rowsSql(round))
    await project.run()
  }
  const emptied = async () => {
    await onMysql(databases.mysql, 'DELETE FROM items', 'DROP TABLE IF EXISTS sluice_state')
    await onPostgres(databases.postgres, 'DROP TABLE IF EXISTS items, sluice_state')
    await onMongodb(databases.mongodb, (client) => client.db().dropDatabase())
    rmSync(join(project.folder, 'shelf.duckdb'), { force: true })
    rmSync(join(project.folder, 'shelf.duckdb.wal'), { force: true })
  }
  /** Equal by our own account, and by the servers'. */
  const requireEqual = async (about: string) => {
    const { code, by } = await project.reconciled()
    const differing = Object.values(by).filter((one) => one.differences.total > 0)
    expect({ code, differing }, about).toEqual({ code: 0, differing: [] })
    const expected = (await engineText(`SELECT count(*), sum(id), sum(amount) FROM (${rowsSql(round)})`))[0]
    expect(await held(databases, project), about).toEqual({ mysql: expected, postgres: expected, shelf: expected, mongodb: expected })
  }

  beforeAll(async () => {
    databases = await newDatabases()
    project = new TestProject({
      columns,
      addresses: databases,
      syncs: SYNCS,
      files: { 'sql/migrations/warehouse/001_items.mysql.sql': MIGRATION },
    })
    await change()
    expect((await project.sluice('migrate', 'up')).code).toBe(0)
  })
  afterAll(() => databases?.drop())

  test(`killed at ${KILLS} random moments, and run again, leaves what it should, and nothing twice`, {
    timeout: 60_000 * Math.max(5, KILLS),
  }, async () => {
    const started = Date.now()
    expect((await ended(startSync(project))).code).toBe(0)
    const milliseconds = Date.now() - started
    await requireEqual(`seed ${seed}, undisturbed`)
    let kills = 0
    for (let turn = 0; kills < KILLS; turn++) {
      if (turn % 2 === 0) await emptied()
      else await change()
      for (;;) {
        const run = startSync(project)
        const end = ended(run)
        const timer = kills < KILLS ? setTimeout(() => run.kill('SIGKILL'), 300 + random() * milliseconds) : undefined
        const { code, stdout, stderr } = await end
        clearTimeout(timer)
        if (code === 137) kills += 1
        else {
          expect(code, `seed ${seed}, after ${kills} kills: ${stdout}${stderr}`).toBe(0)
          break
        }
      }
      await requireEqual(`seed ${seed}, after ${kills} kills`)
    }
  })

  test('by Ctrl-C ends with 130, and the next finishes', async () => {
    await emptied()
    const run = startSync(project)
    const end = ended(run)
    // Once rows have come, it is at work.
    for (;;) {
      const [[count] = []] = await onMysql(databases.mysql, 'SELECT count(*) FROM items')
      if (Number(count) > 0) break
      await sleep(20)
    }
    run.kill('SIGINT')
    const interrupted = await end
    expect(interrupted.code, interrupted.stdout).toBe(130)
    const last = interrupted.json().syncs.at(-1)
    expect(last).toMatchObject({ status: 'cancelled' })
    expect((await ended(startSync(project))).code).toBe(0)
    await requireEqual('after Ctrl-C')
  })

  test.each([
    ['mysql', 'to_mysql'],
    ['mongodb', 'to_mongodb'],
  ] as const)('connections to %s that are cut and stall: it finishes, or says 75 and the next finishes', async (kind, name) => {
    await project.synced()
    await emptied()
    await project.synced('to_mysql')
    const address = new URL(databases[kind])
    const proxy = await proxyTo(Number(address.port))
    address.port = String(proxy.port)
    // A replica set would name its own address.
    if (kind === 'mongodb') address.search = '?directConnection=true'
    try {
      if (kind === 'mysql') await emptied()
      project.address({ ...databases, [kind]: address.href })
      let disturbing = true
      const trouble = (async () => {
        for (let times = 0; disturbing; times++) {
          await sleep(200 + random() * 800)
          if (times % 3 === 2) proxy.stall(1_000)
          else proxy.cut()
        }
      })()
      const codes: number[] = []
      for (let attempt = 0; attempt < 3 && codes.at(-1) !== 0; attempt++) codes.push(await checkedCode(ended(startSync(project, name))))
      disturbing = false
      await trouble
      if (codes.at(-1) !== 0) codes.push(await checkedCode(ended(startSync(project, name))))
      expect(codes.at(-1), `seed ${seed}: ${codes}`).toBe(0)
      expect(proxy.cuts).toBeGreaterThan(0)
    } finally {
      project.address(databases)
      await proxy.close()
    }
    expect((await ended(startSync(project))).code).toBe(0)
    await requireEqual(`seed ${seed}, after connections to ${kind} were cut`)
  })
})

/** 0 or 75; whatever else it ends with is shown. */
async function checkedCode(end: Promise<Ended>): Promise<number> {
  const { code, stdout, stderr } = await end
  expect([0, 75], `${code}: ${stdout}${stderr}`).toContain(code)
  if (code === 75) {
    const { syncs, error } = JSON.parse(stdout)
    const errors = [error, ...(syncs ?? []).map((one: { error?: unknown }) => one.error)].filter((one) => one !== undefined)
    expect(errors).toContainEqual(expect.objectContaining({ code: expect.stringMatching(/^STORE_/), retry: 'transient' }))
  }
  return code
}

/** A project with one store of a server of the test's own. */
async function ownProject(kind: 'mysql' | 'postgres', url: string, rows: number, padding: number): Promise<TestProject> {
  const none = {
    mysql: 'mysql://a:b@127.0.0.1:1/none',
    postgres: 'postgresql://a:b@127.0.0.1:1/none',
    mongodb: 'mongodb://127.0.0.1:1/none',
  }
  const project = new TestProject({
    columns,
    addresses: { ...none, [kind]: url },
    syncs: `export const toServer = sync(items, { name: 'to_server', to: ${kind === 'mysql' ? 'warehouse' : 'ledger'}.table('items') })`,
  })
  await project.rows('all', rowsSql(0, rows, padding))
  await project.run()
  return project
}

describeWith(
  'a server of our own',
  () => {
    describe.each(['mysql', 'postgres'] as const)('%s', (kind) => {
      test('that crashes and comes back during a sync: it finishes, or says 75 and the next finishes', async () => {
        const server = await (kind === 'mysql' ? ownMariadb() : ownPostgres())
        try {
          const ask = (sql: string) => (kind === 'mysql' ? onMysql(server.url, sql) : onPostgres(server.url, sql))
          const project = await ownProject(kind, server.url, 20_000, 0)
          const end = ended(startSync(project))
          for (;;) {
            const [[count] = []] = await ask('SELECT count(*) FROM items').catch(() => [])
            if (Number(count ?? 0) > 0) break
            await sleep(10)
          }
          await server.stop('SIGKILL')
          await sleep(500)
          await server.start()
          const first = await checkedCode(end)
          if (first === 75) expect((await ended(startSync(project))).code).toBe(0)
          await project.requireEqual()
          expect(Number((await ask('SELECT count(*) FROM items'))[0]?.[0])).toBe(19_600)
          // Gone for long: that is said, and nothing else.
          await server.stop('SIGTERM')
          await project.rows('all', rowsSql(1, 20_000))
          await project.run()
          const away = await ended(startSync(project))
          expect([away.code, away.json().syncs[0].error.code]).toEqual([75, 'STORE_UNREACHABLE'])
          await server.start()
          expect((await ended(startSync(project))).code).toBe(0)
          await project.requireEqual()
        } finally {
          await server.drop()
        }
      })
    })

    test('that has no connection left: STORE_BUSY, and the next finishes', async () => {
      const server = await ownMariadb(['--max-connections=10'])
      const others: Connection[] = []
      try {
        const project = await ownProject('mysql', server.url, 1_000, 0)
        let full = false
        while (!full)
          await createConnection({ uri: server.url }).then(
            (one) => others.push(one),
            () => (full = true),
          )
        const refused = await ended(startSync(project))
        expect([refused.code, refused.json().syncs[0].error.code]).toEqual([75, 'STORE_BUSY'])
        await Promise.all(others.splice(0).map((one) => one.end()))
        expect((await ended(startSync(project))).code).toBe(0)
        await project.requireEqual()
      } finally {
        for (const one of others) one.destroy()
        await server.drop()
      }
    })

    test('whose disk is full: that is said, and with room the next finishes', async (context) => {
      const disk = smallDisk(160)
      if (disk === undefined) return context.skip('a small file system cannot be mounted here')
      let server: OwnServer | undefined
      try {
        server = await ownMariadb([], disk.folder)
        const project = await ownProject('mysql', server.url, 20_000, 1_000)
        const { bavail, bsize } = statfsSync(disk.folder)
        const filler = join(disk.folder, 'filler')
        writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - 6_000_000)))
        const full = await ended(startSync(project))
        expect(full.code, full.stdout).toBe(75)
        expect(full.json().syncs[0].error).toMatchObject({ code: 'STORE_FULL', retry: 'transient' })
        rmSync(filler)
        expect((await ended(startSync(project))).code).toBe(0)
        await project.requireEqual()
      } finally {
        await server?.drop()
        disk.release()
      }
    })
  },
  mariadbProgram !== undefined && postgresFolder !== undefined,
  'the programs of MariaDB and PostgreSQL: `npm run services -- up mysql postgres` installs them',
)
