import { setTimeout as sleep } from 'node:timers/promises'
import { isSluiceError, messageOf } from '../errors/index.js'
import type { StoreConnection, StoreSql } from '../stores/index.js'
import { figuresOf, type KindFigures, type WorkloadAttempt, type WorkloadKind, type WorkloadOperation } from './workload-figures.js'
import {
  BLOCKS,
  BLOCKS_OF_AN_UPDATE,
  centsOf,
  type Money,
  ROWS_OF_A_BLOCK,
  ROWS_OF_AN_INSERT,
  totalOf,
  type WorkloadStatements,
  workloadStatements,
} from './workload-tables.js'

export type { KindFigures, WorkloadAttempt, WorkloadKind } from './workload-figures.js'

export interface WorkloadOptions {
  /** Made for the run; a table of that name that is there is STORE_STATEMENT_FAILED, and stays as it is. */
  readonly table: string
  readonly inserters: number
  readonly updaters: number
  readonly selectors: number
  /** Rows that each inserter puts in, 5 a transaction. */
  readonly inserts: number
  /** Transactions of each updater. */
  readonly updates: number
  /** Aggregates of each selector. Default: as long as others write, and at least 20. */
  readonly selects?: number
  /** In place of these numbers: everyone works for so long. */
  readonly seconds?: number
  /** What amounts, blocks and their order are drawn from. */
  readonly seed: number
  /** Leave the tables there. */
  readonly keep?: boolean
  /** Ends the workload after the operations that are under way; what was made is taken away all the same. */
  readonly signal?: AbortSignal
  /** Milliseconds from any point. Default: the processor's monotonic clock. */
  readonly clock?: () => number
  readonly onProgress?: (operations: number) => void
}

/** What must hold at the end, whatever happened on the way. */
export interface WorkloadInvariant {
  readonly name: string
  readonly held: boolean
  readonly expected: string
  readonly found: string
}

export interface WorkloadResult {
  readonly table: string
  readonly seed: number
  readonly workers: readonly { readonly name: string; readonly kind: WorkloadKind }[]
  readonly milliseconds: number
  readonly kinds: readonly KindFigures[]
  /** Attempts that failed, by the store's own code: `ER_LOCK_DEADLOCK`, `40P01`. */
  readonly errors: Readonly<Record<string, number>>
  /** Operations that failed with all of their attempts. */
  readonly givenUp: number
  readonly invariants: readonly WorkloadInvariant[]
  readonly interrupted: boolean
  /** What this store does not show, and why. */
  readonly leftOut?: string
  readonly attempts: readonly WorkloadAttempt[]
}

/** Attempts at one operation; with waits of up to a tenth of a second between them. */
const ATTEMPTS = 50
const FEWEST_SELECTS = 20

/**
 * Inserters, updaters and selectors side by side on a table of their own, each on its own connection; then the books are balanced: every
 * insert is there exactly once, and what updaters committed is what the table says.
 *
 * Updaters change the same rows in different orders, so that deadlocks happen; such a transaction is made again. Throws STORE_* for what is
 * not transient, WORKLOAD_UNSUPPORTED for a store whose SQL it does not speak.
 */
export async function runWorkload(sql: StoreSql, options: WorkloadOptions): Promise<WorkloadResult> {
  const statements = workloadStatements(sql, options.table)
  const made: string[] = []
  const takeAway = async () => {
    if (options.keep !== true) for (const drop of made) await sql.script(drop)
  }
  try {
    for (const { make, drop } of statements.make) {
      await sql.script(make)
      if (drop !== '') made.unshift(drop)
    }
    const result = await new Workload(sql, statements, options).run()
    await takeAway()
    return result
  } catch (thrown) {
    // What went wrong first is what matters.
    await takeAway().catch(() => {})
    throw thrown
  }
}

