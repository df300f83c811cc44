import { changed, column, dataset, replaceBy, sql } from 'sluice'
import { trips } from '../silver/trips.js'

export const hourlyDemand = dataset('gold.hourly_demand', {
  description: 'Trips begun in each hour.',
  columns: {
    hour: column.timestamp({ description: 'Start of the hour, UTC.' }),
    trips: column.long({ description: 'Trips begun.' }),
    mean_distance: column.double({ unit: 'miles', description: 'Mean miles a trip.' }),
    mean_minutes: column.double({ unit: 'minutes', description: 'Mean minutes a trip.' }),
    mean_total: column.double({ unit: 'USD', description: 'Mean of total_amount.' }),
  },
  // Hours since 1970, by whole numbers: calendar functions on instants cost five times as much.
  from: sql`
    select
      make_timestamptz(epoch_us(pickup_at) // 3600000000 * 3600000000) as hour,
      count(*) as trips,
      avg(trip_distance) as mean_distance,
      avg(epoch_us(dropoff_at) - epoch_us(pickup_at)) / 60e6 as mean_minutes,
      avg(total_amount) as mean_total
    from ${changed(trips)}
    group by 1`,
  write: replaceBy('hour'),
})
