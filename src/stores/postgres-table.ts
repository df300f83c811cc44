import { createHash } from 'node:crypto'
import { ENGINE_CANCELLED, failure, messageOf, type SluiceError, STORE_TABLE_MISSING, STORE_TABLE_UNFIT } from '../errors/index.js'
import { type Field, typeText } from '../schema/index.js'
import { mayHold, misfit, readsAs } from './cells.js'
import { isPostgresDataError, postgresCode } from './postgres-errors.js'
import type { PostgresSession } from './postgres-session.js'
import {
  lakeTypeOf,
  type PostgresColumn,
  postgresBucketSql,
  postgresCopySql,
  postgresLineSql,
  postgresOrderSql,
  postgresText,
  postgresTypeSql,
  postgresWhereSql,
  quotePostgres,
} from './postgres-types.js'
import { putByHalves } from './put-by-halves.js'
import { NULL, RowBatch } from './rows.js'
import { type Check, plainDoubles, screen } from './screening.js'
import type { OpenTable, RefusedRow, StoreIndex, TableShape, Where, Written } from './store.js'

/** An open server, as its tables need it. */
export interface PostgresServer {
  readonly store: string
  readonly schema: string | undefined
  readonly signal: AbortSignal | undefined
  /** Runs `body` on a connection, again while its failure is transient. A transaction that it leaves behind when it fails is rolled back. */
  call<Result>(operation: string, table: string, body: (session: PostgresSession) => Promise<Result>): Promise<Result>
  translate(thrown: unknown): SluiceError
}

interface PostgresTable {
  readonly columns: readonly PostgresColumn[]
  readonly key: readonly string[]
  readonly indexes: readonly PostgresIndex[]
}

interface PostgresIndex extends Required<StoreIndex> {
  /** Of whole columns and all rows, checked at once: a key that ON CONFLICT may name. */
  readonly whole: boolean
}

/** Rows that are loaded before they are put in: a temporary table of the connection's. */
const STAGE = 'pg_temp.sluice_stage'
/** Bytes, about, that COPY is given at a time. */
const CHUNK = 256 * 1024

