import { afterAll, describe, expect, test } from 'vitest'
import { failure, STORE_UNREACHABLE } from '../../src/errors/index.js'
import { duckdb } from '../../src/stores/duckdb.js'
import type { StoreConnection, StoreSql } from '../../src/stores/index.js'
import { runWorkload, type WorkloadOptions, type WorkloadResult } from '../../src/sync/workload.js'
import { figuresOf, latencyOf, type WorkloadAttempt } from '../../src/sync/workload-figures.js'
import { amount, centsOf, workloadStatements } from '../../src/sync/workload-tables.js'
import { temporaryFolder } from '../fixtures.js'

describe('latencies', () => {
  test('are by nearest rank: a value that was measured, which so many do not exceed', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1)
    expect(latencyOf(hundred.toReversed())).toEqual({ p50: 50, p95: 95, p99: 99, max: 100, mean: 50.5 })
    expect(latencyOf([10, 30, 20])).toEqual({ p50: 20, p95: 30, p99: 30, max: 30, mean: 20 })
    expect(latencyOf([7])).toEqual({ p50: 7, p95: 7, p99: 7, max: 7, mean: 7 })
  })

  test('are sorted as numbers, and leave what they are of as it was', () => {
    const values = [9, 100, 20]
    expect(latencyOf(values)?.p50).toBe(20)
    expect(values).toEqual([9, 100, 20])
  })

  test('of nothing are none', () => {
    expect(latencyOf([])).toBeUndefined()
  })
})

test('figures count what was carried through, and beside it what was made again', () => {
  const attempt = (worker: number, kind: WorkloadAttempt['kind'], outcome: WorkloadAttempt['outcome']): WorkloadAttempt => ({
    ...{ worker, kind, outcome },
    ...{ began: 0, ended: 1 },
  })
  const [inserts, updates, selects] = figuresOf(
    [
      { kind: 'insert', milliseconds: 10, rows: 5 },
      { kind: 'insert', milliseconds: 30, rows: 5 },
      { kind: 'update', milliseconds: 100, rows: 30 },
    ],
    [
      attempt(0, 'insert', 'done'),
      attempt(1, 'insert', 'done'),
      attempt(2, 'update', 'deadlock'),
      attempt(2, 'update', 'lock timeout'),
      attempt(2, 'update', 'error'),
      attempt(2, 'update', 'done'),
    ],
    [{ kind: 'insert' }, { kind: 'insert' }, { kind: 'update' }],
    2,
  )
  expect(inserts).toEqual({
    ...{ kind: 'insert', workers: 2, operations: 2, rows: 10, perSecond: 1, retries: 0, deadlocks: 0, lockTimeouts: 0 },
    latency: { p50: 10, p95: 30, p99: 30, max: 30, mean: 20 },
  })
  expect(updates).toMatchObject({ operations: 1, rows: 30, perSecond: 0.5, retries: 3, deadlocks: 1, lockTimeouts: 1 })
  expect(selects).toEqual({ kind: 'select', workers: 0, operations: 0, rows: 0, perSecond: 0, retries: 0, deadlocks: 0, lockTimeouts: 0 })
})

test('money is counted in whole cents', () => {
  expect([amount(1234), amount(5), amount(100)]).toEqual(['12.34', '0.05', '1.00'])
  expect([centsOf('12.34'), centsOf('12'), centsOf('12.3'), centsOf('90071992547409931.07')]).toEqual([
    1234n,
    1200n,
    1230n,
    9007199254740993107n,
  ])
})

test('a dialect that is not known is refused', () => {
  expect(() => workloadStatements({ dialect: 'toString', quoteName: (name) => name }, 'trips')).toThrow(
    expect.objectContaining({ code: 'WORKLOAD_UNSUPPORTED' }),
  )
})

