import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { column, fieldsOf } from '../../src/schema/index.js'
import { describeWithData, part, repository, temporaryFolder, testData } from '../fixtures.js'
import { openSession } from '../session.js'
import type { Reading } from './fuzz-reader.js'
import { newTable, values } from './table.js'

/**
 * Damaged tables, each read by another process: it must answer, in time, with rows or with a coded error.
 *
 * What we write has a hash in each commit and of the newest checkpoint, so there it is the right rows or an error, always. In a log
 * without hashes a digit that changed cannot be told from the digit that was; there any rows will do.
 *
 * `SLUICE_TEST_FUZZ` says how many are read in all, `SLUICE_TEST_SEED` begins with another.
 */

const session = openSession()
const CASES = Number(process.env['SLUICE_TEST_FUZZ'] ?? part(150))
const SEED = Number(process.env['SLUICE_TEST_SEED'] ?? 1)
/** Of a case; most take a fiftieth of a second. */
const LONGEST_MS = 20_000

type Random = (below: number) => number

/** Mulberry32. */
function random(seed: number): Random {
  let state = seed | 0
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

const pick = <One>(from: readonly One[], next: Random): One => from[next(from.length)] as One

type Damage = (bytes: Buffer, next: Random) => Buffer | undefined

const onBytes: Readonly<Record<string, Damage>> = {
  'one bit': (bytes, next) => flipped(bytes, next, 1),
  'some bits': (bytes, next) => flipped(bytes, next, 2 + next(20)),
  'cut off': (bytes, next) => bytes.subarray(0, next(bytes.length)),
  emptied: () => Buffer.alloc(0),
  'cut out': (bytes, next) => {
    const at = next(bytes.length)
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + next(40))])
  },
  garbage: (bytes, next) => {
    const at = next(bytes.length)
    return Buffer.concat([bytes.subarray(0, at), Buffer.from(Array.from({ length: 1 + next(40) }, () => next(256))), bytes.subarray(at)])
  },
  zeros: (bytes, next) => {
    const at = next(bytes.length)
    return Buffer.from(bytes).fill(0, at, Math.min(bytes.length, at + 1 + next(60)))
  },
  'not there': () => undefined,
}

const onFiles: Readonly<Record<string, Damage>> = { 'not there': () => undefined }

function flipped(bytes: Buffer, next: Random, times: number): Buffer {
  const copy = Buffer.from(bytes)
  for (let time = 0; time < times && copy.length > 0; time++) {
    const at = next(copy.length)
    copy[at] = (copy[at] ?? 0) ^ (1 << next(8))
  }
  return copy
}

const onLines = (change: (lines: string[], next: Random) => void): Damage => {
  return (bytes, next) => {
    const lines = bytes.toString('utf8').split('\n').slice(0, -1)
    if (lines.length > 0) change(lines, next)
    return Buffer.from(lines.map((line) => `${line}\n`).join(''))
  }
}

const onText: Readonly<Record<string, Damage>> = {
  ...onBytes,
  'a line dropped': onLines((lines, next) => lines.splice(next(lines.length), 1)),
  'a line twice': onLines((lines, next) => lines.splice(next(lines.length), 0, pick(lines, next))),
  'lines swapped': onLines((lines, next) => lines.push(...lines.splice(next(lines.length), 1))),
  'a number changed': onLines((lines, next) => {
    const at = next(lines.length)
    lines[at] = (lines[at] ?? '').replace(/\d+/g, (digits) => (next(4) > 0 ? digits : pick(NUMBERS, next)))
  }),
  'a value of another kind': onLines((lines, next) => replaceOne(lines, next, 1)),
  'values of other kinds': onLines((lines, next) => replaceOne(lines, next, 3)),
  'two values swapped': onLines((lines, next) => {
    const at = next(lines.length)
    const found = [...(lines[at] ?? '').matchAll(/"(?:[^"\\]|\\.)*"|-?\d+/g)].map(([text]) => text)
    if (found.length < 2) return
    const [left, right] = [pick(found, next), pick(found, next)]
    lines[at] = (lines[at] ?? '').replaceAll(left, '\0').replaceAll(right, left).replaceAll('\0', right)
  }),
}

