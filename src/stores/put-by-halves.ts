import { messageOf } from '../errors/index.js'
import type { RowBatch } from './rows.js'
import type { SqlSession } from './sql-server.js'
import type { RefusedRow, Written } from './store.js'

export interface PutByHalves {
  /** Puts the rows from one place of the batch up to another. */
  readonly put: (from: number, to: number) => Promise<{ readonly inserted: number; readonly updated: number }>
  /** Whether a failure is one of the rows' own, and not of the server. */
  readonly isDataError: (thrown: unknown) => boolean
  readonly signal: AbortSignal | undefined
}

/** Puts all rows of a batch, in one transaction. Where a statement fails for one of them, its halves are put, down to the rows refused. */
export async function putByHalves(session: SqlSession, rows: RowBatch, { put, isDataError, signal }: PutByHalves): Promise<Written> {
  const refused: RefusedRow[] = []
  let [inserted, updated] = [0, 0]
  const putOrHalve = async (from: number, to: number): Promise<void> => {
    try {
      await session.run('SAVEPOINT sluice', { signal })
      const written = await put(from, to)
      inserted += written.inserted
      updated += written.updated
      await session.run('RELEASE SAVEPOINT sluice', { signal })
    } catch (thrown) {
      if (!isDataError(thrown)) throw thrown
      await session.run('ROLLBACK TO SAVEPOINT sluice', { signal })
      await session.run('RELEASE SAVEPOINT sluice', { signal })
      if (to - from === 1) {
        refused.push({ line: rows.lines[from] ?? '', reason: messageOf(thrown) })
        return
      }
      const middle = Math.floor((from + to) / 2)
      await putOrHalve(from, middle)
      await putOrHalve(middle, to)
    }
  }
  await session.run('START TRANSACTION', { signal })
  await putOrHalve(0, rows.size)
  await session.run('COMMIT', { signal })
  return { inserted, updated, refused }
}
