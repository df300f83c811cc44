import type { SluiceError } from '../../errors/index.js'
import { check as checkProject, problemsOf, type Workspace } from '../../pipeline/index.js'
import { type Command, PROJECT_OPTIONS } from '../command.js'
import { problemText } from '../problem.js'

export const check: Command = {
  name: 'check',
  summary: 'Find what is wrong with a project without running it.',
  usage: '',
  examples: ['sluice check', 'sluice check --project examples/nyc-taxi --json'],
  options: PROJECT_OPTIONS,
  async run(invocation) {
    let workspace: Workspace | undefined
    let problems: readonly SluiceError[]
    try {
      workspace = await invocation.workspace()
      problems = await checkProject(workspace)
    } catch (error) {
      problems = problemsOf(error)
    } finally {
      await workspace?.close()
    }
    if (invocation.output.json) {
      invocation.output.document({
        ok: problems.length === 0,
        datasets: workspace?.project.datasets.length ?? 0,
        problems: problems.map((problem) => problem.toJSON()),
      })
    } else if (problems.length === 0) {
      invocation.output.print(`${workspace?.project.datasets.length ?? 0} datasets; nothing is wrong with them.`)
    } else for (const problem of problems) invocation.output.print(problemText(problem, invocation.output.style))
    return problems.length === 0 ? 0 : Math.max(...problems.map((problem) => problem.exit), 2) === 2 ? 2 : 3
  },
}
