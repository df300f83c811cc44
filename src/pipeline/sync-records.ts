import type { Journal, JournalRow } from '../journal/index.js'
import { Timestamp } from '../schema/index.js'
import type { Sync } from '../sync/index.js'
import type { RunMetrics } from './run-metrics.js'
import { type OpenStores, storeName } from './stores.js'
import type { SyncResult } from './sync-result.js'
import type { Workspace } from './workspace.js'

/** What syncs leave in the journal, beside their rows. */

/** What the calls of a sync that wrote something met with, and those of any other that waited or were made again. */
export async function recordUsage(
  { project }: Workspace,
  stores: OpenStores,
  journal: Journal,
  metrics: RunMetrics,
  { runId, rows }: { readonly runId: string; readonly rows: number },
  sync: Sync,
): Promise<void> {
  const used: JournalRow<'store_usage'>[] = []
  for (const store of new Set([sync.to.store, ...('store' in sync.from ? [sync.from.store] : [])])) {
    const usage = await stores.usage(store)
    if (usage === undefined || (rows === 0 && usage.waits === 0 && usage.retries === 0)) continue
    const { connections, retries, waits, waitedMs } = usage
    const name = storeName(project, store)
    metrics.usage({ ...usage, store: name })
    used.push({
      ...{ run_id: runId, sync: sync.name, store: name, connections, retries, waits },
      waited_ms: Math.round(waitedMs),
      recorded_at: Timestamp.fromDate(new Date()),
    })
  }
  await journal.append('store_usage', used)
}

export async function recordSync(journal: Journal, runId: string, result: SyncResult): Promise<void> {
  await journal.append('syncs', [
    {
      run_id: runId,
      sync: result.name,
      source: result.from,
      target: result.to,
      status: result.status,
      mode: result.mode,
      inserted: result.inserted,
      updated: result.updated,
      deleted: result.deleted,
      dead_lettered: result.deadLettered,
      rows: result.rows,
      started_at: Timestamp.fromDate(new Date(result.startedAt)),
      duration_ms: result.durationMs,
      error: result.error === undefined ? null : JSON.stringify(result.error),
    },
  ])
}
