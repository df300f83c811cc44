import type { ScanFile, Session } from '../engine/index.js'
import { failure, messageOf, TABLE_LOG_CORRUPT } from '../errors/index.js'
import type { Field } from '../schema/index.js'
import { type Action, type AddFile, decodePath, type Metadata, type Protocol, type RemoveFile, type Transaction } from './log/actions.js'
import { readCheckpointFile } from './log/checkpoint.js'
import type { DeltaLog } from './log/log.js'
import { parseSchema } from './log/schema-json.js'
import { requireReadable } from './protocol.js'
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
  /** Live files by decoded path. */
  readonly files: ReadonlyMap<string, AddFile>
  /** Files removed and not yet forgotten, by decoded path. */
  readonly tombstones: ReadonlyMap<string, RemoveFile>
  readonly transactions: ReadonlyMap<string, Transaction>
}

interface State {
  protocol: Protocol | undefined
  metadata: Metadata | undefined
  readonly files: Map<string, AddFile>
  readonly tombstones: Map<string, RemoveFile>
  readonly transactions: Map<string, Transaction>
}

/** Replays the log up to a version. Source: the Delta protocol, "Action Reconciliation". */
export async function readSnapshot(path: string, log: DeltaLog, session: () => Promise<Session>, version?: number): Promise<Snapshot> {
  const segment = await log.segment(version)
  const state: State = { protocol: undefined, metadata: undefined, files: new Map(), tombstones: new Map(), transactions: new Map() }
  if (segment.checkpoint !== undefined) apply(state, await readCheckpointFile(await session(), segment.checkpoint.path))
  const commits = await Promise.all(segment.versions.map((one) => log.read(one)))
  for (const [index, actions] of commits.entries()) {
    if (actions === undefined) throw failure(TABLE_LOG_CORRUPT, { path, problem: `version ${segment.versions[index]} is missing` })
    apply(state, actions)
  }
  const { protocol, metadata } = state
  if (protocol === undefined || metadata === undefined)
    throw failure(TABLE_LOG_CORRUPT, { path, problem: 'it has no protocol or no metadata' })
  requireReadable(path, protocol, metadata)
  return {
    path,
    version: segment.version,
    timestamp: segment.timestamp,
    protocol,
    metadata,
    fields: schemaOf(path, metadata),
    partitionColumns: metadata.partitionColumns,
    files: state.files,
    tombstones: state.tombstones,
    transactions: state.transactions,
  }
}

function schemaOf(path: string, metadata: Metadata): Field[] {
  try {
    return parseSchema(metadata.schemaString)
  } catch (thrown) {
    throw failure(TABLE_LOG_CORRUPT, { path, problem: messageOf(thrown) }, { cause: thrown })
  }
}

/** The order of actions inside a commit means nothing, so removes come first: a file both removed and added is there. */
function apply(state: State, actions: readonly Action[]): void {
  for (const { remove } of actions) {
    if (remove === undefined) continue
    const path = decodePath(remove.path)
    state.files.delete(path)
    state.tombstones.set(path, remove)
  }
  for (const { add, protocol, metaData, txn } of actions) {
    if (add !== undefined) {
      const path = decodePath(add.path)
      state.files.set(path, add)
      state.tombstones.delete(path)
    }
    if (protocol !== undefined) state.protocol = protocol
    if (metaData !== undefined) state.metadata = metaData
    if (txn !== undefined) state.transactions.set(txn.appId, txn)
  }
}

export function scanFile(table: string, path: string, add: AddFile): ScanFile {
  const { rows } = parseStatistics(add.stats)
  return { path: path.startsWith('/') ? path : `${table}/${path}`, ...(rows === undefined ? {} : { rows }), partition: add.partitionValues }
}

/** The files that may hold a row in every one of the ranges. */
export function filesWithin(snapshot: Snapshot, ranges: Readonly<Record<string, Range>>): (readonly [string, AddFile])[] {
  const types = new Map(snapshot.fields.map((field) => [field.name, field.type]))
  return [...snapshot.files].filter(([, add]) => {
    const statistics = parseStatistics(add.stats)
    return Object.entries(ranges).every(([column, range]) => {
      const type = types.get(column)
      if (type === undefined) return true
      if (!(column in add.partitionValues)) return mayHold(statistics, column, type, range)
      const value = add.partitionValues[column] ?? null
      if (value === null) return range.nulls
      return mayHold({ min: { [column]: value }, max: { [column]: value }, nulls: { [column]: 0 } }, column, type, {
        ...range,
        nulls: false,
      })
    })
  })
}
