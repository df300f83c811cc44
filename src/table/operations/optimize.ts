import { literal, quoteName, type Session } from '../../engine/index.js'
import { failure, TABLE_CHANGE_INVALID } from '../../errors/index.js'
import { bytesOf, type Change, removeFile, scanFiles, sum, writeRows } from '../change.js'
import type { AddFile } from '../log/actions.js'
import { filesThat, type Snapshot, whereHolds } from '../snapshot.js'
import { readsOf } from './rewrite.js'

export interface OptimizeOptions {
  /** Files are filled up to this size, in bytes. Default: the property delta.targetFileSize, else 128 MiB. */
  readonly targetBytes?: number
  /** SQL over partition columns: only such partitions. */
  readonly where?: string
  /** Rows are laid out so that files are narrow in each of these columns: a filter on any of them opens few files. */
  readonly zOrderBy?: readonly string[]
  readonly onProgress?: (done: { readonly files: number; readonly of: number }) => void
}

type File = readonly [string, AddFile]

const TARGET_BYTES = 128 * 1024 * 1024
/** Quantiles a column is cut into: 8 bits of each make up a row's place on the curve. */
const BUCKETS = 256
const SAMPLE_ROWS = 100_000

/**
 * Writes many small files as few large ones, or, with `zOrderBy`, all rows in a new order. No row changes (`dataChange` is false).
 * Undefined when there is nothing to do.
 */
export async function prepareOptimize(session: Session, snapshot: Snapshot, options: OptimizeOptions = {}): Promise<Change | undefined> {
  const target = options.targetBytes ?? targetBytes(snapshot)
  const zOrderBy = options.zOrderBy ?? []
  requireColumns(snapshot, zOrderBy)
  const mayHold =
    options.where === undefined ? () => true : whereHolds(snapshot, await partitionCondition(session, snapshot, options.where))
  const files = await filesThat(snapshot, mayHold)
  const groups = [...byPartition(files).values()].flatMap((one) => (zOrderBy.length > 0 ? [one] : bins(one, target)))
  const adds: AddFile[] = []
  const taken: File[] = []
  for (const group of groups) {
    const scan = await scanFiles(session, snapshot, group)
    const query = zOrderBy.length === 0 ? scan : await zOrdered(session, scan, zOrderBy)
    const written = await writeRows(session, snapshot, query, { checked: false, ...(zOrderBy.length === 0 ? {} : { fileBytes: target }) })
    adds.push(...written.adds.map((add) => ({ ...add, dataChange: false })))
    taken.push(...group)
    options.onProgress?.({ files: taken.length, of: sum(groups.map((one) => one.length)) })
  }
  if (taken.length === 0) return undefined
  const removed = taken.map(([, add]) => add)
  return {
    operation: 'OPTIMIZE',
    parameters: {
      predicate: JSON.stringify(options.where === undefined ? [] : [options.where]),
      zOrderBy: JSON.stringify(zOrderBy),
      auto: 'false',
    },
    metrics: {
      numAddedFiles: adds.length,
      numRemovedFiles: removed.length,
      numAddedBytes: bytesOf(adds),
      numRemovedBytes: bytesOf(removed),
      ...sizes(adds),
      numBatches: groups.length,
      numDeletionVectorsRemoved: removed.filter((add) => add.deletionVector !== undefined).length,
    },
    adds,
    removes: removed.map((add) => removeFile(add, false)),
    blind: false,
    reads: { ...readsOf(taken, () => false) },
  }
}

/** The size that files are filled up to, in bytes. */
export function targetBytes({ metadata }: Pick<Snapshot, 'metadata'>): number {
  const match = /^(\d+)\s*(b|k|kb|m|mb|g|gb)?$/i.exec(metadata.configuration['delta.targetFileSize'] ?? '')
  const unit = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[(match?.[2] ?? 'b').charAt(0).toLowerCase()] ?? 1
  return match === null ? TARGET_BYTES : Number(match[1]) * unit
}

async function partitionCondition(session: Session, snapshot: Snapshot, where: string) {
  const names = new Set(snapshot.partitionColumns.map((name) => name.toLowerCase()))
  const condition = await session.condition(where)
  const wrong = columnsIn(condition).find((column) => !names.has(column.toLowerCase()))
  if (condition.kind === 'unknown' || wrong !== undefined)
    throw failure(TABLE_CHANGE_INVALID, {
      path: snapshot.path,
      problem: `OPTIMIZE can be limited by plain comparisons of partition columns only, not by ${where}`,
    })
  return condition
}

function columnsIn(condition: Awaited<ReturnType<Session['condition']>>): string[] {
  if ('of' in condition) return condition.of.flatMap(columnsIn)
  return condition.kind === 'unknown' ? ['(an expression)'] : [condition.column.at(-1) ?? '']
}

