import { createHash, randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { quoteName, type ScanFile, type Session, sqlType, type WrittenFile } from '../engine/index.js'
import {
  failure,
  isSluiceError,
  TABLE_CHANGE_INVALID,
  TABLE_CONSTRAINT_BROKEN,
  TABLE_FILE_MISSING,
  TABLE_NULL_REFUSED,
} from '../errors/index.js'
import { type Field, storedField, typeText } from '../schema/index.js'
import type { Storage } from '../storage/index.js'
import { type Check, checksOf } from './constraints.js'
import type { FileTest } from './files.js'
import {
  type AddFile,
  type ChangeFile,
  type DomainMetadata,
  encodePath,
  type Metadata,
  type Protocol,
  type RemoveFile,
} from './log/actions.js'
import { type DeletionVector, decodeVector, vectorPath } from './log/deletion-vector.js'
import { hasFeature } from './protocol.js'
import { filePath, type Snapshot, storedNames } from './snapshot.js'
import { formatStatistics, parseStatistics } from './statistics.js'

/**
 * What an operation has prepared and a commit would make true. Its data files are on disk and nobody sees them yet.
 */
export interface Change {
  /** As Spark names it: WRITE, MERGE, DELETE, UPDATE, RESTORE, OPTIMIZE, CREATE TABLE. */
  readonly operation: string
  readonly parameters: Readonly<Record<string, string>>
  readonly metrics: Readonly<Record<string, number>>
  readonly adds: readonly AddFile[]
  readonly removes: readonly RemoveFile[]
  /** Files of the change data feed. */
  readonly changes?: readonly ChangeFile[]
  readonly metadata?: Metadata
  readonly protocol?: Protocol
  readonly domains?: readonly DomainMetadata[]
  /** Its files were there before it: should it not be committed, they stay. */
  readonly borrows?: boolean
  /** True when it adds rows without having read any: such a change never conflicts with other rows. */
  readonly blind: boolean
  /** What was read of the table, for telling whether another writer's commit got in between. Absent and not blind: all of it. */
  readonly reads?: Reads
}

export interface Reads {
  /** Files whose rows were read. */
  readonly files: readonly AddFile[]
  /** Whether rows of a file that was not there would have been read too. */
  readonly mayHold: FileTest
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
  readonly metadata: Metadata
  readonly storage: Storage
}

export interface WriteOptions {
  /** A new file is begun past this size, in bytes. */
  readonly fileBytes?: number
  /** False when rows only move: they were checked when they came. Default true. */
  readonly checked?: boolean
}

/**
 * Writes a query's rows as data files of the table, matched to its columns by name and cast to their types.
 * The files belong to no version until a commit adds them. Throws TABLE_NULL_REFUSED for a null where none may be, TABLE_CONSTRAINT_BROKEN.
 */
export async function writeRows(session: Session, target: WriteTarget, query: string, options: WriteOptions = {}): Promise<WrittenRows> {
  const select = target.fields.map((field) => castSql(field, target.partitionColumns.includes(field.name)))
  const checks = options.checked === false ? [] : await checksOf(session, target)
  const files = await writeFiles(session, target, {
    query: guarded(`SELECT ${select.join(', ')} FROM (${query})`, checks),
    columns: target.fields,
    folder: '',
    ...(options.fileBytes === undefined ? {} : { fileBytes: options.fileBytes }),
  }).catch((error: unknown) => {
    throw refusal(error, target, checks)
  })
  try {
    return addFiles(target, files, target.fields)
  } catch (error) {
    await Promise.all(files.map((file) => target.storage.remove(file.path)))
    throw error
  }
}

interface FileRequest {
  readonly query: string
  readonly columns: readonly Field[]
  /** Within the table. */
  readonly folder: string
  readonly fileBytes?: number
}

/** The engine writes into the table's own folder where it can reach that, and else beside itself, from where storage takes the files. */
async function writeFiles(
  session: Session,
  target: WriteTarget,
  { query, columns, folder, fileBytes }: FileRequest,
): Promise<WrittenFile[]> {
  const place = folder === '' ? target.path : `${target.path}/${folder}`
  const remote = target.path.includes('://')
  const local = remote ? join(session.scratch, `upload-${randomUUID()}`) : place
  await (remote ? mkdir(local, { recursive: true }) : target.storage.makeFolder(local))
  const partitionBy = storedNames(columns, target.partitionColumns)
  const written = await session.write({
    query,
    columns,
    folder: local,
    prefix: `part-${randomUUID()}`,
    partitionBy,
    ...(fileBytes === undefined || partitionBy.length > 0 ? {} : { fileBytes }),
  })
  if (!remote) return written
  const files = written.map((file) => ({ from: file.path, to: `${place}${file.path.slice(local.length)}` }))
  await target.storage.adopt(files)
  await rm(local, { recursive: true, force: true })
  return written.map((file, index) => ({ ...file, path: files[index]?.to ?? file.path }))
}

/** The rows of a change, each with its `_change_type`, as files of the change data feed. */
export async function writeChanges(session: Session, target: WriteTarget, queries: readonly string[]): Promise<ChangeFile[]> {
  if (queries.length === 0) return []
  const columns = [...target.fields, { name: '_change_type', type: { kind: 'string' }, nullable: false } as const]
  const select = columns.map((field) => castSql(field, target.partitionColumns.includes(field.name)))
  const query = `SELECT ${select.join(', ')} FROM (${queries.join(' UNION ALL BY NAME ')})`
  const files = await writeFiles(session, target, { query, columns, folder: '_change_data' })
  return files.map((file) => ({
    path: encodePath(file.path.slice(target.path.length + 1)),
    partitionValues: partitionValues(target, file),
    size: file.bytes,
    dataChange: false,
  }))
}

/** @param written the columns that the files have, partition columns included */
export function addFiles(target: WriteTarget, files: readonly WrittenFile[], written: readonly Field[]): WrittenRows {
  requireNoNulls(target, files)
  const mapped = written.some((field) => field.stored !== undefined)
  const tags = { [COLUMNS_TAG]: columnsFingerprint(written, target.partitionColumns) }
  const modificationTime = Date.now()
  const fields = target.fields.map(storedField)
  const partitionColumns = storedNames(target.fields, target.partitionColumns)
  const indexed = Number(target.metadata.configuration['delta.dataSkippingNumIndexedCols'] ?? Number.NaN)
  return {
    adds: files.map((file) => ({
      path: encodePath(file.path.slice(target.path.length + 1)),
      partitionValues: partitionValues(target, file),
      size: file.bytes,
      modificationTime,
      dataChange: true,
      stats: formatStatistics(file, fields, partitionColumns, Number.isInteger(indexed) ? indexed : undefined),
      ...(mapped ? {} : { tags }),
    })),
    rows: sum(files.map((file) => file.rows)),
    bytes: sum(files.map((file) => file.bytes)),
  }
}

function partitionValues(target: WriteTarget, file: WrittenFile): Record<string, string | null> {
  return Object.fromEntries(
    target.partitionColumns.map((name) => {
      const field = target.fields.find((one) => one.name === name)
      const stored = field?.stored?.name ?? name
      return [stored, partitionValue(file.partition[stored] ?? null, field)]
    }),
  )
}

const NULL_REFUSED = 'null where none may be'
const CHECK_BROKEN = 'constraint broken: '

function guarded(select: string, checks: readonly Check[]): string {
  if (checks.length === 0) return select
  const guards = checks.map(({ sql }, index) => `CASE WHEN (${sql}) IS TRUE THEN true ELSE error('${CHECK_BROKEN}${index}') END`)
  return `SELECT * FROM (${select}) WHERE ${guards.join(' AND ')}`
}

function refusal(error: unknown, target: WriteTarget, checks: readonly Check[]): unknown {
  if (!isSluiceError(error)) return error
  if (error.message.includes(NULL_REFUSED)) {
    const nested = target.fields.find((field) => !field.nullable && isNested(field))
    return failure(TABLE_NULL_REFUSED, { path: target.path, column: nested?.name ?? '', rows: 0 }, { cause: error })
  }
  const broken = new RegExp(`${CHECK_BROKEN}(\\d+)`).exec(error.message)
  const check = checks[Number(broken?.[1])]
  if (check === undefined) return error
  return failure(TABLE_CONSTRAINT_BROKEN, { path: target.path, constraint: check.name, expression: check.expression }, { cause: error })
}

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
    const name = field.stored?.name ?? field.name
    const nulls = sum(files.map((file) => file.statistics.find((one) => one.path.length === 1 && one.path[0] === name)?.nulls ?? 0))
    const inPartition = files.some((file) => name in file.partition && file.partition[name] === null)
    if (nulls > 0 || inPartition) {
      throw failure(TABLE_NULL_REFUSED, { path: target.path, column: field.name, rows: nulls })
    }
  }
}

