import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { literal, quoteName, type SqlContext, sql } from '../../src/engine/index.js'
import { type AnyExpectation, expect as expectation, finished, judge, type TableFacts } from '../../src/quality/index.js'
import { column, nameColumns, RELATION, type Relation, type VariableValues, variable, variables } from '../../src/schema/index.js'
import { openSession } from '../session.js'
import { values } from '../table/table.js'

const session = openSession()
let staged = 0

/** Judges the rows of a SELECT as a step would: staged first, then looked at. */
async function judged(
  select: string,
  expectations: readonly AnyExpectation[],
  given: { facts?: Partial<TableFacts>; variables?: VariableValues; beside?: string } = {},
) {
  const relation = `staged_${staged++}`
  await session().execute(`CREATE TEMP TABLE ${relation} AS ${select}`)
  const context: SqlContext = {
    relation: (one) => quoteName(one.name),
    changed: (one) => quoteName(one.name),
    values: given.variables ?? {},
    secrets: 'read',
  }
  const verdict = await judge({
    session: session(),
    staged: relation,
    fields: await session().describe(`SELECT * FROM ${relation}`),
    expectations: expectations.map(finished),
    context,
    facts: { keptRows: 0, previousRows: undefined, now: new Date('2020-01-02T00:00:00Z'), ...given.facts },
    ...(given.beside === undefined ? {} : { beside: given.beside }),
  })
  const accepted = await session().rows(verdict.accepted)
  const quarantined = await session().rows(verdict.quarantined)
  expect(accepted).toHaveLength(verdict.rowsAccepted)
  expect(quarantined).toHaveLength(verdict.rowsQuarantined)
  expect(verdict.rowsIn).toBe(verdict.rowsAccepted + verdict.rowsQuarantined)
  return {
    verdict,
    /** `fail 2/3` */
    said: verdict.results.map((one) => `${one.status} ${one.failed}/${one.evaluated}`),
    accepted: accepted.map((row) => Object.values(row).map(String).join(' ')).sort(),
    held: quarantined.map((row) => Object.values(row).map(String).join(' ')).sort(),
  }
}

const numbers = values('n', '(1)', '(2)', '(3)', '(null)')
const words = values('w', "('a')", "('bb')", "('')", '(null)')
const vars = variables({ limit: variable.integer() })

describe('expectations on rows; null passes', () => {
  test.each<[string, string, AnyExpectation, number]>([
    ['notNull', numbers, expectation.column('n').notNull(), 1],
    ['atLeast', numbers, expectation.column('n').atLeast(2), 1],
    ['atLeast a decimal in text', numbers, expectation.column('n').atLeast('2.5'), 2],
    ['atMost', numbers, expectation.column('n').atMost(1n), 2],
    ['atMost a variable', numbers, expectation.column('n').atMost(vars.limit), 1],
    ['between, both included', numbers, expectation.column('n').between(2, 3), 1],
    ['inSet', numbers, expectation.column('n').inSet([1, 3]), 1],
    ['inSet of text with a quote', words, expectation.column('w').inSet(["a'b", 'a', '']), 1],
    ['inSet of nothing', numbers, expectation.column('n').inSet([]), 3],
    ['matches the whole text', words, expectation.column('w').matches(/[ab]/), 2],
    ['matches without case', words, expectation.column('w').matches(/A|B*/i), 0],
    ['matches text', words, expectation.column('w').matches('b+'), 2],
    ['hasType', values('w', "('1.50')", "('x')", "('123456')", '(null)'), expectation.column('w').hasType(column.decimal(5, 2)), 2],
    ['length', words, expectation.column('w').length({ min: 1, max: 1 }), 2],
    ['length in characters', values('w', "('é😀')"), expectation.column('w').length({ max: 2 }), 0],
    ['row', numbers, expectation.row('odd', sql`n % 2 = 1`), 1],
    ['row with a variable', numbers, expectation.row('below', sql`n < ${vars.limit}`), 2],
    [
      'atLeast an instant',
      "SELECT TIMESTAMPTZ '2020-01-01 00:00:00+00' AS at",
      expectation.column('at').atLeast('2020-01-01 00:00:00.000001+00'),
      1,
    ],
  ])('%s', async (_, select, one, failing) => {
    const { verdict, accepted } = await judged(select, [one.otherwise('quarantine' as never)], { variables: { limit: 2 } })
    expect(verdict.results[0]?.failed).toBe(failing)
    expect(accepted).toHaveLength(verdict.rowsIn - failing)
  })

  test('a column may have any name', async () => {
    const { said } = await judged('SELECT 1 AS "a ""b"" c"', [expectation.column('a "b" c').atLeast(2)])
    expect(said).toEqual(['fail 1/1'])
  })
})

