import { quoteText } from '../engine/index.js'
import type { Journal } from '../journal/index.js'
import type { CumulativeSample, Labels, StoredSample } from '../observability/index.js'
import { Timestamp } from '../schema/index.js'
import type { Series } from './series.js'

/** Metric samples in the journal: `_sluice/metric_samples`. */

/**
 * Keeps samples of several moments in one commit. Counters are kept as what they grew by, so processes add to one another, and one that died
 * left what it had. Moments are Unix milliseconds.
 */
export async function keepSamplesOf(
  journal: Journal,
  moments: readonly { readonly samples: readonly StoredSample[]; readonly at: number }[],
  runId: string | null,
): Promise<void> {
  await journal.append(
    'metric_samples',
    moments.flatMap(({ samples, at }) => sampleRows(samples, at, runId)),
  )
}

function sampleRows(samples: readonly StoredSample[], at: number, runId: string | null) {
  const recorded = Timestamp.fromDate(new Date(at))
  return samples.map(({ metric, labels, kind, value }) => ({
    metric,
    labels: labelsJson(labels),
    kind,
    value,
    recorded_at: recorded,
    run_id: runId,
  }))
}

/** In the order of their names, so that a metric whose labels are declared in another order goes on with the same series. */
function labelsJson(labels: Labels): string {
  return JSON.stringify(Object.fromEntries(Object.entries(labels).sort(([left], [right]) => (left < right ? -1 : 1))))
}

/** What tells one series from another. */
export function seriesKey({ metric, labels }: { readonly metric: string; readonly labels: Labels }): string {
  return `${metric} ${labelsJson(labels)}`
}

/** Every series' value now: of a counter the sum of its increases. */
export async function totals(journal: Journal): Promise<CumulativeSample[]> {
  const rows = await journal.select(
    'metric_samples',
    (samples) =>
      `SELECT metric, labels, CASE WHEN any_value(kind) = 'counter' THEN sum(value) ELSE arg_max(value, recorded_at) END AS value FROM ${samples} GROUP BY metric, labels`,
  )
  return rows.map((row) => ({
    metric: String(row['metric']),
    labels: JSON.parse(String(row['labels'])) as Labels,
    value: Number(row['value']),
  }))
}

/**
 * The metrics' series as they changed, in memory: counters as they have grown since the lake began.
 * @param metrics names as Prometheus has them; undefined: all
 * @param from Unix milliseconds; changes before it are left out but for the last one
 */
export async function loadSeries(journal: Journal, metrics?: ReadonlySet<string>, from = 0): Promise<Series[]> {
  const named = metrics === undefined ? '' : `WHERE metric IN (${[...metrics].map(quoteText).join(', ')})`
  if (metrics?.size === 0) return []
  const rows = await journal.select(
    'metric_samples',
    (samples) => `
      SELECT metric, labels, list(moment ORDER BY moment) AS times, list(value ORDER BY moment) AS "values" FROM (
        SELECT metric, labels, moment,
          CASE WHEN any_value(kind) = 'counter' THEN sum(sum(value)) OVER series ELSE last(value) END AS value,
          lead(moment) OVER series AS until
        FROM (SELECT *, epoch_us(recorded_at)::DOUBLE / 1000 AS moment FROM ${samples} ${named})
        GROUP BY metric, labels, moment
        WINDOW series AS (PARTITION BY metric, labels ORDER BY moment)
      ) WHERE until IS NULL OR until > ${from} GROUP BY metric, labels ORDER BY metric, labels`,
  )
  return rows.map((row) => ({
    labels: { ...(JSON.parse(String(row['labels'])) as Labels), __name__: String(row['metric']) },
    times: Float64Array.from(row['times'] as readonly number[]),
    values: Float64Array.from(row['values'] as readonly number[]),
  }))
}