export function postgresTable(server: PostgresServer, name: string): OpenTable {
  const { store, signal } = server
  const quoted = `${server.schema === undefined ? '' : `${quotePostgres(server.schema)}.`}${quotePostgres(name)}`
  let known: PostgresTable | undefined
  const unfit = (problem: string, advice: string) => failure(STORE_TABLE_UNFIT, { store, table: name, problem, advice })

  /** As it is now; undefined when it is not there. */
  const look = async (session: PostgresSession): Promise<PostgresTable | undefined> => {
    known = nameProblem(name) === undefined ? await describeTable(session, quoted, signal) : undefined
    return known
  }
  const existing = async (session: PostgresSession) => {
    const table = known ?? (await look(session))
    if (table === undefined) throw failure(STORE_TABLE_MISSING, { store, table: name })
    return table
  }
  /** Runs `body` on the table; when that it was altered or dropped is why it fails, once more on what it is now. */
  const onTable = <Result>(operation: string, body: (session: PostgresSession, table: PostgresTable) => Promise<Result>) =>
    server.call(operation, name, async (session) => {
      const remembered = known !== undefined
      try {
        return await body(session, await existing(session))
      } catch (thrown) {
        if (!['42703', '42P01'].includes(postgresCode(thrown) ?? '') || !remembered) throw thrown
        known = undefined
        await session.run('ROLLBACK')
        session.stage = undefined
        return body(session, await existing(session))
      }
    })
  const finder = (table: PostgresTable) => (field: Field) => {
    const column = table.columns.find((one) => one.name === field.name)
    if (column === undefined) throw unfit(`it has no column "${field.name}"`, 'Add the column to the table, or leave it out.')
    return column
  }
  const typed = (table: PostgresTable, columns: readonly Field[]) => {
    const columnOf = finder(table)
    return columns.map((field) => {
      const column = columnOf(field)
      if (!mayHold(lakeTypeOf(column), field.type))
        throw unfit(`"${field.name}" is ${column.typeSql}, not ${typeText(field.type)}`, 'Ask for a type that holds its values.')
      return { column, type: field.type }
    })
  }
  const filtered = (table: PostgresTable, where: Where | undefined) =>
    `${quoted}${where === undefined ? '' : ` WHERE ${postgresWhereSql(where, finder(table))}`}`
  /** The columns of a batch, once its key is one that the table has. */
  const placed = (table: PostgresTable, batch: RowBatch, key: readonly string[]): Placed[] => {
    const columnOf = finder(table)
    const columns = batch.columns.map((field) => ({ field, column: columnOf(field) }))
    if (!isUnique(table, key))
      throw unfit(
        `it has no unique index on ${key.join(', ')}`,
        `Its key is ${table.key.join(', ') || 'none'}; or give it a unique index on those, of all rows.`,
      )
    const loose = columns.find(({ field, column }) => key.includes(field.name) && !column.tellsBytes)
    if (loose !== undefined)
      throw unfit(
        `"${loose.field.name}" of its key takes texts that differ for the same`,
        'Give the column the type text, and a deterministic collation.',
      )
    return columns
  }

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
          const indexed = new Set([...key, ...indexes.flatMap((index) => index.columns)])
          const parts = columns.map(
            (column) =>
              `${quotePostgres(column.name)} ${postgresTypeSql(column, indexed.has(column.name))}${column.nullable && !key.includes(column.name) ? '' : ' NOT NULL'}`,
          )
          if (key.length > 0) parts.push(`PRIMARY KEY (${key.map(quotePostgres).join(', ')})`)
          await session.run(`CREATE TABLE IF NOT EXISTS ${quoted} (${parts.join(', ')})`, { signal }).catch((thrown: unknown) => {
            // Somebody else was quicker; the catalog's own index says so.
            if (!['42P07', '23505'].includes(postgresCode(thrown) ?? '')) throw thrown
          })
        }
        const there = await look(session)
        for (const index of indexes) {
          const named = index.name ?? indexName(name, index.columns)
          if (nameProblem(named) !== undefined) throw unfit(`its index cannot be called "${named}"`, 'Give it a shorter name.')
          if (there?.indexes.some((one) => one.name === named) === true) continue
          const sql = `CREATE ${index.unique === true ? 'UNIQUE ' : ''}INDEX ${quotePostgres(named)} ON ${quoted} (${index.columns.map(quotePostgres).join(', ')})`
          await session.run(sql, { signal }).catch((thrown: unknown) => {
            const code = postgresCode(thrown) ?? ''
            if (code === '23505' || code === '42703' || code === '42P07')
              throw unfit(`it cannot have the index ${named}: ${messageOf(thrown)}`, 'Change the column, its rows or the index.')
            throw thrown
          })
        }
        known = undefined
      }),

    count: (where) =>
      onTable('SELECT', async (session, table) => {
        const { rows } = await session.run(`SELECT count(*) FROM ${filtered(table, where)}`, { signal })
        return Number(rows[0]?.[0])
      }),

    totals: (columns) =>
      onTable('SELECT', async (session, table) => {
        const columnOf = finder(table)
        const sums = columns.map((field) => {
          const column = quotePostgres(columnOf(field).name)
          if (!['long', 'integer', 'short', 'byte', 'decimal'].includes(field.type.kind)) return 'NULL'
          return field.type.kind === 'decimal' ? `round(sum(${column}::numeric), ${field.type.scale})` : `sum(${column})`
        })
        const { rows } = await session.run(`SELECT ${['count(*)', ...sums].join(', ')} FROM ${quoted}`, { signal })
        const [count, ...values] = rows[0] ?? []
        return { rows: Number(count), sums: values }
      }),

    bounds: (column) =>
      onTable('SELECT', async (session, table) => {
        const own = typed(table, [column])
        const order = postgresOrderSql(finder(table)(column))
        const ends: (string | undefined)[] = []
        for (const direction of ['ASC', 'DESC']) {
          const sql = `SELECT ${postgresLineSql(own)} FROM ${quoted} WHERE ${quotePostgres(column.name)} IS NOT NULL ORDER BY ${order} ${direction} LIMIT 1`
          const { rows } = await session.run(sql, { signal })
          ends.push(rows[0]?.[0] ?? undefined)
        }
        const [least, greatest] = ends
        const plain = plainDoubles([column]) ?? ((text: string) => text)
        return least === undefined || greatest === undefined ? undefined : { least: plain(least), greatest: plain(greatest) }
      }),

    digests: (columns, buckets, where) =>
      onTable('SELECT', async (session, table) => {
        const bucket = postgresBucketSql(buckets, finder(table))
        const hash = `('x' || left(md5(${postgresLineSql(typed(table, columns))}), 15))::bit(60)::bigint`
        // The offset makes it one pass: otherwise the hash would be computed once for each of its uses.
        const hashed = `SELECT ${bucket} AS bucket, ${hash} AS hash FROM ${filtered(table, where)} OFFSET 0`
        const { rows } = await session.run(
          `SELECT bucket, count(*), bit_xor(hash), sum(hash) FROM (${hashed}) AS hashed GROUP BY bucket ORDER BY bucket`,
          { signal },
        )
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
      // The connection is the scan's until its last row is read.
      let release = () => {}
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      let finished: Promise<unknown> = Promise.resolve()
      const begin = () =>
        new Promise<{ first: IteratorResult<string[], void>; batches: AsyncGenerator<string[], void> }>((resolve, reject) => {
          finished = onTable('SELECT', async (session, table) => {
            const ordered = orderBy === undefined ? undefined : table.columns.find((column) => column.name === orderBy)
            if (orderBy !== undefined && ordered === undefined)
              throw unfit(`it has no column "${orderBy}"`, 'Order by a column that it has.')
            const order = ordered === undefined ? '' : ` ORDER BY ${postgresOrderSql(ordered)} ASC${ordered.nullable ? ' NULLS FIRST' : ''}`
            const most = limit === undefined ? '' : ` LIMIT ${limit}`
            const values = typed(table, columns).map(({ column, type }) => postgresCopySql(column, type))
            const sql = `COPY (SELECT ${values.join(', ')} FROM ${filtered(table, where)}${order}${most}) TO STDOUT`
            const batches = linesOf(session.copied(sql, stop), batchRows)
            const first = await batches.next()
            resolve({ first, batches })
            await held
          }).catch(reject)
        })
      try {
        const { first, batches } = await begin()
        try {
          for (let next = first; next.done !== true; next = await batches.next()) {
            if (stop?.aborted === true) throw failure(ENGINE_CANCELLED, {})
            const lines = next.value
            for (const [index, line] of lines.entries()) {
              const ours = line.includes('\\') ? withoutControls(line) : line
              lines[index] = plain === undefined ? ours : plain(ours)
            }
            yield new RowBatch(columns, lines)
          }
        } catch (thrown) {
          throw server.translate(thrown)
        } finally {
          await batches.return(undefined)
        }
      } finally {
        release()
        await finished
      }
    },

    async upsert(batch, { key, fresh = false }) {
      if (batch.size === 0) return { inserted: 0, updated: 0, refused: [] }
      return onTable('INSERT', async (session, table) => {
        const columns = placed(table, batch, key)
        const { kept, refused } = screen(batch, key, checksOf(columns))
        if (kept.size === 0) return { inserted: 0, updated: 0, refused }
        if (fresh && columns.every(({ column }) => column.fraction === undefined) && (await loadFresh(session, kept, columns)))
          return { inserted: kept.size, updated: 0, refused }
        const staged = await stage(session, kept, columns)
        const written = await putStaged(session, kept, columns, key)
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
        const names = keys.columns.map((column) => column.name)
        const columns = placed(table, keys, names)
        // A value that the column cannot hold is in no row.
        const { kept } = screen(keys, names, checksOf(columns))
        if (kept.size === 0) return 0
        await stage(session, kept, columns)
        const same = names.map((column) => `t.${quotePostgres(column)} = s.${quotePostgres(column)}`).join(' AND ')
        return (await session.run(`DELETE FROM ${quoted} AS t USING ${STAGE} AS s WHERE ${same}`, { signal })).changed
      })
    },
  }

  /** COPY straight into the table. False, with nothing changed, when that is not the way. */
  async function loadFresh(session: PostgresSession, rows: RowBatch, columns: readonly Placed[]): Promise<boolean> {
    await session.run('BEGIN', { signal })
    try {
      await load(session, quoted, rows.lines, columns)
      await session.run('COMMIT', { signal })
      return true
    } catch (thrown) {
      if (!isPostgresDataError(thrown)) throw thrown
      await session.run('ROLLBACK', { signal })
      return false
    }
  }

  function load(session: PostgresSession, into: string, lines: readonly string[], columns: readonly Placed[], first?: number) {
    const names = columns.map(({ field }) => quotePostgres(field.name))
    const all = first === undefined ? names : ['sluice_row', ...names]
    const binary = columns.flatMap(({ field }, place) => (field.type.kind === 'binary' ? [place] : []))
    return session.load(`COPY ${into} (${all.join(', ')}) FROM STDIN`, chunksOf(lines, binary, first), signal)
  }

  /** Rows into the stage, by their number in the batch. Answers those that have values of no row of the table. */
  async function stage(session: PostgresSession, rows: RowBatch, columns: readonly Placed[]): Promise<RefusedRow[]> {
    const definition = ['sluice_row integer', ...columns.map(({ column }) => `${quotePostgres(column.name)} ${stagedType(column)}`)].join(
      ', ',
    )
    if (session.stage === definition) await session.run(`TRUNCATE ${STAGE}`, { signal })
    else {
      session.stage = undefined
      await session.run(`DROP TABLE IF EXISTS ${STAGE}; CREATE TEMPORARY TABLE sluice_stage (${definition})`, { signal })
      session.stage = definition
    }
    const reasons = new Map<number, string>()
    let step = rows.size
    for (let from = 0; from < rows.size; ) {
      const to = Math.min(rows.size, from + step)
      try {
        await load(session, STAGE, rows.lines.slice(from, to), columns, from)
        from = to
      } catch (thrown) {
        if (!isPostgresDataError(thrown)) throw thrown
        const line = Number(/, line (\d+)/.exec(String((thrown as { where?: unknown }).where))?.[1])
        if (Number.isNaN(line) && to - from > 1) {
          step = Math.ceil((to - from) / 2)
          continue
        }
        // Those before it are good; of those after it fewer are tried at a time, lest each bad one cost all the others.
        const bad = Number.isNaN(line) ? from : from + line - 1
        if (bad > from) await load(session, STAGE, rows.lines.slice(from, bad), columns, from)
        reasons.set(bad, messageOf(thrown))
        from = bad + 1
        step = 1_000
      }
    }
    for (const { column } of columns) {
      if (column.fraction === undefined) continue
      const value = quotePostgres(column.name)
      const finer = `DELETE FROM ${STAGE} WHERE ${value} <> ${value}::${column.typeSql} RETURNING sluice_row`
      for (const [number] of (await session.run(finer, { signal })).rows)
        reasons.set(Number(number), `"${column.name}" is finer than ${column.typeSql} holds`)
    }
    return [...reasons].map(([number, reason]) => ({ line: rows.lines[number] ?? '', reason }))
  }

  /** Rows of the stage into the table. */
  async function putStaged(session: PostgresSession, rows: RowBatch, columns: readonly Placed[], key: readonly string[]): Promise<Written> {
    const names = columns.map(({ field }) => quotePostgres(field.name)).join(', ')
    const values = columns.filter(({ field }) => !key.includes(field.name)).map(({ column }) => column)
    const sets = values.map(({ name: column }) => `${quotePostgres(column)} = EXCLUDED.${quotePostgres(column)}`).join(', ')
    const differs = values.map((column) => `${comparedSql('t', column)} IS DISTINCT FROM ${comparedSql('EXCLUDED', column)}`).join(' OR ')
    const action = values.length === 0 ? 'NOTHING' : `UPDATE SET ${sets} WHERE ${differs}`
    const put = async (from: number, to: number) => {
      const statement = `INSERT INTO ${quoted} AS t (${names}) SELECT ${names} FROM ${STAGE} WHERE sluice_row >= ${from} AND sluice_row < ${to} ON CONFLICT (${key.map(quotePostgres).join(', ')}) DO ${action} RETURNING (t.xmax = 0) AS fresh`
      const sql = `WITH put AS (${statement}) SELECT count(*) FILTER (WHERE fresh), count(*) FILTER (WHERE NOT fresh) FROM put`
      const [counts] = (await session.run(sql, { signal })).rows
      return { inserted: Number(counts?.[0]), updated: Number(counts?.[1]) }
    }
    return putByHalves(session, rows, { put, isDataError: isPostgresDataError, signal })
  }
}

