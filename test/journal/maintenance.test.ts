import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createJournal, openJournal } from '../../src/journal/index.js'
import { localStorage } from '../../src/storage/index.js'
import { DeltaTable } from '../../src/table/index.js'
import { temporaryFolder } from '../fixtures.js'
import { openSession } from '../session.js'

const session = openSession()

test('the journal keeps its own tables in few files, and loses no row of them', async () => {
  const [lake, storage] = [join(temporaryFolder(), 'lake'), localStorage()]
  await createJournal(lake, storage)
  const journal = await openJournal(lake, storage, session())
  const row = { version: 1n, rows: 1n, profiled_rows: 1n, columns: '[]', recorded_at: null }
  for (let run = 0; run <= 51; run++) await journal.append('profiles', [{ ...row, run_id: `run-${run}`, dataset: 'silver.trips' }])
  const table = DeltaTable.at(`${lake}/_sluice/profiles`, { session: session() })
  const { files } = await table.snapshot()
  expect(files.size).toBeLessThan(5)
  expect((await table.history()).map((entry) => entry.operation)).toContain('OPTIMIZE')
  expect((await journal.read('profiles')).map((one) => one.run_id).sort()).toEqual(
    Array.from({ length: 52 }, (_, run) => `run-${run}`).sort(),
  )
})
