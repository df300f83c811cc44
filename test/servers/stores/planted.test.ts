import { join } from 'node:path'
import { Decimal128, Double } from 'mongodb'
import { createConnection } from 'mysql2/promise'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { duckdb, type Engine } from '../../../src/engine/index.js'
import { CAUSES, type Cause, reconcile } from '../../../src/reconciliation/index.js'
import type { Field } from '../../../src/schema/index.js'
import { engineRows, type OpenStore, storeRows } from '../../../src/stores/index.js'
import { mysql } from '../../../src/stores/mysql.js'
import { postgres } from '../../../src/stores/postgres.js'
import { chance } from '../../chance.js'
import { temporaryFolder } from '../../fixtures.js'
import { type Databases, describeWithStores, engineText, newDatabases, onMongodb, onMysql, TestProject } from './project.js'

const ROWS = 60_000
/** Of those, as many as the collection gets: MongoDB's stand-in is slow. */
const DOCUMENTS = 6_000
/** Of each cause. */
const PLANTED = 91
/** Differences lie in so many rows beside each other, somewhere: then few buckets have any. */
const WINDOW = 8_000

const columns = {
  id: 'column.long({ nullable: false })',
  name: 'column.string()',
  amount: 'column.decimal(18, 4)',
  ratio: 'column.double()',
  qty: 'column.integer()',
  note: 'column.string()',
  at: 'column.timestamp()',
}
const fields: readonly Field[] = [
  { name: 'id', type: { kind: 'long' }, nullable: false },
  { name: 'name', type: { kind: 'string' }, nullable: true },
  { name: 'amount', type: { kind: 'decimal', precision: 18, scale: 4 }, nullable: true },
  { name: 'ratio', type: { kind: 'double' }, nullable: true },
  { name: 'qty', type: { kind: 'integer' }, nullable: true },
  { name: 'note', type: { kind: 'string' }, nullable: true },
  { name: 'at', type: { kind: 'timestamp' }, nullable: true },
]

const nameOf = (id: number) => `Señora ${id} Müller`
const amountOf = (id: number) => `${(id * 7919) % 1_000_003}.1234`
const epoch = Date.UTC(2024, 0, 1)
const timeOf = (id: number) => new Date(epoch + ((id * 61_337) % 31_536_000_000))
const qtyOf = (id: number) => (id % 4 === 0 ? 0 : id % 4 === 1 ? null : id % 100)
const noteOf = (id: number) => (id % 3 === 0 ? '' : id % 3 === 1 ? null : `note ${id}`)

const rowsSql = (
  rows: number,
) => `SELECT i::BIGINT AS id, 'Señora ' || i || ' Müller' AS name, ((i * 7919) % 1000003 + 0.1234)::DECIMAL(18, 4) AS amount,
  i / 7.0::DOUBLE AS ratio, (CASE i % 4 WHEN 0 THEN 0 WHEN 1 THEN NULL ELSE i % 100 END)::INTEGER AS qty,
  CASE i % 3 WHEN 0 THEN '' WHEN 1 THEN NULL ELSE 'note ' || i END AS note,
  make_timestamptz((${epoch} + (i * 61337) % 31536000000) * 1000) AS at FROM range(1, ${rows + 1}) AS t(i)`

/** One difference: what becomes of a row. */
interface Plant {
  readonly id: number
  readonly cause: Cause
  /** Undefined: the row goes, or another comes. */
  readonly column?: string
  readonly value?: string | number | Date | null
}

