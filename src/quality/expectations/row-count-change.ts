import { rawSql } from '../../engine/index.js'
import { expectation, type TableExpectation } from '../expectation.js'

/** Rows accepted by this run as a share of the last run's: `{ min: 0.5, max: 2 }` lets them halve or double. The first run passes. */
export function rowCountChange({ min, max }: { readonly min?: number; readonly max?: number }): TableExpectation<never> {
  const bounds = [...(min === undefined ? [] : [`at least ${min}`]), ...(max === undefined ? [] : [`at most ${max}`])]
  return expectation('row_count_change', `rows are ${bounds.join(' and ')} times the last run's`, [], {
    scope: 'table',
    measure: rawSql('count(*)'),
    passes: (staged, { previousRows }) => {
      if (previousRows === undefined || previousRows === 0) return true
      const share = (staged ?? 0) / previousRows
      return (min === undefined || share >= min) && (max === undefined || share <= max)
    },
  })
}
