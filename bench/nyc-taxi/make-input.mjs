// Writes synthetic trips as twelve monthly Parquet files in the TLC's shape: node make-input.mjs <folder> [rows] [seed]
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { open, quote } from './duckdb.mjs'

const [folder, rows = '3000000', seed = '42'] = process.argv.slice(2)
if (!folder || !/^\d+$/.test(rows) || !/^\d+$/.test(seed)) {
  console.error('usage: node make-input.mjs <folder> [rows] [seed]')
  process.exit(2)
}

const generator = await readFile(new URL('../../examples/nyc-taxi/synthetic/trips.sql', import.meta.url), 'utf8')
const query = generator.replaceAll('$rows', rows).replaceAll('$seed', seed)

await mkdir(folder, { recursive: true })
const started = performance.now()
const connection = await open(folder)
await connection.run(`create temp table trips as ${query}`)
const files = await connection.runAndReadAll('select distinct _source_file as file from trips order by file')
for (const { file } of files.getRowObjectsJson()) {
  const path = join(folder, `${file.split('/').at(-1)}.parquet`)
  await connection.run(`
    copy (select * exclude (_source_file, _source_row) from trips where _source_file = ${quote(file)})
    to ${quote(path)} (format parquet, compression zstd)`)
}
console.log(JSON.stringify({ durationMs: Math.round(performance.now() - started), rows: Number(rows), files: files.currentRowCount }))
