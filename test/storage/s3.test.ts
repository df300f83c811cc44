import { existsSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { inspect } from 'node:util'
import { S3 } from '@aws-sdk/client-s3'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { decodeText, encodeText, type S3StorageOptions, s3Storage } from '../../src/storage/index.js'
import { temporaryFolder } from '../fixtures.js'
import { type MisbehavingS3, misbehavingS3 } from './misbehaving-s3.js'

const credentials = { accessKeyId: 'AKIA-OF-THE-TEST', secretAccessKey: 'the-secret-of-the-test', sessionToken: 'the-token-of-the-test' }
const path = 's3://bucket/table/_delta_log/00000000000000000001.json'
const object = path.slice('s3://'.length)
const ours = encodeText('{"commitInfo":{"txnId":"ours"}}')
const theirs = Buffer.from('{"commitInfo":{"txnId":"theirs"}}')

afterEach(() => vi.unstubAllEnvs())

function storageOn(s3: MisbehavingS3, options: S3StorageOptions = {}) {
  const retries = { attempts: 4, delay: 1 }
  return s3Storage({ endpoint: s3.endpoint, credentials, retries, cache: { folder: join(temporaryFolder(), 'cache') }, ...options })
}

const methods = (s3: MisbehavingS3) => s3.asked.map((asked) => asked.split(' ')[0])

describe('putIfAbsent', () => {
  test('loses by one request where an object is', async () => {
    const s3 = await misbehavingS3()
    s3.objects.set(object, theirs)
    expect(await storageOn(s3).putIfAbsent(path, ours)).toBe(false)
    expect(methods(s3)).toEqual(['PUT'])
  })

  test('loses where the object is equal but was there before the first attempt', async () => {
    const s3 = await misbehavingS3()
    s3.objects.set(object, Buffer.from(ours))
    expect(await storageOn(s3).putIfAbsent(path, ours)).toBe(false)
  })

  test.each(['cut', 'silence', 'error after'] as const)('has won when the object was stored and the answer was not: %s', async (mishap) => {
    const s3 = await misbehavingS3()
    s3.writes.push(mishap)
    expect(await storageOn(s3, { timeouts: { idle: 200 } }).putIfAbsent(path, ours)).toBe(true)
    expect(methods(s3)).toEqual(['PUT', 'GET'])
    expect(s3.objects.get(object)).toEqual(Buffer.from(ours))
  })

  test('has won when its second attempt is refused on account of its first', async () => {
    const s3 = await misbehavingS3()
    s3.writes.push('cut')
    s3.reads.push('error')
    expect(await storageOn(s3).putIfAbsent(path, ours)).toBe(true)
    expect(methods(s3)).toEqual(['PUT', 'GET', 'PUT', 'GET'])
  })

  test('has won when a client that tries again by itself is refused on account of its first attempt', async () => {
    const s3 = await misbehavingS3()
    s3.writes.push('error after')
    const client = new S3({ endpoint: s3.endpoint, credentials, region: 'us-east-1', forcePathStyle: true, maxAttempts: 3 })
    expect(await storageOn(s3, { client }).putIfAbsent(path, ours)).toBe(true)
    expect(methods(s3)).toEqual(['PUT', 'PUT', 'GET'])
  })

  test('has lost when another stored while its attempts failed', async () => {
    const s3 = await misbehavingS3()
    s3.writes.push('error')
    s3.onRequest = () => {
      if (s3.asked.length === 3) s3.objects.set(object, theirs)
    }
    expect(await storageOn(s3).putIfAbsent(path, ours)).toBe(false)
    expect(methods(s3)).toEqual(['PUT', 'GET', 'PUT', 'GET'])
    expect(s3.objects.get(object)).toEqual(theirs)
  })

  test('has lost when the connection was cut after another had stored', async () => {
    const s3 = await misbehavingS3()
    s3.objects.set(object, theirs)
    s3.writes.push('cut')
    expect(await storageOn(s3).putIfAbsent(path, ours)).toBe(false)
  })

  test('tries again after a conflict with a write under way, which stored nothing', async () => {
    const s3 = await misbehavingS3()
    s3.writes.push('conflict', 'conflict')
    expect(await storageOn(s3).putIfAbsent(path, ours)).toBe(true)
    expect(methods(s3)).toEqual(['PUT', 'PUT', 'PUT'])
  })

  test('loses after a conflict with a write that won', async () => {
    const s3 = await misbehavingS3()
    s3.writes.push('conflict')
    s3.objects.set(object, theirs)
    expect(await storageOn(s3).putIfAbsent(path, ours)).toBe(false)
    expect(methods(s3)).toEqual(['PUT', 'PUT'])
  })

  test('fails as transient when the server stays away', async () => {
    const s3 = await misbehavingS3()
    s3.writes.push('error', 'error', 'error', 'error')
    const failed = { code: 'STORAGE_FAILED', retry: 'transient', message: expect.stringContaining('SlowDown: It is SlowDown. (HTTP 503)') }
    await expect(storageOn(s3).putIfAbsent(path, ours)).rejects.toMatchObject(failed)
    expect(methods(s3).filter((method) => method === 'PUT')).toHaveLength(4)
    expect(s3.objects.size).toBe(0)
  })
})

describe('a request that may be made twice', () => {
  test('is made again after 503 and after a cut', async () => {
    const s3 = await misbehavingS3()
    s3.writes.push('error', 'cut')
    s3.reads.push('torn', 'error')
    const storage = storageOn(s3)
    await storage.put(path, ours)
    expect(decodeText((await storage.read(path)) ?? new Uint8Array())).toBe(decodeText(ours))
    expect(methods(s3)).toEqual(['PUT', 'PUT', 'PUT', 'GET', 'GET', 'GET'])
  })

  test('fails as transient when nobody answers', async () => {
    const storage = s3Storage({ endpoint: 'http://127.0.0.1:1', credentials, retries: { attempts: 2, delay: 1 } })
    const failed = { code: 'STORAGE_FAILED', retry: 'transient', message: expect.stringContaining('ECONNREFUSED') }
    await expect(storage.read(path)).rejects.toMatchObject(failed)
  })

  test('is not made again when it is refused, and the error shows no credentials', async () => {
    const s3 = await misbehavingS3()
    s3.reads.push('denied')
    const error: unknown = await storageOn(s3)
      .read(path)
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'STORAGE_DENIED', retry: 'terminal', message: expect.stringContaining('SignatureDoesNotMatch') })
    expect(methods(s3)).toEqual(['GET'])
    for (const secret of Object.values(credentials)) expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(secret)
  })
})

