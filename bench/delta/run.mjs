// Sluice's Delta tables and delta-rs's, side by side, in turn: node bench/delta/run.mjs --help
import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, loadavg, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { casesFor, sizesFor } from './cases.mjs'

const { values } = parseArgs({
  options: {
    case: { type: 'string', multiple: true },
    rows: { type: 'string', default: '3000000' },
    runs: { type: 'string', default: '5' },
    memory: { type: 'string', default: '512MB' },
    threads: { type: 'string', default: String(availableParallelism()) },
    python: { type: 'string', default: process.env.SLUICE_TEST_PYTHON ?? 'python3' },
    out: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
const sizes = sizesFor(Number(values.rows))
const cases = casesFor(sizes)
const wanted = values.case ?? Object.keys(cases)
const usage = `usage: node bench/delta/run.mjs [options], after npm run build

  --case NAME      only this case; may be repeated
  --rows N         rows of the large table, 3000000 unless told; all other sizes follow, so 60000 is a quick look
  --runs N         measured runs of each side after a warm-up, 5 unless told; medians are compared
  --memory SIZE    memory of our engine, 512MB unless told; delta-rs takes no such limit
  --threads N      threads of our engine, the machine's processors unless told
  --python PATH    a Python with deltalake and pyarrow: SLUICE_TEST_PYTHON, else python3
  --out FILE       writes everything measured as JSON

cases, at this number of rows
${Object.entries(cases)
  .map(([name, one]) => `  ${name.padEnd(15)}  ${one.about}${one.alone ? ' (ours alone)' : ''}`)
  .join('\n')}

Each run starts from a fresh copy of a table that delta-rs wrote, in a process of its own. Afterwards both tables must hold the same rows.
"inside" is the work itself; "whole" has the start of Node or of Python in it.`
const runs = Number(values.runs)
if (values.help) {
  console.log(usage)
  process.exit(0)
}
if (
  !/^[1-9]\d*$/.test(values.rows) ||
  Number(values.rows) < 10_000 ||
  !Number.isInteger(runs) ||
  runs < 1 ||
  wanted.some((name) => !cases[name])
) {
  console.error(`${usage}\n\nrows: at least 10000; runs: at least 1; cases: ${Object.keys(cases).join(', ')}`)
  process.exit(2)
}

const here = (name) => fileURLToPath(new URL(name, import.meta.url))
// The program under way is ended, and its end is what takes this one to its cleaning up.
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop.abort())

const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
try {
  const result = await compare()
  print(result)
  if (values.out !== undefined) await writeFile(values.out, `${JSON.stringify(result, null, 2)}\n`)
  if (result.cases.some((one) => one.failure !== undefined)) process.exitCode = 1
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function compare() {
  console.log(`making ${sizes.rows} rows, and with delta-rs the tables of them`)
  const version = (await peer({ case: 'version' })).answer
  await ended(process.execPath, [here('make-input.mjs'), join(folder, 'input'), values.rows])
  const tables = [...new Set(wanted.map((name) => cases[name].table).filter((table) => table !== undefined))]
  await mkdir(join(folder, 'tables'))
  await ended(values.python, [here('prepare.py'), join(folder, 'input'), join(folder, 'tables'), JSON.stringify(sizes), ...tables])
  const measured = []
  for (const name of wanted) {
    console.log(`\n${name}: ${cases[name].about}`)
    // A case that fails, or whose sides differ, does not keep the others from being measured.
    measured.push({ name, about: cases[name].about, ...(await measure(name, cases[name]).catch(failed)) })
  }
  return {
    rows: sizes.rows,
    runs,
    memory: values.memory,
    threads: Number(values.threads),
    machine: { processors: availableParallelism(), memoryGb: Math.round(totalmem() / 2 ** 30), node: process.version },
    deltalake: version,
    cases: measured,
  }
}

function failed(error) {
  if (stop.signal.aborted) throw error
  console.error(error.message)
  return { failure: error.message }
}

async function measure(name, one) {
  const sides = one.alone ? { ours } : { ours, peer }
  const measured = Object.fromEntries(Object.keys(sides).map((side) => [side, []]))
  for (let run = 0; run <= runs; run++) {
    const found = {}
    // Each side goes first as often as the other.
    for (const side of run % 2 === 0 ? Object.keys(sides) : Object.keys(sides).reverse()) {
      const { answer, after, ...took } = await once(sides[side], name, one)
      found[side] = answer ?? after
      if (run > 0) measured[side].push(took)
      console.log(`${run === 0 ? 'warm-up' : `run ${run}`}  ${side.padEnd(4)}  ${line(took)}${after ? `, ${after.files} files` : ''}`)
    }
    requireSame(name, found)
  }
  const medians = Object.fromEntries(Object.entries(measured).map(([side, all]) => [side, medianOf(all)]))
  const ratio = (key) => Number((medians.ours[key] / medians.peer[key]).toFixed(2))
  return {
    medians,
    ...(one.alone ? {} : { ratio: { insideMs: ratio('insideMs'), wallMs: ratio('wallMs'), peakMb: ratio('peakMb') } }),
    measured,
  }
}

/** One run of one side, and what its table holds afterwards, as our own reading has it. */
async function once(side, name, { table, input, where, reads }) {
  const prepared = join(folder, 'tables', table ?? '')
  const path = reads ? prepared : join(folder, 'run')
  if (table !== undefined && !reads) await cp(prepared, path, { recursive: true })
  const loadBefore = Number(loadavg()[0].toFixed(1))
  try {
    const took = await side({
      case: name,
      table: path,
      where,
      ...(input === undefined ? {} : { input: join(folder, 'input', `${input}.parquet`) }),
    })
    return { ...took, loadBefore, ...(reads ? {} : { after: (await ours({ case: 'contents', table: path })).answer }) }
  } finally {
    if (!reads) await rm(path, { recursive: true, force: true })
  }
}

function requireSame(name, { ours: mine, peer: theirs }) {
  const what = (found) => JSON.stringify(Array.isArray(found) || typeof found === 'number' ? found : [found.rows, found.digest])
  if (theirs === undefined || what(mine) === what(theirs)) return
  throw new Error(`${name}: the two differ: ours ${what(mine)}, peer ${what(theirs)}`)
}

function ours(request) {
  return ended(process.execPath, [
    '--import',
    new URL('../nyc-taxi/usage.mjs', import.meta.url).href,
    here('ours.mjs'),
    JSON.stringify(request),
  ])
}

function peer(request) {
  return ended(values.python, [here('peer.py'), JSON.stringify(request)])
}

/** Runs a program to its end: its whole wall time, the kernel's count of its memory and processor time, and the one line it printed. */
async function ended(program, args) {
  const used = join(folder, 'usage.json')
  await rm(used, { force: true })
  const env = { ...process.env, SLUICE_MEMORY: values.memory, SLUICE_THREADS: values.threads, BENCH_USAGE: used }
  const began = performance.now()
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'], signal: stop.signal })
  const output = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr']) {
    child[stream].setEncoding('utf8').on('data', (text) => {
      output[stream] += text
    })
  }
  let problem
  child.on('error', (error) => {
    problem = error.message
  })
  const code = await new Promise((resolve) => child.once('close', resolve))
  const wallMs = performance.now() - began
  if (stop.signal.aborted) throw new Error('stopped')
  if (code !== 0) throw new Error(`${program} ${args.at(-1)} ended with ${code}: ${problem ?? output.stderr.slice(-1500)}`)
  if (output.stdout.trim() === '') return {}
  return { ...JSON.parse(output.stdout), wallMs, ...JSON.parse(await readFile(used, 'utf8')) }
}

function medianOf(all) {
  const middle = (key) => {
    const sorted = all.map((one) => one[key]).sort((a, b) => a - b)
    const half = Math.floor(sorted.length / 2)
    return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
  }
  return Object.fromEntries(['insideMs', 'wallMs', 'cpuMs', 'peakMb'].map((key) => [key, Math.round(middle(key))]))
}

function line({ insideMs, wallMs, peakMb }) {
  return `${(insideMs / 1000).toFixed(3).padStart(8)} s inside  ${(wallMs / 1000).toFixed(3).padStart(8)} s whole  ${String(Math.round(peakMb)).padStart(5)} MB`
}

function print({ machine, deltalake, cases: all }) {
  console.log(
    `\nmedians of ${runs}, ours over delta-rs ${deltalake}: below 1 we take less; ${machine.processors} processors, ${machine.memoryGb} GiB, Node ${machine.node}, our engine ${values.memory} and ${values.threads} threads`,
  )
  const seconds = (ms) => (ms === undefined ? '' : (ms / 1000).toFixed(3))
  const heads = ['', 'ours s', 'peer s', 'inside', 'ours s', 'peer s', 'whole', 'ours MB', 'peer MB', 'memory']
  const lines = all.map(({ name, failure, medians, ratio }) => {
    if (failure !== undefined) return [name, 'failed']
    const { ours: mine, peer: theirs } = medians
    return [
      name,
      ...[seconds(mine.insideMs), seconds(theirs?.insideMs), ratio?.insideMs],
      ...[seconds(mine.wallMs), seconds(theirs?.wallMs), ratio?.wallMs],
      ...[mine.peakMb, theirs?.peakMb, ratio?.peakMb],
    ].map((cell) => String(cell ?? ''))
  })
  for (const [first = '', ...rest] of [heads, ...lines]) console.log(first.padEnd(10) + rest.map((cell) => cell.padStart(9)).join(''))
}
