// Counts tests from what vitest itself reported (its JSON reporter), and writes the closing line.
// As a command: `node scripts/tally.js FOLDER [failed...]` adds up every report in FOLDER, plus one failure for each name that follows.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Counts of one report. A file that broke before its tests could run has no test in the report: it counts as one failure. */
export function countsOf(report) {
  const brokenFiles = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  )
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + brokenFiles.length,
    skipped: report.numPendingTests + report.numTodoTests,
  }
}

/** What a report left out, by name: each skipped suite (or test outside of one) with how many tests. */
export function skippedIn(report) {
  const tests = report.testResults
    .flatMap((file) => file.assertionResults)
    .filter(({ status }) => status !== 'passed' && status !== 'failed')
  const names = tests.map(({ ancestorTitles, title }) => ancestorTitles[0] ?? title)
  return [...new Set(names)].map((name) => ({ name, tests: names.filter((other) => other === name).length }))
}

/** Counts of a report file; a run that wrote none counts as one failure. */
export function readCounts(file) {
  return existsSync(file) ? countsOf(JSON.parse(readFileSync(file, 'utf8'))) : { passed: 0, failed: 1, skipped: 0 }
}

export function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder, ...alsoFailed] = process.argv.slice(2)
  const total = { passed: 0, failed: alsoFailed.length, skipped: 0 }
  for (const name of readdirSync(folder)) {
    const counts = readCounts(join(folder, name))
    for (const key of Object.keys(total)) total[key] += counts[key]
  }
  if (alsoFailed.length > 0) process.stdout.write(`failed: ${alsoFailed.join(', ')}\n`)
  process.stdout.write(`${closingLine(total)}\n`)
  process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0
}
