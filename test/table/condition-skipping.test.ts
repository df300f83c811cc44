import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Condition, conditionOf } from '../../src/engine/condition.js'
import { quoteText } from '../../src/engine/index.js'
import { type Column, column, type Field, fieldsOf } from '../../src/schema/index.js'
import { type DescribedFile, mayHoldRow } from '../../src/table/skipping.js'
import { formatStatistics, parseStatistics } from '../../src/table/statistics.js'
import { part, temporaryFolder } from '../fixtures.js'
import { openSession } from '../session.js'

const session = openSession()

async function conditionFor(predicate: string): Promise<Condition> {
  const sql = `SELECT json_serialize_sql(${quoteText(`SELECT 1 FROM t WHERE ${predicate}`)})::VARCHAR AS tree`
  return conditionOf((await session().rows(sql))[0]?.['tree'])
}

/** The file of `values` rows has `x` from min to max, JSON text both. */
const between = (min: string, max: string, more = '"nullCount":{"x":0}') =>
  `{"numRecords":2,"minValues":{"x":${min}},"maxValues":{"x":${max}},${more}}`

describe('a file is left out', () => {
  const decimal = column.decimal(10, 2)
  const instant = '"2024-01-31T10:00:00.000Z"'

  test.each<[leftOut: boolean, predicate: string, type: Column, min: string, max: string]>([
    [true, 'x = 10', column.long(), '1', '9'],
    [true, 'x < 1', column.long(), '1', '9'],
    [true, '9 < X', column.long(), '1', '9'],
    [false, 'x <= 1', column.long(), '1', '9'],
    [false, '9 <= x', column.long(), '1', '9'],
    [true, 't.x > 9 OR T.X BETWEEN -5 AND 0', column.long(), '1', '9'],
    [false, 'x > 9 OR x = 5', column.long(), '1', '9'],
    [true, 'NOT (x = 5) AND x IN (0, 10)', column.long(), '1', '9'],
    [false, 'NOT (x = 10)', column.long(), '1', '9'],
    [true, 'x IS NULL', column.long(), '1', '9'],
    [false, 'x IS NOT NULL', column.long(), '1', '9'],
    [true, 'x = NULL', column.long(), '1', '9'],
    [true, 'x < 1.5', column.long(), '2', '9'],
    [true, "x = '10'", column.long(), '1', '9'],
    [false, "x = '9.6'", column.long(), '10', '10'],
    [false, 'x = 9007199254740993', column.long(), '9007199254740992', '9007199254740992'],
    [false, 'x < 9007199254740993', column.long(), '9007199254740992', '9007199254740992'],
    [false, 'x > 9007199254740992', column.long(), '9007199254740993', '9007199254740993'],
    [true, 'x = 9007199254740999', column.long(), '9007199254740992', '9007199254740992'],
    [false, 'x = 9007199254740992e0', column.long(), '9007199254740993', '9007199254740993'],
    [true, 'x > 1.55', decimal, '1.10', '1.50'],
    [false, 'x = 1.55e0', decimal, '1.10', '1.50'],
    [false, 'x = 1.005', column.decimal(38, 2), '1.01', '1.01'],
    [true, 'x = 5', column.double(), '1', '4.5'],
    [true, 'x < 1', column.double(), '1.5', '4.5'],
    [false, 'x > 5', column.double(), '1', '4.5'],
    [false, 'x >= 5', column.float(), '1', '4.5'],
    [false, 'x = 0', column.double(), '-0.0', '-0.0'],
    [false, 'x = 0.1', column.float(), '0.10000000149011612', '0.10000000149011612'],
    [false, "x = 'NaN'::DOUBLE", column.double(), '1', '4.5'],
    [true, "x = 'z'", column.string(), '"a"', '"m"'],
    [true, "x LIKE 'z%'", column.string(), '"a"', '"m"'],
    [false, "x LIKE 'mm%'", column.string(), '"a"', '"mm\u007f"'],
    [false, "x LIKE '%z'", column.string(), '"a"', '"m"'],
    [false, "x COLLATE NOCASE = 'Z'", column.string(), '"a"', '"m"'],
    [false, "x = '\uFFFD'", column.string(), '"😀"', '"😀"'],
    [false, "x > 'az'", column.string(), '"a"', '"a\u{10FFFF}"'],
    [false, 'x = 7', column.string(), '"a"', '"m"'],
    [true, "x >= '2024-02-01'", column.date(), '"2024-01-01"', '"2024-01-31"'],
    [true, "x < DATE '2024-01-01'", column.date(), '"2024-01-01"', '"2024-01-31"'],
    [false, "x < TIMESTAMP '2024-01-01 10:00:00'", column.date(), '"2024-01-01"', '"2024-01-31"'],
    [false, "x > '12024-01-01'", column.date(), '"2024-01-01"', '"2024-01-31"'],
    [true, "x < DATE '2024-01-31'", column.timestamp(), instant, instant],
    [true, "x >= TIMESTAMPTZ '2024-01-31 10:00:00.002+00'", column.timestamp(), instant, '"2024-01-31T10:00:00Z"'],
    [false, "x >= '2024-01-31 10:00:00.0009'", column.timestamp(), instant, instant],
    [false, "x < '2024-01-31 11:00:00+05:30'", column.timestamp(), instant, instant],
    [false, "x >= DATE '2024-01-31 12:00:00'", column.timestampNtz(), '"2024-01-31T00:00:00"', instant],
    [false, "x > '2024-02-01 10:00:00.0000001'", column.timestamp(), instant, instant],
    [true, 'x', column.boolean(), 'false', 'false'],
    [false, 'x = false', column.boolean(), 'false', 'false'],
    [false, 'x = 5', column.boolean(), 'false', 'false'],
    [false, 'x', column.long(), '5', '5'],
    [false, 'x = 5', column.long(), '"a"', '{}'],
    [false, 'x = 5', column.long(), '""', 'true'],
    [false, "x = 'z'", column.string(), '1', '5'],
    [false, 'y = 5', column.long(), '1', '4'],
    [false, 'x.x = 5', column.long(), '1', '4'],
  ])('%s by %s', async (leftOut, predicate, type, min, max) => {
    const file = { statistics: parseStatistics(between(min, max)), partition: {} }
    expect(mayHoldRow(await conditionFor(predicate), file, fieldsOf({ x: type }), [], 't')).toBe(!leftOut)
  })

  test('for its nulls', async () => {
    const may = async (predicate: string, statistics: string, type: Column = column.long()) =>
      mayHoldRow(await conditionFor(predicate), { statistics: parseStatistics(statistics), partition: {} }, fieldsOf({ x: type }), [])
    const allNull = '{"numRecords":2,"nullCount":{"x":2}}'
    expect(await may('x > 5', allNull, column.double())).toBe(false)
    expect(await may('x IS NOT NULL', allNull)).toBe(false)
    expect(await may('x IS NULL', allNull)).toBe(true)
    expect(await may('x IS NULL OR x = 5', '{"numRecords":2}')).toBe(true)
    expect(await may('x IS NOT NULL', '{"nullCount":{"x":2}}')).toBe(true)
  })

  test('by a field of a struct, whose nulls not every writer counts', async () => {
    const fields = fieldsOf({ a: column.struct({ b: column.struct({ c: column.long() }) }) })
    const nested = (value: number) => ({ a: { b: { c: value } } })
    const statistics = parseStatistics(JSON.stringify({ numRecords: 2, minValues: nested(1), maxValues: nested(9), nullCount: nested(0) }))
    const may = async (predicate: string, alias?: string) =>
      mayHoldRow(await conditionFor(predicate), { statistics, partition: {} }, fields, [], alias)
    expect(await may('A.b.C > 9')).toBe(false)
    expect(await may('t.a.b.c > 9', 'T')).toBe(false)
    expect(await may('t.a.b.c > 9')).toBe(true)
    expect(await may('a.b.c IS NULL')).toBe(true)
    expect(await may('a.b IS NULL')).toBe(true)
  })

  test('never by a name that means two things', async () => {
    const fields = fieldsOf({ t: column.struct({ x: column.long() }), x: column.long() })
    const file = { statistics: parseStatistics('{"maxValues":{"t":{"x":1},"x":1}}'), partition: {} }
    expect(mayHoldRow(await conditionFor('t.x > 5'), file, fields, [], 't')).toBe(true)
    expect(mayHoldRow(await conditionFor('t.x > 5'), file, fields, [], 'u')).toBe(false)
  })

  test.each(['constructor', '__proto__'])('never for want of statistics, in a column called %s', async (name) => {
    const file = { statistics: parseStatistics('{"numRecords":2}'), partition: {} }
    const fields: Field[] = [{ name, type: { kind: 'string' }, nullable: true }]
    for (const partitioned of [[], [name]]) expect(mayHoldRow(await conditionFor(`${name} = 'a'`), file, fields, partitioned)).toBe(true)
  })

  test.each<[leftOut: boolean, predicate: string, type: Column, value: string | null]>([
    [true, "x = 'b'", column.string(), 'a'],
    [false, "x = 'a'", column.string(), 'a'],
    [true, "x < 'a'", column.string(), 'a'],
    [true, "x = 'a'", column.string(), null],
    [true, 'x IS NOT NULL', column.string(), null],
    [true, 'x IS NULL', column.string(), 'a'],
    [false, 'x IS NULL', column.string(), ''],
    [false, "x = ''", column.string(), ''],
    [true, "x >= '2024-02-01'", column.date(), '2024-01-31'],
    [true, 'x', column.boolean(), 'false'],
    [false, 'NOT x', column.boolean(), 'false'],
    [false, 'x > 5', column.double(), 'NaN'],
    [true, "x > '2024-01-31'", column.timestamp(), '2024-01-30 10:00:00'],
    [false, "x > '2024-01-31'", column.timestamp(), '2024-01-30T23:00:00-05:00'],
  ])('%s by %s in a partition of %s', async (leftOut, predicate, type, value) => {
    const file = { statistics: parseStatistics(undefined), partition: { x: value } }
    expect(mayHoldRow(await conditionFor(predicate), file, fieldsOf({ x: type }), ['x'])).toBe(!leftOut)
  })

  test('by what data files call the column', async () => {
    const fields: Field[] = [{ name: 'x', type: { kind: 'long' }, nullable: true, stored: { name: 'col-1' } }]
    const file = {
      statistics: parseStatistics('{"minValues":{"x":7,"col-1":1},"maxValues":{"x":9,"col-1":2}}'),
      partition: { 'col-1': '2' },
    }
    expect(mayHoldRow(await conditionFor('x = 8'), file, fields, [])).toBe(false)
    expect(mayHoldRow(await conditionFor('x = 2'), file, fields, [])).toBe(true)
    expect(mayHoldRow(await conditionFor('x = 1'), file, fields, ['x'])).toBe(false)
  })
})

