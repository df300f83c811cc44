import { type Alert, alert, fires, given, type Severity, staysQuiet } from '../observability/alert.js'
import { line, type PanelRow, row, stat, tablePanel, timeSeries } from '../observability/dashboard.js'
import type { Duration } from '../observability/duration.js'
import { counter, gauge } from '../observability/metric.js'
import type { Conditions } from '../observability/signal.js'

/** What gates found, and what the quarantine holds. */

export const gateRows = counter('sluice_gate_rows_total', {
  help: 'Rows that reached a gate, by what became of them.',
  labels: { dataset: '*', verdict: ['accepted', 'quarantined'] },
})
export const expectationResults = counter('sluice_expectations_total', {
  help: 'Expectations judged, by how they came out.',
  labels: { dataset: '*', expectation: '*', status: ['pass', 'warn', 'fail'] },
})
export const expectationFailures = counter('sluice_expectation_failed_rows_total', {
  help: 'Rows that broke an expectation.',
  labels: { dataset: '*', expectation: '*' },
})
export const quarantineRows = gauge('sluice_quarantine_rows', {
  help: "Rows that a dataset's quarantine holds now.",
  unit: 'rows',
  labels: { dataset: '*' },
})
/** Of the last step alone: right for a batch that runs once a day, where a rate over a window would have nothing to divide. */
export const quarantinedShare = gauge('sluice_step_quarantined_ratio', {
  help: 'Share of the rows of the last step that wrote which went to quarantine.',
  unit: 'ratio',
  labels: { dataset: '*' },
})
export const stepGateRows = gauge('sluice_step_gate_rows', {
  help: 'Rows that reached the gate in the last step that wrote.',
  unit: 'rows',
  labels: { dataset: '*' },
})

export interface DatasetAlertOptions {
  /** The datasets it is about. Default all. */
  readonly datasets: Conditions<{ readonly dataset: string }>
  readonly threshold?: number
  readonly for?: Duration
  readonly severity?: Severity
  readonly owner?: string
}

/** More than a twentieth of the rows of a step were held, of a hundred rows or more. */
export function quarantineShareHigh({ datasets, threshold = 0.05, severity = 'warning', ...rest }: DatasetAlertOptions): Alert {
  const held = { dataset: 'silver.orders' }
  const [share, above] = [quarantinedShare.where(datasets).now(), `${threshold + (1 - threshold) / 2}`]
  return alert('QuarantineShareHigh', {
    when: share.gt(threshold).and(stepGateRows.where(datasets).now().atLeast(100)),
    for: '0s',
    ...rest,
    severity,
    summary: ({ dataset }, value) => `${dataset}: ${value.percentage} of the rows went to quarantine`,
    description: ({ dataset }) =>
      `More than ${(threshold * 100).toFixed(1)} % of the rows that last reached the gate of ${dataset} broke an expectation. They are kept whole; downstream goes on without them.`,
    steps: [
      'See which expectations and which rows: `sluice quarantine explain DATASET`.',
      'When the rows are wrong, mend them where they come from; new rows with the same key take the place of those held.',
      'When the expectation is wrong, change it and let them in: `sluice quarantine replay DATASET`.',
    ],
    tests: [
      fires('when most of a thousand rows are held', {
        series: [given(quarantinedShare, held, `${above}x5`), given(stepGateRows, held, '1000x5')],
        at: '3m',
      }),
      staysQuiet('when few rows came', {
        series: [given(quarantinedShare, held, `${above}x5`), given(stepGateRows, held, '10x5')],
        at: '3m',
      }),
      staysQuiet('when hardly any are held', {
        series: [given(quarantinedShare, held, '0x5'), given(stepGateRows, held, '1000x5')],
        at: '3m',
      }),
    ],
  })
}

export const gatePanels: PanelRow = row('Gates', [
  stat('Rows accepted', gateRows.where({ verdict: 'accepted' }).increase('1d').sum().orZero(), {
    description: 'In a day.',
    unit: 'short',
    width: 6,
  }),
  stat('Rows quarantined', gateRows.where({ verdict: 'quarantined' }).increase('1d').sum().orZero(), {
    description: 'In a day. They are kept, and can be explained, replayed or discarded.',
    unit: 'short',
    thresholds: [{ at: 1, colour: 'yellow' }],
    width: 6,
  }),
  stat('Held now', quarantineRows.now().sum().orZero(), { description: 'Rows in all quarantines.', unit: 'short', width: 6 }),
  stat('Expectations that failed', expectationResults.where({ status: 'fail' }).increase('1d').sum().orZero(), {
    description: 'In a day, those that stop a step.',
    unit: 'short',
    thresholds: [{ at: 1, colour: 'red' }],
    width: 6,
  }),
  timeSeries(
    'Quarantined share',
    line(quarantinedShare.now().max('dataset'), ({ dataset }) => dataset),
    {
      description: 'Of the last step of each dataset.',
      min: 0,
      width: 12,
    },
  ),
  timeSeries(
    'Held by dataset',
    line(quarantineRows.now().max('dataset'), ({ dataset }) => dataset),
    { description: 'Rows in quarantine.', unit: 'short', width: 12 },
  ),
])

export const expectationPanels: PanelRow = row('Expectations', [
  tablePanel('Rows that broke an expectation', line(expectationFailures.increase('1d').sum('dataset', 'expectation').topk(20)), {
    description: 'In a day, the twenty worst.',
    unit: 'short',
    width: 12,
  }),
  timeSeries(
    'Judged',
    line(expectationResults.increase('1h').sum('status'), ({ status }) => status),
    {
      description: 'Expectations judged in an hour, by how they came out.',
      unit: 'short',
      stacked: true,
      width: 12,
    },
  ),
])
