import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { failure, messageOf, STORE_CLIENT_MISSING, STORE_LOCK_HELD, STORE_STATEMENT_FAILED, STORE_URL_INVALID } from '../errors/index.js'
import { ATTRIBUTES, span } from '../observability/index.js'
import { type Address, type AddressKind, type AddressOptions, describeAddress, lackingVariable, readAddress } from './address.js'
import { Connections } from './connections.js'
import { guard, type RetryOptions } from './guard.js'
import { isPostgresReadOnly, postgresCode, translatePostgres } from './postgres-errors.js'
import { type CopyStreams, type PostgresClient, PostgresSession } from './postgres-session.js'
import { type PostgresServer, postgresTable } from './postgres-table.js'
import { POSTGRES_CAPABILITIES, postgresText, quotePostgres } from './postgres-types.js'
import { splitStatements } from './statements.js'
import { defineStore, type OpenStore, type Store, type StoreConnection, type StoreSql } from './store.js'

export interface PostgresOptions extends AddressOptions {
  /** Default: the first schema of the search path. */
  readonly schema?: string
  /** Default: none, or what `sslmode` in the URL says: require, verify-ca, verify-full, with `sslrootcert`. True checks the server's certificate and name. */
  readonly tls?: boolean | TlsOptions
  /** Connections at most, beside those of locks and workloads: 4. */
  readonly pool?: number
  /** How long a statement may take, and how long a load or a scan may stand still, in milliseconds: 600,000. */
  readonly timeout?: number
  /** Milliseconds: 10,000. */
  readonly connectTimeout?: number
  readonly retry?: RetryOptions
  /** More options for the driver's `Client`. */
  readonly driver?: Readonly<Record<string, unknown>>
  /** A pool of `pg` that is there, in place of an address; clients taken from it are ended, never handed back with our settings. */
  readonly client?: PostgresPool
}

/** What is used of a pool of the `pg` package. */
export interface PostgresPool {
  connect(): Promise<PostgresClient>
}

const KIND: AddressKind = {
  store: 'postgres',
  protocols: ['postgresql:', 'postgres:'],
  port: 5432,
  example: 'postgresql://user:password@host:5432/database',
}

/**
 * PostgreSQL 14 or later, through the packages `pg` and `pg-copy-streams`, which are installed beside Sluice.
 *
 * `postgres({ url: env('POSTGRES_URL') })` is the store; `postgres({...}).table('taxi_trips')` a table of it.
 */
export function postgres(options: PostgresOptions = {}): Store {
  const describe = () => (options.client === undefined ? describeAddress(options, KIND) : 'postgres of a given pool')
  return defineStore({
    kind: 'postgres',
    capabilities: POSTGRES_CAPABILITIES,
    describe,
    lacking: () => (options.client === undefined ? lackingVariable(options) : undefined),
    open: ({ signal }) => openPostgres(options, describe(), signal),
  })
}

