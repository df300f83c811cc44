import { callerPlace, isSql, type Sql, sqlInputs } from '../engine/index.js'
import { DATASET_INVALID, failure, type Place } from '../errors/index.js'
import type { LineageNode } from '../lineage/index.js'
import type { Duration } from '../observability/index.js'
import { type AnyExpectation, type Expectation, finished } from '../quality/index.js'
import { type Columns, type Field, fieldsOf, nameColumns, RELATION, type Relation, type RowOf, type Variable } from '../schema/index.js'
import { isSource, PROVENANCE_FIELDS, type Source } from '../sources/index.js'
import type { WriteStrategy } from './write.js'

export const DATASET = Symbol.for('sluice.dataset')

export type Layer = 'bronze' | 'silver' | 'gold'
export type DatasetName = `${Layer}.${string}`

type NameOf<C> = keyof C & string

export interface DatasetDefinition<C extends Columns, S extends Columns> {
  readonly description?: string
  /** For selectors: `tag:hourly`. */
  readonly tags?: readonly string[]
  readonly columns: C
  /** Columns that the query gives for the gate and the quarantine to see, and that the table does not keep. */
  readonly staged?: S
  /** How often it is meant to be brought up to date; default the project's. */
  readonly every?: Duration
  /** What tells one row from another; `merge()` goes by it. */
  readonly key?: readonly NameOf<C>[]
  readonly partition?: readonly NameOf<C>[]
  readonly from: Source | Sql
  readonly write: WriteStrategy<NameOf<C>>
  readonly expect?: readonly AnyExpectation<NameOf<NoInfer<C>> | NameOf<NoInfer<S>>>[]
}

/** A named table with typed columns at a layer, and the rule that fills it. */
export interface Dataset<C extends Columns = Columns> extends Relation<C> {
  readonly [DATASET]: true
  readonly layer: Layer
  readonly description: string
  readonly tags: readonly string[]
  readonly staged: Columns
  readonly key: readonly string[]
  readonly partition: readonly string[]
  readonly from: Source | Sql
  readonly write: WriteStrategy
  readonly expect: readonly Expectation[]
  readonly every: Duration | undefined
  /** Where it is defined. */
  readonly place: Place
}

/** The type of a dataset's row: `Row<typeof trips>`. */
export type Row<D> = D extends Dataset<infer C> ? RowOf<C> : never

const NAME = /^(bronze|silver|gold)\.[a-z][a-z0-9_]*$/

/**
 * Defines a dataset.
 *
 * `dataset('silver.trips', { columns: { trip_id: column.string() }, key: ['trip_id'], from: sql`select ...`, write: merge() })`
 * gives the Delta table `<lake>/silver/trips`, filled by the query.
 */
export function dataset<const C extends Columns, const S extends Columns = Record<never, never>>(
  name: DatasetName,
  definition: DatasetDefinition<C, S>,
): Dataset<C> {
  const place = callerPlace(dataset)
  const wrong = (problem: string, advice: string) => failure(DATASET_INVALID, { name, problem, advice }, { place })
  if (!NAME.test(name))
    throw wrong('its name is not layer.name in lower case', 'Call it bronze.x, silver.x or gold.x, with a-z, 0-9 and _.')
  if (!isSource(definition.from) && !isSql(definition.from))
    throw wrong('`from` is neither a source nor SQL', 'Give a source such as files(), or sql`...`.')
  const names = new Set([...Object.keys(definition.columns), ...Object.keys(definition.staged ?? {})])
  if (Object.keys(definition.columns).length === 0) throw wrong('it has no columns', 'Declare at least one.')
  const own = Object.keys(definition.columns).find((column) => column.startsWith('_'))
  if (own !== undefined) throw wrong(`the column "${own}" begins with _, which is kept for columns that Sluice adds`, 'Rename it.')
  const twice = Object.keys(definition.staged ?? {}).find((column) => column in definition.columns)
  if (twice !== undefined) throw wrong(`"${twice}" stands in both \`columns\` and \`staged\``, 'Keep it in one of them.')
  for (const column of [...(definition.key ?? []), ...(definition.partition ?? []), ...definition.write.columns]) {
    if (!names.has(column))
      throw wrong(`key, partition or write names "${column}", which is no column`, `Columns: ${[...names].join(', ')}.`)
  }
  if (definition.write.kind === 'merge' && (definition.key ?? []).length === 0) throw wrong('merge() needs a key', "Add `key: ['...']`.")
  if (definition.partition?.length === Object.keys(definition.columns).length)
    throw wrong('every column is a partition column', 'Leave at least one out.')
  return {
    [DATASET]: true,
    [RELATION]: true,
    name,
    layer: name.split('.')[0] as Layer,
    columns: nameColumns(definition.columns),
    description: definition.description ?? '',
    tags: definition.tags ?? [],
    staged: definition.staged ?? {},
    key: definition.key ?? [],
    partition: definition.partition ?? [],
    from: definition.from,
    write: definition.write,
    expect: (definition.expect ?? []).map((one) => finished(one as AnyExpectation)),
    every: definition.every,
    place,
  }
}

export function isDataset(value: unknown): value is Dataset {
  return typeof value === 'object' && value !== null && DATASET in value
}

/** The columns of a dataset's table: those declared, and where it is filled from outside, where each row came from. */
export function tableFields(one: Dataset): Field[] {
  return [...fieldsOf(one.columns), ...(isSource(one.from) ? PROVENANCE_FIELDS : [])]
}

/** The columns a query must give. */
export function declaredFields(one: Dataset): Field[] {
  return [...fieldsOf(one.columns), ...fieldsOf(one.staged)]
}

/** Datasets it reads, in its query or to check a reference against. */
export function readsOf(one: Dataset): string[] {
  const inputs = isSql(one.from) ? sqlInputs(one.from) : { relations: [], changed: [] }
  const referenced = one.expect.flatMap(({ rule }) => (rule.scope === 'references' ? [rule.relation.name] : []))
  return [
    ...new Set([...inputs.relations.map((relation) => relation.name), ...inputs.changed.map((relation) => relation.name), ...referenced]),
  ]
}

/** Variables that change what it is filled with (`query`), or how it is judged. */
export function variablesOf(one: Dataset): Variable[] {
  const judged = one.expect.flatMap(({ rule }) =>
    rule.scope === 'row' ? sqlInputs(rule.passes).variables : rule.scope === 'table' ? sqlInputs(rule.measure).variables : [],
  )
  return [...(isSql(one.from) ? sqlInputs(one.from).variables : one.from.variables), ...judged]
}

export function lineageNode(one: Dataset, source?: string): LineageNode {
  return { name: one.name, reads: readsOf(one), ...(source === undefined ? {} : { source }) }
}
