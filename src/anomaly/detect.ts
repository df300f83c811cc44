import { quoteName, type Session } from '../engine/index.js'
import type { Anomalies, FittedForest } from './detector.js'
import { type JudgeOptions, judge } from './feature-rows.js'
import { keyColumn } from './scores.js'

export interface Detection {
  /**
   * A temporary relation of the session, quoted: a row for each method that flagged a row which has the votes. Its columns are the key's, then
   * `method`, `feature`, `value`, `score`, `threshold`, `votes`, `reason`, in the order of the key where the forest is among the methods.
   */
  readonly relation: string
  /** Rows that could be judged. */
  readonly judged: number
  /** Rows that have the votes. */
  readonly found: number
  readonly methods: readonly { readonly method: string; readonly threshold: number; readonly flagged: number }[]
  /** The forest judged by, to keep; absent where none is among the methods. */
  readonly fitted?: FittedForest
}

/**
 * Finds the odd rows of a SELECT that gives the columns of the definition's relation.
 *
 * `await detect(session, 'SELECT * FROM "silver.trips"', oddTrips, { context })` answers `{ relation: '"anomalies odd_trips"', judged: 50000,
 * found: 312, ... }`, and `SELECT * FROM "anomalies odd_trips"` gives
 *
 *     trip_id  method  feature        value  score  threshold  votes  reason
 *     t-1      mad     fare_per_mile  3.72   12.3   3.5        2      fare_per_mile 3.72 is 12.3 robust deviations above 1.06, the median of ...
 *
 * Throws ENGINE_SQL_INVALID for SQL that is none, and FOREST_COLUMNS_DIFFER when `fitted` knows other features.
 */
export async function detect(session: Session, select: string, definition: Anomalies, options: JudgeOptions): Promise<Detection> {
  const relation = quoteName(`anomalies ${definition.name}`)
  return judge(session, select, definition, options, async ({ rows, flags, methods }) => {
    const keys = definition.key.map((column) => `${keyColumn(column)} AS ${quoteName(column)}`).join(', ')
    await session.execute(`CREATE OR REPLACE TEMP TABLE ${relation} AS
      SELECT ${keys}, method, feature, value, score, threshold, votes, reason
      FROM (SELECT *, count(*) OVER (PARTITION BY _row) AS votes FROM ${flags}) JOIN ${rows.relation} USING (_row)
      WHERE votes >= ${definition.votes} ORDER BY _row, method`)
    const counts = await session.rows(`SELECT method, count(*) AS flagged FROM ${flags} GROUP BY method`)
    const [found] = await session.rows(
      `SELECT count(*) AS found FROM (SELECT _row FROM ${flags} GROUP BY _row HAVING count(*) >= ${definition.votes})`,
    )
    const fitted = methods.find((one) => one.fitted !== undefined)?.fitted
    return {
      relation,
      judged: rows.count,
      found: Number(found?.['found']),
      methods: methods.map(({ method, threshold }) => ({
        method,
        threshold,
        flagged: Number(counts.find((one) => one['method'] === method)?.['flagged'] ?? 0),
      })),
      ...(fitted === undefined ? {} : { fitted }),
    }
  })
}
