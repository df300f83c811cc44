// `npm test`: builds, runs the suites that need nothing but Node, and ends with the count of what passed and failed.
// Words after `--` go to vitest: `npm test -- --project readers`, `npm test -- test/schema -t decimal`.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build, root } from './build.js'
import { closingLine, readCounts, skippedIn } from './tally.js'

const words = process.argv.slice(2)
const named = words.some((word) => word === '--project' || word.startsWith('--project='))
const projects = named ? [] : ['--project', 'unit', '--project', 'end-to-end']

/** Where reports are kept for a caller who adds several up; else a folder of our own, removed at the end. */
const kept = process.env.SLUICE_TEST_REPORTS
const folder = kept ?? mkdtempSync(join(tmpdir(), 'sluice-test-'))
const report = join(folder, `${process.pid}.json`)

if (kept !== undefined) mkdirSync(kept, { recursive: true })
try {
  const code = build() ? runVitest() : 1
  const counts = readCounts(report)
  // An error outside of any test fails the run without failing a test.
  if (code !== 0 && counts.failed === 0) counts.failed = 1
  if (existsSync(report)) {
    for (const { name, tests } of skippedIn(JSON.parse(readFileSync(report, 'utf8')))) process.stdout.write(`skipped (${tests}): ${name}\n`)
  }
  if (!named)
    process.stdout.write('Suites with needs of their own: `npm test -- --project readers`, `--project servers`, `--project browser`.\n')
  process.stdout.write(`${closingLine(counts)}\n`)
  process.exitCode = code
} finally {
  if (kept === undefined) rmSync(folder, { recursive: true, force: true })
}

function runVitest() {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const done = spawnSync(process.execPath, [vitest, 'run', ...projects, ...reporters, ...words], { cwd: root, stdio: 'inherit' })
  return done.status ?? 1
}
