import type { Session } from '../engine/index.js'
import type { Action } from './log/actions.js'
import { writeCheckpointFile } from './log/checkpoint.js'
import type { DeltaLog } from './log/log.js'
import { milliseconds } from './retention.js'
import type { Snapshot } from './snapshot.js'

const DAY = 24 * 60 * 60 * 1000
const DELETED_FILE_RETENTION = 7 * DAY
const LOG_RETENTION = 30 * DAY

/** @param snapshot with its tombstones */
export async function writeLogCheckpoint(
  session: Session,
  log: DeltaLog,
  snapshot: Snapshot,
): Promise<{ version: number; actions: number }> {
  const v2 = snapshot.metadata.configuration['delta.checkpointPolicy'] === 'v2'
  const { bytes, actions } = await writeCheckpointFile(session, checkpointActions(snapshot, v2))
  await log.writeCheckpoint(snapshot.version, { bytes, actions, v2 })
  return { version: snapshot.version, actions }
}

async function* checkpointActions(
  snapshot: Snapshot,
  v2: boolean,
): AsyncIterable<Action | { readonly checkpointMetadata: { readonly version: number } }> {
  if (v2) yield { checkpointMetadata: { version: snapshot.version } }
  yield { protocol: snapshot.protocol }
  yield { metaData: snapshot.metadata }
  for (const txn of snapshot.transactions.values()) yield { txn }
  for (const domainMetadata of snapshot.domains.values()) yield { domainMetadata }
  for await (const add of snapshot.files.whole()) yield { add: { ...add, dataChange: false } }
  const forgotten =
    Date.now() - (milliseconds(snapshot.metadata.configuration['delta.deletedFileRetentionDuration']) ?? DELETED_FILE_RETENTION)
  for (const remove of snapshot.tombstones?.values() ?? []) {
    if (remove.deletionTimestamp > forgotten) yield { remove: { ...remove, dataChange: false } }
  }
}

/**
 * Deletes the log files from before the retention that a log checkpoint stands for. Time travel to before that checkpoint ends with it.
 * Source: Delta's metadata clean-up: the day is cut to midnight UTC, and the checkpoint's own commit stays.
 */
export async function cleanLog(log: DeltaLog, { metadata: { configuration } }: Snapshot, now: number): Promise<string[]> {
  if (configuration['delta.enableExpiredLogCleanup'] === 'false') return []
  const retention = milliseconds(configuration['delta.logRetentionDuration']) ?? LOG_RETENTION
  const cutoff = Math.floor((now - retention) / DAY) * DAY
  const files = await log.files()
  const expired = files.findLast((file) => file.kind === 'commit' && file.modifiedAt <= cutoff)?.version ?? -1
  // Only one that can be put together counts, as the segment of its version shows.
  const newest = files
    .filter((file) => file.kind === 'checkpoint' && file.version <= expired)
    .map((file) => file.version)
    .sort((left, right) => right - left)
  let kept: number | undefined
  for (const version of new Set(newest)) {
    const segment = await log.segment(version).catch(() => undefined)
    if (segment?.checkpoint?.version === version) {
      kept = version
      break
    }
  }
  if (kept === undefined) return []
  const gone = files.filter(
    (file) => file.kind !== 'other' && (file.version < (kept ?? 0) || (file.kind === 'compacted' && file.version <= (kept ?? 0))),
  )
  for (const file of gone) await log.remove(file.name)
  return gone.map((file) => file.name)
}
