import { totalmem } from 'node:os'
import { isSql, quoteText, type Session } from '../engine/index.js'
import { ENGINE_OUT_OF_MEMORY, isSluiceError } from '../errors/index.js'
import { type Journal, type JournalRead, openJournal } from '../journal/index.js'
import {
  type Advice,
  adviceFor,
  type ColumnUse,
  type DatasetFacts,
  type Facts,
  medianOf,
  type TableFacts,
} from '../monitoring/advice/index.js'
import { type DeltaTable, parseStatistics, type Snapshot } from '../table/index.js'
import { targetBytes } from '../table/operations/optimize.js'
import { anomalyFacts, statementFacts, syncFacts } from './advise-stores.js'
import type { Dataset } from './dataset.js'
import { runMemory } from './metrics.js'
import { inputsOf, queryText } from './note.js'
import { comparedColumns } from './query-columns.js'
import { stagedQuery, withDeclared } from './query-step.js'
import type { Workspace } from './workspace.js'

/** Facts for the advisers: what run records, metric samples, table logs and queries say. Nothing is written. */

const MONTH = 30 * 86_400_000
/** An engine that spills has reached its limit, and so has the process that it is in; below this nothing can have spilled. */
const NEAR_LIMIT = 0.6
const MOST_PROFILED = 3
const RECENT_COMMITS = 20
const DEFAULT_CHECKPOINT_INTERVAL = 10

export interface AdviseOptions {
  readonly datasets: readonly Dataset[]
  onProgress?(what: string): void
  /** What could not be looked at, and why. */
  onSkipped?(what: string): void
}

/**
 * What all advisers say of these datasets, and, where they are all there are, of syncs, stores and searches for odd rows too; what is about the
 * project's memory comes with the dataset that needs it.
 */
export async function advise(workspace: Workspace, session: Session, options: AdviseOptions): Promise<Advice[]> {
  const chosen = new Set(options.datasets.map((one) => one.name))
  const isAll = workspace.project.datasets.every((one) => chosen.has(one.name))
  const facts = await adviceFacts(workspace, session, { ...options, stores: isAll })
  return adviceFor(facts).filter((one) => isAll || chosen.has(one.about))
}

/** With `stores`, those that have performance tests are asked how they plan them. */
export async function adviceFacts(
  workspace: Workspace,
  session: Session,
  { onProgress, onSkipped, stores = true }: Omit<AdviseOptions, 'datasets'> & { readonly stores?: boolean } = {},
): Promise<Facts> {
  const journal = await openJournal(workspace.lake, workspace.storage, session)
  const since = `epoch_ms(${Math.floor(Date.now() - MONTH)})::TIMESTAMPTZ`
  const steps = await journal.read('steps', `WHERE status = 'ok' AND started_at >= ${since} ORDER BY started_at`)
  const files = await journal.select(
    'files',
    (ledger) =>
      `SELECT dataset, count(*) AS files, median(bytes) AS bytes FROM ${ledger} WHERE status = 'taken' AND recorded_at >= ${since} GROUP BY dataset`,
  )
  const uses = await columnUses(workspace, session)
  const datasets: DatasetFacts[] = []
  for (const dataset of workspace.project.datasets) {
    onProgress?.(dataset.name)
    const table = workspace.table(dataset, session)
    const there = await table.exists()
    const taken = files.find((row) => row['dataset'] === dataset.name)
    const inputs = inputsOf(dataset)
    datasets.push({
      name: dataset.name,
      write: dataset.write.kind,
      reads: [
        ...inputs.whole.map((name) => ({ name, how: 'whole' as const })),
        ...(inputs.changed === undefined ? [] : [{ name: inputs.changed, how: 'changed' as const }]),
      ],
      onlyAppends: there && (await onlyAppends(table)),
      steps: steps.filter((step) => step.dataset === dataset.name).map(stepFacts),
      uses: uses.filter((use) => use.dataset === dataset.name),
      sourceFiles: { count: Number(taken?.['files'] ?? 0), medianBytes: Number(taken?.['bytes'] ?? 0) },
      table: there ? await tableFacts(workspace, table) : undefined,
    })
  }
  const told = { ...(onProgress === undefined ? {} : { onProgress }), ...(onSkipped === undefined ? {} : { onSkipped }) }
  return {
    datasets,
    engine: await engineFacts(workspace, session, journal, datasets, since, onProgress),
    statements: stores ? await statementFacts(workspace, session, told) : [],
    syncs: await syncFacts(workspace, journal, since),
    anomalies: await anomalyFacts(workspace, journal, since),
  }
}

