import { datasetMention } from './anchors.js'
import { drawOverTime } from './charts.js'
import { bytes, count, duration, instant, share } from './format.js'
import { type Html, html } from './html.js'
import type { ReportMetrics, ReportModel, ReportPoint } from './model.js'
import { capped, drawTable } from './table.js'

const tall = 72
const small = 30

/** Kept samples: of runs as dots, for nothing is known between two runs; of tables as steps, for what is kept of them is each change. */
export function drawOverTimeSection({ metrics, datasets: known }: ReportModel): Html {
  const { runSeconds, rowsWritten, datasets, from, to } = metrics
  if (runSeconds.length + rowsWritten.length + datasets.length === 0) {
    return html`<section id="metrics"><h2>Metrics over time</h2><p>No metrics are kept yet: each run leaves some, from its first on.</p></section>`
  }
  const { shown, rest } = capped(datasets, 100, 'dataset')
  return html`<section id="metrics"><h2>Metrics over time</h2><div class="charts">${drawPlot('Run time', runSeconds, (value) => duration(value * 1000), metrics)}${drawPlot(
    'Rows written by a run',
    rowsWritten,
    count,
    metrics,
  )}</div>
${drawDatasets(shown, metrics, known)}${rest}<p class="note">From ${day(from, from, to)} to ${day(to, from, to)} UTC, 90 days at most. Every chart begins at 0; its upper line is what is written above or beside it as the most.</p></section>`
}

function drawPlot(name: string, points: readonly ReportPoint[], written: (value: number) => string, { from, to }: ReportMetrics): Html {
  if (points.length === 0) return html``
  const top = most(points)
  const label = `${name}, ${count(points.length)} points, at most ${written(top)}, last ${written(last(points))}`
  return html`<figure><figcaption><strong>${name}</strong> <span class="facts">last ${written(last(points))}</span></figcaption>
<div class="plot"><span class="levels"><span>${written(top)}</span><span>0</span></span>${drawOverTime({ points, from, to, kind: 'happens', top, height: tall, label })}<span class="axis"><span>${day(from, from, to)}</span><span>${day(to, from, to)}</span></span></div></figure>`
}

function drawDatasets(datasets: ReportMetrics['datasets'], metrics: ReportMetrics, known: ReportModel['datasets']): Html {
  if (datasets.length === 0) return html``
  const columns = measures.flatMap(({ name }) => [
    { heading: name, className: 'small' },
    { heading: 'Last', numeric: true },
    { heading: 'Most', numeric: true },
  ])
  return drawTable({
    caption: 'Tables over time, each value until the next. Held: the share of the rows of the last step that its gate did not let in.',
    label: 'Tables over time',
    columns: [{ heading: 'Dataset' }, ...columns],
    rows: datasets.map((one) => [datasetMention(one.dataset, known), ...measures.flatMap((measure) => drawMeasure(one, measure, metrics))]),
  })
}

interface Measure {
  readonly name: string
  readonly of: (dataset: ReportMetrics['datasets'][number]) => readonly ReportPoint[]
  readonly written: (value: number) => string
}

const measures: readonly Measure[] = [
  { name: 'Held', of: ({ quarantinedShare }) => quarantinedShare, written: (value) => share(value, 1) },
  { name: 'Size', of: (one) => one.bytes, written: bytes },
  { name: 'Files', of: ({ files }) => files, written: count },
]

function drawMeasure(
  one: ReportMetrics['datasets'][number],
  { name, of, written }: Measure,
  { from, to }: ReportMetrics,
): (Html | string)[] {
  const points = of(one)
  if (points.length === 0) return ['', '', '']
  const top = most(points)
  const label = `${one.dataset}, ${name}: at most ${written(top)}, last ${written(last(points))}`
  return [drawOverTime({ points, from, to, kind: 'holds', top, height: small, label }), written(last(points)), written(top)]
}

function most(points: readonly ReportPoint[]): number {
  return Math.max(0, ...points.map(({ value }) => value).filter(Number.isFinite))
}

function last(points: readonly ReportPoint[]): number {
  return points.at(-1)?.value ?? Number.NaN
}

/** The day, and the time where all lies within two days. */
function day(at: number, from: number, to: number): string {
  if (!Number.isFinite(at)) return '–'
  const text = instant(new Date(at).toISOString())
  return to - from > 2 * 86_400_000 ? text.slice(0, 10) : text.slice(0, 16)
}
