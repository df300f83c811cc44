import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api'
import { parseSqlType } from '../engine/duckdb-types.js'
import { quoteName, quoteText, sqlType } from '../engine/index.js'
import {
  ENGINE_CANCELLED,
  failure,
  messageOf,
  STORE_BUSY,
  STORE_FAILED,
  STORE_TABLE_MISSING,
  STORE_TABLE_UNFIT,
  STORE_TYPE_UNSUPPORTED,
} from '../errors/index.js'
import { type DataType, type Field, typeText } from '../schema/index.js'
import { readsAs, scaled } from './cells.js'
import { isConstraintFailure, translateDuckDB } from './duckdb-file.js'
import { hashSql, lineSql, readSql } from './lines.js'
import { RowBatch } from './rows.js'
import type { OpenTable, RefusedRow, StoreIndex, TableShape, TableToMake, Where } from './store.js'
import { bucketSql, whereSql } from './where-sql.js'

/** How a table runs its statements. */
export interface Running {
  readonly store: string
  readonly signal: AbortSignal | undefined
  /** A connection of one's own, to be closed. */
  connect(): Promise<DuckDBConnection>
  read<Result>(operation: string, table: string | undefined, body: () => Promise<Result>): Promise<Result>
  /** One after the other, on the one connection that writes. */
  write<Result>(operation: string, table: string | undefined, body: (writer: DuckDBConnection) => Promise<Result>): Promise<Result>
}

