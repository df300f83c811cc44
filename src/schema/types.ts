/** The column types a Delta table knows. */
export type PrimitiveKind =
  | 'string'
  | 'long'
  | 'integer'
  | 'short'
  | 'byte'
  | 'float'
  | 'double'
  | 'boolean'
  | 'date'
  /** An instant, kept in UTC. */
  | 'timestamp'
  /** A wall-clock reading without a zone. */
  | 'timestamp_ntz'
  | 'binary'

export interface PrimitiveType {
  readonly kind: PrimitiveKind
}
export interface DecimalType {
  readonly kind: 'decimal'
  readonly precision: number
  readonly scale: number
}
export interface StructType {
  readonly kind: 'struct'
  readonly fields: readonly Field[]
}
export interface ArrayType {
  readonly kind: 'array'
  readonly element: DataType
}
export interface MapType {
  readonly kind: 'map'
  readonly key: DataType
  readonly value: DataType
}
export type DataType = PrimitiveType | DecimalType | StructType | ArrayType | MapType

/** A named, typed place in a row. */
export interface Field {
  readonly name: string
  readonly type: DataType
  readonly nullable: boolean
  /** What data files call it, where that is not its name (Delta's column mapping). */
  readonly stored?: StoredAs
}

export interface StoredAs {
  readonly name: string
  readonly id?: number
  /** Files are matched by the id, whatever they call the column. */
  readonly byId?: boolean
}

/** The column as data files have it: under column mapping, by its stored names all the way down. */
export function storedField(field: Field): Field {
  return { name: field.stored?.name ?? field.name, type: storedType(field.type), nullable: field.nullable }
}

function storedType(type: DataType): DataType {
  if (type.kind === 'struct') return { kind: 'struct', fields: type.fields.map(storedField) }
  if (type.kind === 'array') return { kind: 'array', element: storedType(type.element) }
  if (type.kind === 'map') return { kind: 'map', key: storedType(type.key), value: storedType(type.value) }
  return type
}

/** The type as a person writes it: `decimal(10,2)`, `array<string>`, `struct<a: long>`. */
export function typeText(type: DataType): string {
  switch (type.kind) {
    case 'decimal':
      return `decimal(${type.precision},${type.scale})`
    case 'array':
      return `array<${typeText(type.element)}>`
    case 'map':
      return `map<${typeText(type.key)}, ${typeText(type.value)}>`
    case 'struct':
      return `struct<${type.fields.map((field) => `${field.name}: ${typeText(field.type)}`).join(', ')}>`
    default:
      return type.kind
  }
}

export function sameType(left: DataType, right: DataType): boolean {
  return typeText(left) === typeText(right)
}

const INTEGER_RANK: Partial<Record<DataType['kind'], number>> = { byte: 1, short: 2, integer: 3, long: 4 }
const INTEGER_DIGITS: Partial<Record<DataType['kind'], number>> = { byte: 3, short: 5, integer: 10, long: 19 }

/** Whether every value of `from` is exactly a value of `to`: short to long, integer to double, decimal(5,2) to decimal(10,2). */
export function widens(from: DataType, to: DataType): boolean {
  if (sameType(from, to)) return true
  const fromRank = INTEGER_RANK[from.kind]
  const toRank = INTEGER_RANK[to.kind]
  if (fromRank !== undefined && toRank !== undefined) return fromRank <= toRank
  if (fromRank !== undefined && to.kind === 'double') return fromRank <= 3
  if (from.kind === 'float') return to.kind === 'double'
  if (to.kind === 'decimal') {
    const digits = INTEGER_DIGITS[from.kind]
    if (digits !== undefined) return to.precision - to.scale >= digits
    if (from.kind === 'decimal') return to.scale >= from.scale && to.precision - to.scale >= from.precision - from.scale
  }
  if (from.kind === 'array' && to.kind === 'array') return widens(from.element, to.element)
  if (from.kind === 'map' && to.kind === 'map') return widens(from.key, to.key) && widens(from.value, to.value)
  if (from.kind === 'struct' && to.kind === 'struct') {
    return from.fields.every((field) => {
      const target = to.fields.find((other) => other.name === field.name)
      return target !== undefined && widens(field.type, target.type)
    })
  }
  return false
}

/** An instant, or a reading of a clock. */
export function isTime({ kind }: DataType): boolean {
  return kind === 'timestamp' || kind === 'timestamp_ntz'
}

export function isNumber(type: DataType): boolean {
  return INTEGER_RANK[type.kind] !== undefined || type.kind === 'double' || type.kind === 'float' || type.kind === 'decimal'
}
