import { describe, expect, test } from 'vitest'
import {
  type Advice,
  adviceFor,
  type ColumnUse,
  DATASET_ADVISERS,
  type DatasetFacts,
  type EngineFacts,
  type FileFacts,
  GIB,
  KIB,
  MIB,
  type StepFacts,
  type TableFacts,
} from '../../src/monitoring/advice/index.js'
import { openedShare } from '../../src/monitoring/advice/z-order.js'
import { comparedColumns } from '../../src/pipeline/query-columns.js'
import { openSession } from '../session.js'

/** Facts in, advice out. What an adviser says is a dataset's name, its own id and how much it matters. */

const DAY = 86_400_000

function file(facts: Partial<FileFacts> = {}): FileFacts {
  return { bytes: 128 * MIB, rows: 1_000_000, deleted: 0, partition: '[]', min: {}, max: {}, ...facts }
}

function files(count: number, facts: (index: number) => Partial<FileFacts> = () => ({})): FileFacts[] {
  return Array.from({ length: count }, (_, index) => file(facts(index)))
}

function table(facts: Partial<TableFacts> = {}): TableFacts {
  return {
    rows: 1_000_000,
    files: files(1),
    partitionColumns: [],
    columns: [
      { name: 'id', kind: 'long' },
      { name: 'day', kind: 'date' },
      { name: 'tags', kind: 'array' },
    ],
    targetBytes: 128 * MIB,
    commitsSinceCheckpoint: 4,
    checkpointInterval: 10,
    unreferenced: { files: 0, bytes: 0 },
    ...facts,
  }
}

function dataset(name: string, facts: Partial<DatasetFacts> = {}): DatasetFacts {
  const none = { reads: [], onlyAppends: false, steps: [], uses: [], sourceFiles: { count: 0, medianBytes: 0 } }
  return { name, write: 'append', ...none, table: table(), ...facts }
}

function steps(count: number, facts: Partial<StepFacts> = {}): StepFacts[] {
  const one = { seconds: 1, mode: 'incremental', upstreamChanged: true, rowsRead: 0, rowsWritten: 100, bytesWritten: 4 * KIB, ...facts }
  return Array.from({ length: count }, (_, index) => ({ ...one, runId: `run-${index}`, at: index * 600_000 }))
}

const engine: EngineFacts = { memoryLimitBytes: GIB, machineBytes: 8 * GIB, threads: 4, peakBytes: 300 * MIB, profiles: [] }

function about(datasets: readonly DatasetFacts[], of: Partial<EngineFacts> = {}): Advice[] {
  return adviceFor({ datasets, engine: { ...engine, ...of }, statements: [], syncs: [], anomalies: [] })
}

const said = (advice: readonly Advice[]) => advice.map(({ id, about: name, impact }) => `${id} ${name} ${impact}`)
const filter = (column: string, by = 'gold.a'): ColumnUse => ({ column, by, how: 'filter' })
const small = (count: number, facts: Partial<FileFacts> = {}) => files(count, () => ({ bytes: 40 * KIB, rows: 1_000, ...facts }))

/** `day` of file n is day n of 1970, or of each `files` a day. */
function dayOf(index: number): string {
  return new Date(index * DAY).toISOString().slice(0, 10)
}

const readsWhole = (facts: Partial<DatasetFacts> = {}) =>
  dataset('gold.b', {
    write: 'overwrite',
    reads: [{ name: 'silver.a', how: 'whole' }],
    steps: steps(5, { mode: 'full', rowsRead: 900_000, rowsWritten: 20, seconds: 9 }),
    ...facts,
  })
const grows = (facts: Partial<DatasetFacts> = {}) => dataset('silver.a', { onlyAppends: true, steps: steps(5), ...facts })
const partitioned = (count: number, bytes: number): TableFacts =>
  table({ partitionColumns: ['day'], files: files(count, (index) => ({ bytes, partition: `[["day","${dayOf(index)}"]]` })) })
const days = (count: number, bytes: number): TableFacts =>
  table({ files: files(count, (index) => ({ bytes, min: { day: dayOf(0) }, max: { day: dayOf(index) } })) })
const scattered = (count: number): TableFacts => table({ files: files(count, () => ({ min: { id: 1 }, max: { id: 9_000 } })) })
const inOrder = (count: number): TableFacts =>
  table({ files: files(count, (index) => ({ min: { id: index * 10 }, max: { id: index * 10 + 9 } })) })
