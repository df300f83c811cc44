import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** How the next request that writes (PUT, POST) or that reads (GET) goes wrong; without one it goes well. */
export type Mishap =
  | 'cut' // the request takes effect, then the connection is cut
  | 'silence' // the request takes effect, and nothing is ever answered
  | 'error after' // the request takes effect, then 503
  | 'error' // 503, and no effect
  | 'conflict' // 409, and no effect
  | 'denied' // 403, quoting the request as S3 does
  | 'torn' // half of the answer's bytes, then the connection is cut

export interface MisbehavingS3 {
  readonly endpoint: string
  /** `bucket/key` and its bytes. */
  readonly objects: Map<string, Buffer>
  /** `PUT bucket/key`, in the order they came. */
  readonly asked: string[]
  /** Taken in order, each by one request. */
  readonly writes: Mishap[]
  readonly reads: Mishap[]
  /** Called before each request is looked at. */
  onRequest: (asked: string) => void | Promise<void>
}

/** As much of S3's HTTP as the storage speaks, in this process, which goes wrong as told. Gone after the test. */
export async function misbehavingS3(): Promise<MisbehavingS3> {
  const s3: Omit<MisbehavingS3, 'endpoint'> = { objects: new Map(), asked: [], writes: [], reads: [], onRequest: () => {} }
  const uploads = new Map<string, Buffer[]>()

  function effect(method: string, key: string, query: URLSearchParams, ifNoneMatch: boolean, body: Buffer): [number, string | Buffer] {
    const id = query.get('uploadId') ?? ''
    if (query.has('uploadId') && !uploads.has(id)) return [404, problem('NoSuchUpload')]
    if (method === 'POST' && query.has('uploads')) {
      uploads.set(`upload-${uploads.size}`, [])
      return [200, `<InitiateMultipartUploadResult><UploadId>upload-${uploads.size - 1}</UploadId></InitiateMultipartUploadResult>`]
    }
    if (method === 'POST') {
      s3.objects.set(key, Buffer.concat(uploads.get(id) ?? []))
      uploads.delete(id)
      return [200, '<CompleteMultipartUploadResult></CompleteMultipartUploadResult>']
    }
    if (method === 'PUT' && query.has('partNumber')) {
      const parts = uploads.get(id) ?? []
      parts[Number(query.get('partNumber')) - 1] = body
      return [200, '']
    }
    if (method === 'PUT') {
      if (ifNoneMatch && s3.objects.has(key)) return [412, problem('PreconditionFailed')]
      s3.objects.set(key, body)
      return [200, '']
    }
    if (method === 'DELETE') return [204, '']
    const found = s3.objects.get(key)
    return found === undefined ? [404, problem('NoSuchKey')] : [200, found]
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://s3')
    const [method, key] = [request.method ?? '', decodeURIComponent(pathname.slice(1))]
    const body: Buffer[] = []
    for await (const chunk of request) body.push(chunk)
    s3.asked.push(`${method} ${key}`)
    await s3.onRequest(`${method} ${key}`)
    const mishap = (method === 'PUT' || method === 'POST' ? s3.writes : s3.reads).shift()
    const say = (status: number, text: string | Buffer) => {
      const whole = Buffer.from(text)
      response.writeHead(status, { 'content-length': whole.length, etag: '"etag"' })
      response.end(method === 'HEAD' ? undefined : whole)
    }
    if (mishap === 'error') return say(503, problem('SlowDown'))
    if (mishap === 'conflict') return say(409, problem('ConditionalRequestConflict'))
    if (mishap === 'denied') {
      const signed = request.headers.authorization ?? ''
      return say(403, problem('SignatureDoesNotMatch', `<AWSAccessKeyId>${signed}</AWSAccessKeyId><StringToSign>${signed}</StringToSign>`))
    }
    const [status, text] = effect(method, key, searchParams, request.headers['if-none-match'] === '*', Buffer.concat(body))
    if (mishap === 'silence') return
    if (mishap === 'cut') return void request.socket.destroy()
    if (mishap === 'error after') return say(503, problem('InternalError'))
    if (mishap === 'torn') {
      response.writeHead(status, { 'content-length': text.length })
      response.write(text.slice(0, text.length / 2), () => request.socket.destroy())
      return
    }
    say(status, text)
  }

  const server = createServer((request, response) => void answer(request, response).catch(() => request.socket.destroy()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return Object.assign(s3, { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
}

function problem(code: string, more = ''): string {
  return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>It is ${code}.</Message>${more}</Error>`
}
