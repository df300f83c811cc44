import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { quoteName, quotePath, type Session } from '../engine/index.js'
import type { Field } from '../schema/index.js'
import { hashSql, lineSql } from './lines.js'
import { RowBatch } from './rows.js'
import type { BucketDigest, Buckets, OpenTable, ScanRequest, Where } from './store.js'
import { bucketSql, whereSql } from './where-sql.js'

/**
 * Rows that can be counted, read and compared: those of a dataset, or of a store's table. Lines have the columns of the key first, so that a
 * line begins with its row's key.
 */
export interface RowSet {
  /** `silver.trips`, `warehouse.taxi_trips` */
  readonly label: string
  /** The key's columns first. */
  readonly columns: readonly Field[]
  readonly key: readonly string[]
  /** False where `totals` and `digests` would mean to read every row. */
  readonly digestible: boolean
  /** Whether a text's place among hundreds of bounds is found quickly: not by DuckDB, whose CASE goes through all of them. */
  readonly textRanges: boolean
  count(): Promise<number>
  /** Exact sums of whole and decimal numbers; undefined where that would mean to read every row. */
  totals(columns: readonly Field[]): Promise<{ readonly rows: number; readonly sums: readonly (string | null)[] } | undefined>
  bounds(column: Field): Promise<{ readonly least: string; readonly greatest: string } | undefined>
  /** Undefined where that would mean to read every row. */
  digests(buckets: Buckets, where?: Where): Promise<BucketDigest[] | undefined>
  scan(request?: Partial<ScanRequest>): AsyncIterable<RowBatch>
  /** Makes the rows readable by the engine, as a relation of one column, `line`. `release` takes away what that needed. */
  lines(where?: Where, observe?: (rows: number) => void): Promise<{ readonly relation: string; release(): Promise<void> }>
}

/** The columns in the order of lines: the key's first. */
export function keyFirst(columns: readonly Field[], key: readonly string[]): Field[] {
  const keys = key.map((name) => columns.find((column) => column.name === name)).filter((column) => column !== undefined)
  return [...keys, ...columns.filter((column) => !key.includes(column.name))]
}

/** Rows that the engine reads itself. `relation` is a SELECT with these columns, of these types. */
export function engineRows(
  session: Session,
  set: { readonly label: string; readonly relation: string; readonly columns: readonly Field[]; readonly key: readonly string[] },
): RowSet {
  const columns = keyFirst(set.columns, set.key)
  const filtered = (where: Where | undefined) => `(${set.relation})${whereSql(where)}`
  return {
    label: set.label,
    columns,
    key: set.key,
    digestible: true,
    textRanges: false,
    count: async () => Number((await session.rows(`SELECT count(*) AS n FROM ${filtered(undefined)}`))[0]?.['n'] ?? 0),
    async totals(summed) {
      const sums = summed.map((column, index) => `CAST(sum(${quoteName(column.name)}) AS VARCHAR) AS s${index}`)
      const [row] = await session.rows(`SELECT ${['count(*) AS n', ...sums].join(', ')} FROM ${filtered(undefined)}`)
      return { rows: Number(row?.['n'] ?? 0), sums: summed.map((_, index) => (row?.[`s${index}`] ?? null) as string | null) }
    },
    async bounds(column) {
      const name = quoteName(column.name)
      const [row] = await session.rows(
        `SELECT CAST(min(${name}) AS VARCHAR) AS least, CAST(max(${name}) AS VARCHAR) AS greatest FROM ${filtered(undefined)}`,
      )
      return row === undefined || row['least'] === null ? undefined : { least: String(row['least']), greatest: String(row['greatest']) }
    },
    async digests(buckets, where) {
      const rows = await session.rows(
        `SELECT bucket, count(*) AS n, bit_xor(h) AS x, CAST(sum(h) AS VARCHAR) AS s FROM (SELECT ${bucketSql(buckets)} AS bucket, ${hashSql(lineSql(columns))} AS h FROM ${filtered(where)}) GROUP BY bucket`,
      )
      return rows.map((row) => ({
        bucket: Number(row['bucket']),
        rows: Number(row['n']),
        xor: BigInt(String(row['x'])),
        sum: BigInt(String(row['s'])),
      }))
    },
    async *scan({ columns: wanted = columns, where, orderBy, limit, batchRows = 20_000, signal } = {}) {
      const order = orderBy === undefined ? '' : ` ORDER BY ${quoteName(orderBy)} NULLS FIRST`
      const most = limit === undefined ? '' : ` LIMIT ${limit}`
      let lines: string[] = []
      for await (const batch of session.stream(`SELECT ${lineSql(wanted)} AS line FROM ${filtered(where)}${order}${most}`)) {
        signal?.throwIfAborted()
        for (let row = 0; row < batch.size; row++) lines.push(batch.value(row, 0) as string)
        for (; lines.length >= batchRows; lines = lines.slice(batchRows)) yield new RowBatch(wanted, lines.slice(0, batchRows))
      }
      if (lines.length > 0) yield new RowBatch(wanted, lines)
    },
    lines: async (where) => ({ relation: `(SELECT ${lineSql(columns)} AS line FROM ${filtered(where)})`, release: async () => {} }),
  }
}