describe('an answer without a body', () => {
  test.each([
    [403, 'STORAGE_DENIED'],
    [500, 'STORAGE_FAILED'],
  ])('is told by its status: %i', async (status, code) => {
    const headObject = () =>
      Promise.reject(Object.assign(new Error('UnknownError'), { name: String(status), $metadata: { httpStatusCode: status } }))
    const storage = s3Storage({ client: Object.assign(new S3({ region: 'us-east-1' }), { headObject }), retries: { attempts: 1 } })
    await expect(storage.stat(path)).rejects.toMatchObject({ code, facts: { path, problem: `HTTP ${status}` } })
  })
})

describe('s3Storage', () => {
  test('shows no credentials', () => {
    const shown = inspect(s3Storage({ credentials }), { depth: 20, showHidden: true })
    for (const secret of Object.values(credentials)) expect(shown).not.toContain(secret)
  })

  test('takes the endpoint, the region and the credentials from the environment', async () => {
    const s3 = await misbehavingS3()
    vi.stubEnv('AWS_ENDPOINT_URL_S3', '')
    vi.stubEnv('AWS_ENDPOINT_URL', `${s3.endpoint}/`)
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'from')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'environment')
    await s3Storage().put(path, ours)
    expect(s3.asked).toEqual([`PUT ${object}`])
  })

  test('refuses a path that is not on S3, and an endpoint that is no address', async () => {
    expect(() => s3Storage({ endpoint: 'my-server' })).toThrow('There is no storage for my-server.')
    await expect(s3Storage({ credentials }).read('/folder/file')).rejects.toMatchObject({ code: 'STORAGE_UNSUPPORTED' })
  })

  test('says what to install when its client is not', async () => {
    vi.doMock('@aws-sdk/client-s3', () => {
      throw new Error('Cannot find package')
    })
    try {
      const missing = { code: 'STORAGE_CLIENT_MISSING', hint: expect.stringContaining('npm install @aws-sdk/client-s3') }
      await expect(s3Storage().read(path)).rejects.toMatchObject(missing)
    } finally {
      vi.doUnmock('@aws-sdk/client-s3')
    }
  })
})

