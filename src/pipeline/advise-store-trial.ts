import { randomBytes } from 'node:crypto'
import { detect } from '../anomaly/index.js'
import { literal, quoteNames, type Session } from '../engine/index.js'
import type { Trial } from '../monitoring/advice/index.js'
import { planOf } from './advise-statement.js'
import { explainSql, parsedPlan } from './advise-stores.js'
import { openStores } from './stores.js'
import { sqlContext, type Workspace } from './workspace.js'

/** Advice tried where it is about a store, or about a search for odd rows. Nothing stays, and no table that was there is changed. */

/** What one go cost. */
export interface RowsMeasurement {
  readonly seconds: number
  /** That it read, by its plan, or that it judged. */
  readonly rows: number
  /** That it goes by. */
  readonly index?: string
}

export interface RowsMeasured {
  readonly what: string
  readonly before: RowsMeasurement
  readonly after: RowsMeasurement
}

const READS = 5

/**
 * Copies the table into a temporary one, which ends with its connection and which no one else sees; measures the statement on it, makes the
 * index there, and measures again. Throws STORE_*: the user must be allowed to make temporary tables.
 */
export async function tryIndex(
  workspace: Workspace,
  trial: Extract<Trial, { readonly change: 'index' }>,
): Promise<RowsMeasured | undefined> {
  const store = workspace.project.config.stores?.[trial.store]
  if (store === undefined) return undefined
  const stores = openStores(workspace)
  try {
    const open = await stores.open(store)
    const { sql } = open
    if (sql === undefined) return undefined
    const connection = await sql.connection()
    try {
      const copy = `sluice_advise_${randomBytes(4).toString('hex')}`
      const [from, to] = [sql.quoteName(trial.table), sql.quoteName(copy)]
      const postgres = sql.dialect === 'postgres'
      await connection.run(
        `CREATE TEMPORARY TABLE ${to} (LIKE ${from}${postgres ? ' INCLUDING ALL' : ''})`.replace(postgres ? '' : /[()]/g, ''),
      )
      await connection.run(`INSERT INTO ${to}${postgres ? ' OVERRIDING SYSTEM VALUE' : ''} SELECT * FROM ${from}`)
      const gather = `ANALYZE ${postgres ? '' : 'TABLE '}${to}`
      await connection.run(gather)
      const [rowCount] = (await connection.run(`SELECT count(*) FROM ${to}`)).rows
      const statement = renamed(trial.statement, trial.table, to)
      const measure = async (): Promise<RowsMeasurement> => {
        const seconds: number[] = []
        for (let read = 0; read < READS; read++) {
          const began = performance.now()
          await connection.run(statement)
          seconds.push((performance.now() - began) / 1000)
        }
        const [cells] = (await connection.run(`${explainSql(sql.dialect)} ${statement}`)).rows
        const plan = planOf(parsedPlan(cells?.[0]), Number(rowCount?.[0] ?? 0))
        return {
          seconds: seconds.sort((one, other) => one - other)[READS >> 1] ?? 0,
          rows: plan?.rows ?? 0,
          ...(plan?.index === undefined ? {} : { index: plan.index }),
        }
      }
      const before = await measure()
      await connection.run(
        `CREATE INDEX ${sql.quoteName('idx_tried')} ON ${to} (${trial.columns.map((name) => sql.quoteName(name)).join(', ')})`,
      )
      await connection.run(gather)
      return { what: `on a temporary copy of ${trial.table}, median of ${READS}`, before, after: await measure() }
    } finally {
      await connection.close()
    }
  } finally {
    await stores.close()
  }
}

/** A statement on another table. What stands in text stays as it is. */
export function renamed(statement: string, table: string, to: string): string {
  const name = new RegExp(`'(?:[^'\\\\]|''|\\\\.)*'|(?<![\\w$."\`])(["\`]?)${escaped(table)}\\1(?![\\w$"\`])`, 'g')
  return statement.replaceAll(name, (found) => (found.startsWith("'") ? found : to))
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

/** Judges all rows, and one in so many, drawn by a hash of their key. Neither is kept. */
export async function tryJudgingPart(
  workspace: Workspace,
  session: Session,
  { anomalies, parts }: Extract<Trial, { readonly change: 'judge-part' }>,
): Promise<RowsMeasured | undefined> {
  const one = workspace.project.anomalies.find((each) => each.name === anomalies)
  if (one === undefined) return undefined
  const table = workspace.table(one.of, session)
  if (!(await table.exists())) return undefined
  const select = await table.select(await table.snapshot())
  const measure = async (rows: string): Promise<RowsMeasurement & { readonly thresholds: string }> => {
    const began = performance.now()
    const { judged, methods } = await detect(session, rows, one, { context: sqlContext(workspace.values), signal: workspace.signal })
    const thresholds = methods.map(({ method, threshold }) => `${method} ${Number(threshold.toPrecision(4))}`).join(', ')
    return { seconds: (performance.now() - began) / 1000, rows: judged, thresholds }
  }
  const { thresholds: all, ...before } = await measure(select)
  const drawn = `SELECT * FROM (${select}) WHERE hash(${quoteNames(one.key)}) % ${literal(parts)} = 0`
  const { thresholds: part, ...after } = await measure(drawn)
  return { what: `judging all rows (thresholds: ${all}) and one in ${parts} (${part})`, before, after }
}
