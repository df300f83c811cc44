import { randomBytes } from 'node:crypto'
import type { Session } from '../engine/index.js'
import { failure, STORE_CAPABILITY_MISSING } from '../errors/index.js'
import { medianOf, type SyncSettings, type Trial } from '../monitoring/advice/index.js'
import { RowBatch, type RowSet } from '../stores/index.js'
import { put } from '../sync/index.js'
import type { RowsMeasured, RowsMeasurement } from './advise-store-trial.js'
import { openStores } from './stores.js'
import { openSides } from './sync-sides.js'
import type { Workspace } from './workspace.js'

const ROWS = 100_000
const TIMES = 3

/**
 * Writes rows of the source into a table of the target's columns, key and indexes, as the sync does now and as it is advised to, in turn. The
 * table is dropped afterwards, and the target itself only looked at. Throws STORE_*: the user must be allowed to make tables.
 */
export async function trySync(
  workspace: Workspace,
  session: Session,
  { sync, before, after }: Extract<Trial, { readonly change: 'sync' }>,
): Promise<RowsMeasured | undefined> {
  const one = workspace.project.syncs.find((each) => each.name === sync)
  if (one === undefined) return undefined
  const { store } = one.to
  if (!store.capabilities.sql) throw failure(STORE_CAPABILITY_MISSING, { store: store.describe(), what: 'drop a table that is tried on' })
  const stores = openStores(workspace)
  try {
    const sides = await openSides(workspace, session, stores, one, false)
    const { targetStore, targetTable, target, key } = sides
    const shape = await targetTable.shape()
    const rows = await firstRows(sides.source, ROWS)
    if (shape === undefined || rows.size <= Math.max(before.batchRows, after.batchRows)) return undefined
    const name = `sluice_advise_${randomBytes(4).toString('hex')}`
    const quoted = targetStore.sql?.quoteName(name) ?? name
    const write = async ({ batchRows, parallel, connections }: SyncSettings): Promise<number> => {
      const open = await store.open({
        projectFolder: workspace.project.folder,
        signal: workspace.signal,
        ...(connections === undefined ? {} : { connections }),
      })
      try {
        await open.sql?.script(`DELETE FROM ${quoted}`)
        const began = performance.now()
        const refused = async () => {}
        await put(open.table(name), batchesOf(rows, batchRows), {
          key,
          batchRows,
          parallel,
          fresh: true,
          signal: workspace.signal,
          refused,
        })
        return (performance.now() - began) / 1000
      } finally {
        await open.close()
      }
    }
    try {
      const indexes = shape.indexes.map(({ columns, unique }) => ({ columns, unique }))
      await targetStore.table(name).make({ columns: target.columns, key, indexes: indexes.filter((index) => isOf(index.columns, target)) })
      const [was, is]: [number[], number[]] = [[], []]
      for (let time = 0; time < TIMES; time++) {
        was.push(await write(before))
        is.push(await write(after))
      }
      const measured = (seconds: readonly number[]): RowsMeasurement => ({ seconds: medianOf(seconds), rows: rows.size })
      return { what: `on a table like ${sides.to}, which is empty, median of ${TIMES}`, before: measured(was), after: measured(is) }
    } finally {
      await targetStore.sql?.script(`DROP TABLE IF EXISTS ${quoted}`).catch(() => {})
    }
  } finally {
    await stores.close()
  }
}

function isOf(names: readonly string[], { columns }: RowSet): boolean {
  return names.every((name) => columns.some((column) => column.name === name))
}

async function firstRows(source: RowSet, wanted: number): Promise<RowBatch> {
  const lines: string[] = []
  for await (const batch of source.scan({ limit: wanted })) {
    lines.push(...batch.lines)
    if (lines.length >= wanted) break
  }
  return new RowBatch(source.columns, lines.slice(0, wanted))
}

async function* batchesOf(rows: RowBatch, size: number): AsyncGenerator<RowBatch> {
  for (let from = 0; from < rows.size; from += size) yield rows.slice(from, from + size)
}
