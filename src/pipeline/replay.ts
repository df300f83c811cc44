import { randomUUID } from 'node:crypto'
import { quoteName, quoteNames, type Session, sqlType } from '../engine/index.js'
import { failure, QUARANTINE_QUERY_CHANGED } from '../errors/index.js'
import { type HeldFilter, heldCondition, heldGroups, judge, PROBLEM_FIELDS, quarantinePath } from '../quality/index.js'
import { type Field, sameType } from '../schema/index.js'
import { DeltaTable, prepareDelete, type Snapshot } from '../table/index.js'
import { type Dataset, declaredFields, tableFields } from './dataset.js'
import { type DatasetState, definitionFingerprint, readState } from './note.js'
import { completeHeld, publish, rowByRow, type StepContext } from './publish.js'
import { defineReferences } from './references.js'
import { selectDatasets } from './select.js'
import { sourceOf } from './source-step.js'
import { sqlContext, type Workspace } from './workspace.js'

/** Held rows: what there is, why, and what becomes of them. */

export interface HeldSummary {
  /** Distinct rows held. */
  readonly rows: number
  readonly groups: readonly { readonly dataset: string; readonly expectation: string; readonly rows: number }[]
}

interface Open {
  readonly table: DeltaTable
  readonly snapshot: Snapshot
  /** A SELECT of all held rows. */
  readonly select: string
}

async function openQuarantine(workspace: Workspace, session: Session, dataset: Dataset): Promise<Open | undefined> {
  const table = DeltaTable.at(quarantinePath(workspace.lake, dataset.name), { storage: workspace.storage, session })
  if (!(await table.exists())) return undefined
  const snapshot = await table.snapshot()
  return snapshot.files.size === 0 ? undefined : { table, snapshot, select: await table.select(snapshot) }
}

export async function listHeld(workspace: Workspace, select: readonly string[] = []): Promise<HeldSummary> {
  const session = await workspace.connect()
  try {
    let rows = 0
    const groups: { dataset: string; expectation: string; rows: number }[] = []
    for (const dataset of selectDatasets(workspace.project.datasets, select)) {
      const open = await openQuarantine(workspace, session, dataset)
      if (open === undefined) continue
      const [counted] = await session.rows(`SELECT count(*) AS n FROM (${open.select})`)
      rows += Number(counted?.['n'] ?? 0)
      groups.push(...(await heldGroups(session, open.select)).map((group) => ({ dataset: dataset.name, ...group })))
    }
    return { rows, groups }
  } finally {
    await session.close()
  }
}

export interface HeldExample {
  readonly dataset: string
  readonly expectation: string
  readonly description: string
  readonly rows: number
  readonly columns: readonly string[]
  readonly withheld: readonly string[]
  readonly examples: readonly Readonly<Record<string, unknown>>[]
}

/** For each expectation that holds rows: what it says, how many, and some of them whole. Columns tagged `pii` are left out. */
export async function explainHeld(
  workspace: Workspace,
  session: Session,
  dataset: Dataset,
  { expectation, limit }: { readonly expectation?: string | undefined; readonly limit: number },
): Promise<HeldExample[]> {
  const open = await openQuarantine(workspace, session, dataset)
  if (open === undefined) return []
  const all = { ...dataset.columns, ...dataset.staged }
  const withheld = Object.entries(all).flatMap(([name, column]) => (column.tags.includes('pii') ? [name] : []))
  // A line that could not be read may hold anything, so its text is withheld with the columns it was meant for.
  if (withheld.length > 0) withheld.push('_raw')
  const names = open.snapshot.fields.map((field) => field.name).filter((name) => !withheld.includes(name))
  const groups = (await heldGroups(session, open.select)).filter((group) => expectation === undefined || group.expectation === expectation)
  const examples: HeldExample[] = []
  for (const group of groups) {
    // What the expectation speaks of comes first.
    const about = dataset.expect.find((one) => one.name === group.expectation)?.columns ?? []
    const columns = [...names.filter((name) => about.includes(name)), ...names.filter((name) => !about.includes(name))]
    const rows = await session.rows(
      `SELECT ${quoteNames(columns)} FROM (${open.select}) WHERE ${heldCondition({ expectation: group.expectation })} ORDER BY ALL LIMIT ${limit}`,
    )
    const description = dataset.expect.find((one) => one.name === group.expectation)?.description ?? ''
    examples.push({
      dataset: dataset.name,
      expectation: group.expectation,
      description,
      rows: group.rows,
      columns,
      withheld,
      examples: rows,
    })
  }
  return examples
}

/** The staged columns that held rows have. */
function stagedFields(dataset: Dataset, snapshot: Snapshot): Field[] {
  const kept = new Map(snapshot.fields.map((field) => [field.name, field]))
  const declared = [...tableFields(dataset), ...declaredFields(dataset)]
  const wanted = [...new Map([...declared, ...PROBLEM_FIELDS].map((field) => [field.name, field])).values()]
  return [
    ...wanted.filter((field) => kept.has(field.name)),
    ...['_source_file', '_source_row'].flatMap((name) => (wanted.some((one) => one.name === name) ? [] : (kept.get(name) ?? []))),
  ]
}

