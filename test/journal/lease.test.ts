import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Lease, takeLease } from '../../src/journal/index.js'
import { localStorage } from '../../src/storage/index.js'
import { repository, temporaryFolder } from '../fixtures.js'
import { codeOf } from '../table/table.js'

const storage = localStorage()
const take = (lake: string, waitMs = 0) => takeLease(lake, storage, { purpose: 'a test', waitMs })

/** Another process that takes the lease and holds it until it is killed. */
async function holder(lake: string): Promise<{ kill: () => Promise<void> }> {
  const code = `
    const { takeLease } = await import(${JSON.stringify(join(repository, 'dist/journal/index.js'))})
    const { localStorage } = await import(${JSON.stringify(join(repository, 'dist/storage/index.js'))})
    await takeLease(${JSON.stringify(lake)}, localStorage(), { purpose: 'the child', waitMs: 0 })
    console.log('held')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve)
    child.once('exit', () => reject(new Error('the child took no lease')))
  })
  return { kill: () => new Promise((resolve) => child.once('exit', () => resolve()) && child.kill('SIGKILL')) }
}

describe('the lease', () => {
  test('is taken by exactly one of many', async () => {
    const lake = temporaryFolder()
    const tried = await Promise.allSettled(Array.from({ length: 12 }, () => take(lake)))
    const won = tried.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    expect(won).toHaveLength(1)
    for (const one of tried)
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'LEASE_HELD', retry: 'transient', exit: 75 })
    await won[0]?.check()
    await won[0]?.release()
  })

  test('passes on when it is released', async () => {
    const lake = temporaryFolder()
    const leases: Lease[] = []
    for (let turn = 0; turn < 3; turn++) {
      const lease = await take(lake)
      await lease.check()
      await lease.release()
      await lease.release()
      leases.push(lease)
    }
    expect(await codeOf(leases[0]?.check() ?? Promise.resolve())).toBe('LEASE_LOST')
    expect(readdirSync(join(lake, '_sluice/lease')).length).toBeLessThanOrEqual(2)
  })

  test('is waited for', async () => {
    const lake = temporaryFolder()
    const first = await take(lake)
    setTimeout(() => void first.release(), 300)
    const second = await take(lake, 5000)
    await second.check()
    await second.release()
  })

  test.skipIf(!existsSync(join(repository, 'dist')))('is not taken from a process that lives, and its holder is named', async () => {
    const lake = temporaryFolder()
    const child = await holder(lake)
    await expect(take(lake)).rejects.toMatchObject({ code: 'LEASE_HELD', message: expect.stringContaining('the child') })
    await child.kill()
  })

  test.skipIf(!existsSync(join(repository, 'dist')))('is taken at once from a process that was killed, by exactly one', async () => {
    const lake = temporaryFolder()
    await (await holder(lake)).kill()
    const started = Date.now()
    const tried = await Promise.allSettled(Array.from({ length: 8 }, () => take(lake)))
    const won = tried.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    expect(won).toHaveLength(1)
    expect(Date.now() - started).toBeLessThan(2000)
    await won[0]?.release()
  })

  test('that another has taken over is lost', async () => {
    const lake = temporaryFolder()
    const lease = await take(lake)
    const folder = join(lake, '_sluice/lease')
    const [name = ''] = readdirSync(folder)
    const next = String(Number.parseInt(name, 10) + 1).padStart(12, '0')
    const other = { id: 'other', host: 'elsewhere', pid: 1, born: '', purpose: 'other', since: '' }
    await storage.put(join(folder, `${next}.json`), new TextEncoder().encode(JSON.stringify(other)))
    expect(await codeOf(lease.check())).toBe('LEASE_LOST')
    await lease.release()
    expect(JSON.parse(new TextDecoder().decode(await storage.read(join(folder, `${next}.json`))))).toEqual(other)
  })
})
