import {
  ENGINE_CANCELLED,
  failure,
  isSluiceError,
  type SluiceError,
  STORE_CAPABILITY_MISSING,
  STORE_TABLE_MISSING,
  STORE_TABLE_UNFIT,
  STORE_TYPE_UNSUPPORTED,
} from '../errors/index.js'
import { type Field, isTime, sameType, typeText } from '../schema/index.js'
import { runsOf } from './bucket-ranges.js'
import { misfit, readsAs, recast, sifter } from './cells.js'
import { type BsonClasses, cellEncoder, decoder, encoder, inferredType, valueCheck } from './mongodb-values.js'
import { RowBatch } from './rows.js'
import { type Check, screen } from './screening.js'
import type { OpenTable, RefusedRow, StoreIndex, TableShape, TableToMake, Where, Written } from './store.js'

type Document = Record<string, unknown>

/** What is used of the driver's database and collections. */
export interface MongoDatabase {
  readonly databaseName: string
  collection(name: string): MongoCollection
  createCollection(name: string): Promise<unknown>
  listCollections(filter: Document, options: { nameOnly: true }): { toArray(): Promise<unknown[]> }
  command(command: Document): Promise<Document>
}

export interface MongoCollection {
  find(filter: Document, options?: object): MongoCursor
  countDocuments(filter: Document): Promise<number>
  insertMany(documents: Document[], options: object): Promise<{ insertedCount: number }>
  bulkWrite(operations: object[], options: object): Promise<{ upsertedCount: number; modifiedCount: number }>
  drop(): Promise<unknown>
  deleteMany(filter: Document): Promise<{ deletedCount: number }>
  indexes(): Promise<{ name?: string; key: Document | ReadonlyMap<string, unknown>; unique?: boolean }[]>
  createIndex(key: ReadonlyMap<string, number>, options: object): Promise<unknown>
}

interface MongoCursor extends AsyncIterable<Document> {
  toArray(): Promise<Document[]>
  close(): Promise<void>
}

/** How a collection makes its calls. */
export interface Running {
  readonly store: string
  readonly database: MongoDatabase
  readonly bson: BsonClasses
  readonly signal: AbortSignal | undefined
  translate(thrown: unknown): SluiceError
  call<Result>(operation: string, collection: string | undefined, body: () => Promise<Result>): Promise<Result>
}

/** Documents, one for each collection that `make` made, with its columns: BSON's own types would not tell a date from an instant. */
const SHAPES = 'sluice_shapes'
const NAMESPACE_EXISTS = 48
const DUPLICATE_KEY = 11_000
/** Keys in one statement: some 48 MB fit into a message, and an `$or` is slow past a thousand. */
const KEYS_AT_ONCE = 1_000
const SAMPLE = 200
/** Space that the driver and the server need besides the columns. */
const LARGEST_DOCUMENT = 16 * 1024 * 1024 - 1024

interface Known extends TableShape {
  /** False where it was read off the documents: there may be other fields. */
  readonly declared: boolean
}

