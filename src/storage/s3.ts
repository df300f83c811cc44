import { type FileHandle, open, readFile, rm, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  failure,
  isSluiceError,
  keepSecret,
  messageOf,
  redact,
  type SluiceError,
  STORAGE_CLIENT_MISSING,
  STORAGE_DENIED,
  STORAGE_FAILED,
  STORAGE_FILE_MISSING,
  STORAGE_UNSUPPORTED,
} from '../errors/index.js'
import { type FileCacheOptions, fileCache } from './file-cache.js'
import { guarded } from './file-failure.js'
import type { AdoptedFile, Storage, StoredFile } from './storage.js'

export interface S3StorageOptions {
  /** Of a server other than AWS: `http://127.0.0.1:7070`. AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL unless told. */
  readonly endpoint?: string | undefined
  /** AWS_REGION unless told, and `us-east-1` without either. */
  readonly region?: string | undefined
  /** What the SDK finds unless told: the environment, the shared files, the machine's role. Never printed. */
  readonly credentials?: S3Credentials | undefined
  /** Buckets in the path rather than in the host's name: true with an endpoint of one's own, unless told. */
  readonly forcePathStyle?: boolean | undefined
  readonly retries?: S3Retries | undefined
  readonly timeouts?: S3Timeouts | undefined
  /** Where `fetch` keeps what it downloads. */
  readonly cache?: FileCacheOptions | undefined
  /** A ready `new S3(...)` of @aws-sdk/client-s3, in place of all of the above but `retries` and `cache`. */
  readonly client?: S3Client | undefined
}

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

export interface S3Retries {
  /** How often a request is made before it counts as failed: 6. */
  readonly attempts?: number | undefined
  /** Milliseconds before the second attempt, at most; each further one may wait twice as long, up to 5 s: 100. */
  readonly delay?: number | undefined
}

export interface S3Timeouts {
  /** Milliseconds to connect: 5,000. */
  readonly connect?: number | undefined
  /** Milliseconds in which no byte comes or goes: 30,000. A long transfer that moves is never cut. */
  readonly idle?: number | undefined
}

interface S3Object {
  Bucket: string
  Key: string
}

interface S3Upload extends S3Object {
  UploadId: string
}

interface S3CallOptions {
  abortSignal?: AbortSignal
}

/** What is used of the client of @aws-sdk/client-s3. */
export interface S3Client {
  getObject(input: S3Object, options?: S3CallOptions): Promise<{ Body?: unknown; ContentLength?: number | undefined }>
  headObject(input: S3Object): Promise<{ ContentLength?: number | undefined; LastModified?: Date | undefined }>
  putObject(input: S3Object & { Body: Uint8Array; IfNoneMatch?: string }): Promise<unknown>
  deleteObject(input: S3Object): Promise<unknown>
  listObjectsV2(input: { Bucket: string; Prefix: string; Delimiter?: string; StartAfter?: string; ContinuationToken?: string }): Promise<{
    Contents?: { Key?: string | undefined; Size?: number | undefined; LastModified?: Date | undefined }[] | undefined
    NextContinuationToken?: string | undefined
  }>
  createMultipartUpload(input: S3Object): Promise<{ UploadId?: string | undefined }>
  uploadPart(input: S3Upload & { PartNumber: number; Body: Uint8Array }): Promise<{ ETag?: string | undefined }>
  completeMultipartUpload(input: S3Upload & { MultipartUpload: { Parts: { PartNumber: number; ETag: string }[] } }): Promise<unknown>
  abortMultipartUpload(input: S3Upload): Promise<unknown>
}

const LONGEST_DELAY = 5_000
const SHORTEST_SECRET = 16
const DOWNLOADS = 8
/** Each holds a part, or a file that is not sent in parts, in memory. */
const UPLOADS = 4
/** Files of more bytes are sent in parts. */
const WHOLE = 64 * 2 ** 20
const PART = 32 * 2 ** 20
/** S3 takes no more: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const MOST_PARTS = 10_000

/**
 * Buckets of S3, or of a server that speaks as it does: `s3://bucket/folder/file`. A server must keep `If-None-Match: *` on PUT, on
 * which `putIfAbsent` rests: AWS, MinIO, R2 and Versity do.
 *
 * `s3Storage({ endpoint: 'http://127.0.0.1:7070' })`
 */
