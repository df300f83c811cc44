import { literal, quoteName, rawSql } from '../../engine/index.js'
import { expectation, type RowExpectation } from '../expectation.js'

/** The value is one of these. */
export function inSet<Name extends string>(column: Name, values: readonly (string | number | bigint | boolean)[]): RowExpectation<Name> {
  // An empty set lets nothing but null through.
  const passes = rawSql(
    values.length === 0 ? `${quoteName(column)} IS NULL` : `${quoteName(column)} IN (${values.map(literal).join(', ')})`,
  )
  return expectation(`${column}_in_set`, `${column} is one of ${values.join(', ')}`, [column], { scope: 'row', passes })
}
