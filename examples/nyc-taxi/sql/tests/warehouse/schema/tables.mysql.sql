-- test: every table is there
-- expect: 5 rows
SELECT table_name FROM information_schema.tables
WHERE table_schema = database()
  AND table_name IN ('schema_version', 'taxi_trips', 'db_metrics', 'anomalies_taxi', 'etl_metrics');

-- test: a trip has its 19 columns, its ids and the times the table keeps
-- expect: value 23
SELECT count(*) FROM information_schema.columns WHERE table_schema = database() AND table_name = 'taxi_trips';

-- test: trip_id numbers the rows
-- expect: 1 row
SELECT column_name FROM information_schema.columns
WHERE table_schema = database() AND table_name = 'taxi_trips' AND column_name = 'trip_id'
  AND data_type = 'bigint' AND column_key = 'PRI' AND extra LIKE '%auto_increment%';

-- test: money is DECIMAL(10,2)
-- expect: no rows
SELECT column_name, column_type FROM information_schema.columns
WHERE table_schema = database() AND table_name = 'taxi_trips'
  AND (column_name LIKE '%amount' OR column_name LIKE '%surcharge' OR column_name IN ('extra', 'mta_tax', 'airport_fee'))
  AND column_type <> 'decimal(10,2)';

-- test: the times of a trip are kept to the microsecond
-- expect: no rows
SELECT column_name, column_type FROM information_schema.columns
WHERE table_schema = database() AND table_name = 'taxi_trips' AND data_type = 'datetime' AND datetime_precision <> 6;

-- test: its indexes are there
-- expect: 3 rows
SELECT DISTINCT index_name FROM information_schema.statistics
WHERE table_schema = database() AND table_name = 'taxi_trips'
  AND index_name IN ('idx_pickup_datetime', 'idx_payment_pickup', 'idx_fare_total');
