import { quoteName, type Session, sqlType } from '../engine/index.js'
import { failure, TABLE_FEATURE_UNSUPPORTED } from '../errors/index.js'
import type { Field } from '../schema/index.js'
import type { Metadata } from './log/actions.js'
import { parseStruct, walkSchema } from './log/schema-json.js'

/** A condition that every row of a table meets. */
export interface Check {
  readonly name: string
  /** As the table keeps it: Spark's SQL. */
  readonly expression: string
  /** As the engine takes it. */
  readonly sql: string
}

const PREFIX = 'delta.constraints.'

export function hasChecks({ metadata }: { readonly metadata: Metadata }): boolean {
  return Object.keys(metadata.configuration).some((key) => key.startsWith(PREFIX)) || metadata.schemaString.includes('delta.invariants')
}

/**
 * The CHECK constraints and column invariants of a table. A row for which one is false or null is refused, as Spark does.
 * Source: the Delta protocol, "CHECK Constraints" and "Column Invariants". Throws TABLE_FEATURE_UNSUPPORTED for one that the engine cannot evaluate.
 */
export async function checksOf(
  session: Session,
  { path, fields, metadata }: { readonly path: string; readonly fields: readonly Field[]; readonly metadata: Metadata },
): Promise<Check[]> {
  const named = Object.entries(metadata.configuration).flatMap(([key, expression]): Check[] =>
    key.startsWith(PREFIX) ? [{ name: key.slice(PREFIX.length), expression, sql: fromSpark(expression) }] : [],
  )
  const invariants = [...walkSchema(parseStruct(metadata.schemaString).fields)].flatMap(([column, field]): Check[] => {
    const kept = field.metadata?.['delta.invariants']
    const expression = typeof kept === 'string' ? invariantOf(kept) : undefined
    return expression === undefined ? [] : [{ name: column.join('.'), expression, sql: fromSpark(expression) }]
  })
  const checks = [...named, ...invariants]
  const row = fields.map((field) => `NULL::${sqlType(field.type)} AS ${quoteName(field.name)}`).join(', ')
  for (const { name, expression, sql } of checks) {
    await session.describe(`SELECT (${sql})::BOOLEAN AS holds FROM (SELECT ${row})`).catch((cause: unknown) => {
      throw failure(TABLE_FEATURE_UNSUPPORTED, { path, features: [`the constraint ${name} (${expression})`], access: 'write' }, { cause })
    })
  }
  return checks
}

function invariantOf(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { expression?: { expression?: string } }).expression?.expression
  } catch {
    return text
  }
}

/** Spark quotes names with backticks and takes "text" for text. */
export function fromSpark(expression: string): string {
  return expression.replace(/'(?:[^'\\]|\\.|'')*'|`((?:[^`]|``)*)`|"((?:[^"\\]|\\.)*)"/g, (whole, name?: string, text?: string) => {
    if (name !== undefined) return quoteName(name.replaceAll('``', '`'))
    return text === undefined ? whole : `'${text.replaceAll("'", "''")}'`
  })
}
