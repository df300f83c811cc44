-- test: there are trips
-- expect: rows
SELECT trip_id FROM taxi_trips LIMIT 1;

-- test: no trip ends before it begins
SELECT record_id, pickup_datetime, dropoff_datetime FROM taxi_trips WHERE dropoff_datetime < pickup_datetime;

-- test: fares, totals and distances are not negative
SELECT record_id, fare_amount, total_amount, trip_distance FROM taxi_trips WHERE fare_amount < 0 OR total_amount < 0 OR trip_distance < 0;

-- test: no distance is thousands of miles
SELECT record_id, trip_distance FROM taxi_trips WHERE trip_distance > 1000;

-- test: what tells who paid how is not missing together
SELECT record_id FROM taxi_trips
WHERE vendor_id IS NULL AND passenger_count IS NULL AND rate_code_id IS NULL AND payment_type IS NULL AND store_and_fwd_flag IS NULL;

-- test: every record is there once
SELECT record_id, count(*) AS copies FROM taxi_trips GROUP BY record_id HAVING count(*) > 1;
