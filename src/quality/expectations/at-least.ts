import { quoteName, rawSql, sql } from '../../engine/index.js'
import { type Bound, boundText } from '../bound.js'
import { expectation, type RowExpectation } from '../expectation.js'

/** The value is `limit` or more. */
export function atLeast<Name extends string>(column: Name, limit: Bound): RowExpectation<Name> {
  const passes = sql`${rawSql(quoteName(column))} >= ${limit}`
  return expectation(`${column}_at_least`, `${column} is at least ${boundText(limit)}`, [column], { scope: 'row', passes })
}
