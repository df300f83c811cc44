import type { Session } from '../engine/index.js'
import { failure, RECONCILE_INVALID } from '../errors/index.js'
import { type Journal, openJournal } from '../journal/index.js'
import { span } from '../observability/index.js'
import { CAUSES, type Level, type Outcome, reconcile } from '../reconciliation/index.js'
import { Timestamp } from '../schema/index.js'
import type { RefusedRow } from '../stores/index.js'
import { repair, type Sync } from '../sync/index.js'
import { cpuMeter, memoryShare, type Operation } from './operations.js'
import { newRunId } from './run.js'
import { RunMetrics } from './run-metrics.js'
import { openStores, tableLabel } from './stores.js'
import { hasNothingYet, keepAfter, rowText, selectSyncs } from './sync.js'
import type { ReconcileResult } from './sync-result.js'
import { openSides, type Sides } from './sync-sides.js'
import type { Workspace } from './workspace.js'

export interface ReconcileRunOptions {
  readonly names?: readonly string[]
  readonly level?: Level
  /** About so many rows, drawn at random. */
  readonly sample?: number
  /** Writes to the target what differs, then reconciles again. */
  readonly repair?: boolean
  readonly observer?: {
    onProgress?(name: string, progress: string): void
    /** Before a repair, with what it is about to do. */
    onPlan?(result: ReconcileResult): void
    onEnd?(result: ReconcileResult): void
  }
}

/**
 * Proves syncs, one after the other in order of dependency: does the target hold what the source has?
 * Throws SYNC_UNKNOWN, RECONCILE_INVALID, STORE_*, and, for a repair, LEASE_HELD.
 */
export async function reconcileAll(workspace: Workspace, options: ReconcileRunOptions = {}): Promise<ReconcileResult[]> {
  const chosen = selectSyncs(workspace, options.names)
  if (options.repair === true && options.level !== undefined && options.level !== 'rows')
    throw failure(RECONCILE_INVALID, { problem: `a repair goes by rows, and the level is ${options.level}` })
  if (options.repair === true && options.sample !== undefined)
    throw failure(RECONCILE_INVALID, { problem: 'a repair of a sample would leave the rest as it is' })
  const runId = newRunId()
  const lease = options.repair === true ? await workspace.takeSyncLease('sluice reconcile --repair') : undefined
  const stores = openStores(workspace)
  let session: Session | undefined
  try {
    session = await workspace.connect()
    const journal = await openJournal(workspace.lake, workspace.storage, await workspace.connect('whatever happens'))
    const results: ReconcileResult[] = []
    const metrics = new RunMetrics(workspace)
    const operations: Operation[] = []
    for (const one of chosen) {
      workspace.signal?.throwIfAborted()
      const cpu = cpuMeter()
      const sides = await openSides(workspace, session, stores, one, false).catch((error: unknown) => {
        if (hasNothingYet(one, error)) return undefined
        throw error
      })
      if (sides === undefined) {
        results.push(nothingYet(workspace, one, options.level ?? 'rows'))
        continue
      }
      const result = await span(`reconcile ${one.name}`, {}, () =>
        reconcileOne(workspace, session as Session, journal, runId, one, sides, options),
      )
      results.push(result)
      options.observer?.onEnd?.(result)
      const operation: Operation = {
        at: new Date(),
        store: one.to.store.kind,
        operation: `reconcile ${one.name}`,
        cpu: cpu(),
        memory: memoryShare(),
        latencyMs: result.durationMs,
        rows: result.compared,
        mismatches: result.differences.total,
        errors: 0,
      }
      operations.push(operation)
      metrics.operation(operation)
      // A look at a part says nothing of the whole.
      if (options.sample === undefined) metrics.reconciliation(result, [...CAUSES, 'sum', 'bucket'])
      await record(journal, runId, result)
    }
    await keepAfter(workspace, stores, journal, metrics, runId, operations, [], (problem) =>
      options.observer?.onProgress?.('records', problem),
    )
    return results
  } finally {
    await stores.close()
    await session?.close().catch(() => {})
    await workspace.close().catch(() => {})
    await lease?.release()
  }
}

