import { type Alert, alert, fires, given, type Severity, staysQuiet } from '../observability/alert.js'
import { line, type PanelRow, row, stat, timeSeries } from '../observability/dashboard.js'
import type { Duration } from '../observability/duration.js'
import { gauge } from '../observability/metric.js'

/** What reconciliations found. */

export const storeDifferences = gauge('sluice_reconciliation_differences', {
  help: 'Differences that the last reconciliation of a sync found, by cause.',
  labels: { sync: '*', cause: '*' },
})
export const reconciledRows = gauge('sluice_reconciliation_compared_rows', {
  help: 'Rows that the last reconciliation of a sync looked at.',
  unit: 'rows',
  labels: { sync: '*' },
})
export const reconciliationEnded = gauge('sluice_reconciliation_last_timestamp_seconds', {
  help: 'When a sync was last reconciled.',
  unit: 'timestamp_seconds',
  labels: { sync: '*' },
})

export interface DifferenceAlertOptions {
  readonly threshold?: number
  readonly for?: Duration
  readonly severity?: Severity
  readonly owner?: string
}

/** @param threshold differences */
export function storeDiffers({ severity = 'critical', threshold = 0, ...rest }: DifferenceAlertOptions): Alert {
  const found = { sync: 'orders_to_warehouse', cause: 'real' }
  return alert('StoreDiffers', {
    when: storeDifferences.now().sum('sync').gt(threshold),
    for: '0s',
    ...rest,
    severity,
    summary: ({ sync }, value) => `${value} differences in the target of ${sync}`,
    description: ({ sync }) =>
      `The last reconciliation of ${sync} found rows or values that its target does not have as its source has them.`,
    steps: ['See them, with their causes: `sluice reconcile NAME`.', 'Put them right: `sluice reconcile NAME --repair`.'],
    tests: [
      fires('when there are some', { series: [given(storeDifferences, found, `${threshold + 1}x2`)], at: '1m' }, [{ sync: found.sync }]),
      staysQuiet('when there are none', { series: [given(storeDifferences, found, '0x5')], at: '3m' }),
    ],
  })
}

export const reconciliationPanels: PanelRow = row('Reconciliation', [
  stat('Differences', storeDifferences.now().sum().orZero(), {
    description: 'That the last reconciliations found.',
    unit: 'short',
    thresholds: [{ at: 1, colour: 'red' }],
    width: 6,
  }),
  stat('Rows compared', reconciledRows.now().sum().orZero(), { description: 'In the last reconciliations.', unit: 'short', width: 6 }),
  timeSeries('Differences over time', line(storeDifferences.now().sum().orZero(), 'differences'), {
    description: 'Of all syncs.',
    unit: 'short',
    width: 12,
  }),
])
