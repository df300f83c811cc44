import type { DataType, Field, PrimitiveKind } from '../../schema/index.js'

/** The schema as Delta keeps it: Spark's JSON of a StructType. Source: the Delta protocol, "Schema Serialization Format". */

export interface JsonField {
  readonly name: string
  readonly type: JsonType
  readonly nullable: boolean
  readonly metadata: Readonly<Record<string, unknown>>
}
export interface JsonStruct {
  readonly type: 'struct'
  readonly fields: readonly JsonField[]
}
export type JsonType =
  | string
  | JsonStruct
  | { readonly type: 'array'; readonly elementType: JsonType; readonly containsNull: boolean }
  | { readonly type: 'map'; readonly keyType: JsonType; readonly valueType: JsonType; readonly valueContainsNull: boolean }

/** `comments` go into each column's metadata, where Spark shows them in DESCRIBE. */
export function formatSchema(fields: readonly Field[], comments: Readonly<Record<string, string>> = {}): string {
  const json = fields.map((field) => ({ ...formatField(field), metadata: comments[field.name] ? { comment: comments[field.name] } : {} }))
  return JSON.stringify({ type: 'struct', fields: json })
}

export function formatField(field: Field): JsonField {
  return { name: field.name, type: formatType(field.type), nullable: field.nullable, metadata: {} }
}

export function formatType(type: DataType): JsonType {
  switch (type.kind) {
    case 'decimal':
      return `decimal(${type.precision},${type.scale})`
    case 'struct':
      return { type: 'struct', fields: type.fields.map(formatField) }
    case 'array':
      return { type: 'array', elementType: formatType(type.element), containsNull: true }
    case 'map':
      return { type: 'map', keyType: formatType(type.key), valueType: formatType(type.value), valueContainsNull: true }
    default:
      return type.kind
  }
}

export type ColumnMapping = 'none' | 'name' | 'id'

/**
 * The columns, with what data files call them under column mapping. A `void` column is one of text without values.
 * Throws a plain Error that names the type when it is none that Delta had when this was written.
 */
export function parseSchema(text: string, mapping: ColumnMapping = 'none'): Field[] {
  return parseStruct(text).fields.map((field) => parseField(field, mapping))
}

/** The schema as its JSON: what changes a table's columns works on it, so that all that other writers put there stays. */
export function parseStruct(text: string): JsonStruct {
  const json = JSON.parse(text) as JsonStruct
  if (json?.type !== 'struct' || !Array.isArray(json.fields)) throw new Error('the schema is no struct')
  return json
}

/** Every field with its path, nested ones too; `element`, `key` and `value` stand for what is in arrays and maps. */
export function* walkSchema(
  fields: readonly JsonField[],
  above: readonly string[] = [],
): Generator<readonly [readonly string[], JsonField]> {
  for (const field of fields) {
    yield [[...above, field.name], field]
    yield* walkType(field.type, [...above, field.name])
  }
}

function* walkType(type: JsonType, path: readonly string[]): Generator<readonly [readonly string[], JsonField]> {
  if (typeof type === 'string') return
  if (type.type === 'struct') yield* walkSchema(type.fields, path)
  else if (type.type === 'array') yield* walkType(type.elementType, [...path, 'element'])
  else {
    yield* walkType(type.keyType, [...path, 'key'])
    yield* walkType(type.valueType, [...path, 'value'])
  }
}

/** The same schema with each field made anew, from the leaves up. */
export function mapSchema(
  fields: readonly JsonField[],
  change: (field: JsonField, path: readonly string[]) => JsonField | undefined,
  above: readonly string[] = [],
): JsonField[] {
  return fields.flatMap((field) => {
    const path = [...above, field.name]
    return change({ ...field, type: mapType(field.type, change, path) }, path) ?? []
  })
}

function mapType(
  type: JsonType,
  change: (field: JsonField, path: readonly string[]) => JsonField | undefined,
  path: readonly string[],
): JsonType {
  if (typeof type === 'string') return type
  if (type.type === 'struct') return { ...type, fields: mapSchema(type.fields, change, path) }
  if (type.type === 'array') return { ...type, elementType: mapType(type.elementType, change, [...path, 'element']) }
  return {
    ...type,
    keyType: mapType(type.keyType, change, [...path, 'key']),
    valueType: mapType(type.valueType, change, [...path, 'value']),
  }
}

function parseField(field: JsonField, mapping: ColumnMapping): Field {
  if (typeof field.name !== 'string') throw new Error('a column has no name')
  const type = parseType(field.type, mapping)
  const name = field.metadata?.['delta.columnMapping.physicalName']
  const id = field.metadata?.['delta.columnMapping.id']
  const stored =
    mapping === 'none' || typeof name !== 'string'
      ? undefined
      : { name, ...(typeof id === 'number' ? { id } : {}), ...(mapping === 'id' ? { byId: true } : {}) }
  return { name: field.name, type, nullable: field.nullable, ...(stored === undefined ? {} : { stored }) }
}

const PRIMITIVES = new Set<string>([
  'string',
  'long',
  'integer',
  'short',
  'byte',
  'float',
  'double',
  'boolean',
  'date',
  'timestamp',
  'timestamp_ntz',
  'binary',
])

function parseType(json: JsonType, mapping: ColumnMapping): DataType {
  if (typeof json !== 'string') {
    switch (json.type) {
      case 'struct':
        return { kind: 'struct', fields: json.fields.map((field) => parseField(field, mapping)) }
      case 'array':
        return { kind: 'array', element: parseType(json.elementType, mapping) }
      case 'map':
        return { kind: 'map', key: parseType(json.keyType, mapping), value: parseType(json.valueType, mapping) }
    }
  }
  if (PRIMITIVES.has(json)) return { kind: json as PrimitiveKind }
  const decimal = /^decimal\((\d+),\s*(-?\d+)\)$/.exec(json)
  if (decimal !== null) return { kind: 'decimal', precision: Number(decimal[1]), scale: Number(decimal[2]) }
  if (json === 'void' || json === 'null') return { kind: 'string' }
  if (json === 'decimal') return { kind: 'decimal', precision: 10, scale: 0 }
  throw new Error(`the column type "${json}" is not known`)
}
