import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { quotePath } from '../../src/engine/index.js'
import { column, fieldsOf } from '../../src/schema/index.js'
import { DeltaTable } from '../../src/table/index.js'
import { describeWithReaders, describeWithSpark, temporaryFolder } from '../fixtures.js'
import { openSession } from '../session.js'
import { asWeRead, type DeltaRs, openPeer, type Spark, seen } from './peers.js'

interface Turn {
  readonly name: string
  /** What is done to the table, by whom the name says. */
  readonly act: () => Promise<unknown>
  /** The same, done to `model`, an ordinary table of rows. Without it the rows stay as they were. */
  readonly model?: string
}

/** Forty rows with ids from `first`, whose values tell which turn wrote them. */
const rows = (
  first: number,
  turn: number,
) => `SELECT id::bigint AS id, chr(97 + (id % 3)::integer) AS kind, 'turn ${turn}, né ' || id AS name,
  (id / 100 + ${turn})::decimal(10, 2) AS amount, TIMESTAMPTZ '2024-01-01 00:00:00+00' + id * INTERVAL 61 MINUTE AS moment, [id::integer, ${turn}] AS history
  FROM range(${first}, ${first + 40}) r(id)`

describeWithSpark('a table written in turns', () => {
  describeWithReaders('by three implementations', () => {
    const session = openSession()
    let spark: Spark
    let deltaRs: DeltaRs
    beforeAll(async () => {
      ;[spark, deltaRs] = await Promise.all([openPeer('spark'), openPeer('delta-rs')])
    })
    afterAll(() => Promise.all([spark?.close(), deltaRs?.close()]))

    describe.each([
      ['plain', 'false'],
      ['with deletion vectors', 'true'],
    ])('%s', (_, vectors) => {
      let path: string
      let table: DeltaTable
      beforeAll(async () => {
        path = join(temporaryFolder(), 'table')
        const fields = fieldsOf({
          id: column.long(),
          kind: column.string(),
          name: column.string(),
          amount: column.decimal(10, 2),
          moment: column.timestamp(),
          history: column.array(column.integer()),
        })
        table = await DeltaTable.create(path, { fields, partitionColumns: ['kind'] }, { session: session() })
        await sparkSql(`ALTER TABLE $table SET TBLPROPERTIES ('delta.enableDeletionVectors' = '${vectors}')`)
        await session().execute(`CREATE OR REPLACE TABLE model AS SELECT * FROM (${rows(0, 0)}) LIMIT 0`)
      })

      async function parquet(select: string): Promise<string> {
        const file = join(temporaryFolder(), 'rows.parquet')
        await session().execute(`COPY (${select}) TO ${quotePath(file)} (FORMAT parquet)`)
        return file
      }
      const appended = (select: string) => `INSERT INTO model ${select}`
      const merged = (select: string) => `DELETE FROM model WHERE id IN (SELECT id FROM (${select})); INSERT INTO model ${select}`
      const sparkSql = (text: string) => spark.sql(text.replaceAll('$table', `delta.\`${path}\``))
      // Rows keep their partition, or a MERGE would have to move them: ids are equal modulo 3.
      const turns: readonly Turn[] = [
        { name: 'we append', act: () => table.append(rows(0, 1)), model: appended(rows(0, 1)) },
        { name: 'Spark appends', act: async () => spark.write(path, await parquet(rows(40, 2))), model: appended(rows(40, 2)) },
        { name: 'delta-rs appends', act: async () => deltaRs.write(path, await parquet(rows(80, 3))), model: appended(rows(80, 3)) },
        { name: 'we merge', act: () => table.merge(`(${rows(20, 4)})`, ['id']), model: merged(rows(20, 4)) },
        { name: 'delta-rs merges', act: async () => deltaRs.merge(path, await parquet(rows(100, 5)), ['id']), model: merged(rows(100, 5)) },
        {
          name: 'Spark merges',
          act: async () =>
            sparkSql(`MERGE INTO $table t USING parquet.\`${await parquet(rows(60, 6))}\` s ON s.id = t.id
            WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *`),
          model: merged(rows(60, 6)),
        },
        { name: 'we delete', act: () => table.delete('id % 7 = 0'), model: 'DELETE FROM model WHERE id % 7 = 0' },
        { name: 'delta-rs deletes', act: () => deltaRs.delete(path, 'id % 11 = 0'), model: 'DELETE FROM model WHERE id % 11 = 0' },
        {
          name: 'Spark deletes',
          act: () => sparkSql('DELETE FROM $table WHERE id % 13 = 0'),
          model: 'DELETE FROM model WHERE id % 13 = 0',
        },
        { name: 'delta-rs compacts', act: () => deltaRs.optimize(path) },
        { name: 'we write a checkpoint', act: () => table.checkpoint() },
        { name: 'we append again', act: () => table.append(rows(200, 7)), model: appended(rows(200, 7)) },
        { name: 'Spark compacts', act: () => sparkSql('OPTIMIZE $table') },
        { name: 'delta-rs writes a checkpoint', act: () => deltaRs.checkpoint(path) },
        {
          name: 'Spark updates',
          act: () => sparkSql("UPDATE $table SET name = 'Spark''s', amount = amount + 1 WHERE kind = 'b' AND id < 60"),
          model: "UPDATE model SET name = 'Spark''s', amount = amount + 1 WHERE kind = 'b' AND id < 60",
        },
        { name: 'delta-rs orders by Z-value', act: () => deltaRs.zorder(path, ['id', 'moment']) },
        {
          name: 'we replace what a predicate names',
          act: () => table.replaceWhere("kind = 'c'", `SELECT * FROM (${rows(300, 8)}) WHERE kind = 'c'`),
          model: `DELETE FROM model WHERE kind = 'c'; INSERT INTO model SELECT * FROM (${rows(300, 8)}) WHERE kind = 'c'`,
        },
        {
          name: 'Spark adds a column',
          act: () => sparkSql('ALTER TABLE $table ADD COLUMNS (note STRING)'),
          model: 'ALTER TABLE model ADD COLUMN note VARCHAR',
        },
        {
          name: 'we merge into the added column',
          act: () => table.merge(`(SELECT *, 'ours' AS note FROM (${rows(210, 9)}))`, ['id']),
          model: merged(`SELECT *, 'ours' AS note FROM (${rows(210, 9)})`),
        },
        {
          name: 'delta-rs takes the files away that no version has',
          act: () => deltaRs.vacuum(path, { retentionHours: 0 }),
        },
        {
          name: 'Spark deletes a partition',
          act: () => sparkSql("DELETE FROM $table WHERE kind = 'a'"),
          model: "DELETE FROM model WHERE kind = 'a'",
        },
        {
          name: 'we overwrite',
          act: () => table.overwrite(`SELECT *, null::varchar AS note FROM (${rows(0, 10)})`),
          model: `DELETE FROM model; INSERT INTO model SELECT *, null FROM (${rows(0, 10)})`,
        },
      ]

      for (const [index, { name, act, model }] of turns.entries()) {
        test(`${index + 1}: ${name}`, async () => {
          await act()
          if (model !== undefined) await session().execute(model)
          const expected = await seen(session(), 'SELECT * FROM model')
          expect.soft(await asWeRead(path), 'as we read').toEqual(expected)
          expect.soft(await deltaRs.read(path), 'as delta-rs reads').toEqual(expected)
          expect.soft(await spark.read(path), 'as Spark reads').toEqual(expected)
        })
      }

      test('every version reads the same to all three', async () => {
        const [latest] = await table.history(1)
        const vacuumed = (await table.history()).find(({ operation }) => operation.startsWith('VACUUM'))?.version ?? 0
        expect(vacuumed).toBeGreaterThan(0)
        for (let version = vacuumed; version <= (latest?.version ?? 0); version++) {
          const ours = await asWeRead(path, version)
          expect.soft(await deltaRs.read(path, version), `version ${version} as delta-rs reads`).toEqual(ours)
          expect.soft(await spark.read(path, version), `version ${version} as Spark reads`).toEqual(ours)
        }
      })
    })
  })
})
