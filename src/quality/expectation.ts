import type { Sql } from '../engine/index.js'
import { EXPECTATION_INVALID, failure } from '../errors/index.js'
import type { Relation } from '../schema/index.js'

/** `warn` notes it, `quarantine` holds the rows that fail, `fail` publishes nothing. */
export type Action = 'warn' | 'quarantine' | 'fail'
export type Severity = 'info' | 'warning' | 'critical'

export const EXPECTATION = Symbol.for('sluice.expectation')

/** What a rule looks at, and how it is judged. One file of `expectations/` makes each kind. */
export type Rule =
  /** True or null for a row that passes, as SQL over the staged row. Judged in the gate's one pass. */
  | { readonly scope: 'row'; readonly passes: Sql }
  /** No two rows agree in these columns; rows with a null in one of them pass. */
  | { readonly scope: 'unique'; readonly columns: readonly string[] }
  /** Each value of the column stands in a column of another dataset; null passes. */
  | { readonly scope: 'references'; readonly column: string; readonly relation: Relation; readonly target: string }
  /** One number about all accepted rows, measured in the gate's one pass. */
  | {
      readonly scope: 'table'
      /** An aggregate over the accepted staged rows, as SQL. */
      readonly measure: Sql
      /** Judged on the number, null when there was nothing to measure. */
      readonly passes: (measured: number | null, about: TableFacts) => boolean
    }

/** What is known of a table when its gate is judged. */
export interface TableFacts {
  /** Rows the table keeps besides those staged: 0 when the step replaces them all. */
  readonly keptRows: number
  /** Rows that the last run of this dataset accepted. */
  readonly previousRows: number | undefined
  readonly now: Date
}

/** A statement about a row or a table, and what happens when it does not hold. `Names` are the columns it speaks of. */
export interface Expectation<Names extends string = string> {
  readonly [EXPECTATION]: true
  readonly name: string
  /** In words: `fare_amount is at least 0`. */
  readonly description: string
  readonly columns: readonly Names[]
  readonly rule: Rule
  readonly action: Action
  readonly severity: Severity
  readonly tags: readonly string[]
  /** The share of rows, 0 to 1, that must pass; below it the step fails as well. */
  readonly mostly: number | undefined
}

interface Refinements<Names extends string, Actions extends Action> {
  /** The name under which results and held rows are counted. */
  named(name: string): Refinable<Names, Actions>
  /** What happens when it does not hold. Default `fail`. */
  otherwise(action: Actions): Refinable<Names, Actions>
  /** At what share of passing rows (0 to 1) the step fails as well. `quarantine` still holds every failing row. */
  mostly(share: number): Refinable<Names, Actions>
  severity(severity: Severity): Refinable<Names, Actions>
  tagged(...tags: readonly string[]): Refinable<Names, Actions>
}

/** An expectation that can still be refined: each call gives a new one. */
export interface Refinable<Names extends string, Actions extends Action>
  extends Omit<Expectation<Names>, 'mostly' | 'severity'>,
    Refinements<Names, Actions> {}

export type RowExpectation<Names extends string = string> = Refinable<Names, Action>
/** About all rows together, so there is no row to quarantine. */
export type TableExpectation<Names extends string = string> = Refinable<Names, 'warn' | 'fail'>

const DEFAULT_SEVERITY: Readonly<Record<Action, Severity>> = { warn: 'info', quarantine: 'warning', fail: 'critical' }
const STATE = Symbol.for('sluice.expectation-state')

interface State {
  readonly name: string
  readonly description: string
  readonly columns: readonly string[]
  readonly rule: Rule
  readonly action: Action
  readonly severity?: Severity
  readonly tags: readonly string[]
  readonly mostly?: number
}

export function expectation<Names extends string, Actions extends Action>(
  name: string,
  description: string,
  columns: readonly Names[],
  rule: Rule,
): Refinable<Names, Actions> {
  return refinable({ name, description, columns, rule, action: 'fail', tags: [] })
}

function refinable<Names extends string, Actions extends Action>(state: State): Refinable<Names, Actions> {
  const refine = (change: Partial<State>) => refinable<Names, Actions>({ ...state, ...change })
  return {
    [EXPECTATION]: true,
    [STATE]: state,
    name: state.name,
    description: state.description,
    columns: state.columns as readonly Names[],
    rule: state.rule,
    action: state.action,
    tags: state.tags,
    named: (name) => refine({ name }),
    otherwise: (action) => refine({ action }),
    mostly: (mostly) => {
      if (!(mostly >= 0 && mostly <= 1))
        throw failure(EXPECTATION_INVALID, { expectation: state.name, problem: `mostly(${mostly}) is no share` })
      return refine({ mostly })
    },
    severity: (severity) => refine({ severity }),
    tagged: (...tags) => refine({ tags: [...state.tags, ...tags] }),
  } as Refinable<Names, Actions> & { readonly [STATE]: State }
}

/** What a definition may hold: any refined expectation about the given columns. */
export type AnyExpectation<Names extends string = string> = Refinable<Names, never>

/** The finished expectation behind a refinable one. */
export function finished(one: AnyExpectation): Expectation {
  const state = (one as unknown as { readonly [STATE]: State })[STATE]
  return { [EXPECTATION]: true, ...state, severity: state.severity ?? DEFAULT_SEVERITY[state.action], mostly: state.mostly }
}
