import { failure, SECRET_NOT_SET, SILENCE_UNKNOWN, USAGE_WRONG } from '../../errors/index.js'
import type { StandingAlert } from '../../monitoring/index.js'
import { milliseconds, secretNames } from '../../observability/index.js'
import { addSilence, monitorState, monitorsOf, removeSilence, silences, monitor as watch } from '../../pipeline/index.js'
import { type Command, type Invocation, PROJECT_OPTIONS, requireWord } from '../command.js'
import { duration, table } from '../output.js'
import { runVerb } from '../verbs.js'

export const monitor: Command = {
  name: 'monitor',
  summary: 'Judge alerts all the time and tell whoever is to be told.',
  usage: 'up|status|silence|unsilence [id]',
  examples: [
    'sluice monitor up',
    'sluice monitor up --once',
    'sluice monitor status --json',
    "sluice monitor silence --match alertname=DatasetSlow --match dataset=silver.trips --for 2h --comment 'reload in progress'",
    'sluice monitor unsilence 3f2a91c0',
  ],
  details: `up judges every alert each --every and tells by the receivers that \`monitors/\` defines, with grouping, inhibition and repeats;
without any, firing alerts are lines in target/alerts.log. It remembers in the lake what it has told, and can be stopped and started.`,
  options: {
    ...PROJECT_OPTIONS,
    every: { type: 'string', value: 'TIME', help: 'up: time between turns (default: 1m)' },
    once: { type: 'boolean', help: 'up: one turn, for cron' },
    'runbook-url': { type: 'string', value: 'URL', help: "up: where alerts' pages are; each alert's name is added" },
    match: { type: 'string', multiple: true, value: 'LABEL=VALUE', help: 'silence: alerts with this label; all of several' },
    for: { type: 'string', value: 'TIME', help: 'silence: how long (default: 1h)' },
    comment: { type: 'string', value: 'TEXT', help: 'silence: why' },
  },
  run: (invocation) => runVerb('monitor', { up, status, silence, unsilence }, invocation),
}

/** Somebody was not told; the next turn tries again. */
const TRY_AGAIN = 75

async function up(invocation: Invocation): Promise<number> {
  const { output } = invocation
  const every = milliseconds(invocation.text('every') ?? '1m')
  if (every < 1_000 || every > 86_400_000)
    throw failure(USAGE_WRONG, { command: 'monitor', problem: 'Turns are between a second and a day apart.' })
  const workspace = await invocation.workspace()
  // Now, with someone at the keyboard, rather than in the night that the first alert fires.
  const unset = secretNames(monitorsOf(workspace.project).notifications).find((name) => !process.env[name])
  if (unset !== undefined) throw failure(SECRET_NOT_SET, { name: unset })
  const session = await workspace.connect()
  const turns: object[] = []
  let untold = 0
  try {
    const once = invocation.flag('once')
    const state = await watch(workspace, session, {
      every,
      once,
      runbookUrl: invocation.text('runbook-url'),
      signal: invocation.signal,
      onTurn({ at, firing, pending, told, problems }) {
        const time = new Date(at).toISOString()
        untold = problems.length
        if (once)
          turns.push({
            at: time,
            told: told.map(({ receiver, group, notices }) => ({ receiver: receiver.name, group, alerts: notices.length })),
            problems,
          })
        for (const { receiver, notices } of told)
          for (const { status, alert } of notices)
            output.progress(`${time}  ${status}  ${alert.alert}  ${alert.summary}  -> ${receiver.name}`)
        for (const problem of problems) output.progress(`${time}  ${problem}`)
        output.transient(`${time}: ${firing} firing, ${pending} pending`)
      },
    })
    if (once && output.json) output.document({ ...turns[0], firing: state.firing.map(documentOf), pending: state.pending.map(documentOf) })
    else if (once) output.print(`${wrong(state.firing).length} firing, ${state.pending.length} pending.`)
    return once && untold > 0 ? TRY_AGAIN : 0
  } finally {
    await session.close()
    await workspace.close()
  }
}

/** The watchdog fires always: that is how it is well. */
function wrong(firing: readonly StandingAlert[]): readonly StandingAlert[] {
  return firing.filter(({ labels }) => labels['watchdog'] === undefined)
}

function documentOf({ since, ...rest }: StandingAlert) {
  return { ...rest, since: new Date(since).toISOString() }
}

async function status({ output, workspace: open }: Invocation): Promise<number> {
  const workspace = await open()
  const state = await monitorState(workspace)
  const quiet = await silences(workspace)
  const turnedAt = state.turnedAt === 0 ? null : new Date(state.turnedAt).toISOString()
  if (output.json) {
    const document = {
      turnedAt,
      firing: state.firing.map(documentOf),
      pending: state.pending.map(documentOf),
      silences: quiet.map((one) => ({ ...one, until: new Date(one.until).toISOString() })),
    }
    output.document(document)
    return 0
  }
  const now = Date.now()
  if (turnedAt === null) output.print('Nobody watches: `sluice monitor up` does.')
  else
    output.print(`Last turn ${duration(now - state.turnedAt)} ago: ${wrong(state.firing).length} firing, ${state.pending.length} pending.`)
  const rows = [...wrong(state.firing).map((one) => ['firing', one] as const), ...state.pending.map((one) => ['pending', one] as const)]
  if (rows.length > 0)
    output.print(
      table(
        ['', 'alert', 'severity', 'for', ''],
        rows.map(([how, one]) => [how, one.alert, one.severity, duration(now - one.since), one.summary]),
      ),
    )
  if (quiet.length > 0)
    output.print(
      table(
        ['silence', 'matches', 'for', 'why'],
        quiet.map((one) => [
          one.id,
          Object.entries(one.matchers)
            .map(([label, value]) => `${label}=${value}`)
            .join(' '),
          duration(one.until - now),
          one.comment,
        ]),
      ),
    )
  return 0
}

async function silence(invocation: Invocation): Promise<number> {
  const pairs = invocation.texts('match').map((text) => {
    const at = text.indexOf('=')
    if (at <= 0) throw failure(USAGE_WRONG, { command: 'monitor', problem: `--match takes LABEL=VALUE; "${text}" is not that.` })
    return [text.slice(0, at), text.slice(at + 1)]
  })
  if (pairs.length === 0) throw failure(USAGE_WRONG, { command: 'monitor', problem: 'silence needs --match: which alerts.' })
  const time = milliseconds(invocation.text('for') ?? '1h')
  const workspace = await invocation.workspace()
  const one = await addSilence(workspace, {
    matchers: Object.fromEntries(pairs),
    until: Date.now() + time,
    comment: invocation.text('comment') ?? '',
  })
  if (invocation.output.json) invocation.output.document({ ...one, until: new Date(one.until).toISOString() })
  else invocation.output.print(`Silenced for ${duration(time)}: ${one.id}. \`sluice monitor unsilence ${one.id}\` ends it.`)
  return 0
}

async function unsilence(invocation: Invocation, [word]: readonly string[]): Promise<number> {
  const id = requireWord(monitor, word, "a silence's id, as `monitor status` shows it")
  const workspace = await invocation.workspace()
  if (!(await removeSilence(workspace, id))) throw failure(SILENCE_UNKNOWN, { id, known: (await silences(workspace)).map((one) => one.id) })
  if (invocation.output.json) invocation.output.document({ id })
  else invocation.output.print(`${id} ended.`)
  return 0
}
