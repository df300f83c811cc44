import { isUtf8 } from 'node:buffer'
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import type { Readable } from 'node:stream'

/**
 * Reads text files that a strict reader refuses, line by line: sound records go to one file, the others to another with their
 * line numbers. No line is lost.
 */

export interface Rescued {
  readonly good: number
  readonly bad: number
}

/** Writes with backpressure; the stream is closed whatever happens. */
async function writing<Result>(path: string, work: (write: (text: string) => Promise<void>) => Promise<Result>): Promise<Result> {
  const stream: WriteStream = createWriteStream(path)
  try {
    await once(stream, 'open')
    return await work(async (text) => {
      if (!stream.write(text)) await once(stream, 'drain')
    })
  } finally {
    stream.end()
    if (!stream.closed) await once(stream, 'close')
  }
}

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

interface Line {
  /** Without its ending. */
  readonly bytes: Buffer
  readonly number: number
  /** Ended by CRLF rather than LF: kept, because a quoted value may run over it. */
  readonly windows: boolean
}

/** The lines of a file, in order. */
async function* linesOf(input: Readable): AsyncGenerator<Line> {
  let number = 0
  const line = (bytes: Buffer): Line => {
    const windows = bytes[bytes.length - 1] === 13
    const start = number === 0 && bytes.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 3 : 0
    number++
    return { bytes: bytes.subarray(start, windows ? -1 : undefined), number, windows }
  }
  let rest: Buffer = Buffer.alloc(0)
  for await (const part of input) {
    const chunk = rest.length === 0 ? (part as Buffer) : Buffer.concat([rest, part as Buffer])
    let start = 0
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, start)) {
      yield line(chunk.subarray(start, at))
      start = at + 1
    }
    rest = chunk.subarray(start)
  }
  if (rest.length > 0) yield line(rest)
}

