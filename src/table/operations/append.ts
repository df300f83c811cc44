import type { Session } from '../../engine/index.js'
import { type Change, type WrittenRows, writeRows } from '../change.js'
import type { Snapshot } from '../snapshot.js'

/** Adds a query's rows. */
export async function prepareAppend(session: Session, snapshot: Snapshot, query: string): Promise<Change> {
  return appendWritten(snapshot, await writeRows(session, snapshot, query))
}

/** Adds rows that are in data files already. */
export function appendWritten(snapshot: Snapshot, { adds, rows, bytes }: WrittenRows): Change {
  return {
    operation: 'WRITE',
    parameters: { mode: 'Append', partitionBy: JSON.stringify(snapshot.partitionColumns) },
    metrics: { numFiles: adds.length, numOutputRows: rows, numOutputBytes: bytes },
    adds,
    removes: [],
    blind: true,
  }
}
