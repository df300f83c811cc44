import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { csvs, example, runTaxi } from '../end-to-end/taxi.js'
import { describeWithData, describeWithReaders, sluice, temporaryFolder } from '../fixtures.js'
import { asWeRead, type DeltaRs, openPeer } from './peers.js'

/** Every Delta table below a folder. */
function tablesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name === '_delta_log')
    .map((entry) => entry.parentPath)
    .sort()
}

describeWithData('tables of the nyc-taxi example', () => {
  describeWithReaders('as delta-rs reads them', () => {
    let lake: string
    let deltaRs: DeltaRs
    afterAll(() => deltaRs?.close())
    beforeAll(async () => {
      deltaRs = await openPeer('delta-rs')
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
      for (const path of paths) expect(await asWeRead(path), path.slice(lake.length + 1)).toEqual(await deltaRs.read(path))
      expect((await deltaRs.read(join(lake, 'bronze/raw_trips'))).rows).toBe(240_000)
    })
  })
})
