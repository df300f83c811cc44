import { parser } from '@prometheus-io/lezer-promql'
import { failure, messageOf, PROMQL_INVALID, PROMQL_UNSUPPORTED, type SluiceError } from '../errors/index.js'
import {
  type AggregateOperator,
  type ArithmeticOperator,
  type ComparisonOperator,
  type Expression,
  type Grouping,
  type InstantFunction,
  type Matcher,
  type Matching,
  matching,
  type RangeExpression,
  type RangeFunction,
  resultOf,
  type SelectExpression,
  type SetOperator,
} from './expression.js'

/** Longer texts are refused before they are read. */
const LONGEST_QUERY = 65_536

/** Readers of the tree call themselves for each level, and the stack holds several times as many. */
const DEEPEST_QUERY = 500

/**
 * The tree of a PromQL query.
 *
 * `parsePromql('rate(runs_total[5m])')` is `{ kind: 'range', function: 'rate', of: { kind: 'select', metric: 'runs_total', matchers: [] },
 * window: 300_000 }`.
 *
 * A minus in front becomes a multiplication by -1. Fails with PROMQL_INVALID for what is not PromQL, and with PROMQL_UNSUPPORTED for PromQL
 * that has no tree here (subqueries, `group_left`, `@`, native histograms, `label_replace`, a selector without a metric's name); both say where.
 */
export function parsePromql(text: string): Expression {
  return new Reader(text).query()
}

type SyntaxNode = ReturnType<typeof parser.parse>['topNode']

/** A part of the text, by the grammar's name for it. */
interface Node {
  readonly name: string
  readonly from: number
  readonly to: number
  readonly inner: readonly Node[]
}

const strictParser = parser.configure({ strict: true })

const rangeFunctions = {
  rate: 0,
  irate: 0,
  increase: 0,
  delta: 0,
  idelta: 0,
  deriv: 0,
  predict_linear: 1,
  changes: 0,
  resets: 0,
  avg_over_time: 0,
  min_over_time: 0,
  max_over_time: 0,
  sum_over_time: 0,
  count_over_time: 0,
  last_over_time: 0,
  present_over_time: 0,
  absent_over_time: 0,
  quantile_over_time: 1,
  stddev_over_time: 0,
  stdvar_over_time: 0,
} satisfies Record<RangeFunction, number>

/** Fewest and most numbers after the vector. */
const instantFunctions = {
  abs: [0, 0],
  ceil: [0, 0],
  floor: [0, 0],
  round: [0, 1],
  sqrt: [0, 0],
  exp: [0, 0],
  ln: [0, 0],
  log2: [0, 0],
  log10: [0, 0],
  sgn: [0, 0],
  clamp: [2, 2],
  clamp_min: [1, 1],
  clamp_max: [1, 1],
  timestamp: [0, 0],
  sort: [0, 0],
  sort_desc: [0, 0],
} satisfies Record<InstantFunction, readonly [number, number]>

const aggregateOperators = {
  sum: 0,
  avg: 0,
  min: 0,
  max: 0,
  count: 0,
  group: 0,
  stddev: 0,
  stdvar: 0,
  quantile: 1,
  topk: 1,
  bottomk: 1,
} satisfies Record<AggregateOperator, number>

const arithmeticOperators: ReadonlySet<string> = new Set<ArithmeticOperator>(['+', '-', '*', '/', '%', '^'])
const comparisonOperators: ReadonlySet<string> = new Set<ComparisonOperator>(['==', '!=', '>', '<', '>=', '<='])
const setOperators: ReadonlySet<string> = new Set<SetOperator>(['and', 'or', 'unless'])

class Reader {
  private readonly text: string

  constructor(text: string) {
    this.text = text
  }

