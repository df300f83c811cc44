import { literal, quoteName, type Row, type Session, type SqlValue, sqlType } from '../engine/index.js'
import { failure, JOURNAL_VERSION_NEWER } from '../errors/index.js'
import type { RowOf } from '../schema/index.js'
import { decodeText, encodeText, type Storage } from '../storage/index.js'
import { appendWritten, DeltaTable, writeRows } from '../table/index.js'
import { type JOURNAL, JOURNAL_FORMAT, type JournalTable, journalDefinition } from './tables.js'

export type JournalRow<Name extends JournalTable> = { readonly [Column in keyof (typeof JOURNAL)[Name]]: SqlValue }
export type JournalRead<Name extends JournalTable> = RowOf<(typeof JOURNAL)[Name]>

/** The durable facts about a lake: appended as they happen, never changed. Any engine that reads Delta can read them. */
export interface Journal {
  append<Name extends JournalTable>(name: Name, rows: readonly JournalRow<Name>[]): Promise<void>
  /** @param clause what follows the table in a SELECT: `WHERE run_id = '...' ORDER BY at` */
  read<Name extends JournalTable>(name: Name, clause?: string): Promise<JournalRead<Name>[]>
  /** Any SELECT over a table: `select('steps', (steps) => `SELECT count(*) AS n FROM ${steps}`)`. No rows while there is no such table. */
  select(name: JournalTable, query: (relation: string) => string): Promise<Row[]>
}

const MAINTENANCE_INTERVAL = 50

/** Throws JOURNAL_VERSION_NEWER when a newer Sluice wrote it. */
export async function openJournal(lake: string, storage: Storage, session: Session): Promise<Journal> {
  await requireFormat(lake, storage)
  const table = (name: JournalTable) => DeltaTable.at(`${lake}/_sluice/${name}`, { storage, session })
  return {
    async append(name, rows) {
      if (rows.length === 0) return
      const definition = journalDefinition(name)
      const handle = table(name)
      const snapshot = await handle.snapshotOr(definition)
      await storage.makeFolder(handle.path)
      const columns = definition.fields
      const values = rows.map(
        (row) => `(${columns.map((column) => literal((row as Readonly<Record<string, SqlValue>>)[column.name] ?? null)).join(', ')})`,
      )
      const names = columns.map((column) => quoteName(column.name)).join(', ')
      const casts = columns.map((column) => `CAST(${quoteName(column.name)} AS ${sqlType(column.type)}) AS ${quoteName(column.name)}`)
      const query = `SELECT ${casts.join(', ')} FROM (VALUES ${values.join(', ')}) AS v(${names})`
      const { version } = await handle.commit(snapshot, appendWritten(snapshot, await writeRows(session, snapshot, query)))
      // Every run adds a few small files. Another process may be at the same: then it is done, or the next time will do.
      if (version > 0 && version % MAINTENANCE_INTERVAL === 0) await handle.maintain().catch(() => {})
    },
    async read<Name extends JournalTable>(name: Name, clause = ''): Promise<JournalRead<Name>[]> {
      const handle = table(name)
      if (!(await handle.exists())) return []
      const rows: Row[] = await session.rows(`SELECT * FROM (${await handle.read()}) ${clause}`)
      return rows as unknown as JournalRead<Name>[]
    },
    async select(name, query) {
      const handle = table(name)
      return (await handle.exists()) ? session.rows(query(`(${await handle.read()})`)) : []
    },
  }
}

async function requireFormat(lake: string, storage: Storage): Promise<void> {
  const path = `${lake}/_sluice/format.json`
  const bytes = await storage.read(path)
  if (bytes === undefined) return
  const { version } = JSON.parse(decodeText(bytes)) as { version: number }
  if (version > JOURNAL_FORMAT) throw failure(JOURNAL_VERSION_NEWER, { path: `${lake}/_sluice`, found: version, known: JOURNAL_FORMAT })
}

/** Makes the journal's folder and says which format it has. */
export async function createJournal(lake: string, storage: Storage): Promise<void> {
  await storage.makeFolder(`${lake}/_sluice`)
  const path = `${lake}/_sluice/format.json`
  if ((await storage.stat(path)) === undefined)
    await storage.putIfAbsent(path, encodeText(`${JSON.stringify({ version: JOURNAL_FORMAT })}\n`))
}
