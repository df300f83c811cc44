import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { column, fieldsOf } from '../../src/schema/index.js'
import { DeltaTable } from '../../src/table/index.js'
import { temporaryFolder } from '../fixtures.js'
import { openSession } from '../session.js'
import { codeOf, newTable, rowsOf, values } from './table.js'

const session = openSession()

describe('a table of many commits, with its log checkpoint', () => {
  async function numbers() {
    const table = await newTable(session(), { id: column.integer() })
    for (let id = 1; id <= 12; id++) await table.append(`SELECT ${id} AS id`)
    return table
  }

  test('is restored with every file that was taken out since', async () => {
    const table = await numbers()
    await table.delete('t.id = 5')
    await table.delete('t.id = 6')
    await table.restore(12)
    expect((await rowsOf(table)).length).toBe(12)
  })

  test('differs from an earlier version by every file in between', async () => {
    const { path } = await numbers()
    const table = DeltaTable.at(path, { session: session() })
    const { added, adds } = await table.diff(await table.snapshot(5), await table.snapshot(10))
    expect(adds).toBe(true)
    expect((await session().rows(`SELECT id FROM (${added})`)).map((row) => row['id']).sort()).toEqual([10, 6, 7, 8, 9])
  })
})

describe('under column mapping', () => {
  test.each(['name', 'id'])('by %s, an overwrite with other columns keeps its rows', async (mode) => {
    const table = await newTable(
      session(),
      { id: column.long(), p: column.string() },
      { partitionColumns: ['p'], properties: { 'delta.columnMapping.mode': mode } },
    )
    await table.append("SELECT 1 AS id, 'a' AS p")
    const fields = fieldsOf({ id: column.long(), p: column.string(), x: column.long() })
    await table.overwrite("SELECT 2 AS id, 'b' AS p, 3 AS x", { definition: { fields, partitionColumns: ['p'] } })
    expect(await rowsOf(table)).toEqual(['2 b 3'])
    expect(await rowsOf(table, { where: 'x = 3' })).toEqual(['2 b 3'])
  })

  test('an id is never given twice, not after a restore either', async () => {
    const table = await newTable(session(), { id: column.long() }, { properties: { 'delta.columnMapping.mode': 'name' } })
    await table.addColumns(fieldsOf({ a: column.long() }))
    await table.restore(0)
    await table.addColumns(fieldsOf({ b: column.long() }))
    expect((await table.snapshot()).metadata.configuration['delta.columnMapping.maxColumnId']).toBe('3')
  })

  test('a column that a constraint speaks of stays', async () => {
    const table = await newTable(
      session(),
      { id: column.long(), s: column.string() },
      { properties: { 'delta.columnMapping.mode': 'name' } },
    )
    await table.addConstraint('short', "s = 'x'")
    expect(await codeOf(table.renameColumn(['s'], 'r'))).toBe('TABLE_CHANGE_INVALID')
    expect(await codeOf(table.dropColumn(['s']))).toBe('TABLE_CHANGE_INVALID')
    expect(await codeOf(table.addConstraint('short', "s = 'y'"))).toBe('TABLE_CHANGE_INVALID')
    expect(await codeOf(table.addConstraint('workday', "length(concat(s, 'x')) > 0"))).toBe('TABLE_FEATURE_UNSUPPORTED')
  })
})

describe('a filter on a widened column', () => {
  test.each([
    ['integer to double', column.integer(), column.double(), '(1), (2), (3)', 'c > 1.5 AND c < 2.5', ['2']],
    ['integer to decimal', column.integer(), column.decimal(12, 2), '(1), (2), (3)', 'c >= 2.01', ['3.00']],
    ['decimal to decimal', column.decimal(5, 2), column.decimal(10, 4), '(1.25)', 'c > 1.2499 AND c < 1.2501', ['1.2500']],
    ['float to double', column.float(), column.double(), '(0.1)', 'c > 0.1000000001', ['0.10000000149011612']],
  ])('from %s finds what is there', async (_, from, to, rows, where, expected) => {
    const table = await newTable(session(), { c: from }, { properties: { 'delta.enableTypeWidening': 'true' } })
    await table.append(values('c', rows))
    await table.widenColumn(['c'], to.type)
    expect(await rowsOf(table, { where })).toEqual(expected)
  })

  test('and a merge on it finds the row', async () => {
    const table = await newTable(
      session(),
      { k: column.float(), v: column.integer() },
      { properties: { 'delta.enableTypeWidening': 'true' } },
    )
    await table.append('SELECT 0.1 AS k, 1 AS v')
    await table.widenColumn(['k'], { kind: 'double' })
    await table.merge('(SELECT 0.1::FLOAT::DOUBLE AS k, 2 AS v)', ['k'])
    expect(await rowsOf(table)).toEqual(['0.10000000149011612 2'])
  })

  test('whole numbers become decimals of the digits that readers ask for', async () => {
    const table = await newTable(session(), { c: column.long() }, { properties: { 'delta.enableTypeWidening': 'true' } })
    expect(await codeOf(table.widenColumn(['c'], { kind: 'decimal', precision: 19, scale: 0 }))).toBe('TABLE_CHANGE_INVALID')
    await table.widenColumn(['c'], { kind: 'decimal', precision: 20, scale: 0 })
  })
})