export function duckdbTable(name: string, running: Running): OpenTable {
  const { store } = running
  const quoted = quoteName(name)
  const unfit = (problem: string, advice: string) => failure(STORE_TABLE_UNFIT, { store, table: name, problem, advice })

  /** On a connection of its own: reading is not kept waiting by a writer. */
  const reading = <Result>(operation: string, body: (connection: DuckDBConnection) => Promise<Result>) =>
    running.read(operation, name, async () => {
      const connection = await running.connect()
      try {
        return await body(connection)
      } finally {
        connection.closeSync()
      }
    })
  const existing = async (connection: DuckDBConnection) => {
    const shape = await shapeOf(connection, name)
    if (shape === undefined) throw failure(STORE_TABLE_MISSING, { store, table: name })
    return shape
  }
  const columnOf = (shape: TableShape, wanted: Field) => {
    const column = shape.columns.find((one) => one.name === wanted.name)
    if (column === undefined) throw unfit(`it has no column "${wanted.name}"`, 'Add the column to the table, or leave it out.')
    return column
  }
  /** The table with the wanted columns, as the types that they are wanted as. */
  const typedSql = (shape: TableShape, columns: readonly Field[], where: Where | undefined) => {
    const select = columns.map((wanted) => {
      const { type } = columnOf(shape, wanted)
      if (!readsAs(type, wanted.type))
        throw unfit(`"${wanted.name}" is ${typeText(type)}, not ${typeText(wanted.type)}`, 'Ask for a type that holds its values.')
      return `CAST(${quoteName(wanted.name)} AS ${sqlType(wanted.type)}) AS ${quoteName(wanted.name)}`
    })
    return `SELECT ${select.join(', ')} FROM ${quoted}${whereSql(where)}`
  }
  const keyOf = (shape: TableShape, names: readonly string[]) => {
    const uniques = [shape.key, ...shape.indexes.filter((index) => index.unique).map((index) => index.columns)]
    const found = uniques.some((columns) => columns.length === names.length && columns.every((column) => names.includes(column)))
    if (!found)
      throw unfit(
        `it has no unique index on ${names.join(', ')}`,
        `Its key is ${shape.key.join(', ')}; or give it a unique index on those.`,
      )
  }

  return {
    name,

    shape: () => reading('DESCRIBE', (connection) => shapeOf(connection, name)),

    make: ({ columns, key, indexes }: TableToMake) =>
      running.write('CREATE TABLE', name, async (writer) => {
        const nested = columns.find(({ type }) => ['array', 'map', 'struct'].includes(type.kind))
        if (nested !== undefined) {
          const advice = 'Write its parts as columns of their own.'
          throw failure(STORE_TYPE_UNSUPPORTED, { store, column: nested.name, type: typeText(nested.type), advice })
        }
        const required = (column: Field) => !column.nullable || key.includes(column.name)
        const declared = columns.map((column) => `${quoteName(column.name)} ${sqlType(column.type)}${required(column) ? ' NOT NULL' : ''}`)
        const primary = key.length === 0 ? [] : [`PRIMARY KEY (${key.map(quoteName).join(', ')})`]
        try {
          await writer.run(`CREATE TABLE IF NOT EXISTS ${quoted} (${[...declared, ...primary].join(', ')})`)
        } catch (thrown) {
          if (!/^(?:Parser|Catalog|Binder) Error/.test(messageOf(thrown))) throw thrown
          throw unfit(messageOf(thrown).split('\n')[0] ?? '', 'Give its columns other names.')
        }
        const { indexes: there } = await existing(writer)
        for (const { columns: on, unique = false, name: given = `${name}_${on.join('_')}` } of indexes) {
          if (there.some((index) => index.name === given)) continue
          await writer.run(`CREATE ${unique ? 'UNIQUE ' : ''}INDEX ${quoteName(given)} ON ${quoted} (${on.map(quoteName).join(', ')})`)
        }
      }),

    count: (where) =>
      reading('SELECT', async (connection) => {
        await existing(connection)
        return Number((await rowsOf(connection, `SELECT count(*) FROM ${quoted}${whereSql(where)}`))[0]?.[0])
      }),

    totals: (columns) =>
      reading('SELECT', async (connection) => {
        const typed = typedSql(await existing(connection), columns, undefined)
        const sums = columns.flatMap(({ name: column, type }) => sumSql(quoteName(column), type))
        const [[rows, ...parts] = []] = await rowsOf(connection, `SELECT ${['count(*)', ...sums].join(', ')} FROM (${typed})`)
        return { rows: Number(rows), sums: columns.map(({ type }, index) => sumOf(parts.slice(index * 2, index * 2 + 2), type)) }
      }),

    bounds: (column) =>
      reading('SELECT', async (connection) => {
        const typed = typedSql(await existing(connection), [column], undefined)
        const value = quoteName(column.name)
        // Not min and max, which give either zero where there are two.
        const one = (order: string) =>
          `(SELECT ${lineSql([column])} AS line FROM (${typed}) WHERE ${value} IS NOT NULL ORDER BY ${value} ${order} LIMIT 1)`
        const [row] = await rowsOf(connection, `SELECT ${one('ASC')}, ${one('DESC')}`)
        const [least, greatest] = (row ?? []).map((text) => (text === null ? undefined : canonical([column])(String(text))))
        return least === undefined || greatest === undefined ? undefined : { least, greatest }
      }),

    digests: (columns, buckets, where) =>
      reading('SELECT', async (connection) => {
        const shape = await existing(connection)
        typedSql(shape, columns, where)
        const keys = buckets.kind === 'hash' ? buckets.columns : [buckets.column]
        // Columns of one name have one type here: the digest's where it has the column.
        const all = [...columns, ...keys.filter((column) => !columns.some(({ name: one }) => one === column.name))]
        const hash = hashSql('line')
        const found = await rowsOf(
          connection,
          `SELECT bucket, count(*), bit_xor(${hash}), sum(${hash}) FROM (
             SELECT ${bucketSql(buckets)} AS bucket, ${lineSql(columns)} AS line FROM (${typedSql(shape, all, where)})
           ) GROUP BY bucket ORDER BY bucket`,
        )
        return found.map(([bucket, rows, xor, sum]) => ({
          bucket: Number(bucket),
          rows: Number(rows),
          xor: BigInt(String(xor)),
          sum: BigInt(String(sum)),
        }))
      }),

    async *scan({ columns, where, orderBy, limit, batchRows = 20_000, signal }) {
      const ended = () => signal?.aborted === true || running.signal?.aborted === true
      if (ended()) throw failure(ENGINE_CANCELLED, {})
      const connection = await running.connect()
      const interrupt = () => connection.interrupt()
      signal?.addEventListener('abort', interrupt)
      running.signal?.addEventListener('abort', interrupt)
      try {
        const result = await running.read('SELECT', name, async () => {
          const shape = await existing(connection)
          const ordered = orderBy === undefined ? '' : ` ORDER BY ${quoteName(orderBy)} NULLS FIRST`
          const limited = limit === undefined ? '' : ` LIMIT ${limit}`
          typedSql(shape, columns, where)
          const lines = `SELECT ${lineSql(columns)} AS line FROM (${typedSql(shape, withOrder(shape, columns, orderBy), where)}${ordered}${limited})`
          // Of a stream that fails midway DuckDB's client says only that it has no more rows: a last row tells that it did not.
          return connection.stream(`(${lines}) UNION ALL SELECT NULL`)
        })
        const repair = canonical(columns)
        let lines: string[] = []
        for (;;) {
          if (ended()) throw failure(ENGINE_CANCELLED, {})
          const chunk = await result.fetchChunk()
          if (ended()) throw failure(ENGINE_CANCELLED, {})
          if (chunk === null || chunk.rowCount === 0) throw failure(STORE_FAILED, { store, problem: 'a result ended before its last row' })
          const texts = chunk.getColumnValues(0)
          const isLast = texts.at(-1) === null
          for (const text of isLast ? texts.slice(0, -1) : texts) lines.push(repair(text as string))
          while (lines.length >= batchRows) {
            yield new RowBatch(columns, lines.slice(0, batchRows))
            if (ended()) throw failure(ENGINE_CANCELLED, {})
            lines = lines.slice(batchRows)
          }
          if (isLast) break
        }
        if (lines.length > 0) yield new RowBatch(columns, lines)
      } catch (thrown) {
        throw translateDuckDB(thrown, store)
      } finally {
        signal?.removeEventListener('abort', interrupt)
        running.signal?.removeEventListener('abort', interrupt)
        connection.closeSync()
      }
    },

    upsert: (batch, { key, fresh = false }) =>
      running.write('MERGE', name, async (writer) => {
        const shape = await existing(writer)
        keyOf(shape, key)
        const columns = batch.columns.map((column) => columnOf(shape, column))
        if (batch.size === 0) return { inserted: 0, updated: 0, refused: [] }
        await stage(writer, batch, columns, shape)
        await refuseUnfit(writer, shape, batch, key, quoted)
        const sql = writeSql(batch, key, quoted)
        let counts = fresh ? await attempt(writer, quoted, (wanted) => [sql.insert(wanted)]) : undefined
        counts ??= await attempt(writer, quoted, sql.merge)
        counts ??= await attemptPieces(writer, quoted, sql.merge, store, shape)
        const refused = await rowsOf(writer, 'SELECT n, reason FROM temp.sluice_staged WHERE reason IS NOT NULL ORDER BY n')
        return {
          ...counts,
          refused: refused.map(([number, reason]): RefusedRow => ({ line: batch.lines[Number(number)] ?? '', reason: String(reason) })),
        }
      }),

    remove: (keys) =>
      running.write('DELETE', name, async (writer) => {
        const shape = await existing(writer)
        keyOf(
          shape,
          keys.columns.map((column) => column.name),
        )
        if (keys.size === 0) return 0
        await stage(
          writer,
          keys,
          keys.columns.map((column) => columnOf(shape, column)),
          shape,
        )
        const same = keys.columns.map((column, index) => `t.${quoteName(column.name)} = s.c${index}`)
        const result = await writer.run(
          `DELETE FROM ${quoted} AS t WHERE EXISTS (SELECT 1 FROM temp.sluice_staged AS s WHERE ${same.join(' AND ')})`,
        )
        return result.rowsChanged
      }),
  }
}

