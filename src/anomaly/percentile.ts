import { type Method, requireOption } from './detector.js'
import { methodInSql, numberText, scoresBy } from './scores.js'

/** The greatest score there is: of a value past a limit that is the median itself. Scores stay finite numbers. */
const MOST = 1e6

/**
 * Values past two percentiles: `percentile({ low: 0.001, high: 0.999 })` flags the lowest and the highest thousandth, whatever they are.
 *
 * The score is the distance from the median, in distances from the median to the limit on that side; above 1 is past the limit.
 */
export function percentile({ low = 0.001, high = 0.999 }: { readonly low?: number; readonly high?: number } = {}): Method {
  requireOption(
    low >= 0 && low < 0.5 && high > 0.5 && high <= 1,
    'percentile',
    `its limits ${low} and ${high} are not on both sides of 0.5`,
  )
  const past = (limit: string) => `least(abs(value - center) / greatest(abs(${limit} - center), 1e-300), ${MOST})`
  const side = (share: number, limit: string, word: string) =>
    `concat('${word} ', ${numberText(limit)}, ', the percentile ${Number((share * 100).toPrecision(6))}')`
  return methodInSql(
    'percentile',
    1,
    scoresBy({
      // Values that are there, and none between two: of twenty values the greatest is no odder than its neighbours.
      measures: { center: 'median(value)', low: `quantile_disc(value, ${low})`, high: `quantile_disc(value, ${high})` },
      score: `CASE WHEN value > center THEN ${past('high')} WHEN value < center THEN ${past('low')} ELSE 0 END`,
      reason: `CASE WHEN value > center THEN ${side(high, 'high', 'above')} ELSE ${side(low, 'low', 'below')} END`,
    }),
  )
}
