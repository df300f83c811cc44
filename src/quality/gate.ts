import { quoteName, quoteNames, quoteText, renderSql, type Session, type SqlContext } from '../engine/index.js'
import type { Field, Relation } from '../schema/index.js'
import type { Action, Expectation, Severity, TableFacts } from './expectation.js'
import { PROBLEM, REASONS } from './quarantine.js'

export interface ExpectationResult {
  readonly name: string
  readonly description: string
  readonly action: Action
  readonly severity: Severity
  readonly tags: readonly string[]
  readonly status: 'pass' | 'warn' | 'fail'
  /** Rows that failed; for an expectation about the table, 1 when it failed. */
  readonly failed: number
  readonly evaluated: number
  /** What an expectation about the table measured. */
  readonly measured?: number | null
}

/** What the gate found about staged rows. */
export interface Verdict {
  readonly results: readonly ExpectationResult[]
  readonly rowsIn: number
  readonly rowsAccepted: number
  readonly rowsQuarantined: number
  /** A SELECT of the accepted rows, all staged columns. */
  readonly accepted: string
  /** A SELECT of the rows to hold, all staged columns and their reasons. */
  readonly quarantined: string
  /** True when something with the action `fail`, or below its `mostly`, did not hold: nothing may be published. */
  readonly failed: boolean
  /** Column sets proven to repeat in no accepted row. */
  readonly uniqueKeys: readonly (readonly string[])[]
}

export interface GateInput {
  readonly session: Session
  /** The staged rows: a relation of the session that gives the same rows each time it is read. */
  readonly staged: string
  readonly fields: readonly Field[]
  readonly expectations: readonly Expectation[]
  readonly context: SqlContext
  readonly facts: TableFacts
  /** A SELECT of rows that are in the table already and stay, against which `unique` is judged too. */
  readonly beside?: string
}

/** Problems that a source found with a row before any expectation; counted like one. */
const SOURCE_PROBLEMS: Readonly<Record<string, string>> = {
  line_parsed: 'the line can be parsed',
  value_converts: 'each value can be read as its column’s type',
  schema_matches: 'the file has the columns that are declared',
}

interface Judged {
  readonly expectation: Pick<Expectation, 'name' | 'description' | 'action' | 'severity' | 'tags' | 'mostly'>
  /** SQL that is true for a row that fails. */
  readonly failing: string
}

/**
 * Judges staged rows. Conditions on rows and measures of the table are evaluated in one pass; a set is looked at again only when
 * the pass shows that something in it repeats or is missing.
 */
export async function judge(input: GateInput): Promise<Verdict> {
  const { session, staged } = input
  const uniqueKeys: (readonly string[])[] = []
  const rows: Judged[] = sourceProblems(input.fields)
  const messy = input.fields.some((field) => field.name === PROBLEM)
  for (const [index, one] of input.expectations.entries()) {
    if (one.rule.scope === 'table') continue
    const failing = await failingSql(input, one, index)
    if (one.rule.scope === 'unique' && failing === 'false') uniqueKeys.push(one.rule.columns)
    // A row that could not be read has nothing to judge.
    rows.push({ expectation: one, failing: messy && failing !== 'false' ? `(${PROBLEM} IS NULL AND ${failing})` : failing })
  }
  const holding = rows.filter((one) => one.expectation.action === 'quarantine' && one.failing !== 'false')
  const held = holding.length === 0 ? 'false' : holding.map((one) => one.failing).join(' OR ')
  const tables = input.expectations.flatMap((one) => (one.rule.scope === 'table' ? [{ one, rule: one.rule }] : []))

  const counts = rows.map((one, index) =>
    one.failing === 'false' ? `0 AS f${index}` : `count(*) FILTER (WHERE ${one.failing}) AS f${index}`,
  )
  const measures = tables.map(({ rule }, index) => `CAST(${renderSql(rule.measure, input.context).text} AS DOUBLE) AS m${index}`)
  const select = ['count(*) AS n', `count(*) FILTER (WHERE ${held}) AS held`, ...counts]
  const [counted] = await session.rows(`SELECT ${select.join(', ')} FROM ${staged} AS s`)
  const rowsIn = Number(counted?.['n'] ?? 0)
  const rowsQuarantined = Number(counted?.['held'] ?? 0)
  const [measured] =
    measures.length === 0 ? [] : await session.rows(`SELECT ${measures.join(', ')} FROM ${staged} AS s WHERE NOT (${held})`)

  const results = [
    ...rows.map(({ expectation }, index) => rowResult(expectation, Number(counted?.[`f${index}`] ?? 0), rowsIn)),
    ...tables.map(({ one, rule }, index) => {
      const value = measured?.[`m${index}`]
      const number = value === null || value === undefined ? null : Number(value)
      return tableResult(one, rule.passes(number, input.facts), number)
    }),
  ]
  const reasons = holding.map((one) => `CASE WHEN ${one.failing} THEN ${quoteText(one.expectation.name)} END`)
  return {
    results,
    rowsIn,
    rowsAccepted: rowsIn - rowsQuarantined,
    rowsQuarantined,
    accepted: `SELECT * FROM ${staged} AS s${held === 'false' ? '' : ` WHERE NOT (${held})`}`,
    quarantined: `SELECT *, list_filter([${reasons.join(', ')}]::VARCHAR[], lambda r : r IS NOT NULL) AS ${REASONS} FROM ${staged} AS s WHERE ${held}`,
    failed: results.some((one) => one.status === 'fail'),
    uniqueKeys,
  }
}

