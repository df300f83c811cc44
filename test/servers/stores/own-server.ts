import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../prometheus/server.js'
import { onMysql, onPostgres } from './project.js'

/** A server that a test may stop, fill and starve. */
export interface OwnServer {
  readonly port: number
  readonly url: string
  /** On the same port, with what it held. */
  start(): Promise<void>
  /** SIGKILL is a crash. */
  stop(signal?: NodeJS.Signals): Promise<void>
  /** Stops it and takes its files away. */
  drop(): Promise<void>
}

export const mariadbProgram = program('mariadbd') ?? program('mysqld')
export const postgresFolder = existsSync('/usr/lib/postgresql')
  ? readdirSync('/usr/lib/postgresql')
      .map((version) => `/usr/lib/postgresql/${version}/bin`)
      .findLast((folder) => existsSync(join(folder, 'postgres')))
  : undefined

function program(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin']
  return folders.map((folder) => join(folder, name)).find(existsSync)
}

/** The two refuse to run as root: as root they get the user that their packages made. */
function userOf(name: string): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const [uid = 0, gid = 0] = ['-u', '-g'].map((flag) => Number(spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout))
  return { uid, gid }
}

function once(command: string, args: readonly string[], user: { uid?: number; gid?: number }): void {
  const done = spawnSync(command, args, { encoding: 'utf8', cwd: tmpdir(), ...user })
  if (done.status !== 0) throw new Error(`${command} failed: ${done.error?.message ?? done.stderr.slice(-2000)}`)
}

/** @param place an empty folder for its files; default a temporary one */
export async function ownMariadb(args: readonly string[] = [], place = mkdtempSync(join(tmpdir(), 'sluice-mariadb-'))): Promise<OwnServer> {
  const user = userOf('mysql')
  if (user.uid !== undefined && user.gid !== undefined) chownSync(place, user.uid, user.gid)
  const data = join(place, 'files')
  const small = ['--innodb-log-file-size=8M', '--innodb-buffer-pool-size=64M', ...args]
  const installed = [
    '--no-defaults',
    `--datadir=${data}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    '--innodb-log-file-size=8M',
  ]
  once('mariadb-install-db', installed, user)
  const first = join(place, 'first.sql')
  writeFileSync(
    first,
    "CREATE DATABASE IF NOT EXISTS app;\nCREATE USER IF NOT EXISTS 'app'@'127.0.0.1' IDENTIFIED BY 'app';\nGRANT ALL ON app.* TO 'app'@'127.0.0.1';\n",
  )
  const port = await freePort()
  const url = `mysql://app:app@127.0.0.1:${port}/app`
  const options = [
    ...['--no-defaults', `--datadir=${data}`, '--bind-address=127.0.0.1', `--port=${port}`, `--socket=${join(place, 'socket')}`],
    ...['--skip-name-resolve', '--local-infile=1', '--character-set-server=utf8mb4', `--init-file=${first}`, ...small],
  ]
  return ownServer({ port, url, place, command: mariadbProgram ?? '', args: options, user, ready: () => onMysql(url, 'SELECT 1') })
}

export async function ownPostgres(args: readonly string[] = []): Promise<OwnServer> {
  const place = mkdtempSync(join(tmpdir(), 'sluice-postgres-'))
  const user = userOf('postgres')
  if (user.uid !== undefined && user.gid !== undefined) chownSync(place, user.uid, user.gid)
  const data = join(place, 'files')
  const folder = postgresFolder ?? ''
  once(join(folder, 'initdb'), ['-D', data, '-U', 'app', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'], user)
  const port = await freePort()
  const url = `postgresql://app@127.0.0.1:${port}/postgres`
  const options = ['-D', data, '-p', String(port), ...['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=', ...args]]
  return ownServer({ port, url, place, command: join(folder, 'postgres'), args: options, user, ready: () => onPostgres(url, 'SELECT 1') })
}

async function ownServer(about: {
  port: number
  url: string
  place: string
  command: string
  args: readonly string[]
  user: { uid?: number; gid?: number }
  ready: () => Promise<unknown>
}): Promise<OwnServer> {
  let child: ChildProcess | undefined
  let said = ''
  const server: OwnServer = {
    port: about.port,
    url: about.url,
    async start() {
      const started = spawn(about.command, [...about.args], { stdio: ['ignore', 'ignore', 'pipe'], ...about.user })
      child = started
      started.stderr?.on('data', (text: Buffer) => {
        said = `${said}${text}`.slice(-4_000)
      })
      for (const end = Date.now() + 60_000; ; await sleep(50)) {
        if (started.exitCode !== null || started.signalCode !== null) throw new Error(`${about.command} ended at once: ${said}`)
        const isUp = await about.ready().then(
          () => true,
          () => false,
        )
        if (isUp) return
        if (Date.now() > end) throw new Error(`${about.command} does not answer: ${said}`)
      }
    },
    async stop(signal = 'SIGKILL') {
      const running = child
      child = undefined
      if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
      const gone = new Promise((resolve) => running.once('exit', resolve))
      running.kill(signal)
      await gone
      // PostgreSQL's own processes outlive a killed first one for a moment, and hold its memory.
      const file = join(about.place, 'files', 'postmaster.pid')
      if (existsSync(file)) {
        const shared = readFileSync(file, 'utf8').split('\n')[6]
        if (signal === 'SIGKILL' && shared !== undefined) await sleep(300)
      }
    },
    async drop() {
      await server.stop()
      rmSync(about.place, { recursive: true, force: true })
    },
  }
  try {
    await server.start()
  } catch (error) {
    await server.drop()
    throw error
  }
  return server
}

/** A folder of so many megabytes, and what takes it away; undefined where a file system cannot be mounted. */
export function smallDisk(megabytes: number): { readonly folder: string; release(): void } | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-disk-'))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'tmpfs', folder])
  const release = () => {
    spawnSync('umount', ['-l', folder])
    rmSync(folder, { recursive: true, force: true })
  }
  if (mounted.status === 0) {
    const place = join(folder, 'place')
    mkdirSync(place)
    return { folder: place, release }
  }
  rmSync(folder, { recursive: true, force: true })
  return undefined
}

/** What stands between a client and a server, and can fail. */
export interface Proxy {
  readonly port: number
  /** How many connections were cut. */
  readonly cuts: number
  /** Ends every connection there is. */
  cut(): void
  /** Nothing moves for so many milliseconds. */
  stall(milliseconds: number): void
  close(): Promise<void>
}

export async function proxyTo(port: number): Promise<Proxy> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let cuts = 0
  let stalled: NodeJS.Timeout | undefined
  const server: Server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1')
    const pair = [client, upstream] as const
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      client.destroy()
      upstream.destroy()
    }
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('data', (bytes) => {
        if (!to.write(bytes)) from.pause()
      })
      to.on('drain', () => {
        if (stalled === undefined) from.resume()
      })
      from.on('error', end)
      from.on('close', end)
    }
    if (stalled !== undefined) for (const socket of pair) socket.pause()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    get cuts() {
      return cuts
    },
    cut() {
      for (const [client, upstream] of pairs) {
        cuts += 1
        client.destroy()
        upstream.destroy()
      }
    },
    stall(milliseconds) {
      for (const pair of pairs) for (const socket of pair) socket.pause()
      clearTimeout(stalled)
      stalled = setTimeout(() => {
        stalled = undefined
        for (const pair of pairs) for (const socket of pair) socket.resume()
      }, milliseconds)
    },
    async close() {
      clearTimeout(stalled)
      for (const pair of pairs) for (const socket of pair) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
