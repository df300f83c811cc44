-- One row a trip. Identical records are rare, so only records that may have a twin are sorted; everything else streams.
-- `raw`, the bronze relation, is scanned three times: to find the suspects, to number them, to write all trips.
with bronze as not materialized (      -- hash() only chooses whom to look at twice: no value of it is kept, and a collision changes nothing
  select *, hash(pickup_datetime, dropoff_datetime, pickup_location_id, dropoff_location_id) as look from raw
), suspects as (
  select look as suspect from bronze group by look having count(*) > 1
), typed as not materialized (         -- the record in silver's types: what does not fit becomes null and is named in `unfit`
  select *, case when
      (clock_1 is null) <> (pickup_datetime is null) or (clock_2 is null) <> (dropoff_datetime is null)
      or passengers is distinct from passenger_count or rate is distinct from rate_code_id
      or (fare is null) <> (fare_amount is null) or (ext is null) <> (extra is null) or (mta is null) <> (mta_tax is null)
      or (tip is null) <> (tip_amount is null) or (tolls is null) <> (tolls_amount is null) or (improvement is null) <> (improvement_surcharge is null)
      or (total is null) <> (total_amount is null) or (congestion is null) <> (congestion_surcharge is null) or (airport is null) <> (airport_fee is null)
    then concat_ws('; ',
      case when (clock_1 is null) <> (pickup_datetime is null) then 'pickup_datetime=' || pickup_datetime end,
      case when (clock_2 is null) <> (dropoff_datetime is null) then 'dropoff_datetime=' || dropoff_datetime end,
      case when passengers is distinct from passenger_count then 'passenger_count=' || passenger_count end,
      case when rate is distinct from rate_code_id then 'rate_code_id=' || rate_code_id end,
      case when (fare is null) <> (fare_amount is null) then 'fare_amount=' || fare_amount end,
      case when (ext is null) <> (extra is null) then 'extra=' || extra end,
      case when (mta is null) <> (mta_tax is null) then 'mta_tax=' || mta_tax end,
      case when (tip is null) <> (tip_amount is null) then 'tip_amount=' || tip_amount end,
      case when (tolls is null) <> (tolls_amount is null) then 'tolls_amount=' || tolls_amount end,
      case when (improvement is null) <> (improvement_surcharge is null) then 'improvement_surcharge=' || improvement_surcharge end,
      case when (total is null) <> (total_amount is null) then 'total_amount=' || total_amount end,
      case when (congestion is null) <> (congestion_surcharge is null) then 'congestion_surcharge=' || congestion_surcharge end,
      case when (airport is null) <> (airport_fee is null) then 'airport_fee=' || airport_fee end)
    end as unfit
  from (
    select *,
      case when pickup_datetime between '0001-01-02'::timestamp and '9999-12-30'::timestamp then pickup_datetime end as clock_1,
      case when dropoff_datetime between '0001-01-02'::timestamp and '9999-12-30'::timestamp then dropoff_datetime end as clock_2,
      case when trip_distance = 0 then 0 else trip_distance end as miles,  -- -0.0 is 0.0
      try_cast(passenger_count as integer) as passengers,
      try_cast(rate_code_id as integer) as rate,
      try_cast(fare_amount as decimal(10, 2)) as fare,
      try_cast(extra as decimal(10, 2)) as ext,
      try_cast(mta_tax as decimal(10, 2)) as mta,
      try_cast(tip_amount as decimal(10, 2)) as tip,
      try_cast(tolls_amount as decimal(10, 2)) as tolls,
      try_cast(improvement_surcharge as decimal(10, 2)) as improvement,
      try_cast(total_amount as decimal(10, 2)) as total,
      try_cast(congestion_surcharge as decimal(10, 2)) as congestion,
      try_cast(airport_fee as decimal(10, 2)) as airport
    from bronze left join suspects on look = suspect
  )
), twins as (                          -- copy: which of several identical records of a file this is
  select *, row_number() over (
    partition by vendor_id, clock_1, clock_2, passengers, miles, rate, store_and_fwd_flag, pickup_location_id, dropoff_location_id, payment_type,
      fare, ext, mta, tip, tolls, improvement, total, congestion, airport, unfit, _source_file order by _source_row) as copy
  from typed where suspect is not null
), numbered as (                       -- last: no later file has the same copy of the same record
  select suspect as twin, _source_file as twin_file, _source_row as twin_row, copy, row_number() over (
    partition by vendor_id, clock_1, clock_2, passengers, miles, rate, store_and_fwd_flag, pickup_location_id, dropoff_location_id, payment_type,
      fare, ext, mta, tip, tolls, improvement, total, congestion, airport, unfit, copy order by _source_file desc) = 1 as last
  from twins
)
select
  md5(concat(vendor_id, '|', clock_1, '|', clock_2, '|', passengers, '|', miles, '|', rate, '|', pickup_location_id, '|', dropoff_location_id, '|',
    payment_type, '|', fare, '|', ext, '|', mta, '|', tip, '|', tolls, '|', improvement, '|', total, '|', congestion, '|', airport, '|',
    unfit, '|', store_and_fwd_flag, '|', coalesce(copy, 1))) as trip_id,
  vendor_id,
  clock_1 at time zone 'America/New_York' as pickup_at,
  clock_2 at time zone 'America/New_York' as dropoff_at,
  passengers as passenger_count,
  miles as trip_distance,
  rate as rate_code_id,
  store_and_fwd_flag,
  pickup_location_id,
  dropoff_location_id,
  payment_type,
  fare as fare_amount,
  ext as extra,
  mta as mta_tax,
  tip as tip_amount,
  tolls as tolls_amount,
  improvement as improvement_surcharge,
  total as total_amount,
  congestion as congestion_surcharge,
  airport as airport_fee,
  clock_1 as pickup_clock,
  clock_2 as dropoff_clock,
  unfit,
  _source_file,
  _source_row
from typed left join numbered on suspect = twin and _source_file = twin_file and _source_row = twin_row
where last is not false
