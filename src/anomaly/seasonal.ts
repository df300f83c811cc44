import { quoteText } from '../engine/index.js'
import { type FeatureRows, type Method, requireOption } from './detector.js'
import { robustScale } from './mad.js'
import { ALL_ROWS, carriedColumn, LEAST_GROUP, methodInSql, numberText, sideText, valuesSql } from './scores.js'

export interface SeasonalOptions<Time extends string = string> {
  /** A date or timestamp column; hours are those of UTC. */
  readonly time: Time
  /** Robust deviations; default 3.5. */
  readonly threshold?: number
  /** The least MAD reckoned with, in units of the feature. Default 0. */
  readonly floor?: number
}

/** A slot with fewer values says nothing about its hour. */
const LEAST_SLOT = 4

/**
 * Robust deviations from what is usual at that hour of the week: the median of the slot is taken away, and what is left is judged by its MAD,
 * as `mad` does.
 *
 * `seasonal({ time: 'pickup_at' })`. With fewer than 28 different days slots are hours of the day, and with fewer than 4 there are none:
 * a pattern seen less than four times is no pattern. A slot of fewer than 4 values goes by the median of the group.
 */
export function seasonal<const Time extends string>({ time, threshold = 3.5, floor = 0 }: SeasonalOptions<Time>): Method {
  requireOption(threshold > 0, 'seasonal', `its threshold ${threshold} is not above 0`)
  requireOption(floor >= 0, 'seasonal', `its floor ${floor} is below 0`)
  return methodInSql('seasonal', threshold, (rows, feature) => seasonalScores(rows, feature, time, floor), [time])
}

function seasonalScores(rows: FeatureRows, feature: string, time: string, floor: number): string {
  const at = `${carriedColumn(time)}::TIMESTAMP`
  const ofAll = quoteText(ALL_ROWS)
  const ofWhole = rows.grouped ? `UNION ALL SELECT _row, _group, value, slot, ${ofAll} AS population FROM slotted` : ''
  return `
    WITH span AS (
      SELECT count(DISTINCT ${at}::DATE) AS days FROM (${valuesSql(rows, feature, [time])})
    ), slotted AS (
      SELECT _row, _group, value, CASE WHEN days >= 28 THEN dayofweek(${at}) * 24 + hour(${at}) WHEN days >= 4 THEN hour(${at}) ELSE 0 END AS slot,
        CASE WHEN days >= 28 THEN 'at this hour of the week' WHEN days >= 4 THEN 'at this hour' ELSE 'at all hours' END AS season
      FROM (${valuesSql(rows, feature, [time])}), span
    ), judged AS (
      SELECT *, CASE WHEN ${rows.grouped ? `count(*) OVER (PARTITION BY _group) >= ${LEAST_GROUP}` : 'true'} THEN _group ELSE ${ofAll} END AS population
      FROM slotted
    ), members AS (
      SELECT _row, _group, value, slot, _group AS population FROM slotted ${ofWhole}
    ), medians AS (
      SELECT population, slot, grouping(slot) = 1 AS level, count(*) AS size, median(value) AS center
      FROM members GROUP BY GROUPING SETS ((population, slot), (population))
    ), centers AS (
      SELECT hourly.population, hourly.slot, CASE WHEN hourly.size >= ${LEAST_SLOT} THEN hourly.center ELSE level.center END AS center
      FROM medians AS hourly JOIN medians AS level ON level.population = hourly.population AND level.level
      WHERE NOT hourly.level
    ), scales AS (
      SELECT members.population AS population, ${robustScale('median(abs(value - center))', 'sqrt(avg((value - center) ** 2))', floor)} AS scale
      FROM members JOIN centers ON members.population = centers.population AND members.slot IS NOT DISTINCT FROM centers.slot
      GROUP BY ALL
    ), scored AS (
      SELECT judged.*, center, CASE WHEN scale > 0 THEN abs(value - center) / scale ELSE 0 END AS score
      FROM judged JOIN centers ON judged.population = centers.population AND judged.slot IS NOT DISTINCT FROM centers.slot
        JOIN scales ON scales.population = judged.population
    )
    SELECT _row, ${quoteText(feature)} AS feature, value, score,
      concat(${quoteText(`${feature} `)}, ${numberText('value')}, ' is ', ${numberText('score')}, ' robust deviations', ${sideText('center')},
        ${numberText('center')}, ', which is usual ', season, ', of ', population) AS reason
    FROM scored`
}
