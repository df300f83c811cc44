import { mkdirSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { DuckDBConnection, DuckDBDataChunk, DuckDBValue, DuckDBInstance as Instance } from '@duckdb/node-api'
import {
  ENGINE_CANCELLED,
  ENGINE_FAILED,
  ENGINE_FILE_UNREADABLE,
  ENGINE_OUT_OF_MEMORY,
  ENGINE_SQL_INVALID,
  ENGINE_VALUE_INVALID,
  type ErrorDefinition,
  failure,
  messageOf,
  type SluiceError,
  STORAGE_DENIED,
  STORAGE_FILE_MISSING,
  STORAGE_FULL,
} from '../errors/index.js'
import { ATTRIBUTES, span } from '../observability/index.js'
import { type DataType, type Field, storedField, Timestamp } from '../schema/index.js'
import { conditionOf } from './condition.js'
import { parseSqlType } from './duckdb-types.js'
import type { Batch, ColumnStatistics, Engine, Row, Scan, Session, Value, WriteRequest, WrittenFile } from './engine.js'
import { literal, quoteName, quoteNames, quotePath, quoteText, sqlType } from './quote.js'

// Its client is CommonJS: importing it would first read all of its text for names, a tenth of a second for every command.
const {
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBInstance,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
} = createRequire(import.meta.url)('@duckdb/node-api') as typeof import('@duckdb/node-api')

// Its client reads text with a decoder that takes U+FEFF at the start of a value for a mark, and leaves it out. It is a character like any other.
const accessors = createRequire(import.meta.url)('@duckdb/node-api/lib/vectors/dataAccessors.js') as {
  textDecoder: InstanceType<typeof TextDecoder>
}
accessors.textDecoder = new TextDecoder('utf-8', { ignoreBOM: true })

export interface DuckDBOptions {
  /** `512MB`, `4GB`. Default 1GB. */
  readonly memory?: string
  /** Default: the machine's processors. */
  readonly threads?: number
  /** Where it spills when memory runs out. Made and taken away by the engine. */
  readonly temporaryFolder: string
}

/** DuckDB, in this process. Opens on first use. */
export function duckdb(options: DuckDBOptions): Engine {
  let instance: Promise<Instance> | undefined
  const open = async () => {
    mkdirSync(options.temporaryFolder, { recursive: true })
    return DuckDBInstance.create(':memory:', {
      memory_limit: options.memory ?? '1GB',
      threads: String(options.threads ?? availableParallelism()),
      temp_directory: options.temporaryFolder,
      // Extensions are never fetched behind a user's back.
      autoinstall_known_extensions: 'false',
    })
  }
  return {
    name: 'duckdb',
    async connect(signal) {
      instance ??= open()
      const connection = await (await instance).connect()
      await connection.run("SET TimeZone = 'UTC'; SET errors_as_json = true; SET preserve_insertion_order = true;")
      return session(connection, options.temporaryFolder, signal)
    },
    async close() {
      const opened = instance
      instance = undefined
      if (opened !== undefined) (await opened).closeSync()
      await rm(options.temporaryFolder, { recursive: true, force: true })
    },
  }
}

function session(connection: DuckDBConnection, scratch: string, signal: AbortSignal | undefined): Session {
  const interrupt = () => connection.interrupt()
  signal?.addEventListener('abort', interrupt)

  async function guarded<Result>(sql: string, call: () => Promise<Result>): Promise<Result> {
    if (signal?.aborted === true) throw failure(ENGINE_CANCELLED, {})
    try {
      return await call()
    } catch (thrown) {
      throw translate(thrown, sql)
    }
  }
  const columnsOf = (result: { columnCount: number; columnName(index: number): string; columnType(index: number): unknown }): Field[] =>
    Array.from({ length: result.columnCount }, (_, index) => ({
      name: result.columnName(index),
      type: parseSqlType(String(result.columnType(index))),
      nullable: true,
    }))

  /** One call after the other, in the order asked for. */
  let last: Promise<unknown> = Promise.resolve()
  function inTurn<Result>(call: () => Promise<Result>): Promise<Result> {
    const turn = last.then(call)
    last = turn.catch(() => {})
    return turn
  }
  /** The stream that is being read. A connection ends it, without a word, when another statement begins: what is left is taken in before. */
  let open: Reading | undefined
  const statement = <Result>(sql: string, call: () => Promise<Result>): Promise<Result> =>
    inTurn(() =>
      span(summaryOf(sql), { kind: 'client', attributes: DATABASE }, (active) => {
        if (active.recording)
          active.setAttributes({ [ATTRIBUTES.databaseOperation]: operationOf(sql), [ATTRIBUTES.databaseQueryText]: withoutValues(sql) })
        return guarded(sql, async () => {
          await open?.takeIn()
          open = undefined
          return call()
        })
      }),
    )

  /** A predicate's syntax tree, as JSON. */
  async function treeOf(predicate: string): Promise<string> {
    const sql = `SELECT 1 FROM t WHERE (${predicate}\n)`
    const [row] = await self.rows(`SELECT json_serialize_sql(${quoteText(sql)})::VARCHAR AS tree`)
    const text = String(row?.['tree'])
    const { error, error_message: problem } = JSON.parse(text) as { error?: boolean; error_message?: string }
    if (error === true) throw failure(ENGINE_SQL_INVALID, { problem: problem ?? predicate })
    return text
  }

  const self: Session = {
    scratch,
    execute: (sql) => statement(sql, async () => void (await connection.run(sql))),

    rows: (sql) =>
      statement(sql, async () => {
        const result = await connection.runAndReadAll(sql)
        const names = result.deduplicatedColumnNames()
        return result.getRows().map((row): Row => Object.fromEntries(row.map((value, index) => [names[index] ?? '', fromDuckDB(value)])))
      }),

    async *stream(sql): AsyncIterable<Batch> {
      // Of a stream that fails midway DuckDB's client says only that it has no more rows. A last row of our own tells that it has not failed.
      const marked = `(${sql}\n) UNION ALL BY NAME SELECT true AS ${quoteName(END)}`
      const shiftedBack = (error: SluiceError) => {
        throw shifted(error, -1)
      }
      const { result, reading } = await statement(marked, async () => {
        const begun = await connection.stream(marked)
        open = readingOf(begun)
        return { result: begun, reading: open }
      }).catch(shiftedBack)
      const columns = columnsOf(result).slice(0, -1)
      try {
        for (;;) {
          const chunk = await inTurn(() => guarded(sql, reading.next))
          if (chunk === undefined) {
            // Once more, for what went wrong.
            await self.execute(marked).catch(shiftedBack)
            throw failure(ENGINE_FAILED, { problem: 'a result ended before its last row' })
          }
          const isLast = chunk.getColumnVector(columns.length).getItem(chunk.rowCount - 1) === true
          const size = chunk.rowCount - (isLast ? 1 : 0)
          if (size > 0) yield batch(columns, chunk, size)
          if (isLast) return
        }
      } finally {
        if (open === reading) open = undefined
      }
    },

    // As text: numbers of more digits than a double has stay whole.
    condition: async (predicate) => conditionOf(await treeOf(predicate)),

    functions: async (expression) => [...functionsIn(JSON.parse(await treeOf(expression)))],

    async describe(sql) {
      const rows = await self.rows(`DESCRIBE ${sql}`).catch((error: SluiceError) => {
        throw shifted(error, -'DESCRIBE '.length)
      })
      return rows.map((row) => ({ name: String(row['column_name']), type: parseSqlType(String(row['column_type'])), nullable: true }))
    },

    define: (name, select) => self.execute(`CREATE OR REPLACE TEMP VIEW ${quoteName(name)} AS ${select}`),

    scan: scanSql,

    async write(request) {
      try {
        const rows = await self.rows(copySql(request))
        const written = rows.map(writtenFile).map((file) => ({ ...file, path: withoutDot(file.path, request.folder) }))
        await Promise.all(written.filter((file) => file.rows === 0).map((file) => rm(file.path, { force: true })))
        return written.filter((file) => file.rows > 0)
      } catch (error) {
        await removePrefixed(request.folder, request.prefix)
        throw error
      }
    },

    progress() {
      const { percentage } = connection.progress
      return percentage >= 0 ? percentage / 100 : undefined
    },

    async close() {
      signal?.removeEventListener('abort', interrupt)
      connection.closeSync()
    },
  }
  return self
}

const DATABASE = { [ATTRIBUTES.databaseSystem]: 'duckdb' }
const LONGEST_QUERY = 4_000

function operationOf(sql: string): string {
  return (/^[\s(]*([a-z]+)/i.exec(sql)?.[1] ?? 'statement').toUpperCase()
}

function summaryOf(sql: string): string {
  return `duckdb ${operationOf(sql)}`
}

/** A statement's values may be data, or a secret's: a trace has neither. */
function withoutValues(sql: string): string {
  return sql
    .replaceAll(/'(?:[^']|'')*'/g, '?')
    .replaceAll(/(?<![\w"])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w"])/gi, '?')
    .slice(0, LONGEST_QUERY)
}

function* functionsIn(tree: unknown): Generator<string> {
  if (typeof tree !== 'object' || tree === null) return
  if ('function_name' in tree && typeof tree.function_name === 'string') yield tree.function_name
  for (const one of Object.values(tree)) yield* functionsIn(one)
}

interface Reading {
  /** Undefined at the end. */
  next(): Promise<DuckDBDataChunk | undefined>
  /** Reads the rest into memory. */
  takeIn(): Promise<void>
}

function readingOf(result: { fetchChunk(): Promise<DuckDBDataChunk | null> }): Reading {
  const taken: DuckDBDataChunk[] = []
  let ended = false
  const fetch = async () => {
    const chunk = ended ? null : await result.fetchChunk()
    ended = chunk === null || chunk.rowCount === 0
    return ended || chunk === null ? undefined : chunk
  }
  return {
    next: async () => taken.shift() ?? fetch(),
    async takeIn() {
      for (let chunk = await fetch(); chunk !== undefined; chunk = await fetch()) taken.push(chunk)
    },
  }
}

/** The column of the row that ends a stream. */
const END = '_sluice_end'

function batch(columns: readonly Field[], chunk: DuckDBDataChunk, size: number): Batch {
  const vectors = columns.map((_, index) => chunk.getColumnVector(index))
  return {
    columns,
    size,
    value: (row, column) => fromDuckDB(vectors[column]?.getItem(row) ?? null),
    get rows() {
      return chunk
        .getRows()
        .slice(0, size)
        .map((row) => row.slice(0, columns.length).map(fromDuckDB))
    },
  }
}

/**
 * DuckDB reads no file's columns by position here: `schema` matches by stored name or field id, fills what a file lacks with NULL and
 * casts what is narrower. Internal names keep a user's column called file_index or filename from hiding the reader's own.
 */
function scanSql(scan: Scan): string {
  const { files, columns, partitionColumns } = scan
  const data = columns.filter((column) => !partitionColumns.includes(column.name))
  if (files.length === 0) {
    const empty = columns.map((column) => `NULL::${sqlType(column.type)} AS ${quoteName(column.name)}`)
    const numbers = [scan.fileNumber, scan.rowNumber].flatMap((name) => (name === undefined ? [] : [`NULL::BIGINT AS ${quoteName(name)}`]))
    return `SELECT ${[...empty, ...numbers].join(', ')} WHERE false`
  }
  // Without `schema`, row groups of one file are read side by side; with it, DuckDB reads a file with one thread.
  const exact = files.every((file) => file.exact === true)
  const byId = data.every((column) => column.stored?.byId === true && column.stored.id !== undefined)
  const schema = data.map((column, index) => {
    const key = byId ? String(column.stored?.id) : quoteText(column.stored?.name ?? column.name)
    return `${key}: {name: 'c${index}', type: ${quoteText(sqlType(storedField(column).type))}, default_value: NULL}`
  })
  const rows = files.reduce((sum, file) => sum + (file.rows ?? 0), 0)
  const options = [
    'hive_partitioning = false',
    // Without it the planner guesses about 1,000 rows a file and builds hash tables on the wrong side.
    ...(rows > 0 ? [`explicit_cardinality = ${rows}`] : []),
    ...(exact || schema.length === 0 ? [] : [`schema = MAP {${schema.join(', ')}}`]),
  ]
  // DuckDB takes a filter below the cast of a narrower file's column, and casts the constant: 1.5 becomes 2. In a list, the value is out of its reach.
  const select = columns.map((column) => {
    const index = data.indexOf(column)
    const value =
      index < 0
        ? partitionValueSql(column, files)
        : exact
          ? quoteName(column.name)
          : repackedSql(scan.widened === true ? `[c${index}][1]` : `c${index}`, column.type, 'named')
    return `${value} AS ${quoteName(column.name)}`
  })
  if (scan.fileNumber !== undefined) select.push(`file_index::BIGINT AS ${quoteName(scan.fileNumber)}`)
  if (scan.rowNumber !== undefined) select.push(`file_row_number::BIGINT AS ${quoteName(scan.rowNumber)}`)
  const paths = files.map((file) => quotePath(file.path)).join(', ')
  return `SELECT ${select.join(', ')} FROM read_parquet([${paths}], ${options.join(', ')})${notDeletedSql(files)}`
}

/** Row numbers travel as one text that is cast to a list: a literal list of a million numbers would be a million expressions. */
function notDeletedSql(files: Scan['files']): string {
  const [numbers, rows]: [number[], number[]] = [[], []]
  for (const [number, file] of files.entries()) {
    for (const row of file.deleted ?? []) {
      numbers.push(number)
      rows.push(row)
    }
  }
  if (rows.length === 0) return ''
  const list = (values: readonly number[]) => `unnest('[${values.join(',')}]'::BIGINT[])`
  return ` WHERE NOT EXISTS (SELECT 1 FROM (SELECT ${list(numbers)} AS f, ${list(rows)} AS r) AS d WHERE d.f = file_index::BIGINT AND d.r = file_row_number)`
}

/** A nested value with other field names: DuckDB has no rename, so structs are packed anew. */
function repackedSql(value: string, type: DataType, to: 'stored' | 'named', depth = 0): string {
  if (!holdsStored(type)) return value
  const item = `x${depth}`
  const below = (one: string, inner: DataType) => repackedSql(one, inner, to, depth + 1)
  switch (type.kind) {
    case 'struct': {
      const fields = type.fields.map((field) => {
        const stored = field.stored?.name ?? field.name
        const [source, target] = to === 'named' ? [stored, field.name] : [field.name, stored]
        return `${quoteName(target)} := ${repackedSql(`${value}.${quoteName(source)}`, field.type, to, depth)}`
      })
      return `CASE WHEN ${value} IS NOT NULL THEN struct_pack(${fields.join(', ')}) END`
    }
    case 'array':
      return `list_transform(${value}, lambda ${item}: ${below(item, type.element)})`
    case 'map': {
      const entry = `struct_pack(k := ${below(`${item}.key`, type.key)}, v := ${below(`${item}.value`, type.value)})`
      return `CASE WHEN ${value} IS NOT NULL THEN map_from_entries(list_transform(map_entries(${value}), lambda ${item}: ${entry})) END`
    }
    default:
      return value
  }
}

function holdsStored(type: DataType): boolean {
  if (type.kind === 'struct') return type.fields.some((field) => field.stored !== undefined || holdsStored(field.type))
  if (type.kind === 'array') return holdsStored(type.element)
  return type.kind === 'map' && (holdsStored(type.key) || holdsStored(type.value))
}

function partitionValueSql(column: Field, files: Scan['files']): string {
  const type = sqlType(column.type)
  // The protocol has an empty text mean null for every type; of text, Spark and delta-rs, which write it, read it as it stands.
  const kept = column.type.kind === 'string' ? undefined : ''
  const values = files.map((file) => {
    const value = file.partition[column.stored?.name ?? column.name] ?? null
    return value === kept ? null : value
  })
  // Delta keeps a binary partition value as the text of its bytes.
  const cast = column.type.kind === 'binary' ? (sql: string) => `encode(${sql})` : (sql: string) => `${sql}::${type}`
  if (values.every((value) => value === values[0])) return cast(literal(values[0] ?? null))
  const list = values.map((value) => literal(value)).join(', ')
  return column.type.kind === 'binary'
    ? `encode(([${list}])[(file_index + 1)::BIGINT])`
    : `([${list}]::${type}[])[(file_index + 1)::BIGINT]`
}

/** With PARTITION_BY, DuckDB 1.5.5 loses the last part of a folder's path when that ends in a character beyond ASCII. */
function place(folder: string, partitionBy: readonly string[]): string {
  return partitionBy.length > 0 ? `${folder}/.` : folder
}

const SMALL_FILE_BYTES = 32 * 1024 * 1024

function copySql({
  query,
  columns,
  folder,
  prefix,
  partitionBy = [],
  purpose = 'keep',
  fileBytes = 256 * 1024 * 1024,
}: WriteRequest): string {
  const ids = (columns ?? []).filter((column) => column.stored?.id !== undefined && !partitionBy.includes(column.stored.name))
  const options = [
    ...(ids.length === 0 ? [] : [`FIELD_IDS {${ids.map(fieldIdSql).join(', ')}}`]),
    'FORMAT parquet',
    `COMPRESSION ${purpose === 'keep' ? 'zstd' : 'lz4_raw'}`,
    'RETURN_STATS',
    `FILENAME_PATTERN ${quoteText(`${prefix}-{uuid}`)}`,
    // Neither touches files that are there already.
    ...(partitionBy.length > 0
      ? [`PARTITION_BY (${quoteNames(partitionBy)})`, 'OVERWRITE_OR_IGNORE true']
      : [`FILE_SIZE_BYTES ${fileBytes}`, 'APPEND true']),
    // A file is ended between row groups: small files need small ones.
    ...(fileBytes < SMALL_FILE_BYTES && partitionBy.length === 0 ? ['ROW_GROUP_SIZE 20480'] : []),
  ]
  return `COPY (${columns === undefined ? query : storedQuery(query, columns)}) TO ${quoteText(place(folder, partitionBy))} (${options.join(', ')})`
}

function storedQuery(query: string, columns: readonly Field[]): string {
  if (columns.every((column) => column.stored === undefined)) return query
  const select = columns.map(
    (column) => `${repackedSql(quoteName(column.name), column.type, 'stored')} AS ${quoteName(column.stored?.name ?? column.name)}`,
  )
  return `SELECT ${select.join(', ')} FROM (${query})`
}

/** `"a": 1`, and for a struct `"s": {__duckdb_field_id: 2, "b": 3}`. */
function fieldIdSql(field: Field): string {
  const id = field.stored?.id ?? 0
  const inner = nestedIds(field.type)
  return `${quoteName(field.stored?.name ?? field.name)}: ${inner === '' ? id : `{__duckdb_field_id: ${id}, ${inner}}`}`
}

function nestedIds(type: DataType): string {
  if (type.kind === 'struct')
    return type.fields
      .filter((field) => field.stored?.id !== undefined)
      .map(fieldIdSql)
      .join(', ')
  const parts =
    type.kind === 'array'
      ? [['element', type.element] as const]
      : type.kind === 'map'
        ? ([
            ['key', type.key],
            ['value', type.value],
          ] as const)
        : []
  return parts.flatMap(([name, one]) => (nestedIds(one) === '' ? [] : [`${name}: {${nestedIds(one)}}`])).join(', ')
}

function withoutDot(path: string, folder: string): string {
  return path.startsWith(`${folder}/./`) ? `${folder}/${path.slice(folder.length + 3)}` : path
}

function writtenFile(row: Row): WrittenFile {
  const partition = [...((row['partition_keys'] as ReadonlyMap<string, string | null> | null) ?? [])]
  return {
    path: String(row['filename']),
    rows: Number(row['count']),
    bytes: Number(row['file_size_bytes']),
    partition: Object.fromEntries(partition.map(([name, value]) => [unquote(name), value === '__HIVE_DEFAULT_PARTITION__' ? null : value])),
    statistics: [...(row['column_statistics'] as ReadonlyMap<string, ReadonlyMap<string, string>>)].map(columnStatistics),
  }
}

function columnStatistics([path, facts]: readonly [string, ReadonlyMap<string, string>]): ColumnStatistics {
  const min = facts.get('min')
  const max = facts.get('max')
  return {
    path: [...path.matchAll(/"((?:[^"]|"")*)"/g)].map((match) => (match[1] ?? '').replaceAll('""', '"')),
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    nulls: Number(facts.get('null_count') ?? 0),
    hasNan: facts.get('has_nan') === 'true',
  }
}

