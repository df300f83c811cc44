import type { ErrorDocument } from '../errors/index.js'
import type { Cause, Finding, Level } from '../reconciliation/index.js'
import type { Applied } from '../sync/index.js'

/** How a sync went about it: from nothing, by what changed, by a cursor, or by comparing all rows. */
export type SyncMode = 'nothing' | 'load' | 'changes' | 'cursor' | 'compare'

/** One sync, as `sluice sync --json` prints it. */
export interface SyncResult extends Applied {
  readonly name: string
  readonly from: string
  readonly to: string
  /** `skipped`: its dataset has no table yet. */
  readonly status: 'ok' | 'skipped' | 'failed' | 'blocked' | 'cancelled'
  readonly mode: SyncMode
  /** Why in this mode. */
  readonly reason: string
  readonly startedAt: string
  readonly durationMs: number
  readonly error?: ErrorDocument
}

/** One reconciliation, as `sluice reconcile --json` prints it. */
export interface ReconcileResult {
  readonly name: string
  readonly from: string
  readonly to: string
  readonly level: Level
  readonly compared: number
  readonly differences: {
    readonly total: number
    readonly byCause: Readonly<Partial<Record<Cause | 'rows' | 'sum' | 'bucket', number>>>
  }
  readonly samples: readonly Finding[]
  readonly how: readonly string[]
  /** What a repair would do, at level rows. */
  readonly plan?: { readonly put: number; readonly takeAway: number }
  /** What a repair did; the differences are then those that were left. */
  readonly repaired?: Applied & { readonly before: ReconcileResult['differences'] }
  readonly startedAt: string
  readonly durationMs: number
}
