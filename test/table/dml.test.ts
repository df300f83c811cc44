import { describe, expect, test } from 'vitest'
import { column } from '../../src/schema/index.js'
import { DeltaTable, type MergeClauses } from '../../src/table/index.js'
import { openSession } from '../session.js'
import { codeOf, dataFiles, fed, newTable, rowsOf, values } from './table.js'

const session = openSession()
const columns = { id: column.integer(), name: column.string(), n: column.integer() }

/** In one file 1 ann, 2 bob and 3 cyd; in another 4 dan, 5 eve and a row of nulls. */
const everyone = ['1 ann 10', '2 bob 20', '3 cyd 30', '4 dan 40', '5 eve 50', 'null null null']

const modes = {
  'copy-on-write': {},
  'deletion vectors': { 'delta.enableDeletionVectors': 'true' },
  'a change feed': { 'delta.enableChangeDataFeed': 'true' },
  'column mapping': { 'delta.columnMapping.mode': 'name' },
  'all of them': { 'delta.enableDeletionVectors': 'true', 'delta.enableChangeDataFeed': 'true', 'delta.columnMapping.mode': 'name' },
} as const

type Rows = readonly string[]
interface Outcome {
  readonly rows: Rows
  /** Of the commit: by their names there, less `numTargetRows` and `num…Rows`. */
  readonly metrics: Readonly<Record<string, number>>
}

const merging = (clauses: MergeClauses, source: string) => (table: DeltaTable) => table.merge(`(${source})`, ['id'], { clauses })
const arrivals = values('id, name, n', "(2, 'BOB', 21)", "(4, 'DAN', 41)", "(9, 'zoe', 90)", "(8, 'yan', 80)")

const operations: readonly (readonly [string, (table: DeltaTable) => Promise<unknown>, Outcome])[] = [
  [
    'update sets columns from what they were, where the condition is true',
    (table) => table.update({ n: 't.n + t.id', name: 'upper(t.name)' }, 't.id >= 3'),
    { rows: ['1 ann 10', '2 bob 20', '3 CYD 33', '4 DAN 44', '5 EVE 55', 'null null null'], metrics: { numUpdatedRows: 3 } },
  ],
  [
    'update without a condition is of every row',
    (table) => table.update({ n: '0' }),
    { rows: ['1 ann 0', '2 bob 0', '3 cyd 0', '4 dan 0', '5 eve 0', 'null null 0'], metrics: { numUpdatedRows: 6 } },
  ],
  [
    'update of nothing changes nothing',
    (table) => table.update({ n: '0' }, 't.id > 50'),
    { rows: everyone, metrics: { numUpdatedRows: 0 } },
  ],
  [
    'delete takes the rows for which the condition is true',
    (table) => table.delete('t.id BETWEEN 2 AND 4'),
    { rows: ['1 ann 10', '5 eve 50', 'null null null'], metrics: { numDeletedRows: 3 } },
  ],
  [
    'delete of whole files',
    (table) => table.delete('t.id <= 3'),
    { rows: ['4 dan 40', '5 eve 50', 'null null null'], metrics: { numDeletedRows: 3 } },
  ],
  [
    'merge replaces and inserts',
    (table) => table.merge(`(${arrivals})`, ['id']),
    {
      rows: ['1 ann 10', '2 BOB 21', '3 cyd 30', '4 DAN 41', '5 eve 50', '8 yan 80', '9 zoe 90', 'null null null'],
      metrics: { numSourceRows: 4, numTargetRowsInserted: 2, numTargetRowsUpdated: 2, numTargetRowsDeleted: 0 },
    },
  ],
  [
    'merge: matched rows updated by SQL over both, where the condition is true',
    merging({ matched: [{ when: 's.n > 30', update: { n: 't.n + s.n' } }] }, arrivals),
    {
      rows: ['1 ann 10', '2 bob 20', '3 cyd 30', '4 dan 81', '5 eve 50', 'null null null'],
      metrics: { numTargetRowsInserted: 0, numTargetRowsUpdated: 1, numTargetRowsDeleted: 0 },
    },
  ],
  [
    'merge: matched rows deleted, others inserted',
    merging({ matched: [{ when: "t.name = 'bob'", delete: true }], notMatched: [{ insert: 'all' }] }, arrivals),
    {
      rows: ['1 ann 10', '3 cyd 30', '4 dan 40', '5 eve 50', '8 yan 80', '9 zoe 90', 'null null null'],
      metrics: { numTargetRowsInserted: 2, numTargetRowsUpdated: 0, numTargetRowsDeleted: 1 },
    },
  ],
  [
    'merge: the first clause whose condition is true counts, and a null is not',
    merging(
      {
        matched: [{ when: 's.n = 21 AND null', delete: true }, { when: 's.n = 21', update: { name: "'first'" } }, { update: 'all' }],
        notMatched: [
          { when: 's.n > 85', insert: { id: 's.id', name: "'big'" } },
          { when: 's.n > 79', insert: 'all' },
        ],
      },
      arrivals,
    ),
    {
      rows: ['1 ann 10', '2 first 20', '3 cyd 30', '4 DAN 41', '5 eve 50', '8 yan 80', '9 big null', 'null null null'],
      metrics: { numTargetRowsInserted: 2, numTargetRowsUpdated: 2, numTargetRowsDeleted: 0 },
    },
  ],
  [
    'merge: not matched rows inserted where the condition is true',
    merging({ notMatched: [{ when: "s.name LIKE 'z%'", insert: 'all' }] }, arrivals),
    {
      rows: ['1 ann 10', '2 bob 20', '3 cyd 30', '4 dan 40', '5 eve 50', '9 zoe 90', 'null null null'],
      metrics: { numTargetRowsInserted: 1, numTargetRowsUpdated: 0, numTargetRowsDeleted: 0 },
    },
  ],
  [
    'merge: rows without a row of the source updated or deleted; a null key has none',
    merging({ notMatchedBySource: [{ when: 't.id = 1', update: { n: 't.n * 2' } }, { delete: true }] }, arrivals),
    { rows: ['1 ann 20', '2 bob 20', '4 dan 40'], metrics: { numTargetRowsInserted: 0, numTargetRowsUpdated: 1, numTargetRowsDeleted: 3 } },
  ],
  [
    'merge: everything at once',
    merging(
      {
        matched: [{ when: 's.id = 2', delete: true }, { update: 'all' }],
        notMatched: [{ insert: 'all' }],
        notMatchedBySource: [{ when: 't.n = 10', delete: true }],
      },
      arrivals,
    ),
    {
      rows: ['3 cyd 30', '4 DAN 41', '5 eve 50', '8 yan 80', '9 zoe 90', 'null null null'],
      metrics: { numTargetRowsInserted: 2, numTargetRowsUpdated: 1, numTargetRowsDeleted: 2 },
    },
  ],
  [
    'merge of a source that lacks columns leaves them, and inserts null for them',
    merging({ matched: [{ update: 'all' }], notMatched: [{ insert: 'all' }] }, values('n, id', '(7, 1)', '(7, 70)')),
    {
      rows: ['1 ann 7', '2 bob 20', '3 cyd 30', '4 dan 40', '5 eve 50', '70 null 7', 'null null null'],
      metrics: { numTargetRowsInserted: 1, numTargetRowsUpdated: 1, numTargetRowsDeleted: 0 },
    },
  ],
  [
    'merge of no rows changes nothing',
    (table) => table.merge(`(SELECT * FROM (${arrivals}) WHERE false)`, ['id']),
    { rows: everyone, metrics: { numSourceRows: 0, numTargetRowsInserted: 0, numTargetRowsUpdated: 0, numOutputRows: 0 } },
  ],
  [
    'replaceWhere replaces the rows that the predicate holds for',
    (table) => table.replaceWhere('id >= 3', values('id, name, n', "(3, 'new', 1)", "(7, 'new', 2)")),
    { rows: ['1 ann 10', '2 bob 20', '3 new 1', '7 new 2', 'null null null'], metrics: { numDeletedRows: 3 } },
  ],
  [
    'replaceKeys replaces every row of its keys',
    (table) => table.replaceKeys(['id'], '(SELECT unnest([1, 4]) AS id)', values('id, name, n', "(1, 'one', 1)")),
    { rows: ['1 one 1', '2 bob 20', '3 cyd 30', '5 eve 50', 'null null null'], metrics: { numDeletedRows: 2 } },
  ],
]

