import { quoteText } from '../engine/index.js'
import { FOREST_COLUMNS_DIFFER, failure } from '../errors/index.js'
import { type FeatureRows, type Method, requireOption } from './detector.js'
import { averagePath, type Forest, fitForest } from './forest.js'
import { decodeForest, encodeForest } from './forest-file.js'
import { scoreForest, sharedColumn } from './score-forest.js'
import { featureColumn } from './scores.js'

export interface IsolationForestOptions {
  /** The share of the rows that is flagged, above 0 and below 0.5; fewer where scores are equal. Default 0.01. */
  readonly contamination?: number
  /** The score above which a row is flagged, 0 to 1, in place of a share. `calibrate` finds one. */
  readonly threshold?: number
  /** Default 100. */
  readonly trees?: number
  /** Rows drawn for each tree. Default 256. */
  readonly sample?: number
  /** Default 1: the same rows give the same scores. */
  readonly seed?: number
}

/** Rows told in one statement. */
const ROWS_AT_A_TIME = 20_000

/**
 * Rows that a few random splits part from the others, over all features together: `isolationForest({ contamination: 0.01 })` flags the oddest
 * one in a hundred. See `fitForest` for the source. It knows of no groups.
 *
 * A missing feature reads as its median. The features are held in memory, 8 bytes each a row, beside as much for the scores. `feature` and the
 * reason name the one that lies furthest out, in its own MADs: what to look at first, which need not be what parted the row.
 */
export function isolationForest(options: IsolationForestOptions = {}): Method {
  const { contamination = 0.01, threshold, trees = 100, sample = 256, seed = 1 } = options
  const whole = (value: number, least: number, most: number) => Number.isInteger(value) && value >= least && value <= most
  const require = (holds: boolean, problem: string) => requireOption(holds, 'isolationForest', problem)
  require(contamination > 0 && contamination < 0.5, `its contamination ${contamination} is not a share above 0 and below 0.5`)
  require(threshold === undefined || (threshold > 0 && threshold < 1), `its threshold ${threshold} is not between 0 and 1`)
  require(whole(trees, 1, 10_000), `${trees} trees are not a whole number, 1 to 10,000`)
  require(whole(sample, 2, 65_536), `a sample of ${sample} is not a whole number, 2 to 65,536`)
  require(Number.isSafeInteger(seed), `its seed ${seed} is not a whole number`)
  return {
    name: 'isolation_forest',
    carries: [],
    ordered: true,
    async judge(rows, { threads, signal, fitted }) {
      if (fitted !== undefined && fitted.features.join() !== rows.features.join())
        throw failure(FOREST_COLUMNS_DIFFER, { wanted: fitted.features.join(', '), given: rows.features.join(', ') })
      const columns = await readColumns(rows)
      const forest = fitted === undefined ? fitForest(columns, { trees, sample, seed }) : decodeForest(fitted.forest)
      const scores = await scoreForest(forest, columns, { threads, signal })
      const sorted = scores.toSorted()
      const thresholdFor = (share: number) => sorted[Math.max(Math.ceil((1 - share) * sorted.length), 1) - 1] ?? 1
      const limit = fitted?.threshold ?? threshold ?? thresholdFor(contamination)
      return {
        threshold: limit,
        flagged: await flaggedSql(rows, forest, columns, scores, limit),
        thresholdFor: async (share) => thresholdFor(share),
        fitted: fitted ?? { features: rows.features, threshold: limit, forest: encodeForest(forest) },
      }
    },
  }
}

/** Each feature as numbers in the order of `_row`, in which the engine keeps the relation; NaN for null. */
async function readColumns({ session, relation, features, count }: FeatureRows): Promise<Float64Array[]> {
  const columns = features.map(() => sharedColumn(count))
  let read = 0
  for await (const batch of session.stream(`SELECT ${features.map(featureColumn).join(', ')} FROM ${relation}`)) {
    columns.forEach((column, feature) => {
      for (let row = 0; row < batch.size; row++) column[read + row] = (batch.value(row, feature) as number | null) ?? Number.NaN
    })
    read += batch.size
  }
  return columns
}

async function flaggedSql(
  rows: FeatureRows,
  forest: Forest,
  columns: readonly Float64Array[],
  scores: Float64Array,
  threshold: number,
): Promise<string[]> {
  const usual = await usualValues(rows)
  const path = averagePath(forest.sample)
  const flagged: { _row: number; feature: string; value: number; score: number; reason: string }[] = []
  scores.forEach((score, row) => {
    if (!(score > threshold)) return
    const furthest = usual
      .map(({ feature, center, scale }, index) => {
        const value = columns[index]?.[row] ?? Number.NaN
        return { feature, value, center, distance: Number.isNaN(value) ? -1 : Math.abs(value - center) / scale }
      })
      .reduce((one, other) => (other.distance > one.distance ? other : one))
    const { feature, value, center } = furthest
    const splits = `parted from the others by ${(-Math.log2(score) * path).toFixed(1)} splits, where ${path.toFixed(1)} are usual`
    const side = value > center ? 'above' : value < center ? 'below' : 'at'
    const reason = `${splits}; ${feature} ${short(value)}, ${side} the median ${short(center)}, is furthest out`
    flagged.push({ _row: row, feature, value, score, reason })
  })
  const type = quoteText('[{"_row":"BIGINT","feature":"VARCHAR","value":"DOUBLE","score":"DOUBLE","reason":"VARCHAR"}]')
  return Array.from({ length: Math.ceil(flagged.length / ROWS_AT_A_TIME) }, (_, part) => {
    const told = flagged.slice(part * ROWS_AT_A_TIME, (part + 1) * ROWS_AT_A_TIME)
    return `SELECT unnest(from_json(${quoteText(JSON.stringify(told))}, ${type}), recursive := true)`
  })
}

/** Median and MAD of each feature; the standard deviation where that is 0, and 1 where all values are the same. */
async function usualValues({ session, relation, features }: FeatureRows) {
  const measures = features.map((feature, index) => {
    const column = featureColumn(feature)
    return `median(${column}) AS center${index}, coalesce(nullif(mad(${column}), 0), nullif(stddev_pop(${column}), 0), 1) AS scale${index}`
  })
  const [row] = await session.rows(`SELECT ${measures.join(', ')} FROM ${relation}`)
  return features.map((feature, index) => ({ feature, center: Number(row?.[`center${index}`]), scale: Number(row?.[`scale${index}`]) }))
}

function short(value: number): string {
  return String(Number(value.toPrecision(5)))
}