function sourceProblems(fields: readonly Field[]): Judged[] {
  if (!fields.some((field) => field.name === PROBLEM)) return []
  return Object.entries(SOURCE_PROBLEMS).map(([name, description]) => ({
    expectation: { name, description, action: 'quarantine', severity: 'warning', tags: [], mostly: undefined },
    failing: `(${PROBLEM} IS NOT DISTINCT FROM ${quoteText(name)})`,
  }))
}

async function failingSql(input: GateInput, one: Expectation, index: number): Promise<string> {
  switch (one.rule.scope) {
    case 'row':
      return `((${renderSql(one.rule.passes, input.context).text}) IS FALSE)`
    case 'unique':
      return repeatedSql(input, one.rule.columns, `_sluice_repeated_${index}`)
    case 'references':
      return danglingSql(input, one.rule, `_sluice_dangling_${index}`)
    case 'table':
      return 'false'
  }
}

async function repeatedSql({ session, staged, beside }: GateInput, columns: readonly string[], relation: string): Promise<string> {
  const names = quoteNames(columns)
  const present = columns.map((name) => `${quoteName(name)} IS NOT NULL`).join(' AND ')
  const all = beside === undefined ? staged : `(SELECT ${names} FROM ${staged} UNION ALL SELECT ${names} FROM (${beside}))`
  // Eight bytes a row prove, when none repeats, that no key does.
  const [counts] = await session.rows(`SELECT count(*) AS n, count(DISTINCT hash(${names})) AS hashes FROM ${all} WHERE ${present}`)
  if (counts?.['n'] === counts?.['hashes']) return 'false'
  await session.execute(
    `CREATE OR REPLACE TEMP TABLE ${relation} AS SELECT ${names} FROM ${all} WHERE ${present} GROUP BY ALL HAVING count(*) > 1`,
  )
  return existsIn(relation, columns, columns, session)
}

async function danglingSql(
  { session, staged, context }: GateInput,
  { column, relation, target }: { readonly column: string; readonly relation: Relation; readonly target: string },
  name: string,
): Promise<string> {
  await session.execute(
    `CREATE OR REPLACE TEMP TABLE ${name} AS SELECT DISTINCT ${quoteName(column)} FROM ${staged} AS s WHERE ${quoteName(column)} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ${context.relation(relation)} AS r WHERE r.${quoteName(target)} = s.${quoteName(column)})`,
  )
  return existsIn(name, [column], [column], session)
}

async function existsIn(relation: string, columns: readonly string[], staged: readonly string[], session: Session): Promise<string> {
  const [found] = await session.rows(`SELECT count(*) AS n FROM ${relation}`)
  if (Number(found?.['n'] ?? 0) === 0) return 'false'
  if (columns.length === 1)
    return `(coalesce(s.${quoteName(staged[0] ?? '')} IN (SELECT ${quoteName(columns[0] ?? '')} FROM ${relation}), false))`
  return `(coalesce((${quoteNames(staged, 's.')}) IN (SELECT (${quoteNames(columns)}) FROM ${relation}), false))`
}

function rowResult(one: Judged['expectation'], failed: number, evaluated: number): ExpectationResult {
  const share = evaluated === 0 ? 1 : (evaluated - failed) / evaluated
  const below = share < (one.mostly ?? (one.action === 'fail' ? 1 : 0))
  return { ...named(one), status: rowStatus(one, failed, below), failed, evaluated }
}

function rowStatus(one: Judged['expectation'], failed: number, below: boolean): ExpectationResult['status'] {
  if (below) return one.action === 'warn' && one.mostly === undefined ? 'warn' : 'fail'
  if (failed === 0) return 'pass'
  // Within its `mostly`, a warning or failure is what was allowed; a held row is worth a word all the same.
  return one.action === 'quarantine' || one.mostly === undefined ? 'warn' : 'pass'
}

function tableResult(one: Expectation, passed: boolean, measured: number | null): ExpectationResult {
  return {
    ...named(one),
    status: passed ? 'pass' : one.action === 'fail' ? 'fail' : 'warn',
    failed: passed ? 0 : 1,
    evaluated: 1,
    measured,
  }
}

function named(one: Judged['expectation']): Pick<ExpectationResult, 'name' | 'description' | 'action' | 'severity' | 'tags'> {
  return { name: one.name, description: one.description, action: one.action, severity: one.severity, tags: one.tags }
}
