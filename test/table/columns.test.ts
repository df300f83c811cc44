import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { quoteName } from '../../src/engine/index.js'
import { type Column, column, fieldsOf } from '../../src/schema/index.js'
import { DeltaTable } from '../../src/table/index.js'
import { openSession } from '../session.js'
import { codeOf, dataFiles, newTable, rowsOf, values } from './table.js'

const session = openSession()
const byName = { 'delta.columnMapping.mode': 'name' }
const columns = {
  id: column.integer(),
  town: column.struct({ name: column.string(), zip: column.integer() }),
  tags: column.array(column.string()),
}

async function people(properties: Record<string, string> = byName): Promise<DeltaTable> {
  const table = await newTable(session(), columns, { properties })
  await table.append("SELECT 1 AS id, {'name': 'Oslo', 'zip': 150} AS town, ['a'] AS tags")
  return table
}

/** The one row as JSON. */
async function rowOf(table: DeltaTable, version?: number): Promise<string> {
  const select = await table.read(version === undefined ? {} : { version })
  const [row] = await session().rows(`SELECT to_json(r)::VARCHAR AS row FROM (${select}) AS r LIMIT 1`)
  return String(row?.['row'])
}

describe('with column mapping', () => {
  test('a renamed column keeps its values, in rows of before and after, and older versions keep its old name', async () => {
    const table = await people()
    const files = dataFiles(table)
    await table.renameColumn(['id'], 'who')
    await table.renameColumn(['town', 'name'], 'called')
    expect(dataFiles(table)).toEqual(files)
    expect(await rowOf(table)).toBe('{"who":1,"town":{"called":"Oslo","zip":150},"tags":["a"]}')
    expect(await rowOf(table, 1)).toBe('{"id":1,"town":{"name":"Oslo","zip":150},"tags":["a"]}')
    await table.append("SELECT 2 AS who, {'called': 'Bonn', 'zip': 53} AS town, NULL AS tags")
    await table.update({ who: 't.who + 1' }, "t.town.called = 'Oslo'")
    expect(await rowsOf(table, { columns: ['who'] })).toEqual(['2', '2'])
  })

  test('a dropped column is gone, and one that is added under its name later is empty', async () => {
    const table = await people()
    await table.dropColumn(['tags'])
    await table.dropColumn(['town', 'zip'])
    expect(await rowOf(table)).toBe('{"id":1,"town":{"name":"Oslo"}}')
    await table.addColumns(fieldsOf({ tags: column.array(column.string()), town: column.struct({ zip: column.integer() }) }))
    expect(await rowOf(table)).toBe('{"id":1,"town":{"name":"Oslo","zip":null},"tags":null}')
    await table.overwrite("SELECT 1 AS id, {'name': 'Bonn', 'zip': 53} AS town, ['b'] AS tags")
    expect(await rowOf(table)).toBe('{"id":1,"town":{"name":"Bonn","zip":53},"tags":["b"]}')
    expect(await rowOf(table, 1)).toBe('{"id":1,"town":{"name":"Oslo","zip":150},"tags":["a"]}')
  })

  test('two columns that change names with each other change nothing else', async () => {
    const table = await newTable(session(), { a: column.integer(), b: column.integer() }, { properties: byName })
    await table.append('SELECT 1 AS a, 2 AS b')
    for (const [from, to] of [
      ['a', 'c'],
      ['b', 'a'],
      ['c', 'b'],
    ] as const)
      await table.renameColumn([from], to)
    await table.append('SELECT 1 AS b, 2 AS a')
    expect(await session().rows(await table.read({ where: 'a = 2 AND b = 1' }))).toEqual([
      { b: 1, a: 2 },
      { b: 1, a: 2 },
    ])
  })

  test('switched on for a table that has files, those stay as they are', async () => {
    const table = await people({})
    await table.append("SELECT 2 AS id, {'name': 'Bonn', 'zip': 53} AS town, NULL AS tags")
    await table.setProperties(byName)
    const files = dataFiles(table)
    await table.renameColumn(['id'], 'who')
    await table.dropColumn(['tags'])
    await table.append("SELECT 3 AS who, {'name': 'Rome', 'zip': 7} AS town")
    expect(await rowsOf(table, { columns: ['who'] })).toEqual(['1', '2', '3'])
    await table.delete('t.who = 1')
    expect(await rowsOf(table, { columns: ['who'] })).toEqual(['2', '3'])
    expect(files.every((file) => dataFiles(table).includes(file))).toBe(true)
  })

  test('by id, columns are found by their ids', async () => {
    const table = await people({ 'delta.columnMapping.mode': 'id' })
    await table.renameColumn(['id'], 'who')
    await table.renameColumn(['town', 'name'], 'called')
    await table.append("SELECT 2 AS who, {'called': 'Bonn', 'zip': 53} AS town, NULL AS tags")
    await table.delete('t.who = 2')
    expect(await rowOf(table)).toBe('{"who":1,"town":{"called":"Oslo","zip":150},"tags":["a"]}')
  })

  test('a partitioned table keeps its partitions when their column is renamed, and that column cannot be dropped', async () => {
    const table = await newTable(session(), { p: column.string(), n: column.integer() }, { properties: byName, partitionColumns: ['p'] })
    await table.append(values('p, n', "('a', 1)", "('b', 2)"))
    await table.renameColumn(['p'], 'part')
    await table.overwrite(values('part, n', "('b', 3)"), { partitions: 'dynamic' })
    expect(await rowsOf(table)).toEqual(['a 1', 'b 3'])
    expect(await rowsOf(table, { where: "part = 'a'" })).toEqual(['a 1'])
    expect((await table.snapshot()).partitionColumns).toEqual(['part'])
    expect(await codeOf(table.dropColumn(['part']))).toBe('TABLE_CHANGE_INVALID')
    await table.optimize({ where: "part = 'b'" })
    expect(await rowsOf(table)).toEqual(['a 1', 'b 3'])
  })

  test.each([
    'a b',
    'a,b;{}()=',
    'a\tb\nc',
    'file_index',
    'filename',
    'file_row_number',
    'a"b',
    'a.b',
    'né 日本',
    'SELECT',
    'col-x',
    'constructor',
  ])('a column may be called %j', async (name) => {
    const quoted = quoteName(name)
    const table = await newTable(session(), { [name]: column.integer(), other: column.integer() }, { properties: byName })
    await table.append(`SELECT 1 AS ${quoted}, 2 AS other`)
    await table.merge(`(${values(`${quoted}, other`, '(1, 20)', '(3, 4)')})`, [name])
    await table.delete(`t.${quoted} = 3`)
    await table.addColumns([{ name: `${name} too`, type: { kind: 'string' }, nullable: true }])
    expect(await rowsOf(table)).toEqual(['1 20 null'])
    expect(await rowsOf(table, { where: `${quoted} = 1`, columns: ['other'] })).toEqual(['20'])
    await table.renameColumn([name], 'plain')
    expect(await rowsOf(table, { columns: ['plain'] })).toEqual(['1'])
  })

  test('statistics go by stored names: filters skip files after a rename', async () => {
    const table = await people()
    await table.append("SELECT 2 AS id, {'name': 'Bonn', 'zip': 53} AS town, NULL AS tags")
    await table.renameColumn(['id'], 'who')
    const select = await table.read({ where: 'who = 1' })
    expect(dataFiles(table).filter((file) => select.includes(file))).toHaveLength(1)
  })
})