/** Values in order, as SQL: what rows are made of, and what predicates ask for. */
const long = 'abcdefghijklmnopqrstuvwxyzabcdef'
const POOLS: Readonly<Record<string, { readonly type: Column; readonly values: readonly string[]; readonly asked: readonly string[] }>> = {
  i: {
    type: column.integer(),
    values: ['-5', '-1', '0', '1', '2', '9', '10', '2147483647'],
    asked: ["'1'", "'9.6'", '1.5', '0e0', '3000000000', '9::BIGINT'],
  },
  l: {
    type: column.long(),
    values: [
      '-9223372036854775807',
      '-9007199254740993',
      '9007199254740991',
      '9007199254740992',
      '9007199254740993',
      '9007199254740994',
      '9223372036854775807',
    ],
    asked: ['9007199254740992e0', '9007199254740992.5', '9223372036854775808', "'9007199254740993'"],
  },
  m: {
    type: column.decimal(38, 2),
    values: ['-1.50', '0.01', '1.00', '1.01', '2.00', '90071992547409.93', '90071992547409.94'],
    asked: ['1.005', '1.005e0', "'1'", '1.0'],
  },
  k: {
    type: column.decimal(20, 10),
    values: ['0.1', '0.3', '1.0000000001', '9007199.2547409931', '9007199.2547409932'],
    asked: ['0.3e0', '0.30000000000000001', '9007199.25474099315', '1'],
  },
  f: {
    type: column.float(),
    values: ['-0.0', '0.1', '0.3', '1.5', '16777216', "'NaN'", "'Infinity'"],
    asked: ["'0.1'::DOUBLE", '0.3', '16777217', '0.10000000149011612'],
  },
  d: {
    type: column.double(),
    values: ["'-Infinity'", "'-0'", '0.1', '0.30000000000000004e0', '1.5', '9007199254740992', '1e300', "'NaN'"],
    asked: ['0.3', '0', '9007199254740993', "'NaN'::DOUBLE", "'1.5'::DOUBLE", "'2'"],
  },
  s: {
    type: column.string(),
    values: ["''", "'A'", "'a'", `'${long}'`, `'${long}a'`, `'${long}é'`, `'${long}😀'`, "'it''s'", "'z'", "'\uFFFD'", "'😀'", "'😀x'"],
    asked: ["'Z'", "'2024-01-01'", '5'],
  },
  t: {
    type: column.date(),
    values: ["'0001-01-01'", "'1969-12-31'", "'2024-01-01'", "'2024-01-02'", "'2024-02-29'", "'12024-01-01'"],
    asked: ["TIMESTAMP '2024-01-01 12:00:00'", "'2024-01-02 23:00:00'", "DATE '2024-01-02'", "TIMESTAMPTZ '2024-01-01 00:00:00Z'"],
  },
  z: {
    type: column.timestamp(),
    values: [
      "'1969-12-31 23:59:59.999999'",
      "'2024-01-01'",
      "'2024-01-01 10:00:00.001'",
      "'2024-01-01 10:00:00.001999'",
      "'2024-01-01 10:00:00.002'",
      "'12024-01-01'",
    ],
    asked: [
      "DATE '2024-01-01'",
      "TIMESTAMP '2024-01-01 10:00:00.0015'",
      "TIMESTAMPTZ '2024-01-01 12:00:00+02'",
      "DATE '2024-01-01 12:00:00'",
      "'2024-01-01 10:00:00.0019999'",
    ],
  },
  n: {
    type: column.timestampNtz(),
    values: [
      "'1969-12-31 23:59:59.999999'",
      "'2024-01-01'",
      "'2024-01-01 10:00:00.001'",
      "'2024-01-01 10:00:00.001999'",
      "'2024-01-01 10:00:00.002'",
    ],
    asked: ["DATE '2024-01-01'", "TIMESTAMPTZ '2024-01-01 10:00:00.0015Z'", "'2024-01-01 10:00:00.001Z'"],
  },
  b: { type: column.boolean(), values: ['false', 'true'], asked: ["'true'", '1', "CAST('t' AS BOOLEAN)"] },
}
const NAMES = Object.keys(POOLS)
const pool = (name: string) => POOLS[name] ?? { type: column.long(), values: [], asked: [] }
const FIELDS = fieldsOf({
  ...Object.fromEntries(NAMES.map((name) => [name, pool(name).type])),
  st: column.struct(Object.fromEntries(NAMES.map((name) => [name, pool(name).type]))),
  ...Object.fromEntries(NAMES.map((name) => [`p_${name}`, pool(name).type])),
})
const PARTITION_COLUMNS = NAMES.map((name) => `p_${name}`)

