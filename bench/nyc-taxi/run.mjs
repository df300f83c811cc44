// The nyc-taxi pipeline, by Sluice and by plain SQL, in turn: node bench/nyc-taxi/run.mjs [--rows 3000000] [--runs 5] [--memory 256MB] [--threads 2] [--json]
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { availableParallelism, loadavg, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { version as duckdb } from '@duckdb/node-api'
import { open, quote } from './duckdb.mjs'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '3000000' },
    runs: { type: 'string', default: '5' },
    memory: { type: 'string', default: '256MB' },
    threads: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
})
const runs = Number(values.runs)
if (!/^[1-9]\d*$/.test(values.rows) || !Number.isInteger(runs) || runs < 1) {
  console.error('usage: node bench/nyc-taxi/run.mjs [--rows N] [--runs N] [--memory 256MB] [--threads N] [--json]')
  process.exit(2)
}

const root = fileURLToPath(new URL('../..', import.meta.url))
const sluice = join(root, 'bin/sluice.js')
const project = join(root, 'examples/nyc-taxi')
const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const log = (text) => (values.json ? console.error(text) : console.log(text))
// The program under way is ended, and its end is what takes this one to its cleaning up.
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop.abort())

const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
try {
  const result = await compare()
  if (values.json) console.log(JSON.stringify(result, null, 2))
  else print(result)
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function compare() {
  log(`making ${values.rows} trips`)
  await node([here('make-input.mjs'), join(folder, 'input'), values.rows])
  const contenders = { sluice: runSluice, peer: runPeer }
  const measured = { sluice: [], peer: [] }
  for (let run = 0; run <= runs; run++) {
    const answers = {}
    for (const [name, contender] of Object.entries(contenders)) {
      const lake = join(folder, `${name}-${run}`)
      const load = loadavg()[0]
      const { usage, answer, detail } = await contender(lake, join(folder, 'input', '*.parquet'))
      await rm(lake, { recursive: true, force: true })
      answers[name] = answer
      if (run > 0) measured[name].push({ ...usage, loadBefore: Number(load.toFixed(1)), detail })
      log(`${run === 0 ? 'warm-up' : `run ${run}`}  ${name.padEnd(6)}  ${line(usage)}  load before ${load.toFixed(1)}`)
    }
    requireSame(answers)
  }
  const medians = Object.fromEntries(Object.entries(measured).map(([name, all]) => [name, medianOf(all)]))
  const ratio = Object.fromEntries(
    Object.keys(medians.peer).map((key) => [key, Number((medians.sluice[key] / medians.peer[key]).toFixed(2))]),
  )
  return {
    rows: Number(values.rows),
    runs,
    memory: values.memory,
    threads: Number(values.threads),
    machine: { processors: availableParallelism(), memoryGb: Math.round(totalmem() / 2 ** 30), node: process.version, duckdb: duckdb() },
    medians,
    ratio,
    measured,
  }
}

async function runSluice(lake, input) {
  const run = await node([sluice, 'run', '--project', project, '--lake', lake, '--var', `input=${input}`, '--json'])
  const document = JSON.parse(run.stdout)
  const trips = document.steps.find((step) => step.dataset === 'silver.trips')
  const reasons = Object.fromEntries(trips.expectations.filter((one) => one.failed > 0).map((one) => [one.name, one.failed]))
  const ask = async (sql) => JSON.parse((await node([sluice, 'query', sql, '--project', project, '--lake', lake, '--json'])).stdout).rows
  const tables = {
    trips: 'silver.trips',
    revenue: 'gold.revenue_by_day_and_zone',
    hours: 'gold.hourly_demand',
    payments: 'gold.payment_mix_by_month',
  }
  return {
    usage: run.usage,
    detail: Object.fromEntries(document.steps.map((step) => [step.dataset, step.durationMs])),
    answer: {
      accepted: trips.rowsAccepted,
      held: trips.rowsQuarantined,
      reasons: sorted(reasons),
      totals: (await ask(totalsSql(tables)))[0],
    },
  }
}

async function runPeer(lake, input) {
  const run = await node([here('peer.mjs'), input, lake])
  const table = (name) => quote(join(lake, `${name}.parquet`))
  const connection = await open(lake)
  const ask = async (sql) => (await connection.runAndReadAll(sql)).getRowObjectsJson()
  const held = await ask(
    `select reason, count(*)::int as n from (select unnest(_reasons) as reason from ${table('quarantine_trips')}) group by all`,
  )
  const tables = {
    trips: table('silver_trips'),
    revenue: table('gold_revenue_by_day_and_zone'),
    hours: table('gold_hourly_demand'),
    payments: table('gold_payment_mix_by_month'),
  }
  const document = JSON.parse(run.stdout)
  const answer = {
    accepted: document.rows.silver_trips,
    held: document.rows.quarantine_trips,
    reasons: sorted(Object.fromEntries(held.map(({ reason, n }) => [reason, n]))),
    totals: (await ask(totalsSql(tables)))[0],
  }
  connection.closeSync()
  return { usage: run.usage, detail: { insideMs: document.durationMs }, answer }
}

/** Every accepted trip's identity folded into one number, and the totals of each gold table. */
function totalsSql({ trips, revenue, hours, payments }) {
  return `select
    (select bit_xor(hash(trip_id, pickup_at, dropoff_at, total_amount))::varchar from ${trips}) as trips,
    (select concat_ws(' ', count(*), sum(trips), sum(passengers), sum(fares), sum(tips), sum(revenue), count(zone)) from ${revenue}) as revenue,
    (select concat_ws(' ', count(*), sum(trips), round(sum(mean_minutes * trips)), round(sum(mean_total * trips))) from ${hours}) as hours,
    (select concat_ws(' ', count(*), sum(trips), sum(revenue), sum(tips)) from ${payments}) as payments`
}

function requireSame({ sluice, peer }) {
  if (JSON.stringify(sluice) === JSON.stringify(peer)) return
  throw new Error(`the two differ:\nsluice ${JSON.stringify(sluice)}\npeer   ${JSON.stringify(peer)}`)
}

/** Runs a Node program to its end: its whole wall time, and the kernel's count of its memory and processor time. */
async function node(args) {
  const usage = join(folder, 'usage.json')
  const env = { ...process.env, SLUICE_MEMORY: values.memory, SLUICE_THREADS: values.threads, BENCH_USAGE: usage }
  const began = performance.now()
  const child = spawn(process.execPath, ['--import', new URL('usage.mjs', import.meta.url).href, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: stop.signal,
  })
  const output = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr']) {
    child[stream].setEncoding('utf8').on('data', (text) => {
      output[stream] += text
    })
  }
  // Stopped or not, it has let go of its folder once it is closed.
  child.on('error', () => {})
  const code = await new Promise((resolve) => child.once('close', resolve))
  const wallMs = Math.round(performance.now() - began)
  if (stop.signal.aborted) throw new Error('stopped')
  if (code !== 0) throw new Error(`${args.slice(0, 2).join(' ')} ended with ${code}\n${output.stderr}${output.stdout.slice(0, 2000)}`)
  return { stdout: output.stdout, usage: { wallMs, ...JSON.parse(await readFile(usage, 'utf8')) } }
}

