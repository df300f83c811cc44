import { spawn } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Session } from '../../src/engine/index.js'
import { type ErrorDefinition, failure, STORAGE_FAILED, STORAGE_FULL } from '../../src/errors/index.js'
import { column, fieldsOf } from '../../src/schema/index.js'
import { localStorage, type Storage } from '../../src/storage/index.js'
import { DeltaTable } from '../../src/table/index.js'
import { PART, part, repository, temporaryFolder } from '../fixtures.js'
import { openSession } from '../session.js'
import { dataFiles, rowsOf, values } from './table.js'

/**
 * Each call of storage and engine that an operation makes fails once, in each of these ways. The table is then as it was before or
 * as it is after, and the same numbered write, made again, makes it what it is after.
 */
interface Fault {
  readonly name: string
  /** Which calls are numbered. Of one that only reads, it makes no difference whether it took effect or who was gone after it. */
  readonly of: 'all' | 'writes'
  /** Whether the call takes effect although it fails; `half`: what it writes is cut short, under a name that nobody knows. */
  readonly effect: 'half' | 'whole'
  readonly error: ErrorDefinition<{ path: string; problem: string }> | ErrorDefinition<{ path: string }>
  /** How many later calls fail too, without effect: all of them when the process or the machine is gone. */
  readonly away: number
}

const GONE = Number.POSITIVE_INFINITY
const faults: readonly Fault[] = [
  { name: 'call takes effect and fails', of: 'all', effect: 'whole', error: STORAGE_FAILED, away: 0 },
  { name: 'write finds the disk full', of: 'writes', effect: 'half', error: STORAGE_FULL, away: 0 },
  { name: 'write takes effect and fails, and so does the call after it', of: 'writes', effect: 'whole', error: STORAGE_FAILED, away: 1 },
  { name: 'write is the last, and cut short', of: 'writes', effect: 'half', error: STORAGE_FAILED, away: GONE },
  { name: 'write is the last that takes effect', of: 'writes', effect: 'whole', error: STORAGE_FAILED, away: GONE },
]

interface Outside {
  readonly storage: Storage
  readonly session: Session
  /** Whether the call that was to fail was made at all. */
  met(): boolean
}

const WRITES = new Set<PropertyKey>(['putIfAbsent', 'put', 'remove', 'makeFolder', 'settle', 'adopt', 'write', 'execute'])
const ENGINE_CALLS = new Set<PropertyKey>(['write', 'execute', 'rows'])

/** Storage and engine of which call number `at`, from 1, fails. */
function faulty(at: number, { of, effect, error, away }: Fault, engine: Session): Outside {
  let calls = 0
  const wrap =
    (name: PropertyKey, whole: Call): Call =>
    async (...args) => {
      if (calls < at && of === 'writes' && !WRITES.has(name)) return whole(...args)
      const call = ++calls
      if (call < at || call > at + away) return whole(...args)
      if (call === at && effect === 'whole') await whole(...args)
      if (call === at && effect === 'half') await cutShort(name, whole, args)
      throw failure(error as typeof STORAGE_FAILED, { path: String(name), problem: `call ${call} fails` })
    }
  return {
    storage: wrapped(localStorage(), () => true, wrap),
    session: wrapped(engine, (name) => ENGINE_CALLS.has(name), wrap),
    met: () => calls >= at,
  }
}

type Call = (...args: unknown[]) => Promise<unknown>

function wrapped<Wrapped extends object>(
  target: Wrapped,
  which: (name: PropertyKey) => boolean,
  wrap: (name: PropertyKey, call: Call) => Call,
) {
  return new Proxy(target, {
    get(_, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      const bound = member.bind(target) as Call
      return which(name) ? wrap(name, bound) : bound
    },
  })
}

async function cutShort(name: PropertyKey, whole: Call, args: readonly unknown[]): Promise<void> {
  if (name === 'put' || name === 'putIfAbsent') {
    const [path, bytes] = args as [string, Uint8Array]
    writeFileSync(join(dirname(path), `.cut-${Math.random()}.tmp`), bytes.subarray(0, bytes.length / 2))
  }
  if (name === 'write') {
    const [file] = (await whole(...args)) as Awaited<ReturnType<Session['write']>>
    if (file !== undefined) truncateSync(file.path, Math.floor(file.bytes / 2))
  }
}

interface Operation {
  readonly name: string
  readonly properties?: Readonly<Record<string, string>>
  readonly run: (table: DeltaTable, txn: { appId: string; version: number }) => Promise<{ readonly applied?: boolean }>
  readonly after: readonly string[]
  /** The version that it makes; the table is at 3 before. */
  readonly version: number
}

const session = openSession()
const columns = { id: column.integer(), v: column.string() }
const before = ['1 a', '2 a', '3 b', '4 b', '5 c', '6 c']
const upserted = values('id, v', "(2, 'B')", "(3, 'B')", "(7, 'B')")
const merged = ['1 a', '2 B', '3 B', '4 b', '5 c', '6 c', '7 B']

