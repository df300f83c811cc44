import { gauge } from '../observability/metric.js'

/** What was found odd. */

export const anomaliesFound = gauge('sluice_anomalies_rows', {
  help: 'Rows that the last search found odd.',
  unit: 'rows',
  labels: { anomalies: '*' },
})
export const anomaliesFlagged = gauge('sluice_anomalies_flagged_rows', {
  help: 'Rows that a method flagged in the last search, whether others agreed or not.',
  unit: 'rows',
  labels: { anomalies: '*', method: '*' },
})
export const anomaliesShare = gauge('sluice_anomalies_ratio', {
  help: 'Share of the rows judged in the last search that were found odd.',
  unit: 'ratio',
  labels: { anomalies: '*' },
})
