import { parseArgs } from 'node:util'
import { failure, USAGE_UNKNOWN_FLAG, USAGE_WRONG } from '../errors/index.js'
import { openWorkspace, type Workspace } from '../pipeline/index.js'
import type { Output } from './output.js'

export interface Option {
  readonly type: 'string' | 'boolean'
  readonly multiple?: boolean
  readonly short?: string
  /** In `--help`: `DIR`. */
  readonly value?: string
  readonly help: string
}

export type Values = Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>

export interface Invocation {
  readonly positionals: readonly string[]
  readonly values: Values
  readonly output: Output
  readonly signal: AbortSignal
  text(name: string): string | undefined
  texts(name: string): readonly string[]
  flag(name: string): boolean
  /** The project that the command is about. */
  workspace(): Promise<Workspace>
}

/** One command: what it is called, how, and what it does. Answers the exit code. */
export interface Command {
  readonly name: string
  readonly summary: string
  /** `<dataset>`, `ls|explain|replay|discard [dataset...]` */
  readonly usage: string
  readonly examples: readonly string[]
  readonly options: Readonly<Record<string, Option>>
  /** What more there is to know, shown by `--help`. */
  readonly details?: string
  run(invocation: Invocation): Promise<number>
}

/** What every command that touches a project takes. */
export const PROJECT_OPTIONS = {
  project: { type: 'string', value: 'DIR', help: 'the project (default: the nearest sluice.config.ts upwards)' },
  env: { type: 'string', value: 'NAME', help: 'the environment, one of those in sluice.config.ts' },
  var: { type: 'string', multiple: true, value: 'NAME=VALUE', help: "a variable's value; may be given several times" },
  lake: { type: 'string', value: 'PATH', help: "where the tables lie, instead of the project's own place" },
  'log-format': { type: 'string', value: 'pretty|json', help: 'progress for people, or one JSON document a line with trace ids' },
} as const satisfies Readonly<Record<string, Option>>

export const COMMON_OPTIONS = {
  json: { type: 'boolean', help: 'print one JSON document and nothing else' },
  help: { type: 'boolean', short: 'h', help: 'show this' },
} as const satisfies Readonly<Record<string, Option>>

/** Throws USAGE_UNKNOWN_FLAG, USAGE_WRONG. */
export function parseCommand(command: Command, words: readonly string[]): { values: Values; positionals: string[] } {
  const options = { ...command.options, ...COMMON_OPTIONS }
  const config = Object.fromEntries(
    Object.entries(options).map(([name, option]: [string, Option]) => [
      name,
      {
        type: option.type,
        ...(option.multiple === undefined ? {} : { multiple: option.multiple }),
        ...(option.short === undefined ? {} : { short: option.short }),
      },
    ]),
  )
  try {
    const { values, positionals } = parseArgs({ args: [...words], options: config, allowPositionals: true, strict: true })
    return { values, positionals }
  } catch (thrown) {
    const text = thrown instanceof Error ? thrown.message : String(thrown)
    const flag = /Unknown option '([^']+)'/.exec(text)?.[1]
    if (flag === undefined) throw failure(USAGE_WRONG, { command: command.name, problem: text.split('.')[0] ?? text })
    throw failure(USAGE_UNKNOWN_FLAG, { flag, command: command.name, known: Object.keys(options).map((name) => `--${name}`) })
  }
}

export function invocation(
  command: Command,
  parsed: { values: Values; positionals: string[] },
  output: Output,
  signal: AbortSignal,
): Invocation {
  const { values, positionals } = parsed
  const self: Invocation = {
    positionals,
    values,
    output,
    signal,
    text: (name) => (typeof values[name] === 'string' ? values[name] : undefined),
    texts: (name) => (Array.isArray(values[name]) ? values[name].map(String) : []),
    flag: (name) => values[name] === true,
    workspace() {
      const [project, environment, lake] = [self.text('project'), self.text('env'), self.text('lake')]
      return openWorkspace({
        ...(project === undefined ? {} : { project }),
        ...(environment === undefined ? {} : { environment }),
        ...(lake === undefined ? {} : { lake }),
        variables: Object.fromEntries(self.texts('var').map((text) => variableOf(command, text))),
        signal,
      })
    },
  }
  return self
}

function variableOf(command: Command, text: string): [string, string] {
  const at = text.indexOf('=')
  if (at <= 0) throw failure(USAGE_WRONG, { command: command.name, problem: `--var takes NAME=VALUE; "${text}" is not that.` })
  return [text.slice(0, at), text.slice(at + 1)]
}

export function helpText(command: Command): string {
  const options = Object.entries({ ...command.options, ...COMMON_OPTIONS }) as [string, Option][]
  const names = options.map(
    ([name, option]) =>
      `${option.short === undefined ? '' : `-${option.short}, `}--${name}${option.value === undefined ? '' : ` ${option.value}`}`,
  )
  const width = Math.max(...names.map((name) => name.length))
  return [
    `${command.summary}`,
    '',
    `  sluice ${command.name}${command.usage === '' ? '' : ` ${command.usage}`}`,
    '',
    ...(command.details === undefined ? [] : [command.details, '']),
    ...options.map(([, option], index) => `  ${(names[index] ?? '').padEnd(width)}  ${option.help}`),
    '',
    'For example',
    ...command.examples.map((example) => `  ${example}`),
    '',
  ].join('\n')
}

/** An option's whole number. Throws USAGE_WRONG. */
export function wholeNumber(command: Pick<Command, 'name'>, { text }: Pick<Invocation, 'text'>, name: string, otherwise: number): number {
  const given = text(name)
  if (given === undefined) return otherwise
  if (!/^\d+$/.test(given))
    throw failure(USAGE_WRONG, { command: command.name, problem: `--${name} takes a whole number; "${given}" is none.` })
  return Number(given)
}

/** Throws USAGE_WRONG when a word that the command needs is missing. */
export function requireWord(command: Command, value: string | undefined, what: string): string {
  if (value === undefined) throw failure(USAGE_WRONG, { command: command.name, problem: `It needs ${what}.` })
  return value
}
