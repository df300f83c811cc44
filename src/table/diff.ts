import type { Session } from '../engine/index.js'
import { liveRows, rowCount, scanFiles, sum } from './change.js'
import { type AddFile, fileKey } from './log/actions.js'
import type { DeltaLog } from './log/log.js'
import { filePath, type Snapshot } from './snapshot.js'

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
  /** Rows of the later version. */
  readonly rows: number
}

type File = readonly [string, AddFile]

/** What lies between two snapshots, without opening a data file. */
export async function diffSnapshots(session: Session, log: DeltaLog, from: Snapshot, to: Snapshot): Promise<TableDiff> {
  const { added, removed } = (await changedByCommits(log, from, to)) ?? {
    added: await to.files.without(from.files),
    removed: await from.files.without(to.files),
  }
  return {
    from: from.version,
    to: to.version,
    added: await scanFiles(session, to, added),
    removed: await scanFiles(session, { ...from, fields: to.fields }, removed),
    adds: added.length > 0,
    removedRows: sum(removed.map(([, add]) => liveRows(add) ?? 0)),
    anew: from.files.size > 0 && removed.length >= from.files.size,
    removes: removed.length > 0,
    rows: await rowCount(to),
  }
}

/**
 * Commits that change no row (OPTIMIZE) are passed over: what was appended is then read from the files it was appended in, though
 * they may be live no more. Undefined when no such commit lies in between, or those files or commits are gone.
 */
async function changedByCommits(log: DeltaLog, from: Snapshot, to: Snapshot): Promise<{ added: File[]; removed: File[] } | undefined> {
  const [added, removed] = [new Map<string, AddFile>(), new Map<string, AddFile>()]
  let moved = false
  for (let version = from.version + 1; version <= to.version; version++) {
    const actions = await log.read(version)
    if (actions === undefined) return undefined
    for (const { remove } of actions) {
      if (remove === undefined) continue
      moved ||= !remove.dataChange
      if (!remove.dataChange || added.delete(fileKey(remove))) continue
      removed.set(fileKey(remove), { modificationTime: 0, size: 0, partitionValues: {}, ...remove, dataChange: true })
    }
    for (const { add } of actions) if (add?.dataChange === true) added.set(fileKey(add), add)
  }
  if (!moved) return undefined
  for (const [key, add] of added) {
    if (!to.files.has(key) && (await to.storage.stat(filePath(to, add))) === undefined) return undefined
  }
  return { added: [...added], removed: [...removed] }
}
