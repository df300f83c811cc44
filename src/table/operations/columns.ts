import { createHash } from 'node:crypto'
import { failure, TABLE_CHANGE_INVALID } from '../../errors/index.js'
import { type DataType, type Field, sameType, widens } from '../../schema/index.js'
import type { Change } from '../change.js'
import type { Metadata } from '../log/actions.js'
import {
  formatField,
  formatType,
  type JsonField,
  type JsonStruct,
  type JsonType,
  mapSchema,
  parseStruct,
  walkSchema,
} from '../log/schema-json.js'
import { columnMapping, fieldsIn, hasFeature, requireColumnNames, requireProperties, upgraded } from '../protocol.js'
import type { Snapshot } from '../snapshot.js'

/** Changes to a table's columns, worked on the schema's own JSON, so that whatever other writers keep there stays. */

const ID = 'delta.columnMapping.id'
const PHYSICAL = 'delta.columnMapping.physicalName'
const MAX_ID = 'delta.columnMapping.maxColumnId'

type Properties = Readonly<Record<string, string>>

/**
 * Gives each column without one an id and a stored name, which follows from both: whoever asks again is told the same.
 * Source: the Delta protocol, "Column Mapping".
 *
 * @param table its id
 */
export function withColumnIds(
  schema: JsonStruct,
  properties: Properties,
  table: string,
): { readonly schema: JsonStruct; readonly properties: Properties } {
  let last = Number(properties[MAX_ID] ?? 0)
  for (const [, { metadata }] of walkSchema(schema.fields)) last = Math.max(last, Number(metadata[ID] ?? 0))
  const fields = mapSchema(schema.fields, (field) =>
    field.metadata[ID] === undefined
      ? { ...field, metadata: { ...field.metadata, [ID]: ++last, [PHYSICAL]: storedName(table, last) } }
      : field,
  )
  return { schema: { ...schema, fields }, properties: { ...properties, [MAX_ID]: String(last) } }
}

function storedName(table: string, id: number): string {
  return `col-${createHash('sha256').update(`${table}/${id}`).digest('hex').slice(0, 32)}`
}

export interface Evolved {
  /** The snapshot as it will be once the change is committed. */
  readonly snapshot: Snapshot
  /** Goes into the change that needs the new columns; empty when there are none. */
  readonly change: Pick<Change, 'metadata' | 'protocol'>
}

/** Adds what the table lacks, nullable and at the end: columns, and fields of structs inside them. What it has is left as it is. */
export function evolve(snapshot: Snapshot, fields: readonly Field[], comments: Readonly<Record<string, string>> = {}): Evolved {
  const before = parseStruct(snapshot.metadata.schemaString)
  const after = merged(before.fields, fields, comments)
  if (after === before.fields) return { snapshot, change: {} }
  return changed(snapshot, { ...before, fields: after })
}

/** The snapshot with other columns or properties. Throws TABLE_COLUMN_NAME_INVALID. */
export function changed(snapshot: Snapshot, schema: JsonStruct, given: Properties = snapshot.metadata.configuration): Evolved {
  const mapping = columnMapping(given)
  const whole = mapping === 'none' ? { schema, properties: given } : withColumnIds(schema, given, snapshot.metadata.id)
  const metadata: Metadata = { ...snapshot.metadata, schemaString: JSON.stringify(whole.schema), configuration: whole.properties }
  const fields = fieldsIn(metadata)
  requireColumnNames(fields, mapping)
  requireProperties(snapshot.metadata.configuration, whole.properties, fields)
  const protocol = upgraded(snapshot.protocol, fields, whole.properties)
  return {
    snapshot: { ...snapshot, fields, metadata, protocol },
    change: { metadata, ...(protocol === snapshot.protocol ? {} : { protocol }) },
  }
}

function merged(known: readonly JsonField[], wanted: readonly Field[], comments: Readonly<Record<string, string>>): readonly JsonField[] {
  const byName = new Map(wanted.map((field) => [field.name.toLowerCase(), field]))
  const kept = known.map((field) => {
    const more = byName.get(field.name.toLowerCase())
    byName.delete(field.name.toLowerCase())
    const type = more === undefined ? field.type : mergedType(field.type, more.type)
    return type === field.type ? field : { ...field, type }
  })
  const added = [...byName.values()].map((field) => {
    const comment = comments[field.name]
    return { ...formatField({ ...field, nullable: true }), metadata: comment === undefined ? {} : { comment } }
  })
  return added.length === 0 && kept.every((field, index) => field === known[index]) ? known : [...kept, ...added]
}

