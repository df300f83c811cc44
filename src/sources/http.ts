import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import { failure, isSluiceError, messageOf, SOURCE_ADDRESS_WRONG, SOURCE_UNREACHABLE } from '../errors/index.js'
import { givenValue, isVariable, requiredValue, type Variable, type VariableValues } from '../schema/index.js'
import { type FilesOptions, filesOffer } from './files.js'
import { SOURCE, type Source, type SourceContext } from './source.js'

export interface DownloadOptions extends FilesOptions {
  /** The address, from variables: ``({ base, month }) => `${base}/yellow_tripdata_${month}.parquet` ``. */
  readonly url: (values: Readonly<Record<string, string>>) => string
  readonly variables: Readonly<Record<string, Variable<string>>>
}

/**
 * Rows from a file that is downloaded once and kept. An interrupted download goes on where it stopped; a file whose server says it
 * has not changed is not fetched again. With no network a file that was fetched before is used as it is.
 */
export function download({ url, variables, ...options }: DownloadOptions): Source {
  const all = Object.entries(variables)
  const address = (values: VariableValues) => url(Object.fromEntries(all.map(([name, one]) => [name, String(requiredValue(one, values))])))
  const given = (values: VariableValues) => all.every(([, one]) => givenValue(one, values) !== undefined)
  return {
    [SOURCE]: true,
    variables: all.map(([, one]) => one).filter(isVariable),
    given,
    describe: (values) => (given(values) ? `download ${address(values)}` : `download with ${all.map(([name]) => name).join(', ')}`),
    async offer(context) {
      const from = address(context.values)
      return filesOffer([await fetched(from, context)], `download ${from}`, context, options)
    },
  }
}

interface Kept {
  readonly etag?: string
  readonly lastModified?: string
}

/** The local path of what the address holds. Throws SOURCE_UNREACHABLE. */
async function fetched(url: string, { cacheFolder, signal, report }: SourceContext): Promise<string> {
  if (!URL.canParse(url)) throw failure(SOURCE_ADDRESS_WRONG, { url, problem: 'it is no address' })
  const folder = join(cacheFolder, createHash('sha256').update(url).digest('hex').slice(0, 12))
  const path = join(folder, decodeURIComponent(new URL(url).pathname.split('/').at(-1) || 'download'))
  await mkdir(folder, { recursive: true })
  const have = (await stat(path).catch(() => undefined)) !== undefined
  const partial = `${path}.part`
  const notes = `${path}.meta.json`
  const kept: Kept = JSON.parse(await readFile(notes, 'utf8').catch(() => '{}')) as Kept
  const started = (await stat(partial).catch(() => undefined))?.size ?? 0
  const headers: Record<string, string> = {
    ...(have && kept.etag !== undefined ? { 'if-none-match': kept.etag } : {}),
    ...(have && kept.lastModified !== undefined ? { 'if-modified-since': kept.lastModified } : {}),
    ...(!have && started > 0 ? { range: `bytes=${started}-`, ...(kept.etag === undefined ? {} : { 'if-range': kept.etag }) } : {}),
  }
  try {
    const response = await fetch(url, { headers, ...(signal === undefined ? {} : { signal }) })
    if (response.status === 304 && have) return path
    if (response.status === 416) {
      await rm(partial, { force: true })
      return await fetched(url, { cacheFolder, report, ...(signal === undefined ? {} : { signal }) } as SourceContext)
    }
    if (response.status >= 400 && response.status < 500 && ![408, 425, 429].includes(response.status) && !have) {
      throw failure(SOURCE_ADDRESS_WRONG, { url, problem: `the server answered ${response.status} ${response.statusText}` })
    }
    if (!response.ok || response.body === null) throw new Error(`the server answered ${response.status} ${response.statusText}`)
    const resumed = response.status === 206
    const etag = response.headers.get('etag')
    const lastModified = response.headers.get('last-modified')
    await writeFile(notes, JSON.stringify({ ...(etag === null ? {} : { etag }), ...(lastModified === null ? {} : { lastModified }) }))
    const expected = Number(response.headers.get('content-length') ?? Number.NaN) + (resumed ? started : 0)
    let received = resumed ? started : 0
    const counted = Readable.fromWeb(response.body as ReadableStream).on('data', (chunk: Buffer) => {
      received += chunk.length
      report(`downloading ${url}: ${Math.round(received / 1e6)} MB${Number.isNaN(expected) ? '' : ` of ${Math.round(expected / 1e6)}`}`)
    })
    await pipeline(counted, createWriteStream(partial, { flags: resumed ? 'a' : 'w' }))
    if (!Number.isNaN(expected) && received !== expected) throw new Error(`it ended after ${received} of ${expected} bytes`)
    await rename(partial, path)
    return path
  } catch (thrown) {
    if (signal?.aborted === true || isSluiceError(thrown)) throw thrown
    if (have) {
      report(`${url} cannot be reached; using the copy fetched before`)
      return path
    }
    throw failure(SOURCE_UNREACHABLE, { url, problem: causeOf(thrown), path }, { cause: thrown })
  }
}

function causeOf(thrown: unknown): string {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : undefined
  return cause === undefined ? messageOf(thrown) : `${messageOf(thrown)} (${cause.message})`
}
