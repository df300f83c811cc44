import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { failure, messageOf, type SluiceError, STORE_TABLE_MISSING, STORE_TABLE_UNFIT } from '../errors/index.js'
import { type DataType, type Field, typeText } from '../schema/index.js'
import { mayHold, misfit, readsAs } from './cells.js'
import { isLocalInfileRefused, isMysqlDataError, mysqlNumber } from './mysql-errors.js'
import type { MysqlSession } from './mysql-session.js'
import {
  comparesBytes,
  lakeType,
  type MysqlColumn,
  mysqlBucketSql,
  mysqlLineSql,
  mysqlLiteral,
  mysqlOrderSql,
  mysqlText,
  mysqlTypeSql,
  mysqlWhereSql,
  quoteMysql,
  withoutHex,
} from './mysql-types.js'
import { putByHalves } from './put-by-halves.js'
import { NULL, RowBatch } from './rows.js'
import { type Check, plainDoubles, screen } from './screening.js'
import type { OpenTable, RefusedRow, StoreIndex, TableShape, Where, Written } from './store.js'

/** An open server, as its tables need it. */
export interface MysqlServer {
  readonly store: string
  readonly database: string
  /** Tells texts apart by their bytes, spaces at the end too. */
  readonly binaryCollation: string
  /** Bytes of max_allowed_packet. */
  readonly packet: number
  /** Set to false once the server has refused LOAD DATA LOCAL. */
  localInfile: boolean
  readonly signal: AbortSignal | undefined
  /** Runs `body` on a connection, again while its failure is transient. A transaction that it leaves behind when it fails is rolled back. */
  call<Result>(operation: string, table: string, body: (session: MysqlSession) => Promise<Result>): Promise<Result>
  translate(thrown: unknown): SluiceError
}

interface MysqlTable {
  readonly columns: readonly MysqlColumn[]
  readonly key: readonly string[]
  readonly indexes: readonly MysqlIndex[]
}

interface MysqlIndex extends Required<StoreIndex> {
  /** Of whole columns, none of them an expression. */
  readonly whole: boolean
}

/** Rows that are loaded before they are put in: a temporary table of the connection's. */
const STAGE = quoteMysql('sluice_stage')
const ROW = quoteMysql('sluice_row')
/** Bytes, about, that LOAD DATA reads at a time. */
const CHUNK = 256 * 1024

