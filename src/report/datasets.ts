import { datasetAnchor, datasetLink } from './anchors.js'
import { drawHistogram } from './charts.js'
import { bytes, count, counted, cut, measure, share } from './format.js'
import { type Html, html, literal } from './html.js'
import { syntheticTag } from './marks.js'
import type { ReportColumnProfile, ReportDataset } from './model.js'
import { drawTable } from './table.js'

/** Each dataset as its table stands now, with the profile of its columns. */
export function drawDatasets(datasets: readonly ReportDataset[]): Html {
  if (datasets.length === 0) return html`<section id="datasets"><h2>Datasets</h2><p>This project has no datasets yet.</p></section>`
  return html`<section id="datasets"><h2>Datasets</h2>${datasets.map((dataset) => drawDataset(dataset, datasets.length === 1 || dataset.held > 0))}</section>`
}

function drawDataset(dataset: ReportDataset, open: boolean): Html {
  const { name, layer, description, rows, synthetic, held, version } = dataset
  const size = `${bytes(dataset.bytes)} in ${counted(dataset.files, 'file')}`
  return html`<details class="dataset" ${open && literal`open`}><summary><h3>${name}</h3> <span class="facts">${layer} · ${counted(rows, 'row')}${
    held > 0 && html` · <strong class="caution">${count(held)} held</strong>`
  } · ${size} · v${count(version)}</span> ${synthetic && syntheticTag}</summary>
<div class="dataset-body" id="${datasetAnchor(name)}">${description !== '' && html`<p>${description}</p>`}${drawOrigin(dataset)}${drawProfile(dataset)}</div></details>`
}

function drawOrigin({ reads, source }: ReportDataset): Html {
  const read = reads.map((name, index) => html`${index > 0 && ', '}${datasetLink(name)}`)
  return html`${reads.length > 0 && html`<p class="facts">Reads ${read}.</p>`}${source !== undefined && html`<p class="facts">From ${source}.</p>`}`
}

function drawProfile({ name, rows, profiledRows, profile, synthetic }: ReportDataset): Html {
  if (profile.length === 0) return html`<p class="note">No profile was taken${rows === 0 && ': the table has no rows'}.</p>`
  const extent =
    profiledRows < rows ? `a sample of ${count(profiledRows)} of ${counted(rows, 'row')}` : `all ${counted(profiledRows, 'row')}`
  return drawTable({
    caption: html`Profile of ${name}, measured on ${extent} ${synthetic && syntheticTag}`,
    label: `Profile of ${name}`,
    columns: [
      { heading: 'Column' },
      { heading: 'Type' },
      { heading: 'Nulls', numeric: true },
      { heading: 'Distinct', numeric: true },
      { heading: 'Min', numeric: true },
      { heading: 'Mean', numeric: true },
      { heading: 'Max', numeric: true },
      { heading: 'Distribution' },
    ],
    rows: profile.map((column) => drawColumn(column, rows)),
  })
}

function drawColumn(column: ReportColumnProfile, tableRows: number): readonly (Html | string)[] {
  const { type, unit, pii, nulls, distinct } = column
  return [
    html`<code>${column.column}</code>${pii && html` <span class="tag">pii</span>`}`,
    html`${type}${unit !== undefined && html` <span class="unit">${unit}</span>`}`,
    nulls === 0 ? '0' : html`${count(nulls)} <span class="unit">${share(nulls, tableRows)}</span>`,
    distinct === null ? '' : `≈ ${count(distinct)}`,
    ...(pii ? drawWithheld() : drawValues(column)),
  ]
}

/** The least and the greatest value are samples too, and so is the shape between them. */
function drawWithheld(): readonly Html[] {
  const withheld = html`<span class="null">withheld</span>`
  return [withheld, withheld, withheld, withheld]
}

function drawValues({ column, type, min, max, mean, histogram }: ReportColumnProfile): readonly (Html | string)[] {
  const shown = (value: string | null) =>
    value === null ? '' : cut(/^(string|date|time|binary|bool)/i.test(type) ? value : measure(value), 40)
  const label = `${column}: ${counted(histogram.length, 'bucket')} from ${min ?? '–'} to ${max ?? '–'}, at most ${counted(Math.max(0, ...histogram), 'row')} in one`
  return [shown(min), shown(mean), shown(max), drawHistogram(histogram, label)]
}
