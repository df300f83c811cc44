import type { Advice, Adviser, Facts, Impact } from './advice.js'
import { batchSize } from './batch-size.js'
import { checkpoint } from './checkpoint.js'
import { compaction } from './compaction.js'
import { comparing } from './comparing.js'
import { incremental } from './incremental.js'
import { indexes } from './indexes.js'
import { judging } from './judging.js'
import { memory } from './memory.js'
import { partitioning } from './partitioning.js'
import { poolSize } from './pool-size.js'
import { retries } from './retries.js'
import { syncBatches } from './sync-batches.js'
import { vacuum } from './vacuum.js'
import { zOrder } from './z-order.js'

/** On datasets, their tables and the memory that they need. */
export const DATASET_ADVISERS: readonly Adviser[] = [incremental, partitioning, zOrder, compaction, memory, checkpoint, batchSize, vacuum]

/** On stores, syncs and searches for odd rows. */
export const STORE_ADVISERS: readonly Adviser[] = [indexes, syncBatches, poolSize, comparing, retries, judging]

const ADVISERS = [...DATASET_ADVISERS, ...STORE_ADVISERS]

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