/** One column of one file: few values that lie close together, so that files differ. */
const cells = (name: string) => {
  const { values } = pool(name)
  return fc.tuple(fc.nat(values.length - 1), fc.nat(1)).chain(([from, width]) => {
    const near = fc.constantFrom(...values.slice(from, from + 1 + width))
    return fc.array(fc.oneof({ weight: 5, arbitrary: near }, { weight: 1, arbitrary: fc.constant('NULL') }), { minLength: 3, maxLength: 3 })
  })
}
const fileCells = fc.tuple(...[...NAMES, ...NAMES].map(cells))

const atom = fc.constantFrom(...NAMES).chain((name) => {
  const { values, asked } = pool(name)
  const constant = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...values) },
    { weight: 2, arbitrary: fc.constantFrom(...asked, 'NULL') },
  )
  const operator = fc.constantFrom('=', '=', '<', '<=', '>', '>=', '<>', 'IS NOT DISTINCT FROM')
  return fc.constantFrom(name, `t.${name.toUpperCase()}`, `st.${name}`, `p_${name}`, `p_${name}`).chain((path) =>
    fc.oneof(
      { weight: 6, arbitrary: fc.tuple(operator, constant).map(([op, value]) => `${path} ${op} ${value}`) },
      { weight: 2, arbitrary: fc.tuple(operator, constant).map(([op, value]) => `${value} ${op} ${path}`) },
      { weight: 2, arbitrary: fc.array(constant, { minLength: 1, maxLength: 3 }).map((list) => `${path} IN (${list.join(', ')})`) },
      { weight: 2, arbitrary: fc.tuple(constant, constant).map(([low, high]) => `${path} BETWEEN ${low} AND ${high}`) },
      { weight: 1, arbitrary: fc.constantFrom(`${path} IS NULL`, `${path} IS NOT NULL`, path) },
      {
        weight: name === 's' ? 4 : 1,
        arbitrary: fc.constantFrom('a%', `${long}%`, 'it_s', '😀%', 'z', '%s', '\\_%').map((like) => `${path} LIKE '${like}'`),
      },
    ),
  )
})
const { predicate } = fc.letrec<{ predicate: string }>((tie) => ({
  predicate: fc.oneof(
    { depthSize: 'small' },
    { weight: 4, arbitrary: atom },
    { weight: 1, arbitrary: tie('predicate').map((one) => `NOT (${one})`) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(tie('predicate'), fc.constantFrom('AND', 'OR'), tie('predicate'))
        .map(([one, how, other]) => `(${one} ${how} ${other})`),
    },
  ),
}))

