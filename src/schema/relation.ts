import type { Columns } from './column.js'

export const RELATION = Symbol.for('sluice.relation')
export const CHANGED = Symbol.for('sluice.changed')
export const COLUMN_NAME = Symbol.for('sluice.column-name')

/** The name and the columns of anything that SQL can name. */
export interface Relation<C extends Columns = Columns> {
  readonly [RELATION]: true
  /** `silver.trips` */
  readonly name: string
  readonly columns: NamedColumns<C>
}

/** A column that knows its name, so that SQL can hold it: `t.${trips.columns.fare_amount}`. */
export type NamedColumns<C extends Columns> = { readonly [Name in keyof C]: C[Name] & { readonly [COLUMN_NAME]: Name } }

/** A relation's rows that were added since they were last read. */
export interface ChangedRelation<R extends Relation = Relation> {
  readonly [CHANGED]: true
  readonly relation: R
}

export function nameColumns<C extends Columns>(columns: C): NamedColumns<C> {
  const named = Object.entries(columns).map(([name, declared]) => [name, { ...declared, [COLUMN_NAME]: name }] as const)
  return Object.fromEntries(named) as unknown as NamedColumns<C>
}

/**
 * The rows of a dataset that were added since the version this dataset's last commit consumed.
 *
 * ``sql`select * from ${changed(rawTrips)}` `` reads each trip once over many runs; `${rawTrips}` reads all of it whenever it changed.
 */
export function changed<R extends Relation>(relation: R): ChangedRelation<R> {
  // Undefined where two files import each other; sql says so, with the place.
  return relation === undefined ? (undefined as never) : { [CHANGED]: true, relation }
}

export function isRelation(value: unknown): value is Relation {
  return typeof value === 'object' && value !== null && RELATION in value
}

export function isChanged(value: unknown): value is ChangedRelation {
  return typeof value === 'object' && value !== null && CHANGED in value
}

/** The name of a dataset's column, when that is what the value is. */
export function columnName(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !(COLUMN_NAME in value)) return undefined
  const name = value[COLUMN_NAME]
  return typeof name === 'string' ? name : undefined
}
