-- What each operation on a database cost, and what was found odd.
-- up
CREATE TABLE db_metrics (
  metric_id VARCHAR(36) NOT NULL PRIMARY KEY,
  recorded_at TIMESTAMP(6) NOT NULL,
  db_type VARCHAR(20) NOT NULL,
  operation VARCHAR(100) NOT NULL,
  cpu_percent DOUBLE,
  memory_percent DOUBLE,
  latency_ms DOUBLE,
  rows_affected BIGINT,
  mismatches BIGINT,
  errors BIGINT
);
CREATE INDEX idx_db_metrics_time ON db_metrics (recorded_at);
CREATE TABLE anomalies_taxi (
  record_id VARCHAR(64) NOT NULL,
  method VARCHAR(50) NOT NULL,
  score DOUBLE NOT NULL,
  feature VARCHAR(50) NOT NULL,
  value DOUBLE,
  reason VARCHAR(500) NOT NULL,
  votes INTEGER NOT NULL,
  PRIMARY KEY (record_id, method)
);

-- down
DROP TABLE anomalies_taxi;
DROP TABLE db_metrics;
