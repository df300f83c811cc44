import {
  type ErrorDefinition,
  failure,
  isSluiceError,
  messageOf,
  type SluiceError,
  STORE_BUSY,
  STORE_DENIED,
  STORE_FAILED,
  STORE_FULL,
  STORE_UNREACHABLE,
  STORE_URL_INVALID,
} from '../errors/index.js'

/** What PostgreSQL's SQLSTATEs mean to us, by how they begin, and the codes of a network's failures. */
const MEANINGS: readonly (readonly [ErrorDefinition<{ store: string; problem: string }>, RegExp])[] = [
  // Too many connections; deadlock, serialization; lock timeouts; read-only (a failover is under way); a server that starts.
  [STORE_BUSY, /^(?:53300|53400|40001|40P01|40003|55P03|25006|57P03|57P05)$/],
  [STORE_FULL, /^(?:53100|53200|54000)$/],
  [STORE_DENIED, /^(?:28...|42501|0L...|0P...)$/],
  [STORE_UNREACHABLE, /^(?:08...|57P01|57P02|57014|E[A-Z_]{4,}|EPIPE)$/],
]

/** Values and rows that a table does not take: SQLSTATE classes 22, data exceptions, and 23, integrity constraints; CHECKs of views; RAISE. */
export function isPostgresDataError(thrown: unknown): boolean {
  return /^(?:22...|23...|44000|P0001)$/.test(postgresCode(thrown) ?? '')
}

export function isPostgresReadOnly(thrown: unknown): boolean {
  return postgresCode(thrown) === '25006'
}

export function postgresCode(thrown: unknown): string | undefined {
  const code = typeof thrown === 'object' && thrown !== null && 'code' in thrown ? thrown.code : undefined
  return typeof code === 'string' ? code : undefined
}

export function translatePostgres(thrown: unknown, store: string): SluiceError {
  if (isSluiceError(thrown)) return thrown
  const problem = messageOf(thrown).replace(/\.$/, '')
  const code = postgresCode(thrown)
  if (code === '3D000') {
    return failure(STORE_URL_INVALID, { store, problem, example: 'postgresql://user:password@host:5432/database' }, { cause: thrown })
  }
  // The driver has no code for these.
  const lost = /terminated|timeout expired|not queryable|Connection ended|ECONNREFUSED/i.test(problem) && !('severity' in Object(thrown))
  const isTls = /certificate|self.signed|SSL/i.test(`${code} ${problem}`) && !('severity' in Object(thrown))
  const meaning = isTls ? STORE_FAILED : MEANINGS.find(([, codes]) => codes.test(code ?? ''))?.[0]
  return failure(
    meaning ?? (lost ? STORE_UNREACHABLE : STORE_FAILED),
    { store, problem: problem === '' ? String(code) : problem },
    { cause: thrown },
  )
}
