import { failure, USAGE_WRONG } from '../../errors/index.js'
import { calibrateAnomalies, runAnomalies } from '../../pipeline/index.js'
import { type Command, type Invocation, PROJECT_OPTIONS, wholeNumber } from '../command.js'
import { cellText, count, duration, table } from '../output.js'
import { runVerb } from '../verbs.js'

export const anomaly: Command = {
  name: 'anomaly',
  summary: 'Find odd rows in datasets; see what each method would flag before it does.',
  usage: 'run|calibrate [name...]',
  examples: ['sluice anomaly run', 'sluice anomaly run odd_trips --json', 'sluice anomaly calibrate odd_trips --share 0.005'],
  details: `What is defined in anomalies/ is judged over the whole of its dataset. run keeps what it finds in the lake, as _anomalies.<name>, with
method, score and reason; syncs may copy it to stores. calibrate writes nothing: it says what share of the rows each method flags, how
far methods agree, and at which threshold each would flag the wanted share.`,
  options: {
    ...PROJECT_OPTIONS,
    share: { type: 'string', value: 'SHARE', help: 'calibrate: the share of rows one wants to look into (default: 0.01)' },
    limit: { type: 'string', value: 'N', help: 'run: odd rows to show of each (default: 5)' },
  },
  run: (invocation) => runVerb('anomaly', { run, calibrate }, invocation),
}

async function run(invocation: Invocation, words: readonly string[]): Promise<number> {
  const { output } = invocation
  const limit = wholeNumber(anomaly, invocation, 'limit', 5)
  const results = await runAnomalies(await invocation.workspace(), words, (name, progress) => output.transient(`${name}: ${progress}`))
  if (output.json) {
    output.document({ anomalies: results })
    return 0
  }
  if (results.length === 0)
    output.print('The project defines no anomalies. Export some from a file in anomalies/: `anomalies(name, { of: dataset, ... })`.')
  for (const one of results) {
    const share = one.judged === 0 ? 0 : (one.found / one.judged) * 100
    output.print(
      `${output.style('bold', one.name)}: ${count(one.found)} of ${count(one.judged)} rows of ${one.dataset} are odd (${share.toFixed(2)} %)  ${output.style('dim', duration(one.durationMs))}`,
    )
    output.print(
      table(
        ['method', 'threshold', 'flagged'],
        one.methods.map((method) => [method.method, method.threshold.toPrecision(4), count(method.flagged)]),
      ),
    )
    const shown = one.samples.slice(0, limit)
    if (shown.length > 0)
      output.print(
        `\nThe oddest:\n${shown.map((row) => `  ${cellText(row['score']).slice(0, 7).padStart(7)}  ${cellText(row['reason'])}`).join('\n')}`,
      )
    output.print(`\nAll of them: \`sluice query "from ${one.results}"\`.\n`)
  }
  return 0
}

async function calibrate(invocation: Invocation, words: readonly string[]): Promise<number> {
  const { output } = invocation
  const text = invocation.text('share') ?? '0.01'
  const share = Number(text)
  if (text.trim() === '' || !(share > 0 && share < 1))
    throw failure(USAGE_WRONG, { command: 'anomaly', problem: `--share takes a number above 0 and below 1; "${text}" is none.` })
  const results = await calibrateAnomalies(await invocation.workspace(), words, share)
  if (output.json) {
    output.document({ calibrations: results })
    return 0
  }
  for (const one of results) {
    output.print(`${output.style('bold', one.name)}: ${count(one.judged)} rows of ${one.dataset}`)
    const rows = one.methods.map((method) => [
      method.method,
      method.threshold.toPrecision(4),
      count(method.flagged),
      `${(method.share * 100).toFixed(3)} %`,
      method.wantedThreshold.toPrecision(4),
    ])
    output.print(table(['method', 'threshold', 'flags', 'share', `threshold for ${share * 100} %`], rows))
    output.print(
      `\n${table(
        ['votes', 'rows', 'share'],
        one.votes.map((vote) => [`${vote.votes} or more`, count(vote.found), `${(vote.share * 100).toFixed(3)} %`]),
      )}\n`,
    )
  }
  return 0
}
