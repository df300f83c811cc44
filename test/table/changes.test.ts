import { describe, expect, test } from 'vitest'
import { column, fieldsOf } from '../../src/schema/index.js'
import { type DeltaTable, prepareDelete } from '../../src/table/index.js'
import { openSession } from '../session.js'
import { codeOf, dataFiles, newTable, values } from './table.js'

const session = openSession()
const on = { 'delta.enableChangeDataFeed': 'true' }
const columns = { id: column.integer(), name: column.string() }

/** Version 1 has 1 ann, 2 bob and 3 cyd. */
async function people(properties: Record<string, string> = on, partitionColumns: readonly string[] = []): Promise<DeltaTable> {
  const table = await newTable(session(), columns, { properties, partitionColumns })
  await table.append(values('id, name', "(1, 'ann')", "(2, 'bob')", "(3, 'cyd')"))
  return table
}

const signs: Readonly<Record<string, string>> = { insert: '+', delete: '-', update_preimage: '<', update_postimage: '>' }

/** The feed as lines: its version, a sign for the kind of change, the row. */
async function feed(table: DeltaTable, from: number, to?: number): Promise<string[]> {
  const rows = await session().rows(await table.changes({ from, ...(to === undefined ? {} : { to }) }))
  return rows
    .map(
      ({ _change_type: type, _commit_version: version, _commit_timestamp: _, ...row }) =>
        `${version} ${signs[String(type)]} ${Object.values(row).join(' ')}`,
    )
    .sort()
}

describe.each<[string, Record<string, string>]>([
  ['rewritten files', on],
  ['deletion vectors', { ...on, 'delta.enableDeletionVectors': 'true' }],
  ['column mapping', { ...on, 'delta.columnMapping.mode': 'name' }],
])('with %s, the feed tells of', (_, properties) => {
  test.each<[string, (table: DeltaTable) => Promise<unknown>, string[]]>([
    ['an append', (table) => table.append("SELECT 4 AS id, 'dan' AS name"), ['2 + 4 dan']],
    ['an overwrite', (table) => table.overwrite("SELECT 4 AS id, 'dan' AS name"), ['2 + 4 dan', '2 - 1 ann', '2 - 2 bob', '2 - 3 cyd']],
    ['a delete', (table) => table.delete('t.id = 2'), ['2 - 2 bob']],
    ['a delete of every row', (table) => table.delete('true'), ['2 - 1 ann', '2 - 2 bob', '2 - 3 cyd']],
    ['a delete of none', (table) => table.delete('false'), []],
    ['an update', (table) => table.update({ name: "'new'" }, 't.id = 2'), ['2 < 2 bob', '2 > 2 new']],
    [
      'a merge',
      (table) => table.merge(`(${values('id, name', "(2, 'new')", "(4, 'dan')")})`, ['id']),
      ['2 + 4 dan', '2 < 2 bob', '2 > 2 new'],
    ],
    [
      'a merge with clauses',
      (table) =>
        table.merge(`(${values('id, name', "(2, 'new')", "(4, 'dan')", "(3, 'no')")})`, ['id'], {
          clauses: {
            matched: [
              { when: 't.id = 2', delete: true },
              { when: 't.id = 3', update: { name: "'set'" } },
            ],
            notMatched: [{ insert: 'all' }],
            notMatchedBySource: [{ update: { name: "'lone'" } }],
          },
        }),
      ['2 + 4 dan', '2 - 2 bob', '2 < 1 ann', '2 < 3 cyd', '2 > 1 lone', '2 > 3 set'],
    ],
    ['replaceWhere', (table) => table.replaceWhere('id > 1', "SELECT 5 AS id, 'eve' AS name"), ['2 + 5 eve', '2 - 2 bob', '2 - 3 cyd']],
    ['replaceKeys', (table) => table.replaceKeys(['id'], '(SELECT 3 AS id)', "SELECT 3 AS id, 'eve' AS name"), ['2 + 3 eve', '2 - 3 cyd']],
    ['a restore', (table) => table.restore(0), ['2 - 1 ann', '2 - 2 bob', '2 - 3 cyd']],
    ['no new layout', (table) => table.optimize({ zOrderBy: ['id'] }), []],
    ['no property', (table) => table.setProperties({ 'my.own': 'x' }), []],
    ['no log checkpoint', (table) => table.checkpoint().then(() => table.append('SELECT 1 AS id, null AS name WHERE false')), []],
  ])('%s', async (_, change, told) => {
    const table = await people(properties)
    await change(table)
    expect(await feed(table, 2)).toEqual(told)
    expect(await feed(table, 0, 2)).toEqual(['1 + 1 ann', '1 + 2 bob', '1 + 3 cyd', ...told])
  })

  test('rows that a restore brings back', async () => {
    const table = await people(properties)
    await table.delete('t.id = 2')
    await table.update({ name: "'new'" }, 't.id = 3')
    await table.restore(1)
    const back = await feed(table, 4)
    // Where whole files come back, so do their other rows; what matters is what remains.
    const net = new Map<string, number>()
    for (const line of back) {
      const row = line.slice(4)
      net.set(row, (net.get(row) ?? 0) + (line[2] === '+' ? 1 : -1))
    }
    expect([...net].filter(([, count]) => count !== 0).sort()).toEqual([
      ['2 bob', 1],
      ['3 cyd', 1],
      ['3 new', -1],
    ])
  })
})

