import { FOREST_UNREADABLE, failure } from '../errors/index.js'
import type { Forest } from './forest.js'

/**
 * A forest as bytes, little-endian whatever the machine:
 *
 *     0  'SLUICEIF'  8 bytes
 *     8  version     uint32, 1
 *    12  trees, sample, dimensions, depth  uint32 each
 *    28  checksum    uint32, FNV-1a of everything but itself
 *    32  seed        float64
 *    40  fill        float64 a column
 *        thresholds  float64, trees x (2^depth - 1)
 *        lengths     float64, trees x 2^depth
 *        features    uint16,  trees x (2^depth - 1)
 */
const MAGIC = 'SLUICEIF'
const VERSION = 1
const [CHECKSUM_AT, HEADER] = [28, 40]

/** The forest as bytes to keep: some 460 kB for 100 trees of 256 rows of two features. `decodeForest` gives back a forest that scores to the same bits. */
export function encodeForest(forest: Forest): Uint8Array {
  const { trees, sample, dimensions, depth, seed, features } = forest
  const bytes = new Uint8Array(sizeOf(forest))
  const view = new DataView(bytes.buffer)
  for (let index = 0; index < MAGIC.length; index++) bytes[index] = MAGIC.charCodeAt(index)
  for (const [index, value] of [VERSION, trees, sample, dimensions, depth].entries()) view.setUint32(8 + 4 * index, value, true)
  view.setFloat64(32, seed, true)
  let at = HEADER
  for (const part of [forest.fill, forest.thresholds, forest.lengths])
    for (let index = 0; index < part.length; index++, at += 8) view.setFloat64(at, part[index] as number, true)
  for (let index = 0; index < features.length; index++, at += 2) view.setUint16(at, features[index] as number, true)
  view.setUint32(CHECKSUM_AT, checksumOf(bytes), true)
  return bytes
}

/** The forest that `encodeForest` made the bytes of. Throws FOREST_UNREADABLE for anything else, a single changed bit included. */
export function decodeForest(bytes: Uint8Array): Forest {
  const wrong = (problem: string) => failure(FOREST_UNREADABLE, { problem })
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < HEADER || String.fromCharCode(...bytes.subarray(0, MAGIC.length)) !== MAGIC) throw wrong('they are not of a forest')
  const version = view.getUint32(8, true)
  if (version !== VERSION) throw wrong(`they are of version ${version}, and this Sluice reads version ${VERSION}`)
  const [trees, sample, dimensions, depth] = [12, 16, 20, 24].map((at) => view.getUint32(at, true)) as [number, number, number, number]
  if (bytes.length !== sizeOf({ trees, dimensions, depth })) throw wrong(`they are ${bytes.length}, more or fewer than their head says`)
  if (view.getUint32(CHECKSUM_AT, true) !== checksumOf(bytes)) throw wrong('their checksum does not fit')
  let at = HEADER
  const doubles = (count: number) => {
    const values = new Float64Array(count)
    for (let index = 0; index < count; index++, at += 8) values[index] = view.getFloat64(at, true)
    return values
  }
  const [splits, leaves] = [2 ** depth - 1, 2 ** depth]
  const [fill, thresholds, lengths] = [doubles(dimensions), doubles(trees * splits), doubles(trees * leaves)]
  const features = new Uint16Array(trees * splits)
  for (let index = 0; index < features.length; index++, at += 2) features[index] = view.getUint16(at, true)
  return { trees, sample, dimensions, depth, seed: view.getFloat64(32, true), fill, thresholds, lengths, features }
}

function sizeOf({ trees, dimensions, depth }: Pick<Forest, 'trees' | 'dimensions' | 'depth'>): number {
  return HEADER + 8 * dimensions + trees * (10 * (2 ** depth - 1) + 8 * 2 ** depth)
}

function checksumOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < bytes.length; index++) {
    if (index >= CHECKSUM_AT && index < CHECKSUM_AT + 4) continue
    hash = Math.imul(hash ^ (bytes[index] as number), 0x01000193)
  }
  return hash >>> 0
}
