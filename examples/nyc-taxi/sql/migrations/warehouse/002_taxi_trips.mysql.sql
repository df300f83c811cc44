-- up
CREATE TABLE taxi_trips (
  trip_id BIGINT NOT NULL AUTO_INCREMENT,
  record_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'silver.trips.trip_id',
  vendor_id INT,
  pickup_datetime DATETIME(6) COMMENT 'UTC',
  dropoff_datetime DATETIME(6) COMMENT 'UTC',
  passenger_count INT,
  trip_distance DOUBLE,
  rate_code_id INT,
  store_and_fwd_flag VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
  pickup_location_id INT,
  dropoff_location_id INT,
  payment_type INT,
  fare_amount DECIMAL(10, 2),
  extra DECIMAL(10, 2),
  mta_tax DECIMAL(10, 2),
  tip_amount DECIMAL(10, 2),
  tolls_amount DECIMAL(10, 2),
  improvement_surcharge DECIMAL(10, 2),
  total_amount DECIMAL(10, 2),
  congestion_surcharge DECIMAL(10, 2),
  airport_fee DECIMAL(10, 2),
  -- Milliseconds: what MongoDB keeps of a time.
  created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (trip_id),
  UNIQUE KEY uq_record_id (record_id),
  KEY idx_pickup_datetime (pickup_datetime),
  KEY idx_payment_pickup (payment_type, pickup_datetime),
  KEY idx_fare_total (fare_amount, total_amount)
);

-- down
DROP TABLE taxi_trips;