describe('what a commit says in no change file', () => {
  const off = { 'delta.enableChangeDataFeed': 'false' }

  /** A delete whose writer leaves the feed to its readers, as Spark does where rows are only marked. */
  async function deleteUntold(table: DeltaTable, condition: string): Promise<void> {
    const snapshot = await table.snapshot()
    const configuration = { ...snapshot.metadata.configuration, ...off }
    await table.commit(
      snapshot,
      await prepareDelete(session(), { ...snapshot, metadata: { ...snapshot.metadata, configuration } }, condition),
    )
  }

  test('follows from the rows that were marked, and those alone', async () => {
    const table = await people({ ...on, 'delta.enableDeletionVectors': 'true' })
    await deleteUntold(table, 't.id = 2')
    await deleteUntold(table, 't.id = 3')
    await deleteUntold(table, 't.id = 1')
    expect(await feed(table, 2)).toEqual(['2 - 2 bob', '3 - 3 cyd', '4 - 1 ann'])
    expect(dataFiles(table).filter((file) => file.includes('_change_data'))).toEqual([])
  })

  test('follows from the rows that came back', async () => {
    const table = await people({ ...on, 'delta.enableDeletionVectors': 'true' })
    await deleteUntold(table, 't.id <> 2')
    await table.restore(1)
    expect(await feed(table, 3)).toEqual(['3 + 1 ann', '3 + 3 cyd'])
  })

  test('follows from files that came and went, each in its partition', async () => {
    const table = await people(on, ['name'])
    await table.overwrite(values('id, name', "(7, 'bob')", '(8, null)'), { partitions: 'dynamic' })
    expect(await feed(table, 2)).toEqual(['2 + 7 bob', '2 + 8 ', '2 - 2 bob'])
  })
})

describe('across versions', () => {
  test('each row has the version and the time of its commit', async () => {
    const table = await people()
    await table.delete('t.id = 2')
    const times = new Map((await table.history()).map(({ version, timestamp }) => [version, new Date(timestamp).toISOString()]))
    const rows = await session().rows(
      `SELECT DISTINCT _commit_version AS v, _commit_timestamp AS t FROM (${await table.changes({ from: 1 })}) ORDER BY v`,
    )
    expect(rows.map((row) => [Number(row['v']), new Date(String(row['t'])).toISOString()])).toEqual([
      [1, times.get(1)],
      [2, times.get(2)],
    ])
  })

  test('columns are those of the last: one that was added is null before, one that was dropped is left out, one that was renamed keeps its values', async () => {
    const table = await people({ ...on, 'delta.columnMapping.mode': 'name' })
    await table.update({ name: "'old'" }, 't.id = 1')
    await table.addColumns(fieldsOf({ age: column.integer() }))
    await table.renameColumn(['id'], 'who')
    await table.update({ age: '7' }, 't.who = 2')
    await table.dropColumn(['name'])
    await table.delete('t.who = 2')
    expect(await feed(table, 1)).toEqual(['1 + 1 ', '1 + 2 ', '1 + 3 ', '2 < 1 ', '2 > 1 ', '5 < 2 ', '5 > 2 7', '7 - 2 7'])
    expect(await feed(table, 2, 2)).toEqual(['2 < 1 ann', '2 > 1 old'])
  })

  test('a wider type is the type of all', async () => {
    const table = await people({ ...on, 'delta.enableTypeWidening': 'true' })
    await table.widenColumn(['id'], { kind: 'long' })
    await table.merge("(SELECT 5000000000 AS id, 'big' AS name)", ['id'])
    expect(await feed(table, 1)).toEqual(['1 + 1 ann', '1 + 2 bob', '1 + 3 cyd', '3 + 5000000000 big'])
  })

  test('a table may have columns by the names that the feed’s columns have', async () => {
    const table = await newTable(session(), { id: column.integer(), file_index: column.integer() }, { properties: on })
    await table.append(values('id, file_index', '(1, 5)', '(2, 6)'))
    await table.delete('t.file_index = 5')
    expect(await feed(table, 1)).toEqual(['1 + 1 5', '1 + 2 6', '2 - 1 5'])
  })
})

describe('where it was not kept it is refused', () => {
  test('wholly', async () => {
    expect(await codeOf((await people({})).changes({ from: 1 }))).toBe('TABLE_CHANGE_INVALID')
  })

  test('from before it was switched on, and from after it was switched off', async () => {
    const table = await people({})
    await table.setProperties(on)
    await table.delete('t.id = 1')
    await table.setProperties({ 'delta.enableChangeDataFeed': null })
    await table.delete('t.id = 2')
    expect(await feed(table, 2, 4)).toEqual(['3 - 1 ann'])
    expect(await codeOf(table.changes({ from: 1, to: 3 }))).toBe('TABLE_CHANGE_INVALID')
    expect(await codeOf(table.changes({ from: 3, to: 5 }))).toBe('TABLE_CHANGE_INVALID')
  })

  test.each([
    [5, undefined],
    [0, 9],
  ])('for versions that are not there (%j to %j)', async (from, to) => {
    expect(await codeOf((await people()).changes({ from, ...(to === undefined ? {} : { to }) }))).toBe('TABLE_VERSION_NOT_FOUND')
  })
})
