/** What a pool needs to know of the connections that it keeps. */
export interface Pooled {
  /** False once it is lost, or in a state that nobody should build on. */
  readonly usable: boolean
  /** Ends it at once. Never throws. */
  destroy(): void
  /** Ends it in good order. Never throws. */
  end(): Promise<void>
}

/** A few connections that are opened when needed and used by one caller at a time; who comes when all are in use waits, in order. */
export class Connections<Connection extends Pooled> {
  readonly #size: number
  readonly #open: () => Promise<Connection>
  readonly #idle: Connection[] = []
  readonly #waiting: { take(connection: Connection | undefined): void }[] = []
  #count = 0
  #closed = false
  #waits = 0
  #waitedMs = 0

  constructor(size: number, open: () => Promise<Connection>) {
    this.#size = Math.max(1, size)
    this.#open = open
  }

  /** How often a caller found all in use, and how long such callers waited in all. */
  get waited(): { readonly waits: number; readonly waitedMs: number } {
    return { waits: this.#waits, waitedMs: this.#waitedMs }
  }

  /** Runs `body` on a connection. One that `body` leaves unusable is not used again. */
  async use<Result>(body: (connection: Connection) => Promise<Result>): Promise<Result> {
    const connection = await this.#take()
    try {
      return await body(connection)
    } finally {
      this.#giveBack(connection)
    }
  }

  /** Ends those that nobody uses; the others end when they are given back. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#idle.splice(0).map((connection) => connection.end()))
  }

  async #take(): Promise<Connection> {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (idle.usable) return idle
      this.#count -= 1
    }
    if (this.#count >= this.#size) {
      const began = performance.now()
      const given = await new Promise<Connection | undefined>((take) => this.#waiting.push({ take }))
      this.#waits += 1
      this.#waitedMs += performance.now() - began
      return given ?? this.#take()
    }
    this.#count += 1
    try {
      return await this.#open()
    } catch (error) {
      this.#count -= 1
      // There is room again.
      this.#waiting.shift()?.take(undefined)
      throw error
    }
  }

  #giveBack(connection: Connection): void {
    if (connection.usable && !this.#closed) {
      const next = this.#waiting.shift()
      if (next === undefined) this.#idle.push(connection)
      else next.take(connection)
      return
    }
    this.#count -= 1
    if (connection.usable) void connection.end()
    else connection.destroy()
    this.#waiting.shift()?.take(undefined)
  }
}
