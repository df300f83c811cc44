import type { Session } from '../engine/index.js'
import {
  failure,
  isSluiceError,
  messageOf,
  RUN_CANCELLED,
  type SluiceError,
  STEP_BLOCKED,
  SYNC_MOSTLY_REFUSED,
  SYNC_POOL_TOO_SMALL,
  SYNC_SOURCE_MISSING,
  SYNC_UNKNOWN,
  UNEXPECTED,
} from '../errors/index.js'
import { type Journal, openJournal } from '../journal/index.js'
import { span } from '../observability/index.js'
import { type Field, isTime, Timestamp } from '../schema/index.js'
import {
  differences,
  engineRows,
  NULL,
  type OpenStore,
  type RefusedRow,
  type RowSet,
  type Store,
  type StoreTable,
  storeRows,
  unescapeText,
  type Where,
} from '../stores/index.js'
import {
  type Applied,
  type ApplyOptions,
  inBatches,
  NOTHING,
  put,
  readSyncState,
  repair,
  type Sync,
  type SyncState,
  stateName,
  takeAway,
} from '../sync/index.js'
import { requireMigrated } from './migrate.js'
import { type BatchRecord, cpuMeter, keepOperations, memoryShare, type Operation } from './operations.js'
import { newRunId } from './run.js'
import { RunMetrics } from './run-metrics.js'
import { openStores, tableLabel } from './stores.js'
import { recordSync, recordUsage } from './sync-records.js'
import type { SyncMode, SyncResult } from './sync-result.js'
import { openSides, renamedSql, requireUniqueKey, type Sides } from './sync-sides.js'
import type { Workspace } from './workspace.js'

export interface SyncRunOptions {
  /** Names; default all. */
  readonly names?: readonly string[]
  /** Compares all rows, whatever the state says. */
  readonly full?: boolean
  readonly batchRows?: number
  readonly observer?: SyncObserver
}

export interface SyncProgress {
  readonly rows: number
  /** Undefined where it is not known. */
  readonly total?: number
  readonly perSecond: number
  /** Seconds that are left, by the speed so far. */
  readonly left?: number
}

export interface SyncObserver {
  onProgress?(name: string, progress: SyncProgress | string): void
  onEnd?(result: SyncResult): void
}

/** With this many rows changed or more, comparing both sides is less work than writing the candidates again. */
const MANY_CANDIDATES = 1_000
/** Rows that commit late may have a cursor's value from before; transactions are taken to be shorter than this. */
const OVERLAP_MS = 10_000
/** So many refused rows, and more than half of what was sent, stop a sync. */
const MANY_REFUSED = 1_000

/** The named syncs, or all, in order of dependency. Throws SYNC_UNKNOWN. */
export function selectSyncs({ project }: Workspace, names: readonly string[] = []): readonly Sync[] {
  const known = project.syncs.map((one) => one.name)
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) throw failure(SYNC_UNKNOWN, { name: unknown, known })
  return names.length === 0 ? project.syncs : project.syncs.filter((one) => names.includes(one.name))
}

/**
 * Brings the targets of syncs up to date, one after the other, each after those that fill what it reads. What is written stays; running again
 * goes on from there. Throws what kept it from starting: SYNC_UNKNOWN, LEASE_HELD.
 */
