import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { literal } from '../../src/engine/index.js'
import { column } from '../../src/schema/index.js'
import { type DeltaTable, prepareScd2, type Scd2Options } from '../../src/table/index.js'
import { part } from '../fixtures.js'
import { openSession } from '../session.js'
import { codeOf, fed, newTable, rowsOf, values } from './table.js'

const session = openSession()

const columns = {
  id: column.integer(),
  city: column.string(),
  note: column.string(),
  valid_from: column.date(),
  valid_to: column.date(),
  is_current: column.boolean(),
}
const options: Scd2Options = { keys: ['id'], sequence: 'day', track: ['city'] }

const people = (...rows: readonly string[]) => `(${values('id, city, note, day', ...rows)})`
const read = (table: DeltaTable) => rowsOf(table, { columns: ['id', 'city', 'valid_from', 'valid_to', 'is_current'] })

/** 1 lived in Oslo and lives in Rome, 2 lives in Bonn. */
async function moved(properties: Record<string, string> = {}): Promise<DeltaTable> {
  const table = await newTable(session(), columns, { properties })
  await table.scd2(people("(1, 'Oslo', 'a', '2024-01-01')", "(1, 'Rome', 'b', '2024-03-01')", "(2, 'Bonn', 'c', '2024-01-01')"), options)
  return table
}

describe('versions', () => {
  test('of one batch are linked, and the last is current', async () => {
    expect(await read(await moved())).toEqual([
      '1 Oslo 2024-01-01 2024-03-01 false',
      '1 Rome 2024-03-01 null true',
      '2 Bonn 2024-01-01 null true',
    ])
  })

  test('close the current one; what equals the one before in its tracked columns is dropped', async () => {
    const table = await moved()
    const change = await prepareScd2(
      session(),
      await table.snapshot(),
      people(
        "(1, 'Rome', 'new', '2024-04-01')",
        "(2, 'Kiel', 'd', '2024-05-01')",
        "(2, 'Kiel', 'e', '2024-06-01')",
        "(3, 'Bari', 'f', '2024-05-01')",
      ),
      options,
    )
    expect(change).toMatchObject({
      inserted: 2,
      updated: 1,
      deleted: 0,
      unchanged: 2,
      late: 0,
      metrics: { numSourceRows: 4, numTargetRowsCopied: 2 },
    })
    await table.commit(await table.snapshot(), change)
    expect(await read(table)).toEqual([
      '1 Oslo 2024-01-01 2024-03-01 false',
      '1 Rome 2024-03-01 null true',
      '2 Bonn 2024-01-01 2024-05-01 false',
      '2 Kiel 2024-05-01 null true',
      '3 Bari 2024-05-01 null true',
    ])
  })

  test('of all columns that table and source share count, unless some are named', async () => {
    const table = await moved()
    await table.scd2(people("(2, 'Bonn', 'other', '2024-05-01')"), { keys: ['id'], sequence: 'day' })
    expect(await rowsOf(table, { columns: ['note', 'valid_to'], where: 'id = 2' })).toEqual(['c 2024-05-01', 'other null'])
  })

  test.each([
    ['timestamp', column.timestamp(), "TIMESTAMPTZ '2024-01-01 00:00:00.000001+00'", "TIMESTAMPTZ '2024-01-01 00:00:00.000002+00'"],
    ['long', column.long(), '9007199254740993', '9007199254740994'],
  ])('are ordered by a %s to its last digit', async (_, type, first, then) => {
    const table = await newTable(session(), { id: column.integer(), v: column.integer(), start: type, stop: type, now: column.boolean() })
    const named = { keys: ['id'], sequence: 'moment', validFrom: 'start', validTo: 'stop', current: 'now' } as const
    await table.scd2(`(SELECT 1 AS id, 1 AS v, ${first} AS moment)`, named)
    await table.scd2(`(SELECT 1 AS id, 2 AS v, ${then} AS moment)`, named)
    expect(await rowsOf(table, { columns: ['v', 'now'], where: `start = ${first} AND stop = ${then} OR start = ${then}` })).toEqual([
      '1 false',
      '2 true',
    ])
  })

  test('end with a row that deletes their key, which may come back', async () => {
    const table = await moved()
    const source = (...rows: string[]) => `(${values('id, city, note, day, op', ...rows)})`
    const deletes = { ...options, deletes: "s.op = 'D'" }
    const batch = source(
      "(2, 'gone', null, '2024-02-01', 'D')",
      "(9, null, null, '2024-02-01', 'D')",
      "(1, 'Rome', 'b', '2024-03-01', null)",
    )
    await table.scd2(batch, deletes)
    await table.scd2(batch, deletes)
    expect(await rowsOf(table, { columns: ['city', 'valid_to', 'is_current'], where: 'id <> 1' })).toEqual(['Bonn 2024-02-01 false'])
    await table.scd2(source("(2, 'Bonn', null, '2024-04-01', 'U')"), deletes)
    expect(await rowsOf(table, { columns: ['city', 'valid_from', 'valid_to'], where: 'id <> 1' })).toEqual([
      'Bonn 2024-01-01 2024-02-01',
      'Bonn 2024-04-01 null',
    ])
  })

  test('leave files alone that hold no version of theirs that can change', async () => {
    const table = await moved()
    await table.scd2(people("(1, 'Lyon', 'd', '2024-05-01')"), options)
    await table.append(
      "SELECT 1 AS id, 'Nice' AS city, null AS note, DATE '2023-01-01' AS valid_from, DATE '2023-06-01' AS valid_to, false AS is_current",
    )
    await table.append(
      "SELECT 8 AS id, 'Graz' AS city, null AS note, DATE '2023-01-01' AS valid_from, NULL::DATE AS valid_to, true AS is_current",
    )
    const snapshot = await table.snapshot()
    const change = await prepareScd2(session(), snapshot, people("(1, 'Metz', 'd', '2024-06-01')"), options)
    expect(change.reads?.files).toHaveLength(1)
    expect([change.removes.length, snapshot.files.size]).toEqual([1, 3])
  })
})