export function mongoTable(name: string, running: Running): OpenTable {
  const { store, database, bson } = running
  const collection = database.collection(name)
  const unfit = (problem: string, advice: string) => failure(STORE_TABLE_UNFIT, { store, table: name, problem, advice })
  const cannot = (what: string) => failure(STORE_CAPABILITY_MISSING, { store, what })
  const isThere = async () => (await database.listCollections({ name }, { nameOnly: true }).toArray()).length > 0

  const indexesOf = async (): Promise<Required<StoreIndex>[]> =>
    (await collection.indexes()).map(({ name: index = '', key, unique = false }) => ({
      name: index,
      columns: key instanceof Map ? [...key.keys()] : Object.keys(key),
      unique,
    }))

  const readShape = async (): Promise<Known | undefined> => {
    if (!(await isThere())) return undefined
    const [[declared], all] = await Promise.all([database.collection(SHAPES).find({ _id: name }).toArray(), indexesOf()])
    const own = (key: readonly string[]) => all.filter((index) => index.name !== '_id_' && !isSame(index.columns, key))
    if (declared !== undefined) {
      const { columns, key } = declared as unknown as { columns: Field[]; key: string[] }
      return { columns, key, defaulted: [], indexes: own(key), declared: true }
    }
    const sample = await collection.find({}, { limit: SAMPLE, promoteValues: false }).toArray()
    const names = [...new Set(sample.flatMap((document) => Object.keys(document)))]
    const key = all.find((index) => index.unique)?.columns ?? ['_id']
    const columns = names
      .filter((one) => one !== '_id' || key.includes('_id'))
      .map((one) => ({ name: one, type: inferredType(sample.map((document) => document[one])), nullable: !key.includes(one) }))
    return { columns, key, defaulted: [], indexes: own(key), declared: false }
  }

  /** Looked up once: a collection's columns change by `make` alone. */
  let known: Known | undefined
  const existing = async (): Promise<Known> => {
    known ??= await readShape()
    if (known === undefined) throw failure(STORE_TABLE_MISSING, { store, table: name })
    return known
  }
  const columnOf = (shape: Known, wanted: Field): Field => {
    const column = shape.columns.find((one) => one.name === wanted.name)
    if (column !== undefined) return column
    if (!shape.declared) return wanted
    throw unfit(`it has no column "${wanted.name}"`, 'Make the collection anew with the column, or leave it out.')
  }

  const encode = (column: Field, text: string) => encoder(column.type, bson)(text)
  const filterOf = (where: Where | undefined): Document => {
    if (where === undefined || where.kind === 'sample') return {}
    if (where.kind === 'range') return rangeFilter(where, encode)
    const { buckets, numbers } = where
    if (numbers.length === 0) return { _id: { $in: [] } }
    if (buckets.kind === 'hash') return {}
    const type = buckets.kind === 'text' ? buckets.column.type : ({ kind: 'decimal', precision: 38, scale: 0 } as const)
    const column = { ...buckets.column, type }
    const ranges = runsOf(buckets, numbers).map((run) => {
      const filter = rangeFilter({ kind: 'range', column, ...run }, encode)
      return run.from === undefined ? { $or: [{ [column.name]: null }, filter] } : filter
    })
    return { $or: ranges }
  }

  async function* read(request: Parameters<OpenTable['scan']>[0]): AsyncGenerator<RowBatch> {
    const { columns, where, orderBy, limit = Number.POSITIVE_INFINITY, batchRows = 20_000, signal } = request
    const isEnded = () => signal?.aborted === true || running.signal?.aborted === true
    if (isEnded()) throw failure(ENGINE_CANCELLED, {})
    const sifted = isSifted(where)
    const keys = where?.kind === 'buckets' && where.buckets.kind === 'hash' ? where.buckets.columns : []
    const all = [...columns, ...keys.filter((key) => !columns.some((column) => column.name === key.name))]
    const wanted = sifted ? sifter(where, all) : () => true
    const fields = all.map((column) => ({ name: column.name, text: decoder(column.type, bson) }))
    const cursor = await running.call('find', name, async () => {
      const shape = await existing()
      for (const column of columns) columnOf(shape, column)
      return collection.find(filterOf(where), {
        projection: Object.fromEntries([['_id', 0], ...all.map((column): [string, number] => [column.name, 1])]),
        promoteValues: false,
        batchSize: Math.min(batchRows, 5_000),
        ...(orderBy === undefined ? {} : { sort: new Map([[orderBy, 1]]), allowDiskUse: true }),
        ...(Number.isFinite(limit) && !sifted ? { limit } : {}),
      })
    })
    const close = () => void cursor.close().catch(() => {})
    signal?.addEventListener('abort', close)
    running.signal?.addEventListener('abort', close)
    try {
      let lines: string[] = []
      let rows = 0
      for await (const document of limit <= 0 ? [] : cursor) {
        const texts = fields.map(({ name: field, text }) => text(document[field]))
        if (!wanted(texts)) continue
        lines.push(texts.slice(0, columns.length).join('\t'))
        rows += 1
        if (lines.length >= batchRows) {
          yield new RowBatch(columns, lines)
          lines = []
        }
        if (isEnded() || rows >= limit) break
      }
      if (isEnded()) throw failure(ENGINE_CANCELLED, {})
      if (lines.length > 0) yield new RowBatch(columns, lines)
    } catch (thrown) {
      throw isEnded() && !isSluiceError(thrown) ? failure(ENGINE_CANCELLED, {}, { cause: thrown }) : running.translate(thrown)
    } finally {
      signal?.removeEventListener('abort', close)
      running.signal?.removeEventListener('abort', close)
      await cursor.close().catch(() => {})
    }
  }

  return {
    name,

    shape: () =>
      running.call('listIndexes', name, async () => {
        known = await readShape()
        if (known === undefined) return undefined
        const { declared: _, ...shape } = known
        return shape
      }),

    make: ({ columns, key, indexes }: TableToMake) =>
      running.call('create', name, async () => {
        checkColumns(columns, key, store, unfit)
        const wasThere = await isThere()
        if (!wasThere) {
          await database.createCollection(name).catch((thrown: unknown) => {
            if ((thrown as { code?: number }).code !== NAMESPACE_EXISTS) throw thrown
          })
        }
        const declared = columns.map((column) => ({
          name: column.name,
          type: column.type,
          nullable: column.nullable && !key.includes(column.name),
        }))
        // A shape may have been left by a collection of that name that is gone.
        const update = wasThere ? { $setOnInsert: { columns: declared, key } } : { $set: { columns: declared, key } }
        const knows = wasThere ? await readShape() : undefined
        // One without documents contradicts nothing: `make` may have ended between making it and saying what it holds.
        if (knows === undefined || knows.declared || knows.columns.length === 0)
          await database.collection(SHAPES).bulkWrite([{ updateOne: { filter: { _id: name }, update, upsert: true } }], { ordered: true })
        const there = await indexesOf()
        const needed = [{ columns: key, unique: true, name: `${key.join('_')}_key` }, ...indexes]
        for (const { columns: on, unique = false, name: given = on.join('_') } of needed) {
          const isKey = unique && (isSame(on, ['_id']) || there.some((index) => index.unique && isSame(index.columns, on)))
          if (there.some((index) => index.name === given) || isKey) continue
          const partial = unique && !isSame(on, key) ? withValue(on, columns) : {}
          await collection.createIndex(new Map(on.map((column) => [column, 1])), { name: given, unique, ...partial })
        }
        known = undefined
      }),

    async count(where) {
      if (where === undefined || !isSifted(where))
        return running.call('count', name, async () => {
          await existing()
          return collection.countDocuments(filterOf(where))
        })
      let count = 0
      const { columns } = await existing()
      for await (const batch of read({ columns: columns.slice(0, 1), where })) count += batch.size
      return count
    },

    async totals() {
      throw cannot('add columns up exactly')
    },

    bounds: (column) =>
      running.call('find', name, async () => {
        columnOf(await existing(), column)
        const text = decoder(column.type, bson)
        const one = async (order: number) => {
          const options = {
            sort: new Map([[column.name, order]]),
            limit: 1,
            promoteValues: false,
            projection: { _id: 0, [column.name]: 1 },
          }
          const [found] = await collection.find({ [column.name]: { $ne: null } }, options).toArray()
          return found === undefined ? undefined : text(found[column.name])
        }
        const [least, greatest] = [await one(1), await one(-1)]
        return least === undefined || greatest === undefined ? undefined : { least, greatest }
      }),

    async digests() {
      throw cannot('compute digests')
    },

    scan: read,

    upsert: (batch, { key, fresh = false }) =>
      running.call('update', name, async (): Promise<Written> => {
        if (running.signal?.aborted === true) throw failure(ENGINE_CANCELLED, {})
        const shape = await existing()
        if (!isSame(key, shape.key) && !shape.indexes.some((index) => index.unique && isSame(index.columns, key)))
          throw unfit(
            `it has no unique index on ${key.join(', ')}`,
            `Its key is ${shape.key.join(', ')}; or give it a unique index on those.`,
          )
        const columns = batch.columns.map((column) => columnOf(shape, column))
        const { kept, refused } = screen(batch, key, checksOf(batch.columns, columns, bson))
        const { documents, lines, refused: misfits } = documentsOf(kept, columns, shape, bson)
        const written = await write(collection, documents, lines, { key, given: batch.columns.map((column) => column.name), fresh })
        return { ...written, refused: [...refused, ...misfits, ...written.refused] }
      }),

    drop: () =>
      running.call('drop', name, async () => {
        known = undefined
        await collection.drop()
        await database.collection(SHAPES).deleteMany({ _id: name })
      }),

    remove: (keys) =>
      running.call('delete', name, async () => {
        const shape = await existing()
        const columns = keys.columns.map((column) => columnOf(shape, column))
        const encoders = columns.map((column) => encoder(column.type, bson))
        let removed = 0
        for (let from = 0; from < keys.size; from += KEYS_AT_ONCE) {
          const rows = keys
            .slice(from, from + KEYS_AT_ONCE)
            .lines.map((line) => line.split('\t').map((text, index) => encoders[index]?.(text)))
          const [only, ...others] = columns
          const filter =
            only !== undefined && others.length === 0
              ? { [only.name]: { $in: rows.map(([value]) => value) } }
              : { $or: rows.map((row) => Object.fromEntries(columns.map((column, index) => [column.name, row[index]]))) }
          removed += (await collection.deleteMany(filter)).deletedCount
        }
        return removed
      }),
  }
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((one) => right.includes(one))
}

