import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { column, fieldsOf } from '../../src/schema/index.js'
import { type AddFile, DeltaTable } from '../../src/table/index.js'
import { decodePath } from '../../src/table/log/actions.js'
import { vectorPath } from '../../src/table/log/deletion-vector.js'
import { chance } from '../chance.js'
import { ended, repository, temporaryFolder } from '../fixtures.js'
import { asText, openSession } from '../session.js'
import { type Item, stepsOf } from './chaos-model.js'

/** Steps that each worker takes, on each of the two tables. */
const STEPS = Math.ceil(Number(process.env['SLUICE_TEST_CHAOS_COMMITS'] ?? 12) / 2)
const WORKERS = 8
/** How often each worker is killed, if it lives that long. */
const KILLS = Math.ceil(STEPS / 4)
const LONGEST_LIFE_MS = 2000
/** VACUUM takes what was removed before that. No attempt may take as long, or it would take files that are about to be committed. */
const VACUUM_SECONDS = 30

const session = openSession()
const script = join(repository, 'test', 'end-to-end', 'chaos-worker.ts')

function start(...words: readonly (string | number)[]): ChildProcess {
  const child = spawn(process.execPath, ['--import', 'jiti/register', script, ...words.map(String)], {
    cwd: repository,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

interface Told {
  readonly number: number
  readonly version?: number
  readonly applied?: boolean
}

/** Runs a worker to its end, through kills at random moments. */
async function work(words: readonly (string | number)[], random: () => number): Promise<{ kills: number; told: Told[] }> {
  const told: Told[] = []
  for (let kills = 0; ; ) {
    const child = start('write', ...words)
    const end = ended(child)
    let timer: NodeJS.Timeout | undefined
    if (kills < KILLS) child.stdout?.once('data', () => (timer = setTimeout(() => child.kill('SIGKILL'), random() * LONGEST_LIFE_MS)))
    const { code, stdout, stderr } = await end
    clearTimeout(timer)
    // The last line may be cut off by the kill.
    const lines = stdout.split('\n').slice(1, -1)
    told.push(...lines.map((line) => JSON.parse(line) as Told))
    if (code === 0) return { kills, told }
    expect(code, stderr).toBe(137)
    kills++
  }
}

/** The data file, and the file of its deletion vector, within the table. */
function filesOf({ path, deletionVector }: Pick<AddFile, 'path' | 'deletionVector'>): string[] {
  const vector = deletionVector === undefined ? undefined : vectorPath(deletionVector, '')
  return [decodePath(path), ...(vector === undefined ? [] : [vector])]
}

const text = ({ owner, batch, k, v, n }: Item) => [owner, batch, k, v, n].join(' ')

test.each([
  ['rewrites files', {}],
  ['marks rows', { 'delta.enableDeletionVectors': 'true' }],
])(
  `${WORKERS} processes that are killed and started again, on a table that %s`,
  { timeout: 60_000 + 20_000 * STEPS },
  async (_, properties) => {
    const seed = Number(process.env['SLUICE_TEST_SEED'] ?? Date.now() % 1_000_000)
    const random = chance(seed)
    const path = join(temporaryFolder(), 'table')
    const columns = { owner: column.integer(), batch: column.integer(), k: column.integer(), v: column.long(), n: column.long() }
    const definition = { fields: fieldsOf(columns), properties: { 'delta.checkpointInterval': '7', ...properties } }
    const table = await DeltaTable.create(path, definition, { session: session() })
    const reader = start('read', path)
    const read = ended(reader)
    const owners = Array.from({ length: WORKERS }, (__, owner) => owner)
    const workers = await Promise.all(owners.map((owner) => work([path, owner, seed, STEPS, VACUUM_SECONDS], random)))
    reader.kill('SIGTERM')
    const seen = await read
    const said = `seed ${seed}`
    expect(seen.code, `${said}: the reader saw ${seen.stderr}`).toBe(0)

    const { version: newest } = await table.snapshot()
    const commits = readdirSync(join(path, '_delta_log')).flatMap((name) =>
      /^\d{20}\.json$/.test(name) ? [Number.parseInt(name, 10)] : [],
    )
    expect(
      commits.sort((left, right) => left - right),
      said,
    ).toEqual(Array.from({ length: newest + 1 }, (__, version) => version))

    const expected = owners.flatMap((owner) => {
      for (const { number, after } of stepsOf(owner, seed)) if (number === STEPS) return after.map(text)
      return []
    })
    expect(asText(await session().rows(await table.read())), said).toEqual(expected.sort())

    const history = await table.history()
    const made = new Map<string, number>()
    const removedAt = new Map<string, number>()
    for (const { version } of history) {
      for (const { txn, remove } of (await table.actions(version)) ?? []) {
        if (remove !== undefined)
          for (const file of filesOf(remove)) removedAt.set(file, Math.max(removedAt.get(file) ?? 0, remove.deletionTimestamp))
        if (txn === undefined) continue
        expect(made.get(`${txn.appId}/${txn.version}`), `${said}: ${txn.appId} made its ${txn.version} twice`).toBeUndefined()
        made.set(`${txn.appId}/${txn.version}`, version)
      }
    }
    for (const [owner, { told }] of workers.entries()) {
      for (const { number, version, applied } of told) {
        if (applied === true) expect(made.get(`owner ${owner}/${number}`), `${said}: owner ${owner} was told of ${number}`).toBe(version)
      }
    }

    const vacuumed = Math.max(0, ...history.filter((entry) => entry.operation === 'VACUUM START').map((entry) => entry.timestamp))
    for (const { version } of history) {
      const snapshot = await table.snapshot(version)
      const missing = [...snapshot.files.values()].flatMap(filesOf).filter((file) => !existsSync(join(path, file)))
      for (const file of missing)
        expect(removedAt.get(file), `${said}: ${file} of version ${version} was taken`).toBeLessThan(vacuumed - VACUUM_SECONDS * 1000)
      if (missing.length > 0) continue
      const odd = `SELECT owner, batch FROM (${await table.select(snapshot)}) GROUP BY ALL HAVING sum(v) <> 0 OR sum(n) <> 0`
      expect(await session().rows(odd), `${said}: version ${version}`).toEqual([])
    }
    const kills = workers.reduce((sum, one) => sum + one.kills, 0)
    expect(kills, said).toBeGreaterThan(0)
  },
)
