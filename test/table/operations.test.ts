import { describe, expect, test } from 'vitest'
import { column, fieldsOf } from '../../src/schema/index.js'
import { FileSet } from '../../src/table/files.js'
import { DeltaTable, prepareDelete } from '../../src/table/index.js'
import { temporaryFolder } from '../fixtures.js'
import { openSession } from '../session.js'
import { codeOf, dataFiles, newTable, rowsOf, values } from './table.js'

const session = openSession()
const columns = { id: column.integer(), name: column.string() }

async function people(): Promise<DeltaTable> {
  const table = await newTable(session(), columns)
  await table.append(values('id, name', "(1, 'ann')", "(2, 'bob')"))
  return table
}

describe('create', () => {
  test('makes version 0, without rows', async () => {
    const table = await newTable(session(), columns)
    expect(await rowsOf(table)).toEqual([])
    expect(await table.history()).toMatchObject([{ version: 0, operation: 'CREATE TABLE' }])
  })

  test('leaves a table that is there as it is', async () => {
    const table = await people()
    const again = await DeltaTable.create(table.path, { fields: fieldsOf({ other: column.long() }) }, { session: session() })
    expect(await rowsOf(again)).toEqual(['1 ann', '2 bob'])
  })

  test('needs no reader feature, save for wall clocks', async () => {
    const plain = await newTable(session(), { at: column.timestamp() })
    expect((await plain.snapshot()).protocol).toEqual({ minReaderVersion: 1, minWriterVersion: 2 })
    const clock = await newTable(session(), { at: column.struct({ read: column.timestampNtz() }) })
    expect((await clock.snapshot()).protocol).toMatchObject({ minReaderVersion: 3, minWriterVersion: 7, readerFeatures: ['timestampNtz'] })
  })

  test.each(['', 'a b', 'a,b', 'a=b', 'a;b', 'a{b', 'a(b', 'a\tb', 'a\nb'])('refuses the column name %j', async (name) => {
    expect(await codeOf(newTable(session(), { [name]: column.string() }))).toBe('TABLE_COLUMN_NAME_INVALID')
  })

  test('refuses two names that differ by case alone', async () => {
    expect(await codeOf(newTable(session(), { a: column.string(), A: column.string() }))).toBe('TABLE_COLUMN_NAME_INVALID')
  })

  test('has no table where there is none', async () => {
    expect(await codeOf(DeltaTable.open(temporaryFolder(), { session: session() }))).toBe('TABLE_NOT_FOUND')
  })
})

describe('append', () => {
  test('adds rows, matched by name and cast to the column', async () => {
    const table = await people()
    await table.append("SELECT 'cyd' AS name, '3' AS id")
    expect(await rowsOf(table)).toEqual(['1 ann', '2 bob', '3 cyd'])
  })

  test('of no rows is a version without a file', async () => {
    const table = await people()
    expect(await table.append('SELECT 1 AS id, null AS name WHERE false')).toEqual({ version: 2, applied: true })
    expect(await rowsOf(table)).toEqual(['1 ann', '2 bob'])
    expect(dataFiles(table)).toHaveLength(1)
  })

  test('keeps what every type can hold', async () => {
    const table = await newTable(session(), {
      l: column.long(),
      d: column.decimal(38, 10),
      f: column.double(),
      b: column.boolean(),
      day: column.date(),
      at: column.timestamp(),
      clock: column.timestampNtz(),
      bytes: column.binary(),
      tree: column.struct({ a: column.integer(), deep: column.struct({ b: column.string() }) }),
      list: column.array(column.string()),
      map: column.map(column.string(), column.integer()),
    })
    await table.append(`SELECT 9007199254740993 AS l, 1234567890123456789012345678.0123456789::DECIMAL(38,10) AS d, 'nan'::DOUBLE AS f, true AS b,
      DATE '1969-12-31' AS day, TIMESTAMPTZ '1969-12-31 23:59:59.999999+00' AS at, TIMESTAMP '2020-02-29 12:00:00.000001' AS clock,
      from_hex('00ff') AS bytes, {'a': 1, 'deep': {'b': 'x'}} AS tree, ['a', null] AS list, MAP {'k': 7} AS map`)
    const [row] = await session().rows(await table.read())
    const bytes = Uint8Array.from(row?.['bytes'] as Uint8Array)
    expect({ ...row, bytes, at: String(row?.['at']), clock: String(row?.['clock']) }).toEqual({
      l: 9007199254740993n,
      d: '1234567890123456789012345678.0123456789',
      f: Number.NaN,
      b: true,
      day: '1969-12-31',
      at: '1969-12-31T23:59:59.999999Z',
      clock: '2020-02-29T12:00:00.000001Z',
      bytes: new Uint8Array([0, 255]),
      tree: { a: 1, deep: { b: 'x' } },
      list: ['a', null],
      map: new Map([['k', 7]]),
    })
  })

  test.each(['file_index', 'filename', 'file_row_number', 'a"b', "it's", 'a.b', 'né', '日本', 'select', 'C0'])(
    'keeps a column called %j',
    async (name) => {
      const quoted = `"${name.replaceAll('"', '""')}"`
      const table = await newTable(session(), { [name]: column.integer(), other: column.integer() })
      await table.append(`SELECT 1 AS ${quoted}, 2 AS other`)
      await table.append(`SELECT 3 AS ${quoted}, 4 AS other`)
      await table.delete(`t.${quoted} = 1`)
      expect(await rowsOf(table)).toEqual(['3 4'])
    },
  )
})

