-- 265 synthetic zones in the shape of the TLC's lookup. The names say what they are; 132, 138 and 1 have the service zones the generator charges for.
select
  i::integer as location_id,
  case when i = 1 then 'Synthetic airport borough' when i = 264 then 'Unknown' when i = 265 then 'Synthetic outside'
    else 'Synthetic borough ' || ([ 'A', 'B', 'C', 'D', 'E' ])[1 + (i * 7 % 5)::integer] end as borough,
  case when i in (1, 132, 138) then 'Synthetic airport ' else 'Synthetic zone ' end || i as zone,
  case when i in (1, 132, 138) then 'Synthetic airports' when i > 263 then null when i * 7 % 5 = 0 then 'Synthetic core' else 'Synthetic outer' end as service_zone
from range(1, 266) as r(i)
