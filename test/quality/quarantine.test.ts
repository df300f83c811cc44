import { expect, test } from 'vitest'
import { heldCondition, heldGroups, heldRows, quarantineDefinition, quarantinePath } from '../../src/quality/index.js'
import { openSession } from '../session.js'
import { values } from '../table/table.js'

const session = openSession()
const staged = [
  { name: 'id', type: { kind: 'integer' }, nullable: false },
  { name: "it's", type: { kind: 'string' }, nullable: true },
] as const

test('a quarantine lies beside the layers, and holds the staged row whole with why, when and by which run', async () => {
  expect(quarantinePath('/lake', 'silver.trips')).toBe('/lake/_quarantine/silver/trips')
  const { fields } = quarantineDefinition('silver.trips', staged)
  expect(fields.map((field) => [field.name, field.nullable])).toEqual([
    ['id', true],
    ["it's", true],
    ['_reasons', true],
    ['_run_id', true],
    ['_batch', true],
    ['_held_at', true],
  ])
  const select = heldRows(`SELECT 1 AS id, 'x' AS "it's", ['a', 'b'] AS _reasons`, fields, { runId: "r'1", batch: 7, heldAt: new Date(0) })
  const [row] = await session().rows(select)
  expect({ ...row, _held_at: String(row?.['_held_at']) }).toEqual({
    id: 1,
    "it's": 'x',
    _reasons: ['a', 'b'],
    _run_id: "r'1",
    _batch: 7,
    _held_at: '1970-01-01T00:00:00.000000Z',
  })
})

const held = values('id, _reasons, _run_id', "(1, ['a', 'b'], 'r1')", "(2, ['b'], 'r1')", "(3, ['it''s'], 'r2')")

test('a row that broke two counts under both', async () => {
  expect(await heldGroups(session(), held)).toEqual([
    { expectation: 'b', rows: 2 },
    { expectation: 'a', rows: 1 },
    { expectation: "it's", rows: 1 },
  ])
})

test.each([
  [{}, [1, 2, 3]],
  [{ expectation: 'b' }, [1, 2]],
  [{ expectation: "it's" }, [3]],
  [{ runId: 'r1' }, [1, 2]],
  [{ expectation: 'b', runId: 'r2' }, []],
])('%j chooses the rows %j', async (filter, ids) => {
  const rows = await session().rows(`SELECT id FROM (${held}) WHERE ${heldCondition(filter)} ORDER BY id`)
  expect(rows.map((row) => row['id'])).toEqual(ids)
})
