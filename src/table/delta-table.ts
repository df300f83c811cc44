import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { duckdb, quoteName, quoteNames, type Row, type Session } from '../engine/index.js'
import {
  ENGINE_FILE_UNREADABLE,
  failure,
  isSluiceError,
  STORAGE_FILE_MISSING,
  TABLE_CHANGE_INVALID,
  TABLE_COMMIT_UNKNOWN,
  TABLE_CONFLICT,
  TABLE_CONSTRAINT_BROKEN,
  TABLE_FILE_MISSING,
  TABLE_VERSION_NOT_FOUND,
} from '../errors/index.js'
import type { DataType, Field } from '../schema/index.js'
import { localStorage, type Storage, s3Storage } from '../storage/index.js'
import { type Change, scanFiles } from './change.js'
import { type ChangesOptions, changesSql } from './changes.js'
import { cleanLog, writeLogCheckpoint } from './checkpointing.js'
import { type CommitOptions, type Committed, commitChange } from './commit.js'
import { checksOf } from './constraints.js'
import { diffSnapshots, type TableDiff } from './diff.js'
import { type Action, type CommitInfo, decodePath } from './log/actions.js'
import { vectorPath } from './log/deletion-vector.js'
import { type Commit, deltaLog } from './log/log.js'
import { fitted, prepareAppend, type RowInput, rowsSql } from './operations/append.js'
import {
  prepareAddColumns,
  prepareDropColumn,
  prepareRenameColumn,
  prepareSetProperties,
  prepareWidenColumn,
} from './operations/columns.js'
import { created, emptySnapshot, type TableDefinition } from './operations/create.js'
import { type MergeClauses, prepareMerge } from './operations/merge.js'
import { type OptimizeOptions, prepareOptimize } from './operations/optimize.js'
import { prepareOverwrite, prepareOverwritePartitions } from './operations/overwrite.js'
import { prepareDelete, prepareReplaceKeys, prepareReplaceWhere, prepareUpdate } from './operations/replace.js'
import { prepareRestore } from './operations/restore.js'
import { prepareScd2, type Scd2Options } from './operations/scd2.js'
import { planVacuum, type Vacuumed, type VacuumOptions } from './operations/vacuum.js'
import { fieldsIn, requireWritable } from './protocol.js'
import { filesThat, readSnapshot, type Snapshot, whereHolds, withinRanges } from './snapshot.js'
import type { Range } from './statistics.js'

export interface DeltaTableOptions {
  /** Default: this machine's file system, or S3 for a path that begins with `s3://`. */
  readonly storage?: Storage
  /** Where SQL runs. Default: an embedded DuckDB of the table's own, which `close()` ends. */
  readonly session?: Session
  /** Of the table's own engine: `512MB`, `4GB`. Default 1GB. */
  readonly memory?: string
  /** Of the table's own engine. Default: the machine's processors. */
  readonly threads?: number
  /** Ends what the table's own engine is at, with ENGINE_CANCELLED: nothing is committed then. */
  readonly signal?: AbortSignal
  /** Read files outside the table's folder too, where the log names such (a shallow clone). */
  readonly outside?: boolean
}

export interface HistoryEntry extends Commit {
  readonly operation: string
  readonly info: CommitInfo | undefined
}

/** Which of a table's rows to read. */
export interface ReadOptions {
  readonly version?: number
  /** The version that was newest at this time. */
  readonly timestamp?: Date
  readonly columns?: readonly string[]
  /** SQL over the table's columns: only rows for which it is true. Files that can hold none are not opened. */
  readonly where?: string
  /** Files that cannot hold such rows are not opened; rows are not filtered by it. */
  readonly ranges?: Readonly<Record<string, Range>>
}

export interface OverwriteOptions extends CommitOptions {
  /** Replaces the columns too. */
  readonly definition?: TableDefinition
  /** `dynamic`: only partitions that the new rows belong to are replaced. */
  readonly partitions?: 'dynamic'
}

