import type { Buckets } from './store.js'

/** Buckets of whole numbers as ranges, which an index serves. The first takes what is below it, the last what is above. */
export function bucketRangesSql(buckets: Buckets & { readonly kind: 'range' }, numbers: readonly number[], value: string): string {
  const wanted = [...new Set(numbers)].filter((number) => number >= 0 && number < buckets.count).sort((a, b) => a - b)
  const runs: { from: number; to: number }[] = []
  for (const number of wanted) {
    const last = runs.at(-1)
    if (last?.to === number - 1) last.to = number
    else runs.push({ from: number, to: number })
  }
  const startOf = (number: number) => buckets.start + buckets.width * BigInt(number)
  const parts = runs.map(({ from, to }) => {
    const ends = [
      ...(from === 0 ? [] : [`${value} >= ${startOf(from)}`]),
      ...(to === buckets.count - 1 ? [] : [`${value} < ${startOf(to + 1)}`]),
    ]
    const within = ends.length === 0 ? 'TRUE' : ends.join(' AND ')
    return from === 0 ? `(${value} IS NULL OR (${within}))` : `(${within})`
  })
  return parts.length === 0 ? 'FALSE' : `(${parts.join(' OR ')})`
}
