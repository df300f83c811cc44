import { datasetLink } from './anchors.js'
import { count, counted, cut, listed, share } from './format.js'
import { type Html, html, literal } from './html.js'
import { drawMark, type Mark, markOf, statusMark, syntheticTag } from './marks.js'
import type {
  ReportDataset,
  ReportDrift,
  ReportExpectation,
  ReportFailure,
  ReportFile,
  ReportModel,
  ReportSample,
  ReportStep,
} from './model.js'
import { drawStoreFindings } from './store-findings.js'
import { capped, drawTable } from './table.js'

interface Finding {
  readonly step: ReportStep
  readonly expectation: ReportExpectation
}

/** All that went wrong, worst first: errors, refused files, stores that are not as they should be, broken expectations with rows that show how, drift. */
export function drawFindings(model: ReportModel): Html {
  const findings = findingsOf(model.steps)
  const parts = [
    drawErrors(model),
    drawRefusedFiles(model.steps),
    ...drawStoreFindings(model),
    drawBrokenExpectations(findings, model),
    drawDrift(model.steps),
  ]
  const found = parts.filter((part) => part !== undefined)
  if (found.length > 0) return html`<section id="attention"><h2>Needs attention</h2>${found}</section>`
  if (model.run.status !== 'ok') {
    return html`<section id="attention"><h2>Needs attention</h2><p>The run is ${statusMark(model.run.status)}; its records hold no error.</p></section>`
  }
  return html`<section id="attention"><h2>Nothing needs attention</h2><p>${reassurance(model)}</p></section>`
}

function reassurance({ steps, syncs, reconciliations }: ReportModel): string {
  const judged = steps.reduce((sum, step) => sum + step.expectations.length, 0)
  const passed =
    judged === 0 ? 'no expectation was judged' : judged === 1 ? 'the one expectation passed' : `all ${count(judged)} expectations passed`
  const stores =
    syncs.length === 0 ? '' : reconciliations.length < syncs.length ? ' Syncs went well.' : ' Syncs went well, and no difference is known.'
  return `No errors, no refused files, no schema drift; ${passed}.${stores}`
}

function drawErrors({ run, steps }: ReportModel): Html | undefined {
  const failed = steps.flatMap(({ dataset, error }) => (error === undefined ? [] : [{ dataset, error }]))
  const said = [...failed.map(({ error }) => error), ...steps.flatMap(({ files }) => files.flatMap(({ error }) => error ?? []))]
  const ofRunAlone = run.error !== undefined && !said.some((error) => isSame(error, run.error)) ? run.error : undefined
  if (failed.length === 0 && ofRunAlone === undefined) return undefined
  return html`${ofRunAlone && drawFailure(ofRunAlone, html`The run`)}${failed.map(({ dataset, error }) => drawFailure(error, datasetLink(dataset)))}`
}

function isSame(one: ReportFailure, other: ReportFailure | undefined): boolean {
  return one.code === other?.code && one.message === other.message
}

function drawFailure(failure: ReportFailure, subject: Html): Html {
  return html`<article class="finding bad"><h3>${statusMark('failed')} ${subject} <code>${failure.code}</code></h3>
<p>${failure.message}</p>${drawHint(failure)}</article>`
}

function drawRefusedFiles(steps: readonly ReportStep[]): Html | undefined {
  const refused = steps.flatMap(({ dataset, files }) =>
    files.filter(({ status }) => status === 'refused').map((file) => ({ dataset, file })),
  )
  if (refused.length === 0) return undefined
  const { shown, rest } = capped(refused, 100, 'refused file')
  const items = shown.map(
    ({ dataset, file }) =>
      html`<li><code>${file.path}</code> <span class="facts">for</span> ${datasetLink(dataset)}${drawRefusal(file)}</li>`,
  )
  return html`<article class="finding bad"><h3>${statusMark('refused')} ${counted(refused.length, 'file')}</h3><ul>${items}</ul>${rest}</article>`
}

