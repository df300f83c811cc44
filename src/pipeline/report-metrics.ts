import { quoteText, type Session } from '../engine/index.js'
import type { Journal, JournalRead } from '../journal/index.js'
import { backtest, checkAlerts, seriesInMemory } from '../monitoring/index.js'
import { isAlert } from '../observability/index.js'
import { quarantinedShare } from '../quality/metrics.js'
import { tableBytes, tableFiles } from '../table/metrics.js'
import { rows, runSeconds } from './metrics.js'
import { monitorState } from './monitor.js'
import { monitorsOf } from './monitors.js'
import { keptSeries, keptSeriesList } from './watch.js'
import type { Workspace } from './workspace.js'

/** What a report shows beyond its one run: metrics over time, where the time goes, alerts. Its shape is that of `report/model.ts`. */

const DAY = 86_400_000
const METRICS_DAYS = 90
const MONTH_DAYS = 30
/** As many as a small chart has room for: of more, the highest of each stretch is kept, or where a value holds, the last. */
const MOST_POINTS = 200
const SLOWEST = 8

export interface Point {
  readonly at: number
  readonly value: number
}

/** The kept samples of the last 90 days, thinned to what a chart can show. @param now Unix milliseconds */
export async function metricsOverTime(workspace: Workspace, journal: Journal, now: number) {
  const [seconds, share, bytes, files] = [runSeconds, quarantinedShare, tableBytes, tableFiles].map(({ definition }) => definition.name)
  const holds = [share, bytes, files].map((name) => quoteText(name ?? '')).join(', ')
  const found = await journal.select(
    'metric_samples',
    (samples) => `
      WITH wanted AS MATERIALIZED (
        SELECT metric, labels, run_id, epoch_us(recorded_at)::DOUBLE / 1000 AS moment, value FROM ${samples}
        WHERE metric IN (${[seconds, share, bytes, files, rows.definition.name].map((name) => quoteText(name ?? '')).join(', ')})
          AND recorded_at >= epoch_ms(${Math.floor(now - METRICS_DAYS * DAY)})::TIMESTAMPTZ
      ), kept AS (
        SELECT metric, labels, moment, value FROM wanted WHERE metric <> ${quoteText(rows.definition.name)}
        UNION ALL
        SELECT metric, '{}', max(moment), sum(value) FROM wanted
        WHERE metric = ${quoteText(rows.definition.name)} AND json_extract_string(labels, '$.stage') = 'written' GROUP BY metric, run_id
      ), stretches AS (
        SELECT *, floor(${MOST_POINTS} * (moment - min(moment) OVER ()) / greatest(1, max(moment) OVER () - min(moment) OVER ())) AS stretch
        FROM kept
      ), thinned AS (
        SELECT metric, labels,
          CASE WHEN metric IN (${holds}) THEN max(moment) ELSE arg_max(moment, value) END AS moment,
          CASE WHEN metric IN (${holds}) THEN arg_max(value, moment) ELSE max(value) END AS value
        FROM stretches GROUP BY metric, labels, stretch
      )
      SELECT metric, json_extract_string(labels, '$.dataset') AS dataset, list(moment ORDER BY moment) AS moments, list(value ORDER BY moment) AS "values"
      FROM thinned GROUP BY metric, dataset`,
  )
  const pointsOf = (metric: string | undefined, dataset: string | null): Point[] => {
    const row = found.find((one) => one['metric'] === metric && one['dataset'] === dataset)
    const values = (row?.['values'] ?? []) as readonly number[]
    return ((row?.['moments'] ?? []) as readonly number[]).map((at, index) => ({ at, value: values[index] ?? 0 }))
  }
  const first = Math.min(now, ...found.map((row) => (row['moments'] as readonly number[])[0] ?? now))
  return {
    from: first,
    to: now,
    runSeconds: pointsOf(seconds, null),
    rowsWritten: pointsOf(rows.definition.name, null),
    datasets: workspace.project.datasets
      .map(({ name }) => ({
        dataset: name,
        quarantinedShare: pointsOf(share, name),
        bytes: pointsOf(bytes, name),
        files: pointsOf(files, name),
      }))
      .filter((one) => one.quarantinedShare.length + one.bytes.length + one.files.length > 0),
  }
}

