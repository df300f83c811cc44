import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { beforeAll, expect, test } from 'vitest'
import { type Ended, sluiceWith } from '../fixtures.js'
import { stepOf, taxiProject } from './taxi.js'

/** The whole way of the example without any server: DuckDB files stand in for MySQL and for MongoDB. */
let project: string
const env = { MYSQL_URL: undefined, POSTGRES_URL: undefined, MONGODB_URL: undefined }
const here = (...words: string[]): Promise<Ended> => sluiceWith({ env }, ...words, '--project', project, '--json')

async function ok(...words: string[]) {
  const done = await here(...words)
  expect(done.code, `${words.join(' ')}\n${done.stdout}${done.stderr}`).toBe(0)
  return done.json()
}

/** As another program would. */
async function change(file: string, ...statements: string[]): Promise<unknown[][]> {
  const instance = await DuckDBInstance.create(join(project, 'target', file))
  const connection = await instance.connect()
  try {
    let rows: unknown[][] = []
    for (const statement of statements) rows = (await connection.runAndReadAll(statement)).getRows()
    return rows
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

const differences = (document: { reconciliations: { differences: { total: number } }[] }) =>
  document.reconciliations.reduce((sum, one) => sum + one.differences.total, 0)

let rows = 0
beforeAll(async () => {
  project = taxiProject()
  const run = await ok('run', '--var', 'rows=3000')
  rows = stepOf(run, 'silver.trips').rowsAccepted
  expect(rows).toBeGreaterThan(2_500)
})

test('a sync waits for the migrations, and they are applied once', async () => {
  const early = await here('sync', 'trips_to_warehouse')
  expect([early.code, early.json().syncs[0].error.code]).toEqual([1, 'MIGRATION_PENDING'])
  expect((await ok('migrate', 'up')).stores[0].migrations.map((one: { version: string }) => one.version)).toEqual([
    '001',
    '002',
    '003',
    '004',
    '005',
  ])
  expect((await ok('migrate', 'up')).stores[0].migrations).toEqual([])
  await ok('migrate', 'check')
})

test('odd trips are found, and all rows reach both stores once', async () => {
  const found = await ok('anomaly', 'run')
  expect(found.anomalies.map((one: { name: string }) => one.name).sort()).toEqual(['isolated_trips', 'odd_trips'])
  const first = await ok('sync')
  const byName = new Map<string, { inserted: number }>(first.syncs.map((one: { name: string }) => [one.name, one]))
  expect([byName.get('trips_to_warehouse')?.inserted, byName.get('trips_to_documents')?.inserted]).toEqual([rows, rows])
  for (const one of (await ok('sync')).syncs) expect([one.name, one.inserted + one.updated + one.deleted]).toEqual([one.name, 0])
  expect(differences(await ok('reconcile', '--level', 'rows'))).toBe(0)
  expect(await change('documents.duckdb', 'SELECT count(*)::INTEGER, count(DISTINCT trip_id)::INTEGER FROM taxi_trips')).toEqual([
    [rows, rows],
  ])
})

test('the SQL tests hold', async () => {
  const answer = await here('test', 'warehouse', '--junit', join(project, 'target', 'tests.xml'))
  expect(answer.code, answer.stdout).toBe(0)
  expect(readFileSync(join(project, 'target', 'tests.xml'), 'utf8')).toMatch(/<testsuites[^>]* failures="0"/)
})

test('what is changed behind our back is found, told by cause, and mended', async () => {
  await change(
    'warehouse.duckdb',
    'DELETE FROM taxi_trips WHERE trip_id IN (SELECT trip_id FROM taxi_trips ORDER BY trip_id LIMIT 5)',
    'UPDATE taxi_trips SET fare_amount = fare_amount + 7 WHERE trip_id IN (SELECT trip_id FROM taxi_trips ORDER BY trip_id LIMIT 4)',
  )
  const seen = await here('reconcile', 'trips_to_warehouse')
  expect([seen.code, seen.json().reconciliations[0].differences]).toEqual([1, { total: 9, byCause: { missing: 5, real: 4 } }])
  await ok('reconcile', '--repair')
  expect(differences(await ok('reconcile'))).toBe(0)
})

test('writers and readers side by side lose nothing, and it is said what a file does not show', async () => {
  const result = await ok('bench', 'store', '--inserts', '20', '--updates', '5')
  expect(result.invariants.every((one: { held: boolean }) => one.held)).toBe(true)
  expect(result.leftOut).toMatch(/deadlocks/)
  expect(existsSync(result.picture)).toBe(true)
})

test('each operation is kept in db_metrics, each batch in etl_metrics', async () => {
  const operations = await change('warehouse.duckdb', 'SELECT DISTINCT operation FROM db_metrics')
  expect(operations.flat()).toEqual(expect.arrayContaining(['sync trips_to_warehouse', 'reconcile trips_to_documents', 'workload insert']))
  const [[batches] = []] = await change('warehouse.duckdb', 'SELECT count(*)::INTEGER FROM etl_metrics')
  expect(batches).toBeGreaterThan(0)
})

test('the doctor opens each store', async () => {
  const { checks } = await ok('doctor')
  const stores = checks.filter((one: { name: string }) => one.name.startsWith('store '))
  expect(stores).toMatchObject([
    {
      name: 'store warehouse',
      ok: true,
      found: expect.stringMatching(/^duckdb at target\/warehouse\.duckdb \(MYSQL_URL is not set\), DuckDB/),
    },
    { name: 'store documents', ok: true },
  ])
})

test('the report says all of it, on a page and as text', async () => {
  const { stdout, code } = await sluiceWith({ env }, 'report', '--text', '--project', project)
  expect(code).toBe(0)
  expect(stdout).toMatch(/trips_to_warehouse +equal( after repair)? +rows/)
  expect(stdout).toMatch(/odd_trips: \d+ of [\d,]+ rows of silver\.trips are odd/)
  expect(readFileSync(join(project, 'target', 'report.html'), 'utf8')).toContain('id="anomalies"')
})
