import { quoteName, type Session, sqlType } from '../engine/index.js'
import { failure, TABLE_FEATURE_UNSUPPORTED } from '../errors/index.js'
import type { Field } from '../schema/index.js'
import type { Metadata } from './log/actions.js'
import { type JsonType, parseStruct, walkSchema } from './log/schema-json.js'

/** A condition that every row of a table meets. */
export interface Check {
  readonly name: string
  /** As the table keeps it: Spark's SQL. */
  readonly expression: string
  /** As the engine takes it. */
  readonly sql: string
}

const PREFIX = 'delta.constraints.'

export function hasChecks({ metadata: { configuration, schemaString } }: { readonly metadata: Metadata }): boolean {
  if (Object.keys(configuration).some((key) => key.startsWith(PREFIX)) || schemaString.includes('delta.invariants')) return true
  return [...walkSchema(parseStruct(schemaString).fields)].some(
    ([path, field]) => (path.length > 1 && !field.nullable) || holdsNoNulls(field.type),
  )
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
  for (const check of [...named, ...invariants]) {
    const unlike = (await session.functions(check.sql).catch(() => [])).find((name) => !SAME_IN_SPARK.has(name.toLowerCase()))
    if (unlike !== undefined) throw unevaluated(path, check)
  }
  const checks = [...named, ...invariants, ...nestedNotNull(path, metadata)]
  const row = fields.map((field) => `NULL::${sqlType(field.type)} AS ${quoteName(field.name)}`).join(', ')
  for (const check of checks) {
    await session.describe(`SELECT (${check.sql})::BOOLEAN AS holds FROM (SELECT ${row})`).catch((cause: unknown) => {
      throw unevaluated(path, check, cause)
    })
  }
  return checks
}

function unevaluated(path: string, { name, expression }: Check, cause?: unknown) {
  return failure(TABLE_FEATURE_UNSUPPORTED, { path, features: [`the constraint ${name} (${expression})`], access: 'write' }, { cause })
}

/** What the engine and Spark mean by the same name; of others, like `dayofweek`, `log` and `concat`, each has a view of its own. */
const SAME_IN_SPARK = new Set(
  '+ - * / % ~~ !~~ length lower upper abs coalesce year month day hour minute second floor ceil ceiling sqrt least greatest nullif isnan'.split(
    ' ',
  ),
)

/** NOT NULL below the top level, which statistics do not tell of. */
function nestedNotNull(path: string, { schemaString }: Metadata): Check[] {
  const check = (at: readonly string[], sql: string): Check => ({ name: 'NOT NULL', expression: at.join('.'), sql })
  return [...walkSchema(parseStruct(schemaString).fields)].flatMap(([at, field]) => {
    const inside = at.some(
      (name, index) => index < at.length - 1 && ['element', 'key', 'value'].includes(name) && isContainer(schemaString, at.slice(0, index)),
    )
    const required = at.length > 1 && !field.nullable
    if (inside && (required || holdsNoNulls(field.type)))
      throw failure(TABLE_FEATURE_UNSUPPORTED, { path, features: [`NOT NULL inside an array or map (${at.join('.')})`], access: 'write' })
    const sql = at.map(quoteName).join('.')
    const parent = at.slice(0, -1).map(quoteName).join('.')
    return [
      ...(required ? [check(at, `(${parent} IS NULL OR ${sql} IS NOT NULL)`)] : []),
      ...(holdsNoNulls(field.type) ? [check([...at, '*'], noNullIn(sql, field.type))] : []),
    ]
  })
}

function isContainer(schemaString: string, at: readonly string[]): boolean {
  const found = [...walkSchema(parseStruct(schemaString).fields)].find(([path]) => path.join('\n') === at.join('\n'))?.[1].type
  return typeof found === 'object' && found.type !== 'struct'
}

function holdsNoNulls(type: JsonType): boolean {
  return (
    typeof type === 'object' &&
    ((type.type === 'array' && type.containsNull === false) || (type.type === 'map' && type.valueContainsNull === false))
  )
}

function noNullIn(sql: string, type: JsonType): string {
  const list = typeof type === 'object' && type.type === 'map' ? `map_values(${sql})` : sql
  return `(${sql} IS NULL OR len(list_filter(${list}, lambda x: x IS NULL)) = 0)`
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
