import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { anomalies, mad } from '../../src/anomaly/index.js'
import { sql } from '../../src/engine/index.js'
import { type Journal, type JournalRow, openJournal } from '../../src/journal/index.js'
import { dataset } from '../../src/pipeline/dataset.js'
import { append } from '../../src/pipeline/index.js'
import { personalColumns, storesModel } from '../../src/pipeline/report-stores.js'
import type { Workspace } from '../../src/pipeline/workspace.js'
import { column, fieldsOf, Timestamp } from '../../src/schema/index.js'
import { localStorage } from '../../src/storage/index.js'
import { memory } from '../../src/stores/memory.js'
import { sync } from '../../src/sync/index.js'
import { DeltaTable } from '../../src/table/index.js'
import { temporaryFolder } from '../fixtures.js'
import { openSession } from '../session.js'

/** What the report says of stores, from a journal that is written here. */

const HOUR = 3_600_000
const NOON = Date.UTC(2026, 0, 14, 12)
const at = (hours: number) => Timestamp.fromDate(new Date(NOON + hours * HOUR))

const [warehouse, documents] = [memory(), memory()]
const people = dataset('silver.people', {
  columns: { id: column.long({ nullable: false }), phone: column.string({ tags: ['pii'] }), age: column.long() },
  key: ['id'],
  from: sql`SELECT 1`,
  write: append(),
})
const toWarehouse = sync(people, { name: 'to_warehouse', to: warehouse.table('people'), rename: { phone: 'telephone' } })
const toDocuments = sync(warehouse.table('people'), { name: 'to_documents', to: documents.table('people'), key: ['id'] })
const neverRun = sync(people, { name: 'never', to: documents.table('others') })
const odd = anomalies('odd_people', { of: people, key: ['id'], features: { age: 'age', digits: sql`length(phone)` }, methods: [mad()] })

const session = openSession()
const lake = join(temporaryFolder(), 'lake')
const storage = localStorage()
const workspace = {
  project: { syncs: [toWarehouse, toDocuments, neverRun], anomalies: [odd], config: { stores: { warehouse, documents } } },
  lake,
  storage,
  values: {},
  table: ({ name }: { readonly name: string }) => DeltaTable.at(`${lake}/${name.replace('.', '/')}`, { storage, session: session() }),
} as unknown as Workspace

const synced = (run: number, facts: Partial<JournalRow<'syncs'>>): JournalRow<'syncs'> => ({
  run_id: `run-${run}`,
  sync: 'to_warehouse',
  source: 'silver.people',
  target: 'warehouse.people',
  status: 'ok',
  mode: 'changes',
  inserted: 0,
  updated: 0,
  deleted: 0,
  dead_lettered: 0,
  rows: 0,
  started_at: at(run),
  duration_ms: 1_000,
  error: null,
  ...facts,
})
const letter = (run: number, id: number, reason: string): JournalRow<'dead_letters'> => ({
  run_id: `run-${run}`,
  sync: 'to_warehouse',
  target: 'warehouse.people',
  row: JSON.stringify({ id: String(id), telephone: '555 0142', age: null }),
  reason,
  recorded_at: Timestamp.fromDate(new Date(NOON + run * HOUR + 1_000)),
})

let journal: Journal
let model: Awaited<ReturnType<typeof storesModel>>
beforeAll(async () => {
  journal = await openJournal(lake, storage, session())
  const error = JSON.stringify({
    code: 'STORE_UNREACHABLE',
    message: 'It does not answer.',
    hint: 'Is it up?',
    retry: 'transient',
    exit: 1,
  })
  await journal.append('syncs', [
    synced(1, { mode: 'load', inserted: 100, rows: 101, dead_lettered: 1 }),
    synced(2, { status: 'failed', mode: 'nothing', error }),
    synced(3, { mode: 'compare', inserted: 5, rows: 8, dead_lettered: 2, duration_ms: 9_000 }),
    synced(4, { rows: 1, dead_lettered: 1 }),
  ])
  await journal.append('dead_letters', [
    letter(1, 6, 'was refused, and is in since'),
    letter(3, 7, "Incorrect value '555 0142' for telephone"),
    letter(3, 8, 'too old'),
    // The same row again: one that the target lacks, not two.
    letter(4, 7, "Incorrect value '555 0142' for telephone"),
  ])
  await journal.append('reconciliations', [
    {
      run_id: 'run-5',
      sync: 'to_warehouse',
      source: 'silver.people',
      target: 'warehouse.people',
      level: 'rows',
      compared: 106,
      differences: 3,
      by_cause: '{"real":1,"missing":2}',
      samples: JSON.stringify([
        { key: { id: '7' }, column: null, left: null, right: null, cause: 'missing' },
        { key: { id: '9' }, column: 'telephone', left: '555 0142', right: '555 0143', cause: 'real' },
      ]),
      how: '["all rows were read"]',
      repaired: null,
      started_at: at(2.5),
      duration_ms: 400,
    },
  ])
  await journal.append('metric_samples', [
    {
      metric: 'sluice_store_operation_cpu_ratio',
      labels: '{"operation":"sync to_warehouse","store":"memory"}',
      kind: 'gauge',
      value: 0.25,
      recorded_at: at(4),
      run_id: 'run-4',
    },
  ])
  model = await storesModel(workspace, session(), journal, NOON + 5 * HOUR)
})

