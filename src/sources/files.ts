import { randomUUID } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { basename, isAbsolute, join, relative, resolve } from 'node:path'
import { glob, isDynamicPattern } from 'tinyglobby'
import { quoteName, quotePath, quoteText, type Session, sqlType } from '../engine/index.js'
import {
  failure,
  isSluiceError,
  messageOf,
  type SluiceError,
  SOURCE_DRIFT_REFUSED,
  SOURCE_FILE_EMPTY,
  SOURCE_FILE_UNREADABLE,
  SOURCE_FORMAT_UNKNOWN,
  SOURCE_NOT_FOUND,
} from '../errors/index.js'
import {
  type ArrivedColumn,
  compareSchema,
  DEFAULT_DRIFT,
  type DriftPolicies,
  type Field,
  givenValue,
  isVariable,
  requiredValue,
  type Variable,
  type VariableValues,
} from '../schema/index.js'
import { type ReadColumns, selectList } from './convert.js'
import { checksumOf, inspectText, openText } from './inspect.js'
import { rescueCsv, rescueJsonLines, splitRecord } from './rescue.js'
import { type FileDrift, type Intake, type Item, type Offer, type ReadRequest, SOURCE, type Source, type SourceContext } from './source.js'

export type FileFormat = 'csv' | 'jsonl' | 'parquet'

export interface FilesOptions {
  /** Default: by the file's name. */
  readonly format?: FileFormat
  /** CSV only. Default: the one of , ; tab | that the header holds most of. */
  readonly delimiter?: string
  /** What happens when a column drifts. Default: missing columns are null, extra ones are left out, others are converted; all are reported. */
  readonly drift?: Partial<DriftPolicies>
  /** A file already taken that has changed is refused by name, or its rows are replaced in one commit. Default `refuse`. */
  readonly changed?: 'refuse' | 'replace'
  /** A file without rows is refused by name, or taken as it is. Default `refuse`. */
  readonly empty?: 'refuse' | 'take'
}

export interface FileItem extends Item {
  readonly location: string
}

/** One file made ready: how the engine reads it. */
interface Prepared {
  readonly item: FileItem
  readonly read: ReadColumns
  readonly drift: readonly FileDrift[]
  readonly extraFields: readonly Field[]
  /** `FROM` clause and the expression of the record's number. */
  readonly from: string
  readonly rowNumber: string
  /** A SELECT of the lines that could not be parsed: row, line_number, line. */
  readonly rejected?: string
  readonly messy: boolean
  readonly note?: string
  /** Records it holds, by a count that is not the engine's. */
  readonly records?: number
}

/**
 * Rows from CSV, JSONL and Parquet files: a path, a glob, or a variable that holds one.
 *
 * `from: files('landing/*.csv')` takes each file once; the next run takes only what is new.
 */
export function files(pattern: string | Variable<string>, options: FilesOptions = {}): Source {
  const wanted = (values: VariableValues) => String(isVariable(pattern) ? requiredValue(pattern, values) : pattern)
  return {
    [SOURCE]: true,
    variables: isVariable(pattern) ? [pattern] : [],
    given: (values) => !isVariable(pattern) || givenValue(pattern, values) !== undefined,
    describe: (values) => `files ${isVariable(pattern) ? (givenValue(pattern, values) ?? `\${${pattern.name}}`) : pattern}`,
    async offer(context) {
      const path = wanted(context.values)
      const base = isVariable(pattern) && context.fromCommandLine.has(pattern.name) ? context.currentFolder : context.projectFolder
      return filesOffer(await findFiles(path, base), `files ${path}`, context, options)
    },
  }
}

/** Throws SOURCE_NOT_FOUND for a path that is not there; a glob may match nothing. */
async function findFiles(pattern: string, base: string): Promise<string[]> {
  const whole = isAbsolute(pattern) ? pattern : resolve(base, pattern)
  const plain = await stat(whole).catch(() => undefined)
  if (plain?.isFile() === true) return [whole]
  const found =
    plain?.isDirectory() === true
      ? await glob('**/*', { cwd: whole, absolute: true })
      : isDynamicPattern(whole)
        ? await glob(whole, { absolute: true })
        : []
  if (found.length === 0 && plain === undefined && !isDynamicPattern(whole)) throw failure(SOURCE_NOT_FOUND, { path: pattern })
  return found.filter((path) => !/^[._]/.test(basename(path))).sort()
}