describe('refused, and nothing changed', () => {
  test.each<[string, Record<string, string>, (table: DeltaTable) => Promise<unknown>]>([
    ['renaming without column mapping', {}, (table) => table.renameColumn(['id'], 'who')],
    ['dropping without column mapping', {}, (table) => table.dropColumn(['id'])],
    ['renaming a column that is none', byName, (table) => table.renameColumn(['who'], 'id')],
    ['dropping a field that is none', byName, (table) => table.dropColumn(['town', 'street'])],
    ['renaming to a name that is taken', byName, (table) => table.renameColumn(['id'], 'TAGS')],
    ['renaming a field to a name that is taken', byName, (table) => table.renameColumn(['town', 'zip'], 'NAME')],
    [
      'dropping the last field of a struct',
      byName,
      (table) => table.dropColumn(['town', 'name']).then(() => table.dropColumn(['town', 'zip'])),
    ],
    ['mapping taken off again', byName, (table) => table.setProperties({ 'delta.columnMapping.mode': 'none' })],
    ['mapping by id for files that have no ids', {}, (table) => table.setProperties({ 'delta.columnMapping.mode': 'id' })],
    ['a wider type without the property', {}, (table) => table.widenColumn(['id'], { kind: 'long' })],
    ['a narrower type', { 'delta.enableTypeWidening': 'true' }, (table) => table.widenColumn(['id'], { kind: 'short' })],
    ['another type', { 'delta.enableTypeWidening': 'true' }, (table) => table.widenColumn(['id'], { kind: 'string' })],
    ['the same type', { 'delta.enableTypeWidening': 'true' }, (table) => table.widenColumn(['id'], { kind: 'integer' })],
  ])('%s', async (_, properties, change) => {
    const table = await people(properties)
    expect(await codeOf(change(table))).toMatch(/^TABLE_(CHANGE_INVALID|COLUMN_NAME_INVALID)$/)
    expect(await rowsOf(table, { columns: ['id'], version: 1 })).toEqual(['1'])
    expect((await table.snapshot()).fields.map((field) => field.name)).toEqual(['id', 'town', 'tags'])
  })
})

