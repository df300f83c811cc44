import { describe, expect, test } from 'vitest'
import {
  type Anomalies,
  anomalies,
  anomalyInputs,
  calibrate,
  detect,
  iqr,
  isAnomalies,
  isolationForest,
  type Method,
  mad,
  percentile,
  seasonal,
  zScore,
} from '../../src/anomaly/index.js'
import { quoteName, type SqlContext, sql } from '../../src/engine/index.js'
import { column, nameColumns, RELATION, variable, variables } from '../../src/schema/index.js'
import { openSession } from '../session.js'
import { codeOf } from '../table/table.js'

const session = openSession()
const vars = variables({ least: variable.integer() })
const context: SqlContext = {
  relation: (one) => quoteName(one.name),
  changed: (one) => quoteName(one.name),
  values: { least: 0 },
  secrets: 'read',
}
const readings = {
  [RELATION]: true as const,
  name: 'silver.readings',
  columns: nameColumns({ id: column.long(), place: column.string(), seen_at: column.timestamp(), x: column.double(), y: column.double() }),
}

/** 1,000 readings with x from 0.00 to 9.99 by hundredths, in an order that is none, and y between 0 and 1. */
const USUAL = `SELECT i AS id, 'p' || (i % 2) AS place, TIMESTAMPTZ '2020-01-06 00:00:00+00' + INTERVAL 1 HOUR * i AS seen_at,
  ((i * 617) % 1000) / 100.0 AS x, ((i * 389) % 1000) / 1000.0 AS y FROM range(1000) AS r(i)`
const odd = (id: number, x: string, y = '0.5', place = 'p0') =>
  `SELECT ${id}, '${place}', TIMESTAMPTZ '2020-01-06 00:00:00+00' + INTERVAL 1 HOUR * ${id}, ${x}, ${y}`
const together = (...selects: readonly string[]) => selects.join(' UNION ALL ')

const judging = (methods: readonly Method[], rest: { group?: readonly 'place'[]; votes?: number } = {}) =>
  anomalies('odd_readings', { of: readings, key: ['id'], features: { x: 'x' }, methods, ...rest })

/** `['1001 mad x 500 1']`: key, method, feature, value, votes. */
async function found(select: string, definition: Anomalies) {
  const detection = await detect(session(), select, definition, { context })
  const rows = await session().rows(`SELECT * FROM ${detection.relation}`)
  return {
    detection,
    rows,
    lines: rows.map((row) => `${row['id']} ${row['method']} ${row['feature']} ${row['value']} ${row['votes']}`),
    reasons: rows.map((row) => row['reason']),
  }
}

describe('a planted value is found, and its reason says what it is', () => {
  const planted = together(USUAL, odd(1000, '500'), odd(1001, '-400'))

  test.each<[Method, string]>([
    [zScore(), 'x 500 is 24.237 standard deviations above 5.0848, the mean of all rows'],
    [mad(), 'x 500 is 133.29 robust deviations above 4.995, the median of all rows'],
    [percentile({ low: 0.001, high: 0.999 }), 'x 500 is above 9.99, the percentile 99.9 of all rows'],
    [iqr(), 'x 500 is 98.402 interquartile ranges above 7.4975, the upper quartile of all rows'],
    [seasonal({ time: 'seen_at' }), 'robust deviations above'],
  ])('$name', async (method, reason) => {
    const { lines, reasons, detection } = await found(planted, judging([method]))
    expect(lines.sort()).toEqual([`1000 ${method.name} x 500 1`, `1001 ${method.name} x -400 1`])
    expect(reasons.find((one) => String(one).includes('above'))).toContain(reason)
    expect(detection).toMatchObject({ judged: 1002, found: 2, methods: [{ method: method.name, flagged: 2 }] })
  })

  test('isolation_forest', async () => {
    const definition = anomalies('odd_readings', {
      of: readings,
      key: ['id'],
      features: { x: 'x', y: 'y' },
      methods: [isolationForest({ contamination: 0.002, trees: 50 })],
    })
    const { lines, reasons } = await found(together(USUAL, odd(1000, '500', '9'), odd(1001, '-400', '-9')), definition)
    expect(lines).toEqual(['1000 isolation_forest x 500 1', '1001 isolation_forest x -400 1'])
    expect(reasons[0]).toMatch(
      /^parted from the others by \d\.\d splits, where 10\.2 are usual; x 500, above the median 4\.995, is furthest out$/,
    )
  })
})

