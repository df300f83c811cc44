import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { column, fieldsOf } from '../../src/schema/index.js'
import { localStorage } from '../../src/storage/index.js'
import { DeltaTable, prepareAppend, prepareDelete, prepareMerge } from '../../src/table/index.js'
import { temporaryFolder } from '../fixtures.js'
import { openSession } from '../session.js'
import { codeOf, dataFiles, newTable, rowsOf } from './table.js'

const session = openSession()
const columns = { id: column.integer(), name: column.string() }
const another = (table: DeltaTable) => DeltaTable.at(table.path, { session: session() })

describe('many writers at once', () => {
  test('appends from handles of their own all land, each at a version of its own', async () => {
    const table = await newTable(session(), columns)
    const written = await Promise.all(Array.from({ length: 24 }, (_, id) => another(table).append(`SELECT ${id} AS id, 'writer' AS name`)))
    expect(written.map((one) => one.version).sort((a, b) => a - b)).toEqual(Array.from({ length: 24 }, (_, index) => index + 1))
    expect(await rowsOf(table)).toHaveLength(24)
    expect((await table.history()).map((entry) => entry.version)).toEqual(Array.from({ length: 25 }, (_, index) => 24 - index))
  })

  test('an append that was overtaken more often than it tries still lands', async () => {
    const table = await newTable(session(), columns)
    const old = await table.snapshot()
    const change = await prepareAppend(session(), old, "SELECT 0 AS id, 'slow' AS name")
    for (let id = 1; id <= 60; id++) await table.append(`SELECT ${id} AS id, 'quick' AS name`)
    expect(await table.commit(old, change)).toEqual({ version: 61, applied: true })
  })

  test('one table comes of many that create it', async () => {
    const path = join(temporaryFolder(), 'table')
    const tables = await Promise.all(
      Array.from({ length: 8 }, () => DeltaTable.create(path, { fields: fieldsOf(columns) }, { session: session() })),
    )
    expect(await tables[0]?.history()).toHaveLength(1)
  })
})

describe('a write whose grounds have gone', () => {
  const merge = async (table: DeltaTable) => {
    const old = await table.snapshot()
    return { old, change: await prepareMerge(session(), old, { relation: "(SELECT 1 AS id, 'late' AS name)", keys: ['id'] }) }
  }

  test('a merge that another merge overtook is a conflict, and leaves no file', async () => {
    const table = await newTable(session(), columns)
    await table.append("SELECT 1 AS id, 'first' AS name")
    const { old, change } = await merge(table)
    await another(table).merge("(SELECT 1 AS id, 'early' AS name)", ['id'])
    const files = dataFiles(table).length
    await expect(table.commit(old, change)).rejects.toMatchObject({ code: 'TABLE_CONFLICT', retry: 'transient' })
    expect(dataFiles(table)).toHaveLength(files - 1)
    expect(await rowsOf(table)).toEqual(['1 early'])
  })

  test('a merge that an append overtook is one too: the row might be its own', async () => {
    const table = await newTable(session(), columns)
    const { old, change } = await merge(table)
    await another(table).append("SELECT 1 AS id, 'early' AS name")
    expect(await codeOf(table.commit(old, change))).toBe('TABLE_CONFLICT')
    expect(await rowsOf(table)).toEqual(['1 early'])
  })

  test('a delete of rows that were rewritten is one', async () => {
    const table = await newTable(session(), columns)
    await table.append("SELECT 1 AS id, 'first' AS name")
    const old = await table.snapshot()
    const change = await prepareDelete(session(), old, 't.id = 1')
    await another(table).overwrite("SELECT 2 AS id, 'second' AS name")
    expect(await codeOf(table.commit(old, change))).toBe('TABLE_CONFLICT')
  })

  test('an append steps over rewrites, but not over a new schema', async () => {
    const table = await newTable(session(), columns)
    const old = await table.snapshot()
    const [first, second] = [1, 2].map((id) => prepareAppend(session(), old, `SELECT ${id} AS id, 'late' AS name`))
    await another(table).overwrite("SELECT 9 AS id, 'other' AS name")
    expect(await table.commit(old, await (first ?? Promise.reject()))).toEqual({ version: 2, applied: true })
    await another(table).addColumns(fieldsOf({ age: column.integer() }))
    expect(await codeOf(table.commit(old, await (second ?? Promise.reject())))).toBe('TABLE_CONFLICT')
    expect(await rowsOf(table)).toEqual(['1 late null', '9 other null'])
  })
})

describe('txn', () => {
  test('a numbered write is made once, however often it is tried', async () => {
    const table = await newTable(session(), columns)
    const write = (version: number) => another(table).append("SELECT 1 AS id, 'once' AS name", { txn: { appId: 'me', version } })
    expect(await write(7)).toEqual({ version: 1, applied: true })
    expect(await write(7)).toEqual({ version: 1, applied: false })
    expect(await write(3)).toEqual({ version: 1, applied: false })
    expect(await write(8)).toEqual({ version: 2, applied: true })
    expect(dataFiles(table)).toHaveLength(2)
  })

  test('of two that try the same number at once, one is made and the other told so', async () => {
    const table = await newTable(session(), columns)
    const tried = await Promise.all(
      Array.from({ length: 6 }, () => another(table).append("SELECT 1 AS id, 'once' AS name", { txn: { appId: 'me', version: 1 } })),
    )
    expect(tried.filter((one) => one.applied)).toHaveLength(1)
    expect(await rowsOf(table)).toEqual(['1 once'])
    expect(dataFiles(table)).toHaveLength(1)
  })

  test('numbers of other applications are their own', async () => {
    const table = await newTable(session(), columns)
    await table.append("SELECT 1 AS id, 'a' AS name", { txn: { appId: 'a', version: 5 } })
    expect(await table.append("SELECT 2 AS id, 'b' AS name", { txn: { appId: 'b', version: 5 } })).toMatchObject({ applied: true })
  })
})

describe('a commit whose fate is not known', () => {
  test('keeps its files when the write took effect before it failed', async () => {
    const storage = localStorage()
    let failures = 0
    // The disk that answers with an error after the link is made: no mock of the table, a storage that behaves as one can.
    const flaky = {
      ...storage,
      putIfAbsent: async (path: string, bytes: Uint8Array) => {
        const put = await storage.putIfAbsent(path, bytes)
        if (failures++ === 0) throw new Error('EIO')
        return put
      },
    }
    const path = join(temporaryFolder(), 'table')
    await (await DeltaTable.create(path, { fields: fieldsOf(columns) }, { session: session() })).append("SELECT 1 AS id, 'a' AS name")
    const table = DeltaTable.at(path, { session: session(), storage: flaky })
    expect(await table.append("SELECT 2 AS id, 'b' AS name")).toEqual({ version: 2, applied: true })
    expect(await rowsOf(table)).toEqual(['1 a', '2 b'])
  })
})