export async function syncAll(workspace: Workspace, options: SyncRunOptions = {}): Promise<SyncResult[]> {
  const chosen = selectSyncs(workspace, options.names)
  const runId = newRunId()
  const lease = await workspace.takeSyncLease('sluice sync')
  const stores = openStores(workspace)
  let session: Session | undefined
  try {
    session = await workspace.connect()
    const journal = await openJournal(workspace.lake, workspace.storage, await workspace.connect('whatever happens'))
    const results: SyncResult[] = []
    const metrics = new RunMetrics(workspace)
    const operations: Operation[] = []
    const batches: BatchRecord[] = []
    for (const one of chosen) {
      const blocker = results.find(
        (result) => result.status !== 'ok' && result.status !== 'skipped' && 'store' in one.from && fills(chosen, result.name, one.from),
      )
      const started = new Date()
      const cpu = cpuMeter()
      const base = {
        name: one.name,
        from: fromLabel(workspace, one),
        to: tableLabel(workspace.project, one.to),
        startedAt: started.toISOString(),
      }
      const ended = (rest: Omit<SyncResult, keyof typeof base | 'durationMs'>) => ({
        ...base,
        ...rest,
        durationMs: Date.now() - started.getTime(),
      })
      let result: SyncResult
      if (isAborted(workspace)) result = ended({ ...NOTHING, status: 'cancelled', mode: 'nothing', reason: 'interrupted' })
      else if (blocker !== undefined) {
        const error = failure(STEP_BLOCKED, { dataset: one.name, by: blocker.name }).toJSON()
        result = ended({ ...NOTHING, status: 'blocked', mode: 'nothing', reason: `${blocker.name} failed`, error })
      } else {
        try {
          const done = await span(`sync ${one.name}`, {}, () =>
            new Copy(workspace, session as Session, stores, journal, runId, one, options, (batch) =>
              batches.push({ ...batch, sync: one.name }),
            ).run(),
          )
          result = ended({ ...done, status: 'ok' })
        } catch (thrown) {
          if (hasNothingYet(one, thrown)) {
            result = ended({ ...NOTHING, status: 'skipped', mode: 'nothing', reason: `${base.from} has no table yet` })
            results.push(result)
            options.observer?.onEnd?.(result)
            continue
          }
          const cancelled = isAborted(workspace)
          const error = cancelled ? failure(RUN_CANCELLED, {}) : asSluiceError(thrown)
          if (process.env['SLUICE_DEBUG'] !== undefined) process.stderr.write(`${thrown instanceof Error ? thrown.stack : thrown}\n`)
          result = ended({
            ...NOTHING,
            status: cancelled ? 'cancelled' : 'failed',
            mode: 'nothing',
            reason: error.message,
            error: error.toJSON(),
          })
        }
      }
      results.push(result)
      options.observer?.onEnd?.(result)
      if (result.status !== 'ok' && result.status !== 'failed') continue
      const own = batches.filter((batch) => batch.sync === one.name)
      const operation: Operation = {
        at: new Date(),
        store: one.to.store.kind,
        operation: `sync ${one.name}`,
        cpu: cpu(),
        memory: memoryShare(),
        latencyMs: own.length === 0 ? result.durationMs : (own.reduce((sum, batch) => sum + batch.seconds, 0) / own.length) * 1000,
        rows: result.inserted + result.updated + result.deleted,
        mismatches: 0,
        errors: (result.status === 'failed' ? 1 : 0) + result.deadLettered,
      }
      operations.push(operation)
      metrics.sync(result)
      metrics.operation(operation)
      await recordSync(journal, runId, result)
      await recordUsage(workspace, stores, journal, metrics, { runId, rows: result.rows }, one)
    }
    await keepAfter(workspace, stores, journal, metrics, runId, operations, batches, (problem) =>
      options.observer?.onProgress?.('records', problem),
    )
    return results
  } finally {
    await stores.close()
    await session?.close().catch(() => {})
    await workspace.close().catch(() => {})
    await lease.release()
  }
}

/**
 * A dataset without a table is not one without rows: an empty lake, a path misspelt, would empty every target.
 */
export function hasNothingYet(one: Sync, thrown: unknown): boolean {
  return !('store' in one.from) && isSluiceError(thrown) && thrown.code === SYNC_SOURCE_MISSING.code
}

function isAborted({ signal }: Workspace): boolean {
  return signal?.aborted === true
}

