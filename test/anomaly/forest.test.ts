import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeForest, encodeForest, fitForest, scoreForest } from '../../src/anomaly/index.js'
import { codeOf } from '../table/table.js'

/** Numbers that look like nothing in particular, the same each time. */
function spread(rows: number, salt: number): Float64Array {
  return Float64Array.from({ length: rows }, (_, row) => {
    const turn = Math.sin((row + 1) * 12.9898 + salt * 78.233) * 43758.5453
    return turn - Math.floor(turn)
  })
}

function bits(scores: Float64Array): string {
  return Buffer.from(scores.buffer, scores.byteOffset, scores.byteLength).toString('base64')
}

const number = fc.oneof(
  fc.double({ min: -1e6, max: 1e6 }),
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 0, -0, 1e300, -1e300, 5e-324),
)
/** Columns of one length. */
const table = fc
  .tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 1, max: 3 }))
  .chain(([rows, width]) => fc.array(fc.array(number, { minLength: rows, maxLength: rows }), { minLength: width, maxLength: width }))
  .map((columns) => columns.map((column) => Float64Array.from(column)))

describe('scores', () => {
  test('are highest for what lies alone', async () => {
    const columns = [spread(2000, 1), spread(2000, 2)]
    columns[0]?.set([9, -8, 9], 100)
    columns[1]?.set([-8, -8, 9], 100)
    const scores = await scoreForest(fitForest(columns, { trees: 50 }), columns)
    const order = [...scores.keys()].sort((one, other) => (scores[other] ?? 0) - (scores[one] ?? 0))
    expect(order.slice(0, 3).sort()).toEqual([100, 101, 102])
    expect(scores[102]).toBeGreaterThan(0.7)
    expect(scores.toSorted()[1000]).toBeLessThan(0.5)
  })

  test('of rows that are all the same are 0.5, as the paper has it', async () => {
    const columns = [new Float64Array(300).fill(7), new Float64Array(300).fill(-1)]
    for (const score of await scoreForest(fitForest(columns), columns)) expect(score).toBeCloseTo(0.5, 12)
  })

  test.each([0, 1])('of %i rows', async (rows) => {
    const columns = [new Float64Array(rows).fill(3)]
    expect([...(await scoreForest(fitForest(columns), columns))]).toEqual(rows === 0 ? [] : [0.5])
  })

  test('of two different rows are the same, half a split from either', async () => {
    const columns = [Float64Array.of(0, 1)]
    expect([...(await scoreForest(fitForest(columns), columns))]).toEqual([0.5, 0.5])
  })

  test('read a missing value as the median', async () => {
    const column = spread(999, 3)
    const forest = fitForest([column])
    const [missing, infinite, median] = await scoreForest(forest, [
      Float64Array.of(Number.NaN, Number.NEGATIVE_INFINITY, forest.fill[0] ?? 0),
    ])
    expect([missing, infinite]).toEqual([median, median])
    expect(forest.fill[0]).toBeCloseTo(column.toSorted()[499] ?? 0, 1)
  })

  test('lie between 0 and 1, whatever the columns hold', async () => {
    await fc.assert(
      fc.asyncProperty(table, async (columns) => {
        const scores = await scoreForest(fitForest(columns, { trees: 5, sample: 16 }), columns)
        expect(scores).toHaveLength(columns[0]?.length ?? 0)
        for (const score of scores) expect(score > 0 && score < 1).toBe(true)
      }),
      { numRuns: 100 },
    )
  })

  test('of a row do not depend on the rows beside it', async () => {
    const columns = [spread(5000, 4), spread(5000, 5)]
    const forest = fitForest(columns, { trees: 20 })
    const together = await scoreForest(forest, columns)
    for (const row of [0, 1, 2047, 2048, 4999]) {
      const alone = await scoreForest(
        forest,
        columns.map((column) => column.slice(row, row + 1)),
      )
      expect(alone[0]).toBe(together[row])
    }
  })

  test('are refused for another number of columns', async () => {
    const forest = fitForest([spread(50, 1), spread(50, 2)])
    expect(await codeOf(scoreForest(forest, [spread(50, 1)]))).toBe('FOREST_COLUMNS_DIFFER')
  })
})

describe('the same seed gives the same bits', () => {
  test('and another seed gives others', async () => {
    const columns = [spread(3000, 6), spread(3000, 7)]
    const scored = async (seed: number) => bits(await scoreForest(fitForest(columns, { trees: 20, seed }), columns))
    expect(await scored(1)).toBe(await scored(1))
    expect(await scored(1)).not.toBe(await scored(2))
    expect(await scored(1)).not.toBe(await scored(1 + 2 ** 32))
  })

  test('with one, two and three threads', async () => {
    const columns = [spread(120_001, 8), spread(120_001, 9)]
    const forest = fitForest(columns, { trees: 10 })
    const [one, two, three] = await Promise.all([1, 2, 3].map(async (threads) => bits(await scoreForest(forest, columns, { threads }))))
    expect(two).toBe(one)
    expect(three).toBe(one)
  })

  test.each([1, 2])('and a signal ends it, with %i threads', async (threads) => {
    const columns = [spread(120_001, 8)]
    const forest = fitForest(columns, { trees: 10 })
    const controller = new AbortController()
    const scoring = codeOf(scoreForest(forest, columns, { threads, signal: controller.signal }))
    controller.abort()
    expect(await scoring).toBe('ENGINE_CANCELLED')
  })
})

describe('a forest kept as bytes', () => {
  const columns = [spread(500, 1), spread(500, 2), spread(500, 3)]
  const forest = fitForest(columns, { trees: 7, sample: 40, seed: 123456789012 })
  const bytes = encodeForest(forest)

  test('comes back as it was', async () => {
    // Bytes that begin anywhere, as those read from a file may.
    const moved = new Uint8Array(bytes.length + 3)
    moved.set(bytes, 3)
    expect(decodeForest(moved.subarray(3))).toEqual(forest)
    expect(bits(await scoreForest(decodeForest(bytes), columns))).toBe(bits(await scoreForest(forest, columns)))
  })

  test.each<[string, () => Uint8Array, string]>([
    ['nothing', () => new Uint8Array(), 'not of a forest'],
    ['text', () => Buffer.from('this is no forest, and has more than forty bytes'), 'not of a forest'],
    ['a part', () => bytes.subarray(0, 1000), 'more or fewer'],
    ['too much', () => Buffer.concat([bytes, Buffer.of(0)]), 'more or fewer'],
    ['a later version', () => changed(8, 2), 'version 2'],
  ])('is refused when it is %s', (_, given, problem) => {
    expect(() => decodeForest(given())).toThrow(
      expect.objectContaining({ code: 'FOREST_UNREADABLE', message: expect.stringContaining(problem) }),
    )
  })

  test('is refused when any of its bytes is another', () => {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        expect(() => decodeForest(changed(at, (bytes[at] ?? 0) ^ by))).toThrow(expect.objectContaining({ code: 'FOREST_UNREADABLE' }))
      }),
      { numRuns: 200 },
    )
  })

  function changed(at: number, to: number): Uint8Array {
    const copy = bytes.slice()
    copy[at] = to
    return copy
  }
})