describe('a wider type', () => {
  test.each<[string, Column, string, Column, string, string[]]>([
    ['integer to long', column.integer(), '1', column.long(), '9007199254740993', ['1', '9007199254740993']],
    ['byte to integer', column.byte(), '1', column.integer(), '70000', ['1', '70000']],
    ['float to double', column.float(), '0.5', column.double(), '0.1::DOUBLE', ['0.1', '0.5']],
    ['decimal(4,2) to decimal(20,4)', column.decimal(4, 2), '1.25', column.decimal(20, 4), '1234567.1234', ['1.2500', '1234567.1234']],
  ])('%s: values of before and after are read, filtered and rewritten', async (_, narrow, first, wide, second, rows) => {
    const table = await newTable(session(), { k: column.integer(), v: narrow }, { properties: { 'delta.enableTypeWidening': 'true' } })
    await table.append(`SELECT 1 AS k, ${first} AS v`)
    await table.widenColumn(['v'], wide.type)
    await table.append(`SELECT 2 AS k, ${second} AS v`)
    expect(await rowsOf(table, { columns: ['v'] })).toEqual(rows)
    expect(await rowsOf(table, { columns: ['k'], where: `v = ${second}` })).toEqual(['2'])
    await table.checkpoint()
    await table.optimize()
    expect(await rowsOf(DeltaTable.at(table.path, { session: session() }), { columns: ['v'] })).toEqual(rows)
    const { fields } = JSON.parse((await table.snapshot()).metadata.schemaString)
    expect(fields[1].metadata['delta.typeChanges']).toHaveLength(1)
  })

  test('of a field of a struct, and of a partition column', async () => {
    const properties = { 'delta.enableTypeWidening': 'true' }
    const table = await newTable(
      session(),
      { p: column.integer(), s: column.struct({ n: column.short() }) },
      { properties, partitionColumns: ['p'] },
    )
    await table.append("SELECT 1 AS p, {'n': 1} AS s")
    await table.widenColumn(['s', 'n'], { kind: 'long' })
    await table.widenColumn(['p'], { kind: 'long' })
    await table.append("SELECT 5000000000 AS p, {'n': 5000000000} AS s")
    expect(await session().rows(await table.read({ where: 'p = s.n' }))).toHaveLength(2)
  })
})

describe('constraints', () => {
  const numbers = async () => {
    const table = await newTable(session(), { n: column.integer(), 'odd-name': column.string() })
    await table.append(`SELECT 1 AS n, 'a' AS "odd-name"`)
    return table
  }

  test('refuse rows for which they are false or null, in every operation, and leave no file', async () => {
    const table = await numbers()
    await table.addConstraint('small', 'n < 10')
    const files = dataFiles(table)
    const row = (n: string) => `SELECT ${n} AS n, 'b' AS "odd-name"`
    for (const write of [
      () => table.append(row('10')),
      () => table.append(row('null')),
      () => table.overwrite(row('11')),
      () => table.merge(`(${row('12')})`, ['n']),
      () => table.update({ n: 't.n + 9' }),
      () => table.replaceWhere('n > 0', row('13')),
    ])
      expect(await codeOf(write())).toBe('TABLE_CONSTRAINT_BROKEN')
    await table.append(row('9'))
    expect(await rowsOf(table)).toEqual(['1 a', '9 b'])
    expect(dataFiles(table)).toHaveLength(files.length + 1)
  })

  test('are refused where a row breaks them already, and may be taken off', async () => {
    const table = await numbers()
    expect(await codeOf(table.addConstraint('big', 'n > 5'))).toBe('TABLE_CONSTRAINT_BROKEN')
    await table.addConstraint('small', 'n < 5')
    await table.setProperties({ 'delta.constraints.small': null })
    await table.append(`SELECT 7 AS n, 'b' AS "odd-name"`)
    expect(await rowsOf(table, { columns: ['n'] })).toEqual(['1', '7'])
  })

  test('are Spark’s SQL: backticks around names, "text" for text', async () => {
    const table = await numbers()
    await table.addConstraint('names', "`odd-name` <> \"it's\" AND `odd-name` <> '`b`'")
    expect(await codeOf(table.append(`SELECT 1 AS n, 'it''s' AS "odd-name"`))).toBe('TABLE_CONSTRAINT_BROKEN')
    expect(await codeOf(table.append(`SELECT 1 AS n, '\`b\`' AS "odd-name"`))).toBe('TABLE_CONSTRAINT_BROKEN')
    expect(await codeOf(table.append(`SELECT 1 AS n, 'b' AS "odd-name"`))).toBe('no error')
  })

  test('that cannot be evaluated here keep the table from being written, not from being read', async () => {
    const table = await numbers()
    expect(await codeOf(table.setProperties({ 'delta.constraints.odd': 'spark_partition_id() = 0' }))).toBe('no error')
    await expect(table.append(`SELECT 1 AS n, 'b' AS "odd-name"`)).rejects.toMatchObject({
      code: 'TABLE_FEATURE_UNSUPPORTED',
      message: expect.stringContaining('odd (spark_partition_id() = 0)'),
    })
    expect(await rowsOf(table)).toEqual(['1 a'])
  })

  test('do not keep rows from being moved', async () => {
    const table = await numbers()
    await table.append(`SELECT 2 AS n, 'b' AS "odd-name"`)
    await table.addConstraint('small', 'n < 5')
    await table.optimize()
    expect((await table.snapshot()).files.size).toBe(1)
  })
})

