import {
  failure,
  isSluiceError,
  keepSecret,
  messageOf,
  type SluiceError,
  STORE_BUSY,
  STORE_CLIENT_MISSING,
  STORE_DENIED,
  STORE_FAILED,
  STORE_FULL,
  STORE_TIMEOUT,
  STORE_UNREACHABLE,
  STORE_URL_INVALID,
} from '../errors/index.js'
import { ATTRIBUTES, span } from '../observability/index.js'
import { isSecret, readSecret, type Secret } from '../schema/index.js'
import { lackingVariable } from './address.js'
import { guard, type RetryOptions } from './guard.js'
import { type MongoDatabase, mongoTable, type Running } from './mongodb-table.js'
import type { BsonClasses, DecimalsAs } from './mongodb-values.js'
import { type Capabilities, defineStore, type OpenStore, type Store } from './store.js'

export interface MongoDBOptions {
  /** `mongodb://user:password@host:27017/taxi?replicaSet=rs0`, or `env('MONGODB_URL')`. Not needed with `client`. */
  readonly url?: string | Secret
  /** The URL's unless told. */
  readonly database?: string
  /** How decimals are kept: `decimal128` unless told; `integer` counts their last place, so that 12.50 of decimal(10,2) is 1250. */
  readonly decimals?: DecimalsAs
  /** Passed to the driver: `tls`, `tlsCAFile`, `auth`, `authMechanism`, `readPreference` and so on. */
  readonly driver?: Readonly<Record<string, unknown>>
  /** Connections at once: 4. */
  readonly pool?: number
  /** Milliseconds in which a connection says nothing: 600,000. What moves is never cut. */
  readonly timeout?: number
  /** Milliseconds to find a server: 10,000. */
  readonly connectTimeout?: number
  readonly retry?: RetryOptions
  /** A ready `new MongoClient(...)`, in place of the URL. It is not closed. */
  readonly client?: MongoClient
}

/** What is used of the driver's client. */
export interface MongoClient {
  connect(): Promise<unknown>
  db(name?: string): MongoDatabase
  close(): Promise<void>
  /** Events of its pool, where it has them. */
  on?(event: string, listener: (event: { readonly durationMS?: number }) => void): unknown
}

interface Driver extends BsonClasses {
  readonly MongoClient: new (url: string, options: object) => MongoClient
}

const CAPABILITIES: Capabilities = {
  upsert: true,
  delete: true,
  // Each document is there whole or not at all; a batch can be seen half written.
  transactions: false,
  bulkLoad: true,
  orderedScan: true,
  // There is no MD5 in its pipelines.
  digest: false,
  ddl: true,
  sql: false,
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
    timestamp: 'checked',
    timestamp_ntz: 'checked',
    binary: 'exact',
    decimal: 'checked',
    array: 'refused',
    map: 'refused',
    struct: 'refused',
  },
}

/**
 * MongoDB, or what speaks its protocol. A row is a document with a field for each column; the key has a unique index.
 *
 * `mongodb({ url: env('MONGODB_URL') })`. Decimals are Decimal128, long is int64, dates are the day's first millisecond in UTC; the collection
 * `sluice_shapes` keeps what type each column has.
 */
