import { failure, SELECTOR_UNKNOWN } from '../errors/index.js'
import { downstream, upstream } from '../lineage/index.js'
import { type Dataset, lineageNode } from './dataset.js'

/**
 * The datasets that selectors name, in the project's order; all of them when there is no selector.
 * `silver.trips`, `trips`, `+gold.revenue` (with all it is made from), `silver.trips+` (with all made from it), `tag:hourly`, `layer:gold`.
 * Throws SELECTOR_UNKNOWN.
 */
export function selectDatasets(datasets: readonly Dataset[], selectors: readonly string[]): Dataset[] {
  if (selectors.length === 0) return [...datasets]
  const nodes = datasets.map((one) => lineageNode(one))
  const chosen = new Set<string>()
  for (const selector of selectors.flatMap((one) => one.split(',')).map((one) => one.trim())) {
    const core = selector.replace(/^\+/, '').replace(/\+$/, '')
    const matched = datasets.filter((one) => matches(one, core)).map((one) => one.name)
    if (matched.length === 0) throw failure(SELECTOR_UNKNOWN, { selector, known: datasets.map((one) => one.name) })
    for (const name of matched) {
      chosen.add(name)
      if (selector.startsWith('+')) for (const one of upstream(nodes, name)) chosen.add(one)
      if (selector.endsWith('+')) for (const one of downstream(nodes, name)) chosen.add(one)
    }
  }
  return datasets.filter((one) => chosen.has(one.name))
}

function matches(dataset: Dataset, core: string): boolean {
  if (core.startsWith('tag:')) return dataset.tags.includes(core.slice(4))
  if (core.startsWith('layer:')) return dataset.layer === core.slice(6)
  return dataset.name === core || dataset.name.split('.')[1] === core
}