async function rowsOf(connection: DuckDBConnection, sql: string, values: DuckDBValue[] = []): Promise<DuckDBValue[][]> {
  return (await connection.runAndReadAll(sql, values)).getRows()
}

async function shapeOf(connection: DuckDBConnection, name: string): Promise<TableShape | undefined> {
  const mine = 'database_name = current_database() AND schema_name = current_schema() AND table_name = $1'
  // Asked of this table alone: the catalog's own views list every column of every table.
  const columns = await rowsOf(connection, `DESCRIBE ${quoteName(name)}`).catch((thrown: unknown) => {
    if (/^Catalog Error/.test(messageOf(thrown))) return []
    throw thrown
  })
  if (columns.length === 0) return undefined
  const keys = await rowsOf(
    connection,
    `SELECT constraint_type, to_json(constraint_column_names)::VARCHAR FROM duckdb_constraints()
     WHERE ${mine} AND constraint_type IN ('PRIMARY KEY', 'UNIQUE')`,
    [name],
  )
  const indexes = await rowsOf(connection, `SELECT index_name, is_unique, sql FROM duckdb_indexes() WHERE ${mine}`, [name])
  const columnsOf = (text: DuckDBValue | undefined) => JSON.parse(String(text)) as string[]
  const uniques = keys.filter(([kind]) => kind === 'UNIQUE').map(([, text]) => columnsOf(text))
  return {
    columns: columns.map(([column, type, nullable]) => ({
      name: String(column),
      type: parseSqlType(String(type)),
      nullable: nullable === 'YES',
    })),
    defaulted: columns.filter(([, , , , given]) => given !== null).map(([column]) => String(column)),
    key: keys.filter(([kind]) => kind === 'PRIMARY KEY').flatMap(([, text]) => columnsOf(text)),
    indexes: [
      ...indexes.map(
        ([index, unique, sql]): Required<StoreIndex> => ({
          name: String(index),
          columns: indexedColumns(String(sql)),
          unique: unique === true,
        }),
      ),
      ...uniques.map((on): Required<StoreIndex> => ({ name: `${name}_${on.join('_')}_key`, columns: on, unique: true })),
    ],
  }
}