/** The engine writes an instant as `2020-01-01 00:00:00.5+00`; Delta wants ISO 8601 in UTC. */
function partitionValue(value: string | null, field: Field | undefined): string | null {
  if (value === null || value === '') return null
  if (/\(BC\)|infinity/.test(value) && ['date', 'timestamp', 'timestamp_ntz'].includes(field?.type.kind ?? ''))
    throw failure(TABLE_CHANGE_INVALID, { path: 'The table', problem: `${value} cannot name a partition of ${field?.name}` })
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
    ...(add.deletionVector === undefined ? {} : { deletionVector: add.deletionVector }),
    ...(add.baseRowId === undefined ? {} : { baseRowId: add.baseRowId }),
    ...(add.defaultRowCommitVersion === undefined ? {} : { defaultRowCommitVersion: add.defaultRowCommitVersion }),
  }
}

/** Rows of a file that are still there, where its statistics tell. */
export function liveRows(add: Pick<AddFile, 'stats' | 'deletionVector'>): number | undefined {
  const { rows } = parseStatistics(add.stats)
  return rows === undefined ? undefined : rows - (add.deletionVector?.cardinality ?? 0)
}

/** Rows of the table, as far as statistics tell: a file of another writer may come without. */
export async function rowCount(snapshot: Snapshot): Promise<number> {
  let rows = 0
  for await (const add of snapshot.files.whole()) rows += liveRows(add) ?? 0
  return rows
}

