import { counter, histogram } from './metric.js'
import { activeTrace, span } from './span.js'

/** Work of a project's own code that `track` wraps. */
export const trackedWork = counter('sluice_tracked_total', {
  help: 'Pieces of work that were tracked, by how they ended.',
  labels: { name: '*', status: ['ok', 'failed'] },
})
export const trackedSeconds = histogram('sluice_tracked_duration_seconds', {
  help: 'Seconds that tracked pieces of work took.',
  unit: 'seconds',
  labels: { name: '*' },
})

/**
 * Runs a piece of your own work and records it: how often, how it ended, how long it took, and a span.
 *
 * `const prices = await track('fetch prices', () => fetchPrices(day))` counts `sluice_tracked_total{name="fetch prices",status="ok"}`, and answers
 * what `fetchPrices` answers. What it throws is counted as failed, and thrown.
 */
export async function track<Result>(name: string, work: () => Result | Promise<Result>): Promise<Result> {
  // Both are there from the first time on, so that the first failure is a change.
  const [ok, failed] = [trackedWork.with({ name, status: 'ok' }), trackedWork.with({ name, status: 'failed' })]
  const started = performance.now()
  return span(name, {}, async () => {
    try {
      const result = await work()
      ok.inc()
      return result
    } catch (thrown) {
      failed.inc()
      throw thrown
    } finally {
      trackedSeconds.with({ name }).observe((performance.now() - started) / 1000, activeTrace())
    }
  })
}
