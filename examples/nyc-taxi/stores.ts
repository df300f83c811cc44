import { env, firstConfigured } from 'sluice'
import { duckdb } from 'sluice/stores/duckdb'
import { mongodb } from 'sluice/stores/mongodb'
import { mysql } from 'sluice/stores/mysql'

/** MySQL 8 or MariaDB; a DuckDB file while MYSQL_URL is not set. */
export const warehouse = firstConfigured(mysql({ url: env('MYSQL_URL') }), duckdb({ path: 'target/warehouse.duckdb' }))

/** MongoDB; a DuckDB file while MONGODB_URL is not set. */
export const documents = firstConfigured(mongodb({ url: env('MONGODB_URL') }), duckdb({ path: 'target/documents.duckdb' }))
