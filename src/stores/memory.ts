import {
  ENGINE_CANCELLED,
  failure,
  STORE_CAPABILITY_MISSING,
  STORE_TABLE_MISSING,
  STORE_TABLE_UNFIT,
  STORE_TYPE_UNSUPPORTED,
} from '../errors/index.js'
import { type Field, typeText } from '../schema/index.js'
import { bucketOf, comparison, digester, isNotFinite, misfit, readsAs, recast, scaled, sifter, unscaled } from './cells.js'
import { NULL, RowBatch } from './rows.js'
import {
  type Capabilities,
  defineStore,
  type OpenStore,
  type OpenTable,
  type RefusedRow,
  type Store,
  type StoreIndex,
  type TableToMake,
  type Where,
} from './store.js'

const STORE = 'memory'

const CAPABILITIES: Capabilities = {
  upsert: true,
  delete: true,
  transactions: true,
  bulkLoad: true,
  orderedScan: true,
  digest: true,
  ddl: true,
  sql: false,
  nul: true,
  types: {
    string: 'exact',
    long: 'exact',
    integer: 'exact',
    short: 'exact',
    byte: 'exact',
    float: 'exact',
    double: 'exact',
    boolean: 'exact',
    date: 'exact',
    timestamp: 'exact',
    timestamp_ntz: 'exact',
    binary: 'exact',
    decimal: 'exact',
    array: 'refused',
    map: 'refused',
    struct: 'refused',
  },
}

/** Tables in this process alone, as long as the store's definition lives: for tests, and for trying things out. */
export function memory(): Store {
  const tables = new Map<string, MemoryTable>()
  const states = new Map<string, string>()
  return defineStore({
    kind: STORE,
    capabilities: CAPABILITIES,
    describe: () => STORE,
    lacking: () => undefined,
    async open({ signal }): Promise<OpenStore> {
      return {
        capabilities: CAPABILITIES,
        version: 'memory',
        table: (name) => openTable(name, tables, signal),
        readState: async (name) => states.get(name),
        writeState: async (name, text) => void states.set(name, text),
        close: async () => {},
      }
    },
  })
}

/** The texts of a row's values, in the order of its table's columns. */
type Cells = readonly string[]

/** Rows by the line of some columns, which no two rows share. */
interface Unique {
  readonly columns: readonly string[]
  readonly rows: Map<string, Cells>
}

interface MemoryTable {
  readonly columns: readonly Field[]
  readonly key: readonly string[]
  readonly indexes: Required<StoreIndex>[]
  /** Of the key, which is the first, and of each unique index. */
  readonly uniques: [Unique, ...Unique[]]
}