export function mysqlTable(server: MysqlServer, name: string): OpenTable {
  const { store, signal } = server
  const quoted = quoteMysql(name)
  let known: MysqlTable | undefined
  const unfit = (problem: string, advice: string) => failure(STORE_TABLE_UNFIT, { store, table: name, problem, advice })

  /** As it is now; undefined when it is not there. */
  const look = async (session: MysqlSession): Promise<MysqlTable | undefined> => {
    known = await describeTable(session, name, signal)
    return known
  }
  const existing = async (session: MysqlSession) => {
    const table = known ?? (await look(session))
    if (table === undefined) throw failure(STORE_TABLE_MISSING, { store, table: name })
    return table
  }
  /** Runs `body` on the table; when that it was altered or dropped is why it fails, once more on what it is now. */
  const onTable = <Result>(operation: string, body: (session: MysqlSession, table: MysqlTable) => Promise<Result>) =>
    server.call(operation, name, async (session) => {
      const remembered = known !== undefined
      try {
        return await body(session, await existing(session))
      } catch (thrown) {
        const changed = [1054, 1146, 1136, 1051].includes(mysqlNumber(thrown) ?? 0)
        if (!changed) throw thrown
        known = undefined
        if (!remembered) throw missingOr(thrown)
        await session.run('ROLLBACK')
        session.stage = undefined
        return body(session, await existing(session))
      }
    })
  const missingOr = (thrown: unknown) => (mysqlNumber(thrown) === 1146 ? failure(STORE_TABLE_MISSING, { store, table: name }) : thrown)
  const finder = (table: MysqlTable) => (field: Field) => {
    const column = table.columns.find((one) => one.name === field.name)
    if (column === undefined) throw unfit(`it has no column "${field.name}"`, 'Add the column to the table, or leave it out.')
    return column
  }
  const typed = (table: MysqlTable, columns: readonly Field[]) => {
    const columnOf = finder(table)
    return columns.map((field) => {
      const column = columnOf(field)
      if (!fits(lakeType(column), field.type))
        throw unfit(`"${field.name}" is ${column.columnType}, not ${typeText(field.type)}`, 'Ask for a type that holds its values.')
      return { column, type: field.type }
    })
  }
  const filtered = (table: MysqlTable, where: Where | undefined) =>
    `${quoted}${where === undefined ? '' : ` WHERE ${mysqlWhereSql(where, finder(table))}`}`
  const tooLong = () =>
    unfit(
      `a row of it is longer than max_allowed_packet, ${server.packet} bytes, lets the server write`,
      'Raise max_allowed_packet of the server, to at least twice the longest row.',
    )

  return {
    name,

    shape: () => server.call('DESCRIBE', name, async (session) => shapeOf(await look(session))),

    make: ({ columns, key, indexes }) =>
      server.call('CREATE', name, async (session) => {
        for (const one of [name, ...columns.map((column) => column.name)]) {
          const problem = nameProblem(one)
          if (problem !== undefined) throw unfit(`it cannot have the name "${one}": ${problem}`, 'Give it another name.')
        }
        if ((await look(session)) === undefined) {
          const lists = [key, ...indexes.map((index) => index.columns)]
          const parts = columns.map((column) => {
            const widest = Math.max(0, ...lists.filter((list) => list.includes(column.name)).map((list) => list.length))
            const type = mysqlTypeSql(column, widest === 0 ? undefined : { columns: widest }, server.binaryCollation)
            return `${quoteMysql(column.name)} ${type} ${column.nullable && !key.includes(column.name) ? 'NULL' : 'NOT NULL'}`
          })
          if (key.length > 0) parts.push(`PRIMARY KEY (${key.map(quoteMysql).join(', ')})`)
          await session.run(
            `CREATE TABLE IF NOT EXISTS ${quoted} (${parts.join(', ')}) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE ${server.binaryCollation}`,
            { signal },
          )
        }
        const there = await look(session)
        for (const index of indexes) {
          const named = index.name ?? indexName(name, index.columns)
          if (there?.indexes.some((one) => one.name.toLowerCase() === named.toLowerCase()) === true) continue
          const sql = `ALTER TABLE ${quoted} ADD ${index.unique === true ? 'UNIQUE ' : ''}INDEX ${quoteMysql(named)} (${index.columns.map(quoteMysql).join(', ')})`
          await session.run(sql, { signal }).catch((thrown: unknown) => {
            // Somebody else was quicker.
            if (mysqlNumber(thrown) === 1061) return
            // Text without a length, or duplicates.
            if ([1170, 1071, 1062, 1072].includes(mysqlNumber(thrown) ?? 0))
              throw unfit(`it cannot have the index ${named}: ${messageOf(thrown)}`, 'Change the column, its rows or the index.')
            throw thrown
          })
        }
        known = undefined
      }),

    count: (where) =>
      onTable('SELECT', async (session, table) => {
        const { rows } = await session.run(`SELECT COUNT(*) FROM ${filtered(table, where)}`, { signal })
        return Number(rows[0]?.[0])
      }),

    totals: (columns) =>
      onTable('SELECT', async (session, table) => {
        const columnOf = finder(table)
        const sums = columns.map((field) => {
          const column = quoteMysql(columnOf(field).name)
          if (!['long', 'integer', 'short', 'byte', 'decimal'].includes(field.type.kind)) return 'NULL'
          return field.type.kind === 'decimal' ? `CAST(SUM(${column}) AS DECIMAL(65,${field.type.scale}))` : `SUM(${column})`
        })
        const { rows } = await session.run(`SELECT ${['COUNT(*)', ...sums].join(', ')} FROM ${quoted}`, { signal })
        const [count, ...values] = rows[0] ?? []
        return { rows: Number(count), sums: values }
      }),

    bounds: (column) =>
      onTable('SELECT', async (session, table) => {
        const [{ column: own, type }] = typed(table, [column]) as [{ column: MysqlColumn; type: DataType }]
        const order = mysqlOrderSql(own)
        const ends: (string | undefined)[] = []
        for (const direction of ['ASC', 'DESC']) {
          const line = mysqlLineSql([{ column: own, type }])
          const sql = `SELECT ${line} FROM ${quoted} WHERE ${quoteMysql(own.name)} IS NOT NULL ORDER BY ${order} ${direction} LIMIT 1`
          const { rows } = await session.run(sql, { signal })
          ends.push(rows[0]?.[0] ?? undefined)
        }
        const [least, greatest] = ends
        const plain = plainDoubles([column]) ?? ((text: string) => text)
        return least === undefined || greatest === undefined ? undefined : { least: plain(least), greatest: plain(greatest) }
      }),

    digests: (columns, buckets, where) =>
      onTable('SELECT', async (session, table) => {
        const bucket = mysqlBucketSql(buckets, finder(table))
        const hash = `CAST(CONV(LEFT(MD5(${mysqlLineSql(typed(table, columns))}), 15), 16, 10) AS UNSIGNED)`
        // The limit makes it one pass: otherwise the hash would be computed once for each of its uses.
        const hashed = `SELECT ${bucket} AS bucket, ${hash} AS hash FROM ${filtered(table, where)} LIMIT 18446744073709551615`
        const { rows } = await session.run(
          `SELECT bucket, COUNT(*), BIT_XOR(hash), SUM(hash), SUM(hash IS NULL) FROM (${hashed}) AS hashed GROUP BY bucket ORDER BY bucket`,
          { signal },
        )
        if (rows.some(([, , , , unknown]) => unknown !== '0')) throw tooLong()
        return rows.map(([number, count, xor, sum]) => ({
          bucket: Number(number),
          rows: Number(count),
          xor: BigInt(xor ?? 0),
          sum: BigInt(sum ?? 0),
        }))
      }),

    async *scan({ columns, where, orderBy, limit, batchRows = 20_000, signal: ended }) {
      const stop = signal === undefined ? ended : ended === undefined ? signal : AbortSignal.any([signal, ended])
      const plain = plainDoubles(columns)
      // A connection is held until the last row is read: what is awaited between two of them may not be waited for by the pool's others.
      let release = () => {}
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      let finished: Promise<unknown> = Promise.resolve()
      const begin = () =>
        new Promise<{ first: IteratorResult<(string | null)[], void>; texts: AsyncGenerator<(string | null)[]> }>((resolve, reject) => {
          finished = onTable('SELECT', async (session, table) => {
            const order = orderBy === undefined ? '' : ` ORDER BY ${mysqlOrderSql(finder(table)(orderField(columns, orderBy)))}`
            const most = limit === undefined ? '' : ` LIMIT ${limit}`
            const sql = `SELECT ${mysqlLineSql(typed(table, columns), true)} FROM ${filtered(table, where)}${order}${most}`
            const texts = session.stream(sql, batchRows, stop)
            const first = await texts.next()
            resolve({ first, texts })
            await held
          }).catch(reject)
        })
      try {
        const { first, texts } = await begin()
        try {
          for (let next = first; next.done !== true; next = await texts.next()) {
            const lines: string[] = []
            for (const text of next.value) {
              if (text === null) throw tooLong()
              const line = withoutHex(text)
              lines.push(plain === undefined ? line : plain(line))
            }
            yield new RowBatch(columns, lines)
          }
        } catch (thrown) {
          throw server.translate(thrown)
        } finally {
          await texts.return(undefined)
        }
      } finally {
        release()
        await finished
      }
    },

    async upsert(batch, { key, fresh = false }) {
      if (batch.size === 0) return { inserted: 0, updated: 0, refused: [] }
      return onTable('INSERT', async (session, table) => {
        const columnOf = finder(table)
        const columns = batch.columns.map((field) => ({ field, column: columnOf(field) }))
        if (!isUnique(table, key))
          throw unfit(
            `it has no unique index on ${key.join(', ')}`,
            `Its key is ${table.key.join(', ') || 'none'}; or give it a unique index on those, of their whole length.`,
          )
        const { kept, refused } = screen(batch, key, checksOf(columns, server))
        if (kept.size === 0) return { inserted: 0, updated: 0, refused }
        // A byte order mark at its start is passed over by LOAD DATA, text though it is.
        const straight =
          columns.every(({ column }) => column.fraction === undefined || column.fraction === 6) && !kept.lines[0]?.startsWith('\ufeff')
        if (fresh && server.localInfile && straight) {
          if (await loadFresh(session, kept, columns)) return { inserted: kept.size, updated: 0, refused }
        }
        const staged = await stage(session, kept, columns)
        const written = await putStaged(session, kept, columns, key, isPlain(table, key))
        return { ...written, refused: [...refused, ...staged, ...written.refused] }
      })
    },

    drop: () =>
      server.call('DROP', name, async (session) => {
        known = undefined
        await session.run(`DROP TABLE IF EXISTS ${quoted}`, { signal })
      }),

    async remove(keys) {
      if (keys.size === 0) return 0
      return onTable('DELETE', async (session, table) => {
        const columnOf = finder(table)
        const columns = keys.columns.map((field) => ({ field, column: columnOf(field) }))
        const names = keys.columns.map((column) => column.name)
        if (!isUnique(table, names))
          throw unfit(`it has no unique index on ${names.join(', ')}`, `Its key is ${table.key.join(', ') || 'none'}.`)
        // A value that the column cannot hold is in no row.
        const { kept } = screen(keys, names, checksOf(columns, server))
        if (kept.size === 0) return 0
        await stage(session, kept, columns)
        const { changed } = await session.run(`DELETE t FROM ${STAGE} AS s STRAIGHT_JOIN ${quoted} AS t ON ${sameKey(columns, names)}`, {
          signal,
        })
        return changed
      })
    },
  }

  /** LOAD DATA straight into the table. False, with nothing changed, when that is not the way. */
  async function loadFresh(session: MysqlSession, rows: RowBatch, columns: readonly Placed[]): Promise<boolean> {
    await session.run('START TRANSACTION', { signal })
    try {
      const { info } = await load(session, quoted, rows.lines, columns, '')
      // LOCAL makes warnings of duplicates and of values that do not fit.
      if (/Records: (\d+) {2}Deleted: 0 {2}Skipped: 0 {2}Warnings: 0/.exec(info)?.[1] === String(rows.size)) {
        await session.run('COMMIT', { signal })
        return true
      }
    } catch (thrown) {
      if (isLocalInfileRefused(thrown)) server.localInfile = false
      else if (!isMysqlDataError(thrown)) throw thrown
    }
    await session.run('ROLLBACK', { signal })
    return false
  }

  function load(session: MysqlSession, into: string, lines: readonly string[], columns: readonly Placed[], numbered: string) {
    const targets = columns.map(({ field, column }, index) =>
      setSql(field, column, '') === undefined ? quoteMysql(field.name) : `@v${index}`,
    )
    const sets = columns.flatMap(({ field, column }, index) => {
      const value = setSql(field, column, `@v${index}`)
      return value === undefined ? [] : [`${quoteMysql(field.name)} = ${value}`]
    })
    const numbers = numbered === '' ? [] : [numbered]
    const sql = String.raw`LOAD DATA LOCAL INFILE 'rows' INTO TABLE ${into} CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n' (${[...numbers, ...targets].join(', ')})`
    return session.run(`${sql}${sets.length === 0 ? '' : ` SET ${sets.join(', ')}`}`, {
      signal,
      local: (alive) => Readable.from(chunksOf(lines, numbers.length > 0, alive)),
    })
  }

  /** Rows into the stage, by their number in the batch. Answers those that have values of no row of the table. */
  async function stage(session: MysqlSession, rows: RowBatch, columns: readonly Placed[]): Promise<RefusedRow[]> {
    const definition = [
      `${ROW} INT UNSIGNED NOT NULL PRIMARY KEY`,
      ...columns.map(({ field, column }) => `${quoteMysql(field.name)} ${stagedType(column)} NULL`),
    ].join(', ')
    if (session.stage === definition) await session.run(`TRUNCATE TABLE ${STAGE}`, { signal })
    else {
      session.stage = undefined
      await session.run(`DROP TEMPORARY TABLE IF EXISTS ${STAGE}`, { signal })
      await session.run(`CREATE TEMPORARY TABLE ${STAGE} (${definition}) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4`, { signal })
      session.stage = definition
    }
    const reasons = (await stageByLoad(session, rows, columns)) ?? (await stageByValues(session, rows, columns))
    for (const { column } of columns) {
      if (column.fraction === undefined || column.fraction === 6) continue
      const finer = `${quoteMysql(column.name)} <> CAST(${quoteMysql(column.name)} AS DATETIME(${column.fraction}))`
      const { rows: found } = await session.run(`SELECT ${ROW} FROM ${STAGE} WHERE ${finer}`, { signal })
      for (const [number] of found) reasons.set(Number(number), `"${column.name}" is finer than ${column.columnType} holds`)
    }
    const numbers = [...reasons.keys()]
    for (let from = 0; from < numbers.length; from += 5_000)
      await session.run(`DELETE FROM ${STAGE} WHERE ${ROW} IN (${numbers.slice(from, from + 5_000).join(', ')})`, { signal })
    return [...reasons].map(([number, reason]) => ({ line: rows.lines[number] ?? '', reason }))
  }

  /** Undefined where the server does not have it. */
  async function stageByLoad(session: MysqlSession, rows: RowBatch, columns: readonly Placed[]): Promise<Map<number, string> | undefined> {
    if (!server.localInfile) return undefined
    try {
      const { warnings } = await load(session, STAGE, rows.lines, columns, ROW)
      if (warnings === 0) return new Map()
      return await warned(session, 0)
    } catch (thrown) {
      if (!isLocalInfileRefused(thrown)) throw thrown
      server.localInfile = false
      return undefined
    }
  }

  async function stageByValues(session: MysqlSession, rows: RowBatch, columns: readonly Placed[]): Promise<Map<number, string>> {
    const reasons = new Map<number, string>()
    const names = [ROW, ...columns.map(({ field }) => quoteMysql(field.name))].join(', ')
    let tuples: string[] = []
    let first = 0
    let bytes = 0
    const flush = async () => {
      if (tuples.length === 0) return
      // IGNORE makes warnings of what does not fit, as LOAD DATA LOCAL does.
      const { warnings } = await session.run(`INSERT IGNORE INTO ${STAGE} (${names}) VALUES ${tuples.join(', ')}`, { signal })
      if (warnings > 0) for (const [number, reason] of await warned(session, first)) reasons.set(number, reason)
      first += tuples.length
      tuples = []
      bytes = 0
    }
    for (const [number, line] of rows.lines.entries()) {
      const texts = line.split('\t')
      const tuple = `(${[number, ...columns.map(({ field, column }, index) => valueSql(texts[index] ?? NULL, field, column))].join(', ')})`
      const size = Buffer.byteLength(tuple)
      if (bytes + size > Math.min(server.packet - 10_000, 4_000_000)) await flush()
      tuples.push(tuple)
      bytes += size
    }
    await flush()
    return reasons
  }

  /** The rows that a load has warned of, with its reasons. */
  async function warned(session: MysqlSession, first: number): Promise<Map<number, string>> {
    const { rows } = await session.run('SHOW WARNINGS', { signal })
    const reasons = new Map<number, string>()
    for (const [, , message] of rows) {
      const [whole, number] = / at row (\d+)$/.exec(message ?? '') ?? []
      if (whole === undefined)
        throw failure(STORE_TABLE_UNFIT, { store, table: name, problem: message ?? 'a warning', advice: 'Change the table.' })
      const row = first + Number(number) - 1
      if (!reasons.has(row))
        reasons.set(row, (message ?? '').slice(0, -whole.length).replaceAll(`${quoteMysql(server.database)}.${STAGE}.`, ''))
    }
    if (rows.length >= 65_535)
      throw unfit('it does not take most of a batch', 'See that the columns of the table are those of the dataset, of the same types.')
    return reasons
  }

  /** Rows of the stage into the table. */
  async function putStaged(
    session: MysqlSession,
    rows: RowBatch,
    columns: readonly Placed[],
    key: readonly string[],
    plain: boolean,
  ): Promise<Written> {
    const names = columns.map(({ field }) => quoteMysql(field.name))
    const values = columns.filter(({ field }) => !key.includes(field.name)).map(({ column }) => column)
    const same = sameKey(columns, key)
    const select = `INSERT INTO ${quoted} (${names.join(', ')}) SELECT ${names.map((column) => `s.${column}`).join(', ')} FROM ${STAGE} AS s WHERE`
    const put = async (from: number, to: number) => {
      const within = `s.${ROW} >= ${from} AND s.${ROW} < ${to}`
      if (plain) {
        const written = values.length === 0 ? key.slice(0, 1) : values.map((column) => column.name)
        const sets = written.map((column) => `${quoteMysql(column)} = s.${quoteMysql(column)}`).join(', ')
        const { changed, info } = await session.run(`${select} ${within} ON DUPLICATE KEY UPDATE ${sets}`, { signal })
        // A row that is changed counts as two, one that stays as none. One row alone has no info.
        const duplicates = Number(/Duplicates: (\d+)/.exec(info)?.[1] ?? (changed === 2 ? 1 : 0))
        return { inserted: changed - 2 * duplicates, updated: duplicates }
      }
      // Updated, then inserted: ON DUPLICATE KEY UPDATE would also overwrite a row of another key that has a value of a unique index.
      let updated = 0
      if (values.length > 0) {
        const sets = values.map(({ name: column }) => `t.${quoteMysql(column)} = s.${quoteMysql(column)}`).join(', ')
        const alike = values.map((column) => `${comparedSql('t', column)} <=> ${comparedSql('s', column)}`).join(' AND ')
        const sql = `UPDATE ${STAGE} AS s STRAIGHT_JOIN ${quoted} AS t ON ${same} SET ${sets} WHERE ${within} AND NOT (${alike})`
        updated = (await session.run(sql, { signal })).changed
      }
      const sql = `${select} ${within} AND NOT EXISTS (SELECT 1 FROM ${quoted} AS t WHERE ${same})`
      return { inserted: (await session.run(sql, { signal })).changed, updated }
    }
    return putByHalves(session, rows, { put, isDataError: isMysqlDataError, signal })
  }
}

