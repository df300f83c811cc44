import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { quotePath } from '../../src/engine/index.js'
import { type Columns, column, fieldsOf } from '../../src/schema/index.js'
import { DeltaTable } from '../../src/table/index.js'
import { describeWithReaders, describeWithSpark, temporaryFolder } from '../fixtures.js'
import { openSession } from '../session.js'
import { asWeRead, type DeltaRs, openPeer, type Spark, seen } from './peers.js'

interface Case {
  readonly columns: Columns
  readonly partitionBy?: readonly string[]
  /** The rows, in our engine's SQL. */
  readonly rows: string
  /** What is read of them when we or Spark wrote them, where it is not the rows themselves; delta-rs writes an empty text as one. */
  readonly read?: string
  /** delta-rs cannot write them, and says so. */
  readonly deltaRsRefuses?: RegExp
}

const everyType: Columns = {
  id: column.integer(),
  text: column.string(),
  long: column.long(),
  short: column.short(),
  byte: column.byte(),
  float: column.float(),
  double: column.double(),
  boolean: column.boolean(),
  date: column.date(),
  timestamp: column.timestamp(),
  timestamp_ntz: column.timestampNtz(),
  binary: column.binary(),
  decimal9: column.decimal(9, 2),
  decimal18: column.decimal(18, 6),
  decimal38: column.decimal(38, 10),
  struct: column.struct({ a: column.long(), b: column.string(), c: column.struct({ d: column.date() }) }),
  array: column.array(column.integer()),
  map: column.map(column.string(), column.double()),
  structs: column.array(column.struct({ x: column.integer(), y: column.timestamp() })),
  arrays: column.array(column.array(column.string())),
  structs_by_key: column.map(column.integer(), column.struct({ z: column.decimal(9, 2) })),
}

function everyTypeRow(values: Readonly<Record<string, string>>): string {
  return `SELECT ${Object.entries(everyType)
    .map(([name]) => `${values[name] ?? 'null'} AS "${name}"`)
    .join(', ')}`
}

const cases: Readonly<Record<string, Case>> = {
  'every type, with nulls, extremes, and empty ones': {
    columns: everyType,
    rows: [
      everyTypeRow({
        id: '1',
        text: `'Zoë''s "café" | ~ 日本 😀' || chr(10) || chr(9) || '\\'`,
        long: '42',
        short: '-7',
        byte: '7',
        float: '1.5::float',
        double: '0.1::double',
        boolean: 'true',
        date: "DATE '2024-02-29'",
        timestamp: "TIMESTAMPTZ '2024-02-29 12:34:56.789012+00'",
        timestamp_ntz: "TIMESTAMP '2024-02-29 12:34:56.789012'",
        binary: "'\\x00\\xFFab'::blob",
        decimal9: '1234567.89',
        decimal18: '-0.000001',
        decimal38: '1234567890123456789012345678.0123456789',
        struct: "{a: 1, b: 'x', c: {d: DATE '1999-12-31'}}",
        array: '[3, 1, null, 2]',
        map: "MAP {'one': 1.0::double, 'none': null}",
        structs: "[{x: 1, y: TIMESTAMPTZ '2001-02-03 04:05:06+00'}, null, {x: null, y: null}]",
        arrays: "[['a', null], [], null]",
        structs_by_key: 'MAP {1: {z: 1.25}, -2: null}',
      }),
      everyTypeRow({ id: '2' }),
      everyTypeRow({
        id: '3',
        text: "''",
        long: '-9223372036854775808',
        short: '-32768',
        byte: '-128',
        float: "'-inf'::float",
        double: "'-inf'::double",
        boolean: 'false',
        date: "DATE '0001-01-01'",
        timestamp: "TIMESTAMPTZ '0001-01-01 00:00:00+00'",
        timestamp_ntz: "TIMESTAMP '0001-01-01 00:00:00'",
        binary: "''::blob",
        decimal9: '-9999999.99',
        decimal18: '-999999999999.999999',
        decimal38: '-9999999999999999999999999999.9999999999',
        struct: '{a: null, b: null, c: null}',
        array: '[]',
        map: 'MAP {}',
        structs: '[]',
        arrays: '[]',
        structs_by_key: 'MAP {}',
      }),
      everyTypeRow({
        id: '4',
        text: "'    '",
        long: '9223372036854775807',
        short: '32767',
        byte: '127',
        float: "'inf'::float",
        double: "'inf'::double",
        date: "DATE '9999-12-31'",
        timestamp: "TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'",
        timestamp_ntz: "TIMESTAMP '9999-12-31 23:59:59.999999'",
        decimal9: '9999999.99',
        decimal18: '999999999999.999999',
        decimal38: '9999999999999999999999999999.9999999999',
      }),
      everyTypeRow({
        id: '5',
        float: "'nan'::float",
        double: "'nan'::double",
        date: "DATE '1969-12-31'",
        timestamp: "TIMESTAMPTZ '1969-12-31 23:59:59.999999+00'",
        timestamp_ntz: "TIMESTAMP '1582-10-10 01:02:03'",
        text: 'repeat(chr(1114111), 40)',
      }),
      everyTypeRow({
        id: '6',
        float: "'-0.0'::float",
        double: "'-0.0'::double",
        date: "DATE '1582-10-10'",
        timestamp: "TIMESTAMPTZ '1883-11-18 12:03:58.000001+00'",
      }),
      everyTypeRow({ id: '7', float: '3.4028235e38::float', double: '5e-324::double' }),
    ].join(' UNION ALL '),
  },
  'text partitions': {
    columns: { n: column.integer(), p: column.string() },
    partitionBy: ['p'],
    rows: `SELECT i::integer AS n, p FROM (VALUES
      (1, 'plain'), (2, null), (3, ''), (4, ' both sides '), (5, 'a/b\\c'), (6, '100%'), (7, '%2F %25 %zz'), (8, 'a=b&c=d#e?f'),
      (9, '日本 né 😀'), (10, 'it''s "so"'), (11, 'null'), (12, 'NULL'), (13, 'line' || chr(10) || 'end'), (14, ':*<>|{}[]^'), (15, '+'),
      (16, '..'), (17, 'plain')) v(i, p)`,
    read: "SELECT n, nullif(p, '') AS p",
  },
  'partitions of other types': {
    columns: {
      n: column.integer(),
      day: column.date(),
      number: column.integer(),
      long: column.long(),
      instant: column.timestamp(),
      ntz: column.timestampNtz(),
      money: column.decimal(10, 2),
      yes: column.boolean(),
    },
    partitionBy: ['day', 'number', 'long', 'instant', 'ntz', 'money', 'yes'],
    rows: `SELECT i::integer AS n, day::date AS day, number::integer AS number, long::bigint AS long, instant::timestamptz AS instant, ntz::timestamp AS ntz,
      money::decimal(10,2) AS money, yes::boolean AS yes FROM (VALUES
      (1, '2024-02-29', 5, 9007199254740993, '2024-02-29 12:00:00+00', '2024-02-29 12:00:00', 1.5, true),
      (2, '1969-12-31', -5, -9223372036854775807, '1969-12-31 23:59:59.999999+00', '1969-12-31 23:59:59.5', -100, false),
      (3, '0001-01-01', 0, 0, '1883-11-18 12:03:58.1+00', '1500-01-01 00:00:00.000001', 99999999.99, null),
      (4, null, null, null, null, null, null, null)) v(i, day, number, long, instant, ntz, money, yes)`,
  },
  'partitions of decimals below zero': {
    columns: { n: column.integer(), money: column.decimal(10, 2) },
    partitionBy: ['money'],
    rows: 'SELECT i::integer AS n, money::decimal(10,2) AS money FROM (VALUES (1, -0.01), (2, -7.25)) v(i, money)',
    deltaRsRefuses: /Failed to parse value '\S+' as 'decimal/,
  },
}

