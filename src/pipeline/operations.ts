import { randomUUID } from 'node:crypto'
import { availableParallelism, totalmem } from 'node:os'
import { type Field, Timestamp } from '../schema/index.js'
import { type OpenStore, RowBatch, type Store, type StoreTable } from '../stores/index.js'
import type { OpenStores } from './stores.js'

/** One operation on a store: what it cost, and what it found. */
export interface Operation {
  readonly at: Date
  /** `mysql`, `mongodb` */
  readonly store: string
  /** `sync trips_to_warehouse` */
  readonly operation: string
  /** Share of the machine's processors, by this process, 0 to 1. */
  readonly cpu: number
  /** Share of the machine's memory, by this process, 0 to 1. */
  readonly memory: number
  /** Milliseconds; of a sync a batch, on average. */
  readonly latencyMs: number
  readonly rows: number
  readonly mismatches: number
  readonly errors: number
}

/** One batch of a sync. */
export interface BatchRecord {
  readonly at: Date
  readonly sync: string
  readonly batch: number
  readonly rows: number
  readonly seconds: number
  readonly cpu: number
  /** Bytes that this process held. */
  readonly memory: number
}

/**
 * Reads processor time over a span without waiting for any: the clock is read at both ends, and what is measured is not held up.
 *
 * `const cpu = cpuMeter(); await work(); cpu()` is the share of the machine's processors that this process used, 0 to 1.
 */
export function cpuMeter(): () => number {
  const [began, used] = [process.hrtime.bigint(), process.cpuUsage()]
  return () => {
    const { user, system } = process.cpuUsage(used)
    const micros = Number(process.hrtime.bigint() - began) / 1000
    return micros <= 0 ? 0 : Math.min(1, (user + system) / micros / availableParallelism())
  }
}

export function memoryShare(): number {
  return process.memoryUsage.rss() / totalmem()
}

const text = (name: string): Field => ({ name, type: { kind: 'string' }, nullable: true })
const double = (name: string): Field => ({ name, type: { kind: 'double' }, nullable: true })
const long = (name: string): Field => ({ name, type: { kind: 'long' }, nullable: true })
const time = (name: string): Field => ({ name, type: { kind: 'timestamp' }, nullable: true })

/** Columns of the table that `records.operations` names. */
export const OPERATION_COLUMNS: readonly Field[] = [
  text('metric_id'),
  time('recorded_at'),
  text('db_type'),
  text('operation'),
  double('cpu_percent'),
  double('memory_percent'),
  double('latency_ms'),
  long('rows_affected'),
  long('mismatches'),
  long('errors'),
]

/** Columns of the table that `records.batches` names. */
export const BATCH_COLUMNS: readonly Field[] = [
  text('metric_id'),
  time('recorded_at'),
  text('sync_name'),
  long('batch'),
  long('rows_in_batch'),
  double('seconds'),
  double('rows_per_second'),
  double('memory_mb'),
  double('cpu_percent'),
]

/**
 * Writes what operations cost into tables of a store, where a project names such. What cannot be kept does not fail what it is about.
 * @param prepare throws where the store is not ready for new tables
 */
export async function keepOperations(
  stores: OpenStores,
  prepare: (open: OpenStore, store: Store) => Promise<void>,
  records: { readonly operations?: StoreTable; readonly batches?: StoreTable },
  operations: readonly Operation[],
  batches: readonly BatchRecord[],
): Promise<void> {
  if (records.operations !== undefined && operations.length > 0) {
    const rows = operations.map((one) => [
      randomUUID(),
      Timestamp.fromDate(one.at),
      one.store,
      one.operation,
      one.cpu * 100,
      one.memory * 100,
      one.latencyMs,
      BigInt(one.rows),
      BigInt(one.mismatches),
      BigInt(one.errors),
    ])
    await keep(stores, prepare, records.operations, RowBatch.of(OPERATION_COLUMNS, rows))
  }
  if (records.batches !== undefined && batches.length > 0) {
    const rows = batches.map((one) => [
      randomUUID(),
      Timestamp.fromDate(one.at),
      one.sync,
      BigInt(one.batch),
      BigInt(one.rows),
      one.seconds,
      one.rows / Math.max(0.001, one.seconds),
      one.memory / 1e6,
      one.cpu * 100,
    ])
    await keep(stores, prepare, records.batches, RowBatch.of(BATCH_COLUMNS, rows))
  }
}

async function keep(
  stores: OpenStores,
  prepare: (open: OpenStore, store: Store) => Promise<void>,
  { store, name }: StoreTable,
  rows: RowBatch,
): Promise<void> {
  const open = await stores.open(store)
  await prepare(open, store)
  const table = open.table(name)
  await table.make({ columns: rows.columns, key: ['metric_id'], indexes: [] })
  await table.upsert(rows, { key: ['metric_id'], fresh: true })
}
