import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { column } from '../../src/schema/index.js'
import { DeltaTable, prepareDelete } from '../../src/table/index.js'
import { openSession } from '../session.js'
import { codeOf, dataFiles, newTable, rowsOf, values } from './table.js'

const session = openSession()
const columns = { p: column.string(), n: column.integer() }
const HOUR = 60 * 60 * 1000
const DAY = 24 * HOUR

const fresh = (table: DeltaTable) => DeltaTable.at(table.path, { session: session() })
const logFile = (table: DeltaTable, version: number, ending = 'json') =>
  join(table.path, '_delta_log', `${String(version).padStart(20, '0')}.${ending}`)
const liveFiles = async (table: DeltaTable) => [...(await table.snapshot()).files.values()].map((add) => decodeURIComponent(add.path))

/** A version for each row. */
async function numbers(rows: readonly string[], definition: { partitionColumns?: string[]; properties?: Record<string, string> } = {}) {
  const table = await newTable(session(), columns, definition)
  for (const row of rows) await table.append(values('p, n', row))
  return table
}
const six = ["('a', 1)", "('a', 2)", "('b', 3)", "('a', 4)", "('b', 5)", '(null, 6)']

describe('optimize', () => {
  test('writes small files together, changes no row, and leaves older versions as they were', async () => {
    const table = await numbers(six)
    const rows = await rowsOf(table)
    const done: string[] = []
    await table.optimize({ onProgress: ({ files, of }) => done.push(`${files}/${of}`) })
    expect([await rowsOf(table), await rowsOf(table, { version: 3 })]).toEqual([rows, ['a 1', 'a 2', 'b 3']])
    const actions = (await table.actions(7)) ?? []
    expect(actions.flatMap(({ add, remove }) => add?.dataChange ?? remove?.dataChange ?? [])).toEqual(Array(7).fill(false))
    expect(actions[0]?.commitInfo?.operationMetrics).toMatchObject({ numAddedFiles: '1', numRemovedFiles: '6', numBatches: '1' })
    expect(done).toEqual(['6/6'])
  })

  test('fills files up to the size wanted, in order, and lets those of that size be', async () => {
    const table = await numbers(six)
    const [size = 0] = [...(await table.snapshot()).files.values()].map((add) => add.size)
    await table.optimize({ targetBytes: size * 2 + 1 })
    expect((await table.snapshot()).files.size).toBe(3)
    const files = await liveFiles(table)
    expect(await table.optimize({ targetBytes: 1 })).toEqual({ version: 7, applied: false })
    expect(await liveFiles(table)).toEqual(files)
    expect(await rowsOf(table, { columns: ['n'] })).toEqual(['1', '2', '3', '4', '5', '6'])
  })

  test('goes by the property delta.targetFileSize', async () => {
    const table = await numbers(six, { properties: { 'delta.targetFileSize': '1b' } })
    expect((await table.optimize()).applied).toBe(false)
    await table.setProperties({ 'delta.targetFileSize': '1mb' })
    await table.optimize()
    expect((await table.snapshot()).files.size).toBe(1)
  })

  test('keeps partitions apart, and takes those alone that are asked for', async () => {
    const table = await numbers(six, { partitionColumns: ['p'] })
    await table.optimize({ where: "p = 'b'" })
    expect((await table.snapshot()).files.size).toBe(5)
    await table.optimize()
    expect((await table.snapshot()).files.size).toBe(3)
    expect(await rowsOf(table)).toEqual(['a 1', 'a 2', 'a 4', 'b 3', 'b 5', 'null 6'])
    expect(await rowsOf(table, { where: "p = 'a'", columns: ['n'] })).toEqual(['1', '2', '4'])
  })

  test('has nothing to do for a table without files, or with one', async () => {
    const table = await numbers([])
    expect(await table.optimize()).toEqual({ version: 0, applied: false })
    await table.append("SELECT 'a' AS p, 1 AS n")
    expect(await table.optimize()).toEqual({ version: 1, applied: false })
  })

  test('writes files anew from which rows were deleted', async () => {
    const table = await numbers([], { properties: { 'delta.enableDeletionVectors': 'true' } })
    await table.append(values('p, n', ...six))
    await table.delete('t.n IN (2, 5)')
    expect([...(await table.snapshot()).files.values()][0]?.deletionVector?.cardinality).toBe(2)
    await table.optimize()
    const [add] = [...(await table.snapshot()).files.values()]
    expect([add?.deletionVector, JSON.parse(add?.stats ?? '{}').numRecords]).toEqual([undefined, 4])
    expect(await rowsOf(table, { columns: ['n'] })).toEqual(['1', '3', '4', '6'])
    expect(await rowsOf(table, { version: 1, columns: ['n'] })).toHaveLength(6)
  })

  test('in Z-order, a filter on any of its columns opens few of its files; before, it opened all', async () => {
    const table = await newTable(session(), { x: column.integer(), y: column.double(), s: column.string() })
    for (let part = 0; part < 8; part++)
      await table.append(
        `SELECT (hash(i) % 1000)::INTEGER AS x, CASE WHEN i % 10 > 0 THEN (hash(i + 1) % 100000) / 100 END AS y, 'k' || i AS s FROM range(${part} * 125000, ${part + 1} * 125000) AS r(i)`,
      )
    const filters = ['x = 100', 'x = 900', 'y = 100.5', 'y = 900.5', 'y IS NULL']
    const opened = () => Promise.all(filters.map(async (where) => (await table.read({ where })).split('.parquet').length - 1))
    const found = async () => {
      const counts: unknown[] = []
      for (const where of filters)
        counts.push((await session().rows(`SELECT count(*) AS n FROM (${await table.read({ where })})`))[0]?.['n'])
      return counts
    }
    const before = await found()
    expect(await opened()).toEqual([8, 8, 8, 8, 8])
    await table.optimize({ zOrderBy: ['x', 'y'], targetBytes: 500_000 })
    const files = (await table.snapshot()).files.size
    expect(files).toBeGreaterThanOrEqual(6)
    // Threads write beside each other, so a file may hold a stretch of the curve that belongs to its neighbour.
    for (const count of await opened()) expect(count / files).toBeLessThanOrEqual(0.8)
    expect(await found()).toEqual(before)
    expect((await table.actions(9))?.every(({ add, remove }) => (add?.dataChange ?? remove?.dataChange ?? false) === false)).toBe(true)
  })

  test.each<[string, Parameters<DeltaTable['optimize']>[0]]>([
    ['a condition on a column that is no partition', { where: 'n = 1' }],
    ['a condition that is no comparison', { where: "upper(p) = 'A'" }],
    ['Z-order by a partition', { zOrderBy: ['p'] }],
    ['Z-order by no column', { zOrderBy: ['x'] }],
  ])('refuses %s', async (_, options) => {
    expect(await codeOf((await numbers(six, { partitionColumns: ['p'] })).optimize(options))).toBe('TABLE_CHANGE_INVALID')
  })
})

