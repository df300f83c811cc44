-- What each batch of rows into a database cost.
-- up
CREATE TABLE etl_metrics (
  metric_id VARCHAR(36) NOT NULL PRIMARY KEY,
  recorded_at TIMESTAMP(6) NOT NULL,
  sync_name VARCHAR(100) NOT NULL,
  batch INTEGER NOT NULL,
  rows_in_batch BIGINT NOT NULL,
  seconds DOUBLE NOT NULL,
  rows_per_second DOUBLE NOT NULL,
  memory_mb DOUBLE NOT NULL,
  cpu_percent DOUBLE NOT NULL
);
CREATE INDEX idx_etl_metrics_time ON etl_metrics (recorded_at);

-- down
DROP TABLE etl_metrics;
