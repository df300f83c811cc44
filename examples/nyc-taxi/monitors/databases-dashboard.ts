import { dashboard, row, timeSeries } from 'sluice/observability'

/** Lines over time of what `db_metrics` holds: for each moment, and each of what they are told apart by, one number. */
function lines(options: { readonly by: string; readonly value: string; readonly where?: string; readonly every?: string }) {
  const { by, value, where, every = '$__interval' } = options
  return {
    sql: `SELECT $__timeGroupAlias(recorded_at, ${every}), ${by} AS metric, ${value} AS value
FROM db_metrics
WHERE $__timeFilter(recorded_at)${where === undefined ? '' : ` AND ${where}`}
GROUP BY 1, 2
ORDER BY 1`,
    format: 'time_series' as const,
  }
}

/** Drawn from the warehouse itself: what each operation on a database cost, and what it found, as `records` in sluice.config.ts keeps it. */
export const databases = dashboard('databases', {
  title: 'NYC Taxi Database Monitoring',
  description: 'What operations on MySQL and MongoDB cost this machine, how long they took, and what they found.',
  tags: ['sluice', 'taxi'],
  span: '24h',
  refresh: '1m',
  links: [
    { title: 'Stores', to: 'stores' },
    { title: 'Overview', to: 'overview' },
  ],
  rows: [
    row('What operations cost', [
      timeSeries('CPU usage by database type', lines({ by: 'db_type', value: 'AVG(cpu_percent)' }), {
        description: 'Share of the processors of the machine that runs Sluice, while it worked on each. Above 85 % an alert fires.',
        unit: 'percent',
        min: 0,
        max: 100,
        thresholds: [{ at: 85, colour: 'red' }],
        width: 12,
      }),
      timeSeries('Memory usage', lines({ by: 'db_type', value: 'AVG(memory_percent)' }), {
        description: 'Share of the memory of the machine that runs Sluice, held after each operation.',
        unit: 'percent',
        min: 0,
        max: 100,
        width: 12,
      }),
      timeSeries('Query latency by operation', lines({ by: 'operation', value: 'AVG(latency_ms)' }), {
        description: 'Of a sync a batch of rows, of a workload what a caller waits. A query above 500 ms fires an alert.',
        unit: 'ms',
        min: 0,
        width: 24,
      }),
    ]),
    row('What they found', [
      timeSeries('Sync mismatches', lines({ by: 'operation', value: 'SUM(mismatches)', where: "operation LIKE 'reconcile %'" }), {
        description: 'Differences that `sluice reconcile` found between both sides of a sync. None is good.',
        unit: 'short',
        min: 0,
        decimals: 0,
        thresholds: [{ at: 1, colour: 'red' }],
        width: 8,
      }),
      timeSeries('Error count', lines({ by: 'db_type', value: 'SUM(errors)' }), {
        description: 'Operations that failed, and rows that a database did not take.',
        unit: 'short',
        min: 0,
        decimals: 0,
        thresholds: [{ at: 1, colour: 'red' }],
        width: 8,
      }),
      timeSeries('Operations per minute', lines({ by: 'db_type', value: 'COUNT(*)', every: "'1m', 0" }), {
        description: 'As many as were recorded in each minute.',
        unit: 'short',
        min: 0,
        stacked: true,
        width: 8,
      }),
    ]),
  ],
})
