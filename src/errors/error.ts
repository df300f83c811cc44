import { redact } from './secrets.js'

/** Whether the same call may succeed later with nothing changed: `transient` failures are retried, `terminal` ones are not. */
export type Retry = 'transient' | 'terminal'

/** 1 the data failed; 2 usage or configuration; 3 run time; 75 transient, try again. */
export type ExitCode = 1 | 2 | 3 | 75

/** Where in a user's files the cause lies. `line` and `column` count from 1. */
export interface Place {
  readonly file?: string | undefined
  readonly line?: number | undefined
  readonly column?: number | undefined
}

/** One kind of failure. The code never changes once released. */
export interface ErrorDefinition<Facts extends object> {
  readonly code: string
  readonly retry: Retry
  readonly exit: ExitCode
  /** What happened, and where. */
  readonly message: (facts: Facts) => string
  /** What to do about it. */
  readonly hint: (facts: Facts) => string
}

export interface ErrorDocument {
  readonly code: string
  readonly message: string
  readonly hint: string
  readonly retry: Retry
  /** The exit code of a command that ends with it. */
  readonly exit: ExitCode
  readonly file?: string
  readonly line?: number
  readonly column?: number
}

const BRAND = Symbol.for('sluice.error')

/** Every failure Sluice tells a user about: a stable code, what happened, what to do, and whether trying again can help. */
export class SluiceError extends Error {
  readonly [BRAND] = true
  readonly code: string
  readonly hint: string
  readonly retry: Retry
  readonly exit: ExitCode
  readonly facts: object
  readonly place: Place

  constructor(
    definition: Omit<ErrorDefinition<never>, 'message' | 'hint'>,
    message: string,
    hint: string,
    facts: object,
    place: Place,
    cause: unknown,
  ) {
    super(redact(message), cause === undefined ? undefined : { cause })
    this.name = 'SluiceError'
    this.code = definition.code
    this.hint = hint
    this.retry = definition.retry
    this.exit = definition.exit
    this.facts = facts
    this.place = place
  }

  toJSON(): ErrorDocument {
    const { file, line, column } = this.place
    return {
      code: this.code,
      message: this.message,
      hint: this.hint,
      retry: this.retry,
      exit: this.exit,
      ...(file === undefined ? {} : { file }),
      ...(line === undefined ? {} : { line }),
      ...(column === undefined ? {} : { column }),
    }
  }
}

export function define<Facts extends object = Record<never, never>>(definition: ErrorDefinition<Facts>): ErrorDefinition<Facts> {
  return definition
}

/**
 * Makes the error that a definition describes; the failure underneath travels as `cause`.
 *
 * `throw failure(TABLE_NOT_FOUND, { path })`
 */
export function failure<Facts extends object>(
  definition: ErrorDefinition<Facts>,
  facts: Facts,
  about: { readonly place?: Place | undefined; readonly cause?: unknown } = {},
): SluiceError {
  return new SluiceError(definition, definition.message(facts), definition.hint(facts), facts, about.place ?? {}, about.cause)
}

/** Recognises our errors by brand, so that one thrown by another copy of the package is still ours. */
export function isSluiceError(value: unknown): value is SluiceError {
  return typeof value === 'object' && value !== null && BRAND in value
}

/** The text of whatever was thrown, without a stack. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
