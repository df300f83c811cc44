import { stepSucceeded } from 'sluice/metrics'
import { slo } from 'sluice/observability'

export const revenueAge = stepSucceeded.where({ dataset: 'gold.revenue_by_day_and_zone' }).age()

/** What the revenue report promises its readers: yesterday's numbers, with two hours for a run that is late. */
export const revenueFresh = slo('revenue_fresh', {
  good: revenueAge.isAtMost('26h'),
  objective: 0.99,
  owner: 'trips',
  summary: 'The revenue report is late',
  steps: [
    'Has a run been started today, and how did it end? `sluice report`.',
    'Mend what it names, then `sluice run +gold.revenue_by_day_and_zone`.',
  ],
})
