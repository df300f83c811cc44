import { append, column, dataset, download, files, firstGiven, generator } from 'sluice'
import { synthetic } from '../../synthetic/load.js'
import { vars } from '../../variables.js'

/** Over the years the TLC has spelt its columns in several ways; each is read by its name, whatever the order. */
export const rawTrips = dataset('bronze.raw_trips', {
  description: 'Yellow-taxi trip records as they arrived, with the file and the row they came from.',
  columns: {
    vendor_id: column.long({ aliases: ['VendorID', 'vendor_name'], description: 'Who supplied the record.' }),
    pickup_datetime: column.timestampNtz({
      aliases: ['tpep_pickup_datetime', 'Trip_Pickup_DateTime'],
      description: 'Meter engaged, on a New York clock.',
    }),
    dropoff_datetime: column.timestampNtz({
      aliases: ['tpep_dropoff_datetime', 'Trip_Dropoff_DateTime'],
      description: 'Meter disengaged, on a New York clock.',
    }),
    passenger_count: column.double({ aliases: ['Passenger_Count'], description: 'As entered by the driver.' }),
    trip_distance: column.double({ aliases: ['Trip_Distance'], unit: 'miles', description: 'As the meter reported it.' }),
    rate_code_id: column.double({
      aliases: ['RatecodeID', 'RateCodeID', 'rate_code'],
      description: '1 standard, 2 JFK, 3 Newark, 5 negotiated.',
    }),
    store_and_fwd_flag: column.string({
      aliases: ['store_and_forward'],
      description: 'Y when the record was kept in the car before it was sent.',
    }),
    pickup_location_id: column.long({ aliases: ['PULocationID'], description: 'Taxi zone of the pickup.' }),
    dropoff_location_id: column.long({ aliases: ['DOLocationID'], description: 'Taxi zone of the dropoff.' }),
    payment_type: column.long({ description: '1 card, 2 cash, 3 no charge, 4 dispute.' }),
    fare_amount: column.double({ aliases: ['Fare_Amt'], unit: 'USD' }),
    extra: column.double({ aliases: ['surcharge'], unit: 'USD' }),
    mta_tax: column.double({ unit: 'USD' }),
    tip_amount: column.double({ aliases: ['Tip_Amt'], unit: 'USD' }),
    tolls_amount: column.double({ aliases: ['Tolls_Amt'], unit: 'USD' }),
    improvement_surcharge: column.double({ unit: 'USD', optional: true }),
    total_amount: column.double({ aliases: ['Total_Amt'], unit: 'USD' }),
    congestion_surcharge: column.double({ unit: 'USD', optional: true }),
    airport_fee: column.double({ aliases: ['Airport_fee'], unit: 'USD', optional: true }),
  },
  from: firstGiven(
    files(vars.input),
    download({
      variables: { base: vars.base_url, month: vars.month },
      url: ({ base, month }) => `${base}/yellow_tripdata_${month}.parquet`,
    }),
    generator({ name: 'yellow-trips', rows: vars.rows, seed: vars.seed, query: synthetic('trips') }),
  ),
  write: append(),
})