describe('what happens when it does not hold', () => {
  const odd = expectation.row('odd', sql`n % 2 = 1`)

  test('fail, which is the default: nothing is held and nothing may be published', async () => {
    const { verdict, said } = await judged(numbers, [odd])
    expect(said).toEqual(['fail 1/4'])
    expect(verdict).toMatchObject({ failed: true, rowsAccepted: 4, rowsQuarantined: 0 })
  })

  test('warn: noted, and the rows go on', async () => {
    const { verdict, said } = await judged(numbers, [odd.otherwise('warn')])
    expect(said).toEqual(['warn 1/4'])
    expect(verdict).toMatchObject({ failed: false, rowsAccepted: 4 })
  })

  test('quarantine: the rows are held, the others go on', async () => {
    const { verdict, said, accepted, held } = await judged(numbers, [odd.otherwise('quarantine')])
    expect(said).toEqual(['warn 1/4'])
    expect(verdict.failed).toBe(false)
    expect([accepted, held]).toEqual([['1', '3', 'null'], ['2 odd']])
  })

  test('a row that breaks two is held once, under both names, in the order they are declared', async () => {
    const small = expectation.column('n').atMost(1).named('small').otherwise('quarantine')
    const { verdict, held } = await judged(numbers, [
      odd.otherwise('quarantine'),
      small,
      expectation.column('n').notNull().otherwise('warn'),
    ])
    expect(held).toEqual(['2 odd,small', '3 small'])
    expect(verdict.results.map((one) => one.failed)).toEqual([1, 2, 1])
  })

  test.each([
    ['fail', undefined, 'fail'],
    ['fail', 0.75, 'pass'],
    ['fail', 0.76, 'fail'],
    ['quarantine', undefined, 'warn'],
    ['quarantine', 0.75, 'warn'],
    ['quarantine', 0.76, 'fail'],
    ['warn', undefined, 'warn'],
    ['warn', 0.75, 'pass'],
    ['warn', 0.76, 'fail'],
  ] as const)('%s with mostly %s, of which three in four pass: %s', async (action, share, status) => {
    const one = share === undefined ? odd.otherwise(action) : odd.otherwise(action).mostly(share)
    const { verdict } = await judged(numbers, [one])
    expect(verdict.results[0]?.status).toBe(status)
    expect(verdict.failed).toBe(status === 'fail')
    expect(verdict.rowsQuarantined).toBe(action === 'quarantine' ? 1 : 0)
  })

  test('no rows, no failure', async () => {
    const { said, verdict } = await judged('SELECT 1 AS n WHERE false', [odd, odd.otherwise('quarantine').mostly(1)])
    expect(said).toEqual(['pass 0/0', 'pass 0/0'])
    expect(verdict.failed).toBe(false)
  })

  test('severity follows the action unless it is given; names and tags are carried', () => {
    const severities = (['warn', 'quarantine', 'fail'] as const).map((action) => finished(odd.otherwise(action)).severity)
    expect(severities).toEqual(['info', 'warning', 'critical'])
    const refined = odd.severity('info').named('mine').tagged('a').tagged('b', 'c').otherwise('fail')
    expect(finished(refined)).toMatchObject({ severity: 'info', name: 'mine', tags: ['a', 'b', 'c'], action: 'fail' })
    expect(finished(odd)).toMatchObject({ name: 'odd', tags: [] })
  })
})