interface Placed {
  readonly field: Field
  readonly column: MysqlColumn
}

/** Whether a column of one type is read or written as one of another. TINYINT(1) may hold booleans or small numbers: who asks knows. */
function fits(own: DataType, wanted: DataType): boolean {
  const whole = ['byte', 'short', 'integer', 'long', 'decimal']
  if (own.kind !== wanted.kind && (own.kind === 'boolean' || wanted.kind === 'boolean'))
    return whole.includes(own.kind) || whole.includes(wanted.kind)
  return mayHold(own, wanted)
}

/** What the server would take in another way than it is meant, or not at all. */
function checksOf(columns: readonly Placed[], server: MysqlServer): Check[] {
  return columns.flatMap(({ field, column }): Check[] => {
    const own = lakeType(column)
    const checks: Check[] = []
    if (field.type.kind === 'double' || field.type.kind === 'float') {
      const none = ['-0', 'NaN', 'Infinity', '-Infinity']
      checks.push({
        column: field.name,
        sign: /(?:^|\t)(?:-0|NaN|-?Infinity)(?:\t|$)/,
        problem: (text) => (none.includes(text) ? `${text}, which MySQL does not have` : undefined),
      })
    }
    const judged = own.kind !== 'string' && own.kind !== 'boolean' && field.type.kind !== 'string' && field.type.kind !== 'boolean'
    if (judged && !readsAs(field.type, own)) checks.push({ column: field.name, problem: misfit(field.type, own) })
    if (field.type.kind === 'string' || field.type.kind === 'binary') {
      const longest = server.packet - 1_000
      // What is longer in bytes than the packet could be written, but never read.
      const problem = (text: string) =>
        text.length > longest / 2 && Buffer.byteLength(text) > longest
          ? `longer than max_allowed_packet, ${server.packet} bytes`
          : undefined
      if (server.packet < 1024 * 1024 * 1024)
        checks.push({ column: field.name, sign: { test: (line) => line.length > longest / 2 }, problem })
    }
    return checks
  })
}