describeWithSpark('values of every type', () => {
  describeWithReaders('between three implementations', () => {
    const session = openSession()
    let spark: Spark
    let deltaRs: DeltaRs
    beforeAll(async () => {
      ;[spark, deltaRs] = await Promise.all([openPeer('spark'), openPeer('delta-rs')])
    })
    afterAll(() => Promise.all([spark?.close(), deltaRs?.close()]))

    type Write = (path: string, one: Case) => Promise<void>
    async function parquetOf({ rows, columns }: Case): Promise<string> {
      const table = await DeltaTable.create(join(temporaryFolder(), 'source'), { fields: fieldsOf(columns) }, { session: session() })
      const file = join(temporaryFolder(), 'rows.parquet')
      // Through a table, so that each column is of its type.
      await table.append(rows)
      await session().execute(`COPY (${await table.read()}) TO ${quotePath(file)} (FORMAT parquet)`)
      return file
    }
    const writers: Readonly<Record<string, Write>> = {
      we: async (path, { columns, partitionBy, rows }) => {
        const table = await DeltaTable.create(
          path,
          { fields: fieldsOf(columns), partitionColumns: partitionBy ?? [] },
          { session: session() },
        )
        await table.append(rows)
      },
      'delta-rs': async (path, one) => deltaRs.write(path, await parquetOf(one), { partitionBy: one.partitionBy ?? [] }),
      Spark: async (path, one) => spark.write(path, await parquetOf(one), { partitionBy: one.partitionBy ?? [] }),
    }

    for (const [name, one] of Object.entries(cases)) {
      for (const [writer, write] of Object.entries(writers)) {
        test(`${name}: what ${writer} wrote, all three read`, async () => {
          const path = join(temporaryFolder(), 'table')
          if (writer === 'delta-rs' && one.deltaRsRefuses !== undefined) {
            await expect(write(path, one)).rejects.toThrow(one.deltaRsRefuses)
            return
          }
          await write(path, one)
          const asWritten = one.read === undefined || writer === 'delta-rs'
          const expected = await seen(session(), asWritten ? one.rows : `${one.read} FROM (${one.rows})`)
          expect.soft(await asWeRead(path), 'as we read').toEqual(expected)
          // Spark writes an instant as 96 bits, which delta-rs brings to nanoseconds in 64: the years 1 and 9999 overflow.
          const overflows = writer === 'Spark' && Object.values(one.columns).some(({ type }) => type.kind === 'timestamp')
          if (!overflows) expect.soft(await deltaRs.read(path), 'as delta-rs reads').toEqual(expected)
          expect.soft(await spark.read(path), 'as Spark reads').toEqual(expected)
        })
      }
    }
  })
})
