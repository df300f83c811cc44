import { quoteName, type Session, sqlType } from '../engine/index.js'
import { tableFields, type Workspace, withDeclared } from '../pipeline/index.js'

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
}