/** Metrics into the journal and to those who collect them; operations into the tables that the project names. None of it fails the work itself. */
export async function keepAfter(
  workspace: Workspace,
  stores: ReturnType<typeof openStores>,
  journal: Journal,
  metrics: RunMetrics,
  runId: string,
  operations: readonly Operation[],
  batches: readonly BatchRecord[],
  report: (problem: string) => void,
): Promise<void> {
  const tried = async (what: string, work: () => Promise<readonly string[]>) => {
    try {
      for (const problem of await work()) report(`${what}: ${problem}`)
    } catch (error) {
      report(`${what}: ${messageOf(error)}`)
    }
  }
  await tried('what operations cost could not be written down', async () => {
    const prepare = (open: OpenStore, store: Store) => requireMigrated(workspace, open, store)
    await keepOperations(stores, prepare, workspace.project.config.records ?? {}, operations, batches)
    return []
  })
  await tried('metrics could not be kept', async () => {
    await metrics.keep(journal, runId)
    return []
  })
  await tried('metrics could not be sent', () => metrics.push(journal))
}

/** Whether the sync of that name fills the table. */
function fills(syncs: readonly Sync[], name: string, table: StoreTable): boolean {
  const to = syncs.find((one) => one.name === name)?.to
  return to?.store === table.store && to.name === table.name
}

function fromLabel({ project }: Workspace, one: Sync): string {
  return 'store' in one.from ? tableLabel(project, one.from) : one.from.name
}

export function asSluiceError(thrown: unknown): SluiceError {
  return isSluiceError(thrown) ? thrown : failure(UNEXPECTED, { problem: messageOf(thrown) }, { cause: thrown })
}

type Done = Applied & { readonly mode: SyncMode; readonly reason: string }

/** One sync, once. */
class Copy {
  readonly #workspace: Workspace
  readonly #session: Session
  readonly #stores: ReturnType<typeof openStores>
  readonly #journal: Journal
  readonly #runId: string
  readonly #sync: Sync
  readonly #options: SyncRunOptions
  readonly #began = Date.now()
  readonly #onBatch: (batch: Omit<BatchRecord, 'sync'>) => void
  #batches = 0
  #sent = 0

  constructor(
    workspace: Workspace,
    session: Session,
    stores: ReturnType<typeof openStores>,
    journal: Journal,
    runId: string,
    sync: Sync,
    options: SyncRunOptions,
    onBatch: (batch: Omit<BatchRecord, 'sync'>) => void,
  ) {
    this.#onBatch = onBatch
    this.#workspace = workspace
    this.#session = session
    this.#stores = stores
    this.#journal = journal
    this.#runId = runId
    this.#sync = sync
    this.#options = options
  }

