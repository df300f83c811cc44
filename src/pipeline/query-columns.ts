import { quoteText, type Session } from '../engine/index.js'

/** A column of a dataset that a query compares with something. */
export interface ComparedColumn {
  readonly dataset: string
  readonly column: string
  /** `join`: with a column; `filter`: with a value. */
  readonly how: 'filter' | 'join'
}

type Node = Readonly<Record<string, unknown>>
/** The datasets that names in a query stand for. */
type Scope = ReadonlyMap<string, string>

/**
 * The columns by which a query picks rows of datasets that it reads whole: `select ... from "silver.trips" as t where t.day = '2024-01-01'`
 * gives `{ dataset: 'silver.trips', column: 'day', how: 'filter' }`. Taken from the syntax tree; nothing is run. What it cannot resolve it leaves out.
 *
 * @param columns of each dataset, by name
 */
export async function comparedColumns(
  session: Session,
  query: string,
  columns: ReadonlyMap<string, ReadonlySet<string>>,
): Promise<ComparedColumn[]> {
  const [row] = await session.rows(`SELECT json_serialize_sql(${quoteText(query)})::VARCHAR AS tree`)
  const { error, statements } = nodeOf(JSON.parse(String(row?.['tree'] ?? '{}')))
  if (error !== false) return []
  const found = new Map<string, ComparedColumn>()
  visit(statements, new Map(), (dataset, column, how) => {
    if (columns.get(dataset)?.has(column) === true) found.set(`${dataset} ${column} ${how}`, { dataset, column, how })
  })
  return [...found.values()]

  function visit(value: unknown, scope: Scope, tell: (dataset: string, column: string, how: ComparedColumn['how']) => void): void {
    if (Array.isArray(value)) {
      for (const one of value) visit(one, scope, tell)
      return
    }
    const node = nodeOf(value)
    const inner = node['type'] === 'SELECT_NODE' ? new Map([...scope, ...tablesOf(node['from_table'])]) : scope
    const sides = comparedSides(node)
    const named = sides.map((side) => resolved(columnOf(side), inner, columns))
    const how = sides.filter((side) => columnOf(side) !== undefined).length > 1 ? 'join' : 'filter'
    for (const one of named) if (one !== undefined) tell(one.dataset, one.column, how)
    for (const column of namesIn(node['using_columns']))
      for (const dataset of inner.values()) if (columns.get(dataset)?.has(column) === true) tell(dataset, column, 'join')
    for (const one of Object.values(node)) if (typeof one === 'object') visit(one, inner, tell)
  }
}

function nodeOf(value: unknown): Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Node) : {}
}

function namesIn(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []
}

/** The tables of a FROM, by the names that its columns go under. What is read by `changed()` is not in the table's own order. */
function tablesOf(from: unknown): [string, string][] {
  const node = nodeOf(from)
  if (node['type'] === 'JOIN') return [...tablesOf(node['left']), ...tablesOf(node['right'])]
  if (node['type'] !== 'BASE_TABLE') return []
  const name = String(node['table_name'])
  return [[String(node['alias'] || name), name]]
}

function comparedSides(node: Node): unknown[] {
  if (node['class'] === 'COMPARISON') return [node['left'], node['right']]
  if (node['class'] === 'BETWEEN') return [node['input'], node['lower'], node['upper']]
  if (node['type'] === 'COMPARE_IN' && Array.isArray(node['children'])) return node['children'].slice(0, 1)
  return []
}

/** A column, be it cast or not. */
function columnOf(value: unknown): readonly string[] | undefined {
  const node = nodeOf(value)
  if (node['class'] === 'CAST') return columnOf(node['child'])
  return node['class'] === 'COLUMN_REF' ? namesIn(node['column_names']) : undefined
}

function resolved(
  names: readonly string[] | undefined,
  scope: Scope,
  columns: ReadonlyMap<string, ReadonlySet<string>>,
): { readonly dataset: string; readonly column: string } | undefined {
  const column = names?.at(-1)
  if (column === undefined) return undefined
  if (names !== undefined && names.length > 1) {
    const dataset = scope.get(names.slice(0, -1).join('.'))
    return dataset === undefined ? undefined : { dataset, column }
  }
  const holding = [...scope.values()].filter((dataset) => columns.get(dataset)?.has(column) === true)
  const [dataset] = holding
  return holding.length === 1 && dataset !== undefined ? { dataset, column } : undefined
}