function requireColumns(snapshot: Snapshot, columns: readonly string[]): void {
  for (const column of columns) {
    const problem = snapshot.partitionColumns.includes(column)
      ? `it is partitioned by ${column}, so its files hold one value of it each already`
      : snapshot.fields.some((field) => field.name === column && !['struct', 'array', 'map'].includes(field.type.kind))
        ? undefined
        : `there is no column "${column}" to order by`
    if (problem !== undefined) throw failure(TABLE_CHANGE_INVALID, { path: snapshot.path, problem })
  }
  if (columns.length > 8) throw failure(TABLE_CHANGE_INVALID, { path: snapshot.path, problem: 'Z-order takes up to 8 columns' })
}

function byPartition(files: readonly File[]): Map<string, File[]> {
  const groups = new Map<string, File[]>()
  for (const file of files) {
    const key = JSON.stringify(Object.entries(file[1].partitionValues).sort())
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [file])
    else group.push(file)
  }
  return groups
}

/** Neighbours in the log are often neighbours in time, so bins are filled in order. Alone, a file is rewritten only to drop deleted rows. */
function bins(files: readonly File[], target: number): File[][] {
  const found: File[][] = []
  let bin: File[] = []
  let bytes = 0
  for (const file of files) {
    if (file[1].size >= target && file[1].deletionVector === undefined) continue
    if (bytes + file[1].size > target && bin.length > 0) {
      found.push(bin)
      bin = []
      bytes = 0
    }
    bin.push(file)
    bytes += file[1].size
  }
  return [...found, bin].filter((one) => one.length > 1 || one[0]?.[1].deletionVector !== undefined)
}

/** Rows along a Z-order curve over the quantiles of each column; nulls lie first. */
async function zOrdered(session: Session, scan: string, columns: readonly string[]): Promise<string> {
  const fractions = `[${Array.from({ length: BUCKETS - 1 }, (_, index) => (index + 1) / BUCKETS).join(', ')}]`
  const quantiles = columns.map((column, index) => `quantile_disc(${quoteName(column)}, ${fractions})::VARCHAR[] AS q${index}`)
  const [row] = await session.rows(
    `SELECT ${quantiles.join(', ')} FROM (SELECT ${columns.map(quoteName).join(', ')} FROM (${scan}) USING SAMPLE ${SAMPLE_ROWS} ROWS)`,
  )
  const fields = await session.describe(`SELECT ${columns.map(quoteName).join(', ')} FROM (${scan})`)
  const ranks = columns.map((column, index) => {
    const bounds = [...new Set((row?.[`q${index}`] ?? []) as readonly string[])]
    return rankSql(
      quoteName(column),
      bounds.map((bound) => castLiteral(bound, fields[index]?.type.kind ?? 'string')),
      0,
      bounds.length,
    )
  })
  const bits = Array.from({ length: 8 }, (_, bit) =>
    ranks.map((_, index) => `(((r${index} >> ${bit}) & 1)::UBIGINT << ${bit * columns.length + index})`),
  ).flat()
  const named = ranks.map((rank, index) => `(${rank})::UTINYINT AS r${index}`)
  return `SELECT * EXCLUDE (${columns.map((_, index) => `r${index}`).join(', ')}) FROM (SELECT *, ${named.join(', ')} FROM (${scan})) ORDER BY ${bits.join(' + ')}, ${columns.map(quoteName).join(', ')}`
}

function castLiteral(text: string, kind: string): string {
  if (kind === 'binary') return `${literal(text)}::BLOB`
  const types: Readonly<Record<string, string>> = {
    timestamp: 'TIMESTAMPTZ',
    timestamp_ntz: 'TIMESTAMP',
    date: 'DATE',
    boolean: 'BOOLEAN',
    string: 'VARCHAR',
    float: 'FLOAT',
    double: 'DOUBLE',
  }
  return types[kind] === undefined ? text : `${literal(text)}::${types[kind]}`
}

/** How many bounds a value has reached, found by halving. */
function rankSql(column: string, bounds: readonly string[], from: number, to: number): string {
  if (from >= to) return String(from)
  const middle = (from + to) >> 1
  return `CASE WHEN ${column} >= ${bounds[middle]} THEN ${rankSql(column, bounds, middle + 1, to)} ELSE ${rankSql(column, bounds, from, middle)} END`
}

function sizes(adds: readonly AddFile[]): Record<string, number> {
  const sorted = adds.map((add) => add.size).sort((left, right) => left - right)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
  return { minFileSize: at(0), p25FileSize: at(0.25), p50FileSize: at(0.5), p75FileSize: at(0.75), maxFileSize: sorted.at(-1) ?? 0 }
}
