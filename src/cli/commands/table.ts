import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { didYouMean, failure, USAGE_WRONG } from '../../errors/index.js'
import { datasetNamed, noteOf } from '../../pipeline/index.js'
import { DeltaTable } from '../../table/index.js'
import { type Command, type Invocation, PROJECT_OPTIONS } from '../command.js'
import { cellText, count, table as textTable } from '../output.js'

const ACTIONS = ['history', 'restore', 'diff']

export const table: Command = {
  name: 'table',
  summary: "Show a Delta table's versions, compare two, or go back to one.",
  usage: 'history|restore|diff <dataset or path>',
  examples: [
    'sluice table history silver.trips',
    'sluice table history ./lake/silver/trips --json',
    'sluice table diff silver.trips --from 1 --to 2',
    'sluice table restore silver.trips --version 1',
  ],
  options: {
    ...PROJECT_OPTIONS,
    version: { type: 'string', value: 'N', help: 'restore: the version to go back to' },
    timestamp: { type: 'string', value: 'TIME', help: 'restore: the version that was newest at this time (ISO 8601)' },
    from: { type: 'string', value: 'N', help: 'diff: the earlier version (default: the one before)' },
    to: { type: 'string', value: 'N', help: 'diff: the later version (default: the newest)' },
    limit: { type: 'string', value: 'N', help: 'history, diff: how many versions or rows to show (default: all, 10)' },
  },
  async run(invocation) {
    const [action = '', name] = invocation.positionals
    if (!ACTIONS.includes(action)) {
      throw failure(USAGE_WRONG, {
        command: 'table',
        problem:
          action === '' ? `It needs one of ${ACTIONS.join(', ')}.` : `There is no \`table ${action}\`. ${didYouMean(action, ACTIONS)}`,
      })
    }
    if (name === undefined) throw failure(USAGE_WRONG, { command: 'table', problem: 'It needs a dataset or the path of a table.' })
    const { path, lake } = await locate(invocation, name)
    const handle = await DeltaTable.open(path)
    try {
      switch (action) {
        case 'history':
          return await history(invocation, handle)
        case 'diff':
          return await diff(invocation, handle)
        default:
          return await restore(invocation, handle, lake)
      }
    } finally {
      await handle.close()
    }
  },
}

/** A path with a table at it is meant as such; anything else is a dataset of the project. */
async function locate(invocation: Invocation, name: string): Promise<{ path: string; lake: boolean }> {
  if (existsSync(join(resolve(name), '_delta_log'))) return { path: resolve(name), lake: false }
  if (name.includes('/') || name.startsWith('.')) return { path: resolve(name), lake: false }
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

function number(invocation: Invocation, name: string): number | undefined {
  const text = invocation.text(name)
  if (text === undefined) return undefined
  if (!/^\d+$/.test(text)) throw failure(USAGE_WRONG, { command: 'table', problem: `--${name} takes a whole number; "${text}" is none.` })
  return Number(text)
}

async function history(invocation: Invocation, handle: DeltaTable): Promise<number> {
  const entries = await handle.history(number(invocation, 'limit'))
  const versions = entries.map((entry) => {
    const note = noteOf(entry)
    return {
      version: entry.version,
      timestamp: new Date(entry.timestamp).toISOString(),
      operation: entry.operation,
      parameters: entry.info?.operationParameters ?? {},
      metrics: entry.info?.operationMetrics ?? {},
      engine: entry.info?.engineInfo ?? '',
      runId: note?.runId ?? null,
      mode: note?.mode ?? null,
    }
  })
  if (invocation.output.json) invocation.output.document({ path: handle.path, versions })
  else {
    const rows = versions.map((one) => [
      String(one.version),
      one.timestamp,
      one.operation,
      one.mode ?? '',
      count(Number(one.metrics['numOutputRows'] ?? one.metrics['numTargetRowsInserted'] ?? 0)),
      one.runId ?? one.engine,
    ])
    invocation.output.print(textTable(['version', 'time', 'operation', 'mode', 'rows', 'by'], rows))
  }
  return 0
}

async function diff(invocation: Invocation, handle: DeltaTable): Promise<number> {
  const newest = await handle.snapshot(number(invocation, 'to'))
  const oldest = await handle.snapshot(number(invocation, 'from') ?? Math.max(0, newest.version - 1))
  const between = await handle.diff(oldest, newest)
  const session = await handle.session()
  const limit = number(invocation, 'limit') ?? 10
  const added = `SELECT * FROM (${between.added} EXCEPT ALL ${between.removed})`
  const removed = `SELECT * FROM (${between.removed} EXCEPT ALL ${between.added})`
  const rowsOf = async (select: string) => Number((await session.rows(`SELECT count(*) AS n FROM (${select})`))[0]?.['n'] ?? 0)
  const document = {
    path: handle.path,
    from: oldest.version,
    to: newest.version,
    added: await rowsOf(added),
    removed: await rowsOf(removed),
    samples: { added: await session.rows(`${added} LIMIT ${limit}`), removed: await session.rows(`${removed} LIMIT ${limit}`) },
  }
  if (invocation.output.json) invocation.output.document(document)
  else {
    invocation.output.print(
      `From version ${document.from} to ${document.to}: ${count(document.added)} rows added, ${count(document.removed)} removed.`,
    )
    const head = newest.fields.map((field) => field.name)
    for (const [mark, rows] of [
      ['+', document.samples.added],
      ['-', document.samples.removed],
    ] as const) {
      if (rows.length > 0)
        invocation.output.print(
          `\n${textTable(
            ['', ...head],
            rows.map((row) => [mark, ...head.map((name) => cellText(row[name]))]),
          )}`,
        )
    }
  }
  return 0
}

async function restore(invocation: Invocation, handle: DeltaTable, inProject: boolean): Promise<number> {
  const time = invocation.text('timestamp')
  if (time !== undefined && Number.isNaN(Date.parse(time)))
    throw failure(USAGE_WRONG, { command: 'table', problem: `--timestamp takes an ISO 8601 time; "${time}" is none.` })
  const version = number(invocation, 'version') ?? (time === undefined ? undefined : await handle.versionAt(new Date(time)))
  if (version === undefined) throw failure(USAGE_WRONG, { command: 'table', problem: 'restore needs --version N or --timestamp TIME.' })
  const lease = inProject ? await leaseFor(invocation) : undefined
  try {
    const committed = await handle.restore(version)
    if (invocation.output.json) invocation.output.document({ path: handle.path, restored: version, version: committed.version })
    else invocation.output.print(`Version ${committed.version} is the table as it was at version ${version}.`)
  } finally {
    await lease?.()
  }
  return 0
}

/** A project's table is changed by its one writer only. */
async function leaseFor(invocation: Invocation): Promise<() => Promise<void>> {
  const workspace = await invocation.workspace()
  const lease = await workspace.takeLease({ purpose: 'sluice table restore' })
  return async () => {
    await lease.release()
    await workspace.close()
  }
}