describe('fetch', () => {
  test('downloads each file once, whoever asks, and at most 8 at a time', async () => {
    const s3 = await misbehavingS3()
    const paths = Array.from({ length: 20 }, (_, index) => `s3://bucket/table/part-${index}.parquet`)
    for (const one of paths) s3.objects.set(one.slice('s3://'.length), Buffer.from(one))
    let [now, most] = [0, 0]
    s3.onRequest = async () => {
      most = Math.max(most, ++now)
      await new Promise((resolve) => setTimeout(resolve, 20))
      now--
    }
    const storage = storageOn(s3)
    const [copies = [], again = []] = await Promise.all([storage.fetch(paths), storage.fetch([...paths].reverse())])
    expect(await Promise.all(copies.map((copy) => readFile(copy, 'utf8')))).toEqual(paths)
    expect(again.reverse()).toEqual(copies)
    expect([...s3.asked].sort()).toEqual(paths.map((one) => `GET ${one.slice('s3://'.length)}`).sort())
    // Two calls, 8 each.
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(16)
  })

  test('keeps nothing of a download that was cut', async () => {
    const s3 = await misbehavingS3()
    const folder = join(temporaryFolder(), 'cache')
    s3.objects.set('bucket/a.parquet', Buffer.alloc(100_000, 'a'))
    s3.reads.push('torn', 'torn', 'torn', 'torn')
    const storage = storageOn(s3, { cache: { folder } })
    await expect(storage.fetch(['s3://bucket/a.parquet'])).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    expect(readdirSync(folder)).toEqual([])
    s3.reads.push('torn')
    const [copy = ''] = await storage.fetch(['s3://bucket/a.parquet'])
    expect(statSync(copy).size).toBe(100_000)
    expect(readdirSync(folder)).toHaveLength(1)
  })

  test('keeps nothing of a download that ended early, as one through a proxy may', async () => {
    const folder = join(temporaryFolder(), 'cache')
    const getObject = async () => ({ Body: Readable.from([Buffer.from('half')]), ContentLength: 8 })
    const client = Object.assign(new S3({ region: 'us-east-1' }), { getObject })
    const storage = s3Storage({ client, retries: { attempts: 2, delay: 1 }, cache: { folder } })
    const torn = { code: 'STORAGE_FAILED', message: expect.stringContaining('4 bytes of 8 came') }
    await expect(storage.fetch(['s3://bucket/a.parquet'])).rejects.toMatchObject(torn)
    expect(readdirSync(folder)).toEqual([])
    await expect(storage.read('s3://bucket/a.parquet')).rejects.toMatchObject(torn)
  })

  test('ends with the reason of an abort, and keeps nothing', async () => {
    const s3 = await misbehavingS3()
    const folder = join(temporaryFolder(), 'cache')
    s3.objects.set('bucket/a.parquet', Buffer.from('a'))
    s3.reads.push('silence')
    const stopping = new AbortController()
    s3.onRequest = () => stopping.abort(new Error('enough'))
    await expect(storageOn(s3, { cache: { folder } }).fetch(['s3://bucket/a.parquet'], stopping.signal)).rejects.toThrow('enough')
    expect(readdirSync(folder)).toEqual([])
    expect(s3.asked).toHaveLength(1)
  })

  test('tells files of one name on two servers apart', async () => {
    const cache = { folder: join(temporaryFolder(), 'cache') }
    const texts = ['one', 'two'].map(async (text) => {
      const s3 = await misbehavingS3()
      s3.objects.set('bucket/a.parquet', Buffer.from(text))
      const [copy = ''] = await storageOn(s3, { cache }).fetch(['s3://bucket/a.parquet'])
      return readFile(copy, 'utf8')
    })
    expect(await Promise.all(texts)).toEqual(['one', 'two'])
  })
})

describe('adopt', () => {
  test('keeps every file on this machine until all are stored', async () => {
    const s3 = await misbehavingS3()
    const here = temporaryFolder()
    const files = ['a', 'b'].map((name) => ({ from: join(here, name), to: `s3://bucket/${name}` }))
    for (const { from } of files) writeFileSync(from, 'bytes')
    const storage = storageOn(s3, { retries: { attempts: 1 } })
    s3.onRequest = (asked) => void (asked === 'PUT bucket/b' && s3.writes.unshift('error'))
    await expect(storage.adopt(files)).rejects.toMatchObject({ code: 'STORAGE_FAILED', facts: { path: 's3://bucket/b' } })
    expect(files.map(({ from }) => existsSync(from))).toEqual([true, true])
    s3.onRequest = () => {}
    await storage.adopt(files)
    expect(files.map(({ from }) => existsSync(from))).toEqual([false, false])
    expect([...s3.objects.keys()].sort()).toEqual(['bucket/a', 'bucket/b'])
  })

  test('has stored a file in parts when only the last answer was lost', async () => {
    const s3 = await misbehavingS3()
    const from = join(temporaryFolder(), 'large')
    writeFileSync(from, '')
    truncateSync(from, 65 * 2 ** 20)
    s3.onRequest = () => void (s3.asked.length === 5 && s3.writes.push('cut'))
    await storageOn(s3).adopt([{ from, to: 's3://bucket/large' }])
    expect(s3.objects.get('bucket/large')).toHaveLength(65 * 2 ** 20)
    expect(methods(s3)).toEqual(['POST', 'PUT', 'PUT', 'PUT', 'POST', 'POST', 'HEAD'])
    expect(existsSync(from)).toBe(false)
  })

  test('takes back the parts of a file that could not be stored whole', async () => {
    const s3 = await misbehavingS3()
    const from = join(temporaryFolder(), 'large')
    writeFileSync(from, '')
    truncateSync(from, 65 * 2 ** 20)
    s3.onRequest = (asked) => void (asked.startsWith('PUT') && s3.writes.push('denied'))
    await expect(storageOn(s3).adopt([{ from, to: 's3://bucket/large' }])).rejects.toMatchObject({ code: 'STORAGE_DENIED' })
    expect(methods(s3).at(-1)).toBe('DELETE')
    expect(existsSync(from)).toBe(true)
  })
})
