import { callerPlace, type Session, type Sql, type SqlInputs, sqlInputs } from '../engine/index.js'
import { ANOMALIES_INVALID, failure, type Place } from '../errors/index.js'
import { type Columns, column, nameColumns, RELATION, type Relation } from '../schema/index.js'

export const ANOMALIES = Symbol.for('sluice.anomalies')

/** One way to tell odd rows from usual ones. A file of this folder makes each kind. */
export interface Method {
  /** `mad`; under it its findings are counted. */
  readonly name: string
  /** Columns of the relation that it needs besides the features. */
  readonly carries: readonly string[]
  /** Whether another order of the rows would give other scores: they are then sorted by key and features first. */
  readonly ordered: boolean
  judge(rows: FeatureRows, given: Given): Promise<Judged>
}

/** What a run hands to its methods. */
export interface Given {
  readonly threads?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** A forest fitted before, to judge by instead of fitting one. */
  readonly fitted?: FittedForest | undefined
}

/**
 * The rows under judgement, in a relation of the session that has their number `_row` from 0, their group `_group` as text (`rate_code_id 1`,
 * never null), and a DOUBLE for each feature, null where there is nothing to judge. Each row has at least one value.
 */
export interface FeatureRows {
  readonly session: Session
  /** Quoted. */
  readonly relation: string
  readonly count: number
  readonly features: readonly string[]
  readonly grouped: boolean
}

export interface Judged {
  /** A row is flagged when its score is greater. */
  readonly threshold: number
  /** SELECTs that together give the rows flagged, each once: `_row`, `feature`, `value`, `score`, `reason`. */
  readonly flagged: readonly string[]
  /** The threshold that would flag this share of the rows, 0 to 1, or somewhat fewer where scores are equal. */
  thresholdFor(share: number): Promise<number>
  /** The forest it judged by. */
  readonly fitted?: FittedForest
}

/** A forest to keep, with all that another run needs to judge by it. */
export interface FittedForest {
  readonly features: readonly string[]
  readonly threshold: number
  /** As `encodeForest` gives it. */
  readonly forest: Uint8Array
}

type NameOf<C> = keyof C & string

export interface AnomaliesDefinition<C extends Columns> {
  readonly of: Relation<C>
  /** What tells one row from another. It stands in the results. */
  readonly key: readonly NameOf<C>[]
  /**
   * A column, or a number made of the columns: ``{ fare_per_mile: sql`ln(fare_amount / nullif(trip_distance, 0))` }``. An expression that
   * fails for a row (the logarithm of 0), null, NaN, and numbers of 1e150 or more in size are not judged: the quality gate is for those.
   */
  readonly features: Readonly<Record<string, Sql | NameOf<C>>>
  /** Rows are compared with those that agree in these columns; with all rows where fewer than 20 agree. */
  readonly group?: readonly NameOf<C>[]
  readonly where?: Sql
  readonly methods: readonly Method[]
  /** How many methods must flag a row; default half of them, rounded up. */
  readonly votes?: number
}

/** Which rows of a relation are odd, and who judges so. */
export interface Anomalies {
  readonly [ANOMALIES]: true
  readonly name: string
  readonly of: Relation
  readonly key: readonly string[]
  readonly features: Readonly<Record<string, Sql | string>>
  readonly group: readonly string[]
  readonly where: Sql | undefined
  readonly methods: readonly Method[]
  readonly votes: number
  /** What it finds, as `sluice anomaly run` keeps it: a table of the lake, `_anomalies.odd_trips`, which a sync may copy to stores. */
  readonly results: Relation
  /** Where it is defined. */
  readonly place: Place
}

/** Columns of the results besides the key. */
export const RESULT_COLUMNS = ['method', 'feature', 'value', 'score', 'threshold', 'votes', 'reason'] as const

const NAME = /^[a-z][a-z0-9_]*$/

/**
 * Defines a search for odd rows.
 *
 * `anomalies('odd_trips', { of: trips, key: ['trip_id'], features: { fare: 'fare_amount' }, methods: [mad({ threshold: 3.5 })] })` gives the
 * trips whose fare lies more than 3.5 robust deviations from the median: `{ trip_id, method: 'mad', feature: 'fare', value: 429.5,
 * score: 51.2, threshold: 3.5, votes: 1, reason: 'fare 429.5 is 51.2 robust deviations above 9.5, the median of all rows' }`.
 *
 * Throws ANOMALIES_INVALID when the definition does not hold together.
 */
