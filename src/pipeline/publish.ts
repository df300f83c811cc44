import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { quoteName, quoteNames, type Session, sqlType, type WrittenFile } from '../engine/index.js'
import { failure, GATE_FAILED, GATE_UNBALANCED } from '../errors/index.js'
import type { Lease } from '../journal/index.js'
import { type Expectation, heldRows, judge, quarantineDefinition, quarantinePath, type Verdict } from '../quality/index.js'
import type { Field } from '../schema/index.js'
import { SOURCE_FILE } from '../sources/index.js'
import {
  addFiles,
  appendWritten,
  type Change,
  DeltaTable,
  evolve,
  findTouched,
  hasChecks,
  isNested,
  mayBeIn,
  overwriteTarget,
  overwriteWritten,
  prepareAppend,
  prepareMerge,
  prepareOverwrite,
  prepareReplaceKeys,
  prepareReplaceWhere,
  requireUniqueKeys,
  rewrite,
  rowCount,
  type Snapshot,
  scanFiles,
  type TableDefinition,
} from '../table/index.js'
import { type Dataset, tableFields } from './dataset.js'
import type { CommitNote, Consumed, DatasetState, HeldChange, LedgerFile, Mode } from './note.js'
import { definitionFingerprint, expectationsFingerprint } from './note.js'
import { sqlContext, type Workspace } from './workspace.js'

/** Write, audit, publish: rows are staged where nobody sees them, the gate judges them, then one commit makes them the table's. */

export interface StepContext {
  readonly workspace: Workspace
  readonly session: Session
  readonly lease: Lease
  readonly runId: string
  readonly dataset: Dataset
  /** Rows that the last run of this dataset accepted. */
  readonly previousRows: number | undefined
  readonly report: (progress: string) => void
}

/** How accepted rows get into the table. */
export type Placement =
  | { readonly how: 'replace-all' }
  | { readonly how: 'append' }
  | { readonly how: 'merge' }
  /** `relation` holds the touched keys; without one, the accepted rows' own keys are meant. */
  | { readonly how: 'replace-keys'; readonly keys: readonly string[]; readonly relation?: string }
  | { readonly how: 'replace-where'; readonly predicate: string }

export interface Batch {
  /** A SELECT of `fields`. */
  readonly query: string
  /** All staged columns, in order: the table's, those for gate and quarantine alone, and for messy input what is wrong with the row. */
  readonly fields: readonly Field[]
  /** Columns that join the table. */
  readonly extraFields: readonly Field[]
  readonly mode: Mode
  readonly placement: Placement
  readonly consumed: Readonly<Record<string, Consumed>>
  /** SQL over `t`, a held row: true for those that this batch takes the place of. */
  readonly supersedes?: string
  readonly ledgerAnew?: boolean
  /** Held rows are judged one by one: nothing is expected of them as a whole, and what would fail a step holds the row again. */
  readonly judgeRowsOnly?: boolean
  /** Files taken in, from the number of staged rows of each. */
  readonly files?: (rowsOf: ReadonlyMap<string, number>) => readonly LedgerFile[]
}

export interface Published {
  readonly version: number
  readonly verdict: Verdict
  readonly rowsWritten: number
  readonly rowsSuperseded: number
  readonly bytesWritten: number
  /** Milliseconds from the gate's verdict to the commit. */
  readonly writeMs: number
  readonly files: readonly LedgerFile[]
}

/** A GATE_FAILED carries what the gate found. */
export interface GateFacts {
  readonly verdict?: Verdict
}

export function tableDefinition(dataset: Dataset, extraFields: readonly Field[] = []): TableDefinition {
  const comments = Object.entries(dataset.columns).flatMap(([name, column]) =>
    column.description === '' ? [] : [[name, column.description]],
  )
  return {
    fields: [...tableFields(dataset), ...extraFields],
    partitionColumns: dataset.partition,
    comments: Object.fromEntries(comments) as Record<string, string>,
    ...(dataset.description === '' ? {} : { description: dataset.description }),
  }
}

/**
 * Stages a batch, judges it and commits it. Either all of it is in the table and the quarantine afterwards, or nothing is.
 * Throws GATE_FAILED, TABLE_*, ENGINE_*, STORAGE_*, LEASE_LOST.
 */
