import { changed, column, dataset, expect, merge, sql } from 'sluice'
import { vars } from '../../variables.js'
import { rawTrips } from '../bronze/raw-trips.js'

const money = (description: string) => column.decimal(10, 2, { unit: 'USD', description })

/** Doubles as they arrived; each must fit decimal(10,2). */
const amounts = sql`fare_amount, extra, mta_tax, tip_amount, tolls_amount, improvement_surcharge, total_amount, congestion_surcharge, airport_fee`

export const trips = dataset('silver.trips', {
  description: 'One completed yellow-taxi trip.',
  columns: {
    trip_id: column.string({
      nullable: false,
      description: 'Stable hash of the record, and of its number among identical ones of its file.',
    }),
    vendor_id: column.integer({ description: 'Who supplied the record.' }),
    pickup_at: column.timestamp({ description: 'Meter engaged, UTC.' }),
    dropoff_at: column.timestamp({ description: 'Meter disengaged, UTC.' }),
    passenger_count: column.integer({ description: 'As entered by the driver.' }),
    trip_distance: column.double({ unit: 'miles', description: 'As the meter reported it.' }),
    rate_code_id: column.integer({ description: '1 standard, 2 JFK, 3 Newark, 5 negotiated.' }),
    store_and_fwd_flag: column.string({ description: 'Y when the record was kept in the car before it was sent.' }),
    pickup_location_id: column.integer({ description: 'Taxi zone of the pickup.' }),
    dropoff_location_id: column.integer({ description: 'Taxi zone of the dropoff.' }),
    payment_type: column.integer({ description: '1 card, 2 cash, 3 no charge, 4 dispute.' }),
    fare_amount: money('Time and distance.'),
    extra: money('Rush hour and overnight.'),
    mta_tax: money('Metered-rate tax.'),
    tip_amount: money('Card tips; cash tips are not recorded.'),
    tolls_amount: money('All tolls of the trip.'),
    improvement_surcharge: money('Levied at the flag drop.'),
    total_amount: money('What the passenger was charged, without cash tips.'),
    congestion_surcharge: money('New York State congestion surcharge.'),
    airport_fee: money('Pickups at LaGuardia and JFK.'),
  },
  staged: {
    pickup_clock: column.timestampNtz({ description: 'The record’s own clock, New York.' }),
    dropoff_clock: column.timestampNtz({ description: 'The record’s own clock, New York.' }),
    unfit: column.string({ description: 'The record as text, when a value of it does not fit its column.' }),
  },
  key: ['trip_id'],
  // Records that are alike are rare, so only those that may have a twin are sorted and numbered; all others stream. hash() merely
  // chooses which to look at: no value of it is kept, and a collision changes nothing.
  from: sql`
    with raw as not materialized (
      select *, hash(pickup_datetime, dropoff_datetime, pickup_location_id, dropoff_location_id) as look from ${changed(rawTrips)}
    ), suspects as (
      select look as suspect from raw group by look having count(*) > 1
    ), fitted as not materialized (
      select *,
        case when greatest(abs(fare_amount), abs(extra), abs(mta_tax), abs(tip_amount), abs(tolls_amount), abs(improvement_surcharge),
            abs(total_amount), abs(congestion_surcharge), abs(airport_fee)) >= 99999999.995
          or passenger_count <> floor(passenger_count) or rate_code_id <> floor(rate_code_id)
          or greatest(abs(passenger_count), abs(rate_code_id)) > 2147483647
          or least(vendor_id, pickup_location_id, dropoff_location_id, payment_type) < -2147483648
          or greatest(vendor_id, pickup_location_id, dropoff_location_id, payment_type) > 2147483647
          or pickup_datetime not between timestamp '0001-01-02' and timestamp '9999-12-30'
          or dropoff_datetime not between timestamp '0001-01-02' and timestamp '9999-12-30'
        then concat_ws('|', vendor_id, pickup_datetime, dropoff_datetime, passenger_count, rate_code_id, pickup_location_id, dropoff_location_id, payment_type, ${amounts})
        end as unfit
      from raw left join suspects on look = suspect
    ), typed as not materialized (
      select unfit, suspect, _source_file, _source_row, store_and_fwd_flag,
        pickup_datetime as pickup_clock,
        dropoff_datetime as dropoff_clock,
        case when unfit is null then pickup_datetime end as pickup_local,
        case when unfit is null then dropoff_datetime end as dropoff_local,
        trip_distance + 0.0 as trip_distance,
        try_cast(vendor_id as integer) as vendor_id,
        try_cast(passenger_count as integer) as passenger_count,
        try_cast(rate_code_id as integer) as rate_code_id,
        try_cast(pickup_location_id as integer) as pickup_location_id,
        try_cast(dropoff_location_id as integer) as dropoff_location_id,
        try_cast(payment_type as integer) as payment_type,
        try_cast(fare_amount as decimal(10, 2)) as fare_amount,
        try_cast(extra as decimal(10, 2)) as extra,
        try_cast(mta_tax as decimal(10, 2)) as mta_tax,
        try_cast(tip_amount as decimal(10, 2)) as tip_amount,
        try_cast(tolls_amount as decimal(10, 2)) as tolls_amount,
        try_cast(improvement_surcharge as decimal(10, 2)) as improvement_surcharge,
        try_cast(total_amount as decimal(10, 2)) as total_amount,
        try_cast(congestion_surcharge as decimal(10, 2)) as congestion_surcharge,
        try_cast(airport_fee as decimal(10, 2)) as airport_fee
      from fitted
    ), records as not materialized (
      select *, concat(vendor_id, '|', pickup_clock, '|', dropoff_clock, '|', passenger_count, '|', trip_distance, '|', rate_code_id, '|',
        pickup_location_id, '|', dropoff_location_id, '|', payment_type, '|', fare_amount, '|', extra, '|', mta_tax, '|', tip_amount, '|',
        tolls_amount, '|', improvement_surcharge, '|', total_amount, '|', congestion_surcharge, '|', airport_fee, '|', unfit, '|', store_and_fwd_flag) as record
      from typed
    ), numbered as (
      -- copy: which of the identical records of its file this is. last: no later file has that copy of the record.
      select suspect as twin, _source_file as twin_file, _source_row as twin_row, copy,
        row_number() over (partition by record, copy order by _source_file desc) = 1 as last
      from (
        select suspect, record, _source_file, _source_row, row_number() over (partition by record, _source_file order by _source_row) as copy
        from records where suspect is not null
      )
    )
    select
      md5(concat(record, '|', coalesce(copy, 1))) as trip_id,
      vendor_id,
      pickup_local at time zone 'America/New_York' as pickup_at,
      dropoff_local at time zone 'America/New_York' as dropoff_at,
      passenger_count, trip_distance, rate_code_id, store_and_fwd_flag, pickup_location_id, dropoff_location_id, payment_type,
      ${amounts},
      pickup_clock, dropoff_clock, unfit, _source_file, _source_row
    from records left join numbered on suspect = twin and _source_file = twin_file and _source_row = twin_row
    where last is not false`,
  write: merge(),
  expect: [
    expect.row('dropoff_not_before_pickup', sql`dropoff_clock >= pickup_clock`).otherwise('quarantine'),
    expect.row('trip_under_6_hours', sql`dropoff_clock - pickup_clock < ${vars.max_trip_hours} * interval 1 hour`).otherwise('quarantine'),
    expect.column('trip_distance').atLeast(0).named('distance_not_negative').otherwise('quarantine'),
    expect.column('trip_distance').atMost(1000).named('distance_plausible').otherwise('quarantine'),
    expect.column('fare_amount').atLeast(0).named('fare_not_negative').otherwise('quarantine'),
    expect.column('total_amount').atLeast(0).named('total_not_negative').otherwise('quarantine'),
    expect
      .row(
        'pickup_in_file_month',
        sql`strftime(pickup_clock, '%Y-%m') = nullif(regexp_extract(_source_file, '(\d{4}-\d{2})[^/]*$', 1), '')`,
      )
      .otherwise('quarantine'),
    expect
      .row(
        'payment_fields_present',
        sql`coalesce(vendor_id, passenger_count, rate_code_id, payment_type) is not null or store_and_fwd_flag is not null`,
      )
      .otherwise('quarantine'),
    expect.row('values_fit', sql`unfit is null`).otherwise('quarantine'),
  ],
})
