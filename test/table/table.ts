import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Session } from '../../src/engine/index.js'
import type { Columns } from '../../src/schema/index.js'
import { fieldsOf } from '../../src/schema/index.js'
import { DeltaTable, type ReadOptions, type TableDefinition } from '../../src/table/index.js'
import { temporaryFolder } from '../fixtures.js'
import { asText } from '../session.js'

/** A new table in a folder of its own. */
export function newTable(session: Session, columns: Columns, definition: Partial<TableDefinition> = {}): Promise<DeltaTable> {
  return DeltaTable.create(join(temporaryFolder(), 'table'), { fields: fieldsOf(columns), ...definition }, { session })
}

/** The table's rows as lines of text, sorted: `['1 a', '2 b']`. */
export async function rowsOf(table: DeltaTable, options: ReadOptions = {}): Promise<string[]> {
  return asText(await (await table.session()).rows(await table.read(options)))
}

/** Data files in the table's folder, whether or not a version has them. */
export function dataFiles(table: DeltaTable): string[] {
  return (readdirSync(table.path, { recursive: true }) as string[]).filter((name) => !name.startsWith('_delta_log') && /\.[a-z]/.test(name))
}

/** `SELECT` of literal rows: `values('k, v', "(1, 'a')", "(2, 'b')")`. */
export function values(names: string, ...rows: readonly string[]): string {
  return `SELECT * FROM (VALUES ${rows.join(', ')}) AS v(${names})`
}

/** The code of the error that a call ends in. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'no error',
    (error: { code?: string }) => String(error.code ?? error),
  )
}

/** Rows as they are after the changes of one version were made to the rows before it: what the change feed is for. */
export async function fed(table: DeltaTable, before: readonly string[], version: number): Promise<string[]> {
  const rows = [...before]
  const changes = await (await table.session()).rows(await table.changes({ from: version, to: version }))
  const isGone = (type: unknown) => type === 'delete' || type === 'update_preimage'
  for (const change of [...changes].sort((a, b) => Number(isGone(b['_change_type'])) - Number(isGone(a['_change_type'])))) {
    const { _change_type: type, _commit_version: at, _commit_timestamp: _, ...row } = change
    const [line = ''] = asText([row])
    const found = rows.indexOf(line)
    if (Number(at) !== version || (isGone(type) && found < 0))
      throw new Error(`the feed of version ${version} has ${type} ${line} at ${at}`)
    if (isGone(type)) rows.splice(found, 1)
    else rows.push(line)
  }
  return rows.sort()
}