/** An index of the rows that have values, by these values' types: as in SQL, rows without one are like no other. */
function withValue(on: readonly string[], columns: readonly Field[]): object {
  const bsonType: Partial<Record<Field['type']['kind'], string>> = {
    string: 'string',
    long: 'number',
    integer: 'number',
    short: 'number',
    byte: 'number',
    float: 'number',
    double: 'number',
    decimal: 'number',
    boolean: 'bool',
    date: 'date',
    timestamp: 'date',
    timestamp_ntz: 'date',
    binary: 'binData',
  }
  const types = on.map((name) => [
    name,
    { $type: bsonType[columns.find((column) => column.name === name)?.type.kind ?? 'string'] ?? 'string' },
  ])
  return { partialFilterExpression: Object.fromEntries(types) }
}

function checkColumns(
  columns: readonly Field[],
  key: readonly string[],
  store: string,
  unfit: (problem: string, advice: string) => SluiceError,
): void {
  for (const { name, type } of columns) {
    if (['array', 'map', 'struct'].includes(type.kind)) {
      const advice = 'Write its parts as columns of their own.'
      throw failure(STORE_TYPE_UNSUPPORTED, { store, column: name, type: typeText(type), advice })
    }
    // Statements take a point for a path, and a dollar for an operator.
    if (name === '' || name.startsWith('$') || /[.\0]/.test(name) || name === '__proto__' || (name === '_id' && !isSame(key, ['_id'])))
      throw unfit(
        `a column cannot be called ${JSON.stringify(name)}`,
        'Give the column another name: without a point, and without a dollar at its start.',
      )
  }
}

