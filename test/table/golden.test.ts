import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { quoteName, quotePath } from '../../src/engine/index.js'
import { DeltaTable } from '../../src/table/index.js'
import { describeWithData, testData } from '../fixtures.js'
import { openSession } from '../session.js'
import { codeOf } from './table.js'

const session = openSession()

/** Tables that are broken on purpose, or whose log names files that were never there, and what each is told apart by. */
const INVALID: Readonly<Record<string, string>> = {
  checkpoint: 'STORAGE_FILE_MISSING',
  'data-reader-absolute-paths-escaped-chars': 'TABLE_LOG_CORRUPT',
  'delete-re-add-same-file-different-transactions': 'STORAGE_FILE_MISSING',
  'deltalog-invalid-protocol-version': 'TABLE_FEATURE_UNSUPPORTED',
  'deltalog-state-reconstruction-from-checkpoint-missing-metadata': 'TABLE_LOG_CORRUPT',
  'deltalog-state-reconstruction-from-checkpoint-missing-protocol': 'TABLE_NOT_FOUND',
  'deltalog-state-reconstruction-without-metadata': 'TABLE_LOG_CORRUPT',
  'deltalog-state-reconstruction-without-protocol': 'TABLE_LOG_CORRUPT',
  hive: 'TABLE_NOT_FOUND',
  'log-replay-special-characters-b': 'STORAGE_FILE_MISSING',
  'versions-not-contiguous': 'TABLE_LOG_CORRUPT',
}

async function read(path: string): Promise<string> {
  const table = await DeltaTable.open(path, { session: session() })
  return table.read()
}

describeWithData('tables that Spark and the kernels were tested with', () => {
  const golden = testData('delta/golden')
  test.each(existsSync(golden) ? readdirSync(golden).filter((name) => INVALID[name] === undefined) : [])(
    '%s has its rows',
    async (name) => {
      const rows = await read(join(golden, name, 'delta'))
      const files = (readdirSync(join(golden, name), { recursive: true }) as string[]).filter((file) => /^expected.*\.parquet$/.test(file))
      if (files.length === 0) {
        await session().rows(`SELECT count(*) FROM (${rows})`)
        return
      }
      const expected = `SELECT * FROM read_parquet([${files.map((file) => quotePath(join(golden, name, file))).join(', ')}], union_by_name = true)`
      const names = (await session().describe(expected)).map((field) => field.name)
      expect((await session().describe(rows)).map((field) => field.name).sort()).toEqual(names.toSorted())
      const texts = names.map((column) => `${quoteName(column)}::VARCHAR`).join(', ')
      const [ours, theirs] = [`SELECT ${texts} FROM (${rows})`, `SELECT ${texts} FROM (${expected})`]
      expect(await session().rows(`${ours} EXCEPT ALL ${theirs} LIMIT 3`)).toEqual([])
      expect(await session().rows(`${theirs} EXCEPT ALL ${ours} LIMIT 3`)).toEqual([])
    },
  )

  test.each(Object.entries(INVALID))('%s is refused: %s', async (name, code) => {
    const asked = read(join(golden, name, 'delta')).then((rows) => session().rows(`SELECT * FROM (${rows})`))
    expect(await codeOf(asked)).toBe(code)
  })

  test.each([
    ['basic_partitioned', 6],
    ['mixed-nulls', 15],
    ['parsed-stats', 600],
    ['app-txn-checkpoint', 22],
    ['partition_cm/id', 0],
    ['partition_cm/name', 0],
    ['stats-writing-all-types/delta', 4],
    ['table-with-dv-small', 8],
    ['type-widening', 2],
    ['v1-single-part-struct-stats-only', 5],
    ['v2-json-sidecars-struct-stats-only', 5],
    ['void-column', 3],
  ])('%s has %d rows', async (name, rows) => {
    const [row] = await session().rows(`SELECT count(*) AS n FROM (${await read(testData(`delta/kernel/${name}`))})`)
    expect(Number(row?.['n'])).toBe(rows)
  })

  test('a log without commits is no table', async () => {
    expect(await codeOf(read(testData('delta/kernel/crc-malformed')))).toBe('TABLE_NOT_FOUND')
  })
})
