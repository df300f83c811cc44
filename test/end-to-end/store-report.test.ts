import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Ended, sluiceWith, temporaryFolder } from '../fixtures.js'

/** What the report and the advice say of stores, in a project that serves from a DuckDB file: no server is needed. */

const FILES: Readonly<Record<string, string>> = {
  'sluice.config.ts': `import { defineProject } from 'sluice'
import { serving } from './stores.js'
export default defineProject({ name: 'meters', lake: './lake', stores: { serving } })
`,
  'stores.ts': `import { duckdb } from 'sluice/stores/duckdb'
export const serving = duckdb({ path: 'target/serving.duckdb' })
`,
  'datasets/readings.ts': `import { column, dataset, overwrite, sql } from 'sluice'
export const readings = dataset('silver.readings', {
  description: 'What meters said.',
  columns: { id: column.long({ nullable: false }), meter: column.string(), value: column.double() },
  key: ['id'],
  from: sql\`SELECT i AS id, 'meter ' || (i % 7) AS meter, CASE WHEN i % 250 = 0 THEN 900.0 ELSE (i % 10)::DOUBLE END AS value FROM range(1000) AS r(i)\`,
  write: overwrite(),
})
`,
  'syncs/readings.ts': `import { sync } from 'sluice'
import { readings } from '../datasets/readings.js'
import { serving } from '../stores.js'
export const served = sync(readings, { name: 'readings_served', to: serving.table('readings') })
`,
  'anomalies/readings.ts': `import { anomalies, mad } from 'sluice/anomaly'
import { readings } from '../datasets/readings.js'
export const odd = anomalies('odd_readings', { of: readings, key: ['id'], features: { value: 'value' }, methods: [mad({ threshold: 6 })] })
`,
}

describe('the report of a project with a store', () => {
  const project = join(temporaryFolder(), 'meters')
  const here = (...words: string[]): Promise<Ended> => sluiceWith({}, ...words, '--project', project)
  async function page(): Promise<string> {
    const { code, stderr } = await here('report')
    expect(code, stderr).toBe(0)
    return readFileSync(join(project, 'target', 'report.html'), 'utf8')
      .replace(/<(style|script)>[\s\S]*?<\/\1>/g, '')
      .replace(/<title>.*?<\/title>/g, '')
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ')
  }

  beforeAll(async () => {
    for (const [file, text] of Object.entries(FILES)) {
      mkdirSync(join(project, file, '..'), { recursive: true })
      writeFileSync(join(project, file), text)
    }
    const { code, stdout, stderr } = await here('run')
    expect(code, stdout + stderr).toBe(0)
  })

  test('says that its sync and its search never ran', async () => {
    const text = await page()
    expect(text).toContain('Stores: 1 sync never ran.')
    expect(text).toContain('The one sync never ran')
    expect(text).toContain('It never ran: sluice anomaly run odd_readings')
    // To report opens no store: the file would be there.
    expect(existsSync(join(project, 'target', 'serving.duckdb'))).toBe(false)
  })

  test('says what was written, that it is equal, and what is odd', async () => {
    for (const words of [['sync'], ['reconcile'], ['anomaly', 'run']]) {
      const { code, stdout, stderr } = await here(...words)
      expect(code, stdout + stderr).toBe(0)
    }
    const text = await page()
    expect(text).toMatch(/readings_served silver\.readings → serving\.readings ✓ ok filled from empty \S+ \S+ UTC 1,000 1,000 0 0 0 /)
    expect(text).toContain('Syncs went well, and no difference is known.')
    expect(text).toMatch(/readings_served silver\.readings and serving\.readings ✓ equal \S+ \S+ UTC rows 1,000 0/)
    expect(text).toContain('4 of 1,000 rows (0.4%) are odd.')
    expect(text).toMatch(/id 0 [\d.]+ value 900 is [\d.]+ robust deviations above/)
    expect(text).toMatch(/reconcile readings_served duckdb 1 /)
    expect((await here('advise', '--json')).json()).toEqual({ advice: [] })
  })

  test('names the rows that differ once somebody has changed them', async () => {
    const instance = await DuckDBInstance.create(join(project, 'target', 'serving.duckdb'))
    const connection = await instance.connect()
    await connection.run('UPDATE readings SET value = 5.5 WHERE id = 7')
    await connection.run('DELETE FROM readings WHERE id = 8')
    connection.closeSync()
    instance.closeSync()
    expect((await here('reconcile')).code).toBe(1)
    const text = await page()
    expect(text).toContain('Stores: 2 differences in serving.readings.')
    expect(text).toContain('≠ different readings_served 2 differences between silver.readings and serving.readings:')
    expect(text).toContain('id 7 value 7 5.5 real')
    expect(text).toContain('id 8 the whole row there not there missing')
    expect((await here('reconcile', '--repair')).code).toBe(0)
    expect(await page()).toContain('equal after repair')
  })
})
