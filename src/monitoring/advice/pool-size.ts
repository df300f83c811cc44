import { type Advice, type Adviser, type SyncFacts, whole } from './advice.js'

/** Fewer are the beginning of a run. */
const FEWEST_WAITS = 10
/** Of the time of all writers, a share that is worth a connection more. */
const WORTH_SHARE = 0.05
const MUCH = 0.3

/** Stores whose connections are fewer than what a sync does side by side, by how long its calls waited for one. */
export const poolSize: Adviser = {
  id: 'pool-size',
  advise: ({ syncs }) => syncs.flatMap(of),
}

function of({ name, batchRows, parallel, from, to, runs }: SyncFacts): Advice[] {
  const stores = [...new Set(runs.flatMap((run) => run.usage.map((one) => one.store)))]
  return stores.flatMap((store): Advice[] => {
    const all = runs.flatMap((run) => run.usage.filter((one) => one.store === store).map((one) => ({ ...one, seconds: run.seconds })))
    // Those with the pool that it has now.
    const connections = all.at(-1)?.connections ?? 0
    const own = all.filter((one) => one.connections === connections)
    const sum = (figure: (one: (typeof own)[number]) => number) => own.reduce((total, one) => total + figure(one), 0)
    const [waits, waited, seconds] = [sum((one) => one.waits), sum((one) => one.waitedSeconds), sum((one) => one.seconds)]
    // Each range is read on one connection, and written on another.
    const wanted = parallel * (from === to ? 2 : 1)
    const share = waited / Math.max(0.001, seconds * parallel)
    if (waits < FEWEST_WAITS || share < WORTH_SHARE || connections >= wanted) return []
    return [
      {
        id: 'pool-size',
        about: name,
        title: `Calls wait for one of ${whole(connections)} ${connections === 1 ? 'connection' : 'connections'} to ${store}`,
        evidence: [
          { what: 'runs in 30 days with so many connections', value: own.length, unit: 'count' },
          { what: 'calls that found all connections in use', value: waits, unit: 'count' },
          { what: 'their waiting, together', value: waited, unit: 'seconds' },
          { what: 'time of those runs', value: seconds, unit: 'seconds' },
          { what: `share of the time of ${parallel} side by side that was waiting`, value: share, unit: 'share' },
          { what: 'connections that it may have open', value: connections, unit: 'count' },
        ],
        expected: `Up to ${whole(waited / parallel / own.length)} s less a run of ${whole(seconds / own.length)} s, where the server has processors to spare; none where it has not.`,
        how: `Give ${store} \`pool: ${wanted}\` where it is defined; or leave its pool, and set \`parallel: ${Math.max(1, Math.floor((connections * parallel) / wanted))}\` in the definition of ${name}.`,
        impact: share >= MUCH ? 'medium' : 'low',
        // What is tried is writing alone.
        ...(store === to && from !== to
          ? {
              trial: {
                change: 'sync',
                sync: name,
                before: { batchRows, parallel, connections },
                after: { batchRows, parallel, connections: wanted },
              },
            }
          : {}),
      },
    ]
  })
}