describe('no method finds anything', () => {
  const all = [zScore(), mad(), percentile(), iqr(), seasonal({ time: 'seen_at' }), isolationForest({ trees: 10 })]
  test.each([
    ['in no rows', `${USUAL} LIMIT 0`, 0],
    ['in one row', `${USUAL} LIMIT 1`, 1],
    ['in a column that is the same everywhere', `SELECT id, place, seen_at, 7 AS x, y FROM (${USUAL})`, 1000],
    ['in nothing but nulls', `SELECT id, place, seen_at, NULL::DOUBLE AS x, y FROM (${USUAL})`, 0],
  ])('%s', async (_, select, judged) => {
    for (const group of [[], ['place'] as const]) {
      const { detection, lines } = await found(select, judging(all, { group, votes: 1 }))
      expect(lines).toEqual([])
      expect(detection.judged).toBe(judged)
    }
  })
})

describe('features', () => {
  test('that are null, NaN, infinite or too great are not judged, nor do they disturb', async () => {
    const strange = ['NULL', "'NaN'", "'inf'", "'-inf'", '1e200'].map((x, index) => odd(2000 + index, `${x}::DOUBLE`))
    const { lines, detection } = await found(together(USUAL, odd(1000, '500'), ...strange), judging([zScore(), mad(), iqr()]))
    expect(lines).toEqual(['1000 iqr x 500 3', '1000 mad x 500 3', '1000 z_score x 500 3'])
    expect(detection.judged).toBe(1001)
  })

  test('are SQL, and not judged where that fails', async () => {
    const definition = anomalies('odd_readings', {
      of: readings,
      key: ['id'],
      features: { ratio: sql`ln(${readings.columns.x} / nullif(y, 0)) -- in logarithms`, y: 'y' },
      where: sql`id >= ${vars.least}`,
      methods: [mad({ threshold: 10, floor: 0.05 })],
    })
    const rows = together(
      USUAL.replace('/ 100.0 AS x', '/ 100.0 + 1 AS x'),
      odd(1000, '1e9'),
      odd(1001, '-1'),
      odd(1002, '0'),
      odd(-1, '1e9'),
    )
    const { lines, detection } = await found(rows, definition)
    expect(lines).toEqual([`1000 mad ratio ${Math.log(1e9 / 0.5)} 1`])
    expect(detection.judged).toBe(1003)
    expect(anomalyInputs(definition)).toMatchObject({ relations: [{ name: 'silver.readings' }], variables: [{ name: 'least' }] })
  })

  test('the oddest of a row stands for it', async () => {
    const definition = anomalies('odd_readings', { of: readings, key: ['id'], features: { x: 'x', y: 'y' }, methods: [mad()] })
    expect((await found(together(USUAL, odd(1000, '500', '900')), definition)).lines).toEqual(['1000 mad y 900 1'])
  })
})