function nothingYet({ project }: Workspace, one: Sync, level: Level): ReconcileResult {
  return {
    name: one.name,
    from: one.from.name,
    to: tableLabel(project, one.to),
    level,
    compared: 0,
    differences: { total: 0, byCause: {} },
    samples: [],
    how: [`${one.from.name} has no table yet: there is nothing to compare`],
    startedAt: new Date().toISOString(),
    durationMs: 0,
  }
}

async function reconcileOne(
  workspace: Workspace,
  session: Session,
  journal: Journal,
  runId: string,
  one: Sync,
  sides: Sides,
  options: ReconcileRunOptions,
): Promise<ReconcileResult> {
  const started = new Date()
  const level = options.level ?? 'rows'
  const look = () =>
    reconcile(session, sides.source, sides.target, {
      level,
      tolerances: Object.fromEntries(Object.entries(one.tolerances).map(([name, tolerance]) => [one.rename[name] ?? name, tolerance])),
      ...(options.sample === undefined ? {} : { sample: options.sample }),
      extras: one.deletes === 'keep',
      report: (progress) => options.observer?.onProgress?.(one.name, progress),
    })
  const asResult = (outcome: Outcome, more: Partial<ReconcileResult> = {}): ReconcileResult => ({
    name: one.name,
    from: sides.from,
    to: sides.to,
    level,
    compared: outcome.compared,
    differences: { total: outcome.total, byCause: outcome.byCause },
    samples: outcome.samples,
    how: outcome.how,
    ...more,
    startedAt: started.toISOString(),
    durationMs: Date.now() - started.getTime(),
  })
  const first = await look()
  if (first.rows === undefined || first.total === 0) {
    await first.rows?.release()
    return asResult(first)
  }
  try {
    const plan = await planOf(first.rows)
    const before = asResult(first, { plan })
    if (options.repair !== true) return before
    options.observer?.onPlan?.(before)
    const { rows } = first
    let letters: Promise<void> = Promise.resolve()
    const done = await repair(sides.targetTable, sides.source, () => rows.read(), {
      key: sides.key,
      batchRows: one.batchRows ?? (sides.targetStore.capabilities.sql ? 20_000 : 5_000),
      parallel: one.parallel,
      signal: workspace.signal,
      deletes: 'follow',
      observe: ({ rows: written }) => options.observer?.onProgress?.(one.name, `repairing, ${written} of ${plan.put + plan.takeAway} rows`),
      refused: (refused) => {
        letters = letters.then(() => recordLetters(journal, runId, one, sides, refused))
        return letters
      },
    })
    const after = await look()
    await after.rows?.release()
    return asResult(after, { plan, repaired: { ...done, before: before.differences } })
  } finally {
    await first.rows.release()
  }
}

async function planOf(rows: NonNullable<Outcome['rows']>): Promise<{ put: number; takeAway: number }> {
  let [puts, takeAways] = [0, 0]
  for await (const { left } of rows.read()) {
    if (left === undefined) takeAways += 1
    else puts += 1
  }
  return { put: puts, takeAway: takeAways }
}

async function recordLetters(journal: Journal, runId: string, one: Sync, sides: Sides, refused: readonly RefusedRow[]): Promise<void> {
  const now = Timestamp.fromDate(new Date())
  await journal.append(
    'dead_letters',
    refused.map(({ line, reason }) => ({
      run_id: runId,
      sync: one.name,
      target: sides.to,
      row: JSON.stringify(rowText(line, sides.source.columns)),
      reason,
      recorded_at: now,
    })),
  )
}

async function record(journal: Journal, runId: string, result: ReconcileResult): Promise<void> {
  await journal.append('reconciliations', [
    {
      run_id: runId,
      sync: result.name,
      source: result.from,
      target: result.to,
      level: result.level,
      compared: result.compared,
      differences: result.differences.total,
      by_cause: JSON.stringify(result.differences.byCause),
      samples: JSON.stringify(result.samples),
      how: JSON.stringify(result.how),
      repaired: result.repaired === undefined ? null : JSON.stringify(result.repaired),
      started_at: Timestamp.fromDate(new Date(result.startedAt)),
      duration_ms: result.durationMs,
    },
  ])
}