describe('keys and partitions', () => {
  test('are the same whatever way a writer spells an instant', async () => {
    const table = await newTable(session(), { id: column.integer(), at: column.timestamp() }, { partitionColumns: ['at'] })
    const snapshot = await table.snapshot()
    const query = "SELECT 1 AS id, TIMESTAMPTZ '2024-01-01 00:00:00+00' AS at"
    const { adds, ...change } = await (await import('../../src/table/index.js')).prepareAppend(session(), snapshot, query)
    const foreign = adds.map((add) => ({ ...add, partitionValues: { at: '2024-01-01 00:00:00.000000' } }))
    await table.commit(snapshot, { ...change, adds: foreign })
    await table.overwrite(query.replace('1 AS id', '9 AS id'), { partitions: 'dynamic' })
    expect(await rowsOf(table, { columns: ['id'] })).toEqual(['9'])
  })

  test('of a merge are found in any case and type', async () => {
    const table = await newTable(session(), { Id: column.long(), V: column.string() })
    await table.append("SELECT 1 AS Id, 'a' AS V")
    await table.merge("(SELECT '1' AS ID, 'b' AS v UNION ALL SELECT '2', 'c')", ['id'])
    expect(await rowsOf(table)).toEqual(['1 b', '2 c'])
  })

  test('of replaceKeys are taken as the table has them', async () => {
    const table = await newTable(session(), { id: column.long(), v: column.string() })
    await table.append(values('id, v', "(9, 'old')", "(10, 'old')"))
    const keys = "(SELECT unnest(['9', '10']) AS id)"
    await table.replaceKeys(['id'], keys, values('id, v', "(9, 'new')", "(10, 'new')"))
    expect(await rowsOf(table)).toEqual(['10 new', '9 new'])
  })

  test('a source that gives other rows each time is read once', async () => {
    const table = await newTable(session(), { id: column.long(), v: column.integer() })
    await table.append('SELECT range AS id, 0 AS v FROM range(10)')
    for (let turn = 1; turn <= 5; turn++) await table.merge(`(SELECT range AS id, ${turn} AS v FROM range(10) USING SAMPLE 3 ROWS)`, ['id'])
    expect(await rowsOf(table, { columns: ['id'] })).toEqual(Array.from({ length: 10 }, (_, id) => String(id)))
  })
})

describe('what a table cannot hold is refused', () => {
  const nested = fieldsOf({ s: column.struct({ a: column.integer({ nullable: false }) }) })

  test('null in a field that may not be, below the top level too', async () => {
    const table = await DeltaTable.create(join(temporaryFolder(), 'table'), { fields: nested }, { session: session() })
    expect(await codeOf(table.append('SELECT {a: NULL::INTEGER} AS s'))).toBe('TABLE_CONSTRAINT_BROKEN')
    await table.append('SELECT {a: 1} AS s UNION ALL SELECT NULL')
    expect((await rowsOf(table)).length).toBe(2)
  })

  test.each([
    ['a property of a feature we do not write', { 'delta.enableRowTracking': 'true' }, 'TABLE_FEATURE_UNSUPPORTED'],
    ['a protocol in the clothes of a property', { 'delta.feature.variantType': 'supported' }, 'TABLE_FEATURE_UNSUPPORTED'],
  ])('%s', async (_, properties, code) => {
    expect(await codeOf(newTable(session(), { id: column.long() }, { properties: properties as unknown as Record<string, string> }))).toBe(
      code,
    )
    const table = await newTable(session(), { id: column.long() })
    expect(await codeOf(table.setProperties(properties as unknown as Record<string, string>))).toBe(code)
  })

  test('a column that the change feed needs for itself', async () => {
    const table = await newTable(session(), { id: column.long(), _change_type: column.string() })
    expect(await codeOf(table.setProperties({ 'delta.enableChangeDataFeed': 'true' }))).toBe('TABLE_COLUMN_NAME_INVALID')
  })

  test.each([
    ['binary', column.binary()],
    ['an array', column.array(column.long())],
  ])('partitions by %s', async (_, type) => {
    expect(await codeOf(newTable(session(), { id: column.long(), p: type }, { partitionColumns: ['p'] }))).toBe('TABLE_CHANGE_INVALID')
  })

  test('a row outside replaceWhere once it has the column’s type', async () => {
    const table = await newTable(session(), { id: column.integer() })
    expect(await codeOf(table.replaceWhere('id < 2', 'SELECT 1.6 AS id'))).toBe('TABLE_OUTSIDE_PREDICATE')
  })
})