describe('groups', () => {
  test('are judged by themselves', async () => {
    const apart = `SELECT * REPLACE (CASE WHEN place = 'p1' THEN x + 1000 ELSE x END AS x) FROM (${USUAL})`
    const { lines, reasons } = await found(together(apart, odd(1000, '1005')), judging([iqr()], { group: ['place'] }))
    expect(lines).toEqual(['1000 iqr x 1005 1'])
    expect(reasons[0]).toMatch(/the upper quartile of place p0$/)
    expect((await found(together(apart, odd(1000, '1005')), judging([iqr()]))).lines).toEqual([])
  })

  test.each([
    [19, 'with all rows'],
    [20, 'among themselves'],
  ])('of %i rows are compared %s', async (size) => {
    const few = Array.from({ length: size }, (_, index) => odd(3000 + index, `${100 + index}`, '0.5', 'few'))
    for (const method of [zScore(), mad(), iqr(), seasonal({ time: 'seen_at' })]) {
      const { reasons } = await found(together(USUAL, ...few), judging([method], { group: ['place'] }))
      expect(reasons).toHaveLength(size < 20 ? size : 0)
      for (const reason of reasons) expect(reason).toMatch(/ of all rows$/)
    }
  })

  test('null is one', async () => {
    const nowhere = `SELECT id + 5000, NULL, seen_at, x, y FROM (${USUAL})`
    const { reasons } = await found(
      together(USUAL, nowhere, odd(1000, '500').replace("'p0'", 'NULL')),
      judging([mad()], { group: ['place'] }),
    )
    expect(reasons).toEqual([expect.stringContaining('of place null')])
  })
})

describe('where most values are the same', () => {
  const mostly = `SELECT * REPLACE (CASE WHEN id < 800 THEN 5 ELSE 5 + x / 100 END AS x) FROM (${USUAL})`

  test('mad goes by its floor, and without one by the standard deviation', async () => {
    expect((await found(together(mostly, odd(1000, '50')), judging([mad({ floor: 0.05 })]))).lines).toEqual(['1000 mad x 50 1'])
    expect((await found(together(mostly, odd(1000, '50')), judging([mad()]))).lines).toEqual(['1000 mad x 50 1'])
  })

  test('percentile finds what is past a limit that is the median', async () => {
    const { rows } = await found(together(mostly.replace('x / 100', '0'), odd(1000, '6')), judging([percentile()]))
    expect(rows).toMatchObject([{ id: 1000n, score: 1e6, threshold: 1 }])
  })
})

describe('seasons', () => {
  /** Hourly, by day a hundred times as much as by night; on the sixth and seventh day of a week nothing. */
  const weeks = (days: number) => `SELECT i AS id, 'p' AS place, TIMESTAMP '2020-01-06 00:00:00' + INTERVAL 1 HOUR * i AS seen_at,
    CASE WHEN (i // 24) % 7 >= 5 THEN 0 WHEN i % 24 BETWEEN 8 AND 19 THEN 100 ELSE 1 END + ((i * 617) % 100) / 100.0 AS x, 0 AS y
    FROM range(24 * ${days}) AS r(i)`
  const at = (select: string, id: number, x: number) => `SELECT * REPLACE (CASE WHEN id = ${id} THEN ${x} ELSE x END AS x) FROM (${select})`

  test('a usual value at an unusual hour of the week is odd', async () => {
    // 03:00 on a Saturday, with what is usual at noon of a Monday.
    const saturday = 24 * 19 + 3
    const { lines, reasons } = await found(at(weeks(35), saturday, 100), judging([seasonal({ time: 'seen_at', threshold: 10 })]))
    expect(lines).toEqual([`${saturday} seasonal x 100 1`])
    expect(reasons[0]).toMatch(/which is usual at this hour of the week, of all rows$/)
    expect((await found(at(weeks(35), saturday, 100), judging([iqr(), zScore()], { votes: 1 }))).lines).toEqual([])
  })

  test.each([
    [28, 'at this hour of the week'],
    [27, 'at this hour'],
    [4, 'at this hour'],
    [3, 'at all hours'],
  ])('%i days are judged %s', async (days, season) => {
    const { reasons } = await found(at(weeks(days), 30, 1e6), judging([seasonal({ time: 'seen_at' })]))
    expect(reasons.some((reason) => String(reason).includes(`which is usual ${season}, of all rows`))).toBe(true)
  })
})

