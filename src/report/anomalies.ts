import { datasetMention } from './anchors.js'
import { drawDistribution } from './charts.js'
import { count, counted, cut, duration, instant, share } from './format.js'
import { type Html, html } from './html.js'
import type { ReportAnomalies, ReportDistribution, ReportModel } from './model.js'
import { drawCells, nameOf } from './syncs.js'
import { drawTable } from './table.js'

/** What was found odd, by whom, and where it lies; undefined in a project that looks for none. */
export function drawAnomalies({ anomalies, datasets }: ReportModel): Html | undefined {
  if (anomalies.length === 0) return undefined
  return html`<section id="anomalies"><h2>Anomalies</h2>${anomalies.map((one) => drawOne(one, datasets))}</section>`
}

function drawOne(one: ReportAnomalies, datasets: ReportModel['datasets']): Html {
  const [last] = one.history
  const heading = html`<h3>${nameOf(one.name)} <span class="facts">in ${datasetMention(one.dataset, datasets)}</span></h3>`
  if (last === undefined)
    return html`<div class="detector">${heading}<p>It never ran: <code>sluice anomaly run ${one.name}</code></p></div>`
  const votes = one.methods.length > 1 ? `, by ${count(one.votes)} of ${counted(one.methods.length, 'method')} or more` : ''
  return html`<div class="detector">${heading}
<p><strong>${count(last.found)}</strong> of ${counted(last.judged, 'row')} (${share(last.found, last.judged)}) are odd${votes}. <span class="facts">Judged ${instant(last.startedAt)} in ${duration(last.durationMs)}${one.behind && html`; <strong class="caution">${one.dataset} has changed since</strong>`}.</span></p>
${drawMethods(one, last.judged)}${one.distribution !== undefined && drawChart(one, one.distribution)}${drawWorst(one)}</div>`
}

function drawMethods({ name, methods }: ReportAnomalies, judged: number): Html {
  return drawTable({
    caption: html`<span class="hidden">Methods of ${name}</span>`,
    label: `Methods of ${name}`,
    columns: [
      { heading: 'Method' },
      { heading: 'Rows', numeric: true },
      { heading: 'Flagged', numeric: true },
      { heading: 'Share', numeric: true },
      { heading: 'Threshold', numeric: true },
    ],
    rows: methods.map(({ method, threshold, flagged }) => [
      html`<code>${method}</code>`,
      count(judged),
      count(flagged),
      share(flagged, judged),
      figure(threshold),
    ]),
  })
}

/** Counts go from one to a hundred thousand: on a straight scale the odd ones would be too small to see. */
function drawChart({ name }: ReportAnomalies, { feature, low, high, bars }: ReportDistribution): Html {
  const most = Math.max(1, ...bars.map(([, rows]) => rows))
  const found = bars.reduce((sum, [, , odd]) => sum + odd, 0)
  const width = (high - low) / 40
  const label = `${feature} of ${name}: ${counted(bars.length, 'bar')} from ${figure(low)} to ${figure(high)}, at most ${counted(most, 'row')} in one; ${count(found)} odd`
  const drawn = bars.map(([bar, rows, odd]) => ({
    bar,
    rows,
    odd,
    label: `${figure(low + bar * width)} to ${figure(low + (bar + 1) * width)}: ${counted(rows, 'row')}, ${count(odd)} odd`,
  }))
  return html`<figure><figcaption><strong>${feature}</strong> <span class="facts"><span class="key all" aria-hidden="true"></span> all rows <span class="key odd" aria-hidden="true"></span> odd ones, the narrow bars</span></figcaption>
<div class="plot"><span class="levels"><span>${count(most)}</span><span>0</span></span>${drawDistribution(drawn, most, label)}<span class="axis"><span>${figure(low)}</span><span>${figure(high)}</span></span></div>
<p class="note">Rows by their ${feature}, on a scale that grows by factors of ten. What lies beyond its ends is in the outermost bars.</p></figure>`
}

function drawWorst({ name, worst, results, methods }: ReportAnomalies): Html {
  if (worst.length === 0) return html``
  const table = drawTable({
    caption: html`<span class="hidden">The oddest of ${name}</span>`,
    label: `The oddest of ${name}`,
    columns: [
      { heading: 'Row', className: 'value' },
      ...(methods.length > 1 ? [{ heading: 'Method' }] : []),
      { heading: 'Score', numeric: true },
      { heading: 'Why', className: 'prose' },
    ],
    rows: worst.map((one) => [
      drawCells(one.key),
      ...(methods.length > 1 ? [html`<code>${one.method}</code>`] : []),
      one.score === null ? '' : figure(one.score),
      cut(one.reason, 300),
    ]),
    rowHeaders: false,
  })
  return html`<details open><summary>The oddest ${count(worst.length)}</summary>${table}<p class="note">All of them: <code>${results}</code></p></details>`
}

/** Four digits, for scores and bounds of any size. */
function figure(value: number): string {
  return Number.isFinite(value) ? Number(value.toPrecision(4)).toLocaleString('en-US', { maximumSignificantDigits: 4 }) : '–'
}
