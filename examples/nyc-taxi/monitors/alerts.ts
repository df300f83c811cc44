import { expectationFailures, gateRows, silence, tune } from 'sluice/metrics'
import { alert, fires, given, ratio, staysQuiet } from 'sluice/observability'

const held = { dataset: 'silver.trips', expectation: 'payment_fields_present' } as const
const gate = { dataset: 'silver.trips' } as const

/** Whole records without payment: of the TLC's samples 0.2 % are such, of the synthetic trips 2.3 %. */
export const paymentsMissing = alert('PaymentsMissing', {
  when: ratio(
    expectationFailures.where(held).increase('1d').sum('dataset'),
    gateRows.where(gate).increase('1d').sum('dataset'),
    // Of fewer trips than this, a share says little.
    { atLeast: 1000 },
  ).gt(0.05),
  severity: 'warning',
  owner: 'trips',
  summary: (_, value) => `${value.percentage} of a day's trips came without payment`,
  description: ({ dataset }) =>
    `The records are held in the quarantine of ${dataset}, so revenue is too low until they come again. Usually one vendor sent empty fields.`,
  steps: [
    'See which vendor and which files: `sluice quarantine explain silver.trips`.',
    'Ask the vendor to send them again: rows with the same key take the place of those held.',
  ],
  tests: [
    fires(
      'when a tenth of the trips lack it',
      {
        series: [
          given(expectationFailures, held, '0 1000x20'),
          given(gateRows, { ...gate, verdict: 'accepted' }, '0 9000x20'),
          given(gateRows, { ...gate, verdict: 'quarantined' }, '0 1000x20'),
        ],
        at: '10m',
      },
      [gate],
    ),
    staysQuiet('when a hundredth does', {
      series: [given(expectationFailures, held, '0 100x20'), given(gateRows, { ...gate, verdict: 'accepted' }, '0 9900x20')],
      at: '10m',
    }),
    staysQuiet('when few trips came', {
      series: [given(expectationFailures, held, '0 50x20'), given(gateRows, { ...gate, verdict: 'accepted' }, '0 100x20')],
      at: '10m',
    }),
  ],
})

// The alerts that every project has, as this one wants them.
export const tuned = [
  // 0.5 % of the TLC's records are held, 2.8 % of the synthetic ones.
  tune('QuarantineShareHigh', { threshold: 0.04, owner: 'trips' }, 'silver.trips'),
  // A month of trips may be three times another.
  tune('DatasetSlow', { threshold: 5 }),
  // The TLC publishes once a month; `sluice run` looks every day.
  tune('DatasetUnchanged', { threshold: 45 }),
  silence('DatasetUnchanged', 'The TLC draws its zones anew once in years.', 'silver.zones'),
]
