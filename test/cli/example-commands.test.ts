import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { type Command, parseCommand } from '../../src/cli/command.js'
import { messageOf } from '../../src/errors/index.js'
import { repository } from '../fixtures.js'

const example = join(repository, 'examples/nyc-taxi')
const read = (path: string) => readFileSync(join(example, path), 'utf8')

interface Workflow {
  readonly jobs: Readonly<
    Record<string, { readonly steps: readonly { readonly name?: string; readonly run?: string; readonly uses?: string }[] }>
  >
}
const steps = Object.values((parse(read('ci/github-actions.yml')) as Workflow).jobs).flatMap((job) => job.steps)

/** `npx sluice run --var month="$MONTH"` is run, --var, month=$MONTH. What these files need of a shell: words, quotes and comments. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/(?:[^\s"'#]|"[^"]*"|'[^']*')+|#.*/g)]
    .map(([word]) => word)
    .filter((word) => !word.startsWith('#'))
    .map((word) => word.replaceAll(/["']/g, ''))
}

function commandsIn(shell: string): string[] {
  return shell
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /^(?:[A-Z_]+=\S+ )*(?:npx )?sluice /.test(line))
}

const inWorkflow = steps.flatMap(({ run = '' }) => commandsIn(run))
const inReadmes = ['README.md', 'stack/README.md'].flatMap((file) =>
  [...read(file).matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = '']) => commandsIn(block)),
)

/** Each command's file is called as the command is. */
const commands = new Map<string, Command>()
beforeAll(async () => {
  const folder = join(repository, 'src/cli/commands')
  const names = readdirSync(folder).flatMap((file) => (file.endsWith('.ts') ? [file.slice(0, -3)] : []))
  for (const name of names) {
    const all: Record<string, unknown> = await import(join(folder, `${name}.ts`))
    commands.set(name, all[name] as Command)
  }
})

const namesOf = (folder: string, pattern: RegExp) =>
  readdirSync(join(example, folder)).flatMap((file) => [...read(`${folder}/${file}`).matchAll(pattern)].map(([, name = '']) => name))
/** What a command's words may be besides its flags: a verb of its usage first, then names that the project has. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  sync: namesOf('syncs', /name: '(\w+)'/g),
  reconcile: namesOf('syncs', /name: '(\w+)'/g),
  anomaly: namesOf('anomalies', /anomalies\('(\w+)'/g),
  migrate: ['warehouse', 'documents'],
  test: ['warehouse', 'documents'],
}

function problemOf(line: string): string | undefined {
  const [name = '', ...words] = wordsOf(line.replace(/^(?:[A-Z_]+=\S+ )*(?:npx )?sluice /, ''))
  const command = commands.get(name)
  if (command === undefined) return `there is no command ${name}`
  try {
    const { values, positionals } = parseCommand(command, words)
    const unvalued = Object.entries(command.options).find(([option, { type }]) => type === 'string' && values[option] === '')
    if (unvalued !== undefined) return `--${unvalued[0]} has no value`
    const [verbs = ''] = command.usage.split(' ')
    const named = /^[a-z|]+$/.test(verbs)
    if (named && !verbs.split('|').includes(positionals[0] ?? '')) return `${name} takes ${verbs}`
    const known = NAMES[name]
    return known === undefined ? undefined : positionals.slice(named ? 1 : 0).find((one) => !known.includes(one))
  } catch (thrown) {
    return messageOf(thrown)
  }
}

describe('the taxi example', () => {
  test('has a workflow of thirteen steps, numbered, with what they made kept whatever happened', () => {
    const numbered = steps.flatMap(({ name = '' }) => /^(\d+)\. /.exec(name)?.[1] ?? [])
    expect(numbered.map(Number)).toEqual(Array.from({ length: 13 }, (_, index) => index + 1))
    expect(steps.at(-1)).toMatchObject({ uses: expect.stringMatching(/^actions\/upload-artifact@/), if: 'always()' })
  })

  test('keeps no secret in its workflow, its stack or what it serves as an example of their variables', () => {
    for (const file of [
      'ci/github-actions.yml',
      'stack/compose.yml',
      'stack/.env.example',
      'monitoring/grafana/provisioning/datasources/sluice.yml',
    ]) {
      const literal = read(file)
        .split('\n')
        .filter((line) => /^\s*-?\s*\w*(?:PASSWORD|SECRET|password)\w*\s*[:=]/.test(line))
        .filter((line) => !/[:=]\s*(?:\$\{\{ secrets\.\w+ \}\}|\$\{\w+:[?-].*\}|\$__env\{\w+\})?$/.test(line))
      expect(literal, file).toEqual([])
    }
  })

  test.each(inWorkflow)('runs in its workflow what there is: %s', (line) => {
    expect(problemOf(line)).toBeUndefined()
  })

  test.each([...new Set(inReadmes)])('tells of what there is: %s', (line) => {
    expect(problemOf(line)).toBeUndefined()
  })

  test.each([
    ['sluice fly', 'there is no command fly'],
    ['sluice migrate sideways', 'migrate takes up|status|check|down'],
    ['sluice sync trips_to_the_moon', 'trips_to_the_moon'],
    ['npx sluice run --varr rows=1', 'has no option "--varr"'],
  ])('would not pass with %s', (line, problem) => {
    expect(problemOf(line)).toContain(problem)
  })

  test('has a command of every kind in its workflow and its pages', () => {
    expect(inWorkflow.length).toBeGreaterThan(15)
    expect(inReadmes.length).toBeGreaterThan(20)
  })
})
