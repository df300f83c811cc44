import { changed, column, dataset, replaceBy, sql } from 'sluice'
import { trips } from '../silver/trips.js'
import { zones } from '../silver/zones.js'

export const revenueByDayAndZone = dataset('gold.revenue_by_day_and_zone', {
  description: 'What each pickup zone earned on each day.',
  columns: {
    day: column.date({ description: 'Day of the pickup in New York.' }),
    pickup_location_id: column.integer({ description: 'Taxi zone of the pickup.' }),
    zone: column.string({ description: 'Its name.' }),
    trips: column.long({ description: 'Trips begun.' }),
    passengers: column.long({ description: 'Passengers carried, where the driver entered them.' }),
    distance: column.double({ unit: 'miles', description: 'Miles driven with a passenger.' }),
    fares: column.decimal(18, 2, { unit: 'USD', description: 'Sum of the fares.' }),
    tips: column.decimal(18, 2, { unit: 'USD', description: 'Sum of the card tips.' }),
    revenue: column.decimal(18, 2, { unit: 'USD', description: 'Sum of total_amount.' }),
  },
  from: sql`
    select
      cast(t.pickup_at at time zone 'America/New_York' as date) as day,
      t.pickup_location_id,
      any_value(z.zone) as zone,
      count(*) as trips,
      sum(t.passenger_count) as passengers,
      sum(t.trip_distance) as distance,
      sum(t.fare_amount) as fares,
      sum(t.tip_amount) as tips,
      sum(t.total_amount) as revenue
    from ${changed(trips)} as t left join ${zones} as z on z.location_id = t.pickup_location_id
    group by 1, 2`,
  write: replaceBy('day', 'pickup_location_id'),
})
