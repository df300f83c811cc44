import { expectation, type RowExpectation } from '../expectation.js'

/** No two rows agree in these columns. With `quarantine`, all rows of a key that repeats are held. */
export function unique<const Names extends readonly [string, ...string[]]>(...columns: Names): RowExpectation<Names[number]> {
  return expectation(`${columns.join('_')}_unique`, `${columns.join(', ')} is unique`, columns, { scope: 'unique', columns })
}