function isUnique({ key, indexes }: MysqlTable, wanted: readonly string[]): boolean {
  const within = (columns: readonly string[]) => columns.length > 0 && columns.every((column) => wanted.includes(column))
  return within(key) || indexes.some((index) => index.unique && index.whole && within(index.columns))
}

/** Whether the key is all that rows can meet in, to the byte, and no ids are given out: then one statement puts rows in or changes them. */
function isPlain({ columns, key: primary, indexes }: MysqlTable, key: readonly string[]): boolean {
  const uniques = [...(primary.length === 0 ? [] : [primary]), ...indexes.filter((index) => index.unique).map((index) => index.columns)]
  const ofKey = columns.filter((column) => key.includes(column.name))
  return uniques.length === 1 && ofKey.every(comparesBytes) && !columns.some((column) => column.autoIncrement)
}

function comparedSql(row: string, column: MysqlColumn): string {
  const value = `${row}.${quoteMysql(column.name)}`
  return comparesBytes(column) ? value : `CAST(${value} AS BINARY)`
}

/** That a row of the table, `t`, has the key of one of the stage, `s`: by its index, and to the byte. */
function sameKey(columns: readonly Placed[], key: readonly string[]): string {
  return columns
    .filter(({ field }) => key.includes(field.name))
    .map(({ column }) => {
      const name = quoteMysql(column.name)
      const same = `t.${name} = s.${name}`
      return comparesBytes(column) ? same : `${same} AND CAST(t.${name} AS BINARY) = CAST(s.${name} AS BINARY)`
    })
    .join(' AND ')
}