export function s3Storage(options: S3StorageOptions = {}): Storage {
  const { attempts = 6, delay = 100 } = options.retries ?? {}
  const endpoint = (options.endpoint ?? (process.env['AWS_ENDPOINT_URL_S3'] || process.env['AWS_ENDPOINT_URL'] || '')).replace(/\/+$/, '')
  if (endpoint !== '' && !URL.canParse(endpoint)) throw failure(STORAGE_UNSUPPORTED, { location: endpoint })
  const cache = fileCache(options.cache ?? {})
  let opened: Promise<S3Client> | undefined
  const client = () => {
    opened ??= options.client === undefined ? openClient(options, endpoint) : Promise.resolve(options.client)
    return opened
  }
  /** Exponential with full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ */
  const pause = (tried: number, signal?: AbortSignal) =>
    sleep(Math.random() * Math.min(LONGEST_DELAY, delay * 2 ** (tried - 1)), undefined, signal && { signal }).catch(() => {})

  /** For calls that may be made twice. */
  async function calling<Result>(path: string, call: (s3: S3Client) => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    const s3 = await client()
    for (let tried = 1; ; tried++) {
      signal?.throwIfAborted()
      try {
        return await call(s3)
      } catch (thrown) {
        signal?.throwIfAborted()
        if (tried >= attempts || fateOf(thrown) !== 'again') throw s3Failure(thrown, path)
      }
      await pause(tried, signal)
    }
  }

  const read = (path: string) => calling(path, async (s3) => unlessMissing(bodyOf(s3.getObject(located(path)))))

  async function put(path: string, bytes: Uint8Array): Promise<void> {
    await calling(path, (s3) => s3.putObject({ ...located(path), Body: bytes }))
  }

  async function statOf(path: string): Promise<StoredFile | undefined> {
    const found = await calling(path, (s3) => unlessMissing(s3.headObject(located(path))))
    return found === undefined ? undefined : { name: path, bytes: found.ContentLength ?? 0, modifiedAt: found.LastModified?.getTime() ?? 0 }
  }

  async function listing(folder: string, narrowed: { Delimiter?: string; StartAfter?: string }): Promise<StoredFile[]> {
    const { Bucket, Key } = located(folder.replace(/\/*$/, '/'))
    const after = narrowed.StartAfter === undefined ? {} : { StartAfter: Key + narrowed.StartAfter }
    const files: StoredFile[] = []
    let page: { ContinuationToken?: string } = {}
    do {
      const input = { Bucket, Prefix: Key, ...narrowed, ...after, ...page }
      const { Contents = [], NextContinuationToken } = await calling(folder, (s3) => s3.listObjectsV2(input))
      for (const { Key: key = '', Size = 0, LastModified } of Contents) {
        // Consoles and other programs mark a folder by an empty object whose key ends in `/`.
        if (!key.endsWith('/')) files.push({ name: key.slice(Key.length), bytes: Size, modifiedAt: LastModified?.getTime() ?? 0 })
      }
      page = NextContinuationToken === undefined ? {} : { ContinuationToken: NextContinuationToken }
    } while (page.ContinuationToken !== undefined)
    return files.sort((left, right) => (left.name < right.name ? -1 : 1))
  }

  async function download(path: string, to: string, signal?: AbortSignal): Promise<void> {
    const found = await calling(
      path,
      async (s3) => {
        const answer = await unlessMissing(s3.getObject(located(path), signal === undefined ? {} : { abortSignal: signal }))
        if (answer === undefined) return false
        const handle = await guarded(to, () => open(to, 'w', 0o600))
        try {
          let bytes = 0
          for await (const chunk of answer.Body as AsyncIterable<Uint8Array>) {
            await guarded(to, () => handle.writeFile(chunk))
            bytes += chunk.length
          }
          requireWhole(bytes, answer.ContentLength)
        } finally {
          await handle.close()
        }
        return true
      },
      signal,
    )
    if (!found) throw failure(STORAGE_FILE_MISSING, { path })
  }

  async function upload({ from, to }: AdoptedFile): Promise<void> {
    const { size } = await guarded(from, () => stat(from))
    if (size <= WHOLE) return put(to, await guarded(from, () => readFile(from)))
    const handle = await guarded(from, () => open(from))
    try {
      await uploadParts(handle, { from, to }, size)
    } finally {
      await handle.close()
    }
  }

  async function uploadParts(handle: FileHandle, { from, to }: AdoptedFile, size: number): Promise<void> {
    const { UploadId = '' } = await calling(to, (s3) => s3.createMultipartUpload(located(to)))
    const sent = { ...located(to), UploadId }
    const each = Math.max(PART, Math.ceil(size / MOST_PARTS))
    try {
      const offsets = Array.from({ length: Math.ceil(size / each) }, (_, index) => index * each)
      const parts = await inParallel(offsets, UPLOADS, async (offset) => {
        const Body = new Uint8Array(Math.min(each, size - offset))
        await guarded(from, async () => requireWhole((await handle.read(Body, 0, Body.length, offset)).bytesRead, Body.length))
        const PartNumber = offset / each + 1
        const { ETag = '' } = await calling(to, (s3) => s3.uploadPart({ ...sent, PartNumber, Body }))
        return { PartNumber, ETag }
      })
      await calling(to, (s3) => s3.completeMultipartUpload({ ...sent, MultipartUpload: { Parts: parts } }))
    } catch (thrown) {
      // The answer to the last request may be lost, and S3 no longer knows an upload that is complete. Nobody else writes to this name.
      if ((await statOf(to).catch(() => undefined))?.bytes === size) return
      // Parts left behind are paid for, and no listing shows them. What matters is why the upload failed.
      await calling(to, (s3) => s3.abortMultipartUpload(sent)).catch(() => {})
      throw thrown
    }
  }

  return {
    read,
    put,

    /**
     * An attempt may store the bytes and still fail: the answer is late, the connection is cut, a proxy says 503. From then on "there is
     * an object" may speak of our own, and only its bytes tell. Writers whose bytes may be equal must put something of their own in them,
     * as a commit does by its transaction id.
     */
    async putIfAbsent(path, bytes) {
      const s3 = await client()
      const storedByUs = (stored: Uint8Array | undefined) => stored !== undefined && Buffer.compare(stored, bytes) === 0
      let uncertain = false
      for (let tried = 1; ; tried++) {
        try {
          await s3.putObject({ ...located(path), Body: bytes, IfNoneMatch: '*' })
          return true
        } catch (thrown) {
          const fate = fateOf(thrown)
          // A client handed in may have tried again by itself.
          uncertain ||= attemptsOf(thrown) > 1 || (fate === 'again' && statusOf(thrown) !== 409)
          if (fate !== 'exists' && fate !== 'again') throw s3Failure(thrown, path)
          if (fate === 'exists' && !uncertain) return false
          if (uncertain) {
            const stored = fate === 'exists' ? await read(path) : await bodyOf(s3.getObject(located(path))).catch(() => undefined)
            if (stored !== undefined) return storedByUs(stored)
          }
          if (tried >= attempts) throw s3Failure(thrown, path)
        }
        await pause(tried)
      }
    },

    list: (folder, after) => listing(folder, { Delimiter: '/', ...(after === undefined ? {} : { StartAfter: after }) }),
    walk: (folder) => listing(folder, {}),
    stat: statOf,

    async remove(path) {
      await calling(path, (s3) => unlessMissing(s3.deleteObject(located(path))))
    },

    /** There are no folders: a key is there or it is not. */
    makeFolder: async () => {},
    /** An object is durable once its upload is answered. */
    settle: async () => {},

    async fetch(paths, signal) {
      let downloaded = false
      const copies = await inParallel(paths, DOWNLOADS, (path) => {
        signal?.throwIfAborted()
        return cache.copy(`${endpoint}\n${path}`, async (temporary) => {
          await download(path, temporary, signal)
          downloaded = true
        })
      })
      if (downloaded) await cache.trim()
      return copies
    },

    async adopt(files) {
      await inParallel(files, UPLOADS, upload)
      await Promise.all(files.map(({ from }) => guarded(from, () => rm(from))))
    },
  }
}

async function openClient({ region, credentials, forcePathStyle, timeouts }: S3StorageOptions, endpoint: string): Promise<S3Client> {
  // No server sends these back where this shows it, but a message is kept and a log is read by many. Shorter ones are a test server's.
  const secrets = { AWS_SECRET_ACCESS_KEY: credentials?.secretAccessKey, AWS_SESSION_TOKEN: credentials?.sessionToken }
  for (const [name, secret = ''] of Object.entries(secrets)) if (secret.length >= SHORTEST_SECRET) keepSecret(name, secret)
  const { S3 } = await import('@aws-sdk/client-s3').catch((thrown: unknown) => {
    throw failure(STORAGE_CLIENT_MISSING, { storage: 'S3', client: '@aws-sdk/client-s3' }, { cause: thrown })
  })
  return new S3({
    region: region ?? (process.env['AWS_REGION'] || 'us-east-1'),
    // Attempts are counted here: a retry that nobody sees would make our own commit look like another's.
    maxAttempts: 1,
    requestHandler: { connectionTimeout: timeouts?.connect ?? 5_000, socketTimeout: timeouts?.idle ?? 30_000 },
    ...(credentials === undefined ? {} : { credentials: givenOnly(credentials) }),
    ...(endpoint === '' ? {} : { endpoint }),
    // Servers other than AWS may not know the SDK's newer checksums; the signature covers the bytes all the same.
    ...(endpoint === '' ? {} : { requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' }),
    forcePathStyle: forcePathStyle ?? endpoint !== '',
  })
}

function givenOnly({ accessKeyId, secretAccessKey, sessionToken }: S3Credentials) {
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
}

function located(path: string): S3Object {
  const [, Bucket, Key = ''] = /^s3:\/\/([^/]+)(?:\/(.*))?$/s.exec(path) ?? []
  if (Bucket === undefined) throw failure(STORAGE_UNSUPPORTED, { location: path })
  return { Bucket, Key }
}

async function bodyOf(asked: Promise<{ Body?: unknown; ContentLength?: number | undefined }>): Promise<Uint8Array> {
  const { Body, ContentLength } = await asked
  const chunks: Uint8Array[] = []
  for await (const chunk of Body as AsyncIterable<Uint8Array>) chunks.push(chunk)
  const bytes = Buffer.concat(chunks)
  requireWhole(bytes.length, ContentLength)
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

function requireWhole(bytes: number, expected: number | undefined): void {
  if (expected !== undefined && bytes !== expected) throw new Error(`${bytes} bytes of ${expected} came.`)
}

async function unlessMissing<Result>(call: Promise<Result>): Promise<Result | undefined> {
  try {
    return await call
  } catch (thrown) {
    if (fateOf(thrown) === 'missing') return undefined
    throw thrown
  }
}

/** What a failed request means: `again` may help and the request may have taken effect; `refused` stays so. */
type Fate = 'missing' | 'exists' | 'again' | 'refused'

/** 400 and 403 as a rule stay so; these pass. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
const PASSING = new Set(['RequestTimeout', 'RequestTimeTooSkewed', 'IncompleteBody', 'BadDigest'])

function fateOf(thrown: unknown): Fate {
  const status = statusOf(thrown)
  const name = nameOf(thrown)
  if (isSluiceError(thrown)) return 'refused'
  // Nothing was answered: the network, or before it the search for credentials and an address that is none.
  if (status === undefined) return name === 'CredentialsProviderError' || name === 'TypeError' ? 'refused' : 'again'
  if (status === 404) return name === 'NoSuchBucket' ? 'refused' : 'missing'
  if (status === 412) return 'exists'
  const passes = status === 408 || status === 409 || status === 429 || (status >= 500 && status !== 501) || status < 300
  return passes || PASSING.has(name) ? 'again' : 'refused'
}

function s3Failure(thrown: unknown, path: string): SluiceError {
  if (isSluiceError(thrown)) return thrown
  const [status, name, said] = [statusOf(thrown), nameOf(thrown), messageOf(thrown)]
  // An answer without a body, as to HEAD, has neither a code nor a message, and the SDK makes them up.
  const told = [name, said].filter((text, index, all) => !/^(|Error|Unknown(Error)?|\d+)$/.test(text) && all.indexOf(text) === index)
  const http = status === undefined ? '' : `HTTP ${status}`
  const problem = redact(told.length === 0 ? http || name : told.join(': ') + (http && ` (${http})`))
  // Not the error itself: S3 sends the key, the request and its signature back in some, as fields that a log would print.
  const { requestId } = metadataOf(thrown)
  const cause = Object.assign(new Error(problem), { name }, requestId === undefined ? {} : { requestId })
  return failure(fateOf(thrown) === 'refused' ? STORAGE_DENIED : STORAGE_FAILED, { path, problem }, { cause })
}

function metadataOf(thrown: unknown): { httpStatusCode?: number; attempts?: number; requestId?: string } {
  return typeof thrown === 'object' && thrown !== null && '$metadata' in thrown ? ((thrown.$metadata ?? {}) as object) : {}
}

function statusOf(thrown: unknown): number | undefined {
  return metadataOf(thrown).httpStatusCode
}

function attemptsOf(thrown: unknown): number {
  return metadataOf(thrown).attempts ?? 1
}

/** `NoSuchKey`; `ECONNRESET`, which the SDK calls a TimeoutError. */
function nameOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return 'Error'
  return 'code' in thrown && /^E[A-Z]+$/.test(String(thrown.code)) ? String(thrown.code) : thrown.name
}

/** Results in the order of the items. After a failure nothing new is begun, and what runs is waited for: then the first failure is thrown. */
async function inParallel<Item, Result>(items: readonly Item[], limit: number, work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  const failures: unknown[] = []
  const waiting = [...items.entries()].reverse()
  const worker = async () => {
    for (let next = waiting.pop(); next !== undefined && failures.length === 0; next = waiting.pop()) {
      const [index, item] = next
      try {
        results[index] = await work(item)
      } catch (thrown) {
        failures.push(thrown)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
  if (failures.length > 0) throw failures[0]
  return results
}