describe('syncs', () => {
  test('come in their order, each with its runs, the newest first, and one that never ran', () => {
    expect(model.syncs.map(({ name, from, to, runs }) => [name, from, to, runs])).toEqual([
      ['to_warehouse', 'silver.people', 'warehouse.people', 4],
      ['to_documents', 'warehouse.people', 'documents.people', 0],
      ['never', 'silver.people', 'documents.others', 0],
    ])
    expect(model.syncs[0]?.history.map(({ status, mode, rows }) => `${status} ${mode} ${rows}`)).toEqual([
      'ok changes 1',
      'ok compare 8',
      'failed nothing 0',
      'ok load 101',
    ])
    expect(model.syncs[0]?.history[2]?.error?.code).toBe('STORE_UNREACHABLE')
  })

  test('count the rows that the target lacks since it was last looked at whole, each once', () => {
    const { rows, reasons, withheld } = model.syncs[0]?.deadLetters ?? expect.fail('there is a sync')
    expect(rows).toBe(2)
    expect(reasons).toEqual([
      { reason: "Incorrect value 'withheld' for telephone", rows: 1 },
      { reason: 'too old', rows: 1 },
    ])
    expect(withheld).toEqual(['telephone'])
    expect(JSON.stringify(model)).not.toContain('555 014')
  })

  test('know a column that is tagged pii by each name that it goes under, from store to store', () => {
    expect([...personalColumns(workspace, toWarehouse)]).toEqual(['phone', 'telephone'])
    expect([...personalColumns(workspace, toDocuments)]).toEqual(['phone', 'telephone'])
  })
})

test('a reconciliation says what differs, the most frequent cause first, without what is withheld, and that a sync came after it', () => {
  expect(model.reconciliations).toMatchObject([
    {
      name: 'to_warehouse',
      differences: 3,
      byCause: [
        { cause: 'missing', count: 2 },
        { cause: 'real', count: 1 },
      ],
      samples: [
        { key: [{ column: 'id', value: '7' }], column: null, cause: 'missing' },
        { key: [{ column: 'id', value: '9' }], column: 'telephone', left: 'withheld', right: 'withheld' },
      ],
      writtenSince: true,
    },
  ])
})

test('operations are the slowest first, with what they found wrong and what the metrics know of them', () => {
  const [slowest, other] = model.operations
  expect(slowest).toMatchObject({
    operation: 'sync to_warehouse',
    store: 'memory',
    times: 4,
    lastMs: 1_000,
    longestMs: 9_000,
    rows: 110,
    cpu: 0.25,
  })
  // A failure, and four rows refused.
  expect(slowest?.errors).toBe(5)
  expect(other).toMatchObject({ operation: 'reconcile to_warehouse', mismatches: 3, rows: 106, cpu: null })
})

test('a search that judges a column tagged pii shows neither its values nor where they lie', async () => {
  const definition = { fields: fieldsOf(odd.results.columns) }
  const results = await DeltaTable.create(`${lake}/_anomalies/odd_people`, definition, { storage, session: session() })
  const found = `SELECT 1::BIGINT AS id, 'mad' AS method, 'digits' AS feature, 8.0::DOUBLE AS value, 9.0::DOUBLE AS score, 3.5::DOUBLE AS threshold,
    1::INTEGER AS votes, 'digits 8 is odd' AS reason`
  await results.overwrite(`${found} UNION ALL SELECT 2, 'mad', 'age', 300, 7, 3.5, 1, 'age 300 is odd'`)
  const distribution = (feature: string) => JSON.stringify({ feature, low: 0, high: 9, bars: [[0, 5, 0]] })
  const run = (hours: number, feature: string): JournalRow<'anomaly_runs'> => ({
    run_id: `run-${hours}`,
    anomalies: 'odd_people',
    dataset: 'silver.people',
    version: 0,
    judged: 50,
    found: 2,
    methods: '[{"method":"mad","threshold":3.5,"flagged":2}]',
    distribution: distribution(feature),
    started_at: at(hours),
    duration_ms: 10,
  })
  const before = (await storesModel(workspace, session(), journal, NOON)).anomalies[0]
  expect(before?.history).toEqual([])
  await journal.append('anomaly_runs', [run(1, 'age')])
  const shown = (await storesModel(workspace, session(), journal, NOON)).anomalies[0]
  expect(shown?.distribution?.feature).toBe('age')
  expect(shown?.worst.map(({ reason }) => reason)).toEqual(['withheld: digits comes from a column tagged pii', 'age 300 is odd'])
  await journal.append('anomaly_runs', [run(2, 'digits')])
  expect((await storesModel(workspace, session(), journal, NOON)).anomalies[0]?.distribution).toBeUndefined()
})
