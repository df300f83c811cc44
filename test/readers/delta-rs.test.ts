import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { DeltaTable } from '../../src/table/index.js'
import { csvs, example, runTaxi } from '../end-to-end/taxi.js'
import { describeWithData, describeWithReaders, readerPython, repository, sluice, temporaryFolder } from '../fixtures.js'

interface Seen {
  readonly rows: number
  readonly digest: string
  readonly columns: readonly string[]
}

/** Every Delta table below a folder. */
function tablesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name === '_delta_log')
    .map((entry) => entry.parentPath)
    .sort()
}

function asDeltaRsReads(paths: readonly string[]): Record<string, Seen> {
  const script = join(repository, 'test', 'readers', 'read.py')
  return JSON.parse(execFileSync(readerPython(), [script, ...paths], { encoding: 'utf8', maxBuffer: 1 << 26 }))
}

/** The same digest, by our own reading. Text is what both engines agree on. */
async function asWeRead(path: string): Promise<Seen> {
  const table = await DeltaTable.open(path)
  try {
    const { fields } = await table.snapshot()
    const names = fields.map((field) => field.name).sort()
    const session = await table.session()
    const text = names.map((name) => `coalesce(cast("${name}" as varchar), '~')`).join(', ')
    const digest = `coalesce(bit_xor(('0x' || left(md5(concat_ws('|', ${text})), 15))::bigint), 0)::varchar`
    const [row] = await session.rows(`SELECT count(*) AS n, ${digest} AS digest FROM (${await table.read()})`)
    return { rows: Number(row?.['n']), digest: String(row?.['digest']), columns: names }
  } finally {
    await table.close()
  }
}

describeWithData('tables of the nyc-taxi example', () => {
  describeWithReaders('as delta-rs reads them', () => {
    let lake: string
    beforeAll(async () => {
      lake = join(temporaryFolder(), 'lake')
      expect((await runTaxi(lake, csvs.replace('201*', '2018-*'))).code).toBe(0)
      expect((await runTaxi(lake, csvs)).code).toBe(0)
      await sluice('quarantine', 'replay', '--project', example, '--lake', lake, '--var', 'max_trip_hours=48')
      // Enough commits for log checkpoints, in the journal and in a gold table.
      for (let day = 1; day <= 12; day++) {
        const [from, to] = [day, day + 1].map((one) => `2018-01-${String(one).padStart(2, '0')}`)
        expect((await runTaxi(lake, csvs, 'gold.hourly_demand', '--from', from ?? '', '--to', to ?? '')).code).toBe(0)
      }
    })

    test('every table holds the same rows: layers, quarantine and journal', async () => {
      const paths = tablesIn(lake)
      expect(paths.map((path) => path.slice(lake.length + 1))).toEqual(
        expect.arrayContaining([
          '_quarantine/silver/trips',
          '_sluice/runs',
          '_sluice/steps',
          'bronze/raw_trips',
          'gold/hourly_demand',
          'silver/trips',
          'silver/zones',
        ]),
      )
      expect(existsSync(join(lake, 'gold/hourly_demand/_delta_log/_last_checkpoint'))).toBe(true)
      const seen = asDeltaRsReads(paths)
      for (const path of paths) expect(seen[path], path.slice(lake.length + 1)).toEqual(await asWeRead(path))
      expect(seen[join(lake, 'bronze/raw_trips')]?.rows).toBe(240_000)
    })
  })
})
