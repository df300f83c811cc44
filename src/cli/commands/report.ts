import { join } from 'node:path'
import { failure, RUN_UNKNOWN } from '../../errors/index.js'
import { renderReportText } from '../../report/text.js'
import { type Command, PROJECT_OPTIONS } from '../command.js'
import { writeReport } from '../target.js'

export const report: Command = {
  name: 'report',
  summary: 'Draw one HTML page about a run: what ran, what was held, what the data looks like.',
  usage: '[run-id]',
  examples: ['sluice report', 'sluice report --text', 'sluice report 20261121-031500-a1b2c3'],
  options: { ...PROJECT_OPTIONS, text: { type: 'boolean', help: 'print it, without its charts, and where the page is' } },
  async run(invocation) {
    const workspace = await invocation.workspace()
    const [asked] = invocation.positionals
    const { output } = invocation
    const drawn = await writeReport(workspace, join(workspace.project.folder, 'target'), asked, true)
    if (drawn === undefined && asked !== undefined) throw failure(RUN_UNKNOWN, { runId: asked })
    if (output.json) output.document({ report: drawn?.path ?? null })
    else if (drawn === undefined) output.print('There is no run to report on yet. `sluice run` makes one.')
    else output.print(invocation.flag('text') ? `${renderReportText(drawn.model)}\n\nPage: ${drawn.path}` : drawn.path)
    return 0
  },
}