/** The column's own type, so that what does not fit is found here; but times in full, as the server would round them without a word. */
function stagedType({ dataType, columnType, charset, collation, fraction }: MysqlColumn): string {
  if (fraction !== undefined && (dataType === 'datetime' || dataType === 'timestamp')) return 'DATETIME(6)'
  return charset === undefined ? columnType : `${columnType} CHARACTER SET ${charset} COLLATE ${collation}`
}

/** What a value is made of that LOAD DATA would read in another way. */
function setSql(field: Field, column: MysqlColumn, variable: string): string | undefined {
  if (field.type.kind === 'binary') return `UNHEX(${variable})`
  if (column.dataType === 'bit') return `CAST(${variable} AS UNSIGNED)`
  return undefined
}

function valueSql(text: string, field: Field, column: MysqlColumn): string {
  const literal =
    field.type.kind === 'string' || field.type.kind === 'binary' || text === NULL ? mysqlLiteral(text, field.type) : mysqlText(text)
  return column.dataType === 'bit' ? `CAST(${literal} AS UNSIGNED)` : literal
}

function* chunksOf(lines: readonly string[], numbered: boolean, alive: () => void): Generator<Buffer> {
  let chunk: string[] = []
  let size = 0
  for (const [number, line] of lines.entries()) {
    chunk.push(numbered ? `${number}\t${line}\n` : `${line}\n`)
    size += line.length
    if (size < CHUNK) continue
    alive()
    yield* piecesOf(Buffer.from(chunk.join('')))
    chunk = []
    size = 0
  }
  alive()
  if (chunk.length > 0) yield* piecesOf(Buffer.from(chunk.join('')))
}

