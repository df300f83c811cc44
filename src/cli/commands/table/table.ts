import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { didYouMean, failure, USAGE_WRONG } from '../../../errors/index.js'
import { datasetNamed } from '../../../pipeline/index.js'
import { DeltaTable } from '../../../table/index.js'
import { type Command, type Invocation, PROJECT_OPTIONS } from '../../command.js'
import { diff } from './diff.js'
import { history } from './history.js'
import { checkpoint, optimize, restore, vacuum } from './maintain.js'
import { read } from './read.js'
import { show } from './show.js'

interface Action {
  readonly run: (invocation: Invocation, table: DeltaTable) => Promise<number>
  /** Changes the table, so a project's lease is taken first. */
  readonly writes: boolean
}

const ACTIONS: Readonly<Record<string, Action>> = {
  show: { run: show, writes: false },
  read: { run: read, writes: false },
  history: { run: history, writes: false },
  diff: { run: diff, writes: false },
  restore: { run: restore, writes: true },
  optimize: { run: optimize, writes: true },
  vacuum: { run: vacuum, writes: true },
  checkpoint: { run: checkpoint, writes: true },
}

export const table: Command = {
  name: 'table',
  summary: 'Look into a Delta table, go back to an earlier version, keep its files in order.',
  usage: `${Object.keys(ACTIONS).join('|')} <dataset or path>`,
  examples: [
    'sluice table show silver.trips',
    'sluice table read ./lake/silver/trips --where "fare_amount > 50" --columns id,fare_amount',
    'sluice table read ./any/delta-table --version 3 --out rows.parquet',
    'sluice table history silver.trips --json',
    'sluice table diff silver.trips --from 1 --to 2',
    'sluice table restore silver.trips --version 1',
    'sluice table optimize ./lake/silver/trips --z-order zone_id,pickup_at',
    'sluice table vacuum ./lake/silver/trips --dry-run',
  ],
  options: {
    ...PROJECT_OPTIONS,
    version: { type: 'string', value: 'N', help: 'show, read, restore: that version (default: the newest)' },
    timestamp: { type: 'string', value: 'TIME', help: 'show, read, restore: the version that was newest at this time (ISO 8601)' },
    columns: { type: 'string', value: 'A,B', help: 'read: only these columns' },
    where: { type: 'string', value: 'SQL', help: 'read: only rows for which it is true; optimize: only such partitions' },
    out: { type: 'string', value: 'FILE', help: 'read: write the rows to FILE.parquet, .csv or .jsonl' },
    limit: { type: 'string', value: 'N', help: 'read, history, diff: how many rows or versions (default: 20, all, 10)' },
    from: { type: 'string', value: 'N', help: 'diff: the earlier version (default: the one before)' },
    to: { type: 'string', value: 'N', help: 'diff: the later version (default: the newest)' },
    'z-order': { type: 'string', value: 'A,B', help: 'optimize: lay rows out so that filters on these columns open few files' },
    'target-mb': { type: 'string', value: 'N', help: 'optimize: fill files up to this size, in MiB (default: 128)' },
    'retention-hours': { type: 'string', value: 'N', help: "vacuum: keep what was removed this lately (default: the table's own, 168)" },
    'dry-run': { type: 'boolean', help: 'vacuum: only list what would be deleted' },
    force: { type: 'boolean', help: 'vacuum: allow less than the retention; nobody else may use the table meanwhile' },
    outside: { type: 'boolean', help: "read files outside the table's folder too, where its log names such" },
  },
  async run(invocation) {
    const [name = '', place] = invocation.positionals
    const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined
    if (action === undefined) {
      const known = Object.keys(ACTIONS)
      const problem = name === '' ? `It needs one of ${known.join(', ')}.` : `There is no \`table ${name}\`. ${didYouMean(name, known)}`
      throw failure(USAGE_WRONG, { command: 'table', problem })
    }
    if (place === undefined) throw failure(USAGE_WRONG, { command: 'table', problem: 'It needs a dataset or the path of a table.' })
    const { path, lake } = await locate(invocation, place)
    const handle = await DeltaTable.open(path, { outside: invocation.flag('outside'), signal: invocation.signal })
    const release = lake && action.writes ? await takeLease(invocation, name) : undefined
    try {
      return await action.run(invocation, handle)
    } finally {
      await release?.()
      await handle.close()
    }
  },
}

/** A path with a table at it is meant as such; anything else is a dataset of the project. */
async function locate(invocation: Invocation, name: string): Promise<{ path: string; lake: boolean }> {
  if (name.includes('://')) return { path: name, lake: false }
  if (existsSync(join(resolve(name), '_delta_log')) || name.includes('/') || name.startsWith('.'))
    return { path: resolve(name), lake: false }
  const workspace = await invocation.workspace()
  try {
    const dataset = datasetNamed(workspace, name)
    if (dataset === undefined) {
      const known = workspace.project.datasets.map((one) => one.name)
      throw failure(USAGE_WRONG, {
        command: 'table',
        problem: `"${name}" is neither a dataset nor the path of a table. ${didYouMean(name, known)}`,
      })
    }
    return { path: `${workspace.lake}/${dataset.name.replace('.', '/')}`, lake: true }
  } finally {
    await workspace.close()
  }
}

/** A project's table is changed by its one writer only. */
async function takeLease(invocation: Invocation, action: string): Promise<() => Promise<void>> {
  const workspace = await invocation.workspace()
  const lease = await workspace.takeLease({ purpose: `sluice table ${action}` })
  return async () => {
    await lease.release()
    await workspace.close()
  }
}
