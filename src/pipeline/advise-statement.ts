import { quoteText, type Session } from '../engine/index.js'
import type { IndexableColumns, PlanFacts } from '../monitoring/advice/index.js'

/** What a statement on one table of a store asks for, by its syntax; and what the store says of it, by its plan. Nothing is run here. */

export interface StatementSyntax {
  readonly table: string
  readonly columns: IndexableColumns
  /** What counts the rows that its conditions leave over. */
  readonly counting: string
}

type Node = Readonly<Record<string, unknown>>

/** Undefined for what is no SELECT of one table, and for SQL that only its own server reads. */
export async function statementSyntax(session: Session, statement: string): Promise<StatementSyntax | undefined> {
  const text = statement.trim().replace(/;$/, '')
  // Names in backticks are those of MySQL.
  const [row] = await session.rows(`SELECT json_serialize_sql(${quoteText(text.replaceAll('`', '"'))})::VARCHAR AS tree`)
  const tree = String(row?.['tree'] ?? '{}')
  const { error, statements } = nodeOf(JSON.parse(tree))
  if (error !== false || !Array.isArray(statements) || statements.length !== 1) return undefined
  const select = nodeOf(nodeOf(statements[0])['node'])
  const from = nodeOf(select['from_table'])
  const selects = tree.split('"SELECT_NODE"').length - 1
  if (select['type'] !== 'SELECT_NODE' || selects !== 1 || from['type'] !== 'BASE_TABLE') return undefined
  const [equal, range]: [string[], string[]] = [[], []]
  conditions(select['where_clause'], equal, range)
  const modifiers = Array.isArray(select['modifiers']) ? select['modifiers'].map(nodeOf) : []
  const orders = modifiers.flatMap((one) =>
    one['type'] === 'ORDER_MODIFIER' && Array.isArray(one['orders']) ? one['orders'].map(nodeOf) : [],
  )
  const named = orders.map((one) => columnOf(one['expression']))
  const directions = new Set(orders.map((one) => one['type'] === 'DESCENDING'))
  const grouped = Array.isArray(select['group_expressions']) && select['group_expressions'].length > 0
  const order = directions.size === 1 && !grouped ? named.filter((one) => one !== undefined) : []
  const where = /\bWHERE\b([\s\S]*?)(?=\bGROUP\s+BY\b|\bHAVING\b|\bORDER\s+BY\b|\bLIMIT\b|$)/i.exec(text)?.[0] ?? ''
  const source = /\bFROM\b([\s\S]*?)(?=\bWHERE\b|\bGROUP\s+BY\b|\bHAVING\b|\bORDER\s+BY\b|\bLIMIT\b|$)/i.exec(text)?.[0] ?? ''
  return {
    table: String(from['table_name']),
    columns: {
      equal: [...new Set(equal)],
      range: [...new Set(range)].filter((column) => !equal.includes(column)),
      order: order.length === named.length ? order : [],
      limited: modifiers.some((one) => one['type'] === 'LIMIT_MODIFIER'),
    },
    counting: `SELECT count(*) AS matched ${source.trim()} ${where.trim()}`.trim(),
  }
}

/** Conditions that all must hold. What stands under OR or NOT, or inside a call, no index on the column helps with. */
function conditions(value: unknown, equal: string[], range: string[]): void {
  const node = nodeOf(value)
  const children = Array.isArray(node['children']) ? node['children'] : []
  if (node['type'] === 'CONJUNCTION_AND') {
    for (const child of children) conditions(child, equal, range)
    return
  }
  const [left, right] = [columnOf(node['left']), columnOf(node['right'])]
  const column = left ?? right
  switch (node['type']) {
    case 'COMPARE_EQUAL':
      // Of two columns each is the other's value, and no one's.
      if (column !== undefined && (left === undefined || right === undefined)) equal.push(column)
      return
    case 'COMPARE_IN': {
      const picked = columnOf(children[0])
      if (picked !== undefined) equal.push(picked)
      return
    }
    case 'COMPARE_BETWEEN': {
      const between = columnOf(node['input'])
      if (between !== undefined) range.push(between)
      return
    }
    case 'COMPARE_LESSTHAN':
    case 'COMPARE_GREATERTHAN':
    case 'COMPARE_LESSTHANOREQUALTO':
    case 'COMPARE_GREATERTHANOREQUALTO':
      if (column !== undefined && (left === undefined || right === undefined)) range.push(column)
      return
  }
}

function columnOf(value: unknown): string | undefined {
  const node = nodeOf(value)
  const names = node['class'] === 'COLUMN_REF' && Array.isArray(node['column_names']) ? node['column_names'] : []
  const last: unknown = names.at(-1)
  return typeof last === 'string' ? last : undefined
}

/**
 * Reads a plan: of MySQL and MariaDB as `EXPLAIN FORMAT=JSON` has it, of PostgreSQL as `EXPLAIN (FORMAT JSON)`. Undefined for what reads no table.
 * @param tableRows what PostgreSQL reads in a sequential scan: it tells only what is left over
 */
export function planOf(plan: unknown, tableRows: number): PlanFacts | undefined {
  const nodes = [...everyNode(plan)]
  const sorts = nodes.some(
    (node) =>
      node['using_filesort'] === true || 'filesort' in node || node['Node Type'] === 'Sort' || node['Node Type'] === 'Incremental Sort',
  )
  const read = nodes.find((node) => 'access_type' in node)
  if (read !== undefined) {
    const way = String(read['access_type'])
    const index = typeof read['key'] === 'string' ? read['key'] : undefined
    const rows = Number(read['rows_examined_per_scan'] ?? read['rows'] ?? 0)
    return { scansAll: way === 'ALL' || way === 'index', sorts, rows, index }
  }
  const scan = nodes.find((node) => /\bScan$/.test(String(node['Node Type'] ?? '')))
  if (scan === undefined) return undefined
  const index = nodes.map((node) => node['Index Name']).find((name) => typeof name === 'string')
  const scansAll = scan['Node Type'] === 'Seq Scan'
  return { scansAll, sorts, rows: scansAll ? tableRows : Number(scan['Plan Rows'] ?? 0), index }
}

function* everyNode(value: unknown): Generator<Node> {
  if (Array.isArray(value)) for (const one of value) yield* everyNode(one)
  else if (typeof value === 'object' && value !== null) {
    yield value as Node
    for (const one of Object.values(value)) yield* everyNode(one)
  }
}

function nodeOf(value: unknown): Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Node) : {}
}
