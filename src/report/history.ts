import { drawBars } from './charts.js'
import { count, counted, duration, instant } from './format.js'
import { type Html, html } from './html.js'
import { markOf, statusMark } from './marks.js'
import type { ReportModel, ReportPastRun } from './model.js'
import { capped, drawTable } from './table.js'

const drawnRuns = 40
const listedRuns = 100

/** This run among the runs before it. */
export function drawHistory({ history, run }: ReportModel): Html {
  if (history.every(({ runId }) => runId === run.runId)) {
    return html`<section id="history"><h2>History</h2><p>This is the first run: there is nothing to compare it with yet.</p></section>`
  }
  const recent = history.slice(0, drawnRuns).reverse()
  const { shown, rest } = capped(history, listedRuns, 'run')
  const charts = measures.map((measure) => drawMeasure(measure, recent, run.runId))
  const table = drawTable({
    caption: 'Runs, newest first',
    label: 'Runs, newest first',
    columns: [
      { heading: 'Started' },
      { heading: 'Status' },
      ...measures.map(({ name }) => ({ heading: name, numeric: true })),
      { heading: 'Run' },
    ],
    rows: shown.map((past) => [
      html`${instant(past.startedAt)}${past.runId === run.runId && html` <span class="tag">this run</span>`}`,
      statusMark(past.status),
      ...measures.map(({ of, written }) => written(of(past))),
      html`<code>${past.runId}</code>`,
    ]),
  })
  return html`<section id="history"><h2>History</h2><div class="charts">${charts}</div>
<details><summary>${counted(history.length, 'run')}, newest first</summary>${table}${rest}</details></section>`
}

interface Measure {
  readonly name: string
  readonly of: (run: ReportPastRun) => number
  readonly written: (value: number) => string
}

const measures: readonly Measure[] = [
  { name: 'Rows written', of: ({ rowsWritten }) => rowsWritten, written: count },
  { name: 'Rows held', of: ({ rowsQuarantined }) => rowsQuarantined, written: count },
  { name: 'Duration', of: ({ durationMs }) => durationMs, written: duration },
]

function drawMeasure({ name, of, written }: Measure, runs: readonly ReportPastRun[], current: string): Html {
  const bars = runs.map((run) => ({
    value: of(run),
    label: `${instant(run.startedAt)}, ${markOf(run.status).word}: ${written(of(run))}`,
    tone: markOf(run.status).tone,
    symbol: run.status === 'ok' ? '' : markOf(run.status).symbol,
    current: run.runId === current,
  }))
  const most = written(Math.max(0, ...runs.map(of)))
  return html`<figure><figcaption><strong>${name}</strong> <span class="facts">at most ${most}</span></figcaption>${drawBars(
    bars,
    `${name} of the last ${counted(runs.length, 'run')}, at most ${most}`,
  )}</figure>`
}