const spilled = (spilledBytes: number) => ({ profiles: [{ dataset: 'silver.a', spilledBytes, outOfMemory: false }] })

describe('an adviser speaks where figures show something, and is silent where they do not', () => {
  test.each<[string, readonly DatasetFacts[], Partial<EngineFacts>, readonly string[]]>([
    ['a healthy project', [grows(), dataset('gold.b')], {}, []],
    ['a dataset without a table', [dataset('silver.a', { table: undefined })], {}, []],
    ['an empty table', [dataset('silver.a', { table: table({ rows: 0, files: [] }) })], {}, []],

    ['40 small files', [dataset('silver.a', { table: table({ files: small(40) }) })], {}, ['compaction silver.a low']],
    ['1,200 small files', [dataset('silver.a', { table: table({ files: small(1_200) }) })], {}, ['compaction silver.a high']],
    ['15 small files', [dataset('silver.a', { table: table({ files: small(15) }) })], {}, []],
    ['40 files that are full', [dataset('silver.a', { table: table({ files: files(40) }) })], {}, []],
    [
      'a fifth of the rows marked deleted',
      [dataset('silver.a', { table: table({ files: [file({ deleted: 200_000 })] }) })],
      {},
      ['compaction silver.a medium'],
    ],
    ['a few rows marked deleted', [dataset('silver.a', { table: table({ files: [file({ deleted: 5_000 })] }) })], {}, []],
    [
      'small files in partitions of their own, which OPTIMIZE cannot join',
      [dataset('silver.a', { table: partitioned(15, 40 * KIB) })],
      {},
      [],
    ],

    ['300 tiny partitions', [dataset('silver.a', { table: partitioned(300, 40 * KIB) })], {}, ['partitioning silver.a medium']],
    ['300 partitions of some size', [dataset('silver.a', { table: partitioned(300, 40 * MIB) })], {}, []],
    [
      'a large table that is filtered by its day',
      [dataset('silver.a', { table: days(90, 128 * MIB), uses: [filter('day')] })],
      {},
      ['partitioning silver.a high'],
    ],
    ['a large table that nobody filters', [dataset('silver.a', { table: days(90, 128 * MIB) })], {}, []],
    [
      'a large table whose days are small',
      [dataset('silver.a', { table: days(2_000, 4 * MIB), uses: [filter('day')] })],
      {},
      ['z-order silver.a medium'],
    ],
    ['a small table that is filtered by its day', [dataset('silver.a', { table: days(2, 128 * MIB), uses: [filter('day')] })], {}, []],

    ['an id that lies all over', [dataset('silver.a', { table: scattered(10), uses: [filter('id')] })], {}, ['z-order silver.a medium']],
    ['an id that files are in the order of', [dataset('silver.a', { table: inOrder(10), uses: [filter('id')] })], {}, []],
    ['an id that nobody goes by', [dataset('silver.a', { table: scattered(10) })], {}, []],
    [
      'an id that is only joined, which reads all',
      [dataset('silver.a', { table: scattered(10), uses: [{ ...filter('id'), how: 'join' }] })],
      {},
      [],
    ],
    ['two files', [dataset('silver.a', { table: scattered(2), uses: [filter('id')] })], {}, []],
    ['a column without an order', [dataset('silver.a', { table: scattered(10), uses: [filter('tags')] })], {}, []],

    ['80 tiny batches', [dataset('silver.a', { steps: steps(80) })], {}, ['batch-size silver.a low']],
    ['80 tiny batches that took an hour', [dataset('silver.a', { steps: steps(80, { seconds: 60 }) })], {}, ['batch-size silver.a medium']],
    ['30 tiny batches, one a day', [dataset('silver.a', { steps: steps(30) })], {}, []],
    ['80 batches of some size', [dataset('silver.a', { steps: steps(80, { bytesWritten: 20 * MIB }) })], {}, []],
    ['a small table that is written whole', [dataset('silver.a', { steps: steps(80), table: table({ rows: 100 }) })], {}, []],
    [
      '2,000 tiny source files',
      [dataset('silver.a', { sourceFiles: { count: 2_000, medianBytes: 8 * KIB } })],
      {},
      ['batch-size silver.a low'],
    ],
    ['2,000 large source files', [dataset('silver.a', { sourceFiles: { count: 2_000, medianBytes: 8 * MIB } })], {}, []],

    ['a query that wrote to the disk', [dataset('silver.a')], spilled(400 * MIB), ['memory silver.a medium']],
    ['a query that wrote more than it may hold', [dataset('silver.a')], spilled(3 * GIB), ['memory silver.a high']],
    [
      'a query that ran out of memory',
      [dataset('silver.a')],
      { profiles: [{ dataset: 'silver.a', spilledBytes: 0, outOfMemory: true }] },
      ['memory silver.a high'],
    ],
    ['a query that hardly did', [dataset('silver.a')], spilled(MIB), []],
    ['a run near the limit whose queries fit', [dataset('silver.a')], { peakBytes: GIB, ...spilled(0) }, []],

    [
      '200 MiB left over',
      [dataset('silver.a', { table: table({ unreferenced: { files: 9, bytes: 200 * MIB } }) })],
      {},
      ['vacuum silver.a low'],
    ],
    [
      'more left over than there is',
      [dataset('silver.a', { table: table({ files: small(3), unreferenced: { files: 90, bytes: 2 * MIB } }) })],
      {},
      ['vacuum silver.a low'],
    ],
    ['a little left over', [dataset('silver.a', { table: table({ unreferenced: { files: 9, bytes: 2 * MIB } }) })], {}, []],

    [
      '700 commits without a log checkpoint',
      [dataset('silver.a', { table: table({ commitsSinceCheckpoint: 700 }) })],
      {},
      ['checkpoint silver.a medium'],
    ],
    ['60 commits without one', [dataset('silver.a', { table: table({ commitsSinceCheckpoint: 60 }) })], {}, []],

    ['all of a table that only grows', [grows(), readsWhole()], {}, ['incremental gold.b medium']],
    ['all of a table whose rows are replaced', [grows({ onlyAppends: false }), readsWhole()], {}, []],
    ['all of a table that grew by half', [grows({ steps: steps(5, { rowsWritten: 450_000 }) }), readsWhole()], {}, []],
    ['all of a small table', [grows(), readsWhole({ steps: steps(5, { mode: 'full', rowsRead: 900 }) })], {}, []],
    [
      'all of it once, because that was asked for',
      [grows(), readsWhole({ steps: steps(5, { mode: 'full', rowsRead: 900_000, upstreamChanged: false }) })],
      {},
      [],
    ],
    ['by changed() already', [grows(), readsWhole({ reads: [{ name: 'silver.a', how: 'changed' }] })], {}, []],
    ['a small table beside a large one', [grows({ table: table({ rows: 265 }) }), readsWhole()], {}, []],
  ])('%s', (_, datasets, of, expected) => {
    expect(said(about(datasets, of))).toEqual(expected)
  })

  test('every adviser has spoken above, and none has another id than its own', () => {
    const everything = about(
      [
        grows({ uses: [filter('id')], table: { ...scattered(40), commitsSinceCheckpoint: 130, unreferenced: { files: 9, bytes: GIB } } }),
        readsWhole({ table: partitioned(300, KIB) }),
        dataset('silver.c', { table: table({ files: small(40) }), steps: steps(80) }),
      ],
      spilled(GIB),
    )
    expect(new Set(everything.map(({ id }) => id))).toEqual(new Set(DATASET_ADVISERS.map(({ id }) => id)))
  })
})

