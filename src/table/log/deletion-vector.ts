import { crc32 } from 'node:zlib'
import { failure, type SluiceError, TABLE_LOG_CORRUPT } from '../../errors/index.js'

/**
 * Deletion vectors: the rows of a data file that are deleted without the file being written anew.
 * Source: the Delta protocol, "Deletion Vectors" and "Deletion Vector Format"; the Roaring format specification (portable, 64 bit);
 * for the older `native` layout, Delta's RoaringBitmapArray.
 *
 * ```
 * file    version(1) { size(4, big-endian) data checksum(4, big-endian CRC-32 of data) }*
 * data    magic(4) portable: count(8) { key(4) bitmap }*     native: count(4) { length(4) bitmap }*, the key being the place
 * bitmap  cookie(4) ... { key(2) cardinality-1(2) }* [ offset(4) ]* { container }*
 * row     = key of the bitmap * 2^32 + key of the container * 2^16 + value in the container
 * ```
 */
export interface DeletionVector {
  /** `u`: a file of the table named by a UUID, `p`: a file by its absolute path, `i`: inline. */
  readonly storageType: string
  readonly pathOrInlineDv: string
  /** Where in the file the vector's size stands; absent when inline. */
  readonly offset?: number
  /** Bytes of the data alone, without the size before and the checksum behind. */
  readonly sizeInBytes: number
  readonly cardinality: number
}

const PORTABLE_MAGIC = 1681511377
const NATIVE_MAGIC = 1681511376
const PLAIN_COOKIE = 12346
const RUN_COOKIE = 12347
/** With runs, a bitmap of fewer containers has no offsets. */
const OFFSETS_FROM = 4
/** The largest container that is an array; beyond it, a bitmap is smaller. */
const ARRAY_LIMIT = 4096
const BITMAP_WORDS = 2048
/** The version byte of the file. */
const FIRST_OFFSET = 1

/** What tells two vectors of one data file apart. */
export function vectorId({ storageType, pathOrInlineDv, offset }: DeletionVector): string {
  return `${storageType}${pathOrInlineDv}${offset === undefined ? '' : `@${offset}`}`
}

/**
 * The file that holds the vector: relative to the table (`u`), or absolute as the log has it, maybe a `file:` URI (`p`); undefined when inline.
 * `{ storageType: 'u', pathOrInlineDv: 'ab^-aqEH.-t@S}K{vb[*k^', ... }` is `ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin`.
 * @throws TABLE_LOG_CORRUPT, for `table`, when there is no such storage type or the text names no file within the table
 */
export function vectorPath({ storageType, pathOrInlineDv }: DeletionVector, table: string): string | undefined {
  if (typeof pathOrInlineDv !== 'string') throw corrupt(table, 'a deletion vector does not say where it is')
  if (storageType === 'i') return undefined
  if (storageType === 'p') return pathOrInlineDv
  if (storageType !== 'u') throw corrupt(table, `no deletion vector has the storage type ${JSON.stringify(storageType)}`)
  const folder = pathOrInlineDv.slice(0, -UUID_LETTERS)
  const uuid = decodeZ85(pathOrInlineDv.slice(-UUID_LETTERS))
  if (uuid?.length !== 16 || /[/\\]|^\.+$/.test(folder)) {
    throw corrupt(table, `${JSON.stringify(pathOrInlineDv)} names no deletion vector's file`)
  }
  const hex = Buffer.from(uuid).toString('hex')
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)]
  return `${folder === '' ? '' : `${folder}/`}deletion_vector_${parts.join('-')}.bin`
}

/** A new vector file's name in the table's folder, and the `pathOrInlineDv` (of storage type `u`) that means it. */
export function vectorFileName(uuid: string): { readonly path: string; readonly encoded: string } {
  return { path: `deletion_vector_${uuid.toLowerCase()}.bin`, encoded: encodeZ85(Buffer.from(uuid.replaceAll('-', ''), 'hex')) }
}

const Z85 = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'
const UUID_LETTERS = 20

/** Source: ZeroMQ RFC 32. Undefined when the text is not of it. */
function decodeZ85(text: string): Uint8Array | undefined {
  if (text.length % 5 !== 0) return undefined
  const bytes = new DataView(new ArrayBuffer((text.length / 5) * 4))
  for (let at = 0; at < text.length; at += 5) {
    let word = 0
    for (const letter of text.slice(at, at + 5)) {
      const digit = Z85.indexOf(letter)
      if (digit < 0) return undefined
      word = word * 85 + digit
    }
    if (word > 0xffff_ffff) return undefined
    bytes.setUint32((at / 5) * 4, word)
  }
  return new Uint8Array(bytes.buffer)
}

