import { type Alert, alert, fires, given, type Severity, staysQuiet } from '../observability/alert.js'
import { line, type PanelRow, row, stat, timeSeries } from '../observability/dashboard.js'
import type { Duration } from '../observability/duration.js'
import { counter, gauge } from '../observability/metric.js'

/** What syncs wrote, and what operations on stores cost. */

const labels = { sync: '*' } as const
const operation = { store: '*', operation: '*' } as const

export const syncedRows = counter('sluice_sync_rows_total', {
  help: 'Rows that syncs wrote to their targets, by what became of them.',
  labels: { sync: '*', change: ['inserted', 'updated', 'deleted', 'refused'] },
})
export const syncFailed = gauge('sluice_sync_failed', { help: '1 when the last run of a sync failed, 0 when it went well.', labels })
export const syncSeconds = gauge('sluice_sync_last_duration_seconds', { help: 'Seconds that a sync took.', unit: 'seconds', labels })
export const syncSucceeded = gauge('sluice_sync_last_success_timestamp_seconds', {
  help: 'When a sync last went well.',
  unit: 'timestamp_seconds',
  labels,
})
export const syncRefused = gauge('sluice_sync_refused_rows', {
  help: 'Rows that the target refused in the last run of a sync.',
  unit: 'rows',
  labels,
})
export const operationSeconds = gauge('sluice_store_operation_last_duration_seconds', {
  help: 'Seconds that an operation on a store took: of a sync a batch, on average.',
  unit: 'seconds',
  labels: operation,
})
export const operationCpu = gauge('sluice_store_operation_cpu_ratio', {
  help: "Share of the machine's processors that this process used during an operation on a store.",
  unit: 'ratio',
  labels: operation,
})
export const operationMemory = gauge('sluice_store_operation_memory_ratio', {
  help: "Share of the machine's memory that this process held after an operation on a store.",
  unit: 'ratio',
  labels: operation,
})

export const storeRetries = counter('sluice_store_retries_total', {
  help: 'Calls to a store that syncs made again after a transient failure.',
  labels: { store: '*' },
})
export const storeWaits = counter('sluice_store_connection_waits_total', {
  help: 'Calls of syncs to a store that found all of its connections in use.',
  labels: { store: '*' },
})
export const storeWaited = counter('sluice_store_connection_wait_seconds_total', {
  help: 'Seconds that calls of syncs waited for a connection to a store, together.',
  unit: 'seconds',
  labels: { store: '*' },
})

export interface StoreAlertOptions {
  readonly threshold?: number
  readonly for?: Duration
  readonly severity?: Severity
  readonly owner?: string
}

const orders = { sync: 'orders_to_warehouse' }

export function lastSyncFailed({ severity = 'critical', threshold: _, ...rest }: StoreAlertOptions): Alert {
  return alert('SyncFailed', {
    when: syncFailed.now().gt(0),
    for: '0s',
    ...rest,
    severity,
    summary: ({ sync }) => `The sync ${sync} failed`,
    description: ({ sync }) => `The target of ${sync} was not brought up to date. What was written stays; the next run goes on from there.`,
    steps: ['See why: `sluice sync NAME`.', 'Is the server up, and its address right? `sluice doctor`.'],
    tests: [
      fires('at the first failure', { series: [given(syncFailed, orders, '1x2')], at: '1m' }, [orders]),
      staysQuiet('when it went well', { series: [given(syncFailed, orders, '0x5')], at: '3m' }),
    ],
  })
}

/** @param threshold rows */
export function rowsRefused({ severity = 'warning', threshold = 0, ...rest }: StoreAlertOptions): Alert {
  return alert('RowsRefused', {
    when: syncRefused.now().gt(threshold),
    for: '0s',
    ...rest,
    severity,
    summary: ({ sync }, value) => `${value} rows of ${sync} were refused by the store`,
    description: 'The rows are kept with the reason of the store, in the dead letters of the journal; the target lacks them.',
    steps: [
      'See them: `sluice query "select reason, row from _sluice.dead_letters"`.',
      'Hold such rows at the gate of the dataset, or give the target a type that takes them; then `sluice sync NAME --full`.',
    ],
    tests: [
      fires('when some were', { series: [given(syncRefused, orders, `${threshold + 1}x2`)], at: '1m' }, [orders]),
      staysQuiet('when none was', { series: [given(syncRefused, orders, '0x5')], at: '3m' }),
    ],
  })
}

export const syncPanels: PanelRow = row('Syncs', [
  stat('Syncs that failed', syncFailed.now().sum().orZero(), {
    description: 'Of the last runs of each.',
    unit: 'short',
    thresholds: [{ at: 1, colour: 'red' }],
    width: 4,
  }),
  stat('Rows written', syncedRows.increase('1d').sum().orZero(), { description: 'To all targets, in a day.', unit: 'short', width: 4 }),
  stat('Rows refused', syncedRows.where({ change: 'refused' }).increase('1d').sum().orZero(), {
    description: 'By stores, in a day. They are kept, with the reason.',
    unit: 'short',
    thresholds: [{ at: 1, colour: 'yellow' }],
    width: 4,
  }),
  timeSeries(
    'Rows written by sync',
    line(syncedRows.increase('1h').sum('sync', 'change'), ({ sync, change }) => `${sync}, ${change}`),
    { description: 'In an hour, by what became of them.', unit: 'short', width: 12 },
  ),
  timeSeries('Time of an operation', line(operationSeconds.now().max().orZero(), 'slowest'), {
    description: 'Seconds that the slowest last operation on a store took; of a sync a batch, on average.',
    width: 8,
  }),
  timeSeries('Processor of an operation', line(operationCpu.now().max().orZero(), 'highest'), {
    description: "Share of the machine's processors.",
    unit: 'percentunit',
    width: 8,
  }),
  timeSeries('Time of syncs', line(syncSeconds.now().sum().orZero(), 'all'), {
    description: 'Seconds that the last run of each took, in all.',
    width: 8,
  }),
])