export async function filesOffer(paths: readonly string[], label: string, context: SourceContext, options: FilesOptions): Promise<Offer> {
  const items = await Promise.all(paths.map((path) => fileItem(path, context.projectFolder)))
  return {
    kind: 'real',
    label,
    items,
    whenChanged: options.changed ?? 'refuse',
    read: (chosen, request) => readFiles(chosen as readonly FileItem[], request, options),
  }
}

async function fileItem(location: string, projectFolder: string): Promise<FileItem> {
  const found = await stat(location)
  const inside = relative(projectFolder, location)
  const path = inside.startsWith('..') || isAbsolute(inside) ? location : inside
  return {
    location,
    path: path.split('\\').join('/'),
    bytes: found.size,
    modifiedAt: Math.floor(found.mtimeMs),
    checksum: () => checksumOf(location),
  }
}

export async function readFiles(items: readonly FileItem[], request: ReadRequest, options: FilesOptions): Promise<Intake> {
  const prepared: Prepared[] = []
  const refused: { item: Item; error: SluiceError }[] = []
  for (const item of items) {
    try {
      prepared.push(await prepare(item, request, options))
    } catch (thrown) {
      refused.push({ item, error: refusal(item, thrown) })
    }
  }
  const kept = request.careful ? await probe(prepared, request.session, refused) : prepared
  const messy = kept.some((one) => one.messy)
  const extraFields = unionFields(kept.flatMap((one) => one.extraFields))
  const selects = kept.flatMap((one) => selectsOf(one, messy, extraFields))
  return {
    query: selects.length === 0 ? '' : selects.join('\nUNION ALL BY NAME\n'),
    messy,
    extraFields,
    taken: kept.map(({ item, note, records }) => ({
      item,
      ...(note === undefined ? {} : { note }),
      ...(records === undefined ? {} : { records }),
    })),
    refused,
    drift: kept.flatMap((one) => one.drift),
  }
}

/** Some failures only show when a file is read to its end: in careful mode each is, by itself. */
async function probe(prepared: readonly Prepared[], session: Session, refused: { item: Item; error: SluiceError }[]): Promise<Prepared[]> {
  const kept: Prepared[] = []
  for (const one of prepared) {
    try {
      // Counting would pass over the values; hashing reads each.
      const names = [...one.read.mapping.values()].map((arrived) => `bit_xor(hash(${quoteName(arrived.name)}))`)
      await session.rows(`SELECT ${names.join(', ') || 'count(*)'} ${one.from}`)
      kept.push(one)
    } catch (thrown) {
      refused.push({ item: one.item, error: refusal(one.item, thrown) })
    }
  }
  return kept
}

function refusal(item: FileItem, thrown: unknown): SluiceError {
  if (isSluiceError(thrown) && (thrown.code.startsWith('SOURCE_') || thrown.retry === 'transient')) {
    if (thrown.retry === 'transient') throw thrown
    return thrown
  }
  const problem = (isSluiceError(thrown) ? String((thrown.facts as { problem?: string }).problem ?? thrown.message) : messageOf(thrown))
    .split('\n', 1)[0]
    ?.replaceAll(item.location, basename(item.location))
  return failure(SOURCE_FILE_UNREADABLE, { path: item.path, problem: problem ?? 'unknown' }, { cause: thrown })
}

function selectsOf(one: Prepared, messy: boolean, extraFields: readonly Field[]): string[] {
  const provenance = `${quoteText(one.item.path)} AS _source_file, ${one.rowNumber} AS _source_row`
  const absent = extraFields
    .filter((field) => !one.extraFields.some((own) => own.name === field.name))
    .map((field) => `NULL::${sqlType(field.type)} AS ${quoteName(field.name)}`)
  const list = [...selectList(one.read, messy), ...absent, provenance]
  const sound = `SELECT ${list.join(', ')} ${one.from}`
  if (one.rejected === undefined) return [sound]
  const nothing = Object.entries(one.read.columns).map(([name, column]) => `NULL::${sqlType(column.type)} AS ${quoteName(name)}`)
  const lost = `SELECT ${nothing.join(', ')}, 'line_parsed' AS _problem, MAP {'line': line, 'line_number': line_number::VARCHAR, 'problem': problem} AS _raw, ${quoteText(one.item.path)} AS _source_file, "row" AS _source_row FROM ${one.rejected}`
  return [sound, lost]
}

function unionFields(fields: readonly Field[]): Field[] {
  return [...new Map(fields.map((field) => [field.name, field])).values()]
}

