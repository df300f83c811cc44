import { sync } from 'sluice'
import { trips } from '../datasets/silver/trips.js'
import { documents, warehouse } from '../stores.js'

/** The table numbers its rows itself (`trip_id`); which row is which trip is told by silver's own id, there called `record_id`. */
export const tripsToWarehouse = sync(trips, {
  name: 'trips_to_warehouse',
  to: warehouse.table('taxi_trips'),
  rename: { trip_id: 'record_id', pickup_at: 'pickup_datetime', dropoff_at: 'dropoff_datetime' },
})

export const tripsToDocuments = sync(warehouse.table('taxi_trips'), {
  name: 'trips_to_documents',
  to: documents.table('taxi_trips', { indexes: [{ columns: ['payment_type', 'pickup_datetime'] }] }),
  key: ['trip_id'],
  // Says when the warehouse last touched a row, which is nothing about the trip.
  except: ['updated_at'],
  // A DuckDB file has no column that follows each change by itself: there, all rows are compared.
  ...(warehouse.kind === 'mysql' ? { cursor: 'updated_at' } : {}),
})