/** `CREATE INDEX i ON t("a b", zone);` has the columns `a b` and `zone`. */
function indexedColumns(sql: string): string[] {
  const parts: string[] = sql.match(/"(?:[^"]|"")*"|[(),;]|[^\s"(),;]+/g) ?? []
  const open = parts.indexOf('(')
  return parts.slice(open + 1, parts.lastIndexOf(')')).flatMap((part) => (part === ',' ? [] : [unquoted(part)]))
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name
}

/** A column that rows are ordered by but that is not wanted is there too. */
function withOrder(shape: TableShape, columns: readonly Field[], orderBy: string | undefined): readonly Field[] {
  if (orderBy === undefined || columns.some((column) => column.name === orderBy)) return columns
  return [...columns, ...shape.columns.filter((column) => column.name === orderBy)]
}

/** Nineteen digits: a sum of so many halves of 38 digits does not overflow 128 bits. */
const HALF = 10n ** 19n

/** The sum of the upper and of the lower halves of a number's digits. */
function sumSql(value: string, type: DataType): [string, string] {
  switch (type.kind) {
    case 'long':
    case 'integer':
    case 'short':
    case 'byte':
      return ['NULL', `sum(CAST(${value} AS HUGEINT))`]
    case 'decimal': {
      const digits = `CAST(replace(CAST(${value} AS VARCHAR), '.', '') AS HUGEINT)`
      return type.precision <= 28 ? ['NULL', `sum(${digits})`] : [`sum(${digits} // ${HALF})`, `sum(${digits} % ${HALF})`]
    }
    default:
      return ['NULL', 'NULL']
  }
}

function sumOf([upper, lower]: readonly DuckDBValue[], type: DataType): string | null {
  if (lower === null || lower === undefined) return null
  const sum = BigInt(String(upper ?? 0)) * HALF + BigInt(String(lower))
  return type.kind === 'decimal' ? scaled(sum, type.scale) : sum.toString()
}

/** DuckDB writes some doubles in another way than lines have them: `1e-07`, `1e+16`. */
function canonical(columns: readonly Field[]): (line: string) => string {
  const places = columns.flatMap(({ type }, place) => (type.kind === 'double' || type.kind === 'float' ? [place] : []))
  if (places.length === 0) return (line) => line
  return (line) => {
    const texts = line.split('\t')
    for (const place of places) {
      const text = texts[place] ?? ''
      if (/e[+-]|\d{16}|\.0000/.test(text)) texts[place] = String(Number(text))
    }
    return texts.join('\t')
  }
}

/** `sluice_staged` has the rows of a batch as c0, c1 and so on, each with its number, and the reason why it is not taken. */
async function stage(writer: DuckDBConnection, batch: RowBatch, columns: readonly Field[], shape: TableShape): Promise<void> {
  await writer.run('CREATE OR REPLACE TEMP TABLE sluice_lines (n INTEGER, line VARCHAR)')
  const appender = await writer.createAppender('sluice_lines', null, 'temp')
  // Whole lines: as quick as a file that DuckDB would read, with nothing to be mistaken for its quotes, and much quicker than value by value.
  for (const [number, line] of batch.lines.entries()) {
    appender.appendInteger(number)
    appender.appendVarchar(line)
    appender.endRow()
  }
  appender.closeSync()
  const values = batch.columns.map(({ type }, index) => {
    const text = `nullif(l[${index + 1}], '\\N')`
    return `${readSql(text, type)} AS v${index}`
  })
  const kept = columns.map(({ type }, index) => `try_cast(v${index} AS ${sqlType(type)}) AS c${index}`)
  const reasons = columns.flatMap(({ name, type, nullable }, index) => {
    const given = batch.columns[index]?.type ?? type
    const quoted = quoteText(`"${name}" is not a value of ${typeText(type)}`)
    const lost = `l[${index + 1}] <> '\\N' AND try_cast(v${index} AS ${sqlType(type)}) IS NULL`
    const changed = `try_cast(try_cast(v${index} AS ${sqlType(type)}) AS ${sqlType(given)}) IS DISTINCT FROM v${index}`
    return [
      `WHEN ${readsAs(given, type) ? lost : `(${lost}) OR ${changed}`} THEN ${quoted}`,
      ...(nullable && !shape.key.includes(name) ? [] : [`WHEN v${index} IS NULL THEN ${quoteText(`null in "${name}"`)}`]),
    ]
  })
  await writer.run(
    `CREATE OR REPLACE TEMP TABLE sluice_staged AS SELECT n, ${kept.join(', ')}, CAST(CASE ${reasons.join(' ')} END AS VARCHAR) AS reason
     FROM (SELECT n, l, ${values.join(', ')} FROM (SELECT n, string_split(line, chr(9)) AS l FROM temp.sluice_lines))`,
  )
  await writer.run('DROP TABLE temp.sluice_lines')
}