  async run(): Promise<Done> {
    await requireMigrated(this.#workspace, await this.#stores.open(this.#sync.to.store), this.#sync.to.store)
    const sides = await openSides(this.#workspace, this.#session, this.#stores, this.#sync, true)
    const name = stateName(this.#sync.name)
    const state = readSyncState(await sides.targetStore.readState(name))
    const known = state?.source === sides.sourceId && state.mapping === sides.mapping && this.#options.full !== true ? state : undefined
    const next: SyncState = {
      format: 1,
      source: sides.sourceId,
      mapping: sides.mapping,
      ...(sides.lake === undefined ? {} : { version: sides.lake.snapshot.version }),
      ...(await this.#cursorNow(sides)),
    }
    const done = sides.lake === undefined ? await this.#fromStore(sides, known) : await this.#fromLake(sides, known)
    if (JSON.stringify(next) !== JSON.stringify(state)) await sides.targetStore.writeState(name, JSON.stringify(next))
    return done
  }

  async #fromLake(sides: Sides, state: SyncState | undefined): Promise<Done> {
    const version = sides.lake?.snapshot.version ?? 0
    if (state?.version === version) return { ...NOTHING, mode: 'nothing', reason: `version ${version} is there already` }
    await requireUniqueKey(this.#session, sides)
    if (state?.version !== undefined && state.version < version) {
      const changed = await this.#changes(sides, state.version).catch((error: unknown) => {
        // Files and commits of an older version may be gone; then all rows are compared.
        if (isSluiceError(error) && ['STORAGE_FILE_MISSING', 'TABLE_VERSION_NOT_FOUND'].includes(error.code)) return undefined
        throw error
      })
      if (changed !== undefined) return changed
      return this.#compare(sides, `version ${state.version} of ${sides.from} is no longer there`)
    }
    return this.#whole(sides, state)
  }

  /** Ranges of a store that may be read side by side: each keeps a connection until its end, and what it gives has to be written by another. */
  #readers({ targetStore, to }: Sides): number {
    const { name, from, to: target, parallel, place } = this.#sync
    const isOne = 'store' in from && from.store === target.store && targetStore.sql !== undefined
    const connections = isOne ? (targetStore.usage?.().connections ?? parallel + 1) : parallel + 1
    if (connections < 2) throw failure(SYNC_POOL_TOO_SMALL, { name, store: to.replace(/\.[^.]*$/, '') }, { place })
    return Math.min(parallel, connections - 1)
  }

  async #fromStore(sides: Sides, state: SyncState | undefined): Promise<Done> {
    const { cursor: column } = sides
    if (state?.cursor !== undefined && column !== undefined && sides.sourceTable !== undefined) {
      // Of times, all rows up to the cursor are in; of numbers, another row may have come with the same.
      const where: Where = { kind: 'range', column, ...(isTime(column.type) ? { after: state.cursor } : { from: state.cursor }) }
      const [candidates, all] = [await sides.sourceTable.count(where), await sides.source.count()]
      if (candidates <= MANY_CANDIDATES || candidates * 2 < all) return this.#byCursor(sides, where, candidates)
      return this.#compare(sides, `${count(candidates)} of ${count(all)} rows have changed since ${state.cursor}`)
    }
    return this.#whole(sides, state)
  }