export interface ScanOptions {
  readonly columns?: readonly string[]
  readonly fileNumber?: string
  readonly rowNumber?: string
}

/** A SELECT over some of a snapshot's files; all of its columns unless some are named. Throws TABLE_FILE_OUTSIDE, TABLE_FILE_MISSING, TABLE_LOG_CORRUPT. */
export async function scanFiles(
  session: Session,
  snapshot: Snapshot,
  files: readonly (readonly [string, AddFile])[],
  options: ScanOptions = {},
): Promise<string> {
  const { columns } = options
  const mapped = snapshot.fields.some((field) => field.stored !== undefined || ROW_NAMES.has(field.name))
  const fingerprint = mapped ? undefined : columnsFingerprint(snapshot.fields, snapshot.partitionColumns)
  const paths = await snapshot.storage.fetch(files.map(([, add]) => filePath(snapshot, add)))
  const vectors = new Map<string, Promise<Uint8Array | undefined>>()
  const scan: ScanFile[] = []
  for (const [index, [, add]] of files.entries()) {
    const rows = liveRows(add)
    const deleted = await deletedRows(snapshot, add, vectors)
    scan.push({
      path: paths[index] ?? '',
      partition: add.partitionValues,
      exact: fingerprint !== undefined && add.tags?.[COLUMNS_TAG] === fingerprint,
      ...(rows === undefined ? {} : { rows }),
      ...(deleted === undefined ? {} : { deleted }),
    })
  }
  return session.scan({
    files: scan,
    columns: columns === undefined ? snapshot.fields : snapshot.fields.filter((field) => columns.includes(field.name)),
    partitionColumns: snapshot.partitionColumns,
    widened: hasFeature(snapshot.protocol, 'typeWidening') || hasFeature(snapshot.protocol, 'typeWidening-preview'),
    ...(options.fileNumber === undefined ? {} : { fileNumber: options.fileNumber }),
    ...(options.rowNumber === undefined ? {} : { rowNumber: options.rowNumber }),
  })
}

/** Names by which the engine's reader tells where a row came from; a column of that name would hide it. */
const ROW_NAMES = new Set(['file_index', 'filename', 'file_row_number'])

/** Where a deletion vector lies; undefined when it is in the log itself. Throws TABLE_FILE_OUTSIDE. */
export function vectorFile(snapshot: Pick<Snapshot, 'path' | 'outside'>, vector: DeletionVector): string | undefined {
  const path = vectorPath(vector, snapshot.path)
  // An absolute one is logged like the path of a data file: percent-encoded.
  return path === undefined ? undefined : filePath(snapshot, { path: vector.storageType === 'p' ? path : encodePath(path) })
}

/** @param read files with deletion vectors that were read already: one often holds those of many data files */
export async function deletedRows(
  snapshot: Snapshot,
  { deletionVector }: AddFile,
  read: Map<string, Promise<Uint8Array | undefined>> = new Map(),
): Promise<ReturnType<typeof decodeVector> | undefined> {
  if (deletionVector === undefined) return undefined
  const whole = vectorFile(snapshot, deletionVector)
  if (whole === undefined) return decodeVector(deletionVector, undefined, snapshot.path)
  const bytes = await (read.get(whole) ?? read.set(whole, snapshot.storage.read(whole)).get(whole))
  if (bytes === undefined) throw failure(TABLE_FILE_MISSING, { path: snapshot.path, file: whole, version: snapshot.version })
  return decodeVector(deletionVector, bytes, snapshot.path)
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}

export function bytesOf(adds: Iterable<{ readonly size?: number }>): number {
  let bytes = 0
  for (const add of adds) bytes += add.size ?? 0
  return bytes
}