/** Whether the server cannot tell such rows: they are read and told here. */
function isSifted(where: Where | undefined): boolean {
  return where?.kind === 'sample' || (where?.kind === 'buckets' && where.buckets.kind === 'hash')
}

/** Limits in the type of the column. Instants are whole milliseconds there: a limit between two of them is moved up to the next. */
function rangeFilter({ column, from, after, to }: Where & { kind: 'range' }, encode: (column: Field, text: string) => unknown): Document {
  const next = (text: string) => {
    const value = encode(column, text)
    return value instanceof Date && /^\d*[1-9]\d*$/.test(text.slice(23)) ? new Date(value.getTime() + 1) : value
  }
  return {
    [column.name]: {
      $ne: null,
      ...(from === undefined ? {} : { $gte: next(from) }),
      ...(after === undefined ? {} : { $gt: encode(column, after) }),
      ...(to === undefined ? {} : { $lt: next(to) }),
    },
  }
}

/** A time of a line, such as `05:00:00.000001`, with more than milliseconds. */
const FINER = /:\d\d\.\d{3}(?!000)/

function checksOf(given: readonly Field[], columns: readonly Field[], bson: BsonClasses): Check[] {
  return columns.flatMap((column, index) => {
    const type = given[index]?.type ?? column.type
    const fits = valueCheck(column.type, bson)
    return [
      ...(readsAs(type, column.type) ? [] : [{ column: column.name, problem: misfit(type, column.type) }]),
      ...(fits === undefined ? [] : [{ column: column.name, problem: fits, ...(isTime(column.type) ? { sign: FINER } : {}) }]),
    ]
  })
}

function documentsOf(batch: RowBatch, columns: readonly Field[], shape: Known, bson: BsonClasses) {
  const fields = columns.map((column, index) => {
    const given = batch.columns[index]?.type ?? column.type
    const about = { name: column.name, nullable: column.nullable, type: typeText(column.type) }
    if (sameType(given, column.type)) return { ...about, value: cellEncoder(column.type, bson) }
    const [text, value] = [recast(given, column.type), encoder(column.type, bson)]
    return { ...about, value: (line: string, from: number, to: number) => value(text(line.slice(from, to))) }
  })
  // A row's columns are always there, null or not. Copies of one object are quicker to fill and to read than objects that grow.
  const absent = shape.columns.filter((column) => !columns.some(({ name }) => name === column.name))
  const empty: Document = Object.fromEntries([...columns, ...absent].map(({ name }) => [name, null]))
  const documents: Document[] = []
  const lines: string[] = []
  const refused: RefusedRow[] = []
  for (const line of batch.lines) {
    const document = { ...empty }
    let reason: string | undefined
    let from = 0
    for (const { name, nullable, type, value } of fields) {
      const tab = line.indexOf('\t', from)
      const to = tab < 0 ? line.length : tab
      const made = from > line.length ? null : value(line, from, to)
      if (made === undefined) reason ??= `"${name}" is not a value of ${type}`
      else if (made === null && !nullable) reason ??= `"${name}" is null`
      document[name] = made
      from = to + 1
    }
    // Text of a third of it cannot be too long, whatever its characters.
    if (line.length * 3 > LARGEST_DOCUMENT && bson.BSON.calculateObjectSize(document) > LARGEST_DOCUMENT)
      reason ??= 'larger than the 16 MB that a document may have'
    if (reason === undefined) {
      documents.push(document)
      lines.push(line)
    } else refused.push({ line, reason })
  }
  return { documents, lines, refused }
}

