import { workerData } from 'node:worker_threads'
import type { Forest } from './forest.js'
import { blockScorer } from './score-rows.js'

/** What a scoring thread is given. Everything but the forest is shared memory. */
export interface ScoringTask {
  readonly forest: Forest
  readonly columns: readonly Float64Array[]
  readonly scores: Float64Array
  /** The number of the next block that nobody has begun. */
  readonly next: Int32Array
  readonly blocks: number
}

const { forest, columns, scores, next, blocks } = workerData as ScoringTask
const scoreBlock = blockScorer(forest, columns, scores)
for (let block = Atomics.add(next, 0, 1); block < blocks; block = Atomics.add(next, 0, 1)) scoreBlock(block)
