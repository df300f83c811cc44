import { quoteName, type Session, sqlType } from '../engine/index.js'
import type { Dataset } from './dataset.js'
import type { Workspace } from './workspace.js'

/** Names, in the session, the datasets that a dataset's expectations refer to. */
export async function defineReferences(workspace: Workspace, session: Session, dataset: Dataset): Promise<void> {
  for (const { rule } of dataset.expect) {
    if (rule.scope !== 'references') continue
    const table = workspace.table(rule.relation, session)
    const none = Object.entries(rule.relation.columns).map(([name, column]) => `NULL::${sqlType(column.type)} AS ${quoteName(name)}`)
    await session.define(rule.relation.name, (await table.exists()) ? await table.read() : `SELECT ${none.join(', ')} WHERE false`)
  }
}