/** Files in the table's folder become this old, in hours. */
function age(table: DeltaTable, hours: number, files: readonly string[] = dataFiles(table)): void {
  const seconds = (Date.now() - hours * HOUR) / 1000
  for (const file of files) utimesSync(join(table.path, file), seconds, seconds)
}

function stray(table: DeltaTable, ...names: string[]): void {
  for (const name of names) {
    mkdirSync(dirname(join(table.path, name)), { recursive: true })
    writeFileSync(join(table.path, name), 'x')
  }
  age(table, 1000, names)
}

describe('vacuum', () => {
  /** Version 3 has two rows; a third was deleted so long ago. */
  async function deleted(hours: number, definition: Parameters<typeof numbers>[1] = {}): Promise<DeltaTable> {
    const table = await numbers(six.slice(0, 2), definition)
    const snapshot = await table.snapshot()
    const change = await prepareDelete(session(), snapshot, 't.n = 1')
    await table.commit(snapshot, {
      ...change,
      removes: change.removes.map((one) => ({ ...one, deletionTimestamp: Date.now() - hours * HOUR })),
    })
    age(table, 1000)
    return fresh(table)
  }

  test('takes files that no version within the retention needs, and says so in the log', async () => {
    const table = await deleted(200)
    const before = dataFiles(table)
    const { files, bytes, dryRun } = await table.vacuum()
    expect([files.length, dryRun]).toEqual([1, false])
    expect(bytes).toBeGreaterThan(0)
    expect(dataFiles(table)).toEqual(before.filter((file) => file !== files[0]))
    expect(await rowsOf(table)).toEqual(['a 2'])
    expect((await table.history(2)).map((entry) => entry.operation)).toEqual(['VACUUM END', 'VACUUM START'])
    expect(await table.vacuum()).toMatchObject({ files: [] })
    expect((await table.snapshot()).version).toBe(5)
    expect(await codeOf(rowsOf(table, { version: 1 }))).toBe('STORAGE_FILE_MISSING')
    expect(await codeOf(table.restore(1))).toBe('TABLE_FILE_MISSING')
  })

  test('only says what it would take, when asked', async () => {
    const table = await deleted(200)
    const before = dataFiles(table)
    expect(await table.vacuum({ dryRun: true })).toMatchObject({ files: [expect.stringContaining('.parquet')], dryRun: true })
    expect([dataFiles(table), (await table.snapshot()).version]).toEqual([before, 3])
  })

  test.each([
    ['a file removed within the retention stays', 100, {}, 0],
    ['one beyond that of the table goes', 100, { 'delta.deletedFileRetentionDuration': 'interval 4 days' }, 1],
    ['one within that of the table stays', 300, { 'delta.deletedFileRetentionDuration': 'interval 2 weeks' }, 0],
  ])('%s', async (_, hours, properties, gone) => {
    const table = await deleted(hours, { properties })
    expect((await table.vacuum()).files).toHaveLength(gone)
    expect(await rowsOf(table)).toEqual(['a 2'])
  })

  test('keeps what a checkpoint stands for, where the commits are gone', async () => {
    const table = await deleted(100)
    await table.checkpoint()
    for (const version of [0, 1, 2, 3]) rmSync(logFile(table, version))
    expect((await fresh(table).vacuum()).files).toEqual([])
  })

  test('refuses less than the retention, unless that is forced', async () => {
    const table = await deleted(2)
    expect(await codeOf(table.vacuum({ retentionHours: 1 }))).toBe('TABLE_VACUUM_RETENTION')
    expect((await table.vacuum({ retentionHours: 1, force: true })).files).toHaveLength(1)
    expect(await rowsOf(table)).toEqual(['a 2'])
  })

  test('leaves files alone that a writer has yet to commit, and takes old ones that none ever did', async () => {
    const table = await deleted(1)
    const names = [
      'part-in-flight.parquet',
      'p=x/part-in-flight.parquet',
      'deletion_vector_in-flight.bin',
      '_change_data/cdc-in-flight.parquet',
    ]
    stray(table, ...names, 'old.parquet', 'deep/er/old.parquet', '_change_data/old.parquet', 'deletion_vector_old.bin')
    age(table, 1, names)
    expect([...(await table.vacuum()).files].sort()).toEqual([
      '_change_data/old.parquet',
      'deep/er/old.parquet',
      'deletion_vector_old.bin',
      'old.parquet',
    ])
    expect(names.every((name) => existsSync(join(table.path, name)))).toBe(true)
  })

  test('passes over what is hidden, save partitions of a column that begins so', async () => {
    const table = await newTable(session(), { _p: column.string(), n: column.integer() }, { partitionColumns: ['_p'] })
    await table.append(values('_p, n', "('a', 1)", "('b', 2)"))
    stray(
      table,
      '_delta_log/x.parquet',
      '_other/x.parquet',
      '.hidden/x.parquet',
      'sub/_q=1/x.parquet',
      '_p=a/.x.parquet',
      '_p=a/old.parquet',
      '_p=z/old.parquet',
    )
    age(table, 1000)
    expect([...(await table.vacuum()).files].sort()).toEqual(['_p=a/old.parquet', '_p=z/old.parquet'])
    expect(await rowsOf(table)).toEqual(['a 1', 'b 2'])
  })

  test('keeps deletion vectors that are in use, and takes those that were replaced', async () => {
    const table = await newTable(session(), columns, {
      properties: { 'delta.enableDeletionVectors': 'true', 'delta.enableChangeDataFeed': 'true' },
    })
    await table.append(values('p, n', ...six))
    await table.delete('t.n = 1')
    const [first] = dataFiles(table).filter((file) => file.endsWith('.bin'))
    await table.delete('t.n = 2')
    age(table, 1000)
    const { files } = await table.vacuum({ retentionHours: 0, force: true })
    // The change data feed of old versions goes with the rest.
    expect([...files].filter((file) => !file.startsWith('_change_data/'))).toEqual([first])
    expect(files.filter((file) => file.startsWith('_change_data/'))).toHaveLength(2)
    expect(await rowsOf(fresh(table), { columns: ['n'] })).toEqual(['3', '4', '5', '6'])
    expect(await codeOf(rowsOf(table, { version: 2 }))).toBe('TABLE_FILE_MISSING')
  })
})

