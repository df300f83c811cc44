import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { duckdb } from '../../../src/stores/duckdb.js'
import { storeConformance } from '../../../src/testing/index.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-duckdb-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

// One file for all tests, held open until they are through.
const store = duckdb({ path: 'serving.duckdb', threads: 1 })
const held = store.open({ projectFolder: folder })
afterAll(async () => (await held).close())

const equal = (actual: unknown, expected: unknown) => expect(actual).toEqual(expected)
let number = 0

storeConformance({
  describe,
  it,
  equal,
  open: async (ending) => {
    await held
    const opened = await store.open({ projectFolder: folder })
    const table = `trips ${number++}${ending}`
    const drop = async () => {
      await opened.sql?.script(`DROP TABLE IF EXISTS ${opened.sql.quoteName(table)}`)
      await opened.close()
    }
    return { store: opened, table, drop }
  },
})
