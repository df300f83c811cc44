import { quoteName, rawSql, sqlType } from '../../engine/index.js'
import { type Column, typeText } from '../../schema/index.js'
import { expectation, type RowExpectation } from '../expectation.js'

/** The value can be read as the type: `expect.column('amount').hasType(column.decimal(10, 2))` over a text column. */
export function hasType<Name extends string>(name: Name, wanted: Column): RowExpectation<Name> {
  const passes = rawSql(`(${quoteName(name)} IS NULL OR try_cast(${quoteName(name)} AS ${sqlType(wanted.type)}) IS NOT NULL)`)
  return expectation(`${name}_has_type`, `${name} reads as ${typeText(wanted.type)}`, [name], { scope: 'row', passes })
}
