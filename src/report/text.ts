import { count, counted, cut, duration, instant, listed, share } from './format.js'
import { headlineOf } from './headline.js'
import type { ReportModel } from './model.js'
import { causesOf, verdictOf } from './reconciliations.js'

const LONGEST = 160

/**
 * The report for a terminal, a mail or a log: what the page says first, without its charts. Sections that have nothing to say are left out.
 * The same model always gives the same text.
 */
export function renderReportText(model: ReportModel): string {
  const { project, run } = model
  const { sentence, detail } = headlineOf(model)
  const sections = [alertsOf(model), stepsOf(model), syncsOf(model), reconciliationsOf(model), anomaliesOf(model), operationsOf(model)]
  const head = [`${project}  run ${run.runId}  ${run.status}`, `${instant(run.startedAt)}, ${duration(run.durationMs)}, ${run.environment}`]
  return [
    ...head,
    '',
    sentence,
    ...(detail === '' ? [] : [detail]),
    ...sections.flatMap((lines) => (lines.length === 0 ? [] : ['', ...lines])),
  ].join('\n')
}

function alertsOf({ alerts }: ReportModel): string[] {
  if (alerts.firing.length === 0) return [`Alerts: none of ${count(alerts.watched)} fires.`]
  return ['Alerts that fire', ...alerts.firing.map((one) => `  ${one.severity}  ${one.alert}: ${cut(one.summary, LONGEST)}`)]
}

function stepsOf({ steps }: ReportModel): string[] {
  return grid(
    'Steps',
    ['dataset', 'status', 'accepted', 'held', 'time'],
    steps.map((one) => [one.dataset, one.status, count(one.rowsAccepted), count(one.rowsQuarantined), duration(one.durationMs)]),
    steps.flatMap(({ dataset, error }) => (error === undefined ? [] : [`${dataset}: ${error.code}  ${cut(error.message, LONGEST)}`])),
  )
}

function syncsOf({ syncs }: ReportModel): string[] {
  return grid(
    'Syncs',
    ['sync', 'status', 'inserted', 'updated', 'deleted', 'refused', 'time'],
    syncs.map(({ name, history: [last], deadLetters }) =>
      last === undefined
        ? [name, 'never ran', '', '', '', count(deadLetters.rows), '']
        : [
            name,
            last.status,
            ...[last.inserted, last.updated, last.deleted, deadLetters.rows].map((value) => count(value)),
            duration(last.durationMs),
          ],
    ),
    syncs.flatMap(({ name, history: [last], deadLetters: { reasons } }) => [
      ...(last?.error === undefined ? [] : [`${name}: ${last.error.code}  ${cut(last.error.message, LONGEST)}`]),
      ...reasons.map(({ reason, rows }) => `${name}: ${counted(rows, 'row')} refused, ${cut(reason, LONGEST)}`),
    ]),
  )
}

function reconciliationsOf({ reconciliations }: ReportModel): string[] {
  return grid(
    'Reconciliations',
    ['sync', 'verdict', 'level', 'compared', 'differences', 'when'],
    reconciliations.map((one) => [
      one.name,
      verdictOf(one).word,
      one.level,
      count(one.compared),
      count(one.differences),
      instant(one.startedAt),
    ]),
    reconciliations.flatMap((one) => (one.differences === 0 ? [] : [`${one.name}: ${causesOf(one)}`])),
  )
}

function anomaliesOf({ anomalies }: ReportModel): string[] {
  const lines = anomalies.flatMap(({ name, dataset, history: [last], methods, worst }) =>
    last === undefined
      ? [`${name} never ran.`]
      : [
          `${name}: ${count(last.found)} of ${count(last.judged)} rows of ${dataset} are odd (${share(last.found, last.judged)}), by ${listed(methods.map(({ method }) => method))}`,
          ...worst
            .slice(0, 3)
            .map(({ key, reason }) => `  ${key.map(({ column, value }) => `${column} ${value}`).join(', ')}: ${cut(reason, LONGEST)}`),
        ],
  )
  return lines.length === 0 ? [] : ['Anomalies', ...lines.map((line) => `  ${line}`)]
}

function operationsOf({ operations }: ReportModel): string[] {
  return grid(
    'Store operations, the slowest first',
    ['operation', 'store', 'times', 'median', 'longest', 'mismatches', 'errors'],
    operations.map((one) => [
      one.operation,
      one.store,
      count(one.times),
      duration(one.usualMs),
      duration(one.longestMs),
      count(one.mismatches),
      count(one.errors),
    ]),
  )
}

/** A heading, aligned columns (the first two to the left, the others to the right), and notes. Nothing without rows. */
function grid(title: string, head: readonly string[], rows: readonly (readonly string[])[], notes: readonly string[] = []): string[] {
  if (rows.length === 0) return []
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => (row[column] ?? '').length)))
  const drawn = [head, ...rows].map((row) =>
    row
      .map((text, column) => (column < 2 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
  return [title, ...[...drawn, ...notes].map((line) => `  ${line}`)]
}
