import { datasetLink } from './anchors.js'
import { drawSpan } from './charts.js'
import { outcomeOf } from './findings.js'
import { bytes, count, counted, duration, total } from './format.js'
import { type Html, html } from './html.js'
import { drawMark, markOf, statusMark, syntheticTag } from './marks.js'
import type { ReportFile, ReportModel, ReportStep } from './model.js'
import { capped, drawTable } from './table.js'

/** What ran and when, rows in and out; then every expectation, and every file. */
export function drawSteps(model: ReportModel): Html | undefined {
  const { steps } = model
  if (steps.length === 0) return undefined
  return html`<section id="steps"><h2>Steps</h2>${drawStepTable(model)}${drawExpectations(steps)}${steps.map(drawFiles)}</section>`
}

function drawStepTable({ steps, run, datasets }: ReportModel): Html {
  const clock = clockOf(steps, run.startedAt)
  const synthetic = new Set(datasets.filter((dataset) => dataset.synthetic).map(({ name }) => name))
  const axis = html`<span class="axis"><span>0 s</span><span>${duration(clock.length)}</span></span>`
  const rows = ['Read', 'Rows in', 'Accepted', 'Held', 'Written', 'Size'].map((heading) => ({ heading, numeric: true }))
  return drawTable({
    caption: `${tally(steps)}. Rows in = accepted + held.`,
    label: 'Steps of this run',
    columns: [
      { heading: 'Dataset', className: 'lead' },
      { heading: 'Status' },
      { heading: html`<span class="hidden">Timeline, from</span>${axis}`, className: 'timeline' },
      { heading: 'Duration', numeric: true },
      ...rows,
      { heading: 'Version', numeric: true },
    ],
    rows: steps.map((step) => drawStep(step, clock, synthetic.has(step.dataset))),
  })
}

function drawStep(step: ReportStep, clock: Clock, synthetic: boolean): readonly (Html | string)[] {
  const ran = step.status !== 'skipped' && step.status !== 'blocked'
  const held = step.rowsQuarantined > 0 ? html`<strong class="caution">${count(step.rowsQuarantined)}</strong>` : count(0)
  const rows = [count(step.rowsRead), count(step.rowsIn), count(step.rowsAccepted), held, count(step.rowsWritten), bytes(step.bytesWritten)]
  return [
    html`${datasetLink(step.dataset)}<span class="reason">${step.reasons.join('; ')} ${synthetic && syntheticTag}</span>`,
    statusMark(step.status),
    drawTime(step, clock),
    ran ? duration(step.durationMs) : '',
    ...(ran ? rows : rows.map(() => '')),
    step.version >= 0 ? `v${count(step.version)}` : '',
  ]
}

function tally(steps: readonly ReportStep[]): string {
  return [...countedBy(steps, (step) => markOf(step.status).word)].map(([word, number]) => `${count(number)} ${word}`).join(', ')
}

function countedBy<T>(items: readonly T[], key: (item: T) => string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1)
  return counts
}

/** The time line all steps share: from the start of the run to the end of its last step. */
interface Clock {
  readonly start: number
  readonly length: number
}

function clockOf(steps: readonly ReportStep[], runStartedAt: string): Clock {
  const spans = steps.map(spanOf).filter((span) => span !== undefined)
  const start = Math.min(...[Date.parse(runStartedAt), ...spans.map((span) => span.start)].filter((moment) => !Number.isNaN(moment)))
  const end = Math.max(...spans.map((span) => span.end))
  return { start, length: spans.length === 0 ? 0 : end - start }
}

function spanOf({ startedAt, durationMs, status }: ReportStep): { start: number; end: number } | undefined {
  const start = Date.parse(startedAt)
  if (Number.isNaN(start) || status === 'blocked' || status === 'skipped') return undefined
  return { start, end: start + durationMs }
}

function drawTime(step: ReportStep, clock: Clock): Html {
  const span = spanOf(step)
  if (span === undefined || !(clock.length > 0)) return html``
  const label = `${step.dataset}: begins after ${duration(span.start - clock.start)}, takes ${duration(step.durationMs)}`
  return drawSpan((span.start - clock.start) / clock.length, step.durationMs / clock.length, markOf(step.status).tone, label)
}

function drawExpectations(steps: readonly ReportStep[]): Html {
  const judged = steps.flatMap((step) => step.expectations.map((expectation) => ({ dataset: step.dataset, expectation })))
  if (judged.length === 0) return html`<p class="note">No expectations were judged.</p>`
  const outcomes = [...countedBy(judged, ({ expectation }) => outcomeOf(expectation).word)].map(
    ([word, number]) => `${count(number)} ${word}`,
  )
  const table = drawTable({
    caption: 'Every expectation of this run',
    label: 'Every expectation of this run',
    columns: [
      { heading: 'Expectation', className: 'prose' },
      { heading: 'Dataset' },
      { heading: 'Outcome' },
      { heading: 'Failed', numeric: true },
      { heading: 'Evaluated', numeric: true },
      { heading: 'Action' },
      { heading: 'Severity' },
    ],
    rows: judged.map(({ dataset, expectation }) => [
      html`<code>${expectation.name}</code>${expectation.description !== expectation.name && html`<span class="reason">${expectation.description}</span>`}`,
      datasetLink(dataset),
      drawMark(outcomeOf(expectation)),
      count(expectation.failed),
      count(expectation.evaluated),
      expectation.action,
      expectation.severity,
    ]),
  })
  return html`<details><summary>${counted(judged.length, 'expectation')}: ${outcomes.join(', ')}</summary>${table}</details>`
}

function drawFiles({ dataset, files }: ReportStep): Html {
  if (files.length === 0) return html``
  const order = ['refused', 'taken', 'known']
  const { shown, rest } = capped(
    [...files].sort((a, b) => order.indexOf(a.status) - order.indexOf(b.status)),
    200,
    'file',
  )
  const table = drawTable({
    caption: `Files of ${dataset}`,
    label: `Files of ${dataset}`,
    columns: [
      { heading: 'File', className: 'path' },
      { heading: 'Status' },
      { heading: 'Rows', numeric: true },
      { heading: 'Note', className: 'prose' },
    ],
    rows: shown.map((file) => [html`<code>${file.path}</code>`, statusMark(file.status), count(file.rows), noteOf(file)]),
  })
  const tallied = [...countedBy(files, ({ status }) => status)].map(([status, number]) => `${count(number)} ${status}`).join(', ')
  const summary = `${counted(files.length, 'file')} of ${dataset}: ${tallied}; ${counted(
    total(files, ({ rows }) => rows),
    'row',
  )}`
  return html`<details><summary>${summary}</summary>${table}${rest}</details>`
}

function noteOf({ note, error }: ReportFile): Html {
  return html`${error && html`<code>${error.code}</code> `}${note ?? error?.message}`
}
