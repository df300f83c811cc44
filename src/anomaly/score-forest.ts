import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { setImmediate as othersFirst } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { ENGINE_CANCELLED, FOREST_COLUMNS_DIFFER, FOREST_THREAD_FAILED, failure, messageOf } from '../errors/index.js'
import type { Forest } from './forest.js'
import type { ScoringTask } from './forest-worker.js'
import { BLOCK_ROWS, blockScorer } from './score-rows.js'

export interface ScoringOptions {
  /** Default the machine's processors. Fewer than 100,000 rows are scored on this thread, whatever is said here. */
  readonly threads?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Below it, starting threads (some 50 ms) takes longer than they save. */
const ROWS_WORTH_THREADS = 100_000
/** Blocks scored on this thread before others have their turn: some 30 ms of work. */
const BLOCKS_IN_A_TURN = 4

/**
 * Scores each row: 2^(-E(h) / c(sample)), with E(h) the mean length of the row's paths. Near 1 is odd, below 0.5 is usual.
 *
 * `await scoreForest(forest, [fares, distances])` gives `Float64Array [0.41, 0.43, 0.78, ...]`, the same bits with any number of threads.
 * NaN and infinities read as the column's median. Rows are 0.5 each where the forest was grown on fewer than two.
 *
 * Throws FOREST_COLUMNS_DIFFER when there are not as many columns as it was fitted on, ENGINE_CANCELLED when the signal aborts, and
 * FOREST_THREAD_FAILED when a thread cannot go on.
 */
export async function scoreForest(
  forest: Forest,
  columns: readonly Float64Array[],
  { threads = availableParallelism(), signal }: ScoringOptions = {},
): Promise<Float64Array> {
  if (columns.length !== forest.dimensions)
    throw failure(FOREST_COLUMNS_DIFFER, { wanted: `${forest.dimensions} columns`, given: String(columns.length) })
  const rows = columns[0]?.length ?? 0
  const blocks = Math.ceil(rows / BLOCK_ROWS)
  if (rows < ROWS_WORTH_THREADS || threads < 2) {
    const scores = new Float64Array(rows)
    const scoreBlock = blockScorer(forest, columns, scores)
    for (let block = 0; block < blocks; block++) {
      if (block % BLOCKS_IN_A_TURN === 0) await othersFirst()
      if (signal?.aborted) throw failure(ENGINE_CANCELLED, {})
      scoreBlock(block)
    }
    return scores
  }
  const scores = sharedColumn(rows)
  const next = new Int32Array(new SharedArrayBuffer(4))
  const task: ScoringTask = { forest, columns: columns.map(shared), scores, next, blocks }
  const stop = new AbortController()
  const end = AbortSignal.any([stop.signal, ...(signal === undefined ? [] : [signal])])
  try {
    await Promise.all(Array.from({ length: Math.min(threads, blocks) }, () => runThread(task, end)))
  } finally {
    stop.abort()
  }
  return scores
}

/** A column in memory that threads share; `scoreForest` copies any other. */
export function sharedColumn(rows: number): Float64Array {
  return new Float64Array(new SharedArrayBuffer(rows * Float64Array.BYTES_PER_ELEMENT))
}

function shared(column: Float64Array): Float64Array {
  if (column.buffer instanceof SharedArrayBuffer) return column
  const copy = sharedColumn(column.length)
  copy.set(column)
  return copy
}

function runThread(task: ScoringTask, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(failure(ENGINE_CANCELLED, {}))
    const worker = new Worker(thread.program, { workerData: task, eval: thread.eval })
    const terminate = () => void worker.terminate()
    signal.addEventListener('abort', terminate)
    worker.once('error', (thrown) => reject(failure(FOREST_THREAD_FAILED, { problem: messageOf(thrown) }, { cause: thrown })))
    worker.once('exit', (code) => {
      signal.removeEventListener('abort', terminate)
      if (code === 0 && !signal.aborted) resolve()
      else reject(signal.aborted ? failure(ENGINE_CANCELLED, {}) : failure(FOREST_THREAD_FAILED, { problem: `it ended with code ${code}` }))
    })
  })
}

/** The thread's file lies beside this one once built. In a checkout that is run from its sources it is TypeScript, and jiti loads it. */
const thread = (() => {
  const built = new URL('./forest-worker.js', import.meta.url)
  if (existsSync(built)) return { program: built, eval: false }
  const jiti = JSON.stringify(createRequire(import.meta.url).resolve('jiti'))
  const source = JSON.stringify(fileURLToPath(new URL('./forest-worker.ts', import.meta.url)))
  return { program: `require(${jiti}).createJiti(${source}).import(${source})`, eval: true }
})()
