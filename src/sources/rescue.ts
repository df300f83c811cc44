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

/** The lines of a file as bytes, without their endings (LF, CRLF). */
async function* linesOf(input: Readable): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const part of input) {
    const chunk = rest.length === 0 ? (part as Buffer) : Buffer.concat([rest, part as Buffer])
    let start = 0
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, start)) {
      yield withoutReturn(chunk.subarray(start, at))
      start = at + 1
    }
    rest = chunk.subarray(start)
  }
  if (rest.length > 0) yield withoutReturn(rest)
}

function withoutReturn(line: Buffer): Buffer {
  return line[line.length - 1] === 13 ? line.subarray(0, -1) : line
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
    if (text[at] === '"') {
      let value = ''
      for (;;) {
        const end = text.indexOf('"', at + 1)
        if (end === -1) return 'open'
        value += text.slice(at + 1, end)
        at = end + 1
        if (text[at] !== '"') break
        value += '"'
      }
      if (at < text.length && text[at] !== delimiter) return 'broken'
      fields.push(value)
    } else {
      const end = text.indexOf(delimiter, at)
      const value = text.slice(at, end === -1 ? text.length : end)
      if (value.includes('"')) return 'broken'
      fields.push(value === '' ? null : value)
      at = end === -1 ? text.length : end
    }
    if (at >= text.length) return fields
    at++
  }
}

function csvField(value: string | null): string {
  return value === null ? '' : `"${value.replaceAll('"', '""')}"`
}

interface RescueFiles {
  /** Sound records, normalised. */
  readonly good: string
  /** One JSON object a bad line: row, line_number, line, problem. */
  readonly bad: string
}

/** Sound records are written with their position as the first field, every value in quotes. */
export async function rescueCsv(input: Readable, columns: number, delimiter: string, files: RescueFiles): Promise<Rescued> {
  return writing(files.good, (writeGood) =>
    writing(files.bad, async (writeBad) => {
      let [good, bad, row, lineNumber] = [0, 0, 0, 0]
      let pending: { line: Buffer; number: number }[] = []
      const reject = async (line: Buffer, number: number, problem: string) => {
        row++
        bad++
        await writeBad(`${JSON.stringify({ row, line_number: number, line: readable(line), problem })}\n`)
      }
      const take = async (line: Buffer, number: number): Promise<'open' | 'done'> => {
        if (line.includes(0)) return await reject(line, number, 'it holds a NUL byte').then(() => 'done' as const)
        if (!isUtf8(line)) return await reject(line, number, 'it is not UTF-8').then(() => 'done' as const)
        const fields = splitRecord(line.toString('utf8'), delimiter)
        if (fields === 'open') return 'open'
        if (fields === 'broken') return await reject(line, number, 'a quote stands where none may').then(() => 'done' as const)
        if (fields.length !== columns) {
          return await reject(line, number, `it has ${fields.length} fields, not ${columns}`).then(() => 'done' as const)
        }
        row++
        good++
        await writeGood(`${row},${fields.map(csvField).join(',')}\n`)
        return 'done'
      }
      /** The first line of a quote that never closed is bad; what came after is judged on its own. */
      const flush = async () => {
        const [first, ...rest] = pending
        pending = []
        if (first !== undefined) await reject(first.line, first.number, 'its quote is never closed')
        for (const one of rest) await offer(one.line, one.number)
      }
      const offer = async (line: Buffer, number: number): Promise<void> => {
        if (pending.length === 0) {
          if ((await take(line, number)) === 'open') pending.push({ line, number })
          return
        }
        pending.push({ line, number })
        const whole = Buffer.concat(pending.flatMap((one, index) => (index === 0 ? [one.line] : [Buffer.from('\n'), one.line])))
        const sound = isUtf8(whole) && !whole.includes(0)
        const fields = sound ? splitRecord(whole.toString('utf8'), delimiter) : 'open'
        if (Array.isArray(fields) && fields.length === columns) {
          pending = []
          row++
          good++
          await writeGood(`${row},${fields.map(csvField).join(',')}\n`)
        } else if (fields !== 'open' || pending.length > QUOTED_LINES) {
          await flush()
        }
      }
      for await (const line of linesOf(input)) {
        lineNumber++
        if (lineNumber === 1 || (line.length === 0 && pending.length === 0 && columns > 1)) continue
        await offer(line, lineNumber)
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
      let [good, bad, row, lineNumber] = [0, 0, 0, 0]
      for await (const line of linesOf(input)) {
        lineNumber++
        if (line.length === 0) continue
        row++
        const problem = jsonProblem(line)
        if (problem === undefined) {
          good++
          await writeGood(`{"r":${row},"v":${line.toString('utf8')}}\n`)
        } else {
          bad++
          await writeBad(`${JSON.stringify({ row, line_number: lineNumber, line: readable(line), problem })}\n`)
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
