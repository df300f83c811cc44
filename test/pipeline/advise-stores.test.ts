import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { anomalies, isolationForest } from '../../src/anomaly/index.js'
import { sql } from '../../src/engine/index.js'
import { type Journal, type JournalRow, openJournal } from '../../src/journal/index.js'
import { tryJudgingPart } from '../../src/pipeline/advise-store-trial.js'
import { anomalyFacts, syncFacts } from '../../src/pipeline/advise-stores.js'
import { dataset } from '../../src/pipeline/dataset.js'
import type { Workspace } from '../../src/pipeline/workspace.js'
import { append } from '../../src/pipeline/write.js'
import { column, fieldsOf, Timestamp } from '../../src/schema/index.js'
import { localStorage } from '../../src/storage/index.js'
import { memory } from '../../src/stores/memory.js'
import { sync } from '../../src/sync/index.js'
import { DeltaTable } from '../../src/table/index.js'
import { temporaryFolder } from '../fixtures.js'
import { openSession } from '../session.js'

/** Facts for the advisers of stores, from a journal that is written here. */

const NOON = Date.UTC(2026, 0, 14, 12)
const at = (hours: number) => Timestamp.fromDate(new Date(NOON + hours * 3_600_000))
const since = "'2026-01-01'::TIMESTAMPTZ"

const [warehouse, documents] = [memory(), memory()]
const readings = dataset('silver.readings', {
  columns: { id: column.long({ nullable: false }), value: column.double() },
  key: ['id'],
  from: sql`SELECT 1`,
  write: append(),
})
const filled = sync(readings, { name: 'filled', to: warehouse.table('readings'), batchRows: 100 })
const copied = sync(warehouse.table('readings'), {
  name: 'copied',
  to: documents.table('readings'),
  key: ['id'],
  cursor: 'id',
  parallel: 3,
})
const odd = anomalies('odd', { of: readings, key: ['id'], features: { value: 'value' }, methods: [isolationForest({ trees: 20 })] })

const session = openSession()
const lake = join(temporaryFolder(), 'lake')
const storage = localStorage()
const workspace = {
  project: { syncs: [filled, copied], anomalies: [odd], config: {} },
  lake,
  storage,
  values: {},
  signal: undefined,
  table: ({ name }: { readonly name: string }) => DeltaTable.at(`${lake}/${name.replace('.', '/')}`, { storage, session: session() }),
} as unknown as Workspace

const ran = (run: number, name: string, facts: Partial<JournalRow<'syncs'>>): JournalRow<'syncs'> => ({
  run_id: `run-${run}`,
  sync: name,
  source: '',
  target: '',
  status: 'ok',
  mode: 'changes',
  inserted: 0,
  updated: 0,
  deleted: 0,
  dead_lettered: 0,
  rows: 0,
  started_at: at(run),
  duration_ms: 2_000,
  error: null,
  ...facts,
})
const batch = (run: number, name: string, value: number): JournalRow<'metric_samples'> => ({
  metric: 'sluice_store_operation_last_duration_seconds',
  labels: `{"operation":"sync ${name}","store":"memory"}`,
  kind: 'gauge',
  value,
  recorded_at: at(run),
  run_id: `run-${run}`,
})

let journal: Journal
beforeAll(async () => {
  journal = await openJournal(lake, storage, session())
  const failed = (retry: string) => ({
    status: 'failed',
    error: JSON.stringify({ code: 'STORE_X', message: '', hint: '', retry, exit: 1 }),
  })
  await journal.append('syncs', [
    ran(-9_000, 'filled', { rows: 9_000_000 }),
    ran(1, 'filled', { mode: 'load', rows: 5_000, inserted: 5_000 }),
    ran(2, 'filled', failed('transient')),
    ran(3, 'filled', failed('terminal')),
    ran(4, 'copied', { mode: 'compare', rows: 10 }),
  ])
  await journal.append('metric_samples', [batch(1, 'filled', 0.25), batch(2, 'filled', 2), batch(4, 'copied', 0.5), batch(4, 'filled', 9)])
})

test('a sync is known by its runs, how long a batch of each took, and what passes by itself', async () => {
  const [one, other] = await syncFacts(workspace, journal, since)
  expect(one).toMatchObject({ name: 'filled', fromStore: false, batchRows: 100, parallel: 2, knownRows: 5_000 })
  expect(one?.runs.map(({ status, rows, batchSeconds, transient }) => [status, rows, batchSeconds, transient])).toEqual([
    ['ok', 5_000, 0.25, undefined],
    // Without rows there was no batch: the sample is the time of all.
    ['failed', 0, undefined, 'STORE_X'],
    ['failed', 0, undefined, undefined],
  ])
  expect(other).toMatchObject({ name: 'copied', fromStore: true, cursor: 'id', parallel: 3, batchRows: 5_000 })
  expect(other?.runs.map((run) => run.batchSeconds)).toEqual([0.5])
})

test('a search is known by its runs', async () => {
  expect(await anomalyFacts(workspace, journal, since)).toEqual([
    { name: 'odd', dataset: 'silver.readings', methods: ['isolation_forest'], runs: [] },
  ])
})

test('judging a part is measured beside judging all, and nothing of either is kept', async () => {
  const table = await DeltaTable.create(`${lake}/silver/readings`, { fields: fieldsOf(readings.columns) }, { storage, session: session() })
  await table.append('SELECT i AS id, (i * 7919 % 1000)::DOUBLE AS value FROM range(4000) AS r(i)')
  const measured = await tryJudgingPart(workspace, session(), { change: 'judge-part', anomalies: 'odd', parts: 4 })
  expect(measured?.before.rows).toBe(4_000)
  expect(measured?.after.rows).toBeGreaterThan(800)
  expect(measured?.after.rows).toBeLessThan(1_200)
  expect(measured?.what).toMatch(/^judging all rows \(thresholds: isolation_forest 0\.\d+\) and one in 4 \(isolation_forest 0\.\d+\)$/)
  expect(await DeltaTable.at(`${lake}/_anomalies/odd`, { storage, session: session() }).exists()).toBe(false)
})
