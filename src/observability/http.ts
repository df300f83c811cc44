import type { IncomingMessage, ServerResponse } from 'node:http'
import { isSluiceError } from '../errors/index.js'
import { SIZE_BUCKETS } from './definition.js'
import { exposition, negotiate } from './exposition.js'
import { counter, gauge, histogram } from './metric.js'
import { defaultRegistry, type Exemplar, type Registry } from './registry.js'
import { activeTrace } from './span.js'

export interface HttpMetricsOptions {
  /** The process's own unless told. */
  readonly registry?: Registry
  /** Which requests are not measured, by their path: `(path) => path === '/metrics'`. */
  readonly skip?: (path: string) => boolean
}

/** Others are counted as OTHER: a client may call a method whatever it likes. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE', 'OTHER'] as const

/** The route of a request that no route took. */
const UNMATCHED = 'unmatched'

/** What nginx notes when the client has gone before there was an answer. */
const CLIENT_GONE = 499

export const httpRequests = counter('http_server_requests_total', {
  help: 'HTTP requests answered, or given up by the client.',
  labels: { method: METHODS, route: '*', status: '*' },
})
export const httpSeconds = histogram('http_server_request_duration_seconds', {
  help: 'Time from a request to the last byte of its answer.',
  unit: 'seconds',
  labels: { method: METHODS, route: '*' },
  // Those of OpenTelemetry's `http.server.request.duration`.
  buckets: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
})
export const httpRequestBytes = histogram('http_server_request_size_bytes', {
  help: 'Size of request bodies, by their Content-Length; a body sent in chunks has none and is left out.',
  unit: 'bytes',
  labels: { method: METHODS, route: '*' },
  buckets: SIZE_BUCKETS,
})
export const httpResponseBytes = histogram('http_server_response_size_bytes', {
  help: 'Size of response bodies.',
  unit: 'bytes',
  labels: { method: METHODS, route: '*' },
  buckets: SIZE_BUCKETS,
})
export const httpActiveRequests = gauge('http_server_active_requests', { help: 'HTTP requests being answered now.' })
export const httpErrors = counter('http_server_errors_total', {
  help: 'HTTP requests that failed: by the error thrown, by the status from 500 on, or `aborted` when the client left.',
  labels: { route: '*', type: '*' },
})

/** What is used of a context of Hono's. */
export interface HonoContextLike {
  readonly req: {
    readonly method: string
    readonly path: string
    readonly matchedRoutes: readonly { readonly path: string; readonly method: string; readonly handler: { readonly length: number } }[]
    header(name: string): string | undefined
  }
  get res(): Response
  set res(response: Response | undefined)
  readonly error: Error | undefined
  /** On Node's server it has `incoming` and `outgoing`. */
  readonly env: unknown
}

/** What is used of an instance of Fastify's. */
export interface FastifyLike {
  addHook(
    name: 'onRequest',
    hook: (request: FastifyRequestLike, reply: { readonly raw: ServerResponse }, done: () => void) => void,
  ): unknown
  addHook(
    name: 'onError',
    hook: (request: FastifyRequestLike, reply: { readonly raw: ServerResponse }, error: Error, done: () => void) => void,
  ): unknown
}

export interface FastifyRequestLike {
  readonly raw: IncomingMessage
  readonly routeOptions: { readonly url?: string | undefined }
}

/** What is used of a request of Express's. */
export interface ExpressRequestLike extends IncomingMessage {
  readonly baseUrl: string
  readonly path: string
  readonly route?: { readonly path: unknown } | undefined
}

/**
 * `app.use(honoMetrics())`, before the routes: counts, times and sizes each request under its route's pattern, `/orders/:id`.
 *
 * On Node's server the bytes sent are counted; elsewhere a body of unknown length is passed on through a counter.
 */
export function honoMetrics(options: HttpMetricsOptions = {}): (context: HonoContextLike, next: () => Promise<void>) => Promise<void> {
  const meter = meterFor(options.registry)
  return async (context, next) => {
    const { req } = context
    if (options.skip?.(req.path)) return next()
    const exchange = meter(
      req.method,
      bodySize(req.method, (name) => req.header(name)),
      () => honoRoute(context),
    )
    const outgoing = (context.env as { readonly outgoing?: ServerResponse } | undefined)?.outgoing
    if (outgoing !== undefined) watch(exchange, outgoing, req.method)
    try {
      await next()
    } catch (thrown) {
      exchange.thrown(thrown)
      if (outgoing === undefined) exchange.finish(500, 0)
      throw thrown
    }
    if (context.error !== undefined) exchange.thrown(context.error)
    if (outgoing === undefined) measureResponse(context, exchange)
  }
}