  query(): Expression {
    if (this.text.length > LONGEST_QUERY) throw this.invalid(LONGEST_QUERY, `it is longer than ${LONGEST_QUERY} characters`)
    let top: Node
    try {
      top = regrouped(strictParser.parse(this.text).topNode, this.text)
    } catch (error) {
      throw this.syntaxError(error)
    }
    const [only] = top.inner
    if (only === undefined) throw this.invalid(0, 'it is empty')
    const bare = unwrapped(only)
    if (bare.name === 'MatrixSelector') throw this.unsupported(bare, 'a range of samples as its result')
    if (bare.name === 'StringLiteral') throw this.unsupported(bare, 'a text as its result')
    return this.expression(only, 1)
  }

  private expression(node: Node, depth: number): Expression {
    if (depth > DEEPEST_QUERY) throw this.invalid(node.from, `it is nested more than ${DEEPEST_QUERY} levels deep`)
    switch (node.name) {
      case 'ParenExpr':
        return this.expression(this.first(node), depth + 1)
      case 'NumberDurationLiteral':
        return { kind: 'number', value: this.number(node) }
      case 'UnaryExpr':
        return this.unary(node, depth)
      case 'BinaryExpr':
        return this.binary(node, depth)
      case 'AggregateExpr':
        return this.aggregate(node, depth)
      case 'FunctionCall':
        return this.call(node, depth)
      case 'VectorSelector':
      case 'OffsetExpr':
        return this.select(node)
      case 'MatrixSelector':
        throw this.invalid(node.from, 'a range of samples stands where one value of each series is needed')
      case 'StringLiteral':
        throw this.invalid(node.from, 'a text stands where a number or series are needed')
      default:
        throw this.unsupported(node, featureOf(node.name))
    }
  }

  private unary(node: Node, depth: number): Expression {
    const [sign, operand] = node.inner
    const of = this.expression(operand ?? node, depth + 1)
    return sign !== undefined && this.textOf(sign) === '-' ? negative(of) : of
  }

  private binary(node: Node, depth: number): Expression {
    const [leftNode, operatorNode, ...rest] = node.inner
    const rightNode = rest.pop()
    if (leftNode === undefined || operatorNode === undefined || rightNode === undefined)
      throw this.invalid(node.from, 'an operand is missing')
    const operator = this.textOf(operatorNode).toLowerCase()
    const bool = rest.some((modifier) => modifier.name === 'BoolModifier')
    const comparison = comparisonOperators.has(operator)
    if (bool && !comparison) throw this.invalid(operatorNode.from, '`bool` stands only after a comparison')
    const modifier = this.matching(rest)
    const left = this.expression(leftNode, depth + 1)
    const right = this.expression(rightNode, depth + 1)
    const scalars = [left, right].filter((operand) => resultOf(operand) === 'scalar').length
    if (modifier !== undefined && scalars > 0 && labelsOf(modifier).length > 0)
      throw this.invalid(operatorNode.from, 'labels are matched only between series, and one side is a number')
    const matched = modifier === undefined || scalars > 0 ? {} : { matching: modifier }
    if (isMember<SetOperator>(setOperators, operator)) {
      if (scalars > 0) throw this.invalid(operatorNode.from, `\`${operator}\` stands only between series, and one side is a number`)
      return { kind: 'set', operator, left, right, ...matched }
    }
    if (isMember<ComparisonOperator>(comparisonOperators, operator)) {
      if (scalars === 2 && !bool) throw this.invalid(operatorNode.from, 'a comparison of two numbers needs `bool`')
      return { kind: 'comparison', operator, left, right, bool, ...matched }
    }
    if (!isMember<ArithmeticOperator>(arithmeticOperators, operator)) throw this.unsupported(operatorNode, `the operator ${operator}`)
    return { kind: 'binary', operator, left, right, ...matched }
  }

  private matching(modifiers: readonly Node[]): Matching | undefined {
    const fill = modifiers.find((modifier) => modifier.name === 'FillModifier')
    if (fill !== undefined) throw this.unsupported(fill, 'a fill modifier')
    const clause = modifiers.find((modifier) => modifier.name === 'MatchingModifierClause')
    if (clause === undefined) return undefined
    const [kind, labels, group] = clause.inner
    if (group !== undefined) throw this.unsupported(group, this.textOf(group).toLowerCase())
    const names = labels === undefined ? [] : this.labels(labels)
    return kind?.name === 'On' ? { on: names } : { ignoring: names }
  }