describe('overwrite', () => {
  test('replaces all rows', async () => {
    const table = await people()
    await table.overwrite("SELECT 9 AS id, 'zoe' AS name")
    expect(await rowsOf(table)).toEqual(['9 zoe'])
  })

  test('with a definition replaces the columns too, and drops what the old ones were', async () => {
    const table = await people()
    await table.overwrite('SELECT 1.5 AS price', { definition: { fields: fieldsOf({ price: column.decimal(4, 2) }) } })
    expect(await session().rows(await table.read())).toEqual([{ price: '1.50' }])
    expect(await rowsOf(table, { version: 1 })).toEqual(['1 ann', '2 bob'])
  })
})

describe('replaceWhere', () => {
  test('replaces the rows that the predicate holds for; a null is not one of them', async () => {
    const table = await people()
    await table.append('SELECT null AS id, null AS name')
    await table.replaceWhere('id >= 2', values('id, name', "(2, 'bea')", "(3, 'cyd')"))
    expect(await rowsOf(table)).toEqual(['1 ann', '2 bea', '3 cyd', 'null null'])
  })

  test.each(['1', 'null'])('refuses a row outside the predicate (id %s), and writes nothing', async (id) => {
    const table = await people()
    const files = dataFiles(table)
    expect(await codeOf(table.replaceWhere('id >= 2', values('id, name', "(2, 'bea')", `(${id}, 'no')`)))).toBe('TABLE_OUTSIDE_PREDICATE')
    expect(await rowsOf(table)).toEqual(['1 ann', '2 bob'])
    expect(dataFiles(table)).toEqual(files)
  })
})

describe('replaceKeys', () => {
  test('replaces every row of the keys given, nulls equal to nulls', async () => {
    const table = await people()
    await table.append(values('id, name', "(1, 'abe')", "(null, 'nil')"))
    await table.replaceKeys(['id'], '(SELECT unnest([1, 7, null]) AS id)', values('id, name', "(1, 'new')", "(null, 'null')"))
    expect(await rowsOf(table)).toEqual(['1 new', '2 bob', 'null null'])
  })

  test('goes by all of the keys together', async () => {
    const table = await people()
    await table.replaceKeys(['id', 'name'], "(SELECT 1 AS id, 'bob' AS name)", 'SELECT 5 AS id, null AS name')
    expect(await rowsOf(table)).toEqual(['1 ann', '2 bob', '5 null'])
  })
})

