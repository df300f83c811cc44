// Sluice's Isolation Forest beside scikit-learn's, and beside a better recipe: node bench/anomaly/run.mjs --help
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'

const PARTS = ['adbench', 'time', 'trips']
const { values } = parseArgs({
  options: {
    part: { type: 'string', multiple: true, default: PARTS },
    data: { type: 'string', default: process.env.SLUICE_TEST_DATA ?? '../shared/data' },
    seeds: { type: 'string', default: '5' },
    rows: { type: 'string', multiple: true, default: ['50000', '3000000'] },
    runs: { type: 'string', default: '5' },
    python: { type: 'string', default: '/usr/bin/python3' },
    out: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
const usage = `usage: node bench/anomaly/run.mjs [options], after npm run build

  --part NAME    adbench, time or trips; may be repeated, all of them unless told
  --data FOLDER  where adbench/ and nyc-yellow/ lie: SLUICE_TEST_DATA, else ../shared/data
  --seeds N      forests a set, each of another seed, whose AUC is averaged; 5 unless told
  --rows N       rows of 3 columns to fit and score; may be repeated, 50000 and 3000000 unless told
  --runs N       measured runs of each side after a warm-up, 5 unless told; medians are compared
  --python PATH  a Python with scikit-learn, /usr/bin/python3 unless told (Debian's python3-sklearn)
  --out FILE     writes everything measured as JSON

parts
  adbench  AUC of forests of 100 trees on 256 rows each, ours and scikit-learn's, on the sets of ADBench
  time     fit and score of such a forest: a process of its own for scikit-learn, whose start is not counted; sides in turn
  trips    real trips with 1,801 injected ones: of as many rows, those that a method finds oddest, the share that was injected`
const [seeds, runs] = [Number(values.seeds), Number(values.runs)]
if (values.help) {
  console.log(usage)
  process.exit(0)
}
if (!(seeds >= 1 && runs >= 1 && values.rows.every((rows) => Number(rows) >= 1000) && values.part.every((part) => PARTS.includes(part)))) {
  console.error(usage)
  process.exit(2)
}
const dist = (path) => new URL(`../../dist/${path}`, import.meta.url)
if (!existsSync(dist('anomaly/index.js'))) {
  console.error('There is no dist to measure. Run `npm run build` first.')
  process.exit(2)
}
const { anomalies, calibrate, detect, fitForest, isolationForest, mad, scoreForest } = await import(dist('anomaly/index.js'))
const { duckdb, sql } = await import(dist('engine/index.js'))
const { column, nameColumns, RELATION } = await import(dist('schema/index.js'))

const call = promisify(execFile)
const peerFile = fileURLToPath(new URL('peer.py', import.meta.url))
const peer = async (...parameters) => JSON.parse((await call(values.python, [peerFile, ...parameters.map(String)])).stdout)

const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
const result = { machine: { processors: availableParallelism(), node: process.version, load: loadavg()[0] } }
try {
  if (values.part.includes('adbench')) result.adbench = await adbench()
  if (values.part.includes('time')) result.time = await times()
  if (values.part.includes('trips')) result.trips = await trips()
  if (values.out !== undefined) await writeFile(values.out, `${JSON.stringify(result, null, 2)}\n`)
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function adbench() {
  console.log(`\nAUC, mean of ${seeds} seeds\n${line('set', 'rows', 'columns', 'ours', 'sklearn', 'difference')}`)
  const names = (await readdir(join(values.data, 'adbench'))).filter((name) => name.endsWith('.npz')).sort()
  const sets = []
  for (const name of names) {
    const [path, dumped] = [join(values.data, 'adbench', name), join(folder, 'set.f64')]
    const { rows, dimensions, anomalies: labelled } = await peer('dump', path, dumped)
    const columns = columnsOf(await readFile(dumped), dimensions + 1)
    const labels = columns.pop()
    const numbers = Array.from({ length: seeds }, (_, index) => index + 1)
    const ours = []
    for (const seed of numbers) ours.push(areaUnderCurve(await scoreForest(fitForest(columns, { seed }), columns), labels))
    const theirs = (await peer('auc', path, 100, ...numbers)).auc
    const set = {
      name: name.replace('.npz', ''),
      rows,
      dimensions,
      labelled,
      ours: mean(ours),
      sklearn: mean(theirs),
      each: { ours, theirs },
    }
    sets.push(set)
    const shown = [set.ours, set.sklearn, set.ours - set.sklearn].map((auc) => auc.toFixed(3))
    console.log(line(set.name, rows, dimensions, ...shown))
  }
  return sets
}

async function times() {
  const shapes = []
  for (const rows of values.rows.map(Number)) {
    const path = join(folder, 'columns.f64')
    const columns = randomColumns(rows, 3)
    await writeFile(path, Buffer.concat(columns.map((one) => Buffer.from(one.buffer))))
    const sides = {
      ours: () => timeOurs(columns, availableParallelism()),
      'ours, one thread': () => timeOurs(columns, 1),
      sklearn: async () => (await peer('time', path, 3, 1)).milliseconds,
    }
    const measured = Object.fromEntries(Object.keys(sides).map((side) => [side, []]))
    for (let run = 0; run <= runs; run++) {
      // Each side goes first as often as the others.
      const order = Object.keys(sides)
      for (let index = 0; index < order.length; index++) {
        const side = order[(index + run) % order.length]
        const milliseconds = await sides[side]()
        if (run > 0) measured[side].push(milliseconds)
      }
    }
    const medians = Object.fromEntries(Object.entries(measured).map(([side, all]) => [side, median(all)]))
    shapes.push({ rows, medians, ratio: medians.sklearn / medians.ours, measured })
    console.log(`\nfit and score ${rows} rows x 3, median of ${runs}, load ${loadavg()[0].toFixed(1)}`)
    for (const [side, milliseconds] of Object.entries(medians))
      console.log(line(side, `${milliseconds.toFixed(0)} ms`, `${(medians.sklearn / milliseconds).toFixed(1)}x`))
  }
  return shapes
}

async function timeOurs(columns, threads) {
  const started = performance.now()
  await scoreForest(fitForest(columns), columns, { threads })
  return performance.now() - started
}

/**
 * Real yellow-taxi trips that bounds on single columns let through, 1,801 of which are made odd, a fifth in each of five ways: the fare ten times as much (a slipped decimal point), a
 * tenth of it, the distance in hundreds of feet (53 times), the ride twenty times as long (a meter left on), a total of a fifth of the fare.
 */
async function trips() {
  const injected = 1_801
  const file = join(values.data, 'nyc-yellow', 'yellow_240k_tlc_columns.parquet')
  const engine = duckdb({ temporaryFolder: join(folder, 'engine') })
  const session = await engine.connect()
  try {
    await session.execute(`CREATE TEMP TABLE trips AS
      WITH usual AS (
        SELECT row_number() OVER () AS trip_id, RatecodeID::INTEGER AS rate_code_id, fare_amount, trip_distance, total_amount,
          date_diff('second', tpep_pickup_datetime, tpep_dropoff_datetime) / 60.0 AS minutes
        FROM read_parquet('${file.replaceAll("'", "''")}')
        WHERE fare_amount BETWEEN 3 AND 200 AND trip_distance BETWEEN 0.5 AND 50 AND total_amount BETWEEN fare_amount AND 300
            AND minutes BETWEEN 2 AND 120
      ), chosen AS (
        SELECT *, CASE WHEN row_number() OVER (ORDER BY hash(trip_id, 7), trip_id) <= ${injected} THEN hash(trip_id, 11) % 5 ELSE 9 END AS way FROM usual
      )
      SELECT trip_id, rate_code_id, way < 9 AS injected, way,
        fare_amount * CASE way WHEN 0 THEN 10 WHEN 1 THEN 0.1 ELSE 1 END AS fare_amount,
        trip_distance * CASE way WHEN 2 THEN 53 ELSE 1 END AS trip_distance,
        minutes * CASE way WHEN 3 THEN 20 ELSE 1 END AS minutes,
        CASE way WHEN 0 THEN total_amount + fare_amount * 9 WHEN 1 THEN total_amount - fare_amount * 0.9 WHEN 4 THEN fare_amount * 0.2 ELSE total_amount END AS total_amount
      FROM chosen`)
    const [{ rows }] = await session.rows('SELECT count(*) AS rows FROM trips')
    const columns = nameColumns({
      trip_id: column.long(),
      rate_code_id: column.integer(),
      fare_amount: column.double(),
      trip_distance: column.double(),
      total_amount: column.double(),
      minutes: column.double(),
    })
    const of = { [RELATION]: true, name: 'trips', columns }
    const raw = { fare_amount: 'fare_amount', trip_distance: 'trip_distance', total_amount: 'total_amount' }
    const ratios = {
      fare_per_mile: sql`ln(fare_amount / trip_distance)`,
      total_per_fare: sql`ln(total_amount / fare_amount)`,
      miles_per_minute: sql`ln(trip_distance / minutes)`,
    }
    const group = ['rate_code_id']
    const floor = 0.05
    const recipes = {
      'forest, raw columns': (threshold) => ({ features: raw, methods: [isolationForest({ threshold })] }),
      'forest, log ratios': (threshold) => ({ features: ratios, methods: [isolationForest({ threshold })] }),
      'MAD, raw columns': (threshold) => ({ features: raw, methods: [mad({ threshold })] }),
      'MAD, log ratios': (threshold) => ({ features: ratios, methods: [mad({ threshold, floor })] }),
      'MAD, log ratios, by rate code': (threshold) => ({ features: ratios, group, methods: [mad({ threshold, floor })] }),
    }
    const context = { relation: () => 'trips', changed: () => 'trips', values: {}, secrets: 'read' }
    console.log(`\n${rows} real trips, ${injected} of them made odd: precision at ${injected}\n${line('recipe', 'precision', 'seconds')}`)
    const found = []
    for (const [recipe, define] of Object.entries(recipes)) {
      const definition = (threshold) => anomalies('odd_trips', { of, key: ['trip_id'], ...define(threshold) })
      const calibrated = await calibrate(session, 'SELECT * FROM trips', definition(0.6), { context, wantedShare: injected / Number(rows) })
      const started = performance.now()
      const { relation } = await detect(session, 'SELECT * FROM trips', definition(calibrated.methods[0].wantedThreshold), { context })
      const seconds = (performance.now() - started) / 1000
      const [told] = await session.rows(
        `SELECT count(*) AS flagged, count(*) FILTER (injected) AS hits FROM ${relation} JOIN trips USING (trip_id)`,
      )
      const ways = await session.rows(`SELECT way, count(*) AS all_of_it, count(${relation}.trip_id) AS hits
        FROM trips LEFT JOIN ${relation} USING (trip_id) WHERE injected GROUP BY way ORDER BY way`)
      const precision = Number(told.hits) / injected
      const byWay = ways.map((one) => Number(one.hits) / Number(one.all_of_it))
      found.push({ recipe, precision, flagged: Number(told.flagged), seconds, byWay })
      console.log(`${line(recipe, precision.toFixed(3), seconds.toFixed(2))}  ${byWay.map((share) => share.toFixed(2)).join(' ')}`)
    }
    return { rows: Number(rows), injected, recipes: found }
  } finally {
    await session.close()
    await engine.close()
  }
}

function columnsOf(bytes, count) {
  const copy = new Float64Array(bytes.length / 8)
  new Uint8Array(copy.buffer).set(bytes)
  return Array.from({ length: count }, (_, index) => copy.slice((index * copy.length) / count, ((index + 1) * copy.length) / count))
}

/** Log-normal columns, as money and distances are; the same each time. */
function randomColumns(rows, count) {
  let state = 42
  const random = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  return Array.from({ length: count }, () => Float64Array.from({ length: rows }, () => Math.exp(normal())))
}

/** The share of pairs of an anomaly and a usual row in which the anomaly has the greater score; equal scores count half. */
function areaUnderCurve(scores, labels) {
  const order = [...scores.keys()].sort((one, other) => scores[one] - scores[other])
  let [ranks, anomalous] = [0, 0]
  for (let from = 0; from < order.length; ) {
    let to = from
    while (to < order.length && scores[order[to]] === scores[order[from]]) to++
    for (let index = from; index < to; index++) {
      if (labels[order[index]] !== 1) continue
      ranks += (from + to + 1) / 2
      anomalous++
    }
    from = to
  }
  return (ranks - (anomalous * (anomalous + 1)) / 2) / (anomalous * (order.length - anomalous))
}

function mean(numbers) {
  return numbers.reduce((sum, one) => sum + one, 0) / numbers.length
}

function median(numbers) {
  const sorted = numbers.toSorted((one, other) => one - other)
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2
}

function line(name, ...cells) {
  return `${String(name).padEnd(30)}${cells.map((cell) => String(cell).padStart(11)).join('')}`
}
