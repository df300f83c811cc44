import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import type { DuckDBConnection, DuckDBInstance as Instance } from '@duckdb/node-api'
import {
  ENGINE_CANCELLED,
  failure,
  isSluiceError,
  messageOf,
  type SluiceError,
  STORE_BUSY,
  STORE_DENIED,
  STORE_FAILED,
  STORE_FULL,
} from '../errors/index.js'

// As in engine/duckdb.ts: CommonJS, which would be slow to import.
const { DuckDBInstance } = createRequire(import.meta.url)('@duckdb/node-api') as typeof import('@duckdb/node-api')

/** A DuckDB file that this process holds. All who open it here share it: DuckDB lets no second instance in. */
export interface DuckDBFile {
  /** A connection in UTC. */
  connect(): Promise<DuckDBConnection>
  /** One writer after the other, whoever opened the file: two that change the same rows would end each other. */
  inTurn<Result>(body: () => Promise<Result>): Promise<Result>
  /** Holders of locks by name, each waiting for the one before. */
  readonly locks: Map<string, Promise<unknown>>
  /** The last to release it writes everything into the one file, and closes it. */
  release(): Promise<void>
}

interface Held {
  readonly instance: Promise<Instance>
  readonly locks: Map<string, Promise<unknown>>
  holders: number
  last: Promise<unknown>
}

const files = new Map<string, Held>()

export async function holdFile(path: string, settings: Record<string, string>): Promise<DuckDBFile> {
  const held = files.get(path) ?? { instance: create(path, settings), locks: new Map(), holders: 0, last: Promise.resolve() }
  files.set(path, held)
  held.holders += 1
  const instance = await held.instance.catch((thrown: unknown) => {
    if (files.get(path) === held) files.delete(path)
    throw thrown
  })
  let released = false
  return {
    locks: held.locks,
    async connect() {
      const connection = await instance.connect()
      await connection.run("SET TimeZone = 'UTC'")
      return connection
    },
    inTurn(body) {
      const turn = held.last.then(body)
      held.last = turn.catch(() => {})
      return turn
    },
    async release() {
      if (released) return
      released = true
      held.holders -= 1
      if (held.holders > 0) return
      files.delete(path)
      const connection = await instance.connect()
      // Fails while someone else's transaction is open; what it would have moved into the file then stays in the log beside it.
      await connection.run('CHECKPOINT').catch(() => {})
      connection.closeSync()
      instance.closeSync()
    },
  }
}

async function create(path: string, settings: Record<string, string>): Promise<Instance> {
  mkdirSync(dirname(path), { recursive: true })
  return DuckDBInstance.create(path, settings)
}

/** What DuckDB threw, as a STORE_* error. */
export function translateDuckDB(thrown: unknown, store: string): SluiceError {
  if (isSluiceError(thrown)) return thrown
  const about = { cause: thrown }
  const text = messageOf(thrown)
  const problem = text.replace(/^[\w ]+ Error: /, '').split('\n')[0] ?? text
  if (/^INTERRUPT/i.test(text)) return failure(ENGINE_CANCELLED, {}, about)
  if (/set lock|already (?:attached|open)|file handle conflict/i.test(text))
    return failure(STORE_BUSY, { store, problem: 'another process has the file open' }, about)
  if (/^Transaction\w* Error|write-write conflict|Transaction conflict|Conflict on/i.test(text))
    return failure(STORE_BUSY, { store, problem }, about)
  if (/No space left/i.test(text)) return failure(STORE_FULL, { store, problem }, about)
  if (/Permission denied|EACCES|EPERM|EROFS|ENOTDIR|Read-only file/i.test(text)) return failure(STORE_DENIED, { store, problem }, about)
  return failure(STORE_FAILED, { store, problem }, about)
}

/** Whether rows, and not the statement, are what DuckDB did not take. */
export function isConstraintFailure(thrown: unknown): boolean {
  return /^Constraint Error/i.test(messageOf(thrown))
}
