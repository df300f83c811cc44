import { failure, isSluiceError, USAGE_UNKNOWN_COMMAND, USAGE_WRONG } from '../errors/index.js'
import { flushSpans } from '../observability/index.js'
import { problemsOf } from '../pipeline/index.js'
import { type Command, helpText, invocation, parseCommand } from './command.js'
import { advise } from './commands/advise.js'
import { alerts } from './commands/alerts.js'
import { anomaly } from './commands/anomaly.js'
import { bench } from './commands/bench.js'
import { check } from './commands/check.js'
import { doctor } from './commands/doctor.js'
import { generate } from './commands/generate.js'
import { init } from './commands/init.js'
import { lineage } from './commands/lineage.js'
import { migrate } from './commands/migrate.js'
import { monitor } from './commands/monitor.js'
import { plan } from './commands/plan.js'
import { profile } from './commands/profile.js'
import { quarantine } from './commands/quarantine.js'
import { query } from './commands/query.js'
import { reconcile } from './commands/reconcile.js'
import { report } from './commands/report.js'
import { run } from './commands/run.js'
import { schema } from './commands/schema.js'
import { serve } from './commands/serve.js'
import { sync } from './commands/sync.js'
import { table } from './commands/table/table.js'
import { test } from './commands/test.js'
import { type LogFormat, terminal } from './output.js'
import { problemText } from './problem.js'
import { version } from './version.js'

const COMMANDS: readonly Command[] = [
  init,
  check,
  plan,
  run,
  query,
  profile,
  quarantine,
  migrate,
  test,
  sync,
  reconcile,
  anomaly,
  bench,
  table,
  schema,
  lineage,
  report,
  advise,
  generate,
  alerts,
  monitor,
  serve,
  doctor,
]

/** Exit code of a process that was interrupted, as shells have it: 128 and SIGINT's number. */
const INTERRUPTED = 130

/** Runs a command line; answers the exit code. Nothing that a user does wrong ends in a stack trace. */
export async function main(words: readonly string[]): Promise<number> {
  const [name, ...rest] = words
  const json = words.includes('--json')
  const output = terminal(json)
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const about = COMMANDS.find((command) => command.name === rest[0])
    output.print(about === undefined ? overview() : helpText(about))
    return 0
  }
  if (name === '--version' || name === '-v') {
    output.print(version())
    return 0
  }
  const interrupted = new AbortController()
  const interrupt = () => {
    if (interrupted.signal.aborted) process.exit(INTERRUPTED)
    interrupted.abort()
    if (!json) process.stderr.write('\nStopping; what is committed stays. Once more to stop at once.\n')
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  // `sluice query ... | head`: a reader that has gone away is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
  })
  try {
    const command = COMMANDS.find((one) => one.name === name)
    if (command === undefined) throw failure(USAGE_UNKNOWN_COMMAND, { command: name, known: COMMANDS.map((one) => one.name) })
    const parsed = parseCommand(command, rest)
    if (parsed.values['help'] === true) {
      output.print(helpText(command))
      return 0
    }
    const said = logFormatOf(name, parsed.values['log-format'])
    const code = await command.run(invocation(command, parsed, said === 'json' ? terminal(json, said) : output, interrupted.signal))
    return interrupted.signal.aborted ? INTERRUPTED : code
  } catch (thrown) {
    if (process.env['SLUICE_DEBUG'] !== undefined) process.stderr.write(`${thrown instanceof Error ? thrown.stack : thrown}\n`)
    const problems = problemsOf(thrown)
    if (json) {
      const [first] = problems
      output.document({ error: first?.toJSON(), ...(problems.length > 1 ? { problems: problems.map((problem) => problem.toJSON()) } : {}) })
    } else for (const problem of problems) process.stderr.write(`${problemText(problem, output.style)}\n`)
    if (interrupted.signal.aborted) return INTERRUPTED
    return isSluiceError(thrown) ? thrown.exit : Math.max(...problems.map((problem) => problem.exit))
  } finally {
    process.removeListener('SIGINT', interrupt)
    process.removeListener('SIGTERM', interrupt)
    await flushSpans()
  }
}

function logFormatOf(command: string, given: unknown): LogFormat {
  if (given === undefined) return 'pretty'
  if (given === 'pretty' || given === 'json') return given
  throw failure(USAGE_WRONG, { command, problem: `--log-format takes pretty or json; "${given}" is neither.` })
}

function overview(): string {
  const width = Math.max(...COMMANDS.map((command) => command.name.length))
  return [
    'Sluice: define a dataset once, in typed code; get its table, its quality gate, its quarantine and its lineage.',
    '',
    ...COMMANDS.map((command) => `  sluice ${command.name.padEnd(width)}  ${command.summary}`),
    '',
    'For example',
    '  sluice init my-lake --template nyc-taxi',
    '  sluice run --project my-lake',
    '  sluice query --project my-lake "select count(*) from silver.trips"',
    '',
    '`sluice COMMAND --help` says more about each.',
    '',
  ].join('\n')
}