function openTable(name: string, tables: Map<string, MemoryTable>, signal: AbortSignal | undefined): OpenTable {
  const existing = () => {
    const table = tables.get(name)
    if (table === undefined) throw failure(STORE_TABLE_MISSING, { store: STORE, table: name })
    return table
  }
  const unfit = (problem: string, advice: string) => failure(STORE_TABLE_UNFIT, { store: STORE, table: name, problem, advice })

  /** Where each wanted column stands, and how it is read. */
  const readerOf = (table: MemoryTable, wanted: readonly Field[]) => {
    const parts = wanted.map((field) => {
      const place = table.columns.findIndex((column) => column.name === field.name)
      const column = table.columns[place]
      if (column === undefined) throw unfit(`it has no column "${field.name}"`, 'Ask for columns that it has.')
      if (!readsAs(column.type, field.type))
        throw unfit(`"${field.name}" is ${typeText(column.type)}, not ${typeText(field.type)}`, 'Ask for a type that holds its values.')
      return { place, text: recast(column.type, field.type) }
    })
    return (cells: Cells) => parts.map(({ place, text }) => text(cells[place] ?? NULL)).join('\t')
  }
  const rowsOf = function* (table: MemoryTable, where: Where | undefined) {
    const wanted = sifter(where, table.columns)
    for (const cells of table.uniques[0].rows.values()) if (wanted(cells)) yield cells
  }
  const uniqueOn = (table: MemoryTable, names: readonly string[]) =>
    table.uniques.find((one) => one.columns.length === names.length && one.columns.every((column) => names.includes(column)))

  return {
    name,

    async shape() {
      const table = tables.get(name)
      return table === undefined ? undefined : { columns: table.columns, defaulted: [], key: table.key, indexes: [...table.indexes] }
    },

    async make(wanted: TableToMake) {
      for (const { name: column, type } of wanted.columns) {
        if (CAPABILITIES.types[type.kind] === 'refused')
          throw failure(STORE_TYPE_UNSUPPORTED, {
            store: STORE,
            column,
            type: typeText(type),
            advice: 'Write its parts as columns of their own.',
          })
      }
      const nullable = (column: Field) => column.nullable && !wanted.key.includes(column.name)
      const table: MemoryTable = tables.get(name) ?? {
        columns: wanted.columns.map((column) => ({ name: column.name, type: column.type, nullable: nullable(column) })),
        key: wanted.key,
        indexes: [],
        uniques: [{ columns: wanted.key, rows: new Map() }],
      }
      for (const { columns, unique = false, name: given = `${name}_${columns.join('_')}` } of wanted.indexes) {
        if (table.indexes.some((index) => index.name === given)) continue
        table.indexes.push({ name: given, columns, unique })
        if (!unique) continue
        const read = textOf(table, columns)
        const filled = new Map(
          [...table.uniques[0].rows.values()].flatMap((cells) => (read(cells) === undefined ? [] : [[read(cells) ?? '', cells]])),
        )
        table.uniques.push({ columns, rows: filled })
      }
      tables.set(name, table)
    },

    async count(where) {
      let count = 0
      for (const _ of rowsOf(existing(), where)) count += 1
      return count
    },

    async totals(columns) {
      const table = existing()
      const sums = columns.map((column) => {
        const { type } = column
        const scale = type.kind === 'decimal' ? type.scale : 0
        if (!['long', 'integer', 'short', 'byte', 'decimal'].includes(type.kind)) return null
        const read = readerOf(table, [column])
        let sum: bigint | undefined
        let notFinite: number | undefined
        for (const cells of rowsOf(table, undefined)) {
          const text = read(cells)
          if (isNotFinite(text)) notFinite = (notFinite ?? 0) + Number(text)
          else if (text !== NULL) sum = (sum ?? 0n) + unscaled(text, scale)
        }
        if (notFinite !== undefined) return String(notFinite)
        return sum === undefined ? null : scaled(sum, scale)
      })
      return { rows: table.uniques[0].rows.size, sums }
    },

    async bounds(column) {
      const table = existing()
      const read = readerOf(table, [column])
      const compare = comparison(column.type)
      let found: { least: string; greatest: string } | undefined
      for (const cells of rowsOf(table, undefined)) {
        const text = read(cells)
        if (text === NULL) continue
        found = {
          least: found === undefined || compare(text, found.least) < 0 ? text : found.least,
          greatest: found === undefined || compare(text, found.greatest) > 0 ? text : found.greatest,
        }
      }
      return found
    },

    async digests(columns, buckets, where) {
      const table = existing()
      const read = readerOf(table, columns)
      const bucket = bucketOf(buckets, table.columns)
      const digest = digester()
      for (const cells of rowsOf(table, where)) digest.add(bucket(cells), read(cells))
      return digest.digests()
    },

    async *scan({ columns, where, orderBy, limit = Number.POSITIVE_INFINITY, batchRows = 20_000, signal: ended }) {
      const table = existing()
      const read = readerOf(table, columns)
      // What is written while it goes on is not seen.
      const rows = [...rowsOf(table, where)]
      if (orderBy !== undefined) rows.sort(orderOf(table, orderBy))
      const wanted = Math.min(rows.length, limit)
      for (let from = 0; from < wanted; from += batchRows) {
        if (signal?.aborted === true || ended?.aborted === true) throw failure(ENGINE_CANCELLED, {})
        yield new RowBatch(columns, rows.slice(from, Math.min(from + batchRows, wanted)).map(read))
      }
    },

    async upsert(batch, { key }) {
      const table = existing()
      const unique = uniqueOn(table, key)
      if (unique === undefined)
        throw unfit(
          `it has no unique index on ${key.join(', ')}`,
          `Its key is ${table.key.join(', ')}; or give it a unique index on those.`,
        )
      const cellsOf = reader(table, batch, unfit)
      const latest = new Map<string, { line: string; cells: Map<number, string> }>()
      const refused: RefusedRow[] = []
      const keyOf = textOf(table, unique.columns)
      for (const line of batch.lines) {
        const { cells, problem } = cellsOf(line)
        const found = keyOf(table.columns.map((_, place) => cells.get(place) ?? NULL))
        if (problem !== undefined || found === undefined) refused.push({ line, reason: problem ?? `null in the key ${key.join(', ')}` })
        else latest.set(found, { line, cells })
      }
      let inserted = 0
      let updated = 0
      for (const [found, { line, cells }] of latest) {
        const before = unique.rows.get(found)
        const after = table.columns.map((_, place) => cells.get(place) ?? before?.[place] ?? NULL)
        if (before !== undefined && after.every((text, place) => text === before[place])) continue
        const problem = refusal(table, before, after)
        if (problem !== undefined) {
          refused.push({ line, reason: problem })
          continue
        }
        if (before === undefined) inserted += 1
        else updated += 1
        replace(table, before, after)
      }
      return { inserted, updated, refused }
    },

    async remove(keys) {
      const table = existing()
      const names = keys.columns.map((column) => column.name)
      const read = readerOf(table, keys.columns)
      const gone = new Set(keys.lines)
      const rows = [...table.uniques[0].rows.values()].filter((cells) => gone.has(read(cells)))
      if (uniqueOn(table, names) === undefined)
        throw unfit(`it has no unique index on ${names.join(', ')}`, `Its key is ${table.key.join(', ')}.`)
      for (const cells of rows) replace(table, cells, undefined)
      return rows.length
    },
  }
}

