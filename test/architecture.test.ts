import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

/**
 * The floors of the house. A folder of src imports only from lower floors. Folders on one floor are strangers:
 * they never import each other, and `pipeline` introduces them.
 */
const floors: readonly (readonly string[])[] = [
  /* 0 */ ['errors'],
  /* 1 */ ['schema', 'observability'],
  /* 2 */ ['storage', 'engine'],
  /* 3 */ ['table', 'lineage'],
  /* 4 */ ['journal', 'stream', 'quality', 'anomaly', 'stores'],
  /* 5 */ ['sources', 'sync', 'reconciliation', 'monitoring'],
  /* 6 */ ['pipeline', 'report', 'testing'],
  /* 7 */ ['deploy'],
  /* 8 */ ['console', 'verify'],
  /* 9 */ ['cli', 'index.ts', 'metrics.ts'],
]

/** Names that say nothing about what is inside, and so end up holding everything. */
const refusedNames = ['core', 'common', 'util', 'utils', 'helper', 'helpers', 'misc', 'shared', 'lib']

/** A file's path, with `/`, and its text. */
type Files = ReadonlyMap<string, string>

describe('src', () => {
  const source = filesUnder('src')

  test('has every folder, and every file at its root, on a floor', () => {
    const places = new Set([...source.keys()].map(placeOf))
    expect([...places].filter((place) => floorOf(place) === undefined)).toEqual([])
  })

  test('has no folder whose name says nothing', () => {
    expect(namelessFolders(source)).toEqual([])
  })

  test('imports only its own folder and lower floors', () => {
    expect(floorViolations(source)).toEqual([])
  })

  test('has no import cycle between files, types included', () => {
    expect(importCycles(source)).toEqual([])
  })

  test('has an index that only re-exports', () => {
    expect(restBesideReExports(source.get('index.ts') ?? 'There is no src/index.ts.')).toBe('')
  })
})

describe('examples', () => {
  test('import the package by name, as a user would', () => {
    expect(importsOutsideExample(filesUnder('examples'))).toEqual([])
  })
})

describe('these tests can fail:', () => {
  const files = (entries: Record<string, string>): Files => new Map(Object.entries(entries))

  test('an import from a higher floor is found, however it is written', () => {
    const found = floorViolations(
      files({
        'table/a.ts': `import { run } from '../pipeline/run.js'`,
        'table/b.ts': `import type {\n  Run,\n  Step, // what ran\n} from '../pipeline/run.js'`,
        'table/c.ts': `export * from '../pipeline/run.js'`,
        'table/d.ts': `export type { Run } from "../pipeline/run.js"`,
        'table/e.ts': `const { run } = await import('../pipeline/run.js')`,
        'table/f.ts': `import '../pipeline/run.js'`,
        'table/g.ts': `type Run = import('../pipeline/run.js').Run`,
        'pipeline/run.ts': `import { failure } from '../errors/index.js'`,
        'errors/index.ts': '',
      }),
    )
    expect(found).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => `table/${name}.ts (floor 3) imports pipeline/run.ts (floor 6)`))
  })

  test('neighbours on one floor are strangers', () => {
    expect(floorViolations(files({ 'sync/a.ts': `import '../sources/b.js'`, 'sources/b.ts': '' }))).toEqual([
      'sync/a.ts (floor 5) imports sources/b.ts (floor 5)',
    ])
  })

  test('an import of a folder on no floor is found', () => {
    expect(floorViolations(files({ 'cli/a.ts': `import '../attic/b.js'`, 'attic/b.ts': '' }))).toEqual([
      'cli/a.ts (floor 9) imports attic/b.ts (no floor)',
    ])
  })

  test('an import in a comment or in text is none', () => {
    const text = `// import '../pipeline/run.js'\n/**\n * import '../pipeline/run.js'\n */\nconst text = "import('../pipeline/run.js')"`
    expect(floorViolations(files({ 'table/a.ts': text, 'pipeline/run.ts': '' }))).toEqual([])
  })

  test('a cycle is found and printed', () => {
    const found = importCycles(
      files({
        'table/a.ts': `import { b } from './b.js'`,
        'table/b.ts': `import type { C } from './log/c.js'`,
        'table/log/c.ts': `import { a } from '../a.js'`,
        'table/d.ts': `import { a } from './a.js'`,
      }),
    )
    expect(found).toEqual(['table/a.ts -> table/b.ts -> table/log/c.ts -> table/a.ts'])
  })

  test('a folder whose name says nothing is found', () => {
    expect(namelessFolders(files({ 'table/utils/a.ts': '', 'table/log/b.ts': '' }))).toEqual(['table/utils'])
  })

  test('a definition in an index is found', () => {
    expect(restBesideReExports(`export * from './a.js'\nexport { b, type C } from './b.js'\n`)).toBe('')
    expect(restBesideReExports(`export * from './a.js'\nexport const b = 1\n`)).toBe('export const b = 1')
  })

  test('an example that reaches into the repository is found', () => {
    const found = importsOutsideExample(
      files({
        'taxi/datasets/a.ts': `import { dataset } from 'sluice'\nimport { vars } from '../variables.js'`,
        'taxi/datasets/b.ts': `import { dataset } from '../../../src/index.js'`,
      }),
    )
    expect(found).toEqual(['taxi/datasets/b.ts imports ../../../src/index.js'])
  })
})

