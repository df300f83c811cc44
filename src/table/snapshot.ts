import type { Condition, Session } from '../engine/index.js'
import { failure, messageOf, TABLE_FEATURE_UNSUPPORTED, TABLE_FILE_OUTSIDE, TABLE_LOG_CORRUPT } from '../errors/index.js'
import type { Field } from '../schema/index.js'
import type { Storage, StoredFile } from '../storage/index.js'
import { FileSet, type FileTest, type LaterAdd } from './files.js'
import {
  type Action,
  type AddFile,
  type DomainMetadata,
  decodePath,
  fileKey,
  isAbsolute,
  type Metadata,
  type Protocol,
  type RemoveFile,
  type Transaction,
} from './log/actions.js'
import { type CheckpointState, readCheckpoint } from './log/checkpoint.js'
import type { DeltaLog, LogSegment } from './log/log.js'
import { parseSchema } from './log/schema-json.js'
import { columnMapping, requireReadable } from './protocol.js'
import { mayHoldRow } from './skipping.js'
import { mayHold, parseStatistics, type Range } from './statistics.js'

/** A table as it was at one version. */
export interface Snapshot {
  readonly path: string
  readonly version: number
  /** When that version was committed, in milliseconds since 1970. */
  readonly timestamp: number
  readonly protocol: Protocol
  readonly metadata: Metadata
  readonly fields: readonly Field[]
  readonly partitionColumns: readonly string[]
  /** Live files by key: the decoded path and, where rows of it are deleted, which. */
  readonly files: FileSet
  /** Files removed and not yet forgotten, by key; only where they were asked for. */
  readonly tombstones?: ReadonlyMap<string, RemoveFile>
  readonly transactions: ReadonlyMap<string, Transaction>
  readonly domains: ReadonlyMap<string, DomainMetadata>
  /** Whether files outside the table's folder, which a log may name, are read. */
  readonly outside: boolean
  readonly storage: Storage
}

export interface SnapshotOptions {
  /** An earlier state of the same table, to go on from. */
  readonly since?: Snapshot | undefined
  readonly outside?: boolean
  readonly version?: number
  readonly tombstones?: boolean
}

/** What a snapshot was put together from, so that a later one need only add the commits since. */
interface Origin {
  readonly state: State
  readonly adds: CheckpointState['adds']
  readonly newest: StoredFile | undefined
}
const origins = new WeakMap<Snapshot, Origin>()

interface State {
  protocol: Protocol | undefined
  metadata: Metadata | undefined
  /** Of the commits after the checkpoint: what they left there, and every key they spoke of. */
  readonly files: Map<string, AddFile | LaterAdd>
  readonly touched: Set<string>
  readonly tombstones: Map<string, RemoveFile>
  readonly transactions: Map<string, Transaction>
  readonly domains: Map<string, DomainMetadata>
}

/** Replays the log up to a version. Source: the Delta protocol, "Action Reconciliation". */
export async function readSnapshot(
  path: string,
  log: DeltaLog,
  storage: Storage,
  session: () => Promise<Session>,
  options: SnapshotOptions = {},
): Promise<Snapshot> {
  const { since } = options
  const known = since === undefined || options.version !== undefined || options.tombstones === true ? undefined : origins.get(since)
  const segment = since === undefined || known?.newest === undefined ? undefined : await log.after(since.version, known.newest)
  try {
    if (since !== undefined && known !== undefined && segment !== undefined) {
      if (segment.versions.length === 0) return since
      return await replayed(path, log, storage, { segment, adds: known.adds, state: copied(known.state) }, options)
    }
    const opened = await openSegment(path, log, storage, session, options)
    const state = emptyState()
    if (opened.checkpoint !== undefined) {
      apply(state, opened.checkpoint.removes)
      apply(state, opened.checkpoint.actions)
      state.touched.clear()
    }
    return await replayed(path, log, storage, { segment: opened.segment, adds: opened.checkpoint?.adds ?? [], state }, options)
  } catch (thrown) {
    if (thrown instanceof URIError || (thrown instanceof Error && thrown.constructor === Error))
      throw failure(TABLE_LOG_CORRUPT, { path, problem: messageOf(thrown) }, { cause: thrown })
    throw thrown
  }
}

async function replayed(
  path: string,
  log: DeltaLog,
  storage: Storage,
  { segment, adds, state }: { readonly segment: LogSegment; readonly adds: CheckpointState['adds']; readonly state: State },
  options: SnapshotOptions,
): Promise<Snapshot> {
  for await (const actions of log.replay(segment)) apply(state, actions)
  const { protocol, metadata } = state
  if (protocol === undefined || metadata === undefined) throw new Error('it has no protocol or no metadata')
  requireReadable(path, protocol, metadata)
  const snapshot: Snapshot = {
    path,
    version: segment.version,
    timestamp: segment.timestamp,
    protocol,
    metadata: { ...metadata, configuration: metadata.configuration ?? {} },
    fields: schemaOf(path, metadata),
    partitionColumns: metadata.partitionColumns,
    files: new FileSet(adds, state.touched, state.files),
    ...(options.tombstones === true ? { tombstones: state.tombstones } : {}),
    transactions: state.transactions,
    domains: state.domains,
    outside: options.outside === true,
    storage,
  }
  origins.set(snapshot, { state, adds, newest: segment.newest })
  return snapshot
}

function emptyState(): State {
  return {
    protocol: undefined,
    metadata: undefined,
    files: new Map(),
    touched: new Set(),
    tombstones: new Map(),
    transactions: new Map(),
    domains: new Map(),
  }
}

