import fc from 'fast-check'
import { expect, test } from 'vitest'
import { literal } from '../../src/engine/index.js'
import { column } from '../../src/schema/index.js'
import { DeltaTable } from '../../src/table/index.js'
import { part } from '../fixtures.js'
import { openSession } from '../session.js'
import { newTable, rowsOf } from './table.js'

/** Any sequence of operations leaves the table as the same operations leave an array, and every version stays readable as it was. */

const session = openSession()

interface Item {
  readonly k: number | null
  readonly p: string | null
  readonly v: number
}

interface Step {
  readonly say: string
  readonly onModel: (rows: readonly Item[], earlier: readonly (readonly Item[])[]) => readonly Item[]
  readonly onTable: (table: DeltaTable, versions: number) => Promise<unknown>
}

function select(rows: readonly Item[]): string {
  const list = rows.map(({ k, p, v }) => `(${literal(k)}::INTEGER, ${literal(p)}::VARCHAR, ${v})`)
  return list.length === 0
    ? 'SELECT 1 AS k, null::VARCHAR AS p, 1 AS v WHERE false'
    : `SELECT * FROM (VALUES ${list.join(', ')}) AS s(k, p, v)`
}

const key = fc.integer({ min: 0, max: 12 })
const partValue = fc.constantFrom<string | null>('a', 'b', 'c d', '%/é', null)
const item = fc.record({
  k: fc.oneof({ weight: 8, arbitrary: key }, { weight: 1, arbitrary: fc.constant(null) }),
  p: partValue,
  v: fc.integer({ min: 0, max: 99 }),
})
const items = fc.array(item, { maxLength: 6 })
const keyed = fc.uniqueArray(fc.record({ k: key, p: partValue, v: fc.integer({ min: 100, max: 199 }) }), {
  selector: (one) => one.k,
  maxLength: 5,
})

const step: fc.Arbitrary<Step> = fc.oneof(
  items.map(
    (rows): Step => ({
      say: `append ${JSON.stringify(rows)}`,
      onModel: (now) => [...now, ...rows],
      onTable: (table) => table.append(select(rows)),
    }),
  ),
  items.map(
    (rows): Step => ({ say: `overwrite ${JSON.stringify(rows)}`, onModel: () => rows, onTable: (table) => table.overwrite(select(rows)) }),
  ),
  keyed.map(
    (rows): Step => ({
      say: `merge ${JSON.stringify(rows)}`,
      onModel: (now) => [...now.filter((one) => !rows.some((row) => row.k === one.k)), ...rows],
      onTable: (table) => table.merge(`(${select(rows)})`, ['k']),
    }),
  ),
  fc.tuple(key, key).map(
    ([low, high]): Step => ({
      say: `delete ${low}..${high}`,
      onModel: (now) => now.filter((one) => one.k === null || one.k < low || one.k > high),
      onTable: (table) => table.delete(`t.k BETWEEN ${low} AND ${high}`),
    }),
  ),
  fc.tuple(key, items).map(([from, given]): Step => {
    const rows = given.filter((one) => one.k !== null && one.k >= from)
    return {
      say: `replaceWhere k >= ${from} ${JSON.stringify(rows)}`,
      onModel: (now) => [...now.filter((one) => one.k === null || one.k < from), ...rows],
      onTable: (table) => table.replaceWhere(`k >= ${from}`, select(rows)),
    }
  }),
  fc.tuple(fc.uniqueArray(partValue, { minLength: 1, maxLength: 3 }), items).map(
    ([parts, rows]): Step => ({
      say: `replaceKeys p in ${JSON.stringify(parts)} ${JSON.stringify(rows)}`,
      onModel: (now) => [...now.filter((one) => !parts.includes(one.p)), ...rows],
      onTable: (table) => table.replaceKeys(['p'], `(SELECT unnest([${parts.map(literal).join(', ')}]::VARCHAR[]) AS p)`, select(rows)),
    }),
  ),
  fc.nat(20).map(
    (back): Step => ({
      say: `restore ${back}`,
      onModel: (_, earlier) => earlier[back % earlier.length] ?? [],
      onTable: (table, versions) => table.restore(back % versions),
    }),
  ),
)

const text = (rows: readonly Item[]) => rows.map(({ k, p, v }) => `${k} ${p} ${v}`).sort()

test.each([
  ['a table', []],
  ['a partitioned table', ['p']],
])('%s is what its operations make it', async (_, partitionColumns) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 9 }), async (steps) => {
      const columns = { k: column.integer(), p: column.string(), v: column.integer() }
      const table = await newTable(session(), columns, { partitionColumns, properties: { 'delta.checkpointInterval': '3' } })
      const versions: (readonly Item[])[] = [[]]
      for (const { onModel, onTable } of steps) {
        versions.push(onModel(versions.at(-1) ?? [], versions))
        await onTable(table, versions.length - 1)
      }
      const fresh = await DeltaTable.open(table.path, { session: session() })
      const said = steps.map((one) => one.say).join('\n')
      for (const [version, rows] of versions.entries())
        expect(await rowsOf(fresh, { version }), `version ${version} of\n${said}`).toEqual(text(rows))
    }),
    { numRuns: part(25) },
  )
})