/** What a bulk write did and did not do: each failure by the place of its document. */
interface BulkFailure {
  readonly name: string
  readonly writeErrors?: readonly { index: number; code: number; errmsg?: string }[]
  readonly result?: { insertedCount: number; upsertedCount: number; modifiedCount: number }
}

async function write(
  collection: MongoCollection,
  documents: Document[],
  lines: readonly string[],
  { key, given, fresh }: { key: readonly string[]; given: readonly string[]; fresh: boolean },
): Promise<Written> {
  let inserted = 0
  let isLeft = (_index: number) => true
  if (fresh && documents.length > 0) {
    const { failed, result } = await settled(() => collection.insertMany(documents, { ordered: false }))
    inserted = result?.insertedCount ?? 0
    if (failed.size === 0) return { inserted, updated: 0, refused: [] }
    isLeft = (index) => failed.has(index)
    // The driver has given each an identity: one that updates has its own.
    if (!key.includes('_id')) for (const index of failed.keys()) delete documents[index]?.['_id']
  }
  const left = documents.flatMap((document, index) => (isLeft(index) ? [{ document, line: lines[index] ?? '' }] : []))
  if (left.length === 0) return { inserted, updated: 0, refused: [] }
  const isGiven = new Set(given)
  const isKey = new Set(key)
  const operations = left.map(({ document }) => {
    const [filter, set, first]: [Document, Document, Document] = [{}, {}, {}]
    for (const name in document) {
      if (isKey.has(name)) filter[name] = document[name]
      else if (isGiven.has(name)) set[name] = document[name]
      else first[name] = document[name]
    }
    const update = {
      ...(Object.keys(set).length > 0 ? { $set: set } : {}),
      ...(Object.keys(first).length > 0 ? { $setOnInsert: first } : {}),
    }
    return { updateOne: { filter, update: Object.keys(update).length > 0 ? update : { $setOnInsert: { ...filter } }, upsert: true } }
  })
  const { failed, result } = await settled(() => collection.bulkWrite(operations, { ordered: false }))
  const refused = [...failed].map(
    ([index, { code, errmsg = '' }]): RefusedRow => ({
      line: left[index]?.line ?? '',
      reason:
        code === DUPLICATE_KEY
          ? `another row has the same value in the unique index ${/index: (\S+)/.exec(errmsg)?.[1] ?? ''}`.trimEnd()
          : `MongoDB did not take it (${code})`,
    }),
  )
  return { inserted: inserted + (result?.upsertedCount ?? 0), updated: result?.modifiedCount ?? 0, refused }
}

type Outcome = { readonly insertedCount?: number; readonly upsertedCount?: number; readonly modifiedCount?: number }

/** A bulk write that some documents failed in is no failure: those are told by their places. */
async function settled(body: () => Promise<Outcome>) {
  const failed = new Map<number, { code: number; errmsg?: string }>()
  try {
    return { failed, result: await body() }
  } catch (thrown) {
    const { name, writeErrors, result } = thrown as BulkFailure
    const errors = writeErrors === undefined ? [] : [writeErrors].flat()
    // Of others than the documents' own, all counts.
    if (name !== 'MongoBulkWriteError' || errors.length === 0 || errors.some(({ code }) => !OF_A_DOCUMENT.includes(code))) throw thrown
    for (const { index, code, errmsg } of errors) failed.set(index, { code, ...(errmsg === undefined ? {} : { errmsg }) })
    return { failed, result: result as Outcome | undefined }
  }
}

/** DuplicateKey, BadValue, DocumentValidationFailure, BSONObjectTooLarge, "object to insert too large", "key too large to index". */
const OF_A_DOCUMENT = [DUPLICATE_KEY, 2, 121, 10_334, 17_280, 17_419]
