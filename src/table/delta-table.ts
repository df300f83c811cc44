import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { duckdb, type Session } from '../engine/index.js'
import { failure, isSluiceError, TABLE_CONFLICT, TABLE_VERSION_NOT_FOUND } from '../errors/index.js'
import type { Field } from '../schema/index.js'
import { localStorage, type Storage } from '../storage/index.js'
import { type Change, scanFiles, sum } from './change.js'
import { type CommitOptions, type Committed, commitChange } from './commit.js'
import { type Action, type CommitInfo, decodePath } from './log/actions.js'
import { writeCheckpointFile } from './log/checkpoint.js'
import { type Commit, deltaLog } from './log/log.js'
import { prepareAppend } from './operations/append.js'
import { created, emptySnapshot, type TableDefinition } from './operations/create.js'
import { evolve } from './operations/evolve.js'
import { prepareMerge } from './operations/merge.js'
import { prepareOverwrite } from './operations/overwrite.js'
import { prepareDelete, prepareReplaceKeys, prepareReplaceWhere } from './operations/replace.js'
import { prepareRestore } from './operations/restore.js'
import { filesWithin, readSnapshot, type Snapshot } from './snapshot.js'
import { parseStatistics, type Range } from './statistics.js'

export interface DeltaTableOptions {
  /** Default: this machine's file system. */
  readonly storage?: Storage
  /** Where SQL runs. Default: an embedded DuckDB of the table's own, which `close()` ends. */
  readonly session?: Session
}

export interface HistoryEntry extends Commit {
  readonly operation: string
  readonly info: CommitInfo | undefined
}

/** Which of a table's rows to read. */
export interface ReadOptions {
  readonly version?: number
  readonly columns?: readonly string[]
  /** Files that cannot hold such rows are not opened; rows are not filtered by it. */
  readonly ranges?: Readonly<Record<string, Range>>
}

/** How one version of a table follows another: the rows added and removed in between, as SELECTs. Rows that a rewrite only moved are in both. */
export interface TableDiff {
  readonly from: number
  readonly to: number
  readonly added: string
  readonly removed: string
  /** False when no row was removed or moved. */
  readonly removes: boolean
  /** False when no row was added or moved. */
  readonly adds: boolean
  /** True when no file stands in both versions: all that was there has been replaced. */
  readonly anew: boolean
  /** Rows of the removed files. */
  readonly removedRows: number
}

