import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type DeletionVector,
  decodeVector,
  encodeVectors,
  RowSet,
  vectorFileName,
  vectorId,
  vectorPath,
} from '../../src/table/log/deletion-vector.js'
import { describeWithData, testData } from '../fixtures.js'

const inFile = (place: { offset: number; sizeInBytes: number; cardinality: number }): DeletionVector => ({
  storageType: 'u',
  pathOrInlineDv: vectorFileName('d2c639aa-8816-431a-aaf6-d3fe2512ff61').encoded,
  ...place,
})

const codeOf = (call: () => unknown): string => {
  try {
    call()
    return 'no error'
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

/** Data as a file holds it, from hex: with its size and the right checksum. */
function decodeHex(hex: string, cardinality: number): RowSet {
  const data = Buffer.from(hex.replaceAll(/\s/g, ''), 'hex')
  const file = Buffer.alloc(data.length + 9)
  file[0] = 1
  file.writeUInt32BE(data.length, 1)
  data.copy(file, 5)
  file.writeUInt32BE(crc32(data), 5 + data.length)
  return decodeVector(inFile({ offset: 1, sizeInBytes: data.length, cardinality }), file, 'table')
}

const PORTABLE = 'd1d33964'
const NATIVE = 'd0d33964'

describe('where a vector is', () => {
  const vector = (storageType: string, pathOrInlineDv: string): DeletionVector => ({
    storageType,
    pathOrInlineDv,
    sizeInBytes: 40,
    cardinality: 6,
  })

  test('is a file named by a UUID, in a folder of a random name or none', () => {
    // The first is the protocol's own example.
    expect(vectorPath(vector('u', 'ab^-aqEH.-t@S}K{vb[*k^'), 'table')).toBe('ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin')
    expect(vectorPath(vector('u', '^-aqEH.-t@S}K{vb[*k^'), 'table')).toBe('deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin')
    expect(vectorPath(vector('p', 's3://b/deletion_vector.bin'), 'table')).toBe('s3://b/deletion_vector.bin')
    expect(vectorPath(vector('i', 'wi5b='), 'table')).toBeUndefined()
  })

  test('is written as it is read', () => {
    fc.assert(
      fc.property(fc.uuid(), (uuid) => {
        const { path, encoded } = vectorFileName(uuid.toUpperCase())
        expect(encoded).toHaveLength(20)
        expect(vectorPath(vector('u', encoded), 'table')).toBe(path)
        expect(path).toBe(`deletion_vector_${uuid}.bin`)
      }),
    )
  })

  test.each([
    ['x', '^-aqEH.-t@S}K{vb[*k^'],
    ['u', 'too short'],
    ['u', '~-aqEH.-t@S}K{vb[*k^'],
    ['u', '#####EH.-t@S}K{vb[*k^'],
    ['u', '../../^-aqEH.-t@S}K{vb[*k^'],
    ['u', '..^-aqEH.-t@S}K{vb[*k^'],
  ])('is refused for %s %s', (storageType, text) => {
    expect(codeOf(() => vectorPath(vector(storageType, text), 'table'))).toBe('TABLE_LOG_CORRUPT')
  })

  test('tells two of one data file apart', () => {
    expect(vectorId(vector('i', 'wi5b='))).toBe('iwi5b=')
    expect(vectorId({ ...vector('u', 'ab'), offset: 1 })).toBe('uab@1')
  })
})

describe('a vector is read', () => {
  test('inline', () => {
    const pathOrInlineDv = '^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L'
    const vector = { storageType: 'i', pathOrInlineDv, sizeInBytes: 44, cardinality: 6 }
    expect([...decodeVector(vector, undefined, 'table')]).toEqual([3, 4, 7, 11, 18, 29])
  })

  test('with runs, and no offsets for few containers', () => {
    const runs = `${PORTABLE} 0100000000000000 02000000 3b300100 03  0500 0400  ffff 0100  0200 0100 0200 0900 0100  0100 feff 0100`
    expect([...decodeHex(runs, 7)]).toEqual(
      [[1, 2, 3, 9, 10].map((low) => 2 ** 33 + 5 * 65_536 + low), 2 ** 33 + 2 ** 32 - 2, 2 ** 33 + 2 ** 32 - 1].flat(),
    )
  })

  test('with runs among arrays, and offsets for four containers', () => {
    const header = '0000 0200  0100 0000  0200 0000  0300 0000'
    const offsets = '00000000 00000000 00000000 00000000'
    const hex = `${PORTABLE} 0100000000000000 00000000 3b300300 01 ${header} ${offsets}  0100 0700 0200  0900 0a00 0b00`
    expect([...decodeHex(hex, 6)]).toEqual([7, 8, 9, 65_545, 131_082, 196_619])
  })

  test('in the native layout, whose bitmaps say their length', () => {
    const bitmap = (value: string) => `14000000 3a300000 01000000 0000 0000 10000000 ${value} ffff`
    expect([...decodeHex(`${NATIVE} 02000000 ${bitmap('0300')} ${bitmap('0400')}`, 2)]).toEqual([3, 2 ** 32 + 4])
  })

  test.each([
    ['another magic number', 'd2d33964 0000000000000000', 0],
    ['more bitmaps than bytes', `${PORTABLE} ffffffffffffffff`, 0],
    ['more containers than bytes', `${PORTABLE} 0100000000000000 00000000 3a300000 ffffffff`, 5],
    ['a bitmap of another kind', `${PORTABLE} 0100000000000000 00000000 39300000 00000000`, 0],
    ['a container that is cut off', `${PORTABLE} 0100000000000000 00000000 3a300000 01000000 0000 ffff 10000000`, 65_536],
    ['rows out of order', `${PORTABLE} 0100000000000000 00000000 3a300000 01000000 0000 0100 10000000 0900 0300`, 2],
    ['a row twice', `${PORTABLE} 0100000000000000 00000000 3a300000 01000000 0000 0100 10000000 0900 0900`, 2],
    ['runs beyond a container', `${PORTABLE} 0100000000000000 00000000 3b300000 01 0000 0100 0100 ffff 0100`, 2],
    ['runs that overlap', `${PORTABLE} 0100000000000000 00000000 3b300000 01 0000 0200 0200 0100 0100 0200 0000`, 3],
    ['runs of other length', `${PORTABLE} 0100000000000000 00000000 3b300000 01 0000 0100 0100 0100 0700`, 2],
    ['rows beyond 2^53', `${PORTABLE} 0100000000000000 00002000 3a300000 01000000 0000 0000 10000000 0900`, 1],
    ['bitmaps out of order', `${PORTABLE} 0200000000000000 01000000 3a300000 00000000 01000000 3a300000 00000000`, 0],
    ['another cardinality', `${PORTABLE} 0100000000000000 00000000 3a300000 01000000 0000 0000 10000000 0900`, 2],
  ])('but not with %s', (_, hex, cardinality) => {
    expect(codeOf(() => decodeHex(hex, cardinality))).toBe('TABLE_LOG_CORRUPT')
  })

  test('but not from a file that is missing, of another version, cut off or damaged', () => {
    const { bytes, places } = encodeVectors([RowSet.of([1, 5, 70_000])])
    const [place] = places
    if (place === undefined) throw new Error('no vector was written')
    const read = (file: Uint8Array | undefined, other: Partial<DeletionVector> = {}) =>
      codeOf(() => decodeVector({ ...inFile(place), ...other }, file, 'table'))
    const damaged = (at: number) => bytes.map((byte, place) => (place === at ? byte ^ 1 : byte))
    expect(read(bytes)).toBe('no error')
    for (const file of [undefined, new Uint8Array(), damaged(0), damaged(4), damaged(20), damaged(bytes.length - 1), bytes.slice(0, -1)]) {
      expect(read(file)).toBe('TABLE_LOG_CORRUPT')
    }
    for (const offset of [0, -1, 2, 1e9, 0.5, Number.NaN]) expect(read(bytes, { offset })).toBe('TABLE_LOG_CORRUPT')
    for (const sizeInBytes of [-1, 3, 1e9, Number.NaN]) expect(read(bytes, { sizeInBytes })).toBe('TABLE_LOG_CORRUPT')
  })
})

/** Row numbers that fall together in few containers, on both sides of 2^16 and 2^32. */
const rows = fc
  .array(
    fc.tuple(
      fc.constantFrom(0, 65_530, 2 ** 31 - 5, 2 ** 32 - 5, 2 ** 32 + 65_536, 2 ** 53 - 70_000),
      fc.oneof(fc.nat(9), fc.nat(69_000)),
      fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.integer({ min: 4090, max: 9000 }) }),
    ),
    { maxLength: 12 },
  )
  .map((pieces) =>
    pieces.flatMap(([base, from, count]) => Array.from({ length: count }, (_, at) => Math.min(base + from + at, 2 ** 53 - 1))),
  )

