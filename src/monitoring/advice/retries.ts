import { type Adviser, medianOf } from './advice.js'

/** One may be an outage. */
const FEWEST_FAILURES = 2
/** What took longer to pass is no hiccup, and no number of attempts should wait for it. */
const LONGEST_WAIT_MS = 30 * 60_000

/** Syncs that failed with something that passes, and went well when they were run again. */
export const retries: Adviser = {
  id: 'sync-retries',
  advise: ({ syncs }) =>
    syncs.flatMap(({ name, runs }) => {
      const passed = runs.flatMap((run, index) => {
        const next = runs[index + 1]
        const waited = (next?.at ?? 0) - run.at
        return run.transient !== undefined && next?.status === 'ok' && waited <= LONGEST_WAIT_MS
          ? [{ code: run.transient, waited: waited / 1000 }]
          : []
      })
      if (passed.length < FEWEST_FAILURES) return []
      const codes = [...new Set(passed.map((one) => one.code))]
      return [
        {
          id: 'sync-retries',
          about: name,
          title: `Fails with what passes by itself: ${codes.join(', ')}`,
          evidence: [
            { what: 'failures in 30 days after which the next run went well', value: passed.length, unit: 'count' },
            { what: 'runs in 30 days', value: runs.length, unit: 'count' },
            {
              what: 'attempts that were made again in runs that went well',
              value: runs.flatMap((run) => (run.status === 'ok' ? run.usage : [])).reduce((sum, one) => sum + one.retries, 0),
              unit: 'count',
            },
            { what: 'time until that next run, of the middle one', value: medianOf(passed.map((one) => one.waited)), unit: 'seconds' },
          ],
          expected:
            'A sync waits for the store instead of failing: 75 s on average over 10 attempts, where the default gives up after some 2 s.',
          how: 'Give its store `retry: { attempts: 10, delay: 1_000, longest: 30_000 }`.',
          impact: passed.length * 4 >= runs.length ? 'medium' : 'low',
        },
      ]
    }),
}
