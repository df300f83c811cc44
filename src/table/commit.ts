import { randomUUID } from 'node:crypto'
import { failure, TABLE_APPEND_ONLY, TABLE_COMMIT_UNKNOWN, TABLE_CONFLICT } from '../errors/index.js'
import type { Storage } from '../storage/index.js'
import type { Change } from './change.js'
import { conflictOf, type IsolationLevel, levelOf } from './conflict.js'
import type { Action } from './log/actions.js'
import { type DeltaLog, isCorrupt } from './log/log.js'
import { requireWritable } from './protocol.js'
import { filePath, type Snapshot } from './snapshot.js'

export interface CommitOptions {
  /** The application's own numbered write. A write that is in already is not made again. */
  readonly txn?: { readonly appId: string; readonly version: number }
  /** How often an operation is prepared again when another writer's commit got in between. Default 20. */
  readonly retries?: number
  /** Kept with the commit as `userMetadata`, which Spark shows in DESCRIBE HISTORY. */
  readonly note?: string
  readonly engineInfo?: string
}

export interface Committed {
  readonly version: number
  /** False when `txn` was in the table already and nothing was written. */
  readonly applied: boolean
}

/** Each attempt steps over one commit of another writer; catching up with many is not losing many races. */
const ATTEMPTS = 10_000

/**
 * Makes a change the table's next version, exactly once.
 *
 * When another writer took the version first, its commits are read: those that touch nothing this change depends on are stepped
 * over, others are TABLE_CONFLICT (transient: prepare the change again from the new version). TABLE_COMMIT_UNKNOWN: the storage failed and
 * cannot say whether the commit is in; its data files must stay.
 */
export async function commitChange(
  log: DeltaLog,
  storage: Storage,
  snapshot: Snapshot,
  change: Change,
  options: CommitOptions = {},
): Promise<Committed> {
  if (alreadyApplied(snapshot, options)) return { version: snapshot.version, applied: false }
  if (snapshot.version >= 0) requireWritable(snapshot.path, snapshot.protocol, snapshot.metadata)
  if (snapshot.metadata.configuration['delta.appendOnly'] === 'true' && change.removes.some((remove) => remove.dataChange)) {
    throw failure(TABLE_APPEND_ONLY, { path: snapshot.path })
  }
  await storage.settle([...change.adds, ...(change.changes ?? [])].map((file) => filePath({ path: snapshot.path, outside: true }, file)))
  const level = levelOf(change, isolationLevel(snapshot))
  const txnId = randomUUID()
  let readVersion = snapshot.version
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const version = readVersion + 1
    const actions = actionsOf(change, { readVersion, txnId, level }, options)
    const written = await log.write(version, actions).catch(async (error: unknown) => {
      // A write may fail after it has taken effect. Only the log knows, and a commit that is in it must keep its files.
      const ours = await isOurs(log, version, txnId)
      if (ours === true) return true
      // A request that a remote store has not answered may still be carried out.
      if (ours === undefined || snapshot.path.includes('://'))
        throw failure(TABLE_COMMIT_UNKNOWN, { path: snapshot.path, version }, { cause: error })
      throw error
    })
    if (written) return { version, applied: true }
    const winner = await log.read(version).catch((error: unknown) => {
      // Who won is not known, and it may be this very commit.
      throw isCorrupt(error) ? error : failure(TABLE_COMMIT_UNKNOWN, { path: snapshot.path, version }, { cause: error })
    })
    if (winner === undefined) continue
    if (winner.some((action) => action.commitInfo?.txnId === txnId)) return { version, applied: true }
    if (
      options.txn !== undefined &&
      winner.some(({ txn }) => txn?.appId === options.txn?.appId && (txn?.version ?? -1) >= (options.txn?.version ?? 0))
    ) {
      return { version, applied: false }
    }
    const problem = conflictOf({ change, level, ...(options.txn === undefined ? {} : { txn: options.txn }) }, winner)
    if (problem !== undefined) throw failure(TABLE_CONFLICT, { path: snapshot.path, version, problem })
    readVersion = version
  }
  throw failure(TABLE_CONFLICT, { path: snapshot.path, version: readVersion, problem: `${ATTEMPTS} attempts were all overtaken` })
}

/** Undefined when the log cannot be read. */
async function isOurs(log: DeltaLog, version: number, txnId: string): Promise<boolean | undefined> {
  const actions = await log.read(version).catch(() => null)
  return actions === null ? undefined : (actions ?? []).some((action) => action.commitInfo?.txnId === txnId)
}

function alreadyApplied(snapshot: Snapshot, { txn }: CommitOptions): boolean {
  return txn !== undefined && (snapshot.transactions.get(txn.appId)?.version ?? -1) >= txn.version
}

function isolationLevel({ metadata }: Snapshot): IsolationLevel {
  return metadata.configuration['delta.isolationLevel'] === 'WriteSerializable' ? 'WriteSerializable' : 'Serializable'
}

interface Attempt {
  readonly readVersion: number
  readonly txnId: string
  readonly level: IsolationLevel
}

function actionsOf(change: Change, { readVersion, txnId, level }: Attempt, options: CommitOptions): Action[] {
  const now = Date.now()
  return [
    {
      commitInfo: {
        timestamp: now,
        operation: change.operation,
        operationParameters: change.parameters,
        ...(readVersion >= 0 ? { readVersion } : {}),
        isolationLevel: level,
        isBlindAppend: change.blind && change.operation === 'WRITE',
        operationMetrics: Object.fromEntries(Object.entries(change.metrics).map(([name, value]) => [name, String(value)])),
        engineInfo: options.engineInfo ?? 'Sluice',
        txnId,
        ...(options.note === undefined ? {} : { userMetadata: options.note }),
      },
    },
    ...(change.protocol === undefined ? [] : [{ protocol: change.protocol }]),
    ...(change.metadata === undefined ? [] : [{ metaData: change.metadata }]),
    ...(options.txn === undefined ? [] : [{ txn: { ...options.txn, lastUpdated: now } }]),
    ...(change.domains ?? []).map((domainMetadata) => ({ domainMetadata })),
    ...change.removes.map((remove) => ({ remove })),
    ...change.adds.map((add) => ({ add })),
    ...(change.changes ?? []).map((cdc) => ({ cdc })),
  ]
}
