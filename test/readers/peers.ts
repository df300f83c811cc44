import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { quoteName, type Session } from '../../src/engine/index.js'
import { DeltaTable } from '../../src/table/index.js'
import { readerPython, repository, sparkPython } from '../fixtures.js'

/** What a reader made of a table: rows as text, so that any two engines can be held against each other. */
export interface Seen {
  readonly rows: number
  /** The same for the same rows, in whatever order. */
  readonly digest: string
  /** Sorted. */
  readonly columns: readonly string[]
  /** The first twenty rows as sorted text, columns in that order, null as `~`: what a failing test shows. */
  readonly sample: readonly string[]
}

/** A Delta implementation that is not ours, in a process of its own. A command that fails rejects with what the implementation said. */
export interface Peer {
  read(path: string, version?: number): Promise<Seen>
  /** Ends the process. */
  close(): Promise<void>
}

type Mode = 'append' | 'overwrite' | 'error'
type Properties = Readonly<Record<string, string>>

export interface Spark extends Peer {
  /** One statement; a table by its path is delta.`/lake/trips`. */
  sql(text: string): Promise<readonly Properties[]>
  /** Appends a Parquet file's rows, or makes the table of them. */
  write(
    path: string,
    parquet: string,
    options?: { readonly mode?: Mode; readonly partitionBy?: readonly string[]; readonly properties?: Properties },
  ): Promise<void>
  /** The change data feed of these versions, both included, less `_commit_timestamp`. */
  changes(path: string, from: number, to: number): Promise<Seen>
}

export interface DeltaRs extends Peer {
  write(
    path: string,
    parquet: string,
    options?: { readonly mode?: Mode; readonly partitionBy?: readonly string[]; readonly configuration?: Properties },
  ): Promise<void>
  /** `on` names the columns that are equal in `s`, the Parquet file, and `t`. Matched rows go where `delete`, a condition, is true. */
  merge(
    path: string,
    parquet: string,
    on: readonly string[],
    options?: { readonly update?: boolean; readonly insert?: boolean; readonly delete?: string },
  ): Promise<unknown>
  delete(path: string, predicate?: string): Promise<unknown>
  optimize(path: string): Promise<unknown>
  zorder(path: string, columns: readonly string[]): Promise<unknown>
  /** The files taken away, or for a dry run those that would be. */
  vacuum(path: string, options?: { readonly retentionHours?: number; readonly dryRun?: boolean }): Promise<readonly string[]>
  checkpoint(path: string): Promise<void>
  history(path: string): Promise<readonly Readonly<Record<string, unknown>>[]>
}

/** Starts a peer; Spark takes half a minute. For tests within `describeWithSpark` or `describeWithReaders`. */
export function openPeer(name: 'spark'): Promise<Spark>
export function openPeer(name: 'delta-rs'): Promise<DeltaRs>
export async function openPeer(name: 'spark' | 'delta-rs'): Promise<Spark | DeltaRs> {
  const { call, close } = await start(name)
  const read = (path: string, version?: number) => call<Seen>('read', { path, version })
  const spark: Spark = {
    read,
    sql: (text) => call('sql', { text }),
    write: (path, parquet, options) => call('write', { path, parquet, ...options }),
    changes: (path, start, end) => call('changes', { path, start, end }),
    close,
  }
  const deltaRs: DeltaRs = {
    read,
    write: (path, parquet, options) => call('write', { path, parquet, ...options }),
    merge: (path, parquet, on, options) => call('merge', { path, parquet, on, ...options }),
    delete: (path, predicate) => call('delete', { path, predicate }),
    optimize: (path) => call('optimize', { path }),
    zorder: (path, columns) => call('zorder', { path, columns }),
    vacuum: (path, options) => call('vacuum', { path, ...options }),
    checkpoint: (path) => call('checkpoint', { path }),
    history: (path) => call('history', { path }),
    close,
  }
  return name === 'spark' ? spark : deltaRs
}

/** The same of a table by our own reading. */
export async function asWeRead(path: string, version?: number): Promise<Seen> {
  const table = await DeltaTable.open(path, { outside: true })
  try {
    return await seen(await table.session(), await table.read(version === undefined ? {} : { version }))
  } finally {
    await table.close()
  }
}

/** The same of a SELECT. */
export async function seen(session: Session, select: string): Promise<Seen> {
  const columns = (await session.describe(select)).map(({ name }) => name).sort()
  const values = columns.map((name) => `coalesce(cast(${quoteName(name)} as varchar), '~')`)
  const lines = `SELECT concat_ws('|', ${values.join(', ')}) AS line FROM (${select})`
  const digest = `coalesce(sum(('0x' || left(md5(line), 15))::bigint), 0)::varchar`
  const [whole] = await session.rows(`SELECT count(*) AS n, ${digest} AS digest FROM (${lines})`)
  const sample = await session.rows(`${lines} ORDER BY line LIMIT 20`)
  return { rows: Number(whole?.['n']), digest: String(whole?.['digest']), columns, sample: sample.map(({ line }) => String(line)) }
}

/** Spark's first statements take a minute on a small machine. */
const ANSWER_MS = 180_000

interface Answer {
  readonly ok?: unknown
  readonly error?: string
}

async function start(name: 'spark' | 'delta-rs') {
  const python = name === 'spark' ? sparkPython() : readerPython()
  const child = spawn(python, [join(repository, 'test', 'readers', 'peers.py'), name], { stdio: 'pipe' })
  const said: Buffer[] = []
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk))
  // A process that has ended is told of by the lines that end, not by the pipe that breaks.
  child.stdin.on('error', () => {})
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()

  const answer = async (command: string): Promise<Answer> => {
    const line = await within(ANSWER_MS, lines.next(), `${name} gave no answer to ${command}`, child)
    if (line.done === true) throw new Error(`${name} ended at ${command}: ${Buffer.concat(said).toString().slice(-2000)}`)
    return JSON.parse(line.value)
  }
  await answer('its start')

  // One command after the other: answers carry no number.
  let turn: Promise<unknown> = Promise.resolve()
  return {
    call<Result>(command: string, facts: Readonly<Record<string, unknown>>): Promise<Result> {
      const mine = turn.then(async () => {
        child.stdin.write(`${JSON.stringify({ command, ...facts })}\n`)
        const { ok, error } = await answer(command)
        if (error !== undefined) throw new Error(`${name}: ${error}`)
        return ok as Result
      })
      turn = mine.catch(() => {})
      return mine
    },
    async close(): Promise<void> {
      child.stdin.end()
      await within(ANSWER_MS, ended, `${name} did not end`, child)
    },
  }
}

async function within<Result>(limit: number, work: Promise<Result>, late: string, child: ChildProcessWithoutNullStreams): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`${late} within ${limit / 1000} s`))
    }, limit)
  })
  return Promise.race([work, expired]).finally(() => clearTimeout(timer))
}
