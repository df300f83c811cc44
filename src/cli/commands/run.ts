import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { failure, USAGE_WRONG } from '../../errors/index.js'
import { type Dataset, type RunResult, run as runProject, type StepResult } from '../../pipeline/index.js'
import { type Command, type Invocation, PROJECT_OPTIONS } from '../command.js'
import { count, duration, type Output } from '../output.js'
import { problemText } from '../problem.js'
import { writeManifest, writeReport, writeRunResults } from '../target.js'
import { version } from '../version.js'

const FAIL_ON = ['warn', 'quarantine']

export const run: Command = {
  name: 'run',
  summary: 'Bring datasets up to date.',
  usage: '[selector...]',
  examples: [
    'sluice run',
    "sluice run --var input='landing/*.csv'",
    'sluice run +gold.hourly_demand',
    'sluice run gold.hourly_demand --from 2018-01-01 --to 2018-02-01',
    'sluice run silver.trips --full-refresh',
  ],
  details: `Each step takes only what is new: files not yet taken, rows added upstream. Running again after a crash goes on from
what is committed. Rows that break an expectation are held: see \`sluice quarantine\`.

Exit codes: 0 ok; 1 the data failed (a gate, a file that cannot be read); 2 usage or configuration; 3 run time;
75 try again (another writer, a full disk); 130 interrupted.`,
  options: {
    ...PROJECT_OPTIONS,
    select: { type: 'string', multiple: true, value: 'SELECTOR', help: 'the same as naming a selector' },
    'full-refresh': { type: 'boolean', help: 'read sources again and fill the selected tables anew' },
    from: { type: 'string', value: 'YYYY-MM-DD', help: 'with --to: recompute this range of days of partitioned datasets' },
    to: { type: 'string', value: 'YYYY-MM-DD', help: 'the day after the last' },
    'run-id': { type: 'string', value: 'ID', help: "the run's id (default: made from the time)" },
    'fail-on': { type: 'string', multiple: true, value: 'warn|quarantine', help: 'exit 1 for warnings, or for quarantined rows' },
  },
  async run(invocation) {
    const failOn = invocation.texts('fail-on')
    for (const one of failOn) {
      if (!FAIL_ON.includes(one))
        throw failure(USAGE_WRONG, { command: 'run', problem: `--fail-on takes ${FAIL_ON.join(' or ')}; "${one}" is neither.` })
    }
    const workspace = await invocation.workspace()
    const { from, to, 'run-id': runId } = { from: invocation.text('from'), to: invocation.text('to'), 'run-id': invocation.text('run-id') }
    const target = join(workspace.project.folder, 'target')
    mkdirSync(target, { recursive: true })
    writeManifest(workspace, target)
    const result = await runProject(workspace, {
      select: [...invocation.positionals, ...invocation.texts('select')],
      fullRefresh: invocation.flag('full-refresh'),
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...(runId === undefined ? {} : { runId }),
      version: version(),
      observer: observer(invocation),
    })
    writeRunResults(result, target)
    const page = result.status === 'cancelled' ? undefined : (await writeReport(workspace, target, result.runId))?.path
    if (invocation.output.json) invocation.output.document(result)
    else summary(invocation.output, result, page)
    return exitCode(result, failOn)
  },
}

/** The worst of what happened decides: run time, then configuration, then data; only what may pass by itself is 75. */
export function exitCode(result: RunResult, failOn: readonly string[] = []): number {
  const codes = result.steps.flatMap((step) => (step.status === 'failed' ? [step.error?.exit ?? 3] : []))
  for (const code of [3, 2, 1, 75] as const) if (codes.includes(code)) return code
  if (result.status === 'cancelled') return 75
  if (result.status === 'failed') return 1
  if (failOn.includes('quarantine') && result.steps.some((step) => step.rowsQuarantined > 0)) return 1
  if (failOn.includes('warn') && result.steps.some((step) => step.expectations.some((one) => one.status !== 'pass'))) return 1
  return 0
}

function observer({ output }: Invocation) {
  const running = new Map<string, string>()
  const draw = () => output.transient([...running].map(([name, progress]) => `${name}: ${progress}`).join('   '))
  return {
    onStart(datasets: readonly Dataset[]) {
      output.transient(`${datasets.length} datasets`)
    },
    onStep(dataset: string) {
      running.set(dataset, 'reading')
      draw()
    },
    onProgress(dataset: string, progress: string) {
      if (dataset === 'journal') output.progress(progress)
      else running.set(dataset, progress)
      draw()
    },
    onStepEnd(step: StepResult) {
      running.delete(step.dataset)
      if (step.status !== 'skipped') output.progress(stepLine(output, step), factsOf(step))
      draw()
    },
  }
}

