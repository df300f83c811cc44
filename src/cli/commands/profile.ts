import { failure, SELECTOR_UNKNOWN } from '../../errors/index.js'
import { datasetNamed, tableFields } from '../../pipeline/index.js'
import { profile as profileRelation } from '../../quality/index.js'
import { type Command, PROJECT_OPTIONS, requireWord } from '../command.js'
import { count, table } from '../output.js'

const BARS = '▁▂▃▄▅▆▇█'

export const profile: Command = {
  name: 'profile',
  summary: "Show what a dataset's columns hold: nulls, distinct values, bounds, mean, shape.",
  usage: '<dataset>',
  examples: ['sluice profile silver.trips', 'sluice profile silver.trips --json'],
  details: 'Looks at every row. Values of columns tagged `pii` are not shown.',
  options: PROJECT_OPTIONS,
  async run(invocation) {
    const workspace = await invocation.workspace()
    try {
      const name = requireWord(profile, invocation.positionals[0], 'a dataset')
      const dataset = datasetNamed(workspace, name)
      if (dataset === undefined)
        throw failure(SELECTOR_UNKNOWN, { selector: name, known: workspace.project.datasets.map((one) => one.name) })
      const session = await workspace.connect()
      const fields = tableFields(dataset).filter((field) => !field.name.startsWith('_'))
      const found = await profileRelation(session, `(${await workspace.table(dataset, session).read()})`, fields)
      const columns = found.columns.map((column) => {
        const pii = dataset.columns[column.column]?.tags.includes('pii') ?? false
        return pii ? { ...column, min: null, max: null, mean: null, histogram: [], pii } : { ...column, pii }
      })
      if (invocation.output.json) invocation.output.document({ dataset: dataset.name, rows: found.rows, columns })
      else {
        const rows = columns.map((column) => [
          column.column,
          column.type,
          count(column.nulls),
          count(column.distinct),
          column.pii ? '(pii)' : (column.min ?? ''),
          column.pii ? '(pii)' : (column.max ?? ''),
          column.mean ?? '',
          shape(column.histogram),
        ])
        invocation.output.print(
          `${dataset.name}: ${count(found.rows)} rows\n\n${table(['column', 'type', 'nulls', '~distinct', 'min', 'max', 'mean', 'shape'], rows)}`,
        )
      }
      return 0
    } finally {
      await workspace.close()
    }
  },
}

function shape(histogram: readonly number[]): string {
  const most = Math.max(...histogram, 1)
  return histogram
    .map((one) => (one === 0 ? ' ' : (BARS[Math.min(BARS.length - 1, Math.floor((one / most) * BARS.length))] ?? '')))
    .join('')
}