function copied({ protocol, metadata, files, touched, transactions, domains }: State): State {
  return {
    protocol,
    metadata,
    files: new Map(files),
    touched: new Set(touched),
    tombstones: new Map(),
    transactions: new Map(transactions),
    domains: new Map(domains),
  }
}

/** A log checkpoint is a shortcut: when the newest is damaged an older one, or all commits from the first, say the same. */
async function openSegment(
  path: string,
  log: DeltaLog,
  storage: Storage,
  session: () => Promise<Session>,
  options: SnapshotOptions,
): Promise<{ segment: LogSegment; checkpoint: CheckpointState | undefined }> {
  const unreadable = new Set<string>()
  let first: unknown
  for (;;) {
    const segment = await log.segment(options.version, unreadable).catch((error: unknown) => {
      throw first ?? error
    })
    if (segment.checkpoint === undefined) return { segment, checkpoint: undefined }
    const { names } = segment.checkpoint
    try {
      const [name = ''] = names
      if (!(await log.isSound(name))) throw failure(TABLE_LOG_CORRUPT, { path, problem: `${name} is not what was written` })
      return {
        segment,
        checkpoint: await readCheckpoint(await session(), storage, path, segment.checkpoint, { removes: options.tombstones === true }),
      }
    } catch (thrown) {
      first ??= thrown
      for (const name of names) unreadable.add(name)
    }
  }
}

function schemaOf(path: string, metadata: Metadata): Field[] {
  try {
    return parseSchema(metadata.schemaString, columnMapping(metadata.configuration ?? {}))
  } catch (thrown) {
    const type = /the column type "([^"]+)" is not known/.exec(messageOf(thrown))?.[1]
    if (type !== undefined)
      throw failure(TABLE_FEATURE_UNSUPPORTED, { path, features: [`the column type ${type}`], access: 'read' }, { cause: thrown })
    throw failure(TABLE_LOG_CORRUPT, { path, problem: messageOf(thrown) }, { cause: thrown })
  }
}

/** The order of actions inside a commit means nothing, so removes come first: a file both removed and added is there. */
function apply(state: State, actions: readonly Action[]): void {
  for (const { remove } of actions) {
    if (remove === undefined) continue
    const key = fileKey(remove)
    state.files.delete(key)
    state.touched.add(key)
    state.tombstones.set(key, remove)
  }
  for (const { later } of actions) {
    if (later === undefined) continue
    state.files.set(later.key, later)
    state.touched.add(later.key)
    state.tombstones.delete(later.key)
  }
  for (const { add, protocol, metaData, txn, domainMetadata } of actions) {
    if (add !== undefined) {
      const key = fileKey(add)
      state.files.set(key, add)
      state.touched.add(key)
      state.tombstones.delete(key)
    }
    if (protocol !== undefined) state.protocol = protocol
    if (metaData !== undefined) state.metadata = metaData
    if (txn !== undefined) state.transactions.set(txn.appId, txn)
    if (domainMetadata?.removed === true) state.domains.delete(domainMetadata.domain)
    else if (domainMetadata !== undefined) state.domains.set(domainMetadata.domain, domainMetadata)
  }
}

/** Where a file of the table is. Throws TABLE_FILE_OUTSIDE for one that is not in its folder, unless that was allowed. */
export function filePath(snapshot: Pick<Snapshot, 'path' | 'outside'>, add: Pick<AddFile, 'path'>): string {
  const path = decodePath(add.path)
  const whole = isAbsolute(path) ? path : `${snapshot.path}/${path}`
  const inside = whole.startsWith(`${snapshot.path}/`) && !whole.split('/').includes('..')
  if (!inside && !snapshot.outside) throw failure(TABLE_FILE_OUTSIDE, { path: snapshot.path, file: path })
  return whole
}

/** The files that pass, with their keys and all of their statistics. */
export function filesThat({ files }: Snapshot, mayHold: FileTest): Promise<(readonly [string, AddFile])[]> {
  return files.filter(mayHold)
}

/** True of files that may hold a row in every one of the ranges. */
export function withinRanges(snapshot: Pick<Snapshot, 'fields'>, ranges: Readonly<Record<string, Range>>): FileTest {
  const columns = Object.entries(ranges).flatMap(([name, range]) => {
    const field = snapshot.fields.find((one) => one.name === name)
    return field === undefined ? [] : [{ stored: field.stored?.name ?? name, type: field.type, range }]
  })
  return (add) => {
    const statistics = parseStatistics(add.stats)
    return columns.every(({ stored, type, range }) => {
      if (!Object.hasOwn(add.partitionValues, stored)) return mayHold(statistics, stored, type, range)
      const value = add.partitionValues[stored] ?? null
      if (value === null) return range.nulls
      const only = { min: { [stored]: value }, max: { [stored]: value }, nulls: { [stored]: 0 } }
      return mayHold(only, stored, type, { ...range, nulls: false })
    })
  }
}

/** True of files that may hold a row for which the condition is true. @param alias what the table is called in it */
export function whereHolds(snapshot: Pick<Snapshot, 'fields' | 'partitionColumns'>, condition: Condition, alias = 't'): FileTest {
  if (condition.kind === 'unknown') return () => true
  const { fields, partitionColumns } = snapshot
  return (add) =>
    mayHoldRow(condition, { statistics: parseStatistics(add.stats), partition: add.partitionValues }, fields, partitionColumns, alias)
}

export function storedNames(fields: readonly Field[], names: readonly string[]): string[] {
  return names.map((name) => fields.find((field) => field.name === name)?.stored?.name ?? name)
}
