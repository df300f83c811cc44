import { failure, TABLE_COLUMN_NAME_INVALID, TABLE_FEATURE_UNSUPPORTED } from '../errors/index.js'
import type { DataType, Field } from '../schema/index.js'
import type { Metadata, Protocol } from './log/actions.js'

/** What a reader or writer must know to touch a table. Source: the Delta protocol, "Table Features" and "Requirements for Readers". */

const READER_FEATURES = new Set(['timestampNtz', 'vacuumProtocolCheck'])
const WRITER_FEATURES = new Set(['timestampNtz', 'appendOnly', 'invariants', 'vacuumProtocolCheck'])

/** The least that the columns need: 1/2, so that every reader can read them, or 3/7 with timestampNtz. */
export function protocolFor(fields: readonly Field[]): Protocol {
  if (!fields.some((field) => holds(field.type, 'timestamp_ntz'))) return { minReaderVersion: 1, minWriterVersion: 2 }
  return {
    minReaderVersion: 3,
    minWriterVersion: 7,
    readerFeatures: ['timestampNtz'],
    writerFeatures: ['timestampNtz', 'appendOnly', 'invariants'],
  }
}

/** The protocol after columns were added: never less than before. */
export function upgraded(protocol: Protocol, fields: readonly Field[]): Protocol {
  const needed = protocolFor(fields)
  const has = new Set(protocol.readerFeatures ?? [])
  if ((needed.readerFeatures ?? []).every((feature) => has.has(feature))) return protocol
  return {
    ...needed,
    readerFeatures: [...new Set([...has, ...(needed.readerFeatures ?? [])])],
    writerFeatures: [...new Set([...(protocol.writerFeatures ?? []), ...(needed.writerFeatures ?? [])])],
  }
}

function holds(type: DataType, kind: DataType['kind']): boolean {
  switch (type.kind) {
    case 'struct':
      return type.fields.some((field) => holds(field.type, kind))
    case 'array':
      return holds(type.element, kind)
    case 'map':
      return holds(type.key, kind) || holds(type.value, kind)
    default:
      return type.kind === kind
  }
}

export function requireReadable(path: string, protocol: Protocol, metadata: Metadata): void {
  const unknown = protocol.minReaderVersion >= 3 ? (protocol.readerFeatures ?? []).filter((feature) => !READER_FEATURES.has(feature)) : []
  const mapping = metadata.configuration['delta.columnMapping.mode'] ?? 'none'
  if (mapping !== 'none') unknown.push('columnMapping')
  if (protocol.minReaderVersion > 3) unknown.push(`reader version ${protocol.minReaderVersion}`)
  if (unknown.length > 0) throw failure(TABLE_FEATURE_UNSUPPORTED, { path, features: [...new Set(unknown)], access: 'read' })
}

export function requireWritable(path: string, protocol: Protocol, metadata: Metadata): void {
  const unknown = protocol.minWriterVersion >= 7 ? (protocol.writerFeatures ?? []).filter((feature) => !WRITER_FEATURES.has(feature)) : []
  if (protocol.minWriterVersion > 7) unknown.push(`writer version ${protocol.minWriterVersion}`)
  if (protocol.minWriterVersion < 7 && protocol.minWriterVersion > 2) unknown.push(...impliedFeatures(metadata))
  if (metadata.schemaString.includes('delta.invariants')) unknown.push('invariants on columns')
  if (unknown.length > 0) throw failure(TABLE_FEATURE_UNSUPPORTED, { path, features: [...new Set(unknown)], access: 'write' })
}

/** Of the features that writer versions 3 to 6 imply, those that the table uses. */
function impliedFeatures({ configuration, schemaString }: Metadata): string[] {
  return [
    ...(Object.keys(configuration).some((key) => key.startsWith('delta.constraints.')) ? ['checkConstraints'] : []),
    ...(configuration['delta.enableChangeDataFeed'] === 'true' ? ['changeDataFeed'] : []),
    ...(schemaString.includes('delta.generationExpression') ? ['generatedColumns'] : []),
    ...(schemaString.includes('delta.identity') ? ['identityColumns'] : []),
    ...((configuration['delta.columnMapping.mode'] ?? 'none') === 'none' ? [] : ['columnMapping']),
  ]
}

/** Throws TABLE_COLUMN_NAME_INVALID. */
export function requireColumnNames(fields: readonly Field[]): void {
  const seen = new Set<string>()
  for (const { name } of fields) {
    if (name === '' || /[ ,;{}()\n\t=]/.test(name) || seen.has(name.toLowerCase()))
      throw failure(TABLE_COLUMN_NAME_INVALID, { column: name })
    seen.add(name.toLowerCase())
  }
}
