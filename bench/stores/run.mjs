// Syncs and reconciliation beside what else does the same, in turn: node bench/stores/run.mjs --help
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, loadavg, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { TRIP_COLUMNS } from './columns.mjs'
import { servers } from './servers.mjs'

const PARTS = ['load', 'sync', 'reconcile']
const KEYS = ['trip_id', 'record_id']
const PEERS = ['inserts', 'upserts']
const RELADIFF = 'reladiff[mysql,postgresql]==0.6.0'
/** Rows and documents a second of the system that this one is measured against. */
const REFERENCE = { load: 2_222, sync: 6_600 }

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    documents: { type: 'string', default: '100000' },
    only: { type: 'string', default: PARTS.join(',') },
    repeats: { type: 'string', default: '3' },
    key: { type: 'string', default: KEYS.join(',') },
    peers: { type: 'string', default: PEERS.join(',') },
    data: { type: 'string', default: process.env.SLUICE_TEST_DATA ?? '../shared/data' },
    reladiff: { type: 'string' },
    threads: { type: 'string', default: '2' },
    out: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
const usage = `usage: node bench/stores/run.mjs [options], after npm run build and npm run services -- up mysql postgres mongodb

  --rows N         trips, 1000000 unless told: real ones, drawn again and again, each with an id of its own
  --documents N    of these, the ones that go to MongoDB, 100000 unless told
  --only PARTS     load, sync, reconcile; all of them unless told
  --repeats N      measured runs of each side after a warm-up, 3 unless told; medians are compared
  --key NAMES      keys to reconcile by: trip_id, a whole number; record_id, text; both unless told
  --peers NAMES    what the driver is given in sync: inserts, upserts; both unless told, and upserts take four times as long
  --data FOLDER    where nyc-yellow/ lies: SLUICE_TEST_DATA, else ../shared/data
  --reladiff PATH  the program; unless told it is installed by pip, once, into ${join(tmpdir(), 'sluice-bench-reladiff')}
  --threads N      reladiff's threads for each database, 2 unless told: a sync or a reconciliation of ours has two connections
  --out FILE       writes everything measured as JSON

parts
  load       sluice sync of silver.trips into MySQL's taxi_trips, beside the mariadb client's LOAD DATA of ready lines into the same table
  sync       sluice sync of taxi_trips to MongoDB, beside the bare driver's bulkWrite of the same documents, ready in memory, in the
             same batches; and how fast rows are read and made into BSON that goes nowhere
  reconcile  sluice reconcile of MySQL and PostgreSQL, row by row, beside reladiff, with no difference, 300 side by side, and 10 % anywhere

It needs MYSQL_URL, POSTGRES_URL and MONGODB_URL, and makes a database of its own on each, which it drops at the end.
"inside" is the work itself, "whole" has the start of Node in it.`
const [rows, documents, repeats] = [Number(values.rows), Number(values.documents), Number(values.repeats)]
const [only, keys, peers] = [values.only.split(','), values.key.split(','), values.peers.split(',')]
const wrong = (problem) => {
  console.error(`${problem}\n\n${usage}`)
  process.exit(2)
}
if (values.help) {
  console.log(usage)
  process.exit(0)
}
if (!(Number.isInteger(rows) && rows >= 10_000)) wrong('rows: at least 10000')
if (!(Number.isInteger(documents) && documents >= 1)) wrong('documents: at least 1')
if (!(Number.isInteger(repeats) && repeats >= 1)) wrong('repeats: at least 1')
if (!only.every((part) => PARTS.includes(part))) wrong(`only: ${PARTS.join(', ')}`)
if (!keys.every((key) => KEYS.includes(key))) wrong(`key: ${KEYS.join(', ')}`)
if (!peers.every((peer) => PEERS.includes(peer))) wrong(`peers: ${PEERS.join(', ')}`)
for (const name of ['MYSQL_URL', 'POSTGRES_URL', 'MONGODB_URL']) if (!process.env[name]) wrong(`${name} is not set`)

const root = fileURLToPath(new URL('../..', import.meta.url))
const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const example = join(root, 'examples/nyc-taxi')
// The program under way is ended, and its end is what takes this one to its cleaning up.
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop.abort())