/** `await app.register(fastifyMetrics())`, before the routes: for all of them, not only those of one plugin. */
export function fastifyMetrics(options: HttpMetricsOptions = {}): (app: FastifyLike, options: object, done: () => void) => void {
  const meter = meterFor(options.registry)
  const exchanges = new WeakMap<ServerResponse, Exchange>()
  const plugin = (app: FastifyLike, _: object, registered: () => void): void => {
    app.addHook('onRequest', (request, reply, done) => {
      const { raw } = request
      if (!options.skip?.(pathOf(raw.url))) {
        const { method = '', headers } = raw
        const route = () => request.routeOptions.url ?? UNMATCHED
        const exchange = meter(
          method,
          bodySize(method, (name) => headers[name]),
          route,
        )
        exchanges.set(reply.raw, exchange)
        watch(exchange, reply.raw, method)
      }
      done()
    })
    app.addHook('onError', (_request, reply, error, done) => {
      exchanges.get(reply.raw)?.thrown(error)
      done()
    })
    registered()
  }
  // Fastify's own way to say that a plugin's hooks are for whoever registers it; `fastify-plugin` does the same.
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true, [Symbol.for('fastify.display-name')]: 'sluice-metrics' })
}

/** `app.use(expressMetrics())`, before the routes. Errors are told apart by their status; by their names with `expressErrorMetrics()` too. */
export function expressMetrics(
  options: HttpMetricsOptions = {},
): (request: ExpressRequestLike, response: ServerResponse, next: () => void) => void {
  const meter = meterFor(options.registry)
  return (request, response, next) => {
    if (!options.skip?.(request.path)) {
      const { method = '', headers } = request
      const values = pathParameters(request)
      const exchange = meter(
        method,
        bodySize(method, (name) => headers[name]),
        () => expressRoute(request, values),
      )
      expressExchanges.set(response, exchange)
      watch(exchange, response, method)
    }
    next()
  }
}

/** `app.use(expressErrorMetrics())`, after the routes: notes what was thrown, and passes it on. */
export function expressErrorMetrics(): (
  error: unknown,
  request: IncomingMessage,
  response: ServerResponse,
  next: (error: unknown) => void,
) => void {
  // Express knows an error handler by its four parameters.
  return (error, _request, response, next) => {
    expressExchanges.get(response)?.thrown(error)
    next(error)
  }
}

const expressExchanges = new WeakMap<ServerResponse, Exchange>()

/** What a scraper is answered, for servers that speak `Request` and `Response`: `app.get('/metrics', (c) => handler(c.req.raw))`. */
export function metricsHandler(registry: Registry = defaultRegistry): (request: Request) => Response {
  return (request) => {
    const { format, contentType } = negotiate(request.headers.get('accept'))
    return new Response(exposition(registry.collect(), format), { headers: { 'content-type': contentType } })
  }
}

/** What a scraper is answered, for Node's own server and Express: `createServer(nodeMetricsHandler())`. */
export function nodeMetricsHandler(registry: Registry = defaultRegistry): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const { format, contentType } = negotiate(request.headers.accept)
    response.setHeader('content-type', contentType)
    response.end(exposition(registry.collect(), format))
  }
}

/** One request and its answer. */
interface Exchange {
  thrown(error: unknown): void
  /** The first of these two counts. */
  finish(status: number, bytes: number): void
  abort(status: number, bytes: number): void
}

type Meter = (method: string, bodySize: number | undefined, route: () => string) => Exchange

function meterFor(registry: Registry = defaultRegistry): Meter {
  const requests = registry.counter(httpRequests.definition)
  const durations = registry.histogram(httpSeconds.definition)
  const requestSizes = registry.histogram(httpRequestBytes.definition)
  const responseSizes = registry.histogram(httpResponseBytes.definition)
  const errors = registry.counter(httpErrors.definition)
  const active = registry.gauge(httpActiveRequests.definition).with({})
  const known = new Set<string>(METHODS)
  return (givenMethod, requestBytes, routeOf) => {
    const started = performance.now()
    const trace = activeTrace()
    const exemplar: Exemplar | undefined = trace?.sampled === true ? trace : undefined
    const method = known.has(givenMethod) ? givenMethod : 'OTHER'
    let errorType: string | undefined
    let open = true
    active.inc()
    const close = (status: number, bytes: number, failed: string | undefined) => {
      if (!open) return
      open = false
      active.dec()
      const labels = { method, route: routeOf() }
      requests.with({ method, route: labels.route, status: String(status) }).inc()
      durations.with(labels).observe((performance.now() - started) / 1000, exemplar)
      if (requestBytes !== undefined) requestSizes.with(labels).observe(requestBytes)
      responseSizes.with(labels).observe(bytes)
      if (failed !== undefined) errors.with({ route: labels.route, type: failed }).inc()
    }
    return {
      thrown(error) {
        errorType = typeOf(error)
      },
      finish: (status, bytes) => close(status, bytes, status >= 500 ? (errorType ?? String(status)) : undefined),
      abort: (status, bytes) => close(status, bytes, errorType ?? 'aborted'),
    }
  }
}