function encodeZ85(bytes: Buffer): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 4) {
    const word = bytes.readUInt32BE(at)
    for (let power = 85 ** 4; power >= 1; power /= 85) text += Z85[Math.floor(word / power) % 85]
  }
  return text
}

/** The values of 65,536 consecutive rows: sorted, or beyond ARRAY_LIMIT as one bit each. */
type Container = Uint16Array | Uint32Array

/** Row numbers, from 0, ascending and without repeats. Immutable. A set takes 2 bytes a row where it is sparse, 8 KiB for 65,536 rows at most. */
export class RowSet {
  /** By row number / 65,536, ascending; none is empty. */
  readonly #containers: ReadonlyMap<number, Container>
  readonly size: number

  private constructor(containers: ReadonlyMap<number, Container>) {
    this.#containers = containers
    this.size = [...containers.values()].reduce((total, container) => total + cardinalityOf(container), 0)
  }

  /** In any order, with repeats. Throws a RangeError for what is no row number. */
  static of(rows: Iterable<number>): RowSet {
    const lows = new Map<number, number[]>()
    for (const row of rows) {
      if (!Number.isSafeInteger(row) || row < 0) throw new RangeError(`${row} is no row number`)
      const high = Math.floor(row / 65_536)
      const known = lows.get(high)
      if (known === undefined) lows.set(high, [row % 65_536])
      else known.push(row % 65_536)
    }
    return RowSet.#ofContainers([...lows].map(([high, low]) => [high, compact(bitsOf(low))]))
  }

  static #ofContainers(containers: readonly (readonly [number, Container])[]): RowSet {
    return new RowSet(new Map([...containers].filter(([, container]) => container.length > 0).sort(([one], [other]) => one - other)))
  }

  /** For the decoder: sound containers, each once. */
  static fromContainers(containers: ReadonlyMap<number, Container>): RowSet {
    return RowSet.#ofContainers([...containers])
  }

  has(row: number): boolean {
    const container = this.#containers.get(Math.floor(row / 65_536))
    if (container === undefined) return false
    const low = row % 65_536
    if (container instanceof Uint32Array) return (((container[low >>> 5] ?? 0) >>> (low & 31)) & 1) === 1
    let from = 0
    let to = container.length
    while (from < to) {
      const middle = (from + to) >>> 1
      if ((container[middle] ?? 0) < low) from = middle + 1
      else to = middle
    }
    return container[from] === low
  }

  union(other: RowSet): RowSet {
    const joined = new Map(this.#containers)
    for (const [high, theirs] of other.#containers) {
      const ours = joined.get(high)
      joined.set(high, ours === undefined ? theirs : combine(ours, theirs, (our, their) => our | their))
    }
    return RowSet.#ofContainers([...joined])
  }

  minus(other: RowSet): RowSet {
    return RowSet.#ofContainers(
      [...this.#containers].map(([high, ours]) => {
        const theirs = other.#containers.get(high)
        return [high, theirs === undefined ? ours : combine(ours, theirs, (our, their) => our & ~their)]
      }),
    )
  }

  *values(): IterableIterator<number> {
    for (const [high, container] of this.#containers) {
      for (const low of lowsOf(container)) yield high * 65_536 + low
    }
  }

  [Symbol.iterator](): IterableIterator<number> {
    return this.values()
  }

  /** For the encoder. */
  containers(): ReadonlyMap<number, Container> {
    return this.#containers
  }
}

function cardinalityOf(container: Container): number {
  if (container instanceof Uint16Array) return container.length
  let count = 0
  for (let word of container) for (; word !== 0; word &= word - 1) count++
  return count
}

function* lowsOf(container: Container): IterableIterator<number> {
  if (container instanceof Uint16Array) yield* container
  else {
    for (let at = 0; at < BITMAP_WORDS; at++) {
      for (let word = container[at] ?? 0; word !== 0; word &= word - 1) yield at * 32 + 31 - Math.clz32(word & -word)
    }
  }
}

function bitsOf(lows: Iterable<number>): Uint32Array {
  const bits = new Uint32Array(BITMAP_WORDS)
  for (const low of lows) bits[low >>> 5] = (bits[low >>> 5] ?? 0) | (1 << (low & 31))
  return bits
}

function combine(ours: Container, theirs: Container, bitwise: (our: number, their: number) => number): Container {
  const [ourBits, theirBits] = [ours, theirs].map((one) => (one instanceof Uint32Array ? one : bitsOf(one)))
  return compact(Uint32Array.from({ length: BITMAP_WORDS }, (_, at) => bitwise(ourBits?.[at] ?? 0, theirBits?.[at] ?? 0)))
}

