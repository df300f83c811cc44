import { randomBytes } from 'node:crypto'
import type { Session } from '../engine/index.js'
import { failure, STORE_CAPABILITY_MISSING } from '../errors/index.js'
import { medianOf, type SyncSettings, type Trial } from '../monitoring/advice/index.js'
import { type OpenStore, RowBatch, type RowSet } from '../stores/index.js'
import { put } from '../sync/index.js'
import type { RowsMeasured, RowsMeasurement } from './advise-store-trial.js'
import { openStores } from './stores.js'
import { openSides } from './sync-sides.js'
import type { Workspace } from './workspace.js'

const ROWS = 100_000
const TIMES = 3

/**
 * Writes rows of the source into a table of the target's columns, key and indexes, as the sync does now and as it is advised to, in turn. The
 * table is dropped afterwards, whatever happens, and the target itself only looked at. Throws STORE_*: the user must be allowed to make tables.
 */
export async function trySync(
  workspace: Workspace,
  session: Session,
  { sync, before, after }: Extract<Trial, { readonly change: 'sync' }>,
): Promise<RowsMeasured | undefined> {
  const one = workspace.project.syncs.find((each) => each.name === sync)
  if (one === undefined) return undefined
  const { store } = one.to
  const { folder: projectFolder } = workspace.project
  const name = `sluice_advise_${randomBytes(4).toString('hex')}`
  const stores = openStores(workspace)
  try {
    const sides = await openSides(workspace, session, stores, one, false)
    const shape = await sides.targetTable.shape()
    const rows = await firstRows(sides.source, ROWS)
    if (shape === undefined || rows.size <= Math.max(before.batchRows, after.batchRows)) return undefined
    const indexes = shape.indexes.map(({ columns, unique }) => ({ columns, unique })).filter(({ columns }) => isOf(columns, sides.target))
    const table = { columns: sides.target.columns, key: sides.key, indexes }
    const write = async ({ batchRows, parallel, connections }: SyncSettings): Promise<RowsMeasurement> => {
      const open = await store.open({ projectFolder, signal: workspace.signal, ...(connections === undefined ? {} : { connections }) })
      try {
        await dropped(open, name)
        await open.table(name).make(table)
        const began = performance.now()
        const options = { key: sides.key, batchRows, parallel, fresh: true, signal: workspace.signal, refused: async () => {} }
        const written = await put(open.table(name), batchesOf(rows, batchRows), options)
        return { seconds: (performance.now() - began) / 1000, rows: written.inserted }
      } finally {
        await open.close()
      }
    }
    const times: { was: RowsMeasurement; is: RowsMeasurement }[] = []
    // Interrupted or not, what was made is taken away.
    const cleaner = await store.open({ projectFolder, connections: 1 })
    try {
      for (let time = 0; time < TIMES; time++) times.push({ was: await write(before), is: await write(after) })
    } finally {
      await dropped(cleaner, name).finally(() => cleaner.close())
    }
    const middle = (which: 'was' | 'is'): RowsMeasurement => ({
      seconds: medianOf(times.map((one) => one[which].seconds)),
      rows: medianOf(times.map((one) => one[which].rows)),
    })
    return { what: `on a table like ${sides.to}, which is empty, median of ${TIMES}`, before: middle('was'), after: middle('is') }
  } finally {
    await stores.close()
  }
}

async function dropped(open: OpenStore, name: string): Promise<void> {
  const table = open.table(name)
  if (table.drop === undefined) throw failure(STORE_CAPABILITY_MISSING, { store: open.version, what: 'drop a table that is tried on' })
  await table.drop()
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
