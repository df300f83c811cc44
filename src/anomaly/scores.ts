import { quoteName, quoteText } from '../engine/index.js'
import type { FeatureRows, Judged, Method } from './detector.js'

/** Fewer rows than this say little about what is usual in a group: its rows are compared with all. */
export const LEAST_GROUP = 20

/** How a group of values is summed up, and how far a value lies from it. All of it is SQL. */
export interface Statistic {
  /** Aggregates of `value` over a group, by name. */
  readonly measures: Readonly<Record<string, string>>
  /** Of `value` and the measures: 0 or more, the greater the odder, null where nothing can be said. */
  readonly score: string
  /** Of `value`, `score` and the measures, as text: what follows on `fare_per_mile 41.2 is `, and goes before `of rate_code_id 1`. */
  readonly reason: string
}

/** A method that looks at one feature after the other, and gives a row the greatest of its scores. `scores` gives a SELECT for a feature. */
export function methodInSql(
  name: string,
  threshold: number,
  scores: (rows: FeatureRows, feature: string) => string,
  carries: readonly string[] = [],
): Method {
  return {
    name,
    carries,
    ordered: false,
    judge: async (rows): Promise<Judged> => {
      const all = rows.features.map((feature) => `(${scores(rows, feature)})`).join(' UNION ALL ')
      return {
        threshold,
        flagged: [
          `SELECT * FROM (${all}) WHERE score > ${threshold} QUALIFY row_number() OVER (PARTITION BY _row ORDER BY score DESC, feature) = 1`,
        ],
        async thresholdFor(share) {
          const greatest = `SELECT max(coalesce(score, 0)) AS score FROM (${all}) GROUP BY _row`
          const [row] = await rows.session.rows(`SELECT quantile_disc(score, ${1 - share}) AS threshold FROM (${greatest})`)
          return Number(row?.['threshold'] ?? 0)
        },
      }
    },
  }
}

/** Scores of a feature by statistics of each group: `_row`, `feature`, `value`, `score`, `reason`. */
export function scoresBy({ measures, score, reason }: Statistic): (rows: FeatureRows, feature: string) => string {
  const names = Object.keys(measures)
  return (rows, feature) => {
    const values = valuesSql(rows, feature)
    const aggregates = Object.entries(measures).map(([name, aggregate]) => `${aggregate} AS ${name}`)
    const isOwn = rows.grouped ? `own.size >= ${LEAST_GROUP}` : 'true'
    return `
      WITH measured AS (
        SELECT _group, count(*) AS size, ${aggregates.join(', ')} FROM (${values})
        GROUP BY ${rows.grouped ? 'GROUPING SETS ((_group), ())' : '_group'}
      ), populations AS (
        SELECT own._group, CASE WHEN ${isOwn} THEN own._group ELSE ${quoteText(ALL_ROWS)} END AS population,
          ${names.map((name) => `CASE WHEN ${isOwn} THEN own.${name} ELSE whole.${name} END AS ${name}`).join(', ')}
        FROM measured AS own LEFT JOIN measured AS whole ON whole._group IS NULL
        WHERE own._group IS NOT NULL
      ), scored AS (
        SELECT *, (${score})::DOUBLE AS score FROM (${values}) JOIN populations USING (_group)
      )
      SELECT _row, ${quoteText(feature)} AS feature, value, score,
        concat(${quoteText(`${feature} `)}, ${numberText('value')}, ' is ', ${reason}, ' of ', population) AS reason
      FROM scored`
  }
}

/** What the group of all rows is called. */
export const ALL_ROWS = 'all rows'

/** A feature's values: `_row`, `_group`, `value`, and columns carried along. */
export function valuesSql(rows: FeatureRows, feature: string, carried: readonly string[] = []): string {
  const more = carried.map((column) => `, ${carriedColumn(column)}`).join('')
  return `SELECT _row, _group, ${featureColumn(feature)} AS value${more} FROM ${rows.relation} WHERE ${featureColumn(feature)} IS NOT NULL`
}

/** The column of a feature in the relation of rows under judgement. */
export function featureColumn(feature: string): string {
  return quoteName(`feature ${feature}`)
}

export function carriedColumn(column: string): string {
  return quoteName(`carried ${column}`)
}

export function keyColumn(column: string): string {
  return quoteName(`key ${column}`)
}

/** A number as people read it, five digits of it. */
export function numberText(value: string): string {
  return `format('{:.5g}', ${value})`
}

/** `above` or `below`. */
export function sideText(center: string): string {
  return `CASE WHEN value > ${center} THEN ' above ' ELSE ' below ' END`
}