/** By the header Content-Length; none when the body comes in chunks. Each look at a header of a `Request` costs more than the rest of this. */
function bodySize(method: string, header: (name: 'content-length' | 'transfer-encoding') => string | readonly string[] | undefined) {
  const length = header('content-length')
  if (length !== undefined) return Number.isFinite(Number(length)) ? Number(length) : undefined
  return method === 'GET' || method === 'HEAD' || header('transfer-encoding') === undefined ? 0 : undefined
}

/** Counts what is written, however it is, and waits for the end. */
function watch(exchange: Exchange, response: ServerResponse, method: string): void {
  let bytes = 0
  const write = response.write
  const end = response.end
  const count = (chunk: unknown, encoding: unknown) => {
    if (typeof chunk === 'string') bytes += Buffer.byteLength(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
    else if (ArrayBuffer.isView(chunk)) bytes += chunk.byteLength
  }
  let ending = false
  // Both are overloaded, and so have no one list of parameters.
  response.write = function counted(this: ServerResponse, ...args: unknown[]) {
    if (!ending) count(args[0], args[1])
    return Reflect.apply(write, this, args) as boolean
  } as ServerResponse['write']
  response.end = function counted(this: ServerResponse, ...args: unknown[]) {
    count(args[0], args[1])
    ending = true
    return Reflect.apply(end, this, args) as ServerResponse
  } as ServerResponse['end']
  const sent = () => (method === 'HEAD' ? 0 : bytes)
  response.once('finish', () => exchange.finish(response.statusCode, sent()))
  response.once('close', () => {
    if (response.writableFinished) exchange.finish(response.statusCode, sent())
    else exchange.abort(response.headersSent ? response.statusCode : CLIENT_GONE, sent())
  })
}

function measureResponse(context: HonoContextLike, exchange: Exchange): void {
  const response = context.res
  const { status } = response
  const length = response.headers.get('content-length')
  const bodyless = context.req.method === 'HEAD' || status === 204 || status === 304
  if (bodyless || length !== null) {
    exchange.finish(status, bodyless ? 0 : Number(length) || 0)
    return
  }
  const { body } = response
  if (body === null) {
    exchange.finish(status, 0)
    return
  }
  // Hono copies headers from the answer there was to the one it is given; there are none to copy when there was none.
  context.res = undefined
  context.res = new Response(counted(body, status, exchange), response)
}

function counted(body: ReadableStream<Uint8Array>, status: number, exchange: Exchange): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  let bytes = 0
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read()
          if (done) {
            exchange.finish(status, bytes)
            controller.close()
          } else {
            bytes += value.byteLength
            controller.enqueue(value)
          }
        } catch (thrown) {
          exchange.thrown(thrown)
          exchange.abort(status, bytes)
          controller.error(thrown)
        }
      },
      async cancel(reason) {
        exchange.abort(status, bytes)
        await reader.cancel(reason)
      },
    },
    // One chunk more than most bodies have, so that the end is seen even by whoever only looks at the status.
    { highWaterMark: 2 },
  )
}

/** The last that matched; middleware for everything matches everything, and is no route. */
function honoRoute({ req }: HonoContextLike): string {
  const last = req.matchedRoutes.at(-1)
  const middleware = last !== undefined && last.method === 'ALL' && last.path.endsWith('*') && last.handler.length > 1
  return last === undefined || middleware ? UNMATCHED : last.path
}

/**
 * The pattern of the route, after that of the routers it is mounted under. Express tells those only as they were called, `/tenants/42`,
 * so what was a parameter there is put back: `/tenants/:tenant`.
 */
function expressRoute(request: ExpressRequestLike, values: ReadonlyMap<string, string>): string {
  if (request.route === undefined) return UNMATCHED
  const mounted = request.baseUrl.split('/').map((segment) => values.get(decoded(segment)) ?? segment)
  const route = `${mounted.join('/')}${String(request.route.path)}`
  return route.length > 1 && route.endsWith('/') ? route.slice(0, -1) : route
}

/** The parameters of all routers on the way, by the part of the path that each is; `request.params` has only the last router's. */
function pathParameters(request: ExpressRequestLike): ReadonlyMap<string, string> {
  const values = new Map<string, string>()
  let params: unknown
  Object.defineProperty(request, 'params', {
    configurable: true,
    enumerable: true,
    get: () => params,
    set(given: Readonly<Record<string, string | readonly string[]>> | undefined) {
      params = given
      for (const [name, value] of Object.entries(given ?? {})) {
        for (const segment of [value].flat()) if (segment !== undefined) values.set(segment, `:${name}`)
      }
    },
  })
  return values
}

/** A name of a kind of error; what looks like none may be anything. */
function typeOf(error: unknown): string {
  if (isSluiceError(error)) return error.code
  const name = error instanceof Error ? error.name : ''
  return /^\w{1,60}$/.test(name) ? name : 'Error'
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

function pathOf(url = ''): string {
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}