describe('unique', () => {
  const pairs = values('a, b', '(1, 1)', '(1, 2)', '(2, 1)', '(2, 1)', '(null, 1)', '(null, 1)')

  test('holds every row of a key that repeats; null passes', async () => {
    const { held } = await judged(pairs, [expectation.unique('a').otherwise('quarantine')])
    expect(held).toEqual(['1 1 a_unique', '1 2 a_unique', '2 1 a_unique', '2 1 a_unique'])
  })

  test('goes by all its columns together', async () => {
    const { held, verdict } = await judged(pairs, [expectation.unique('a', 'b').named('pair').otherwise('quarantine')])
    expect(held).toEqual(['2 1 pair', '2 1 pair'])
    expect(verdict.uniqueKeys).toEqual([])
  })

  test('that holds is proven for the merge that follows', async () => {
    const { verdict, said } = await judged(values('a', '(1)', '(2)'), [expectation.unique('a')])
    expect(said).toEqual(['pass 0/2'])
    expect(verdict.uniqueKeys).toEqual([['a']])
  })

  test('is judged beside the rows that stay in the table', async () => {
    const { held } = await judged(values('a, b', '(1, 1)', '(5, 5)'), [expectation.unique('a').otherwise('quarantine')], {
      beside: 'SELECT 5 AS a, 0 AS b',
    })
    expect(held).toEqual(['5 5 a_unique'])
  })

  test('two of them are kept apart', async () => {
    const { held } = await judged(values('a, b', '(1, 1)', '(1, 2)', '(3, 2)'), [
      expectation.unique('a').otherwise('quarantine'),
      expectation.unique('b').otherwise('quarantine'),
    ])
    expect(held).toEqual(['1 1 a_unique', '1 2 a_unique,b_unique', '3 2 b_unique'])
  })
})

describe('references', () => {
  const zones = { [RELATION]: true, name: 'silver.zones', columns: nameColumns({ id: column.integer() }) } satisfies Relation

  test('holds rows whose value stands nowhere there; null passes', async () => {
    await session().execute('CREATE OR REPLACE TEMP TABLE "silver.zones" AS SELECT unnest([1, 2, null]) AS id')
    const { held, said } = await judged(numbers, [expectation.column('n').references(zones, zones.columns.id).otherwise('quarantine')])
    expect(said).toEqual(['warn 1/4'])
    expect(held).toEqual(['3 n_references_zones'])
  })

  test('to an empty dataset hold all but nulls', async () => {
    await session().execute('CREATE OR REPLACE TEMP TABLE "silver.zones" AS SELECT 1 AS id WHERE false')
    const { accepted } = await judged(numbers, [expectation.column('n').references(zones, zones.columns.id).otherwise('quarantine')])
    expect(accepted).toEqual(['null'])
  })
})

describe('expectations on the table', () => {
  test.each<[string, AnyExpectation, Partial<TableFacts>, string]>([
    ['rowCount, with the rows that stay', expectation.rowCount({ min: 10 }), { keptRows: 6 }, 'pass'],
    ['rowCount too small', expectation.rowCount({ min: 11 }), { keptRows: 6 }, 'fail'],
    ['rowCount too large', expectation.rowCount({ max: 3 }), {}, 'fail'],
    ['rowCountChange, first run', expectation.rowCountChange({ min: 0.5 }), {}, 'pass'],
    ['rowCountChange, halved', expectation.rowCountChange({ min: 0.5 }), { previousRows: 8 }, 'pass'],
    ['rowCountChange, more than halved', expectation.rowCountChange({ min: 0.5 }), { previousRows: 9 }, 'fail'],
    ['rowCountChange, more than doubled', expectation.rowCountChange({ max: 2 }), { previousRows: 1 }, 'fail'],
    ['aggregate within', expectation.aggregate('mean', sql`avg(n)`, { min: 2, max: 2 }), {}, 'pass'],
    ['aggregate outside', expectation.aggregate('mean', sql`avg(n)`, { max: 1.9 }), {}, 'fail'],
    ['aggregate of nothing', expectation.aggregate('none', sql`avg(n) filter (where false)`, { min: 1 }), {}, 'pass'],
    ['warn only warns', expectation.rowCount({ min: 99 }).otherwise('warn'), {}, 'warn'],
  ])('%s', async (_, one, facts, status) => {
    const { verdict } = await judged(numbers, [one], { facts })
    expect(verdict.results[0]).toMatchObject({ status, failed: status === 'pass' ? 0 : 1, evaluated: 1 })
    expect(verdict.failed).toBe(status === 'fail')
  })

  test.each([
    ["TIMESTAMPTZ '2020-01-01 12:00:00+00'", 'pass'],
    ["TIMESTAMPTZ '2020-01-01 11:59:59+00'", 'fail'],
    ["TIMESTAMP '2020-01-01 12:00:00'", 'pass'],
    ["DATE '2020-01-01'", 'fail'],
    ['null::TIMESTAMPTZ', 'pass'],
  ])('freshness of %s, at most 12 hours before midnight: %s', async (value, status) => {
    const { verdict } = await judged(`SELECT ${value} AS at`, [expectation.freshness('at', { maxAgeHours: 12 })])
    expect(verdict.results[0]?.status).toBe(status)
  })

  test('are measured on the accepted rows alone', async () => {
    const { verdict } = await judged(numbers, [
      expectation.column('n').atMost(2).otherwise('quarantine'),
      expectation.aggregate('total', sql`sum(n)`, { max: 3 }),
      expectation.rowCount({ max: 3 }),
    ])
    expect(verdict.results.slice(1).map((one) => [one.status, one.measured])).toEqual([
      ['pass', 3],
      ['pass', 3],
    ])
  })
})

