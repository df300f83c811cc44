import { plan as planRun } from '../../pipeline/index.js'
import { type Command, PROJECT_OPTIONS } from '../command.js'

export const plan: Command = {
  name: 'plan',
  summary: 'Show what a run would do, why, and the SQL of it.',
  usage: '[selector...]',
  examples: ['sluice plan', 'sluice plan +gold.hourly_demand --sql'],
  options: {
    ...PROJECT_OPTIONS,
    select: { type: 'string', multiple: true, value: 'SELECTOR', help: 'the same as naming a selector' },
    'full-refresh': { type: 'boolean', help: 'plan a run that fills everything anew' },
    sql: { type: 'boolean', help: 'show the SQL of each step' },
  },
  async run(invocation) {
    const workspace = await invocation.workspace()
    try {
      const select = [...invocation.positionals, ...invocation.texts('select')]
      const steps = await planRun(workspace, { select, fullRefresh: invocation.flag('full-refresh') })
      if (invocation.output.json) invocation.output.document({ steps })
      else
        for (const step of steps) {
          const { style } = invocation.output
          const mark = step.action === 'run' ? style('green', 'run ') : style('dim', 'skip')
          invocation.output.print(`${mark}  ${step.dataset}${step.reasons.length === 0 ? '  nothing new' : `  ${step.reasons.join('; ')}`}`)
          for (const path of step.refused) invocation.output.print(`      refused: ${path}`)
          if (invocation.flag('sql')) invocation.output.print(`      ${step.sql}`)
        }
      return 0
    } finally {
      await workspace.close()
    }
  },
}
