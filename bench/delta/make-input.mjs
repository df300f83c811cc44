// Writes what the cases work with, from the nyc-taxi example's synthetic trips: node make-input.mjs <folder> [rows] [seed]
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { open, quote } from '../nyc-taxi/duckdb.mjs'
import { sizesFor } from './cases.mjs'

const [folder, rows = '3000000', seed = '42'] = process.argv.slice(2)
if (!folder || !/^\d+$/.test(rows) || !/^\d+$/.test(seed)) {
  console.error('usage: node make-input.mjs <folder> [rows] [seed]')
  process.exit(2)
}

const sizes = sizesFor(Number(rows))
const total = sizes.rows + sizes.appended
const generator = await readFile(new URL('../../examples/nyc-taxi/synthetic/trips.sql', import.meta.url), 'utf8')
await mkdir(folder, { recursive: true })
const connection = await open(folder, { memory: '1GB' })
// Nineteen columns: the TLC's, with a key in place of a charge that is always the same.
await connection.run(`create temp table trips as
  select row_number() over () - 1 as trip_id, * exclude (_source_file, _source_row, mta_tax)
    replace (tpep_pickup_datetime at time zone 'UTC' as tpep_pickup_datetime, tpep_dropoff_datetime at time zone 'UTC' as tpep_dropoff_datetime)
  from (${generator.replaceAll('$rows', String(total)).replaceAll('$seed', seed)})`)

const changed = 'select * replace (total_amount + 1 as total_amount) from trips'
const half = Math.floor(sizes.merged / 2)
const inFile12 = 12 * sizes.perFile
const apart = Math.floor(sizes.rows / sizes.merged)
const upsertApart = Math.floor(sizes.upsertFile / sizes.upserted)
const queries = {
  base: `from trips where trip_id < ${sizes.rows} order by trip_id`,
  append: `from trips where trip_id >= ${sizes.rows} order by trip_id`,
  'merge-one': `${changed} where trip_id between ${inFile12} and ${inFile12 + half - 1} or trip_id between ${sizes.rows} and ${sizes.rows + half - 1}`,
  'merge-all': `${changed} where trip_id % ${apart} = 0 and trip_id < ${sizes.merged * apart}`,
  upsert: `${changed} where trip_id between ${2 * sizes.upsertFile} and ${3 * sizes.upsertFile - 1}
    and (trip_id - ${2 * sizes.upsertFile}) % ${upsertApart} = 0 order by trip_id limit ${sizes.upserted}`,
}
for (const [name, query] of Object.entries(queries)) {
  await connection.run(`copy (${query}) to ${quote(join(folder, `${name}.parquet`))} (format parquet, compression zstd)`)
}
connection.closeSync()