function stepFacts(step: JournalRead<'steps'>): DatasetFacts['steps'][number] {
  const reasons = JSON.parse(step.reasons ?? '[]') as string[]
  return {
    runId: step.run_id ?? '',
    at: step.started_at?.toDate().getTime() ?? 0,
    seconds: Number(step.duration_ms) / 1000,
    mode: step.mode ?? '',
    upstreamChanged: reasons.length > 0 && reasons.every((reason) => reason.startsWith('upstream-changed')),
    rowsRead: Number(step.rows_read),
    rowsWritten: Number(step.rows_written),
    bytesWritten: Number(step.bytes_written),
  }
}

async function columnUses({ project, values }: Workspace, session: Session): Promise<(ColumnUse & { readonly dataset: string })[]> {
  const columns = new Map(project.datasets.map((one) => [one.name, new Set(Object.keys(one.columns))]))
  const uses: (ColumnUse & { readonly dataset: string })[] = []
  for (const one of project.datasets) {
    if (one.write.kind === 'replaceBy')
      uses.push(...one.write.columns.map((column) => ({ dataset: one.name, column, by: one.name, how: 'write' as const })))
    if (!isSql(one.from)) continue
    const compared = await comparedColumns(session, queryText(one, values), columns)
    uses.push(...compared.map((each) => ({ ...each, by: one.name })))
  }
  return uses
}

/** Whether recent commits only added rows. What OPTIMIZE moves is no change. */
async function onlyAppends(table: DeltaTable): Promise<boolean> {
  const { version } = await table.snapshot()
  for (let at = version; at > Math.max(0, version - RECENT_COMMITS); at--) {
    const actions = (await table.actions(at)) ?? []
    if (actions.some((action) => action.remove?.dataChange === true)) return false
  }
  return version > 0
}

async function tableFacts({ storage }: Workspace, table: DeltaTable): Promise<TableFacts> {
  const snapshot = await table.snapshot()
  const files: TableFacts['files'][number][] = []
  for await (const add of snapshot.files.whole()) {
    const { rows = 0, min, max } = parseStatistics(add.stats)
    const partition = JSON.stringify(Object.entries(add.partitionValues).sort())
    files.push({ bytes: add.size, rows, deleted: add.deletionVector?.cardinality ?? 0, partition, ...named(snapshot, min, max) })
  }
  const log = (await storage.list(`${table.path}/_delta_log`)).map((file) => file.name)
  const versionsOf = (pattern: RegExp) => log.filter((name) => pattern.test(name)).map((name) => Number(name.slice(0, 20)))
  const checkpointed = Math.max(-1, ...versionsOf(/^\d{20}\.checkpoint/))
  // A table that others maintain in ways we may not write is not ours to clean.
  const unreferenced = await table.vacuum({ dryRun: true }).catch(() => ({ files: [], bytes: 0 }))
  const interval = Number(snapshot.metadata.configuration['delta.checkpointInterval'])
  return {
    rows: files.reduce((sum, file) => sum + file.rows - file.deleted, 0),
    files,
    partitionColumns: snapshot.partitionColumns,
    columns: snapshot.fields.map((field) => ({ name: field.name, kind: field.type.kind })),
    targetBytes: targetBytes(snapshot),
    commitsSinceCheckpoint: versionsOf(/^\d{20}\.json$/).filter((version) => version > checkpointed).length,
    checkpointInterval: Number.isInteger(interval) && interval > 0 ? interval : DEFAULT_CHECKPOINT_INTERVAL,
    unreferenced: { files: unreferenced.files.length, bytes: unreferenced.bytes },
  }
}