const typed = (name: string, value: string) => `CAST(${value} AS ${sqlOf(name)})`
const sqlOf = (name: string) => {
  const { type } = pool(name).type
  return type.kind === 'decimal'
    ? `DECIMAL(${type.precision}, ${type.scale})`
    : ({
        integer: 'INTEGER',
        long: 'BIGINT',
        float: 'FLOAT',
        double: 'DOUBLE',
        date: 'DATE',
        timestamp: 'TIMESTAMPTZ',
        timestamp_ntz: 'TIMESTAMP',
        boolean: 'BOOLEAN',
      }[type.kind as 'integer'] ?? 'VARCHAR')
}

/** A file of three rows, the second of them with no struct: as our own statistics describe it, and as those of a writer do that leaves NaN out and cuts times to the millisecond. */
async function writeFile(columns: readonly (readonly string[])[], folder: string): Promise<DescribedFile[]> {
  const half = NAMES.length
  const row = (at: number) => {
    const values = NAMES.map((name, place) => typed(name, columns[place]?.[at] ?? 'NULL'))
    const struct = at === 1 ? 'NULL' : `{${NAMES.map((name, place) => `'${name}': ${values[place]}`).join(', ')}}`
    const named = NAMES.map((name, place) => `${values[place]} AS ${name}`).join(', ')
    const partition = NAMES.map((name, place) => `${typed(name, columns[half + place]?.[0] ?? 'NULL')} AS p_${name}`).join(', ')
    return `SELECT ${named}, ${struct} AS st, ${partition}`
  }
  await session().execute(`CREATE OR REPLACE TEMP TABLE t AS ${[0, 1, 2].map(row).join(' UNION ALL ')}`)
  mkdirSync(folder, { recursive: true })
  const [written] = await session().write({ query: `SELECT ${NAMES.join(', ')}, st FROM t`, folder, prefix: 'part' })
  if (written === undefined) throw new Error('no file was written')
  const [first] = await session().rows(`SELECT ${PARTITION_COLUMNS.map((name) => `${name}::VARCHAR AS ${name}`).join(', ')} FROM t LIMIT 1`)
  const partition = first as Record<string, string | null>
  const ours = { statistics: parseStatistics(formatStatistics(written, FIELDS, PARTITION_COLUMNS)), partition }
  return [ours, { statistics: parseStatistics(await foreignStatistics()), partition }]
}

