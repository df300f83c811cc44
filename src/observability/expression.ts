/**
 * What a signal is made of: a tree that prints as PromQL (`promql.ts`), is read from PromQL (`promql-parser.ts`), and is evaluated by
 * `monitoring/evaluator.ts`. Plain data: it can be compared, kept and sent.
 */
export type Expression =
  | NumberExpression
  | { readonly kind: 'time' }
  | { readonly kind: 'vector'; readonly of: Expression }
  | { readonly kind: 'scalar'; readonly of: Expression }
  | SelectExpression
  | RangeExpression
  | {
      readonly kind: 'call'
      readonly function: InstantFunction
      readonly of: Expression
      readonly args: readonly number[]
    }
  | { readonly kind: 'histogram_quantile'; readonly quantile: number; readonly of: Expression }
  | {
      readonly kind: 'aggregate'
      readonly operator: AggregateOperator
      readonly grouping: Grouping
      /** `topk`, `bottomk`, `quantile` take one. */
      readonly parameter?: number
      readonly of: Expression
    }
  | {
      readonly kind: 'binary'
      readonly operator: ArithmeticOperator
      readonly left: Expression
      readonly right: Expression
      readonly matching?: Matching
    }
  | {
      readonly kind: 'comparison'
      readonly operator: ComparisonOperator
      readonly left: Expression
      readonly right: Expression
      /** True: 0 or 1 for each element; false: those for which it does not hold are left out. */
      readonly bool: boolean
      readonly matching?: Matching
    }
  | {
      readonly kind: 'set'
      readonly operator: SetOperator
      readonly left: Expression
      readonly right: Expression
      readonly matching?: Matching
    }
  | { readonly kind: 'absent'; readonly of: Expression }

export interface NumberExpression {
  readonly kind: 'number'
  readonly value: number
}

export interface SelectExpression {
  readonly kind: 'select'
  readonly metric: string
  readonly matchers: readonly Matcher[]
  /** Milliseconds back from the time of evaluation. */
  readonly offset?: number
}

export interface RangeExpression {
  readonly kind: 'range'
  readonly function: RangeFunction
  readonly of: SelectExpression
  readonly window: Window
  /** `predict_linear`'s seconds, `quantile_over_time`'s quantile. */
  readonly parameter?: number
}

/** Milliseconds; or `auto`: Grafana's `$__rate_interval` on a dashboard, four scrape intervals elsewhere. */
export type Window = number | 'auto'

export interface Matcher {
  readonly label: string
  readonly operator: '=' | '!=' | '=~' | '!~'
  readonly value: string
}

/** Labels that stay (`by`) or go (`without`); `by` nothing is one group. */
export type Grouping = { readonly by: readonly string[] } | { readonly without: readonly string[] }

/** `on` or `ignoring`, one to one. */
export type Matching = { readonly on: readonly string[] } | { readonly ignoring: readonly string[] }

export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%' | '^'
export type ComparisonOperator = '==' | '!=' | '>' | '<' | '>=' | '<='
export type SetOperator = 'and' | 'or' | 'unless'
export type AggregateOperator = 'sum' | 'avg' | 'min' | 'max' | 'count' | 'group' | 'stddev' | 'stdvar' | 'quantile' | 'topk' | 'bottomk'
export type RangeFunction =
  | 'rate'
  | 'irate'
  | 'increase'
  | 'delta'
  | 'idelta'
  | 'deriv'
  | 'predict_linear'
  | 'changes'
  | 'resets'
  | 'avg_over_time'
  | 'min_over_time'
  | 'max_over_time'
  | 'sum_over_time'
  | 'count_over_time'
  | 'last_over_time'
  | 'present_over_time'
  | 'absent_over_time'
  | 'quantile_over_time'
  | 'stddev_over_time'
  | 'stdvar_over_time'
export type InstantFunction =
  | 'abs'
  | 'ceil'
  | 'floor'
  | 'round'
  | 'sqrt'
  | 'exp'
  | 'ln'
  | 'log2'
  | 'log10'
  | 'sgn'
  | 'clamp'
  | 'clamp_min'
  | 'clamp_max'
  | 'timestamp'
  | 'sort'
  | 'sort_desc'

/** Whether a tree results in one number or in series. */
export function resultOf(expression: Expression): 'scalar' | 'vector' {
  switch (expression.kind) {
    case 'number':
    case 'time':
    case 'scalar':
      return 'scalar'
    case 'binary':
    case 'comparison':
      return resultOf(expression.left) === 'scalar' && resultOf(expression.right) === 'scalar' ? 'scalar' : 'vector'
    default:
      return 'vector'
  }
}

/** The value of a label; one that is not there is empty, as PromQL has it. */
export function labelOf(labels: Readonly<Record<string, string>>, label: string): string {
  return Object.hasOwn(labels, label) ? (labels[label] ?? '') : ''
}

/**
 * A test of a series' labels.
 *
 * `matching([{ label: 'status', operator: '=~', value: '5..' }])({ status: '503' })` is true.
 *
 * Throws a SyntaxError for a regular expression that JavaScript cannot read. Expressions are anchored at both ends, and `.` matches a new line.
 */
export function matching(matchers: readonly Matcher[]): (labels: Readonly<Record<string, string>>) => boolean {
  const tests = matchers.map(({ label, operator, value }) => {
    const holds = operator === '=' || operator === '!=' ? (text: string) => text === value : anchored(value)
    const wanted = operator === '=' || operator === '=~'
    return (labels: Readonly<Record<string, string>>) => holds(labelOf(labels, label)) === wanted
  })
  return (labels) => tests.every((test) => test(labels))
}

/**
 * PromQL's expressions are RE2's. Those that JavaScript would read as something else are refused: what looks around or back, and `[[:alpha:]]`.
 * Punctuation may be escaped (`\-`), flags stand in front (`(?i)`), and groups may be named (`(?P<name>...)`).
 */
function anchored(expression: string): (text: string) => boolean {
  const [, flags = '', rest = ''] = /^(?:\(\?([is]+)\))?(.*)$/s.exec(expression) ?? []
  const refused = /(?<!\\)(?:\\\\)*(\\[1-9k]|\(\?(?:[=!]|<[=!])|\[\[:)/.exec(rest)?.[1]
  if (refused !== undefined) throw new SyntaxError(`Invalid regular expression: ${refused} is not read here`)
  const pattern = rest
    .replace(/\\(.)/gs, (whole, escaped: string) =>
      /[-"'#%&,:;<=>@_`~! ]/.test(escaped) ? `\\x${escaped.charCodeAt(0).toString(16)}` : whole,
    )
    .replace(/(?<!\\)\(\?P</g, '(?<')
  const compiled = new RegExp(`^(?:${pattern})$`, flags.includes('i') ? 'isu' : 'su')
  return (text) => compiled.test(text)
}
