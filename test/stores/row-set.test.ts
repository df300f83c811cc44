import { expect, test } from 'vitest'
import { reconcile } from '../../src/reconciliation/index.js'
import type { Field } from '../../src/schema/index.js'
import { engineRows, RowBatch, storeRows } from '../../src/stores/index.js'
import { memory } from '../../src/stores/memory.js'
import type { BucketDigest, Buckets, OpenTable } from '../../src/stores/store.js'
import { openSession } from '../session.js'

const ID: Field = { name: 'id', type: { kind: 'long' }, nullable: false }
const CODE: Field = { name: 'code', type: { kind: 'string' }, nullable: true }
const AMOUNT: Field = { name: 'amount', type: { kind: 'long' }, nullable: true }
const session = openSession()

async function table(lines: readonly string[]): Promise<OpenTable> {
  const made = (await memory().open({ projectFolder: '.' })).table('items')
  await made.make({ columns: [ID, CODE, AMOUNT], key: ['id'], indexes: [] })
  await made.upsert(new RowBatch([ID, CODE, AMOUNT], lines), { key: ['id'] })
  return made
}
const byCode = (label: string, of: OpenTable) =>
  storeRows(session(), { label, table: of, columns: [CODE, AMOUNT], key: ['code'], digest: true })
const sorted = (digests: readonly BucketDigest[] | undefined) => [...(digests ?? [])].sort((a, b) => a.bucket - b.bucket)

const LINES = Array.from({ length: 40 }, (_, id) => `${id}\t${id % 10 === 0 ? '\\N' : `code ${id}`}\t${id % 7 === 0 ? '\\N' : id}`)

test.each<Buckets>([
  { kind: 'text', column: CODE, bounds: ['code 13', 'code 2', 'code 33', 'd'], count: 5 },
  { kind: 'text', column: CODE, bounds: ['a'], count: 2 },
  { kind: 'range', column: AMOUNT, start: 5n, width: 10n, count: 4 },
  { kind: 'hash', columns: [CODE], count: 8 },
])('digests by halves are those of all rows, those without a value among them: %s', async (buckets) => {
  const items = await table(LINES)
  const whole = sorted(await items.digests([CODE, AMOUNT], buckets))
  expect(sorted(await byCode('items', items).digests(buckets))).toEqual(whole)
  expect(whole.reduce((sum, { rows }) => sum + rows, 0)).toBe(40)
})

test('the engine gives the wanted columns, in order, as many as wanted', async () => {
  const relation = "SELECT * FROM (VALUES ('b', 2), ('a', 1), (NULL, 3)) AS t(code, amount)"
  const rows = engineRows(session(), { label: 'items', relation, columns: [CODE, AMOUNT], key: ['code'] })
  const lines: string[] = []
  for await (const batch of rows.scan({ columns: [CODE], orderBy: 'code', limit: 2 })) {
    expect(batch.columns).toEqual([CODE])
    lines.push(...batch.lines)
  }
  expect(lines).toEqual(['\\N', 'a'])
})

test.each(['digest', 'rows'] as const)('rows without a key that one side lacks are differences at level %s', async (level) => {
  const [left, right] = [await table(LINES), await table(LINES.filter((line) => !line.includes('\t\\N\t')))]
  const outcome = await reconcile(session(), byCode('left', left), byCode('right', right), { level })
  await outcome.rows?.release()
  expect(outcome.total).toBeGreaterThan(0)
  if (level === 'rows') expect(outcome.byCause).toEqual({ missing: 4 })
})
