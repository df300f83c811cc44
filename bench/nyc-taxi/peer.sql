-- The nyc-taxi pipeline as plain DuckDB SQL: what one would write by hand, with the settings and the staging that were measured to be
-- the quickest. peer.mjs puts in the glob of trip files, the folder for the tables and the query of the zones.

set preserve_insertion_order = false;

-- bronze: as it arrived, with where it came from
copy (
  select
    "VendorID"::bigint as vendor_id, tpep_pickup_datetime as pickup_datetime, tpep_dropoff_datetime as dropoff_datetime,
    passenger_count::double as passenger_count, trip_distance, "RatecodeID"::double as rate_code_id, store_and_fwd_flag,
    "PULocationID"::bigint as pickup_location_id, "DOLocationID"::bigint as dropoff_location_id, payment_type::bigint as payment_type,
    fare_amount, extra, mta_tax, tip_amount, tolls_amount, improvement_surcharge, total_amount, congestion_surcharge, airport_fee,
    filename as _source_file, file_row_number + 1 as _source_row
  from read_parquet('$input', filename = true, file_row_number = true)
) to '$out/bronze_raw_trips.parquet' (format parquet, compression zstd);

-- silver: typed, identified and judged once, kept aside, then split
copy (
with raw as not materialized (
  select *, hash(pickup_datetime, dropoff_datetime, pickup_location_id, dropoff_location_id) as look from '$out/bronze_raw_trips.parquet'
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
    then concat_ws('|', vendor_id, pickup_datetime, dropoff_datetime, passenger_count, rate_code_id, pickup_location_id, dropoff_location_id, payment_type,
      fare_amount, extra, mta_tax, tip_amount, tolls_amount, improvement_surcharge, total_amount, congestion_surcharge, airport_fee)
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
  select suspect as twin, _source_file as twin_file, _source_row as twin_row, copy,
    row_number() over (partition by record, copy order by _source_file desc) = 1 as last
  from (
    select suspect, record, _source_file, _source_row, row_number() over (partition by record, _source_file order by _source_row) as copy
    from records where suspect is not null
  )
), trips as (
  select
    md5(concat(record, '|', coalesce(copy, 1))) as trip_id,
    vendor_id,
    pickup_local at time zone 'America/New_York' as pickup_at,
    dropoff_local at time zone 'America/New_York' as dropoff_at,
    passenger_count, trip_distance, rate_code_id, store_and_fwd_flag, pickup_location_id, dropoff_location_id, payment_type,
    fare_amount, extra, mta_tax, tip_amount, tolls_amount, improvement_surcharge, total_amount, congestion_surcharge, airport_fee,
    pickup_clock, dropoff_clock, unfit, _source_file, _source_row
  from records left join numbered on suspect = twin and _source_file = twin_file and _source_row = twin_row
  where last is not false
)
select *, list_filter([
    case when not (dropoff_clock >= pickup_clock) then 'dropoff_not_before_pickup' end,
    case when not (dropoff_clock - pickup_clock < 6 * interval 1 hour) then 'trip_under_6_hours' end,
    case when not (trip_distance >= 0) then 'distance_not_negative' end,
    case when not (trip_distance <= 1000) then 'distance_plausible' end,
    case when not (fare_amount >= 0) then 'fare_not_negative' end,
    case when not (total_amount >= 0) then 'total_not_negative' end,
    case when not (strftime(pickup_clock, '%Y-%m') = nullif(regexp_extract(_source_file, '(\d{4}-\d{2})[^/]*$', 1), '')) then 'pickup_in_file_month' end,
    case when not (coalesce(vendor_id, passenger_count, rate_code_id, payment_type) is not null or store_and_fwd_flag is not null) then 'payment_fields_present' end,
    case when unfit is not null then 'values_fit' end
  ]::varchar[], lambda reason : reason is not null) as _reasons
from trips
) to '$out/judged.parquet' (format parquet, compression lz4_raw);

-- no trip twice: hashes of the ids prove it when none repeats
select case when count(*) = count(distinct hash(trip_id)) and count(trip_id) = count(*) then 'ok' else error('a trip_id repeats') end
from '$out/judged.parquet' where len(_reasons) = 0;

copy (select * exclude (pickup_clock, dropoff_clock, unfit, _source_file, _source_row, _reasons) from '$out/judged.parquet' where len(_reasons) = 0)
to '$out/silver_trips.parquet' (format parquet, compression zstd);

copy (select * from '$out/judged.parquet' where len(_reasons) > 0)
to '$out/quarantine_trips.parquet' (format parquet, compression zstd);

copy ($zones)
to '$out/silver_zones.parquet' (format parquet, compression zstd);

select case when count(*) = count(distinct location_id) and count(location_id) = count(*) then 'ok' else error('a location_id repeats') end
from '$out/silver_zones.parquet';

-- gold
copy (
  select
    cast(t.pickup_at at time zone 'America/New_York' as date) as day,
    t.pickup_location_id,
    any_value(z.zone) as zone,
    count(*) as trips,
    sum(t.passenger_count)::bigint as passengers,
    sum(t.trip_distance) as distance,
    sum(t.fare_amount)::decimal(18, 2) as fares,
    sum(t.tip_amount)::decimal(18, 2) as tips,
    sum(t.total_amount)::decimal(18, 2) as revenue
  from '$out/silver_trips.parquet' as t left join '$out/silver_zones.parquet' as z on z.location_id = t.pickup_location_id
  group by 1, 2
) to '$out/gold_revenue_by_day_and_zone.parquet' (format parquet, compression zstd);

copy (
  select
    make_timestamptz(epoch_us(pickup_at) // 3600000000 * 3600000000) as hour,
    count(*) as trips,
    avg(trip_distance) as mean_distance,
    avg(epoch_us(dropoff_at) - epoch_us(pickup_at)) / 60e6 as mean_minutes,
    avg(total_amount) as mean_total
  from '$out/silver_trips.parquet'
  group by 1
) to '$out/gold_hourly_demand.parquet' (format parquet, compression zstd);

copy (
  select
    cast(date_trunc('month', pickup_at at time zone 'America/New_York') as date) as month,
    payment_type,
    case payment_type when 1 then 'card' when 2 then 'cash' when 3 then 'no charge' when 4 then 'dispute' else 'unknown' end as payment,
    count(*) as trips,
    sum(total_amount)::decimal(18, 2) as revenue,
    sum(tip_amount)::decimal(18, 2) as tips
  from '$out/silver_trips.parquet'
  group by 1, 2, 3
) to '$out/gold_payment_mix_by_month.parquet' (format parquet, compression zstd);
