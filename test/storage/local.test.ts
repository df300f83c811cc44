import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { localStorage } from '../../src/storage/index.js'
import { temporaryFolder } from '../fixtures.js'

describe('adopt', () => {
  test('leaves a file where the engine wrote it in its place', async () => {
    const path = join(temporaryFolder(), 'a.parquet')
    writeFileSync(path, 'a')
    const { ino } = statSync(path)
    await localStorage().adopt([{ from: path, to: path }])
    expect(statSync(path).ino).toBe(ino)
  })

  test('says which file is not there', async () => {
    const path = join(temporaryFolder(), 'none.parquet')
    for (const from of [path, `${path}.staged`]) {
      await expect(localStorage().adopt([{ from, to: path }])).rejects.toMatchObject({ code: 'STORAGE_DENIED', facts: { path } })
    }
  })

  const elsewhere = '/dev/shm'
  test.skipIf(!existsSync(elsewhere) || statSync(elsewhere).dev === statSync(temporaryFolder()).dev)(
    'brings a file from another device',
    async () => {
      const staging = mkdtempSync(join(elsewhere, 'sluice-test-'))
      try {
        const [from, to] = [join(staging, 'a'), join(temporaryFolder(), 'p=1', 'a.parquet')]
        writeFileSync(from, 'bytes')
        await localStorage().adopt([{ from, to }])
        expect(readFileSync(to, 'utf8')).toBe('bytes')
        expect(existsSync(from)).toBe(false)
      } finally {
        rmSync(staging, { recursive: true, force: true })
      }
    },
  )
})