const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
const lake = join(folder, 'lake')
const lines = join(folder, 'trips.tsv')
const name = `sluice_bench_${randomBytes(4).toString('hex')}`
const trips = servers(process.env, name)
const fewer = servers(process.env, `${name}_documents`)
const environment = (one) => ({ ...process.env, ...one.own, SLUICE_THREADS: undefined })
const result = {
  rows,
  documents: Math.min(documents, rows),
  repeats,
  machine: { processors: availableParallelism(), memoryGb: Math.round(totalmem() / 2 ** 30), node: process.version },
}
try {
  const reladiff = only.includes('reconcile') ? await reladiffProgram() : undefined
  result.versions = {
    ...(await trips.versions()),
    driver: JSON.parse(await readFile(join(root, 'node_modules/mongodb/package.json'), 'utf8')).version,
    client: (await ended('mariadb', ['--version'])).stdout.trim(),
    ...(reladiff === undefined ? {} : { reladiff: (await ended(reladiff, ['--version'])).stdout.trim() }),
  }
  console.log(
    Object.entries({ ...result.machine, ...result.versions })
      .map(([what, version]) => `${what} ${version}`)
      .join(', '),
  )
  console.log(`drawing ${count(rows)} trips`)
  await node([here('make-input.mjs'), folder, String(rows), values.data])
  for (const one of [trips, fewer]) {
    await one.make()
    await sluice(['migrate', 'up'], one)
  }
  await trips.mysql('CREATE TABLE peer_trips LIKE taxi_trips')
  if (only.includes('load')) result.load = await load()
  else await loadByClient('taxi_trips')
  await trips.mysql('ANALYZE TABLE taxi_trips')
  if (only.includes('sync')) result.sync = await sync()
  if (only.includes('reconcile')) result.reconcile = await reconcile(reladiff)
  if (values.out !== undefined) await writeFile(values.out, `${JSON.stringify(result, null, 2)}\n`)
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
} finally {
  await rm(folder, { recursive: true, force: true })
  for (const one of [fewer, trips]) await one.drop().catch((error) => console.error(`${error.message}: ${name} was left behind`))
}

/** silver.trips into taxi_trips. */
async function load() {
  const sides = {
    sluice: async () => {
      await trips.mysql('TRUNCATE TABLE taxi_trips')
      const { wallMs, stdout } = await sluice(['sync', 'trips_to_warehouse', '--full'], trips)
      const [done] = JSON.parse(stdout).syncs
      require(done.mode === 'load' && done.inserted === rows && done.deadLettered === 0, `the sync did otherwise: ${JSON.stringify(done)}`)
      return { insideMs: done.durationMs, wholeMs: wallMs }
    },
    client: async () => {
      await trips.mysql('TRUNCATE TABLE peer_trips')
      const { wallMs } = await loadByClient('peer_trips')
      return { insideMs: wallMs, wholeMs: wallMs }
    },
  }
  const same = async () => {
    const [ours, theirs] = [await contents('taxi_trips'), await contents('peer_trips')]
    require(JSON.stringify(ours) === JSON.stringify(theirs) &&
      Number(ours.found) === rows, `the tables differ: ${JSON.stringify({ ours, theirs })}`)
  }
  const measured = await inTurn('load', sides, same)
  await trips.mysql('TRUNCATE TABLE peer_trips')
  const perSecond = (milliseconds) => Math.round((rows / milliseconds) * 1000)
  const medians = mediansOf(measured)
  const found = {
    rowsPerSecond: {
      inside: perSecond(medians.sluice.insideMs),
      whole: perSecond(medians.sluice.wholeMs),
      client: perSecond(medians.client.wholeMs),
    },
    ofClient: { inside: medians.client.wholeMs / medians.sluice.insideMs, whole: medians.client.wholeMs / medians.sluice.wholeMs },
    ofReference: perSecond(medians.sluice.insideMs) / REFERENCE.load,
    measured,
  }
  console.log(`\nload of ${count(rows)} rows of ${TRIP_COLUMNS.length} columns into 5 indexes, medians of ${repeats}`)
  console.log(line('sluice sync, inside', `${count(found.rowsPerSecond.inside)} rows/s`))
  console.log(line('sluice sync, whole', `${count(found.rowsPerSecond.whole)} rows/s`))
  console.log(line('mariadb client', `${count(found.rowsPerSecond.client)} rows/s`))
  console.log(
    line('ours of the client', `${found.ofClient.inside.toFixed(2)} inside`, `${found.ofClient.whole.toFixed(2)} whole (goal 0.8)`),
  )
  console.log(line('times the reference', `${found.ofReference.toFixed(0)} of ${count(REFERENCE.load)} rows/s (goal 100)`))
  return found
}