/** A packet of the protocol's is at most 16 MB, and max_allowed_packet. */
function* piecesOf(buffer: Buffer): Generator<Buffer> {
  for (let from = 0; from < buffer.length; from += CHUNK * 3) yield buffer.subarray(from, from + CHUNK * 3)
}

function orderField(columns: readonly Field[], name: string): Field {
  return columns.find((column) => column.name === name) ?? { name, type: { kind: 'string' }, nullable: true }
}

function nameProblem(name: string): string | undefined {
  if (name === '') return 'it is empty'
  if ([...name].length > 64) return 'it is longer than 64 characters'
  if (name.endsWith(' ')) return 'it ends with a space'
  return /[\0\u{10000}-\u{10ffff}]/u.test(name) ? 'it has a character that MySQL does not have in names' : undefined
}

/** `trips_zone_fare`; where that is too long, its beginning and a hash. */
function indexName(table: string, columns: readonly string[]): string {
  const name = [table, ...columns].join('_').trimEnd()
  if ([...name].length <= 64) return name
  return `${[...name].slice(0, 55).join('')}_${createHash('sha1').update(name).digest('hex').slice(0, 8)}`
}

function shapeOf(table: MysqlTable | undefined): TableShape | undefined {
  if (table === undefined) return undefined
  return {
    columns: table.columns.map((column) => ({ name: column.name, type: lakeType(column), nullable: column.nullable })),
    defaulted: table.columns.filter((column) => column.defaulted).map((column) => column.name),
    key: table.key,
    indexes: table.indexes.map(({ name, columns, unique }) => ({ name, columns, unique })),
  }
}

