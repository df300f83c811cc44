import { quoteText, type Session } from '../engine/index.js'
import type { ErrorDocument } from '../errors/index.js'
import { openJournal } from '../journal/index.js'
import { type ColumnProfile, quarantinePath } from '../quality/index.js'
import { Timestamp } from '../schema/index.js'
import { DeltaTable, rowCount } from '../table/index.js'
import { type Dataset, readsOf } from './dataset.js'
import { readState } from './note.js'
import { keptProfile } from './profiles.js'
import type { HeldExample } from './replay.js'
import { alertsBefore, alertsNow, metricsOverTime, slowestSteps } from './report-metrics.js'
import { storesModel } from './report-stores.js'
import type { FileResult, StepResult } from './result.js'
import { sourceOf } from './source-step.js'
import type { Workspace } from './workspace.js'

/** What a report shows, read back from run records and tables. Its shape is that of `report/model.ts`, which this floor may not import. */

export interface ReportOptions {
  /** Default: the last run. */
  readonly runId?: string
  readonly samples: readonly HeldExample[]
  readonly version: string
  /** Whether alerts are replayed over the last 30 days, which takes seconds. */
  readonly past?: boolean
}

const PAST_RUNS = 30

export async function reportModel(workspace: Workspace, session: Session, { runId, samples, version, past = false }: ReportOptions) {
  const journal = await openJournal(workspace.lake, workspace.storage, session)
  const ended = await journal.read(
    'runs',
    'QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY recorded_at DESC) = 1 ORDER BY started_at DESC',
  )
  const run = runId === undefined ? ended[0] : ended.find((one) => one.run_id === runId)
  if (run === undefined) return undefined
  const now = Date.now()
  const rows = await journal.read('steps', `WHERE run_id = ${quoteText(run.run_id ?? '')}`)
  const results = await journal.read('gate_results', `WHERE run_id = ${quoteText(run.run_id ?? '')}`)
  const totals = await journal.read('steps')
  const steps = rows.map((row) => ({
    dataset: row.dataset ?? '',
    layer: row.layer ?? '',
    status: (row.status ?? 'ok') as StepResult['status'],
    reasons: parsed<string[]>(row.reasons, []),
    rowsRead: Number(row.rows_read),
    rowsIn: Number(row.rows_in),
    rowsAccepted: Number(row.rows_accepted),
    rowsQuarantined: Number(row.rows_quarantined),
    rowsWritten: Number(row.rows_written),
    bytesWritten: Number(row.bytes_written),
    startedAt: iso(row.started_at),
    durationMs: Number(row.duration_ms),
    version: Number(row.version),
    ...failed(row.error),
    files: parsed<FileResult[]>(row.files, []),
    drift: parsed<StepResult['drift']>(row.drift, []),
    expectations: results
      .filter((one) => one.dataset === row.dataset)
      .map((one) => ({
        name: one.name ?? '',
        description: one.description ?? '',
        action: (one.action ?? 'warn') as 'warn' | 'quarantine' | 'fail',
        severity: one.severity ?? '',
        status: (one.status ?? 'pass') as 'pass' | 'warn' | 'fail',
        failed: Number(one.failed),
        evaluated: Number(one.evaluated),
      })),
  }))
  const [metrics, alerts] = await Promise.all([metricsOverTime(workspace, journal, now), alertsNow(workspace, session, now)])
  const order = new Map(workspace.project.datasets.map((one, index) => [one.name, index]))
  steps.sort((a, b) => (order.get(a.dataset) ?? 0) - (order.get(b.dataset) ?? 0))
  const datasets = []
  const synthetic = new Set<string>()
  for (const dataset of workspace.project.datasets) datasets.push(await describeDataset(workspace, session, dataset, synthetic))
  return {
    project: workspace.project.config.name,
    sluiceVersion: version,
    lake: workspace.lake,
    run: {
      runId: run.run_id ?? '',
      status: statusOf(run.status),
      startedAt: iso(run.started_at),
      durationMs: Number(run.duration_ms),
      ...failed(run.error),
      environment: run.environment ?? '',
      variables: parsed<{ name: string; value: string }[]>(run.variables, []),
    },
    steps,
    datasets,
    samples: samples.map((one) => ({
      dataset: one.dataset,
      expectation: one.expectation,
      explain: `sluice quarantine explain ${one.dataset} --expectation ${one.expectation}`,
      columns: one.columns,
      rows: one.examples.map((example) => one.columns.map((column) => cell(example[column]))),
      withheld: one.withheld,
    })),
    history: ended.slice(0, PAST_RUNS).map((one) => {
      const own = totals.filter((step) => step.run_id === one.run_id)
      const sum = (count: (step: (typeof totals)[number]) => unknown) => own.reduce((total, step) => total + Number(count(step)), 0)
      return {
        runId: one.run_id ?? '',
        status: statusOf(one.status),
        startedAt: iso(one.started_at),
        durationMs: Number(one.duration_ms),
        rowsWritten: sum((step) => step.rows_written),
        rowsQuarantined: sum((step) => step.rows_quarantined),
      }
    }),
    slowest: slowestSteps(totals, run.run_id ?? '', now),
    ...(await storesModel(workspace, session, journal, now)),
    metrics,
    alerts: past ? { ...alerts, past: await alertsBefore(workspace, session, now) } : alerts,
  }
}

