import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { ended, startSluice } from '../../fixtures.js'
import { type Databases, describeWithStores, newDatabases, onMysql, onPostgres, TestProject } from './project.js'

interface BenchAnswer {
  readonly store: string
  readonly kinds: readonly {
    kind: string
    operations: number
    rows: number
    retries: number
    deadlocks: number
    lockTimeouts: number
    latency?: Record<'p50' | 'p95' | 'p99' | 'max', number>
  }[]
  readonly errors: Readonly<Record<string, number>>
  readonly invariants: readonly { name: string; held: boolean; expected: string; found: string }[]
  readonly attempts: number
  readonly picture: string
  readonly interrupted: boolean
}

describeWithStores('sluice bench store', () => {
  let databases: Databases
  let project: TestProject
  beforeAll(async () => {
    databases = await newDatabases()
    project = new TestProject({ columns: { id: 'column.long({ nullable: false })' }, syncs: '', addresses: databases })
  })
  afterAll(() => databases?.drop())

  const small = ['--inserters', '2', '--updaters', '3', '--selectors', '2', '--inserts', '20', '--updates', '15', '--json']
  const broken = ({ invariants }: BenchAnswer) => invariants.filter((one) => !one.held).map(({ name }) => name)

  describe.each([
    { store: 'warehouse', server: 'MySQL', ask: (sql: string) => onMysql(databases.mysql, sql), deadlock: 'ER_LOCK_DEADLOCK' },
    { store: 'ledger', server: 'PostgreSQL', ask: (sql: string) => onPostgres(databases.postgres, sql), deadlock: '40P01' },
  ])('on $server', ({ store, ask, deadlock }) => {
    const tables = async () =>
      (await ask("SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'sluice\\_bench%'")).map(([name]) => String(name))

    /** Waits for a workload on a table of this name to have put a row in. */
    const isAtWork = async (table: string) => {
      const found = async () => (await ask(`SELECT count(*) FROM ${table} WHERE inserter = 1`))[0]?.[0]
      while (!(Number(await found().catch(() => 0)) > 0)) await sleep(20)
    }

    test('carries a small workload through, with its figures and its picture, and leaves nothing', async () => {
      const done = await project.sluice('bench', 'store', '--store', store, ...small)
      expect(done.code, done.stdout + done.stderr).toBe(0)
      const answer: BenchAnswer = done.json()
      expect(broken(answer)).toEqual([])
      expect(answer.invariants[0]).toMatchObject({ expected: '20 + 20', found: '20 + 20' })
      const [inserts, updates, selects] = answer.kinds
      expect(inserts).toMatchObject({ kind: 'insert', operations: 8, rows: 40 })
      expect(updates).toMatchObject({ kind: 'update', operations: 45, rows: 45 * 30 })
      expect(selects?.operations).toBeGreaterThanOrEqual(2)
      for (const { latency } of answer.kinds) {
        const { p50 = 0, p95 = 0, p99 = 0, max = 0 } = latency ?? {}
        expect([p50, p95, p99, max]).toEqual([p50, p95, p99, max].toSorted((a, b) => a - b))
        expect(p50).toBeGreaterThan(0)
      }
      // Each failed attempt is a retry, and is counted by its code.
      const retries = answer.kinds.reduce((sum, one) => sum + one.retries, 0)
      expect(Object.values(answer.errors).reduce((sum, times) => sum + times, 0)).toBe(retries)
      expect(answer.kinds.reduce((sum, one) => sum + one.deadlocks, 0)).toBe(answer.errors[deadlock] ?? 0)
      expect(answer.attempts).toBe(answer.kinds.reduce((sum, one) => sum + one.operations, 0) + retries)
      const picture = readFileSync(answer.picture, 'utf8')
      expect(picture.match(/<g>/g)).toHaveLength(7)
      expect(await tables()).toEqual([])
    })

    test('meets deadlocks, and loses nothing by them', async () => {
      // Few updaters alone, until two have met: PostgreSQL takes a second over each deadlock.
      let deadlocks = 0
      for (let seed = 1; deadlocks === 0 && seed <= 40; seed++) {
        const words = ['--inserters', '0', '--updaters', '3', '--selectors', '0', '--updates', '12', '--seed', String(seed), '--json']
        const done = await project.sluice('bench', 'store', '--store', store, ...words)
        expect(done.code, done.stdout + done.stderr).toBe(0)
        deadlocks = (done.json() as BenchAnswer).errors[deadlock] ?? 0
      }
      expect(deadlocks).toBeGreaterThan(0)
    })

    test('finds out that somebody else took a row away and changed a total while it ran', async () => {
      const table = `sluice_bench_meddled_${store}`
      const words = ['--store', store, '--table', table, '--seconds', '3', '--inserters', '1', '--updaters', '1', '--selectors', '1']
      const running = startSluice({}, 'bench', 'store', ...words, '--json', '--project', project.folder)
      onTestFinished(() => void running.kill('SIGKILL'))
      const end = ended(running)
      await isAtWork(table)
      const meddle = async (sql: string) => {
        // It may be the one that a deadlock ends.
        while (
          !(await ask(sql).then(
            () => true,
            () => false,
          ))
        )
          await sleep(20)
      }
      await meddle(`DELETE FROM ${table} WHERE inserter = 1 AND number = 1`)
      await meddle(`UPDATE ${table} SET total_amount = total_amount + 1 WHERE inserter = 0 AND number = 0`)
      const done = await end
      expect(done.code, done.stdout + done.stderr).toBe(1)
      expect(broken(done.json())).toEqual(
        expect.arrayContaining(['every insert is there exactly once', 'the totals add up', 'each total is the sum of its parts, but for']),
      )
      expect(await tables()).toEqual([])
    })

    test.each(['SIGINT', 'SIGTERM'] as const)('ends by %s with its books in order and its tables gone', async (signal) => {
      const table = `sluice_bench_stopped_${store}`
      const running = startSluice(
        {},
        'bench',
        'store',
        '--store',
        store,
        '--table',
        table,
        '--seconds',
        '600',
        '--json',
        '--project',
        project.folder,
      )
      onTestFinished(() => void running.kill('SIGKILL'))
      const end = ended(running)
      await isAtWork(table)
      running.kill(signal)
      const done = await end
      expect(done.code, done.stdout + done.stderr).toBe(130)
      const answer: BenchAnswer = done.json()
      expect(answer.interrupted).toBe(true)
      expect(broken(answer)).toEqual([])
      expect(await tables()).toEqual([])
    })
  })

  test('is refused where a store runs no SQL', async () => {
    const done = await project.sluice('bench', 'store', '--store', 'documents')
    expect(done.code).not.toBe(0)
    expect(done.json().error).toMatchObject({ code: 'WORKLOAD_UNSUPPORTED' })
  })

  test('says in text what it did', async () => {
    const done = await ended(startSluice({}, 'bench', 'store', ...small.slice(0, -1), '--project', project.folder))
    expect(done.code, done.stdout + done.stderr).toBe(0)
    expect(done.stdout).toContain('every insert is there exactly once: 20 + 20')
    expect(done.stdout).toContain(`Timeline: `)
    expect(readFileSync(join(project.folder, 'target', 'bench-store.svg'), 'utf8')).toContain('7 workers')
  })
})
