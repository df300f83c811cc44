import { join } from 'node:path'
import { failure, RUN_UNKNOWN } from '../../errors/index.js'
import { type Command, PROJECT_OPTIONS } from '../command.js'
import { writeReport } from '../target.js'

export const report: Command = {
  name: 'report',
  summary: 'Draw one HTML page about a run: what ran, what was held, what the data looks like.',
  usage: '[run-id]',
  examples: ['sluice report', 'sluice report 20261121-031500-a1b2c3'],
  options: PROJECT_OPTIONS,
  async run(invocation) {
    const workspace = await invocation.workspace()
    const path = await writeReport(workspace, join(workspace.project.folder, 'target'), invocation.positionals[0], true)
    const [asked] = invocation.positionals
    if (path === undefined && asked !== undefined) throw failure(RUN_UNKNOWN, { runId: asked })
    if (invocation.output.json) invocation.output.document({ report: path ?? null })
    else invocation.output.print(path ?? 'There is no run to report on yet. `sluice run` makes one.')
    return 0
  },
}
