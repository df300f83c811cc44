-- up
CREATE SEQUENCE taxi_trips_trip_id;
CREATE TABLE taxi_trips (
  trip_id BIGINT NOT NULL DEFAULT nextval('taxi_trips_trip_id') PRIMARY KEY,
  record_id VARCHAR NOT NULL UNIQUE,
  vendor_id INTEGER,
  pickup_datetime TIMESTAMPTZ,
  dropoff_datetime TIMESTAMPTZ,
  passenger_count INTEGER,
  trip_distance DOUBLE,
  rate_code_id INTEGER,
  store_and_fwd_flag VARCHAR,
  pickup_location_id INTEGER,
  dropoff_location_id INTEGER,
  payment_type INTEGER,
  fare_amount DECIMAL(10, 2),
  extra DECIMAL(10, 2),
  mta_tax DECIMAL(10, 2),
  tip_amount DECIMAL(10, 2),
  tolls_amount DECIMAL(10, 2),
  improvement_surcharge DECIMAL(10, 2),
  total_amount DECIMAL(10, 2),
  congestion_surcharge DECIMAL(10, 2),
  airport_fee DECIMAL(10, 2),
  created_at TIMESTAMPTZ NOT NULL DEFAULT date_trunc('millisecond', now())
);

-- down
DROP TABLE taxi_trips;
DROP SEQUENCE taxi_trips_trip_id;