/** taxi_trips into a collection. */
async function sync() {
  const columns = ['trip_id', ...TRIP_COLUMNS.map(({ table }) => table), 'created_at', 'updated_at'].join(', ')
  await fewer.mysql(
    `INSERT INTO taxi_trips (${columns}) SELECT ${columns} FROM ${name}.taxi_trips ORDER BY trip_id LIMIT ${result.documents}; ANALYZE TABLE taxi_trips`,
  )
  const about = { table: 'taxi_trips', except: ['updated_at'], key: 'trip_id' }
  const bare = (mode) => async () => {
    await fewer.mongodb((database) =>
      database
        .collection(`peer_${mode}`)
        .drop()
        .catch(() => {}),
    )
    const { wallMs, stdout } = await node([here('documents.mjs'), JSON.stringify({ ...about, mode, into: `peer_${mode}` })], fewer)
    const done = JSON.parse(stdout)
    require(done.written === result.documents, `the driver wrote otherwise: ${stdout}`)
    return { insideMs: done.milliseconds, wholeMs: wallMs }
  }
  const sides = {
    sluice: async () => {
      await fewer.mongodb(async (database) => {
        for (const collection of ['taxi_trips', 'sluice_state', 'sluice_shapes'])
          await database
            .collection(collection)
            .drop()
            .catch(() => {})
      })
      const { wallMs, stdout } = await sluice(['sync', 'trips_to_documents', '--full'], fewer)
      const [done] = JSON.parse(stdout).syncs
      const held = await fewer.mongodb((database) => database.collection('taxi_trips').countDocuments())
      const right = done.mode === 'load' && done.inserted === result.documents && done.deadLettered === 0 && held === result.documents
      require(right, `the sync did otherwise: ${JSON.stringify({ ...done, held })}`)
      return { insideMs: done.durationMs, wholeMs: wallMs }
    },
    ...Object.fromEntries(peers.map((mode) => [mode, bare(mode)])),
  }
  let proven = false
  const same = async () => {
    if (proven) return
    await sluice(['reconcile', 'trips_to_documents', '--level', 'rows'], fewer)
    const sizes = await fewer.mongodb((database) =>
      Promise.all(['taxi_trips', ...peers.map((mode) => `peer_${mode}`)].map((one) => digestOf(database.collection(one)))),
    )
    require(new Set(sizes).size === 1, `the collections differ: ${sizes.join(', ')}`)
    proven = true
  }
  const measured = await inTurn('sync', sides, same)
  const encoding = []
  for (let run = 0; run <= repeats; run++) {
    const done = JSON.parse((await node([here('documents.mjs'), JSON.stringify({ ...about, mode: 'encode' })], trips)).stdout)
    require(done.documents === rows, `${done.documents} of ${rows} rows were encoded`)
    if (run > 0) encoding.push(done)
    console.log(`sync      ${(run === 0 ? 'warm-up' : `run ${run}`).padEnd(7)}  ${'encoding'.padEnd(9)}  ${seconds(done.milliseconds)}`)
  }
  const medians = mediansOf(measured)
  const perSecond = (side) => Math.round((result.documents / side) * 1000)
  const encoded = Math.round((rows / median(encoding.map((one) => one.milliseconds))) * 1000)
  const found = {
    documentsPerSecond: {
      inside: perSecond(medians.sluice.insideMs),
      whole: perSecond(medians.sluice.wholeMs),
      ...Object.fromEntries(peers.map((mode) => [mode, perSecond(medians[mode].insideMs)])),
      encoding: encoded,
      encodingByProcessor: Math.round((rows / median(encoding.map((one) => one.processorMs))) * 1000),
    },
    ofDriver: Object.fromEntries(peers.map((mode) => [mode, medians[mode].insideMs / medians.sluice.insideMs])),
    encodingOfReference: encoded / REFERENCE.sync,
    bytesPerDocument: Math.round(encoding[0].bytes / rows),
    measured: { ...measured, encoding },
  }
  console.log(`\nsync of ${count(result.documents)} documents, medians of ${repeats}; reading and encoding alone, of ${count(rows)}`)
  console.log(line('sluice sync, inside', `${count(found.documentsPerSecond.inside)} documents/s`))
  console.log(line('sluice sync, whole', `${count(found.documentsPerSecond.whole)} documents/s`))
  for (const mode of peers) {
    const [perSecondOf, ratio] = [found.documentsPerSecond[mode], found.ofDriver[mode]]
    const note = mode === 'inserts' ? ', which a first load sends (goal 0.9)' : ''
    console.log(line(`bulkWrite, ${mode}`, `${count(perSecondOf)} documents/s`, `ours ${ratio.toFixed(2)} of that${note}`))
  }
  console.log(line('reading and encoding', `${count(encoded)} documents/s (goal 66,000)`, `${found.bytesPerDocument} bytes each`))
  console.log(line('', `${count(found.documentsPerSecond.encodingByProcessor)} documents a second of Node's processor time`))
  return found
}

