// Writes trips drawn from the real ones, with ids of their own, as a lake's silver.trips, as Parquet and as lines for LOAD DATA:
// node make-input.mjs <folder> <rows> <folder of the real data> [seed]
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DeltaTable } from 'sluice/table'
import { open, quote } from '../nyc-taxi/duckdb.mjs'
import { TRIP_COLUMNS } from './columns.mjs'

const [folder, rows, data, seed = '42'] = process.argv.slice(2)
if (!folder || !/^[1-9]\d*$/.test(rows) || !data || !/^\d+$/.test(seed)) {
  console.error('usage: node make-input.mjs <folder> <rows> <folder of the real data> [seed]')
  process.exit(2)
}

const real = quote(join(data, 'nyc-yellow', 'yellow_240k_tlc_columns.parquet'))
const parquet = join(folder, 'trips.parquet')
const money = (name) => `CAST(${name} AS DECIMAL(10, 2)) AS ${name}`
await mkdir(folder, { recursive: true })
const connection = await open(folder, { memory: '1GB' })
await connection.run(`CREATE TEMP TABLE real AS SELECT *, row_number() OVER () - 1 AS place FROM read_parquet(${real})
  WHERE abs(fare_amount) < 1e6 AND abs(total_amount) < 1e6`)
const [{ trips }] = (await connection.runAndReadAll('SELECT count(*)::integer AS trips FROM real')).getRowObjectsJson()
await connection.run(`COPY (
  SELECT md5(concat(${seed}, ' ', number)) AS trip_id,
    CAST(VendorID AS INTEGER) AS vendor_id,
    tpep_pickup_datetime AT TIME ZONE 'America/New_York' AS pickup_at,
    tpep_dropoff_datetime AT TIME ZONE 'America/New_York' AS dropoff_at,
    CAST(passenger_count AS INTEGER) AS passenger_count,
    trip_distance,
    CAST(RatecodeID AS INTEGER) AS rate_code_id,
    store_and_fwd_flag,
    CAST(PULocationID AS INTEGER) AS pickup_location_id,
    CAST(DOLocationID AS INTEGER) AS dropoff_location_id,
    CAST(payment_type AS INTEGER) AS payment_type,
    ${['fare_amount', 'extra', 'mta_tax', 'tip_amount', 'tolls_amount', 'improvement_surcharge', 'total_amount', 'congestion_surcharge', 'airport_fee'].map(money).join(', ')}
  FROM (SELECT range AS number, CAST(hash(range, ${seed}) % ${trips} AS BIGINT) AS drawn FROM range(${rows})) JOIN real ON place = drawn
) TO ${quote(parquet)} (FORMAT parquet, COMPRESSION zstd)`)

const clock = (name) => `strftime(${name} AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%f') AS ${name}`
const values = TRIP_COLUMNS.map(({ lake }) => (lake.endsWith('_at') ? clock(lake) : lake))
await connection.run(`COPY (SELECT ${values.join(', ')} FROM read_parquet(${quote(parquet)}))
  TO ${quote(join(folder, 'trips.tsv'))} (FORMAT csv, HEADER false, DELIMITER '\t', QUOTE '', ESCAPE '', NULLSTR '\\N')`)
connection.closeSync()

const path = join(folder, 'lake', 'silver', 'trips')
const select = `SELECT * FROM read_parquet(${quote(parquet)})`
const own = DeltaTable.at(path)
const session = await own.session()
const table = await DeltaTable.create(path, { fields: await session.describe(select) }, { session })
await table.append(select)
await own.close()
