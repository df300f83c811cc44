import { hostname } from 'node:os'
import { quoteText } from '../engine/index.js'
import type { ErrorDocument } from '../errors/index.js'
import type { Journal } from '../journal/index.js'
import { Timestamp } from '../schema/index.js'
import type { RunResult, StepResult } from './result.js'
import type { RefusedFile } from './source-step.js'
import { shownVariables, type Workspace } from './workspace.js'

/** Run records: what the pipeline tells the journal, and asks it. */

function time(iso: string): Timestamp {
  return Timestamp.fromDate(new Date(iso))
}

function json(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value)
}

export async function recordStart(
  journal: Journal,
  workspace: Workspace,
  runId: string,
  startedAt: string,
  version: string,
): Promise<void> {
  await journal.append('runs', [runRow(workspace, { runId, status: 'started', startedAt, durationMs: 0 }, version)])
}

export async function recordEnd(journal: Journal, workspace: Workspace, result: RunResult, version: string): Promise<void> {
  await journal.append('runs', [runRow(workspace, result, version)])
}

export interface UnfinishedRun {
  readonly runId: string
  readonly startedAt: string
}

/** Runs that were begun and never ended. Whoever holds the lease knows that none of them is still going on. */
export async function unfinishedRuns(journal: Journal): Promise<UnfinishedRun[]> {
  const left = await journal.select(
    'runs',
    (runs) => `SELECT run_id, min(started_at) AS started_at FROM ${runs} GROUP BY run_id HAVING bool_and(status = 'started')`,
  )
  return left.map(({ run_id, started_at }) => ({
    runId: String(run_id),
    startedAt: (started_at instanceof Timestamp ? started_at.toDate() : new Date(0)).toISOString(),
  }))
}

/** Ends their records, so that each is found once. */
export async function recordInterrupted(journal: Journal, workspace: Workspace, unfinished: readonly UnfinishedRun[]): Promise<void> {
  await journal.append(
    'runs',
    unfinished.map(({ runId, startedAt }) => runRow(workspace, { runId, status: 'interrupted', startedAt, durationMs: 0 }, '')),
  )
}

function runRow(
  workspace: Workspace,
  run: {
    readonly runId: string
    readonly status: string
    readonly startedAt: string
    readonly durationMs: number
    readonly error?: ErrorDocument
  },
  version: string,
) {
  return {
    run_id: run.runId,
    project: workspace.project.config.name,
    status: run.status,
    recorded_at: time(new Date().toISOString()),
    started_at: time(run.startedAt),
    duration_ms: run.durationMs,
    environment: workspace.environment,
    variables: JSON.stringify(shownVariables(workspace)),
    error: json(run.error),
    sluice_version: version,
    host: hostname(),
  }
}

export async function recordSteps(journal: Journal, runId: string, steps: readonly StepResult[]): Promise<void> {
  await journal.append(
    'steps',
    steps.map((step) => ({
      run_id: runId,
      dataset: step.dataset,
      layer: step.layer,
      status: step.status,
      mode: step.mode,
      reasons: JSON.stringify(step.reasons),
      rows_read: step.rowsRead,
      rows_in: step.rowsIn,
      rows_accepted: step.rowsAccepted,
      rows_quarantined: step.rowsQuarantined,
      rows_written: step.rowsWritten,
      bytes_written: step.bytesWritten,
      started_at: time(step.startedAt),
      duration_ms: step.durationMs,
      version: step.version,
      error: json(step.error),
      // Known files are the many; the ledger has them.
      files: JSON.stringify(step.files.filter((file) => file.status !== 'known')),
      drift: JSON.stringify(step.drift),
    })),
  )
  await journal.append(
    'gate_results',
    steps.flatMap((step) =>
      step.expectations.map((one) => ({
        run_id: runId,
        dataset: step.dataset,
        name: one.name,
        description: one.description,
        action: one.action,
        severity: one.severity,
        tags: JSON.stringify(one.tags),
        status: one.status,
        failed: one.failed,
        evaluated: one.evaluated,
        measured: one.measured ?? null,
        recorded_at: time(new Date().toISOString()),
      })),
    ),
  )
}

export interface LedgerEntry {
  readonly path: string
  readonly status: 'taken' | 'refused'
  readonly kind: string
  readonly bytes: number
  readonly checksum: string
  readonly rows: number
  readonly modifiedAt: number
  readonly version: number | null
  readonly error?: ErrorDocument
}

export async function recordFiles(journal: Journal, runId: string, dataset: string, entries: readonly LedgerEntry[]): Promise<void> {
  await journal.append(
    'files',
    entries.map((entry) => ({
      dataset,
      path: entry.path,
      status: entry.status,
      kind: entry.kind,
      bytes: entry.bytes,
      checksum: entry.checksum,
      rows: entry.rows,
      modified_at: entry.modifiedAt,
      table_version: entry.version,
      error: json(entry.error),
      run_id: runId,
      recorded_at: time(new Date().toISOString()),
    })),
  )
}

/** Files whose last entry in the ledger says that they were refused. */
export async function refusedFiles(journal: Journal, dataset: string): Promise<Map<string, RefusedFile>> {
  const rows = await journal.read(
    'files',
    `WHERE dataset = ${quoteText(dataset)} QUALIFY row_number() OVER (PARTITION BY path ORDER BY recorded_at DESC) = 1`,
  )
  return new Map(
    rows
      .filter((row) => row.status === 'refused')
      .map((row) => [
        row.path ?? '',
        {
          bytes: Number(row.bytes),
          modifiedAt: Number(row.modified_at),
          checksum: row.checksum ?? '',
          error: JSON.parse(row.error ?? '{}') as ErrorDocument,
        },
      ]),
  )
}

/** Rows that the last step of each dataset that did something accepted. */
export async function previousRows(journal: Journal): Promise<Map<string, number>> {
  const rows = await journal.read(
    'steps',
    "WHERE status = 'ok' QUALIFY row_number() OVER (PARTITION BY dataset ORDER BY started_at DESC) = 1",
  )
  return new Map(rows.map((row) => [row.dataset ?? '', Number(row.rows_accepted)]))
}
