import { failure, USAGE_WRONG } from '../../errors/index.js'
import { downstream, lineageMermaid, lineageText, upstream } from '../../lineage/index.js'
import { lineageNode, selectDatasets, sourceOf } from '../../pipeline/index.js'
import { type Command, PROJECT_OPTIONS } from '../command.js'

export const lineage: Command = {
  name: 'lineage',
  summary: 'Show which dataset is made from which.',
  usage: '[dataset]',
  examples: ['sluice lineage', 'sluice lineage silver.trips', 'sluice lineage --format mermaid > lineage.mmd'],
  options: { ...PROJECT_OPTIONS, format: { type: 'string', value: 'text|mermaid', help: 'default: text' } },
  async run(invocation) {
    const format = invocation.text('format') ?? 'text'
    if (format !== 'text' && format !== 'mermaid')
      throw failure(USAGE_WRONG, { command: 'lineage', problem: `--format takes text or mermaid; "${format}" is neither.` })
    const workspace = await invocation.workspace()
    const { datasets } = workspace.project
    const all = datasets.map((one) => lineageNode(one, sourceOf(one)?.describe(workspace.values)))
    const chosen = invocation.positionals.length === 0 ? undefined : selectDatasets(datasets, invocation.positionals)
    const near = chosen?.flatMap((one) => [one.name, ...upstream(all, one.name), ...downstream(all, one.name)])
    const nodes = all.filter((node) => near === undefined || near.includes(node.name))
    if (invocation.output.json) {
      invocation.output.document({
        nodes: nodes.map((node) => ({ name: node.name, reads: node.reads, source: node.source ?? null })),
        edges: nodes.flatMap((node) => node.reads.map((read) => ({ from: read, to: node.name }))),
      })
    } else invocation.output.print((format === 'text' ? lineageText(nodes) : lineageMermaid(nodes)).trimEnd())
    await workspace.close()
    return 0
  },
}