function factsOf({ dataset, status, rowsIn, rowsAccepted, rowsQuarantined, durationMs, version, error }: StepResult) {
  return {
    dataset,
    status,
    rowsIn,
    rowsAccepted,
    rowsQuarantined,
    durationMs,
    version,
    ...(error === undefined ? {} : { code: error.code }),
  }
}

function stepLine(output: Output, step: StepResult): string {
  const marks = {
    ok: output.style('green', 'ok'),
    skipped: 'skipped',
    failed: output.style('red', 'failed'),
    blocked: output.style('yellow', 'blocked'),
    cancelled: 'cancelled',
  }
  const rows =
    step.status === 'ok'
      ? `${count(step.rowsIn)} rows in, ${count(step.rowsAccepted)} accepted, ${count(step.rowsQuarantined)} held`
      : (step.error?.message ?? '')
  return `${marks[step.status]}  ${step.dataset}  ${rows}  ${output.style('dim', duration(step.durationMs))}`
}

function summary(output: Output, result: RunResult, page: string | undefined): void {
  const ran = result.steps.filter((step) => step.status !== 'skipped')
  const lines: string[] = []
  const synthetic = ran.filter((step) => step.reasons.some((reason) => reason.endsWith('(synthetic)'))).map((step) => step.dataset)
  if (ran.length === 0) lines.push(`Nothing is new: ${result.steps.length} datasets are up to date.`)
  const held = ran.reduce((sum, step) => sum + step.rowsQuarantined, 0)
  const worst = ran.flatMap((step) =>
    step.expectations
      .filter((one) => one.failed > 0)
      .map((one) => `  ${count(one.failed).padStart(9)}  ${step.dataset}  ${one.name}${one.action === 'warn' ? ' (warning)' : ''}`),
  )
  if (held > 0)
    lines.push(
      '',
      `${count(held)} ${held === 1 ? 'row is' : 'rows are'} held in quarantine:`,
      ...worst,
      `  sluice quarantine explain ${ran.find((step) => step.rowsQuarantined > 0)?.dataset}`,
    )
  else if (worst.length > 0) lines.push('', ...worst)
  const drift = ran.flatMap((step) => step.drift)
  if (drift.length > 0) lines.push('', 'Columns that were not as declared:', ...driftLines(drift))
  const notes = ran.flatMap((step) =>
    step.files.filter((file) => file.note !== undefined && file.note !== 'synthetic').map((file) => `  ${file.path}: ${file.note}`),
  )
  if (notes.length > 0) lines.push('', 'Files worth a word:', ...notes)
  const refused = result.steps.flatMap((step) => step.files.filter((file) => file.status === 'refused'))
  if (refused.length > 0)
    lines.push(
      '',
      'Files that were refused:',
      ...refused.flatMap((file) => [`  ${file.error?.code}  ${file.error?.message}`, `    ${file.error?.hint}`]),
    )
  const failed = result.steps.filter((step) => step.status === 'failed')
  for (const step of failed) if (step.error !== undefined) lines.push('', problemText({ ...step.error, place: step.error }, output.style))
  const verdict = { ok: output.style('green', 'ok'), failed: output.style('red', 'failed'), cancelled: 'cancelled' }[result.status]
  if (synthetic.length > 0)
    lines.push('', `Synthetic, that is generated and not real: the rows of ${synthetic.join(' and ')}, and what is made from them.`)
  lines.push('', `${verdict} in ${duration(result.durationMs)}. Run ${result.runId}.`)
  if (page !== undefined) lines.push(`Report: ${page}`)
  output.print(lines.join('\n').replace(/^\n/, ''))
}

function driftLines(drift: StepResult['drift']): string[] {
  const groups = new Map<string, number>()
  for (const one of drift) {
    const line = `${one.column} ${one.change} (expected ${one.expected}, arrived ${one.arrived}; policy ${one.policy})`
    groups.set(line, (groups.get(line) ?? 0) + 1)
  }
  return [...groups].map(([line, files]) => `  ${line}, in ${files} ${files === 1 ? 'file' : 'files'}`)
}