  private aggregate(node: Node, depth: number): Expression {
    const parts = node.inner
    const operatorNode = this.first(node)
    const body = parts.find((part) => part.name === 'FunctionCallBody')
    const modifier = parts.find((part) => part.name === 'AggregateModifier')
    const operator = this.textOf(operatorNode).toLowerCase()
    if (!isKey(aggregateOperators, operator)) throw this.unsupported(operatorNode, operator)
    const args = body === undefined ? [] : body.inner
    const parameters = aggregateOperators[operator]
    const of = args.at(-1)
    if (args.length !== parameters + 1 || of === undefined)
      throw this.invalid(node.from, `${operator} takes ${parameters + 1} argument${parameters === 0 ? '' : 's'}, and has ${args.length}`)
    const grouping = this.grouping(modifier)
    const inside = this.vector(of, operator, depth)
    const [parameterNode] = args
    if (parameters === 0 || parameterNode === undefined) return { kind: 'aggregate', operator, grouping, of: inside }
    const parameter = this.literal(parameterNode, operator, depth)
    if (operator !== 'quantile' && !(Math.abs(parameter) < 2 ** 63))
      throw this.invalid(parameterNode.from, `${operator} takes a whole number of series`)
    return { kind: 'aggregate', operator, grouping, parameter, of: inside }
  }

  private grouping(modifier: Node | undefined): Grouping {
    if (modifier === undefined) return { by: [] }
    const [kind, labels] = modifier.inner
    const names = labels === undefined ? [] : this.labels(labels)
    return kind?.name === 'Without' ? { without: names } : { by: names }
  }

  private call(node: Node, depth: number): Expression {
    const [identifier, body] = node.inner
    if (identifier === undefined) throw this.invalid(node.from, 'a function is missing')
    const name = this.textOf(identifier)
    const args = body === undefined ? [] : body.inner
    const [first, second] = args
    const counted = (fewest: number, most = fewest) => {
      if (args.length >= fewest && args.length <= most) return
      const wanted = fewest === most ? `${fewest}` : `${fewest} to ${most}`
      throw this.invalid(node.from, `${name} takes ${wanted} argument${wanted === '1' ? '' : 's'}, and has ${args.length}`)
    }
    if (isKey(rangeFunctions, name)) {
      counted(1 + rangeFunctions[name])
      return this.range(name, args, depth)
    }
    if (isKey(instantFunctions, name)) {
      const [fewest, most] = instantFunctions[name]
      counted(1 + fewest, 1 + most)
      const of = this.vector(first ?? node, name, depth)
      return { kind: 'call', function: name, of, args: args.slice(1).map((argument) => this.literal(argument, name, depth)) }
    }
    switch (name) {
      case 'time':
        counted(0)
        return { kind: 'time' }
      case 'vector': {
        counted(1)
        const of = this.expression(first ?? node, depth + 1)
        if (resultOf(of) !== 'scalar') throw this.invalid((first ?? node).from, 'vector takes a number, and has series')
        return { kind: 'vector', of }
      }
      case 'scalar':
      case 'absent':
        counted(1)
        return { kind: name, of: this.vector(first ?? node, name, depth) }
      case 'histogram_quantile':
        counted(2)
        return { kind: name, quantile: this.literal(first ?? node, name, depth), of: this.vector(second ?? node, name, depth) }
      default:
        throw this.unsupported(identifier, `the function ${name}`)
    }
  }

