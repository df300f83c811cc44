-- The sync to documents reads the rows that were touched since, by this column.
-- up
ALTER TABLE taxi_trips
  ADD COLUMN updated_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  ADD KEY idx_updated_at (updated_at);

-- down
ALTER TABLE taxi_trips DROP KEY idx_updated_at, DROP COLUMN updated_at;
