import { didYouMean, failure, USAGE_WRONG } from '../../errors/index.js'
import { type Dataset, selectDatasets, tableFields, type Workspace } from '../../pipeline/index.js'
import { compareSchema, typeText } from '../../schema/index.js'
import { type Command, type Invocation, PROJECT_OPTIONS } from '../command.js'
import { table } from '../output.js'

const ACTIONS = ['show', 'diff']

export const schema: Command = {
  name: 'schema',
  summary: "Show a dataset's columns, or how its table differs from its definition.",
  usage: 'show|diff [dataset...]',
  examples: ['sluice schema show silver.trips', 'sluice schema diff'],
  options: PROJECT_OPTIONS,
  async run(invocation) {
    const [action = '', ...select] = invocation.positionals
    if (!ACTIONS.includes(action)) {
      throw failure(USAGE_WRONG, {
        command: 'schema',
        problem:
          action === '' ? `It needs one of ${ACTIONS.join(', ')}.` : `There is no \`schema ${action}\`. ${didYouMean(action, ACTIONS)}`,
      })
    }
    const workspace = await invocation.workspace()
    try {
      const datasets = selectDatasets(workspace.project.datasets, select)
      return action === 'show' ? show(invocation, datasets) : await diff(invocation, workspace, datasets)
    } finally {
      await workspace.close()
    }
  },
}

function show({ output }: Invocation, datasets: readonly Dataset[]): number {
  const described = datasets.map((dataset) => ({
    dataset: dataset.name,
    description: dataset.description,
    key: dataset.key,
    partition: dataset.partition,
    columns: tableFields(dataset).map((field) => {
      const declared = dataset.columns[field.name]
      return {
        name: field.name,
        type: typeText(field.type),
        nullable: field.nullable,
        unit: declared?.unit ?? '',
        tags: declared?.tags ?? [],
        description: declared?.description ?? '',
      }
    }),
  }))
  if (output.json) output.document({ datasets: described })
  else
    for (const one of described) {
      output.print(`${output.style('bold', one.dataset)}  ${one.description}`)
      const rows = one.columns.map((column) => [
        `${column.name}${one.key.includes(column.name) ? ' (key)' : ''}`,
        `${column.type}${column.nullable ? '' : ' not null'}`,
        column.unit,
        column.tags.join(' '),
        column.description,
      ])
      output.print(`${table(['column', 'type', 'unit', 'tags', 'description'], rows)}\n`)
    }
  return 0
}

async function diff({ output }: Invocation, workspace: Workspace, datasets: readonly Dataset[]): Promise<number> {
  const session = await workspace.connect()
  const found = []
  for (const dataset of datasets) {
    const handle = workspace.table(dataset, session)
    if (!(await handle.exists())) continue
    const snapshot = await handle.snapshot()
    const arrived = snapshot.fields.filter((field) => !field.name.startsWith('_'))
    for (const one of compareSchema(dataset.columns, arrived).drift)
      found.push({ dataset: dataset.name, column: one.column, change: one.change, defined: one.expected, table: one.arrived })
  }
  if (output.json) output.document({ differences: found })
  else if (found.length === 0) output.print('Every table has the columns of its definition.')
  else
    output.print(
      table(
        ['dataset', 'column', 'change', 'defined', 'table'],
        found.map((one) => [one.dataset, one.column, one.change, one.defined, one.table]),
      ),
    )
  return 0
}