describe.each(Object.entries(modes))('with %s', (mode, properties) => {
  async function table(): Promise<DeltaTable> {
    const made = await newTable(session(), columns, { properties })
    await made.append(values('id, name, n', "(1, 'ann', 10)", "(2, 'bob', 20)", "(3, 'cyd', 30)"))
    await made.append(values('id, name, n', "(4, 'dan', 40)", "(5, 'eve', 50)", '(null, null, null)'))
    return made
  }

  test.each(operations)('%s', async (_, operate, { rows, metrics }) => {
    const people = await table()
    const [before, files] = [await rowsOf(people), new Set(dataFiles(people))]
    await operate(people)
    expect(await rowsOf(people)).toEqual(rows)
    expect(await rowsOf(people, { version: 2 })).toEqual(before)
    const told = (await people.history(1))[0]?.info?.operationMetrics ?? {}
    expect(Object.fromEntries(Object.keys(metrics).map((name) => [name, Number(told[name])]))).toEqual(metrics)
    if ('delta.enableChangeDataFeed' in properties) expect(await fed(people, before, 3)).toEqual(rows)
    const copied = Number(told['numTargetRowsCopied'] ?? told['numCopiedRows'])
    if ('delta.enableDeletionVectors' in properties) expect(copied).toBe(0)
    // Every file of the folder is one that the log knows: nothing is left lying about.
    const { adds, vectors } = await logged(people)
    const fresh = dataFiles(people).filter((name) => !files.has(name))
    expect(fresh.filter((name) => !name.endsWith('.bin')).sort()).toEqual(adds)
    expect(fresh.filter((name) => name.endsWith('.bin'))).toHaveLength(vectors)
  })

  test('dynamic overwrite replaces the partitions that the rows belong to', async () => {
    const parts = await newTable(session(), { p: column.string(), n: column.integer() }, { properties, partitionColumns: ['p'] })
    await parts.append(values('p, n', "('a', 1)", "('a', 2)", "('b', 3)", '(null, 4)'))
    const before = await rowsOf(parts)
    await parts.overwrite(values('p, n', "('a', 9)", "('', 8)", "('c', 7)"), { partitions: 'dynamic' })
    expect(await rowsOf(parts)).toEqual(['a 9', 'b 3', 'c 7', 'null 8'])
    if ('delta.enableChangeDataFeed' in properties) expect(await fed(parts, before, 2)).toEqual(await rowsOf(parts))
    await parts.overwrite('SELECT null AS p, 1 AS n WHERE false', { partitions: 'dynamic' })
    expect(await rowsOf(parts)).toHaveLength(4)
  })

  test('a table partitioned by what is merged on keeps each row in its partition', async () => {
    const parts = await newTable(session(), { p: column.string(), n: column.integer() }, { properties, partitionColumns: ['p'] })
    await parts.append(values('p, n', "('a', 1)", "('b', 2)"))
    const [kept] = [...(await parts.snapshot()).files.values()].filter((add) => Object.values(add.partitionValues).includes('a'))
    await parts.merge(`(${values('p, n', "('b', 20)", "('c', 30)")})`, ['p'])
    expect(await rowsOf(parts)).toEqual(['a 1', 'b 20', 'c 30'])
    expect([...(await parts.snapshot()).files.values()].map((add) => add.path)).toContain(kept?.path)
  })

  test('what is inserted alone leaves every file as it is', async () => {
    const people = await table()
    await people.merge(`(${arrivals})`, ['id'], { clauses: { notMatched: [{ insert: 'all' }] } })
    const actions = (await people.actions(3)) ?? []
    expect([actions.filter((one) => one.remove).length, actions.filter((one) => one.add).length]).toEqual([0, 1])
    expect(await rowsOf(people)).toHaveLength(8)
  })

  test(`rows that go are ${'delta.enableDeletionVectors' in properties ? 'marked' : 'left out of a new file'}`, async () => {
    const people = await table()
    await people.delete('t.id = 1')
    await people.delete('t.id = 2')
    const { files } = await people.snapshot()
    expect([...files.values()].map((add) => add.deletionVector?.cardinality ?? 0).sort()).toEqual(
      mode.includes('vectors') || mode === 'all of them' ? [0, 2] : [0, 0],
    )
    await people.delete('t.id = 3')
    expect((await people.snapshot()).files.size).toBe(1)
    expect(await rowsOf(people)).toEqual(everyone.slice(3))
  })
})

