/**
 * How far a sync has come, kept in the target itself (`sluice_state`), so that a target that was restored, emptied or exchanged is never taken
 * for one that is up to date.
 */
export interface SyncState {
  readonly format: 1
  /** The id of the Delta table, or the address of the store's table. */
  readonly source: string
  /** Of the columns and the key: another mapping begins anew. */
  readonly mapping: string
  /** The dataset's version that the target has. */
  readonly version?: number
  /** The value of the cursor up to which the target has all rows. */
  readonly cursor?: string
}

export function readSyncState(text: string | undefined): SyncState | undefined {
  if (text === undefined) return undefined
  try {
    const state = JSON.parse(text) as SyncState
    return state.format === 1 ? state : undefined
  } catch {
    // Written by another hand: begun anew, which costs time and no rows.
    return undefined
  }
}

export function stateName(sync: string): string {
  return `sync ${sync}`
}
