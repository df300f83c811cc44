import type { Session } from '../../engine/index.js'
import { bytesOf, type Change, removeFile, type WrittenRows, writeRows } from '../change.js'
import type { AddFile, Metadata } from '../log/actions.js'
import { fieldsIn, upgraded } from '../protocol.js'
import { type Snapshot, storedNames } from '../snapshot.js'
import { newMetadata, type TableDefinition } from './create.js'

/** Replaces all rows by a query's, and the columns too when a definition is given. */
export async function prepareOverwrite(session: Session, snapshot: Snapshot, query: string, definition?: TableDefinition): Promise<Change> {
  const target = overwriteTarget(snapshot, definition)
  return overwriteWritten(snapshot, await writeRows(session, target, query), definition)
}

/** Replaces the partitions that the query's rows belong to, and leaves the others as they are. */
export async function prepareOverwritePartitions(session: Session, snapshot: Snapshot, query: string): Promise<Change> {
  if (snapshot.partitionColumns.length === 0) return prepareOverwrite(session, snapshot, query)
  const { adds, rows, bytes } = await writeRows(session, snapshot, query)
  const columns = storedNames(snapshot.fields, snapshot.partitionColumns)
  const kinds = snapshot.partitionColumns.map((name) => snapshot.fields.find((field) => field.name === name)?.type.kind)
  const partitionOf = (add: { readonly partitionValues: AddFile['partitionValues'] }) =>
    JSON.stringify(columns.map((name, index) => samePartitionText(add.partitionValues[name] ?? null, kinds[index] ?? 'string')))
  const written = new Set(adds.map(partitionOf))
  const inPartitions = (add: AddFile) => written.has(partitionOf(add))
  const removed = [...snapshot.files.values()].filter(inPartitions)
  return {
    operation: 'WRITE',
    parameters: { mode: 'Overwrite', partitionBy: JSON.stringify(snapshot.partitionColumns), partitionOverwriteMode: 'dynamic' },
    ...exchanged(removed, { adds, rows, bytes }),
    blind: false,
    reads: { files: removed, mayHold: inPartitions },
  }
}

function exchanged(removed: readonly AddFile[], { adds, rows, bytes }: WrittenRows): Pick<Change, 'metrics' | 'adds' | 'removes'> {
  return {
    metrics: {
      numFiles: adds.length,
      numOutputRows: rows,
      numOutputBytes: bytes,
      numRemovedFiles: removed.length,
      numRemovedBytes: bytesOf(removed),
    },
    adds,
    removes: removed.map((add) => removeFile(add)),
  }
}

/** Writers spell instants and floats differently: `2024-01-01T00:00:00Z`, `2024-01-01 00:00:00.000000`. */
function samePartitionText(value: string | null, kind: string): string | null {
  if (!value) return null
  if (kind === 'float' || kind === 'double') return String(Number(value))
  if (kind !== 'timestamp' && kind !== 'timestamp_ntz') return value
  return value
    .replace('T', ' ')
    .replace(/(\+00(:00)?|Z)$/, '')
    .replace(/\.?0+$/, (zeros) => (zeros.startsWith('.') ? '' : zeros))
    .replace(/(\.\d*?)0+$/, '$1')
}

export function overwriteTarget(snapshot: Snapshot, definition?: TableDefinition): Snapshot {
  if (definition === undefined) return snapshot
  const metadata = redefined(snapshot, definition)
  return { ...snapshot, metadata, fields: fieldsIn(metadata), partitionColumns: metadata.partitionColumns }
}

export function overwriteWritten(snapshot: Snapshot, { adds, rows, bytes }: WrittenRows, definition?: TableDefinition): Change {
  const removed = [...snapshot.files.values()]
  return {
    operation: 'WRITE',
    parameters: { mode: 'Overwrite', partitionBy: JSON.stringify(definition?.partitionColumns ?? snapshot.partitionColumns) },
    ...exchanged(removed, { adds, rows, bytes }),
    ...(definition === undefined ? {} : metadataChange(snapshot, definition)),
    blind: false,
  }
}

/** The definition's properties join those there are. */
function redefined({ metadata }: Snapshot, definition: TableDefinition): Metadata {
  return newMetadata({ ...definition, properties: { ...metadata.configuration, ...definition.properties } }, metadata.id)
}

function metadataChange(snapshot: Snapshot, definition: TableDefinition): Pick<Change, 'metadata' | 'protocol'> {
  const metadata = redefined(snapshot, definition)
  const protocol = upgraded(snapshot.protocol, definition.fields, metadata.configuration)
  const same =
    metadata.schemaString === snapshot.metadata.schemaString &&
    JSON.stringify(metadata.partitionColumns) === JSON.stringify(snapshot.partitionColumns) &&
    JSON.stringify(metadata.configuration) === JSON.stringify(snapshot.metadata.configuration) &&
    metadata.description === snapshot.metadata.description
  return {
    ...(same ? {} : { metadata: { ...metadata, createdTime: snapshot.metadata.createdTime ?? Date.now() } }),
    ...(protocol === snapshot.protocol ? {} : { protocol }),
  }
}