describe('late rows', () => {
  const late = people("(1, 'Paris', 'x', '2024-02-01')", "(2, 'Kiel', 'y', '2024-07-01')")

  test('are refused by name, and nothing is written', async () => {
    const table = await moved()
    await expect(table.scd2(late, options)).rejects.toMatchObject({
      code: 'TABLE_CHANGE_INVALID',
      message: expect.stringContaining('id 1 at 2024-02-01'),
    })
    expect((await table.snapshot()).version).toBe(1)
  })

  test('are ignored and counted', async () => {
    const table = await moved()
    const change = await prepareScd2(session(), await table.snapshot(), late, { ...options, late: 'ignore' })
    expect(change).toMatchObject({ late: 1, inserted: 1, updated: 1 })
    await table.commit(await table.snapshot(), change)
    expect(await rowsOf(table, { columns: ['city'] })).toEqual(['Bonn', 'Kiel', 'Oslo', 'Rome'])
  })

  test('are put where they belong, before the first version too; one that begins at once with a version takes its place', async () => {
    const table = await moved()
    await table.scd2(people("(1, 'Paris', 'x', '2024-02-01')", "(1, 'Nice', 'x', '2023-05-05')", "(2, 'Kiel', 'z', '2024-01-01')"), {
      ...options,
      late: 'insert',
    })
    expect(await read(table)).toEqual([
      '1 Nice 2023-05-05 2024-01-01 false',
      '1 Oslo 2024-01-01 2024-02-01 false',
      '1 Paris 2024-02-01 2024-03-01 false',
      '1 Rome 2024-03-01 null true',
      '2 Kiel 2024-01-01 null true',
    ])
  })
})

describe('refused, and nothing written', () => {
  test.each([
    ['a null key', "(null, 'Oslo', 'a', '2024-09-01')", {}],
    ['a null sequence', "(1, 'Oslo', 'a', null)", {}],
    ['two values of one key and time', "(1, 'Oslo', 'a', '2024-09-01'), (1, 'Rome', 'a', '2024-09-01')", {}],
    ['a tracked column that the source lacks', "(1, 'Oslo', 'a', '2024-09-01')", { track: ['is_current'] }],
    ['a key that is no column', "(1, 'Oslo', 'a', '2024-09-01')", { keys: ['who'] }],
    ['a column of when it ended that is none', "(1, 'Oslo', 'a', '2024-09-01')", { validTo: 'until' }],
    ['an end of another type', "(1, 'Oslo', 'a', '2024-09-01')", { validTo: 'city' }],
  ])('%s', async (_, row, more) => {
    const table = await moved()
    expect(await codeOf(table.scd2(people(row), { ...options, ...more }))).toBe('TABLE_CHANGE_INVALID')
    expect((await table.snapshot()).version).toBe(1)
  })

  test('rows that are the same count once', async () => {
    const table = await moved()
    await table.scd2(people("(1, 'Lyon', 'a', '2024-09-01')", "(1, 'Lyon', 'a', '2024-09-01')"), options)
    expect(await rowsOf(table, { columns: ['city'], where: 'is_current' })).toEqual(['Bonn', 'Lyon'])
  })
})

