import { join } from 'node:path'
import { quoteText, type Session } from '../engine/index.js'
import { type ErrorDocument, isSluiceError, messageOf } from '../errors/index.js'
import type { Journal, JournalRead } from '../journal/index.js'
import type { AnomalyFacts, StatementFacts, SyncFacts } from '../monitoring/advice/index.js'
import type { OpenStore, StoreSql } from '../stores/index.js'
import { readSqlTests, type Sync } from '../sync/index.js'
import { operationSeconds } from '../sync/metrics.js'
import { planOf, statementSyntax } from './advise-statement.js'
import { openStores, storeName } from './stores.js'
import type { Workspace } from './workspace.js'

/** Facts about stores, for the advisers: what the journal says of syncs and searches, and how stores plan what they are tested with. */

/** Stores whose plans are read here. A DuckDB file has no index to go by. */
const PLANNED = ['mysql', 'postgres']

/** @param since an SQL literal: how far back */
export async function syncFacts({ project }: Workspace, journal: Journal, since: string): Promise<SyncFacts[]> {
  if (project.syncs.length === 0) return []
  const rows = await journal.read('syncs', `WHERE started_at >= ${since} ORDER BY started_at`)
  const proved = await journal.read('reconciliations', `WHERE started_at >= ${since}`)
  const batches = await journal.select(
    'metric_samples',
    (samples) => `SELECT run_id, json_extract_string(labels, '$.operation') AS operation, max(value) AS seconds FROM ${samples}
      WHERE metric = ${quoteText(operationSeconds.definition.name)} AND recorded_at >= ${since} GROUP BY ALL`,
  )
  const used = await journal.read('store_usage', `WHERE recorded_at >= ${since}`)
  return project.syncs.map((one) => {
    const own = rows.filter((row) => row.sync === one.name)
    const compared = proved.filter((row) => row.sync === one.name).map((row) => Number(row.compared))
    return {
      name: one.name,
      from: 'store' in one.from ? storeName(project, one.from.store) : undefined,
      to: storeName(project, one.to.store),
      fromStore: 'store' in one.from,
      cursor: one.cursor,
      batchRows: batchRowsOf(one),
      parallel: one.parallel,
      runs: own.map((row) =>
        syncRun(
          row,
          batches.find((sample) => sample['run_id'] === row.run_id && sample['operation'] === `sync ${one.name}`),
          used.filter((usage) => usage.run_id === row.run_id && usage.sync === one.name),
        ),
      ),
      knownRows: Math.max(0, ...compared, ...own.map((row) => Number(row.rows))),
    }
  })
}

function syncRun(
  row: JournalRead<'syncs'>,
  batch: Readonly<Record<string, unknown>> | undefined,
  used: readonly JournalRead<'store_usage'>[],
): SyncFacts['runs'][number] {
  const error = row.error === null ? undefined : (JSON.parse(row.error) as ErrorDocument)
  const rows = Number(row.rows)
  return {
    at: row.started_at?.toDate().getTime() ?? 0,
    status: row.status === 'failed' ? 'failed' : 'ok',
    mode: row.mode ?? '',
    seconds: Number(row.duration_ms) / 1000,
    rows,
    refused: Number(row.dead_lettered),
    // Without a batch, it is the time of all.
    batchSeconds: batch === undefined || rows === 0 ? undefined : Number(batch['seconds']),
    transient: error?.retry === 'transient' ? error.code : undefined,
    usage: used.map(({ store, connections, retries, waits, waited_ms }) => ({
      store: store ?? '',
      connections: Number(connections),
      retries: Number(retries),
      waits: Number(waits),
      waitedSeconds: Number(waited_ms) / 1000,
    })),
  }
}

/** As a sync has it that is not told otherwise. */
function batchRowsOf({ batchRows, to }: Sync): number {
  return batchRows ?? (to.store.capabilities.sql ? 20_000 : 5_000)
}

export async function anomalyFacts({ project }: Workspace, journal: Journal, since: string): Promise<AnomalyFacts[]> {
  if (project.anomalies.length === 0) return []
  const rows = await journal.read('anomaly_runs', `WHERE started_at >= ${since} ORDER BY started_at`)
  return project.anomalies.map((one) => ({
    name: one.name,
    dataset: one.of.name,
    methods: one.methods.map((method) => method.name),
    runs: rows
      .filter((row) => row.anomalies === one.name)
      .map((row) => ({ judged: Number(row.judged), seconds: Number(row.duration_ms) / 1000 })),
  }))
}

export interface StatementOptions {
  onProgress?(what: string): void
  /** What could not be looked at, and why. */
  onSkipped?(what: string): void
}

/**
 * The performance tests of `sql/tests/<store>/performance*`, each with its plan, run once to see how long it takes. A store that does not answer
 * is left out.
 */
export async function statementFacts(workspace: Workspace, session: Session, options: StatementOptions): Promise<StatementFacts[]> {
  const stores = openStores(workspace)
  const found: StatementFacts[] = []
  try {
    for (const [name, store] of Object.entries(workspace.project.config.stores ?? {})) {
      const folder = join(workspace.project.folder, 'sql', 'tests', name)
      if (!PLANNED.includes(store.kind)) continue
      const tests = readSqlTests(folder, store.kind).tests.filter((test) => test.file.startsWith('performance'))
      if (tests.length === 0) continue
      try {
        options.onProgress?.(`${name}: how it plans what it is tested with`)
        const open = await stores.open(store)
        for (const test of tests) {
          workspace.signal?.throwIfAborted()
          const facts = await statementFact(session, open, test.sql)
          if (facts !== undefined) found.push({ store: name, name: test.name, statement: test.sql, ...facts })
        }
      } catch (thrown) {
        if (!isSluiceError(thrown) || workspace.signal?.aborted === true) throw thrown
        options.onSkipped?.(`${name} was not looked at: ${messageOf(thrown)}`)
      }
    }
    return found
  } finally {
    await stores.close()
  }
}

async function statementFact(
  session: Session,
  open: OpenStore,
  statement: string,
): Promise<Omit<StatementFacts, 'store' | 'name' | 'statement'> | undefined> {
  const syntax = await statementSyntax(session, statement)
  const { sql } = open
  if (syntax === undefined || sql === undefined) return undefined
  const shape = await open.table(syntax.table).shape()
  if (shape === undefined) return undefined
  const tableRows = await open.table(syntax.table).count()
  const plan = planOf(await explained(sql, statement), tableRows)
  if (plan === undefined) return undefined
  try {
    const [counted] = await sql.query(syntax.counting)
    const began = performance.now()
    await sql.query(statement)
    return {
      table: syntax.table,
      plan,
      tableRows,
      matched: Number(counted?.['matched'] ?? 0),
      seconds: (performance.now() - began) / 1000,
      columns: syntax.columns,
      indexes: [shape.key, ...shape.indexes.map((index) => index.columns)],
    }
  } catch (thrown) {
    // A test whose statement does not run is the test command's to complain of.
    if (isSluiceError(thrown) && thrown.retry !== 'transient') return undefined
    throw thrown
  }
}

/** The plan, as the server has it in JSON. */
async function explained(sql: StoreSql, statement: string): Promise<unknown> {
  const [row] = await sql.query(`${explainSql(sql.dialect)} ${statement}`)
  return parsedPlan(Object.values(row ?? {})[0])
}

export function explainSql(dialect: string): string {
  return dialect === 'postgres' ? 'EXPLAIN (FORMAT JSON)' : 'EXPLAIN FORMAT=JSON'
}

export function parsedPlan(cell: unknown): unknown {
  return typeof cell === 'string' ? JSON.parse(cell) : cell
}