const NUMBERS = [
  '0',
  '-1',
  '1.5',
  '1e308',
  '1e999',
  '9007199254740993',
  '99999999999999999999999999',
  '4294967296',
  '2147483648',
  '-0',
  '00',
]
const deep = (open: string, close: string, levels: number) => open.repeat(levels) + close.repeat(levels)
const VALUES = [
  ...NUMBERS,
  'null',
  'true',
  '""',
  '"x"',
  '[]',
  '{}',
  '[null]',
  '{"x":null}',
  '"../../../etc/passwd"',
  '"%E0%A4%A"',
  '"/etc/passwd"',
  '"s3://nowhere/x"',
  '"\\u0000"',
  '"\\ud800"',
  `"${'long'.repeat(5000)}"`,
  '{"constructor":1,"__proto__":{"x":1}}',
  deep('[', ']', 200),
  deep('[', ']', 20_000),
  deep('{"type":', '}', 500).replace(':}', ':1}'),
  JSON.stringify(deep('{"type":"array","elementType":', '}', 20_000).replace(':}', ':"long"}')),
  JSON.stringify('{"type":"struct","fields":[{"name":"id"}]}'),
  JSON.stringify('{"type":"struct","fields":[]}'),
  JSON.stringify('{"numRecords":-5,"minValues":[],"nullCount":{"id":"x"}}'),
  JSON.stringify('{"numRecords":1e300}'),
]

/** Puts other values in the place of some in one line's JSON, or in that of JSON that is kept there as text. */
function replaceOne(lines: string[], next: Random, times: number): void {
  const at = next(lines.length)
  let value: unknown
  try {
    value = JSON.parse(lines[at] ?? '')
  } catch {
    return
  }
  for (let time = 0; time < times; time++) value = replaced(value, next)
  lines[at] = JSON.stringify(value).replace(/"\\u0000raw(\d+)"/g, (_, index) => VALUES[Number(index)] ?? 'null')
}