export function mongodb(options: MongoDBOptions = {}): Store {
  const { url, retry, timeout = 600_000, connectTimeout = 10_000 } = options
  const described = () => {
    if (isSecret(url) && (process.env[url.name] ?? '') === '') return `mongodb at env(${url.name})`
    const parts = url === undefined ? undefined : partsOf(isSecret(url) ? readSecret(url) : url)
    const database = options.database ?? parts?.database ?? ''
    return `mongodb${parts === undefined ? '' : ` at ${parts.hosts}`}${database === '' ? '' : `${parts === undefined ? ' ' : '/'}${database}`}`
  }
  return defineStore({
    kind: 'mongodb',
    capabilities: CAPABILITIES,
    describe: described,
    lacking: () => (options.client === undefined ? lackingVariable(url === undefined ? {} : { url }) : undefined),
    async open({ signal, connections: pool = options.pool ?? 4 }): Promise<OpenStore> {
      const driver = await loadDriver()
      const address = options.client === undefined ? addressOf(url) : undefined
      const store = described()
      const guarding = guard({ store, retry, signal, translate: (thrown) => translate(thrown, store, timeout) })
      let watched = () => ({ waits: 0, waitedMs: 0 })
      const client = await guarding.call(async () => {
        const made = options.client ?? connecting(driver, address ?? '', { pool, timeout, connectTimeout, more: options.driver ?? {} })
        try {
          if (options.client === undefined) watched = waitsOf(made, pool)
          await made.connect()
          return made
        } catch (thrown) {
          if (options.client === undefined) await made.close().catch(() => {})
          throw thrown
        }
      })
      const database = client.db(options.database ?? (address === undefined ? undefined : partsOf(address)?.database || undefined))
      const running: Running = {
        store,
        database,
        bson: bsonOf(driver, options.decimals ?? 'decimal128'),
        signal,
        translate: (thrown) => translate(thrown, store, timeout),
        call: (operation, collection, body) => guarding.call(() => spanned(operation, database.databaseName, collection, body)),
      }
      const states = () => database.collection('sluice_state')
      return {
        capabilities: CAPABILITIES,
        version: await running.call('buildInfo', undefined, async () => `MongoDB ${(await database.command({ buildInfo: 1 }))['version']}`),
        // A client that was given has a pool of its own.
        ...(options.client === undefined ? { usage: () => ({ connections: pool, retries: guarding.retries, ...watched() }) } : {}),
        table: (name) => mongoTable(name, running),
        readState: (name) =>
          running.call('find', 'sluice_state', async () => {
            const [found] = await states().find({ _id: name }).toArray()
            return found === undefined ? undefined : String(found['text'])
          }),
        writeState: (name, text) =>
          running.call('update', 'sluice_state', async () => {
            await states().bulkWrite([{ updateOne: { filter: { _id: name }, update: { $set: { text } }, upsert: true } }], {
              ordered: true,
            })
          }),
        close: async () => {
          if (options.client === undefined) await client.close().catch(() => {})
        },
      }
    },
  })
}

function bsonOf({ Long, Double, Binary, Decimal128, BSON }: Driver, decimals: DecimalsAs): BsonClasses {
  return { Long, Double, Binary, Decimal128, BSON, decimals }
}

async function loadDriver(): Promise<Driver> {
  try {
    // By a name of its own, so that the driver's types stay out of ours.
    const name: string = 'mongodb'
    return (await import(name)) as Driver
  } catch (thrown) {
    throw failure(STORE_CLIENT_MISSING, { store: 'mongodb', client: 'mongodb' }, { cause: thrown })
  }
}

const EXAMPLE = 'mongodb://user:password@host:27017/database'

function addressOf(url: string | Secret | undefined): string {
  const text = isSecret(url) ? readSecret(url) : url
  const invalid = (problem: string) => failure(STORE_URL_INVALID, { store: 'mongodb', problem, example: EXAMPLE })
  if (text === undefined) throw invalid('there is none')
  const parts = partsOf(text)
  if (parts === undefined) throw invalid('it does not begin with mongodb:// or mongodb+srv://, or names no host')
  if (parts.password !== undefined && parts.password.length >= SHORTEST_SECRET) {
    keepSecret('the password of mongodb', parts.password)
    keepSecret('the password of mongodb', decodedOf(parts.password))
  }
  return text
}

/** Shorter ones are a test server's: hidden, they would make ordinary messages unreadable. */
const SHORTEST_SECRET = 8

