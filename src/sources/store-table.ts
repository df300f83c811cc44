import { createHash, randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { quoteName, quotePath, type Session } from '../engine/index.js'
import { failure, SOURCE_CURSOR_INVALID, STORE_TABLE_MISSING } from '../errors/index.js'
import { type Duration, milliseconds } from '../observability/duration.js'
import { type DriftPolicies, type Field, Timestamp, typeText } from '../schema/index.js'
import { hashSql, microsOf, millisOf, type OpenTable, readSql, type StoreTable, storeRows, type Where } from '../stores/index.js'
import { finite, required } from './convert.js'
import { type FileItem, readFiles } from './files.js'
import { type Intake, type Item, type Offer, type ReadRequest, SOURCE, type Source, type SourceContext } from './source.js'

export interface StoreTableSourceOptions {
  /**
   * A column of whole numbers or times that only grows: each run reads the rows past those of the last one. Rows that are deleted, or changed
   * without it, are not seen. Default: the table is read in full whenever anything in it has changed.
   */
  readonly cursor?: string
  /** With a cursor of times: rows younger than this wait for the next run, since a transaction may still put some before them. Default `10s`. */
  readonly settle?: Duration
  /** With a cursor: rows of one commit, about. A run that is killed goes on after the last. Default 500,000. */
  readonly rows?: number
  /** What happens when a column drifts. Default: missing columns are null, extra ones are left out, others are converted; all are reported. */
  readonly drift?: Partial<DriftPolicies>
}

interface TableItem extends Item {
  readonly where?: Where
  /** Of the rows as they were read last. */
  seen?: string
}

const SETTLE: Duration = '10s'
const ROWS = 500_000

/**
 * Rows of a table or collection of a store.
 *
 * `from: storeTable(warehouse.table('orders'), { cursor: 'updated_at' })` reads all of it once; the next run reads what is past that.
 */
export function storeTable(table: StoreTable, options: StoreTableSourceOptions = {}): Source {
  const { store, name } = table
  return {
    [SOURCE]: true,
    variables: [],
    given: () => store.lacking() === undefined,
    lacking: () => store.lacking(),
    describe: () => `${name}, ${store.describe()}${options.cursor === undefined ? '' : `, by ${options.cursor}`}`,
    async offer(context) {
      const opened = <Result>(body: (open: OpenTable, columns: readonly Field[]) => Promise<Result>) => withTable(table, context, body)
      const items =
        options.cursor === undefined
          ? [wholeItem(table, opened)]
          : await opened((open, columns) => newItems(table, open, columns, options.cursor ?? '', context.taken, options))
      const offer: Offer = {
        kind: 'real',
        label: `${store.kind} ${name}`,
        items,
        mayBeEmpty: true,
        whenChanged: 'replace',
        read: (chosen, request) =>
          opened((open, columns) => readItems(chosen as readonly TableItem[], { open, columns, table, request, context, options })),
      }
      return offer
    },
  }
}

async function withTable<Result>(
  { store, name }: StoreTable,
  { projectFolder, signal }: SourceContext,
  body: (open: OpenTable, columns: readonly Field[]) => Promise<Result>,
): Promise<Result> {
  const opened = await store.open({ projectFolder, signal })
  try {
    const open = opened.table(name)
    const shape = await open.shape()
    if (shape === undefined) throw failure(STORE_TABLE_MISSING, { store: store.describe(), table: name })
    return await body(open, shape.columns)
  } finally {
    await opened.close()
  }
}

/** The address of a server is no part of a name: the same rows are the same wherever they are served. */
function pathOf({ store, name }: StoreTable): string {
  return `${store.kind}:${name}`
}

function wholeItem(
  table: StoreTable,
  opened: <Result>(body: (open: OpenTable, columns: readonly Field[]) => Promise<Result>) => Promise<Result>,
): TableItem {
  const item: TableItem = {
    path: pathOf(table),
    bytes: 0,
    // Servers keep no time of a table's last change that can be relied on.
    modifiedAt: Date.now(),
    checksum: async () => item.seen ?? (await opened((open, columns) => digestOf(table, open, columns))),
  }
  return item
}

/** The rows of a table in short: where the store does not compute it, every row is read for it. */
async function digestOf(table: StoreTable, open: OpenTable, columns: readonly Field[]): Promise<string> {
  let [rows, xor, sum] = [0n, 0n, 0n]
  if (table.store.capabilities.digest) {
    for (const bucket of await open.digests(columns, { kind: 'hash', columns: columns.slice(0, 1), count: 1 })) {
      rows += BigInt(bucket.rows)
      xor ^= bucket.xor
      sum += bucket.sum
    }
  } else {
    for await (const { lines } of open.scan({ columns })) {
      for (const line of lines) {
        const hash = BigInt(`0x${createHash('md5').update(line).digest('hex').slice(0, 15)}`)
        xor ^= hash
        sum += hash
      }
      rows += BigInt(lines.length)
    }
  }
  return checksumText(rows, xor, sum)
}

function checksumText(...numbers: readonly bigint[]): string {
  return createHash('sha256').update(numbers.join(' ')).digest('hex')
}

const WHOLE = ['long', 'integer', 'short', 'byte']
const TIMES = ['timestamp', 'timestamp_ntz']

/** What is past the ranges that were taken, in ranges of about as many rows as a commit is to have. */
async function newItems(
  table: StoreTable,
  open: OpenTable,
  columns: readonly Field[],
  cursor: string,
  taken: Iterable<string>,
  options: StoreTableSourceOptions,
): Promise<TableItem[]> {
  const column = columns.find((one) => one.name === cursor)
  const refuse = (problem: string) => failure(SOURCE_CURSOR_INVALID, { table: `${table.store.kind} ${table.name}`, cursor, problem })
  if (column === undefined) throw refuse(`it has no such column; it has ${columns.map((one) => one.name).join(', ')}`)
  if (![...WHOLE, ...TIMES].includes(column.type.kind)) throw refuse(`that is ${typeText(column.type)}, not a whole number or a time`)
  if (column.nullable) {
    // In this order, rows that come in meanwhile are not taken for such.
    const all = await open.count()
    const bounds = await open.bounds(column)
    const within = bounds === undefined ? 0 : await open.count({ kind: 'range', column, from: bounds.least })
    if (all > within) throw refuse(`${(all - within).toLocaleString('en-US')} rows have none, and would never be read`)
  }
  const bounds = await open.bounds(column)
  if (bounds === undefined) return []
  const isTime = TIMES.includes(column.type.kind)
  const odd = isTime ? [bounds.least, bounds.greatest].find((text) => Number.isNaN(millisOf(text))) : undefined
  if (odd !== undefined) throw refuse(`it holds ${odd}, which is no time that others come after`)
  const read = isTime ? microsOf : BigInt
  const show = (value: bigint) => (isTime ? new Timestamp(value).wallClock() : String(value))
  const prefix = `${pathOf(table)}?${cursor} from `
  const from = endOf(taken, prefix, read) ?? bounds.least
  const settled = BigInt(Date.now() - milliseconds(options.settle ?? SETTLE)) * 1000n
  const greatest = read(bounds.greatest) + 1n
  const end = isTime && settled < greatest ? settled : greatest
  const start = read(from)
  if (end <= start) return []
  const rows = await open.count({ kind: 'range', column, from, to: show(end) })
  if (rows === 0) return []
  const parts = BigInt(Math.max(1, Math.ceil(rows / (options.rows ?? ROWS))))
  const width = (end - start + parts - 1n) / parts
  const items: TableItem[] = []
  for (let low = start; low < end; low += width) {
    const high = low + width < end ? low + width : end
    const where: Where = { kind: 'range', column, from: show(low), to: show(high) }
    const item: TableItem = {
      path: `${prefix}${where.from} to ${where.to}`,
      bytes: 0,
      modifiedAt: 0,
      alone: true,
      where,
      checksum: async () => item.seen ?? '',
    }
    items.push(item)
  }
  return items
}

/** Where the ranges that were taken end: each began where the one before ended. */
function endOf(taken: Iterable<string>, prefix: string, read: (text: string) => bigint): string | undefined {
  const ranges = [...taken].filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length).split(' to '))
  let end: string | undefined
  for (const [from = '', to] of ranges.toSorted(([one = ''], [other = '']) => (read(one) < read(other) ? -1 : 1))) {
    // After a gap there is more to read.
    if (end !== undefined && from !== end) break
    end = to
  }
  return end
}