describe('cleanLog', () => {
  const midnight = Math.floor(Date.now() / DAY) * DAY - 10 * DAY

  /** Versions 0 to 4, their commits so many milliseconds after a midnight; a checkpoint at 2. */
  async function aged(...after: number[]): Promise<DeltaTable> {
    const table = await numbers(six.slice(0, 4), { properties: { 'delta.logRetentionDuration': 'interval 5 days' } })
    await table.checkpoint(2)
    for (const [version, ms] of after.entries()) utimesSync(logFile(table, version), (midnight + ms) / 1000, (midnight + ms) / 1000)
    return fresh(table)
  }
  const left = (table: DeltaTable) => readdirSync(join(table.path, '_delta_log')).flatMap((name) => /^0*(\d+)\.json$/.exec(name)?.[1] ?? [])

  test('takes what is older than a checkpoint that is itself beyond the retention; its commit stays', async () => {
    const table = await aged(-5, -4, -3, 5, 6)
    expect((await table.cleanLog(midnight + 5 * DAY)).sort()).toEqual(['00000000000000000000.json', '00000000000000000001.json'])
    expect(left(table)).toEqual(['2', '3', '4'])
    expect(await rowsOf(fresh(table))).toHaveLength(4)
    expect(await rowsOf(fresh(table), { version: 2 })).toHaveLength(2)
    expect(await codeOf(fresh(table).snapshot(1))).toBe('TABLE_VERSION_NOT_FOUND')
  })

  test.each([
    ['at midnight it is a day old', 0, DAY - 1, 2],
    ['a moment after midnight it is not, the day through', 1, DAY - 1, 0],
    ['a day later it is', 1, DAY, 2],
  ])('goes by whole days: %s', async (_, commit, now, gone) => {
    const table = await aged(-5, -4, commit, commit + 1, commit + 2)
    expect(await table.cleanLog(midnight + 5 * DAY + now)).toHaveLength(gone)
  })

  test('takes nothing without a checkpoint, or with a part of one', async () => {
    const table = await aged(-5, -4, -3, -2, -1)
    rmSync(logFile(table, 2, 'checkpoint.parquet'))
    writeFileSync(logFile(table, 2, 'checkpoint.0000000001.0000000002.parquet'), 'half')
    expect(await table.cleanLog(midnight + 30 * DAY)).toEqual([])
  })

  test('takes nothing where the table forbids it', async () => {
    const table = await aged(-5, -4, -3, -2, -1)
    await table.setProperties({ 'delta.enableExpiredLogCleanup': 'false' })
    expect(await table.cleanLog(midnight + 30 * DAY)).toEqual([])
  })
})

