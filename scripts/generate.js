// Writes the files that are generated from source and checked in. `--check` compares and writes nothing.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, root } from './build.js'

/** `from` is a built module; a generator whose module is not there (yet) is passed over. */
const generators = [{ file: 'docs/errors.md', from: 'dist/errors/catalog.js', write: errorsPage }]

const checking = process.argv.includes('--check')
if (!build({ quiet: true })) process.exit(1)

let stale = 0
for (const { file, from, write } of generators) {
  if (!existsSync(join(root, from))) {
    process.stdout.write(`${file}: passed over, there is no ${from}\n`)
    continue
  }
  const fresh = write(await import(pathToFileURL(join(root, from)).href))
  const path = join(root, file)
  const same = existsSync(path) && readFileSync(path, 'utf8') === fresh
  if (!same && checking) stale++
  if (!same && !checking) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, fresh)
  }
  process.stdout.write(`${file}: ${same ? 'up to date' : checking ? 'out of date, run `npm run generate`' : 'written'}\n`)
}
stale += monitoringOf('examples/nyc-taxi')
process.exitCode = stale > 0 ? 1 : 0

/** The example's monitoring stack, by the command that a project's own CI would run. Answers how many of its files are out of date. */
function monitoringOf(project) {
  const folder = join(root, project, 'monitoring')
  const words = ['generate', 'all', '--project', join(root, project), '--out', folder, '--json']
  const done = spawnSync(process.execPath, [join(root, 'bin', 'sluice.js'), ...words, ...(checking ? ['--check'] : [])], {
    cwd: root,
    encoding: 'utf8',
    // A link in an alert, or a secret, must not depend on who generates.
    env: { PATH: process.env.PATH, HOME: process.env.HOME },
  })
  if (done.status !== 0) {
    const { error } = JSON.parse(done.stdout || '{"error":{"message":"it printed nothing"}}')
    process.stdout.write(`${project}/monitoring: ${error.message.replaceAll(root, '')} Run \`npm run generate\`.\n`)
    return 1
  }
  const { files, changed } = JSON.parse(done.stdout)
  const left = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !files.includes(path))
  if (!checking) for (const path of left) rmSync(path)
  const same = changed.length + left.length === 0
  const said = same
    ? 'up to date'
    : checking
      ? `nothing makes ${left.map((path) => relative(root, path)).join(', ')}, run \`npm run generate\``
      : 'written'
  process.stdout.write(`${project}/monitoring: ${said}\n`)
  return checking ? left.length : 0
}

/** Every error code, by area: what its users read in their terminal, with `<name>` where a fact stands. */
function errorsPage(catalog) {
  const errors = Object.values(catalog)
    .filter((value) => typeof value?.code === 'string' && typeof value.message === 'function')
    .sort((left, right) => (left.code < right.code ? -1 : 1))
  const areas = groupBy(errors, areaOf)
  const lines = [
    '# Errors',
    '',
    'Generated from the catalog of errors by `npm run generate`; change it there.',
    '',
    'A code never changes once released. `<name>` stands for a fact of the case at hand. Exit codes: 1 the data failed, 2 usage or',
    'configuration, 3 run time, 75 transient. A *transient* error may go away by itself, and the same command may be tried again;',
    'a *terminal* one stays until something is changed.',
  ]
  for (const [area, members] of areas) {
    lines.push('', `## ${area}`, '', '| code | exit | retry | what happened | what to do |', '| --- | --- | --- | --- | --- |')
    for (const error of members) {
      lines.push(`| \`${error.code}\` | ${error.exit} | ${error.retry} | ${cell(error.message)} | ${cell(error.hint)} |`)
    }
  }
  return `${lines.join('\n')}\n`
}

function areaOf({ code }) {
  const area = code.split('_', 1)[0]
  return area[0] + area.slice(1).toLowerCase()
}

/** Map.groupBy, which Node 20 does not have yet. */
function groupBy(values, keyOf) {
  const groups = new Map()
  for (const value of values) groups.set(keyOf(value), [...(groups.get(keyOf(value)) ?? []), value])
  return groups
}

function cell(text) {
  const facts = new Proxy({}, { get: (_, name) => placeholder(String(name)) })
  let said
  try {
    said = String(text(facts)).replace(/\s+/g, ' ').trim()
  } catch {
    said = ''
  }
  if (said === '') return '(depends on the case)'
  // Between backticks Markdown shows `<` as it is; elsewhere it would be read as HTML.
  return said
    .split('`')
    .map((part, index) => (index % 2 === 1 ? part : part.replaceAll('<', '\\<')))
    .join('`')
    .replaceAll('|', '\\|')
}

/** Stands for any fact: reads as the text `<name>`, lists as one element, itself, and has any property, `<name.property>`. */
function placeholder(name) {
  const text = `<${name}>`
  const fact = new Proxy(
    {},
    {
      get(_, key) {
        if (key === Symbol.toPrimitive || key === 'toString' || key === 'valueOf' || key === 'toJSON') return () => text
        if (key === Symbol.iterator) return () => [fact][Symbol.iterator]()
        if (typeof key === 'symbol') return undefined
        if (/^\d+$/.test(key)) return fact
        if (key === 'length') return 1
        if (typeof text[key] === 'function') return text[key].bind(text)
        if (typeof [][key] === 'function') return [][key].bind([fact])
        return placeholder(`${name}.${key}`)
      },
    },
  )
  return fact
}
