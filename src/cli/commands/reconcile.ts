import { failure, USAGE_WRONG } from '../../errors/index.js'
import { type ReconcileResult, reconcileAll } from '../../pipeline/index.js'
import { LEVELS, type Level } from '../../reconciliation/index.js'
import { type Command, type Invocation, PROJECT_OPTIONS, wholeNumber } from '../command.js'
import { count, duration, table } from '../output.js'

export const reconcile: Command = {
  name: 'reconcile',
  summary: 'Prove that stores hold what they should; name each difference with its cause; repair them.',
  usage: '[name...]',
  examples: [
    'sluice reconcile',
    'sluice reconcile trips_to_mysql --level digest',
    'sluice reconcile --sample 1000',
    'sluice reconcile --plan',
    'sluice reconcile --repair',
  ],
  details: `Level count compares numbers of rows and sums of columns, digest compares digests of buckets of rows, rows (the default) finds
every difference: its key, column, both values and cause. Exits 1 when anything differs. --plan says what a repair would write;
--repair writes it to the target and reconciles again.`,
  options: {
    ...PROJECT_OPTIONS,
    level: { type: 'string', value: LEVELS.join('|'), help: 'how far to look (default: rows)' },
    sample: { type: 'string', value: 'N', help: 'look at about N rows, drawn at random' },
    plan: { type: 'boolean', help: 'say what a repair would write, and write nothing' },
    repair: { type: 'boolean', help: 'make the target equal to the source, then reconcile again' },
    limit: { type: 'string', value: 'N', help: 'differences to show of each (default: 10)' },
  },
  async run(invocation) {
    const { output } = invocation
    const level = levelOf(invocation.text('level'))
    const sample = invocation.text('sample') === undefined ? undefined : Math.max(1, wholeNumber(reconcile, invocation, 'sample', 0))
    const repair = invocation.flag('repair')
    if (repair && invocation.flag('plan'))
      throw failure(USAGE_WRONG, { command: 'reconcile', problem: '--plan only says what --repair would do: give one of them.' })
    const limit = wholeNumber(reconcile, invocation, 'limit', 10)
    const results = await reconcileAll(await invocation.workspace(), {
      names: invocation.positionals,
      ...(level === undefined ? {} : { level }),
      ...(sample === undefined ? {} : { sample }),
      repair,
      observer: {
        onProgress: (name, progress) => output.transient(`${name}: ${progress}`),
        onPlan: (result) => output.progress(`${result.name}: ${planText(result)}`),
      },
    })
    if (output.json) output.document({ reconciliations: results })
    else for (const result of results) print(invocation, result, limit)
    if (!output.json && results.length === 0) output.print('The project has no syncs, so there is nothing to reconcile.')
    return results.some((result) => result.differences.total > 0) ? 1 : 0
  },
}

function levelOf(given: string | undefined): Level | undefined {
  if (given === undefined) return undefined
  const level = LEVELS.find((one) => one === given)
  if (level === undefined)
    throw failure(USAGE_WRONG, { command: 'reconcile', problem: `--level takes ${LEVELS.join(', ')}; "${given}" is none of them.` })
  return level
}

function planText({ plan }: ReconcileResult): string {
  return plan === undefined ? '' : `a repair puts ${count(plan.put)} rows and takes ${count(plan.takeAway)} away`
}

function print({ output }: Invocation, result: ReconcileResult, limit: number): void {
  const { name, from, to, differences, samples, how, repaired, compared, durationMs } = result
  const same = differences.total === 0
  const verdict = same ? output.style('green', 'equal') : output.style('red', `${count(differences.total)} differences`)
  output.print(`${output.style('bold', name)}: ${from} and ${to}: ${verdict}  ${output.style('dim', duration(durationMs))}`)
  output.print(output.style('dim', `  ${[...how, `${count(compared)} rows compared`].join('; ')}`))
  if (repaired !== undefined) {
    const { before, inserted, updated, deleted } = repaired
    output.print(
      `  ${count(before.total)} differences were repaired: ${count(inserted)} rows inserted, ${count(updated)} updated, ${count(deleted)} taken away.`,
    )
  }
  if (same) return
  const causes = Object.entries(differences.byCause).sort(([, one], [, other]) => other - one)
  output.print(
    table(
      ['cause', 'differences'],
      causes.map(([cause, found]) => [cause, count(found)]),
    ),
  )
  if (samples.length > 0) {
    const rows = samples.slice(0, limit).map((one) => [
      Object.entries(one.key)
        .map(([column, value]) => `${column} ${value ?? 'null'}`)
        .join(', '),
      one.column ?? '(row)',
      one.left ?? 'null',
      one.right ?? 'null',
      one.cause,
    ])
    output.print(`\n${table(['key', 'column', from, to, 'cause'], rows)}`)
    if (differences.total > limit) output.print(`... and ${count(differences.total - Math.min(limit, samples.length))} more`)
  }
  if (result.plan !== undefined && repaired === undefined)
    output.print(`\nTo make them equal, ${planText(result)}: \`sluice reconcile ${name} --repair\`.`)
  output.print('')
}
