import { count, duration, share } from './format.js'
import { type Html, html } from './html.js'
import type { ReportModel } from './model.js'
import { nameOf } from './syncs.js'
import { drawTable } from './table.js'

/** What operations on stores cost and found, the slowest first; undefined where there was none. */
export function drawOperations({ operations }: ReportModel): Html | undefined {
  if (operations.length === 0) return undefined
  const warned = (value: number) => (value > 0 ? html`<strong class="caution">${count(value)}</strong>` : count(0))
  return html`<section id="operations"><h2>Store operations</h2>${drawTable({
    caption:
      'The last 30 days, the slowest first. Rows, mismatches and errors (failures and rows refused): all times together. Batch, processor and memory: when it last ran.',
    label: 'Operations on stores, the slowest first',
    columns: [
      { heading: 'Operation' },
      { heading: 'Store' },
      ...['Times', 'Last', 'Median', 'Longest', 'A batch', 'Rows', 'Processor', 'Memory', 'Mismatches', 'Errors'].map((heading) => ({
        heading,
        numeric: true,
      })),
    ],
    rows: operations.map((one) => [
      nameOf(one.operation),
      one.store,
      count(one.times),
      duration(one.lastMs),
      duration(one.usualMs),
      duration(one.longestMs),
      one.batchMs === null ? '' : duration(one.batchMs),
      count(one.rows),
      one.cpu === null ? '' : share(one.cpu, 1),
      one.memory === null ? '' : share(one.memory, 1),
      warned(one.mismatches),
      warned(one.errors),
    ]),
  })}</section>`
}
