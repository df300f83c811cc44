// `npm run check`: everything a change must pass, short of the end-to-end suites. Each step runs, whatever became of the one before.
// `--skip NAME,NAME` leaves steps out.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from './build.js'

const tool = (...path) => join(root, 'node_modules', ...path)
const tsc = tool('typescript', 'bin', 'tsc')
const vitest = tool('vitest', 'vitest.mjs')
const steps = [
  {
    name: 'lint',
    about: 'format and lint',
    run: [tool('@biomejs', 'biome', 'bin', 'biome'), 'ci', ...(process.stdout.isTTY ? [] : ['--colors=off']), '.'],
  },
  { name: 'build', about: 'dist from src', run: ['scripts/build.js'] },
  { name: 'types', about: 'src and test', run: [tsc, '-p', 'tsconfig.json'] },
  { name: 'examples', about: 'types of the examples, against dist', run: [tsc, '-p', 'tsconfig.examples.json'] },
  { name: 'floors', about: 'which folder may import which', run: [vitest, 'run', '--project', 'unit', 'test/architecture.test.ts'] },
  { name: 'generated', about: 'generated files are up to date', run: ['scripts/generate.js', '--check'] },
  // `npm test` tries every drawn case and fault, with a process for each file.
  { name: 'unit', about: 'unit tests', run: [vitest, 'run', '--project', 'unit', '--no-isolate'], env: { SLUICE_TEST_PART: '4' } },
  { name: 'package', about: 'what would be published', run: [tool('publint', 'src', 'cli.js'), '--strict'] },
]

const skipped = skippedNames(process.argv.slice(2))
const unknown = skipped.filter((name) => !steps.some((step) => step.name === name))
if (unknown.length > 0) {
  process.stderr.write(`There is no step ${unknown.join(', ')}. Steps: ${steps.map((step) => step.name).join(', ')}.\n`)
  process.exit(2)
}

const results = []
for (const step of steps.filter(({ name }) => !skipped.includes(name))) {
  process.stdout.write(`\n== ${step.name}: ${step.about}\n`)
  const started = performance.now()
  const done = spawnSync(process.execPath, step.run, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...step.env },
  })
  const seconds = (performance.now() - started) / 1000
  results.push({ name: step.name, ok: done.status === 0, seconds })
  process.stdout.write(`-- ${step.name} ${done.status === 0 ? 'ok' : 'FAILED'}, ${seconds.toFixed(1)} s\n`)
}

const failed = results.filter((result) => !result.ok).map((result) => result.name)
const seconds = results.reduce((sum, result) => sum + result.seconds, 0).toFixed(0)
const verdict =
  failed.length === 0 ? `all ${results.length} steps ok` : `${failed.length} of ${results.length} steps failed: ${failed.join(', ')}`
process.stdout.write(`\ncheck: ${verdict}, ${seconds} s\n`)
process.exitCode = failed.length === 0 ? 0 : 1

function skippedNames(words) {
  if (words.length === 0) return []
  if (words.length === 2 && words[0] === '--skip') return words[1].split(',')
  process.stderr.write('Usage: node scripts/check.js [--skip NAME,NAME]\n')
  return process.exit(2)
}
