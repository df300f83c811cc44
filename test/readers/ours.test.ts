import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Columns, column, fieldsOf } from '../../src/schema/index.js'
import { DeltaTable, type MergeClauses } from '../../src/table/index.js'
import { describeWithReaders, describeWithSpark, temporaryFolder } from '../fixtures.js'
import { openSession } from '../session.js'
import { asWeRead, type DeltaRs, openPeer, type Seen, type Spark, seen } from './peers.js'

/** Spark's turn at the table of the test, `$table` in its SQL. */
type Sql = (text: string) => Promise<unknown>
type Turn = (table: DeltaTable, sparkSql: Sql) => Promise<unknown>

interface Made {
  readonly columns: Columns
  readonly partitionBy?: readonly string[]
  readonly properties?: Readonly<Record<string, string>>
  readonly turns: readonly Turn[]
  /** In the table's log, or the names in it: that the table really has what its test is about. */
  readonly shows: RegExp
  /** delta-rs reads no such table, and says so. */
  readonly deltaRsRefuses?: RegExp
  /** The oldest version that can be read once the turns are done. Default 1: the first with rows. */
  readonly since?: number
}

/** Rows of `items` with ids from `first` to before `end`. */
const some = (first: number, end: number, note = 'new') =>
  `SELECT id, chr(97 + (id % 3)::integer) AS kind, '${note} né ' || id AS name, (id / 8)::decimal(10, 2) AS amount,
  if(id % 4 = 0, null, TIMESTAMPTZ '2024-01-01 00:00:00.000001+00' + id * INTERVAL 61 MINUTE) AS moment, [id::integer, null] AS history
  FROM range(${first}, ${end}) r(id)`
const items: Columns = {
  id: column.long({ nullable: false }),
  kind: column.string(),
  name: column.string(),
  amount: column.decimal(10, 2),
  moment: column.timestamp(),
  history: column.array(column.integer()),
}
const vectors = { 'delta.enableDeletionVectors': 'true' }
const feed = { 'delta.enableChangeDataFeed': 'true' }
const byName = { 'delta.columnMapping.mode': 'name' }

const append =
  (first: number, end: number): Turn =>
  (table) =>
    table.append(some(first, end))
const clauses: MergeClauses = {
  matched: [{ when: 's.id % 5 = 0', delete: true }, { update: { name: "s.name || ' was ' || t.name", amount: 't.amount + s.amount' } }],
  notMatched: [
    { when: 's.id % 2 = 0', insert: 'all' },
    { when: 's.id % 3 = 0', insert: { id: 's.id', name: "'only a name'" } },
  ],
  notMatchedBySource: [
    { when: 't.id < 10', delete: true },
    { when: 't.id < 20', update: { kind: "'z'" } },
  ],
}
const merge: Turn = (table) => table.merge(`(${some(30, 140, 'merged')})`, ['id'], { clauses })
const dml: readonly Turn[] = [
  append(0, 60),
  append(60, 100),
  merge,
  (table) => table.update({ name: "'updated'", moment: 'null' }, 't.id % 7 = 0'),
  (table) => table.delete('t.id % 11 = 0'),
]
const onVectors: readonly Turn[] = [
  ...dml,
  append(1000, 1004),
  (table) => table.delete('t.id = 1001'),
  // The file's last rows: it goes, whatever its deletion vector.
  (table) => table.delete('t.id >= 1000'),
  (table) => table.update({ amount: '0' }, 't.id % 7 = 0 OR t.id = 33'),
  (table) => table.merge(`(${some(20, 40, 'again')})`, ['id'], { clauses }),
]

const people: Columns = {
  id: column.integer(),
  city: column.string(),
  valid_from: column.date(),
  valid_to: column.date(),
  is_current: column.boolean(),
}
const scd2 = (table: DeltaTable, ...rows: readonly string[]) =>
  table.scd2(`(SELECT id, city, day::date AS day FROM (VALUES ${rows.join(', ')}) v(id, city, day))`, { keys: ['id'], sequence: 'day' })
const moves: readonly Turn[] = [
  (table) => scd2(table, "(1, 'Oslo', '2024-01-01')", "(1, 'Rome', '2024-03-01')", "(2, 'Bonn', '2024-01-01')", "(3, null, '2024-01-01')"),
  (table) =>
    scd2(table, "(1, 'Lyon', '2024-05-01')", "(2, 'Bonn', '2024-06-01')", "(3, 'Graz', '2024-06-01')", "(4, 'Kiel', '2024-06-01')"),
]