function medianOf(all) {
  const middle = (key) => {
    const sortedValues = all.map((one) => one[key]).sort((a, b) => a - b)
    const half = sortedValues.length / 2
    return sortedValues.length % 2 === 1 ? sortedValues[Math.floor(half)] : Math.round((sortedValues[half - 1] + sortedValues[half]) / 2)
  }
  return { wallMs: middle('wallMs'), cpuMs: middle('cpuMs'), peakMb: middle('peakMb') }
}

function sorted(record) {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function line({ wallMs, cpuMs, peakMb }) {
  return `${(wallMs / 1000).toFixed(1).padStart(6)} s  ${(cpuMs / 1000).toFixed(1).padStart(6)} s of processor  ${String(peakMb).padStart(5)} MB`
}

function print({ rows, medians, ratio, machine }) {
  log(
    `\n${rows} trips, medians of ${runs}; ${machine.processors} processors, ${machine.memoryGb} GiB, Node ${machine.node}, DuckDB ${machine.duckdb}`,
  )
  for (const [name, median] of Object.entries(medians)) log(`${name.padEnd(6)}  ${line(median)}`)
  log(`ratio   ${ratio.wallMs} in wall time, ${ratio.cpuMs} in processor time, ${ratio.peakMb} in peak memory`)
}