function decodedOf(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Not by URL, which knows one host only. */
function partsOf(url: string): { hosts: string; database: string; password: string | undefined } | undefined {
  const found = /^mongodb(?:\+srv)?:\/\/(?:[^:@/]*(?::([^@/]*))?@)?([^/?@]+)(?:\/([^?]*))?(?:\?.*)?$/.exec(url)
  return found === null ? undefined : { hosts: found[2] ?? '', database: decodedOf(found[3] ?? ''), password: found[1] }
}

interface ConnectingOptions {
  readonly pool: number
  readonly timeout: number
  readonly connectTimeout: number
  readonly more: Readonly<Record<string, unknown>>
}

function connecting(driver: Driver, url: string, { pool, timeout, connectTimeout, more }: ConnectingOptions): MongoClient {
  try {
    return new driver.MongoClient(url, {
      maxPoolSize: pool,
      serverSelectionTimeoutMS: connectTimeout,
      connectTimeoutMS: connectTimeout,
      socketTimeoutMS: timeout,
      appName: 'sluice',
      ...more,
    })
  } catch (thrown) {
    throw failure(STORE_URL_INVALID, { store: 'mongodb', problem: messageOf(thrown), example: EXAMPLE }, { cause: thrown })
  }
}

/** Waits for a connection of the driver's own pool: those that took time while it had as many open as it may. */
function waitsOf(client: MongoClient, pool: number): () => { waits: number; waitedMs: number } {
  let open = 0
  const seen = { waits: 0, waitedMs: 0 }
  client.on?.('connectionReady', () => {
    open += 1
  })
  client.on?.('connectionClosed', () => {
    open -= 1
  })
  client.on?.('connectionCheckedOut', ({ durationMS = 0 }) => {
    if (open < pool || durationMS < 1) return
    seen.waits += 1
    seen.waitedMs += durationMS
  })
  return () => seen
}

function spanned<Result>(
  operation: string,
  namespace: string,
  collection: string | undefined,
  body: () => Promise<Result>,
): Promise<Result> {
  const attributes = {
    [ATTRIBUTES.databaseSystem]: 'mongodb',
    [ATTRIBUTES.databaseNamespace]: namespace,
    [ATTRIBUTES.databaseOperation]: operation,
    ...(collection === undefined ? {} : { [ATTRIBUTES.databaseCollection]: collection }),
  }
  return span(`${operation}${collection === undefined ? '' : ` ${collection}`}`, { kind: 'client', attributes }, body)
}

/** Unauthorized, AuthenticationFailed, and Atlas's word for both. */
const DENIED = [13, 18, 8000]
/** Servers that stop, step down or are not the primary, and what they interrupt. Source: MongoDB's specification of retryable reads and writes. */
const PASSING = [6, 7, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436]
/** LockTimeout, WriteConflict, LockBusy. */
const BUSY = [24, 46, 112]

function translate(thrown: unknown, store: string, milliseconds: number): SluiceError {
  if (isSluiceError(thrown)) return thrown
  // A bulk write wraps whatever ends it, a lost connection too.
  const { errorResponse } = thrown as { errorResponse?: unknown }
  if (errorResponse instanceof Error && errorResponse !== thrown) return translate(errorResponse, store, milliseconds)
  const about = { cause: thrown }
  const { name = '', code, errorLabels } = thrown as { name?: string; code?: number; errorLabels?: readonly string[] }
  const problem = messageOf(thrown).split('\n')[0] ?? ''
  const is = (codes: readonly number[]) => typeof code === 'number' && codes.includes(code)
  if (is(DENIED)) return failure(STORE_DENIED, { store, problem }, about)
  if (/NetworkTimeout|OperationTimeout/.test(name) || code === 50) return failure(STORE_TIMEOUT, { store, milliseconds }, about)
  if (/Network|ServerSelection|PoolCleared|NotConnected|TopologyClosed|ClientBulkWriteCursor/.test(name) || is(PASSING))
    return failure(STORE_UNREACHABLE, { store, problem }, about)
  const passing = ['RetryableWriteError', 'TransientTransactionError'].some((label) => errorLabels?.includes(label) === true)
  if (is(BUSY) || passing || /WaitQueueTimeout/.test(name)) return failure(STORE_BUSY, { store, problem }, about)
  if (code === 14031) return failure(STORE_FULL, { store, problem }, about)
  return failure(STORE_FAILED, { store, problem }, about)
}
