import { Decimal128, Long } from 'mongodb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Databases, describeWithStores, newDatabases, onMongodb, onMysql, onPostgres, TestProject } from './project.js'

/** What a database has and others, or calendars, have not: by id, the column and its value as SQL. */
const POSTGRES = {
  1: ['amount', '1.50'],
  2: ['amount', "'NaN'"],
  3: ['at', "'infinity'"],
  4: ['at', "'-infinity'"],
  5: ['at', "'0044-03-15 12:00:00.123 BC'"],
  6: ['at', "'20000-01-01'"],
  7: ['day', "'infinity'"],
  8: ['day', "'0044-03-15 BC'"],
  9: ['day', "'10000-01-01'"],
  10: ['at', "'2024-02-29 23:59:59.999'"],
} as const
const MYSQL = {
  1: ['amount', '1.50'],
  2: ['at', "'0000-00-00 00:00:00'"],
  3: ['day', "'0000-00-00'"],
  4: ['day', "'2018-00-10'"],
  5: ['day', "'2018-02-30'"],
  6: ['day', "'2024-02-29'"],
} as const

const insert = (table: string, rows: Readonly<Record<number, readonly [string, string]>>) =>
  Object.entries(rows).map(([id, [column, value]]) => `INSERT INTO ${table} (id, ${column}) VALUES (${id}, ${value})`)

describeWithStores('values that are none elsewhere', () => {
  let databases: Databases
  let project: TestProject
  beforeAll(async () => {
    databases = await newDatabases()
    const columns = 'id BIGINT PRIMARY KEY, amount DECIMAL(10,2), day DATE, at'
    await onPostgres(databases.postgres, `CREATE TABLE odd (${columns} TIMESTAMPTZ)`, ...insert('odd', POSTGRES))
    await onMysql(
      databases.mysql,
      `CREATE TABLE odd (${columns} DATETIME)`,
      "SET SESSION sql_mode = 'ALLOW_INVALID_DATES'",
      ...insert('odd', MYSQL),
    )
    project = new TestProject({
      columns: { id: 'column.long({ nullable: false })' },
      addresses: databases,
      syncs: `const key = ['id']
export const one = sync(ledger.table('odd'), { name: 'postgres-to-mongodb', to: documents.table('from_postgres'), key })
export const two = sync(ledger.table('odd'), { name: 'postgres-to-mysql', to: warehouse.table('from_postgres'), key })
export const three = sync(ledger.table('odd'), { name: 'postgres-to-shelf', to: shelf.table('from_postgres'), key })
export const four = sync(warehouse.table('odd'), { name: 'mysql-to-mongodb', to: documents.table('from_mysql'), key })
export const five = sync(warehouse.table('odd'), { name: 'mysql-to-postgres', to: ledger.table('from_mysql'), key })
export const six = sync(warehouse.table('odd'), { name: 'mysql-to-shelf', to: shelf.table('from_mysql'), key })`,
    })
  })
  afterAll(() => databases?.drop())

  /** By sync, the rows that its target does not take. */
  const times = ['3', '4', '5', '6', '7', '8', '9']
  const expected: Record<string, readonly string[]> = {
    'postgres-to-mongodb': times,
    'postgres-to-mysql': ['2', ...times],
    // DuckDB has infinite dates, and far years.
    'postgres-to-shelf': ['2', '3', '4', '5', '8'],
    'mysql-to-mongodb': ['2', '3', '4', '5'],
    'mysql-to-postgres': ['2', '3', '4', '5'],
    'mysql-to-shelf': ['2', '3', '4', '5'],
  }

  test('are refused with a reason where they cannot be kept, and never become another value', async () => {
    const done = await project.synced()
    const letters = await project.deadLetters()
    for (const [name, ids] of Object.entries(expected)) {
      const own = letters.filter((one) => one.sync === name)
      expect([name, own.map(({ row }) => JSON.parse(row).id).sort((a, b) => a - b)]).toEqual([name, ids])
      expect(own.filter(({ reason }) => reason === '')).toEqual([])
      expect([name, done[name]?.deadLettered]).toEqual([name, ids.length])
    }
    expect(letters.find(({ sync, row }) => sync === 'mysql-to-mongodb' && JSON.parse(row).id === '2')?.reason).toBe(
      '"at" is not a value of timestamp',
    )
    const { by } = await project.reconciled('--level', 'rows')
    for (const [name, ids] of Object.entries(expected)) {
      expect([name, by[name]?.differences.byCause]).toEqual([name, expect.objectContaining({ missing: ids.length })])
      expect([name, by[name]?.differences.total]).toEqual([name, ids.length])
    }
  })

  test('NaN is kept by MongoDB, and differs from every number', async () => {
    const found = await onMongodb(databases.mongodb, (client) =>
      client
        .db()
        .collection('from_postgres')
        .findOne({ id: Long.fromNumber(2) }),
    )
    expect(String(found?.['amount'])).toBe('NaN')
    await onMongodb(databases.mongodb, (client) =>
      client
        .db()
        .collection('from_postgres')
        .updateOne({ id: Long.fromNumber(2) }, { $set: { amount: Decimal128.fromString('0.00') } }),
    )
    const { by } = await project.reconciled('postgres-to-mongodb', '--level', 'rows')
    expect(by['postgres-to-mongodb']?.samples).toContainEqual({
      key: { id: '2' },
      column: 'amount',
      left: 'NaN',
      right: '0.00',
      cause: 'real',
    })
    for (const level of ['count', 'digest']) expect((await project.reconciled('--level', level)).code).toBe(1)
  })

  test('as times to read on from, they are named', async () => {
    project.write(
      'datasets/odd.ts',
      `import { append, column, dataset, storeTable } from 'sluice'
import { ledger } from '../stores.js'
export const odd = dataset('bronze.odd', {
  columns: { id: column.long(), at: column.timestamp() },
  from: storeTable(ledger.table('odd_times'), { cursor: 'at', settle: '1s' }),
  write: append(),
})
`,
    )
    await onPostgres(
      databases.postgres,
      'CREATE TABLE odd_times (id BIGINT PRIMARY KEY, at TIMESTAMPTZ NOT NULL)',
      "INSERT INTO odd_times VALUES (1, '2024-01-01'), (2, 'infinity')",
    )
    const done = await project.sluice('run', '--select', 'bronze.odd')
    expect([done.code, done.json().error?.code ?? done.stdout]).toEqual([2, 'SOURCE_CURSOR_INVALID'])
    expect(done.stdout).toContain('it holds infinity, which is no time that others come after')
  })
})
