import { type Method, requireOption } from './detector.js'
import { methodInSql, numberText, scoresBy } from './scores.js'

/**
 * Interquartile ranges past the nearer quartile: `iqr({ factor: 1.5 })` flags what a box plot draws as points (J. W. Tukey, Exploratory
 * Data Analysis, 1977). Where half of the values are the same there is no range, and all score 0.
 */
export function iqr({ factor = 1.5 }: { readonly factor?: number } = {}): Method {
  requireOption(factor > 0, 'iqr', `its factor ${factor} is not above 0`)
  const distance = (side: string, quartile: string, word: string) =>
    `concat(${numberText('score')}, ' interquartile ranges ${side} ', ${numberText(quartile)}, ', the ${word} quartile')`
  return methodInSql(
    'iqr',
    factor,
    scoresBy({
      measures: { lower: 'quantile_cont(value, 0.25)', upper: 'quantile_cont(value, 0.75)' },
      score: 'CASE WHEN upper > lower THEN greatest(lower - value, value - upper, 0) / (upper - lower) ELSE 0 END',
      reason: `CASE WHEN value > upper THEN ${distance('above', 'upper', 'upper')} ELSE ${distance('below', 'lower', 'lower')} END`,
    }),
  )
}