export async function publish(step: StepContext, state: DatasetState, batch: Batch): Promise<Published> {
  const { workspace, session, dataset } = step
  const table = workspace.table(dataset, session)
  const definition = tableDefinition(dataset, batch.extraFields)
  const before = state.snapshot ?? table.before(definition)
  const evolved = batch.placement.how === 'replace-all' ? undefined : evolve(before, definition.fields, definition.comments)
  const snapshot = evolved?.snapshot ?? before
  const number = 1 + Math.max(state.note?.batch ?? 0, before.transactions.get(dataset.name)?.version ?? 0)

  const staged = await stage(step, batch, batch.placement.how === 'replace-all' ? overwriteTarget(snapshot, definition) : snapshot)
  let change: Change | undefined
  let held: Held | undefined
  let published = false
  try {
    const verdict = await judge({
      session,
      staged: staged.relation,
      fields: batch.fields,
      expectations: batch.judgeRowsOnly === true ? rowByRow(dataset.expect) : dataset.expect,
      context: sqlContext(workspace.values),
      facts: { keptRows: await keptRows(batch, snapshot), previousRows: step.previousRows, now: new Date() },
      ...(batch.placement.how === 'append' && snapshot.files.size > 0
        ? { beside: await scanFiles(session, snapshot, [...snapshot.files]) }
        : {}),
    })
    if (verdict.failed) throw gateFailure(dataset, verdict)

    const judgedAt = performance.now()
    change = withEvolution(await prepareChange(step, batch, snapshot, definition, staged, verdict), evolved?.change)
    held = await prepareHeld(step, batch, verdict, number)
    requireBalance(dataset, verdict, acceptedRows(change, batch), held?.rows ?? 0)

    const files = batch.files?.(await rowsByFile(session, staged.relation, batch.fields)) ?? []
    const note: CommitNote = {
      sluice: 1,
      dataset: dataset.name,
      runId: step.runId,
      batch: number,
      mode: batch.mode,
      definition: definitionFingerprint(dataset, workspace.values),
      expectations: expectationsFingerprint(dataset, workspace.values),
      consumed: batch.consumed,
      rowsIn: verdict.rowsIn,
      rowsAccepted: verdict.rowsAccepted,
      ...(files.length === 0 ? {} : { files }),
      ...(batch.ledgerAnew === true ? { ledgerAnew: true } : {}),
      ...(held === undefined ? {} : { held: held.change }),
    }
    await settleHeld(workspace, held?.change, dataset)
    await step.lease.check()
    const { version } = await table.commit(before, change, { txn: { appId: dataset.name, version: number }, note: JSON.stringify(note) })
    published = true
    if (held !== undefined) await commitHeld(workspace, session, dataset, held.change, number)
    return {
      version,
      verdict,
      rowsWritten: verdict.rowsAccepted,
      rowsSuperseded: held?.superseded ?? 0,
      bytesWritten: change.adds.reduce((sum, add) => sum + add.size, 0),
      writeMs: performance.now() - judgedAt,
      files,
    }
  } catch (error) {
    published ||= mayBeIn(error)
    if (!published) {
      if (change !== undefined) await table.discard(change)
      if (held !== undefined) await discardFiles(step, held.change)
    }
    throw error
  } finally {
    const becameTheTable =
      published &&
      staged.direct &&
      change?.adds.some((add) => staged.files.some((file) => file.path.endsWith(decodeURIComponent(add.path))))
    if (becameTheTable !== true) await staged.discard()
  }
}

/** What is expected of each held row by itself. */
export function rowByRow(expectations: readonly Expectation[]): Expectation[] {
  return expectations
    .filter((one) => one.rule.scope !== 'table')
    .map((one) => ({ ...one, mostly: undefined, action: one.action === 'warn' ? 'warn' : 'quarantine' }))
}

function gateFailure(dataset: Dataset, verdict: Verdict) {
  const expectations = verdict.results
    .filter((one) => one.status === 'fail')
    .map(({ name, failed, evaluated }) => ({ name, failed, evaluated }))
  const error = failure(GATE_FAILED, { dataset: dataset.name, expectations })
  return Object.assign(error, { facts: { ...error.facts, verdict } })
}

interface Staged {
  readonly relation: string
  readonly files: readonly WrittenFile[]
  /** True when the staged files have just the table's columns and lie in its folder: without a held row they are the table's as they are. */
  readonly direct: boolean
  discard(): Promise<void>
}

const STAGED = '_staged'
const ACCEPTED = '_accepted'