async function describeTable(session: MysqlSession, name: string, signal: AbortSignal | undefined): Promise<MysqlTable | undefined> {
  const of = `TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ${mysqlText(name)}`
  const { rows } = await session.run(
    `SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION, CHARACTER_SET_NAME, COLLATION_NAME, COLUMN_DEFAULT, EXTRA FROM information_schema.COLUMNS WHERE ${of} ORDER BY ORDINAL_POSITION`,
    { signal },
  )
  if (rows.length === 0) return undefined
  const number = (text: string | null | undefined) => (text === null || text === undefined ? undefined : Number(text))
  const columns = rows.map((row): MysqlColumn => {
    const [column, dataType, columnType, nullable, precision, scale, fraction, charset, collation, given, extra] = row
    // MariaDB writes the default of a column without one as NULL, the word.
    const hasDefault = given !== null && given !== undefined && given.toUpperCase() !== 'NULL'
    return {
      name: column ?? '',
      dataType: dataType ?? '',
      columnType: columnType ?? '',
      nullable: nullable === 'YES',
      precision: number(precision),
      scale: number(scale),
      fraction: dataType === 'datetime' || dataType === 'timestamp' ? number(fraction) : undefined,
      charset: charset ?? undefined,
      collation: collation ?? undefined,
      defaulted: hasDefault || /auto_increment|default_generated|generated/i.test(extra ?? ''),
      autoIncrement: /auto_increment/i.test(extra ?? ''),
    }
  })
  const { rows: parts } = await session.run(
    `SELECT INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS WHERE ${of} ORDER BY INDEX_NAME, SEQ_IN_INDEX`,
    { signal },
  )
  const indexes = new Map<string, { name: string; columns: string[]; unique: boolean; whole: boolean }>()
  for (const [index, nonUnique, column, prefix] of parts) {
    const one = indexes.get(index ?? '') ?? { name: index ?? '', columns: [], unique: nonUnique === '0', whole: true }
    if (column === null || column === undefined || prefix !== null) one.whole = false
    if (column !== null && column !== undefined) one.columns.push(column)
    indexes.set(one.name, one)
  }
  const primary = indexes.get('PRIMARY')
  return { columns, key: primary?.columns ?? [], indexes: [...indexes.values()].filter((index) => index !== primary) }
}