function formatOf(path: string, options: FilesOptions): FileFormat {
  if (options.format !== undefined) return options.format
  const name = path.toLowerCase().replace(/\.(gz|zst)$/, '')
  if (/\.(csv|tsv|txt)$/.test(name)) return 'csv'
  if (/\.(jsonl|ndjson|json)$/.test(name)) return 'jsonl'
  if (/\.(parquet|parq|pq)$/.test(name)) return 'parquet'
  throw failure(SOURCE_FORMAT_UNKNOWN, { path })
}

async function prepare(item: FileItem, request: ReadRequest, options: FilesOptions): Promise<Prepared> {
  const format = formatOf(item.path, options)
  if (item.bytes === 0) {
    if (options.empty !== 'take') throw failure(SOURCE_FILE_EMPTY, { path: item.path, found: 'is empty: it has no bytes' })
    return nothingIn(item, request)
  }
  switch (format) {
    case 'csv':
      return prepareCsv(item, request, options)
    case 'jsonl':
      return prepareJsonLines(item, request, options)
    case 'parquet':
      return prepareParquet(item, request, options)
  }
}

function nothingIn(item: FileItem, { columns }: ReadRequest): Prepared {
  return {
    item,
    read: { columns, mapping: new Map(), dropped: new Set(), extra: [] },
    drift: [],
    extraFields: [],
    from: 'FROM (SELECT 1 WHERE false)',
    rowNumber: '0::BIGINT',
    messy: false,
  }
}

function refuseEmpty(item: FileItem, found: string): never {
  throw failure(SOURCE_FILE_EMPTY, { path: item.path, found })
}

/** Compares what arrived with what is declared and applies the policies. Throws SOURCE_DRIFT_REFUSED. */
function settle(
  item: FileItem,
  { columns }: ReadRequest,
  arrived: readonly ArrivedColumn[],
  options: FilesOptions,
): Pick<Prepared, 'read' | 'drift' | 'extraFields'> {
  const policies = { ...DEFAULT_DRIFT, ...options.drift }
  const { mapping, extra, drift } = compareSchema(columns, arrived, policies)
  const refusedBy = drift.find((one) => one.policy === 'fail')
  if (refusedBy !== undefined) throw failure(SOURCE_DRIFT_REFUSED, { path: item.path, ...refusedBy })
  if (mapping.size === 0 && arrived.length > 0) {
    const found = arrived.slice(0, 5).map((one) => one.name)
    throw failure(SOURCE_FILE_UNREADABLE, {
      path: item.path,
      problem: `it has none of the declared columns; its first are ${found.join(', ')}`,
    })
  }
  const dropped = new Set(drift.filter((one) => one.change === 'retyped' && one.policy === 'drop').map((one) => one.column))
  const joining = policies.extra === 'evolve' ? extra.map((one) => ({ ...one, type: one.type ?? { kind: 'string' as const } })) : []
  const held = drift.some((one) => one.policy === 'quarantine')
  return {
    read: {
      columns,
      mapping,
      dropped,
      extra: joining,
      ...(held ? { problem: 'schema_matches', besides: extra.filter((one) => !joining.some((other) => other.name === one.name)) } : {}),
    },
    drift: drift.map((one) => ({ ...one, file: item.path })),
    extraFields: joining.map((one) => ({ name: one.name, type: one.type, nullable: true })),
  }
}

async function prepareCsv(item: FileItem, request: ReadRequest, options: FilesOptions): Promise<Prepared> {
  if (item.location.endsWith('.zst')) return prepareOpaqueCsv(item, request, options)
  const seen = await inspectText(item.location)
  if (seen.firstLine === '') refuseEmpty(item, 'is empty: its first line, the header, has nothing in it')
  if (seen.lineFeeds === 0 && seen.carriageReturns > 0) {
    throw failure(SOURCE_FILE_UNREADABLE, {
      path: item.path,
      problem: 'its lines end in carriage returns alone; convert them to line feeds',
    })
  }
  const delimiter = options.delimiter ?? (item.path.includes('.tsv') ? '\t' : mostOf(seen.firstLine))
  const names = headerNames(item, seen.firstLine, delimiter)
  if (seen.lines === 1 && options.empty !== 'take') refuseEmpty(item, 'has a header and no rows')
  const settled = settle(
    item,
    request,
    names.map((name) => ({ name })),
    options,
  )
  const mixed = seen.windowsEndings > 0 && seen.windowsEndings < seen.lineFeeds
  const loneReturns = seen.carriageReturns > seen.windowsEndings
  const held = settled.read.problem !== undefined
  if (seen.hasNul || !seen.validUtf8 || mixed || loneReturns || request.careful) {
    const note = mixed ? 'mixes Windows and Unix line endings; read line by line' : undefined
    const rescued = await rescuedCsv(item, request.session, names, delimiter)
    const messy = rescued.rejected !== undefined || request.careful || held
    return { ...rescued, ...settled, item, messy, ...(note === undefined ? {} : { note }) }
  }
  const columns = names.map((name) => `${quoteText(name)}: 'VARCHAR'`).join(', ')
  const from = `FROM read_csv(${quotePath(item.location)}, auto_detect = false, header = true, delim = ${quoteText(delimiter)}, quote = '"', escape = '"', strict_mode = true, columns = {${columns}})`
  return { ...settled, item, from, rowNumber: 'row_number() OVER ()', messy: held, records: seen.lines - 1 }
}