describe('rows that a source could not read', () => {
  test('are held for that alone, and judged by nothing else', async () => {
    const select = values('n, _problem', '(1, null)', "(null, 'line_parsed')", "(null, 'value_converts')", "(-1, 'schema_matches')")
    const { verdict, held } = await judged(select, [
      expectation.column('n').notNull().otherwise('quarantine'),
      expectation.column('n').atLeast(0),
    ])
    expect(held).toEqual(['-1 schema_matches schema_matches', 'null line_parsed line_parsed', 'null value_converts value_converts'])
    expect(verdict.results.map((one) => `${one.name} ${one.failed}`)).toEqual([
      'line_parsed 1',
      'value_converts 1',
      'schema_matches 1',
      'n_not_null 0',
      'n_at_least 0',
    ])
    expect(verdict.failed).toBe(false)
  })
})

describe('the gate counts as a loop over the rows would', () => {
  const row = fc.record({ n: fc.option(fc.integer({ min: -3, max: 3 })), w: fc.option(fc.constantFrom('', 'a', 'ab', "it's")) })

  test('whatever the rows', async () => {
    const action = fc.constantFrom('warn', 'quarantine', 'fail')
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { minLength: 1, maxLength: 12 }),
        fc.tuple(action, action, action, action),
        async (rows, [a, b, c, d]) => {
          const repeated = (one: (typeof rows)[number]) => one.n !== null && rows.filter((other) => other.n === one.n).length > 1
          const fails = [
            (one: (typeof rows)[number]) => one.n !== null && one.n < 0,
            (one: (typeof rows)[number]) => one.w === null,
            (one: (typeof rows)[number]) => one.w !== null && !['a', "it's"].includes(one.w),
            repeated,
          ]
          const actions = [a, b, c, d]
          const { verdict, held } = await judged(
            values('n, w', ...rows.map((one) => `(${literal(one.n)}::INTEGER, ${literal(one.w)}::VARCHAR)`)),
            [
              expectation
                .column('n')
                .atLeast(0)
                .named('0')
                .otherwise(a as never),
              expectation
                .column('w')
                .notNull()
                .named('1')
                .otherwise(b as never),
              expectation
                .column('w')
                .inSet(['a', "it's"])
                .named('2')
                .otherwise(c as never),
              expectation
                .unique('n')
                .named('3')
                .otherwise(d as never),
            ],
          )
          expect(verdict.results.map((one) => one.failed)).toEqual(fails.map((fail) => rows.filter(fail).length))
          const reasons = rows.map((one) =>
            fails.flatMap((fail, index) => (actions[index] === 'quarantine' && fail(one) ? [String(index)] : [])),
          )
          const wanted = rows.flatMap((one, index) => (reasons[index]?.length ? [`${one.n} ${one.w} ${reasons[index]}`] : []))
          expect(held).toEqual(wanted.sort())
          expect(verdict.failed).toBe(fails.some((fail, index) => actions[index] === 'fail' && rows.some(fail)))
        },
      ),
      { numRuns: 60 },
    )
  })
})