describe('votes', () => {
  // Far for the median's deviations, not for the mean's, which a value of its own has widened.
  const rows = together(USUAL, odd(1000, '30'), odd(1001, '2000'))
  const methods = [zScore(), mad(), iqr({ factor: 6 })]

  test.each([
    [1, ['1000 mad x 30 1', '1001 iqr x 2000 3', '1001 mad x 2000 3', '1001 z_score x 2000 3']],
    [undefined, ['1001 iqr x 2000 3', '1001 mad x 2000 3', '1001 z_score x 2000 3']],
    [3, ['1001 iqr x 2000 3', '1001 mad x 2000 3', '1001 z_score x 2000 3']],
  ])('%s', async (votes, lines) => {
    const definition = judging(methods, votes === undefined ? {} : { votes })
    expect(definition.votes).toBe(votes ?? 2)
    expect((await found(rows, definition)).lines.sort()).toEqual(lines)
  })
})

describe('a forest', () => {
  const definition = (seed = 1) =>
    anomalies('odd_readings', {
      of: readings,
      key: ['id'],
      features: { x: 'x', y: 'y' },
      methods: [isolationForest({ contamination: 0.01, trees: 20, seed })],
    })

  test('finds the same in the same rows in another order', async () => {
    const rows = together(USUAL, odd(1000, '500'), odd(1001, 'NULL', '7'))
    const one = await found(rows, definition())
    const other = await found(`SELECT * FROM (${rows}) ORDER BY hash(id)`, definition())
    expect(other.rows).toEqual(one.rows)
    expect(one.rows).toHaveLength(10)
    expect((await found(rows, definition(2))).rows).not.toEqual(one.rows)
  })

  test('that was kept judges later rows by the threshold it was kept with', async () => {
    const { fitted } = (await found(USUAL, definition())).detection
    expect(fitted?.features).toEqual(['x', 'y'])
    const later = together(`SELECT * FROM (${USUAL}) WHERE x BETWEEN 4 AND 6 AND y BETWEEN 0.4 AND 0.6`, odd(1000, '500', '3'))
    const detection = await detect(session(), later, definition(), { context, ...(fitted === undefined ? {} : { fitted }) })
    expect(detection).toMatchObject({ found: 1, methods: [{ threshold: fitted?.threshold }] })
  })

  test('that was kept is refused for other features', async () => {
    const { fitted } = (await found(USUAL, definition())).detection
    if (fitted === undefined) throw new Error('nothing was kept')
    const other = judging([isolationForest({ trees: 20 })])
    expect(await codeOf(detect(session(), USUAL, other, { context, fitted }))).toBe('FOREST_COLUMNS_DIFFER')
  })
})

test('nothing but the results is left in the session', async () => {
  await found(USUAL, judging([mad(), isolationForest({ trees: 5 })]))
  await calibrate(session(), USUAL, judging([mad()]), { context })
  await codeOf(
    detect(session(), USUAL, anomalies('broken', { of: readings, key: ['id'], features: { x: sql`nowhere` }, methods: [mad()] }), {
      context,
    }),
  )
  const tables = await session().rows("SELECT table_name AS name FROM duckdb_tables() WHERE table_name LIKE 'anomalies %' ORDER BY ALL")
  expect(tables).toEqual([{ name: 'anomalies odd_readings' }])
})

