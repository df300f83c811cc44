import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Columns, column } from '../../src/schema/index.js'
import type { FilesOptions } from '../../src/sources/index.js'
import { files } from '../../src/sources/index.js'
import { temporaryFolder } from '../fixtures.js'
import { openSession } from '../session.js'
import { contextIn, folderOf, take, takeOffer } from './take.js'

const session = openSession()

async function parquet(select: string): Promise<Buffer> {
  const path = join(temporaryFolder(), 'made.parquet')
  await session().execute(`COPY (${select}) TO '${path}' (FORMAT parquet)`)
  return readFileSync(path)
}
const read = async (select: string, columns: Columns, options: FilesOptions = {}) =>
  take(session(), columns, 'x.parquet', await parquet(select), options)

describe('Parquet', () => {
  test('is read by name', async () => {
    expect((await read("SELECT 'a' AS name, 1::BIGINT AS id", { id: column.long(), name: column.string() })).rows).toEqual([
      { id: 1n, name: 'a' },
    ])
  })

  test('narrower types are no drift; others are, and are converted', async () => {
    expect(await read('SELECT 1::INTEGER AS id', { id: column.long() })).toMatchObject({ rows: [{ id: 1n }], drift: [] })
    expect(await read('SELECT 1.0::DOUBLE AS id', { id: column.long() })).toMatchObject({
      rows: [{ id: 1n }],
      drift: ['id retyped: long -> double, evolve'],
    })
  })

  test('a value that does not convert is held', async () => {
    const taken = await read('SELECT unnest([1.0, 2.5]::DOUBLE[]) AS id', { id: column.long() })
    expect(taken).toMatchObject({ rows: [{ id: 1n }], held: ['2 value_converts: id=2.5'] })
  })

  test('a time is a date at midnight only', async () => {
    const times = "SELECT unnest([TIMESTAMP '2026-01-02', TIMESTAMP '2026-01-02 10:00:00']) AS day"
    const taken = await read(times, { day: column.date() })
    expect(taken).toMatchObject({ rows: [{ day: '2026-01-02' }], held: ['2 value_converts: day=2026-01-02 10:00:00'] })
  })

  test('without rows is refused, unless it may be empty', async () => {
    const nothing = 'SELECT 1 AS id WHERE false'
    expect((await read(nothing, { id: column.long() })).refused).toEqual(['x.parquet SOURCE_FILE_EMPTY'])
    expect(await read(nothing, { id: column.long() }, { empty: 'take' })).toMatchObject({ rows: [], refused: [] })
  })

  test.each([4, 100, 500])('cut off by %i bytes is refused by name, and the file beside it is taken', async (cut) => {
    const whole = await parquet('SELECT i AS id, md5(i::VARCHAR) AS m FROM range(100) AS r(i)')
    const folder = folderOf({ 'cut.parquet': whole.subarray(0, whole.length - cut), 'whole.parquet': whole })
    const offer = await files('*.parquet').offer(contextIn(folder))
    const taken = await takeOffer(session(), { id: column.long() }, offer)
    expect(taken.refused).toEqual(['cut.parquet SOURCE_FILE_UNREADABLE'])
    expect(taken.rows).toHaveLength(100)
  })

  test('damaged within is refused by name, and the file beside it is taken', async () => {
    const whole = await parquet('SELECT i AS id, md5(i::VARCHAR) AS m FROM range(20000) AS r(i)')
    const damaged = Buffer.from(whole)
    damaged.fill(0x5a, 200, Math.floor(damaged.length * 0.7))
    const offer = await files('*').offer(contextIn(folderOf({ 'damaged.parquet': damaged, 'whole.parquet': whole })))
    const taken = await takeOffer(session(), { id: column.long(), m: column.string() }, offer)
    expect(taken.refused).toEqual(['damaged.parquet SOURCE_FILE_UNREADABLE'])
    expect(taken.rows).toHaveLength(20000)
  })
})
