import { describe, expect, test } from 'vitest'
import {
  type Advice,
  type AnomalyFacts,
  adviceFor,
  type Facts,
  STORE_ADVISERS,
  type StatementFacts,
  type SyncFacts,
  type SyncRunFacts,
} from '../../src/monitoring/advice/index.js'
import { planOf, statementSyntax } from '../../src/pipeline/advise-statement.js'
import { renamed } from '../../src/pipeline/advise-store-trial.js'
import { openSession } from '../session.js'

/** Facts about stores in, advice out. */

const nothing: Facts = {
  datasets: [],
  engine: { memoryLimitBytes: 1, machineBytes: 1, threads: 1, peakBytes: undefined, profiles: [] },
  statements: [],
  syncs: [],
  anomalies: [],
}

function about(facts: Partial<Facts>): Advice[] {
  return adviceFor({ ...nothing, ...facts })
}

const said = (advice: readonly Advice[]) => advice.map(({ id, about: name, impact }) => `${id} ${name} ${impact}`)

function statement(facts: Partial<StatementFacts> = {}): StatementFacts {
  return {
    store: 'warehouse',
    table: 'trips',
    name: 'long trips',
    statement: 'SELECT 1',
    plan: { scansAll: true, sorts: false, rows: 500_000, index: undefined },
    tableRows: 500_000,
    matched: 400,
    seconds: 0.3,
    columns: { equal: ['vendor'], range: ['distance', 'fare'], order: [], limited: false },
    indexes: [['trip_id'], ['distance']],
    ...facts,
  }
}

const sorting = (facts: Partial<StatementFacts> = {}) =>
  statement({
    plan: { scansAll: false, sorts: true, rows: 90_000, index: 'idx_vendor' },
    matched: 90_000,
    columns: { equal: ['vendor'], range: [], order: ['tip'], limited: true },
    ...facts,
  })

const indexesIn = (advice: readonly Advice[]) => advice.map(({ how }) => /\(([^)]*)\)/.exec(how)?.[1])

describe('an index', () => {
  test.each<[string, readonly StatementFacts[], readonly string[]]>([
    ['one value first, then one range', [statement()], ['vendor, distance']],
    ['one value first, then the order that rows come in', [sorting()], ['vendor, tip']],
    [
      'one for two statements, of which the one wants less',
      [statement(), statement({ columns: { ...statement().columns, range: [] } })],
      ['vendor, distance'],
    ],
    ['one for the same statement twice', [statement(), statement({ name: 'again' })], ['vendor, distance']],
    ['one each for two tables', [statement(), statement({ table: 'zones' })], ['vendor, distance', 'vendor, distance']],
    ['none for a table that is read at once', [statement({ tableRows: 9_999 })], []],
    ['none where most rows are wanted', [statement({ matched: 200_000 })], []],
    ['none where there is one that the store leaves aside', [statement({ indexes: [['vendor', 'distance', 'fare']] })], []],
    ['none for what goes by one', [statement({ plan: { scansAll: false, sorts: false, rows: 400, index: 'idx' } })], []],
    ['none where no column is compared with a value', [statement({ columns: { equal: [], range: [], order: [], limited: false } })], []],
    ['none for sorting all rows', [sorting({ columns: { ...sorting().columns, limited: false } })], []],
    ['none for sorting a few', [sorting({ matched: 200 })], []],
    // Within a range, rows are not in another column's order.
    ['none for sorting what lies in a range', [sorting({ columns: { ...sorting().columns, range: ['fare'] } })], []],
  ])('%s', (_, statements, wanted) => {
    expect(indexesIn(about({ statements }))).toEqual(wanted)
  })

  test('is named with its figures, its statement, and what it costs', () => {
    const [advice] = about({ statements: [statement(), statement({ name: 'again' })] })
    expect(advice).toMatchObject({
      about: 'warehouse.trips',
      title: '"long trips" reads all rows to find some',
      expected: 'It reads about 400 rows instead of 500,000. Each write keeps one index more.',
      impact: 'medium',
      trial: { change: 'index', store: 'warehouse', table: 'trips', columns: ['vendor', 'distance'], statement: 'SELECT 1' },
    })
    expect(advice?.how).toContain('CREATE INDEX idx_trips_vendor_distance ON trips (vendor, distance)')
    expect(advice?.evidence.at(-1)).toEqual({ what: 'statements that the same index serves', value: 2, unit: 'count' })
  })
})

