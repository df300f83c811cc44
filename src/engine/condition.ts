/**
 * What a predicate asks of single columns, in words that any engine could give: enough to leave out files that cannot hold a row for
 * which it is true.
 */
export type Condition =
  /** An `or` of nothing is never true. */
  | { readonly kind: 'and' | 'or'; readonly of: readonly Condition[] }
  | Comparison
  | { readonly kind: 'null'; readonly column: readonly string[]; readonly is: boolean }
  /** May be true of any row. */
  | { readonly kind: 'unknown' }

export interface Comparison {
  readonly kind: 'compare'
  /** As written: a table's alias may stand first, the fields of structs follow. Letters of any case. */
  readonly column: readonly string[]
  readonly op: '=' | '<' | '<=' | '>' | '>='
  /** As written, save that a number with an exponent (`1e+5`) is a double, one without is exact, and a boolean is `true` or `false`. */
  readonly value: string
  readonly type: 'text' | 'number' | 'boolean' | 'date' | 'timestamp' | 'timestamp_ntz'
}

type Node = Readonly<Record<string, unknown>>
type Constant = Pick<Comparison, 'value' | 'type'> | 'null'

const UNKNOWN: Condition = { kind: 'unknown' }
const NEVER: Condition = { kind: 'or', of: [] }

/**
 * The condition of a statement's WHERE, from DuckDB's `json_serialize_sql('SELECT 1 FROM t WHERE <predicate>')`:
 * `x IN (1, 2) AND y > 'a'` is `{ kind: 'and', of: [{ kind: 'or', of: [x = 1, x = 2] }, y > 'a'] }`. What it has no words for, and
 * what is no such statement, is `unknown`.
 *
 * @param serialized the JSON as text, so that whole numbers beyond 2^53 keep their digits; when it is parsed already, those are unknown
 */
export function conditionOf(serialized: unknown): Condition {
  const { error, statements } = nodeOf(typeof serialized === 'string' ? parsed(serialized) : serialized)
  if (error !== false || !Array.isArray(statements) || statements.length !== 1) return UNKNOWN
  const select = nodeOf(nodeOf(statements[0])['node'])
  return select['type'] === 'SELECT_NODE' ? condition(select['where_clause']) : UNKNOWN
}

/** A constant is the one thing called "value", and in a string the quotes of that would be escaped. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text.replace(/"value":\s*(-?\d{16,})(?=[,}\s])/g, '"value":"$1"'))
  } catch {
    return undefined
  }
}

function nodeOf(value: unknown): Node {
  return typeof value === 'object' && value !== null ? (value as Node) : {}
}

function nodesOf(value: unknown): readonly Node[] {
  return Array.isArray(value) ? value.map(nodeOf) : []
}

function condition(expression: unknown): Condition {
  const node = nodeOf(expression)
  const children = nodesOf(node['children'])
  const [first, ...others] = children
  switch (node['type']) {
    case 'CONJUNCTION_AND':
    case 'CONJUNCTION_OR':
      return { kind: node['type'] === 'CONJUNCTION_AND' ? 'and' : 'or', of: children.map(condition) }
    case 'COMPARE_EQUAL':
    case 'COMPARE_LESSTHAN':
    case 'COMPARE_LESSTHANOREQUALTO':
    case 'COMPARE_GREATERTHAN':
    case 'COMPARE_GREATERTHANOREQUALTO':
    case 'COMPARE_NOT_DISTINCT_FROM':
      return comparison(node['type'], nodeOf(node['left']), nodeOf(node['right']))
    case 'COMPARE_BETWEEN':
      return together('and', nodeOf(node['input']), [
        ['>=', nodeOf(node['lower'])],
        ['<=', nodeOf(node['upper'])],
      ])
    case 'COMPARE_IN':
      return together(
        'or',
        nodeOf(first),
        others.map((one) => ['=', one] as const),
      )
    case 'OPERATOR_IS_NULL':
    case 'OPERATOR_IS_NOT_NULL': {
      const column = columnOf(nodeOf(first))
      return column === undefined ? UNKNOWN : { kind: 'null', column, is: node['type'] === 'OPERATOR_IS_NULL' }
    }
    case 'COLUMN_REF': {
      const column = columnOf(node)
      return column === undefined ? UNKNOWN : { kind: 'compare', column, op: '=', value: 'true', type: 'boolean' }
    }
    case 'FUNCTION':
      // LIKE; DuckDB has it for text alone, so the column is text.
      return node['function_name'] === '~~' ? like(nodeOf(first), nodeOf(others[0])) : UNKNOWN
    default:
      return UNKNOWN
  }
}

/** How the sides of each comparison stand to each other, as written and turned round. */
const OPERATORS = {
  COMPARE_EQUAL: ['=', '='],
  COMPARE_LESSTHAN: ['<', '>'],
  COMPARE_LESSTHANOREQUALTO: ['<=', '>='],
  COMPARE_GREATERTHAN: ['>', '<'],
  COMPARE_GREATERTHANOREQUALTO: ['>=', '<='],
  COMPARE_NOT_DISTINCT_FROM: ['=', '='],
} as const

