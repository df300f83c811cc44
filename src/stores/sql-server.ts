import { setTimeout as sleep } from 'node:timers/promises'
import { failure, messageOf, type SluiceError, STORE_LOCK_HELD, STORE_STATEMENT_FAILED } from '../errors/index.js'
import { ATTRIBUTES, span } from '../observability/index.js'
import { Connections, type Pooled } from './connections.js'
import { guard, type RetryOptions } from './guard.js'
import { splitStatements } from './statements.js'
import type { OpenStore, StoreConnection, StoreSql } from './store.js'

/** What stores on a server that speaks SQL have in common: their connections, and statements that no table is about. */

/** One connection, used by one caller at a time. */
export interface SqlSession extends Pooled {
  /** Values are text, as the server writes them. `changed`: rows, of a statement that gives none. */
  run(text: string, options?: RunOptions): Promise<SqlAnswer>
  /** It is not used any more once its caller is done. */
  discard(): void
}

interface RunOptions {
  readonly values?: readonly (string | number | null)[]
  readonly signal?: AbortSignal | undefined
}

interface SqlAnswer {
  readonly names: readonly string[]
  readonly rows: readonly (readonly (string | null)[])[]
  readonly changed: number
}

export interface SqlServerParts<Session extends SqlSession> {
  /** For messages: `mysql at db.example.com:3306/taxi`. */
  readonly store: string
  readonly dialect: 'mysql' | 'postgres'
  /** Connections at most, beside those of scripts, locks and workloads. */
  readonly pool: number
  readonly retry: RetryOptions | undefined
  readonly signal: AbortSignal | undefined
  connect(): Promise<Session>
  translate(thrown: unknown): SluiceError
  /** Whether a server has become one that is only read, which other connections will not find. */
  isReadOnly(thrown: unknown): boolean
}

/** What is known once the server has answered. */
export interface SqlServerFacts {
  /** `mysql`, `mariadb`, `postgresql`, as OpenTelemetry has them. */
  readonly system: string
  readonly database: string
  quoteName(name: string): string
  /** SQL that takes a lock of the server's, answering 1 when it is free; that keeps a connection on which nothing is said; that lets it go. */
  lock(name: string): { readonly take: string; readonly keep?: string; readonly release: string }
  /** SQL of the table `sluice_state`. */
  readonly state: {
    select(name: string): string
    put(name: string, text: string): string
    readonly create: string
    isMissing(thrown: unknown): boolean
  }
}

type Call<Session> = <Result>(operation: string, table: string, body: (session: Session) => Promise<Result>) => Promise<Result>

export interface SqlServer<Session extends SqlSession> {
  /** One statement, before anything is known of the server. */
  ask(text: string): Promise<SqlAnswer['rows']>
  close(): Promise<void>
  opened(facts: SqlServerFacts): SqlServerOpened<Session>
}

interface SqlServerOpened<Session>
  extends Pick<OpenStore, 'readState' | 'writeState' | 'close'>,
    Required<Pick<OpenStore, 'usage' | 'sql'>> {
  /** Runs `body` on a connection, again while its failure is transient. A transaction that it leaves behind when it fails is rolled back. */
  readonly call: Call<Session>
}