/** Each on a row of its own, at random within a window of the keys. */
function plants(seed: number, rows: number, window: number): Plant[] {
  const random = chance(seed)
  const start = 1 + Math.floor(random() * (rows - window))
  const taken = new Set<number>()
  const drawn = (fits: (id: number) => boolean = () => true) => {
    for (;;) {
      const id = start + Math.floor(random() * window)
      if (taken.has(id) || !fits(id)) continue
      taken.add(id)
      return id
    }
  }
  const made: Record<Cause, (number: number) => Plant> = {
    missing: () => ({ id: drawn(), cause: 'missing' }),
    extra: (number) => ({ id: rows + 1 + number, cause: 'extra' }),
    real: () => {
      const id = drawn()
      return { id, cause: 'real', column: 'amount', value: `${((id * 7919) % 1_000_003) + 17}.6234` }
    },
    'float-precision': () => {
      const id = drawn((one) => one % 7 !== 0)
      return { id, cause: 'float-precision', column: 'ratio', value: Math.fround(id / 7) }
    },
    'decimal-scale': () => {
      const id = drawn()
      return { id, cause: 'decimal-scale', column: 'amount', value: amountOf(id).slice(0, -2) }
    },
    timezone: (number) => {
      const id = drawn()
      const hours = [-5, 1, 5.5, -8][number % 4] ?? 1
      return { id, cause: 'timezone', column: 'at', value: new Date(timeOf(id).getTime() + hours * 3_600_000) }
    },
    'null-vs-zero': () => {
      const id = drawn((one) => one % 4 < 2)
      return { id, cause: 'null-vs-zero', column: 'qty', value: qtyOf(id) === 0 ? null : 0 }
    },
    'null-vs-empty': () => {
      const id = drawn((one) => one % 3 < 2)
      return { id, cause: 'null-vs-empty', column: 'note', value: noteOf(id) === '' ? null : '' }
    },
    truncated: () => {
      const id = drawn()
      return { id, cause: 'truncated', column: 'name', value: nameOf(id).slice(0, 10) }
    },
    case: () => {
      const id = drawn()
      return { id, cause: 'case', column: 'name', value: nameOf(id).toUpperCase() }
    },
    encoding: (number) => {
      const id = drawn()
      const bad = number % 2 === 0 ? Buffer.from(nameOf(id), 'utf8').toString('latin1') : nameOf(id).replace(/[ñü]/g, '?')
      return { id, cause: 'encoding', column: 'name', value: bad }
    },
  }
  return CAUSES.flatMap((cause) => Array.from({ length: PLANTED }, (_, number) => made[cause](number)))
}

/** The time as a server in UTC reads it. */
const clock = (value: Plant['value']) => (value instanceof Date ? value.toISOString().replace('T', ' ').replace('Z', '') : value)

async function plantInMysql(url: string, planted: readonly Plant[]): Promise<void> {
  const connection = await createConnection({ uri: url, timezone: 'Z', charset: 'utf8mb4' })
  try {
    await connection.query("SET time_zone = '+00:00'")
    await connection.beginTransaction()
    for (const { id, cause, column, value } of planted) {
      if (cause === 'missing') await connection.query('DELETE FROM items WHERE id = ?', [id])
      else if (cause === 'extra')
        await connection.query('INSERT INTO items (id, name, amount, ratio, qty, note, at) VALUES (?, ?, 1, 1, 1, ?, ?)', [
          id,
          'x',
          'y',
          clock(new Date(epoch)),
        ])
      else await connection.query(`UPDATE items SET ${column} = ? WHERE id = ?`, [clock(value), id])
    }
    await connection.commit()
  } finally {
    await connection.end()
  }
}

async function plantInPostgres(url: string, planted: readonly Plant[]): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query('BEGIN')
    for (const { id, cause, column, value } of planted) {
      if (cause === 'missing') await client.query('DELETE FROM items WHERE id = $1', [id])
      else if (cause === 'extra')
        await client.query('INSERT INTO items (id, name, amount, ratio, qty, note, at) VALUES ($1, $2, 1, 1, 1, $3, $4)', [
          id,
          'x',
          'y',
          new Date(epoch),
        ])
      else await client.query(`UPDATE items SET ${column} = $1 WHERE id = $2`, [value, id])
    }
    await client.query('COMMIT')
  } finally {
    await client.end()
  }
}