const CHECKPOINT_INTERVAL = 10
const RETRIES = 20
const LONGEST_WAIT_MS = 2000
const VACUUM_BATCH = 100
const COMPACTION_INTERVAL = 10
/** As Spark's auto compaction: this many files below this size make it worth while. */
const SMALL_FILES = 50
const SMALL_BYTES = 16 * 1024 * 1024

/**
 * A Delta Lake table.
 *
 * ```ts
 * const trips = await DeltaTable.create('./trips', { fields: fieldsOf({ id: column.long() }) })
 * await trips.append('select 1 as id')           // version 1, one row
 * await trips.merge('(select 1 as id)', ['id'])  // version 2, still one row
 * await trips.close()
 * ```
 */
export class DeltaTable {
  readonly path: string
  readonly #storage: Storage
  readonly #given: Session | undefined
  readonly #options: DeltaTableOptions
  #latest: Snapshot | undefined
  #own: { session: Session; close: () => Promise<void> } | undefined

  private constructor(path: string, options: DeltaTableOptions) {
    const remote = /^[a-z][a-z0-9+.-]*:\/\//i.test(path) && !path.startsWith('file:')
    this.path = remote ? path.replace(/\/+$/, '') : resolve(path.replace(/^file:\/\//, ''))
    this.#storage = options.storage ?? (remote ? s3Storage() : localStorage())
    this.#given = options.session
    this.#options = options
  }

  /** A handle on a path, whether or not a table is there. */
  static at(path: string, options: DeltaTableOptions = {}): DeltaTable {
    return new DeltaTable(path, options)
  }

  /** Throws TABLE_NOT_FOUND, TABLE_LOG_CORRUPT, TABLE_FEATURE_UNSUPPORTED. */
  static async open(path: string, options: DeltaTableOptions = {}): Promise<DeltaTable> {
    const table = new DeltaTable(path, options)
    await table.snapshot()
    return table
  }

  /** Makes a table with these columns and no rows, unless one is there. Throws TABLE_COLUMN_NAME_INVALID. */
  static async create(path: string, definition: TableDefinition, options: DeltaTableOptions = {}): Promise<DeltaTable> {
    const table = new DeltaTable(path, options)
    const before = table.before(definition)
    if (!(await table.exists())) {
      await table.commit(before, created(before)).catch(async (error: unknown) => {
        // Whoever made it first, it is there.
        if (!(isSluiceError(error) && error.code === TABLE_CONFLICT.code)) throw error
      })
    }
    return table
  }

  exists(): Promise<boolean> {
    return this.#log().exists()
  }

  /** Throws TABLE_NOT_FOUND, TABLE_VERSION_NOT_FOUND, TABLE_LOG_CORRUPT, TABLE_FEATURE_UNSUPPORTED. */
  async snapshot(version?: number, wanted: { readonly tombstones?: boolean } = {}): Promise<Snapshot> {
    const snapshot = await readSnapshot(this.path, this.#log(), this.#storage, () => this.session(), {
      ...wanted,
      since: this.#latest,
      ...(version === undefined ? {} : { version }),
      ...(this.#options.outside === undefined ? {} : { outside: this.#options.outside }),
    })
    if (version === undefined && wanted.tombstones !== true) this.#latest = snapshot
    return snapshot
  }

  /** The table's state, or what it will be before its first commit. */
  async snapshotOr(definition: TableDefinition): Promise<Snapshot> {
    return (await this.exists()) ? this.snapshot() : this.before(definition)
  }

  before(definition: TableDefinition): Snapshot {
    return emptySnapshot(this.path, definition, this.#storage)
  }

  /** The version that was newest at a time. Throws TABLE_VERSION_NOT_FOUND when the table is younger. */
  async versionAt(time: Date): Promise<number> {
    const commits = await this.#timed(await this.#log().commits())
    const found = commits.findLast((commit) => commit.timestamp <= time.getTime())
    if (found === undefined) {
      throw failure(TABLE_VERSION_NOT_FOUND, {
        path: this.path,
        wanted: `at ${time.toISOString()}`,
        first: commits[0]?.version ?? 0,
        last: commits.at(-1)?.version ?? 0,
      })
    }
    return found.version
  }

  /** Where a table keeps its own clock (inCommitTimestamp), that is when a version was committed, whatever became of the files' times. */
  async #timed(commits: readonly Commit[]): Promise<readonly Commit[]> {
    const { metadata } = await this.snapshot()
    if (metadata.configuration['delta.enableInCommitTimestamps'] !== 'true') return commits
    const infos = await Promise.all(commits.map(async ({ version }) => infoOf(await this.#log().read(version))))
    return commits.map((commit, index) => ({ ...commit, timestamp: infos[index]?.inCommitTimestamp ?? commit.timestamp }))
  }

  /** What each version did, newest first. */
  async history(limit = Number.POSITIVE_INFINITY): Promise<HistoryEntry[]> {
    const commits = (await this.#log().commits()).reverse().slice(0, limit)
    return Promise.all(
      commits.map(async (commit) => {
        const info = infoOf(await this.#log().read(commit.version))
        return {
          version: commit.version,
          timestamp: info?.inCommitTimestamp ?? commit.timestamp,
          operation: info?.operation ?? 'UNKNOWN',
          info,
        }
      }),
    )
  }

  /** The actions of one version. */
  async actions(version: number): Promise<Action[] | undefined> {
    return this.#log().read(version)
  }

  /** A SELECT over the table's rows at a snapshot. */
  async select(snapshot: Snapshot, options: Omit<ReadOptions, 'version' | 'timestamp'> = {}): Promise<string> {
    const session = await this.session()
    const { columns, where, ranges } = options
    const unknown = columns?.find((name) => !snapshot.fields.some((field) => field.name === name))
    if (unknown !== undefined) throw failure(TABLE_CHANGE_INVALID, { path: this.path, problem: `there is no column "${unknown}"` })
    const holds = where === undefined ? undefined : whereHolds(snapshot, await session.condition(where))
    const within = ranges === undefined ? undefined : withinRanges(snapshot, ranges)
    const files =
      holds === undefined && within === undefined
        ? [...snapshot.files]
        : await filesThat(snapshot, (add) => holds?.(add) !== false && within?.(add) !== false)
    if (where === undefined) return scanFiles(session, snapshot, files, columns === undefined ? {} : { columns })
    const wanted = columns === undefined ? 't.*' : quoteNames(columns, 't.')
    return `SELECT ${wanted} FROM (${await scanFiles(session, snapshot, files)}) AS t WHERE (${where}\n)`
  }

  /** A SELECT over the table's rows, to be run in its session. */
  async read(options: ReadOptions = {}): Promise<string> {
    const version = options.version ?? (options.timestamp === undefined ? undefined : await this.versionAt(options.timestamp))
    return this.select(await this.snapshot(version), options)
  }

  /** The rows, as they are asked for: `for await (const { id } of table.rows({ where: 'id > 7' }))`. Memory does not grow with the table. */
  async *rows(options: ReadOptions = {}): AsyncIterable<Row> {
    for await (const batch of (await this.session()).stream(await this.read(options))) {
      const names = batch.columns.map((column) => column.name)
      for (const values of batch.rows) yield Object.fromEntries(values.map((value, index) => [names[index] ?? '', value]))
    }
  }

  /**
   * The change data feed between two versions, both included, as a SELECT: the table's columns, `_change_type`, `_commit_version`,
   * `_commit_timestamp`. Throws TABLE_CHANGE_INVALID where the property delta.enableChangeDataFeed was not on.
   */
  async changes({ from, to }: ChangesOptions): Promise<string> {
    const [before, after] = [await this.snapshot(from), await this.snapshot(to)]
    if (before.version > after.version)
      throw failure(TABLE_CHANGE_INVALID, { path: this.path, problem: `changes go forward, not from version ${from} to ${after.version}` })
    return changesSql(await this.session(), this.#log(), before, after)
  }

  /** What lies between two snapshots, without opening a file. */
  async diff(from: Snapshot, to: Snapshot): Promise<TableDiff> {
    return diffSnapshots(await this.session(), this.#log(), from, to)
  }

  /**
   * Adds a SELECT's rows, matched by column name, or rows as they are: `append([{ id: 1n, name: 'ann' }])`. A column left out is null; with
   * `mergeSchema` a column that the table lacks joins it. Throws TABLE_SCHEMA_MISMATCH.
   */
  append(rows: string | readonly RowInput[], options: CommitOptions & { readonly mergeSchema?: boolean } = {}): Promise<Committed> {
    return this.#change(options, async (session, snapshot) => {
      const given = typeof rows === 'string' ? rows : rowsSql(snapshot, rows)
      const { query, snapshot: target, change } = await fitted(session, snapshot, given, options.mergeSchema === true)
      const append = await prepareAppend(session, target, query)
      return change.metadata === undefined ? append : { ...append, ...change, blind: false, reads: { files: [], mayHold: () => false } }
    })
  }

  /** Replaces all rows; the columns too, with a definition; or only the partitions that the new rows belong to. Throws TABLE_SCHEMA_MISMATCH. */
  overwrite(query: string, options: OverwriteOptions = {}): Promise<Committed> {
    return this.#change(options, async (session, snapshot) => {
      if (options.definition !== undefined) return prepareOverwrite(session, snapshot, query, options.definition)
      const { query: rows } = await fitted(session, snapshot, query, false)
      return options.partitions === 'dynamic'
        ? prepareOverwritePartitions(session, snapshot, rows)
        : prepareOverwrite(session, snapshot, rows)
    })
  }

  /** Replaces the rows for which the predicate is true. Throws TABLE_OUTSIDE_PREDICATE. */
  replaceWhere(predicate: string, query: string, options: CommitOptions = {}): Promise<Committed> {
    return this.#change(options, (session, snapshot) => prepareReplaceWhere(session, snapshot, predicate, query))
  }

  /** Replaces the rows whose keys stand in a relation of the session. */
  replaceKeys(keys: readonly string[], keysRelation: string, query: string, options: CommitOptions = {}): Promise<Committed> {
    return this.#change(options, (session, snapshot) => prepareReplaceKeys(session, snapshot, keys, keysRelation, query))
  }

  /**
   * MERGE on keys. `source` is a relation of the session or a SELECT in brackets. Without clauses, rows whose keys are there are replaced and
   * others inserted. Throws TABLE_KEYS_REPEAT.
   */
  merge(source: string, keys: readonly string[], options: CommitOptions & { readonly clauses?: MergeClauses } = {}): Promise<Committed> {
    return this.#change(options, (session, snapshot) =>
      onceRead(session, source, (relation) => prepareMerge(session, snapshot, { relation, keys }, options.clauses)),
    )
  }

  /**
   * Keeps every version of a key, each with when it held: `scd2('(SELECT …)', { keys: ['id'], sequence: 'changed' })`. See `Scd2Options`.
   * Throws TABLE_CHANGE_INVALID for late rows, null keys or sequences, and rows that differ under one key and sequence.
   */
  scd2(source: string, options: Scd2Options & CommitOptions): Promise<Committed> {
    return this.#change(options, (session, snapshot) => prepareScd2(session, snapshot, source, options))
  }

  /** Deletes the rows for which SQL over `t` is true. */
  delete(condition: string, options: CommitOptions = {}): Promise<Committed> {
    return this.#change(options, (session, snapshot) => prepareDelete(session, snapshot, condition))
  }

  /** Sets columns, by SQL over `t`, of the rows for which the condition is true: `update({ fare: 't.fare * 2' }, 't.id = 7')`. */
  update(set: Readonly<Record<string, string>>, condition?: string, options: CommitOptions = {}): Promise<Committed> {
    return this.#change(options, (session, snapshot) => prepareUpdate(session, snapshot, set, condition))
  }

  /** Adds nullable columns at the end, and fields of structs; what it has is left as it is. */
  addColumns(fields: readonly Field[], comments: Readonly<Record<string, string>> = {}, options: CommitOptions = {}): Promise<Committed> {
    return this.#change(options, async (_, snapshot) => prepareAddColumns(snapshot, fields, comments))
  }

  /** `renameColumn(['address', 'town'], 'city')`. Needs column mapping. */
  renameColumn(column: readonly string[], to: string, options: CommitOptions = {}): Promise<Committed> {
    return this.#change(options, (session, snapshot) => keepingChecks(session, snapshot, prepareRenameColumn(snapshot, column, to)))
  }

  /** Needs column mapping. */
  dropColumn(column: readonly string[], options: CommitOptions = {}): Promise<Committed> {
    return this.#change(options, (session, snapshot) => keepingChecks(session, snapshot, prepareDropColumn(snapshot, column)))
  }

  /** Needs the property delta.enableTypeWidening. */
  widenColumn(column: readonly string[], type: DataType, options: CommitOptions = {}): Promise<Committed> {
    return this.#change(options, async (_, snapshot) => prepareWidenColumn(snapshot, column, type))
  }

  /** Sets table properties; null takes one away. What of the protocol they need comes with them. */
  setProperties(properties: Readonly<Record<string, string | null>>, options: CommitOptions = {}): Promise<Committed> {
    return this.#change(options, async (_, snapshot) => prepareSetProperties(snapshot, properties))
  }

  /** A condition that every row meets from now on; the rows there are must meet it already. Throws TABLE_CONSTRAINT_BROKEN. */
  addConstraint(name: string, expression: string, options: CommitOptions = {}): Promise<Committed> {
    return this.#change(options, async (session, snapshot) => {
      if (snapshot.metadata.configuration[`delta.constraints.${name}`] !== undefined)
        throw failure(TABLE_CHANGE_INVALID, { path: this.path, problem: `it has a constraint ${name} already` })
      const change = {
        ...prepareSetProperties(snapshot, { [`delta.constraints.${name}`]: expression }),
        operation: 'ADD CONSTRAINT',
        reads: { files: [], mayHold: () => true },
      }
      const [check] = await checksOf(session, {
        ...snapshot,
        metadata: { ...snapshot.metadata, configuration: { [`delta.constraints.${name}`]: expression } },
      })
      const rows = `(${await scanFiles(session, snapshot, [...snapshot.files])})`
      const [row] = await session.rows(`SELECT count(*) AS n FROM ${rows} WHERE (${check?.sql ?? 'true'}) IS NOT TRUE`)
      if (Number(row?.['n'] ?? 0) > 0) throw failure(TABLE_CONSTRAINT_BROKEN, { path: this.path, constraint: name, expression })
      return change
    })
  }

  /** Makes the table what it was at an earlier version, as a new version. Throws TABLE_FILE_MISSING. */
  restore(version: number, options: CommitOptions = {}): Promise<Committed> {
    return this.#change(options, async (_, current) => prepareRestore(this.#storage, current, await this.snapshot(version)))
  }

  /** Writes small files together as large ones, or, with `zOrderBy`, all rows in an order that lets filters skip files. */
  optimize(options: OptimizeOptions & CommitOptions = {}): Promise<Committed> {
    return this.#change(options, (session, snapshot) => prepareOptimize(session, snapshot, options))
  }

  /** Deletes files that no version within the retention needs. Throws TABLE_VACUUM_RETENTION. */
  async vacuum(options: VacuumOptions = {}): Promise<Vacuumed> {
    const snapshot = await this.snapshot(undefined, { tombstones: true })
    const { start, end, ...plan } = await planVacuum(snapshot, options)
    if (plan.dryRun || plan.files.length === 0) return plan
    const { version } = await this.commit(snapshot, start)
    let done = 0
    for (let at = 0; at < plan.files.length; at += VACUUM_BATCH) {
      const batch = plan.files.slice(at, at + VACUUM_BATCH)
      await Promise.all(batch.map((file) => this.#storage.remove(`${this.path}/${file}`)))
      done += batch.length
      options.onProgress?.({ files: done, of: plan.files.length })
    }
    await this.commit(await this.snapshot(version), end(done))
    return plan
  }

  /**
   * What a table that is fed by many small commits needs: its small files written together once there are many (50), then VACUUM by its
   * own retention. Tables with the property delta.autoOptimize.autoCompact do the first by themselves, every tenth version.
   */
  async maintain(options: { readonly minFiles?: number } = {}): Promise<{ readonly compacted: boolean; readonly vacuumed: number }> {
    const compacted = await this.#compactSmall(options.minFiles ?? SMALL_FILES)
    return { compacted, vacuumed: (await this.vacuum()).files.length }
  }

  async #compactSmall(minFiles: number): Promise<boolean> {
    const { files } = await this.snapshot()
    let small = 0
    for (const add of files.values()) if (add.size < SMALL_BYTES && ++small >= minFiles) break
    return small >= minFiles && (await this.optimize()).applied
  }

  /**
   * Makes a prepared change the next version. When it cannot be, the change's data files are taken away and the error goes on.
   * Throws TABLE_CONFLICT.
   */
  async commit(snapshot: Snapshot, change: Change, options: CommitOptions = {}): Promise<Committed> {
    await this.#storage.makeFolder(`${this.path}/_delta_log`)
    const whole = snapshot.version < 0 && change.protocol === undefined ? created(snapshot, change) : change
    try {
      const committed = await commitChange(this.#log(), this.#storage, snapshot, whole, options)
      if (!committed.applied) await this.discard(change)
      else await this.#afterwards(snapshot, committed.version)
      return committed
    } catch (error) {
      if (!mayBeIn(error)) await this.discard(change)
      throw error
    }
  }

  /** Prepares a change and commits it; when another writer came in between, prepares it again from what is there now. */
  async #change(
    options: CommitOptions,
    prepare: (session: Session, snapshot: Snapshot) => Promise<Change | undefined>,
  ): Promise<Committed> {
    const retries = options.retries ?? RETRIES
    for (let attempt = 0; ; attempt++) {
      const snapshot = await this.snapshot()
      try {
        const { txn } = options
        if (txn !== undefined && (snapshot.transactions.get(txn.appId)?.version ?? -1) >= txn.version)
          return { version: snapshot.version, applied: false }
        requireWritable(snapshot.path, snapshot.protocol, snapshot.metadata)
        const change = await prepare(await this.session(), snapshot)
        if (change === undefined) return { version: snapshot.version, applied: false }
        return await this.commit(snapshot, change, options)
      } catch (error) {
        if (attempt >= retries || !(await this.#overtaken(snapshot, error))) throw error
        await setTimeout(Math.random() * Math.min(LONGEST_WAIT_MS, 20 * 2 ** attempt))
      }
    }
  }

  /** Besides a conflict: a file that was read from a version which VACUUM has since made unreadable, when there is a newer one. */
  async #overtaken(snapshot: Snapshot, error: unknown): Promise<boolean> {
    if (!isSluiceError(error)) return false
    if (error.code === TABLE_CONFLICT.code) return true
    if (error.code !== ENGINE_FILE_UNREADABLE.code && error.code !== TABLE_FILE_MISSING.code && error.code !== STORAGE_FILE_MISSING.code)
      return false
    return (await this.snapshot().catch(() => snapshot)).version > snapshot.version
  }

  /** Takes away the data files of a change that will not be committed. */
  async discard(change: Pick<Change, 'adds' | 'changes' | 'borrows'> & { readonly removes?: Change['removes'] }): Promise<void> {
    if (change.borrows === true) return
    // A file that is both removed and added has only had its deletion vector changed: it is the table's.
    const kept = new Set((change.removes ?? []).map((remove) => decodePath(remove.path)))
    const files = [...change.adds, ...(change.changes ?? [])].map((file) => decodePath(file.path)).filter((path) => !kept.has(path))
    const vectors = change.adds.flatMap(({ path, deletionVector }) =>
      deletionVector !== undefined && kept.has(decodePath(path)) ? (vectorPath(deletionVector, this.path) ?? []) : [],
    )
    await Promise.all([...files, ...new Set(vectors)].map((path) => this.#storage.remove(`${this.path}/${path}`).catch(() => {})))
  }

  /** Writes a log checkpoint at a version, so that readers need not replay what came before. */
  async checkpoint(version?: number): Promise<{ readonly version: number; readonly actions: number }> {
    const snapshot = await this.snapshot(version, { tombstones: true })
    return writeLogCheckpoint(await this.session(), this.#log(), snapshot)
  }

  /** Deletes log files older than the property delta.logRetentionDuration (30 days), as far as a log checkpoint stands for them. Answers their names. */
  async cleanLog(now = Date.now()): Promise<string[]> {
    return cleanLog(this.#log(), await this.snapshot(), now)
  }

  /** Log checkpoints and compaction by interval. The commit is in, whatever becomes of them: the next interval tries again. */
  async #afterwards(snapshot: Snapshot, version: number): Promise<void> {
    const compacts = ['true', 'auto'].includes(snapshot.metadata.configuration['delta.autoOptimize.autoCompact'] ?? '')
    try {
      if (version > 0 && version % checkpointInterval(snapshot) === 0) {
        await this.checkpoint(version)
        await this.cleanLog()
      }
      if (compacts && version % COMPACTION_INTERVAL === 0) await this.#compactSmall(SMALL_FILES)
    } catch {}
  }

  /** The session that this table's SQL runs in. */
  async session(): Promise<Session> {
    if (this.#given !== undefined) return this.#given
    if (this.#own === undefined) {
      const { memory, threads } = this.#options
      const engine = duckdb({
        temporaryFolder: join(tmpdir(), `sluice-table-${randomUUID()}`),
        ...(memory === undefined ? {} : { memory }),
        ...(threads === undefined ? {} : { threads }),
      })
      this.#own = { session: await engine.connect(this.#options.signal), close: () => engine.close() }
    }
    return this.#own.session
  }

  /** Ends the table's own engine, if it needed one. */
  async close(): Promise<void> {
    const own = this.#own
    this.#own = undefined
    this.#latest = undefined
    await own?.session.close()
    await own?.close()
  }

  #log() {
    return deltaLog(this.path, this.#storage)
  }
}

function checkpointInterval(snapshot: Snapshot): number {
  const interval = Number(snapshot.metadata.configuration['delta.checkpointInterval'])
  return Number.isInteger(interval) && interval > 0 ? interval : CHECKPOINT_INTERVAL
}

/** Whether a failed commit may have taken effect: then its data files are perhaps the table's. */
export function mayBeIn(error: unknown): boolean {
  return isSluiceError(error) && error.code === TABLE_COMMIT_UNKNOWN.code
}

/** A SELECT is run once, however often its rows are looked at: another time it may give others. */
async function onceRead<Result>(session: Session, source: string, use: (relation: string) => Promise<Result>): Promise<Result> {
  if (!source.trimStart().startsWith('(')) return use(source)
  const name = quoteName(`_sluice_source_${randomUUID()}`)
  await session.execute(`CREATE TEMP TABLE ${name} AS SELECT * FROM ${source}`)
  try {
    return await use(name)
  } finally {
    await session.execute(`DROP TABLE IF EXISTS ${name}`)
  }
}

/** Throws TABLE_CHANGE_INVALID when a constraint could not be evaluated over the columns that are left. */
async function keepingChecks(session: Session, snapshot: Snapshot, change: Change): Promise<Change> {
  const metadata = change.metadata ?? snapshot.metadata
  await checksOf(session, { path: snapshot.path, fields: fieldsIn(metadata), metadata }).catch((cause: unknown) => {
    throw failure(TABLE_CHANGE_INVALID, { path: snapshot.path, problem: 'a constraint speaks of the column' }, { cause })
  })
  return change
}

function infoOf(actions: readonly Action[] | undefined): CommitInfo | undefined {
  return actions?.find((action) => action.commitInfo !== undefined)?.commitInfo
}
