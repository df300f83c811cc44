import type { Timestamp, Variable } from '../schema/index.js'

/** A limit: a value, or a variable that gets one when a command runs. Decimals and dates are text. */
export type Bound = number | bigint | string | Timestamp | Variable

export function boundText(bound: Bound): string {
  return typeof bound === 'object' && 'kind' in bound ? `the variable ${bound.name}` : String(bound)
}
