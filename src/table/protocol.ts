import { failure, TABLE_COLUMN_NAME_INVALID, TABLE_FEATURE_UNSUPPORTED } from '../errors/index.js'
import type { DataType, Field } from '../schema/index.js'
import type { Metadata, Protocol } from './log/actions.js'
import { type ColumnMapping, parseSchema, parseStruct, walkSchema } from './log/schema-json.js'

/** What a reader or writer must know to touch a table. Source: the Delta protocol, "Table Features" and "Requirements for Readers". */

const READER_FEATURES = new Set([
  'columnMapping',
  'deletionVectors',
  'timestampNtz',
  'typeWidening',
  'typeWidening-preview',
  'v2Checkpoint',
  'vacuumProtocolCheck',
])
const WRITER_FEATURES = new Set([
  ...READER_FEATURES,
  'appendOnly',
  'changeDataFeed',
  'checkConstraints',
  'domainMetadata',
  'invariants',
  // Known to be refused where a column uses them.
  'generatedColumns',
  'identityColumns',
])
/** What each writer version brings, for tables that do not list their features. */
const WRITER_VERSIONS: readonly (readonly [number, readonly string[]])[] = [
  [2, ['appendOnly', 'invariants']],
  [3, ['checkConstraints']],
  [4, ['changeDataFeed', 'generatedColumns']],
  [5, ['columnMapping']],
  [6, ['identityColumns']],
]

export function hasFeature(protocol: Protocol, feature: string): boolean {
  if (protocol.minWriterVersion >= 7) return (protocol.writerFeatures ?? []).includes(feature)
  return WRITER_VERSIONS.some(([version, features]) => version <= protocol.minWriterVersion && features.includes(feature))
}

const BOTH = READER_FEATURES

/** The protocol with more features, all that it had among them; itself when it has them already. */
export function withFeatures(protocol: Protocol, features: readonly string[]): Protocol {
  const added = features.filter((feature) => !hasFeature(protocol, feature))
  if (added.length === 0) return protocol
  const implied = WRITER_VERSIONS.flatMap(([version, all]) => (version <= protocol.minWriterVersion ? all : []))
  const writer = new Set([...(protocol.minWriterVersion >= 7 ? (protocol.writerFeatures ?? []) : implied), ...added])
  const reader = new Set([
    ...(protocol.minReaderVersion >= 3 ? (protocol.readerFeatures ?? []) : []),
    ...[...writer].filter((feature) => BOTH.has(feature)),
  ])
  const readers = protocol.minReaderVersion >= 3 || reader.size > 0
  return {
    minReaderVersion: readers ? 3 : protocol.minReaderVersion,
    minWriterVersion: 7,
    ...(readers ? { readerFeatures: [...reader] } : {}),
    writerFeatures: [...writer],
  }
}

/** What the properties and columns of a table ask of its protocol. */
export function featuresOf(fields: readonly Field[], properties: Readonly<Record<string, string>>): string[] {
  return [
    ...(fields.some((field) => holds(field.type, 'timestamp_ntz')) ? ['timestampNtz'] : []),
    ...(properties['delta.appendOnly'] === 'true' ? ['appendOnly'] : []),
    ...(properties['delta.enableDeletionVectors'] === 'true' ? ['deletionVectors'] : []),
    ...(properties['delta.enableChangeDataFeed'] === 'true' ? ['changeDataFeed'] : []),
    ...(properties['delta.enableTypeWidening'] === 'true' ? ['typeWidening'] : []),
    ...(properties['delta.checkpointPolicy'] === 'v2' ? ['v2Checkpoint'] : []),
    ...(columnMapping(properties) === 'none' ? [] : ['columnMapping']),
    ...(Object.keys(properties).some((key) => key.startsWith('delta.constraints.')) ? ['checkConstraints'] : []),
  ]
}

export function fieldsIn({ schemaString, configuration }: Pick<Metadata, 'schemaString' | 'configuration'>): Field[] {
  return parseSchema(schemaString, columnMapping(configuration))
}

export function columnMapping(properties: Readonly<Record<string, string>>): ColumnMapping {
  const mode = properties['delta.columnMapping.mode'] ?? 'none'
  return mode === 'name' || mode === 'id' ? mode : 'none'
}

