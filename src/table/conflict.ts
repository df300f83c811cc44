import type { Change } from './change.js'
import { type Action, type AddFile, decodePath } from './log/actions.js'

/**
 * How strictly writers are kept apart. `Serializable`: as if one after the other, in the order of the log. `WriteSerializable`: in some order,
 * which need not be the log's, so rows that were blindly appended meanwhile do not matter. `SnapshotIsolation`: for what moves rows and changes none.
 */
export type IsolationLevel = 'Serializable' | 'WriteSerializable' | 'SnapshotIsolation'

/** What a transaction would do and what it read to decide so. */
export interface Current {
  readonly change: Pick<Change, 'adds' | 'removes' | 'metadata' | 'protocol' | 'domains' | 'blind' | 'reads'>
  readonly level: IsolationLevel
  readonly txn?: { readonly appId: string }
}

/**
 * A change that only moves rows (OPTIMIZE) is not held against rows that others add. A new property is: a constraint was checked against the
 * rows there were. Source: Delta, `canDowngradeToSnapshotIsolation`.
 */
export function levelOf({ adds, removes, metadata, protocol }: Current['change'], table: IsolationLevel): IsolationLevel {
  const onlyMoves = metadata === undefined && protocol === undefined && ![...adds, ...removes].some((file) => file.dataChange)
  return onlyMoves ? 'SnapshotIsolation' : table
}

/**
 * What in a commit that came first this change cannot stand beside; undefined when both can be.
 *
 * `conflictOf({ change: { removes: [a] }, level }, [{ remove: a }])` gives 'both remove the file a'.
 * Source: Delta's conflict checker, its checks in their order.
 */
export function conflictOf({ change, level, txn }: Current, winner: readonly Action[]): string | undefined {
  if (winner.some((action) => action.protocol !== undefined)) return 'the protocol changed'
  if (winner.some((action) => action.metaData !== undefined)) return 'the schema or the properties changed'
  const domains = new Set((change.domains ?? []).map((one) => one.domain))
  const domain = winner.find(({ domainMetadata }) => domainMetadata !== undefined && domains.has(domainMetadata.domain))?.domainMetadata
    ?.domain
  if (domain !== undefined) return `both change ${domain}`
  if (txn !== undefined && winner.some((action) => action.txn?.appId === txn.appId)) return `another write of ${txn.appId} was committed`

  const added = winner.flatMap(({ add }) => add ?? [])
  const removed = winner.flatMap(({ remove }) => remove ?? [])
  const reads = change.reads ?? (change.blind ? { files: [], mayHold: () => false } : { files: [], mayHold: () => true })
  const whole = change.reads === undefined && !change.blind
  const blindAppend = winner.some(({ commitInfo }) => commitInfo?.isBlindAppend === true)
  const harmless = level === 'SnapshotIsolation' || (level === 'WriteSerializable' && blindAppend && change.metadata === undefined)
  if (!harmless && added.some((add: AddFile) => reads.mayHold(add))) return 'rows were added that this write did not see'

  const gone = new Map(removed.map((remove) => [decodePath(remove.path), remove.path]))
  const read = reads.files.find((file) => gone.has(decodePath(file.path)))
  if (read !== undefined) return `rows this write read were removed (${read.path})`
  if (whole && removed.length > 0 && level !== 'SnapshotIsolation') return 'rows this write read were removed'
  const both = change.removes.find((file) => gone.has(decodePath(file.path)))
  if (both !== undefined) return `both remove ${both.path}`
  return undefined
}