  private range(name: RangeFunction, args: readonly Node[], depth: number): RangeExpression {
    const [first, second] = name === 'quantile_over_time' ? [args[1], args[0]] : args
    const parameter = second === undefined ? {} : { parameter: this.literal(second, name, depth) }
    if (first === undefined) throw this.invalid(0, `${name} takes a range of samples`)
    const ranged = unwrapped(first)
    const [shifted, shift] = ranged.name === 'OffsetExpr' ? this.offset(ranged) : [ranged, 0]
    if (shifted.name !== 'MatrixSelector') {
      if (
        ![
          'VectorSelector',
          'NumberDurationLiteral',
          'AggregateExpr',
          'BinaryExpr',
          'UnaryExpr',
          'FunctionCall',
          'StringLiteral',
          'OffsetExpr',
        ].includes(shifted.name)
      )
        throw this.unsupported(shifted, featureOf(shifted.name))
      throw this.invalid(first.from, `${name} takes a range of samples, such as m[5m]`)
    }
    const [selector, duration] = shifted.inner
    if (selector === undefined || duration === undefined) throw this.invalid(shifted.from, 'a range is missing')
    if (selector.name === 'StepInvariantExpr') throw this.unsupported(selector, featureOf(selector.name))
    if (selector.name !== 'VectorSelector')
      throw this.invalid(selector.from, 'a range stands directly after the name and labels of a metric')
    const [literal] = duration.inner
    if (literal?.name !== 'NumberDurationLiteralInDurationContext') throw this.unsupported(duration, 'a computed duration')
    const window = this.duration(literal)
    if (window <= 0) throw this.invalid(literal.from, 'a range is longer than 0')
    return { kind: 'range', function: name, of: this.selector(selector, shift), window, ...parameter }
  }

  private select(node: Node): SelectExpression {
    if (node.name === 'VectorSelector') return this.selector(node, 0)
    const [of, shift] = this.offset(node)
    if (of.name === 'VectorSelector') return this.selector(of, shift)
    if (of.name === 'SubqueryExpr' || of.name === 'StepInvariantExpr') throw this.unsupported(of, featureOf(of.name))
    if (of.name === 'MatrixSelector') throw this.invalid(of.from, 'a range of samples stands where one value of each series is needed')
    throw this.invalid(of.from, '`offset` stands directly after a metric or its range, once')
  }

  /** What is shifted, and by how many milliseconds. */
  private offset(node: Node): readonly [Node, number] {
    const [of, , duration] = node.inner
    if (of === undefined || duration === undefined) throw this.invalid(node.from, 'an offset is missing')
    let sign = 1
    let rest: Node | undefined = duration
    while (rest?.name === 'OffsetDurationExpr') {
      const [first, second]: readonly Node[] = rest.inner
      if (first?.name === 'UnaryOp' && this.textOf(first) === '-') sign = -sign
      rest = first?.name === 'UnaryOp' ? second : first
    }
    if (rest?.name !== 'NumberDurationLiteralInDurationContext') throw this.unsupported(duration, 'a computed duration')
    return [of, sign * this.duration(rest)]
  }

  private selector(node: Node, offset: number): SelectExpression {
    const parts = node.inner
    const named = parts.find((part) => part.name === 'Identifier')
    const braces = parts.find((part) => part.name === 'LabelMatchers')
    const names: string[] = named === undefined ? [] : [this.textOf(named)]
    const matchers: Matcher[] = []
    for (const part of braces === undefined ? [] : braces.inner) {
      if (part.name === 'QuotedLabelName') {
        names.push(this.string(this.first(part)))
        continue
      }
      const matcher = this.matcher(part)
      if (matcher.label !== '__name__') matchers.push(matcher)
      else if (matcher.operator === '=') names.push(matcher.value)
      else throw this.unsupported(part, 'a choice of metrics by name')
    }
    const [metric, another] = names
    if (another !== undefined) throw this.invalid(node.from, 'the metric has two names')
    if (metric === undefined || metric === '') {
      if (matching(matchers)({})) throw this.invalid(node.from, 'it chooses every metric; name one')
      throw this.unsupported(node, "a selector without a metric's name")
    }
    return { kind: 'select', metric, matchers, ...(offset === 0 ? {} : { offset }) }
  }

