import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'

/** What one pass over a text file's bytes tells: enough to know whether the engine's strict reader takes every line of it. */
export interface Inspection {
  readonly bytes: number
  /** Lines, the last one counted whether or not it is ended. */
  readonly lines: number
  readonly lineFeeds: number
  /** Lines that begin with `{`. */
  readonly objects: number
  readonly carriageReturns: number
  readonly windowsEndings: number
  readonly hasNul: boolean
  readonly validUtf8: boolean
  /** The first line, without its ending and byte order mark. */
  readonly firstLine: string
}

const FIRST_LINE_LIMIT = 1024 * 1024

export function openText(path: string): Readable {
  const file = createReadStream(path, { highWaterMark: 1024 * 1024 })
  return path.endsWith('.gz') ? file.pipe(createGunzip()).on('close', () => file.destroy()) : file
}

export async function checksumOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

export async function inspectText(path: string): Promise<Inspection> {
  let bytes = 0
  let lineFeeds = 0
  let objects = 0
  let startsLine = true
  let carriageReturns = 0
  let windowsEndings = 0
  let hasNul = false
  let validUtf8 = true
  let endedWithReturn = false
  let endsLine = false
  let tail: Buffer = Buffer.alloc(0)
  const head: Buffer[] = []
  let headDone = false
  for await (const part of openText(path)) {
    const chunk = part as Buffer
    bytes += chunk.length
    if (endedWithReturn && chunk[0] === 10) windowsEndings++
    lineFeeds += count(chunk, 10)
    if (startsLine && chunk[0] === 123) objects++
    objects += countText(chunk, '\n{')
    startsLine = chunk[chunk.length - 1] === 10
    carriageReturns += count(chunk, 13)
    windowsEndings += countText(chunk, '\r\n')
    endedWithReturn = chunk[chunk.length - 1] === 13
    endsLine = chunk[chunk.length - 1] === 10
    hasNul ||= chunk.includes(0)
    if (validUtf8) {
      const whole = tail.length === 0 ? chunk : Buffer.concat([tail, chunk])
      const cut = completeLength(whole)
      validUtf8 = isUtf8(whole.subarray(0, cut))
      tail = whole.subarray(cut)
    }
    if (!headDone) {
      head.push(chunk)
      headDone = chunk.includes(10) || bytes > FIRST_LINE_LIMIT
    }
  }
  const text = Buffer.concat(head).toString('utf8')
  const firstLine = (text.split('\n', 1)[0] ?? '').replace(/\r$/, '').replace(/^\uFEFF/, '')
  return {
    bytes,
    lines: lineFeeds + (endsLine || bytes === 0 ? 0 : 1),
    lineFeeds,
    objects,
    carriageReturns,
    windowsEndings,
    hasNul,
    validUtf8: validUtf8 && tail.length === 0,
    firstLine,
  }
}

function count(chunk: Buffer, byte: number): number {
  let found = 0
  for (let at = chunk.indexOf(byte); at !== -1; at = chunk.indexOf(byte, at + 1)) found++
  return found
}

function countText(chunk: Buffer, text: string): number {
  let found = 0
  for (let at = chunk.indexOf(text); at !== -1; at = chunk.indexOf(text, at + text.length)) found++
  return found
}

/** The length without a UTF-8 sequence that the chunk's end cuts off. */
function completeLength(chunk: Buffer): number {
  for (let back = 1; back <= Math.min(3, chunk.length); back++) {
    const byte = chunk[chunk.length - back] ?? 0
    if (byte < 0x80) return chunk.length
    if (byte >= 0xc0) {
      const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
      return back < needed ? chunk.length - back : chunk.length
    }
  }
  return chunk.length
}
