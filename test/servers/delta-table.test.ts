import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { S3 } from '@aws-sdk/client-s3'
import { beforeAll, expect, test } from 'vitest'
import { column, fieldsOf } from '../../src/schema/index.js'
import { s3Storage } from '../../src/storage/index.js'
import { DeltaTable } from '../../src/table/index.js'
import { describeWithS3, s3Server, temporaryFolder } from '../fixtures.js'
import { asText, openSession } from '../session.js'

const session = openSession()

describeWithS3('a Delta table on S3', () => {
  const bucket = `sluice-${randomUUID()}`
  beforeAll(async () => {
    await new S3(s3Server()).createBucket({ Bucket: bucket })
  })
  const storage = () => s3Storage({ ...s3Server(), cache: { folder: join(temporaryFolder(), 'cache') } })
  const at = (path: string) => DeltaTable.at(path, { storage: storage(), session: session() })
  const newTable = (properties: Record<string, string> = {}) =>
    DeltaTable.create(
      `s3://${bucket}/${randomUUID()}`,
      { fields: fieldsOf({ id: column.long(), part: column.string() }), partitionColumns: ['part'], properties },
      { storage: storage(), session: session() },
    )
  const rowsOf = async (table: DeltaTable) => asText(await session().rows(await table.read({ columns: ['id'] })))

  test.each([{}, { 'delta.enableDeletionVectors': 'true', 'delta.enableChangeDataFeed': 'true' }])(
    'is written, changed, tidied and read back by another with %j',
    async (properties) => {
      const table = await newTable(properties)
      await table.append("SELECT i AS id, 'a b/' || (i % 3) || '%é' AS part FROM range(30) AS r(i)")
      await table.merge("(SELECT 5 AS id, 'moved' AS part UNION ALL SELECT 100, 'new')", ['id'])
      await table.delete('t.id BETWEEN 10 AND 19')
      await table.optimize()
      for (let id = 200; id < 210; id++) await table.append(`SELECT ${id} AS id, 'new' AS part`)
      const expected = [...Array(10).keys(), ...Array.from({ length: 10 }, (_, index) => 20 + index), 100]
      const all = [...expected, ...Array.from({ length: 10 }, (_, index) => 200 + index)].map(String).sort()
      expect(await rowsOf(table)).toEqual(all)
      expect(await rowsOf(at(table.path))).toEqual(all)
      expect((await table.vacuum({ retentionHours: 0, force: true })).files.length).toBeGreaterThan(0)
      expect(await rowsOf(at(table.path))).toEqual(all)
      expect(await table.restore(12)).toMatchObject({ applied: true })
    },
  )

  test('takes the appends and merges of many writers at once, each of them once', async () => {
    const table = await newTable()
    await table.append("SELECT 0 AS id, 'shared' AS part")
    await Promise.all(
      Array.from({ length: 8 }, async (_, writer) => {
        const own = at(table.path)
        for (let turn = 0; turn < 3; turn++) {
          await own.append(`SELECT ${writer * 100 + turn + 1} AS id, 'w${writer}' AS part`, {
            txn: { appId: `writer ${writer}`, version: turn },
          })
          await own.append(`SELECT -1 AS id, 'w${writer}' AS part`, { txn: { appId: `writer ${writer}`, version: turn } })
        }
      }),
    )
    const expected = Array.from({ length: 8 }, (_, writer) => [1, 2, 3].map((turn) => String(writer * 100 + turn))).flat()
    expect(await rowsOf(table)).toEqual([...expected, '0'].sort())
    expect((await table.snapshot()).version).toBe(25)
  })
})