const CHECKPOINT_INTERVAL = 10
const DELETED_FILE_RETENTION_MS = 7 * 24 * 60 * 60 * 1000

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
  #own: { session: Session; close: () => Promise<void> } | undefined

  private constructor(path: string, options: DeltaTableOptions) {
    this.path = resolve(path)
    this.#storage = options.storage ?? localStorage()
    this.#given = options.session
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
  snapshot(version?: number): Promise<Snapshot> {
    return readSnapshot(this.path, this.#log(), () => this.session(), version)
  }

  /** The table's state, or what it will be before its first commit. */
  async snapshotOr(definition: TableDefinition): Promise<Snapshot> {
    return (await this.exists()) ? this.snapshot() : this.before(definition)
  }

  before(definition: TableDefinition): Snapshot {
    return emptySnapshot(this.path, definition)
  }

  /** The version that was newest at a time. Throws TABLE_VERSION_NOT_FOUND when the table is younger. */
  async versionAt(time: Date): Promise<number> {
    const commits = await this.#log().commits()
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

  /** What each version did, newest first. */
  async history(limit = Number.POSITIVE_INFINITY): Promise<HistoryEntry[]> {
    const commits = (await this.#log().commits()).reverse().slice(0, limit)
    return Promise.all(
      commits.map(async (commit) => {
        const info = (await this.#log().read(commit.version))?.find((action) => action.commitInfo !== undefined)?.commitInfo
        return { ...commit, operation: info?.operation ?? 'UNKNOWN', info }
      }),
    )
  }

  /** The actions of one version. */
  async actions(version: number): Promise<Action[] | undefined> {
    return this.#log().read(version)
  }

  /** A SELECT over the table's rows at a snapshot. */
  async select(snapshot: Snapshot, options: Omit<ReadOptions, 'version'> = {}): Promise<string> {
    const files = options.ranges === undefined ? [...snapshot.files] : filesWithin(snapshot, options.ranges)
    return scanFiles(await this.session(), snapshot, files, options.columns === undefined ? {} : { columns: options.columns })
  }

  /** A SELECT over the table's rows, to be run in its session. */
  async read(options: ReadOptions = {}): Promise<string> {
    return this.select(await this.snapshot(options.version), options)
  }

  /** What lies between two snapshots, without opening a file. */
  async diff(from: Snapshot, to: Snapshot): Promise<TableDiff> {
    const session = await this.session()
    const added = [...to.files].filter(([path]) => !from.files.has(path))
    const removed = [...from.files].filter(([path]) => !to.files.has(path))
    return {
      from: from.version,
      to: to.version,
      added: scanFiles(session, to, added),
      removed: scanFiles(session, { ...from, fields: to.fields }, removed),
      adds: added.length > 0,
      removedRows: sum(removed.map(([, add]) => parseStatistics(add.stats).rows ?? 0)),
      anew: from.files.size > 0 && removed.length === from.files.size,
      removes: removed.length > 0,
    }
  }

  async append(query: string, options?: CommitOptions): Promise<Committed> {
    const snapshot = await this.snapshot()
    return this.commit(snapshot, await prepareAppend(await this.session(), snapshot, query), options)
  }

  async overwrite(query: string, options?: CommitOptions & { readonly definition?: TableDefinition }): Promise<Committed> {
    const snapshot = await this.snapshot()
    return this.commit(snapshot, await prepareOverwrite(await this.session(), snapshot, query, options?.definition), options)
  }

  /** Replaces the rows for which the predicate is true. Throws TABLE_OUTSIDE_PREDICATE. */
  async replaceWhere(predicate: string, query: string, options?: CommitOptions): Promise<Committed> {
    const snapshot = await this.snapshot()
    return this.commit(snapshot, await prepareReplaceWhere(await this.session(), snapshot, predicate, query), options)
  }

  /** Replaces the rows whose keys stand in a relation of the session. */
  async replaceKeys(keys: readonly string[], keysRelation: string, query: string, options?: CommitOptions): Promise<Committed> {
    const snapshot = await this.snapshot()
    return this.commit(snapshot, await prepareReplaceKeys(await this.session(), snapshot, keys, keysRelation, query), options)
  }

  /** MERGE on keys. `source` is a relation of the session or a SELECT in brackets. Throws TABLE_KEYS_REPEAT. */
  async merge(source: string, keys: readonly string[], options?: CommitOptions): Promise<Committed> {
    const snapshot = await this.snapshot()
    return this.commit(snapshot, await prepareMerge(await this.session(), snapshot, { relation: source, keys }), options)
  }

  /** Deletes the rows for which SQL over `t` is true. */
  async delete(condition: string, options?: CommitOptions): Promise<Committed> {
    const snapshot = await this.snapshot()
    return this.commit(snapshot, await prepareDelete(await this.session(), snapshot, condition), options)
  }

  /** Adds nullable columns at the end; those it has are left as they are. */
  async addColumns(fields: readonly Field[], comments: Readonly<Record<string, string>> = {}, options?: CommitOptions): Promise<Committed> {
    const snapshot = await this.snapshot()
    const change: Change = {
      operation: 'ADD COLUMNS',
      parameters: { columns: JSON.stringify(fields.map((field) => field.name)) },
      metrics: {},
      adds: [],
      removes: [],
      ...evolve(snapshot, fields, comments).change,
      blind: false,
    }
    return this.commit(snapshot, change, options)
  }

  /** Makes the table what it was at an earlier version, as a new version. */
  async restore(version: number, options?: CommitOptions): Promise<Committed> {
    const [current, earlier] = [await this.snapshot(), await this.snapshot(version)]
    return this.commit(current, await prepareRestore(this.#storage, current, earlier), options)
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
      else if (committed.version > 0 && committed.version % checkpointInterval(snapshot) === 0) await this.checkpoint(committed.version)
      return committed
    } catch (error) {
      await this.discard(change)
      throw error
    }
  }

  /** Takes away the data files of a change that will not be committed. */
  async discard(change: Pick<Change, 'adds'>): Promise<void> {
    await Promise.all(change.adds.map((add) => this.#storage.remove(`${this.path}/${decodePath(add.path)}`).catch(() => {})))
  }

  /** Writes a log checkpoint at a version, so that readers need not replay what came before. Best effort: a failure changes nothing. */
  async checkpoint(version?: number): Promise<void> {
    try {
      const snapshot = await this.snapshot(version)
      const actions = checkpointActions(snapshot)
      await this.#log().writeCheckpoint(snapshot.version, await writeCheckpointFile(await this.session(), actions), actions.length)
    } catch {
      // The log is whole without it, and the next interval tries again.
    }
  }

  /** The session that this table's SQL runs in. */
  async session(): Promise<Session> {
    if (this.#given !== undefined) return this.#given
    if (this.#own === undefined) {
      const engine = duckdb({ temporaryFolder: join(tmpdir(), `sluice-table-${randomUUID()}`) })
      this.#own = { session: await engine.connect(), close: () => engine.close() }
    }
    return this.#own.session
  }

  /** Ends the table's own engine, if it needed one. */
  async close(): Promise<void> {
    const own = this.#own
    this.#own = undefined
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

function checkpointActions(snapshot: Snapshot): Action[] {
  const forgotten = Date.now() - DELETED_FILE_RETENTION_MS
  return [
    { protocol: snapshot.protocol },
    { metaData: snapshot.metadata },
    ...[...snapshot.transactions.values()].map((txn) => ({ txn })),
    ...[...snapshot.files.values()].map((add) => ({ add: { ...add, dataChange: false } })),
    ...[...snapshot.tombstones.values()]
      .filter((remove) => remove.deletionTimestamp > forgotten)
      .map((remove) => ({ remove: { ...remove, dataChange: false } })),
  ]
}
