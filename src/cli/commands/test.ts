import { mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type StoreTests, testStores } from '../../pipeline/index.js'
import { junit, type SqlTestResult } from '../../sync/index.js'
import { type Command, PROJECT_OPTIONS } from '../command.js'
import { cellText, count, duration, type Output, table } from '../output.js'
import { writeFileWhole } from '../target.js'

export const test: Command = {
  name: 'test',
  summary: 'Run the SQL tests of stores: their schema, their data, the plans of their queries.',
  usage: '[store...]',
  examples: ['sluice test', 'sluice test warehouse --junit target/sql-tests.xml'],
  details: `Tests are the statements of sql/tests/<store>/**/*.sql, each below a line \`-- test: its name\`. One expects no rows, unless it says
\`-- expect: rows\`, \`-- expect: 3 rows\` or \`-- expect: value 0\`; \`-- uses: idx_name\` looks at its plan, by EXPLAIN; \`-- show\` shows its rows.
A file x.mysql.sql is for that dialect, and skipped on others. Exits 1 when a test fails.`,
  options: { ...PROJECT_OPTIONS, junit: { type: 'string', value: 'FILE', help: 'write the results as JUnit XML too' } },
  async run(invocation) {
    const { output } = invocation
    const suites = await testStores(await invocation.workspace(), invocation.positionals, (store, result) =>
      output.json ? undefined : print(output, store, result),
    )
    const file = invocation.text('junit')
    if (file !== undefined) {
      mkdirSync(dirname(resolve(file)), { recursive: true })
      writeFileWhole(resolve(file), junit(suites.map(({ store, results }) => ({ name: store, results }))))
    }
    const all = suites.flatMap((suite) => suite.results)
    const of = (status: SqlTestResult['status']) => all.filter((one) => one.status === status).length
    if (output.json)
      output.document({ stores: suites satisfies StoreTests[], passed: of('passed'), failed: of('failed'), skipped: of('skipped') })
    else
      output.print(
        `\n${count(of('passed'))} passed, ${count(of('failed'))} failed${of('skipped') > 0 ? `, ${count(of('skipped'))} skipped` : ''}`,
      )
    return of('failed') > 0 ? 1 : 0
  },
}

function print(output: Output, store: string, result: SqlTestResult): void {
  const marks = { passed: output.style('green', 'ok'), failed: output.style('red', 'FAILED'), skipped: output.style('yellow', 'skipped') }
  output.print(`${marks[result.status]}  ${store}/${result.file}  ${result.name}  ${output.style('dim', duration(result.durationMs))}`)
  if (result.problem !== undefined) output.print(`    ${result.problem}`)
  const [first] = result.rows ?? []
  if (first === undefined) return
  const head = Object.keys(first)
  const lines = table(
    head,
    (result.rows ?? []).map((row) => head.map((name) => cellText(row[name]))),
  ).split('\n')
  output.print(lines.map((line) => `    ${line}`).join('\n'))
}