describe('advice', () => {
  test('has figures, what would be otherwise, and what to type', () => {
    const [advice] = about([dataset('silver.a', { table: table({ files: small(40) }) })])
    expect(advice).toEqual({
      id: 'compaction',
      about: 'silver.a',
      title: '40 files where 1 would do',
      evidence: [
        { what: 'files', value: 40, unit: 'files' },
        { what: 'size of the middle one', value: 40 * KIB, unit: 'bytes' },
        { what: 'size of all', value: 1_600 * KIB, unit: 'bytes' },
      ],
      expected: '1 file. Every read of silver.a opens fewer of them, and its log is shorter.',
      how: 'sluice table optimize silver.a',
      impact: 'low',
      trial: { change: 'optimize' },
    })
  })

  test('comes with what matters most first', () => {
    const found = about([
      dataset('silver.a', { table: table({ files: small(40) }) }),
      dataset('silver.b', { table: table({ files: small(1_200) }) }),
      dataset('silver.c', { table: table({ commitsSinceCheckpoint: 700 }) }),
    ])
    expect(found.map(({ impact }) => impact)).toEqual(['high', 'medium', 'low'])
  })

  test('does not compact what is to be rewritten otherwise', () => {
    const twice = { ...partitioned(300, KIB), files: [...partitioned(300, KIB).files, ...partitioned(300, KIB).files] }
    expect(said(about([dataset('silver.a', { table: twice })]))).toEqual(['partitioning silver.a medium'])
  })

  test('orders a table and compacts it in one', () => {
    const overlapping = small(80_000, { min: { id: 1 }, max: { id: 9 } })
    expect(said(about([dataset('silver.a', { table: table({ files: overlapping }), uses: [filter('id')] })]))).toEqual([
      'z-order silver.a medium',
    ])
  })

  test.each([
    [400 * MIB, 8 * GIB, "memory: '1536MiB'"],
    [1.2 * GIB, 8 * GIB, "memory: '2560MiB'"],
    [GIB, 8 * GIB, "memory: '2GiB'"],
    [GIB, 2 * GIB, 'threads: 2'],
  ])('asks for no more memory than the machine has: %i spilled of %i', (spilledBytes, machineBytes, expected) => {
    expect(about([dataset('silver.a')], { machineBytes, ...spilled(spilledBytes) })[0]?.how).toContain(expected)
  })

  test.each([
    ['overwrite', 'merge() on a key, or with replaceBy()'],
    ['replaceBy', 'its own group'],
    ['merge', 'write stays merge()'],
  ] as const)('says what changed() needs of a dataset that is written by %s', (write, expected) => {
    expect(about([grows(), readsWhole({ write })])[0]?.how).toContain(expected)
  })
})