/** taxi_trips in MySQL and a copy of it in PostgreSQL, part of which is changed. */
async function reconcile(reladiff) {
  const project = await twoStores()
  const found = []
  console.log('\nreconciliation, seconds')
  for (const key of keys) {
    const copy = `trips_by_${key}`
    const copied = JSON.parse((await sluice(['sync', copy], trips, project)).stdout).syncs[0]
    require(copied.inserted === rows, `the copy was not made: ${JSON.stringify(copied)}`)
    const at = async (offset) =>
      (await trips.postgres(`SELECT ${key} AS at FROM ${copy} ORDER BY ${key} LIMIT 1 OFFSET ${offset}`)).rows[0].at
    const middle = Math.floor(rows / 2)
    const shapes = {
      none: 'false',
      '300 clustered': `${key} BETWEEN '${await at(middle)}' AND '${await at(middle + 299)}'`,
      '10 % scattered': "substr(md5(record_id || 'scattered'), 1, 4) < '199a'",
    }
    for (const [shape, where] of Object.entries(shapes)) {
      const { rowCount: changed } = await trips.postgres(`UPDATE ${copy} SET fare_amount = fare_amount + 1 WHERE ${where}`)
      await trips.postgres(`VACUUM (ANALYZE) ${copy}`)
      let [how, unseen] = [[], 0]
      const sides = {
        sluice: async () => {
          const { wallMs, stdout } = await sluice(['reconcile', copy, '--level', 'rows'], trips, project, [0, 1])
          const [done] = JSON.parse(stdout).reconciliations
          how = done.how
          require(done.differences.total === changed, `sluice found ${done.differences.total} of ${changed} differences`)
          return { insideMs: done.durationMs, wholeMs: wallMs }
        },
        reladiff: async () => {
          const compared = TRIP_COLUMNS.map(({ table }) => table).filter((column) => column !== key)
          const { wallMs, stdout } = await ended(
            reladiff,
            [
              ...[
                trips.own.MYSQL_URL,
                'taxi_trips',
                trips.own.POSTGRES_URL,
                copy,
                '-k',
                key,
                ...compared.flatMap((column) => ['-c', column]),
              ],
              ...['--stats', '--json', '--assume-unique-key', '--threads', values.threads],
            ],
            // It folds what it prints to the width of a terminal.
            { env: { ...process.env, COLUMNS: '100000' } },
          )
          const done = JSON.parse(stdout)
          // By text keys, version 0.6.0 leaves a row out that holds the greatest key, so that it may lack one difference.
          unseen = rows - Math.min(done.rows_A, done.rows_B)
          const right = unseen <= 1 && done.updated === done.total && done.total <= changed && done.total >= changed - unseen
          require(right, `reladiff found ${done.total} of ${changed} differences: ${stdout}`)
          return { insideMs: wallMs, wholeMs: wallMs }
        },
      }
      const measured = await inTurn(`${key}, ${shape}`, sides)
      await trips.postgres(`UPDATE ${copy} SET fare_amount = fare_amount - 1 WHERE ${where}`)
      const medians = mediansOf(measured)
      const one = {
        key,
        shape,
        changed,
        how,
        unseenByReladiff: unseen,
        medians,
        ratio: medians.sluice.wholeMs / medians.reladiff.wholeMs,
        measured,
      }
      found.push(one)
    }
  }
  console.log(`\nreconciliation of ${count(rows)} rows, medians of ${repeats}`)
  console.log(line('key, differences', 'sluice, inside', 'whole', 'reladiff', 'ratio, whole'))
  for (const { key, shape, medians, ratio } of found) {
    const { sluice: ours, reladiff: theirs } = medians
    console.log(line(`${key}, ${shape}`, seconds(ours.insideMs), seconds(ours.wholeMs), seconds(theirs.wholeMs), ratio.toFixed(2)))
  }
  for (const { key, shape, how, unseenByReladiff } of found) {
    console.log(`${key}, ${shape}: ${how.join('; ')}${unseenByReladiff > 0 ? `; reladiff left ${unseenByReladiff} row out` : ''}`)
  }
  return found
}