interface Placed {
  readonly field: Field
  readonly column: PostgresColumn
}

/** What the server would take in another way than it is meant, or not at all. */
function checksOf(columns: readonly Placed[]): Check[] {
  return columns.flatMap(({ field, column }): Check[] => {
    const own = lakeTypeOf(column)
    const checks: Check[] = []
    if (field.type.kind === 'string') {
      checks.push({
        column: field.name,
        sign: /\\0/,
        problem: (text) => (/(?:^|[^\\])(?:\\\\)*\\0/.test(text) ? 'text with NUL, which PostgreSQL does not have' : undefined),
      })
    }
    if (column.length !== undefined && field.type.kind === 'string') {
      const { length } = column
      // Spaces too many would be cut off without a word.
      const tooLong = (text: string) => text.length > length && text !== NULL && [...text.replace(/\\./g, '.')].length > length
      checks.push({ column: field.name, problem: (text) => (tooLong(text) ? `longer than ${length} characters` : undefined) })
    }
    if (column.type === 'bpchar') {
      checks.push({
        column: field.name,
        problem: (text) => (text.endsWith(' ') ? 'text that ends with a space, which char does not keep' : undefined),
      })
    }
    if (own.kind !== 'string' && field.type.kind !== 'string' && !readsAs(field.type, own))
      checks.push({ column: field.name, problem: misfit(field.type, own) })
    return checks
  })
}

