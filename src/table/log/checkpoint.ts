import { randomUUID } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Batch, quotePath, quoteText, type Session } from '../../engine/index.js'
import { failure, messageOf, TABLE_LOG_CORRUPT } from '../../errors/index.js'
import type { DataType } from '../../schema/index.js'
import { decodeText, type Storage } from '../../storage/index.js'
import { type Action, type AddFile, dropNulls, parseActions, withoutNulls } from './actions.js'
import type { Checkpoint } from './log.js'

/** A log checkpoint is the table's state in Parquet (or JSON) files. Source: the Delta protocol, "Checkpoints". */

const DELETION_VECTOR = 'STRUCT(storageType VARCHAR, pathOrInlineDv VARCHAR, "offset" INTEGER, sizeInBytes INTEGER, cardinality BIGINT)'
const COLUMNS: Readonly<Record<string, string>> = {
  txn: 'STRUCT(appId VARCHAR, version BIGINT, lastUpdated BIGINT)',
  add: `STRUCT(path VARCHAR, partitionValues MAP(VARCHAR, VARCHAR), size BIGINT, modificationTime BIGINT, dataChange BOOLEAN, stats VARCHAR, tags MAP(VARCHAR, VARCHAR), deletionVector ${DELETION_VECTOR}, baseRowId BIGINT, defaultRowCommitVersion BIGINT, clusteringProvider VARCHAR)`,
  remove: `STRUCT(path VARCHAR, deletionTimestamp BIGINT, dataChange BOOLEAN, extendedFileMetadata BOOLEAN, partitionValues MAP(VARCHAR, VARCHAR), size BIGINT, deletionVector ${DELETION_VECTOR}, baseRowId BIGINT, defaultRowCommitVersion BIGINT)`,
  metaData:
    'STRUCT(id VARCHAR, name VARCHAR, description VARCHAR, format STRUCT(provider VARCHAR, options MAP(VARCHAR, VARCHAR)), schemaString VARCHAR, partitionColumns VARCHAR[], configuration MAP(VARCHAR, VARCHAR), createdTime BIGINT)',
  protocol: 'STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER, readerFeatures VARCHAR[], writerFeatures VARCHAR[])',
}
const RARE_COLUMNS: Readonly<Record<string, string>> = {
  domainMetadata: 'STRUCT(domain VARCHAR, configuration VARCHAR, removed BOOLEAN)',
  checkpointMetadata: 'STRUCT(version BIGINT, tags MAP(VARCHAR, VARCHAR))',
}

/** @param actions one by one, so that a table of many files is not held twice */
export async function writeCheckpointFile(
  session: Session,
  actions: AsyncIterable<Action | { readonly checkpointMetadata: { readonly version: number } }>,
): Promise<{ readonly bytes: Uint8Array; readonly actions: number }> {
  const base = join(session.scratch, `checkpoint-${randomUUID()}`)
  try {
    let count = 0
    let longest = 1024
    const seen = new Set<string>()
    async function* blocks(): AsyncIterable<string> {
      let block: string[] = []
      for await (const action of actions) {
        const line = JSON.stringify(action)
        longest = Math.max(longest, Buffer.byteLength(line))
        for (const kind of Object.keys(action)) seen.add(kind)
        count++
        if (block.push(line) === 1000) yield `${block.splice(0).join('\n')}\n`
      }
      if (block.length > 0) yield `${block.join('\n')}\n`
      block = []
    }
    await writeFile(`${base}.jsonl`, blocks())
    const types = { ...COLUMNS, ...Object.fromEntries(Object.entries(RARE_COLUMNS).filter(([name]) => seen.has(name))) }
    const columns = Object.entries(types).map(([name, type]) => `${name}: ${quoteText(type)}`)
    // The reader sets aside twice the longest line for each thread.
    await session.execute(
      `COPY (SELECT * FROM read_ndjson(${quotePath(`${base}.jsonl`)}, columns = {${columns.join(', ')}}, maximum_object_size = ${longest + 1024})) TO ${quoteText(`${base}.parquet`)} (FORMAT parquet, COMPRESSION snappy)`,
    )
    return { bytes: await readFile(`${base}.parquet`), actions: count }
  } finally {
    await rm(`${base}.jsonl`, { force: true })
    await rm(`${base}.parquet`, { force: true })
  }
}