describe('calibrate', () => {
  test('says what each method flags, what they share, and what would flag a wanted share', async () => {
    const methods = [zScore(), mad({ threshold: 1 }), percentile(), iqr(), seasonal({ time: 'seen_at' }), isolationForest({ trees: 20 })]
    const rows = together(USUAL, odd(1000, '500'))
    const calibration = await calibrate(session(), rows, judging(methods, { votes: 1 }), { context, wantedShare: 0.05 })
    expect(calibration).toMatchObject({
      judged: 1001,
      methods: [
        { method: 'z_score', threshold: 3, flagged: 1, share: 1 / 1001 },
        // |x - median| > MAD / 0.6745 = 3.71: what lies below 1.29 or above 8.70.
        { method: 'mad', threshold: 1, flagged: 260 },
        { method: 'percentile', threshold: 1 },
        { method: 'iqr', threshold: 1.5, flagged: 1 },
        { method: 'seasonal', threshold: 3.5 },
        { method: 'isolation_forest' },
      ],
    })
    expect(calibration.overlap).toHaveLength(15)
    expect(calibration.overlap[0]).toEqual({ methods: ['z_score', 'mad'], both: 1 })
    expect(calibration.votes[0]?.found).toBeGreaterThanOrEqual(260)
    expect(calibration.votes[5]?.found).toBe(1)
    // The thresholds it names do flag about that share.
    const [z, robust, , , , forest] = calibration.methods.map((one) => one.wantedThreshold)
    const anew = [zScore({ threshold: z ?? 0 }), mad({ threshold: robust ?? 0 }), isolationForest({ trees: 20, threshold: forest ?? 0 })]
    for (const { share } of (await calibrate(session(), rows, judging(anew), { context })).methods) {
      expect(share).toBeGreaterThan(0.045)
      expect(share).toBeLessThanOrEqual(0.05)
    }
  })

  test('of no rows', async () => {
    const calibration = await calibrate(session(), `${USUAL} LIMIT 0`, judging([mad(), isolationForest({ trees: 5 })]), { context })
    expect(calibration.methods.map(({ flagged, share }) => [flagged, share])).toEqual([
      [0, 0],
      [0, 0],
    ])
  })

  test('refuses a share that is none', async () => {
    expect(await codeOf(calibrate(session(), USUAL, judging([mad()]), { context, wantedShare: 1.5 }))).toBe('ANOMALIES_INVALID')
  })
})

describe('a definition', () => {
  test('knows itself and its place', () => {
    const definition = judging([mad()])
    expect([isAnomalies(definition), isAnomalies({ name: 'x' })]).toEqual([true, false])
    expect(definition.place.file).toMatch(/detect\.test\.ts$/)
  })

  const columns = { of: readings, key: ['id'], features: { x: 'x' }, methods: [mad()] } as const
  test.each<[string, () => unknown, string]>([
    ['a name', () => anomalies('Odd trips', columns), 'lower case'],
    ['no key', () => anomalies('a', { ...columns, key: [] }), 'no key'],
    ['an unknown column', () => anomalies('a', { ...columns, group: ['nowhere' as 'place'] }), '"nowhere"'],
    ['an unknown time', () => anomalies('a', { ...columns, methods: [seasonal({ time: 'when' })] }), '"when"'],
    ['no features', () => anomalies('a', { ...columns, features: {} }), 'no features'],
    ['no methods', () => anomalies('a', { ...columns, methods: [] }), 'no methods'],
    ['a method twice', () => anomalies('a', { ...columns, methods: [mad(), mad()] }), 'mad twice'],
    ['votes', () => anomalies('a', { ...columns, votes: 2 }), '2 votes of 1'],
    ['a threshold', () => mad({ threshold: 0 }), 'threshold 0'],
    ['percentiles', () => percentile({ low: 0.9 }), '0.9'],
    ['a contamination', () => isolationForest({ contamination: 0 }), 'contamination 0'],
    ['a sample', () => isolationForest({ sample: 1 }), 'sample of 1'],
  ])('is refused for %s', (_, define, problem) => {
    expect(define).toThrow(expect.objectContaining({ code: 'ANOMALIES_INVALID', message: expect.stringContaining(problem) }))
  })

  test('whose SQL is none is refused by the engine', async () => {
    const definition = anomalies('a', { ...columns, features: { x: sql`ln(` } })
    expect(await codeOf(detect(session(), USUAL, definition, { context }))).toBe('ENGINE_SQL_INVALID')
  })
})