export function sqlServer<Session extends SqlSession>(parts: SqlServerParts<Session>): SqlServer<Session> {
  const { store, dialect, pool, retry, signal, connect, translate, isReadOnly } = parts
  const guarded = guard({ store, retry, translate, signal })
  const connections = new Connections(pool, connect)

  async function script(text: string): Promise<void> {
    const session = await guarded.call(connect)
    try {
      for (const [index, statement] of splitStatements(text, dialect).entries()) {
        await session.run(statement, { signal }).catch((thrown: unknown) => {
          const error = translate(thrown)
          if (error.retry === 'transient') throw error
          const shown = statement.replace(/\s+/g, ' ').slice(0, 120)
          const facts = { store, number: index + 1, statement: shown, problem: messageOf(thrown).replace(/\.$/, '') }
          throw failure(STORE_STATEMENT_FAILED, facts, { cause: thrown })
        })
      }
    } finally {
      await session.end()
    }
  }

  async function connection(): Promise<StoreConnection> {
    let session = await guarded.call(connect)
    let began = false
    return {
      async run(text, values) {
        const once = async () => {
          if (!session.usable && !began) session = await connect()
          const { rows, changed } = await session.run(text, { signal, ...(values === undefined ? {} : { values }) })
          return { changed: rows.length === 0 ? changed : 0, rows }
        }
        // What was begun before is gone with the transaction: only its caller can make it again.
        const result = await (began ? once().catch((thrown) => Promise.reject(translate(thrown))) : guarded.call(once))
        if (/^\s*(?:begin|start\s+transaction)\b/i.test(text)) began = true
        if (/^\s*(?:commit|end|rollback|abort)\b(?!\s+to)/i.test(text)) began = false
        return result
      },
      close: () => session.end(),
    }
  }

  const locked =
    (lock: SqlServerFacts['lock']): StoreSql['locked'] =>
    async (name, waitMs, body) => {
      const { take, keep, release } = lock(name)
      const session = await guarded.call(connect)
      try {
        const deadline = Date.now() + waitMs
        for (;;) {
          const { rows } = await guarded.call(() => session.run(take, { signal }))
          if (rows[0]?.[0] === '1') break
          if (Date.now() >= deadline) throw failure(STORE_LOCK_HELD, { store, lock: name })
          await sleep(Math.min(100, Math.max(1, deadline - Date.now())))
        }
        if (keep !== undefined) await session.run(keep).catch(() => {})
        return await body()
      } finally {
        // The server would notice a moment later that its holder is gone.
        await session.run(release).catch(() => {})
        await session.end()
      }
    }

  return {
    ask: async (text) => (await guarded.call(() => connections.use((session) => session.run(text, { signal })))).rows,
    close: () => connections.close(),
    opened({ system, database, quoteName, lock, state }) {
      const call: Call<Session> = (operation, table, body) => {
        const attributes = {
          [ATTRIBUTES.databaseSystem]: system,
          [ATTRIBUTES.databaseNamespace]: database,
          [ATTRIBUTES.databaseOperation]: operation,
          [ATTRIBUTES.databaseCollection]: table,
        }
        const attempt = () =>
          connections.use(async (session) => {
            try {
              return await body(session)
            } catch (thrown) {
              if (isReadOnly(thrown)) session.discard()
              else if (session.usable) await session.run('ROLLBACK').catch(() => session.destroy())
              throw thrown
            }
          })
        return span(`${operation} ${table}`, { kind: 'client', attributes }, () => guarded.call(attempt))
      }
      return {
        call,
        sql: {
          dialect,
          quoteName,
          script,
          query: (text) =>
            call('QUERY', 'script', async (session) => {
              const { names, rows } = await session.run(text, { signal })
              return rows.map((row) => Object.fromEntries(names.map((name, index) => [name, row[index] ?? null])))
            }),
          locked: locked(lock),
          connection,
        },
        usage: () => ({ connections: pool, retries: guarded.retries, ...connections.waited }),
        readState: (name) =>
          call('SELECT', 'sluice_state', async (session) => {
            try {
              return (await session.run(state.select(name), { signal })).rows[0]?.[0] ?? undefined
            } catch (thrown) {
              if (state.isMissing(thrown)) return undefined
              throw thrown
            }
          }),
        writeState: (name, text) =>
          call('INSERT', 'sluice_state', async (session) => {
            const write = async () => void (await session.run(state.put(name, text), { signal }))
            try {
              await write()
            } catch (thrown) {
              if (!state.isMissing(thrown)) throw thrown
              // Who fails to make it may have been slower than somebody else; then it can be written.
              const failed = await session.run(state.create, { signal }).then(
                () => undefined,
                (again: unknown) => ({ again }),
              )
              await write().catch((error: unknown) => Promise.reject(failed === undefined ? error : failed.again))
            }
          }),
        close: () => connections.close(),
      }
    },
  }
}
