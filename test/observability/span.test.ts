import { AsyncLocalStorage } from 'node:async_hooks'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Context, context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { failure, METRIC_INVALID } from '../../src/errors/index.js'
import { ATTRIBUTES, legacyChoice, withLegacyNames } from '../../src/observability/attributes.js'
import { activeTrace, configureSpans, flushSpans, span } from '../../src/observability/span.js'

afterEach(async () => {
  trace.disable()
  context.disable()
  await configureSpans({})
})

test('without anybody to look, a span only does the work', async () => {
  await configureSpans({})
  let seen: unknown
  const answer = await span('work', { attributes: { a: 1 } }, async (own) => {
    seen = [own.recording, activeTrace()]
    own.setAttributes({ b: 2 })
    own.addEvent('half')
    return 42
  })
  expect([answer, seen]).toEqual([42, [false, undefined]])
})

describe('with an endpoint in the environment', () => {
  test('spans are sent as OTLP JSON, each under the one it ran in', async () => {
    const { endpoint, sent } = await collector()
    await configureSpans({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SERVICE_NAME: 'shop' })
    const [outer, inner] = await span('load', {}, async () => [
      activeTrace(),
      await span('INSERT orders', { kind: 'client', attributes: { 'db.system.name': 'mysql' } }, async (own) => {
        own.setAttributes({ rows: 3, share: 0.5, late: true, tags: ['a', 'b'] })
        own.addEvent('acknowledged', { attempt: 1 })
        return activeTrace()
      }),
    ])
    expect(activeTrace()).toBeUndefined()
    await flushSpans()
    const time = expect.stringMatching(/^\d{19}$/)
    expect(sent()).toEqual([
      {
        url: '/v1/traces',
        resource: [{ key: 'service.name', value: { stringValue: 'shop' } }],
        spans: [
          {
            traceId: outer?.traceId,
            spanId: inner?.spanId,
            parentSpanId: outer?.spanId,
            flags: 1,
            name: 'INSERT orders',
            kind: 3,
            startTimeUnixNano: time,
            endTimeUnixNano: time,
            attributes: [
              { key: 'db.system.name', value: { stringValue: 'mysql' } },
              { key: 'rows', value: { intValue: '3' } },
              { key: 'share', value: { doubleValue: 0.5 } },
              { key: 'late', value: { boolValue: true } },
              { key: 'tags', value: { arrayValue: { values: [{ stringValue: 'a' }, { stringValue: 'b' }] } } },
            ],
            events: [{ name: 'acknowledged', timeUnixNano: time, attributes: [{ key: 'attempt', value: { intValue: '1' } }] }],
            status: {},
          },
          expect.objectContaining({ traceId: outer?.traceId, spanId: outer?.spanId, name: 'load', kind: 1 }),
        ],
      },
    ])
    expect(outer).toMatchObject({ traceId: expect.stringMatching(/^[\da-f]{32}$/), spanId: expect.stringMatching(/^[\da-f]{16}$/) })
  })

  test('spans that run side by side keep their own parents', async () => {
    const { endpoint, sent } = await collector()
    await configureSpans({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${endpoint}/here` })
    const branch = (name: string) => span(name, {}, () => span(`${name} inside`, {}, async () => void (await new Promise(setImmediate))))
    await Promise.all(['a', 'b'].map(branch))
    await flushSpans()
    const spans = sent().flatMap(({ spans: own }) => own)
    const idOf = (name: string) => spans.find((one) => one['name'] === name)?.['spanId']
    expect(sent()[0]?.url).toBe('/here')
    for (const name of ['a', 'b']) {
      expect(idOf(name)).toMatch(/^[\da-f]{16}$/)
      expect(spans.find((one) => one['name'] === `${name} inside`)?.['parentSpanId']).toBe(idOf(name))
    }
  })

  test('what the work throws is noted with its code, and thrown', async () => {
    const { endpoint, sent } = await collector()
    await configureSpans({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint })
    const thrown = failure(METRIC_INVALID, { name: 'x', problem: 'it is none', advice: 'Mend it.' })
    await expect(span('work', {}, () => Promise.reject(thrown))).rejects.toBe(thrown)
    await expect(span('work', {}, () => Promise.reject(new RangeError('too far')))).rejects.toThrowError('too far')
    await flushSpans()
    expect(sent()[0]?.spans).toMatchObject([
      {
        attributes: [{ key: 'error.type', value: { stringValue: 'METRIC_INVALID' } }],
        status: { code: 2, message: thrown.message },
        events: [{ name: 'exception' }],
      },
      { attributes: [{ key: 'error.type', value: { stringValue: 'RangeError' } }], status: { code: 2, message: 'too far' } },
    ])
  })

  test('the process belongs to the trace that TRACEPARENT names', async () => {
    const { endpoint, sent } = await collector()
    const parent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}`
    await configureSpans({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, TRACEPARENT: `${parent}-01` })
    await span('kept', {}, async () => {})
    await configureSpans({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, TRACEPARENT: `${parent}-00` })
    await span('left out by whoever began the trace', {}, async () => {})
    await configureSpans({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, TRACEPARENT: `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01` })
    await span('its own', {}, async () => {})
    await flushSpans()
    const spans = sent().flatMap(({ spans: own }) => own)
    expect(spans.map((one) => [one['name'], one['parentSpanId']])).toEqual([
      ['kept', 'b'.repeat(16)],
      ['its own', undefined],
    ])
    expect(spans[0]?.['traceId']).toBe('a'.repeat(32))
  })

  test('spans go out in batches before anybody asks, and only so many wait for a collector that does not answer', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    onTestFinished(() => warn.mockRestore())
    const { endpoint, sent, close } = await collector(Promise.race([]))
    await configureSpans({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint })
    for (let count = 0; count < 512 + 2048; count++) await span(`span ${count}`, {}, async () => {})
    await vi.waitUntil(() => sent().length === 1, { interval: 2 })
    expect(sent()[0]?.spans).toHaveLength(512)
    expect(warn).not.toHaveBeenCalled()
    for (let count = 0; count < 2; count++) await span('one too many', {}, async () => {})
    expect(warn.mock.calls).toEqual([[expect.stringContaining('more than 2048'), { code: 'SLUICE_SPANS_LOST' }]])
    await close()
  })

  test('a collector that is not there costs one warning, and no work', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    onTestFinished(() => warn.mockRestore())
    const { endpoint, close } = await collector()
    await close()
    await configureSpans({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint })
    for (const answer of [1, 2, 3]) {
      expect(await span('work', {}, async () => answer)).toBe(answer)
      await flushSpans()
    }
    expect(warn.mock.calls).toEqual([[expect.stringContaining('ECONNREFUSED'), { code: 'SLUICE_SPANS_LOST' }]])
  })
})