  private matcher(node: Node): Matcher {
    const [nameNode, operatorNode, valueNode] = node.inner
    if (nameNode === undefined || operatorNode === undefined || valueNode === undefined)
      throw this.invalid(node.from, 'a matcher is not whole')
    const label = this.label(nameNode)
    const operator = this.textOf(operatorNode)
    if (operator !== '=' && operator !== '!=' && operator !== '=~' && operator !== '!~')
      throw this.invalid(operatorNode.from, `labels are not matched with ${operator}`)
    const matcher: Matcher = { label, operator, value: this.string(valueNode) }
    try {
      matching([matcher])
    } catch (error) {
      throw this.invalid(valueNode.from, messageOf(error))
    }
    return matcher
  }

  private labels(node: Node): string[] {
    return node.inner.map((part) => this.label(part))
  }

  private label(node: Node): string {
    if (node.name !== 'QuotedLabelName') return this.textOf(node)
    const name = this.string(this.first(node))
    if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name)) throw this.unsupported(node, 'a label of other characters than letters, digits and _')
    return name
  }

  private vector(node: Node, taker: string, depth: number): Expression {
    const expression = this.expression(node, depth + 1)
    if (resultOf(expression) !== 'vector') throw this.invalid(node.from, `${taker} takes series, and has a number`)
    return expression
  }

  private literal(node: Node, taker: string, depth: number): number {
    const expression = this.expression(node, depth + 1)
    if (expression.kind === 'number') return expression.value
    if (resultOf(expression) === 'vector') throw this.invalid(node.from, `${taker} takes a number here, and has series`)
    throw this.unsupported(node, `a parameter of ${taker} that is not a plain number`)
  }

  private number(node: Node): number {
    const text = this.textOf(node).replaceAll('_', '')
    return numberOf(text) ?? this.duration(node, text) / 1000
  }

  /** Milliseconds. A bare number is of seconds. */
  private duration(node: Node, text = this.textOf(node).replaceAll('_', '')): number {
    const seconds = numberOf(text)
    const parts = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/.exec(text)
    const total =
      seconds !== undefined
        ? Math.round(seconds * 1000)
        : (parts ?? []).slice(1).reduce((sum, part, index) => sum + Number(part ?? 0) * (unitLengths[index] ?? 0), 0)
    // What Go's nanoseconds in 64 bits hold.
    if (!(Math.abs(total) < 9_223_372_036_854)) throw this.invalid(node.from, 'a duration is longer than 292 years')
    return total
  }

  private string(node: Node): string {
    const written = this.textOf(node)
    const quote = written[0]
    if (written.length < 2 || written.at(-1) !== quote) throw this.invalid(node.from, 'a text does not end')
    const body = written.slice(1, -1)
    if (quote === '`') return body
    if (body.includes('\n')) throw this.invalid(node.from, 'a text in quotes ends on its line')
    const text = unescaped(body, quote === "'" ? "'" : '"')
    if (text === undefined) throw this.invalid(node.from, 'a text has an escape that is not known')
    return text
  }

  private first(node: Node): Node {
    const [first] = node.inner
    if (first === undefined) throw this.invalid(node.from, 'something is missing')
    return first
  }

  private textOf(node: Node): string {
    return this.text.slice(node.from, node.to)
  }

  private syntaxError(error: unknown): SluiceError {
    if (!(error instanceof SyntaxError)) return this.invalid(0, 'it is nested too deep', error)
    const offset = Math.min(Number(/ (\d+)$/.exec(error.message)?.[1] ?? 0), this.text.length)
    if (this.text.trim() === '') return this.invalid(offset, 'it is empty', error)
    const name = this.text[offset] === '(' ? /([a-zA-Z_:][\w:]*)\s*$/.exec(this.text.slice(0, offset))?.[1] : undefined
    if (name !== undefined) return this.invalid(offset, `${name} is no function`, error)
    const found =
      offset === this.text.length
        ? 'it ends too early'
        : `${JSON.stringify(this.text.slice(offset).match(/^(?:[\w:]+|.)/su)?.[0])} was not expected`
    return this.invalid(offset, found, error)
  }

  private invalid(offset: number, problem: string, cause?: unknown): SluiceError {
    const place = this.place(offset)
    return failure(PROMQL_INVALID, { problem, ...place, offset }, { place, cause })
  }

  private unsupported(node: Node, feature: string): SluiceError {
    const place = this.place(node.from)
    return failure(PROMQL_UNSUPPORTED, { feature, ...place, offset: node.from }, { place })
  }

  private place(offset: number): { line: number; column: number } {
    const before = this.text.slice(0, offset)
    return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') }
  }
}

