import { failure, keepSecret, STORE_URL_INVALID } from '../errors/index.js'
import { isSecret, readSecret, type Secret } from '../schema/index.js'

/** Where a server is and who asks: of a URL, or of parts. */
export interface AddressOptions {
  /** `mysql://user:password@host:3306/database`, or `env('MYSQL_URL')`. */
  readonly url?: string | Secret
  readonly host?: string
  readonly port?: number
  readonly user?: string
  readonly password?: string | Secret
  readonly database?: string
}

export interface Address {
  readonly host: string
  readonly port: number
  readonly user: string | undefined
  readonly password: string | undefined
  readonly database: string
  /** What stands behind the URL's `?`. */
  readonly parameters: ReadonlyMap<string, string>
}

export interface AddressKind {
  readonly store: string
  /** `mysql:`, each with its colon. */
  readonly protocols: readonly string[]
  readonly port: number
  /** For messages. */
  readonly example: string
}

/** Reads an address. Throws STORE_URL_INVALID, SECRET_NOT_SET. The password is in no message from then on. */
export function readAddress(options: AddressOptions, kind: AddressKind): Address {
  const invalid = (problem: string) => failure(STORE_URL_INVALID, { store: kind.store, problem, example: kind.example })
  const url = options.url === undefined ? undefined : parseUrl(textOf(options.url), kind, invalid)
  const password = options.password === undefined ? decoded(url?.password, invalid) : textOf(options.password)
  if (password !== undefined && password.length >= SHORTEST_SECRET) keepSecret(`the password of ${kind.store}`, password)
  const database = options.database ?? decoded(url?.pathname.slice(1), invalid)
  if (database === undefined) throw invalid('it names no database')
  const host = options.host ?? url?.hostname
  return {
    // An address of IPv6 has brackets in a URL.
    host: host === undefined || host === '' ? '127.0.0.1' : host.replace(/^\[(.*)\]$/, '$1'),
    port: options.port ?? (Number(url?.port ?? '') || kind.port),
    user: options.user ?? decoded(url?.username, invalid),
    password,
    database,
    parameters: new Map(url?.searchParams ?? []),
  }
}

/** `mysql at db.example.com:3306/taxi`, without user and password. A secret that is not set is named. */
export function describeAddress(options: AddressOptions, kind: AddressKind): string {
  if (isSecret(options.url) && (process.env[options.url.name] ?? '') === '') return `${kind.store} at env(${options.url.name})`
  try {
    const { host, port, database } = readAddress({ ...options, password: '' }, kind)
    return `${kind.store} at ${host}:${port}/${database}`
  } catch {
    return kind.store
  }
}

/** The name of the environment variable that an address needs and that is not set. */
export function lackingVariable({ url, password }: AddressOptions): string | undefined {
  return [url, password].filter(isSecret).find((secret) => (process.env[secret.name] ?? '') === '')?.name
}

/** Shorter ones are a test server's: hidden, they would make ordinary messages unreadable. */
const SHORTEST_SECRET = 8

function textOf(given: string | Secret): string {
  return isSecret(given) ? readSecret(given) : given
}

function parseUrl(text: string, kind: AddressKind, invalid: (problem: string) => Error): URL {
  if (!URL.canParse(text)) throw invalid('it is no URL')
  const url = new URL(text)
  if (!kind.protocols.includes(url.protocol)) throw invalid(`it begins with ${url.protocol}//`)
  return url
}

function decoded(text: string | undefined, invalid: (problem: string) => Error): string | undefined {
  if (text === undefined || text === '') return undefined
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid('a "%" in it is not followed by two hexadecimal digits')
  }
}
