import { sql } from 'sluice'
import { anomalies, isolationForest, mad } from 'sluice/anomaly'
import { trips } from '../datasets/silver/trips.js'

/**
 * What a trip cost by its length, judged within its rate code: a fare is odd for the distance and time it bought, not for being large.
 * Logarithms, since twice as much and half as much are equally far from usual.
 */
export const oddTrips = anomalies('odd_trips', {
  of: trips,
  key: ['trip_id'],
  features: {
    fare_per_mile: sql`ln(fare_amount / trip_distance)`,
    total_by_fare: sql`ln(total_amount / fare_amount)`,
    miles_per_minute: sql`ln(trip_distance / ((epoch_us(dropoff_at) - epoch_us(pickup_at)) / 60e6))`,
  },
  group: ['rate_code_id'],
  methods: [mad({ threshold: 6, floor: 0.05 })],
})

/** The same question put to a forest over the plain amounts: here to be compared with the one above, which finds far more of what is wrong. */
export const isolatedTrips = anomalies('isolated_trips', {
  of: trips,
  key: ['trip_id'],
  features: { fare_amount: 'fare_amount', trip_distance: 'trip_distance', total_amount: 'total_amount' },
  methods: [isolationForest({ contamination: 0.01, trees: 100, sample: 256, seed: 1 })],
})
