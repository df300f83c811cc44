-- up
ALTER TABLE taxi_trips ADD COLUMN updated_at TIMESTAMPTZ DEFAULT now();

-- down
ALTER TABLE taxi_trips DROP COLUMN updated_at;