/** A project that copies taxi_trips to PostgreSQL, once by each key. */
async function twoStores() {
  const project = join(folder, 'two-stores')
  const files = {
    'stores.mjs': `import { env } from 'sluice'
      import { mysql } from 'sluice/stores/mysql'
      import { postgres } from 'sluice/stores/postgres'
      export const warehouse = mysql({ url: env('MYSQL_URL') })
      export const ledger = postgres({ url: env('POSTGRES_URL') })`,
    'sluice.config.ts': `import { defineProject } from 'sluice'
      import { ledger, warehouse } from './stores.mjs'
      export default defineProject({ name: 'two-stores', lake: './lake', stores: { warehouse, ledger } })`,
    // A project has at least one.
    'datasets/none.mjs': `import { column, dataset, overwrite, sql } from 'sluice'
      export const none = dataset('bronze.none', { columns: { n: column.integer() }, from: sql\`SELECT 1 AS n\`, write: overwrite() })`,
    'syncs/trips.mjs': `import { sync } from 'sluice'
      import { ledger, warehouse } from '../stores.mjs'
      const by = (key, except) => sync(warehouse.table('taxi_trips'), { name: 'trips_by_' + key, to: ledger.table('trips_by_' + key), key: [key], except })
      export const byTripId = by('trip_id', ['created_at', 'updated_at'])
      export const byRecordId = by('record_id', ['trip_id', 'created_at', 'updated_at'])`,
  }
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(project, path, '..'), { recursive: true })
    await writeFile(join(project, path), text)
  }
  return project
}

/** Every side once to warm up, then as often as wanted; each goes first as often as the others. */
async function inTurn(part, sides, check = async () => {}) {
  const names = Object.keys(sides)
  const measured = Object.fromEntries(names.map((side) => [side, []]))
  for (let run = 0; run <= repeats; run++) {
    for (let index = 0; index < names.length; index++) {
      const side = names[(index + run) % names.length]
      const before = Number(loadavg()[0].toFixed(1))
      const took = await sides[side]()
      if (run > 0) measured[side].push({ ...took, loadBefore: before })
      const round = run === 0 ? 'warm-up' : `run ${run}`
      console.log(
        `${part.padEnd(part.length > 9 ? 25 : 9)} ${round.padEnd(7)}  ${side.padEnd(9)}  ${seconds(took.insideMs)}  whole ${seconds(took.wholeMs)}  load before ${before}`,
      )
    }
    await check()
  }
  return measured
}

