import type { Buckets } from './store.js'

/** Where runs of the wanted buckets begin and end: at no limit, or at that of the range (from it on, and below it). */
export interface Run {
  readonly from?: string
  readonly to?: string
}

/** The wanted buckets as few ranges, which an index serves. The first bucket has no lower limit, the last no upper one. */
export function runsOf(buckets: Exclude<Buckets, { kind: 'hash' }>, numbers: readonly number[]): Run[] {
  const wanted = [...new Set(numbers)].filter((number) => number >= 0 && number < buckets.count).sort((a, b) => a - b)
  const runs: { first: number; last: number }[] = []
  for (const number of wanted) {
    const run = runs.at(-1)
    if (run?.last === number - 1) run.last = number
    else runs.push({ first: number, last: number })
  }
  const startOf = (number: number) =>
    buckets.kind === 'text' ? (buckets.bounds[number - 1] ?? '') : String(buckets.start + buckets.width * BigInt(number))
  return runs.map(({ first, last }) => ({
    ...(first === 0 ? {} : { from: startOf(first) }),
    ...(last === buckets.count - 1 ? {} : { to: startOf(last + 1) }),
  }))
}

/** Rows of these runs: `within` is the condition of one that has a limit. Rows without a value are in the first bucket. */
export function runsSql(runs: readonly Run[], value: string, within: (run: Run) => string): string {
  const parts = runs.map((run) => {
    if (run.from !== undefined) return `(${within(run)})`
    return run.to === undefined ? 'TRUE' : `(${value} IS NULL OR (${within(run)}))`
  })
  return parts.length === 0 ? 'FALSE' : `(${parts.join(' OR ')})`
}

/** The conditions of a range: `literal` writes a limit as the value's own. */
export function limitsSql(
  value: string,
  literal: (text: string) => string,
  { from, after, to }: Run & { readonly after?: string },
): string[] {
  return [
    ...(from === undefined ? [] : [`${value} >= ${literal(from)}`]),
    ...(after === undefined ? [] : [`${value} > ${literal(after)}`]),
    ...(to === undefined ? [] : [`${value} < ${literal(to)}`]),
  ]
}

/** Whether so many runs of texts are better told by their buckets: without an index, every row would be held against every run. */
export function areMany(runs: readonly Run[], isServed: boolean): boolean {
  return runs.length > (isServed ? 256 : 4)
}

/** The number of a text's bucket, found by comparisons that halve the bounds. */
export function textBucketSql(bounds: readonly string[], value: string, literal: (text: string) => string): string {
  const among = (first: number, last: number): string => {
    if (first === last) return String(first)
    const middle = (first + last) >> 1
    return `CASE WHEN ${value} < ${literal(bounds[middle] ?? '')} THEN ${among(first, middle)} ELSE ${among(middle + 1, last)} END`
  }
  return `(CASE WHEN ${value} IS NULL THEN 0 ELSE ${among(0, bounds.length)} END)`
}
