import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { column } from '../../src/schema/index.js'
import { DeltaTable } from '../../src/table/index.js'
import { openSession } from '../session.js'
import { codeOf, newTable, rowsOf } from './table.js'

const session = openSession()

function logFile(table: DeltaTable, name: string | number, ending = 'json'): string {
  return join(table.path, '_delta_log', typeof name === 'number' ? `${String(name).padStart(20, '0')}.${ending}` : name)
}

/** `versions` appends of one row each, on columns that make a checkpoint work for its bread. */
async function appended(versions: number, properties: Record<string, string> = {}): Promise<DeltaTable> {
  const columns = { n: column.integer(), p: column.string(), s: column.struct({ long: column.long() }) }
  const table = await newTable(session(), columns, { partitionColumns: ['p'], properties, description: 'Numbers.' })
  for (let n = 1; n <= versions; n++) {
    const p = n % 3 === 0 ? 'null' : `'p ${n % 3}/%é'`
    await table.append(`SELECT ${n} AS n, ${p} AS p, {'long': 9007199254740993} AS s`, { txn: { appId: 'numbers', version: n } })
  }
  return table
}

const all = (upTo: number) => Array.from({ length: upTo }, (_, index) => index + 1)

describe('log checkpoint', () => {
  test('is written at every tenth version, or as the table says', async () => {
    const table = await appended(11)
    expect(readdirSync(join(table.path, '_delta_log')).filter((name) => name.includes('checkpoint.parquet'))).toEqual([
      '00000000000000000010.checkpoint.parquet',
    ])
    expect(JSON.parse(readFileSync(logFile(table, '_last_checkpoint'), 'utf8'))).toMatchObject({ version: 10, size: 13 })
    const often = await appended(4, { 'delta.checkpointInterval': '2' })
    expect(existsSync(logFile(often, 2, 'checkpoint.parquet')) && existsSync(logFile(often, 4, 'checkpoint.parquet'))).toBe(true)
  })

  test('stands for the commits before it: without them the table reads the same', async () => {
    const table = await appended(12)
    await table.delete('t.n = 5')
    const before = await table.snapshot(undefined, { tombstones: true })
    const rows = await rowsOf(table)
    for (let version = 0; version <= 10; version++) rmSync(logFile(table, version))
    const after = await DeltaTable.at(table.path, { session: session() }).snapshot(undefined, { tombstones: true })
    expect(await rowsOf(table)).toEqual(rows)
    const described = (one: typeof before) =>
      [...one.files].map(([path, add]) => ({ ...add, path, dataChange: false })).sort((a, b) => (a.path < b.path ? -1 : 1))
    expect(described(after)).toEqual(described(before))
    expect(after.metadata).toEqual(before.metadata)
    expect(after.protocol).toEqual(before.protocol)
    expect(after.transactions.get('numbers')?.version).toBe(12)
    expect([...(after.tombstones?.keys() ?? [])]).toEqual([...(before.tombstones?.keys() ?? ['none'])])
    expect(await table.append("SELECT 99 AS n, 'x' AS p, null AS s", { txn: { appId: 'numbers', version: 12 } })).toMatchObject({
      applied: false,
    })
    expect(await codeOf(table.snapshot(9))).toMatch(/TABLE_LOG_CORRUPT|TABLE_VERSION_NOT_FOUND/)
  })

  test('holds properties, feature names and statistics whole', async () => {
    const table = await newTable(session(), { clock: column.timestampNtz(), long: column.long() }, { properties: { 'my.own': 'ü "x"' } })
    await table.append("SELECT TIMESTAMP '2020-01-01' AS clock, 9007199254740993 AS long")
    const before = await table.snapshot()
    await table.checkpoint()
    rmSync(logFile(table, 0))
    rmSync(logFile(table, 1))
    const after = await table.snapshot()
    expect(after.metadata).toEqual(before.metadata)
    expect(after.protocol).toEqual(before.protocol)
    expect([...after.files.values()][0]?.stats).toBe([...before.files.values()][0]?.stats)
  })

  test('of a table emptied of its files is sound', async () => {
    const table = await appended(3)
    await table.delete('true')
    await table.checkpoint()
    for (let version = 0; version <= 4; version++) rmSync(logFile(table, version))
    expect(await rowsOf(table)).toEqual([])
    expect((await table.snapshot(undefined, { tombstones: true })).tombstones?.size).toBe(3)
  })
})

describe('_last_checkpoint is a hint', () => {
  test.each([
    ['missing', undefined],
    ['empty', ''],
    ['no JSON', '{"version": 1'],
    ['JSON of something else', '[]'],
    ['null', 'null'],
    ['of a checkpoint that is gone', '{"version":11}'],
    ['of a version yet to come', '{"version":4000000000}'],
    ['a negative number', '{"version":-3}'],
    ['no whole number', '{"version":1.5}'],
  ])('%s: the table reads the same', async (_, text) => {
    const table = await appended(12)
    rmSync(logFile(table, '_last_checkpoint'))
    if (text !== undefined) writeFileSync(logFile(table, '_last_checkpoint'), text)
    expect((await table.snapshot()).version).toBe(12)
    expect(await rowsOf(table, { columns: ['n'] })).toEqual(all(12).map(String).sort())
    expect(await rowsOf(table, { version: 3, columns: ['n'] })).toEqual(['1', '2', '3'])
  })
})

