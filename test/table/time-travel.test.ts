import { utimesSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { column, fieldsOf } from '../../src/schema/index.js'
import type { DeltaTable } from '../../src/table/index.js'
import { openSession } from '../session.js'
import { codeOf, newTable, rowsOf } from './table.js'

const session = openSession()

/** Versions 0 to 3: nothing, 1, 1 and 2, 3 alone. */
async function numbers(): Promise<DeltaTable> {
  const table = await newTable(session(), { n: column.integer() })
  await table.append('SELECT 1 AS n')
  await table.append('SELECT 2 AS n')
  await table.overwrite('SELECT 3 AS n')
  return table
}

function commitFile(table: DeltaTable, version: number): string {
  return join(table.path, '_delta_log', `${String(version).padStart(20, '0')}.json`)
}

describe('by version', () => {
  test('each version reads as it was', async () => {
    const table = await numbers()
    const read = await Promise.all([0, 1, 2, 3].map((version) => rowsOf(table, { version })))
    expect(read).toEqual([[], ['1'], ['1', '2'], ['3']])
  })

  test.each([-1, 4])('version %i is not there', async (version) => {
    expect(await codeOf((await numbers()).snapshot(version))).toBe('TABLE_VERSION_NOT_FOUND')
  })
})

describe('by time', () => {
  test('the version is the newest at that time, to the millisecond', async () => {
    const table = await numbers()
    for (const version of [0, 1, 2, 3]) utimesSync(commitFile(table, version), 1000 + version, 1000 + version)
    const at = (ms: number) => table.versionAt(new Date(ms))
    expect(await Promise.all([1_000_000, 1_000_999, 1_001_000, 1_002_500, 9_999_999].map(at))).toEqual([0, 0, 1, 2, 3])
    expect(await codeOf(at(999_999))).toBe('TABLE_VERSION_NOT_FOUND')
  })

  test('clocks that ran backwards do not mix the versions up', async () => {
    const table = await numbers()
    for (const [version, second] of [1000, 1005, 1002, 1010].entries()) utimesSync(commitFile(table, version), second, second)
    const commits = (await table.history()).reverse()
    expect(commits.map((commit) => commit.timestamp)).toEqual([1_000_000, 1_005_000, 1_005_001, 1_010_000])
    expect(await table.versionAt(new Date(1_002_000))).toBe(0)
    expect(await table.versionAt(new Date(1_005_000))).toBe(1)
  })
})

describe('history', () => {
  test('tells what each version did, newest first', async () => {
    const table = await numbers()
    await table.delete('t.n = 3', { note: 'why', engineInfo: 'tests' })
    expect(
      (await table.history()).map((entry) => `${entry.version} ${entry.operation} ${entry.info?.operationParameters['mode'] ?? ''}`),
    ).toEqual(['4 DELETE ', '3 WRITE Overwrite', '2 WRITE Append', '1 WRITE Append', '0 CREATE TABLE '])
    expect(await table.history(1)).toMatchObject([{ version: 4, info: { userMetadata: 'why', engineInfo: 'tests', readVersion: 3 } }])
    expect((await table.history()).map((entry) => entry.info?.isBlindAppend)).toEqual([false, false, true, true, false])
  })
})

describe('restore', () => {
  test('makes the table what it was, as a new version, without writing a data file', async () => {
    const table = await numbers()
    expect(await table.restore(2)).toEqual({ version: 4, applied: true })
    expect(await rowsOf(table)).toEqual(['1', '2'])
    expect(await rowsOf(table, { version: 3 })).toEqual(['3'])
    expect((await table.history(1))[0]?.info?.operationMetrics).toMatchObject({ numRestoredFiles: '2', numRemovedFiles: '1' })
  })

  test('takes columns that were added since away again', async () => {
    const table = await numbers()
    await table.addColumns(fieldsOf({ more: column.string() }))
    await table.restore(1)
    expect((await table.snapshot()).fields.map((field) => field.name)).toEqual(['n'])
    expect(await rowsOf(table)).toEqual(['1'])
  })

  test('refuses a version whose files are gone', async () => {
    const table = await numbers()
    const { rmSync } = await import('node:fs')
    for (const path of (await table.snapshot(1)).files.keys()) rmSync(join(table.path, path))
    expect(await codeOf(table.restore(1))).toBe('TABLE_FILE_MISSING')
    expect(await rowsOf(table)).toEqual(['3'])
  })
})

describe('diff', () => {
  test('gives the rows added and removed between two versions', async () => {
    const table = await numbers()
    const [one, two, three] = await Promise.all([1, 2, 3].map((version) => table.snapshot(version)))
    if (one === undefined || two === undefined || three === undefined) throw new Error('no snapshots')
    const appended = await table.diff(one, two)
    expect(await session().rows(appended.added)).toEqual([{ n: 2 }])
    expect(appended).toMatchObject({ from: 1, to: 2, adds: true, removes: false, anew: false })
    const replaced = await table.diff(one, three)
    expect(await session().rows(replaced.added)).toEqual([{ n: 3 }])
    expect(await session().rows(replaced.removed)).toEqual([{ n: 1 }])
    expect(replaced).toMatchObject({ adds: true, removes: true, anew: true })
  })
})
