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

/** What MySQL's and MariaDB's error numbers mean to us; those of a network's failures have none. */
const MEANINGS: readonly (readonly [ErrorDefinition<{ store: string; problem: string }>, readonly number[]])[] = [
  // Shutdowns and lost connections; 1927 and 1317: somebody ended ours.
  [STORE_UNREACHABLE, [1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1317, 1927, 2002, 2003, 2006, 2013, 3169, 4031]],
  // Too many connections, lock wait timeout, deadlock, read-only (a failover is under way), NOWAIT.
  [STORE_BUSY, [1040, 1203, 1226, 1205, 1213, 1290, 1836, 1792, 3572, 1614]],
  [STORE_FULL, [1021, 1114, 3675]],
  [STORE_DENIED, [1044, 1045, 1095, 1129, 1130, 1131, 1142, 1143, 1227, 1251, 1370, 1524, 1698, 1820, 1862, 3118, 3879, 4151]],
]

const NETWORK = [
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOENT',
  'EADDRNOTAVAIL',
  'EMFILE',
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_ENQUEUE_AFTER_FATAL_ERROR',
  'PROTOCOL_ENQUEUE_AFTER_QUIT',
]

/** Values and rows that a table does not take, whoever asks: null where there must be a value, a duplicate, a CHECK, too long, out of range. */
const DATA = [
  1048, 1062, 1138, 1169, 1216, 1217, 1263, 1264, 1265, 1292, 1300, 1364, 1366, 1367, 1406, 1411, 1416, 1441, 1451, 1452, 1525, 1557, 1586,
  1644, 1690, 1761, 3140, 3819, 3854, 4025, 4078, 4079,
]

export function mysqlNumber(thrown: unknown): number | undefined {
  const number = typeof thrown === 'object' && thrown !== null && 'errno' in thrown ? thrown.errno : undefined
  return typeof number === 'number' ? number : undefined
}

/** Whether it is a row's fault. */
export function isMysqlDataError(thrown: unknown): boolean {
  return DATA.includes(mysqlNumber(thrown) ?? 0)
}

/** Whether the server, or the client, does not let LOAD DATA LOCAL be. */
export function isLocalInfileRefused(thrown: unknown): boolean {
  return [1148, 3948, 4166].includes(mysqlNumber(thrown) ?? 0)
}

/** Whether the connection's server is no longer the one to write to. */
export function isMysqlReadOnly(thrown: unknown): boolean {
  return [1290, 1836, 1792].includes(mysqlNumber(thrown) ?? 0)
}

export function translateMysql(thrown: unknown, store: string): SluiceError {
  if (isSluiceError(thrown)) return thrown
  const problem = messageOf(thrown).replace(/\.$/, '')
  const number = mysqlNumber(thrown)
  const code = typeof thrown === 'object' && thrown !== null && 'code' in thrown ? thrown.code : undefined
  if (number === 1049)
    return failure(STORE_URL_INVALID, { store, problem, example: 'mysql://user:password@host:3306/database' }, { cause: thrown })
  // The engine's own error, with the system's number for a full disk or quota.
  if ((number === 1030 || number === 3) && /\b(?:28|122)\b|no space/i.test(problem))
    return failure(STORE_FULL, { store, problem }, { cause: thrown })
  if (number === 1153) {
    const packet = 'a row is larger than the server takes in one packet: raise its max_allowed_packet'
    return failure(STORE_FAILED, { store, problem: packet }, { cause: thrown })
  }
  const meaning = MEANINGS.find(([, numbers]) => numbers.includes(number ?? 0))?.[0]
  const definition = meaning ?? (NETWORK.includes(String(code)) ? STORE_UNREACHABLE : STORE_FAILED)
  return failure(definition, { store, problem: problem === '' ? String(code) : problem }, { cause: thrown })
}