/** Rows of a store's table; what the engine is to read of them goes through a temporary file of lines. */
export function storeRows(
  session: Session,
  set: {
    readonly label: string
    readonly table: OpenTable
    readonly columns: readonly Field[]
    readonly key: readonly string[]
    readonly digest: boolean
    /** Default: false. */
    readonly textRanges?: boolean
    readonly signal?: AbortSignal | undefined
  },
): RowSet {
  const { table, key, digest, textRanges = false, signal } = set
  const columns = keyFirst(set.columns, key)
  const scan = (request: Partial<ScanRequest> = {}) => table.scan({ columns, signal, ...request })
  return {
    label: set.label,
    columns,
    key,
    digestible: digest,
    textRanges,
    count: () => table.count(),
    totals: async (summed) => (digest ? table.totals(summed) : undefined),
    bounds: (column) => table.bounds(column),
    digests: async (buckets, where) => {
      if (!digest) return undefined
      const parts = where === undefined ? halvesOf(buckets) : [where]
      return (await Promise.all(parts.map((part) => table.digests(columns, buckets, part)))).flat()
    },
    scan,
    async lines(where, observe = () => {}) {
      await mkdir(session.scratch, { recursive: true })
      const path = join(session.scratch, `lines-${randomUUID()}.tsv`)
      const release = () => rm(path, { force: true })
      try {
        const { rows, longest } = await writeLines(path, scan({ ...(where === undefined ? {} : { where }) }), observe)
        if (rows === 0) return { relation: `(SELECT NULL::VARCHAR AS line WHERE false)`, release }
        return { relation: linesSql(path, longest), release }
      } catch (error) {
        await release()
        throw error
      }
    },
  }
}

/** Two halves of the buckets: a server computes a digest with one processor for each connection. */
function halvesOf(buckets: Buckets): (Where | undefined)[] {
  if (buckets.kind === 'hash' || buckets.count < 2) return [undefined]
  const numbers = Array.from({ length: buckets.count }, (_, number) => number)
  const half = buckets.count >> 1
  return [numbers.slice(0, half), numbers.slice(half)].map((part) => ({ kind: 'buckets', buckets, numbers: part }))
}

async function writeLines(
  path: string,
  batches: AsyncIterable<RowBatch>,
  observe: (rows: number) => void,
): Promise<{ rows: number; longest: number }> {
  const file = createWriteStream(path, { highWaterMark: 4 * 1024 * 1024 })
  // A failed write is told by the `finished` below.
  file.on('error', () => {})
  // A byte order mark at the start of a file is passed over by the engine: no row begins there.
  file.write('line\n')
  let rows = 0
  let longest = 0
  for await (const batch of batches) {
    if (batch.size === 0) continue
    for (const line of batch.lines) if (line.length > longest) longest = line.length
    rows += batch.size
    if (!file.write(`${batch.lines.join('\n')}\n`)) {
      await new Promise<void>((resolve) => {
        file.once('drain', resolve)
        file.once('close', resolve)
      })
    }
    if (file.errored !== null) break
    observe(rows)
  }
  file.end()
  await finished(file)
  return { rows, longest }
}

/** No byte of a line is NUL, so a file split at NULs has one column. Characters of a line may be four bytes each. */
function linesSql(path: string, longest: number): string {
  const options = [
    'delim = chr(0)',
    "quote = ''",
    "escape = ''",
    // No escape of a line is this one.
    "nullstr = '\\x'",
    'header = true',
    'auto_detect = false',
    "new_line = '\\n'",
    "columns = {'line': 'VARCHAR'}",
    ...(longest * 4 > 1_000_000 ? [`max_line_size = ${longest * 4 + 1024}`, `buffer_size = ${2 * (longest * 4 + 1024)}`] : []),
  ]
  return `read_csv(${quotePath(path)}, ${options.join(', ')})`
}
