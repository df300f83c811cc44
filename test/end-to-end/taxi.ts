import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { DeltaTable } from '../../src/table/index.js'
import { repository, sluice, temporaryFolder, testData } from '../fixtures.js'

/** What tests of the nyc-taxi example share. */

export const example = join(repository, 'examples', 'nyc-taxi')
export const csvs = testData('nyc-yellow', 'yellow_tripdata_sample_201*.csv')
export const taxi = (name: string) => testData('nyc-yellow', name)
export const GOLD = ['gold.revenue_by_day_and_zone', 'gold.hourly_demand', 'gold.payment_mix_by_month']
export const TABLES = ['bronze.raw_trips', 'silver.trips', ...GOLD]

/** A copy of the example, elsewhere: definitions import the package by name from any folder. */
export function taxiProject(): string {
  const folder = join(temporaryFolder(), 'taxi')
  copyProject(folder)
  return folder
}

export function copyProject(folder: string): void {
  cpSync(example, folder, {
    recursive: true,
    filter: (path) => !/(^|\/)(node_modules|lake|target|\.sluice)$/.test(path.slice(example.length)),
  })
}

export function runTaxi(lake: string, input: string, ...more: string[]) {
  return sluice('run', '--project', example, '--lake', lake, '--var', `input=${input}`, '--json', ...more)
}

// biome-ignore lint/suspicious/noExplicitAny: a test reads a document freely, and fails where it is otherwise
export function stepOf(document: any, dataset: string): any {
  return document.steps.find((step: { dataset: string }) => step.dataset === dataset)
}

/** Asks DuckDB itself, nothing of ours in between. */
export async function ask(sql: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    await connection.run("SET TimeZone = 'UTC'")
    return (await connection.runAndReadAll(sql)).getRowObjectsJson() as Record<string, unknown>[]
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

export interface Contents {
  readonly rows: number
  readonly digest: string
}

/** An order-free digest of a dataset's rows, without the columns that Sluice adds. Doubles are rounded: their sums depend on order. */
export async function contents(lake: string, dataset: string): Promise<Contents> {
  const table = await DeltaTable.open(join(lake, dataset.replace('.', '/')))
  try {
    const snapshot = await table.snapshot()
    const columns = snapshot.fields
      .filter((field) => !field.name.startsWith('_'))
      .map((field) => (field.type.kind === 'double' ? `floor("${field.name}" * 1e6 + 0.3137)` : `"${field.name}"`))
    const session = await table.session()
    const [row] = await session.rows(
      `SELECT count(*) AS n, sum(hash(${columns.sort().join(', ')}))::VARCHAR AS digest FROM (${await table.read()})`,
    )
    return { rows: Number(row?.['n']), digest: String(row?.['digest']) }
  } finally {
    await table.close()
  }
}

export async function allContents(lake: string): Promise<Record<string, Contents>> {
  return Object.fromEntries(await Promise.all(TABLES.map(async (name) => [name, await contents(lake, name)])))
}

export interface Held {
  readonly rows: number
  readonly groups: readonly { readonly dataset: string; readonly expectation: string; readonly rows: number }[]
}

export async function heldIn(lake: string): Promise<Held> {
  const { rows, groups } = (await sluice('quarantine', 'ls', '--project', example, '--lake', lake, '--json')).json()
  return { rows, groups }
}

export function newLake(): string {
  return join(temporaryFolder(), 'lake')
}

/** What counters of rows have grown to over all runs, by metric and labels; of the datasets whose rows are counted once however often a run is killed. */
export async function countedRows(lake: string): Promise<Record<string, number>> {
  const table = await DeltaTable.open(join(lake, '_sluice/metric_samples'))
  try {
    const session = await table.session()
    const rows = await session.rows(
      `SELECT metric || ' ' || labels AS series, sum(value) AS total FROM (${await table.read()})
       WHERE metric = 'sluice_gate_rows_total' AND (labels::JSON ->> 'dataset') IN ('bronze.raw_trips', 'silver.trips') GROUP BY ALL ORDER BY series`,
    )
    return Object.fromEntries(rows.map((row) => [String(row['series']), Number(row['total'])]))
  } finally {
    await table.close()
  }
}