function isUnique({ key, indexes }: PostgresTable, wanted: readonly string[]): boolean {
  const same = (columns: readonly string[]) => columns.length === wanted.length && columns.every((column) => wanted.includes(column))
  return same(key) || indexes.some((index) => index.unique && index.whole && same(index.columns))
}

/** What of a value tells whether it is another: its text where its type knows no equality, or takes what differs for equal, as -0 and 0. */
function comparedSql(row: string, column: PostgresColumn): string {
  const value = `${row}.${quotePostgres(column.name)}`
  if (column.type === 'float8') return `float8send(${value})`
  if (column.type === 'float4') return `float4send(${value})`
  const plain = ['text', 'varchar', 'uuid', 'numeric'].includes(column.type) && column.tellsBytes
  return lakeTypeOf(column).kind !== 'string' || plain ? value : `${value}::text COLLATE "C"`
}

/** The column's own type, so that what does not fit is found here; but times in full, as the server would round them without a word. */
function stagedType({ type, typeSql, fraction }: PostgresColumn): string {
  return fraction === undefined ? typeSql : type
}

function* chunksOf(lines: readonly string[], binary: readonly number[], first: number | undefined): Generator<Buffer> {
  let chunk: string[] = []
  let size = 0
  for (const [number, line] of lines.entries()) {
    const written = binary.length === 0 ? line : withHexMarks(line, binary)
    chunk.push(first === undefined ? `${written}\n` : `${first + number}\t${written}\n`)
    size += line.length
    if (size < CHUNK) continue
    yield Buffer.from(chunk.join(''))
    chunk = []
    size = 0
  }
  if (chunk.length > 0) yield Buffer.from(chunk.join(''))
}