/** Columns but the ids and times that the table gives by itself, folded into two numbers. */
async function contents(table) {
  const columns = TRIP_COLUMNS.map(({ table: column }) => `IFNULL(${column}, '~')`).join(', ')
  const hash = `CONV(LEFT(MD5(CONCAT_WS('|', ${columns})), 15), 16, 10)`
  const sql = `SELECT COUNT(*) AS found, BIT_XOR(hash) AS folded, SUM(hash) AS total FROM (SELECT CAST(${hash} AS UNSIGNED) AS hash FROM ${table}) AS hashed`
  return (await trips.mysql(sql))[0]
}

async function digestOf(collection) {
  let [found, total] = [0, 0n]
  for await (const { trip_id, record_id, total_amount } of collection.find(
    {},
    { projection: { trip_id: 1, record_id: 1, total_amount: 1 } },
  )) {
    found += 1
    total += BigInt(trip_id) * BigInt(`0x${record_id.slice(0, 8)}`) + BigInt(String(total_amount).replace('.', ''))
  }
  return `${found} ${total}`
}

function loadByClient(table) {
  const { hostname, port, username, password, pathname } = new URL(trips.own.MYSQL_URL)
  const columns = TRIP_COLUMNS.map((column) => column.table).join(', ')
  const statement = `LOAD DATA LOCAL INFILE '${lines}' INTO TABLE ${table} CHARACTER SET utf8mb4 (${columns})`
  return ended(
    'mariadb',
    [
      '--no-defaults',
      `--host=${hostname}`,
      `--port=${port || 3306}`,
      `--user=${decodeURIComponent(username)}`,
      '--local-infile=1',
      '-e',
      statement,
      pathname.slice(1),
    ],
    { env: { ...process.env, MYSQL_PWD: decodeURIComponent(password) } },
  )
}

function sluice(args, one, project = example, codes = [0]) {
  const kept = project === example ? lake : join(project, 'lake')
  return node([join(root, 'bin/sluice.js'), ...args, '--project', project, '--lake', kept, '--json'], one, codes)
}

function node(args, one, codes) {
  return ended(process.execPath, args, { env: one === undefined ? process.env : environment(one), codes })
}

/** Runs a program to its end. */
async function ended(command, args, { env = process.env, codes = [0] } = {}) {
  const began = performance.now()
  const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'], signal: stop.signal })
  const output = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr']) {
    child[stream].setEncoding('utf8').on('data', (text) => {
      output[stream] += text
    })
  }
  let failed
  child.on('error', (error) => {
    failed = error
  })
  const code = await new Promise((resolve) => child.once('close', resolve))
  const wallMs = performance.now() - began
  if (stop.signal.aborted) throw new Error('stopped')
  if (failed !== undefined) throw failed
  if (!codes.includes(code))
    throw new Error(`${command} ${args.slice(0, 3).join(' ')} ended with ${code}\n${output.stderr}${output.stdout.slice(0, 2000)}`)
  return { ...output, wallMs }
}

async function reladiffProgram() {
  if (values.reladiff !== undefined) return values.reladiff
  const place = join(tmpdir(), 'sluice-bench-reladiff')
  const program = join(place, 'bin', 'reladiff')
  if (existsSync(program)) return program
  console.log(`installing ${RELADIFF} into ${place}`)
  await ended('python3', ['-m', 'venv', place])
  await ended(join(place, 'bin', 'pip'), ['install', '--quiet', RELADIFF])
  return program
}

function require(holds, otherwise) {
  if (!holds) throw new Error(otherwise)
}

function mediansOf(measured) {
  const middle = (all, key) => median(all.map((one) => one[key]))
  return Object.fromEntries(
    Object.entries(measured).map(([side, all]) => [side, { insideMs: middle(all, 'insideMs'), wholeMs: middle(all, 'wholeMs') }]),
  )
}

function median(numbers) {
  const sorted = numbers.toSorted((one, other) => one - other)
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2
}

function seconds(milliseconds) {
  return `${(milliseconds / 1000).toFixed(2).padStart(6)} s`
}

function count(number) {
  return number.toLocaleString('en-US')
}

function line(what, ...cells) {
  return `${what.padEnd(30)}${cells.map((cell) => String(cell).padStart(16)).join('  ')}`
}
