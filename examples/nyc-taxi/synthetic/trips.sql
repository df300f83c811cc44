-- Synthetic yellow-taxi trips in the TLC's shape: $rows and $seed are integer literals, both below 2^31.
-- Chance is integer arithmetic on (row, seed), no hash() and no libm: the same on every version, platform and thread count.
-- Rows stream from range(); nothing is sorted or kept, and only the twelve months are joined.
with months as (
  select m, epoch_us(first) as month_us, day(last_day(first))::integer as days, isodow(first)::integer - 1 as first_weekday,
    strftime(first, 'synthetic/yellow_tripdata_%Y-%m.seed-') || '$seed.rows-$rows' as _source_file
  from (select m, make_date(2024, m::integer + 1, 1) as first from range(12) as r(m))
), placed as (                         -- twelve files of equal size, filled one after the other
  select i, i * 12 // $rows as m, i - (i * 12 // $rows * $rows + 11) // 12 + 1 as _source_row from range($rows) as r(i)
), salted as (                         -- six 32-bit draws a row; row 77 of every 20,011 draws as row 76 does: the same record twice
  select * exclude (i, n),
    n + 11 & 4294967295 as a, n + 2654435769 & 4294967295 as b, n + 1013904242 & 4294967295 as c,
    n + 3668340011 & 4294967295 as d, n + 2027808484 & 4294967295 as e, n + 387276917 & 4294967295 as f
  from (select *, (i - (_source_row % 20011 = 77)::bigint) * 2654435761 + $seed * 2246822519 as n from placed) join months using (m)
), stirred as (
  select * replace (
    xor(a, a >> 16) * 2146121005 & 4294967295 as a, xor(b, b >> 16) * 2146121005 & 4294967295 as b, xor(c, c >> 16) * 2146121005 & 4294967295 as c,
    xor(d, d >> 16) * 2146121005 & 4294967295 as d, xor(e, e >> 16) * 2146121005 & 4294967295 as e, xor(f, f >> 16) * 2146121005 & 4294967295 as f)
  from salted
), drawn as (
  select * replace (
    xor(a, a >> 15) * 73244475 & 4294967295 as a, xor(b, b >> 15) * 73244475 & 4294967295 as b, xor(c, c >> 15) * 73244475 & 4294967295 as c,
    xor(d, d >> 15) * 73244475 & 4294967295 as d, xor(e, e >> 15) * 73244475 & 4294967295 as e, xor(f, f >> 15) * 73244475 & 4294967295 as f)
  from stirred
), chance as (                         -- u_ are uniform in [0, 1); dirt and blank are whole numbers below 65,536
  select _source_file, _source_row, month_us, days, first_weekday,
    (xor(a, a >> 16) & 65535) / 65536 as u_week, (b >> 16) / 65536 as u_hour, xor(b, b >> 16) % 3600 as second,
    (c >> 16) / 65536 as u_from, (xor(c, c >> 16) & 65535) / 65536 as u_to, (d >> 16) / 65536 as u_far, (xor(d, d >> 16) & 65535) / 65536 as u_slow,
    e >> 16 as dirt, xor(e, e >> 16) & 65535 as blank, (f >> 16) / 65536 as u_pay, (xor(f, f >> 16) & 65535) / 65536 as u_tip,
    -- a file fills day by day
    least(floor((_source_row - 1) * 12 * days / $rows + (a >> 16) / 65536), days - 1)::integer as near
  from drawn
), dated as (                          -- one trip in five of a Sunday or a Monday moves to a later day
  select *, case when u_week < 0.2 and (first_weekday + near) % 7 in (6, 0) then (near + 2 + floor(u_week * 15)::integer) % days else near end as day from chance
), clocked as (                        -- the hour: one entry for each hundredth of a day's trips
  select *, (first_weekday + day) % 7 > 4 as weekend,
    case when (first_weekday + day) % 7 > 4
      then ([0,0,0,0,0,1,1,1,1,1,2,2,2,2,3,3,3,4,4,5,6,7,7,8,8,8,9,9,9,9,10,10,10,10,10,11,11,11,11,11,12,12,12,12,12,12,13,13,13,13,13,14,14,14,14,14,15,15,15,15,15,15,16,16,16,16,16,17,17,17,17,17,18,18,18,18,18,18,19,19,19,19,19,20,20,20,20,20,21,21,21,21,22,22,22,22,22,23,23,23])[1 + floor(u_hour * 100)::integer]
      else ([0,0,1,2,3,4,5,6,6,6,7,7,7,7,8,8,8,8,8,9,9,9,9,9,10,10,10,10,10,11,11,11,11,11,12,12,12,12,12,13,13,13,13,13,14,14,14,14,14,14,15,15,15,15,15,15,16,16,16,16,16,16,17,17,17,17,17,17,18,18,18,18,18,18,18,19,19,19,19,19,19,20,20,20,20,20,20,21,21,21,21,21,21,22,22,22,22,22,23,23])[1 + floor(u_hour * 100)::integer]
    end as hour
  from dated
), routed as (                         -- few zones take most trips, two of them are airports; far has its median at 1.5 miles and a long tail
  select *, case when u_from < 0.035 then 132 when u_from < 0.06 then 138 else 1 + (160 + floor(265 * u_from * u_from * u_from)::integer * 97) % 265 end as pu,
    case when u_to < 0.015 then 132 when u_to < 0.03 then 138 else 1 + (160 + floor(265 * u_to * u_to)::integer * 97) % 265 end as dest,
    0.5 + 1.15 * u_far / (1.08 - u_far) as far
  from clocked
), driven as (
  select *, pu in (132, 138) or dest in (132, 138) as airport, (pu = 132 and u_to < 0.6) or (dest = 132 and u_from > 0.3) as flat from routed
), measured as (                       -- miles, then hours at 6 to 25 miles an hour: slower by day, faster to an airport
  select *, round(case when flat then 15 + far / 2 when airport then 8 + far else far end, 2) as miles,
    case when airport then 18 when hour between 7 and 19 and not weekend then 8 else 11 end * (0.75 + u_slow * 0.6) as mph
  from driven
), fared as (                          -- amounts in cents; a reversed charge has them all negative
  select *, greatest(60, floor(miles / mph * 3600)::bigint) as seconds, case when dirt < 152 then -1 else 1 end as sign,
    case when dirt = 1101 and blank < 16384 then 42949020 when flat then 7000 else 300 + 70 * floor(miles * 3.2 + miles / mph * 21)::integer end as fare,
    case when flat then 500 when not weekend and hour between 16 and 19 then 250 when hour >= 20 or hour < 6 then 100 else 0 end as extra,
    case when airport and u_slow < 0.5 then 694 else 0 end as tolls,
    case when u_far > 0.95 or airport and u_slow > 0.6 then 0 else 250 end as congestion,
    case when pu in (132, 138) then 175 else 0 end as airport_fee,
    case when u_pay < 0.8 then 1 when u_pay < 0.965 then 2 when u_pay < 0.975 then 3 else 4 end as payment
  from measured
), tipped as (                         -- only a card payment has a tip on record
  select *, fare + extra + 150 + tolls + congestion + airport_fee as due,
    case when payment = 1 and u_tip > 0.06 and sign = 1 and fare < 100000 then floor((fare + extra + congestion) * (0.1 + u_tip * 0.2))::integer else 0 end as tip,
    -- a clock that is wrong by hours or years; the record stays in the file of its month
    case when dirt between 1079 and 1086 then ([-31, 31, -1, 45, -5844, -5844, -400, 3660])[dirt - 1078] else 0 end + day as pickup_day,
    case when dirt between 915 and 939 then -seconds when dirt between 940 and 1078 then 21600 + floor(u_slow * 64000)::bigint else seconds end as lasted
  from fared
)
select
  case when blank >= 1501 then 1 + (u_tip > 0.26)::integer end as "VendorID",
  make_timestamp(month_us + (pickup_day * 86400 + hour * 3600 + second) * 1000000) as tpep_pickup_datetime,
  make_timestamp(month_us + (pickup_day * 86400 + hour * 3600 + second + lasted) * 1000000) as tpep_dropoff_datetime,
  case when blank >= 1501 then ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4, 5, 6, 0])[1 + second % 19]::double end as passenger_count,
  case when dirt between 152 and 914 then 0.0 when dirt = 1087 then 1000 + round(miles * 2000) when dirt = 1088 then -miles else miles end as trip_distance,
  case when blank >= 1501 then case when flat then 2 when dest = 1 then 3 when u_pay > 0.992 then 5 when dirt between 1089 and 1100 then 99 else 1 end::double end as "RatecodeID",
  case when blank >= 65100 then 'Y' when blank >= 1501 then 'N' end as store_and_fwd_flag,
  pu as "PULocationID",
  dest as "DOLocationID",
  case when blank >= 1501 then payment::bigint end as payment_type,
  sign * fare / 100 as fare_amount,
  sign * extra / 100 as extra,
  sign * 0.5::double as mta_tax,
  tip / 100 as tip_amount,
  sign * tolls / 100 as tolls_amount,
  sign * 1.0::double as improvement_surcharge,
  (sign * due + tip) / 100 as total_amount,
  case when blank >= 1501 then sign * congestion / 100 end as congestion_surcharge,
  case when blank >= 1501 then sign * airport_fee / 100 end as airport_fee,
  _source_file,
  _source_row
from tipped