describe('log checkpoints', () => {
  /** Six appended rows, the second and fifth deleted again; a transaction; no checkpoint. */
  async function grown(properties: Record<string, string> = {}): Promise<DeltaTable> {
    const table = await numbers(six, { properties })
    await table.delete('t.n IN (2, 5)')
    await table.append("SELECT 'c' AS p, 7 AS n", { txn: { appId: 'me', version: 3 } })
    return table
  }
  const rows = ['1', '3', '4', '6', '7']
  const dropCommits = (table: DeltaTable, from: number, to: number) => {
    for (let version = from; version <= to; version++) rmSync(logFile(table, version))
  }
  const reads = async (table: DeltaTable) => {
    const { transactions, version } = await fresh(table).snapshot()
    return { rows: await rowsOf(fresh(table), { columns: ['n'] }), txn: transactions.get('me')?.version, version }
  }
  const whole = { rows, txn: 3, version: 8 }

  /** The checkpoint that we would write, elsewhere: what others are made of. */
  async function ours(table: DeltaTable): Promise<string> {
    await table.checkpoint()
    const to = join(table.path, 'ours.parquet')
    copyFileSync(logFile(table, 8, 'checkpoint.parquet'), to)
    rmSync(logFile(table, 8, 'checkpoint.parquet'))
    rmSync(join(table.path, '_delta_log', '_last_checkpoint'))
    return to
  }

  test('of the second kind are read without the commits they stand for', async () => {
    const table = await grown({ 'delta.checkpointPolicy': 'v2' })
    await table.checkpoint()
    expect(
      readdirSync(join(table.path, '_delta_log')).filter((name) => /^0{19}8\.checkpoint\.[0-9a-f-]{36}\.parquet$/.test(name)),
    ).toHaveLength(1)
    dropCommits(table, 0, 8)
    expect(await reads(table)).toEqual(whole)
    expect((await fresh(table).snapshot()).protocol.readerFeatures).toContain('v2Checkpoint')
  })

  test('in several parts are read whole, or not at all', async () => {
    const table = await grown()
    const path = await ours(table)
    for (const [part, where] of [
      'add IS NULL',
      'add IS NOT NULL AND hash(add.path) % 2 = 0',
      'add IS NOT NULL AND hash(add.path) % 2 = 1',
    ].entries())
      await session().execute(
        `COPY (SELECT * FROM read_parquet('${path}') WHERE ${where}) TO '${logFile(table, 8, `checkpoint.000000000${part + 1}.0000000003.parquet`)}' (FORMAT parquet)`,
      )
    expect(await reads(table)).toEqual(whole)
    const commits = join(table.path, 'kept')
    mkdirSync(commits)
    for (let version = 0; version <= 7; version++) {
      copyFileSync(logFile(table, version), join(commits, String(version)))
      rmSync(logFile(table, version))
    }
    expect(await reads(table)).toEqual(whole)
    rmSync(logFile(table, 8, 'checkpoint.0000000002.0000000003.parquet'))
    expect(await codeOf(reads(table))).toMatch(/^TABLE_(LOG_CORRUPT|VERSION_NOT_FOUND)$/)
    for (let version = 0; version <= 7; version++) copyFileSync(join(commits, String(version)), logFile(table, version))
    expect(await reads(table)).toEqual(whole)
  })

  test('in JSON with sidecars are read', async () => {
    const table = await grown({ 'delta.checkpointPolicy': 'v2' })
    const snapshot = await table.snapshot()
    const sidecars = join(table.path, '_delta_log', '_sidecars')
    mkdirSync(sidecars)
    const adds = [...snapshot.files.values()].map((add) => `${JSON.stringify({ add: { ...add, dataChange: false } })}\n`)
    writeFileSync(join(table.path, 'adds.jsonl'), adds.slice(1).join(''))
    await session().execute(
      `COPY (SELECT * FROM read_ndjson('${join(table.path, 'adds.jsonl')}', columns = {add: 'STRUCT(path VARCHAR, partitionValues MAP(VARCHAR, VARCHAR), size BIGINT, modificationTime BIGINT, dataChange BOOLEAN, stats VARCHAR)'})) TO '${join(sidecars, 'one.parquet')}' (FORMAT parquet)`,
    )
    const actions = [
      { checkpointMetadata: { version: 8 } },
      { protocol: snapshot.protocol },
      { metaData: snapshot.metadata },
      { txn: snapshot.transactions.get('me') },
      { sidecar: { path: 'one.parquet', sizeInBytes: statSync(join(sidecars, 'one.parquet')).size, modificationTime: 0 } },
    ]
    const text = actions.map((action) => `${JSON.stringify(action)}\n`).join('') + adds[0]
    writeFileSync(logFile(table, 8, 'checkpoint.3a0d65cd-4056-49b8-937b-95f9e3ee90e5.json'), text)
    dropCommits(table, 0, 8)
    expect(await reads(table)).toEqual(whole)
    await fresh(table).append("SELECT 'd' AS p, 8 AS n")
    expect(await rowsOf(fresh(table), { columns: ['n'] })).toEqual([...rows, '8'])
  })

  test('and commits that were compacted are read in place of those', async () => {
    const table = await grown()
    const actions = new Map<string, string>()
    for (let version = 2; version <= 7; version++) {
      for (const line of readFileSync(logFile(table, version), 'utf8').trim().split('\n')) {
        const { add, remove } = JSON.parse(line)
        if (add ?? remove) actions.set((add ?? remove).path, line)
      }
    }
    writeFileSync(
      logFile(table, 2, `${String(7).padStart(20, '0')}.compacted.json`),
      [...actions.values()].map((line) => `${line}\n`).join(''),
    )
    // Were its commits read, this one would be seen to be damaged.
    const third = readFileSync(logFile(table, 3))
    truncateSync(logFile(table, 3), 100)
    expect(await reads(table)).toEqual(whole)
    expect(await codeOf(rowsOf(fresh(table), { version: 4 }))).toBe('TABLE_LOG_CORRUPT')
    writeFileSync(logFile(table, 3), third)
    writeFileSync(logFile(table, 2, `${String(7).padStart(20, '0')}.compacted.json`), '{"add":')
    expect(await reads(table)).toEqual(whole)
  })

  const spoil: readonly (readonly [string, (path: string) => void])[] = [
    ['cut off', (path) => truncateSync(path, statSync(path).size >> 1)],
    ['empty', (path) => truncateSync(path, 0)],
    ['of other bytes', (path) => writeFileSync(path, Buffer.alloc(4000, 7))],
    [
      'of one bit that flipped',
      (path) => {
        const bytes = readFileSync(path)
        bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 4
        writeFileSync(path, bytes)
      },
    ],
  ]
  test.each(spoil)(
    'that are damaged (%s) give way to an older one, or to the commits; without either the log is corrupt',
    async (_, damage) => {
      const table = await grown()
      await table.checkpoint(5)
      await table.checkpoint(8)
      damage(logFile(table, 8, 'checkpoint.parquet'))
      expect(await reads(table)).toEqual(whole)
      dropCommits(table, 0, 5)
      expect(await reads(table)).toEqual(whole)
      dropCommits(table, 6, 7)
      expect(await codeOf(reads(table))).toBe('TABLE_LOG_CORRUPT')
    },
  )

  test('hold what is deleted no longer than the table keeps it', async () => {
    const table = await grown()
    const tombstones = async () => (await fresh(table).snapshot(undefined, { tombstones: true })).tombstones?.size
    await table.checkpoint()
    expect(await tombstones()).toBe(2)
    rmSync(logFile(table, 8, 'checkpoint.parquet'))
    await table.setProperties({ 'delta.deletedFileRetentionDuration': 'interval 0 seconds' })
    await table.checkpoint()
    expect(await tombstones()).toBe(0)
  })
})