  /** An empty target is loaded, any other compared. */
  async #whole(sides: Sides, state: SyncState | undefined): Promise<Done> {
    const why =
      this.#options.full === true ? 'asked for' : state === undefined ? 'nothing is known of an earlier sync' : 'its source has no versions'
    return (await isEmpty(sides.target)) ? this.#load(sides) : this.#compare(sides, why)
  }

  async #load(sides: Sides): Promise<Done> {
    const total = await sides.source.count()
    const options = this.#applyOptions(sides, total)
    const readers = this.#readers(sides)
    const ranges = sides.sourceTable === undefined ? [] : await rangesOf(sides.source, readers)
    if (ranges.length < 2) {
      const done = await put(sides.targetTable, sides.source.scan({ batchRows: options.batchRows }), { ...options, fresh: true })
      return { ...done, mode: 'load', reason: `${sides.to} was empty` }
    }
    const parts = new Map<Where, Applied>()
    const observe = (range: Where) => (totals: Applied) => {
      parts.set(range, totals)
      options.observe?.([...parts.values()].reduce(added, NOTHING))
    }
    const done = await Promise.all(
      ranges.map((range) =>
        put(sides.targetTable, sides.source.scan({ where: range, batchRows: options.batchRows }), {
          ...options,
          parallel: 1,
          fresh: true,
          observe: observe(range),
        }),
      ),
    )
    return {
      ...done.reduce(added, NOTHING),
      mode: 'load',
      reason: `${sides.to} was empty; ${ranges.length} ranges of ${sides.key[0]} side by side`,
    }
  }

  /** What lies between two versions of a dataset, without a look at the target. */
  async #changes(sides: Sides, from: number): Promise<Done> {
    const { lake, mapped, key, target } = sides
    if (lake === undefined) return this.#compare(sides, 'its source has no versions')
    const diff = await lake.table.diff(await lake.table.snapshot(from), lake.snapshot)
    const columns = target.columns
    const set = (label: string, relation: string) =>
      engineRows(this.#session, { label, relation: renamedSql(mapped, relation), columns, key })
    const reason = `versions ${from + 1} to ${lake.snapshot.version}`
    const found = await differences(this.#session, set('added', diff.added), set('removed', diff.removed))
    return this.#apply(sides, found, 'changes', reason)
  }

  async #byCursor(sides: Sides, where: Where, candidates: number): Promise<Done> {
    this.#readers(sides)
    const options = this.#applyOptions(sides, candidates)
    const done = await put(sides.targetTable, sides.source.scan({ where, batchRows: options.batchRows }), options)
    const reason = `${count(candidates)} ${candidates === 1 ? 'row' : 'rows'} past the cursor`
    const [lefts, rights] = [await sides.source.count(), await sides.targetTable.count()]
    if (lefts === rights || this.#sync.deletes === 'keep') return { ...done, mode: 'cursor', reason }
    // A cursor does not see rows that are gone.
    if (lefts > rights) return withMore(done, await this.#compare(sides, `${reason}; the target still lacks rows`))
    const keys = (rows: RowSet, table: Sides['targetTable']) =>
      storeRows(this.#session, {
        label: rows.label,
        table,
        columns: rows.columns.slice(0, sides.key.length),
        key: sides.key,
        digest: false,
        signal: this.#workspace.signal,
      })
    if (sides.sourceTable === undefined) return { ...done, mode: 'cursor', reason }
    const found = await differences(this.#session, keys(sides.source, sides.sourceTable), keys(sides.target, sides.targetTable))
    try {
      const gone = async function* () {
        for await (const { left, right } of found.read()) if (left === undefined && right !== undefined) yield right
      }
      const removed = await takeAway(
        sides.targetTable,
        inBatches(gone(), sides.source.columns.slice(0, sides.key.length), options.batchRows),
        options,
        done,
      )
      return { ...removed, mode: 'cursor', reason: `${reason}; keys compared for rows that are gone` }
    } finally {
      await found.release()
    }
  }

  async #compare(sides: Sides, reason: string): Promise<Done> {
    const { observer } = this.#options
    const seen = new Map<string, number>()
    const found = await differences(this.#session, sides.source, sides.target, {
      observe: (side, rows) => {
        seen.set(side, rows)
        observer?.onProgress?.(this.#sync.name, `comparing, ${[...seen].map(([label, read]) => `${count(read)} of ${label}`).join(', ')}`)
      },
    })
    return this.#apply(sides, found, 'compare', reason)
  }

  async #apply(sides: Sides, found: Awaited<ReturnType<typeof differences>>, mode: SyncMode, reason: string): Promise<Done> {
    try {
      const options = { ...this.#applyOptions(sides, found.count), deletes: this.#sync.deletes }
      const done = await repair(sides.targetTable, sides.source, () => found.read(), options)
      return { ...done, mode, reason }
    } finally {
      await found.release()
    }
  }

  #applyOptions(sides: Sides, total: number): ApplyOptions {
    const began = Date.now()
    const cpu = cpuMeter()
    return {
      key: sides.key,
      batchRows: this.#options.batchRows ?? this.#sync.batchRows ?? (sides.targetStore.capabilities.sql ? 20_000 : 5_000),
      parallel: this.#sync.parallel,
      signal: this.#workspace.signal,
      observe: ({ rows }) => {
        const perSecond = rows / Math.max(0.001, (Date.now() - began) / 1000)
        this.#options.observer?.onProgress?.(this.#sync.name, {
          rows,
          total,
          perSecond,
          left: Math.max(0, total - rows) / Math.max(1, perSecond),
        })
      },
      onBatch: ({ rows, seconds }) => {
        this.#sent += rows
        const memory = process.memoryUsage.rss()
        this.#onBatch({ at: new Date(), batch: ++this.#batches, rows, seconds, memory, cpu: cpu() })
      },
      refused: (rows) => this.#deadLetters(sides, rows),
    }
  }

  /** One after the other: the journal's tables have one writer. */
  #letters: Promise<void> = Promise.resolve()
  #refused = 0

  #deadLetters(sides: Sides, refused: readonly RefusedRow[]): Promise<void> {
    if (refused.length === 0) return Promise.resolve()
    this.#refused += refused.length
    const now = Timestamp.fromDate(new Date())
    this.#letters = this.#letters.then(() =>
      this.#journal.append(
        'dead_letters',
        refused.map(({ line, reason }) => ({
          run_id: this.#runId,
          sync: this.#sync.name,
          target: sides.to,
          row: JSON.stringify(rowText(line, sides.source.columns)),
          reason,
          recorded_at: now,
        })),
      ),
    )
    const [first] = refused
    // That many are not odd rows, but a target that does not fit.
    if (this.#refused >= MANY_REFUSED && this.#refused * 2 > this.#sent && first !== undefined) {
      const facts = { name: this.#sync.name, refused: this.#refused, sent: this.#sent, reason: first.reason }
      return this.#letters.then(() => Promise.reject(failure(SYNC_MOSTLY_REFUSED, facts, { place: this.#sync.place })))
    }
    return this.#letters
  }

  /** Up to where the target will have all rows, once it has those that are there now. */
  async #cursorNow(sides: Sides): Promise<{ readonly cursor?: string }> {
    const { cursor: column, sourceTable } = sides
    if (column === undefined || sourceTable === undefined) return {}
    const bounds = await sourceTable.bounds(column)
    if (bounds === undefined) return {}
    if (!isTime(column.type)) return { cursor: bounds.greatest }
    const safe = Timestamp.fromDate(new Date(this.#began - OVERLAP_MS)).wallClock()
    return { cursor: bounds.greatest < safe ? bounds.greatest : safe }
  }
}

