import { type Alert, alert, fires, given, type Severity, staysQuiet } from '../observability/alert.js'
import { line, type PanelRow, row, stat, timeSeries } from '../observability/dashboard.js'
import type { Duration } from '../observability/duration.js'
import { counter, gauge } from '../observability/metric.js'
import type { Conditions } from '../observability/signal.js'

/** What arrived, and how it differed from what was declared. */

export const filesSeen = counter('sluice_files_total', {
  help: 'Files of a source, by what became of them.',
  labels: { dataset: '*', status: ['taken', 'refused'] },
})
export const schemaDrift = counter('sluice_schema_drift_total', {
  help: 'Columns that did not arrive as declared, by how they differed.',
  labels: { dataset: '*', change: ['missing', 'extra', 'retyped', 'reordered'] },
})
export const driftedColumns = gauge('sluice_step_drifted_columns', {
  help: 'Columns that did not arrive as declared, in the last step that took files.',
  labels: { dataset: '*' },
})

/** A column that was declared did not come, or another one did, or it came as another type. */
export function schemaDrifted({
  datasets,
  threshold = 0,
  severity = 'info',
  ...rest
}: {
  readonly datasets: Conditions<{ readonly dataset: string }>
  readonly threshold?: number
  readonly for?: Duration
  readonly severity?: Severity
  readonly owner?: string
}): Alert {
  const raw = { dataset: 'bronze.orders' }
  return alert('SchemaDrifted', {
    when: driftedColumns.where(datasets).now().gt(threshold),
    ...rest,
    severity,
    summary: ({ dataset }, value) => `${dataset}: ${value} columns did not arrive as declared`,
    description:
      'Columns are missing, new, of another type or in another order. The drift policy of the dataset decided what became of them.',
    steps: [
      'See which: `sluice report`, or `sluice schema diff DATASET`.',
      'When the source is right, change the columns of the dataset; `sluice plan` shows what that does.',
    ],
    tests: [
      fires('when columns differ', { series: [given(driftedColumns, raw, `0x3 ${threshold + 2}x5`)], at: '6m' }),
      staysQuiet('when all is as declared', { series: [given(driftedColumns, raw, '0x8')], at: '6m' }),
    ],
  })
}

export const sourcePanels: PanelRow = row('Sources', [
  stat('Files taken', filesSeen.where({ status: 'taken' }).increase('1d').sum().orZero(), {
    description: 'In a day.',
    unit: 'short',
    width: 4,
  }),
  stat('Files refused', filesSeen.where({ status: 'refused' }).increase('1d').sum().orZero(), {
    description: 'In a day. A refused file is looked at again when it has changed.',
    unit: 'short',
    thresholds: [{ at: 1, colour: 'red' }],
    width: 4,
  }),
  timeSeries(
    'Schema drift',
    line(schemaDrift.increase('1h').sum('change'), ({ change }) => change),
    {
      description: 'Columns that did not arrive as declared, in an hour.',
      unit: 'short',
      width: 16,
    },
  ),
])
