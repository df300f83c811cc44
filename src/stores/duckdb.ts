import { basename, resolve } from 'node:path'
import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api'
import { quoteName } from '../engine/index.js'
import { failure, messageOf, STORE_LOCK_HELD, STORE_STATEMENT_FAILED } from '../errors/index.js'
import { ATTRIBUTES, span } from '../observability/index.js'
import { type DuckDBFile, holdFile, translateDuckDB } from './duckdb-file.js'
import { duckdbTable, type Running } from './duckdb-table.js'
import { guard, type RetryOptions } from './guard.js'
import { splitStatements } from './statements.js'
import { type Capabilities, defineStore, type OpenStore, type Store, type StoreSql } from './store.js'

export interface DuckDBStoreOptions {
  /** The file, relative to the project's folder: `serving.duckdb`. Made when it is not there. */
  readonly path: string
  /** `512MB`, `4GB`: 1GB. */
  readonly memory?: string
  /** Default: the machine's processors. */
  readonly threads?: number
  readonly retry?: RetryOptions
}

const CAPABILITIES: Capabilities = {
  upsert: true,
  delete: true,
  transactions: true,
  bulkLoad: true,
  orderedScan: true,
  digest: true,
  ddl: true,
  sql: true,
  nul: true,
  types: {
    string: 'exact',
    long: 'exact',
    integer: 'exact',
    short: 'exact',
    byte: 'exact',
    float: 'exact',
    double: 'exact',
    boolean: 'exact',
    date: 'exact',
    timestamp: 'exact',
    timestamp_ntz: 'exact',
    binary: 'exact',
    decimal: 'exact',
    array: 'refused',
    map: 'refused',
    struct: 'refused',
  },
}

/**
 * A DuckDB file: a database for serving that needs no server.
 *
 * `duckdb({ path: 'serving.duckdb' })` can be opened by any DuckDB while Sluice is not running. One process at a time has it; another is
 * STORE_BUSY.
 */
export function duckdb({ path, memory = '1GB', threads, retry }: DuckDBStoreOptions): Store {
  const name = `duckdb at ${path}`
  return defineStore({
    kind: 'duckdb',
    capabilities: CAPABILITIES,
    describe: () => name,
    lacking: () => undefined,
    async open({ projectFolder, signal }): Promise<OpenStore> {
      const guarding = guard({ store: name, retry, signal, translate: (thrown) => translateDuckDB(thrown, name) })
      const settings = {
        memory_limit: memory,
        autoinstall_known_extensions: 'false',
        ...(threads === undefined ? {} : { threads: String(threads) }),
      }
      const file = await guarding.call(() => holdFile(resolve(projectFolder, path), settings))
      const writer = await file.connect()
      const interrupt = () => writer.interrupt()
      signal?.addEventListener('abort', interrupt)

      const running: Running = {
        store: name,
        signal,
        connect: () => file.connect(),
        read: (operation, table, body) => guarding.call(() => spanned(operation, path, table, body)),
        write: (operation, table, body) =>
          guarding.call(() =>
            file.inTurn(() =>
              spanned(operation, path, table, () => {
                signal?.throwIfAborted()
                return body(writer)
              }),
            ),
          ),
      }
      return {
        capabilities: CAPABILITIES,
        version: await guarding.call(
          async () => `DuckDB ${String((await valuesOf(writer, 'SELECT version()'))[0]?.[0]).replace(/^v/, '')}`,
        ),
        table: (table) => duckdbTable(table, running),
        sql: sqlOf(name, file, running),
        readState: (key) =>
          running.read('SELECT', STATE, async () => {
            const connection = await file.connect()
            try {
              const there = await valuesOf(connection, `SELECT 1 FROM duckdb_tables() WHERE table_name = '${STATE}'`)
              if (there.length === 0) return undefined
              const [row] = await valuesOf(connection, `SELECT text FROM ${STATE} WHERE name = $1`, [key])
              return row === undefined ? undefined : String(row[0])
            } finally {
              connection.closeSync()
            }
          }),
        writeState: (key, text) =>
          running.write('INSERT', STATE, async (connection) => {
            await connection.run(`CREATE TABLE IF NOT EXISTS ${STATE} (name VARCHAR PRIMARY KEY, text VARCHAR NOT NULL)`)
            await connection.run(`INSERT OR REPLACE INTO ${STATE} VALUES ($1, $2)`, [key, text])
          }),
        async close() {
          signal?.removeEventListener('abort', interrupt)
          await file.inTurn(async () => writer.closeSync())
          await file.release()
        },
      }
    },
  })
}