interface Event {
  readonly k: number
  readonly at: number
  /** Null where the key ends. */
  readonly v: string | null
  readonly u: number
}

interface Version extends Event {
  readonly to: number | null
}

type Late = NonNullable<Scd2Options['late']>

/** One key's history after a batch; undefined where the policy refuses it. */
function afterwards(history: readonly Version[], batch: readonly Event[], late: Late): readonly Version[] | undefined {
  const known = history.flatMap((one): Event[] => {
    const isGap = one.to !== null && !history.some((next) => next.at === one.to)
    return [one, ...(isGap ? [{ ...one, at: one.to ?? 0, v: null }] : [])]
  })
  const newest = Math.max(...known.map((one) => one.at))
  const mine: Event[] = []
  for (const event of batch) {
    const then = known.filter((one) => one.at <= event.at).sort((a, b) => b.at - a.at)[0]
    if (event.at <= newest) {
      const said = (then?.v ?? null) === event.v
      if (said && (late !== 'insert' || then?.at === event.at)) continue
      if (!said && late === 'refuse') return undefined
      if (late !== 'insert') continue
    }
    mine.push(event)
  }
  const all = [...known.filter((one) => !mine.some((event) => event.at === one.at)), ...mine].sort((a, b) => a.at - b.at)
  const told: Event[] = []
  for (const event of all) {
    const before = told.at(-1)
    if ((before?.v ?? null) === event.v && (mine.includes(event) || (before !== undefined && mine.includes(before)))) continue
    told.push(event)
  }
  return told.flatMap((event, index) => (event.v === null ? [] : [{ ...event, to: told[index + 1]?.at ?? null }]))
}

const batch = fc.record({
  late: fc.constantFrom<Late>('refuse', 'ignore', 'insert', 'insert'),
  events: fc.uniqueArray(
    fc.record({
      k: fc.integer({ min: 0, max: 3 }),
      at: fc.integer({ min: 0, max: 12 }),
      v: fc.constantFrom<string | null>('a', 'b', 'c', null),
      u: fc.integer({ min: 0, max: 9 }),
    }),
    { selector: (one) => `${one.k} ${one.at}`, minLength: 1, maxLength: 7 },
  ),
})

const sourceOf = (events: readonly Event[]) =>
  `(${values('k, moment, v, u', ...events.map(({ k, at, v, u }) => `(${k}, ${at}, ${literal(v)}::VARCHAR, ${v === null ? 'null' : u})`))})`

test.each([
  ['files that are rewritten', {}],
  ['deletion vectors and a change feed', { 'delta.enableDeletionVectors': 'true', 'delta.enableChangeDataFeed': 'true' }],
  ['column mapping and a change feed', { 'delta.columnMapping.mode': 'name', 'delta.enableChangeDataFeed': 'true' }],
])('any batches leave what a plain model of versions makes of them, twice over: %s', async (_, properties) => {
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 4 }), async (batches) => {
      const fields = {
        k: column.integer(),
        v: column.string(),
        u: column.integer(),
        valid_from: column.integer(),
        valid_to: column.integer(),
        is_current: column.boolean(),
      }
      const table = await newTable(session(), fields, { properties })
      let model: readonly Version[] = []
      for (const { late, events } of batches) {
        const how = { keys: ['k'], sequence: 'moment', track: ['v'], late, deletes: 's.v IS NULL' } as const
        const next = [0, 1, 2, 3].map((k) =>
          afterwards(
            model.filter((one) => one.k === k),
            events.filter((one) => one.k === k),
            late,
          ),
        )
        const before = await rowsOf(table)
        if (next.includes(undefined)) {
          expect(await codeOf(table.scd2(sourceOf(events), how))).toBe('TABLE_CHANGE_INVALID')
          continue
        }
        model = next.flatMap((versions) => versions ?? [])
        const expected = model.map(({ k, v, u, at, to }) => `${k} ${v} ${u} ${at} ${to} ${to === null}`).sort()
        const { version } = await table.scd2(sourceOf(events), how)
        expect(await rowsOf(table)).toEqual(expected)
        if ('delta.enableChangeDataFeed' in properties) expect(await fed(table, before, version)).toEqual(expected)
        await table.scd2(sourceOf(events), how)
        expect((await table.actions(version + 1))?.filter((one) => one.add ?? one.remove ?? one.cdc)).toEqual([])
      }
    }),
    { numRuns: part(12) },
  )
})
