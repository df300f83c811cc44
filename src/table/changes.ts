import { quoteName, type Session } from '../engine/index.js'
import { failure, TABLE_CHANGE_INVALID, TABLE_VERSION_NOT_FOUND } from '../errors/index.js'
import { deletedRows, scanFiles } from './change.js'
import { type AddFile, type ChangeFile, decodePath, type RemoveFile } from './log/actions.js'
import type { DeltaLog } from './log/log.js'
import type { Snapshot } from './snapshot.js'

/** Which versions of the change data feed to read, both included. */
export interface ChangesOptions {
  readonly from: number
  /** Default: the newest. */
  readonly to?: number
}

interface Found {
  readonly version: number
  readonly file: AddFile
  /** Rows of it, where not all are meant. */
  readonly rows?: Iterable<number>
}

const FILE_NUMBER = '_sluice_file'
const ROW_NUMBER = '_sluice_row'

/**
 * A SELECT of the rows that changed: the table's columns, `_change_type` (insert, delete, update_preimage, update_postimage),
 * `_commit_version`, `_commit_timestamp`. What a commit says in no change file follows from the files it added and removed.
 * Source: the Delta protocol, "Add CDC File" and "Change Data Files". Throws TABLE_CHANGE_INVALID, TABLE_VERSION_NOT_FOUND.
 *
 * @param before the snapshot at `from`, whose properties say whether changes were kept @param after the snapshot at `to`, whose columns count
 */
export async function changesSql(session: Session, log: DeltaLog, before: Snapshot, after: Snapshot): Promise<string> {
  const times = new Map((await log.commits()).map((commit) => [commit.version, commit.timestamp]))
  let kept = before.metadata.configuration['delta.enableChangeDataFeed'] === 'true'
  const [inserted, deleted, told]: [Found[], Found[], { version: number; file: ChangeFile }[]] = [[], [], []]
  for (let version = before.version; version <= after.version; version++) {
    const actions = await log.read(version)
    if (actions === undefined)
      throw failure(TABLE_VERSION_NOT_FOUND, { path: after.path, wanted: String(version), first: version + 1, last: after.version })
    const info = actions.find((action) => action.commitInfo !== undefined)?.commitInfo
    if (info?.inCommitTimestamp !== undefined) times.set(version, info.inCommitTimestamp)
    const metadata = actions.find((action) => action.metaData !== undefined)?.metaData
    if (metadata !== undefined) kept = metadata.configuration?.['delta.enableChangeDataFeed'] === 'true'
    const adds = actions.flatMap(({ add }) => (add?.dataChange === true ? [add] : []))
    const removes = actions.flatMap(({ remove }) => (remove?.dataChange === true ? [remove] : []))
    if (!kept && adds.length + removes.length > 0)
      throw failure(TABLE_CHANGE_INVALID, {
        path: after.path,
        problem: `its changes were not kept at version ${version} (delta.enableChangeDataFeed)`,
      })
    const files = actions.flatMap(({ cdc }) => cdc ?? [])
    if (files.length > 0) told.push(...files.map((file) => ({ version, file })))
    else await infer(after, version, adds, removes, inserted, deleted)
  }
  const time = (version: number) => times.get(version) ?? 0
  const parts = [
    await feed(
      session,
      after,
      told.map(({ version, file }) => ({ version, file: { ...file, modificationTime: 0, dataChange: true } })),
      undefined,
      time,
    ),
    await feed(session, after, inserted, 'insert', time),
    await feed(session, after, deleted, 'delete', time),
  ].filter((part) => part !== undefined)
  if (parts.length > 0) return parts.join(' UNION ALL BY NAME ')
  const empty = await scanFiles(session, after, [])
  return `SELECT *, NULL::VARCHAR AS _change_type, NULL::BIGINT AS _commit_version, NULL::TIMESTAMPTZ AS _commit_timestamp FROM (${empty})`
}

/** A file that a commit both removes and adds has only had rows marked as deleted, or brought back. */
async function infer(
  snapshot: Snapshot,
  version: number,
  adds: readonly AddFile[],
  removes: readonly RemoveFile[],
  inserted: Found[],
  deleted: Found[],
): Promise<void> {
  const removed = new Map(removes.map((remove) => [decodePath(remove.path), remove]))
  for (const add of adds) {
    const remove = removed.get(decodePath(add.path))
    removed.delete(decodePath(add.path))
    if (remove === undefined) {
      inserted.push({ version, file: add })
      continue
    }
    const [then, now] = [await deletedRows(snapshot, asAdd(remove)), await deletedRows(snapshot, add)]
    const whole = { ...add, deletionVector: undefined } as unknown as AddFile
    if (now !== undefined) deleted.push({ version, file: whole, rows: then === undefined ? now : now.minus(then) })
    if (then !== undefined) inserted.push({ version, file: whole, rows: now === undefined ? then : then.minus(now) })
  }
  deleted.push(...[...removed.values()].map((remove) => ({ version, file: asAdd(remove) })))
}

function asAdd(remove: RemoveFile): AddFile {
  return { modificationTime: 0, size: 0, partitionValues: {}, ...remove, dataChange: true }
}

async function feed(
  session: Session,
  snapshot: Snapshot,
  found: readonly Found[],
  type: string | undefined,
  time: (version: number) => number,
): Promise<string | undefined> {
  if (found.length === 0) return undefined
  const told = { name: '_change_type', type: { kind: 'string' }, nullable: true } as const
  const columns = type === undefined ? { ...snapshot, fields: [...snapshot.fields, told] } : snapshot
  const scan = await scanFiles(
    session,
    columns,
    found.map(({ file }, index) => [String(index), file]),
    { fileNumber: FILE_NUMBER, rowNumber: ROW_NUMBER },
  )
  const versions = found.map((one) => one.version)
  const [files, rows]: [number[], number[]] = [[], []]
  const wholes: number[] = []
  for (const [index, one] of found.entries()) {
    if (one.rows === undefined) wholes.push(index)
    for (const row of one.rows ?? []) {
      files.push(index)
      rows.push(row)
    }
  }
  const only =
    wholes.length === found.length
      ? ''
      : ` WHERE f.${quoteName(FILE_NUMBER)} IN (SELECT unnest('[${wholes.join(',')}]'::BIGINT[])) OR EXISTS (SELECT 1 FROM (SELECT unnest('[${files.join(',')}]'::BIGINT[]) AS n, unnest('[${rows.join(',')}]'::BIGINT[]) AS r) AS d WHERE d.n = f.${quoteName(FILE_NUMBER)} AND d.r = f.${quoteName(ROW_NUMBER)})`
  const version = `('[${versions.join(',')}]'::BIGINT[])[f.${quoteName(FILE_NUMBER)} + 1]`
  const stamp = `make_timestamptz(('[${versions.map((one) => time(one) * 1000).join(',')}]'::BIGINT[])[f.${quoteName(FILE_NUMBER)} + 1])`
  const change = type === undefined ? '' : `'${type}' AS _change_type, `
  return `SELECT f.* EXCLUDE (${quoteName(FILE_NUMBER)}, ${quoteName(ROW_NUMBER)}), ${change}${version} AS _commit_version, ${stamp} AS _commit_timestamp FROM (${scan}) AS f${only}`
}
