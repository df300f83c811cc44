import { COLUMN_NAME, type Relation } from '../../schema/index.js'
import { expectation, type RowExpectation } from '../expectation.js'

/** The value stands in a column of another dataset; null passes. `expect.column('zone_id').references(zones, zones.columns.zone_id)` */
export function references<Name extends string>(
  column: Name,
  relation: Relation,
  target: { readonly [COLUMN_NAME]: string },
): RowExpectation<Name> {
  const name = target[COLUMN_NAME]
  const description = `${column} is a ${name} of ${relation.name}`
  return expectation(`${column}_references_${relation.name.split('.').at(-1)}`, description, [column], {
    scope: 'references',
    column,
    relation,
    target: name,
  })
}
