import { setTimeout as sleep } from 'node:timers/promises'
import { failure, isSluiceError, type SluiceError, STORE_CIRCUIT_OPEN } from '../errors/index.js'

/** How a store's calls are made again. Milliseconds. */
export interface RetryOptions {
  /** How often a call is made before it counts as failed: 6. */
  readonly attempts?: number
  /** Longest wait before the second attempt; each further one may wait twice as long: 100. */
  readonly delay?: number
  /** No wait is longer: 5,000. */
  readonly longest?: number
  /** After so many calls in a row that failed with all their attempts, calls fail at once: 5. */
  readonly breakAfter?: number
  /** For so long; then one call is let through to see: 10,000. */
  readonly breakFor?: number
}

/** Makes calls to a store, again while what fails is transient. */
export interface Guard {
  /** `translate` has the last word on what failed. Throws what it makes of the failure, or STORE_CIRCUIT_OPEN. */
  call<Result>(body: () => Promise<Result>): Promise<Result>
  /** Calls that were made again so far. */
  readonly retries: number
}

export interface GuardOptions {
  /** For messages: `mysql at db.example.com:3306/taxi`. */
  readonly store: string
  readonly retry?: RetryOptions | undefined
  readonly translate: (thrown: unknown) => SluiceError
  readonly signal?: AbortSignal | undefined
  /** Default `Math.random` and the clock. */
  readonly random?: () => number
  readonly now?: () => number
}

/**
 * Waits are drawn evenly from nothing to the longest ("full jitter"), so that many who failed together do not come back together.
 * Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export function guard({ store, retry = {}, translate, signal, random = Math.random, now = Date.now }: GuardOptions): Guard {
  const { attempts = 6, delay = 100, longest = 5_000, breakAfter = 5, breakFor = 10_000 } = retry
  let retries = 0
  let failedInARow = 0
  let openUntil = 0
  return {
    get retries() {
      return retries
    },
    async call(body) {
      if (failedInARow >= breakAfter && now() < openUntil) throw failure(STORE_CIRCUIT_OPEN, { store, failures: failedInARow })
      // One call is let through to see; until it is back, the others fail at once.
      if (failedInARow >= breakAfter) openUntil = now() + breakFor
      for (let attempt = 1; ; attempt++) {
        try {
          const result = await body()
          failedInARow = 0
          return result
        } catch (thrown) {
          const error = isSluiceError(thrown) ? thrown : translate(thrown)
          // A server that answers, if only to refuse, is up.
          if (error.retry === 'terminal' || signal?.aborted === true) {
            failedInARow = 0
            throw error
          }
          if (attempt >= attempts) {
            failedInARow += 1
            openUntil = now() + breakFor
            throw error
          }
          retries += 1
          await sleep(random() * Math.min(longest, delay * 2 ** (attempt - 1)), undefined, { signal }).catch(() => {})
        }
      }
    },
  }
}