function unquote(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name
}

/** A COPY that fails leaves what it had finished; the prefix finds it. */
async function removePrefixed(folder: string, prefix: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true }).catch(() => [])
  const names = entries.filter((entry) => entry.split(/[\\/]/).some((part) => part.startsWith(prefix) || part.startsWith(`tmp_${prefix}`)))
  await Promise.all(names.map((name) => rm(join(folder, name), { recursive: true, force: true })))
}

function fromDuckDB(value: DuckDBValue): Value {
  if (value === null || typeof value !== 'object') return value
  if (value instanceof DuckDBDecimalValue || value instanceof DuckDBDateValue) return value.toString()
  if (value instanceof DuckDBTimestampTZValue || value instanceof DuckDBTimestampValue) return new Timestamp(value.micros)
  if (value instanceof DuckDBBlobValue) return value.bytes
  if (value instanceof DuckDBListValue) return value.items.map(fromDuckDB)
  if (value instanceof DuckDBMapValue) return new Map(value.entries.map(({ key, value: one }) => [fromDuckDB(key), fromDuckDB(one)]))
  if (value instanceof DuckDBStructValue) {
    return Object.fromEntries(Object.entries(value.entries).map(([name, one]) => [name, fromDuckDB(one)]))
  }
  return String(value)
}

