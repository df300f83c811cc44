/** Trees of random splits, laid out flat: a step down is arithmetic on a number, with no pointer to follow and no leaf to ask for. */
export interface Forest {
  readonly trees: number
  /** Rows that each tree was grown on. */
  readonly sample: number
  readonly seed: number
  /** Columns that it was fitted on, and wants to be given. */
  readonly dimensions: number
  /** Splits on the way from a root to a leaf: every tree is complete, 2^depth - 1 splits and 2^depth leaves. */
  readonly depth: number
  /** The column of each split, tree after tree, a tree level by level: below split n lie 2n+1 (less than the threshold) and 2n+2. */
  readonly features: Uint16Array
  /** Infinity below a leaf that came early: every row goes left. */
  readonly thresholds: Float64Array
  /** For each leaf the length of its path: splits that were real, and what as many rows as it holds would need on average to be parted. */
  readonly lengths: Float64Array
  /** What a missing value of a column reads as: the median of those that the first trees were grown on. */
  readonly fill: Float64Array
}

export interface ForestOptions {
  /** Default 100. */
  readonly trees?: number
  /** Rows drawn for a tree, without putting back; 2 to 65,536. Default 256, or all rows where there are fewer. */
  readonly sample?: number
  /** A whole number; default 1. */
  readonly seed?: number
}

/**
 * Grows an Isolation Forest, as in F. T. Liu, K. M. Ting, Z.-H. Zhou, Isolation Forest, ICDM 2008: each tree on a sample of its own, split
 * at a random point of a random column until rows are alone or ceil(log2(sample)) splits deep. Only columns that vary are split.
 *
 * `fitForest([fares, distances])` gives a forest of 100 trees. The same columns, in the same order of rows, and the same seed give the same
 * bits. NaN and infinities are missing values, and read as the column's median.
 */
export function fitForest(columns: readonly Float64Array[], { trees = 100, sample = 256, seed = 1 }: ForestOptions = {}): Forest {
  const rows = columns[0]?.length ?? 0
  const drawn = Math.min(sample, rows)
  const depth = Math.ceil(Math.log2(Math.max(drawn, 2)))
  const [splits, leaves] = [2 ** depth - 1, 2 ** depth]
  const samples = Array.from({ length: trees }, (_, tree) => drawRows(rows, drawn, generator(seed, tree)))
  const known = samples.slice(0, FILL_TREES).flat()
  const fill = Float64Array.from(columns, (column) => medianOf(column, known))
  const forest: Forest = {
    trees,
    sample: drawn,
    seed,
    dimensions: columns.length,
    depth,
    features: new Uint16Array(trees * splits),
    thresholds: new Float64Array(trees * splits).fill(Number.POSITIVE_INFINITY),
    lengths: new Float64Array(trees * leaves),
    fill,
  }
  samples.forEach((chosen, tree) => {
    const values = columns.map((column, feature) => valuesAt(column, chosen, fill[feature] as number))
    grow(forest, tree, values, generator(seed, trees + tree))
  })
  return forest
}

/** Trees whose rows tell a column's median: 4,096 rows, at 256 each, have it to about one per cent of the ranks. */
const FILL_TREES = 16

/**
 * How many splits part one of `rows` rows from the others on average: 2 H(rows - 1) - 2 (rows - 1) / rows, the length of a failed search in
 * a binary search tree, with the harmonic number as ln + Euler's constant, as in the paper.
 */
export function averagePath(rows: number): number {
  if (rows <= 1) return 0
  if (rows === 2) return 1
  return 2 * (Math.log(rows - 1) + 0.5772156649015329) - (2 * (rows - 1)) / rows
}

/** Splits the rows of one tree until they are alone. `values` are its sample, a column each. */
function grow(forest: Forest, tree: number, values: readonly Float64Array[], random: () => number): void {
  const { depth, features, thresholds, lengths } = forest
  const firstSplit = tree * (2 ** depth - 1)
  const firstLeaf = tree * 2 ** depth
  const order = Uint32Array.from({ length: forest.sample }, (_, index) => index)

  const branch = (node: number, level: number, from: number, to: number): void => {
    const split = level < depth && to - from > 1 ? randomSplit(values, order, from, to, random) : undefined
    if (split === undefined) {
      // What is left of the way goes left, past thresholds of infinity.
      const leaf = (node + 1) * 2 ** (depth - level) - 2 ** depth
      lengths[firstLeaf + leaf] = level + averagePath(to - from)
      return
    }
    features[firstSplit + node] = split.feature
    thresholds[firstSplit + node] = split.threshold
    branch(2 * node + 1, level + 1, from, split.middle)
    branch(2 * node + 2, level + 1, split.middle, to)
  }
  branch(0, 0, 0, forest.sample)
}

/** Splits at a random point between the least and the greatest value of a random column that varies; undefined when none does. */
function randomSplit(values: readonly Float64Array[], order: Uint32Array, from: number, to: number, random: () => number) {
  const candidates = values.map((_, feature) => feature)
  while (candidates.length > 0) {
    const [feature = 0] = candidates.splice(Math.floor(random() * candidates.length), 1)
    const column = values[feature] as Float64Array
    let [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    for (let index = from; index < to; index++) {
      const value = column[order[index] as number] as number
      if (value < least) least = value
      if (value > greatest) greatest = value
    }
    if (!(least < greatest)) continue
    const share = random()
    const between = least * (1 - share) + greatest * share
    // Rounding may end at a bound: both sides keep a row.
    const threshold = between > least && between <= greatest ? between : greatest
    return { feature, threshold, middle: parted(column, order, from, to, threshold) }
  }
  return undefined
}

/** Brings the rows below the threshold to the front, and says where the others begin. */
function parted(column: Float64Array, order: Uint32Array, from: number, to: number, threshold: number): number {
  let middle = from
  for (let index = from; index < to; index++) {
    const row = order[index] as number
    if ((column[row] as number) >= threshold) continue
    order[index] = order[middle] as number
    order[middle++] = row
  }
  return middle
}

/** `count` different rows out of `rows`: Floyd's way, one draw each. */
function drawRows(rows: number, count: number, random: () => number): number[] {
  const chosen = new Set<number>()
  for (let last = rows - count; last < rows; last++) {
    const row = Math.floor(random() * (last + 1))
    chosen.add(chosen.has(row) ? last : row)
  }
  return [...chosen]
}

function medianOf(column: Float64Array, rows: readonly number[]): number {
  const values = valuesAt(column, rows, Number.NaN).sort()
  // Sorted, those that are missing come last.
  const known = values.length - values.reduce((count, value) => count + Number(Number.isNaN(value)), 0)
  return known === 0 ? 0 : (values[known >> 1] as number)
}

/** The column's values in these rows, `missing` for what is no finite number. */
function valuesAt(column: Float64Array, rows: readonly number[], missing: number): Float64Array {
  const values = new Float64Array(rows.length)
  for (let index = 0; index < rows.length; index++) {
    const value = column[rows[index] as number] as number
    values[index] = Number.isFinite(value) ? value : missing
  }
  return values
}

/** Numbers from 0 up to 1, 53 bits each, by Chris Doty-Humphrey's sfc32. Streams of one seed are strangers to each other. */
function generator(seed: number, stream: number): () => number {
  let [a, b, c, counter] = [Math.floor(seed / 2 ** 32) | 0, seed | 0, stream | 0, 1]
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    return sum >>> 0
  }
  for (let round = 0; round < 15; round++) next()
  return () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53
}