/** Compressed so that only the engine can open it: its strict reader takes the file whole, or the file is refused. */
async function prepareOpaqueCsv(item: FileItem, request: ReadRequest, options: FilesOptions): Promise<Prepared> {
  const reader = (more: string) => `read_csv(${quotePath(item.location)}, all_varchar = true, ${more})`
  const [first] = await request.session.rows(`SELECT * FROM ${reader("header = false, delim = '\\x01', quote = '', escape = ''")} LIMIT 1`)
  const header = String(Object.values(first ?? {})[0] ?? '')
  if (header === '') refuseEmpty(item, 'is empty')
  const delimiter = options.delimiter ?? mostOf(header)
  const names = headerNames(item, header, delimiter)
  const columns = names.map((name) => `${quoteText(name)}: 'VARCHAR'`).join(', ')
  const settled = settle(
    item,
    request,
    names.map((name) => ({ name })),
    options,
  )
  const from = `FROM read_csv(${quotePath(item.location)}, auto_detect = false, header = true, delim = ${quoteText(delimiter)}, quote = '"', escape = '"', strict_mode = true, columns = {${columns}})`
  return { ...settled, item, from, rowNumber: 'row_number() OVER ()', messy: request.careful || settled.read.problem !== undefined }
}

async function rescuedCsv(
  item: FileItem,
  session: Session,
  names: readonly string[],
  delimiter: string,
): Promise<Pick<Prepared, 'from' | 'rowNumber' | 'rejected' | 'records'>> {
  const base = join(session.scratch, `rescued-${randomUUID()}`)
  const { good, bad } = await rescueCsv(openText(item.location), names, delimiter, { good: `${base}.jsonl`, bad: `${base}.bad.jsonl` })
  const columns = ['_sluice_row', ...names]
    .map((name) => `${quoteName(name)}: '${name === '_sluice_row' ? 'BIGINT' : 'VARCHAR'}'`)
    .join(', ')
  return {
    from: `FROM read_ndjson(${quotePath(`${base}.jsonl`)}, columns = {${columns}})`,
    rowNumber: '_sluice_row',
    records: good + bad,
    ...(bad === 0 ? {} : { rejected: rejectedSql(`${base}.bad.jsonl`) }),
  }
}

function rejectedSql(path: string): string {
  return `read_ndjson(${quotePath(path)}, columns = {"row": 'BIGINT', line_number: 'BIGINT', line: 'VARCHAR', problem: 'VARCHAR'})`
}

function mostOf(header: string): string {
  const counted = [',', ';', '\t', '|'].map((character) => ({ character, count: header.split(character).length }))
  return counted.reduce((best, one) => (one.count > best.count ? one : best)).character
}

function headerNames(item: FileItem, header: string, delimiter: string): string[] {
  const fields = splitRecord(header, delimiter)
  if (!Array.isArray(fields))
    throw failure(SOURCE_FILE_UNREADABLE, { path: item.path, problem: 'its header has a quote that is never closed' })
  const names = fields.map((name, index) => name?.trim() || `column_${index + 1}`)
  const twice = names.find((name, index) => names.findIndex((other) => other.toLowerCase() === name.toLowerCase()) < index)
  if (twice !== undefined)
    throw failure(SOURCE_FILE_UNREADABLE, { path: item.path, problem: `its header names the column "${twice}" twice` })
  return names
}