describe("with the application's own OpenTelemetry", () => {
  test('spans are its spans, though nothing carries its context', async () => {
    const ended = tracing()
    const inside = await span('load', {}, () =>
      span('INSERT orders', { kind: 'client', attributes: { [ATTRIBUTES.rows]: 3 } }, async (own) => {
        own.setAttributes({ tags: ['a'] })
        return activeTrace()
      }),
    )
    const [insert, load] = ended()
    expect(insert).toMatchObject({ name: 'INSERT orders', kind: SpanKind.CLIENT, attributes: { 'lakehouse.rows': 3, tags: ['a'] } })
    expect(insert?.parentSpanContext?.spanId).toBe(load?.spanContext().spanId)
    expect(inside).toMatchObject({ traceId: load?.spanContext().traceId, spanId: insert?.spanContext().spanId })
  })

  test('spans run under those of the application, and its run under ours', async () => {
    const ended = tracing()
    context.setGlobalContextManager(new Carrier())
    const tracer = trace.getTracer('application')
    await tracer.startActiveSpan('request', async (request) => {
      await span('ours', {}, async () => tracer.startSpan('query').end())
      request.end()
    })
    const [query, ours, request] = ended()
    expect([query, ours, request].map((one) => one?.name)).toEqual(['query', 'ours', 'request'])
    expect(query?.parentSpanContext?.spanId).toBe(ours?.spanContext().spanId)
    expect(ours?.parentSpanContext?.spanId).toBe(request?.spanContext().spanId)
  })

  test('what the work throws is noted, and nothing is sent beside', async () => {
    const { endpoint, sent } = await collector()
    await configureSpans({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint })
    const ended = tracing()
    await expect(span('work', {}, () => Promise.reject(new RangeError('too far')))).rejects.toThrowError('too far')
    expect(ended()).toMatchObject([
      {
        status: { code: SpanStatusCode.ERROR, message: 'too far' },
        attributes: { 'error.type': 'RangeError' },
        events: [{ name: 'exception' }],
      },
    ])
    await flushSpans()
    expect(sent()).toEqual([])
  })
})

