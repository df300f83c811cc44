import { failure, USAGE_WRONG } from '../../errors/index.js'
import { typeText } from '../../schema/index.js'
import { type Command, PROJECT_OPTIONS, requireWord, wholeNumber } from '../command.js'
import { cellText, table } from '../output.js'
import { defineDatasets, defineJournal } from '../relations.js'

const FORMATS = ['table', 'csv', 'json']

export const query: Command = {
  name: 'query',
  summary: 'Ask the tables with SQL; each dataset is there by name, and the journal as _sluice.runs and so on.',
  usage: '"select ..."',
  examples: [
    'sluice query "select count(*) from silver.trips"',
    'sluice query "from gold.hourly_demand limit 10" --format csv > demand.csv',
  ],
  options: {
    ...PROJECT_OPTIONS,
    format: { type: 'string', value: 'table|csv|json', help: 'how rows are printed (default: table)' },
    limit: { type: 'string', value: 'N', help: 'rows shown in a table (default: 100); csv and json print all' },
  },
  async run(invocation) {
    const sql = requireWord(query, invocation.positionals.join(' ') || undefined, 'a SELECT')
    const format = invocation.output.json ? 'json' : (invocation.text('format') ?? 'table')
    if (!FORMATS.includes(format))
      throw failure(USAGE_WRONG, { command: 'query', problem: `--format takes ${FORMATS.join(', ')}; "${format}" is none of them.` })
    const limit = format === 'table' ? wholeNumber(query, invocation, 'limit', 100) : Number.POSITIVE_INFINITY
    const workspace = await invocation.workspace()
    try {
      const session = await workspace.connect()
      await defineDatasets(workspace, session)
      await defineJournal(workspace, session, sql)
      const statement = sql.replace(/;\s*$/, '')
      // Described first, which takes one statement and refuses several.
      const columns = await session.describe(statement)
      const names = columns.map((column, index) =>
        columns.findIndex((other) => other.name === column.name) === index ? column.name : `${column.name}_${index + 1}`,
      )
      const shown: string[][] = []
      const rows: Record<string, unknown>[] = []
      let total = 0
      if (format === 'csv') invocation.output.print(names.map(csvCell).join(','))
      for await (const batch of session.stream(`SELECT * FROM (${statement})`)) {
        for (const row of batch.rows) {
          total++
          if (format === 'csv') invocation.output.print(row.map((value) => csvCell(cellText(value))).join(','))
          else if (format === 'json') rows.push(Object.fromEntries(row.map((value, index) => [names[index] ?? String(index), value])))
          else if (total <= limit) shown.push(row.map(cellText))
        }
        if (format === 'table' && total > limit) break
      }
      if (format === 'json')
        invocation.output.document({ columns: columns.map((column, index) => ({ name: names[index], type: typeText(column.type) })), rows })
      if (format === 'table')
        invocation.output.print(
          `${table(names, shown)}\n${total > limit ? `(the first ${limit} rows; --limit N shows more)` : `(${total} ${total === 1 ? 'row' : 'rows'})`}`,
        )
      return 0
    } finally {
      await workspace.close()
    }
  },
}

function csvCell(text: string): string {
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