function floorViolations(files: Files): string[] {
  const named = (file: string) => `${file} (${floorOf(placeOf(file)) === undefined ? 'no floor' : `floor ${floorOf(placeOf(file))}`})`
  return [...files.keys()].flatMap((file) =>
    importedFiles(file, files)
      .filter((imported) => placeOf(imported) !== placeOf(file))
      .filter((imported) => (floorOf(placeOf(imported)) ?? Number.POSITIVE_INFINITY) >= (floorOf(placeOf(file)) ?? -1))
      .map((imported) => `${named(file)} imports ${named(imported)}`),
  )
}

/** One cycle for each file where a walk meets itself again. */
function importCycles(files: Files): string[] {
  const cycles: string[] = []
  const done = new Set<string>()
  const path: string[] = []
  const walk = (file: string): void => {
    if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
    if (done.has(file) || path.includes(file)) return
    path.push(file)
    importedFiles(file, files).forEach(walk)
    path.pop()
    done.add(file)
  }
  for (const file of files.keys()) walk(file)
  return cycles
}

function namelessFolders(files: Files): string[] {
  const folders = new Set(
    [...files.keys()].flatMap((file) =>
      dirname(file)
        .split('/')
        .map((_, depth, names) => names.slice(0, depth + 1).join('/')),
    ),
  )
  return [...folders].filter((folder) => refusedNames.includes(folder.split('/').at(-1) ?? ''))
}

/** What an index says besides `export ... from '...'`. */
function restBesideReExports(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
    .replace(/^export\s+(?:type\s+)?(?:\*(?:\s*as\s+\w+)?|\{[^}]*\})\s*from\s*(['"]).*?\1/gm, '')
    .trim()
}

/** Imports by a path that leaves the example's own folder, the first of its path. */
function importsOutsideExample(files: Files): string[] {
  return [...files].flatMap(([file, text]) =>
    importsOf(text)
      .filter((specifier) => specifier.startsWith('.') || specifier.startsWith('/'))
      .filter((specifier) => placeOf(resolved(file, specifier)) !== placeOf(file))
      .map((specifier) => `${file} imports ${specifier}`),
  )
}

/** The files of ours that a file imports; each specifier ends in `.js` and names a `.ts`. */
function importedFiles(file: string, files: Files): string[] {
  return importsOf(files.get(file) ?? '')
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => resolved(file, specifier).replace(/\.js$/, '.ts'))
    .filter((imported) => files.has(imported))
}

/**
 * What a file imports, types and `import()` too. Statements are known by standing at the start of a line, as the formatter has them, so that
 * no lexer is needed; an example in a comment or a template stands elsewhere, or names no file of ours.
 */
function importsOf(text: string): string[] {
  const names = String.raw`(?:[\w$]+\s*,?\s*)?(?:\*(?:\s*as\s+[\w$]+)?|\{[^}]*\})?`
  const statements = new RegExp(String.raw`^(?:import|export)\s*(?:type\s+)?(?:${names}\s*from\s*)?(['"])(.*?)\1`, 'gm')
  const calls = /^(?!\s*(?:\*|\/\/|\/\*)).*?(?<!['"`])\bimport\(\s*(['"])(.*?)\1\s*\)/gm
  return [...text.matchAll(statements), ...text.matchAll(calls)].map((match) => match[2] ?? '')
}

function resolved(file: string, specifier: string): string {
  return normalize(join(dirname(file), specifier)).replaceAll(sep, '/')
}

/** The folder under src that a file belongs to, or the file itself at the root. */
function placeOf(file: string): string {
  return file.split('/')[0] ?? file
}

function floorOf(place: string): number | undefined {
  const floor = floors.findIndex((places) => places.includes(place))
  return floor === -1 ? undefined : floor
}

function filesUnder(folder: string): Files {
  const root = fileURLToPath(new URL(`../${folder}`, import.meta.url))
  const paths = readdirSync(root, { recursive: true, encoding: 'utf8' }).map((path) => path.replaceAll(sep, '/'))
  const own = paths.filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts') && !/(^|\/)(node_modules|lake|target)\//.test(path))
  return new Map(own.map((path) => [path, readFileSync(join(root, path), 'utf8')]))
}
