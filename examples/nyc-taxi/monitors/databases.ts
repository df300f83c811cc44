import { operationCpu, operationSeconds, storeDifferences } from 'sluice/metrics'
import { alert, fires, given, staysQuiet } from 'sluice/observability'

const load = { store: 'mysql', operation: 'sync trips_to_warehouse' }

/** What an operation on a database may cost: these are shares of the machine that runs Sluice, not of the database's own. */
export const cpuHigh = alert('DatabaseCpuHigh', {
  when: operationCpu.now().gt(0.85),
  for: '0s',
  severity: 'warning',
  owner: 'trips',
  summary: ({ operation }, value) => `${operation} used ${value.percentage} of the processors`,
  description: ({ store, operation }) => `The last ${operation} on ${store} left little of the machine to others.`,
  steps: ['Write fewer batches side by side: `parallel` in the sync.', 'See what else ran: `sluice report`.'],
  tests: [
    fires('above 85 %', { series: [given(operationCpu, load, '0.9x2')], at: '1m' }, [load]),
    staysQuiet('at half of it', { series: [given(operationCpu, load, '0.5x2')], at: '1m' }),
  ],
})

/** Of a sync it is a batch of 20,000 rows that is timed, which may well take this long. */
export const querySlow = alert('DatabaseSlow', {
  when: operationSeconds.where({ operation: 'query' }).now().gt(0.5),
  for: '0s',
  severity: 'warning',
  owner: 'trips',
  summary: ({ store }, value) => `A query on ${store} took ${value.duration}`,
  description: ({ store }) => `The slowest sample query of the last \`sluice test\` on ${store} took more than half a second.`,
  steps: ['Does its plan use an index? `sluice test` says so of each query it knows.', 'See what would help: `sluice advise`.'],
  tests: [
    fires('above 500 ms', { series: [given(operationSeconds, { store: 'mysql', operation: 'query' }, '0.6x2')], at: '1m' }, [
      { store: 'mysql', operation: 'query' },
    ]),
    staysQuiet('below', { series: [given(operationSeconds, { store: 'mysql', operation: 'query' }, '0.2x2')], at: '1m' }),
    staysQuiet('of a batch of rows', { series: [given(operationSeconds, load, '3x2')], at: '1m' }),
  ],
})

/** `StoreDiffers` tells of any sync; of these two somebody is told at once, whoever is on duty. */
export const tripsDiffer = alert('TripsDiffer', {
  when: storeDifferences
    .where({ sync: ['trips_to_warehouse', 'trips_to_documents'] })
    .now()
    .sum('sync')
    .gt(0),
  for: '0s',
  severity: 'critical',
  owner: 'trips',
  summary: ({ sync }, value) => `${value} differences after ${sync}`,
  description: 'Trips are shown to people from there: what differs is wrong in front of them.',
  steps: ['See them with their causes: `sluice reconcile NAME`.', 'Put them right: `sluice reconcile NAME --repair`.'],
  tests: [
    fires('at the first', { series: [given(storeDifferences, { sync: 'trips_to_warehouse', cause: 'real' }, '1x2')], at: '1m' }, [
      { sync: 'trips_to_warehouse' },
    ]),
    staysQuiet('when all is equal', { series: [given(storeDifferences, { sync: 'trips_to_warehouse', cause: 'real' }, '0x2')], at: '1m' }),
  ],
})