const plantInMongodb = (url: string, planted: readonly Plant[]) =>
  onMongodb(url, async (client) => {
    const items = client.db().collection('items')
    for (const { id, cause, column, value } of planted) {
      if (cause === 'missing') await items.deleteOne({ id })
      else if (cause === 'extra')
        await items.insertOne({
          id,
          name: 'x',
          amount: Decimal128.fromString('1.0000'),
          ratio: new Double(1),
          qty: 1,
          note: 'y',
          at: new Date(epoch),
        })
      else {
        const typed = column === 'amount' ? Decimal128.fromString(String(value)) : column === 'ratio' ? new Double(Number(value)) : value
        await items.updateOne({ id }, { $set: { [column ?? '']: typed } })
      }
    }
  })

const every = Object.fromEntries(CAUSES.map((cause) => [cause, PLANTED]))
const total = CAUSES.length * PLANTED

describeWithStores('differences that were planted', () => {
  const seed = Number(process.env['SLUICE_TEST_SEED'] ?? Date.now() % 1_000_000)
  let databases: Databases
  let project: TestProject
  let small: TestProject
  const planted = plants(seed, ROWS, WINDOW)
  const inDocuments = plants(seed, DOCUMENTS, DOCUMENTS)

  beforeAll(async () => {
    databases = await newDatabases()
    project = new TestProject({
      columns,
      addresses: databases,
      syncs: `export const toMysql = sync(items, { name: 'to_mysql', to: warehouse.table('items') })
export const toPostgres = sync(items, { name: 'to_postgres', to: ledger.table('items') })`,
    })
    small = new TestProject({
      columns,
      addresses: databases,
      syncs: `export const toMongodb = sync(items, { name: 'to_mongodb', to: documents.table('items') })`,
    })
    for (const [one, rows] of [
      [project, ROWS],
      [small, DOCUMENTS],
    ] as const) {
      await one.rows('all', rowsSql(rows))
      await one.run()
      for (const { mode, inserted } of Object.values(await one.synced())) expect([mode, inserted]).toEqual(['load', rows])
    }
  })
  afterAll(() => databases?.drop())

  /** Of both projects, all three stores. */
  const reconciled = async (...words: string[]) => {
    const [one, other] = [await project.reconciled(...words), await small.reconciled(...words)]
    return { code: Math.max(one.code, other.code), by: { ...one.by, ...other.by } }
  }

  test('there are none before', async () => {
    await project.requireEqual()
    await small.requireEqual()
    const sampled = await reconciled('--sample', '2000')
    expect(sampled.code).toBe(0)
    for (const one of Object.values(sampled.by)) {
      expect(one.compared).toBeGreaterThan(1_000)
      expect(one.compared).toBeLessThan(4_000)
    }
    // The names were made by two programs.
    expect(await onMysql(databases.mysql, 'SELECT name FROM items WHERE id = 77')).toEqual([[nameOf(77)]])
    expect(await engineText(`SELECT name, amount FROM (${rowsSql(ROWS)}) WHERE id = 77`)).toEqual([[nameOf(77), amountOf(77)]])
  })

  describe(`seed ${seed}: ${total} in each store`, () => {
    beforeAll(() =>
      Promise.all([
        plantInMysql(databases.mysql, planted),
        plantInPostgres(databases.postgres, planted),
        plantInMongodb(databases.mongodb, inDocuments),
      ]),
    )

    test('rows: all are found, each with its cause, and no others', async () => {
      const { code, by } = await reconciled('--level', 'rows')
      expect(code).toBe(1)
      expect(Object.fromEntries(Object.entries(by).map(([name, one]) => [name, one.differences]))).toEqual({
        to_mysql: { total, byCause: every },
        to_postgres: { total, byCause: every },
        to_mongodb: { total, byCause: every },
      })
    })

    test.each(['mysql', 'postgres'] as const)('both ways of %s find the very same', async (kind) => {
      const open = kind === 'mysql' ? mysql({ url: databases.mysql }) : postgres({ url: databases.postgres })
      const store: OpenStore = await open.open({ projectFolder: project.folder })
      const engine: Engine = duckdb({ memory: '512MB', temporaryFolder: join(temporaryFolder(), 'engine') })
      const session = await engine.connect()
      try {
        const left = engineRows(session, {
          label: 'lake',
          relation: `SELECT * FROM read_parquet('${project.folder}/rows/all.parquet')`,
          columns: fields,
          key: ['id'],
        })
        const right = storeRows(session, { label: kind, table: store.table('items'), columns: fields, key: ['id'], digest: true })
        const look = async (digesting: number, reading: number) => {
          // Asked for four times: around the trial's digests, and around its rows.
          const times = [0, digesting, digesting, digesting + reading]
          const outcome = await reconcile(session, left, right, { level: 'rows', keep: 10_000, now: () => times.shift() ?? 0 })
          await outcome.rows?.release()
          const found = outcome.samples.map(({ key, column, cause }) => `${key['id']} ${column} ${cause}`).sort()
          return { found, how: outcome.how.join('; '), byCause: outcome.byCause }
        }
        const [digested, streamed] = [await look(1, 1_000), await look(1_000, 1)]
        expect(digested.how).toContain('the rows of those buckets were read')
        expect(streamed.how).toMatch(/everything is read$/)
        expect(digested.found).toEqual(streamed.found)
        expect(digested.byCause).toEqual(every)
        expect(digested.found).toEqual(planted.map(({ id, column, cause }) => `${id} ${column ?? null} ${cause}`).sort())
      } finally {
        await session.close()
        await engine.close()
        await store.close()
      }
    })

    test.each(['count', 'digest'])('%s: that something differs is seen', async (level) => {
      const { code, by } = await reconciled('--level', level)
      expect(code).toBe(1)
      const seen = Object.fromEntries(Object.entries(by).map(([name, one]) => [name, one.differences.total > 0]))
      // As many rows are missing as there are too many: sums tell, which a collection does not compute over its decimals.
      expect(seen).toEqual({ to_mysql: true, to_postgres: true, to_mongodb: level === 'digest' })
    })

    test('--plan says what a repair would write, and writes nothing', async () => {
      const sums = () =>
        onMysql(
          databases.mysql,
          'SELECT count(*), sum(amount), sum(ratio), sum(crc32(concat_ws(char(1), id, name, qty, note, at))) FROM items',
        )
      const before = await sums()
      const { code, by } = await reconciled('--plan')
      expect(code).toBe(1)
      for (const one of Object.values(by)) expect(one.plan).toEqual({ put: total - PLANTED, takeAway: PLANTED })
      expect(await sums()).toEqual(before)
    })

    test('--repair leaves none', async () => {
      const { code, by } = await reconciled('--repair')
      expect(code).toBe(0)
      for (const one of Object.values(by)) {
        expect(one.differences).toEqual({ total: 0, byCause: {} })
        expect(one.repaired).toMatchObject({ inserted: PLANTED, updated: total - 2 * PLANTED, deleted: PLANTED })
      }
      await project.requireEqual()
      await small.requireEqual()
      expect(await onMysql(databases.mysql, 'SELECT count(*), CAST(sum(amount) AS CHAR), count(qty), count(note) FROM items')).toEqual([
        (await engineText(`SELECT count(*), sum(amount), count(qty), count(note) FROM (${rowsSql(ROWS)})`))[0]?.map((text, place) =>
          place === 1 ? text : Number(text),
        ),
      ])
      const answer = await project.sluice('sync')
      expect(answer.json().syncs.map((one: { mode: string }) => one.mode)).toEqual(['nothing', 'nothing'])
    })
  })
})