describe('a workload', () => {
  const opened = duckdb({ path: 'bench.duckdb', threads: 1 }).open({ projectFolder: temporaryFolder() })
  afterAll(async () => (await opened).close())

  const sqlOf = async (): Promise<StoreSql> => {
    const { sql } = await opened
    if (sql === undefined) throw new Error('A DuckDB file runs SQL.')
    return sql
  }
  const SMALL = { table: 'sluice_bench_small', inserters: 2, updaters: 1, selectors: 1, inserts: 12, updates: 4, seed: 7 }
  const run = async (options: Partial<WorkloadOptions> = {}, sql?: StoreSql) =>
    runWorkload(sql ?? (await sqlOf()), { ...SMALL, ...options })
  const broken = ({ invariants }: WorkloadResult) => invariants.filter((one) => !one.held).map(({ name }) => name)
  const tables = async () => {
    const found = await (await sqlOf()).query(
      "SELECT table_name AS name FROM information_schema.tables WHERE table_name LIKE 'sluice_bench%'",
    )
    return found.map((row) => row['name']).sort()
  }

  /** Statements of every connection pass through here: `instead` answers one of its own, or nothing. */
  const through = async (
    instead: (text: string, connection: StoreConnection) => ReturnType<StoreConnection['run']> | undefined,
  ): Promise<StoreSql> => {
    const sql = await sqlOf()
    return {
      ...sql,
      async connection() {
        const connection = await sql.connection()
        return { run: (text, values) => instead(text, connection) ?? connection.run(text, values), close: () => connection.close() }
      },
    }
  }

  test('puts in, changes and asks; the books balance, and nothing of it stays', async () => {
    const result = await run()
    expect(broken(result)).toEqual([])
    expect(result.invariants.map(({ found }) => found)[0]).toBe('12 + 12')
    // 12 rows are three transactions: 5, 5 and 2.
    expect(result.kinds.map(({ operations, rows }) => [operations, rows]).slice(0, 2)).toEqual([
      [6, 24],
      [4, 120],
    ])
    // The same seed puts in the same amounts.
    expect(result.invariants.find(({ name }) => name === 'the totals add up')?.found).toBe('5349.17')
    expect(result.leftOut).toContain('one writer at a time')
    expect(result.workers.map(({ name }) => name)).toEqual(['inserter 1', 'inserter 2', 'updater 1', 'selector 1'])
    expect(await tables()).toEqual([])
  })

  test('leaves its tables when it is told to', async () => {
    await run({ keep: true, table: 'sluice_bench_kept' })
    const sql = await sqlOf()
    expect(await tables()).toEqual(['sluice_bench_kept', 'sluice_bench_kept_updates'])
    expect(await sql.query('SELECT count(*) AS n FROM sluice_bench_kept WHERE inserter > 0')).toEqual([{ n: '24' }])
    // One of that name is not taken over, and not taken away.
    await expect(run({ table: 'sluice_bench_kept' })).rejects.toMatchObject({ code: 'STORE_STATEMENT_FAILED' })
    expect(await tables()).toEqual(['sluice_bench_kept', 'sluice_bench_kept_updates'])
    await sql.script('DROP TABLE sluice_bench_kept; DROP TABLE sluice_bench_kept_updates; DROP SEQUENCE sluice_bench_kept_ids')
  })

  test('ends when it is interrupted, with its books in order and its tables gone', async () => {
    const stop = new AbortController()
    const result = await run({ seconds: 3600, signal: stop.signal, onProgress: (operations) => operations === 10 && stop.abort() })
    expect(result.interrupted).toBe(true)
    expect(broken(result)).toEqual([])
    expect(await tables()).toEqual([])
  })

  const own = (change: string) => `UPDATE sluice_bench_small SET ${change}`
  const meddling: readonly (readonly [what: string, statements: readonly string[], found: readonly string[]])[] = [
    [
      'a row goes missing',
      ['DELETE FROM sluice_bench_small WHERE inserter = 1 AND number = 3'],
      ['every insert is there exactly once', 'the totals add up'],
    ],
    ['one row stands in for another', [`${own('number = 4')} WHERE inserter = 2 AND number = 2`], ['every insert is there exactly once']],
    [
      'what updaters did is not what is there',
      [
        `${own('total_amount = total_amount + 0.01')} WHERE inserter = 1 AND number = 1`,
        `${own('updates = updates - 1')} WHERE block = 0`,
        'INSERT INTO sluice_bench_small_updates SELECT * FROM sluice_bench_small_updates',
      ],
      ['the totals add up', 'each total is the sum of its parts, but for', 'rows that updaters changed', 'updates as they noted them'],
    ],
  ]

  test.each(meddling)('is found out when %s', async (_, statements, found) => {
    // Without selectors it is the closing questions that first ask how many rows each inserter has; just before, somebody else was here.
    let asked = 0
    const sql = await through((text, connection) => {
      asked += text.includes('GROUP BY inserter') ? 1 : 0
      if (asked !== 1 || !text.includes('GROUP BY inserter')) return undefined
      return statements
        .reduce<Promise<unknown>>((before, one) => before.then(() => connection.run(one)), Promise.resolve())
        .then(() => connection.run(text))
    })
    expect(broken(await run({ selectors: 0 }, sql))).toEqual(found)
    expect(await tables()).toEqual([])
  })

  const failing = (code: string) => Object.assign(new Error(`the server said ${code}`), { code })
  const transient = (code: string) => failure(STORE_UNREACHABLE, { store: 'bench', problem: code }, { cause: failing(code) })

  test('makes a transaction again that met a deadlock or a lock, and counts it', async () => {
    const codes = ['ER_LOCK_DEADLOCK', '40P01', '55P03', 'ER_LOCK_WAIT_TIMEOUT', 'ECONNRESET']
    const errors = codes.map(transient)
    const sql = await through((text) => {
      const error = text.startsWith('UPDATE') ? errors.shift() : undefined
      return error === undefined ? undefined : Promise.reject(error)
    })
    const result = await run({ selectors: 0 }, sql)
    expect(broken(result)).toEqual([])
    expect(result.errors).toEqual(Object.fromEntries(codes.map((code) => [code, 1])))
    expect(result.kinds[1]).toMatchObject({ operations: 4, retries: 5, deadlocks: 2, lockTimeouts: 2 })
  })

  test('does not make again what was committed although the answer was lost', async () => {
    const lost = transient('ECONNRESET')
    let commits = 0
    const sql = await through((text, connection) => {
      if (text !== 'COMMIT') return undefined
      commits += 1
      return commits === 2
        ? connection.run(text).then(() => {
            throw lost
          })
        : undefined
    })
    const result = await run({ selectors: 0 }, sql)
    expect(broken(result)).toEqual([])
    expect(result.errors).toEqual({ ECONNRESET: 1 })
  })

  test('ends with what is not transient, and takes its tables away', async () => {
    const sql = await through((text) => (text.startsWith('UPDATE') ? Promise.reject(failing('ER_NO_SUCH_TABLE')) : undefined))
    await expect(run({}, sql)).rejects.toMatchObject({ code: 'ER_NO_SUCH_TABLE' })
    expect(await tables()).toEqual([])
  })
})