export function anomalies<const C extends Columns>(name: string, definition: AnomaliesDefinition<C>): Anomalies {
  const place = callerPlace(anomalies)
  const wrong = (problem: string, advice: string) => failure(ANOMALIES_INVALID, { name, problem, advice }, { place })
  const { of, key, features, group = [], where, methods, votes = Math.ceil(methods.length / 2) } = definition
  if (!NAME.test(name)) throw wrong('its name is not in lower case with _', 'Call it as you would a table: odd_trips.')
  // Undefined where two files import each other.
  if (of === undefined) throw wrong('`of` is undefined', 'Two files that import each other give this: take one of the imports away.')
  const columns = Object.keys(of.columns)
  const plain = Object.values(features).filter((feature) => typeof feature === 'string')
  const unknown = [...key, ...group, ...plain, ...methods.flatMap((method) => method.carries)].find((column) => !columns.includes(column))
  if (unknown !== undefined) throw wrong(`it names "${unknown}", which is no column of ${of.name}`, `Columns: ${columns.join(', ')}.`)
  if (key.length === 0) throw wrong('it has no key', "Add `key: ['...']`: results are told apart by it.")
  const taken = key.find((column) => (RESULT_COLUMNS as readonly string[]).includes(column))
  if (taken !== undefined)
    throw wrong(`its key has the column "${taken}", as the results have`, 'Judge a relation in which it has another name.')
  if (Object.keys(features).length === 0) throw wrong('it has no features', 'Name at least one column, or a number made of columns.')
  if (methods.length === 0) throw wrong('it has no methods', 'Add one, such as mad().')
  const twice = methods.find((method, index) => methods.findIndex((other) => other.name === method.name) < index)
  if (twice !== undefined) throw wrong(`it has the method ${twice.name} twice`, 'Keep one, or make two definitions of it.')
  if (!Number.isInteger(votes) || votes < 1 || votes > methods.length)
    throw wrong(`it asks for ${votes} votes of ${methods.length} methods`, 'Ask for a whole number of them, 1 or more.')
  return { [ANOMALIES]: true, name, of, key, features, group, where, methods, votes, results: resultsOf(name, of, key), place }
}

function resultsOf(name: string, of: Relation, key: readonly string[]): Relation {
  const keys = Object.fromEntries(key.flatMap((one) => (of.columns[one] === undefined ? [] : [[one, of.columns[one]] as const])))
  const columns: Columns = {
    ...keys,
    method: column.string({ nullable: false, description: 'Who flagged it: `mad`, `isolation_forest`.' }),
    feature: column.string({ description: 'What was odd about it.' }),
    value: column.double(),
    score: column.double({ description: 'How odd: above the threshold.' }),
    threshold: column.double(),
    votes: column.integer({ description: 'How many methods flagged the row.' }),
    reason: column.string({ description: 'The same in words.' }),
  }
  return { [RELATION]: true, name: `_anomalies.${name}`, columns: nameColumns(columns) }
}

export function isAnomalies(value: unknown): value is Anomalies {
  return typeof value === 'object' && value !== null && ANOMALIES in value
}

/** What the definition's SQL refers to, the relation it judges first. */
export function anomalyInputs(definition: Anomalies): SqlInputs {
  const templates = [...Object.values(definition.features), definition.where].flatMap((one) =>
    typeof one === 'object' ? [sqlInputs(one)] : [],
  )
  const once = <Named extends { readonly name: string }>(all: readonly Named[]) => [...new Map(all.map((one) => [one.name, one])).values()]
  return {
    relations: once([definition.of, ...templates.flatMap((one) => one.relations)]),
    changed: once(templates.flatMap((one) => one.changed)),
    variables: once(templates.flatMap((one) => one.variables)),
  }
}

/** Throws ANOMALIES_INVALID unless it holds: for what a method's options say. */
export function requireOption(holds: boolean, method: string, problem: string): void {
  if (!holds) throw failure(ANOMALIES_INVALID, { name: `${method}()`, problem, advice: 'Change the option, or leave it out.' })
}
