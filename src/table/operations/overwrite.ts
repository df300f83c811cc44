import type { Session } from '../../engine/index.js'
import { bytesOf, type Change, removeFile, type WrittenRows, writeRows } from '../change.js'
import type { AddFile } from '../log/actions.js'
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
  const partitionOf = (add: { readonly partitionValues: AddFile['partitionValues'] }) =>
    JSON.stringify(columns.map((name) => add.partitionValues[name] ?? null))
  const written = new Set(adds.map(partitionOf))
  const inPartitions = (add: AddFile) => written.has(partitionOf(add))
  const removed = [...snapshot.files.values()].filter(inPartitions)
  return {
    operation: 'WRITE',
    parameters: { mode: 'Overwrite', partitionBy: JSON.stringify(snapshot.partitionColumns), partitionOverwriteMode: 'dynamic' },
    metrics: {
      numFiles: adds.length,
      numOutputRows: rows,
      numOutputBytes: bytes,
      numRemovedFiles: removed.length,
      numRemovedBytes: bytesOf(removed),
    },
    adds,
    removes: removed.map((add) => removeFile(add)),
    blind: false,
    reads: { files: removed, mayHold: inPartitions },
  }
}

export function overwriteTarget(snapshot: Snapshot, definition?: TableDefinition): Snapshot {
  if (definition === undefined) return snapshot
  const metadata = newMetadata({ properties: snapshot.metadata.configuration, ...definition }, snapshot.metadata.id)
  return { ...snapshot, metadata, fields: fieldsIn(metadata), partitionColumns: metadata.partitionColumns }
}

export function overwriteWritten(snapshot: Snapshot, { adds, rows, bytes }: WrittenRows, definition?: TableDefinition): Change {
  const removed = [...snapshot.files.values()]
  return {
    operation: 'WRITE',
    parameters: { mode: 'Overwrite', partitionBy: JSON.stringify(definition?.partitionColumns ?? snapshot.partitionColumns) },
    metrics: {
      numFiles: adds.length,
      numOutputRows: rows,
      numOutputBytes: bytes,
      numRemovedFiles: removed.length,
      numRemovedBytes: bytesOf(removed),
    },
    adds,
    removes: removed.map((add) => removeFile(add)),
    ...(definition === undefined ? {} : metadataChange(snapshot, definition)),
    blind: false,
  }
}

function metadataChange(snapshot: Snapshot, definition: TableDefinition): Pick<Change, 'metadata' | 'protocol'> {
  const metadata = newMetadata({ properties: snapshot.metadata.configuration, ...definition }, snapshot.metadata.id)
  const protocol = upgraded(snapshot.protocol, definition.fields, metadata.configuration)
  const same =
    metadata.schemaString === snapshot.metadata.schemaString &&
    JSON.stringify(metadata.partitionColumns) === JSON.stringify(snapshot.partitionColumns) &&
    metadata.description === snapshot.metadata.description
  return {
    ...(same ? {} : { metadata: { ...metadata, createdTime: snapshot.metadata.createdTime ?? Date.now() } }),
    ...(protocol === snapshot.protocol ? {} : { protocol }),
  }
}