function drawRefusal({ error, note }: ReportFile): Html {
  if (error === undefined) return html`<p>${note ?? 'No reason was recorded.'}</p>`
  return html`<p><code>${error.code}</code> ${error.message}</p>${drawHint(error)}`
}

function drawHint({ hint }: ReportFailure): Html | false {
  return hint !== '' && html`<p><strong>What to do:</strong> ${hint}</p>`
}

function findingsOf(steps: readonly ReportStep[]): readonly Finding[] {
  const found = steps.flatMap((step) => step.expectations.filter(isBroken).map((expectation) => ({ step, expectation })))
  return found.sort((a, b) => gravity(b.expectation) - gravity(a.expectation) || b.expectation.failed - a.expectation.failed)
}

function isBroken({ status, failed }: ReportExpectation): boolean {
  return status !== 'pass' || failed > 0
}

function gravity({ action }: ReportExpectation): number {
  return ['warn', 'quarantine', 'fail'].indexOf(action)
}

/** What came of an expectation, said by what it did: rows it held read differently from a step it stopped. */
export function outcomeOf(expectation: ReportExpectation): Mark {
  if (!isBroken(expectation)) return markOf('pass')
  if (expectation.action === 'quarantine') return { symbol: '!', word: 'held rows', tone: 'caution' }
  return expectation.action === 'fail' && expectation.status === 'fail'
    ? { symbol: '✕', word: 'stopped the step', tone: 'bad' }
    : markOf('warn')
}

/** How many samples are unfolded before the reader asks. */
const unfoldedSamples = 6

function drawBrokenExpectations(findings: readonly Finding[], { samples, datasets }: ReportModel): Html | undefined {
  const sampleOf = ({ step, expectation }: Finding) =>
    samples.find((sample) => sample.dataset === step.dataset && sample.expectation === expectation.name)
  const used = new Set(findings.map(sampleOf))
  const earlier = samples.filter((sample) => !used.has(sample))
  if (findings.length === 0 && earlier.length === 0) return undefined
  const datasetOf = (name: string) => datasets.find((dataset) => dataset.name === name)
  return html`${findings.map((finding, index) =>
    drawFinding(finding, sampleOf(finding), datasetOf(finding.step.dataset), index < unfoldedSamples),
  )}${earlier.map((sample) => drawEarlierSample(sample, datasetOf(sample.dataset)))}`
}

function drawFinding(
  { step, expectation }: Finding,
  sample: ReportSample | undefined,
  dataset: ReportDataset | undefined,
  open: boolean,
): Html {
  const { name, description, failed, evaluated, action, severity } = expectation
  const outcome = outcomeOf(expectation)
  const extent =
    evaluated > 1 ? html`<strong>${count(failed)}</strong> of ${count(evaluated)} (${share(failed, evaluated)}) failed` : 'not met'
  evaluated > 0 ? html`<strong>${count(failed)}</strong> of ${count(evaluated)} (${share(failed, evaluated)})` : count(failed)
  return html`<article class="finding ${outcome.tone}"><h3>${drawMark(outcome)} <code>${name}</code> ${datasetLink(step.dataset)}</h3>
<p>${description !== '' && description !== name && html`${description}<br>`}<span class="facts">${extent} · action ${action} · severity ${severity}</span></p>
${sample && drawSample(sample, dataset, open)}</article>`
}

const heldBefore: Mark = { symbol: '!', word: 'held before this run', tone: 'caution' }

function drawEarlierSample(sample: ReportSample, dataset: ReportDataset | undefined): Html {
  return html`<article class="finding caution"><h3>${drawMark(heldBefore)} <code>${
    sample.expectation
  }</code> ${datasetLink(sample.dataset)}</h3>${drawSample(sample, dataset, false)}</article>`
}

