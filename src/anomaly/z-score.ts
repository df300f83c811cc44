import { type Method, requireOption } from './detector.js'
import { methodInSql, numberText, scoresBy, sideText } from './scores.js'

/**
 * Standard deviations from the mean: `zScore({ threshold: 3 })` flags what lies more than three away.
 *
 * One value that is far out widens the deviation and hides the others: prefer `mad` where that may be. Values that are all the same score 0.
 */
export function zScore({ threshold = 3 }: { readonly threshold?: number } = {}): Method {
  requireOption(threshold > 0, 'zScore', `its threshold ${threshold} is not above 0`)
  return methodInSql(
    'z_score',
    threshold,
    scoresBy({
      measures: { center: 'avg(value)', scale: 'stddev_samp(value)' },
      score: 'CASE WHEN scale > 0 THEN abs(value - center) / scale ELSE 0 END',
      reason: `concat(${numberText('score')}, ' standard deviations', ${sideText('center')}, ${numberText('center')}, ', the mean')`,
    }),
  )
}
