import type { DataType, Field, PrimitiveKind } from '../schema/index.js'

const PRIMITIVES: Readonly<Record<string, PrimitiveKind>> = {
  VARCHAR: 'string',
  JSON: 'string',
  UUID: 'string',
  TIME: 'string',
  BIGINT: 'long',
  INTEGER: 'integer',
  SMALLINT: 'short',
  TINYINT: 'byte',
  UTINYINT: 'short',
  USMALLINT: 'integer',
  UINTEGER: 'long',
  FLOAT: 'float',
  DOUBLE: 'double',
  BOOLEAN: 'boolean',
  DATE: 'date',
  'TIMESTAMP WITH TIME ZONE': 'timestamp',
  TIMESTAMP: 'timestamp_ntz',
  TIMESTAMP_S: 'timestamp_ntz',
  TIMESTAMP_MS: 'timestamp_ntz',
  TIMESTAMP_NS: 'timestamp_ntz',
  BLOB: 'binary',
  '"NULL"': 'string',
}

/** Reads a type as DuckDB prints it in DESCRIBE: `STRUCT(a INTEGER, b VARCHAR[])`. Types Delta does not know become the nearest it does. */
export function parseSqlType(text: string): DataType {
  const trimmed = text.trim()
  if (trimmed.endsWith('[]')) return { kind: 'array', element: parseSqlType(trimmed.slice(0, -2)) }
  const fixedArray = /^(.*)\[\d+\]$/.exec(trimmed)
  if (fixedArray !== null) return { kind: 'array', element: parseSqlType(fixedArray[1] ?? '') }
  const primitive = PRIMITIVES[trimmed]
  if (primitive !== undefined) return { kind: primitive }
  const decimal = /^DECIMAL\((\d+),\s*(\d+)\)$/.exec(trimmed)
  if (decimal !== null) return { kind: 'decimal', precision: Number(decimal[1]), scale: Number(decimal[2]) }
  if (trimmed === 'HUGEINT') return { kind: 'decimal', precision: 38, scale: 0 }
  if (trimmed === 'UBIGINT') return { kind: 'decimal', precision: 20, scale: 0 }
  if (trimmed.startsWith('ENUM(')) return { kind: 'string' }
  if (trimmed.startsWith('MAP(')) {
    const [key = 'VARCHAR', value = 'VARCHAR'] = splitTopLevel(trimmed.slice(4, -1))
    return { kind: 'map', key: parseSqlType(key), value: parseSqlType(value) }
  }
  if (trimmed.startsWith('STRUCT(')) return { kind: 'struct', fields: splitTopLevel(trimmed.slice(7, -1)).map(parseStructField) }
  return { kind: 'string' }
}

function parseStructField(text: string): Field {
  const quoted = /^\s*"((?:[^"]|"")*)"\s+(.*)$/s.exec(text)
  if (quoted !== null) return { name: (quoted[1] ?? '').replaceAll('""', '"'), type: parseSqlType(quoted[2] ?? ''), nullable: true }
  const plain = /^\s*(\S+)\s+(.*)$/s.exec(text)
  return { name: plain?.[1] ?? text.trim(), type: parseSqlType(plain?.[2] ?? 'VARCHAR'), nullable: true }
}

function splitTopLevel(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let quoted = false
  let start = 0
  for (let index = 0; index < text.length; index++) {
    const character = text[index]
    if (character === '"') quoted = !quoted
    else if (quoted) continue
    else if (character === '(') depth++
    else if (character === ')') depth--
    else if (character === ',' && depth === 0) {
      parts.push(text.slice(start, index))
      start = index + 1
    }
  }
  parts.push(text.slice(start))
  return parts
}
