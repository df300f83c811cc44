import { type BacktestedAlert, checkAlerts, backtest as replay, type StandingAlert, testAlerts } from '../../monitoring/index.js'
import { type Alert, isAlert, milliseconds } from '../../observability/index.js'
import { keptSeries, monitorsOf } from '../../pipeline/index.js'
import { type Command, type Invocation, PROJECT_OPTIONS } from '../command.js'
import { count, duration, type Output, table } from '../output.js'
import { runVerb } from '../verbs.js'

export const alerts: Command = {
  name: 'alerts',
  summary: 'Judge alerts now, test them, or replay them over the past; no server is needed.',
  usage: 'check|test|backtest',
  examples: ['sluice alerts check', 'sluice alerts check --pending --json', 'sluice alerts test', 'sluice alerts backtest --since 90d'],
  details: `check exits 1 when an alert fires. What holds at the newest sample fires, however long it has held; with --pending an alert
that has not held for its \`for\` is pending. test plays the series that stand beside each alert. backtest replays alerts over kept history.`,
  options: {
    ...PROJECT_OPTIONS,
    since: { type: 'string', value: 'TIME', help: 'backtest: how far back (default: 90d)' },
    pending: { type: 'boolean', help: 'check: an alert fires only when its condition has held for its `for`' },
  },
  run: (invocation) => runVerb('alerts', { check, test, backtest }, invocation),
}

async function check(invocation: Invocation): Promise<number> {
  const { output } = invocation
  const workspace = await invocation.workspace()
  const session = await workspace.connect()
  try {
    const { groups } = monitorsOf(workspace.project)
    const now = Date.now()
    const changes = await keptSeries(workspace, session, { groups, from: now })
    const { firing, pending } = checkAlerts(groups, changes, { now, pending: invocation.flag('pending') })
    if (output.json) output.document({ firing: firing.map(documentOf), pending: pending.map(documentOf) })
    else print(output, groups.flatMap((group) => group.rules).filter(isAlert), firing, pending, now)
    return firing.length > 0 ? 1 : 0
  } finally {
    await session.close()
    await workspace.close()
  }
}

function documentOf({ since, ...rest }: StandingAlert) {
  return { ...rest, since: new Date(since).toISOString() }
}

/** Samples are seen as if scraped every 15 seconds: what is younger is not told apart. */
function heldFor(ms: number): string {
  return ms < 15_000 ? 'just now' : `for ${duration(ms)}`
}

function print(
  output: Output,
  all: readonly Alert[],
  firing: readonly StandingAlert[],
  pending: readonly StandingAlert[],
  now: number,
): void {
  const colours = { critical: 'red', warning: 'yellow', info: 'blue' } as const
  const lines = (found: readonly StandingAlert[]) =>
    found.flatMap((one) => [
      `${output.style(colours[one.severity], one.severity.padEnd(8))}  ${output.style('bold', one.alert)}  ${one.summary}  ${output.style('dim', heldFor(now - one.since))}`,
      `          ${one.description}`,
      ...(all.find((alert) => alert.name === one.alert)?.steps ?? []).map((step) => `          - ${step}`),
    ])
  const watched = all.filter((one) => !one.watchdog).length
  if (pending.length > 0) output.print(['Pending:', ...lines(pending), ''].join('\n'))
  if (firing.length === 0) output.print(`Quiet: none of ${watched} alerts fires.`)
  else output.print([...lines(firing), '', `${firing.length} firing, of ${watched} alerts.`].join('\n'))
}

async function test(invocation: Invocation): Promise<number> {
  const { output } = invocation
  const workspace = await invocation.workspace()
  const { groups } = monitorsOf(workspace.project)
  const results = testAlerts(groups)
  const failed = results.filter((result) => !result.ok)
  if (output.json) output.document({ tests: results, passed: results.length - failed.length, failed: failed.length })
  else {
    const rows = results.map(({ alert, test: name, ok, problem }) => [ok ? 'ok' : 'FAILED', alert, name, problem ?? ''])
    output.print(table(['', 'alert', 'test', ''], rows))
    output.print(`\n${count(results.length - failed.length)} passed, ${count(failed.length)} failed`)
  }
  return failed.length > 0 ? 1 : 0
}

async function backtest(invocation: Invocation): Promise<number> {
  const { output } = invocation
  const to = Date.now()
  const from = to - milliseconds(invocation.text('since') ?? '90d')
  const workspace = await invocation.workspace()
  const session = await workspace.connect()
  try {
    const { groups } = monitorsOf(workspace.project)
    const changes = await keptSeries(workspace, session, { groups, from })
    const found = await replay(groups, changes, {
      from,
      to,
      signal: invocation.signal,
      onProgress: (alert, share) => output.transient(`${Math.round(share * 100)} %  ${alert}`),
    })
    const shown = (time: number) => new Date(time).toISOString()
    if (output.json) {
      const document = found.map(({ episodes, threshold, ...one }) => ({
        ...one,
        threshold: threshold ?? null,
        episodes: episodes.map((episode) => ({
          labels: episode.labels,
          from: shown(episode.from),
          to: episode.to === undefined ? null : shown(episode.to),
        })),
      }))
      output.document({ from: shown(from), to: shown(to), alerts: document })
    } else printBacktest(output, found, from, to)
    return 0
  } finally {
    await session.close()
    await workspace.close()
  }
}

function printBacktest(output: Output, found: readonly BacktestedAlert[], from: number, to: number): void {
  const rows = found.map((one) => [
    one.alert,
    one.severity,
    count(one.pages),
    one.perWeek.toFixed(1),
    duration(one.firingSeconds * 1000),
    one.together.map(({ alert, episodes }) => `${alert} (${episodes})`).join(', '),
  ])
  output.print(`From ${new Date(from).toISOString()} to ${new Date(to).toISOString()}:\n`)
  output.print(table(['alert', 'severity', 'pages', 'a week', 'fired for', 'together with'], rows))
  const others = found.flatMap((one) =>
    one.otherThresholds
      .filter((other) => other.pages !== one.pages || other.firingSeconds !== one.firingSeconds)
      .map((other) => [
        one.alert,
        String(one.threshold),
        String(other.threshold),
        count(one.pages),
        count(other.pages),
        duration(other.firingSeconds * 1000),
      ]),
  )
  if (others.length > 0)
    output.print(`\nWith another threshold:\n\n${table(['alert', 'threshold', 'other', 'pages', 'pages then', 'fired for'], others)}`)
}
