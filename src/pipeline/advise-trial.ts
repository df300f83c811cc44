import { constants, rmSync } from 'node:fs'
import { cp, mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { literal, quoteName, type Session } from '../engine/index.js'
import { ADVICE_NO_SPACE, failure } from '../errors/index.js'
import type { Advice, Trial } from '../monitoring/advice/index.js'
import { DeltaTable, scanFiles } from '../table/index.js'
import { filesThat, whereHolds } from '../table/snapshot.js'
import { type RowsMeasured, tryIndex, tryJudgingPart } from './advise-store-trial.js'
import { trySync } from './advise-sync-trial.js'
import type { Workspace } from './workspace.js'

/** Advice tried on a copy. The lake itself is read and never written. */

/** What one read cost: seconds are the median of five. */
export interface Measurement {
  readonly seconds: number
  /** That the read opened. */
  readonly files: number
  /** In those files. */
  readonly bytes: number
}

export interface Measured {
  /** The read, in words. */
  readonly what: string
  readonly before: Measurement
  readonly after: Measurement
}

type TableTrial = Exclude<Trial, { readonly change: 'index' | 'judge-part' | 'sync' }>

const READS = 5
/** The copy, and what is written beside it. */
const ROOM = 2.5

/**
 * Copies the table into a temporary folder, measures a read of the copy, does there what the advice says, and measures again. The folder is
 * gone afterwards, also when the command is interrupted. Undefined for advice that has no trial.
 * What is about a store is tried on a temporary table of it. Throws ADVICE_NO_SPACE, ENGINE_CANCELLED, STORE_*.
 */
export async function tryAdvice(workspace: Workspace, session: Session, advice: Advice): Promise<Measured | RowsMeasured | undefined> {
  const { trial } = advice
  if (trial === undefined) return undefined
  if (trial.change === 'index') return tryIndex(workspace, trial)
  if (trial.change === 'sync') return trySync(workspace, session, trial)
  if (trial.change === 'judge-part') return tryJudgingPart(workspace, session, trial)
  const source = workspace.table({ name: advice.about }, session)
  const bytes = (await workspace.storage.walk(source.path)).reduce((sum, file) => sum + file.bytes, 0)
  const { bavail, bsize } = await statfs(tmpdir())
  if (bytes * ROOM > bavail * bsize)
    throw failure(ADVICE_NO_SPACE, {
      dataset: advice.about,
      needed: mebibytes(bytes * ROOM),
      free: mebibytes(bavail * bsize),
      folder: tmpdir(),
    })
  const folder = await mkdtemp(join(tmpdir(), 'sluice-advise-'))
  // A second Ctrl-C ends the process at once.
  const clean = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', clean)
  try {
    const path = join(folder, 'table')
    // Where the file system can, blocks are shared until one of the two is written.
    await cp(source.path, path, { recursive: true, mode: constants.COPYFILE_FICLONE })
    workspace.signal?.throwIfAborted()
    const where = await representativeFilter(session, path, trial)
    const before = await measure(session, path, where)
    const changed = await apply(session, path, trial)
    const after = await measure(session, changed, where)
    return { what: where === undefined ? 'a read of all rows' : `a read of the rows with ${where}`, before, after }
  } finally {
    await rm(folder, { recursive: true, force: true })
    process.removeListener('exit', clean)
  }
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 1024 ** 2)} MiB`
}

/** One value of the column that queries go by: the one in the middle, so that it is neither at an edge nor made up. */
async function representativeFilter(session: Session, path: string, trial: TableTrial): Promise<string | undefined> {
  const column = trial.change === 'z-order' ? trial.columns[0] : trial.change === 'partition' ? trial.filter : undefined
  if (column === undefined) return undefined
  const table = await DeltaTable.open(path, { session })
  const [row] = await session.rows(
    `SELECT quantile_disc(${quoteName(column)}, 0.5)::VARCHAR AS middle FROM (${await table.read({ columns: [column] })})`,
  )
  const kind = (await table.snapshot()).fields.find((field) => field.name === column)?.type.kind ?? 'string'
  const middle = String(row?.['middle'])
  const types: Readonly<Record<string, string>> = { date: 'DATE ', timestamp: 'TIMESTAMPTZ ', timestamp_ntz: 'TIMESTAMP ' }
  const isText = kind === 'string' || types[kind] !== undefined
  return `${quoteName(column)} = ${isText ? `${types[kind] ?? ''}${literal(middle)}` : middle}`
}

/** Opens the table anew each time: replaying the log is part of what a read costs. */
async function measure(session: Session, path: string, where: string | undefined): Promise<Measurement> {
  const seconds: number[] = []
  for (let read = 0; read < READS; read++) {
    const started = performance.now()
    const table = await DeltaTable.open(path, { session })
    await session.rows(`SELECT bit_xor(hash(t)) AS rows FROM (${await table.read(where === undefined ? {} : { where })}) AS t`)
    seconds.push((performance.now() - started) / 1000)
  }
  const snapshot = await (await DeltaTable.open(path, { session })).snapshot()
  const test = where === undefined ? () => true : whereHolds(snapshot, await session.condition(where))
  const opened = await filesThat(snapshot, test)
  return {
    seconds: seconds.sort((one, other) => one - other)[READS >> 1] ?? 0,
    files: opened.length,
    bytes: opened.reduce((sum, [, add]) => sum + add.size, 0),
  }
}

/** Does to the copy what the advice says; answers where the result is. */
async function apply(session: Session, path: string, trial: TableTrial): Promise<string> {
  const table = await DeltaTable.open(path, { session })
  switch (trial.change) {
    case 'optimize':
      await table.optimize()
      return path
    case 'z-order':
      await table.optimize({ zOrderBy: trial.columns })
      return path
    case 'checkpoint':
      await table.checkpoint()
      return path
    case 'partition': {
      const snapshot = await table.snapshot()
      const other = await DeltaTable.create(
        `${path}-partitioned`,
        { fields: snapshot.fields, partitionColumns: trial.columns },
        { session },
      )
      await other.overwrite(await scanFiles(session, snapshot, [...snapshot.files]))
      return other.path
    }
  }
}
