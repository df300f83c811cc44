// `npm run services -- up|status|down [NAME...]`: the servers that test/servers wants, on this machine's loopback, from the registries alone.
// What they are built of stays in .services/bin. `.services/env` says where they are, `NAME=value` a line:
// `set -a; . .services/env; set +a; npm test -- --project servers`.
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const home = fileURLToPath(new URL('../.services', import.meta.url))
const bin = join(home, 'bin')
const envFile = join(home, 'env')

/**
 * One entry a server. `install` makes what is started and does nothing when it is there; `start` names the program, its arguments and its
 * environment, given a free port and an empty folder of its own; `ready` answers whether the address serves; `environment` is for the tests.
 */
const services = [
  {
    name: 'mysql',
    about: "Debian's MariaDB, which speaks MySQL's protocol",
    seconds: 60,
    install: () => debianInstall('mariadb-server', ['mariadbd', 'mysqld']),
    start: ({ port, folder }) => {
      const command = debianInstall('mariadb-server', ['mariadbd', 'mysqld'])
      const { folder: place, user } = ownPlace('mysql', folder)
      const data = join(place, 'files')
      once(
        'mariadb-install-db',
        ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db'],
        place,
        user,
      )
      // Run by the server when it starts, before it answers.
      const first = join(place, 'first.sql')
      writeFileSync(
        first,
        "CREATE DATABASE IF NOT EXISTS app;\nCREATE USER IF NOT EXISTS 'app'@'127.0.0.1' IDENTIFIED BY 'app';\nGRANT ALL ON *.* TO 'app'@'127.0.0.1';\n",
      )
      return {
        command,
        user,
        place,
        args: [
          ...['--no-defaults', `--datadir=${data}`, '--bind-address=127.0.0.1', `--port=${port}`, `--socket=${join(place, 'socket')}`],
          ...['--skip-name-resolve', '--local-infile=1', '--max-allowed-packet=64M', '--character-set-server=utf8mb4'],
          ...[
            '--innodb-flush-log-at-trx-commit=2',
            '--innodb-buffer-pool-size=512M',
            '--innodb-autoinc-lock-mode=2',
            `--init-file=${first}`,
          ],
        ],
      }
    },
    ready: greets,
    environment: (port) => ({ MYSQL_URL: `mysql://app:app@127.0.0.1:${port}/app` }),
  },
  {
    name: 'postgres',
    about: "Debian's PostgreSQL",
    seconds: 60,
    install: () => postgresProgram('postgres'),
    start: ({ port, folder }) => {
      const { folder: place, user } = ownPlace('postgres', folder)
      const data = join(place, 'files')
      const password = join(place, 'password')
      writeFileSync(password, 'app\n')
      once(
        postgresProgram('initdb'),
        ['-D', data, '-U', 'app', `--pwfile=${password}`, '-A', 'scram-sha-256', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'],
        place,
        user,
      )
      return {
        command: postgresProgram('postgres'),
        user,
        place,
        args: [
          '-D',
          data,
          '-p',
          String(port),
          '-c',
          'listen_addresses=127.0.0.1',
          '-c',
          'unix_socket_directories=',
          '-c',
          'fsync=off',
          '-c',
          'max_wal_size=2GB',
        ],
      }
    },
    ready: answersPostgres,
    environment: (port) => ({ POSTGRES_URL: `postgresql://app:app@127.0.0.1:${port}/postgres` }),
  },
  {
    name: 'mongodb',
    about: 'SecantusDB, which speaks the protocol of MongoDB; a mongod cannot be had from these registries',
    seconds: 60,
    install: () => pythonInstall('mongodb', 'SecantusDB==0.7.0b3'),
    start: ({ port, folder }) => ({
      command: join(home, 'python', 'mongodb', 'bin', 'secantusd-py'),
      args: ['--host', '127.0.0.1', '--port', String(port), '--storage-path', folder, '--cache-size', '256M'],
    }),
    ready: connects,
    environment: (port) => ({ MONGODB_URL: `mongodb://127.0.0.1:${port}/app?replicaSet=secantus` }),
  },
  {
    name: 's3',
    about: 'Versity S3 gateway 1.8.0 over a folder',
    seconds: 30,
    install: () => goInstall('versitygw', 'github.com/versity/versitygw/cmd/versitygw@v1.8.0'),
    start: ({ port, folder }) => ({
      command: join(bin, 'versitygw'),
      args: ['--port', `127.0.0.1:${port}`, '--health', '/health', '--quiet', 'posix', folder],
      env: { ROOT_ACCESS_KEY: 'sluice-test', ROOT_SECRET_KEY: 'not-a-secret-but-a-test' },
    }),
    ready: async (port) => (await fetch(`http://127.0.0.1:${port}/health`)).ok,
    environment: (port) => ({
      S3_URL: `http://127.0.0.1:${port}`,
      AWS_ACCESS_KEY_ID: 'sluice-test',
      AWS_SECRET_ACCESS_KEY: 'not-a-secret-but-a-test',
      AWS_REGION: 'us-east-1',
    }),
  },
  {
    name: 'pushgateway',
    about: "Debian's Prometheus Pushgateway",
    seconds: 15,
    install: () => debianInstall('prometheus-pushgateway', ['prometheus-pushgateway', 'pushgateway']),
    start: ({ port }) => ({
      command: debianInstall('prometheus-pushgateway', ['prometheus-pushgateway', 'pushgateway']),
      // Debian's keeps what it is pushed in a file for the whole machine, unless told.
      args: [`--web.listen-address=127.0.0.1:${port}`, '--persistence.file='],
    }),
    ready: async (port) => (await fetch(`http://127.0.0.1:${port}/-/ready`)).ok,
    environment: (port) => ({ PUSHGATEWAY_URL: `http://127.0.0.1:${port}` }),
  },
  {
    name: 'alertmanager',
    about: "Debian's Prometheus Alertmanager, which tells nobody",
    seconds: 15,
    install: () => debianInstall('prometheus-alertmanager', ['prometheus-alertmanager', 'alertmanager']),
    start: ({ port, folder }) => {
      const config = join(folder, 'alertmanager.yml')
      writeFileSync(config, 'route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n')
      return {
        command: debianInstall('prometheus-alertmanager', ['prometheus-alertmanager', 'alertmanager']),
        // Without an address for others of its kind it does not wait for any.
        args: [
          `--config.file=${config}`,
          `--storage.path=${folder}`,
          `--web.listen-address=127.0.0.1:${port}`,
          '--cluster.listen-address=',
        ],
      }
    },
    ready: async (port) => (await fetch(`http://127.0.0.1:${port}/-/ready`)).ok,
    environment: (port) => ({ ALERTMANAGER_URL: `http://127.0.0.1:${port}` }),
  },
  {
    name: 'prometheus',
    about: "Debian's Prometheus, on the Pushgateway and the Alertmanager where those are up",
    seconds: 15,
    install: () => debianInstall('prometheus', ['prometheus']),
    start: ({ port, folder }) => {
      const target = (name) => {
        const found = running(services.find((service) => service.name === name))
        return found === undefined ? [] : [addressOf(found)]
      }
      const config = join(folder, 'prometheus.yml')
      const document = {
        global: { scrape_interval: '1s', evaluation_interval: '1s' },
        alerting: { alertmanagers: [{ static_configs: [{ targets: target('alertmanager') }] }] },
        scrape_configs: [{ job_name: 'pushgateway', honor_labels: true, static_configs: [{ targets: target('pushgateway') }] }],
      }
      // JSON is YAML.
      writeFileSync(config, JSON.stringify(document))
      return {
        command: debianInstall('prometheus', ['prometheus']),
        args: [`--config.file=${config}`, `--storage.tsdb.path=${join(folder, 'tsdb')}`, `--web.listen-address=127.0.0.1:${port}`],
      }
    },
    ready: async (port) => (await fetch(`http://127.0.0.1:${port}/-/ready`)).ok,
    environment: (port) => ({ PROMETHEUS_URL: `http://127.0.0.1:${port}` }),
  },
]

const [verb, ...names] = process.argv.slice(2)
const verbs = { up, status, down }
const unknown = names.filter((name) => !services.some((service) => service.name === name))
if (!Object.hasOwn(verbs, verb ?? '') || unknown.length > 0) {
  if (unknown.length > 0) process.stderr.write(`There is no server ${unknown.join(', ')}.\n`)
  process.stderr.write(`Usage: npm run services -- up|status|down [NAME...]. Servers: ${services.map(({ name }) => name).join(', ')}.\n`)
  process.exit(2)
}
const chosen = services.filter(({ name }) => names.length === 0 || names.includes(name))
try {
  await verbs[verb](chosen)
} catch (error) {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}

async function up(wanted) {
  try {
    for (const service of wanted) {
      const already = running(service)
      if (already === undefined) await launch(service)
      else say(service, `already up, ${addressOf(already)}`)
    }
  } finally {
    writeEnvironment()
  }
  process.stdout.write('For the tests: `set -a; . .services/env; set +a`\n')
}

function status(wanted) {
  for (const service of wanted) {
    const found = running(service)
    say(service, found === undefined ? 'down' : `up, ${addressOf(found)}, process ${found.pid}`)
  }
}

async function down(wanted) {
  for (const service of wanted) {
    const found = running(service)
    if (found !== undefined) await stop(found)
    if (found?.place !== undefined) rmSync(found.place, { recursive: true, force: true })
    rmSync(folderOf(service), { recursive: true, force: true })
    say(service, found === undefined ? 'was not up' : 'stopped')
  }
  writeEnvironment()
}

async function launch(service) {
  service.install()
  const folder = folderOf(service)
  // What a server left behind that died is not the empty one that tests begin with.
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'data'), { recursive: true })
  const port = await freePort()
  const { command, args, env, user = {}, place } = service.start({ port, folder: join(folder, 'data') })
  const log = join(folder, 'log')
  const output = openSync(log, 'a')
  const child = spawn(command, args, {
    cwd: place ?? folder,
    env: { ...process.env, ...(place === undefined ? {} : { TMPDIR: place }), ...env },
    detached: true,
    stdio: ['ignore', output, output],
    ...user,
  })
  closeSync(output)
  let failed
  child.on('error', (error) => {
    failed = error
  })
  child.unref()
  const record = { pid: child.pid, started: startOf(child.pid), port, place }
  writeFileSync(join(folder, 'running.json'), JSON.stringify(record))
  for (const end = Date.now() + service.seconds * 1000; ; await sleep(100)) {
    if (failed !== undefined || running(service) === undefined) {
      throw new Error(`${service.name} ended at once: ${failed?.message ?? readFileSync(log, 'utf8').slice(-2000)}`)
    }
    if (await service.ready(port).catch(() => false)) break
    if (Date.now() > end) {
      await stop(record)
      throw new Error(`${service.name} did not answer within ${service.seconds} s: ${readFileSync(log, 'utf8').slice(-2000)}`)
    }
  }
  say(service, `up, ${addressOf(record)}: ${service.about}`)
}