const ascending = (numbers: Iterable<number>): number[] => [...new Set(numbers)].sort((one, other) => one - other)

describe('row sets', () => {
  test('hold what a Set holds, and join and part as Sets do', () => {
    fc.assert(
      fc.property(rows, rows, (ours, theirs) => {
        const [one, other] = [RowSet.of(ours), RowSet.of(theirs)]
        const [ourSet, theirSet] = [new Set(ours), new Set(theirs)]
        expect(one.size).toBe(ourSet.size)
        expect([...one.union(other)]).toEqual(ascending([...ours, ...theirs]))
        expect([...one.minus(other)]).toEqual(ascending(ours.filter((row) => !theirSet.has(row))))
        expect([...one]).toEqual(ascending(ours))
        for (const row of [...theirs.slice(0, 50), 0, 65_535, 65_536, 2 ** 32]) expect(one.has(row)).toBe(ourSet.has(row))
      }),
      { numRuns: 60 },
    )
  })

  test.each([-1, 0.5, Number.NaN, 2 ** 53])('hold no %d', (row) => {
    expect(() => RowSet.of([row])).toThrow(RangeError)
  })

  test('are read as they were written, several in a file', () => {
    fc.assert(
      fc.property(fc.array(rows, { maxLength: 4 }), (sets) => {
        const { bytes, places } = encodeVectors(sets.map((set) => RowSet.of(set)))
        expect(places).toHaveLength(sets.length)
        for (const [at, place] of places.entries()) {
          expect([...decodeVector(inFile(place), bytes, 'table')]).toEqual(ascending(sets[at] ?? []))
        }
      }),
      { numRuns: 60 },
    )
  })

  test('are never read wrong from damaged bytes: the same rows, or a coded error', () => {
    const set = RowSet.of([...Array.from({ length: 5000 }, (_, at) => at * 2), 70_000, 2 ** 32 + 1, 2 ** 32 + 70_000])
    const { bytes, places } = encodeVectors([set])
    const vector = inFile(places[0] ?? { offset: 0, sizeInBytes: 0, cardinality: 0 })
    const expected = [...set]
    const anywhere = fc.oneof(fc.nat(60), fc.integer({ min: bytes.length - 60, max: bytes.length - 1 }), fc.nat(bytes.length - 1))
    fc.assert(
      fc.property(
        fc.array(fc.tuple(anywhere, fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        (damage, mend) => {
          const file = Uint8Array.from(bytes)
          for (const [at, flip] of damage) file[at] = (file[at] ?? 0) ^ flip
          // With the checksum put right, the structure alone must hold: no crash, and as many rows as the log says.
          if (mend) {
            const data = file.subarray(vector.offset === undefined ? 0 : vector.offset + 4, -4)
            Buffer.from(file.buffer).writeUInt32BE(crc32(data), file.length - 4)
          }
          try {
            const read = decodeVector(vector, file, 'table')
            if (mend) expect([...read]).toEqual(ascending(read))
            else expect([...read]).toEqual(expected)
            expect(read.size).toBe(vector.cardinality)
          } catch (error) {
            expect((error as { code?: string }).code ?? error).toBe('TABLE_LOG_CORRUPT')
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})

describeWithData('vectors that Spark wrote', () => {
  test.each([
    ['kernel/table-with-dv-small', [[0, 9]]],
    ['golden/log-replay-dv-key-cases/delta', [[0], [0, 7], [0, 7, 14]]],
    ['golden/dv-partitioned-with-checkpoint/delta', undefined],
  ])('%s', (name, expected) => {
    const table = testData('delta', name)
    const log = join(table, '_delta_log')
    const vectors = readdirSync(log)
      .filter((file) => file.endsWith('.json'))
      .sort()
      .flatMap((file) => readFileSync(join(log, file), 'utf8').trim().split('\n'))
      .map((line) => (JSON.parse(line) as { add?: { deletionVector?: DeletionVector } }).add?.deletionVector)
      .filter((vector) => vector !== undefined)
    const sets = vectors.map((vector) => decodeVector(vector, readFileSync(join(table, vectorPath(vector, table) ?? '')), table))
    expect(sets.map((set) => set.size)).toEqual(vectors.map((vector) => vector.cardinality))
    if (expected !== undefined) expect(sets.map((set) => [...set])).toEqual(expected)
    expect(sets.length).toBeGreaterThan(0)
    // Ours are Spark's bytes.
    for (const [at, set] of sets.entries()) {
      const vector = vectors[at]
      expect(Buffer.from(encodeVectors([set]).bytes)).toEqual(
        vector && readFileSync(join(table, vectorPath(vector, table) ?? '')).subarray(0, vector.sizeInBytes + 9),
      )
    }
  })
})