function withMore(first: Applied, then: Done): Done {
  return { ...added(first, then), mode: then.mode, reason: then.reason }
}

function added(one: Applied, other: Applied): Applied {
  return {
    inserted: one.inserted + other.inserted,
    updated: one.updated + other.updated,
    deleted: one.deleted + other.deleted,
    deadLettered: one.deadLettered + other.deadLettered,
    rows: one.rows + other.rows,
  }
}

/** Servers count by reading all. */
async function isEmpty(rows: RowSet): Promise<boolean> {
  for await (const { size } of rows.scan({ columns: rows.columns.slice(0, 1), limit: 1 })) if (size > 0) return false
  return true
}

/** The rows in as many ranges of a single whole-number key; none where the key is otherwise. */
async function rangesOf(rows: RowSet, wanted: number): Promise<Where[]> {
  const [column] = rows.columns
  if (rows.key.length !== 1 || column === undefined || !isWhole(column) || wanted < 2) return []
  const bounds = await rows.bounds(column)
  if (bounds === undefined) return []
  const [least, greatest] = [BigInt(bounds.least), BigInt(bounds.greatest)]
  const width = (greatest - least) / BigInt(wanted) + 1n
  return Array.from({ length: wanted }, (_, index): Where => {
    const from = least + width * BigInt(index)
    return { kind: 'range', column, from: String(from), to: String(from + width) }
  })
}

function isWhole({ type }: Field): boolean {
  return type.kind === 'long' || type.kind === 'integer' || type.kind === 'short' || type.kind === 'byte'
}

/** A line's values as text, by column; null is null. */
export function rowText(line: string, columns: readonly Field[]): Record<string, string | null> {
  const values = line.split('\t')
  return Object.fromEntries(
    columns.map((column, index) => {
      const text = values[index] ?? NULL
      return [column.name, text === NULL ? null : unescapeText(text)]
    }),
  )
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}
