import { quoteName, quoteText, rawSql } from '../../engine/index.js'
import { expectation, type RowExpectation } from '../expectation.js'

/** The whole text matches the pattern (RE2 syntax: no look-around, no back-references; the flag `i` is honoured). */
export function matches<Name extends string>(column: Name, pattern: RegExp | string): RowExpectation<Name> {
  const source = typeof pattern === 'string' ? pattern : pattern.source
  const options = typeof pattern !== 'string' && pattern.ignoreCase ? ", 'i'" : ''
  const passes = rawSql(`regexp_full_match(${quoteName(column)}::VARCHAR, ${quoteText(source)}${options})`)
  return expectation(`${column}_matches`, `${column} matches ${source}`, [column], { scope: 'row', passes })
}