/** Takes out earlier rows of a key, and marks those that break what can be told before. */
async function refuseUnfit(
  writer: DuckDBConnection,
  shape: TableShape,
  batch: RowBatch,
  key: readonly string[],
  quoted: string,
): Promise<void> {
  const place = (name: string) => batch.columns.findIndex((column) => column.name === name)
  const keys = key.map((name) => `c${place(name)}`).join(', ')
  const [counts] = await rowsOf(writer, `SELECT count(*), count(DISTINCT (${keys})) FROM temp.sluice_staged WHERE reason IS NULL`)
  if (counts?.[0] !== counts?.[1]) {
    await writer.run(
      `DELETE FROM temp.sluice_staged WHERE reason IS NULL AND n NOT IN (SELECT max(n) FROM temp.sluice_staged WHERE reason IS NULL GROUP BY ${keys})`,
    )
  }
  const same = key.map((name) => `t.${quoteName(name)} = s.c${place(name)}`).join(' AND ')
  const absent = shape.columns.find((column) => !column.nullable && place(column.name) < 0 && !shape.defaulted.includes(column.name))
  if (absent !== undefined) {
    await writer.run(
      `UPDATE temp.sluice_staged AS s SET reason = ${quoteText(`null in "${absent.name}"`)} WHERE reason IS NULL AND NOT EXISTS (SELECT 1 FROM ${quoted} AS t WHERE ${same})`,
    )
  }
  for (const { columns } of [{ columns: shape.key }, ...shape.indexes.filter((index) => index.unique)]) {
    if (columns.length === key.length && columns.every((column) => key.includes(column))) continue
    if (columns.some((column) => place(column) < 0)) continue
    const [on, reason] = [columns.map((column) => `c${place(column)}`), quoteText(`another row has the same ${columns.join(', ')}`)]
    const held = columns.map((column) => `t.${quoteName(column)} = s.c${place(column)}`).join(' AND ')
    await writer.run(
      `UPDATE temp.sluice_staged AS s SET reason = ${reason} WHERE reason IS NULL AND (
         EXISTS (SELECT 1 FROM ${quoted} AS t WHERE ${held} AND NOT (${same}))
         OR n IN (SELECT n FROM (SELECT n, row_number() OVER (PARTITION BY ${on.join(', ')} ORDER BY n) AS place FROM temp.sluice_staged
                  WHERE reason IS NULL AND ${on.map((one) => `${one} IS NOT NULL`).join(' AND ')}) WHERE place > 1))`,
    )
  }
}

interface WriteSql {
  readonly insert: (wanted: string) => string
  /** The last of them tells how many rows changed. */
  readonly merge: (wanted: string) => string[]
}