describe('merge', () => {
  test('replaces rows whose key is there and inserts the others', async () => {
    const table = await people()
    await table.merge(`(${values('id, name', "(2, 'bea')", "(3, 'cyd')")})`, ['id'])
    expect(await rowsOf(table)).toEqual(['1 ann', '2 bea', '3 cyd'])
    expect((await table.history(1))[0]?.info?.operationMetrics).toMatchObject({
      numSourceRows: '2',
      numTargetRowsInserted: '1',
      numTargetRowsUpdated: '1',
      numTargetRowsCopied: '1',
    })
  })

  test('into a file that no key touches leaves that file alone', async () => {
    const table = await people()
    await table.append("SELECT 100 AS id, 'far' AS name")
    const before = [...(await table.snapshot()).files.keys()]
    await table.merge("(SELECT 100 AS id, 'new' AS name)", ['id'])
    const after = [...(await table.snapshot()).files.keys()]
    expect(after.filter((path) => before.includes(path))).toHaveLength(1)
    expect(await rowsOf(table)).toEqual(['1 ann', '100 new', '2 bob'])
  })

  test.each([
    ['stands twice', "(1, 'a'), (1, 'b')"],
    ['is null', "(null, 'a')"],
  ])('refuses a source in which a key %s', async (_, rows) => {
    const table = await people()
    expect(await codeOf(table.merge(`(${values('id, name', rows)})`, ['id']))).toBe('TABLE_KEYS_REPEAT')
    expect(await rowsOf(table)).toEqual(['1 ann', '2 bob'])
  })

  test('compares keys as the column’s type, whatever type the source has', async () => {
    const table = await newTable(session(), columns)
    await table.append("SELECT 10 AS id, 'ten' AS name")
    await table.merge(`(${values('id, name', "('10', 'TEN')", "('9', 'NINE')")})`, ['id'])
    expect(await rowsOf(table)).toEqual(['10 TEN', '9 NINE'])
    expect(await codeOf(table.merge(`(${values('id, name', "('1', 'a')", "('01', 'b')")})`, ['id']))).toBe('TABLE_KEYS_REPEAT')
  })
})

describe('delete', () => {
  test('takes out the rows for which the condition is true', async () => {
    const table = await people()
    await table.append('SELECT null AS id, null AS name')
    await table.delete("t.id = 1 OR t.name = 'nobody'")
    expect(await rowsOf(table)).toEqual(['2 bob', 'null null'])
  })

  test('of nothing is a version that changes nothing', async () => {
    const table = await people()
    await table.delete('t.id > 99')
    expect(await rowsOf(table)).toEqual(['1 ann', '2 bob'])
    expect((await table.actions(2))?.filter((action) => action.add ?? action.remove)).toEqual([])
  })
})

describe('addColumns', () => {
  test('adds nullable columns at the end; rows that are there have null', async () => {
    const table = await people()
    await table.addColumns(fieldsOf({ name: column.long(), age: column.integer({ nullable: false }) }))
    await table.append("SELECT 3 AS id, 'cyd' AS name, 30 AS age")
    expect(await rowsOf(table)).toEqual(['1 ann null', '2 bob null', '3 cyd 30'])
    expect((await table.snapshot()).fields.map((field) => [field.name, field.type.kind, field.nullable])).toEqual([
      ['id', 'integer', true],
      ['name', 'string', true],
      ['age', 'integer', true],
    ])
  })

  test('keeps the comments of the columns that are there', async () => {
    const table = await newTable(session(), columns, { comments: { id: 'who' } })
    await table.addColumns(fieldsOf({ age: column.integer() }), { age: 'in years' })
    const { fields } = JSON.parse((await table.snapshot()).metadata.schemaString)
    expect(fields.map((field: { metadata: object }) => field.metadata)).toEqual([{ comment: 'who' }, {}, { comment: 'in years' }])
  })

  test('raises the protocol when a wall clock joins', async () => {
    const table = await people()
    await table.addColumns(fieldsOf({ clock: column.timestampNtz() }))
    expect((await table.snapshot()).protocol.readerFeatures).toEqual(['timestampNtz'])
  })
})

