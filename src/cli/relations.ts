import { quoteName, type Session, sqlType } from '../engine/index.js'
import { JOURNAL, type JournalTable, journalDefinition } from '../journal/index.js'
import { tableFields, type Workspace, withDeclared } from '../pipeline/index.js'
import { fieldsOf } from '../schema/index.js'
import { DeltaTable } from '../table/index.js'

/** Names every dataset's rows `layer.name` in the session; one that has no table yet has no rows. */
export async function defineDatasets(workspace: Workspace, session: Session): Promise<void> {
  for (const dataset of workspace.project.datasets) {
    const table = workspace.table(dataset, session)
    const none = tableFields(dataset).map((field) => `NULL::${sqlType(field.type)} AS ${quoteName(field.name)}`)
    const snapshot = (await table.exists()) ? await table.snapshot() : undefined
    const select =
      snapshot === undefined ? `SELECT ${none.join(', ')} WHERE false` : withDeclared(await table.select(snapshot), snapshot, dataset)
    const [layer = '', name = ''] = dataset.name.split('.')
    await session.execute(`CREATE SCHEMA IF NOT EXISTS ${quoteName(layer)}`)
    await session.execute(`CREATE OR REPLACE VIEW ${quoteName(layer)}.${quoteName(name)} AS ${select}`)
  }
  for (const { results } of workspace.project.anomalies) {
    const table = workspace.table(results, session)
    const none = fieldsOf(results.columns).map((field) => `NULL::${sqlType(field.type)} AS ${quoteName(field.name)}`)
    const [, name = ''] = results.name.split('.')
    await session.execute('CREATE SCHEMA IF NOT EXISTS _anomalies')
    const select = (await table.exists()) ? await table.read() : `SELECT ${none.join(', ')} WHERE false`
    await session.execute(`CREATE OR REPLACE VIEW _anomalies.${quoteName(name)} AS ${select}`)
  }
}

/** Names the journal's tables `_sluice.name`, where a statement speaks of them; one that has no table yet has no rows. */
export async function defineJournal({ lake, storage }: Workspace, session: Session, statement: string): Promise<void> {
  if (!statement.includes('_sluice')) return
  await session.execute('CREATE SCHEMA IF NOT EXISTS _sluice')
  for (const name of Object.keys(JOURNAL) as JournalTable[]) {
    const table = DeltaTable.at(`${lake}/_sluice/${name}`, { storage, session })
    const none = journalDefinition(name).fields.map((field) => `NULL::${sqlType(field.type)} AS ${quoteName(field.name)}`)
    const select = (await table.exists()) ? await table.read() : `SELECT ${none.join(', ')} WHERE false`
    await session.execute(`CREATE OR REPLACE VIEW _sluice.${quoteName(name)} AS ${select}`)
  }
}