/** `6869` is `\x6869` to PostgreSQL, and its backslash is escaped. */
function withHexMarks(line: string, places: readonly number[]): string {
  const texts = line.split('\t')
  for (const place of places) if (texts[place] !== NULL) texts[place] = `\\\\x${texts[place] ?? ''}`
  return texts.join('\t')
}

const CONTROLS: Readonly<Record<string, string>> = { b: '\b', f: '\f', v: '\v' }

/** COPY escapes three characters that lines have as they are. */
function withoutControls(line: string): string {
  return line.replace(/\\(.)/gs, (whole, character: string) => CONTROLS[character] ?? whole)
}

/** The lines of what COPY writes, so many at a time. */
async function* linesOf(chunks: AsyncGenerator<Buffer>, size: number): AsyncGenerator<string[], void> {
  let lines: string[] = []
  let pending: Buffer[] = []
  try {
    for await (const chunk of chunks) {
      const end = chunk.lastIndexOf(10)
      if (end < 0) {
        pending.push(chunk)
        continue
      }
      const found = Buffer.concat([...pending, chunk.subarray(0, end)])
        .toString()
        .split('\n')
      pending = end + 1 < chunk.length ? [chunk.subarray(end + 1)] : []
      for (const line of found) {
        lines.push(line)
        if (lines.length < size) continue
        yield lines
        lines = []
      }
    }
    if (lines.length > 0) yield lines
  } finally {
    await chunks.return(undefined)
  }
}

