import { quoteName, rawSql } from '../../engine/index.js'
import { expectation, type RowExpectation } from '../expectation.js'

/** The text has at least `min` and at most `max` characters. */
export function length<Name extends string>(
  column: Name,
  { min, max }: { readonly min?: number; readonly max?: number },
): RowExpectation<Name> {
  const measured = `length(${quoteName(column)})`
  const bounds = [...(min === undefined ? [] : [`${measured} >= ${min}`]), ...(max === undefined ? [] : [`${measured} <= ${max}`])]
  const description = `${column} has ${[...(min === undefined ? [] : [`at least ${min}`]), ...(max === undefined ? [] : [`at most ${max}`])].join(' and ')} characters`
  return expectation(`${column}_length`, description, [column], { scope: 'row', passes: rawSql(bounds.join(' AND ') || 'true') })
}
