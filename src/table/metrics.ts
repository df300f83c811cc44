import { barGauge, line, type PanelRow, row, stat, timeSeries } from '../observability/dashboard.js'
import { gauge, histogram } from '../observability/metric.js'

/** What a dataset's table weighs, as its last step left it. */

const labels = { dataset: '*' } as const

export const tableRows = gauge('sluice_table_rows', { help: "Rows of a dataset's table.", unit: 'rows', labels })
export const tableBytes = gauge('sluice_table_size_bytes', {
  help: "Bytes of the data files that a table's newest version names.",
  unit: 'bytes',
  labels,
})
export const tableFiles = gauge('sluice_table_files', { help: "Data files that a table's newest version names.", labels })
export const tableVersion = gauge('sluice_table_version', { help: "A table's newest version.", labels })
export const tableWriteSeconds = histogram('sluice_table_write_duration_seconds', {
  help: "Seconds from a gate's verdict to the commit: data files written and the version put.",
  unit: 'seconds',
  labels,
})

/** Of the last write alone: an average over a window has nothing to say between two runs of a day. */
export const tableLastWriteSeconds = gauge('sluice_table_last_write_duration_seconds', {
  help: 'Seconds that the last write took.',
  unit: 'seconds',
  labels,
})

export const tablePanels: PanelRow = row('Tables', [
  barGauge(
    'Table sizes',
    line(tableBytes.now().max('dataset'), ({ dataset }) => dataset),
    { description: 'Bytes of live data files.', width: 8 },
  ),
  timeSeries(
    'Rows',
    line(tableRows.now().max('dataset'), ({ dataset }) => dataset),
    { description: 'Rows of each table.', unit: 'short', width: 8 },
  ),
  timeSeries(
    'Data files',
    line(tableFiles.now().max('dataset'), ({ dataset }) => dataset),
    {
      description: 'Many small files slow reads down: `sluice table optimize` makes few of many.',
      unit: 'short',
      width: 8,
    },
  ),
  timeSeries(
    'Versions',
    line(tableVersion.now().max('dataset'), ({ dataset }) => dataset),
    { description: 'Newest version of each table.', unit: 'short', width: 8 },
  ),
  timeSeries(
    'Write time',
    line(tableLastWriteSeconds.now().max('dataset'), ({ dataset }) => dataset),
    {
      description: 'From verdict to commit, of the last write of each table.',
      width: 8,
    },
  ),
  stat('Bytes in all', tableBytes.now().sum().orZero(), { description: 'All tables of the project together.', unit: 'bytes', width: 8 }),
])
