import type { Session } from '../engine/index.js'
import { ANOMALIES_INVALID, failure } from '../errors/index.js'
import type { Anomalies } from './detector.js'
import { type JudgeOptions, judge } from './feature-rows.js'

export interface CalibrateOptions extends JudgeOptions {
  /** The share of rows, above 0 and below 1, that one would look into; default 0.01. */
  readonly wantedShare?: number
}

export interface Calibration {
  /** Rows that could be judged. */
  readonly judged: number
  readonly wantedShare: number
  readonly methods: readonly {
    readonly method: string
    /** As the definition has it. */
    readonly threshold: number
    /** Rows flagged with it, and their share, 0 to 1. */
    readonly flagged: number
    readonly share: number
    /** The threshold that would flag the wanted share, or somewhat fewer where scores are equal. */
    readonly wantedThreshold: number
  }[]
  /** For each pair of methods the rows that both flag. */
  readonly overlap: readonly { readonly methods: readonly [string, string]; readonly both: number }[]
  /** For each number of votes the rows that have as many or more, and their share, 0 to 1. */
  readonly votes: readonly { readonly votes: number; readonly found: number; readonly share: number }[]
}

/**
 * What each method would flag in the rows of a SELECT, history as a rule, and which threshold would flag a wanted share.
 *
 * `await calibrate(session, 'SELECT * FROM "silver.trips"', oddTrips, { context, wantedShare: 0.005 })` answers `{ judged: 353342, methods:
 * [{ method: 'mad', threshold: 3.5, flagged: 2933, share: 0.0083, wantedThreshold: 4.6 }, ...], overlap: [...], votes: [...] }`.
 *
 * Throws ANOMALIES_INVALID when the wanted share is none.
 */
export async function calibrate(session: Session, select: string, definition: Anomalies, options: CalibrateOptions): Promise<Calibration> {
  const { wantedShare = 0.01 } = options
  if (!(wantedShare > 0 && wantedShare < 1)) {
    const problem = `${wantedShare} is no share of rows to flag`
    throw failure(ANOMALIES_INVALID, { name: definition.name, problem, advice: 'Give one above 0 and below 1.' })
  }
  return judge(session, select, definition, options, async ({ rows, flags, methods }) => {
    const shareOf = (count: number) => (rows.count === 0 ? 0 : count / rows.count)
    const pairs = await session.rows(`
      SELECT one.method AS one, other.method AS other, count(*) AS both
      FROM ${flags} AS one JOIN ${flags} AS other USING (_row) GROUP BY ALL`)
    const both = (one: string, other: string) => Number(pairs.find((pair) => pair['one'] === one && pair['other'] === other)?.['both'] ?? 0)
    const voted = await session.rows(
      `SELECT votes, count(*) AS found FROM (SELECT count(*) AS votes FROM ${flags} GROUP BY _row) GROUP BY votes`,
    )
    const found = (least: number) => voted.reduce((sum, row) => sum + (Number(row['votes']) >= least ? Number(row['found']) : 0), 0)

    const calibrated: Calibration['methods'][number][] = []
    for (const { method, threshold, thresholdFor } of methods) {
      const flagged = both(method, method)
      calibrated.push({ method, threshold, flagged, share: shareOf(flagged), wantedThreshold: await thresholdFor(wantedShare) })
    }
    return {
      judged: rows.count,
      wantedShare,
      methods: calibrated,
      overlap: methods.flatMap(({ method: one }, index) =>
        methods.slice(index + 1).map(({ method: other }) => ({ methods: [one, other] as const, both: both(one, other) })),
      ),
      votes: methods.map((_, index) => ({ votes: index + 1, found: found(index + 1), share: shareOf(found(index + 1)) })),
    }
  })
}