async function prepareJsonLines(item: FileItem, request: ReadRequest, options: FilesOptions): Promise<Prepared> {
  const { session } = request
  const readable = item.location.endsWith('.zst') ? undefined : await inspectText(item.location)
  const rescue =
    readable !== undefined && (request.careful || readable.hasNul || !readable.validUtf8 || readable.objects !== readable.lines)
  // A line that is no JSON ends the quick way; line by line, it is held by itself.
  const arrived = rescue
    ? undefined
    : await session
        .describe(`SELECT * FROM read_ndjson(${quotePath(item.location)}, sample_size = -1)`)
        .catch((error: unknown) => unlessRescuable(error, readable))
  if (arrived !== undefined) {
    const names = arrived.map((field) => field.name)
    const columns = names.map((name) => `${quoteName(name)}: 'JSON'`).join(', ')
    const settled = settleJson(item, request, arrived, options)
    const counted = readable === undefined ? {} : { records: readable.lines }
    const from = `FROM (SELECT ${jsonValues(request.columns, settled.read.mapping, names, (name) => quoteName(name)).join(', ')} FROM read_ndjson(${quotePath(item.location)}, columns = {${columns}}))`
    return { ...settled, item, from, rowNumber: 'row_number() OVER ()', messy: settled.read.problem !== undefined, ...counted }
  }
  const base = join(session.scratch, `rescued-${randomUUID()}`)
  const { good, bad } = await rescueJsonLines(openText(item.location), { good: `${base}.jsonl`, bad: `${base}.bad.jsonl` })
  if (good + bad === 0 && options.empty !== 'take') refuseEmpty(item, 'has no rows')
  const keys =
    good === 0
      ? []
      : await session.rows(
          `SELECT DISTINCT unnest(json_keys(v)) AS k FROM read_ndjson(${quotePath(`${base}.jsonl`)}, columns = {r: 'BIGINT', v: 'JSON'})`,
        )
  const names = keys.map((row) => String(row['k']))
  const settled = settleJson(
    item,
    request,
    names.map((name) => ({ name })),
    options,
  )
  const at = (name: string) => `json_extract(v, ${quoteText(`$."${name.replaceAll('"', '\\"')}"`)})`
  return {
    ...settled,
    item,
    from: `FROM (SELECT ${['r', ...jsonValues(request.columns, settled.read.mapping, names, at)].join(', ')} FROM read_ndjson(${quotePath(`${base}.jsonl`)}, columns = {r: 'BIGINT', v: 'JSON'}))`,
    rowNumber: 'r',
    records: good + bad,
    ...(bad === 0 ? {} : { rejected: rejectedSql(`${base}.bad.jsonl`) }),
    messy: true,
  }
}

const NESTED = new Set(['struct', 'array', 'map'])

/** JSON has one type for numbers and none for times, so only what is nested, and booleans, can arrive as another type. Values are read from their text. */
function settleJson(item: FileItem, request: ReadRequest, arrived: readonly ArrivedColumn[], options: FilesOptions) {
  const typed = arrived.map((one) =>
    one.type === undefined ? one : { ...one, loose: one.type.kind !== 'boolean' && !NESTED.has(one.type.kind) },
  )
  const settled = settle(item, request, typed, options)
  const mapping = new Map([...settled.read.mapping].map(([name, one]) => [name, { name: one.name }]))
  return { ...settled, read: { ...settled.read, mapping } }
}

/** Scalars as the text that stands in the file; what is declared as nested stays JSON, for the engine to convert. */
function jsonValues(
  columns: ReadRequest['columns'],
  mapping: ReadonlyMap<string, ArrivedColumn>,
  names: readonly string[],
  at: (name: string) => string,
): string[] {
  const nested = new Set([...mapping].flatMap(([name, one]) => (NESTED.has(columns[name]?.type.kind ?? '') ? [one.name] : [])))
  return names.map((name) => {
    const value = nested.has(name)
      ? `CASE WHEN json_type(${at(name)}) <> 'NULL' THEN ${at(name)} END`
      : `json_extract_string(${at(name)}, '$')`
    return `${value} AS ${quoteName(name)}`
  })
}

function unlessRescuable(error: unknown, readable: unknown): undefined {
  if (readable === undefined || (isSluiceError(error) && error.retry === 'transient')) throw error
}

async function prepareParquet(item: FileItem, request: ReadRequest, options: FilesOptions): Promise<Prepared> {
  const reader = `read_parquet(${quotePath(item.location)}, hive_partitioning = false)`
  const arrived = await request.session.describe(`SELECT * FROM ${reader}`)
  const [counted] = await request.session.rows(`SELECT count(*) AS n FROM ${reader}`)
  if (Number(counted?.['n']) === 0 && options.empty !== 'take') refuseEmpty(item, 'has no rows')
  const settled = settle(item, request, arrived, options)
  return {
    ...settled,
    item,
    from: `FROM ${reader}`,
    rowNumber: 'file_row_number + 1',
    messy: request.careful || settled.read.problem !== undefined,
    records: Number(counted?.['n']),
  }
}
