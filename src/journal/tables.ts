import { type Columns, column, fieldsOf } from '../schema/index.js'
import type { TableDefinition } from '../table/index.js'

/** Every fact that Sluice keeps, as Delta tables under `<lake>/_sluice/`. Nested facts are JSON text. Columns are only ever added. */

const runs = {
  run_id: column.string(),
  project: column.string(),
  /** `started` when it began; `ok`, `failed` or `cancelled` when it ended. A run with no second row was interrupted. */
  status: column.string(),
  recorded_at: column.timestamp(),
  started_at: column.timestamp(),
  duration_ms: column.long(),
  environment: column.string(),
  variables: column.string(),
  error: column.string(),
  sluice_version: column.string(),
  host: column.string(),
} satisfies Columns

const steps = {
  run_id: column.string(),
  dataset: column.string(),
  layer: column.string(),
  status: column.string(),
  mode: column.string(),
  reasons: column.string(),
  rows_read: column.long(),
  rows_in: column.long(),
  rows_accepted: column.long(),
  rows_quarantined: column.long(),
  rows_written: column.long(),
  bytes_written: column.long(),
  started_at: column.timestamp(),
  duration_ms: column.long(),
  version: column.long(),
  error: column.string(),
  files: column.string(),
  drift: column.string(),
} satisfies Columns

const gateResults = {
  run_id: column.string(),
  dataset: column.string(),
  name: column.string(),
  description: column.string(),
  action: column.string(),
  severity: column.string(),
  tags: column.string(),
  status: column.string(),
  failed: column.long(),
  evaluated: column.long(),
  measured: column.double(),
  recorded_at: column.timestamp(),
} satisfies Columns

const files = {
  dataset: column.string(),
  path: column.string(),
  /** `taken` or `refused`. */
  status: column.string(),
  /** `real` or `synthetic`. */
  kind: column.string(),
  bytes: column.long(),
  checksum: column.string(),
  rows: column.long(),
  modified_at: column.long({ description: 'Milliseconds since 1970.' }),
  /** The version of the dataset's table whose commit took the file; null for a refused one. */
  table_version: column.long(),
  error: column.string(),
  run_id: column.string(),
  recorded_at: column.timestamp(),
} satisfies Columns

const profiles = {
  run_id: column.string(),
  dataset: column.string(),
  version: column.long(),
  rows: column.long(),
  profiled_rows: column.long(),
  columns: column.string(),
  recorded_at: column.timestamp(),
} satisfies Columns

const metricSamples = {
  /** As Prometheus names it: of a histogram `x_bucket`, `x_sum`, `x_count`. */
  metric: column.string(),
  /** JSON, in the order of the labels' names. */
  labels: column.string(),
  /** `counter`: the value is what it grew by; `gauge`: the value is what it is from now on. */
  kind: column.string(),
  value: column.double(),
  recorded_at: column.timestamp(),
  run_id: column.string(),
} satisfies Columns

const syncs = {
  run_id: column.string(),
  sync: column.string(),
  source: column.string(),
  target: column.string(),
  /** `ok` or `failed`. */
  status: column.string(),
  /** `nothing`, `load`, `changes`, `cursor`, `compare`. */
  mode: column.string(),
  inserted: column.long(),
  updated: column.long(),
  deleted: column.long(),
  dead_lettered: column.long(),
  rows: column.long({ description: 'Rows that were sent.' }),
  started_at: column.timestamp(),
  duration_ms: column.long(),
  error: column.string(),
} satisfies Columns

const storeUsage = {
  run_id: column.string(),
  sync: column.string(),
  store: column.string(),
  connections: column.long({ description: 'That the store may have open at a time.' }),
  retries: column.long({ description: 'Calls that were made again after a transient failure.' }),
  waits: column.long({ description: 'Calls that found all connections in use.' }),
  waited_ms: column.long({ description: 'How long these waited, together.' }),
  recorded_at: column.timestamp(),
} satisfies Columns

const reconciliations = {
  run_id: column.string(),
  sync: column.string(),
  source: column.string(),
  target: column.string(),
  level: column.string(),
  compared: column.long(),
  differences: column.long(),
  /** JSON: numbers by cause. */
  by_cause: column.string(),
  /** JSON: some of them, with key, column, both values and cause. */
  samples: column.string(),
  /** JSON: what was done, in words. */
  how: column.string(),
  /** JSON: what a repair wrote; null where none was asked for. */
  repaired: column.string(),
  started_at: column.timestamp(),
  duration_ms: column.long(),
} satisfies Columns

const anomalyRuns = {
  run_id: column.string(),
  anomalies: column.string(),
  dataset: column.string(),
  /** The version of the dataset's table that was judged. */
  version: column.long(),
  judged: column.long(),
  found: column.long(),
  /** JSON: threshold and rows flagged, by method. */
  methods: column.string(),
  /** JSON: how many rows have which value of the first feature, and how many of them were found. */
  distribution: column.string(),
  started_at: column.timestamp(),
  duration_ms: column.long(),
} satisfies Columns

const deadLetters = {
  run_id: column.string(),
  sync: column.string(),
  target: column.string(),
  /** JSON: the row as text, by column. */
  row: column.string(),
  reason: column.string(),
  recorded_at: column.timestamp(),
} satisfies Columns

export const JOURNAL = {
  runs,
  steps,
  gate_results: gateResults,
  files,
  profiles,
  metric_samples: metricSamples,
  syncs,
  store_usage: storeUsage,
  reconciliations,
  dead_letters: deadLetters,
  anomaly_runs: anomalyRuns,
}
export type JournalTable = keyof typeof JOURNAL

/** The journal's own format; raised when an older Sluice could no longer read it. */
export const JOURNAL_FORMAT = 1

export function journalDefinition(name: JournalTable): TableDefinition {
  return { fields: fieldsOf(JOURNAL[name]), description: `Sluice's ${name.replace('_', ' ')}.` }
}
