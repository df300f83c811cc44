import { createServer, request as httpRequest, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { trace } from '@opentelemetry/api'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import express, { type Request as ExpressRequest, type Response as ExpressResponse } from 'express'
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { defineMetric } from '../../src/observability/definition.js'
import { exposition } from '../../src/observability/exposition.js'
import {
  expressErrorMetrics,
  expressMetrics,
  fastifyMetrics,
  honoMetrics,
  metricsHandler,
  nodeMetricsHandler,
} from '../../src/observability/http.js'
import { Registry } from '../../src/observability/registry.js'
import { activeTrace, span } from '../../src/observability/span.js'

interface Sent {
  readonly method?: string
  readonly path: string
  readonly body?: string
  /** Leaves as soon as the answer begins. */
  readonly leave?: boolean
}

type Send = (sent: Sent) => Promise<void>

class Broken extends Error {
  override name = 'Broken'
}

/** The same routes on each framework: what is sent to them must be measured the same. */
const frameworks: readonly (readonly [name: string, start: (registry: Registry) => Promise<Send>])[] = [
  [
    'hono',
    async (registry) => {
      const app = honoApp(registry)
      return async ({ method = 'GET', path, body, leave = false }) => {
        const length = body === undefined ? {} : { headers: { 'content-length': String(Buffer.byteLength(body)) } }
        const response = await app.request(path, { method, ...(body === undefined ? {} : { body }), ...length })
        if (leave) await response.body?.cancel()
        else await response.arrayBuffer()
      }
    },
  ],
  [
    "hono on Node's server",
    (registry) => {
      const app = honoApp(registry)
      return listening(async (incoming, outgoing) => {
        const headers = Object.entries(incoming.headers).map(([name, value]) => [name, String(value)] as [string, string])
        const body = ['GET', 'HEAD'].includes(incoming.method ?? '') ? {} : { body: await read(incoming) }
        const request = new Request(`http://localhost${incoming.url}`, { method: incoming.method ?? 'GET', headers, ...body })
        const response = await app.fetch(request, { incoming, outgoing })
        outgoing.writeHead(response.status, Object.fromEntries(response.headers))
        for await (const chunk of response.body ?? []) {
          if (outgoing.destroyed) return
          outgoing.write(chunk)
        }
        outgoing.end()
      })
    },
  ],
  [
    'fastify',
    async (registry) => {
      const app = fastify()
      await app.register(fastifyMetrics({ registry, skip: (path) => path === '/skipped' }))
      app.get('/orders/:id', async (request: FastifyRequest<{ Params: { id: string } }>) => `order ${request.params.id}`)
      app.post('/orders', async (_request, reply: FastifyReply) => reply.code(201).send('made'))
      app.get('/skipped', async () => 'skipped')
      app.get('/empty', async (_request, reply) => reply.code(204).send())
      app.get('/broken', async () => {
        throw new Broken('out of order')
      })
      app.get('/refused', async (_request, reply) => reply.code(403).send('no'))
      app.get('/busy', async (_request, reply) => reply.code(503).send('later'))
      app.get('/stream', async (_request, reply) => reply.send(streamed(false)))
      app.get('/endless', async (_request, reply) => reply.send(streamed(true)))
      await app.register(async (scope) => void scope.get('/items/:item', async () => 'item'), { prefix: '/tenants/:tenant' })
      await app.listen({ port: 0, host: '127.0.0.1' })
      onTestFinished(() => app.close())
      return senderTo((app.server.address() as AddressInfo).port)
    },
  ],
  [
    'express',
    (registry) => {
      const app = express()
      app.use(expressMetrics({ registry, skip: (path) => path === '/skipped' }))
      app.get('/orders/:id', (request: ExpressRequest, response: ExpressResponse) => void response.send(`order ${request.params['id']}`))
      app.post('/orders', (_request, response) => void response.status(201).send('made'))
      app.get('/skipped', (_request, response) => void response.send('skipped'))
      app.get('/empty', (_request, response) => void response.status(204).end())
      app.get('/broken', () => {
        throw new Broken('out of order')
      })
      app.get('/refused', (_request, response) => void response.status(403).send('no'))
      app.get('/busy', (_request, response) => void response.status(503).send('later'))
      app.get('/stream', (_request, response) => void pipe(streamed(false), response))
      app.get('/endless', (_request, response) => void pipe(streamed(true), response))
      const items = express.Router()
      items.get('/items/:item', (_request, response) => void response.send('item'))
      app.use('/tenants/:tenant', items)
      app.use(expressErrorMetrics())
      app.use(
        (error: Error, _request: ExpressRequest, response: ExpressResponse, _next: unknown) =>
          void response.status(500).send(error.message),
      )
      return listening(app)
    },
  ],
]

describe.each(frameworks)('%s', (_, start) => {
  const measuring = async () => {
    const registry = new Registry()
    const send = await start(registry)
    return { send, registry, lines: () => linesOf(registry) }
  }

  test('counts a request by its method, its route and its status, and sizes both ways', async () => {
    const { send, lines } = await measuring()
    await send({ path: '/orders/1?full=yes' })
    await send({ path: '/orders/22' })
    await send({ method: 'POST', path: '/orders', body: 'äpfel' })
    await settled(lines)
    expect(lines()).toEqual(
      expect.arrayContaining([
        'http_server_requests_total{method="GET",route="/orders/:id",status="200"} 2',
        'http_server_requests_total{method="POST",route="/orders",status="201"} 1',
        'http_server_request_duration_seconds_count{method="GET",route="/orders/:id"} 2',
        'http_server_request_size_bytes_sum{method="GET",route="/orders/:id"} 0',
        'http_server_request_size_bytes_sum{method="POST",route="/orders"} 6',
        'http_server_response_size_bytes_sum{method="GET",route="/orders/:id"} 15',
        'http_server_response_size_bytes_sum{method="POST",route="/orders"} 4',
        'http_server_active_requests 0',
      ]),
    )
    expect(lines().filter((line) => line.startsWith('http_server_errors_total'))).toEqual([])
  })

  test('never has a path that was asked for as its route', async () => {
    const { send, lines } = await measuring()
    await send({ path: '/wp-admin/secret' })
    await send({ path: '/tenants/blue%20whale/items/7' })
    await settled(lines)
    expect(routesOf(lines())).toEqual(['/tenants/:tenant/items/:item', 'unmatched'])
    expect(lines()).toContain('http_server_requests_total{method="GET",route="unmatched",status="404"} 1')
  })

  test('counts a method that is none as OTHER, and leaves out what is to be skipped', async () => {
    const { send, lines } = await measuring()
    await send({ method: 'PURGE', path: '/nothing' })
    await send({ path: '/skipped' })
    await settled(lines)
    const requests = lines().filter((line) => line.startsWith('http_server_requests_total'))
    expect(requests).toHaveLength(1)
    expect(requests[0]).toMatch(/method="OTHER",route="unmatched"/)
  })

  test('counts what went wrong here, and not what the client did wrong', async () => {
    const { send, lines } = await measuring()
    for (const path of ['/broken', '/refused', '/busy', '/empty']) await send({ path })
    await settled(lines)
    expect(lines().filter((line) => line.startsWith('http_server_errors_total'))).toEqual([
      'http_server_errors_total{route="/broken",type="Broken"} 1',
      'http_server_errors_total{route="/busy",type="503"} 1',
    ])
    expect(lines()).toContain('http_server_requests_total{method="GET",route="/broken",status="500"} 1')
    expect(lines()).toContain('http_server_response_size_bytes_sum{method="GET",route="/empty"} 0')
  })

  test('measures a streamed answer when it has ended', async () => {
    const { send, lines } = await measuring()
    await send({ path: '/stream' })
    await settled(lines)
    expect(lines()).toContain('http_server_response_size_bytes_sum{method="GET",route="/stream"} 3000')
    expect(lines()).toContain('http_server_requests_total{method="GET",route="/stream",status="200"} 1')
  })

  test('counts a client that leaves in the middle as aborted', async () => {
    const { send, lines } = await measuring()
    await send({ path: '/endless', leave: true })
    await settled(lines)
    expect(lines()).toContain('http_server_errors_total{route="/endless",type="aborted"} 1')
    expect(lines()).toContain('http_server_request_duration_seconds_count{method="GET",route="/endless"} 1')
  })

  test('sends no body to HEAD, and says so', async () => {
    const { send, lines } = await measuring()
    await send({ method: 'HEAD', path: '/orders/1' })
    await settled(lines)
    expect(lines()).toContain('http_server_response_size_bytes_sum{method="HEAD",route="/orders/:id"} 0')
  })

  test('records these metrics and no others', async () => {
    const { send, registry, lines } = await measuring()
    await send({ path: '/orders/1' })
    await settled(lines)
    expect(registry.collect().map(({ definition }) => definition.name)).toEqual([
      'http_server_active_requests',
      'http_server_errors_total',
      'http_server_request_duration_seconds',
      'http_server_request_size_bytes',
      'http_server_requests_total',
      'http_server_response_size_bytes',
    ])
  })
})

test('an exception that Hono answers with less than 500 is no error', async () => {
  const registry = new Registry()
  const app = new Hono()
  app.use(honoMetrics({ registry }))
  app.get('/teapot', () => {
    throw new HTTPException(418)
  })
  await app.request('/teapot')
  expect(linesOf(registry).filter((line) => /^http_server_(errors|requests)_total/.test(line))).toEqual([
    'http_server_requests_total{method="GET",route="/teapot",status="418"} 1',
  ])
})

test("Fastify's injected requests are measured as those from outside", async () => {
  const registry = new Registry()
  const app = fastify()
  await app.register(fastifyMetrics({ registry }))
  app.get('/orders/:id', async () => 'order')
  await app.inject('/orders/1')
  expect(linesOf(registry)).toContain('http_server_response_size_bytes_sum{method="GET",route="/orders/:id"} 5')
  expect(linesOf(registry)).toContain('http_server_requests_total{method="GET",route="/orders/:id",status="200"} 1')
})

test('a slow request leads to its trace', async () => {
  trace.setGlobalTracerProvider(new BasicTracerProvider())
  onTestFinished(() => trace.disable())
  const registry = new Registry()
  const app = new Hono()
  app.use(honoMetrics({ registry }))
  app.get('/', (context) => context.body(null, 204))
  const active = await span('GET /', { kind: 'server' }, async () => {
    await app.request('/')
    return activeTrace()
  })
  expect(active).toBeDefined()
  expect(exposition(registry.collect(), 'openmetrics')).toContain(`# {trace_id="${active?.traceId}",span_id="${active?.spanId}"}`)
})

test('headers that the application set are kept when a body is counted', async () => {
  const app = new Hono()
  app.use(honoMetrics({ registry: new Registry() }))
  app.get('/', (context) => {
    context.header('set-cookie', 'a=1', { append: true })
    context.header('set-cookie', 'b=2', { append: true })
    return context.json({ fine: true }, 201)
  })
  const response = await app.request('/')
  expect([response.status, response.headers.getSetCookie(), response.headers.get('content-type')]).toEqual([
    201,
    ['a=1', 'b=2'],
    'application/json',
  ])
  expect(await response.json()).toEqual({ fine: true })
})

test('a scraper is answered in the format it asks for, on either kind of server', async () => {
  const registry = new Registry()
  registry.register(defineMetric('counter', 'runs_total', { help: 'Runs.' }))
  const accept = { accept: 'application/openmetrics-text' }
  const answer = metricsHandler(registry)(new Request('http://localhost/metrics', { headers: accept }))
  expect(answer.headers.get('content-type')).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8')
  expect(await answer.text()).toBe('# HELP runs Runs.\n# TYPE runs counter\nruns_total 0\n# EOF\n')
  const port = await portOf(nodeMetricsHandler(registry))
  const response = await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { accept: 'text/plain' } })
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(await response.text()).toBe('# HELP runs_total Runs.\n# TYPE runs_total counter\nruns_total 0\n')
})

