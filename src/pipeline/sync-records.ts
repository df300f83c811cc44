import type { Journal } from '../journal/index.js'
import { Timestamp } from '../schema/index.js'
import type { Sync } from '../sync/index.js'
import type { RunMetrics } from './run-metrics.js'
import { type OpenStores, storeName } from './stores.js'
import type { SyncResult } from './sync-result.js'
import type { Workspace } from './workspace.js'

/** What syncs leave in the journal, beside their rows. */

/** Calls that were made again, or waited for a connection. */
export async function recordUsage(
  { project }: Workspace,
  stores: OpenStores,
  journal: Journal,
  metrics: RunMetrics,
  runId: string,
  sync: Sync,
): Promise<void> {
  const used = (await stores.usage()).map(({ store, usage }) => ({ ...usage, store: storeName(project, store) }))
  for (const one of used) metrics.usage(one)
  await journal.append(
    'store_usage',
    used.map(({ store, connections, retries, waits, waitedMs }) => ({
      ...{ run_id: runId, sync: sync.name, store, connections, retries, waits },
      waited_ms: Math.round(waitedMs),
      recorded_at: Timestamp.fromDate(new Date()),
    })),
  )
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