function drawSample(sample: ReportSample, dataset: ReportDataset | undefined, open: boolean): Html {
  const { columns, rows, withheld } = withoutPii(sample, dataset)
  const synthetic = dataset?.synthetic === true
  const explain = html`<p class="explain"><span>Explain them:</span> <code>${sample.explain}</code></p>`
  const pii = withheld.length > 0 && html`<p class="note">Withheld, tagged <code>pii</code>: ${listed(withheld)}.</p>`
  if (rows.length === 0 || columns.length === 0) return html`${explain}${pii}`
  const table = drawTable({
    caption: html`<span class="hidden">Rows of ${sample.dataset} that broke ${sample.expectation}${synthetic && ', synthetic'}</span>`,
    label: `Sample rows of ${sample.dataset} that broke ${sample.expectation}`,
    columns: columns.map((heading, index) => ({ heading, className: 'value', numeric: rows.every((row) => isNumeric(row[index])) })),
    rows: rows.map((row) => row.map(drawValue)),
    rowHeaders: false,
  })
  const summary = html`Sample of ${counted(rows.length, 'failing row')} ${synthetic && syntheticTag}`
  return html`${explain}<details ${open && literal`open`}><summary>${summary}</summary>${table}${pii}</details>`
}

function isNumeric(value: string | null | undefined): boolean {
  return value === null || value === undefined || /^-?\d+(\.\d+)?$/.test(value)
}

function drawValue(value: string | null): Html {
  if (value === null) return html`<span class="null">null</span>`
  return value.length > 48 ? html`<span class="long">${cut(value, 200)}</span>` : html`${value}`
}

/** Columns tagged `pii` do not reach a report; should one, it stops here. */
function withoutPii(sample: ReportSample, dataset: ReportDataset | undefined): Pick<ReportSample, 'columns' | 'rows' | 'withheld'> {
  const tagged = new Set([...sample.withheld, ...(dataset?.profile ?? []).filter(({ pii }) => pii).map(({ column }) => column)])
  const shown = sample.columns.flatMap((column, index) => (tagged.has(column) ? [] : [index]))
  const stopped = sample.columns.filter((column) => tagged.has(column))
  return {
    columns: shown.map((index) => sample.columns[index] ?? ''),
    rows: sample.rows.map((row) => shown.map((index) => row[index] ?? null)),
    withheld: [...new Set([...sample.withheld, ...stopped])],
  }
}

function drawDrift(steps: readonly ReportStep[]): Html | undefined {
  const drifts = [...groupedDrift(steps).values()]
  if (drifts.length === 0) return undefined
  const { shown, rest } = capped(drifts, 100, 'change')
  const table = drawTable({
    caption: 'Columns that arrived other than they are declared',
    label: 'Schema drift',
    columns: ['Column', 'Dataset', 'Change', 'Declared', 'Arrived', 'Policy', 'In'].map((heading) => ({ heading })),
    rows: shown.map(({ dataset, drift, files }) => [
      html`<code>${drift.column}</code>`,
      datasetLink(dataset),
      drift.change,
      drift.expected,
      drift.arrived,
      drift.policy,
      html`<code>${files[0]}</code>${files.length > 1 && html` and ${counted(files.length - 1, 'more file')}`}`,
    ]),
  })
  return html`<article class="finding caution"><h3>${drawMark({ symbol: '≠', word: 'schema drift', tone: 'caution' })} ${counted(drifts.length, 'change')}</h3>${table}${rest}</article>`
}

interface GroupedDrift {
  readonly dataset: string
  readonly drift: ReportDrift
  readonly files: string[]
}

/** The same change in many files is one fact. */
function groupedDrift(steps: readonly ReportStep[]): ReadonlyMap<string, GroupedDrift> {
  const groups = new Map<string, GroupedDrift>()
  for (const { dataset, drift } of steps) {
    for (const change of drift) {
      const key = JSON.stringify([dataset, change.column, change.change, change.expected, change.arrived, change.policy])
      const group = groups.get(key)
      if (group === undefined) groups.set(key, { dataset, drift: change, files: [change.file] })
      else group.files.push(change.file)
    }
  }
  return groups
}
