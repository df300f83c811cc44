import { count, counted, middleCut } from './format.js'
import { type Html, html } from './html.js'
import { type LineageEdge, type LineageNode, layOutLineage, longestName } from './lineage-layout.js'
import { markOf } from './marks.js'
import type { ReportDataset, ReportStep } from './model.js'

/** Datasets and what they read, from left to right, each with its rows and how its step of this run ended. */
export function drawLineage(datasets: readonly ReportDataset[], steps: readonly ReportStep[], anchor: (dataset: string) => string): Html {
  const { width, height, headings, nodes, edges } = layOutLineage(datasets)
  const stepOf = new Map(steps.map((step) => [step.dataset, step]))
  const margin = 2
  const canvas = { width: Math.ceil(width) + 2 * margin, height: Math.ceil(height) + 2 * margin }
  return html`<svg class="lineage" role="group" aria-label="Lineage of ${counted(datasets.length, 'dataset')}" width="${canvas.width}" height="${
    canvas.height
  }" viewBox="${-margin} ${-margin} ${canvas.width} ${canvas.height}">
<defs><marker id="arrow" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 .8 7.5 4 0 7.2z"/></marker></defs>
${headings.map(({ text, x }) => html`<text class="layer" x="${x}" y="12">${text}</text>`)}
${edges.map(drawEdge)}
${nodes.map((node) => (node.dataset === undefined ? drawSource(node) : drawDataset(node, node.dataset, stepOf.get(node.name), anchor)))}
</svg>`
}

function drawEdge({ from, to, points }: LineageEdge): Html {
  const [start, ...rest] = points
  if (start === undefined) return html``
  let path = `M${at(start)}`
  let last = start
  for (const point of rest) {
    const bend = Math.max(24, Math.abs(point.x - last.x) / 2)
    path +=
      point.y === last.y ? `L${at(point)}` : `C${at({ ...last, x: last.x + bend })} ${at({ ...point, x: point.x - bend })} ${at(point)}`
    last = point
  }
  return html`<path class="edge" d="${path}" marker-end="url(#arrow)"><title>${from} feeds ${to}</title></path>`
}

function at({ x, y }: { x: number; y: number }): string {
  return `${round(x)} ${round(y)}`
}

function drawSource({ name, x, y, width, height }: LineageNode): Html {
  return html`<g class="source" transform="translate(${round(x)} ${round(y)})"><title>${name}</title>
<rect width="${width}" height="${height}" rx="${height / 2}"/><text x="14" y="21">${middleCut(name, longestName)}</text></g>`
}

function drawDataset(node: LineageNode, dataset: ReportDataset, step: ReportStep | undefined, anchor: (dataset: string) => string): Html {
  const { name, x, y, width, height } = node
  const mark = step === undefined ? undefined : markOf(step.status)
  const state = mark === undefined ? 'not in this run' : `${mark.symbol} ${mark.word}`
  const held = dataset.held > 0 ? ` · ${count(dataset.held)} held` : ''
  const origin = dataset.synthetic ? ' · synthetic' : ''
  return html`<a class="dataset" href="#${anchor(name)}"><g transform="translate(${round(x)} ${round(y)})"><title>${name}</title>
<rect class="box" width="${width}" height="${height}" rx="5"/><rect class="edge-tone ${mark?.tone ?? 'quiet'}" width="4" height="${height}" rx="2"/>
<text class="name" x="14" y="20">${middleCut(name, longestName)}</text><text x="14" y="37">${counted(dataset.rows, 'row')}${held}</text>
<text x="14" y="53"><tspan class="state ${mark?.tone ?? 'quiet'}">${state}</tspan>${origin}</text></g></a>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
