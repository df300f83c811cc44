import { setTimeout } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { column } from '../../src/schema/index.js'
import { localStorage, type Storage } from '../../src/storage/index.js'
import { DeltaTable } from '../../src/table/index.js'
import { part } from '../fixtures.js'
import { openSession } from '../session.js'
import { newTable, rowsOf } from './table.js'

/** Whatever two writers do at once, the table ends as if they had taken turns: there is an order of their steps that leads there. */

const session = openSession()

interface Item {
  readonly k: number
  readonly v: number
}

interface Step {
  readonly say: string
  readonly onModel: (rows: readonly Item[]) => readonly Item[]
  readonly onTable: (table: DeltaTable) => Promise<unknown>
}

const select = (rows: readonly Item[]) => `SELECT * FROM (VALUES ${rows.map(({ k, v }) => `(${k}, ${v})`).join(', ')}) AS s(k, v)`
const text = (rows: readonly Item[]) => rows.map(({ k, v }) => `${k} ${v}`).sort()

const start: readonly Item[] = Array.from({ length: 6 }, (_, k) => ({ k, v: 0 }))
const key = fc.integer({ min: 0, max: 7 })
const value = fc.integer({ min: 1, max: 99 })
const someRows = fc.uniqueArray(fc.record({ k: key, v: value }), { selector: (one) => one.k, minLength: 1, maxLength: 3 })
const range = fc.tuple(key, key).map(([one, other]) => [Math.min(one, other), Math.max(one, other)] as const)

const step: fc.Arbitrary<Step> = fc.oneof(
  someRows.map(
    (rows): Step => ({
      say: `append ${text(rows)}`,
      onModel: (now) => [...now, ...rows],
      onTable: (table) => table.append(select(rows)),
    }),
  ),
  someRows.map(
    (rows): Step => ({
      say: `merge ${text(rows)}`,
      onModel: (now) => [...now.filter((one) => !rows.some((row) => row.k === one.k)), ...rows],
      onTable: (table) => table.merge(`(${select(rows)})`, ['k']),
    }),
  ),
  range.map(
    ([low, high]): Step => ({
      say: `delete ${low}..${high}`,
      onModel: (now) => now.filter(({ k }) => k < low || k > high),
      onTable: (table) => table.delete(`t.k BETWEEN ${low} AND ${high}`),
    }),
  ),
  fc.tuple(range, value).map(
    ([[low, high], by]): Step => ({
      say: `update ${low}..${high} by ${by}`,
      onModel: (now) => now.map(({ k, v }) => ({ k, v: k < low || k > high ? v : 3 * v + by })),
      onTable: (table) => table.update({ v: `3 * t.v + ${by}` }, `t.k BETWEEN ${low} AND ${high}`),
    }),
  ),
  someRows.map(
    (rows): Step => ({ say: `overwrite ${text(rows)}`, onModel: () => rows, onTable: (table) => table.overwrite(select(rows)) }),
  ),
  fc.constant<Step>({ say: 'optimize', onModel: (now) => now, onTable: (table) => table.optimize() }),
)

/** Storage whose calls take as long as they are told, in turn, in milliseconds. */
function slowed(waits: readonly number[]): Storage {
  const storage = localStorage()
  let calls = 0
  const wait = () => setTimeout(waits[calls++ % waits.length])
  return {
    ...storage,
    list: (...args) => wait().then(() => storage.list(...args)),
    settle: (paths) => wait().then(() => storage.settle(paths)),
    putIfAbsent: (path, bytes) => wait().then(() => storage.putIfAbsent(path, bytes)),
  }
}

/** Every way in which two sequences can be laid into one another. */
function* turns(left: readonly Step[], right: readonly Step[]): Generator<readonly Step[]> {
  const [[ours, ...oursLeft], [theirs, ...theirsLeft]] = [left, right]
  if (ours === undefined || theirs === undefined) return yield [...left, ...right]
  for (const rest of turns(oursLeft, right)) yield [ours, ...rest]
  for (const rest of turns(left, theirsLeft)) yield [theirs, ...rest]
}

test.each([
  ['files are rewritten, Serializable', {}],
  ['rows are marked, Serializable', { 'delta.enableDeletionVectors': 'true' }],
  ['files are rewritten, WriteSerializable', { 'delta.isolationLevel': 'WriteSerializable' }],
])('two writers at once end where two in turn would: %s', { timeout: 120_000 }, async (_, properties) => {
  const steps = fc.array(step, { minLength: 1, maxLength: 3 })
  const waits = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 3, maxLength: 7 })
  await fc.assert(
    fc.asyncProperty(steps, steps, waits, waits, async (left, right, leftWaits, rightWaits) => {
      const table = await newTable(session(), { k: column.integer(), v: column.integer() }, { properties })
      await table.append(select(start.slice(0, 3)))
      await table.append(select(start.slice(3)))
      const run = async (own: readonly Step[], waiting: readonly number[]) => {
        const handle = DeltaTable.at(table.path, { session: session(), storage: slowed(waiting) })
        for (const { onTable } of own) await onTable(handle)
      }
      await Promise.all([run(left, leftWaits), run(right, rightWaits)])
      const possible = [...turns(left, right)].map((order) => text(order.reduce((rows, { onModel }) => onModel(rows), start)).join(', '))
      const said = `${left.map((one) => one.say).join('; ')} | ${right.map((one) => one.say).join('; ')}`
      expect(possible, said).toContain((await rowsOf(table)).join(', '))
    }),
    { numRuns: part(10) },
  )
})
