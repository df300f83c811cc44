import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'

/** A connection with the settings every run of this benchmark has; what does not fit in memory goes to a folder inside `folder`. */
export async function open(folder, { memory = '256MB', threads = 2 } = {}) {
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: memory,
    threads: String(threads),
    temp_directory: join(folder, '.spill'),
  })
  const connection = await instance.connect()
  await connection.run("set TimeZone = 'UTC'")
  return connection
}

/** A string as an SQL literal. */
export const quote = (text) => `'${text.replaceAll("'", "''")}'`
