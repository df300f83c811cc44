import { defineProject } from 'sluice'
import { documents, warehouse } from './stores.js'

export default defineProject({
  name: 'nyc-taxi',
  lake: './lake',
  engine: { memory: '512MB' },
  stores: { warehouse, documents },
  records: { operations: warehouse.table('db_metrics'), batches: warehouse.table('etl_metrics') },
})
