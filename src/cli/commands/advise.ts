import { isSluiceError } from '../../errors/index.js'
import type { Advice, Evidence } from '../../monitoring/advice/index.js'
import { advise as adviseOn } from '../../pipeline/advise.js'
import type { RowsMeasured, RowsMeasurement } from '../../pipeline/advise-store-trial.js'
import { type Measured, type Measurement, tryAdvice } from '../../pipeline/advise-trial.js'
import { selectDatasets } from '../../pipeline/index.js'
import { type Command, PROJECT_OPTIONS } from '../command.js'
import { bytes, count, duration, type Output } from '../output.js'

export const advise: Command = {
  name: 'advise',
  summary: 'Say what would make runs and stores quicker or tables smaller, with the figures that show it.',
  usage: '[dataset...]',
  examples: ['sluice advise', 'sluice advise silver.trips --try', 'sluice advise --json'],
  details: `Looks at run records, metrics, the logs of tables and the queries of the last 30 days, and at how stores plan the performance
tests of sql/tests/, and changes nothing. Where figures show nothing it says nothing. With --try each piece of advice that can be is carried out on a copy of its table in a temporary folder, and a read
is measured before and after; the lake is not written. What is looked at, and from where on it speaks: docs/advice.md.`,
  options: { ...PROJECT_OPTIONS, try: { type: 'boolean', help: 'measure before and after on a copy of the table' } },
  async run(invocation) {
    const { output } = invocation
    const workspace = await invocation.workspace()
    const session = await workspace.connect()
    try {
      const datasets = selectDatasets(workspace.project.datasets, invocation.positionals)
      const advice = await adviseOn(workspace, session, {
        datasets,
        onProgress: (what) => output.transient(what),
        onSkipped: (what) => output.progress(what),
      })
      const tried: Tried[] = []
      for (const one of advice) {
        if (invocation.flag('try')) output.transient(`${one.about}: ${one.id} is tried on a copy`)
        tried.push({
          ...one,
          ...(invocation.flag('try') ? await attempt(() => tryAdvice(workspace, session, one)) : { measured: undefined }),
        })
      }
      if (output.json) output.document({ advice: tried.map(documentOf) })
      else print(output, tried, invocation.flag('try'))
      return 0
    } finally {
      await session.close()
      await workspace.close()
    }
  },
}

type Tried = Advice & { readonly measured: Measured | RowsMeasured | undefined; readonly problem?: string }

/** A store that does not let itself be tried on is no reason to keep the rest back. */
async function attempt(trial: () => ReturnType<typeof tryAdvice>): Promise<Pick<Tried, 'measured' | 'problem'>> {
  try {
    return { measured: await trial() }
  } catch (thrown) {
    if (!isSluiceError(thrown) || !thrown.code.startsWith('STORE_')) throw thrown
    return { measured: undefined, problem: thrown.message }
  }
}

function documentOf({ trial: _, measured, problem, ...advice }: Tried) {
  return { ...advice, ...(measured === undefined ? {} : { measured }), ...(problem === undefined ? {} : { problem }) }
}

function print(output: Output, advice: readonly Tried[], asked: boolean): void {
  if (advice.length === 0) {
    output.print('Nothing to advise.')
    return
  }
  const colours = { high: 'red', medium: 'yellow', low: 'blue' } as const
  const lines = advice.flatMap((one) => [
    `${output.style(colours[one.impact], one.impact.padEnd(6))}  ${output.style('bold', one.about)}  ${one.title}`,
    ...one.evidence.map((each) => `        ${figure(each).padStart(10)}  ${each.what}`),
    `        Expected: ${one.expected}`,
    `        Do: ${one.how}`,
    ...(one.measured === undefined
      ? asked
        ? [`        Not tried: ${one.problem ?? 'a copy would not show it.'}`]
        : []
      : measuredLines(one.measured)),
    '',
  ])
  const triable = advice.some((one) => one.trial !== undefined)
  const said = advice.length === 1 ? 'One piece of advice' : `${count(advice.length)} pieces of advice`
  output.print([...lines, `${said}.${triable && !asked ? ' `--try` measures before and after on a copy.' : ''}`].join('\n'))
}

function measuredLines({ what, before, after }: Measured | RowsMeasured): string[] {
  const how = 'files' in before ? `on a copy, ${what}, median of 5` : what
  return [`        Measured ${how}:`, `          before  ${measurement(before)}`, `          after   ${measurement(after)}`]
}

function measurement(one: Measurement | RowsMeasurement): string {
  if ('files' in one)
    return `${duration(one.seconds * 1000)}, ${count(one.files)} ${one.files === 1 ? 'file' : 'files'}, ${bytes(one.bytes)}`
  // An index makes of a tenth of a second less than a millisecond.
  const time = one.seconds < 0.01 ? `${(one.seconds * 1000).toFixed(2)} ms` : duration(one.seconds * 1000)
  return `${time}, ${count(one.rows)} rows${one.index === undefined ? '' : `, by ${one.index}`}`
}

function figure({ value, unit }: Evidence): string {
  switch (unit) {
    case 'bytes':
      return bytes(Math.round(value))
    case 'seconds':
      return duration(value * 1000)
    case 'share':
      return `${(value * 100).toFixed(1)} %`
    default:
      return count(Math.round(value))
  }
}
