import type { ErrorDocument } from '../errors/index.js'
import type { ExpectationResult } from '../quality/index.js'
import type { FileDrift } from '../sources/index.js'

export type StepStatus = 'ok' | 'skipped' | 'failed' | 'blocked' | 'cancelled'
export type RunStatus = 'ok' | 'failed' | 'cancelled'

export interface FileResult {
  readonly path: string
  readonly status: 'taken' | 'known' | 'refused'
  readonly rows: number
  readonly note?: string
  readonly error?: ErrorDocument
}

/** What became of a dataset in a run. Every number is there, 0 when nothing happened. */
export interface StepResult {
  readonly dataset: string
  readonly layer: string
  readonly status: StepStatus
  readonly mode: string
  readonly reasons: readonly string[]
  /** Rows read upstream. */
  readonly rowsRead: number
  /** Rows that reached the gate: always `rowsAccepted + rowsQuarantined`. */
  readonly rowsIn: number
  readonly rowsAccepted: number
  readonly rowsQuarantined: number
  /** Rows put into the table: added, or in place of others. */
  readonly rowsWritten: number
  /** Held rows that newer ones with the same key took the place of. */
  readonly rowsSuperseded: number
  readonly bytesWritten: number
  /** Of `durationMs`, from the gate's verdict to the commit. */
  readonly writeMs: number
  readonly startedAt: string
  readonly durationMs: number
  /** The table's version afterwards; -1 when there is no table. */
  readonly version: number
  readonly error?: ErrorDocument
  readonly files: readonly FileResult[]
  readonly drift: readonly FileDrift[]
  readonly expectations: readonly ExpectationResult[]
}

export interface RunResult {
  readonly runId: string
  readonly project: string
  readonly status: RunStatus
  readonly startedAt: string
  readonly durationMs: number
  readonly error?: ErrorDocument
  readonly steps: readonly StepResult[]
}
