import { randomUUID } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { quotePath, quoteText, type Session } from '../../engine/index.js'
import type { Action } from './actions.js'

/** A log checkpoint is the table's state as one Parquet file. Source: the Delta protocol, "Checkpoints" (classic, V1). */

const DELETION_VECTOR = 'STRUCT(storageType VARCHAR, pathOrInlineDv VARCHAR, "offset" INTEGER, sizeInBytes INTEGER, cardinality BIGINT)'
const COLUMNS: Readonly<Record<string, string>> = {
  txn: 'STRUCT(appId VARCHAR, version BIGINT, lastUpdated BIGINT)',
  add: `STRUCT(path VARCHAR, partitionValues MAP(VARCHAR, VARCHAR), size BIGINT, modificationTime BIGINT, dataChange BOOLEAN, stats VARCHAR, tags MAP(VARCHAR, VARCHAR), deletionVector ${DELETION_VECTOR}, baseRowId BIGINT, defaultRowCommitVersion BIGINT, clusteringProvider VARCHAR)`,
  remove: `STRUCT(path VARCHAR, deletionTimestamp BIGINT, dataChange BOOLEAN, extendedFileMetadata BOOLEAN, partitionValues MAP(VARCHAR, VARCHAR), size BIGINT, deletionVector ${DELETION_VECTOR}, baseRowId BIGINT, defaultRowCommitVersion BIGINT)`,
  metaData:
    'STRUCT(id VARCHAR, name VARCHAR, description VARCHAR, format STRUCT(provider VARCHAR, options MAP(VARCHAR, VARCHAR)), schemaString VARCHAR, partitionColumns VARCHAR[], configuration MAP(VARCHAR, VARCHAR), createdTime BIGINT)',
  protocol: 'STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER, readerFeatures VARCHAR[], writerFeatures VARCHAR[])',
}
const NAMES = Object.keys(COLUMNS)

export async function writeCheckpointFile(session: Session, actions: readonly Action[]): Promise<Uint8Array> {
  const base = join(session.scratch, `checkpoint-${randomUUID()}`)
  try {
    const lines = actions.map((action) => JSON.stringify(action))
    // The reader sets aside twice this for each thread, so it is sized from the longest line.
    const longest = lines.reduce((most, line) => Math.max(most, Buffer.byteLength(line)), 1024)
    await writeFile(`${base}.jsonl`, `${lines.join('\n')}\n`)
    const columns = NAMES.map((name) => `${name}: ${quoteText(COLUMNS[name] ?? '')}`).join(', ')
    await session.execute(
      `COPY (SELECT * FROM read_ndjson(${quotePath(`${base}.jsonl`)}, columns = {${columns}}, maximum_object_size = ${longest + 1024})) TO ${quoteText(`${base}.parquet`)} (FORMAT parquet, COMPRESSION snappy)`,
    )
    return await readFile(`${base}.parquet`)
  } finally {
    await rm(`${base}.jsonl`, { force: true })
    await rm(`${base}.parquet`, { force: true })
  }
}

/** @param path where the engine finds the file */
export async function readCheckpointFile(session: Session, path: string): Promise<Action[]> {
  const schema = NAMES.map(
    (name) => `${quoteText(name)}: {name: ${quoteText(name)}, type: ${quoteText(COLUMNS[name] ?? '')}, default_value: NULL}`,
  )
  const select = NAMES.map((name) => `CASE WHEN ${name} IS NOT NULL THEN to_json(${name})::VARCHAR END AS ${name}`)
  const rows = await session.rows(`SELECT ${select.join(', ')} FROM read_parquet(${quotePath(path)}, schema = MAP {${schema.join(', ')}})`)
  return rows.flatMap((row) =>
    NAMES.flatMap((name) => {
      const text = row[name]
      return typeof text === 'string' ? [{ [name]: withoutNulls(JSON.parse(text) as Readonly<Record<string, unknown>>) } as Action] : []
    }),
  )
}

/** Fields that an action lacks are null in a checkpoint and absent in a commit: absent it is. */
function withoutNulls(value: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== null))
}
