-- test: every table is there
-- expect: 5 rows
SELECT table_name FROM information_schema.tables
WHERE table_name IN ('schema_version', 'taxi_trips', 'db_metrics', 'anomalies_taxi', 'etl_metrics');
