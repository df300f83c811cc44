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
  from: sql`
    select
      date_trunc('hour', pickup_at) as hour,
      count(*) as trips,
      avg(trip_distance) as mean_distance,
      avg(epoch(dropoff_at - pickup_at)) / 60 as mean_minutes,
      avg(total_amount) as mean_total
    from ${changed(trips)}
    group by 1`,
  write: replaceBy('hour'),
})
