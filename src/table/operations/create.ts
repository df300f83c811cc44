import { randomUUID } from 'node:crypto'
import type { Field } from '../../schema/index.js'
import type { Change } from '../change.js'
import type { Metadata } from '../log/actions.js'
import { formatSchema } from '../log/schema-json.js'
import { protocolFor, requireColumnNames } from '../protocol.js'
import type { Snapshot } from '../snapshot.js'

export interface TableDefinition {
  readonly fields: readonly Field[]
  readonly partitionColumns?: readonly string[]
  readonly description?: string
  /** Column descriptions by name. */
  readonly comments?: Readonly<Record<string, string>>
  readonly properties?: Readonly<Record<string, string>>
}

/** A table's state before its first version. */
export function emptySnapshot(path: string, definition: TableDefinition): Snapshot {
  const metadata = newMetadata(definition)
  return {
    path,
    version: -1,
    timestamp: 0,
    protocol: protocolFor(definition.fields),
    metadata,
    fields: definition.fields,
    partitionColumns: metadata.partitionColumns,
    files: new Map(),
    tombstones: new Map(),
    transactions: new Map(),
  }
}

/** Throws TABLE_COLUMN_NAME_INVALID. */
export function newMetadata(definition: TableDefinition, id: string = randomUUID()): Metadata {
  requireColumnNames(definition.fields)
  return {
    id,
    ...(definition.description ? { description: definition.description } : {}),
    format: { provider: 'parquet', options: {} },
    schemaString: formatSchema(definition.fields, definition.comments),
    partitionColumns: definition.partitionColumns ?? [],
    configuration: definition.properties ?? {},
    createdTime: Date.now(),
  }
}

/** The table's first commit, with whatever a change brings along. */
export function created(snapshot: Snapshot, change?: Change): Change {
  return {
    operation: change === undefined ? 'CREATE TABLE' : change.operation,
    parameters: change === undefined ? { partitionBy: JSON.stringify(snapshot.partitionColumns) } : change.parameters,
    metrics: change?.metrics ?? {},
    adds: change?.adds ?? [],
    removes: [],
    metadata: snapshot.metadata,
    protocol: snapshot.protocol,
    blind: false,
  }
}