describe('not null', () => {
  test.each([
    ['a value', column.integer({ nullable: false }), 'null::INTEGER'],
    ['a list', column.array(column.integer(), { nullable: false }), 'null::INTEGER[]'],
    ['a map', column.map(column.string(), column.string(), { nullable: false }), 'null::MAP(VARCHAR, VARCHAR)'],
    ['a struct', column.struct({ a: column.integer() }, { nullable: false }), 'null::STRUCT(a INTEGER)'],
  ])('refuses a null where %s must be, and leaves no file', async (_, declared, nothing) => {
    const table = await newTable(session(), { id: column.integer(), must: declared })
    expect(await codeOf(table.append(`SELECT 1 AS id, ${nothing} AS must`))).toBe('TABLE_NULL_REFUSED')
    expect(dataFiles(table)).toEqual([])
  })

  test('refuses a null in a partition column', async () => {
    const table = await newTable(session(), { id: column.integer(), p: column.string({ nullable: false }) }, { partitionColumns: ['p'] })
    expect(await codeOf(table.append('SELECT 1 AS id, null AS p'))).toBe('TABLE_NULL_REFUSED')
    expect(dataFiles(table)).toEqual([])
  })
})

describe('a write that fails leaves no file', () => {
  const bad = `SELECT i AS id, CASE WHEN i = 150000 THEN error('boom') ELSE 'x' END AS name FROM range(200000) AS r(i)`
  test.each([
    ['append', (table: DeltaTable) => table.append(bad)],
    ['overwrite', (table: DeltaTable) => table.overwrite(bad)],
    ['merge', (table: DeltaTable) => table.merge(`(${bad})`, ['id'])],
    ['replaceKeys', (table: DeltaTable) => table.replaceKeys(['id'], '(SELECT 1 AS id)', bad)],
  ])('%s', async (_, write) => {
    const table = await people()
    const files = dataFiles(table)
    expect(await codeOf(write(table))).toMatch(/^ENGINE_/)
    expect(dataFiles(table)).toEqual(files)
    expect(await rowsOf(table)).toEqual(['1 ann', '2 bob'])
  })
})

describe('files of other writers', () => {
  test('without statistics lose no row when a neighbour is rewritten', async () => {
    const table = await people()
    await table.append(values('id, name', "(3, 'cyd')", "(4, 'dan')"))
    const snapshot = await table.snapshot()
    const [, second] = [...snapshot.files]
    const { stats: _, ...bare } = second?.[1] ?? { path: '', partitionValues: {}, size: 0, modificationTime: 0, dataChange: true }
    const entries = [...snapshot.files].map(([path, add]) => [path, path === second?.[0] ? bare : add] as const)
    const files = new FileSet([], new Set(), new Map(entries))
    // Two rows go, as many as the first file is known to hold; two stay.
    await table.commit(snapshot, await prepareDelete(session(), { ...snapshot, files }, 't.id IN (1, 3)'))
    expect(await rowsOf(table)).toEqual(['2 bob', '4 dan'])
  })
})

describe('columns of appended rows', () => {
  const table = () => newTable(session(), { id: column.long({ nullable: false }), name: column.string() })

  test('are matched by name whatever their order and case; what is left out is null', async () => {
    const found = await table()
    await found.append("SELECT 'ann' AS NAME, 1 AS id")
    await found.append('SELECT 2 AS id')
    await found.append([{ id: 3n, name: 'cyd' }, { id: 4n }])
    expect(await rowsOf(found)).toEqual(['1 ann', '2 null', '3 cyd', '4 null'])
  })

  test('that the table lacks are refused, or join it', async () => {
    const found = await table()
    expect(await codeOf(found.append("SELECT 1 AS id, 'x' AS extra"))).toBe('TABLE_SCHEMA_MISMATCH')
    expect(await codeOf(found.overwrite("SELECT 1 AS id, 'x' AS extra"))).toBe('TABLE_SCHEMA_MISMATCH')
    expect(await codeOf(found.append([{ extra: 1 }]))).toBe('TABLE_CHANGE_INVALID')
    await found.append("SELECT 1 AS id, 'x' AS extra", { mergeSchema: true })
    await found.append('SELECT 2 AS id')
    expect(await rowsOf(found)).toEqual(['1 null x', '2 null null'])
  })

  test('that may not be null are not left out', async () => {
    expect(await codeOf((await table()).append("SELECT 'ann' AS name"))).toBe('TABLE_SCHEMA_MISMATCH')
  })
})