async function stop(record) {
  for (const signal of ['SIGTERM', 'SIGKILL']) {
    if (!isAlive(record)) return
    process.kill(record.pid, signal)
    for (const end = Date.now() + 10_000; isAlive(record) && Date.now() < end; ) await sleep(50)
  }
}

/** The process recorded, if it is still that one. */
function running(service) {
  const file = join(folderOf(service), 'running.json')
  if (!existsSync(file)) return undefined
  const record = JSON.parse(readFileSync(file, 'utf8'))
  return isAlive(record) ? record : undefined
}

/** Numbers of processes are used again, so one is told by when it started as well. */
function isAlive({ pid, started }) {
  const now = pid === undefined ? undefined : startOf(pid)
  return now !== undefined && now === started
}

function startOf(pid) {
  // Small images of Linux have no `ps`. Behind the name, which may hold anything: the state first, the start twentieth.
  if (existsSync('/proc/self/stat')) {
    const file = `/proc/${pid}/stat`
    const fields = existsSync(file) ? readFileSync(file, 'utf8').split(') ').at(-1).split(' ') : ['Z']
    return fields[0] === 'Z' ? undefined : fields[19]
  }
  const asked = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } })
  const [state = '', ...started] = (asked.stdout ?? '').trim().split(/\s+/)
  return state === '' || state.startsWith('Z') ? undefined : started.join(' ')
}