const nested: Columns = {
  id: column.integer(),
  'a name, (odd)': column.string(),
  place: column.struct({ city: column.string(), zip: column.integer() }),
  tags: column.array(column.struct({ key: column.string(), n: column.integer() })),
  notes: column.map(column.string(), column.struct({ text: column.string() })),
  day: column.date(),
}
/** As many columns as `nested`, called as given. */
const nestedRow = (id: number, names: readonly [name: string, city: string, day: string]) =>
  `SELECT ${id} AS id, 'n${id}' AS "${names[0]}", {'${names[1]}': 'Paris', 'zip': ${id}} AS place, [{'key': 'k', 'n': ${id}}, null] AS tags,
  MAP {'m': {'text': 't${id}'}} AS notes, DATE '2024-01-01' + ${id % 2} AS "${names[2]}"
  UNION ALL SELECT ${id + 100}, null, null, [], MAP {}, null UNION ALL SELECT ${id + 200}, 'same day', null, null, null, DATE '2024-01-01' + ${id % 2}`
const odd = ['a name, (odd)', 'city', 'day'] as const
const plain = ['plain', 'city', 'day'] as const
const renamed = (name: string): readonly Turn[] => [
  (table) => table.renameColumn([name], 'title'),
  (table) => table.renameColumn(['place', 'city'], 'town'),
  (table) => table.renameColumn(['day'], 'date'),
  (table) => table.append(nestedRow(2, ['title', 'town', 'date'])),
  (table) => table.update({ title: "'changed'" }, 't.id = 1'),
  (table) => table.dropColumn(['title']),
  (table) => table.dropColumn(['place', 'zip']),
  (table) => table.addColumns(fieldsOf({ title: column.double(), place: column.struct({ zip: column.string() }) })),
  (table) =>
    table.append(
      "SELECT 3 AS id, {'town': 'Rome', 'zip': 'IT'} AS place, [{'key': 'q', 'n': 3}] AS tags, MAP {'u': {'text': 'v'}} AS notes, DATE '2024-01-02' AS date, 4.5 AS title",
    ),
  (table) => table.delete("t.date = DATE '2024-01-01' AND t.id = 2"),
]
const unmapped: Columns = Object.fromEntries(Object.entries(nested).map(([name, one]) => [name === odd[0] ? plain[0] : name, one]))

/** The log's JSON before the newest checkpoint goes, as by a writer that cleans up. */
async function forgetBeforeCheckpoint(table: DeltaTable): Promise<void> {
  const folder = join(table.path, '_delta_log')
  const { version } = JSON.parse(readFileSync(join(folder, '_last_checkpoint'), 'utf8')) as { version: number }
  for (const name of readdirSync(folder)) if (/^\d{20}\.json$/.test(name) && Number.parseInt(name, 10) < version) rmSync(join(folder, name))
  if (readdirSync(folder).includes('00000000000000000000.json')) throw new Error('nothing was forgotten')
}
const pastCheckpoint: readonly Turn[] = [
  ...dml,
  (table) => table.checkpoint(),
  append(200, 220),
  (table) => table.delete('t.id = 200'),
  forgetBeforeCheckpoint,
]

