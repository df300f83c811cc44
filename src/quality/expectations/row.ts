import type { Sql } from '../../engine/index.js'
import { expectation, type RowExpectation } from '../expectation.js'

/** Any SQL condition over the staged row, true or null for a row that passes. */
export function row(name: string, condition: Sql): RowExpectation<never> {
  return expectation(name, name.replaceAll('_', ' '), [], { scope: 'row', passes: condition })
}