/** One that has not read the table yet. */
function newHandle({ path }: DeltaTable): DeltaTable {
  return DeltaTable.at(path, { session: session() })
}

describe('a log that is damaged', () => {
  test('a missing version is named', async () => {
    const table = await appended(4)
    rmSync(logFile(table, 2))
    await expect(newHandle(table).snapshot()).rejects.toMatchObject({
      code: 'TABLE_LOG_CORRUPT',
      message: expect.stringContaining('version 2'),
    })
    expect(await rowsOf(table, { version: 1, columns: ['n'] })).toEqual(['1'])
  })

  test('a commit that is cut off is named', async () => {
    const table = await appended(2)
    const text = readFileSync(logFile(table, 2), 'utf8')
    writeFileSync(logFile(table, 2), text.slice(0, -20))
    await expect(table.snapshot()).rejects.toMatchObject({
      code: 'TABLE_LOG_CORRUPT',
      message: expect.stringContaining('00000000000000000002.json'),
    })
  })

  test('a log without its first commit is corrupt, not empty', async () => {
    const table = await appended(2)
    rmSync(logFile(table, 0))
    expect(await codeOf(newHandle(table).snapshot())).toBe('TABLE_LOG_CORRUPT')
  })

  test('files that are no commits are passed over', async () => {
    const table = await appended(2)
    for (const name of ['00000000000000000003.json.tmp', '.hidden.json', '00000000000000000002.crc', 'zzz'])
      writeFileSync(logFile(table, name), 'x')
    expect((await table.snapshot()).version).toBe(2)
  })
})

describe('what we cannot do is refused by name', () => {
  /** The table with its first commit's protocol or metadata changed. */
  async function changed(change: (action: Record<string, Record<string, unknown>>) => void): Promise<DeltaTable> {
    const table = await appended(1)
    const actions = readFileSync(logFile(table, 0), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
    actions.forEach(change)
    // As another writer would have left it: without our hash.
    for (const { commitInfo } of actions) delete commitInfo?.contentHash
    writeFileSync(logFile(table, 0), actions.map((action) => `${JSON.stringify(action)}\n`).join(''))
    return table
  }
  const protocol = (value: Record<string, unknown>) => (action: Record<string, unknown>) => {
    if ('protocol' in action) action['protocol'] = value
  }

  test.each([
    [{ minReaderVersion: 3, minWriterVersion: 7, readerFeatures: ['variantType'], writerFeatures: ['variantType'] }, 'variantType'],
    [
      { minReaderVersion: 3, minWriterVersion: 7, readerFeatures: ['catalogManaged', 'timestampNtz'], writerFeatures: [] },
      'catalogManaged',
    ],
    [{ minReaderVersion: 4, minWriterVersion: 7 }, 'reader version 4'],
  ])('reading %j', async (value, name) => {
    const table = await changed(protocol(value))
    await expect(table.snapshot()).rejects.toMatchObject({ code: 'TABLE_FEATURE_UNSUPPORTED', message: expect.stringContaining(name) })
  })

  test('reading a table with column mapping of a kind to come', async () => {
    const table = await changed((action) => {
      const configuration = action['metaData']?.['configuration'] as Record<string, string> | undefined
      if (configuration !== undefined) configuration['delta.columnMapping.mode'] = 'hash'
    })
    await expect(table.snapshot()).rejects.toMatchObject({ message: expect.stringContaining('column mapping by hash') })
  })

  test.each([
    [{ minReaderVersion: 1, minWriterVersion: 7, writerFeatures: ['rowTracking'] }, 'rowTracking'],
    [{ minReaderVersion: 1, minWriterVersion: 8 }, 'writer version 8'],
  ])('writing %j; reading it is fine', async (value, name) => {
    const table = await changed(protocol(value))
    expect(await rowsOf(table, { columns: ['n'] })).toEqual(['1'])
    await expect(table.append("SELECT 2 AS n, 'x' AS p, null AS s")).rejects.toMatchObject({
      code: 'TABLE_FEATURE_UNSUPPORTED',
      message: expect.stringContaining(name),
    })
    expect((await table.snapshot()).version).toBe(1)
  })

  test('a table that may only grow lets nothing be taken out', async () => {
    const table = await newTable(session(), { n: column.integer() }, { properties: { 'delta.appendOnly': 'true' } })
    await table.append('SELECT 1 AS n')
    expect(await codeOf(table.delete('t.n = 1'))).toBe('TABLE_APPEND_ONLY')
    expect(await codeOf(table.overwrite('SELECT 2 AS n'))).toBe('TABLE_APPEND_ONLY')
    expect(await rowsOf(table)).toEqual(['1'])
  })
})