/** Statements that write the staged rows for which `wanted` is true. */
function writeSql(batch: RowBatch, key: readonly string[], quoted: string): WriteSql {
  const named = batch.columns.map((column, index) => ({
    type: column.type,
    name: quoteName(column.name),
    value: `s.c${index}`,
    isKey: key.includes(column.name),
  }))
  const [names, values] = [named.map(({ name }) => name).join(', '), named.map(({ value }) => value).join(', ')]
  const source = (wanted: string) => `(SELECT * FROM temp.sluice_staged WHERE reason IS NULL AND ${wanted}) AS s`
  const rest = named.filter(({ isKey }) => !isKey)
  // 0 and -0 are equal, and not the same.
  const differs = rest.map(({ name, value, type }) =>
    type.kind === 'float' || type.kind === 'double'
      ? `t.${name} IS DISTINCT FROM ${value} OR signbit(t.${name}) <> signbit(${value})`
      : `t.${name} IS DISTINCT FROM ${value}`,
  )
  const update = `WHEN MATCHED AND (${differs.join(' OR ')}) THEN UPDATE SET ${rest.map(({ name, value }) => `${name} = ${value}`).join(', ')} `
  const on = named.filter(({ isKey }) => isKey).map(({ name, value }) => `t.${name} = ${value}`)
  // DuckDB leaves a value as it is that is set to an equal one: of 0 that becomes -0, 1 is made before.
  const signed = rest.filter(({ type }) => type.kind === 'float' || type.kind === 'double')
  const turns = signed.map(({ name, value }) => `(t.${name} = 0 AND ${value} = 0 AND signbit(t.${name}) <> signbit(${value}))`)
  const unsigned = (wanted: string) =>
    `UPDATE ${quoted} AS t SET ${signed.map(({ name }, index) => `${name} = CASE WHEN ${turns[index]} THEN 1 ELSE t.${name} END`).join(', ')} FROM ${source(wanted)} WHERE ${on.join(' AND ')} AND (${turns.join(' OR ')})`
  return {
    insert: (wanted) => `INSERT INTO ${quoted} (${names}) SELECT ${values} FROM ${source(wanted)}`,
    merge: (wanted) => [
      ...(signed.length === 0 ? [] : [unsigned(wanted)]),
      `MERGE INTO ${quoted} AS t USING ${source(wanted)} ON ${on.join(' AND ')} ${rest.length === 0 ? '' : update}WHEN NOT MATCHED THEN INSERT (${names}) VALUES (${values})`,
    ],
  }
}

interface Counts {
  readonly inserted: number
  readonly updated: number
}

/** Undefined, with nothing written, when a row among them breaks a constraint. `keep` false: it is only tried. */
async function attempt(
  writer: DuckDBConnection,
  quoted: string,
  sql: (wanted: string) => string[],
  wanted = 'true',
  keep = true,
): Promise<Counts | undefined> {
  const count = async () => Number((await rowsOf(writer, `SELECT count(*) FROM ${quoted}`))[0]?.[0])
  await writer.run('BEGIN')
  try {
    const before = await count()
    let rowsChanged = 0
    for (const statement of sql(wanted)) rowsChanged = (await writer.run(statement)).rowsChanged
    const inserted = (await count()) - before
    await writer.run(keep ? 'COMMIT' : 'ROLLBACK')
    return { inserted, updated: rowsChanged - inserted }
  } catch (thrown) {
    await writer.run('ROLLBACK').catch(() => {})
    if (isConstraintFailure(thrown)) return undefined
    throw thrown
  }
}

/** Finds the rows that break a constraint by halving, and writes the others, all in one transaction. */
async function attemptPieces(
  writer: DuckDBConnection,
  quoted: string,
  merge: (wanted: string) => string[],
  store: string,
  shape: TableShape,
): Promise<Counts> {
  const numbers = (await rowsOf(writer, 'SELECT n FROM temp.sluice_staged WHERE reason IS NULL ORDER BY n')).map(([number]) =>
    Number(number),
  )
  const among = (some: readonly number[]) => `n IN (SELECT unnest('[${some.join(',')}]'::INTEGER[]))`
  const refused: number[] = []
  let good: number[] = []
  const sift = async (some: readonly number[]): Promise<void> => {
    const together = [...good, ...some]
    if ((await attempt(writer, quoted, merge, among(together), false)) !== undefined) good = together
    else if (some.length === 1) refused.push(...some)
    else {
      const half = Math.ceil(some.length / 2)
      await sift(some.slice(0, half))
      await sift(some.slice(half))
    }
  }
  await sift(numbers)
  // DuckDB holds a key for taken that was removed while someone reads what was before.
  if (refused.length === numbers.length && !shape.indexes.some((index) => index.unique) && refused.length > 1)
    throw failure(STORE_BUSY, { store, problem: 'rows that were removed are still being read' })
  if (refused.length > 0)
    await writer.run(`UPDATE temp.sluice_staged SET reason = 'it breaks a constraint of the table' WHERE ${among(refused)}`)
  const counts = await attempt(writer, quoted, merge, among(good))
  if (counts === undefined) throw failure(STORE_BUSY, { store, problem: 'rows changed while they were written' })
  return counts
}
