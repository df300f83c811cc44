import { quoteName, rawSql } from '../../engine/index.js'
import { expectation, type RowExpectation } from '../expectation.js'

/** The column has a value. */
export function notNull<Name extends string>(column: Name): RowExpectation<Name> {
  const passes = rawSql(`${quoteName(column)} IS NOT NULL`)
  return expectation(`${column}_not_null`, `${column} is not null`, [column], { scope: 'row', passes })
}
