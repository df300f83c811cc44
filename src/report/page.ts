import { drawAlerts } from './alerts.js'
import { datasetAnchor } from './anchors.js'
import { drawAnomalies } from './anomalies.js'
import { drawDatasets } from './datasets.js'
import { drawFindings } from './findings.js'
import { counted, duration, instant, listed } from './format.js'
import { headlineOf } from './headline.js'
import { drawHistory } from './history.js'
import { type Html, html } from './html.js'
import { drawLineage } from './lineage-drawing.js'
import { statusMark, syntheticTag } from './marks.js'
import type { ReportModel } from './model.js'
import { drawOperations } from './operations.js'
import { drawOverTimeSection } from './over-time.js'
import { drawReconciliations } from './reconciliations.js'
import { drawSlowest } from './slowest.js'
import { drawSteps } from './steps.js'
import { stylesheet, themeScript } from './style.js'
import { drawSyncs } from './syncs.js'

const policy =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

/** One HTML document about one run. It needs no network, no script and no other file; the same model always gives the same bytes. */
export function renderReport(model: ReportModel): string {
  const { project, run } = model
  const parts = partsOf(model)
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${project}: run ${run.status}, ${instant(run.startedAt)}</title>
<style>${stylesheet}</style>
<script>${themeScript}</script>
</head>
<body>
<a class="skip" href="#content">Skip to the report</a>
${drawHeader(model, parts)}
<main id="content">
${parts.map(({ section }) => section)}
</main>
<footer>Drawn by Sluice ${model.sluiceVersion} from the run records of ${run.runId}.</footer>
</body>
</html>
`
  return page.toString()
}

interface Part {
  readonly id: string
  readonly title: string
  readonly section: Html
}

/** The sections there is something to say in, what is wrong before what is. */
function partsOf(model: ReportModel): readonly Part[] {
  const sections = [
    { id: 'attention', title: 'Attention', section: drawFindings(model) },
    { id: 'alerts', title: 'Alerts', section: drawAlerts(model) },
    { id: 'steps', title: 'Steps', section: drawSteps(model) },
    { id: 'slowest', title: 'Slowest steps', section: drawSlowest(model) },
    { id: 'syncs', title: 'Syncs', section: drawSyncs(model) },
    { id: 'reconciliations', title: 'Reconciliations', section: drawReconciliations(model) },
    { id: 'anomalies', title: 'Anomalies', section: drawAnomalies(model) },
    { id: 'operations', title: 'Store operations', section: drawOperations(model) },
    { id: 'lineage', title: 'Lineage', section: drawLineageSection(model) },
    { id: 'datasets', title: 'Datasets', section: drawDatasets(model.datasets) },
    { id: 'history', title: 'History', section: drawHistory(model) },
    { id: 'metrics', title: 'Metrics over time', section: drawOverTimeSection(model) },
    { id: 'run', title: 'Run', section: drawRun(model) },
  ]
  return sections.flatMap(({ id, title, section }) => (section === undefined ? [] : [{ id, title, section }]))
}

function drawHeader(model: ReportModel, parts: readonly Part[]): Html {
  const { project, run } = model
  const { sentence, detail } = headlineOf(model)
  return html`<header>
<div class="masthead"><p><strong>${project}</strong> <span class="facts"><time datetime="${run.startedAt}">${instant(run.startedAt)}</time> · ${run.environment}</span></p>
<button type="button" id="theme" hidden>Dark</button></div>
<p class="verdict">Run ${statusMark(run.status)} <span class="facts">in ${duration(run.durationMs)}</span></p>
<h1>${sentence}</h1>
${detail !== '' && html`<p class="detail">${detail}</p>`}
${drawSyntheticNotice(model)}
<nav aria-label="Sections">${parts.map(({ id, title }) => html`<a href="#${id}">${title}</a> `)}</nav>
</header>`
}

function drawSyntheticNotice({ datasets }: ReportModel): Html {
  const synthetic = datasets.filter((dataset) => dataset.synthetic).map(({ name }) => name)
  if (synthetic.length === 0) return html``
  const named = synthetic.length === datasets.length && datasets.length > 1 ? 'every dataset' : listed(synthetic)
  return html`<p class="synthetic">${syntheticTag} Generated rows, not real ones, fill ${named}.</p>`
}

function drawLineageSection({ datasets, steps }: ReportModel): Html | undefined {
  if (datasets.length === 0) return undefined
  return html`<section id="lineage"><h2>Lineage</h2><div class="scroll" role="group" aria-label="Lineage, drawn" tabindex="0">${drawLineage(datasets, steps, datasetAnchor)}</div></section>`
}

function drawRun({ run, lake, sluiceVersion, steps }: ReportModel): Html {
  const facts: readonly (readonly [string, Html])[] = [
    ['Run', html`<code>${run.runId}</code>`],
    ['Started', html`${instant(run.startedAt)}`],
    ['Duration', html`${duration(run.durationMs)}, ${counted(steps.length, 'step')}`],
    ['Environment', html`${run.environment}`],
    ['Lake', html`<code>${lake}</code>`],
    ['Sluice', html`${sluiceVersion}`],
  ]
  const variables = run.variables.map(({ name, value }) => html`<div><dt><code>${name}</code></dt><dd><code>${value}</code></dd></div>`)
  return html`<section id="run"><h2>Run</h2><dl>${facts.map(([term, fact]) => html`<div><dt>${term}</dt><dd>${fact}</dd></div>`)}</dl>
<h3>Variables</h3>${variables.length > 0 ? html`<dl>${variables}</dl>` : html`<p class="note">The project has no variables, or none with a value that may be shown.</p>`}</section>`
}
