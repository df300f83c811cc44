import { createHash } from 'node:crypto'
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { failure, STORE_CLIENT_MISSING, STORE_URL_INVALID } from '../errors/index.js'
import { type Address, type AddressKind, type AddressOptions, describeAddress, lackingVariable, readAddress } from './address.js'
import type { RetryOptions } from './guard.js'
import { isMysqlReadOnly, mysqlNumber, translateMysql } from './mysql-errors.js'
import { type MysqlConnection, MysqlSession } from './mysql-session.js'
import { type MysqlServer, mysqlTable } from './mysql-table.js'
import { MYSQL_CAPABILITIES, mysqlText, quoteMysql } from './mysql-types.js'
import { sqlServer } from './sql-server.js'
import { defineStore, type OpenStore, type Store } from './store.js'

export interface MysqlOptions extends AddressOptions {
  /** Default: none, or what `ssl-mode` in the URL says: REQUIRED, VERIFY_CA, VERIFY_IDENTITY. True checks the server's certificate and name. */
  readonly tls?: boolean | TlsOptions
  /** Connections at most, beside those of locks and workloads: 4. */
  readonly pool?: number
  /** How long a statement may take, and how long a load or a scan may stand still, in milliseconds: 600,000. */
  readonly timeout?: number
  /** Milliseconds: 10,000. */
  readonly connectTimeout?: number
  readonly retry?: RetryOptions
  /** Whether rows go in by LOAD DATA LOCAL, which is quicker, where the server lets them: true. */
  readonly localInfile?: boolean
  /** More options for the driver's `createConnection`: `{ authPlugins: ... }`. */
  readonly driver?: Readonly<Record<string, unknown>>
  /** A pool of `mysql2` that is there, in place of an address; connections taken from it are ended, never handed back with our settings. */
  readonly client?: MysqlPool
}

/** What is used of a pool of the `mysql2` package. */
export interface MysqlPool {
  getConnection(given: (error: Error | null, connection: MysqlConnection) => void): void
}

const KIND: AddressKind = {
  store: 'mysql',
  protocols: ['mysql:', 'mariadb:'],
  port: 3306,
  example: 'mysql://user:password@host:3306/database',
}

/** Ids of 0 stay 0; nothing is cut or rounded to fit; a backslash escapes. */
const SQL_MODE =
  'STRICT_ALL_TABLES,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO'

/**
 * MySQL 8 or MariaDB, through the `mysql2` package, which is installed beside Sluice.
 *
 * `mysql({ url: env('MYSQL_URL') })` is the store; `mysql({...}).table('taxi_trips')` a table of it.
 */
export function mysql(options: MysqlOptions = {}): Store {
  const describe = () => (options.client === undefined ? describeAddress(options, KIND) : 'mysql of a given pool')
  return defineStore({
    kind: 'mysql',
    capabilities: MYSQL_CAPABILITIES,
    describe,
    lacking: () => (options.client === undefined ? lackingVariable(options) : undefined),
    open: ({ signal, connections = options.pool ?? 4 }) => openMysql({ ...options, pool: connections }, describe(), signal),
  })
}