class Workload {
  readonly #sql: StoreSql
  readonly #statements: WorkloadStatements
  readonly #options: WorkloadOptions
  readonly #clock: () => number
  readonly #attempts: WorkloadAttempt[] = []
  readonly #operations: WorkloadOperation[] = []
  readonly #errors = new Map<string, number>()
  #began = 0
  #writing = 0
  #givenUp = 0
  #fatal: unknown
  /** What was committed. */
  #total = 0n
  #updatedRows = 0
  #updatedCents = 0n
  #updateTransactions = 0
  readonly #inserted = new Map<number, number>()
  /** Answers in which a reader saw a part of a transaction. */
  #torn = 0
  /** DuckDB ends one of two writers that change the same rows: they take turns. */
  #turn: Promise<unknown> | undefined

  constructor(sql: StoreSql, statements: WorkloadStatements, options: WorkloadOptions) {
    this.#sql = sql
    this.#statements = statements
    this.#options = options
    this.#clock = options.clock ?? (() => Number(process.hrtime.bigint()) / 1e6)
    if (sql.dialect === 'duckdb') this.#turn = Promise.resolve()
  }

  async run(): Promise<WorkloadResult> {
    const { inserters, updaters, selectors } = this.#options
    const workers = [
      ...numbered('inserter', inserters, 'insert'),
      ...numbered('updater', updaters, 'update'),
      ...numbered('selector', selectors, 'select'),
    ]
    await this.#fill()
    const lines = await this.#connect(workers.length)
    try {
      this.#began = this.#clock()
      this.#writing = inserters + updaters
      await Promise.all(
        workers.map(async ({ kind, number }, worker) => {
          const line = lines[worker]
          if (line === undefined) return
          const about = { worker, number, line, random: chance(this.#options.seed + worker + 1) }
          try {
            if (kind === 'insert') await this.#insert(about)
            else if (kind === 'update') await this.#update(about)
            else await this.#select(about)
          } catch (thrown) {
            // The others end with the operation that they are at.
            this.#fatal ??= thrown
          } finally {
            if (kind !== 'select') this.#writing -= 1
          }
        }),
      )
    } finally {
      await Promise.all(lines.map((line) => line.close()))
    }
    if (this.#fatal !== undefined) throw this.#fatal
    const milliseconds = this.#clock() - this.#began
    const interrupted = this.#options.signal?.aborted === true
    return {
      table: this.#options.table,
      seed: this.#options.seed,
      workers: workers.map(({ name, kind }) => ({ name, kind })),
      milliseconds,
      kinds: figuresOf(this.#operations, this.#attempts, workers, milliseconds / 1000),
      errors: Object.fromEntries(this.#errors),
      givenUp: this.#givenUp,
      invariants: await this.#invariants(interrupted),
      interrupted,
      ...(this.#turn === undefined
        ? {}
        : { leftOut: 'deadlocks: a DuckDB file has one writer at a time, so that inserters and updaters took turns' }),
      attempts: this.#attempts,
    }
  }

  /** The rows that updaters meet on. */
  async #fill(): Promise<void> {
    const random = chance(this.#options.seed)
    const rows = Array.from({ length: BLOCKS * ROWS_OF_A_BLOCK }, (_, index) => {
      const money = drawMoney(random)
      this.#total += BigInt(totalOf(money))
      return this.#statements.insert(0, index, index % BLOCKS, money)
    })
    await this.#sql.script(['BEGIN', ...rows, 'COMMIT'].join(';\n'))
  }

  async #connect(count: number): Promise<Line[]> {
    const opened = await Promise.allSettled(
      Array.from({ length: count }, async () => {
        const line = new Line(this.#sql, this.#statements.session)
        await line.open()
        return line
      }),
    )
    const lines = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    const failed = opened.find((one) => one.status === 'rejected')
    if (failed === undefined) return lines
    await Promise.all(lines.map((line) => line.close()))
    throw failed.reason
  }

  #goesOn(done: number, wanted: number): boolean {
    if (this.#fatal !== undefined || this.#options.signal?.aborted === true) return false
    const { seconds } = this.#options
    return seconds === undefined ? done < wanted : this.#clock() - this.#began < seconds * 1000
  }

  async #insert({ worker, number, line, random }: Worker): Promise<void> {
    const wanted = this.#options.seconds === undefined ? this.#options.inserts : Number.MAX_SAFE_INTEGER
    for (let from = 1; this.#goesOn(from - 1, wanted); from += ROWS_OF_AN_INSERT) {
      const rows = Array.from({ length: Math.min(ROWS_OF_AN_INSERT, wanted - from + 1) }, () => drawMoney(random))
      const committed = await this.#transaction(worker, 'insert', line, {
        async body(run) {
          for (const [index, money] of rows.entries()) await run(this.#statements.insert(number, from + index, -1, money))
          return rows.length
        },
        there: this.#statements.inserted(number, from, from + rows.length - 1),
      })
      if (!committed) continue
      this.#inserted.set(number, (this.#inserted.get(number) ?? 0) + rows.length)
      for (const money of rows) this.#total += BigInt(totalOf(money))
    }
  }

  async #update({ worker, number, line, random }: Worker): Promise<void> {
    for (let done = 0; this.#goesOn(done, this.#options.updates); done++) {
      const blocks = drawBlocks(random)
      const cents = 1 + Math.floor(random() * 25)
      const rows = blocks.length * ROWS_OF_A_BLOCK
      const committed = await this.#transaction(worker, 'update', line, {
        async body(run) {
          let changed = 0
          for (const block of blocks) changed += await run(this.#statements.update(block, cents))
          await run(this.#statements.note(number, done, changed, changed * cents))
          return changed
        },
        there: this.#statements.noted(number, done),
      })
      if (!committed) continue
      this.#updateTransactions += 1
      this.#updatedRows += rows
      this.#updatedCents += BigInt(rows * cents)
    }
  }

  async #select({ worker, line }: Worker): Promise<void> {
    const { selects, inserters, updaters } = this.#options
    const wanted = (done: number) =>
      selects ?? (inserters + updaters > 0 && this.#writing > 0 ? Number.MAX_SAFE_INTEGER : Math.max(FEWEST_SELECTS, done))
    for (let done = 0; this.#goesOn(done, wanted(done)); done++) {
      const began = this.#clock()
      for (let attempt = 1; ; attempt++) {
        const tried = this.#clock()
        try {
          const rows = await this.#look(line, done)
          this.#tried(worker, 'select', tried, 'done')
          this.#carried('select', began, rows)
          break
        } catch (thrown) {
          if (!(await this.#again(worker, 'select', tried, attempt, line, thrown))) break
        }
      }
    }
  }

  /** One aggregate, and whether it shows a part of a transaction. Answers how many rows came. */
  async #look(line: Line, turn: number): Promise<number> {
    if (turn % 4 === 0) return (await line.run(this.#statements.byPayment)).rows.length
    if (turn % 4 === 1) {
      const { rows } = await line.run(this.#statements.updates)
      if (Number(rows[0]?.[0]) % (BLOCKS_OF_AN_UPDATE * ROWS_OF_A_BLOCK) !== 0) this.#torn += 1
      return rows.length
    }
    if (turn % 4 === 2) {
      const { rows } = await line.run(this.#statements.unsummed)
      if (Number(rows[0]?.[0]) !== 0) this.#torn += 1
      return rows.length
    }
    const { rows } = await line.run(this.#statements.byInserter)
    const last = this.#options.seconds === undefined ? this.#options.inserts : undefined
    for (const [, count] of rows) if (Number(count) % ROWS_OF_AN_INSERT !== 0 && Number(count) !== last) this.#torn += 1
    return rows.length
  }

  /** Carries a transaction through. False when it was given up. */
  async #transaction(
    worker: number,
    kind: WorkloadKind,
    line: Line,
    work: { body(this: Workload, run: (text: string) => Promise<number>): Promise<number>; readonly there: string },
  ): Promise<boolean> {
    const began = this.#clock()
    for (let attempt = 1; ; attempt++) {
      let committing = false
      const tried = this.#clock()
      try {
        const rows = await this.#inTurn(async () => {
          await line.run('BEGIN')
          const changed = await work.body.call(this, async (text) => (await line.run(text)).changed)
          committing = true
          await line.run('COMMIT')
          return changed
        })
        this.#tried(worker, kind, tried, 'done')
        this.#carried(kind, began, rows)
        return true
      } catch (thrown) {
        const more = await this.#again(worker, kind, tried, attempt, line, thrown)
        // A COMMIT whose answer was lost may have been carried out.
        if (committing && outcomeOf(thrown) === 'error' && Number((await line.run(work.there)).rows[0]?.[0]) > 0) {
          this.#carried(kind, began, 0)
          if (!more) this.#givenUp -= 1
          return true
        }
        if (!more) return false
      }
    }
  }

  async #inTurn<Result>(body: () => Promise<Result>): Promise<Result> {
    if (this.#turn === undefined) return body()
    const mine = this.#turn.then(body)
    this.#turn = mine.catch(() => {})
    return mine
  }

  /** Whether what failed is to be made again, after a wait. Throws what is not transient. */
  async #again(worker: number, kind: WorkloadKind, tried: number, attempt: number, line: Line, thrown: unknown): Promise<boolean> {
    this.#tried(worker, kind, tried, outcomeOf(thrown))
    const code = codeOf(thrown)
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1)
    await line.rollBack()
    if (!isSluiceError(thrown) || thrown.retry === 'terminal') throw thrown
    if (attempt >= ATTEMPTS) {
      this.#givenUp += 1
      return false
    }
    // Not by the seed: what is drawn from that is the same however often something is made again.
    await sleep(Math.random() * Math.min(100, 2 ** attempt))
    return true
  }

  #tried(worker: number, kind: WorkloadKind, tried: number, outcome: WorkloadAttempt['outcome']): void {
    this.#attempts.push({ worker, kind, began: tried - this.#began, ended: this.#clock() - this.#began, outcome })
  }

  #carried(kind: WorkloadKind, began: number, rows: number): void {
    this.#operations.push({ kind, milliseconds: this.#clock() - began, rows })
    this.#options.onProgress?.(this.#operations.length)
  }

  async #invariants(interrupted: boolean): Promise<WorkloadInvariant[]> {
    const { inserters, inserts, seconds } = this.#options
    const line = new Line(this.#sql, this.#statements.session)
    await line.open()
    try {
      const rows = async (text: string) => (await line.run(text)).rows.map((row) => row.map(String))
      const one = async (text: string) => (await rows(text))[0]?.[0] ?? '0'
      const found = new Map((await rows(this.#statements.byInserter)).map(([inserter, ...of]) => [Number(inserter), of]))
      const asked = interrupted || seconds !== undefined ? undefined : inserts
      const expected = Array.from({ length: inserters }, (_, index) => asked ?? this.#inserted.get(index + 1) ?? 0)
      const [transactions = '', changed = '', cents = ''] = (await rows(this.#statements.notes))[0] ?? []
      return [
        {
          name: 'every insert is there exactly once',
          // Rows, different numbers, least and greatest: as many of each, from 1 on.
          held: expected.every((wanted, index) => {
            const [count, different, least, greatest] = (found.get(index + 1) ?? ['0', '0', '1', '0']).map(Number)
            return count === wanted && different === wanted && least === 1 && greatest === wanted
          }),
          expected: expected.join(' + '),
          found: expected.map((_, index) => insertsText(found.get(index + 1))).join(' + '),
        },
        equal('the totals add up', show(this.#total + this.#updatedCents), show(centsOf(await one(this.#statements.total)))),
        equal('each total is the sum of its parts, but for', '0', await one(this.#statements.unsummed)),
        equal('rows that updaters changed', String(this.#updatedRows), await one(this.#statements.updates)),
        equal(
          'updates as they noted them',
          `${this.#updateTransactions} transactions, ${this.#updatedRows} rows, ${show(this.#updatedCents)}`,
          `${transactions} transactions, ${changed} rows, ${show(BigInt(cents === '' ? 0 : cents))}`,
        ),
        equal('answers in which a selector saw half a transaction', '0', String(this.#torn)),
        equal('operations that were given up', '0', String(this.#givenUp)),
      ]
    } finally {
      await line.close()
    }
  }
}

interface Worker {
  readonly worker: number
  readonly number: number
  readonly line: Line
  readonly random: () => number
}

/** A worker's connection; a new one when it is lost. */
class Line {
  readonly #sql: StoreSql
  readonly #session: string
  #connection: StoreConnection | undefined

  constructor(sql: StoreSql, session: string) {
    this.#sql = sql
    this.#session = session
  }

  async open(): Promise<StoreConnection> {
    const connection = await this.#sql.connection()
    try {
      await connection.run(this.#session)
    } catch (error) {
      await connection.close()
      throw error
    }
    this.#connection = connection
    return connection
  }

  async run(text: string): ReturnType<StoreConnection['run']> {
    return (this.#connection ?? (await this.open())).run(text)
  }

  /** Leaves a connection on which nothing is begun. */
  async rollBack(): Promise<void> {
    try {
      await this.#connection?.run('ROLLBACK')
    } catch {
      await this.close()
    }
  }

  async close(): Promise<void> {
    const connection = this.#connection
    this.#connection = undefined
    await connection?.close()
  }
}

function numbered(name: string, count: number, kind: WorkloadKind): { name: string; kind: WorkloadKind; number: number }[] {
  return Array.from({ length: count }, (_, index) => ({ name: `${name} ${index + 1}`, kind, number: index + 1 }))
}

function equal(name: string, expected: string, found: string): WorkloadInvariant {
  return { name, held: expected === found, expected, found }
}

function insertsText(found: readonly string[] | undefined): string {
  const [count = '0', different = '0', least, greatest] = found ?? []
  const whole = count === different && count === greatest && least === '1'
  return whole || found === undefined ? count : `${count} (${different} different, ${least} to ${greatest})`
}

function show(cents: bigint): string {
  const text = String(cents < 0n ? -cents : cents).padStart(3, '0')
  return `${cents < 0n ? '-' : ''}${text.slice(0, -2)}.${text.slice(-2)}`
}

/** What the store itself calls a failure. */
export function codeOf(thrown: unknown): string {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if (isSluiceError(error) && error.cause !== undefined) continue
    if ('code' in error && typeof error.code === 'string') return error.code
  }
  return isSluiceError(thrown) ? thrown.code : messageOf(thrown)
}

function outcomeOf(thrown: unknown): WorkloadAttempt['outcome'] {
  const code = codeOf(thrown)
  if (code === 'ER_LOCK_DEADLOCK' || code === '40P01') return 'deadlock'
  return code === 'ER_LOCK_WAIT_TIMEOUT' || code === '55P03' ? 'lock timeout' : 'error'
}

function drawMoney(random: () => number): Money {
  const upTo = (most: number) => Math.floor(random() * (most + 1))
  return {
    paymentType: 1 + upTo(3),
    fare: 300 + upTo(7_700),
    extra: 50 * upTo(2),
    mtaTax: 50,
    tip: upTo(1_500),
    tolls: random() < 0.1 ? 612 : 0,
    improvement: 30,
  }
}

/** Different blocks in any order: two updaters that draw the same ones in another order can wait for each other. */
function drawBlocks(random: () => number): number[] {
  const left = Array.from({ length: BLOCKS }, (_, index) => index)
  return Array.from({ length: BLOCKS_OF_AN_UPDATE }, () => left.splice(Math.floor(random() * left.length), 1)[0] ?? 0)
}

/** Numbers from 0 up to 1, the same for the same seed. Source: mulberry32, public domain. */
function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
