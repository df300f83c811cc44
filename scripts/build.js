// Builds src into dist, when something changed since the last build. A build that fails leaves the old dist as it was.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
const stamp = join(dist, '.build')
const typescript = join(root, 'node_modules', 'typescript')

/** Builds if needed and says so in one line; answers whether dist now holds what src says. */
export function build({ quiet = false } = {}) {
  if (!existsSync(typescript)) {
    process.stderr.write('TypeScript is not installed here. Run `npm ci` first.\n')
    return false
  }
  const say = (line) => quiet || process.stdout.write(`${line}\n`)
  const sources = sourceFiles()
  const fingerprint = fingerprintOf(sources)
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint) {
    say('dist is up to date')
    return true
  }
  // Beside dist and as deep, so that source maps find src from either place.
  const fresh = `${dist}.tmp-${process.pid}`
  const old = `${dist}.tmp-${process.pid}-old`
  const started = performance.now()
  try {
    if (!compile(fresh)) return false
    writeFileSync(join(fresh, '.build'), fingerprint)
    if (existsSync(dist)) renameSync(dist, old)
    renameSync(fresh, dist)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
    rmSync(old, { recursive: true, force: true })
  }
  say(`built ${sources.length} files into dist in ${((performance.now() - started) / 1000).toFixed(1)} s`)
  return true
}

function compile(folder) {
  const done = spawnSync(process.execPath, [join(typescript, 'bin', 'tsc'), '-p', 'tsconfig.build.json', '--outDir', folder], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  if (done.status === 0) return true
  process.stderr.write('The build failed; dist is as it was.\n')
  return false
}

function sourceFiles() {
  return readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

function fingerprintOf(sources) {
  const hash = createHash('sha256')
  for (const file of sources) {
    const { size, mtimeMs } = statSync(file)
    hash.update(`${file} ${size} ${mtimeMs}\n`)
  }
  const version = (file) => JSON.parse(readFileSync(file, 'utf8')).version
  hash.update(version(join(root, 'package.json')))
  hash.update(version(join(typescript, 'package.json')))
  for (const config of ['tsconfig.json', 'tsconfig.build.json']) hash.update(readFileSync(join(root, config)))
  return hash.digest('hex')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = build() ? 0 : 1
