import type { Sql } from '../../engine/index.js'
import { expectation, type TableExpectation } from '../expectation.js'

/** A number over all accepted rows lies between two: ``expect.aggregate('mean_fare', sql`avg(fare_amount)`, { min: 5, max: 50 })``. */
export function aggregate(
  name: string,
  measure: Sql,
  { min, max }: { readonly min?: number; readonly max?: number },
): TableExpectation<never> {
  const bounds = [...(min === undefined ? [] : [`at least ${min}`]), ...(max === undefined ? [] : [`at most ${max}`])]
  return expectation(name, `${name.replaceAll('_', ' ')} is ${bounds.join(' and ')}`, [], {
    scope: 'table',
    measure,
    passes: (measured) => measured === null || ((min === undefined || measured >= min) && (max === undefined || measured <= max)),
  })
}
