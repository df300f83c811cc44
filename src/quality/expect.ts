import type { COLUMN_NAME, Column, Relation } from '../schema/index.js'
import type { Bound } from './bound.js'
import type { RowExpectation } from './expectation.js'
import { aggregate } from './expectations/aggregate.js'
import { atLeast } from './expectations/at-least.js'
import { atMost } from './expectations/at-most.js'
import { between } from './expectations/between.js'
import { freshness } from './expectations/freshness.js'
import { inSet } from './expectations/in-set.js'
import { length } from './expectations/length.js'
import { matches } from './expectations/matches.js'
import { notNull } from './expectations/not-null.js'
import { references } from './expectations/references.js'
import { row } from './expectations/row.js'
import { rowCount } from './expectations/row-count.js'
import { rowCountChange } from './expectations/row-count-change.js'
import { hasType } from './expectations/type.js'
import { unique } from './expectations/unique.js'

/** What may be expected of one column. Null passes all but `notNull`. */
export interface ColumnExpectations<Name extends string> {
  notNull(): RowExpectation<Name>
  atLeast(limit: Bound): RowExpectation<Name>
  atMost(limit: Bound): RowExpectation<Name>
  between(low: Bound, high: Bound): RowExpectation<Name>
  inSet(values: readonly (string | number | bigint | boolean)[]): RowExpectation<Name>
  matches(pattern: RegExp | string): RowExpectation<Name>
  hasType(wanted: Column): RowExpectation<Name>
  length(bounds: { readonly min?: number; readonly max?: number }): RowExpectation<Name>
  references(relation: Relation, target: { readonly [COLUMN_NAME]: string }): RowExpectation<Name>
}

/**
 * Says what must be true of rows and tables.
 *
 * `expect.column('fare_amount').atLeast(0).named('fare_not_negative').otherwise('quarantine')`
 * holds rows with a negative fare under the name fare_not_negative.
 */
export const expect = {
  column<const Name extends string>(name: Name): ColumnExpectations<Name> {
    return {
      notNull: () => notNull(name),
      atLeast: (limit) => atLeast(name, limit),
      atMost: (limit) => atMost(name, limit),
      between: (low, high) => between(name, low, high),
      inSet: (values) => inSet(name, values),
      matches: (pattern) => matches(name, pattern),
      hasType: (wanted) => hasType(name, wanted),
      length: (bounds) => length(name, bounds),
      references: (relation, target) => references(name, relation, target),
    }
  },
  row,
  unique,
  rowCount,
  rowCountChange,
  freshness,
  aggregate,
}