function mergedType(known: JsonType, wanted: DataType): JsonType {
  if (typeof known === 'string') return known
  if (known.type === 'struct' && wanted.kind === 'struct') {
    const fields = merged(known.fields, wanted.fields, {})
    return fields === known.fields ? known : { ...known, fields }
  }
  if (known.type === 'array' && wanted.kind === 'array') {
    const elementType = mergedType(known.elementType, wanted.element)
    return elementType === known.elementType ? known : { ...known, elementType }
  }
  if (known.type === 'map' && wanted.kind === 'map') {
    const valueType = mergedType(known.valueType, wanted.value)
    return valueType === known.valueType ? known : { ...known, valueType }
  }
  return known
}

function metadataChange(operation: string, parameters: Change['parameters'], change: Evolved['change']): Change {
  // Rows that others add meanwhile are as good under the new columns and properties.
  return { operation, parameters, metrics: {}, adds: [], removes: [], ...change, blind: false, reads: { files: [], mayHold: () => false } }
}

export function prepareAddColumns(snapshot: Snapshot, fields: readonly Field[], comments: Readonly<Record<string, string>>): Change {
  return metadataChange(
    'ADD COLUMNS',
    { columns: JSON.stringify(fields.map((field) => field.name)) },
    evolve(snapshot, fields, comments).change,
  )
}

/** Renames a column; data files keep its stored name. `['address', 'town']` is a field of a struct. Needs column mapping: TABLE_CHANGE_INVALID. */
export function prepareRenameColumn(snapshot: Snapshot, column: readonly string[], to: string): Change {
  requireMapping(snapshot, 'renamed')
  const schema = editColumn(snapshot, column, (field) => ({ ...field, name: to }))
  const [head = ''] = column
  const partitionColumns =
    column.length === 1 ? snapshot.partitionColumns.map((name) => (same(name, head) ? to : name)) : snapshot.partitionColumns
  const { change } = changed(snapshot, schema)
  const metadata = change.metadata === undefined ? {} : { metadata: { ...change.metadata, partitionColumns } }
  return metadataChange(
    'RENAME COLUMN',
    { oldColumnPath: column.join('.'), newColumnPath: [...column.slice(0, -1), to].join('.') },
    { ...change, ...metadata },
  )
}

/** Drops a column from the schema; data files keep its values until they are rewritten. Needs column mapping: TABLE_CHANGE_INVALID. */
export function prepareDropColumn(snapshot: Snapshot, column: readonly string[]): Change {
  requireMapping(snapshot, 'dropped')
  if (column.length === 1 && snapshot.partitionColumns.some((name) => same(name, column[0])))
    throw invalid(snapshot, `it is partitioned by ${column[0]}`)
  const schema = editColumn(snapshot, column, () => undefined)
  if (schema.fields.length === 0) throw invalid(snapshot, 'no column would be left')
  return metadataChange('DROP COLUMNS', { columns: JSON.stringify([column.join('.')]) }, changed(snapshot, schema).change)
}

/** What the protocol asks of a decimal that whole numbers widen to. */
const WHOLE_DIGITS: Readonly<Record<string, number>> = { byte: 10, short: 10, integer: 10, long: 20 }

/**
 * Gives a column a wider type: integer to long, float to double, decimal(5,2) to decimal(10,2). Needs the table property
 * delta.enableTypeWidening: TABLE_CHANGE_INVALID. Source: the Delta protocol, "Type Widening".
 */
