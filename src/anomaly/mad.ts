import { type Method, requireOption } from './detector.js'
import { methodInSql, numberText, scoresBy, sideText } from './scores.js'

export interface MadOptions {
  /** Robust deviations; default 3.5. */
  readonly threshold?: number
  /** The least MAD reckoned with, in units of the feature: 0.05 keeps logarithms from being odd for a few per cent. Default 0. */
  readonly floor?: number
}

/**
 * Robust deviations from the median, 0.6745 |x - median| / max(MAD, floor), with MAD the median of |x - median|: B. Iglewicz, D. C. Hoaglin,
 * How to Detect and Handle Outliers, 1993. For normal values they are standard deviations, and far values do not move them.
 *
 * `mad({ threshold: 3.5, floor: 0.05 })`. Made for features that lie evenly about their middle, such as logarithms of ratios. Where more
 * than half of the values are the same the MAD is 0, and without a floor the standard deviation stands in for MAD / 0.6745.
 */
export function mad({ threshold = 3.5, floor = 0 }: MadOptions = {}): Method {
  requireOption(threshold > 0, 'mad', `its threshold ${threshold} is not above 0`)
  requireOption(floor >= 0, 'mad', `its floor ${floor} is below 0`)
  return methodInSql(
    'mad',
    threshold,
    scoresBy({
      measures: { center: 'median(value)', scale: robustScale('mad(value)', 'stddev_pop(value)', floor) },
      score: 'CASE WHEN scale > 0 THEN abs(value - center) / scale ELSE 0 END',
      reason: `concat(${numberText('score')}, ' robust deviations', ${sideText('center')}, ${numberText('center')}, ', the median')`,
    }),
  )
}

/** What one robust deviation is, in units of the feature: max(MAD, floor) / 0.6745, or `standIn` where that is 0. */
export function robustScale(medianDeviation: string, standIn: string, floor: number): string {
  return `coalesce(nullif(greatest(${medianDeviation}, ${floor}) / 0.6745, 0), ${standIn})`
}
