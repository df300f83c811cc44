import { ENGINE_CANCELLED, failure, STORE_TIMEOUT } from '../errors/index.js'
import type { Pooled } from './connections.js'

/** What is used of a client of the `pg` package. */
export interface PostgresClient {
  readonly processID?: number | null
  query(query: object): unknown
  connect(): Promise<unknown>
  end(): Promise<unknown>
  on(event: 'error' | 'end', listener: (error: Error) => void): unknown
  /** Of a client that a pool gave. */
  release?(destroy: boolean): void
  readonly connection?: { readonly stream?: { destroy(): void } }
}

/** The streams of the `pg-copy-streams` package. */
export interface CopyStreams {
  from(sql: string): NodeJS.WritableStream & { readonly rowCount: number; destroy(error?: Error): unknown }
  to(sql: string): Omit<NodeJS.ReadableStream, typeof Symbol.asyncIterator> & {
    [Symbol.asyncIterator](): AsyncIterator<Buffer>
    destroy(error?: Error): unknown
  }
}

export interface PostgresResult {
  readonly names: readonly string[]
  readonly rows: readonly (readonly (string | null)[])[]
  readonly changed: number
}

/** One connection, used by one caller at a time. Failures are those of the driver, ENGINE_CANCELLED or STORE_TIMEOUT; after either of these it is lost. */
export class PostgresSession implements Pooled {
  readonly #client: PostgresClient
  readonly #copy: CopyStreams
  readonly #store: string
  readonly #timeout: number
  readonly #kill: (process: number) => void
  #lost: Error | undefined
  #fail: ((error: Error) => void) | undefined
  /** What its temporary table was made for. */
  stage: string | undefined

  constructor(client: PostgresClient, about: { copy: CopyStreams; store: string; timeout: number; kill: (process: number) => void }) {
    this.#client = client
    this.#copy = about.copy
    this.#store = about.store
    this.#timeout = about.timeout
    this.#kill = about.kill
    client.on('error', (error) => this.#lose(error))
    client.on('end', () => this.#lose(closed()))
  }

  get usable(): boolean {
    return this.#lost === undefined
  }

  /** Runs one statement, or several without values. */
  run(
    sql: string,
    { values, signal }: { readonly values?: readonly (string | number | null)[]; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<PostgresResult> {
    return this.#waiting(signal, async () => {
      const query = { text: sql, rowMode: 'array', types: AS_TEXT, ...(values === undefined ? {} : { values: [...values] }) }
      const answered = (await this.#client.query(query)) as Answer | Answer[]
      const { fields, rows, rowCount } = (Array.isArray(answered) ? answered.at(-1) : answered) ?? { fields: [], rows: [], rowCount: 0 }
      return { names: (fields ?? []).map(({ name }) => name), rows: rows ?? [], changed: rowCount ?? 0 }
    })
  }

  /** COPY ... FROM STDIN. Answers how many rows went in. */
  load(sql: string, chunks: Iterable<Buffer>, signal: AbortSignal | undefined): Promise<number> {
    return this.#waiting(signal, (alive) => {
      const stream = this.#copy.from(sql)
      this.#client.query(stream)
      return new Promise<number>((resolve, reject) => {
        let failed = false
        stream.on('error', (error: Error) => {
          failed = true
          reject(error)
        })
        stream.on('finish', () => resolve(stream.rowCount))
        const write = async () => {
          for (const chunk of chunks) {
            alive()
            if (failed) return
            if (!stream.write(chunk)) {
              await new Promise<void>((go) => {
                const next = () => {
                  stream.removeListener('drain', next)
                  stream.removeListener('error', next)
                  stream.removeListener('close', next)
                  go()
                }
                stream.on('drain', next)
                stream.on('error', next)
                stream.on('close', next)
              })
            }
          }
          if (!failed) stream.end()
        }
        write().catch(reject)
      })
    })
  }

  /** COPY ... TO STDOUT: what it writes, as it comes. The connection is read no faster than that is taken. */
  async *copied(sql: string, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
    if (this.#lost !== undefined) throw this.#lost
    if (signal?.aborted === true) throw failure(ENGINE_CANCELLED, {})
    const stream = this.#copy.to(sql)
    stream.on('error', () => {})
    this.#client.query(stream)
    const chunks = stream[Symbol.asyncIterator]()
    let over = false
    try {
      for (;;) {
        const next = await this.#waiting(signal, () => chunks.next())
        if (next.done === true) break
        yield next.value
      }
      over = true
    } catch (error) {
      // What the server refused is over; what was cut short is not.
      over = typeof error === 'object' && error !== null && 'severity' in error
      throw error
    } finally {
      if (!over) this.destroy()
    }
  }

  destroy(): void {
    this.#abandon(closed())
  }

  async end(): Promise<void> {
    if (this.#lost !== undefined) return
    this.#lost = closed()
    if (this.#client.release !== undefined) {
      this.#client.release(true)
      return
    }
    // A server that does not answer is not waited for.
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, 1_000)
    })
    await Promise.race([this.#client.end().catch(() => {}), late])
    clearTimeout(timer)
    this.#client.connection?.stream?.destroy()
  }

  /** Takes a connection whose server is no longer the one to write to out of use. */
  discard(): void {
    this.#lost ??= new Error('the connection is not used any more')
  }

  #waiting<Result>(signal: AbortSignal | undefined, begin: (alive: () => void) => Promise<Result>): Promise<Result> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost)
    if (signal?.aborted === true) return Promise.reject(failure(ENGINE_CANCELLED, {}))
    return new Promise<Result>((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', cancel)
        this.#fail = undefined
      }
      const fail = (error: Error) => {
        settle()
        reject(error)
      }
      const cancel = () => this.#abandon(failure(ENGINE_CANCELLED, {}))
      const timer = setTimeout(
        () => this.#abandon(failure(STORE_TIMEOUT, { store: this.#store, milliseconds: this.#timeout })),
        this.#timeout,
      )
      signal?.addEventListener('abort', cancel)
      this.#fail = fail
      begin(() => void timer.refresh()).then((result) => {
        settle()
        resolve(result)
      }, fail)
    })
  }

  #abandon(error: Error): void {
    const { processID } = this.#client
    const alive = this.#lost === undefined
    this.#lose(error)
    if (this.#client.release !== undefined && alive) this.#client.release(true)
    this.#client.connection?.stream?.destroy()
    if (alive && typeof processID === 'number') this.#kill(processID)
  }

  #lose(error: Error): void {
    this.#lost ??= error
    this.#fail?.(error)
  }
}

interface Answer {
  readonly fields?: readonly { readonly name: string }[]
  readonly rows?: readonly (readonly (string | null)[])[]
  readonly rowCount?: number | null
}

const AS_TEXT = { getTypeParser: () => (text: string) => text }

function closed(): Error {
  return Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' })
}