export function prepareWidenColumn(snapshot: Snapshot, column: readonly string[], type: DataType): Change {
  if (snapshot.metadata.configuration['delta.enableTypeWidening'] !== 'true')
    throw invalid(snapshot, 'types may change only with the property delta.enableTypeWidening')
  const schema = editColumn(snapshot, column, (field) => {
    const [known] = fieldsIn({ schemaString: JSON.stringify({ type: 'struct', fields: [field] }), configuration: {} })
    if (known === undefined || !widens(known.type, type) || sameType(known.type, type) || typeof field.type !== 'string')
      throw invalid(snapshot, `${column.join('.')} cannot become wider that way`)
    const whole = WHOLE_DIGITS[known.type.kind]
    if (type.kind === 'decimal' && whole !== undefined && type.precision - type.scale < whole)
      throw invalid(snapshot, `a ${known.type.kind} becomes a decimal of at least ${whole} digits before the point`)
    const history = Array.isArray(field.metadata['delta.typeChanges']) ? field.metadata['delta.typeChanges'] : []
    const entry = { fromType: field.type, toType: formatType(type) }
    return { ...field, type: formatType(type), metadata: { ...field.metadata, 'delta.typeChanges': [...history, entry] } }
  })
  return metadataChange('CHANGE COLUMN', { column: column.join('.') }, changed(snapshot, schema).change)
}

/** Sets table properties, and what of the protocol they need; null takes one away. Throws TABLE_CHANGE_INVALID. */
export function prepareSetProperties(snapshot: Snapshot, properties: Readonly<Record<string, string | null>>): Change {
  const before = snapshot.metadata.configuration
  const after = Object.fromEntries(
    Object.entries({ ...before, ...properties }).filter((entry): entry is [string, string] => entry[1] !== null),
  )
  const [was, is] = [columnMapping(before), columnMapping(after)]
  if (was !== is && !(was === 'none' && is === 'name')) throw invalid(snapshot, `column mapping cannot go from ${was} to ${is}`)
  const schema = parseStruct(snapshot.metadata.schemaString)
  const named = was === is ? schema : { ...schema, fields: mapSchema(schema.fields, storedUnderItsName(schema)) }
  const { change } = changed(snapshot, named, after)
  return metadataChange('SET TBLPROPERTIES', { properties: JSON.stringify(properties) }, change)
}

/** A table that starts to map its columns has files already: their names stay what they are. */
function storedUnderItsName(schema: JsonStruct): (field: JsonField) => JsonField {
  let last = 0
  for (const [, { metadata }] of walkSchema(schema.fields)) last = Math.max(last, Number(metadata[ID] ?? 0))
  return (field) => ({
    ...field,
    metadata: { ...field.metadata, [ID]: field.metadata[ID] ?? ++last, [PHYSICAL]: field.metadata[PHYSICAL] ?? field.name },
  })
}

function editColumn(snapshot: Snapshot, column: readonly string[], edit: (field: JsonField) => JsonField | undefined): JsonStruct {
  const schema = parseStruct(snapshot.metadata.schemaString)
  let found = false
  const fields = mapSchema(schema.fields, (field, path) => {
    if (path.length !== column.length || !path.every((name, index) => same(name, column[index]))) return field
    found = true
    return edit(field)
  })
  if (!found) throw invalid(snapshot, `there is no column ${column.join('.')}`)
  if (column.length > 1) requireSoundStruct(snapshot, fields, column.slice(0, -1))
  return { ...schema, fields }
}

/** Of columns themselves `requireColumnNames` says so. */
function requireSoundStruct(snapshot: Snapshot, fields: readonly JsonField[], struct: readonly string[]): void {
  const within = [...walkSchema(fields)].flatMap(([path]) =>
    path.length === struct.length + 1 && struct.every((name, index) => same(name, path[index])) ? [path.at(-1)?.toLowerCase()] : [],
  )
  if (within.length === 0) throw invalid(snapshot, `no field of ${struct.join('.')} would be left`)
  if (new Set(within).size < within.length) throw invalid(snapshot, `two fields of ${struct.join('.')} would have one name`)
}

function same(left: string, right: string | undefined): boolean {
  return left.toLowerCase() === right?.toLowerCase()
}

function requireMapping(snapshot: Snapshot, what: string): void {
  if (columnMapping(snapshot.metadata.configuration) === 'none' || !hasFeature(snapshot.protocol, 'columnMapping'))
    throw invalid(snapshot, `columns can be ${what} only with the property delta.columnMapping.mode = name`)
}

function invalid(snapshot: Snapshot, problem: string) {
  return failure(TABLE_CHANGE_INVALID, { path: snapshot.path, problem })
}