const operations: readonly Operation[] = [
  {
    name: 'append',
    run: (table, txn) => table.append(values('id, v', "(7, 'd')"), { txn }),
    after: [...before, '7 d'],
    version: 4,
  },
  { name: 'merge', run: (table, txn) => table.merge(`(${upserted})`, ['id'], { txn }), after: merged, version: 4 },
  {
    name: 'merge with deletion vectors and a change data feed',
    properties: { 'delta.enableDeletionVectors': 'true', 'delta.enableChangeDataFeed': 'true' },
    run: (table, txn) => table.merge(`(${upserted})`, ['id'], { txn }),
    after: merged,
    version: 4,
  },
  { name: 'delete', run: (table, txn) => table.delete('t.id IN (1, 3, 4)', { txn }), after: ['2 a', '5 c', '6 c'], version: 4 },
  { name: 'optimize', run: (table, txn) => table.optimize({ txn }), after: before, version: 4 },
  { name: 'checkpoint', run: (table) => table.checkpoint().then(() => ({})), after: before, version: 3 },
]

describe.each(operations)('$name', ({ properties, run, after, version }) => {
  let original: string
  let filesBefore: string[]

  /** The commit of each operation is followed by a log checkpoint. */
  beforeAll(async () => {
    original = join(temporaryFolder(), 'table')
    const definition = { fields: fieldsOf(columns), properties: { 'delta.checkpointInterval': '4', ...properties } }
    const table = await DeltaTable.create(original, definition, { session: session() })
    for (const [low, v] of [
      [1, 'a'],
      [3, 'b'],
      [5, 'c'],
    ] as const)
      await table.append(values('id, v', `(${low}, '${v}')`, `(${low + 1}, '${v}')`))
    filesBefore = dataFiles(table)
  })

  test.each(faults)('of which one $name', async (fault) => {
    const txn = { appId: 'test', version: 1 }
    let at = 1
    for (; ; at += PART) {
      const path = join(temporaryFolder(), 'table')
      cpSync(original, path, { recursive: true, preserveTimestamps: true })
      const outside = faulty(at, fault, session())
      const table = DeltaTable.at(path, outside)
      const answer = await run(table, txn).catch((error: { code?: string }) => error.code ?? error)
      if (!outside.met()) {
        expect(answer, 'without a fault').not.toBeTypeOf('string')
        break
      }
      const said = `call ${at}, answered ${JSON.stringify(answer)}`
      if (typeof answer !== 'object') expect(answer, said).toMatch(/^(STORAGE|ENGINE|TABLE)_/)

      const reopened = DeltaTable.at(path, { session: session() })
      const found = (await reopened.snapshot()).version
      if (typeof answer === 'object') expect(found, `${said}: it said that it was done`).toBe(version)
      expect([3, version], said).toContain(found)
      expect(await rowsOf(reopened), said).toEqual(found === 3 ? before : after)

      // The same handle goes on where the storage has come back; a process that is gone is another one's to follow.
      await again(() => run(fault.away === GONE ? reopened : table, txn))
      const fresh = DeltaTable.at(path, { session: session() })
      expect((await fresh.snapshot()).version, said).toBe(version)
      expect(await rowsOf(fresh), said).toEqual(after)
      expect(dataFiles(fresh), `${said}: earlier versions need their files`).toEqual(expect.arrayContaining(filesBefore))
    }
    expect(at).toBeGreaterThan(3)
  })
})

/** Until it succeeds: as many calls may still fail as a fault lasts. */
async function again(attempt: () => Promise<unknown>): Promise<void> {
  for (let left = 3; left > 0; left--) {
    try {
      return void (await attempt())
    } catch (error) {
      if (left === 1) throw error
    }
  }
}

describe('local storage', () => {
  const script = join(repository, 'test', 'table', 'local-storage-worker.ts')
  const worker = (limit: string, ...words: readonly string[]) =>
    spawn('/bin/bash', ['-c', `${limit} exec "$0" --import jiti/register "$@"`, process.execPath, script, ...words], {
      cwd: repository,
      env: { ...process.env, JITI_FS_CACHE: 'false' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })

  test.each(['put', 'putIfAbsent'])('%s shows no part of a file that did not fit', async (call) => {
    const folder = temporaryFolder()
    // The system itself cuts files off at 8 KiB: the write is short, the next one fails.
    const child = worker('ulimit -f 8;', 'once', call, join(folder, 'file'), '20000')
    let said = ''
    child.stdout.on('data', (chunk) => (said += String(chunk)))
    await new Promise((resolve) => child.on('close', resolve))
    expect(said.trim()).toBe('STORAGE_FAILED')
    expect(readdirSync(folder)).toEqual([])
  })

  test.each(['put', 'putIfAbsent'])('%s shows whole files only, when the process is killed too', async (call) => {
    const folder = temporaryFolder()
    const path = join(folder, 'file')
    for (let round = 0; round < part(3); round++) {
      const child = worker('', 'forever', call, path, String(4 * 1024 * 1024))
      const ended = new Promise((resolve) => child.on('close', resolve))
      await new Promise((resolve) => child.stdout.once('data', resolve))
      setTimeout(() => child.kill('SIGKILL'), 30 + 40 * round)
      let running = true
      void ended.then(() => (running = false))
      while (running) {
        requireWhole(path)
        await new Promise((resolve) => setImmediate(resolve))
      }
      requireWhole(path)
    }
    expect(readdirSync(folder).filter((name) => !name.startsWith('.'))).toEqual(existsSync(path) ? ['file'] : [])
  })
})

function requireWhole(path: string): void {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch {
    return // Not there yet, or no more.
  }
  expect(bytes.length).toBe(4 * 1024 * 1024)
  expect(bytes.equals(Buffer.alloc(bytes.length, bytes[0]))).toBe(true)
}
