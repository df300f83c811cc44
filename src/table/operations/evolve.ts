import type { Field } from '../../schema/index.js'
import type { Change } from '../change.js'
import { commentsOf } from '../log/schema-json.js'
import { upgraded } from '../protocol.js'
import type { Snapshot } from '../snapshot.js'
import { newMetadata } from './create.js'

export interface Evolved {
  /** The snapshot as it will be once the change is committed. */
  readonly snapshot: Snapshot
  /** Goes into the change that needs the new columns; empty when there are none. */
  readonly change: Pick<Change, 'metadata' | 'protocol'>
}

/** Adds the columns that the table lacks, nullable and at the end. Columns it has are left as they are. */
export function evolve(snapshot: Snapshot, fields: readonly Field[], comments: Readonly<Record<string, string>> = {}): Evolved {
  const known = new Set(snapshot.fields.map((field) => field.name.toLowerCase()))
  const added = fields.filter((field) => !known.has(field.name.toLowerCase())).map((field) => ({ ...field, nullable: true }))
  if (added.length === 0) return { snapshot, change: {} }
  const all = [...snapshot.fields, ...added]
  const protocol = upgraded(snapshot.protocol, all)
  const { description, configuration, createdTime, id } = snapshot.metadata
  const metadata = {
    ...newMetadata(
      {
        fields: all,
        partitionColumns: snapshot.partitionColumns,
        properties: configuration,
        comments: { ...commentsOf(snapshot.metadata.schemaString), ...comments },
        ...(description === undefined ? {} : { description }),
      },
      id,
    ),
    createdTime: createdTime ?? Date.now(),
  }
  return {
    snapshot: { ...snapshot, fields: all, metadata, protocol },
    change: { metadata, ...(protocol === snapshot.protocol ? {} : { protocol }) },
  }
}
