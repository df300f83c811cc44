import { quoteName, quoteText, renderSql, type Session, type SqlContext } from '../engine/index.js'
import type { Anomalies, FeatureRows, Given, Judged } from './detector.js'
import { carriedColumn, featureColumn, keyColumn } from './scores.js'

export interface JudgeOptions extends Given {
  /** How the definition's SQL is rendered. */
  readonly context: SqlContext
}

/** What a judgement leaves in the session for its caller: `rows` under judgement, and `flags`, a row for each row and method that flags it. */
export interface Judgement {
  readonly rows: FeatureRows
  /** Quoted: `_row`, `method`, `feature`, `value`, `score`, `threshold`, `reason`. */
  readonly flags: string
  readonly methods: readonly (Judged & { readonly method: string })[]
}

/** Lets every method of the definition judge the rows of a SELECT, and hands over what they say. Its relations are gone afterwards. */
export async function judge<Result>(
  session: Session,
  select: string,
  definition: Anomalies,
  options: JudgeOptions,
  then: (judgement: Judgement) => Promise<Result>,
): Promise<Result> {
  const relation = quoteName(`anomalies ${definition.name} rows`)
  const flags = quoteName(`anomalies ${definition.name} flags`)
  try {
    await session.execute(`CREATE OR REPLACE TEMP TABLE ${relation} AS ${rowsSql(select, definition, options.context)}`)
    await session.execute(
      `CREATE OR REPLACE TEMP TABLE ${flags} (_row BIGINT, method VARCHAR, feature VARCHAR, value DOUBLE, score DOUBLE, threshold DOUBLE, reason VARCHAR)`,
    )
    const [counted] = await session.rows(`SELECT count(*) AS count FROM ${relation}`)
    const rows: FeatureRows = {
      session,
      relation,
      count: Number(counted?.['count']),
      features: Object.keys(definition.features),
      grouped: definition.group.length > 0,
    }
    const methods: (Judged & { readonly method: string })[] = []
    for (const method of definition.methods) {
      const judged = await method.judge(rows, options)
      const columns = `_row, ${quoteText(method.name)} AS method, feature, value, score, ${judged.threshold}::DOUBLE AS threshold, reason`
      for (const one of judged.flagged) await session.execute(`INSERT INTO ${flags} SELECT ${columns} FROM (${one})`)
      methods.push({ ...judged, method: method.name })
    }
    return await then({ rows, flags, methods })
  } finally {
    // After a cancelled statement nothing runs any more; the session takes its relations with it.
    await session.execute(`DROP TABLE IF EXISTS ${relation}; DROP TABLE IF EXISTS ${flags}`).catch(() => {})
  }
}

/** The rows under judgement, numbered. Rows without any feature are left out. */
function rowsSql(select: string, definition: Anomalies, context: SqlContext): string {
  const { key, group, where } = definition
  const carried = [...new Set(definition.methods.flatMap((method) => method.carries))]
  const features = Object.entries(definition.features).map(([name, feature]) => {
    const value = typeof feature === 'string' ? quoteName(feature) : `TRY(${renderSql(feature, context).text}\n)`
    return { value, as: featureColumn(name) }
  })
  const groups = group.map((column) => `${quoteText(`${column} `)} || coalesce(${quoteName(column)}::VARCHAR, 'null')`)
  const columns = [
    `concat_ws(', ', ${[...groups, ...(groups.length === 0 ? [quoteText('all rows')] : [])].join(', ')}) AS _group`,
    ...key.map((column) => `${quoteName(column)} AS ${keyColumn(column)}`),
    ...carried.map((column) => `${quoteName(column)} AS ${carriedColumn(column)}`),
    ...features.map(({ value, as }) => `(${value})::DOUBLE AS ${as}`),
  ]
  // DuckDB has NaN greater than every number.
  const numbers = features.map(({ as }) => `CASE WHEN abs(${as}) < 1e150 THEN ${as} END AS ${as}`)
  const condition = where === undefined ? '' : ` WHERE (${renderSql(where, context).text}\n)`
  const some = features.map(({ as }) => `abs(${as}) < 1e150`).join(' OR ')
  const sorted = definition.methods.some((method) => method.ordered)
  const order = sorted ? ` ORDER BY ${[...key.map(keyColumn), ...features.map(({ as }) => as)].join(', ')}` : ''
  const made = `SELECT ${columns.join(', ')} FROM (${select}\n)${condition}`
  return `SELECT row_number() OVER () - 1 AS _row, * FROM (SELECT * REPLACE (${numbers.join(', ')}) FROM (${made}) WHERE ${some}${order})`
}