function nameProblem(name: string): string | undefined {
  if (name === '') return 'it is empty'
  if (Buffer.byteLength(name) > 63) return 'it is longer than 63 bytes'
  return name.includes('\0') ? 'it has NUL in it' : undefined
}

/** `trips_zone_fare`; where that is too long, its beginning and a hash. */
function indexName(table: string, columns: readonly string[]): string {
  const name = [table, ...columns].join('_')
  if (Buffer.byteLength(name) <= 63) return name
  let beginning = name.slice(0, 54)
  while (Buffer.byteLength(beginning) > 54) beginning = [...beginning].slice(0, -1).join('')
  return `${beginning}_${createHash('sha1').update(name).digest('hex').slice(0, 8)}`
}

function shapeOf(table: PostgresTable | undefined): TableShape | undefined {
  if (table === undefined) return undefined
  return {
    columns: table.columns.map((column) => ({ name: column.name, type: lakeTypeOf(column), nullable: column.nullable })),
    defaulted: table.columns.filter((column) => column.defaulted).map((column) => column.name),
    key: table.key,
    indexes: table.indexes.map(({ name, columns, unique }) => ({ name, columns, unique })),
  }
}

async function describeTable(
  session: PostgresSession,
  quoted: string,
  signal: AbortSignal | undefined,
): Promise<PostgresTable | undefined> {
  const of = `to_regclass(${postgresText(quoted)})`
  const { rows } = await session.run(
    `SELECT a.attname, coalesce(b.typname, t.typname), format_type(a.atttypid, a.atttypmod), a.attnotnull,
      CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END,
      coalesce(c.collname IN ('C', 'POSIX', 'ucs_basic', 'C.utf8') OR (c.collname = 'default' AND d.datcollate IN ('C', 'POSIX', 'C.UTF-8', 'C.utf8')
        AND coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') <> 'i'), true),
      coalesce(c.collisdeterministic, true),
      a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL
    FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid LEFT JOIN pg_type AS b ON b.oid = t.typbasetype AND t.typtype = 'd'
      LEFT JOIN pg_collation AS c ON c.oid = a.attcollation JOIN pg_database AS d ON d.datname = current_database()
    WHERE a.attrelid = ${of} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    { signal },
  )
  if (rows.length === 0) return undefined
  const columns = rows.map((row): PostgresColumn => {
    const [column, type = '', typeSql, notNull, modifier, byBytes, deterministic, defaulted] = row
    const typmod = Number(modifier)
    const numeric = type === 'numeric' && typmod >= 4
    return {
      name: column ?? '',
      type: type ?? '',
      typeSql: typeSql ?? '',
      nullable: notNull !== 't',
      precision: numeric ? ((typmod - 4) >> 16) & 0xffff : undefined,
      // Eleven bits with a sign.
      scale: numeric ? (((typmod - 4) & 0x7ff) ^ 0x400) - 0x400 : undefined,
      length: (type === 'varchar' || type === 'bpchar') && typmod >= 4 ? typmod - 4 : undefined,
      fraction: (type === 'timestamp' || type === 'timestamptz') && typmod >= 0 && typmod < 6 ? typmod : undefined,
      byBytes: byBytes === 't',
      tellsBytes: deterministic === 't' && type !== 'citext',
      defaulted: defaulted === 't',
    }
  })
  const { rows: parts } = await session.run(
    `SELECT i.relname, x.indisprimary, x.indisunique, a.attname,
      x.indpred IS NULL AND x.indexprs IS NULL AND x.indisvalid AND x.indimmediate
    FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid CROSS JOIN LATERAL unnest(x.indkey) WITH ORDINALITY AS k (number, place)
      LEFT JOIN pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = k.number AND k.number > 0
    WHERE x.indrelid = ${of} AND k.place <= x.indnkeyatts ORDER BY i.relname, k.place`,
    { signal },
  )
  let key: readonly string[] = []
  const indexes = new Map<string, { name: string; columns: string[]; unique: boolean; whole: boolean; primary: boolean }>()
  for (const [index, primary, unique, column, whole] of parts) {
    const named = index ?? ''
    const one = indexes.get(named) ?? { name: named, columns: [], unique: unique === 't', whole: whole === 't', primary: primary === 't' }
    if (column !== null && column !== undefined) one.columns.push(column)
    if (one.primary) key = one.columns
    indexes.set(named, one)
  }
  return { columns, key, indexes: [...indexes.values()].filter((index) => !index.primary) }
}