/** The least that the columns and properties need: 1/2, so that every reader can read them, or 3/7 with the features by name. */
export function protocolFor(fields: readonly Field[], properties: Readonly<Record<string, string>> = {}): Protocol {
  return withFeatures({ minReaderVersion: 1, minWriterVersion: 2 }, featuresOf(fields, properties))
}

/** The protocol after columns were added or properties set: never less than before. */
export function upgraded(protocol: Protocol, fields: readonly Field[], properties: Readonly<Record<string, string>> = {}): Protocol {
  return withFeatures(protocol, featuresOf(fields, properties))
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

/** Throws TABLE_FEATURE_UNSUPPORTED. */
export function requireReadable(path: string, protocol: Protocol, metadata: Metadata): void {
  const unknown = protocol.minReaderVersion >= 3 ? (protocol.readerFeatures ?? []).filter((feature) => !READER_FEATURES.has(feature)) : []
  if (protocol.minReaderVersion > 3) unknown.push(`reader version ${protocol.minReaderVersion}`)
  const mode = metadata.configuration?.['delta.columnMapping.mode'] ?? 'none'
  if (!['none', 'name', 'id'].includes(mode)) unknown.push(`column mapping by ${mode}`)
  if ((metadata.format?.provider ?? 'parquet') !== 'parquet') unknown.push(`the format ${metadata.format.provider}`)
  if (unknown.length > 0) throw failure(TABLE_FEATURE_UNSUPPORTED, { path, features: [...new Set(unknown)], access: 'read' })
}

/** Throws TABLE_FEATURE_UNSUPPORTED. */
export function requireWritable(path: string, protocol: Protocol, metadata: Metadata): void {
  const unknown = protocol.minWriterVersion >= 7 ? (protocol.writerFeatures ?? []).filter((feature) => !WRITER_FEATURES.has(feature)) : []
  if (protocol.minWriterVersion > 7) unknown.push(`writer version ${protocol.minWriterVersion}`)
  for (const [column, field] of walkSchema(parseStruct(metadata.schemaString).fields)) {
    const name = column.join('.')
    if (field.metadata?.['delta.generationExpression'] !== undefined) unknown.push(`generatedColumns (${name})`)
    if (Object.keys(field.metadata ?? {}).some((key) => key.startsWith('delta.identity.'))) unknown.push(`identityColumns (${name})`)
    if (field.type === 'void') unknown.push(`a void column (${name})`)
  }
  if (unknown.length > 0) throw failure(TABLE_FEATURE_UNSUPPORTED, { path, features: [...new Set(unknown)], access: 'write' })
}

/** Properties that stand for features we do not write, and those that are no properties but ways to change the protocol. */
const REFUSED_PROPERTIES =
  /^delta\.(enableRowTracking|enableInCommitTimestamps|enableIcebergCompat.*|universalFormat\..*|feature\..*|min(Reader|Writer)Version)$/
const FEED_COLUMNS = new Set(['_change_type', '_commit_version', '_commit_timestamp'])

/** Throws TABLE_FEATURE_UNSUPPORTED for a property that is newly set and that we do not serve, TABLE_COLUMN_NAME_INVALID for the change feed's own names. */
export function requireProperties(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
  fields: readonly Field[],
): void {
  const refused = Object.keys(after).filter((key) => REFUSED_PROPERTIES.test(key) && after[key] !== 'false' && after[key] !== before[key])
  if (refused.length > 0) throw failure(TABLE_FEATURE_UNSUPPORTED, { path: 'The table', features: refused, access: 'write' })
  const taken =
    after['delta.enableChangeDataFeed'] === 'true' ? fields.find((field) => FEED_COLUMNS.has(field.name.toLowerCase())) : undefined
  if (taken !== undefined) throw failure(TABLE_COLUMN_NAME_INVALID, { column: taken.name })
}

/** Throws TABLE_COLUMN_NAME_INVALID. */
export function requireColumnNames(fields: readonly Field[], mapping: ColumnMapping = 'none'): void {
  const seen = new Set<string>()
  for (const { name } of fields) {
    if (name === '' || (mapping === 'none' && /[ ,;{}()\n\t=]/.test(name)) || seen.has(name.toLowerCase()))
      throw failure(TABLE_COLUMN_NAME_INVALID, { column: name })
    seen.add(name.toLowerCase())
  }
}