describe('what a statement asks for, by its syntax', () => {
  const session = openSession()
  test.each<[string, object | undefined]>([
    [
      `SELECT count(*) FROM trips t WHERE t.payment = 4 AND pickup >= '2018-01-01' AND pickup < '2018-02-01'`,
      { equal: ['payment'], range: ['pickup'], order: [], limited: false },
    ],
    [
      'SELECT `trip_id` FROM `trips` WHERE 3 < `fare` AND vendor IN (1, 2) ORDER BY tip DESC, id DESC LIMIT 5;',
      { equal: ['vendor'], range: ['fare'], order: ['tip', 'id'], limited: true },
    ],
    ['SELECT * FROM trips WHERE fare BETWEEN 1 AND 2 ORDER BY a, b DESC', { equal: [], range: ['fare'], order: [], limited: false }],
    // What stands under OR, in a call, or against a column, an index does not help with.
    [
      'SELECT * FROM trips WHERE (a = 1 OR b = 2) AND abs(c) = 3 AND d = e AND NOT f = 1',
      { equal: [], range: [], order: [], limited: false },
    ],
    ['SELECT a, count(*) FROM trips WHERE b = 1 GROUP BY a ORDER BY a', { equal: ['b'], range: [], order: [], limited: false }],
    ['SELECT * FROM trips JOIN zones USING (zone_id)', undefined],
    ['SELECT * FROM trips WHERE a = (SELECT max(a) FROM trips)', undefined],
    ['UPDATE trips SET a = 1', undefined],
    ['SELECT a FROM trips STRAIGHT JOIN nonsense ((', undefined],
  ])('%s', async (text, columns) => {
    expect((await statementSyntax(session(), text))?.columns).toEqual(columns)
  })

  test('and how many rows that is', async () => {
    const text = 'SELECT id, tip FROM trips t WHERE t.fare > 3 GROUP BY id ORDER BY tip LIMIT 5'
    expect((await statementSyntax(session(), text))?.counting).toBe('SELECT count(*) AS matched FROM trips t WHERE t.fare > 3')
  })
})

test.each([
  ['SELECT count(*) FROM orders WHERE orders.shop = 7', 'SELECT count(*) FROM `copy` WHERE `copy`.shop = 7'],
  [
    "SELECT * FROM `orders` AS o WHERE o.kind = 'orders' OR o.orders = 'it''s orders'",
    "SELECT * FROM `copy` AS o WHERE o.kind = 'orders' OR o.orders = 'it''s orders'",
  ],
  ['SELECT orders_total, my_orders FROM orders', 'SELECT orders_total, my_orders FROM `copy`'],
])('%s goes by another table when it is tried', (statement, other) => {
  expect(renamed(statement, 'orders', '`copy`')).toBe(other)
})

describe('a plan', () => {
  test.each<[string, unknown, number, object | undefined]>([
    [
      'MariaDB, a full scan that is sorted',
      {
        query_block: {
          nested_loop: [
            { read_sorted_file: { filesort: { sort_key: 'tip desc', table: { table_name: 't', access_type: 'ALL', rows: 118 } } } },
          ],
        },
      },
      0,
      { scansAll: true, sorts: true, rows: 118, index: undefined },
    ],
    [
      'MySQL, by an index',
      {
        query_block: {
          ordering_operation: { using_filesort: false, table: { access_type: 'range', key: 'idx_fare', rows_examined_per_scan: 12 } },
        },
      },
      0,
      { scansAll: false, sorts: false, rows: 12, index: 'idx_fare' },
    ],
    [
      'PostgreSQL, a sequential scan',
      [{ Plan: { 'Node Type': 'Aggregate', Plans: [{ 'Node Type': 'Seq Scan', 'Relation Name': 't', 'Plan Rows': 3 }] } }],
      500,
      { scansAll: true, sorts: false, rows: 500, index: undefined },
    ],
    [
      'PostgreSQL, by an index',
      [
        {
          Plan: {
            'Node Type': 'Sort',
            Plans: [{ 'Node Type': 'Bitmap Heap Scan', 'Plan Rows': 3, Plans: [{ 'Node Type': 'Bitmap Index Scan', 'Index Name': 'i' }] }],
          },
        },
      ],
      500,
      { scansAll: false, sorts: true, rows: 3, index: 'i' },
    ],
    ['nothing that is read', { query_block: { message: 'No tables used' } }, 0, undefined],
  ])('of %s', (_, plan, tableRows, facts) => {
    expect(planOf(plan, tableRows)).toEqual(facts)
  })
})