/** Where the time of a run went, and that of a month's runs. @param now Unix milliseconds */
export function slowestSteps(steps: readonly JournalRead<'steps'>[], runId: string, now: number) {
  const took = (step: JournalRead<'steps'>) => Number(step.duration_ms)
  const total = (all: readonly JournalRead<'steps'>[]) => all.reduce((sum, step) => sum + took(step), 0)
  const did = steps.filter((step) => step.status === 'ok' || step.status === 'failed')
  const month = did.filter((step) => (step.started_at?.toDate().getTime() ?? 0) >= now - MONTH_DAYS * DAY)
  const run = did.filter((step) => step.run_id === runId)
  const usual = (dataset: string | null) =>
    median(month.filter((step) => step.dataset === dataset && step.run_id !== runId && step.status === 'ok').map(took))
  const byDataset = [...new Set(month.map((step) => step.dataset))].map((dataset) => ({
    dataset,
    own: month.filter((step) => step.dataset === dataset),
  }))
  return {
    run: run
      .map((step) => ({
        dataset: step.dataset ?? '',
        durationMs: took(step),
        share: took(step) / Math.max(1, total(run)),
        usualMs: usual(step.dataset),
      }))
      .sort((one, other) => other.durationMs - one.durationMs)
      .slice(0, SLOWEST),
    month: byDataset
      .map(({ dataset, own }) => ({
        dataset: dataset ?? '',
        steps: own.length,
        totalMs: total(own),
        share: total(own) / Math.max(1, total(month)),
        usualMs: median(own.map(took)) ?? 0,
        longestMs: Math.max(...own.map(took)),
      }))
      .sort((one, other) => other.totalMs - one.totalMs)
      .slice(0, SLOWEST),
  }
}

/**
 * Alerts that fire now, and those that `sluice monitor` held at its last turn. Those of the past are not replayed here: that takes seconds,
 * which every run would wait for.
 */
export async function alertsNow(workspace: Workspace, session: Session, now: number) {
  const { groups } = monitorsOf(workspace.project)
  const state = await monitorState(workspace)
  const { firing } = checkAlerts(groups, await keptSeries(workspace, session, { groups, from: now }), { now })
  return {
    judgedAt: now,
    watched: groups.flatMap((group) => group.rules).filter((rule) => isAlert(rule) && !rule.watchdog).length,
    firing: firing.map(({ alert, severity, labels, summary, description, since }) => ({
      alert,
      severity,
      about: labels['dataset'] ?? '',
      summary,
      description,
      since,
    })),
    monitor:
      state.turnedAt === 0
        ? null
        : { turnedAt: state.turnedAt, firing: state.firing.map((one) => one.alert), pending: state.pending.map((one) => one.alert) },
  }
}

/**
 * What fired in the last 30 days, or since the first sample, by replaying every alert over what was kept.
 * @param now Unix milliseconds
 */
export async function alertsBefore(workspace: Workspace, session: Session, now: number) {
  const { groups } = monitorsOf(workspace.project)
  const series = await keptSeriesList(workspace, session, { groups, from: now - MONTH_DAYS * DAY })
  const first = Math.min(now, ...series.map(({ times }) => times[0] ?? now))
  const from = Math.max(first, now - MONTH_DAYS * DAY)
  const found =
    from < now ? await backtest(groups, seriesInMemory(series), { from, to: now, otherThresholds: false, signal: workspace.signal }) : []
  const alerts = found
    .filter(({ pages }) => pages > 0)
    .map(({ alert, severity, pages, firingSeconds, episodes }) => ({
      alert,
      severity,
      times: pages,
      firingMs: firingSeconds * 1000,
      lastAt: Math.max(...episodes.map((episode) => episode.from)),
      about: [...new Set(episodes.flatMap(({ labels: { dataset } }) => dataset ?? []))],
    }))
    .sort((one, other) => other.lastAt - one.lastAt)
  return { from, alerts }
}

export function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((one, other) => one - other)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return null
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}