/** Files of a log checkpoint, kept as the engine's own bytes and turned into objects one at a time. */
export interface AddBlock {
  readonly size: number
  /** As logged: percent-encoded. */
  path(row: number): string
  /** The partition values' own text: files of one partition have the same. */
  partition(row: number): string
  /** @param stats what `statistics` gave for the row */
  at(row: number, stats?: string): AddFile
}

export interface AddSource {
  readonly blocks: readonly AddBlock[]
  /** Where there are many files, their statistics stay in the checkpoint until they are needed: a text or null for each row, in the blocks' order. */
  statistics?(): AsyncIterable<Batch>
}

export interface CheckpointState {
  /** All actions but adds and removes. */
  readonly actions: readonly Action[]
  readonly adds: readonly AddSource[]
  readonly removes: readonly Action[]
}

/** Throws TABLE_LOG_CORRUPT or the engine's own error when a file is damaged. */
export async function readCheckpoint(
  session: Session,
  storage: Storage,
  table: string,
  checkpoint: Checkpoint,
  wanted: { readonly removes?: boolean } = {},
): Promise<CheckpointState> {
  const folder = `${table}/_delta_log`
  const top = checkpoint.names.map((name) => `${folder}/${name}`)
  if (top[0]?.endsWith('.json') === true) {
    const actions = await readJson(storage, table, top[0])
    const sidecars = await readSidecars(session, storage, folder, actions, wanted)
    const [adds, removes] = [actions.flatMap(({ add }) => add ?? []), actions.filter((action) => action.remove)]
    return {
      actions: actions.filter((action) => action.add === undefined && action.remove === undefined),
      adds: [{ blocks: [block(adds)] }, ...sidecars.adds],
      removes: [...removes, ...sidecars.removes],
    }
  }
  const found = await readParquet(session, await storage.fetch(top), wanted)
  const sidecars = await readSidecars(session, storage, folder, found.actions, wanted)
  return { actions: found.actions, adds: [...found.adds, ...sidecars.adds], removes: [...found.removes, ...sidecars.removes] }
}

async function readJson(storage: Storage, table: string, path: string): Promise<Action[]> {
  try {
    return parseActions(decodeText((await storage.read(path)) ?? new Uint8Array()))
  } catch (thrown) {
    throw failure(TABLE_LOG_CORRUPT, { path: table, problem: `${path} is damaged (${messageOf(thrown)})` }, { cause: thrown })
  }
}

async function readSidecars(
  session: Session,
  storage: Storage,
  folder: string,
  actions: readonly Action[],
  wanted: { readonly removes?: boolean },
): Promise<CheckpointState> {
  const names = actions.flatMap(({ sidecar }) => (sidecar === undefined ? [] : [sidecar.path]))
  if (names.length === 0) return { actions: [], adds: [], removes: [] }
  const paths = names.map((name) => (name.includes('/') ? name : `${folder}/_sidecars/${name}`))
  return readParquet(session, await storage.fetch(paths), wanted)
}

/** Above this many files their statistics are not held in memory: text of 20 columns takes a kilobyte and more for each. */
const HELD_STATISTICS = 20_000

async function readParquet(session: Session, paths: readonly string[], wanted: { readonly removes?: boolean }): Promise<CheckpointState> {
  const files = `read_parquet([${paths.map(quotePath).join(', ')}], hive_partitioning = false, union_by_name = ${paths.length > 1})`
  const columns = await session.describe(`SELECT * FROM ${files}`)
  const add = columns.find((column) => column.name === 'add')
  const adds = add === undefined ? [] : [await readAdds(session, files, add.type)]
  const others = columns.filter((column) => column.type.kind === 'struct' && column.name !== 'add' && column.name !== 'remove')
  const kinds = [...others, ...columns.filter((column) => wanted.removes === true && column.name === 'remove')].map(
    (column) => `"${column.name}"`,
  )
  if (kinds.length === 0) return { actions: [], adds, removes: [] }
  const select = kinds.map((kind) => `CASE WHEN ${kind} IS NOT NULL THEN to_json(${kind})::VARCHAR END AS ${kind}`)
  const rows = await session.rows(
    `SELECT ${select.join(', ')} FROM ${files} WHERE ${kinds.map((kind) => `${kind} IS NOT NULL`).join(' OR ')}`,
  )
  const actions = rows.flatMap((row) =>
    Object.entries(row).flatMap(([kind, text]) => (typeof text === 'string' ? [withoutNulls({ [kind]: JSON.parse(text) } as Action)] : [])),
  )
  // A struct all of whose fields are null is how some writers say that there is none.
  const sound = actions.filter((action) => Object.values(action).every((body) => Object.keys(body as object).length > 0))
  return {
    actions: sound.filter((action) => action.remove === undefined),
    adds,
    removes: sound.filter((action) => action.remove !== undefined),
  }
}