const MINUTE = 60_000

function syncRun(facts: Partial<SyncRunFacts> = {}): SyncRunFacts {
  return {
    at: 0,
    status: 'ok',
    mode: 'changes',
    seconds: 60,
    rows: 0,
    refused: 0,
    batchSeconds: undefined,
    transient: undefined,
    usage: [],
    ...facts,
  }
}

function sync(facts: Partial<SyncFacts> = {}): SyncFacts {
  return {
    name: 'to_store',
    from: undefined,
    to: 'warehouse',
    fromStore: false,
    cursor: undefined,
    batchRows: 5_000,
    parallel: 2,
    runs: [],
    knownRows: 0,
    ...facts,
  }
}

/** Loads of a hundred batches. */
const loads = (batchSeconds: number, seconds: number, rows = 500_000) => [syncRun({ mode: 'load', rows, seconds, batchSeconds })]
const compares = (count: number, rows: number) => Array.from({ length: count }, () => syncRun({ mode: 'compare', rows }))
/** Runs of 60 s, in each of which calls waited. */
const waiting = (waits: number, waitedSeconds: number, connections: number, store = 'warehouse') =>
  [1, 2].map(() => syncRun({ usage: [{ store, connections, retries: 0, waits, waitedSeconds }] }))
const failing = (count: number, wait: number) =>
  Array.from({ length: count }, (_, index) => [
    syncRun({ at: index * 600 * MINUTE, status: 'failed', transient: 'STORE_UNREACHABLE' }),
    syncRun({ at: index * 600 * MINUTE + wait }),
  ]).flat()

describe('an adviser of syncs speaks where figures show something, and is silent where they do not', () => {
  test.each<[string, SyncFacts, readonly string[]]>([
    ['a sync that never ran', sync(), []],
    ['batches of a second, written half of the time', sync({ runs: loads(1, 100) }), []],
    ['batches of 9 s', sync({ runs: loads(9, 460) }), ['sync-batch to_store low']],
    ['batches of 40 s', sync({ runs: loads(40, 2_000) }), ['sync-batch to_store medium']],
    ['batches of 9 s, but only three', sync({ runs: loads(9, 20, 15_000) }), []],
    ['tiny batches by the thousand', sync({ batchRows: 100, runs: loads(0.004, 40) }), ['sync-batch to_store medium']],
    ['quick batches of usual size', sync({ runs: loads(0.04, 3) }), []],
    ['writers that are busy all of the time', sync({ runs: loads(1, 52) }), ['sync-batch to_store low']],
    ['the same, with as many as the store has connections', sync({ parallel: 4, runs: loads(2, 52) }), []],
    ['the same, and soon over', sync({ runs: loads(0.2, 10.4) }), []],
    ['a failed run, whatever its batches', sync({ runs: loads(9, 460).map((run) => ({ ...run, status: 'failed' as const })) }), []],

    [
      'a store compared whole, of which little changes',
      sync({ fromStore: true, knownRows: 100_000, runs: compares(3, 20) }),
      ['sync-cursor to_store medium'],
    ],
    ['the same, twice', sync({ fromStore: true, knownRows: 100_000, runs: compares(2, 20) }), []],
    ['the same, of which half changes', sync({ fromStore: true, knownRows: 100_000, runs: compares(3, 50_000) }), []],
    ['a small table', sync({ fromStore: true, knownRows: 9_000, runs: compares(3, 20) }), []],
    ['a dataset, which has versions', sync({ knownRows: 100_000, runs: compares(3, 20) }), []],

    ['eight side by side on four connections', sync({ parallel: 8, runs: waiting(100, 200, 4) }), ['pool-size to_store medium']],
    ['the same, which took little time', sync({ parallel: 8, runs: waiting(100, 20, 4) }), []],
    ['some waits at the beginning', sync({ parallel: 8, runs: waiting(4, 200, 4) }), []],
    ['as many connections as there are side by side', sync({ parallel: 4, runs: waiting(100, 100, 4) }), []],
    [
      'as many, of a store that is read and written',
      sync({ from: 'warehouse', parallel: 4, runs: waiting(100, 40, 4) }),
      ['pool-size to_store low'],
    ],
    ['the store that is read', sync({ from: 'ledger', parallel: 8, runs: waiting(100, 40, 4, 'ledger') }), ['pool-size to_store low']],

    ['a failure that passed, twice', sync({ runs: failing(2, MINUTE) }), ['sync-retries to_store medium']],
    ['a failure that passed, once', sync({ runs: failing(1, MINUTE) }), []],
    ['failures that lasted for hours', sync({ runs: failing(2, 120 * MINUTE) }), []],
    ['failures that do not pass', sync({ runs: failing(2, MINUTE).map((run) => ({ ...run, transient: undefined })) }), []],
  ])('%s', (_, one, expected) => {
    expect(said(about({ syncs: [one] }))).toEqual(expected)
  })

  test('with a size of batch that takes some two seconds', () => {
    const [advice] = about({ syncs: [sync({ runs: loads(9, 460) })] })
    expect(advice?.how).toBe('Set `batchRows: 1000` in the definition of to_store.')
    expect(advice?.expected).toMatch(/^A batch takes about 1\.8 s: /)
  })

  test('with as many connections as it needs, and what is to be won', () => {
    const [advice] = about({ syncs: [sync({ parallel: 8, runs: waiting(100, 200, 4) })] })
    expect(advice?.how).toBe(
      'Give warehouse `pool: 8` where it is defined; or leave its pool, and set `parallel: 4` in the definition of to_store.',
    )
    // 200 s of waiting by eight at a time.
    expect(advice?.expected).toMatch(/^Up to 25 s less a run of 60 s, /)
    expect(advice?.evidence.map(({ value }) => value)).toEqual([2, 200, 400, 120, 400 / 960, 4])
  })

  test('with the cursor that is there and is not gone by', () => {
    const [advice] = about({ syncs: [sync({ fromStore: true, cursor: 'updated_at', knownRows: 100_000, runs: compares(3, 20) })] })
    expect(advice?.how).toMatch(/^Its cursor updated_at is not gone by/)
  })
})