async function foreignStatistics(): Promise<string> {
  const bounds = (fn: string) =>
    NAMES.map((name) => {
      const kind = pool(name).type.type.kind
      if (kind === 'float' || kind === 'double')
        return `CASE WHEN isfinite(${fn}(${name}) FILTER (NOT isnan(${name}))) THEN ${fn}(${name}) FILTER (NOT isnan(${name})) END::DOUBLE AS ${name}`
      if (kind === 'timestamp' || kind === 'timestamp_ntz') return `strftime(${fn}(${name})::TIMESTAMP, '%Y-%m-%dT%H:%M:%S.%gZ') AS ${name}`
      return `${fn}(${name}) AS ${name}`
    }).join(', ')
  const object = (select: string) => `(SELECT to_json(o) FROM (SELECT ${select} FROM t) o)::VARCHAR`
  const [row] = await session().rows(`SELECT ${object(bounds('min'))} AS low, ${object(bounds('max'))} AS high,
    ${object(NAMES.map((name) => `count(*) - count(${name}) AS ${name}`).join(', '))} AS nulls`)
  return `{"numRecords":3,"minValues":${row?.['low']},"maxValues":${row?.['high']},"nullCount":${row?.['nulls']}}`
}

test('the law: a file that is left out holds no row for which the engine says the predicate is true', async () => {
  const folder = temporaryFolder()
  const counts = { leftOut: 0, kept: 0, refused: 0 }
  let files = 0
  await fc.assert(
    fc.asyncProperty(fileCells, fc.array(predicate, { minLength: 30, maxLength: 30 }), async (columns, predicates) => {
      const described = await writeFile(columns, join(folder, String(files++)))
      for (const one of predicates) {
        const found = await session()
          .rows(`SELECT count(*)::INTEGER AS n FROM t WHERE ${one}`)
          .then(
            ([row]) => Number(row?.['n']),
            () => undefined,
          )
        const condition = await conditionFor(one)
        for (const [place, file] of described.entries()) {
          const may = mayHoldRow(condition, file, FIELDS, PARTITION_COLUMNS, 't')
          if (found === undefined) counts.refused++
          else if (may) counts.kept++
          else {
            counts.leftOut++
            if (found > 0)
              throw new Error(`${one}: ${JSON.stringify(condition)} of ${['our', 'foreign'][place]} file ${JSON.stringify(file)}`)
          }
        }
      }
    }),
    { numRuns: part(25) },
  )
  // It must be put to the test: a good part of the predicates leaves the file out, and few are refused by the engine.
  expect(counts.leftOut).toBeGreaterThan(part(100))
  expect(counts.refused).toBeLessThan(counts.kept)
})
