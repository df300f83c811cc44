import { randomUUID } from 'node:crypto'
import { failure, TABLE_CHANGE_INVALID } from '../../errors/index.js'
import type { Field } from '../../schema/index.js'
import type { Storage } from '../../storage/index.js'
import type { Change } from '../change.js'
import { FileSet } from '../files.js'
import type { Metadata } from '../log/actions.js'
import { formatSchema, parseStruct } from '../log/schema-json.js'
import { columnMapping, fieldsIn, protocolFor, requireColumnNames, requireProperties } from '../protocol.js'
import type { Snapshot } from '../snapshot.js'
import { withColumnIds } from './columns.js'

export interface TableDefinition {
  readonly fields: readonly Field[]
  readonly partitionColumns?: readonly string[]
  readonly description?: string
  /** Column descriptions by name. */
  readonly comments?: Readonly<Record<string, string>>
  readonly properties?: Readonly<Record<string, string>>
}

/** A table's state before its first version. */
export function emptySnapshot(path: string, definition: TableDefinition, storage: Storage): Snapshot {
  const metadata = newMetadata(definition)
  return {
    storage,
    outside: false,
    domains: new Map(),
    path,
    version: -1,
    timestamp: 0,
    protocol: protocolFor(definition.fields, metadata.configuration),
    metadata,
    fields: fieldsIn(metadata),
    partitionColumns: metadata.partitionColumns,
    files: new FileSet(),
    transactions: new Map(),
  }
}

/** Throws TABLE_COLUMN_NAME_INVALID. */
export function newMetadata(definition: TableDefinition, id: string = randomUUID()): Metadata {
  const properties = definition.properties ?? {}
  requireColumnNames(definition.fields, columnMapping(properties))
  requireProperties({}, properties, definition.fields)
  requirePartitions(definition)
  const schema = formatSchema(definition.fields, definition.comments)
  const mapped = columnMapping(properties) === 'none' ? undefined : withColumnIds(parseStruct(schema), properties, id)
  return {
    id,
    ...(definition.description ? { description: definition.description } : {}),
    format: { provider: 'parquet', options: {} },
    schemaString: mapped === undefined ? schema : JSON.stringify(mapped.schema),
    partitionColumns: definition.partitionColumns ?? [],
    configuration: mapped?.properties ?? properties,
    createdTime: Date.now(),
  }
}

function requirePartitions({ fields, partitionColumns = [] }: TableDefinition): void {
  for (const column of partitionColumns) {
    const type = fields.find((field) => field.name === column)?.type.kind
    if (type === undefined)
      throw failure(TABLE_CHANGE_INVALID, { path: 'The table', problem: `there is no column "${column}" to partition by` })
    if (['binary', 'struct', 'array', 'map'].includes(type))
      throw failure(TABLE_CHANGE_INVALID, {
        path: 'The table',
        problem: `${column} is of the type ${type}, which no partition can be named by`,
      })
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
    changes: change?.changes ?? [],
    metadata: snapshot.metadata,
    protocol: snapshot.protocol,
    blind: false,
  }
}
