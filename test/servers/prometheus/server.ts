import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describeWith, isOnPath, temporaryFolder } from '../../fixtures.js'

/**
 * A `describe` for tests that ask a Prometheus: `prometheus` and `promtool` on the PATH. Without them they are reported as skipped, by name; in
 * CI (`CI=true`) as one failure. The body only declares tests: start servers in them or in `beforeAll`.
 */
export function describeWithPrometheus(name: string, body: () => void): void {
  const need = 'prometheus and promtool on the PATH: `apt-get install --no-install-recommends prometheus`'
  describeWith(name, body, ['prometheus', 'promtool'].every(isOnPath), need)
}

export interface PrometheusServer {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string
  /** The answer of an endpoint of the API, such as `query`, with its status and body: `ask('query', { query: 'up', time: '1' })`. */
  ask(endpoint: string, parameters: Readonly<Record<string, string>>): Promise<PrometheusAnswer>
  stop(): Promise<void>
}

export type PrometheusAnswer =
  | { readonly status: 'success'; readonly data: { readonly resultType: string; readonly result: unknown } }
  | { readonly status: 'error'; readonly errorType: string; readonly error: string }

export interface PrometheusOptions {
  /** The text of `prometheus.yml`. It scrapes nothing when left out. */
  readonly config?: string
  /** A folder of blocks, as `blocksFrom` makes; a new one when left out. */
  readonly data?: string
  readonly flags?: readonly string[]
}

/** Starts Prometheus on a free port of this machine and resolves when it is ready. */
export async function startPrometheus({ config = '', data, flags = [] }: PrometheusOptions = {}): Promise<PrometheusServer> {
  const folder = temporaryFolder()
  const file = join(folder, 'prometheus.yml')
  await writeFile(file, config)
  const port = await freePort()
  const started = await startServer(
    'prometheus',
    [
      `--config.file=${file}`,
      `--storage.tsdb.path=${data ?? join(folder, 'data')}`,
      '--storage.tsdb.retention.time=100y',
      `--web.listen-address=127.0.0.1:${port}`,
      ...flags,
    ],
    `http://127.0.0.1:${port}/-/ready`,
  )
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    async ask(endpoint, parameters) {
      const response = await fetch(`${url}/api/v1/${endpoint}`, { method: 'POST', body: new URLSearchParams(parameters) })
      return (await response.json()) as PrometheusAnswer
    },
    stop: started.stop,
  }
}

export interface StartedServer {
  stop(): Promise<void>
}

/** Starts a program and resolves when `ready` answers 200; fails with what the program said. */
export async function startServer(program: string, args: readonly string[], ready: string): Promise<StartedServer> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  const listen = (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-5000)
  }
  child.stdout.on('data', listen)
  child.stderr.on('data', listen)
  const end = ended(child)
  const isReady = async () => (await fetch(ready).catch(() => undefined))?.status === 200
  for (let attempt = 0; !(await isReady()); attempt++) {
    if (child.exitCode !== null || attempt === 1000) {
      child.kill('SIGKILL')
      throw new Error(`${program} did not become ready:\n${said}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return {
    async stop() {
      child.kill('SIGTERM')
      await end
    },
  }
}

export interface WrittenSeries {
  /** With the metric's name as `__name__`. */
  readonly labels: Readonly<Record<string, string>>
  /** Milliseconds. */
  readonly times: ArrayLike<number>
  readonly values: ArrayLike<number>
}

/** Writes series as blocks that Prometheus can be started on: `startPrometheus({ data: await blocksFrom(series) })`. */
export async function blocksFrom(series: Iterable<WrittenSeries>): Promise<string> {
  const folder = temporaryFolder()
  const text = join(folder, 'series.om')
  const data = join(folder, 'data')
  await mkdir(data)
  await writeFile(text, openMetrics(series))
  await promtool('tsdb', 'create-blocks-from', 'openmetrics', text, data)
  return data
}

/** What promtool says; it fails with what it says when it finds fault. */
export async function promtool(...args: string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)('promtool', args, { maxBuffer: 2 ** 26 })
  return stdout + stderr
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('No port is free.'))))
    })
  })
}

function openMetrics(series: Iterable<WrittenSeries>): string {
  const byMetric = new Map<string, string[]>()
  for (const { labels, times, values } of series) {
    const { __name__: metric = '', ...rest } = labels
    const inside = Object.entries(rest).map(([label, value]) => `${label}=${JSON.stringify(value)}`)
    const name = `${metric}{${inside.join(',')}}`
    const lines = byMetric.get(metric) ?? []
    byMetric.set(metric, lines)
    for (let index = 0; index < times.length; index++)
      lines.push(`${name} ${String(values[index]).replace('Infinity', 'Inf')} ${((times[index] ?? 0) / 1000).toFixed(3)}\n`)
  }
  return `${[...byMetric].map(([metric, lines]) => `# TYPE ${metric} unknown\n${lines.join('')}`).join('')}# EOF\n`
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => child.on('exit', () => resolve()))
}
