import type { Advice, Adviser, Facts, Impact } from './advice.js'
import { batchSize } from './batch-size.js'
import { checkpoint } from './checkpoint.js'
import { compaction } from './compaction.js'
import { incremental } from './incremental.js'
import { memory } from './memory.js'
import { partitioning } from './partitioning.js'
import { vacuum } from './vacuum.js'
import { zOrder } from './z-order.js'

/** Every adviser there is. */
export const ADVISERS: readonly Adviser[] = [incremental, partitioning, zOrder, compaction, memory, checkpoint, batchSize, vacuum]

const WORTH: readonly Impact[] = ['high', 'medium', 'low']

/** Each rewrites a table whole, so what stands after it in the list comes of itself, or has to be looked at again. */
const REWRITES = ['partitioning', 'z-order', 'compaction']

/** What all advisers say, what matters most first; of several that would rewrite the same table, the one that goes furthest. */
export function adviceFor(facts: Facts): Advice[] {
  const all = ADVISERS.flatMap((adviser) => adviser.advise(facts))
  const isLesser = (one: Advice) =>
    all.some((other) => other.about === one.about && REWRITES.includes(other.id) && REWRITES.indexOf(other.id) < REWRITES.indexOf(one.id))
  return all.filter((one) => !isLesser(one)).sort((one, other) => WORTH.indexOf(one.impact) - WORTH.indexOf(other.impact))
}