interface Reading {
  readonly open: OpenTable
  readonly columns: readonly Field[]
  readonly table: StoreTable
  readonly request: ReadRequest
  readonly context: SourceContext
  readonly options: StoreTableSourceOptions
}

/** Each item as a Parquet file among the engine's temporary ones: from there on it is a file like any other. */
async function readItems(items: readonly TableItem[], reading: Reading): Promise<Intake> {
  const files = new Map<FileItem, TableItem>()
  for (const item of items) files.set(await fileOf(item, reading), item)
  const { drift } = reading.options
  const intake = await readFiles([...files.keys()], reading.request, {
    format: 'parquet',
    empty: 'take',
    ...(drift === undefined ? {} : { drift }),
  })
  const original = (item: Item) => files.get(item as FileItem) ?? item
  return {
    ...intake,
    taken: intake.taken.map((one) => ({ ...one, item: original(one.item) })),
    refused: intake.refused.map((one) => ({ ...one, item: original(one.item) })),
  }
}

async function fileOf(item: TableItem, { open, columns, table, request, context }: Reading): Promise<FileItem> {
  const { session } = request
  const { signal } = context
  const rows = storeRows(session, { label: table.name, table: open, columns, key: [], digest: false, signal })
  const lines = await rows.lines(item.where, (read) => context.report(`${read.toLocaleString('en-US')} rows of ${table.name}`))
  const location = join(session.scratch, `table-${randomUUID()}.parquet`)
  try {
    const [digest] = await session.rows(
      `SELECT count(*) AS n, coalesce(bit_xor(h), 0) AS x, CAST(coalesce(sum(h), 0) AS VARCHAR) AS s FROM (SELECT ${hashSql('line')} AS h FROM ${lines.relation})`,
    )
    item.seen = checksumText(BigInt(String(digest?.['n'])), BigInt(String(digest?.['x'])), BigInt(String(digest?.['s'])))
    const odd = request.careful ? await oddColumns(session, lines.relation, columns) : new Set<string>()
    const values = columns.map(({ name, type }, place) => {
      const shown = odd.has(name) ? ({ kind: 'string' } as const) : type
      const read = readSql(cell(place), shown, 'CAST')
      const sound = finite(read, shown)
      return `${sound === read ? read : required(cell(place), sound, shown)} AS ${quoteName(name)}`
    })
    await session.rows(`COPY (SELECT ${values.join(', ')} FROM ${cellsOf(lines.relation)}) TO ${quotePath(location)} (FORMAT parquet)`)
  } catch (error) {
    await rm(location, { force: true })
    throw error
  } finally {
    await lines.release()
  }
  return { ...item, location, bytes: 1, checksum: item.checksum }
}

function cellsOf(relation: string): string {
  return `(SELECT string_split(line, chr(9)) AS cells FROM ${relation})`
}

function cell(place: number): string {
  return `nullif(cells[${place + 1}], '\\N')`
}

/** Columns with a value that is none of their type, as a date of MySQL's may be that is none: they come as text, and their rows can be held. */
async function oddColumns(session: Session, relation: string, columns: readonly Field[]): Promise<Set<string>> {
  const counts = columns.map(
    ({ type }, place) =>
      `count(*) FILTER (${cell(place)} IS NOT NULL AND ${finite(readSql(cell(place), type), type)} IS NULL) AS c${place}`,
  )
  const [row] = await session.rows(`SELECT ${counts.join(', ')} FROM ${cellsOf(relation)}`)
  return new Set(columns.filter((_, place) => Number(row?.[`c${place}`] ?? 0) > 0).map(({ name }) => name))
}
