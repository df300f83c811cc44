import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { failure, isSluiceError, messageOf, SQL_TEST_INVALID } from '../errors/index.js'
import type { StoreSql } from '../stores/index.js'
import { statementsOf } from './statements.js'

/**
 * A test of `sql/tests/<store>/**`: one statement with a `-- test:` line above it.
 *
 * - `-- expect: no rows` (what is said nothing of), `-- expect: rows`, `-- expect: 3 rows`, `-- expect: value 0`;
 * - `-- uses: idx_pickup_datetime`: the plan of the statement goes by that index, by EXPLAIN;
 * - `-- show`: its rows are shown, and it fails only where it cannot be run.
 */
export interface SqlTest {
  readonly name: string
  /** `schema/tables.mysql.sql` */
  readonly file: string
  readonly line: number
  readonly sql: string
  readonly wanted: Wanted
}

export type Wanted =
  | { readonly kind: 'rows'; readonly atLeast: number; readonly atMost: number; readonly text: string }
  | { readonly kind: 'value'; readonly value: string }
  | { readonly kind: 'index'; readonly index: string }
  | { readonly kind: 'show' }

export interface SqlTestResult {
  readonly name: string
  readonly file: string
  readonly status: 'passed' | 'failed' | 'skipped'
  readonly durationMs: number
  /** Why it failed or was skipped. */
  readonly problem?: string
  /** Some of the rows that were found. */
  readonly rows?: readonly Readonly<Record<string, string | number | null>>[]
}

const SHOWN = 10

/** The tests of a folder, by file; those for other dialects apart. Throws SQL_TEST_INVALID. */
export function readSqlTests(
  folder: string,
  dialect: string,
): { readonly tests: SqlTest[]; readonly others: { readonly file: string; readonly dialect: string }[] } {
  const tests: SqlTest[] = []
  const others: { file: string; dialect: string }[] = []
  if (!existsSync(folder)) return { tests, others }
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.sql'))
  for (const path of files.map((file) => file.replaceAll(sep, '/')).sort()) {
    const only = /\.([a-z]+)\.sql$/.exec(path)?.[1]
    if (only !== undefined && only !== dialect) others.push({ file: path, dialect: only })
    else tests.push(...testsIn(path, readFileSync(join(folder, path), 'utf8'), dialect))
  }
  return { tests, others }
}

function testsIn(file: string, text: string, dialect: string): SqlTest[] {
  return statementsOf(text, dialect).map(({ text: statement, line }, index) => {
    const said = (word: string) => new RegExp(`^--[ \\t]*${word}[ \\t]*:[ \\t]*(.+?)[ \\t]*$`, 'im').exec(statement)?.[1]
    const name = said('test') ?? `${file} ${index + 1}`
    const wrong = (problem: string) => failure(SQL_TEST_INVALID, { file, test: name, problem }, { place: { file, line } })
    const [expected, index_] = [said('expect'), said('uses')]
    const sql = statement.replace(/^--.*$\n?/gm, '').trim()
    if (sql === '') throw wrong('it has no statement')
    if (index_ !== undefined) return { name, file, line, sql, wanted: { kind: 'index', index: index_ } }
    if (/^--[ \t]*show[ \t]*$/im.test(statement)) return { name, file, line, sql, wanted: { kind: 'show' } }
    const wanted = wantedOf(expected ?? 'no rows')
    if (wanted === undefined) throw wrong(`"${expected}" is none of: no rows, rows, 3 rows, value 0`)
    return { name, file, line, sql, wanted }
  })
}

function wantedOf(text: string): Wanted | undefined {
  const value = /^value\s+(.+)$/i.exec(text)?.[1]
  if (value !== undefined) return { kind: 'value', value }
  if (/^no rows$/i.test(text)) return { kind: 'rows', atLeast: 0, atMost: 0, text }
  if (/^rows$/i.test(text)) return { kind: 'rows', atLeast: 1, atMost: Number.POSITIVE_INFINITY, text }
  const number = /^(\d+) rows?$/i.exec(text)?.[1]
  return number === undefined ? undefined : { kind: 'rows', atLeast: Number(number), atMost: Number(number), text }
}