/** What a bad line is kept as: its text, in which bytes that are no UTF-8 are shown as `\xFF` and NUL as `\x00`. */
function readable(line: Buffer): string {
  if (isUtf8(line) && !line.includes(0)) return line.toString('utf8')
  return [...line]
    .map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`))
    .join('')
}

/** The longest quoted value that may run over lines, in lines; a quote left open would otherwise swallow the file. */
const QUOTED_LINES = 100

/** The fields of one CSV record (RFC 4180), or undefined when a quote is still open at its end. Null is an empty field without quotes. */
export function splitRecord(text: string, delimiter: string): (string | null)[] | 'open' | 'broken' {
  const fields: (string | null)[] = []
  let at = 0
  for (;;) {
    // Blanks around a quoted value are no part of it, to the engine's strict reader as well.
    const quote = skipBlanks(text, at, delimiter)
    if (text[quote] === '"') {
      at = quote
      let value = ''
      for (;;) {
        const end = text.indexOf('"', at + 1)
        if (end === -1) return 'open'
        value += text.slice(at + 1, end)
        at = end + 1
        if (text[at] !== '"') break
        value += '"'
      }
      at = skipBlanks(text, at, delimiter)
      if (at < text.length && text[at] !== delimiter) return 'broken'
      fields.push(value)
    } else {
      const end = text.indexOf(delimiter, at)
      const value = text.slice(at, end === -1 ? text.length : end)
      // A quote inside a field that does not begin with one is text, to the engine's strict reader as well.
      fields.push(value === '' ? null : value)
      at = end === -1 ? text.length : end
    }
    if (at >= text.length) return fields
    at++
  }
}

function skipBlanks(text: string, from: number, delimiter: string): number {
  let at = from
  while (text[at] === ' ' && delimiter !== ' ') at++
  return at
}

interface RescueFiles {
  /** Sound records, normalised. */
  readonly good: string
  /** One JSON object a bad line: row, line_number, line, problem. */
  readonly bad: string
}

/** Sound records are written as JSON lines: `{"_row": position, "column": value, ...}`. */
export async function rescueCsv(input: Readable, names: readonly string[], delimiter: string, files: RescueFiles): Promise<Rescued> {
  return writing(files.good, (writeGood) =>
    writing(files.bad, async (writeBad) => {
      let [good, bad] = [0, 0]
      let pending: Line[] = []
      const accept = async (fields: readonly (string | null)[]) => {
        good++
        await writeGood(
          `${JSON.stringify(Object.fromEntries([['_sluice_row', good + bad], ...names.map((name, index) => [name, fields[index] ?? null])]))}\n`,
        )
      }
      const reject = async (line: Line, problem: string) => {
        bad++
        await writeBad(`${JSON.stringify({ row: good + bad, line_number: line.number, line: readable(line.bytes), problem })}\n`)
      }
      /** What a whole record is, or what is wrong with it. */
      const judge = (bytes: Buffer): readonly (string | null)[] | 'open' | string => {
        if (bytes.includes(0)) return 'it holds a NUL byte'
        if (!isUtf8(bytes)) return 'it is not UTF-8'
        const fields = splitRecord(bytes.toString('utf8'), delimiter)
        if (fields === 'open') return 'open'
        if (fields === 'broken') return 'something stands between a closing quote and the next field'
        // The engine's strict reader passes over one empty field too many, as a comma at the end of each line makes.
        if (fields.length === names.length + 1 && fields.at(-1) === null) return fields.slice(0, -1)
        return fields.length === names.length ? fields : `it has ${fields.length} fields, not ${names.length}`
      }
      const offer = async (line: Line): Promise<void> => {
        if (pending.length === 0) {
          const found = judge(line.bytes)
          if (found === 'open') pending.push(line)
          else if (typeof found === 'string') await reject(line, found)
          else await accept(found)
          return
        }
        const before = pending.at(-1)
        const whole = Buffer.concat([...pending.flatMap((one) => [one.bytes, Buffer.from(one.windows ? '\r\n' : '\n')]), line.bytes])
        pending.push(line)
        const found = before === undefined || line.bytes.includes(0) || !isUtf8(line.bytes) ? 'open' : judge(whole)
        if (typeof found !== 'string') {
          pending = []
          await accept(found)
        } else if (found !== 'open' || pending.length > QUOTED_LINES) await flush()
      }
      /** The first line of a quote that never closed is bad; what came after is judged on its own. */
      const flush = async () => {
        const [first, ...rest] = pending
        pending = []
        if (first !== undefined) await reject(first, 'its quote is never closed')
        for (const one of rest) await offer(one)
      }
      for await (const line of linesOf(input)) {
        if (line.number === 1 || (line.bytes.length === 0 && pending.length === 0 && names.length > 1)) continue
        await offer(line)
      }
      while (pending.length > 0) await flush()
      return { good, bad }
    }),
  )
}

/** Sound lines are written as `{"r": position, "v": the object}`. */
export async function rescueJsonLines(input: Readable, files: RescueFiles): Promise<Rescued> {
  return writing(files.good, (writeGood) =>
    writing(files.bad, async (writeBad) => {
      let [good, bad] = [0, 0]
      for await (const { bytes, number } of linesOf(input)) {
        if (bytes.length === 0) continue
        const problem = jsonProblem(bytes)
        if (problem === undefined) {
          good++
          await writeGood(`{"r":${good + bad},"v":${bytes.toString('utf8')}}\n`)
        } else {
          bad++
          await writeBad(`${JSON.stringify({ row: good + bad, line_number: number, line: readable(bytes), problem })}\n`)
        }
      }
      return { good, bad }
    }),
  )
}

function jsonProblem(line: Buffer): string | undefined {
  if (!isUtf8(line)) return 'it is not UTF-8'
  try {
    const value: unknown = JSON.parse(line.toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? undefined : 'it is not a JSON object'
  } catch (error) {
    return `it is not JSON (${error instanceof Error ? error.message : error})`
  }
}
