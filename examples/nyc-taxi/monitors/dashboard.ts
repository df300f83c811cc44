import { expectationFailures, gateRows, quarantinedShare, rows, stepLastSeconds, tableRows } from 'sluice/metrics'
import { dashboard, gaugePanel, line, row, stat, tablePanel, timeSeries } from 'sluice/observability'
import { revenueAge } from './freshness.js'

const trips = { dataset: 'silver.trips' } as const

export const board = dashboard('trips', {
  title: 'Taxi trips',
  description: 'How many trips came, how many are held and why, how old the revenue report is.',
  tags: ['sluice', 'taxi'],
  span: '7d',
  links: [
    { title: 'Overview', to: 'overview' },
    { title: 'Data quality', to: 'data-quality' },
  ],
  rows: [
    row('Today', [
      stat(
        'Trips taken',
        gateRows
          .where({ ...trips, verdict: 'accepted' })
          .increase('1d')
          .sum()
          .orZero(),
        {
          description: 'In a day, those that passed.',
          unit: 'short',
          width: 6,
        },
      ),
      gaugePanel('Held of the last run', quarantinedShare.where(trips).now().max(), {
        description: 'Share of the trips of the last run that went to quarantine. Under 4 % is as always.',
        min: 0,
        max: 0.1,
        thresholds: [{ at: 0.04, colour: 'red' }],
        width: 6,
      }),
      stat('Age of the revenue report', revenueAge.max(), {
        description: 'Promised: under 26 hours, 99 % of the time.',
        thresholds: [{ at: 26 * 3600, colour: 'red' }],
        width: 6,
      }),
      stat('Trips in all', tableRows.where(trips).now().sum().orZero(), { description: 'Rows of silver.trips.', unit: 'short', width: 6 }),
    ]),
    row('Flow', [
      timeSeries(
        'Rows through silver.trips',
        line(rows.where(trips).increase('1d').sum('stage'), ({ stage }) => stage),
        { description: 'Read, judged and written, in a day.', unit: 'short', width: 12 },
      ),
      timeSeries(
        'Time of each step',
        line(stepLastSeconds.now().max('dataset'), ({ dataset }) => dataset),
        { description: 'Of the last run in which it had something to do.', width: 12 },
      ),
      tablePanel(
        'Why trips are held',
        line(expectationFailures.where(trips).increase('1d').sum('expectation'), ({ expectation }) => expectation),
        {
          description: 'Trips that broke each expectation, in a day; a trip may break several.',
          unit: 'short',
          width: 24,
        },
      ),
    ]),
  ],
})
