import { failure, type Place, SQL_VALUE_UNDEFINED } from '../errors/index.js'
import {
  type ChangedRelation,
  COLUMN_NAME,
  columnName,
  isChanged,
  isRelation,
  isSecret,
  isVariable,
  type Relation,
  readSecret,
  requiredValue,
  type Secret,
  type Timestamp,
  type Variable,
  type VariableValues,
} from '../schema/index.js'
import { callerPlace } from './caller.js'
import { literal, quoteName, type SqlValue } from './quote.js'

const SQL = Symbol.for('sluice.sql')

/** What may stand in a SQL template: relations, columns, variables, values, and SQL itself. */
export type SqlPart =
  | Relation
  | ChangedRelation
  | { readonly [COLUMN_NAME]: string }
  | Variable
  | Secret
  | Sql
  | string
  | number
  | bigint
  | boolean
  | null
  | Timestamp
  | Uint8Array

/** SQL with its inputs still references: relations get names, variables get values, when it is rendered. */
export interface Sql {
  readonly [SQL]: true
  readonly strings: readonly string[]
  readonly parts: readonly SqlPart[]
  /** Where in a user's file the template stands. */
  readonly place: Place
}

/**
 * SQL in which datasets become relations, columns quoted names, and values literals.
 *
 * ``sql`select * from ${trips} where fare_amount > ${vars.limit}` `` renders as `select * from "silver.trips" where fare_amount > 6`,
 * and makes the lineage: the dataset it fills reads silver.trips. Backslashes stand for themselves, as patterns want them.
 */
export function sql(strings: TemplateStringsArray, ...parts: readonly SqlPart[]): Sql {
  const absent = (parts as readonly unknown[]).indexOf(undefined)
  if (absent >= 0) throw failure(SQL_VALUE_UNDEFINED, { number: absent + 1 }, { place: callerPlace(sql) })
  return {
    [SQL]: true,
    strings: strings.raw.map((string) => string.replaceAll('\\`', '`').replaceAll('\\${', '${')),
    parts,
    place: callerPlace(sql),
  }
}

/** SQL text as it is, with no reference in it. */
export function rawSql(text: string): Sql {
  return { [SQL]: true, strings: [text], parts: [], place: {} }
}

export function isSql(value: unknown): value is Sql {
  return typeof value === 'object' && value !== null && SQL in value
}

export interface SqlContext {
  readonly relation: (relation: Relation) => string
  readonly changed: (relation: Relation) => string
  readonly values: VariableValues
  /** `named` for SQL that people see or records keep: a secret stands there as `env(NAME)`. */
  readonly secrets: 'read' | 'named'
}

/** Rendered SQL, and for each of its pieces where it came from. */
export interface RenderedSql {
  readonly text: string
  readonly pieces: readonly { readonly start: number; readonly template: Sql; readonly index: number }[]
}

/** Throws VARIABLE_NOT_SET for a variable without a value. */
export function renderSql(template: Sql, context: SqlContext): RenderedSql {
  const pieces: { start: number; template: Sql; index: number }[] = []
  let text = ''
  const add = (one: Sql) => {
    one.strings.forEach((string, index) => {
      pieces.push({ start: text.length, template: one, index })
      text += string
      const part = one.parts[index]
      if (index >= one.parts.length) return
      if (isSql(part)) add(part)
      else text += renderPart(part as Exclude<SqlPart, Sql>, context)
    })
  }
  add(template)
  return { text, pieces }
}

function renderPart(part: Exclude<SqlPart, Sql>, context: SqlContext): string {
  if (isRelation(part)) return context.relation(part)
  if (isChanged(part)) return context.changed(part.relation)
  if (isVariable(part)) return literal(requiredValue(part, context.values))
  if (isSecret(part)) return context.secrets === 'read' ? literal(readSecret(part)) : `env(${part.name})`
  const name = columnName(part)
  return name === undefined ? literal(part as SqlValue) : quoteName(name)
}

export interface SqlInputs {
  readonly relations: readonly Relation[]
  readonly changed: readonly Relation[]
  readonly variables: readonly Variable[]
}

/** What a template refers to, each once. */
export function sqlInputs(template: Sql): SqlInputs {
  const relations = new Map<string, Relation>()
  const changed = new Map<string, Relation>()
  const variables = new Map<string, Variable>()
  const visit = (one: Sql) => {
    for (const part of one.parts) {
      if (isSql(part)) visit(part)
      else if (isRelation(part)) relations.set(part.name, part)
      else if (isChanged(part)) changed.set(part.relation.name, part.relation)
      else if (isVariable(part)) variables.set(part.name, part)
    }
  }
  visit(template)
  return { relations: [...relations.values()], changed: [...changed.values()], variables: [...variables.values()] }
}

/** The template and the offset in its own text (string number, offset in that string) behind an offset in the rendered text. */
export function sourceOf(rendered: RenderedSql, offset: number): { template: Sql; index: number; offset: number } | undefined {
  const piece = rendered.pieces.findLast((one) => one.start <= offset)
  if (piece === undefined) return undefined
  const length = piece.template.strings[piece.index]?.length ?? 0
  return { template: piece.template, index: piece.index, offset: Math.min(offset - piece.start, length) }
}
