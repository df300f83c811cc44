import { isSluiceError, messageOf, redact } from '../errors/index.js'
import { activeTrace } from './span.js'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogFacts = Readonly<Record<string, unknown>>

export interface LoggerOptions {
  /** One JSON document a line for machines, or one readable line for people. `json` unless told. */
  readonly format?: 'pretty' | 'json'
  /** Gets each line with its end. The process's standard error unless told, so that what a command answers stays apart. */
  readonly write?: (line: string) => void
  /** The least that is written; `info` unless told. */
  readonly level?: LogLevel
}

export interface Logger {
  debug(message: string, facts?: LogFacts): void
  info(message: string, facts?: LogFacts): void
  warn(message: string, facts?: LogFacts): void
  error(message: string, facts?: LogFacts): void
  /** A logger whose every line has these facts too. */
  with(facts: LogFacts): Logger
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/**
 * `logger.info('committed', { table: 'silver.trips', rows: 120 })` writes
 * `{"time":"2024-05-01T06:00:00.000Z","level":"info","message":"committed","table":"silver.trips","rows":120}`, and `trace_id` and `span_id`
 * where a span runs. Values of secrets are never written.
 */
export function createLogger({ format = 'json', write = toStandardError, level = 'info' }: LoggerOptions = {}): Logger {
  const line = format === 'json' ? jsonLine : prettyLine
  const least = LEVELS.indexOf(level)
  const loggerWith = (known: LogFacts): Logger => {
    const at = (own: LogLevel) =>
      LEVELS.indexOf(own) < least
        ? () => {}
        : (message: string, facts: LogFacts = {}) => write(`${line(entryOf(own, message, { ...known, ...facts }))}\n`)
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      with: (facts) => loggerWith({ ...known, ...facts }),
    }
  }
  return loggerWith({})
}

interface Entry {
  readonly time: string
  readonly level: LogLevel
  readonly message: string
  readonly facts: LogFacts
}

/** What a line says itself; a fact of the same name is kept under another. */
const OWN_NAMES = new Set(['time', 'level', 'message', 'trace_id', 'span_id'])

function entryOf(level: LogLevel, message: string, given: LogFacts): Entry {
  const trace = activeTrace()
  const facts = Object.entries(given).map(([name, value]) => [OWN_NAMES.has(name) ? `fact_${name}` : name, plain(value, new Set())])
  return {
    time: new Date().toISOString(),
    level,
    message: redact(message),
    facts: { ...Object.fromEntries(facts), ...(trace === undefined ? {} : { trace_id: trace.traceId, span_id: trace.spanId }) },
  }
}

function jsonLine({ time, level, message, facts }: Entry): string {
  return JSON.stringify({ time, level, message, ...facts })
}

function prettyLine({ time, level, message, facts }: Entry): string {
  const said = Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(
      ([name, value]) =>
        `  ${name}=${typeof value === 'string' && !/[\s"=]/.test(value) ? printable(value) : printable(JSON.stringify(value))}`,
    )
  return `${time.slice(11, 23)} ${level.padEnd(5)} ${printable(message)}${said.join('')}`
}

/** One line stays one line, and no text writes to the terminal as if it were a program. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** As JSON can say it: errors by what they tell, big numbers in digits, each text without secrets, and no circle. */
function plain(value: unknown, above: Set<object>): unknown {
  if (typeof value === 'string') return redact(value)
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  if (typeof value === 'function' || typeof value === 'symbol') return undefined
  if (typeof value !== 'object' || value === null) return value
  if (above.has(value)) return '[circular]'
  const within = new Set(above).add(value)
  if (value instanceof Error) return plain(isSluiceError(value) ? value.toJSON() : { name: value.name, message: messageOf(value) }, within)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
  if (Array.isArray(value)) return value.map((one) => plain(one, within) ?? null)
  if (value instanceof Map) return plain(Object.fromEntries(value), within)
  if (value instanceof Set) return plain([...value], within)
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one, within)]))
}

function toStandardError(line: string): void {
  process.stderr.write(line)
}
