import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { failure, STORE_CLIENT_MISSING, STORE_URL_INVALID } from '../errors/index.js'
import { type Address, type AddressKind, type AddressOptions, describeAddress, lackingVariable, readAddress } from './address.js'
import type { RetryOptions } from './guard.js'
import { isPostgresReadOnly, postgresCode, translatePostgres } from './postgres-errors.js'
import { type CopyStreams, type PostgresClient, PostgresSession } from './postgres-session.js'
import { type PostgresServer, postgresTable } from './postgres-table.js'
import { POSTGRES_CAPABILITIES, postgresText, quotePostgres } from './postgres-types.js'
import { sqlServer } from './sql-server.js'
import { defineStore, type OpenStore, type Store } from './store.js'

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
    open: ({ signal, connections = options.pool ?? 4 }) => openPostgres({ ...options, pool: connections }, describe(), signal),
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
  const translate = (thrown: unknown) => translatePostgres(thrown, store)
  const parts = { store, pool, retry: options.retry, signal, connect, translate, isReadOnly: isPostgresReadOnly }
  const server = sqlServer({ ...parts, dialect: 'postgres' })
  const [[version, database] = []] = await server.ask("SELECT current_setting('server_version'), current_database()")
  const state = `${schema === undefined ? '' : `${quotePostgres(schema)}.`}sluice_state`
  const { call, ...opened } = server.opened({
    system: 'postgresql',
    database: database ?? '',
    quoteName: quotePostgres,
    lock(name) {
      // Locks are the database's, by a number of 64 bits.
      const digest = createHash('sha1')
        .update(`sluice\0${schema ?? ''}\0${name}`)
        .digest()
      const lock = digest.readBigInt64BE(0)
      return { take: `SELECT pg_try_advisory_lock(${lock})::int`, release: `SELECT pg_advisory_unlock(${lock})` }
    },
    state: {
      select: (name) => `SELECT text FROM ${state} WHERE name = ${postgresText(name)}`,
      put: (name, text) =>
        `INSERT INTO ${state} (name, text) VALUES (${postgresText(name)}, ${postgresText(text)}) ON CONFLICT (name) DO UPDATE SET text = EXCLUDED.text`,
      create: `CREATE TABLE IF NOT EXISTS ${state} (name text COLLATE "C" NOT NULL PRIMARY KEY, text text NOT NULL)`,
      isMissing: (thrown) => postgresCode(thrown) === '42P01',
    },
  })
  const reached: PostgresServer = { store, schema, signal, call, translate }
  return { capabilities: POSTGRES_CAPABILITIES, version: `PostgreSQL ${version}`, table: (name) => postgresTable(reached, name), ...opened }
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
