import type { DataType, Field, PrimitiveKind } from '../../schema/index.js'

/** The schema as Delta keeps it: Spark's JSON of a StructType. Source: the Delta protocol, "Schema Serialization Format". */

interface JsonField {
  readonly name: string
  readonly type: JsonType
  readonly nullable: boolean
  readonly metadata: Readonly<Record<string, unknown>>
}
type JsonType =
  | string
  | { readonly type: 'struct'; readonly fields: readonly JsonField[] }
  | { readonly type: 'array'; readonly elementType: JsonType; readonly containsNull: boolean }
  | { readonly type: 'map'; readonly keyType: JsonType; readonly valueType: JsonType; readonly valueContainsNull: boolean }

/** `comments` go into each column's metadata, where Spark shows them in DESCRIBE. */
export function formatSchema(fields: readonly Field[], comments: Readonly<Record<string, string>> = {}): string {
  const json = fields.map((field) => ({ ...formatField(field), metadata: comments[field.name] ? { comment: comments[field.name] } : {} }))
  return JSON.stringify({ type: 'struct', fields: json })
}

function formatField(field: Field): JsonField {
  return { name: field.name, type: formatType(field.type), nullable: field.nullable, metadata: {} }
}

function formatType(type: DataType): JsonType {
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

/** Column comments by name. */
export function commentsOf(text: string): Record<string, string> {
  const { fields } = JSON.parse(text) as { fields: readonly JsonField[] }
  return Object.fromEntries(
    fields.flatMap(({ name, metadata }) => (typeof metadata?.['comment'] === 'string' ? [[name, metadata['comment']]] : [])),
  )
}

/** Throws a plain Error that names the type when it is none that Delta had when this was written. */
export function parseSchema(text: string): Field[] {
  const json = JSON.parse(text) as { fields: readonly JsonField[] }
  return json.fields.map(parseField)
}

function parseField(field: JsonField): Field {
  return { name: field.name, type: parseType(field.type), nullable: field.nullable }
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

function parseType(json: JsonType): DataType {
  if (typeof json !== 'string') {
    switch (json.type) {
      case 'struct':
        return { kind: 'struct', fields: json.fields.map(parseField) }
      case 'array':
        return { kind: 'array', element: parseType(json.elementType) }
      case 'map':
        return { kind: 'map', key: parseType(json.keyType), value: parseType(json.valueType) }
    }
  }
  if (PRIMITIVES.has(json)) return { kind: json as PrimitiveKind }
  const decimal = /^decimal\((\d+),\s*(-?\d+)\)$/.exec(json)
  if (decimal !== null) return { kind: 'decimal', precision: Number(decimal[1]), scale: Number(decimal[2]) }
  if (json === 'decimal') return { kind: 'decimal', precision: 10, scale: 0 }
  throw new Error(`the column type "${json}" is not known`)
}
