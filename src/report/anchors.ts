import { type Html, html } from './html.js'

/** The fragment under which a dataset's profile stands: `silver.trips` -> `dataset-silver.trips`. */
export function datasetAnchor(dataset: string): string {
  return `dataset-${dataset.replace(/[^\w.-]+/g, '-')}`
}

export function datasetLink(dataset: string): Html {
  return html`<a class="name" href="#${datasetAnchor(dataset)}">${dataset}</a>`
}

/** A link where the page shows the dataset; its name where the project no longer has it, as records of earlier runs may say. */
export function datasetMention(dataset: string, datasets: readonly { readonly name: string }[]): Html {
  return datasets.some(({ name }) => name === dataset) ? datasetLink(dataset) : html`<span class="name">${dataset}</span>`
}
