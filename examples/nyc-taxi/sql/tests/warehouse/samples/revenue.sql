-- test: trips and revenue by the way of payment
-- show
SELECT payment_type, count(*) AS trips, sum(total_amount) AS revenue, avg(tip_amount) AS mean_tip
FROM taxi_trips GROUP BY payment_type ORDER BY trips DESC;

-- test: the five dearest trips
-- show
SELECT trip_id, pickup_datetime, trip_distance, fare_amount, total_amount FROM taxi_trips ORDER BY total_amount DESC LIMIT 5;
