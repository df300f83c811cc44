import { describe, expect, expectTypeOf, test } from 'vitest'
import {
  append,
  changed,
  column,
  dataset,
  expect as expectation,
  files,
  merge,
  type Row,
  replaceBy,
  sql,
  type Timestamp,
} from '../../src/index.js'

/** What the compiler knows of a definition. `tsc` checks this file: a line under @ts-expect-error that compiles is an error. */

const trips = dataset('silver.trips', {
  columns: {
    trip_id: column.string({ nullable: false }),
    count: column.long(),
    passengers: column.integer(),
    fare: column.decimal(10, 2),
    day: column.date(),
    at: column.timestamp({ nullable: false }),
    on: column.boolean(),
    bytes: column.binary(),
    tags: column.array(column.string()),
    place: column.struct({ lat: column.double({ nullable: false }) }),
    extra: column.map(column.string(), column.long()),
  },
  staged: { clock: column.timestampNtz() },
  key: ['trip_id'],
  partition: ['day'],
  from: sql`select 1`,
  write: merge(),
  expect: [expectation.column('clock').notNull(), expectation.unique('trip_id', 'day').otherwise('quarantine')],
})

describe('Row', () => {
  test('has a type for each column, null where it may be', () => {
    type Trip = Row<typeof trips>
    expectTypeOf<Trip['trip_id']>().toEqualTypeOf<string>()
    expectTypeOf<Trip['count']>().toEqualTypeOf<bigint | null>()
    expectTypeOf<Trip['passengers']>().toEqualTypeOf<number | null>()
    expectTypeOf<Trip['fare']>().toEqualTypeOf<string | null>()
    expectTypeOf<Trip['day']>().toEqualTypeOf<string | null>()
    expectTypeOf<Trip['at']>().toEqualTypeOf<Timestamp>()
    expectTypeOf<Trip['on']>().toEqualTypeOf<boolean | null>()
    expectTypeOf<Trip['bytes']>().toEqualTypeOf<Uint8Array | null>()
    expectTypeOf<Trip['tags']>().toEqualTypeOf<readonly (string | null)[] | null>()
    expectTypeOf<Trip['place']>().toEqualTypeOf<{ readonly lat: number } | null>()
    expectTypeOf<Trip['extra']>().toEqualTypeOf<ReadonlyMap<string, bigint | null> | null>()
    // What is only staged is in no row of the table.
    expectTypeOf<'clock' extends keyof Trip ? true : false>().toEqualTypeOf<false>()
  })
})

describe('what does not compile', () => {
  const columns = { id: column.long(), day: column.date() }
  const from = files('*.csv')

  test('a column that there is not, in key, partition, write and expect', () => {
    // @ts-expect-error key names no column
    expect(() => dataset('bronze.a', { columns, from, write: merge(), key: ['idd'] })).toThrow('idd')
    // @ts-expect-error partition names no column
    expect(() => dataset('bronze.a', { columns, from, write: append(), partition: ['dya'] })).toThrow('dya')
    // @ts-expect-error replaceBy names no column
    expect(() => dataset('bronze.a', { columns, from, write: replaceBy('dya') })).toThrow('dya')
    dataset('bronze.a', {
      columns,
      from,
      write: append(),
      // @ts-expect-error expect.column names no column
      expect: [expectation.column('idd').notNull()],
    })
    dataset('bronze.a', {
      columns,
      from,
      write: append(),
      // @ts-expect-error one of unique's columns is none
      expect: [expectation.unique('id', 'dya')],
    })
    dataset('bronze.a', {
      columns,
      from,
      write: append(),
      // @ts-expect-error freshness names no column
      expect: [expectation.freshness('dya', { maxAgeHours: 1 })],
    })
    // @ts-expect-error a query names a column that the dataset lacks
    expect(() => sql`select ${trips.columns.fares}`).toThrow()
  })

  test('a name that is at no layer', () => {
    // @ts-expect-error there is no platinum
    expect(() => dataset('platinum.a', { columns, from, write: append() })).toThrow('layer')
  })

  test('a table expectation that quarantines: there is no row to hold', () => {
    // @ts-expect-error rowCount cannot quarantine
    expectation.rowCount({ min: 1 }).otherwise('quarantine')
    // @ts-expect-error neither can freshness
    expectation.freshness('at', { maxAgeHours: 1 }).named('fresh').otherwise('quarantine')
    expectation.rowCount({ min: 1 }).otherwise('warn')
  })

  test('what compiles all the same', () => {
    dataset('gold.days', {
      columns,
      from: sql`select day, 1 as id from ${changed(trips)}`,
      write: replaceBy('day'),
      expect: [expectation.rowCount({ min: 1 }), expectation.row('any', sql`true`)],
    })
  })
})
