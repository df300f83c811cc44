import { createHash, randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { quoteName, type Session, sqlType, type WrittenFile } from '../engine/index.js'
import { failure, isSluiceError, TABLE_NULL_REFUSED } from '../errors/index.js'
import { type Field, typeText } from '../schema/index.js'
import { type AddFile, encodePath, type Metadata, type Protocol, type RemoveFile } from './log/actions.js'
import { type Snapshot, scanFile } from './snapshot.js'
import { formatStatistics } from './statistics.js'

/**
 * What an operation has prepared and a commit would make true. Its data files are on disk and nobody sees them yet.
 */
export interface Change {
  /** As Spark names it: WRITE, MERGE, DELETE, RESTORE, OPTIMIZE, CREATE TABLE. */
  readonly operation: string
  readonly parameters: Readonly<Record<string, string>>
  readonly metrics: Readonly<Record<string, number>>
  readonly adds: readonly AddFile[]
  readonly removes: readonly RemoveFile[]
  readonly metadata?: Metadata
  readonly protocol?: Protocol
  /** True when it adds rows without having read any: such a change never conflicts with other rows. */
  readonly blind: boolean
}

/** A tag of each file we write that says which columns it has, so that a reader need not map them. Other readers pass over tags. */
export const COLUMNS_TAG = 'sluice.columns'

export function columnsFingerprint(fields: readonly Field[], partitionColumns: readonly string[]): string {
  const columns = fields.filter((field) => !partitionColumns.includes(field.name)).map((field) => `${field.name} ${typeText(field.type)}`)
  return createHash('sha256').update(columns.sort().join('\n')).digest('hex').slice(0, 16)
}

export interface WrittenRows {
  readonly adds: readonly AddFile[]
  readonly rows: number
  readonly bytes: number
}

/** Where new data files go, and what their rows must be. */
export interface WriteTarget {
  readonly path: string
  readonly fields: readonly Field[]
  readonly partitionColumns: readonly string[]
}

/**
 * Writes a query's rows as data files of the table, matched to its columns by name and cast to their types.
 * The files belong to no version until a commit adds them. Throws TABLE_NULL_REFUSED for a null where none may be.
 */
export async function writeRows(session: Session, target: WriteTarget, query: string): Promise<WrittenRows> {
  const select = target.fields.map((field) => castSql(field, target.partitionColumns.includes(field.name)))
  const write = {
    query: `SELECT ${select.join(', ')} FROM (${query})`,
    folder: target.path,
    prefix: `part-${randomUUID()}`,
    partitionBy: target.partitionColumns,
  }
  const files = await session.write(write).catch((error: unknown) => {
    if (!isSluiceError(error) || !error.message.includes(NULL_REFUSED)) throw error
    const nested = target.fields.find((field) => !field.nullable && isNested(field))
    throw failure(TABLE_NULL_REFUSED, { path: target.path, column: nested?.name ?? '', rows: 0 }, { cause: error })
  })
  try {
    return addFiles(target, files, target.fields)
  } catch (error) {
    await Promise.all(files.map((file) => rm(file.path, { force: true })))
    throw error
  }
}

/** @param written the columns that the files have, partition columns included */
export function addFiles(target: WriteTarget, files: readonly WrittenFile[], written: readonly Field[]): WrittenRows {
  requireNoNulls(target, files)
  const tags = { [COLUMNS_TAG]: columnsFingerprint(written, target.partitionColumns) }
  const modificationTime = Date.now()
  return {
    adds: files.map((file) => ({
      path: encodePath(file.path.slice(target.path.length + 1)),
      partitionValues: Object.fromEntries(
        target.partitionColumns.map((name) => [
          name,
          partitionValue(
            file.partition[name] ?? null,
            target.fields.find((field) => field.name === name),
          ),
        ]),
      ),
      size: file.bytes,
      modificationTime,
      dataChange: true,
      stats: formatStatistics(file, target.fields, target.partitionColumns),
      tags,
    })),
    rows: sum(files.map((file) => file.rows)),
    bytes: sum(files.map((file) => file.bytes)),
  }
}

const NULL_REFUSED = 'null where none may be'

export function isNested({ type }: Field): boolean {
  return type.kind === 'struct' || type.kind === 'array' || type.kind === 'map'
}

/** An empty string cannot be a partition value: Delta reads it as null, so null is what is written. */
function castSql(field: Field, partition: boolean): string {
  const name = quoteName(field.name)
  const cast = `CAST(${name} AS ${sqlType(field.type)})`
  // The statistics of what was written tell of nulls in all but nested columns.
  if (!field.nullable && isNested(field)) return `CASE WHEN ${name} IS NULL THEN error('${NULL_REFUSED}') ELSE ${cast} END AS ${name}`
  if (!partition || field.type.kind !== 'string') return `${cast} AS ${name}`
  // By this name the engine, like Hive, means null.
  return `CASE WHEN ${cast} = '__HIVE_DEFAULT_PARTITION__' THEN error('__HIVE_DEFAULT_PARTITION__ cannot be a partition value') ELSE NULLIF(${cast}, '') END AS ${name}`
}

function requireNoNulls(target: WriteTarget, files: readonly WrittenFile[]): void {
  for (const field of target.fields) {
    if (field.nullable) continue
    const nulls = sum(files.map((file) => file.statistics.find((one) => one.path.length === 1 && one.path[0] === field.name)?.nulls ?? 0))
    const inPartition = files.some((file) => field.name in file.partition && file.partition[field.name] === null)
    if (nulls > 0 || inPartition) {
      throw failure(TABLE_NULL_REFUSED, { path: target.path, column: field.name, rows: nulls })
    }
  }
}

/** The engine writes an instant as `2020-01-01 00:00:00.5+00`; Delta wants ISO 8601 in UTC. */
function partitionValue(value: string | null, field: Field | undefined): string | null {
  if (value === null || value === '') return null
  return field?.type.kind === 'timestamp' ? `${value.replace(/\+00$/, '').replace(' ', 'T')}Z` : value
}

export function removeFile(add: AddFile, dataChange = true): RemoveFile {
  return {
    path: add.path,
    deletionTimestamp: Date.now(),
    dataChange,
    extendedFileMetadata: true,
    partitionValues: add.partitionValues,
    size: add.size,
  }
}

/** A SELECT over some of a snapshot's files; all of its columns unless some are named. */
export function scanFiles(
  session: Session,
  snapshot: Snapshot,
  files: readonly (readonly [string, AddFile])[],
  options: { readonly columns?: readonly string[]; readonly fileNumber?: string } = {},
): string {
  const wanted = options.columns
  const fingerprint = columnsFingerprint(snapshot.fields, snapshot.partitionColumns)
  return session.scan({
    files: files.map(([path, add]) => ({ ...scanFile(snapshot.path, path, add), exact: add.tags?.[COLUMNS_TAG] === fingerprint })),
    columns: wanted === undefined ? snapshot.fields : snapshot.fields.filter((field) => wanted.includes(field.name)),
    partitionColumns: snapshot.partitionColumns,
    ...(options.fileNumber === undefined ? {} : { fileNumber: options.fileNumber }),
  })
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}

export function bytesOf(adds: readonly { readonly size?: number }[]): number {
  return sum(adds.map((add) => add.size ?? 0))
}
