// The peer of our benchmark: the same work as plain DuckDB, with neither Delta logs, lineage nor records of the run.
// node peer.mjs <glob of Parquet files> <new folder> [--memory=256MB] [--threads=2]
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { open, quote } from './duckdb.mjs'

const { values, positionals: [input, out] } = parseArgs({
  allowPositionals: true,
  options: { memory: { type: 'string', default: '256MB' }, threads: { type: 'string', default: '2' } },
})
if (!input || !out) {
  console.error('usage: node peer.mjs <glob> <folder> [--memory=256MB] [--threads=2]')
  process.exit(2)
}

const rules = {
  dropoff_not_before_pickup: 'dropoff_clock >= pickup_clock',
  trip_under_6_hours: 'dropoff_clock - pickup_clock < interval 6 hour',
  distance_not_negative: 'trip_distance >= 0',
  distance_plausible: 'trip_distance <= 1000',
  fare_not_negative: 'fare_amount >= 0',
  total_not_negative: 'total_amount >= 0',
  pickup_in_file_month: `date_trunc('month', pickup_clock) = try_cast(regexp_extract(_source_file, '([0-9]{4}-[0-9]{2})[^/]*$', 1) || '-01' as date)`,
  payment_fields_present: 'coalesce(vendor_id, payment_type, passenger_count, rate_code_id) is not null or store_and_fwd_flag is not null',
}
const broken = Object.entries(rules).map(([name, rule]) => `case when not (${rule}) then '${name}' end`).join(', ')
const sound = Object.values(rules).map((rule) => `coalesce(${rule}, true)`).join(' and ')

const bronze = `
  select VendorID as vendor_id, tpep_pickup_datetime as pickup_datetime, tpep_dropoff_datetime as dropoff_datetime, passenger_count, trip_distance,
    RatecodeID as rate_code_id, store_and_fwd_flag, PULocationID as pickup_location_id, DOLocationID as dropoff_location_id,
    payment_type::integer as payment_type, fare_amount, extra, mta_tax, tip_amount, tolls_amount, improvement_surcharge, total_amount,
    congestion_surcharge, airport_fee, filename as _source_file, file_row_number + 1 as _source_row
  from read_parquet(${quote(input)})`

const gold = {
  revenue_by_day_and_zone: `
    select cast(pickup_at at time zone 'America/New_York' as date) as day, pickup_location_id, count(*) as trips,
      cast(sum(total_amount) as decimal(18, 2)) as revenue, cast(sum(fare_amount) as decimal(18, 2)) as fares,
      cast(sum(tip_amount) as decimal(18, 2)) as tips, cast(sum(try_cast(trip_distance as decimal(12, 2))) as decimal(18, 2)) as miles
    from trips group by all`,
  hourly_demand: `
    select cast(clock as date) as day, hour(clock)::integer as hour, count(*) as trips, cast(sum(passenger_count) as bigint) as passengers,
      cast(sum(try_cast(trip_distance as decimal(12, 2))) as decimal(18, 2)) as miles,
      cast(sum((epoch_us(dropoff_at) - epoch_us(pickup_at)) // 1000000) as bigint) as seconds_driven, cast(sum(total_amount) as decimal(18, 2)) as revenue
    from (select *, pickup_at at time zone 'America/New_York' as clock from trips) group by all`,
  payment_mix_by_month: `
    select *, trips / sum(trips) over (partition by month) as share_of_trips
    from (
      select cast(date_trunc('month', cast(pickup_at at time zone 'America/New_York' as date)) as date) as month, payment_type, count(*) as trips,
        cast(sum(total_amount) as decimal(18, 2)) as revenue, cast(sum(tip_amount) as decimal(18, 2)) as tips, count(*) filter (tip_amount > 0) as tipped_trips
      from trips group by all)`,
}

await rm(out, { recursive: true, force: true })
await mkdir(out, { recursive: true })
const connection = await open(out, values)
const steps = {}
const started = performance.now()

/** Writes a query to a folder of Parquet files, names the folder as a view, answers the rows written. */
async function write(name, query, options = '') {
  const begun = performance.now()
  const folder = join(out, name)
  // several files, because a single one is written by one thread
  const result = await connection.runAndReadAll(`copy (${query}) to ${quote(folder)} (format parquet, compression zstd, file_size_bytes '32MB'${options})`)
  const rows = Number(result.getRows()[0][0])
  await connection.run(`create view ${name} as from read_parquet(${quote(join(folder, '*.parquet'))})`)
  steps[name] = { rows, durationMs: Math.round(performance.now() - begun) }
}

const silver = (await readFile(new URL('silver_trips.sql', import.meta.url), 'utf8')).replace(/\bfrom raw$/m, 'from bronze_trips')
await write('bronze_trips', bronze)
await write('staged', `select *, list_filter([${broken}], reason -> reason is not null) as reasons, ${sound} as sound from (${silver})`)
await write('trips', 'select * exclude (pickup_clock, dropoff_clock, unfit, _source_file, _source_row, reasons, sound) from staged where sound')
await write('quarantine', 'select * exclude (sound) from staged where not sound')
for (const [name, query] of Object.entries(gold)) await write(name, query)
await rm(join(out, 'staged'), { recursive: true })

console.log(JSON.stringify({
  durationMs: Math.round(performance.now() - started),
  peakMb: Math.round(process.resourceUsage().maxRSS / 1024),
  steps,
}))
