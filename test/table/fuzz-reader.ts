import { createInterface } from 'node:readline'
import { duckdb } from '../../src/engine/index.js'
import { isSluiceError } from '../../src/errors/index.js'
import { DeltaTable } from '../../src/table/index.js'

/**
 * A process of its own that reads tables, for tests that damage them: should the engine's native code crash, it is this process that ends.
 * A table's path a line comes in; a line of JSON goes out: what its newest version is and its rows, or the error.
 */

export interface Reading {
  readonly version?: number
  readonly rows?: readonly string[]
  /** Of an error that has one. */
  readonly code?: string
  /** Of an error that has no code. */
  readonly stack?: string
}

async function read(path: string): Promise<Reading> {
  const table = DeltaTable.at(path, { session })
  try {
    const { version } = await table.snapshot(undefined, { tombstones: true })
    const rows = await session.rows(`SELECT to_json(r)::VARCHAR AS row FROM (${await table.read()}) AS r`)
    await table.history(3)
    return { version, rows: rows.map((row) => String(row['row'])).sort() }
  } catch (error) {
    return isSluiceError(error) ? { code: error.code } : { stack: error instanceof Error ? String(error.stack) : String(error) }
  }
}

const session = await duckdb({ threads: 2, memory: '512MB', temporaryFolder: process.argv[2] ?? '' }).connect()
for await (const path of createInterface({ input: process.stdin })) process.stdout.write(`${JSON.stringify(await read(path))}\n`)