function compact(bits: Uint32Array): Container {
  return cardinalityOf(bits) > ARRAY_LIMIT ? bits : Uint16Array.from(lowsOf(bits))
}

/**
 * The deleted rows. `file` is the whole file of a vector that is not inline.
 * @throws TABLE_LOG_CORRUPT, for `table`: no such file, a bad version, size, checksum or magic, data that is cut off or not in order, another cardinality
 */
export function decodeVector(vector: DeletionVector, file: Uint8Array | undefined, table: string): RowSet {
  const refuse = (problem: string) => corrupt(table, `the deletion vector ${vectorId(vector)} ${problem}`)
  const data = vector.storageType === 'i' ? inlineData(vector, refuse) : fileData(vector, file, refuse)
  const containers = new Map<number, Container>()
  let rows = 0
  for (const [high, container, cardinality] of readContainers(data, refuse)) {
    rows += cardinality
    // Before the rest is read: a few damaged bytes could ask for much memory.
    if (rows > vector.cardinality) break
    containers.set(high, container)
  }
  if (rows !== vector.cardinality) throw refuse(`holds other than its ${vector.cardinality} rows`)
  return RowSet.fromContainers(containers)
}

type Refuse = (problem: string) => SluiceError

function inlineData({ pathOrInlineDv, sizeInBytes }: DeletionVector, refuse: Refuse): Uint8Array {
  const bytes = decodeZ85(pathOrInlineDv)
  if (bytes === undefined) throw refuse('is not base 85')
  if (!(sizeInBytes >= 0 && sizeInBytes <= bytes.length)) throw refuse(`has ${bytes.length} bytes, not ${sizeInBytes}`)
  return bytes.subarray(0, sizeInBytes)
}

function fileData({ offset = FIRST_OFFSET, sizeInBytes }: DeletionVector, file: Uint8Array | undefined, refuse: Refuse): Uint8Array {
  if (file === undefined) throw refuse('has lost its file')
  if (file[0] !== 1) throw refuse(`is in a file of version ${file[0] ?? 'none'}, not 1`)
  if (!(Number.isSafeInteger(offset) && offset >= FIRST_OFFSET && sizeInBytes >= 0 && offset + 8 + sizeInBytes <= file.length)) {
    throw refuse(`is not within its file of ${file.length} bytes`)
  }
  const view = viewOf(file)
  const size = view.getUint32(offset)
  if (size !== sizeInBytes) throw refuse(`has ${size} bytes, not ${sizeInBytes}`)
  const data = file.subarray(offset + 4, offset + 4 + size)
  if (view.getUint32(offset + 4 + size) !== crc32(data)) throw refuse('does not match its checksum')
  return data
}

/** A container, its rows' number / 65,536 and how many they are, in ascending order. Each is checked before memory is taken for it. */
function* readContainers(data: Uint8Array, refuse: Refuse): Generator<readonly [high: number, container: Container, cardinality: number]> {
  const view = viewOf(data)
  let at = 0
  /** Where the next `length` bytes are. */
  const take = (length: number): number => {
    if (length > data.length - at) throw refuse('is cut off')
    at += length
    return at - length
  }
  const u16 = () => view.getUint16(take(2), true)
  const u32 = () => view.getUint32(take(4), true)

  function* bitmap(key: number): Generator<readonly [number, Container, number]> {
    // Row numbers are held as doubles, exact below 2^53.
    if (key >= 2 ** 21) throw refuse('has rows beyond 2^53')
    const cookie = u32()
    const withRuns = (cookie & 0xffff) === RUN_COOKIE
    if (!withRuns && cookie !== PLAIN_COOKIE) throw refuse(`has a bitmap of the unknown kind ${cookie}`)
    const count = withRuns ? (cookie >>> 16) + 1 : u32()
    const runFlags = withRuns ? take(Math.ceil(count / 8)) : undefined
    const header = take(count * 4)
    if (!withRuns || count >= OFFSETS_FROM) take(count * 4)
    let last = -1
    for (let place = 0; place < count; place++) {
      const high = view.getUint16(header + place * 4, true)
      const cardinality = view.getUint16(header + place * 4 + 2, true) + 1
      if (high <= last) throw refuse('has containers out of order')
      last = high
      const isRuns = runFlags !== undefined && (((data[runFlags + (place >>> 3)] ?? 0) >>> (place & 7)) & 1) === 1
      const container = isRuns ? runs() : cardinality > ARRAY_LIMIT ? bits() : array(cardinality)
      if (cardinalityOf(container) !== cardinality) throw refuse('has a container of another cardinality than it says')
      yield [key * 65_536 + high, container, cardinality]
    }
  }

  function array(cardinality: number): Container {
    const from = take(cardinality * 2)
    const values = Uint16Array.from({ length: cardinality }, (_, place) => view.getUint16(from + place * 2, true))
    if (values.some((value, place) => place > 0 && value <= (values[place - 1] ?? 0))) throw refuse('has rows out of order')
    return values
  }

  function bits(): Container {
    const from = take(BITMAP_WORDS * 4)
    return Uint32Array.from({ length: BITMAP_WORDS }, (_, word) => view.getUint32(from + word * 4, true))
  }

  function runs(): Container {
    const values = new Uint32Array(BITMAP_WORDS)
    let next = 0
    for (let left = u16(); left > 0; left--) {
      const start = u16()
      const end = start + u16()
      if (start < next || end > 65_535) throw refuse('has runs of rows out of order')
      for (let low = start; low <= end; low++) values[low >>> 5] = (values[low >>> 5] ?? 0) | (1 << (low & 31))
      next = end + 1
    }
    return compact(values)
  }

  const magic = u32()
  if (magic === PORTABLE_MAGIC) {
    let last = -1
    for (let left = u32() + u32() * 2 ** 32; left > 0; left--) {
      const key = u32()
      if (key <= last) throw refuse('has bitmaps out of order')
      last = key
      yield* bitmap(key)
    }
  } else if (magic === NATIVE_MAGIC) {
    const count = u32()
    for (let key = 0; key < count; key++) {
      const length = u32()
      const end = at + length
      yield* bitmap(key)
      if (at > end || end > data.length) throw refuse('is cut off')
      at = end
    }
  } else throw refuse(`has the unknown magic number ${magic}`)
}