/** The line of some columns of a row; undefined where one is null, which is like no other. */
function textOf(table: MemoryTable, names: readonly string[]): (cells: Cells) => string | undefined {
  const places = names.map((name) => table.columns.findIndex((column) => column.name === name))
  return (cells) => (places.some((place) => (cells[place] ?? NULL) === NULL) ? undefined : places.map((place) => cells[place]).join('\t'))
}

/** What a batch's line gives to each column of the table, by its place. */
function reader(table: MemoryTable, batch: RowBatch, unfit: (problem: string, advice: string) => Error) {
  const parts = batch.columns.map(({ name, type }) => {
    const place = table.columns.findIndex((column) => column.name === name)
    const column = table.columns[place]
    if (column === undefined) throw unfit(`it has no column "${name}"`, 'Add the column to the table, or leave it out.')
    return { name, place, problem: misfit(type, column.type), text: recast(type, column.type) }
  })
  return (line: string) => {
    const texts = line.split('\t')
    const cells = new Map<number, string>()
    for (const [index, { name, place, problem, text }] of parts.entries()) {
      const one = texts[index] ?? NULL
      const reason = problem(one)
      if (reason !== undefined) return { cells, problem: `"${name}" is ${reason}` }
      cells.set(place, text(one))
    }
    return { cells, problem: undefined }
  }
}

function refusal(table: MemoryTable, before: Cells | undefined, after: Cells): string | undefined {
  const empty = table.columns.find((column, place) => !column.nullable && after[place] === NULL)
  if (empty !== undefined) return `null in "${empty.name}"`
  for (const { columns, rows } of table.uniques) {
    const text = textOf(table, columns)(after)
    const holder = text === undefined ? undefined : rows.get(text)
    if (holder !== undefined && holder !== before) return `another row has the same ${columns.join(', ')}`
  }
  return undefined
}

function replace(table: MemoryTable, before: Cells | undefined, after: Cells | undefined): void {
  for (const { columns, rows } of table.uniques) {
    const read = textOf(table, columns)
    const [old, text] = [before && read(before), after && read(after)]
    if (old !== undefined) rows.delete(old)
    if (text !== undefined && after !== undefined) rows.set(text, after)
  }
}

function orderOf(table: MemoryTable, name: string): (a: Cells, b: Cells) => number {
  const place = table.columns.findIndex((column) => column.name === name)
  const column = table.columns[place]
  if (column === undefined) throw failure(STORE_CAPABILITY_MISSING, { store: STORE, what: `order by "${name}", which is no column` })
  const compare = comparison(column.type)
  return (a, b) => {
    const [left = NULL, right = NULL] = [a[place], b[place]]
    if (left === NULL || right === NULL) return Number(right === NULL) - Number(left === NULL)
    return compare(left, right)
  }
}
