export const WORKLOAD_KINDS = ['insert', 'update', 'select'] as const
export type WorkloadKind = (typeof WORKLOAD_KINDS)[number]

/** One attempt at an operation. Milliseconds from the workload's beginning. */
export interface WorkloadAttempt {
  /** Place in the result's `workers`. */
  readonly worker: number
  readonly kind: WorkloadKind
  readonly began: number
  readonly ended: number
  readonly outcome: 'done' | 'deadlock' | 'lock timeout' | 'error'
}

/** One operation that was carried through: from its first attempt to its last, waits in between included, as its caller has it. */
export interface WorkloadOperation {
  readonly kind: WorkloadKind
  readonly milliseconds: number
  readonly rows: number
}

/** Milliseconds, by nearest rank: p95 is the least value that 95 % of all do not exceed. */
export interface Latency {
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly max: number
  readonly mean: number
}

export interface KindFigures {
  readonly kind: WorkloadKind
  readonly workers: number
  readonly operations: number
  /** Put in or changed; of a select, answered. */
  readonly rows: number
  readonly perSecond: number
  /** Attempts that were made again. */
  readonly retries: number
  readonly deadlocks: number
  readonly lockTimeouts: number
  /** Undefined when none was carried through. */
  readonly latency?: Latency
}

/** Nothing for no values. Does not change `values`. */
export function latencyOf(values: readonly number[]): Latency | undefined {
  if (values.length === 0) return undefined
  const sorted = Float64Array.from(values).sort()
  const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
  const sum = sorted.reduce((total, one) => total + one, 0)
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1), mean: sum / sorted.length }
}

/** @param seconds how long the workload lasted */
export function figuresOf(
  operations: readonly WorkloadOperation[],
  attempts: readonly WorkloadAttempt[],
  workers: readonly { readonly kind: WorkloadKind }[],
  seconds: number,
): KindFigures[] {
  return WORKLOAD_KINDS.map((kind) => {
    const own = operations.filter((one) => one.kind === kind)
    const tried = attempts.filter((one) => one.kind === kind)
    const failed = (outcome: WorkloadAttempt['outcome']) => tried.filter((one) => one.outcome === outcome).length
    const latency = latencyOf(own.map((one) => one.milliseconds))
    return {
      kind,
      workers: workers.filter((one) => one.kind === kind).length,
      operations: own.length,
      rows: own.reduce((total, one) => total + one.rows, 0),
      perSecond: own.length / Math.max(0.001, seconds),
      retries: tried.filter((one) => one.outcome !== 'done').length,
      deadlocks: failed('deadlock'),
      lockTimeouts: failed('lock timeout'),
      ...(latency === undefined ? {} : { latency }),
    }
  })
}