async function openMysql(options: MysqlOptions, store: string, signal: AbortSignal | undefined): Promise<OpenStore> {
  const { pool = 4, timeout = 600_000 } = options
  const dial = await dialer(options)
  const kill = (thread: number) => {
    dial().then(
      async (raw) => {
        const session = new MysqlSession(raw, { store, timeout: 5_000, kill: () => {} })
        await session.run(`KILL ${thread}`).catch(() => {})
        await session.end()
      },
      () => {},
    )
  }
  const connect = async () => {
    const session = new MysqlSession(await dial(), { store, timeout, kill })
    try {
      await session.run(
        `SET NAMES utf8mb4 COLLATE utf8mb4_bin, time_zone = '+00:00', sql_mode = '${SQL_MODE}', max_error_count = 65535, sql_notes = 1, autocommit = 1, net_write_timeout = 3600, net_read_timeout = 3600`,
        { signal },
      )
      // Rows that are not there are not locked: batches side by side do not wait for each other.
      await session.run('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED', { signal })
    } catch (error) {
      session.destroy()
      throw error
    }
    return session
  }
  const parts = { store, pool, retry: options.retry, signal, connect, isReadOnly: isMysqlReadOnly }
  const server = sqlServer({ ...parts, dialect: 'mysql', translate: (thrown) => translateMysql(thrown, store) })
  const [[version, packet, database] = []] = await server.ask('SELECT @@version, @@max_allowed_packet, DATABASE()')
  if (typeof database !== 'string') {
    await server.close()
    throw failure(STORE_URL_INVALID, { store, problem: 'it names no database', example: KIND.example })
  }
  const isMariaDb = version?.includes('MariaDB') === true
  const binaryCollation = isMariaDb ? 'utf8mb4_nopad_bin' : 'utf8mb4_0900_bin'
  const collated = `CHARACTER SET utf8mb4 COLLATE ${binaryCollation}`
  const state = quoteMysql('sluice_state')
  const { call, ...opened } = server.opened({
    system: isMariaDb ? 'mariadb' : 'mysql',
    database,
    quoteName: quoteMysql,
    lock(name) {
      // Locks are the server's, of at most 64 characters, alike in upper and lower case.
      const lock = `'sluice.${createHash('sha1').update(`${database}\0${name}`).digest('hex')}'`
      const keep = 'SET SESSION wait_timeout = 2147483'
      return { take: `SELECT GET_LOCK(${lock}, 0)`, keep, release: `SELECT RELEASE_LOCK(${lock})` }
    },
    state: {
      select: (name) => `SELECT text FROM ${state} WHERE name = ${mysqlText(name)}`,
      put: (name, text) =>
        `INSERT INTO ${state} (name, text) VALUES (${mysqlText(name)}, ${mysqlText(text)}) ON DUPLICATE KEY UPDATE text = VALUES(text)`,
      create: `CREATE TABLE IF NOT EXISTS ${state} (name VARCHAR(255) ${collated} NOT NULL PRIMARY KEY, text LONGTEXT ${collated} NOT NULL) ENGINE = InnoDB`,
      isMissing: (thrown) => mysqlNumber(thrown) === 1146,
    },
  })
  const reached: MysqlServer = {
    ...{ store, database, binaryCollation, signal, call },
    packet: Number(packet),
    localInfile: options.localInfile ?? true,
    translate: (thrown) => translateMysql(thrown, store),
  }
  return {
    capabilities: MYSQL_CAPABILITIES,
    version: isMariaDb ? `MariaDB ${version?.replace(/-.*/, '')}` : `MySQL ${version ?? ''}`,
    table: (name) => mysqlTable(reached, name),
    ...opened,
  }
}

/** Opens connections. Throws STORE_CLIENT_MISSING, STORE_URL_INVALID, SECRET_NOT_SET. */
async function dialer(options: MysqlOptions): Promise<() => Promise<MysqlConnection>> {
  const { client } = options
  if (client !== undefined) {
    return () =>
      new Promise((resolve, reject) => {
        client.getConnection((error, connection) => (error === null || error === undefined ? resolve(connection) : reject(error)))
      })
  }
  const address = readAddress(options, KIND)
  const tls = tlsOf(options, address)
  const driver = await import('mysql2').catch((thrown: unknown) => {
    throw failure(STORE_CLIENT_MISSING, { store: 'MySQL', client: 'mysql2' }, { cause: thrown })
  })
  const createConnection = driver.createConnection as unknown as (config: object) => MysqlConnection & { once: MysqlConnection['on'] }
  const config = {
    host: address.host,
    port: address.port,
    user: address.user,
    password: address.password,
    database: address.database,
    charset: 'UTF8MB4_BIN',
    timezone: 'Z',
    dateStrings: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    connectTimeout: options.connectTimeout ?? 10_000,
    enableKeepAlive: true,
    keepAliveInitialDelay: 30_000,
    // Rows that a statement found but did not change do not count.
    flags: ['-FOUND_ROWS'],
    ...(tls === undefined ? {} : { ssl: tls }),
    ...options.driver,
  }
  return () =>
    new Promise((resolve, reject) => {
      const connection = createConnection(config)
      connection.on('connect', () => resolve(connection))
      connection.on('error', (error) => {
        // Before it is connected; afterwards this promise has been kept.
        connection.stream.destroy()
        reject(error)
      })
    })
}

function tlsOf({ tls }: MysqlOptions, { parameters }: Address): object | undefined {
  if (tls === true) return { verifyIdentity: true }
  if (tls !== undefined) return tls === false ? undefined : { verifyIdentity: true, ...tls }
  const mode = parameters.get('ssl-mode') ?? parameters.get('sslmode') ?? 'DISABLED'
  switch (mode.toUpperCase()) {
    case 'DISABLED':
      return undefined
    case 'REQUIRED':
      return { rejectUnauthorized: false }
    case 'VERIFY_CA':
      return {}
    case 'VERIFY_IDENTITY':
      return { verifyIdentity: true }
    default: {
      const problem = `ssl-mode=${mode} is not one of DISABLED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY`
      throw failure(STORE_URL_INVALID, { store: KIND.store, problem, example: `${KIND.example}?ssl-mode=REQUIRED` })
    }
  }
}
