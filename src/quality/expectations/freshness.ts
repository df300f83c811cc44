import { quoteName, rawSql } from '../../engine/index.js'
import { expectation, type TableExpectation } from '../expectation.js'

/** The newest value of a date or timestamp column is at most this old. With no rows there is nothing to judge, and it passes. */
export function freshness<Name extends string>(column: Name, { maxAgeHours }: { readonly maxAgeHours: number }): TableExpectation<Name> {
  return expectation(`${column}_fresh`, `the newest ${column} is at most ${maxAgeHours} h old`, [column], {
    scope: 'table',
    measure: rawSql(`epoch_ms(max(${quoteName(column)})::TIMESTAMP)`),
    passes: (newest, { now }) => newest === null || now.getTime() - newest <= maxAgeHours * 3_600_000,
  })
}
