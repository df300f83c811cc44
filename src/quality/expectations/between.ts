import { quoteName, rawSql, sql } from '../../engine/index.js'
import { type Bound, boundText } from '../bound.js'
import { expectation, type RowExpectation } from '../expectation.js'

/** The value lies between the two, both included. */
export function between<Name extends string>(column: Name, low: Bound, high: Bound): RowExpectation<Name> {
  const passes = sql`${rawSql(quoteName(column))} BETWEEN ${low} AND ${high}`
  const description = `${column} is between ${boundText(low)} and ${boundText(high)}`
  return expectation(`${column}_between`, description, [column], { scope: 'row', passes })
}
