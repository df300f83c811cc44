// The evaluator of PromQL over 200 series of a day at 15 s, beside a Prometheus on this machine where there is one:
// node bench/metrics/evaluator.mjs [--rounds N] [--json], after npm run build
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '7' }, json: { type: 'boolean', default: false } } })
const rounds = Number(values.rounds)
const load = (name) => import(`../../dist/${name}.js`)
const [{ parsePromql }, { evaluateRange, heldSeries, seriesInMemory }] = await Promise.all([
  load('observability/promql-parser'),
  load('monitoring/index'),
])

const [SERIES, INTERVAL, DAY] = [200, 15_000, 86_400_000]
const end = Math.floor(Date.now() / INTERVAL) * INTERVAL
const start = end - DAY
const queries = [
  'sum by (task) (rate(work_total[5m]))',
  'sum by (task) (rate(work_total[1h]))',
  'avg_over_time(work_total[1h])',
  'topk(5, increase(work_total[30m]))',
]

let seed = 42
const random = () => {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
  return seed / 2_147_483_648
}
const series = Array.from({ length: SERIES }, (_, index) => {
  const count = (DAY + 3_600_000) / INTERVAL + 1
  const times = Float64Array.from({ length: count }, (_, at) => start - 3_600_000 + at * INTERVAL)
  let value = 0
  return {
    labels: { __name__: 'work_total', task: `task-${index % 10}`, worker: `w${index}` },
    times,
    values: Float64Array.from(times, () => {
      value += Math.floor(random() * 10)
      return value
    }),
  }
})

const peer = await prometheus()
try {
  const found = []
  for (const query of queries) found.push(await measure(query))
  if (values.json)
    console.log(
      JSON.stringify(
        { rounds, processors: availableParallelism(), node: process.version, peer: peer?.version ?? null, queries: found },
        null,
        2,
      ),
    )
  else {
    console.log(
      `${SERIES} series, a day at 15 s, 1,441 steps; medians of ${rounds} rounds, ms; ${availableParallelism()} processors, Node ${process.version}`,
    )
    for (const { query, ours, held, theirs } of found)
      console.log(
        `${query.padEnd(40)} ours ${ours.toFixed(0)}  from change points ${held.toFixed(0)}  Prometheus ${theirs === null ? '-' : theirs.toFixed(0)}`,
      )
    if (peer === undefined) console.log('There is no prometheus and promtool on the PATH to measure beside.')
  }
} finally {
  peer?.stop()
}

async function measure(query) {
  const expression = parsePromql(query)
  const range = { start, end, step: 60_000 }
  const memory = seriesInMemory(series)
  const sides = {
    ours: () => evaluateRange(expression, memory, range),
    held: () => evaluateRange(expression, heldSeries(memory, { interval: INTERVAL, anchor: end }), range),
    ...(peer === undefined ? {} : { theirs: () => peer.ask(query, range) }),
  }
  const times = Object.fromEntries(Object.keys(sides).map((side) => [side, []]))
  for (let round = -1; round < rounds; round++) {
    for (const [side, work] of Object.entries(sides)) {
      const began = performance.now()
      await work()
      if (round >= 0) times[side].push(performance.now() - began)
    }
  }
  const median = (all) => (all === undefined ? null : all.toSorted((one, other) => one - other)[Math.floor(all.length / 2)])
  return { query, ours: median(times.ours), held: median(times.held), theirs: median(times.theirs) }
}

/** With its answer read to the end and parsed, as whoever asks it does. */
async function prometheus() {
  const said = spawnSync('prometheus', ['--version'], { encoding: 'utf8' })
  if (said.error !== undefined || spawnSync('promtool', ['--version']).error !== undefined) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  const lines = series.flatMap(({ labels, times, values: all }) =>
    Array.from(times, (time, index) => `work_total{task="${labels.task}",worker="${labels.worker}"} ${all[index]} ${time / 1000}`),
  )
  writeFileSync(join(folder, 'in.om'), `# TYPE work counter\n${lines.join('\n')}\n# EOF\n`)
  writeFileSync(join(folder, 'prometheus.yml'), 'global: {scrape_interval: 15s}\n')
  const made = spawnSync('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', join(folder, 'in.om'), join(folder, 'data')], {
    encoding: 'utf8',
  })
  if (made.status !== 0) throw new Error(made.stderr)
  const port = await freePort()
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore' },
  )
  const url = `http://127.0.0.1:${port}`
  for (;;) {
    const ready = await fetch(`${url}/-/ready`).then(
      (answer) => answer.ok,
      () => false,
    )
    if (ready) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    version: /version (\S+)/.exec(said.stdout + said.stderr)?.[1] ?? '',
    async ask(query, range) {
      const parameters = new URLSearchParams({
        query,
        start: String(range.start / 1000),
        end: String(range.end / 1000),
        step: String(range.step / 1000),
      })
      const answer = await fetch(`${url}/api/v1/query_range?${parameters}`)
      const { data } = await answer.json()
      if (data.result.length === 0) throw new Error(`Prometheus has nothing for ${query}`)
      return data
    },
    stop() {
      child.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
