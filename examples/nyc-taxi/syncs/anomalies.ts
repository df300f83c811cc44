import { sync } from 'sluice'
import { oddTrips } from '../anomalies/trips.js'
import { documents, warehouse } from '../stores.js'

export const anomaliesToWarehouse = sync(oddTrips.results, {
  name: 'anomalies_to_warehouse',
  to: warehouse.table('anomalies_taxi'),
  key: ['trip_id', 'method'],
  rename: { trip_id: 'record_id' },
  except: ['threshold'],
})

export const anomaliesToDocuments = sync(oddTrips.results, {
  name: 'anomalies_to_documents',
  to: documents.table('anomalies_taxi', { indexes: [{ columns: ['method', 'score'] }, { columns: ['feature'] }] }),
  key: ['trip_id', 'method'],
  rename: { trip_id: 'record_id' },
  except: ['threshold'],
})