async function openPostgres(options: PostgresOptions, store: string, signal: AbortSignal | undefined): Promise<OpenStore> {
  const { pool = 4, timeout = 600_000, schema } = options
  const copy = await copyStreams()
  const dial = await dialer(options)
  const kill = (process: number) => {
    dial().then(
      async (client) => {
        const session = new PostgresSession(client, { copy, store, timeout: 5_000, kill: () => {} })
        await session.run(`SELECT pg_terminate_backend(${process})`).catch(() => {})
        await session.end()
      },
      () => {},
    )
  }
  const connect = async () => {
    const session = new PostgresSession(await dial(), { copy, store, timeout, kill })
    try {
      await session.run(
        "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1; SET bytea_output = 'hex'; SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; SET client_min_messages = 'error'",
        { signal },
      )
    } catch (error) {
      session.destroy()
      throw error
    }
    return session
  }
  const guarded = guard({ store, retry: options.retry, translate: (thrown) => translatePostgres(thrown, store), signal })
  const connections = new Connections(pool, connect)
  const [version = '', database] = await guarded
    .call(() => connections.use((session) => session.run("SELECT current_setting('server_version'), current_database()", { signal })))
    .then(({ rows }) => rows[0] ?? [])
  const attributes = { [ATTRIBUTES.databaseSystem]: 'postgresql', [ATTRIBUTES.databaseNamespace]: database ?? '' }
  const server: PostgresServer = {
    store,
    schema,
    signal,
    call: (operation, table, body) =>
      span(
        `${operation} ${table}`,
        {
          kind: 'client',
          attributes: { ...attributes, [ATTRIBUTES.databaseOperation]: operation, [ATTRIBUTES.databaseCollection]: table },
        },
        () =>
          guarded.call(() =>
            connections.use(async (session) => {
              try {
                return await body(session)
              } catch (thrown) {
                if (isPostgresReadOnly(thrown)) session.discard()
                else if (session.usable) await session.run('ROLLBACK').catch(() => session.destroy())
                throw thrown
              }
            }),
          ),
      ),
    translate: (thrown) => translatePostgres(thrown, store),
  }
  const sql: StoreSql = {
    dialect: 'postgres',
    quoteName: quotePostgres,
    async script(text) {
      const session = await guarded.call(connect)
      try {
        for (const [index, statement] of splitStatements(text, 'postgres').entries()) {
          await session.run(statement, { signal }).catch((thrown: unknown) => {
            const error = translatePostgres(thrown, store)
            if (error.retry === 'transient') throw error
            const shown = statement.replace(/\s+/g, ' ').slice(0, 120)
            const facts = { store, number: index + 1, statement: shown, problem: messageOf(thrown).replace(/\.$/, '') }
            throw failure(STORE_STATEMENT_FAILED, facts, { cause: thrown })
          })
        }
      } finally {
        await session.end()
      }
    },
    query: (text) =>
      server.call('QUERY', 'script', async (session) => {
        const { names, rows } = await session.run(text, { signal })
        return rows.map((row) => Object.fromEntries(names.map((name, index) => [name, row[index] ?? null])))
      }),
    async locked(name, waitMs, body) {
      // Locks are the database's, by a number of 64 bits.
      const lock = BigInt.asIntN(
        64,
        BigInt(
          `0x${createHash('sha1')
            .update(`sluice\0${schema ?? ''}\0${name}`)
            .digest('hex')
            .slice(0, 16)}`,
        ),
      )
      const session = await guarded.call(connect)
      try {
        const deadline = Date.now() + waitMs
        for (;;) {
          const { rows } = await guarded.call(() => session.run(`SELECT pg_try_advisory_lock(${lock})`, { signal }))
          if (rows[0]?.[0] === 't') break
          if (Date.now() >= deadline) throw failure(STORE_LOCK_HELD, { store, lock: name })
          await sleep(Math.min(100, Math.max(1, deadline - Date.now())))
        }
        return await body()
      } finally {
        // The server would notice a moment later that its holder is gone.
        await session.run(`SELECT pg_advisory_unlock(${lock})`).catch(() => {})
        await session.end()
      }
    },
    async connection(): Promise<StoreConnection> {
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
          const result = await (began ? once().catch((thrown) => Promise.reject(translatePostgres(thrown, store))) : guarded.call(once))
          if (/^\s*(?:begin|start\s+transaction)\b/i.test(text)) began = true
          if (/^\s*(?:commit|end|rollback|abort)\b(?!\s+to)/i.test(text)) began = false
          return result
        },
        close: () => session.end(),
      }
    },
  }
  const state = `${schema === undefined ? '' : `${quotePostgres(schema)}.`}sluice_state`
  return {
    capabilities: POSTGRES_CAPABILITIES,
    version: `PostgreSQL ${version}`,
    table: (name) => postgresTable(server, name),
    sql,
    usage: () => ({ connections: pool, retries: guarded.retries, ...connections.waited }),
    readState: (name) =>
      server.call('SELECT', 'sluice_state', async (session) => {
        try {
          const { rows } = await session.run(`SELECT text FROM ${state} WHERE name = ${postgresText(name)}`, { signal })
          return rows[0]?.[0] ?? undefined
        } catch (thrown) {
          if (postgresCode(thrown) === '42P01') return undefined
          throw thrown
        }
      }),
    writeState: (name, text) =>
      server.call('INSERT', 'sluice_state', async (session) => {
        const write = () =>
          session.run(
            `INSERT INTO ${state} (name, text) VALUES (${postgresText(name)}, ${postgresText(text)}) ON CONFLICT (name) DO UPDATE SET text = EXCLUDED.text`,
            { signal },
          )
        try {
          await write()
        } catch (thrown) {
          if (postgresCode(thrown) !== '42P01') throw thrown
          await session
            .run(`CREATE TABLE IF NOT EXISTS ${state} (name text COLLATE "C" NOT NULL PRIMARY KEY, text text NOT NULL)`, { signal })
            .catch((again: unknown) => {
              // Somebody else was quicker.
              if (!['42P07', '23505'].includes(postgresCode(again) ?? '')) throw again
            })
          await write()
        }
      }),
    close: () => connections.close(),
  }
}

