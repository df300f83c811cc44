import { type Advice, type Adviser, type StatementFacts, whole } from './advice.js'

/** A smaller table is read as quickly as an index is. */
const FEWEST_ROWS = 10_000
/** With more of the rows wanted, reading all of them in order is as quick as picking them by an index. */
const MOST_MATCHED = 0.2
const NAME_LENGTH = 60

/** Statements that read all of a table, or sort much of it, and an index that would spare it. */
export const indexes: Adviser = {
  id: 'index',
  advise({ statements }) {
    const wanted = statements.flatMap((statement) => {
      const columns = indexFor(statement)
      return columns === undefined ? [] : [{ statement, columns }]
    })
    return wanted.flatMap((one, index) => {
      const same = wanted.filter((other) => isTable(one.statement, other.statement) && covers(one.columns, other.columns))
      const covered = wanted.some(
        (other, at) =>
          isTable(one.statement, other.statement) &&
          covers(other.columns, one.columns) &&
          (other.columns.length > one.columns.length || at < index),
      )
      return covered ? [] : [adviceOn(one.statement, one.columns, same.length)]
    })
  },
}

/**
 * Columns that must be one value come first, in an index as in a telephone book; then one that must lie in a range, after which the order of
 * others is lost, or those that rows are to come in the order of.
 */
function indexFor({
  plan,
  tableRows,
  matched,
  columns: { equal, range, order, limited },
  indexes: known,
}: StatementFacts): string[] | undefined {
  if (tableRows < FEWEST_ROWS) return undefined
  const picks = plan.scansAll && equal.length + range.length > 0 && matched <= tableRows * MOST_MATCHED
  const sorts = plan.sorts && limited && order.length > 0 && range.length === 0 && matched >= FEWEST_ROWS
  if (!picks && !sorts) return undefined
  const columns = [...new Set([...equal, ...(range.length > 0 ? range.slice(0, 1) : order)])]
  // There is one, and the store does not go by it: another would not be gone by either.
  return known.some((index) => covers(index, columns)) ? undefined : columns
}

function isTable(one: StatementFacts, other: StatementFacts): boolean {
  return one.store === other.store && one.table === other.table
}

/** Whether an index on these columns does what one on the others would. */
function covers(columns: readonly string[], others: readonly string[]): boolean {
  return others.every((column, index) => columns[index] === column)
}

function adviceOn(
  { store, table, name, statement, plan, tableRows, matched, seconds, columns: { range, order, limited } }: StatementFacts,
  columns: string[],
  others: number,
): Advice {
  const index = `idx_${table}_${columns.join('_')}`.replace(/\W+/g, '_').slice(0, NAME_LENGTH)
  const effect =
    plan.sorts && range.length === 0 && order.length > 0 && limited
      ? `It reads rows in order and ends after those that it asks for, instead of reading ${whole(plan.rows)} and sorting ${whole(matched)}.`
      : `It reads about ${whole(matched)} rows instead of ${whole(plan.rows)}.`
  return {
    id: 'index',
    about: `${store}.${table}`,
    title: `"${name}" ${plan.sorts && !plan.scansAll ? 'sorts' : plan.sorts ? 'reads all rows, and sorts what it wants' : 'reads all rows to find some'}`,
    evidence: [
      { what: 'rows that its plan reads', value: plan.rows, unit: 'rows' },
      { what: 'rows that it wants', value: matched, unit: 'rows' },
      { what: 'rows of the table', value: tableRows, unit: 'rows' },
      { what: 'time that it took', value: seconds, unit: 'seconds' },
      ...(others > 1 ? [{ what: 'statements that the same index serves', value: others, unit: 'count' as const }] : []),
    ],
    expected: `${effect} Each write keeps one index more.`,
    how: `Add a migration to sql/migrations/${store}/ with \`CREATE INDEX ${index} ON ${table} (${columns.join(', ')})\`, then \`sluice migrate up\`; \`-- uses: ${index}\` in the test keeps it so.`,
    impact: tableRows >= 1_000_000 ? 'high' : tableRows >= 100_000 ? 'medium' : 'low',
    trial: { change: 'index', store, table, columns, statement },
  }
}