/** What few files have, in one column of JSON. */
const RARE_FIELDS = ['tags', 'deletionVector', 'baseRowId', 'defaultRowCommitVersion', 'clusteringProvider']

async function readAdds(session: Session, files: string, type: DataType): Promise<AddSource> {
  const has = new Set((type.kind === 'struct' ? type.fields : []).map((field) => field.name))
  const [counted] = await session.rows(`SELECT count(*) AS n FROM ${files}`)
  const held = Number(counted?.['n'] ?? 0) <= HELD_STATISTICS
  const stats = statisticsSql(has)
  const rare = RARE_FIELDS.filter((name) => has.has(name)).map((name) => `"add".${name}`)
  const more =
    rare.length === 0
      ? 'NULL'
      : `CASE WHEN ${rare.map((name) => `${name} IS NOT NULL`).join(' OR ')} THEN to_json({${rare.map((name) => `${name.slice(6)}: ${name}`).join(', ')}})::VARCHAR END`
  const select = [
    '"add".path',
    '"add".size',
    has.has('modificationTime') ? '"add".modificationTime' : '0::BIGINT',
    'to_json("add".partitionValues)::VARCHAR',
    held ? stats : 'NULL',
    more,
  ]
  const from = `FROM ${files} WHERE "add".path IS NOT NULL`
  const blocks: AddBlock[] = []
  for await (const batch of session.stream(`SELECT ${select.map((sql, index) => `${sql} AS c${index}`).join(', ')} ${from}`))
    blocks.push(packed(batch))
  return held ? { blocks } : { blocks, statistics: () => session.stream(`SELECT ${stats} AS stats ${from}`) }
}

/** Statistics may be there as text, as a struct, or not at all. */
function statisticsSql(has: ReadonlySet<string>): string {
  const parsed = has.has('stats_parsed') ? 'to_json("add".stats_parsed)::VARCHAR' : undefined
  if (!has.has('stats')) return parsed ?? 'NULL::VARCHAR'
  return parsed === undefined ? '"add".stats' : `coalesce("add".stats, ${parsed})`
}

function packed(batch: Batch): AddBlock {
  const text = (row: number, column: number) => batch.value(row, column) as string | null
  return {
    size: batch.size,
    path: (row) => text(row, 0) ?? '',
    partition: (row) => text(row, 3) ?? '{}',
    at(row, known) {
      const stats = known ?? text(row, 4)
      const more = text(row, 5)
      return {
        path: text(row, 0) ?? '',
        partitionValues: JSON.parse(text(row, 3) ?? '{}') as AddFile['partitionValues'],
        size: Number(batch.value(row, 1) ?? 0),
        modificationTime: Number(batch.value(row, 2) ?? 0),
        dataChange: false,
        ...(stats === null ? {} : { stats }),
        ...(more === null ? {} : sound(JSON.parse(more) as Partial<AddFile>)),
      }
    },
  }
}

/** A deletion vector all of whose fields are null is none. */
function sound({ deletionVector, ...rest }: Partial<AddFile>): Partial<AddFile> {
  return dropNulls({ ...rest, ...(deletionVector?.storageType ? { deletionVector } : {}) })
}

function block(adds: readonly AddFile[]): AddBlock {
  const at = (row: number) => adds[row] as AddFile
  return { size: adds.length, path: (row) => at(row).path, partition: (row) => JSON.stringify(at(row).partitionValues), at }
}