/** Statistics by the columns' own names. */
function named({ fields }: Snapshot, min: Readonly<Record<string, unknown>>, max: Readonly<Record<string, unknown>>) {
  const of = (bounds: Readonly<Record<string, unknown>>) =>
    Object.fromEntries(fields.map((field) => [field.name, bounds[field.stored?.name ?? field.name]]))
  return { min: of(min), max: of(max) }
}

async function engineFacts(
  workspace: Workspace,
  session: Session,
  journal: Journal,
  datasets: readonly DatasetFacts[],
  since: string,
  onProgress?: (what: string) => void,
): Promise<Facts['engine']> {
  const [settings] = await session.rows(`SELECT current_setting('memory_limit') AS memory, current_setting('threads') AS threads`)
  const [held] = await journal.select(
    'metric_samples',
    (samples) =>
      `SELECT max(value) AS peak FROM ${samples} WHERE metric = ${quoteText(runMemory.definition.name)} AND recorded_at >= ${since}`,
  )
  const memoryLimitBytes = bytesOf(String(settings?.['memory']))
  const peak = held?.['peak']
  const peakBytes = typeof peak === 'number' ? peak : undefined
  const slowest = datasets
    .filter((one) => one.reads.length > 0 && one.steps.length > 0)
    .sort((one, other) => medianOf(other.steps.map((step) => step.seconds)) - medianOf(one.steps.map((step) => step.seconds)))
    .slice(0, (peakBytes ?? 0) >= memoryLimitBytes * NEAR_LIMIT ? MOST_PROFILED : 0)
  const profiles: Facts['engine']['profiles'][number][] = []
  for (const { name } of slowest) {
    const dataset = workspace.project.datasets.find((one) => one.name === name)
    if (dataset === undefined) continue
    onProgress?.(`${name}: its query is run once more to see what it needs`)
    const spilledBytes = await spilledBy(workspace, dataset)
    if (spilledBytes !== undefined)
      profiles.push({ dataset: name, spilledBytes: spilledBytes === 'all' ? 0 : spilledBytes, outOfMemory: spilledBytes === 'all' })
  }
  return { memoryLimitBytes, machineBytes: totalmem(), threads: Number(settings?.['threads'] ?? 1), peakBytes, profiles }
}

/** Runs a dataset's query in full and throws its rows away: the most that it had in temporary files; `all` when memory ran out all the same. */
async function spilledBy(workspace: Workspace, dataset: Dataset): Promise<number | 'all' | undefined> {
  const session = await workspace.connect()
  try {
    const inputs = inputsOf(dataset)
    for (const name of new Set([...inputs.whole, ...(inputs.changed === undefined ? [] : [inputs.changed])])) {
      const source = workspace.project.datasets.find((one) => one.name === name)
      const table = workspace.table({ name }, session)
      if (source === undefined || !(await table.exists())) return undefined
      const snapshot = await table.snapshot()
      const rows = withDeclared(await table.select(snapshot), snapshot, source)
      await session.define(name, rows)
      await session.define(`${name} (changed)`, rows)
    }
    const { sql } = await stagedQuery({ workspace, session, dataset })
    await session.execute(`SET enable_profiling = 'no_output'`)
    await session.execute(`SET custom_profiling_settings = '{"SYSTEM_PEAK_TEMP_DIR_SIZE": "true"}'`)
    const [row] = await session.rows(`EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`)
    const measured = JSON.parse(String(row?.['explain_value'] ?? '{}')) as Readonly<Record<string, unknown>>
    return Number(measured['system_peak_temp_dir_size'] ?? 0)
  } catch (error) {
    if (isSluiceError(error) && error.code === ENGINE_OUT_OF_MEMORY.code) return 'all'
    throw error
  } finally {
    await session.close()
  }
}

/** `953.6 MiB` */
function bytesOf(text: string): number {
  const [, number = '0', unit = 'B'] = /^([\d.]+)\s*([KMGT]?i?B|bytes?)/i.exec(text) ?? []
  const power = { K: 1, M: 2, G: 3, T: 4 }[unit.charAt(0).toUpperCase()] ?? 0
  return Number(number) * (unit.includes('i') ? 1024 : 1000) ** power
}
