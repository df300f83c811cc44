import { rawSql } from '../../engine/index.js'
import { expectation, type TableExpectation } from '../expectation.js'

/** How many rows the table has once these are in; a MERGE that only updates is counted as if it inserted. */
export function rowCount({ min, max }: { readonly min?: number; readonly max?: number }): TableExpectation<never> {
  const bounds = [...(min === undefined ? [] : [`at least ${min}`]), ...(max === undefined ? [] : [`at most ${max}`])]
  return expectation('row_count', `the table has ${bounds.join(' and ')} rows`, [], {
    scope: 'table',
    measure: rawSql('count(*)'),
    passes: (staged, { keptRows }) => {
      const rows = keptRows + (staged ?? 0)
      return (min === undefined || rows >= min) && (max === undefined || rows <= max)
    },
  })
}