describe('the share of files that a look-up opens', () => {
  test.each<[string, readonly (readonly [unknown, unknown])[], number | undefined]>([
    [
      'files apart',
      [
        [0, 9],
        [10, 19],
        [20, 29],
        [30, 39],
      ],
      0.25,
    ],
    [
      'files over one another',
      [
        [0, 39],
        [0, 39],
        [0, 39],
        [0, 39],
      ],
      1,
    ],
    [
      'texts',
      [
        ['a', 'f'],
        ['g', 'z'],
      ],
      0.5,
    ],
    [
      'a file without bounds',
      [
        [0, 9],
        [undefined, undefined],
      ],
      undefined,
    ],
    ['no files', [], undefined],
  ])('%s', (_, bounds, expected) => {
    const given = bounds.map(([min, max]) => file({ min: { id: min }, max: { id: max } }))
    expect(openedShare(given, 'id')).toBe(expected)
  })
})

test('a small file beside large ones hardly counts, however many there are', () => {
  const large = files(4, () => ({ min: { id: 0 }, max: { id: 9_000 } }))
  const tiny = small(60, { rows: 1, min: { id: 5 }, max: { id: 5 } })
  expect(openedShare([...large, ...tiny], 'id')).toBeGreaterThan(0.99)
})

describe('the columns that a query goes by', () => {
  const session = openSession()
  const columns = new Map([
    ['silver.trips', new Set(['id', 'day', 'zone_id', 'fare'])],
    ['silver.zones', new Set(['zone_id', 'borough'])],
  ])
  test.each<[string, readonly string[]]>([
    [`select * from "silver.trips" where day >= date '2024-01-01' and fare between 1 and 5`, ['day filter', 'fare filter']],
    [`select * from "silver.trips" as t where t.id in (1, 2) or cast(t.day as varchar) = '2024'`, ['day filter', 'id filter']],
    ['select * from "silver.trips" t join "silver.zones" z on z.zone_id = t.zone_id', ['zone_id join', 'zone_id join']],
    ['select * from "silver.trips" join "silver.zones" using (zone_id)', ['zone_id join', 'zone_id join']],
    [`select * from (select * from "silver.trips" where day = '2024-01-01')`, ['day filter']],
    [`with one as (select * from "silver.trips") select * from one where one.day = '2024-01-01'`, []],
    // Of the rows that were added, a table's order says nothing.
    [`select * from "silver.trips (changed)" as t where t.day = '2024-01-01'`, []],
    ['select day, sum(fare) from "silver.trips" group by day', []],
    ['select nonsense from', []],
  ])('%s', async (query, expected) => {
    const found = await comparedColumns(session(), query, columns)
    expect(found.map(({ column, how }) => `${column} ${how}`).sort()).toEqual(expected)
  })
})