/** Where `readState` and `writeState` keep their texts. */
const STATE = 'sluice_state'

function spanned<Result>(operation: string, path: string, table: string | undefined, body: () => Promise<Result>): Promise<Result> {
  const attributes = {
    [ATTRIBUTES.databaseSystem]: 'duckdb',
    [ATTRIBUTES.databaseNamespace]: basename(path),
    [ATTRIBUTES.databaseOperation]: operation,
    ...(table === undefined ? {} : { [ATTRIBUTES.databaseCollection]: table }),
  }
  return span(`${operation}${table === undefined ? '' : ` ${table}`}`, { kind: 'client', attributes }, body)
}

async function valuesOf(connection: DuckDBConnection, sql: string, values: DuckDBValue[] = []): Promise<DuckDBValue[][]> {
  return (await connection.runAndReadAll(sql, values)).getRows()
}

function shown(value: DuckDBValue): string | number | null {
  return value === null || typeof value === 'number' ? value : String(value)
}

function sqlOf(store: string, file: DuckDBFile, running: Running): StoreSql {
  return {
    dialect: 'duckdb',
    quoteName,

    script: (text) =>
      running.write('SCRIPT', undefined, async () => {
        const connection = await file.connect()
        try {
          for (const [index, statement] of splitStatements(text, 'postgres').entries()) {
            await connection.run(statement).catch((thrown: unknown) => {
              throw failure(STORE_STATEMENT_FAILED, { store, number: index + 1, statement, problem: messageOf(thrown) }, { cause: thrown })
            })
          }
        } finally {
          connection.closeSync()
        }
      }),

    query: (text) =>
      running.read('SELECT', undefined, async () => {
        const connection = await file.connect()
        try {
          const result = await connection.runAndReadAll(text)
          const names = result.deduplicatedColumnNames()
          return result.getRows().map((row) => Object.fromEntries(row.map((value, index) => [names[index] ?? '', shown(value)])))
        } catch (thrown) {
          throw failure(STORE_STATEMENT_FAILED, { store, number: 1, statement: text, problem: messageOf(thrown) }, { cause: thrown })
        } finally {
          connection.closeSync()
        }
      }),

    // No other process has the file, so that those of this one are all there are.
    async locked(name, waitMs, body) {
      const before = file.locks.get(name) ?? Promise.resolve()
      let end = () => {}
      const held = new Promise<void>((done) => {
        end = done
      })
      const mine = before.then(() => held)
      file.locks.set(name, mine)
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<'late'>((done) => {
        timer = setTimeout(done, waitMs, 'late')
      })
      try {
        if ((await Promise.race([before, late])) === 'late') throw failure(STORE_LOCK_HELD, { store, lock: name })
        return await body()
      } finally {
        clearTimeout(timer)
        end()
        if (file.locks.get(name) === mine) file.locks.delete(name)
      }
    },

    async connection() {
      const connection = await file.connect()
      return {
        // Not made again here: what was begun before is gone with the transaction, and only its caller can make that again.
        async run(text, values = []) {
          try {
            const result = await connection.runAndReadAll(text, [...values])
            return { changed: result.rowsChanged, rows: result.getRows().map((row) => row.map(shown)) }
          } catch (thrown) {
            throw translateDuckDB(thrown, store)
          }
        },
        close: async () => connection.closeSync(),
      }
    },
  }
}