test('a folder may be called anything', async () => {
  for (const name of ['é', '日本', 'a b', 'x%20y', 'p=1']) {
    const folder = temporaryFolder()
    mkdirSync(join(folder, name))
    const table = await DeltaTable.create(
      join(folder, name),
      { fields: fieldsOf({ id: column.long(), p: column.string() }), partitionColumns: ['p'] },
      { session: session() },
    )
    await table.append("SELECT 1 AS id, 'ä' AS p")
    expect(await rowsOf(table), name).toEqual(['1 ä'])
  }
})

test('a live file stays in VACUUM however its path is spelled', async () => {
  const table = await newTable(session(), { id: column.long() })
  const snapshot = await table.snapshot()
  const { prepareAppend } = await import('../../src/table/index.js')
  const { adds, ...change } = await prepareAppend(session(), snapshot, 'SELECT 1 AS id')
  await table.commit(snapshot, { ...change, adds: adds.map((add) => ({ ...add, path: `file://${table.path}/./${add.path}` })) })
  await table.append('SELECT 2 AS id')
  expect((await table.vacuum({ retentionHours: 0, force: true })).files).toEqual([])
})

describe('a log checkpoint', () => {
  test('of very many files, as little as the protocol asks of it, is read whole', async () => {
    const table = await newTable(session(), { id: column.long(), p: column.string() }, { partitionColumns: ['p'] })
    const { protocol, metadata } = await table.snapshot()
    const log = join(table.path, '_delta_log')
    const add = `{path: 'p=' || i % 3 || '/f' || i || '.parquet', partitionValues: MAP {'p': (i % 3)::VARCHAR}, size: 10::BIGINT, modificationTime: 1::BIGINT, dataChange: false, stats: '{"numRecords":1,"minValues":{"id":' || i || '},"maxValues":{"id":' || i || '},"nullCount":{"id":0}}'}`
    const meta = `{id: '${metadata.id}', format: {provider: 'parquet', options: MAP {}::MAP(VARCHAR, VARCHAR)}, schemaString: '${metadata.schemaString}', partitionColumns: ['p'], configuration: MAP {}::MAP(VARCHAR, VARCHAR)}`
    await session().execute(
      `COPY (SELECT CASE WHEN i = -2 THEN {minReaderVersion: 1, minWriterVersion: 2} END AS protocol, CASE WHEN i = -1 THEN ${meta} END AS metaData, CASE WHEN i >= 0 THEN ${add} END AS add FROM range(-2, 25000) AS r(i)) TO '${join(log, '00000000000000000007.checkpoint.parquet')}' (FORMAT parquet)`,
    )
    expect(protocol.minReaderVersion).toBe(1)
    const snapshot = await DeltaTable.at(table.path, { session: session() }).snapshot()
    expect([snapshot.version, snapshot.files.size]).toEqual([7, 25_000])
    const wanted = await table.select(snapshot, { where: "p = '1' AND id BETWEEN 24000 AND 24002" })
    expect(wanted.split('.parquet').length - 1).toBe(1)
  })

  test('that is damaged, with the commits before it gone, is an error and no older version', async () => {
    const table = await newTable(session(), { id: column.integer() })
    for (let id = 1; id <= 10; id++) await table.append(`SELECT ${id} AS id`)
    const log = join(table.path, '_delta_log')
    writeFileSync(join(log, '00000000000000000010.checkpoint.parquet'), 'no parquet')
    for (let version = 3; version <= 10; version++) rmSync(join(log, `${String(version).padStart(20, '0')}.json`))
    for (const hint of [true, false]) {
      if (!hint) rmSync(join(log, '_last_checkpoint'))
      expect(await codeOf(DeltaTable.open(table.path, { session: session() }))).toMatch(/^(TABLE_LOG_CORRUPT|ENGINE_FILE_UNREADABLE)$/)
    }
  })
})
