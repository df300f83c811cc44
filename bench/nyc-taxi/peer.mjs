// The same work without Sluice, as plain SQL (peer.sql): node peer.mjs <input-glob> <out-folder> [--timings]
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { open, quote } from './duckdb.mjs'

const [input, out, timings] = process.argv.slice(2)
if (!input || !out) {
  console.error('usage: node peer.mjs <input-glob> <out-folder> [--timings]')
  process.exit(2)
}

const started = performance.now()
await mkdir(out, { recursive: true })
const script = await readFile(new URL('peer.sql', import.meta.url), 'utf8')
const zones = await readFile(new URL('../../examples/nyc-taxi/synthetic/zones.sql', import.meta.url), 'utf8')
const values = { $input: input.replaceAll("'", "''"), $out: out.replaceAll("'", "''"), $zones: zones }
const connection = await open(out, { memory: process.env.SLUICE_MEMORY, threads: process.env.SLUICE_THREADS })
for (const statement of script.split(/;$/m)) {
  if (!/\S/.test(statement)) continue
  const began = performance.now()
  // A function, so that `$'` in the SQL is not taken for a pattern.
  await connection.run(statement.replaceAll(/\$(input|out|zones)\b/g, (name) => values[name]))
  if (timings)
    console.error(
      `${Math.round(performance.now() - began)} ms: ${statement.replaceAll(/--.*$/gm, '').replaceAll(/\s+/g, ' ').trim().slice(0, 60)}`,
    )
}

const count = async (table) => {
  const counted = await connection.runAndReadAll(`select count(*) from ${quote(join(out, `${table}.parquet`))}`)
  return Number(counted.getRows()[0][0])
}
const tables = [
  'bronze_raw_trips',
  'silver_trips',
  'quarantine_trips',
  'gold_revenue_by_day_and_zone',
  'gold_hourly_demand',
  'gold_payment_mix_by_month',
]
const rows = {}
for (const table of tables) rows[table] = await count(table)
console.log(JSON.stringify({ durationMs: Math.round(performance.now() - started), rows }))