interface DuckDBFailure {
  readonly exception_type?: string
  readonly exception_message?: string
  readonly position?: string
}

const DEFINITIONS: Readonly<Record<string, ErrorDefinition<{ problem: string }>>> = {
  Parser: ENGINE_SQL_INVALID,
  Binder: ENGINE_SQL_INVALID,
  Catalog: ENGINE_SQL_INVALID,
  Syntax: ENGINE_SQL_INVALID,
  Conversion: ENGINE_VALUE_INVALID,
  'Out of Range': ENGINE_VALUE_INVALID,
  'Mismatch Type': ENGINE_VALUE_INVALID,
  'Out of Memory': ENGINE_OUT_OF_MEMORY,
  IO: ENGINE_FILE_UNREADABLE,
}

function translate(thrown: unknown, sql: string): SluiceError {
  const text = messageOf(thrown)
  const found = parseFailure(text)
  const problem = (found.exception_message ?? text).split(/\nPossible |\n\nLINE |\nThe possible /)[0]?.trim() ?? text
  const facts = { problem, ...(found.position === undefined ? {} : { position: characterOffset(sql, Number(found.position)) }) }
  if (found.exception_type === 'INTERRUPT' || problem === 'Interrupted!') return failure(ENGINE_CANCELLED, {}, { cause: thrown })
  if (/no space left on device|disk quota exceeded|failed to offload data block.*max_temp_directory_size/i.test(problem)) {
    return failure(STORAGE_FULL, { path: /"([^"]+)"/.exec(problem)?.[1] ?? 'the lake or the temporary folder' }, { cause: thrown })
  }
  const gone = /^No files found that match the pattern "(.+)"$/.exec(problem)?.[1]?.replace(/\[([*?[])\]/g, '$1')
  if (gone !== undefined && !/[*?]/.test(gone)) return failure(STORAGE_FILE_MISSING, { path: gone }, { cause: thrown })
  if (/permission denied|read-only file system/i.test(problem)) {
    return failure(STORAGE_DENIED, { path: /"([^"]+)"/.exec(problem)?.[1] ?? 'The lake', problem: 'permission denied' }, { cause: thrown })
  }
  if (/magic bytes|parquet|csv|utf-?8|unicode|json/i.test(problem) && found.exception_type === 'Invalid Input') {
    return failure(ENGINE_FILE_UNREADABLE, facts, { cause: thrown })
  }
  return failure(DEFINITIONS[found.exception_type ?? ''] ?? ENGINE_FAILED, facts, { cause: thrown })
}

function parseFailure(text: string): DuckDBFailure {
  const start = text.indexOf('{"exception_type"')
  if (start < 0) return {}
  try {
    return JSON.parse(text.slice(start)) as DuckDBFailure
  } catch {
    return {}
  }
}

/** DuckDB counts bytes, JavaScript characters. */
function characterOffset(sql: string, byteOffset: number): number {
  return Buffer.from(sql).subarray(0, byteOffset).toString().length
}

function shifted(error: SluiceError, by: number): SluiceError {
  const facts = error.facts as { position?: number }
  if (facts.position !== undefined) facts.position += by
  return error
}