export async function runSqlTest(sql: StoreSql, test: SqlTest): Promise<SqlTestResult> {
  const began = performance.now()
  const ended = (rest: Pick<SqlTestResult, 'status' | 'problem' | 'rows'>): SqlTestResult => ({
    name: test.name,
    file: test.file,
    ...rest,
    durationMs: Math.round(performance.now() - began),
  })
  const passed = (rows?: SqlTestResult['rows']) =>
    ended({ status: 'passed', ...(rows === undefined ? {} : { rows: rows.slice(0, SHOWN) }) })
  const failedWith = (problem: string, rows?: SqlTestResult['rows']) =>
    ended({ status: 'failed', problem, ...(rows === undefined ? {} : { rows: rows.slice(0, SHOWN) }) })
  const { wanted } = test
  try {
    if (wanted.kind === 'index') {
      if (sql.dialect !== 'mysql' && sql.dialect !== 'postgres')
        return ended({ status: 'skipped', problem: `${sql.dialect} tells no index in its plans` })
      const plan = await sql.query(`EXPLAIN ${test.sql}`)
      return usedIndexes(plan).includes(wanted.index)
        ? passed()
        : failedWith(`its plan does not use ${wanted.index}, but ${usedIndexes(plan).join(', ') || 'no index'}`, plan)
    }
    const rows = await sql.query(test.sql)
    if (wanted.kind === 'show') return passed(rows)
    if (wanted.kind === 'value') {
      const value = Object.values(rows[0] ?? {})[0]
      const shown = value === undefined ? 'no row' : value === null ? 'null' : String(value)
      return shown === wanted.value ? passed() : failedWith(`expected ${wanted.value}, found ${shown}`)
    }
    if (rows.length >= wanted.atLeast && rows.length <= wanted.atMost) return passed()
    return failedWith(`expected ${wanted.text}, found ${rows.length}`, rows)
  } catch (thrown) {
    if (isSluiceError(thrown) && thrown.retry === 'transient') throw thrown
    return failedWith(messageOf(thrown))
  }
}

/** MySQL has a column `key`; PostgreSQL a text with `Index Scan using idx_x`. */
function usedIndexes(plan: readonly Readonly<Record<string, string | number | null>>[]): string[] {
  return plan.flatMap((row) => {
    if ('key' in row) return row['key'] === null || row['key'] === undefined ? [] : String(row['key']).split(',')
    return Object.values(row).flatMap((text) =>
      [...String(text).matchAll(/(?:using|Bitmap Index Scan on) "?([^\s"]+)"?/g)].map((match) => match[1] ?? ''),
    )
  })
}

/** The results as JUnit has them, for CI. Source: the Jenkins JUnit schema (testsuites, testsuite, testcase, failure, skipped). */
export function junit(suites: readonly { readonly name: string; readonly results: readonly SqlTestResult[] }[]): string {
  const all = suites.flatMap((suite) => suite.results)
  const attributes = (results: readonly SqlTestResult[]) =>
    `tests="${results.length}" failures="${of(results, 'failed')}" skipped="${of(results, 'skipped')}" errors="0" time="${(results.reduce((sum, one) => sum + one.durationMs, 0) / 1000).toFixed(3)}"`
  const lines = suites.flatMap(({ name, results }) => [
    `  <testsuite name="${escaped(name)}" ${attributes(results)}>`,
    ...results.map((one) => {
      const open = `    <testcase classname="${escaped(`${name}/${one.file}`)}" name="${escaped(one.name)}" time="${(one.durationMs / 1000).toFixed(3)}"`
      if (one.status === 'passed') return `${open}/>`
      if (one.status === 'skipped') return `${open}><skipped message="${escaped(one.problem ?? '')}"/></testcase>`
      return `${open}><failure message="${escaped(one.problem ?? '')}">${escaped(JSON.stringify(one.rows ?? [], undefined, 1))}</failure></testcase>`
    }),
    '  </testsuite>',
  ])
  return ['<?xml version="1.0" encoding="UTF-8"?>', `<testsuites ${attributes(all)}>`, ...lines, '</testsuites>', ''].join('\n')
}

function of(results: readonly SqlTestResult[], status: SqlTestResult['status']): number {
  return results.filter((one) => one.status === status).length
}

/** Characters that XML 1.0 has no way to write are shown by their number. */
function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replace(
      /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
}