describe('what other writers keep of a column', () => {
  /** The table with metadata of its first column changed, as another writer would have left it: without our hash. */
  async function with_(metadata: Record<string, unknown>): Promise<DeltaTable> {
    const table = await newTable(session(), { n: column.integer(), v: column.integer() })
    const path = join(table.path, '_delta_log', '00000000000000000000.json')
    const actions = readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    for (const { metaData, commitInfo } of actions) {
      delete commitInfo?.contentHash
      if (metaData === undefined) continue
      const schema = JSON.parse(metaData.schemaString)
      schema.fields[0].metadata = metadata
      metaData.schemaString = JSON.stringify(schema)
    }
    writeFileSync(path, actions.map((action) => `${JSON.stringify(action)}\n`).join(''))
    return DeltaTable.at(table.path, { session: session() })
  }

  test.each([
    ['a generated column', { 'delta.generationExpression': 'v + 1' }, 'generatedColumns (n)'],
    [
      'an identity column',
      { 'delta.identity.start': 1, 'delta.identity.step': 1, 'delta.identity.allowExplicitInsert': false },
      'identityColumns (n)',
    ],
    [
      'an invariant that only Spark can tell',
      { 'delta.invariants': '{"expression":{"expression":"spark_partition_id() = 0"}}' },
      'n (spark_partition_id() = 0)',
    ],
  ])('%s refuses writing by name', async (_, metadata, name) => {
    const table = await with_(metadata)
    await expect(table.append('SELECT 1 AS n, 1 AS v')).rejects.toMatchObject({
      code: 'TABLE_FEATURE_UNSUPPORTED',
      message: expect.stringContaining(name),
    })
    expect(await rowsOf(table)).toEqual([])
  })

  test('an invariant holds, and what we do not know stays through changes of the columns', async () => {
    const table = await with_({ 'delta.invariants': '{"expression":{"expression":"n > 0"}}', 'their.own': { deep: [1] } })
    expect(await codeOf(table.append('SELECT 0 AS n, 1 AS v'))).toBe('TABLE_CONSTRAINT_BROKEN')
    await table.setProperties(byName)
    await table.renameColumn(['v'], 'w')
    await table.addColumns(fieldsOf({ more: column.string() }))
    const { fields } = JSON.parse((await table.snapshot()).metadata.schemaString)
    expect(fields[0].metadata).toMatchObject({ 'their.own': { deep: [1] }, 'delta.invariants': expect.any(String) })
  })
})

test('a table that may only grow takes rows, and gives none up', async () => {
  const table = await newTable(
    session(),
    { n: column.integer() },
    { properties: { 'delta.appendOnly': 'true', 'delta.enableDeletionVectors': 'true' } },
  )
  await table.append('SELECT 1 AS n')
  await table.append('SELECT 2 AS n')
  const files = dataFiles(table)
  for (const write of [
    () => table.delete('t.n = 1'),
    () => table.update({ n: '5' }),
    () => table.merge('(SELECT 1 AS n)', ['n']),
    () => table.replaceWhere('n = 1', 'SELECT 1 AS n'),
    () => table.restore(1),
  ])
    expect(await codeOf(write())).toBe('TABLE_APPEND_ONLY')
  expect(dataFiles(table)).toEqual(files)
  await table.merge('(SELECT 3 AS n)', ['n'], { clauses: { notMatched: [{ insert: 'all' }] } })
  await table.optimize()
  expect(await rowsOf(table)).toEqual(['1', '2', '3'])
})
