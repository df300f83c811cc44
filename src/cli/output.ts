import { styleText } from 'node:util'
import { createLogger, type LogFacts } from '../observability/index.js'
import { Timestamp } from '../schema/index.js'

type Style = Parameters<typeof styleText>[0]

/** Where a command's words go: answers to stdout, progress to stderr. */
export interface Output {
  readonly json: boolean
  /** True when a person watches stderr: progress may be redrawn in place. */
  readonly interactive: boolean
  print(text: string): void
  document(value: unknown): void
  /** @param facts for `--log-format json`, beside the text */
  progress(text: string, facts?: LogFacts): void
  /** A line that the next one takes the place of; nothing when nobody watches. */
  transient(text: string): void
  style(style: Style, text: string): string
}

export type LogFormat = 'pretty' | 'json'

/** @param logFormat how progress is written: for people, or one JSON document a line, which is written beside `--json` too */
export function terminal(json: boolean, logFormat: LogFormat = 'pretty'): Output {
  const log = logFormat === 'json' ? createLogger({ format: 'json' }) : undefined
  const interactive =
    log === undefined && process.stderr.isTTY === true && process.env['NO_COLOR'] === undefined && process.env['CI'] === undefined
  const colours = process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined
  let drawn = false
  const clear = () => {
    if (drawn) process.stderr.write('\r\u001b[2K')
    drawn = false
  }
  return {
    json,
    interactive,
    print(text) {
      clear()
      process.stdout.write(`${text}\n`)
    },
    document: (value) => void process.stdout.write(`${JSON.stringify(value, plain, 2)}\n`),
    progress(text, facts) {
      clear()
      if (log !== undefined) log.info(text, facts)
      else if (!json) process.stderr.write(`${text}\n`)
    },
    transient(text) {
      if (!interactive || json) return
      clear()
      process.stderr.write(text.slice(0, (process.stderr.columns ?? 80) - 1))
      drawn = true
    },
    style: (style, text) => (colours ? styleText(style, text) : text),
  }
}

/** Values that JSON has no word for: 64-bit integers and decimals as text, bytes as base64, maps as objects. */
export function plain(this: unknown, key: string, given: unknown): unknown {
  // A Buffer has made itself an object by the time it comes here; its holder still has it.
  const held = typeof this === 'object' && this !== null ? (this as Readonly<Record<string, unknown>>)[key] : given
  const value = held instanceof Uint8Array ? held : given
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, one]) => [String(key), one]))
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  return value
}

/** A value for a table on a terminal or a CSV file. */
export function cellText(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (value instanceof Timestamp) return value.toString()
  return typeof value === 'object' ? JSON.stringify(value, plain) : String(value)
}

const NUMERIC = /^-?[\d,.]+( (ms|s|min|B|KiB|MiB|GiB))?$/

/** Columns in line, numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const shown = rows.map((row) => row.map((cell) => cell.replaceAll(/[\n\r\t]/g, ' ').slice(0, 80)))
  const widths = head.map((name, index) => Math.max(name.length, ...shown.map((row) => row[index]?.length ?? 0)))
  const right = head.map((_, index) => shown.length > 0 && shown.every((row) => row[index] === '' || NUMERIC.test(row[index] ?? '')))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, index) => (right[index] === true ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0)))
      .join('  ')
      .trimEnd()
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...shown.map(line)].join('\n')
}

export function count(value: number): string {
  return value.toLocaleString('en-US')
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1000)} s`
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h ${Math.floor((ms % 3_600_000) / 60_000)} min`
  return `${Math.floor(ms / 86_400_000)} d ${Math.floor((ms % 86_400_000) / 3_600_000)} h`
}

export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let size = value
  let unit = 0
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024
    unit++
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`
}
