-- test: a day is found by its index
-- uses: idx_pickup_datetime
SELECT count(*) FROM taxi_trips WHERE pickup_datetime >= '2018-03-05 00:00:00' AND pickup_datetime < '2018-03-05 01:00:00';

-- test: a way to pay on a day is found by both
-- uses: idx_payment_pickup
SELECT count(*) FROM taxi_trips
WHERE payment_type = 4 AND pickup_datetime >= '2018-03-05 00:00:00' AND pickup_datetime < '2018-03-05 06:00:00';

-- test: dear trips are found by fare
-- uses: idx_fare_total
SELECT count(*), max(total_amount) FROM taxi_trips WHERE fare_amount > 300;

-- test: a record is found by its own id
-- uses: uq_record_id
SELECT trip_id FROM taxi_trips WHERE record_id >= 'ffff' AND record_id < 'fffff';
