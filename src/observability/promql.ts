import type { Expression, Grouping, Matcher, Matching, RangeExpression, SelectExpression, Window } from './expression.js'

export interface PromqlOptions {
  /** What an `auto` window becomes: `$__rate_interval` on a Grafana dashboard. `1m` when left out. */
  readonly rateInterval?: string
}

/**
 * The PromQL of a tree, with only the parentheses it needs.
 *
 * `promql({ kind: 'range', function: 'rate', of: { kind: 'select', metric: 'runs_total', matchers: [] }, window: 300_000 })` is
 * `rate(runs_total[5m])`.
 */
export function promql(expression: Expression, options: PromqlOptions = {}): string {
  const print = (inner: Expression) => promql(inner, options)
  switch (expression.kind) {
    case 'number':
      return numberText(expression.value)
    case 'time':
      return 'time()'
    case 'vector':
    case 'scalar':
    case 'absent':
      return `${expression.kind}(${print(expression.of)})`
    case 'select':
      return selectText(expression)
    case 'range':
      return rangeText(expression, options)
    case 'call':
      return `${expression.function}(${[print(expression.of), ...expression.args.map(numberText)].join(', ')})`
    case 'histogram_quantile':
      return `histogram_quantile(${numberText(expression.quantile)}, ${print(expression.of)})`
    case 'aggregate': {
      const inner = print(expression.of)
      const args = expression.parameter === undefined ? inner : `${numberText(expression.parameter)}, ${inner}`
      return `${expression.operator}${groupingText(expression.grouping)}(${args})`
    }
    case 'binary':
    case 'comparison':
    case 'set': {
      const strength = strengthOf(expression)
      // `^` is the one operator that groups from the right.
      const [leftNeeds, rightNeeds] = expression.operator === '^' ? [strength + 1, strength] : [strength, strength + 1]
      const bool = expression.kind === 'comparison' && expression.bool ? ' bool' : ''
      const left = operandText(expression.left, leftNeeds, options)
      const right = operandText(expression.right, rightNeeds, options)
      return `${left} ${expression.operator}${bool}${matchingText(expression.matching)} ${right}`
    }
  }
}

/** `5_400_000` is `1h30m`, as Prometheus writes it: years and weeks only when nothing remains. */
export function durationText(milliseconds: number): string {
  if (milliseconds === 0) return '0s'
  let text = ''
  let rest = Math.abs(milliseconds)
  for (const [unit, length, whole] of units) {
    if (rest < length || (whole && rest % length !== 0)) continue
    text += `${Math.floor(rest / length)}${unit}`
    rest %= length
  }
  return milliseconds < 0 ? `-${text}` : text
}

/** A text in double quotes, as PromQL and Go read it. */
export function quoted(text: string): string {
  const escaped = text.replace(/["\\]/g, '\\$&').replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t')
  return `"${escaped}"`
}

const units: readonly (readonly [unit: string, milliseconds: number, whole: boolean])[] = [
  ['y', 31_536_000_000, true],
  ['w', 604_800_000, true],
  ['d', 86_400_000, false],
  ['h', 3_600_000, false],
  ['m', 60_000, false],
  ['s', 1000, false],
  ['ms', 1, false],
]

/** Names that a query cannot begin with, or not everywhere; they are written as a matcher of `__name__`. */
const keywords = new Set(
  (
    'and or unless atan2 by without on ignoring group_left group_right fill fill_left fill_right bool offset inf nan start end step range ' +
    'sum avg min max count group stddev stdvar quantile topk bottomk count_values limitk limit_ratio smoothed anchored'
  ).split(' '),
)

function operandText(expression: Expression, needs: number, options: PromqlOptions): string {
  const text = promql(expression, options)
  return strengthOf(expression) < needs ? `(${text})` : text
}

/** How tightly an expression holds together, by its outermost operator. */
function strengthOf(expression: Expression): number {
  switch (expression.kind) {
    case 'set':
      return expression.operator === 'or' ? 1 : 2
    case 'comparison':
      return 3
    case 'binary':
      return expression.operator === '^' ? 6 : expression.operator === '+' || expression.operator === '-' ? 4 : 5
    case 'number':
      // `-2 ^ 2` is `-(2 ^ 2)`.
      return expression.value < 0 || Object.is(expression.value, -0) ? 6 : 7
    default:
      return 7
  }
}

function rangeText({ function: name, of, window, parameter }: RangeExpression, options: PromqlOptions): string {
  const selected = `${selectorText(of)}[${windowText(window, options)}]${offsetText(of)}`
  if (parameter === undefined) return `${name}(${selected})`
  return name === 'quantile_over_time' ? `${name}(${numberText(parameter)}, ${selected})` : `${name}(${selected}, ${numberText(parameter)})`
}

function windowText(window: Window, options: PromqlOptions): string {
  return window === 'auto' ? (options.rateInterval ?? '1m') : durationText(window)
}

function selectText(select: SelectExpression): string {
  return selectorText(select) + offsetText(select)
}

function selectorText({ metric, matchers }: SelectExpression): string {
  const plain = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(metric) && !keywords.has(metric.toLowerCase())
  const written: readonly Matcher[] = plain ? matchers : [{ label: '__name__', operator: '=', value: metric }, ...matchers]
  const inside = written.map(({ label, operator, value }) => `${label}${operator}${quoted(value)}`).join(',')
  return `${plain ? metric : ''}${inside === '' ? '' : `{${inside}}`}`
}

function offsetText({ offset = 0 }: SelectExpression): string {
  return offset === 0 ? '' : ` offset ${durationText(offset)}`
}

function groupingText(grouping: Grouping): string {
  if ('without' in grouping) return ` without (${grouping.without.join(', ')}) `
  return grouping.by.length === 0 ? '' : ` by (${grouping.by.join(', ')}) `
}

function matchingText(matching: Matching | undefined): string {
  if (matching === undefined) return ''
  return 'on' in matching ? ` on (${matching.on.join(', ')})` : ` ignoring (${matching.ignoring.join(', ')})`
}

function numberText(value: number): string {
  if (Object.is(value, -0)) return '-0'
  return String(value).replace('Infinity', 'Inf')
}
