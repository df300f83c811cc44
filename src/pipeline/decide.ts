import { isSql, type Session } from '../engine/index.js'
import type { DeltaTable, Snapshot, TableDiff } from '../table/index.js'
import type { Dataset } from './dataset.js'
import { type Consumed, type DatasetState, definitionFingerprint, expectationsFingerprint, inputsOf, readState } from './note.js'
import type { Workspace } from './workspace.js'

/** What a step reads of one dataset. */
export interface Upstream {
  readonly name: string
  readonly table: DeltaTable
  /** Undefined when it has no table yet: then it has no rows. */
  readonly snapshot: Snapshot | undefined
  /** What lies between the version consumed last and now; undefined when all of it is new. */
  readonly diff?: TableDiff
}

/** Whether a dataset that is filled by a query would run, how, and why. */
export interface Decision {
  readonly action: 'run' | 'skip'
  readonly mode: 'full' | 'incremental'
  readonly reasons: readonly string[]
  readonly state: DatasetState
  readonly upstream: readonly Upstream[]
}

export async function decide(workspace: Workspace, session: Session, dataset: Dataset, fullRefresh: boolean): Promise<Decision> {
  const state = await readState(workspace.table(dataset, session), false)
  const inputs = inputsOf(dataset)
  const names = [...new Set([...inputs.whole, ...(inputs.changed === undefined ? [] : [inputs.changed])])]
  const upstream = await Promise.all(names.map((name) => openUpstream(workspace, session, name, state.note?.consumed[name])))
  const decided = (action: Decision['action'], mode: Decision['mode'], reasons: readonly string[]): Decision => ({
    action,
    mode,
    reasons,
    state,
    upstream,
  })

  if (fullRefresh) return decided('run', 'full', ['full-refresh: asked for'])
  if (state.note === undefined) return decided('run', 'full', [`never-ran: ${dataset.name} has no table yet`])
  if (isSql(dataset.from) && state.note.definition !== definitionFingerprint(dataset, workspace.values)) {
    return decided('run', 'full', ['definition-changed: its query, columns, key, write or partition'])
  }
  const reasons: string[] = []
  let full = false
  for (const one of upstream) {
    const consumed = state.note.consumed[one.name]
    if (one.snapshot === undefined && consumed === undefined) continue
    if (one.snapshot === undefined || consumed === undefined || consumed.table !== one.snapshot.metadata.id || one.diff === undefined) {
      reasons.push(`upstream-changed: ${one.name} is a new table`)
      full = true
      continue
    }
    if (!one.diff.adds && !one.diff.removes) continue
    reasons.push(`upstream-changed: ${one.name} went from version ${consumed.version} to ${one.snapshot.version}`)
    if (one.name !== inputs.changed || inputs.whole.includes(one.name)) full = true
    else if (one.diff.removes && (dataset.write.kind !== 'replaceBy' || mostlyMoved(one.diff))) full = true
  }
  if (reasons.length > 0) return decided('run', full ? 'full' : 'incremental', reasons)
  const judgedOtherwise = state.note.expectations !== expectationsFingerprint(dataset, workspace.values)
  return decided('skip', 'incremental', judgedOtherwise ? ['expectations-changed: they hold for rows from now on'] : [])
}

/** Rows that a rewrite moved must be told from those it changed; past half of the table, filling everything anew is the quicker way. */
function mostlyMoved(diff: TableDiff): boolean {
  return diff.anew || diff.removedRows * 2 > diff.rows
}

async function openUpstream(workspace: Workspace, session: Session, name: string, consumed: Consumed | undefined): Promise<Upstream> {
  const table = workspace.table({ name }, session)
  if (!(await table.exists())) return { name, table, snapshot: undefined }
  const snapshot = await table.snapshot()
  if (consumed === undefined || consumed.table !== snapshot.metadata.id || consumed.version > snapshot.version)
    return { name, table, snapshot }
  try {
    const diff = await table.diff(await table.snapshot(consumed.version), snapshot)
    return {
      name,
      table,
      snapshot,
      diff: (await onlyMoved(table, consumed.version, snapshot.version)) ? { ...diff, adds: false, removes: false } : diff,
    }
  } catch {
    return { name, table, snapshot } // The version consumed can no longer be read: everything counts as new.
  }
}

/** Whether all commits in between only moved rows between files (OPTIMIZE). */
async function onlyMoved(table: DeltaTable, from: number, to: number): Promise<boolean> {
  for (let version = from + 1; version <= to; version++) {
    const actions = (await table.actions(version)) ?? []
    if (actions.some((action) => (action.add ?? action.remove)?.dataChange === true)) return false
  }
  return true
}
