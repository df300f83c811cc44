import { changed, column, dataset, replaceBy, sql } from 'sluice'
import { trips } from '../silver/trips.js'

export const paymentMixByMonth = dataset('gold.payment_mix_by_month', {
  description: 'How trips were paid for, month by month.',
  columns: {
    month: column.date({ description: 'First day of the month of the pickup in New York.' }),
    payment_type: column.integer({ description: '1 card, 2 cash, 3 no charge, 4 dispute.' }),
    payment: column.string({ description: 'The same in words.' }),
    trips: column.long({ description: 'Trips paid for in this way.' }),
    revenue: column.decimal(18, 2, { unit: 'USD', description: 'Sum of total_amount.' }),
    tips: column.decimal(18, 2, { unit: 'USD', description: 'Sum of the card tips.' }),
  },
  from: sql`
    select
      cast(date_trunc('month', pickup_at at time zone 'America/New_York') as date) as month,
      payment_type,
      case payment_type when 1 then 'card' when 2 then 'cash' when 3 then 'no charge' when 4 then 'dispute' else 'unknown' end as payment,
      count(*) as trips,
      sum(total_amount) as revenue,
      sum(tip_amount) as tips
    from ${changed(trips)}
    group by 1, 2, 3`,
  write: replaceBy('month', 'payment_type'),
})