function replaced(value: unknown, next: Random): unknown {
  if (typeof value === 'string' && /^[{[]/.test(value) && next(4) > 0) {
    try {
      const inner = JSON.stringify(replaced(JSON.parse(value), next))
      return inner.replace(/"\\u0000raw(\d+)"/g, (_, index) => VALUES[Number(index)] ?? 'null')
    } catch {
      return value
    }
  }
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0 || next(8) === 0) return `\0raw${next(VALUES.length)}`
  const key = pick(Object.keys(value), next)
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>
  if (next(12) === 0) delete copy[key]
  else copy[key] = replaced(copy[key], next)
  return copy
}

/** Reads tables one after the other; a process that ended, or that does not answer, is begun anew. */
class Reader {
  #process: ChildProcess | undefined
  #answer: ((line: string) => void) | undefined
  readonly #folder = mkdtempSync(join(tmpdir(), 'sluice-test-fuzz-'))

  async read(path: string): Promise<Reading | { readonly ended: string }> {
    const child = this.#process ?? this.#start()
    return new Promise((resolve) => {
      const done = (answer: Reading | { readonly ended: string }) => {
        clearTimeout(timer)
        child.removeListener('close', closed)
        if ('ended' in answer) this.#process = undefined
        resolve(answer)
      }
      const closed = (code: number | null, signal: string | null) => done({ ended: `the process ended with ${signal ?? code}` })
      const timer = setTimeout(() => {
        child.kill('SIGKILL')
        done({ ended: `no answer within ${LONGEST_MS} ms` })
      }, LONGEST_MS)
      child.once('close', closed)
      this.#answer = (line) => done(JSON.parse(line))
      child.stdin?.write(`${path}\n`)
    })
  }

  close(): void {
    this.#process?.removeAllListeners('close')
    this.#process?.kill('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #start(): ChildProcess {
    const child = spawn(process.execPath, ['--import', 'jiti/register', join(import.meta.dirname, 'fuzz-reader.ts'), this.#folder], {
      cwd: repository,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    createInterface({ input: child.stdout }).on('line', (line) => this.#answer?.(line))
    this.#process = child
    return child
  }
}

const reader = new Reader()
afterAll(() => reader.close())

/** A copy whose data files are links: what is damaged is a new file in the place of the old. */
function copyTable(from: string, to: string): void {
  for (const name of readdirSync(from, { recursive: true }) as string[]) {
    if (statSync(join(from, name)).isDirectory()) continue
    mkdirSync(dirname(join(to, name)), { recursive: true })
    if (name.startsWith('_delta_log')) cpSync(join(from, name), join(to, name))
    else linkSync(join(from, name), join(to, name))
  }
}

/**
 * Damages one file of the table, and says how. Nothing in a Delta table tells what a data file's bytes were, so of a table that must
 * read right those are at most taken away; deletion vectors have checksums.
 */
function damage(table: string, mustBeRight: boolean, next: Random): string {
  const files = (readdirSync(table, { recursive: true }) as string[])
    .filter((name) => /\.(json|parquet|bin)$|_last_checkpoint$|\.crc$/.test(name))
    .sort()
  const inLog = (one: string) => one.startsWith('_delta_log')
  const name = pick(files.filter((one) => next(4) === 0 || inLog(one)).concat(files.slice(0, 1)), next)
  const path = join(table, name)
  const isText = /json$|_last_checkpoint$|crc$/.test(name)
  const kinds = mustBeRight && !inLog(name) && name.endsWith('.parquet') ? onFiles : isText ? onText : onBytes
  const kind = pick(Object.keys(kinds), next)
  const bytes = kinds[kind]?.(readFileSync(path), next)
  rmSync(path)
  if (bytes !== undefined) writeFileSync(path, bytes)
  return `${name}: ${kind}`
}

interface Base {
  readonly path: string
  /** Rows of each version, where it is known that no damage can pass for another table. */
  readonly versions?: readonly (readonly string[])[]
}

async function fuzz(bases: readonly Base[], cases: number, seed: number): Promise<void> {
  const folder = temporaryFolder()
  const wrong: string[] = []
  for (let index = 0; index < cases; index++) {
    const next = random(seed * 1_000_003 + index)
    const base = pick(bases, next)
    const path = join(folder, `case-${index}`)
    copyTable(base.path, path)
    const how = `seed ${seed} case ${index}, ${basename(dirname(base.path))}/${basename(base.path)} ${damage(path, base.versions !== undefined, next)}`
    const answer = await reader.read(path)
    if ('ended' in answer) wrong.push(`${how}: ${answer.ended}`)
    else if (answer.stack !== undefined) wrong.push(`${how}: ${answer.stack}`)
    else if (answer.rows !== undefined && base.versions !== undefined) {
      const right = base.versions[answer.version ?? -1]
      if (JSON.stringify(right) !== JSON.stringify(answer.rows))
        wrong.push(`${how}: version ${answer.version} reads as ${answer.rows.length} other rows`)
    }
    rmSync(path, { recursive: true, force: true })
  }
  expect(wrong).toEqual([])
}

/** Nine versions of a small table that has all there is. */
async function ours(properties: Record<string, string>): Promise<Base> {
  const table = await newTable(
    session(),
    { id: column.integer(), p: column.string(), s: column.struct({ a: column.long(), t: column.timestamp() }) },
    {
      partitionColumns: ['p'],
      properties: {
        'delta.enableDeletionVectors': 'true',
        'delta.columnMapping.mode': 'name',
        'delta.enableChangeDataFeed': 'true',
        ...properties,
      },
    },
  )
  const row = (id: number, p: string) => `(${id}, '${p}', {'a': ${id * 1e9}, 't': TIMESTAMPTZ '2024-01-0${id} 00:00:00.5+00'})`
  await table.append(values('id, p, s', row(1, 'a'), row(2, 'a b/%'), row(3, 'a')), { txn: { appId: 'me', version: 1 } })
  await table.append(values('id, p, s', row(4, 'c'), row(5, 'a')))
  await table.delete('t.id = 3')
  await table.addColumns(fieldsOf({ more: column.string() }))
  await table.update({ more: "'x'" }, 't.id = 1')
  await table.renameColumn(['more'], 'much more')
  await table.merge(`(SELECT * FROM (${values('id, p', "(5, 'a')", "(6, 'd')")}))`, ['id'], {
    clauses: { notMatched: [{ insert: 'all' }], matched: [{ delete: true }] },
  })
  await table.overwrite(`SELECT 7 AS id, 'c' AS p, NULL AS s, 'y' AS "much more"`, { partitions: 'dynamic' })
  const versions: string[][] = []
  for (let version = 0; version <= (await table.snapshot()).version; version++) {
    const rows = await session().rows(`SELECT to_json(r)::VARCHAR AS row FROM (${await table.read({ version })}) AS r`)
    versions.push(rows.map((one) => String(one['row'])).sort())
  }
  return { path: table.path, versions }
}

/** As a writer without hashes would have left it. */
function stripped({ path }: Base): Base {
  const to = join(temporaryFolder(), 'stripped')
  copyTable(path, to)
  const log = join(to, '_delta_log')
  for (const name of readdirSync(log).filter((one) => /^\d+\.json$|_last_checkpoint/.test(one))) {
    const text = readFileSync(join(log, name), 'utf8')
    writeFileSync(join(log, name), text.replace(/,"contentHash":"[0-9a-f]*"/, '').replace(/,"sluice":\{[^}]*\}/, ''))
  }
  return { path: to }
}

let bases: Base[] = []
beforeAll(async () => {
  bases = [
    await ours({ 'delta.checkpointInterval': '100' }),
    await ours({ 'delta.checkpointInterval': '3' }),
    await ours({ 'delta.checkpointInterval': '4', 'delta.checkpointPolicy': 'v2' }),
  ]
})

test(
  'ours, whatever is damaged: the right rows or a coded error',
  async () => {
    await fuzz(bases, Math.ceil(CASES * 0.4), SEED)
  },
  CASES * 1000,
)

test(
  'ours without hashes: rows or a coded error',
  async () => {
    await fuzz(bases.map(stripped), Math.ceil(CASES * 0.3), SEED + 1)
  },
  CASES * 1000,
)

describeWithData('tables of other writers', () => {
  const foreign = [
    'golden/v2-checkpoint-json',
    'golden/v2-checkpoint-parquet',
    'golden/multi-part-checkpoint',
    'golden/only-checkpoint-files',
    'golden/snapshot-data2-deleted',
    'golden/table-with-columnmapping-mode-id',
    'golden/data-reader-timestamp_ntz-name-mode',
    'golden/time-travel-schema-changes-a',
    'golden/log-replay-dv-key-cases',
    'golden/parquet-all-types',
    'kernel/type-widening',
    'kernel/parsed-stats',
    'kernel/v2-json-sidecars-struct-stats-only',
    'kernel/v1-single-part-struct-stats-only',
    'kernel/app-txn-checkpoint',
    'kernel/stats-writing-all-types',
  ]

  test(
    'rows or a coded error',
    async () => {
      const there = foreign
        .flatMap((name) => [testData('delta', name, 'delta'), testData('delta', name)])
        .filter((path) => existsSync(join(path, '_delta_log')))
        .map((from): Base => {
          const to = join(temporaryFolder(), basename(dirname(from)), basename(from))
          cpSync(from, to, { recursive: true })
          return { path: to }
        })
      expect(there.length).toBeGreaterThan(0)
      await fuzz(there, Math.ceil(CASES * 0.3), SEED + 2)
    },
    CASES * 1000,
  )
})