/** What the newest commit added, and how many files of deletion vectors. */
async function logged(table: DeltaTable): Promise<{ adds: string[]; vectors: number }> {
  const actions = (await table.actions((await table.snapshot()).version)) ?? []
  const removed = new Set(actions.flatMap(({ remove }) => remove?.path ?? []))
  const adds = actions.flatMap(({ add }) => add ?? [])
  const files = [...adds.filter((add) => !removed.has(add.path)), ...actions.flatMap(({ cdc }) => cdc ?? [])]
  return {
    adds: files.map((file) => decodeURIComponent(file.path)).sort(),
    vectors: new Set(adds.filter((add) => removed.has(add.path)).map((add) => add.deletionVector?.pathOrInlineDv)).size,
  }
}

describe('refused, and nothing written', () => {
  test.each<[string, (table: DeltaTable) => Promise<unknown>]>([
    ['update of no column', (table) => table.update({ age: '1' })],
    ['merge that updates no column', merging({ matched: [{ update: { age: '1' } }] }, arrivals)],
    ['merge that inserts into no column', merging({ notMatched: [{ insert: { age: '1' } }] }, arrivals)],
    ['merge on no column', (table) => table.merge(`(${arrivals})`, ['who'])],
    ['update by SQL that is none', (table) => table.update({ n: 't.n +' })],
    ['delete by a column that is none', (table) => table.delete('t.age = 1')],
  ])('%s', async (_, operate) => {
    const table = await newTable(session(), columns)
    await table.append("SELECT 1 AS id, 'ann' AS name, 10 AS n")
    expect(await codeOf(operate(table))).toMatch(/^(TABLE_CHANGE_INVALID|ENGINE_SQL_INVALID)$/)
    expect((await table.snapshot()).version).toBe(1)
    expect(dataFiles(table)).toHaveLength(1)
  })
})

test('operations side by side in one session each see every row', async () => {
  const table = await newTable(session(), columns, {
    properties: { 'delta.enableDeletionVectors': 'true', 'delta.checkpointInterval': '2' },
  })
  await table.append("SELECT range AS id, 'x' AS name, 0 AS n FROM range(40)")
  const handles = Array.from({ length: 8 }, () => DeltaTable.at(table.path, { session: session() }))
  await Promise.all(handles.map((handle, index) => handle.delete(`t.id % 10 = ${index}`)))
  expect(await rowsOf(table, { columns: ['id'] })).toEqual(['18', '19', '28', '29', '38', '39', '8', '9'])
})
