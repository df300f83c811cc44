import { failure, TABLE_VACUUM_RETENTION } from '../../errors/index.js'
import type { Change } from '../change.js'
import { decodePath, isAbsolute, type RemoveFile } from '../log/actions.js'
import { type DeletionVector, vectorPath } from '../log/deletion-vector.js'
import { requireWritable } from '../protocol.js'
import { milliseconds } from '../retention.js'
import type { Snapshot } from '../snapshot.js'

export interface VacuumOptions {
  /** Files that no version needs are kept this long after they were removed, or, where no version ever had them, after they were written. Default: the property delta.deletedFileRetentionDuration, else 168. */
  readonly retentionHours?: number
  /** Only says what it would delete. */
  readonly dryRun?: boolean
  /** Allows less than the table's own retention: for when nobody else reads or writes the table. */
  readonly force?: boolean
  readonly onProgress?: (done: { readonly files: number; readonly of: number }) => void
}

export interface Vacuumed {
  /** Relative to the table. */
  readonly files: readonly string[]
  readonly bytes: number
  readonly dryRun: boolean
}

export interface VacuumPlan extends Vacuumed {
  readonly start: Change
  end(deleted: number): Change
}

const HOUR = 60 * 60 * 1000
const WEEK = 7 * 24 * HOUR

/**
 * The files below the table that no version needs any more. Time travel to versions older than the retention ends with it.
 * Source: Delta's VACUUM. Throws TABLE_VACUUM_RETENTION, TABLE_FEATURE_UNSUPPORTED.
 *
 * @param snapshot the newest, with its tombstones
 */
export async function planVacuum(snapshot: Snapshot, options: VacuumOptions, now = Date.now()): Promise<VacuumPlan> {
  requireWritable(snapshot.path, snapshot.protocol, snapshot.metadata)
  const kept = milliseconds(snapshot.metadata.configuration['delta.deletedFileRetentionDuration']) ?? WEEK
  const retention = options.retentionHours === undefined ? kept : options.retentionHours * HOUR
  if (retention < kept && options.force !== true)
    throw failure(TABLE_VACUUM_RETENTION, { path: snapshot.path, hours: retention / HOUR, least: kept / HOUR })
  const needed = neededFiles(snapshot, now - retention)
  const partitions = new Set(snapshot.partitionColumns)
  const files = (await snapshot.storage.walk(snapshot.path)).filter(
    (file) =>
      file.modifiedAt < now - retention && !needed.has(file.name) && !needed.has(nameOf(file.name)) && !isHidden(file.name, partitions),
  )
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  const parameters = {
    retentionCheckEnabled: String(options.force !== true),
    ...(options.retentionHours === undefined ? {} : { specifiedRetentionMillis: String(retention) }),
    defaultRetentionMillis: String(kept),
  }
  const change = (operation: string, more: Change['parameters'], metrics: Change['metrics']): Change => ({
    operation,
    parameters: more,
    metrics,
    adds: [],
    removes: [],
    blind: false,
    reads: { files: [], mayHold: () => false },
  })
  return {
    files: files.map((file) => file.name),
    bytes,
    dryRun: options.dryRun === true,
    start: change('VACUUM START', parameters, { numFilesToDelete: files.length, sizeOfDataToDelete: bytes }),
    end: (deleted) => change('VACUUM END', { status: 'COMPLETED' }, { numDeletedFiles: deleted, numVacuumedDirectories: 0 }),
  }
}

/** Paths within the table; of files that are logged by an absolute path the bare names, which are unique: that path may be spelled in many ways. */
function neededFiles(snapshot: Snapshot, since: number): Set<string> {
  const needed = new Set<string>()
  const keep = (path: string) => void needed.add(isAbsolute(path) ? nameOf(path) : path)
  const keepAll = (path: string, vector: DeletionVector | undefined) => {
    keep(decodePath(path))
    const file = vector === undefined ? undefined : vectorPath(vector, snapshot.path)
    if (file !== undefined) keep(vector?.storageType === 'p' ? decodePath(file) : file)
  }
  for (const add of snapshot.files.values()) keepAll(add.path, add.deletionVector)
  for (const remove of (snapshot.tombstones ?? new Map<string, RemoveFile>()).values()) {
    if ((remove.deletionTimestamp ?? 0) >= since) keepAll(remove.path, remove.deletionVector)
  }
  return needed
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** A file that a process was writing when it died. */
const TEMPORARY = /(^|\/)\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/

/** What begins with `_` or `.` is not the table's data, save the change data feed and partitions of a column that is called so. */
function isHidden(name: string, partitions: ReadonlySet<string>): boolean {
  if (TEMPORARY.test(name)) return false
  return name.split('/').some((part, index, parts) => {
    if (!/^[_.]/.test(part) || (index === 0 && part === '_change_data')) return false
    const column = index < parts.length - 1 && part.includes('=') ? part.slice(0, part.indexOf('=')) : undefined
    return column === undefined || !partitions.has(decodePath(column))
  })
}