const tables: Readonly<Record<string, Made>> = {
  'MERGE with clauses, UPDATE and DELETE': { columns: items, turns: dml, shows: /"operation":"MERGE"/ },
  'the same in partitions': { columns: items, partitionBy: ['kind'], turns: dml, shows: /"path":"kind=z\// },
  'deletion vectors, one on top of the other': { columns: items, properties: vectors, turns: onVectors, shows: /"storageType":"u"/ },
  'deletion vectors that OPTIMIZE purges': {
    columns: items,
    properties: vectors,
    partitionBy: ['kind'],
    turns: [...onVectors, (table) => table.optimize(), append(300, 310), (table) => table.delete('t.id = 300')],
    shows: /"operation":"OPTIMIZE"/,
  },
  'versions of rows': { columns: people, turns: moves, shows: /"scd":"2"/ },
  'versions of rows, with deletion vectors': { columns: people, properties: vectors, turns: moves, shows: /"scd":"2".*"storageType":"u"/s },
  'column mapping by name': {
    columns: nested,
    partitionBy: ['day'],
    properties: byName,
    turns: [(table) => table.append(nestedRow(1, odd)), ...renamed(odd[0])],
    shows: /"delta.columnMapping.mode":"name".*"DROP COLUMNS"/s,
  },
  'column mapping of a table that has files': {
    columns: unmapped,
    partitionBy: ['day'],
    turns: [
      (table) => table.append(nestedRow(1, plain)),
      (table) => table.setProperties(byName),
      (table) => table.append(nestedRow(5, plain)),
      ...renamed(plain[0]),
    ],
    shows: /"delta.columnMapping.mode":"name".*"DROP COLUMNS"/s,
  },
  'column mapping by id': {
    columns: nested,
    partitionBy: ['day'],
    properties: { 'delta.columnMapping.mode': 'id' },
    turns: [(table) => table.append(nestedRow(1, odd)), ...renamed(odd[0])],
    shows: /"delta.columnMapping.mode":"id".*"DROP COLUMNS"/s,
  },
  'column mapping with deletion vectors and a checkpoint': {
    columns: nested,
    partitionBy: ['day'],
    properties: { ...byName, ...vectors },
    turns: [
      (table) => table.append(nestedRow(1, odd)),
      ...renamed(odd[0]),
      (table) => table.checkpoint(),
      forgetBeforeCheckpoint,
      (table) => table.append('SELECT 9 AS id'),
    ],
    shows: /"storageType":"u".*\.checkpoint\.parquet/s,
    since: 11,
  },
  'a checkpoint and no log before it': { columns: items, turns: pastCheckpoint, shows: /0005\.checkpoint\.parquet/, since: 5 },
  'a checkpoint with deletion vectors and no log before it': {
    columns: items,
    partitionBy: ['kind'],
    properties: vectors,
    turns: pastCheckpoint,
    shows: /0005\.checkpoint\.parquet/,
    since: 5,
  },
  'a V2 checkpoint and no log before it': {
    columns: items,
    partitionBy: ['kind'],
    properties: { ...vectors, 'delta.checkpointPolicy': 'v2' },
    turns: pastCheckpoint,
    shows: /0005\.checkpoint\.[0-9a-f-]{36}\.(json|parquet)/,
    since: 5,
  },
  'sixty commits': {
    columns: items,
    partitionBy: ['kind'],
    turns: Array.from({ length: 60 }, (_, index) =>
      index % 7 === 6
        ? (table: DeltaTable) => table.delete(`t.id = ${index * 3 - 1}`)
        : (table: DeltaTable) => table.append(some(index * 3, index * 3 + 3)),
    ),
    shows: /0060\.checkpoint\.parquet/,
  },
  'widened types': {
    columns: {
      i: column.integer(),
      f: column.float(),
      m: column.decimal(5, 2),
      place: column.struct({ x: column.short() }),
      p: column.integer(),
    },
    partitionBy: ['p'],
    properties: { 'delta.enableTypeWidening': 'true' },
    turns: [
      (table) =>
        table.append(
          "SELECT 7 AS i, 0.1::float AS f, 123.45 AS m, {'x': 3} AS place, 5 AS p UNION ALL SELECT null, null, null, null, null",
        ),
      (table) => table.widenColumn(['i'], { kind: 'long' }),
      (table) => table.widenColumn(['f'], { kind: 'double' }),
      (table) => table.widenColumn(['m'], { kind: 'decimal', precision: 25, scale: 4 }),
      (table) => table.widenColumn(['place', 'x'], { kind: 'integer' }),
      (table) => table.widenColumn(['p'], { kind: 'long' }),
      (table) =>
        table.append("SELECT 5000000000 AS i, 0.1::double AS f, 123456789012345678901.2345 AS m, {'x': 70000} AS place, 5000000000 AS p"),
      (table) => table.update({ f: 't.f + 1' }, 't.i = 7'),
    ],
    shows: /delta\.typeChanges/,
    deltaRsRefuses: /typeWidening/i,
  },
  'OPTIMIZE and Z-order by us, then by Spark, then by us': {
    columns: items,
    partitionBy: ['kind'],
    properties: vectors,
    turns: [
      append(0, 300),
      append(300, 600),
      (table) => table.optimize(),
      (table) => table.optimize({ zOrderBy: ['id', 'moment'], targetBytes: 4096 }),
      (_, sql) => sql('DELETE FROM $table WHERE id % 10 = 3'),
      (_, sql) => sql("UPDATE $table SET name = 'Spark''s' WHERE id % 9 = 1"),
      (table) => table.delete('t.id % 10 = 4'),
      (_, sql) => sql('OPTIMIZE $table'),
      (_, sql) => sql('OPTIMIZE $table ZORDER BY (amount, name)'),
      append(600, 700),
      (_, sql) => sql('DELETE FROM $table WHERE id % 10 = 5'),
      (table) => table.optimize({ zOrderBy: ['amount'] }),
      (table) => table.update({ name: "'ours'" }, "t.name = 'Spark''s'"),
    ],
    shows: /"engineInfo":"Apache-Spark/,
  },
  'VACUUM of all that no version has': {
    columns: items,
    properties: { ...vectors, ...feed },
    turns: [
      ...onVectors,
      (table) => table.optimize(),
      async (table) => {
        const { files } = await table.vacuum({ retentionHours: 0, force: true })
        if (!files.some((name) => name.endsWith('.bin')) || !files.some((name) => name.endsWith('.parquet'))) throw new Error(files.join())
      },
    ],
    shows: /"operation":"VACUUM END"/,
    since: 11,
  },
  'RESTORE, also of deletion vectors': {
    columns: items,
    properties: vectors,
    turns: [...onVectors, (table) => table.restore(5), append(400, 410), (table) => table.restore(7), (table) => table.delete('t.id = 2')],
    shows: /"operation":"RESTORE"/,
  },
  'overwritten partitions, replaceWhere, and fields that come with rows': {
    columns: { id: column.long(), kind: column.string(), place: column.struct({ city: column.string() }) },
    partitionBy: ['kind'],
    turns: [
      (table) => table.append("SELECT id, chr(97 + (id % 4)::integer) AS kind, {'city': 'c' || id} AS place FROM range(40) r(id)"),
      (table) =>
        table.overwrite("SELECT 100 AS id, 'b' AS kind, {'city': 'new'} AS place UNION ALL SELECT 101, null, null", {
          partitions: 'dynamic',
        }),
      (table) => table.replaceWhere("kind = 'c' AND id < 20", "SELECT 12 AS id, 'c' AS kind, {'city': 'replaced'} AS place"),
      (table) =>
        table.append("SELECT 200 AS id, 'd' AS kind, {'city': 'Oslo', 'zip': 150} AS place, [{'x': 1}] AS more", { mergeSchema: true }),
      (table) =>
        table.append("SELECT 201 AS id, 'd' AS kind, {'city': 'Oslo', 'zip': 7} AS place, [{'x': 1, 'y': 'z'}, null] AS more", {
          mergeSchema: true,
        }),
      (table) => table.update({ place: "{'city': 'moved', 'zip': 1}" }, "t.kind = 'a' AND t.id < 10"),
    ],
    shows: /"partitionOverwriteMode":"dynamic"/,
  },
}

/** The text of a table's commits, oldest first, then the names of all files in its log. */
function logOf(path: string): string {
  const names = (readdirSync(join(path, '_delta_log'), { recursive: true }) as string[]).sort()
  const commits = names.filter((name) => /^\d+\.json$/.test(name)).map((name) => readFileSync(join(path, '_delta_log', name), 'utf8'))
  return [...commits, ...names].join('\n')
}

describeWithSpark('tables that we wrote', () => {
  describeWithReaders('as two other implementations have them', () => {
    const session = openSession()
    let spark: Spark
    let deltaRs: DeltaRs
    beforeAll(async () => {
      ;[spark, deltaRs] = await Promise.all([openPeer('spark'), openPeer('delta-rs')])
    })
    afterAll(() => Promise.all([spark?.close(), deltaRs?.close()]))

    async function make({ columns, partitionBy = [], properties = {}, turns }: Omit<Made, 'shows'>): Promise<DeltaTable> {
      const path = join(temporaryFolder(), 'table')
      const table = await DeltaTable.create(
        path,
        { fields: fieldsOf(columns), partitionColumns: partitionBy, properties },
        { session: session() },
      )
      for (const turn of turns) await turn(table, (text) => spark.sql(text.replaceAll('$table', `delta.\`${path}\``)))
      return table
    }

    test.each(Object.entries(tables))('%s', async (_, made) => {
      const table = await make(made)
      const { path } = table
      expect(logOf(path)).toMatch(made.shows)
      const { version: last } = await table.snapshot()
      const { since = 1, deltaRsRefuses } = made
      const versions = [...new Set([since, Math.ceil((since + last) / 2), last - 1])].filter((version) => version < last)
      for (const version of [...versions, undefined]) {
        const ours = await asWeRead(path, version)
        expect(ours.rows).toBeGreaterThan(0)
        expect.soft(await spark.read(path, version).catch(String), `version ${version} as Spark reads`).toEqual(ours)
        if (deltaRsRefuses === undefined)
          expect.soft(await deltaRs.read(path, version).catch(String), `version ${version} as delta-rs reads`).toEqual(ours)
      }
      if (deltaRsRefuses !== undefined) await expect(deltaRs.read(path)).rejects.toThrow(deltaRsRefuses)
    })

    describe.each([
      ['plain', {}],
      ['with deletion vectors', vectors],
      ['with column mapping', byName],
    ])('a change data feed, %s', (_, properties) => {
      test('is the same to Spark, version by version', async () => {
        const table = await make({
          columns: items,
          partitionBy: ['kind'],
          properties: { ...feed, ...properties },
          turns: [
            ...dml,
            (one) => one.delete("t.kind = 'b'"),
            (one) => one.merge(`(${some(50, 70, 'upserted')})`, ['id']),
            (one) => one.replaceWhere("kind = 'c'", `SELECT * FROM (${some(300, 320)}) WHERE kind = 'c'`),
            (one) => one.replaceWhere('id < 60', some(0, 5)),
            (one) => one.optimize(),
            (one) => one.overwrite(some(0, 9)),
          ],
        })
        const { version: last } = await table.snapshot()
        const ours: Record<number, Seen> = {}
        const theirs: Record<number, unknown> = {}
        for (let version = 1; version <= last; version++) {
          ours[version] = await seen(
            session(),
            `SELECT * EXCLUDE (_commit_timestamp) FROM (${await table.changes({ from: version, to: version })})`,
          )
          theirs[version] = await spark.changes(table.path, version, version).catch(String)
        }
        expect(theirs).toEqual(ours)
        expect(Object.values(ours).filter(({ rows }) => rows > 0)).toHaveLength(last - 1)
      })
    })

    test('Spark finds what is there by the statistics of our files, from commits and from a checkpoint', async () => {
      const values: Readonly<Record<string, readonly string[]>> = {
        text: ["'a'", "repeat('né 😀', 20)", `'${'\u{10FFFF}'.repeat(40)}'`, "''"],
        moment: [
          "TIMESTAMP '2024-01-01 00:00:00.999999'",
          "TIMESTAMP '1969-12-31 23:59:59.000001'",
          "TIMESTAMP '9999-12-31 23:59:59.999999'",
        ],
        day: ["DATE '2024-02-29'", "DATE '0001-01-01'", "DATE '9999-12-31'"],
        amount: ['-0.000001', '12345678901234.567891', '0.000000'],
        number: ['7', '-2147483648', '2147483647', '5000000000'],
        ratio: ['CAST(0.1 AS DOUBLE)', "CAST('NaN' AS DOUBLE)", 'CAST(-0.0 AS DOUBLE)', "CAST('-Infinity' AS DOUBLE)"],
      }
      const row = (index: number) =>
        `SELECT ${Object.entries(values)
          .map(([name, of]) => `${of[index] ?? 'null'} AS ${name}`)
          .join(', ')}`
      const columns = {
        was: column.string(),
        moment: column.timestamp(),
        day: column.date(),
        amount: column.decimal(20, 6),
        number: column.integer(),
        ratio: column.double(),
      }
      const table = await make({
        columns,
        properties: { ...byName, ...vectors, 'delta.enableTypeWidening': 'true' },
        turns: [
          (one) => one.renameColumn(['was'], 'text'),
          ...[0, 1, 2].map(
            (index): Turn =>
              (one) =>
                one.append(`${row(index)} UNION ALL ${row(index)}`),
          ),
          (one) => one.widenColumn(['number'], { kind: 'long' }),
          (one) => one.append(row(3)),
          (one) => one.append('SELECT 8 AS number UNION ALL SELECT 9'),
          (one) => one.update({ ratio: '2.5' }, 't.number = 8'),
        ],
      })
      const conditions = Object.entries(values).flatMap(([name, of]) =>
        [...of.flatMap((value) => [`= ${value}`, `<= ${value}`, `> ${value}`]), 'IS NULL'].map((is) => `${name} ${is}`),
      )
      const counted = (from: string) =>
        conditions.map((condition, index) => `SELECT ${index} AS at, count(*) AS n FROM ${from} WHERE ${condition}`).join(' UNION ALL ')
      const asText = (rows: readonly Readonly<Record<string, unknown>>[]) =>
        Object.fromEntries(rows.map(({ at, n }) => [conditions[Number(at)], Number(n)]))
      const ours = asText(await session().rows(`WITH whole AS MATERIALIZED (${await table.read()}) ${counted('whole')}`))
      expect(asText(await spark.sql(counted(`delta.\`${table.path}\``)))).toEqual(ours)
      await table.checkpoint()
      await table.append('SELECT null AS number')
      const more = asText(await session().rows(`WITH whole AS MATERIALIZED (${await table.read()}) ${counted('whole')}`))
      expect(asText(await spark.sql(counted(`delta.\`${table.path}\``)))).toEqual(more)
    })

    test('what we forbid, Spark refuses, and what it adds we read', async () => {
      const columns = { id: column.long({ nullable: false }), n: column.integer(), 'a name': column.string() }
      const table = await make({ columns, properties: byName, turns: [(one) => one.append('SELECT 1 AS id, 1 AS n, \'x\' AS "a name"')] })
      await table.addConstraint('positive', 'n > 0')
      await table.addConstraint('named', "`a name` <> 'none' AND length(`a name`) < 5")
      const insert = (row: string) => spark.sql(`INSERT INTO delta.\`${table.path}\` VALUES ${row}`)
      await expect(insert("(2, 0, 'x')")).rejects.toThrow(/CHECK constraint positive/i)
      await expect(insert("(2, 5, 'none')")).rejects.toThrow(/CHECK constraint named/i)
      await expect(insert("(null, 5, 'x')")).rejects.toThrow(/NOT.NULL/i)
      await insert("(3, 5, 'good')")
      await expect(table.append('SELECT 4 AS id, 0 AS n, \'x\' AS "a name"')).rejects.toMatchObject({ code: 'TABLE_CONSTRAINT_BROKEN' })
      const ours = await asWeRead(table.path)
      expect(ours.sample).toEqual(['good|3|5', 'x|1|1'])
      expect(await spark.read(table.path)).toEqual(ours)
      expect(await deltaRs.read(table.path)).toEqual(ours)
    })

    test('history and detail are told as ours', async () => {
      const table = await make({
        columns: items,
        partitionBy: ['kind'],
        properties: { ...vectors, ...feed, ...byName, 'delta.enableTypeWidening': 'true' },
        turns: [
          ...dml,
          (one) => one.replaceWhere("kind = 'c'", `SELECT * FROM (${some(300, 320)}) WHERE kind = 'c'`),
          (one) => one.overwrite(`SELECT * FROM (${some(400, 410)}) WHERE kind = 'a'`, { partitions: 'dynamic' }),
          (one) => one.addColumns(fieldsOf({ note: column.integer() })),
          (one) => one.widenColumn(['note'], { kind: 'long' }),
          (one) => one.renameColumn(['note'], 'noted'),
          (one) => one.dropColumn(['noted']),
          (one) => one.addConstraint('positive', 'id >= 0'),
          (one) => one.restore(3),
          (one) => one.optimize({ zOrderBy: ['id'] }),
          (one) => one.vacuum({ retentionHours: 0, force: true }),
          (one) => one.append(some(500, 510), { note: 'with a note' }),
        ],
      })
      const history = (await table.history()).map(({ version, operation, info }) => ({
        version,
        operation,
        userMetadata: info?.userMetadata ?? null,
        metrics: info?.operationMetrics ?? {},
      }))
      const theirs = (await spark.sql(`DESCRIBE HISTORY delta.\`${table.path}\``)) as readonly Readonly<Record<string, unknown>>[]
      expect(
        theirs.map((one) => ({
          version: one['version'],
          operation: one['operation'],
          userMetadata: one['userMetadata'],
          metrics: one['operationMetrics'] ?? {},
        })),
      ).toEqual(history)
      const deltaRsHistory = await deltaRs.history(table.path)
      expect(deltaRsHistory.map(({ operation }) => operation)).toEqual(history.map(({ operation }) => operation))

      const { files, partitionColumns } = await table.snapshot()
      const [detail] = await spark.sql(`DESCRIBE DETAIL delta.\`${table.path}\``)
      const sizeInBytes = [...files.values()].reduce((sum, { size }) => sum + size, 0)
      expect(detail).toMatchObject({ format: 'delta', numFiles: files.size, sizeInBytes, partitionColumns })
    })
  })
})