async function copyStreams(): Promise<CopyStreams> {
  const { from, to } = await import('pg-copy-streams').catch((thrown: unknown) => {
    throw failure(STORE_CLIENT_MISSING, { store: 'PostgreSQL', client: 'pg-copy-streams' }, { cause: thrown })
  })
  return { from, to } as unknown as CopyStreams
}

/** Opens connections. Throws STORE_CLIENT_MISSING, STORE_URL_INVALID, SECRET_NOT_SET. */
async function dialer(options: PostgresOptions): Promise<() => Promise<PostgresClient>> {
  const { client } = options
  if (client !== undefined) return () => client.connect()
  const address = readAddress(options, KIND)
  const tls = tlsOf(options, address)
  const driver = await import('pg').catch((thrown: unknown) => {
    throw failure(STORE_CLIENT_MISSING, { store: 'PostgreSQL', client: 'pg' }, { cause: thrown })
  })
  const Client = driver.default.Client as unknown as new (config: object) => PostgresClient
  const config = {
    host: address.host,
    port: address.port,
    user: address.user,
    password: address.password,
    database: address.database,
    application_name: address.parameters.get('application_name') ?? 'sluice',
    connectionTimeoutMillis: options.connectTimeout ?? 10_000,
    keepAlive: true,
    ssl: tls ?? false,
    ...options.driver,
  }
  return async () => {
    const connection = new Client(config)
    // A failure is the promise's to tell.
    connection.on('error', () => {})
    try {
      await connection.connect()
    } catch (error) {
      connection.connection?.stream?.destroy()
      throw error
    }
    return connection
  }
}

function tlsOf({ tls }: PostgresOptions, { parameters }: Address): object | undefined {
  if (tls === true) return {}
  if (tls !== undefined) return tls === false ? undefined : tls
  const root = parameters.get('sslrootcert')
  const trusted = root === undefined ? {} : { ca: readFileSync(root, 'utf8') }
  const mode = parameters.get('sslmode')
  switch (mode) {
    case undefined:
    case 'disable':
    case 'allow':
    case 'prefer':
      return undefined
    // As libpq has it: with a root certificate given, the server's is checked.
    case 'require':
      return root === undefined ? { rejectUnauthorized: false } : { ...trusted, checkServerIdentity: () => undefined }
    case 'verify-ca':
      return { ...trusted, checkServerIdentity: () => undefined }
    case 'verify-full':
      return trusted
    default: {
      const problem = `sslmode=${mode} is not one of disable, require, verify-ca, verify-full`
      throw failure(STORE_URL_INVALID, { store: KIND.store, problem, example: `${KIND.example}?sslmode=verify-full` })
    }
  }
}