function honoApp(registry: Registry): Hono {
  const app = new Hono()
  app.use(honoMetrics({ registry, skip: (path) => path === '/skipped' }))
  app.onError((error, context) => context.text(error.message, 500))
  app.get('/orders/:id', (context) => context.text(`order ${context.req.param('id')}`))
  app.post('/orders', (context) => context.text('made', 201))
  app.get('/skipped', (context) => context.text('skipped'))
  app.get('/empty', (context) => context.body(null, 204))
  app.get('/broken', () => {
    throw new Broken('out of order')
  })
  app.get('/refused', (context) => context.text('no', 403))
  app.get('/busy', (context) => context.text('later', 503))
  app.get('/stream', (context) => context.body(streamed(false)))
  app.get('/endless', (context) => context.body(streamed(true)))
  const items = new Hono()
  items.get('/items/:item', (context) => context.text('item'))
  app.route('/tenants/:tenant', items)
  return app
}

/** Three chunks of 1,000 bytes; or one and no end. */
function streamed(endless: boolean): ReadableStream<Uint8Array> {
  let chunks = 0
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      chunks += 1
      if (endless && chunks > 1) return new Promise(() => {})
      controller.enqueue(new Uint8Array(1000))
      if (chunks === 3) controller.close()
      return undefined
    },
  })
}

