import { type SyncProgress, type SyncResult, syncAll } from '../../pipeline/index.js'
import { type Command, type Invocation, PROJECT_OPTIONS, wholeNumber } from '../command.js'
import { count, duration, table } from '../output.js'
import { problemText } from '../problem.js'

export const sync: Command = {
  name: 'sync',
  summary: "Bring stores up to date with the lake, and with each other, as the project's syncs say.",
  usage: '[name...]',
  examples: ['sluice sync', 'sluice sync trips_to_mysql', 'sluice sync --full --json'],
  details: `The first time an empty target is loaded; then only what changed is written, and rows that are gone are taken away. Rows that a
store refuses are kept with its reason in the journal's dead_letters. A sync that was killed goes on where it stopped when it is run again.`,
  options: {
    ...PROJECT_OPTIONS,
    full: { type: 'boolean', help: 'compare all rows, whatever is known of the last sync' },
    batch: { type: 'string', value: 'N', help: 'rows in a batch (default: 20,000; of a collection 5,000)' },
  },
  async run(invocation) {
    const { output } = invocation
    const workspace = await invocation.workspace()
    const batchRows = invocation.text('batch') === undefined ? undefined : Math.max(1, wholeNumber(sync, invocation, 'batch', 0))
    const results = await syncAll(workspace, {
      names: invocation.positionals,
      full: invocation.flag('full'),
      ...(batchRows === undefined ? {} : { batchRows }),
      observer: observer(invocation),
    })
    if (output.json) output.document({ syncs: results })
    else summary(invocation, results)
    return exitCode(results)
  },
}

function observer({ output }: Invocation) {
  let said = Date.now()
  return {
    onProgress(name: string, progress: SyncProgress | string) {
      const text = `${name}: ${typeof progress === 'string' ? progress : progressText(progress)}`
      output.transient(text)
      // A log gets a line now and then.
      if (output.interactive || Date.now() - said < 10_000) return
      said = Date.now()
      output.progress(text)
    },
    onEnd(result: SyncResult) {
      const { name, status, inserted, updated, deleted, deadLettered, durationMs } = result
      const marks = {
        ok: output.style('green', 'ok'),
        failed: output.style('red', 'failed'),
        skipped: 'skipped',
        blocked: 'blocked',
        cancelled: 'cancelled',
      }
      const letters = deadLettered > 0 ? `, ${count(deadLettered)} refused` : ''
      const what =
        status === 'ok'
          ? `${count(inserted)} inserted, ${count(updated)} updated, ${count(deleted)} deleted${letters} (${result.mode}: ${result.reason})`
          : result.reason
      output.progress(`${marks[status]}  ${name}  ${what}  ${output.style('dim', duration(durationMs))}`, { name, status, durationMs })
    },
  }
}

function progressText({ rows, total, perSecond, left }: SyncProgress): string {
  const share = total === undefined || total === 0 ? '' : ` of ${count(total)} (${Math.min(100, Math.floor((rows / total) * 100))} %)`
  return `${count(rows)}${share} rows, ${count(Math.round(perSecond))} a second${left === undefined ? '' : `, ${duration(left * 1000)} left`}`
}

function summary({ output }: Invocation, results: readonly SyncResult[]): void {
  if (results.length === 0) {
    output.print('The project has no syncs. Export one from a file in syncs/: `sync(dataset, { to: store.table(...) })`.')
    return
  }
  const rows = results.map((one) => [
    one.name,
    one.from,
    one.to,
    count(one.inserted),
    count(one.updated),
    count(one.deleted),
    count(one.deadLettered),
    duration(one.durationMs),
  ])
  output.print(table(['sync', 'from', 'to', 'inserted', 'updated', 'deleted', 'refused', 'time'], rows))
  for (const { error } of results) if (error !== undefined) output.print(`\n${problemText({ ...error, place: error }, output.style)}`)
  if (results.some((one) => one.deadLettered > 0))
    output.print('\nRows that were refused, and why: `sluice query "select target, reason, row from _sluice.dead_letters"`.')
}

function exitCode(results: readonly SyncResult[]): number {
  const codes = results.flatMap((one) => (one.status === 'failed' ? [one.error?.exit ?? 3] : []))
  for (const code of [3, 2, 1, 75] as const) if (codes.includes(code)) return code
  return results.some((one) => one.status === 'cancelled') ? 75 : 0
}