describe('the names of before', () => {
  const mysql = { kind: 'client', attributes: { [ATTRIBUTES.databaseSystem]: 'mysql', [ATTRIBUTES.databaseOperation]: 'INSERT' } } as const

  test.each([
    [{}, ['db.operation.name', 'db.system.name']],
    [{ OTEL_SEMCONV_STABILITY_OPT_IN: 'database' }, ['db.operation.name', 'db.system.name']],
    [
      { OTEL_SEMCONV_STABILITY_OPT_IN: 'http, database/dup' },
      ['db.operation', 'db.operation.name', 'db.system', 'db.system.name', 'db.type'],
    ],
    [
      { SLUICE_SPAN_LEGACY: '1' },
      ['cpu.percent', 'db.operation', 'db.operation.name', 'db.system', 'db.system.name', 'db.type', 'latency.ms', 'memory.percent'],
    ],
  ])('with %o a call to a database has %j', async (environment, names) => {
    const ended = tracing()
    await configureSpans(environment)
    await span('INSERT orders', mysql, async () => {})
    expect(Object.keys(ended()[0]?.attributes ?? {}).sort()).toEqual(names)
  })

  test('measures are only of databases, and are numbers', async () => {
    const ended = tracing()
    await configureSpans({ SLUICE_SPAN_LEGACY: '1' })
    await span('transform', {}, async () => {})
    await span('INSERT orders', mysql, async () => {})
    const [transform, insert] = ended()
    expect(transform?.attributes).toEqual({})
    expect(insert?.attributes['memory.percent']).toBeGreaterThan(0)
    expect(insert?.attributes['memory.percent']).toBeLessThan(100)
    expect(insert?.attributes['latency.ms']).toBeGreaterThan(0)
  })

  test('are beside those of today, with the same value', () => {
    expect(withLegacyNames({ 'db.query.text': 'SELECT 1', other: 1 })).toEqual({
      'db.query.text': 'SELECT 1',
      'db.statement': 'SELECT 1',
      other: 1,
    })
    expect(legacyChoice({ SLUICE_SPAN_LEGACY: '0' })).toEqual({ names: false, measures: false })
  })
})

/** A tracer that keeps what has ended. */
function tracing() {
  const exporter = new InMemorySpanExporter()
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
  return () => exporter.getFinishedSpans()
}

/** OpenTelemetry's context over asynchronous work, as its SDK for Node has it. */
class Carrier {
  readonly #storage = new AsyncLocalStorage<Context>()
  active() {
    return this.#storage.getStore() ?? ROOT_CONTEXT
  }
  with<Args extends unknown[], Work extends (...args: Args) => ReturnType<Work>>(
    active: Context,
    work: Work,
    own?: ThisParameterType<Work>,
    ...args: Args
  ) {
    return this.#storage.run(active, () => work.apply(own, args))
  }
  bind<T>(_active: Context, target: T) {
    return target
  }
  enable() {
    return this
  }
  disable() {
    return this
  }
}

/** What a collector on this machine was sent. */
async function collector(ready: Promise<void> = Promise.resolve()) {
  const bodies: { url: string; resource: object; spans: Record<string, unknown>[] }[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += chunk
    for (const one of JSON.parse(body).resourceSpans) {
      bodies.push({ url: request.url ?? '', resource: one.resource.attributes, spans: one.scopeSpans[0].spans })
    }
    await ready
    response.end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = () => {
    server.closeAllConnections()
    return new Promise<void>((resolve) => server.close(() => resolve()))
  }
  onTestFinished(close)
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sent: () => bodies, close }
}