async function pipe(stream: ReadableStream<Uint8Array>, response: ExpressResponse): Promise<void> {
  for await (const chunk of stream) response.write(chunk)
  response.end()
}

async function listening(listener: RequestListener): Promise<Send> {
  return senderTo(await portOf(listener))
}

async function portOf(listener: RequestListener): Promise<number> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function senderTo(port: number): Send {
  return ({ method = 'GET', path, body, leave = false }) =>
    new Promise((resolve, reject) => {
      const sending = httpRequest(
        { host: '127.0.0.1', port, method, path, agent: false, headers: { 'content-type': 'text/plain' } },
        (response) => {
          if (leave) {
            response.once('data', () => {
              sending.destroy()
              resolve()
            })
            response.on('error', () => {})
          } else response.resume().once('end', resolve)
        },
      )
      if (!leave) sending.once('error', reject)
      else sending.once('error', () => {})
      sending.end(body)
    })
}

async function read(incoming: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** A client may have the whole answer before the server has noted that. */
async function settled(lines: () => string[]): Promise<void> {
  await vi.waitUntil(() => lines().includes('http_server_active_requests 0'), { interval: 2 })
}

function linesOf(registry: Registry): string[] {
  return exposition(registry.collect(), 'text')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
}

function routesOf(lines: readonly string[]): string[] {
  return [...new Set(lines.flatMap((line) => /route="([^"]*)"/.exec(line)?.[1] ?? []))].sort()
}
