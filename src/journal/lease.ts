import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { failure, LEASE_HELD, LEASE_LOST } from '../errors/index.js'
import { decodeText, encodeText, type Storage } from '../storage/index.js'

/**
 * One writer a lake at a time.
 *
 * The lease is a row of files, `_sluice/lease/<number>.json`, each written with put-if-absent: whoever wrote the highest number
 * holds it, so of several processes that see a dead holder exactly one takes over. A holder renews its file as it works. It is
 * dead when its process is gone (same machine), or when it has not renewed for `EXPIRES_MS` (another machine).
 */
export interface Lease {
  /** Throws LEASE_LOST when another process has taken it. Called before each commit. */
  check(): Promise<void>
  /** Gives it back. Never throws. */
  release(): Promise<void>
}

interface Holder {
  readonly id: string
  readonly host: string
  readonly pid: number
  /** Distinguishes two processes that got the same number, one after the other; empty where the system does not tell. */
  readonly born: string
  readonly purpose: string
  readonly since: string
  readonly released?: boolean
}

const RENEW_MS = 5_000
// A machine that sleeps or pauses for collection is given six renewals before another takes over.
const EXPIRES_MS = 30_000
const POLL_MS = 200

export interface LeaseOptions {
  /** What the holder is doing, for the message another process shows: `sluice run`. */
  readonly purpose: string
  /** Of several leases of one lake, which: the writer's unless told. */
  readonly name?: string
  /** How long to wait for another holder, in milliseconds. Default 2,000: long enough for one that was just killed to be gone. */
  readonly waitMs?: number
}

/** Throws LEASE_HELD. */
export async function takeLease(lake: string, storage: Storage, { purpose, name, waitMs = 2_000 }: LeaseOptions): Promise<Lease> {
  const folder = name === undefined ? `${lake}/_sluice/lease` : `${lake}/_sluice/leases/${name}`
  await storage.makeFolder(folder)
  const me: Holder = {
    id: randomUUID(),
    host: hostname(),
    pid: process.pid,
    born: processBorn(process.pid) ?? '',
    purpose,
    since: new Date().toISOString(),
  }
  const deadline = Date.now() + waitMs
  for (;;) {
    const current = await newest(folder, storage)
    if (current === undefined || isDead(current)) {
      const number = (current?.number ?? 0) + 1
      if (await storage.putIfAbsent(leasePath(folder, number), encode(me))) return held(folder, storage, number, me, lake)
      continue
    }
    if (Date.now() >= deadline) throw failure(LEASE_HELD, { lake, holder: describe(current.holder) })
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

function held(folder: string, storage: Storage, number: number, me: Holder, lake: string): Lease {
  const path = leasePath(folder, number)
  let ended = false
  let renewing: Promise<unknown> = Promise.resolve()
  const timer = setInterval(() => {
    renewing = storage.put(path, encode(me)).catch(() => {})
  }, RENEW_MS)
  timer.unref()
  void tidy(folder, storage, number)
  return {
    async check() {
      const current = await newest(folder, storage)
      if (ended || current === undefined || current.holder.id !== me.id) throw failure(LEASE_LOST, { lake })
    },
    async release() {
      if (ended) return
      ended = true
      clearInterval(timer)
      await renewing
      const current = await newest(folder, storage).catch(() => undefined)
      if (current?.holder.id === me.id) await storage.put(path, encode({ ...me, released: true })).catch(() => {})
    },
  }
}

interface Current {
  readonly number: number
  readonly renewedAt: number
  readonly holder: Holder
}

async function newest(folder: string, storage: Storage): Promise<Current | undefined> {
  const files = (await storage.list(folder)).filter((file) => /^\d{12}\.json$/.test(file.name))
  const last = files.at(-1)
  if (last === undefined) return undefined
  const bytes = await storage.read(`${folder}/${last.name}`)
  if (bytes === undefined) return newest(folder, storage)
  return { number: Number.parseInt(last.name, 10), renewedAt: last.modifiedAt, holder: JSON.parse(decodeText(bytes)) as Holder }
}

function isDead({ holder, renewedAt }: Current): boolean {
  if (holder.released === true) return true
  if (holder.host !== hostname()) return Date.now() - renewedAt > EXPIRES_MS
  const born = processBorn(holder.pid)
  if (born !== undefined) return born === 'gone' || (holder.born !== '' && born !== holder.born)
  return !answers(holder.pid)
}

/** When a process of this machine began, `gone` when there is none (or only its remains), undefined where the system does not tell. */
function processBorn(pid: number): string | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name, in brackets, may hold anything; fields are counted after it. Field 3 is the state, field 22 the start time.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? 'gone' : (fields[19] ?? '')
  } catch {
    return 'gone'
  }
}

function answers(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Earlier numbers have no say any more; one is left, so that the row is never empty. */
async function tidy(folder: string, storage: Storage, number: number): Promise<void> {
  const files = await storage.list(folder).catch(() => [])
  const old = files.filter((file) => Number.parseInt(file.name, 10) < number)
  await Promise.all(old.map((file) => storage.remove(`${folder}/${file.name}`).catch(() => {})))
}

function leasePath(folder: string, number: number): string {
  return `${folder}/${String(number).padStart(12, '0')}.json`
}

function encode(holder: Holder): Uint8Array {
  return encodeText(JSON.stringify(holder))
}

function describe(holder: Holder): string {
  return `\`${holder.purpose}\` (process ${holder.pid} on ${holder.host}, since ${holder.since})`
}
