import { quoteText, type Session } from '../engine/index.js'
import type { Journal } from '../journal/index.js'
import type { DeltaTable } from '../table/index.js'
import { type CommitNote, parseNote, readState } from './note.js'
import { recordSteps, type UnfinishedRun } from './records.js'
import type { StepResult } from './result.js'
import type { RunMetrics } from './run-metrics.js'
import type { Workspace } from './workspace.js'

/**
 * A run that was killed may have committed a step and not said so: neither in the journal nor in its counters. What it committed says itself
 * how many rows it was, so the next run says it for it, once.
 */
export async function recoverSteps(
  workspace: Workspace,
  session: Session,
  journal: Journal,
  metrics: RunMetrics,
  unfinished: readonly UnfinishedRun[],
): Promise<void> {
  if (unfinished.length === 0) return
  const runs = unfinished.map(({ runId }) => quoteText(runId)).join(', ')
  const recorded = await said(journal, 'steps', `run_id IN (${runs})`, 'dataset')
  const counted = await said(
    journal,
    'metric_samples',
    `run_id IN (${runs}) AND metric = 'sluice_steps_total' AND value > 0`,
    "labels::JSON ->> 'dataset'",
  )
  for (const dataset of workspace.project.datasets) {
    const table = workspace.table(dataset, session)
    const { note, noteVersion } = await readState(table, false)
    const run = unfinished.find(({ runId }) => runId === note?.runId)
    if (run === undefined || note === undefined || noteVersion === undefined || note.mode === 'replay') continue
    const key = `${run.runId} ${dataset.name}`
    if (recorded.has(key) && counted.has(key)) continue
    const notes = await notesOf(table, noteVersion, run.runId)
    const sum = (count: (one: CommitNote) => number) => notes.reduce((total, one) => total + count(one), 0)
    const [rowsIn, rowsAccepted] = [sum((one) => one.rowsIn), sum((one) => one.rowsAccepted)]
    const result: StepResult = {
      dataset: dataset.name,
      layer: dataset.layer,
      status: 'ok',
      mode: note.mode,
      reasons: ['recovered: the run was killed after it had committed this'],
      rowsRead: rowsIn,
      rowsIn,
      rowsAccepted,
      rowsQuarantined: rowsIn - rowsAccepted,
      rowsWritten: rowsAccepted,
      rowsSuperseded: 0,
      bytesWritten: 0,
      writeMs: 0,
      startedAt: run.startedAt,
      durationMs: 0,
      version: noteVersion,
      files: notes.flatMap((one) => one.files ?? []).map(({ path, rows }) => ({ path, rows, status: 'taken' as const })),
      drift: [],
      expectations: [],
    }
    if (!recorded.has(key)) await recordSteps(journal, run.runId, [result])
    if (!counted.has(key)) {
      metrics.recovered(result)
      // Under the run that it is of: should this one be killed too, the next sees that it is counted.
      await metrics.keep(journal, run.runId)
    }
  }
}

async function said(journal: Journal, table: 'steps' | 'metric_samples', where: string, dataset: string): Promise<Set<string>> {
  const rows = await journal.select(table, (relation) => `SELECT DISTINCT run_id, ${dataset} AS dataset FROM ${relation} WHERE ${where}`)
  return new Set(rows.map((row) => `${row['run_id']} ${row['dataset']}`))
}

/** What the run's commits say, the newest first; they lie one upon the other, since one run at a time writes. */
async function notesOf(table: DeltaTable, newest: number, runId: string): Promise<CommitNote[]> {
  const notes: CommitNote[] = []
  for (let version = newest; version >= 0; version--) {
    const info = (await table.actions(version))?.find((action) => action.commitInfo !== undefined)?.commitInfo
    const note = parseNote(info?.userMetadata)
    if (note === undefined) continue
    if (note.runId !== runId) break
    notes.push(note)
  }
  return notes
}
