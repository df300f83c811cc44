import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { fileCache } from '../../src/storage/file-cache.js'
import { temporaryFolder } from '../fixtures.js'

afterEach(() => vi.unstubAllEnvs())

const kilobyte = (path: string) => writeFile(path, Buffer.alloc(1024))

/** A copy that another process made and last used so many hours ago. */
function copyOfAnother(folder: string, name: string, hours: number): void {
  writeFileSync(join(folder, name), Buffer.alloc(1024))
  const then = Date.now() / 1000 - hours * 3600
  utimesSync(join(folder, name), then, then)
}

describe('trim', () => {
  test('deletes what was used longest ago until the rest is within the limit', async () => {
    const folder = temporaryFolder()
    for (const [name, hours] of [
      ['b', 3],
      ['a', 5],
      ['c', 2],
      ['d', 4],
    ] as const)
      copyOfAnother(folder, name, hours)
    await fileCache({ folder, bytes: 2048 }).trim()
    expect(readdirSync(folder).sort()).toEqual(['b', 'c'])
  })

  test('spares what any process used within the hour, and what this one was ever answered', async () => {
    const folder = temporaryFolder()
    copyOfAnother(folder, 'recent', 0.9)
    copyOfAnother(folder, 'old', 1.1)
    const cache = fileCache({ folder, bytes: 0 })
    const copy = await cache.copy('server\ns3://bucket/mine', kilobyte)
    utimesSync(copy, 0, 0)
    await cache.trim()
    expect(readdirSync(folder).filter((name) => !name.endsWith('-mine'))).toEqual(['recent'])
    expect(statSync(copy).size).toBe(1024)
  })

  test('a copy that is asked for again counts as used', async () => {
    const folder = temporaryFolder()
    const cache = fileCache({ folder })
    const copy = await cache.copy('s3://bucket/a', kilobyte)
    utimesSync(copy, 0, 0)
    await cache.copy('s3://bucket/a', () => Promise.reject(new Error('It is here already.')))
    expect(statSync(copy).mtimeMs).toBeGreaterThan(Date.now() - 60_000)
  })

  test('takes away what a process that died left half-downloaded, however little there is', async () => {
    const folder = temporaryFolder()
    copyOfAnother(folder, 'a.tmp', 2)
    copyOfAnother(folder, 'b.tmp', 0)
    await fileCache({ folder }).trim()
    expect(readdirSync(folder)).toEqual(['b.tmp'])
  })
})

describe('copy', () => {
  test('one caller’s failure is not another’s', async () => {
    const cache = fileCache({ folder: temporaryFolder() })
    const failing = cache.copy('s3://bucket/a', () => Promise.reject(new Error('no')))
    const waiting = cache.copy('s3://bucket/a', kilobyte)
    await expect(failing).rejects.toThrow('no')
    expect(statSync(await waiting).size).toBe(1024)
  })

  test('two processes may bring the same file at once', async () => {
    const folder = temporaryFolder()
    vi.resetModules()
    const another = await import('../../src/storage/file-cache.js')
    const slowly = async (path: string) => {
      await writeFile(path, 'half')
      await new Promise((resolve) => setTimeout(resolve, 20))
      await writeFile(path, 'the whole')
    }
    const caches = [fileCache({ folder }), another.fileCache({ folder })]
    const copies = await Promise.all(caches.map((cache) => cache.copy('s3://bucket/a', slowly)))
    expect(new Set(copies).size).toBe(1)
    expect(readFileSync(copies[0] ?? '', 'utf8')).toBe('the whole')
    expect(readdirSync(folder)).toHaveLength(1)
  })

  test('the name ends as the file’s does, however long and odd that is', async () => {
    const cache = fileCache({ folder: temporaryFolder() })
    expect(await cache.copy('s3://bucket/p=1/part-1.snappy.parquet', kilobyte)).toMatch(/\/[0-9a-f]{32}-part-1\.snappy\.parquet$/)
    expect(await cache.copy(`s3://bucket/${'ä'.repeat(300)}.parquet`, kilobyte)).toMatch(/_\.parquet$/)
  })
})

describe('the folder, unless told', () => {
  test('is this user’s own', async () => {
    vi.stubEnv('TMPDIR', temporaryFolder())
    const copy = await fileCache({}).copy('s3://bucket/a', kilobyte)
    expect(copy).toMatch(/\/sluice-cache-[^/]+\/[0-9a-f]{32}-a$/)
    expect(statSync(join(copy, '..')).mode & 0o777).toBe(0o700)
  })

  test.skipIf(process.getuid === undefined)('is refused when others may put files into it', async () => {
    const shared = temporaryFolder()
    vi.stubEnv('TMPDIR', shared)
    const planted = join(shared, `sluice-cache-${process.getuid?.()}`)
    mkdirSync(planted)
    chmodSync(planted, 0o777)
    await expect(fileCache({}).copy('s3://bucket/a', kilobyte)).rejects.toMatchObject({ code: 'STORAGE_DENIED', facts: { path: planted } })
  })
})