/** A run whose end was never written down did not reach it. */
function statusOf(status: string | null): 'ok' | 'failed' | 'cancelled' | 'interrupted' {
  return status === 'ok' || status === 'failed' || status === 'cancelled' ? status : 'interrupted'
}

function iso(time: Timestamp | null): string {
  return time === null ? '' : time.toDate().toISOString()
}

function parsed<Value>(text: string | null, otherwise: Value): Value {
  return text === null ? otherwise : (JSON.parse(text) as Value)
}

function failed(text: string | null): { error?: ErrorDocument } {
  return text === null ? {} : { error: JSON.parse(text) as ErrorDocument }
}

function cell(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (value instanceof Timestamp) return value.toString()
  if (value instanceof Map) return JSON.stringify(Object.fromEntries(value))
  return typeof value === 'object'
    ? JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? one.toString() : one))
    : String(value)
}

async function describeDataset(workspace: Workspace, session: Session, dataset: Dataset, synthetic: Set<string>) {
  const state = await readState(workspace.table(dataset, session), sourceOf(dataset) !== undefined)
  const files = [...(state.snapshot?.files.values() ?? [])]
  const reads = readsOf(dataset)
  if ([...state.ledger.values()].some((file) => file.kind === 'synthetic') || reads.some((read) => synthetic.has(read)))
    synthetic.add(dataset.name)
  const held = DeltaTable.at(quarantinePath(workspace.lake, dataset.name), { storage: workspace.storage, session })
  const heldRows = (await held.exists()) ? await rowCount(await held.snapshot()) : 0
  const profile = await keptProfile(await openJournal(workspace.lake, workspace.storage, session), dataset.name)
  const source = sourceOf(dataset)
  return {
    name: dataset.name,
    layer: dataset.layer,
    description: dataset.description,
    reads,
    ...(source === undefined ? {} : { source: source.describe(workspace.values) }),
    synthetic: synthetic.has(dataset.name),
    rows: state.snapshot === undefined ? 0 : await rowCount(state.snapshot),
    bytes: files.reduce((sum, file) => sum + file.size, 0),
    files: files.length,
    version: state.snapshot?.version ?? -1,
    held: heldRows,
    profiledRows: profile?.profiledRows ?? 0,
    profile: (profile?.columns ?? []).map((column) => profileColumn(dataset, column)),
  }
}

function profileColumn(dataset: Dataset, { column, type, nulls, distinct, min, max, mean, histogram }: ColumnProfile) {
  const declared = dataset.columns[column]
  const pii = declared?.tags.includes('pii') ?? false
  return {
    column,
    type,
    ...(declared?.unit === undefined ? {} : { unit: declared.unit }),
    pii,
    nulls,
    distinct,
    min: pii ? null : min,
    max: pii ? null : max,
    mean: pii ? null : mean,
    histogram: pii ? [] : histogram,
  }
}
