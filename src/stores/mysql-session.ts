import { ENGINE_CANCELLED, failure, STORE_TIMEOUT } from '../errors/index.js'
import type { Pooled } from './connections.js'

/** What is used of a connection of the `mysql2` package. */
export interface MysqlConnection {
  readonly threadId: number | null
  readonly stream: { destroy(): void }
  query(options: object, answered?: (error: Error | null, result: unknown, fields: unknown) => void): MysqlCommand
  execute(options: object, answered: (error: Error | null, result: unknown, fields: unknown) => void): unknown
  pause(): void
  resume(): void
  end(ended: (error?: unknown) => void): void
  destroy(): void
  on(event: 'error' | 'end' | 'connect', listener: (error: Error) => void): unknown
}

interface MysqlCommand {
  on(event: 'result', listener: (row: unknown) => void): unknown
  on(event: 'end', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
}

export interface MysqlResult {
  readonly names: readonly string[]
  readonly rows: readonly (readonly (string | null)[])[]
  /** Rows changed, for a statement without rows. */
  readonly changed: number
  readonly warnings: number
  /** `Records: 3  Duplicates: 0  Warnings: 0` */
  readonly info: string
}

export interface MysqlRunOptions {
  /** Values for its `?`s: it is prepared. */
  readonly values?: readonly (string | number | null)[]
  /** What LOAD DATA LOCAL reads. `alive` is to be called as it is read. */
  readonly local?: (alive: () => void) => unknown
  readonly signal?: AbortSignal | undefined
}

/** One connection, used by one caller at a time. Failures are those of the driver, ENGINE_CANCELLED or STORE_TIMEOUT; after either of these it is lost. */
export class MysqlSession implements Pooled {
  readonly #connection: MysqlConnection
  readonly #store: string
  readonly #timeout: number
  /** Lost connections leave their statement running in the server, which nobody waits for: this ends it. */
  readonly #kill: (thread: number) => void
  #lost: Error | undefined
  #fail: ((error: Error) => void) | undefined
  /** What its temporary table was made for. */
  stage: string | undefined

  constructor(connection: MysqlConnection, about: { store: string; timeout: number; kill: (thread: number) => void }) {
    this.#connection = connection
    this.#store = about.store
    this.#timeout = about.timeout
    this.#kill = about.kill
    connection.on('error', (error) => this.#lose(error))
    connection.on('end', () => this.#lose(Object.assign(new Error('the connection was closed'), { code: 'PROTOCOL_CONNECTION_LOST' })))
  }

  get usable(): boolean {
    return this.#lost === undefined
  }

  /** Runs one statement. */
  run(sql: string, options: MysqlRunOptions = {}): Promise<MysqlResult> {
    const { values, local, signal } = options
    return this.#waiting(signal, (settle, alive) => {
      const answered = (error: Error | null, result: unknown, fields: unknown) => {
        if (error !== null) settle(error)
        else settle(undefined, readResult(result, fields))
      }
      const query = {
        sql,
        rowsAsArray: true,
        typeCast: (field: { string(): string | null }) => field.string(),
        ...(local === undefined ? {} : { infileStreamFactory: () => local(alive) }),
        ...(values === undefined ? {} : { values: [...values] }),
      }
      if (values === undefined) this.#connection.query(query, answered)
      else this.#connection.execute(query, answered)
    })
  }

  /** The texts of the one column of a SELECT, so many at a time. The connection is read no faster than they are taken. */
  async *stream(sql: string, size: number, signal: AbortSignal | undefined): AsyncGenerator<(string | null)[]> {
    let texts: (string | null)[] = []
    const ready: (string | null)[][] = []
    let over = false
    let failed: Error | undefined
    let wake: (() => void) | undefined
    const stopped = () => signal?.aborted === true
    if (this.#lost !== undefined) throw this.#lost
    if (stopped()) throw failure(ENGINE_CANCELLED, {})
    const command = this.#connection.query({ sql, rowsAsArray: true })
    command.on('result', (row) => {
      texts.push((row as (string | null)[])[0] ?? null)
      if (texts.length < size) return
      ready.push(texts)
      texts = []
      this.#connection.pause()
      wake?.()
    })
    command.on('error', (error) => {
      failed = error
      wake?.()
    })
    command.on('end', () => {
      over = true
      wake?.()
    })
    try {
      for (;;) {
        if (ready.length === 0 && !over && failed === undefined) {
          await this.#waiting<void>(signal, (settle) => {
            wake = () => settle(failed, undefined)
            this.#connection.resume()
          })
        }
        wake = undefined
        if (failed !== undefined) throw failed
        if (stopped()) throw failure(ENGINE_CANCELLED, {})
        const next = ready.shift()
        if (next !== undefined) yield next
        else if (over) break
      }
      if (texts.length > 0) yield texts
    } finally {
      // What is not read to its end cannot be used for anything else.
      if (!over && failed === undefined) this.destroy()
    }
  }

  destroy(): void {
    this.#abandon(Object.assign(new Error('the connection was closed'), { code: 'PROTOCOL_CONNECTION_LOST' }))
  }

  async end(): Promise<void> {
    if (this.#lost !== undefined) return
    this.#lost = new Error('the connection was closed')
    // A server that does not answer is not waited for.
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 1_000)
      this.#connection.end(() => {
        clearTimeout(timer)
        resolve()
      })
    })
    this.#connection.destroy()
    this.#connection.stream.destroy()
  }

  /** Takes a connection whose server is no longer the one to write to out of use. */
  discard(): void {
    this.#lost ??= new Error('the connection is not used any more')
  }

  #waiting<Result>(
    signal: AbortSignal | undefined,
    begin: (settle: (error: Error | undefined, result?: Result) => void, alive: () => void) => void,
  ): Promise<Result> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost)
    if (signal?.aborted === true) return Promise.reject(failure(ENGINE_CANCELLED, {}))
    return new Promise<Result>((resolve, reject) => {
      const settle = (error: Error | undefined, result?: Result) => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', cancel)
        this.#fail = undefined
        if (error === undefined) resolve(result as Result)
        else reject(error)
      }
      const cancel = () => this.#abandon(failure(ENGINE_CANCELLED, {}))
      const timer = setTimeout(
        () => this.#abandon(failure(STORE_TIMEOUT, { store: this.#store, milliseconds: this.#timeout })),
        this.#timeout,
      )
      signal?.addEventListener('abort', cancel)
      this.#fail = settle
      begin(settle, () => void timer.refresh())
    })
  }

  #abandon(error: Error): void {
    const { threadId } = this.#connection
    const busy = this.#fail !== undefined && this.#lost === undefined
    this.#lose(error)
    this.#connection.destroy()
    this.#connection.stream.destroy()
    if (busy && threadId !== null) this.#kill(threadId)
  }

  #lose(error: Error): void {
    this.#lost ??= error
    this.#fail?.(error)
  }
}

function readResult(result: unknown, fields: unknown): MysqlResult {
  if (Array.isArray(fields)) {
    const rows = result as (readonly (string | null)[])[]
    return { names: fields.map(({ name }: { name: string }) => name), rows, changed: 0, warnings: 0, info: '' }
  }
  const {
    affectedRows = 0,
    warningStatus = 0,
    info = '',
  } = (result ?? {}) as { affectedRows?: number; warningStatus?: number; info?: string }
  return { names: [], rows: [], changed: affectedRows, warnings: warningStatus, info }
}
