import { type Difference, type OpenTable, type RefusedRow, RowBatch, type RowSet, type Written } from '../stores/index.js'

export interface ApplyOptions {
  readonly key: readonly string[]
  readonly batchRows: number
  /** Batches that are written side by side. */
  readonly parallel: number
  /** True when none of the rows is expected in the table. */
  readonly fresh?: boolean
  readonly signal?: AbortSignal | undefined
  /** After each batch. */
  readonly observe?: (totals: Applied) => void
  /** After each batch too: what it took, in seconds. */
  readonly onBatch?: (batch: { readonly rows: number; readonly seconds: number }) => void
  /** Rows that the store does not take. */
  readonly refused: (rows: readonly RefusedRow[]) => Promise<void>
}

/** What was written. */
export interface Applied {
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
  readonly deadLettered: number
  /** Rows that were sent. */
  readonly rows: number
}

export const NOTHING: Applied = { inserted: 0, updated: 0, deleted: 0, deadLettered: 0, rows: 0 }

/**
 * Puts batches of rows into a table, several side by side; no more are read than are being written. A failure ends all, after the batches on
 * their way have ended.
 */
export async function put(table: OpenTable, batches: AsyncIterable<RowBatch>, options: ApplyOptions, before = NOTHING): Promise<Applied> {
  let totals = before
  const { key, parallel, fresh = false, signal, observe, onBatch, refused } = options
  await sideBySide(batches, parallel, signal, async (batch) => {
    const began = performance.now()
    const written: Written = await table.upsert(batch, { key, fresh })
    onBatch?.({ rows: batch.size, seconds: (performance.now() - began) / 1000 })
    await refused(written.refused)
    totals = {
      ...totals,
      inserted: totals.inserted + written.inserted,
      updated: totals.updated + written.updated,
      deadLettered: totals.deadLettered + written.refused.length,
      rows: totals.rows + batch.size,
    }
    observe?.(totals)
  })
  return totals
}

/** Takes rows away, by batches of their keys. */
export async function takeAway(table: OpenTable, keys: AsyncIterable<RowBatch>, options: ApplyOptions, before = NOTHING): Promise<Applied> {
  let totals = before
  await sideBySide(keys, options.parallel, options.signal, async (batch) => {
    const deleted = await table.remove(batch)
    totals = { ...totals, deleted: totals.deleted + deleted, rows: totals.rows + batch.size }
    options.observe?.(totals)
  })
  return totals
}

/** Makes the right equal to the left: rows that it lacks or has otherwise are put, those it has alone are taken away. */
export async function repair(
  table: OpenTable,
  left: RowSet,
  differences: () => AsyncIterable<Difference>,
  options: ApplyOptions & { readonly deletes: 'follow' | 'keep' },
): Promise<Applied> {
  const keyColumns = left.columns.slice(0, left.key.length)
  // First away, then in: a row may hold a value that must be unique, and that another is to have.
  const gone = linesOf(differences(), ({ left: ours, right }) =>
    ours === undefined && right !== undefined ? right.split('\t', keyColumns.length).join('\t') : undefined,
  )
  const removed = options.deletes === 'follow' ? await takeAway(table, inBatches(gone, keyColumns, options.batchRows), options) : NOTHING
  const wanted = linesOf(differences(), ({ left: ours }) => ours)
  return put(table, inBatches(wanted, left.columns, options.batchRows), options, removed)
}

async function* linesOf(
  differences: AsyncIterable<Difference>,
  line: (difference: Difference) => string | undefined,
): AsyncGenerator<string> {
  for await (const difference of differences) {
    const found = line(difference)
    if (found !== undefined) yield found
  }
}

/** Single lines as batches. */
export async function* inBatches(lines: AsyncIterable<string>, columns: RowBatch['columns'], batchRows: number): AsyncGenerator<RowBatch> {
  let held: string[] = []
  for await (const line of lines) {
    held.push(line)
    if (held.length < batchRows) continue
    yield new RowBatch(columns, held)
    held = []
  }
  if (held.length > 0) yield new RowBatch(columns, held)
}

async function sideBySide<Item>(
  items: AsyncIterable<Item>,
  parallel: number,
  signal: AbortSignal | undefined,
  body: (item: Item) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]()
  const failures: unknown[] = []
  let asking: Promise<unknown> = Promise.resolve()
  // A generator answers one call at a time.
  const next = () => {
    const asked = asking.then(() => iterator.next())
    asking = asked.catch(() => {})
    return asked
  }
  const work = async () => {
    try {
      while (failures.length === 0) {
        signal?.throwIfAborted()
        const { done, value } = await next()
        if (done === true || failures.length > 0) return
        await body(value)
      }
    } catch (error) {
      failures.push(error)
    }
  }
  await Promise.all(Array.from({ length: parallel }, work))
  if (failures.length > 0) {
    await iterator.return?.(undefined)
    throw failures[0]
  }
}
