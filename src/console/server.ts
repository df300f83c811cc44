import { timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { messageOf } from '../errors/index.js'
import { exposition, negotiate, type Registry } from '../observability/index.js'
import { type ApiContext, answer } from './prometheus-api.js'

export interface ServeOptions {
  readonly port: number
  /** Default 127.0.0.1. Anywhere else a token is needed. */
  readonly host: string
  readonly token: string | undefined
  readonly api: ApiContext
  /** What `/metrics` shows. */
  metrics(): Promise<Registry>
  readonly about: string
  /** Pages of plain text, by path: what to do about each alert. */
  readonly pages: ReadonlyMap<string, string>
}

const MOST_BODY_BYTES = 1024 * 1024

/** Serves `/metrics`, `/api/v1/...` and `/-/ready`. */
export async function serve(options: ServeOptions): Promise<{ readonly server: Server; readonly address: string }> {
  const server = createServer((request, response) => {
    void handle(options, request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' })
      response.end(`${messageOf(error)}\n`)
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, resolve)
  })
  const { port } = server.address() as AddressInfo
  return { server, address: `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}` }
}

async function handle(options: ServeOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const text = (status: number, body: string, headers: Readonly<Record<string, string>> = {}) => {
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff', ...headers })
    response.end(request.method === 'HEAD' ? undefined : body)
  }
  const url = urlOf(request.url)
  if (url === undefined) return text(400, 'The address is none.\n')
  if (options.token === undefined && !isOurs(request.headers.host, options.host))
    return text(403, 'Without a token this is for whoever asks for this machine by its own name.\n')
  if (!authorised(options.token, request))
    return text(401, 'A token is needed: Authorization: Bearer TOKEN.\n', { 'www-authenticate': 'Bearer' })
  const reads = request.method === 'GET' || request.method === 'HEAD'
  if (url.pathname.startsWith('/api/v1/')) {
    if (!reads && request.method !== 'POST') return text(405, 'This API only reads.\n', { allow: 'GET, HEAD, POST' })
    const query = url.searchParams
    // Grafana posts long queries as forms.
    if (request.method === 'POST') {
      const form = await bodyOf(request)
      if (form === undefined) return text(413, 'The request is too large.\n', { connection: 'close' })
      for (const [name, value] of new URLSearchParams(form)) query.append(name, value)
    }
    const { status, body } = await answer(options.api, url.pathname.slice('/api/v1/'.length), query)
    response.writeHead(status, { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' })
    response.end(JSON.stringify(body))
    return
  }
  if (!reads) return text(405, 'Only GET.\n', { allow: 'GET, HEAD' })
  switch (url.pathname) {
    case '/metrics': {
      const { format, contentType } = negotiate(request.headers.accept)
      const registry = await options.metrics()
      return text(200, exposition(registry.collect(), format), { 'content-type': contentType })
    }
    case '/-/ready':
    case '/-/healthy':
      return text(200, 'ok\n')
    case '/':
      return text(200, options.about)
    default: {
      const page = options.pages.get(url.pathname)
      if (page !== undefined) return text(200, page)
      return text(404, 'There is /metrics, /api/v1/query and its kin, /runbooks/ALERT, and /-/ready.\n')
    }
  }
}

/** This machine as its own programs call it, and as containers on it do. */
const OWN_NAMES = ['127.0.0.1', 'localhost', '[::1]', 'host.docker.internal']

/** A web page that has its own name lead to this machine would otherwise read here what its visitor's browser can. */
function isOurs(host: string | undefined, listening: string): boolean {
  const name = (host ?? '').replace(/:\d+$/, '').toLowerCase()
  return OWN_NAMES.includes(name) || name === listening.toLowerCase()
}

function authorised(token: string | undefined, request: IncomingMessage): boolean {
  if (token === undefined) return true
  const given = Buffer.from(request.headers.authorization ?? '')
  const wanted = Buffer.from(`Bearer ${token}`)
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

function urlOf(path = '/'): URL | undefined {
  try {
    return new URL(path, 'http://sluice')
  } catch {
    return undefined
  }
}

/** Undefined when it is too large. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length
    if (bytes > MOST_BODY_BYTES) return undefined
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('utf8')
}