describe('a search for odd rows', () => {
  const search = (runs: AnomalyFacts['runs'], methods = ['isolation_forest']): AnomalyFacts => ({
    name: 'odd',
    dataset: 'silver.trips',
    methods,
    runs,
  })
  test.each<[string, AnomalyFacts, readonly string[]]>([
    [
      'judges three million again, of which few are new',
      search([
        { judged: 2_990_000, seconds: 12 },
        { judged: 3_000_000, seconds: 12 },
      ]),
      ['anomaly-sample odd low'],
    ],
    ['judged them once', search([{ judged: 3_000_000, seconds: 12 }]), []],
    [
      'judges what is mostly new',
      search([
        { judged: 1_000_000, seconds: 12 },
        { judged: 3_000_000, seconds: 12 },
      ]),
      [],
    ],
    [
      'is over at once',
      search([
        { judged: 2_990_000, seconds: 2 },
        { judged: 3_000_000, seconds: 2 },
      ]),
      [],
    ],
    [
      'judges little more than a forest learns from',
      search([
        { judged: 90_000, seconds: 12 },
        { judged: 90_000, seconds: 12 },
      ]),
      [],
    ],
    [
      'has no forest',
      search(
        [
          { judged: 2_990_000, seconds: 12 },
          { judged: 3_000_000, seconds: 12 },
        ],
        ['mad'],
      ),
      [],
    ],
  ])('%s', (_, one, expected) => {
    expect(said(about({ anomalies: [one] }))).toEqual(expected)
  })
})

test('every adviser of stores has spoken above, and none has another id than its own', () => {
  const everything = about({
    statements: [statement()],
    syncs: [
      sync({ runs: loads(9, 460) }),
      sync({ fromStore: true, knownRows: 100_000, runs: compares(3, 20) }),
      sync({ parallel: 8, runs: waiting(100, 200, 4) }),
      sync({ runs: failing(2, MINUTE) }),
    ],
    anomalies: [
      {
        name: 'odd',
        dataset: 'silver.trips',
        methods: ['isolation_forest'],
        runs: [
          { judged: 3_000_000, seconds: 12 },
          { judged: 3_000_000, seconds: 12 },
        ],
      },
    ],
  })
  expect(new Set(everything.map(({ id }) => id))).toEqual(new Set(STORE_ADVISERS.map(({ id }) => id)))
})
