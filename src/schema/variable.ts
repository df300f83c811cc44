import { failure, keepSecret, SECRET_NOT_SET, VARIABLE_INVALID, VARIABLE_NOT_SET, VARIABLE_UNKNOWN } from '../errors/index.js'

export const VARIABLE = Symbol.for('sluice.variable')
const SECRET = Symbol.for('sluice.secret')

export type VariableKind = 'string' | 'path' | 'integer' | 'number' | 'boolean' | 'date'
export type VariableValue = string | number | boolean

export interface VariableOptions<Value extends VariableValue> {
  readonly default?: Value
  readonly description?: string
}

/** A typed, named input of a project: a reference in definitions, a value when a command runs. */
export interface Variable<Value extends VariableValue = VariableValue> {
  readonly [VARIABLE]: true
  readonly name: string
  readonly kind: VariableKind
  readonly default?: Value
  readonly description: string
}

/** Given values by variable name. */
export type VariableValues = Readonly<Record<string, VariableValue>>

function declare<Value extends VariableValue>(kind: VariableKind) {
  return (options: VariableOptions<Value> = {}): Variable<Value> => ({
    [VARIABLE]: true,
    name: '',
    kind,
    description: options.description ?? '',
    ...(options.default === undefined ? {} : { default: options.default }),
  })
}

export const variable = {
  string: declare<string>('string'),
  /** A path or glob: relative to the current folder on the command line, to the project in a definition. */
  path: declare<string>('path'),
  integer: declare<number>('integer'),
  number: declare<number>('number'),
  boolean: declare<boolean>('boolean'),
  /** 'YYYY-MM-DD' */
  date: declare<string>('date'),
}

/**
 * Names a project's variables.
 *
 * `const vars = variables({ max_trip_hours: variable.integer({ default: 6 }) })` makes `${vars.max_trip_hours}` usable in SQL
 * and `--var max_trip_hours=48` on the command line.
 */
export function variables<const V extends Readonly<Record<string, Variable>>>(declared: V): V {
  return Object.fromEntries(Object.entries(declared).map(([name, one]) => [name, { ...one, name }])) as unknown as V
}

export function isVariable(value: unknown): value is Variable {
  return typeof value === 'object' && value !== null && VARIABLE in value
}

const KIND_TEXT: Record<VariableKind, string> = {
  string: 'text',
  path: 'a path',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  date: 'a date (YYYY-MM-DD)',
}

function invalid(one: Variable, value: string): Error {
  return failure(VARIABLE_INVALID, { name: one.name, type: KIND_TEXT[one.kind], value })
}

/** Reads a value from the command line's text. Throws VARIABLE_INVALID. */
export function parseVariable(one: Variable, text: string): VariableValue {
  switch (one.kind) {
    case 'integer':
      if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(Number(text))) throw invalid(one, text)
      return Number(text)
    case 'number':
      if (text.trim() === '' || !Number.isFinite(Number(text))) throw invalid(one, text)
      return Number(text)
    case 'boolean':
      if (text !== 'true' && text !== 'false') throw invalid(one, text)
      return text === 'true'
    case 'date':
      if (!isDate(text)) throw invalid(one, text)
      return text
    default:
      return text
  }
}

export function isDate(text: string): boolean {
  return (
    /^\d{4}-\d{2}-\d{2}$/.test(text) &&
    !Number.isNaN(Date.parse(`${text}T00:00:00Z`)) &&
    new Date(`${text}T00:00:00Z`).toISOString().startsWith(text)
  )
}

/** A variable's value: what was given, else its default, else undefined. */
export function givenValue(one: Variable, values: VariableValues): VariableValue | undefined {
  return values[one.name] ?? one.default
}

/** As `givenValue`, but a variable without a value is VARIABLE_NOT_SET. */
export function requiredValue(one: Variable, values: VariableValues): VariableValue {
  const value = givenValue(one, values)
  if (value === undefined) throw failure(VARIABLE_NOT_SET, { name: one.name })
  return value
}

/** Checks values given by name against the declared variables. Throws VARIABLE_UNKNOWN, VARIABLE_INVALID. */
export function parseVariables(declared: Readonly<Record<string, Variable>>, given: Readonly<Record<string, string>>): VariableValues {
  return Object.fromEntries(
    Object.entries(given).map(([name, text]) => {
      const one = Object.hasOwn(declared, name) ? declared[name] : undefined
      if (one === undefined) throw failure(VARIABLE_UNKNOWN, { name, known: Object.keys(declared) })
      return [name, parseVariable(one, text)]
    }),
  )
}

/** A secret from the environment, read at first use and never printed. */
export interface Secret {
  readonly [SECRET]: true
  readonly name: string
}

/** `mysql({ url: env('MYSQL_URL') })` reads MYSQL_URL when the store is first opened; it is printed as `env(MYSQL_URL)`. */
export function env(name: string): Secret {
  return { [SECRET]: true, name }
}

export function isSecret(value: unknown): value is Secret {
  return typeof value === 'object' && value !== null && SECRET in value
}

/** Throws SECRET_NOT_SET. */
export function readSecret(secret: Secret, environment: Readonly<Record<string, string | undefined>> = process.env): string {
  const value = environment[secret.name]
  if (value === undefined || value === '') throw failure(SECRET_NOT_SET, { name: secret.name })
  keepSecret(secret.name, value)
  return value
}
