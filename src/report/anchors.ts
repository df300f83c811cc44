import { type Html, html } from './html.js'

/** The fragment under which a dataset's profile stands: `silver.trips` -> `dataset-silver.trips`. */
export function datasetAnchor(dataset: string): string {
  return `dataset-${dataset.replace(/[^\w.-]+/g, '-')}`
}

export function datasetLink(dataset: string): Html {
  return html`<a class="name" href="#${datasetAnchor(dataset)}">${dataset}</a>`
}