async function stage({ session, report }: StepContext, batch: Batch, target: Snapshot): Promise<Staged> {
  const own = new Set(target.fields.map((field) => field.name))
  const { how } = batch.placement
  const direct =
    (how === 'append' || how === 'replace-all') &&
    batch.fields.every((field) => own.has(field.name)) &&
    target.fields.every((field) => field.stored === undefined && (field.nullable || !isNested(field))) &&
    !hasChecks(target)
  const folder = direct ? target.path : join(session.scratch, `staged-${randomUUID()}`)
  const partitionColumns = direct ? target.partitionColumns : []
  report('staging')
  await mkdir(folder, { recursive: true })
  const select = batch.fields.map((field) => `CAST(${quoteName(field.name)} AS ${sqlType(field.type)}) AS ${quoteName(field.name)}`)
  const files = await session.write({
    query: `SELECT ${select.join(', ')} FROM (${batch.query})`,
    folder,
    prefix: `part-${randomUUID()}`,
    purpose: direct ? 'keep' : 'temporary',
    partitionBy: partitionColumns,
  })
  await session.define(
    STAGED,
    session.scan({ files: files.map((file) => ({ ...file, exact: true })), columns: batch.fields, partitionColumns }),
  )
  return {
    relation: quoteName(STAGED),
    files,
    direct,
    async discard() {
      await Promise.all(files.map((file) => rm(file.path, { force: true })))
      if (!direct) await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Writes the accepted rows as the change that would put them into the table. */
async function prepareChange(
  { workspace, session, dataset, report }: StepContext,
  batch: Batch,
  snapshot: Snapshot,
  definition: TableDefinition,
  staged: Staged,
  verdict: Verdict,
): Promise<Change> {
  report('writing')
  await workspace.storage.makeFolder(snapshot.path)
  const columns = quoteNames(snapshotFields(batch, snapshot, definition))
  await session.define(ACCEPTED, `SELECT ${columns} FROM (${verdict.accepted})`)
  const relation = quoteName(ACCEPTED)
  const query = `SELECT * FROM ${relation}`
  const whole = staged.direct && verdict.rowsQuarantined === 0
  const { placement } = batch
  switch (placement.how) {
    case 'replace-all':
      if (dataset.write.kind === 'merge')
        await requireUniqueKeys(session, snapshot.path, { relation, keys: dataset.key, proven: verdict.uniqueKeys })
      if (whole) return overwriteWritten(snapshot, addFiles(overwriteTarget(snapshot, definition), staged.files, batch.fields), definition)
      return prepareOverwrite(session, snapshot, query, definition)
    case 'append':
      return whole ? appendWritten(snapshot, addFiles(snapshot, staged.files, batch.fields)) : prepareAppend(session, snapshot, query)
    case 'merge':
      return prepareMerge(session, snapshot, { relation, keys: dataset.key, proven: verdict.uniqueKeys })
    case 'replace-keys': {
      const keys = placement.relation ?? `(SELECT DISTINCT ${quoteNames(placement.keys)} FROM ${relation})`
      return prepareReplaceKeys(session, snapshot, placement.keys, keys, query)
    }
    case 'replace-where':
      return prepareReplaceWhere(session, snapshot, placement.predicate, query)
  }
}

/** The staged columns that the table keeps. */
function snapshotFields(batch: Batch, snapshot: Snapshot, definition: TableDefinition): string[] {
  const kept = new Set((batch.placement.how === 'replace-all' ? definition.fields : snapshot.fields).map((field) => field.name))
  return batch.fields.map((field) => field.name).filter((name) => kept.has(name))
}

function withEvolution(change: Change, evolution: Partial<Pick<Change, 'metadata' | 'protocol'>> | undefined): Change {
  return evolution?.metadata === undefined ? change : { ...change, ...evolution, blind: false }
}

async function keptRows(batch: Batch, snapshot: Snapshot): Promise<number> {
  return batch.placement.how === 'replace-all' ? 0 : await rowCount(snapshot)
}

async function rowsByFile(session: Session, relation: string, fields: readonly Field[]): Promise<Map<string, number>> {
  if (!fields.some((field) => field.name === SOURCE_FILE)) return new Map()
  const rows = await session.rows(`SELECT ${SOURCE_FILE} AS file, count(*) AS n FROM ${relation} GROUP BY ALL`)
  return new Map(rows.map((row) => [String(row['file']), Number(row['n'])]))
}

/** Rows that a change puts into the table, by its own count of what was written. */
function acceptedRows({ metrics }: Change, { placement }: Batch): number {
  if (placement.how === 'merge') return metrics['numSourceRows'] ?? 0
  return (metrics['numOutputRows'] ?? 0) - (metrics['numCopiedRows'] ?? 0)
}

function requireBalance(dataset: Dataset, { rowsIn, rowsAccepted, rowsQuarantined }: Verdict, written: number, held: number): void {
  if (rowsIn !== rowsAccepted + rowsQuarantined || written !== rowsAccepted || held !== rowsQuarantined) {
    throw failure(GATE_UNBALANCED, { dataset: dataset.name, rowsIn, rowsAccepted: written, rowsQuarantined: held })
  }
}

interface Held {
  readonly change: HeldChange
  readonly rows: number
  readonly superseded: number
}

/** Writes the rows to hold, and takes out those that this batch takes the place of. Undefined when the quarantine stays as it is. */
async function prepareHeld(step: StepContext, batch: Batch, verdict: Verdict, number: number): Promise<Held | undefined> {
  const { workspace, session, dataset } = step
  const table = DeltaTable.at(quarantinePath(workspace.lake, dataset.name), { storage: workspace.storage, session })
  const definition = quarantineDefinition(dataset.name, batch.fields)
  const exists = await table.exists()
  const before = exists ? await table.snapshot() : table.before(definition)
  const rows = verdict.rowsQuarantined
  const clears = batch.placement.how === 'replace-all' && before.files.size > 0
  const condition = before.files.size > 0 && batch.placement.how !== 'replace-all' ? batch.supersedes : undefined
  if (rows === 0 && !clears && condition === undefined) return undefined

  await workspace.storage.makeFolder(table.path)
  const holding = { runId: step.runId, batch: number, heldAt: new Date() }
  const incoming = heldRows(verdict.quarantined, definition.fields, holding)
  if (batch.placement.how === 'replace-all') {
    const change = await prepareOverwrite(session, before, incoming, definition)
    return { change: exists ? change : { ...change, ...creation(before) }, rows: change.metrics['numOutputRows'] ?? 0, superseded: 0 }
  }
  const { snapshot, change: evolution } = evolve(before, definition.fields)
  const made = exists ? evolution : creation(before)
  if (condition === undefined) {
    const change = await prepareAppend(session, snapshot, incoming)
    return { change: { ...change, ...made }, rows: change.metrics['numOutputRows'] ?? 0, superseded: 0 }
  }
  const touched = await findTouched(session, before, { candidates: [...before.files], condition })
  if (touched.rows === 0 && rows === 0) return undefined
  const written = await rewrite(session, snapshot, touched, condition, { query: rows === 0 ? undefined : incoming })
  const change: HeldChange = {
    operation: 'WRITE',
    parameters: { mode: 'Append' },
    metrics: { numOutputRows: written.outputRows, numDeletedRows: touched.rows, numCopiedRows: written.copiedRows },
    adds: written.adds,
    removes: written.removes,
    ...made,
  }
  return { change, rows: written.outputRows - written.copiedRows, superseded: touched.rows }
}

function creation({ metadata, protocol }: Snapshot): Pick<HeldChange, 'metadata' | 'protocol'> {
  return { metadata, protocol }
}

/** The table's commit promises these files, so they are on disk before it. */
async function settleHeld(workspace: Workspace, held: HeldChange | undefined, dataset: Dataset): Promise<void> {
  if (held === undefined) return
  const folder = quarantinePath(workspace.lake, dataset.name)
  await workspace.storage.settle(held.adds.map((add) => `${folder}/${decodeURIComponent(add.path)}`))
}

/** The second half of publishing. It carries the table's batch number as its own, so that it is made once however often it is tried. */
async function commitHeld(workspace: Workspace, session: Session, dataset: Dataset, held: HeldChange, batch: number): Promise<void> {
  const table = DeltaTable.at(quarantinePath(workspace.lake, dataset.name), { storage: workspace.storage, session })
  const snapshot = (await table.exists()) ? await table.snapshot() : table.before(quarantineDefinition(dataset.name, []))
  await table.commit(snapshot, { ...held, blind: false }, { txn: { appId: dataset.name, version: batch } })
}

/** Does what a run that died between the two commits of a batch left undone. True when there was something. */
export async function completeHeld(workspace: Workspace, session: Session, dataset: Dataset, state: DatasetState): Promise<boolean> {
  const { note } = state
  if (note?.held === undefined) return false
  const table = DeltaTable.at(quarantinePath(workspace.lake, dataset.name), { storage: workspace.storage, session })
  const done = (await table.exists()) ? ((await table.snapshot()).transactions.get(dataset.name)?.version ?? -1) : -1
  if (done >= note.batch) return false
  await commitHeld(workspace, session, dataset, note.held, note.batch)
  return true
}

async function discardFiles({ workspace, session, dataset }: StepContext, change: HeldChange): Promise<void> {
  const table = DeltaTable.at(quarantinePath(workspace.lake, dataset.name), { storage: workspace.storage, session })
  await table.discard(change)
}