function goInstall(name, source) {
  if (existsSync(join(bin, name))) return
  process.stdout.write(`${name}: building, which takes minutes\n`)
  mkdirSync(bin, { recursive: true })
  const env = { ...process.env, GOBIN: bin, GOFLAGS: process.env.GOFLAGS ?? '-buildvcs=false' }
  const done = spawnSync('go', ['install', source], { env, stdio: ['ignore', 'inherit', 'inherit'] })
  if (done.error?.code === 'ENOENT') throw new Error(`${name} is built by Go, which is not installed: https://go.dev/dl`)
  if (done.status !== 0) throw new Error(`${name}: \`go install ${source}\` failed.`)
}

/** The first of these programs that is on the PATH; installed from Debian's registry where none is, and we may. */
function debianInstall(packageName, programs, findElsewhere = () => undefined) {
  const find = () =>
    programs.flatMap((one) => (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, one))).find(existsSync)
  const found = find()
  if (found !== undefined) return found
  const command = `apt-get install -y --no-install-recommends ${packageName}`
  const aptGet = spawnSync('apt-get', ['--version'], { stdio: 'ignore' })
  if (aptGet.error !== undefined || process.getuid?.() !== 0)
    throw new Error(`${programs[0]} is not on the PATH. On Debian, as root: \`${command}\`; elsewhere, from its makers.`)
  process.stdout.write(`${packageName}: installing\n`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const line of ['apt-get update -qq', `${command} -qq`]) {
    const [program, ...args] = line.split(' ')
    const done = spawnSync(program, args, { env, stdio: ['ignore', 'ignore', 'inherit'] })
    if (done.status !== 0) throw new Error(`${packageName}: \`${line}\` failed.`)
  }
  const installed = find() ?? findElsewhere()
  if (installed === undefined) throw new Error(`${packageName} is installed, and ${programs[0]} is still not on the PATH.`)
  return installed
}