/** A SELECT of held rows as they were staged. */
function asStaged(open: Open, fields: readonly Field[], condition: string): string {
  const select = fields.map((field) => `CAST(${quoteName(field.name)} AS ${sqlType(field.type)}) AS ${quoteName(field.name)}`)
  return `SELECT ${select.join(', ')} FROM (${open.select}) WHERE ${condition}`
}

/** How many held rows would pass the expectations as they are now; undefined when they cannot be judged as they are. */
export async function wouldPass(
  workspace: Workspace,
  session: Session,
  dataset: Dataset,
  state: DatasetState,
): Promise<number | undefined> {
  const open = await openQuarantine(workspace, session, dataset)
  if (open === undefined) return 0
  if (queryChanged(workspace, dataset, state)) return undefined
  const fields = stagedFields(dataset, open.snapshot)
  await session.define('_held', asStaged(open, fields, 'true'))
  await defineReferences(workspace, session, dataset)
  const verdict = await judgeHeld(workspace, session, dataset, fields, '"_held"')
  return verdict.rowsAccepted
}

function judgeHeld(workspace: Workspace, session: Session, dataset: Dataset, fields: readonly Field[], staged: string) {
  return judge({
    session,
    staged,
    fields,
    expectations: rowByRow(dataset.expect),
    context: sqlContext(workspace.values),
    facts: { keptRows: 0, previousRows: undefined, now: new Date() },
  })
}

function queryChanged(workspace: Workspace, dataset: Dataset, { note }: DatasetState): boolean {
  return note !== undefined && sourceOf(dataset) === undefined && note.definition !== definitionFingerprint(dataset, workspace.values)
}

export interface ReplayResult {
  readonly dataset: string
  readonly replayed: number
  readonly accepted: number
  readonly stillQuarantined: number
}

/**
 * Judges a dataset's held rows by its expectations as they are now, and merges those that pass into its table: each once, however
 * often it is called. Throws QUARANTINE_QUERY_CHANGED when rows were staged by another query.
 */
export async function replayHeld(step: StepContext, filter: HeldFilter): Promise<ReplayResult> {
  const { workspace, session, dataset } = step
  const state = await readState(workspace.table(dataset, session), false)
  await completeHeld(workspace, session, dataset, state)
  const open = await openQuarantine(workspace, session, dataset)
  const nothing = { dataset: dataset.name, replayed: 0, accepted: 0, stillQuarantined: 0 }
  if (open === undefined || state.note === undefined) return nothing
  if (queryChanged(workspace, dataset, state) || typesChanged(dataset, open.snapshot))
    throw failure(QUARANTINE_QUERY_CHANGED, { dataset: dataset.name })

  const fields = stagedFields(dataset, open.snapshot)
  await defineReferences(workspace, session, dataset)
  await session.define('_held', asStaged(open, fields, heldCondition(filter)))
  const { rowsIn, rowsAccepted } = await judgeHeld(workspace, session, dataset, fields, '"_held"')
  if (rowsAccepted === 0) return { ...nothing, replayed: rowsIn, stillQuarantined: rowsIn }

  // Those that pass are published like any batch, and leave the quarantine with it: all of the chosen rows go out, and those
  // that still fail come back in.
  const published = await publish(step, state, {
    query: 'SELECT * FROM "_held"',
    fields,
    extraFields: [],
    mode: 'replay',
    placement: dataset.key.length > 0 ? { how: 'merge' } : { how: 'append' },
    consumed: state.note.consumed,
    supersedes: heldCondition(filter),
    judgeRowsOnly: true,
  })
  return {
    dataset: dataset.name,
    replayed: rowsIn,
    accepted: published.verdict.rowsAccepted,
    stillQuarantined: published.verdict.rowsQuarantined,
  }
}

function typesChanged(dataset: Dataset, snapshot: Snapshot): boolean {
  const held = new Map(snapshot.fields.map((field) => [field.name, field]))
  return declaredFields(dataset).some((field) => {
    const found = held.get(field.name)
    return found === undefined || !sameType(found.type, field.type)
  })
}

/** Takes held rows out for good. Answers how many. */
export async function discardHeld({ workspace, session, dataset, lease }: StepContext, filter: HeldFilter): Promise<number> {
  await completeHeld(workspace, session, dataset, await readState(workspace.table(dataset, session), false))
  const open = await openQuarantine(workspace, session, dataset)
  if (open === undefined) return 0
  const change = await prepareDelete(session, open.snapshot, heldCondition(filter))
  if (change.deleted === 0) return 0
  await lease.check()
  await open.table.commit(open.snapshot, change, { note: JSON.stringify({ discarded: change.deleted, id: randomUUID() }) })
  return change.deleted
}