const unitLengths = [31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1000, 1]

/** What stands behind a selector; the grammar lets it, wrongly, apply to all that stands before it. */
const suffixes = new Set(['OffsetExpr', 'MatrixSelector', 'SubqueryExpr', 'StepInvariantExpr', 'AnchoredExpr', 'SmoothedExpr'])

const strengths: Readonly<Record<string, number>> = { or: 1, and: 2, unless: 2, '+': 4, '-': 4, '*': 5, '/': 5, '%': 5, atan2: 5, '^': 6 }

/**
 * The tree as PromQL groups it. The grammar, made for editors, reads `a + b offset 5m * c` as `((a + b) offset 5m) * c`, and `-2 ^ 2` as
 * `(-2) ^ 2`; so operands and operators are put in a row as written, and grouped again.
 */
function regrouped(node: SyntaxNode, text: string): Node {
  const { name, from, to } = node
  if (!isOperation(node, text)) return { name, from, to, inner: innerOf(node).map((child) => regrouped(child, text)) }
  return grouped(row(node, text, []).values(), text)
}

function innerOf(node: SyntaxNode): readonly SyntaxNode[] {
  const nodes: SyntaxNode[] = []
  for (let child = node.firstChild; child !== null; child = child.nextSibling) if (child.name !== 'LineComment') nodes.push(child)
  return nodes
}

function isOperation(node: SyntaxNode, text: string): boolean {
  const { name, from } = node
  return (
    name === 'BinaryExpr' ||
    name === 'UnaryExpr' ||
    suffixes.has(name) ||
    (name === 'NumberDurationLiteral' && /[+-]/.test(text[from] ?? ''))
  )
}

interface Part {
  readonly role: 'operand' | 'prefix' | 'suffix' | 'operator'
  readonly node: Node
  /** What stands between an operator and its right side. */
  readonly modifiers: readonly Node[]
}

function row(node: SyntaxNode, text: string, parts: Part[]): Part[] {
  const add = (role: Part['role'], part: Node, modifiers: readonly Node[] = []) => parts.push({ role, node: part, modifiers })
  const { name, from, to } = node
  if (!isOperation(node, text)) {
    add('operand', regrouped(node, text))
    return parts
  }
  const nodes = innerOf(node)
  const [first] = nodes
  const last = nodes.at(-1)
  if (first === undefined || last === undefined) {
    const digits = from + 1 + (/^\s*/.exec(text.slice(from + 1, to))?.[0].length ?? 0)
    add('prefix', { name: 'UnaryOp', from, to: from + 1, inner: [] })
    add('operand', { name, from: digits, to, inner: [] })
  } else if (name === 'UnaryExpr') {
    add('prefix', regrouped(first, text))
    row(last, text, parts)
  } else if (suffixes.has(name)) {
    row(first, text, parts)
    add('suffix', { name, from, to, inner: nodes.slice(1).map((child) => regrouped(child, text)) })
  } else {
    const [operator, ...modifiers] = nodes.slice(1, -1).map((child) => regrouped(child, text))
    row(first, text, parts)
    if (operator !== undefined) add('operator', operator, modifiers)
    row(last, text, parts)
  }
  return parts
}