function comparison(type: keyof typeof OPERATORS, left: Node, right: Node): Condition {
  const [asWritten, turned] = OPERATORS[type]
  const isTurned = columnOf(left) === undefined
  const column = columnOf(isTurned ? right : left)
  const constant = constantOf(isTurned ? left : right)
  if (column === undefined || constant === undefined) return UNKNOWN
  if (constant !== 'null') return { kind: 'compare', column, op: isTurned ? turned : asWritten, ...constant }
  return type === 'COMPARE_NOT_DISTINCT_FROM' ? { kind: 'null', column, is: true } : NEVER
}

/** One column and several constants: the engine takes all of them to one type, so they must be of one from the start. */
function together(kind: 'and' | 'or', input: Node, sides: readonly (readonly [Comparison['op'], Node])[]): Condition {
  const column = columnOf(input)
  const constants = sides.map(([op, side]) => [op, constantOf(side)] as const)
  const kinds = new Set(
    constants.map(([, one]) => (one === 'null' ? 'null' : one && `${one.type}${/e/.test(one.value) && one.type === 'number'}`)),
  )
  kinds.delete('null')
  if (column === undefined || kinds.has(undefined) || kinds.size > 1) return UNKNOWN
  return {
    kind,
    of: constants.map(([op, one]) => (one === undefined || one === 'null' ? NEVER : { kind: 'compare', column, op, ...one })),
  }
}

/** What stands before the first wildcard is a prefix; the texts that begin with it end where its last letter's successor begins. */
function like(input: Node, pattern: Node): Condition {
  const column = columnOf(input)
  const constant = constantOf(pattern)
  if (column === undefined || constant === undefined || constant === 'null' || constant.type !== 'text') return UNKNOWN
  const prefix = constant.value.replace(/[%_\\].*$/s, '')
  const last = prefix.charCodeAt(prefix.length - 1)
  // From U+D7FF on, the next UTF-16 unit is no letter by itself.
  if (prefix === '' || last >= 0xd7ff) return UNKNOWN
  const end = prefix.slice(0, -1) + String.fromCharCode(last + 1)
  return {
    kind: 'and',
    of: [
      { kind: 'compare', column, op: '>=', value: prefix, type: 'text' },
      { kind: 'compare', column, op: '<', value: end, type: 'text' },
    ],
  }
}

function columnOf(node: Node): readonly string[] | undefined {
  const names = node['column_names']
  if (node['type'] !== 'COLUMN_REF' || !Array.isArray(names)) return undefined
  return names.length > 0 && names.every((name) => typeof name === 'string') ? names : undefined
}

/** Not HUGEINT: against it, decimals lose their fraction. */
const INTEGERS = ['TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT']

function constantOf(node: Node): Constant | undefined {
  if (node['type'] === 'OPERATOR_CAST') return castOf(nodeOf(node['cast_type'])['id'], constantOf(nodeOf(node['child'])))
  if (node['type'] !== 'VALUE_CONSTANT') return undefined
  const { type, is_null, value } = nodeOf(node['value'])
  if (is_null === true) return 'null'
  const { id, type_info } = nodeOf(type)
  if (id === 'VARCHAR') return typeof value === 'string' ? { value, type: 'text' } : undefined
  if (id === 'DOUBLE') return double(Number(value))
  const digits = typeof value === 'string' || Number.isSafeInteger(value) ? String(value) : ''
  if (!/^-?\d+$/.test(digits)) return undefined
  if (id === 'DECIMAL') return decimal(digits, nodeOf(type_info)['scale'])
  return INTEGERS.includes(String(id)) ? { value: digits, type: 'number' } : undefined
}

function castOf(type: unknown, constant: Constant | undefined): Constant | undefined {
  if (constant === undefined || constant === 'null') return constant
  const { value, type: from } = constant
  // A whole number stays what it is; one that does not fit fails.
  if (INTEGERS.includes(String(type))) return from === 'number' && /^-?\d+$/.test(value) ? constant : undefined
  if (type === 'DOUBLE')
    return /^-?\d{1,15}$|^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(value) && from === 'text' ? double(Number(value)) : undefined
  if (from !== 'text') return undefined
  switch (type) {
    case 'BOOLEAN':
      if (value === 't' || value === 'true') return { value: 'true', type: 'boolean' }
      return value === 'f' || value === 'false' ? { value: 'false', type: 'boolean' } : undefined
    case 'DATE':
      return { value, type: 'date' }
    case 'TIMESTAMP':
      return { value, type: 'timestamp_ntz' }
    case 'TIMESTAMP WITH TIME ZONE':
      return { value, type: 'timestamp' }
    default:
      return undefined
  }
}

function double(value: number): Constant | undefined {
  return Number.isFinite(value) ? { value: value.toExponential(), type: 'number' } : undefined
}

/** `-15` of scale 1 is `-1.5`. */
function decimal(digits: string, scale: unknown): Constant | undefined {
  if (typeof scale !== 'number') return undefined
  const places = digits.replace('-', '').padStart(scale + 1, '0')
  const [whole, fraction] = [places.slice(0, places.length - scale), places.slice(places.length - scale)]
  return { value: `${digits.startsWith('-') ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`, type: 'number' }
}
