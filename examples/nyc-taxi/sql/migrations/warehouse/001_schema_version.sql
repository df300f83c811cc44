-- Which migrations were applied, when, and with what checksum. `sluice migrate` makes it before the first; here it is for readers.
-- up
CREATE TABLE IF NOT EXISTS schema_version (
  version VARCHAR(20) NOT NULL PRIMARY KEY,
  name VARCHAR(200) NOT NULL,
  checksum CHAR(64) NOT NULL,
  statements INTEGER NULL,
  applied_at VARCHAR(30) NOT NULL,
  duration_ms BIGINT NOT NULL
);
