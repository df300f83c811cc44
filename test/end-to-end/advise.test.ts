import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import { DeltaTable } from '../../src/table/index.js'
import { type Ended, ended, sluiceWith, startSluice, temporaryFolder } from '../fixtures.js'

/** `sluice advise` on a project whose raw orders came in 60 tiny commits. */
describe('sluice advise', () => {
  let folder: string
  let project: string
  /** Where copies are made; nothing may be left in it. */
  let temporary: string
  const copies = () => readdirSync(temporary).filter((name) => name.startsWith('sluice-'))
  const here = (...words: string[]): Promise<Ended> => sluiceWith({ env: { TMPDIR: temporary } }, ...words, '--project', project)

  beforeAll(async () => {
    folder = temporaryFolder()
    project = join(folder, 'shop')
    temporary = join(folder, 'tmp')
    mkdirSync(temporary)
    expect((await sluiceWith({}, 'init', project)).code).toBe(0)
    expect((await here('run')).code).toBe(0)
  })

  test('has nothing to say of a healthy project, and that is no failure', async () => {
    const { code, stdout } = await here('advise')
    expect(stdout).toBe('Nothing to advise.\n')
    expect(code).toBe(0)
    expect((await here('advise', '--json')).json()).toEqual({ advice: [] })
  })

  describe('of a table of many small files', () => {
    beforeAll(async () => {
      const table = await DeltaTable.open(join(project, 'lake/bronze/raw_orders'))
      for (let batch = 0; batch < 60; batch++) {
        await table.append(
          `SELECT ${batch * 100} + i AS order_id, DATE '2026-01-01' + i::INTEGER AS ordered_on, i::DECIMAL(10, 2) AS amount FROM range(100) AS r(i)`,
        )
      }
      await table.close()
    })

    test('names it, with figures and the command that helps', async () => {
      const { advice } = (await here('advise', '--json')).json()
      expect(advice).toEqual([
        {
          id: 'compaction',
          about: 'bronze.raw_orders',
          title: '61 files where 1 would do',
          evidence: [
            { what: 'files', value: 61, unit: 'files' },
            { what: 'size of the middle one', value: expect.any(Number), unit: 'bytes' },
            { what: 'size of all', value: expect.any(Number), unit: 'bytes' },
          ],
          expected: '1 file. Every read of bronze.raw_orders opens fewer of them, and its log is shorter.',
          how: 'sluice table optimize bronze.raw_orders',
          impact: 'low',
        },
      ])
      const { code, stdout } = await here('advise')
      expect(code).toBe(0)
      expect(stdout).toContain('low     bronze.raw_orders  61 files where 1 would do\n')
      expect(stdout).toContain('Do: sluice table optimize bronze.raw_orders')
      expect((await here('advise', 'silver.orders', '--json')).json()).toEqual({ advice: [] })
      expect((await here('advise', 'silver.oders')).code).toBe(2)
    })

    test('--try measures before and after on a copy, and leaves the lake as it was and nothing behind', async () => {
      const before = fingerprint(join(project, 'lake'))
      const [advice] = (await here('advise', '--try', '--json')).json().advice
      expect(advice.measured.what).toBe('a read of all rows')
      expect(advice.measured.before.files).toBe(61)
      expect(advice.measured.after.files).toBe(1)
      expect(advice.measured.after.bytes).toBeLessThan(advice.measured.before.bytes)
      expect(fingerprint(join(project, 'lake'))).toBe(before)
      expect(copies()).toEqual([])
      expect((await here('advise', '--try')).stdout).toMatch(
        /Measured on a copy, a read of all rows, median of 5:\n {10}before .*, 61 files, .*\n {10}after .*, 1 files?, /,
      )
    })

    test('interrupted while it tries, it ends with 130 and leaves no copy', async () => {
      const child = startSluice({ env: { TMPDIR: temporary } }, 'advise', '--try', '--project', project)
      const end = ended(child)
      while (child.exitCode === null && copies().every((name) => !name.startsWith('sluice-advise-'))) await sleep(2)
      child.kill('SIGINT')
      expect((await end).code).toBe(130)
      expect(copies()).toEqual([])
    })

    test('the command that it names takes the advice away', async () => {
      expect((await here('table', 'optimize', 'bronze.raw_orders')).code).toBe(0)
      expect((await here('advise', '--json')).json()).toEqual({ advice: [] })
    })
  })
})

/** Of every file below a folder: its name, its bytes and when it was written. */
function fingerprint(folder: string): string {
  const hash = createHash('sha256')
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
  for (const name of names) {
    const path = join(folder, name)
    const stat = statSync(path)
    hash.update(`${name} ${stat.mtimeMs}\n`)
    if (stat.isFile()) hash.update(readFileSync(path))
  }
  return hash.digest('hex')
}