/** A file of vectors: `places[i]` is where, for `DeletionVector`, the i-th set stands. */
export function encodeVectors(sets: readonly RowSet[]): {
  readonly bytes: Uint8Array
  readonly places: readonly { readonly offset: number; readonly sizeInBytes: number; readonly cardinality: number }[]
} {
  const parts: Uint8Array[] = [Uint8Array.of(1)]
  const places: { offset: number; sizeInBytes: number; cardinality: number }[] = []
  let offset = FIRST_OFFSET
  for (const set of sets) {
    const data = encodeSet(set)
    parts.push(bigEndian(data.length), data, bigEndian(crc32(data)))
    places.push({ offset, sizeInBytes: data.length, cardinality: set.size })
    offset += data.length + 8
  }
  return { bytes: Buffer.concat(parts), places }
}

function encodeSet(set: RowSet): Uint8Array {
  const bitmaps = new Map<number, [low: number, Container][]>()
  for (const [high, container] of set.containers()) {
    const key = Math.floor(high / 65_536)
    const known = bitmaps.get(key)
    if (known === undefined) bitmaps.set(key, [[high % 65_536, container]])
    else known.push([high % 65_536, container])
  }
  const start = bytesOf(12, (view) => {
    view.setUint32(0, PORTABLE_MAGIC, true)
    view.setUint32(4, bitmaps.size, true)
  })
  return Buffer.concat([start, ...[...bitmaps].map(([key, containers]) => encodeBitmap(key, containers))])
}

function encodeBitmap(key: number, containers: readonly (readonly [number, Container])[]): Uint8Array {
  const header = 12 + containers.length * 8
  const length = containers.reduce((total, [, container]) => total + container.byteLength, header)
  return bytesOf(length, (view) => {
    view.setUint32(0, key, true)
    view.setUint32(4, PLAIN_COOKIE, true)
    view.setUint32(8, containers.length, true)
    let at = header
    for (const [place, [high, container]] of containers.entries()) {
      view.setUint16(12 + place * 4, high, true)
      view.setUint16(14 + place * 4, cardinalityOf(container) - 1, true)
      // From the cookie, which stands behind the key.
      view.setUint32(12 + containers.length * 4 + place * 4, at - 4, true)
      for (const value of container) {
        if (container instanceof Uint16Array) view.setUint16(at, value, true)
        else view.setUint32(at, value, true)
        at += container.BYTES_PER_ELEMENT
      }
    }
  })
}

function bigEndian(number: number): Uint8Array {
  return bytesOf(4, (view) => view.setUint32(0, number))
}

function bytesOf(length: number, fill: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(length)
  fill(viewOf(bytes))
  return bytes
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function corrupt(table: string, problem: string): SluiceError {
  return failure(TABLE_LOG_CORRUPT, { path: table, problem })
}