/**
 * The two databases refuse to run as root: as root they get the user that their packages made, and a folder that this user reaches, which
 * one in a home of root is not.
 */
function ownPlace(name, folder) {
  if (process.getuid?.() !== 0) return { folder, user: {} }
  const [uid, gid] = ['-u', '-g'].map((flag) => Number(spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout))
  for (let path = folder; path.startsWith(home); path = dirname(path)) chmodSync(path, 0o755)
  const reaches = spawnSync('test', ['-x', folder], { uid, gid }).status === 0
  const own = reaches ? folder : `/var/tmp/sluice-services-${name}-${process.pid}`
  mkdirSync(own, { recursive: true })
  chownSync(own, uid, gid)
  return { folder: own, user: { uid, gid } }
}

/** In a folder of the user's that it runs as: the caller's own, and its folder for temporary files, may be closed to that user. */
function once(program, args, place, user) {
  const done = spawnSync(program, args, { encoding: 'utf8', cwd: place, env: { ...process.env, TMPDIR: place }, ...user })
  if (done.status !== 0) throw new Error(`\`${program} ${args.join(' ')}\` failed: ${done.error?.message ?? done.stderr.slice(-2000)}`)
}

/** Debian keeps the server's programs beside its version, and not on the PATH. */
function postgresProgram(name) {
  const find = () => {
    const places = existsSync('/usr/lib/postgresql')
      ? readdirSync('/usr/lib/postgresql').map((version) => `/usr/lib/postgresql/${version}/bin`)
      : []
    return places.map((place) => join(place, name)).findLast(existsSync)
  }
  return find() ?? debianInstall('postgresql', [name], find)
}

function pythonInstall(name, requirement) {
  const place = join(home, 'python', name)
  if (existsSync(join(place, 'ready'))) return
  process.stdout.write(`${name}: installing ${requirement}\n`)
  for (const [program, ...args] of [
    ['python3', '-m', 'venv', place],
    [join(place, 'bin', 'pip'), 'install', '-q', '--disable-pip-version-check', requirement],
  ]) {
    const done = spawnSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] })
    if (done.status !== 0) throw new Error(`${name} needs Python 3 with venv: \`${program} ${args.join(' ')}\` failed.`)
  }
  writeFileSync(join(place, 'ready'), '')
}

/** Whether something listens; a server that speaks first (MySQL) has said hello. */
function connects(port) {
  return conversation(port, undefined, () => true)
}

function greets(port) {
  return conversation(port, undefined, (answer) => answer !== undefined && answer.length > 5)
}

/** PostgreSQL answers one byte to a request for TLS; while it starts it answers nothing. */
function answersPostgres(port) {
  return conversation(port, Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]), (answer) => answer !== undefined)
}

function conversation(port, request, isEnough) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const end = (result) => {
      socket.destroy()
      resolve(result)
    }
    socket.setTimeout(2000, () => end(false))
    socket.on('error', () => end(false))
    socket.on('close', () => end(false))
    socket.on('connect', () => {
      if (request !== undefined) socket.write(request)
      if (isEnough(undefined)) end(true)
    })
    socket.on('data', (answer) => end(isEnough(answer)))
  })
}

/** Free now: whoever asks the system for one again is given another, for a while. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

function writeEnvironment() {
  const lines = services.flatMap((service) => {
    const found = running(service)
    return found === undefined ? [] : Object.entries(service.environment(found.port)).map(([name, value]) => `${name}=${value}\n`)
  })
  if (lines.length > 0) writeFileSync(envFile, lines.join(''))
  else rmSync(envFile, { force: true })
}

function folderOf({ name }) {
  return join(home, 'run', name)
}

function addressOf({ port }) {
  return `127.0.0.1:${port}`
}

function say({ name }, text) {
  process.stdout.write(`${name}: ${text}\n`)
}