/** Groups a row by the strength of its operators: `^` first and from the right, then a sign, then the others from the left. */
function grouped(parts: Iterator<Part>, text: string): Node {
  let next = parts.next().value as Part | undefined
  const advance = () => {
    next = parts.next().value as Part | undefined
  }
  const from = (weakest: number): Node => {
    let left = single()
    while (next?.role === 'operator') {
      const { node: operator, modifiers } = next
      const written = text.slice(operator.from, operator.to).toLowerCase()
      const strength = strengths[written] ?? 3
      if (strength < weakest) break
      advance()
      const right = from(written === '^' ? strength : strength + 1)
      left = { name: 'BinaryExpr', from: left.from, to: right.to, inner: [left, operator, ...modifiers, right] }
    }
    return left
  }
  const single = (): Node => {
    const part = next
    if (part === undefined) throw new SyntaxError(`No operand at ${text.length}`)
    advance()
    if (part.role === 'prefix') {
      const operand = from(6)
      return { name: 'UnaryExpr', from: part.node.from, to: operand.to, inner: [part.node, operand] }
    }
    let node = part.node
    while (next?.role === 'suffix') {
      node = { ...next.node, from: node.from, inner: [node, ...next.node.inner] }
      advance()
    }
    return node
  }
  return from(0)
}

function unwrapped(node: Node): Node {
  let bare = node
  while (bare.name === 'ParenExpr') {
    const [only] = bare.inner
    if (only === undefined) break
    bare = only
  }
  return bare
}

function negative(expression: Expression): Expression {
  if (expression.kind === 'number') return { kind: 'number', value: -expression.value }
  return { kind: 'binary', operator: '*', left: { kind: 'number', value: -1 }, right: expression }
}

function labelsOf(modifier: Matching): readonly string[] {
  return 'on' in modifier ? modifier.on : modifier.ignoring
}

/** A number as Go reads it: a leading 0 makes whole numbers octal. Undefined for a duration. */
function numberOf(text: string): number | undefined {
  if (/^inf$/i.test(text)) return Number.POSITIVE_INFINITY
  if (/^nan$/i.test(text)) return Number.NaN
  if (/^0[0-7]+$/.test(text)) return Number.parseInt(text, 8)
  return /^(?:0x[0-9a-f]+|(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?)$/i.test(text) ? Number(text) : undefined
}

const escapes: Readonly<Record<string, number>> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11, '\\': 92 }

/** The text that Go's escapes stand for; `\xHH` and octal ones are bytes of UTF-8. Undefined when one is wrong. */
function unescaped(body: string, quote: '"' | "'"): string | undefined {
  if (!body.includes('\\')) return body
  const bytes: number[] = []
  const encoder = new TextEncoder()
  for (const [token] of body.matchAll(/\\(?:x[0-9a-fA-F]{2}|[0-7]{3}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)|[^\\]+/gsu)) {
    if (!token.startsWith('\\')) for (const byte of encoder.encode(token)) bytes.push(byte)
    else if (token.length === 2) {
      const kind = token.slice(1)
      const byte = kind === quote ? kind.charCodeAt(0) : Object.hasOwn(escapes, kind) ? escapes[kind] : undefined
      if (byte === undefined) return undefined
      bytes.push(byte)
    } else if (/^\\[uU]/.test(token)) {
      const point = Number.parseInt(token.slice(2), 16)
      if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return undefined
      bytes.push(...encoder.encode(String.fromCodePoint(point)))
    } else {
      const byte = token[1] === 'x' ? Number.parseInt(token.slice(2), 16) : Number.parseInt(token.slice(1), 8)
      if (byte > 255) return undefined
      bytes.push(byte)
    }
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes))
  } catch {
    return undefined
  }
}

function featureOf(name: string): string {
  switch (name) {
    case 'SubqueryExpr':
      return 'a subquery'
    case 'StepInvariantExpr':
      return 'the modifier @'
    case 'AnchoredExpr':
      return 'the modifier anchored'
    case 'SmoothedExpr':
      return 'the modifier smoothed'
    default:
      return name
  }
}

function isKey<Table extends object>(table: Table, key: string): key is keyof Table & string {
  return Object.hasOwn(table, key)
}

function isMember<Member extends string>(members: ReadonlySet<string>, text: string): text is Member {
  return members.has(text)
}
