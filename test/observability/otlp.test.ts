import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { defineMetric, type MetricUnit } from '../../src/observability/definition.js'
import { nanoseconds, otlpMetrics, otlpSettings, sendOtlp } from '../../src/observability/otlp.js'
import { pushMetrics } from '../../src/observability/pushgateway.js'
import { Registry } from '../../src/observability/registry.js'

const at = { resource: { 'service.name': 'shop' }, startTimeMs: 1_700_000_000_000, timeMs: 1_700_000_060_000.25 }
const times = { startTimeUnixNano: '1700000000000000000', timeUnixNano: '1700000060000250000' }

describe('metrics', () => {
  test('are OTLP JSON: cumulative, without the endings that Prometheus puts back', () => {
    const registry = new Registry()
    const worked = defineMetric('counter', 'worked_seconds_total', { help: 'Worked.', unit: 'seconds', labels: { of: '*' } })
    registry.counter(worked).with({ of: 'a' }).inc(3)
    registry
      .gauge(defineMetric('gauge', 'load', { help: 'Load.' }))
      .with({})
      .set(Number.NaN)
    const wait = defineMetric('histogram', 'wait_seconds', { help: 'Waited.', unit: 'seconds' }, [1, 5])
    registry
      .histogram(wait)
      .with({})
      .observe(7, { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) })
    expect(JSON.parse(JSON.stringify(otlpMetrics(registry.collect(), at)))).toEqual({
      resourceMetrics: [
        {
          resource: { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] },
          scopeMetrics: [
            {
              scope: { name: 'sluice' },
              metrics: [
                {
                  name: 'load',
                  description: 'Load.',
                  gauge: { dataPoints: [{ attributes: [], timeUnixNano: times.timeUnixNano, asDouble: 'NaN' }] },
                },
                {
                  name: 'wait',
                  description: 'Waited.',
                  unit: 's',
                  histogram: {
                    aggregationTemporality: 2,
                    dataPoints: [
                      {
                        attributes: [],
                        ...times,
                        count: '1',
                        sum: 7,
                        bucketCounts: ['0', '0', '1'],
                        explicitBounds: [1, 5],
                        exemplars: [
                          { timeUnixNano: expect.stringMatching(/^\d{19}$/), traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), asDouble: 7 },
                        ],
                      },
                    ],
                  },
                },
                {
                  name: 'worked',
                  description: 'Worked.',
                  unit: 's',
                  sum: {
                    aggregationTemporality: 2,
                    isMonotonic: true,
                    dataPoints: [{ attributes: [{ key: 'of', value: { stringValue: 'a' } }], ...times, asDouble: 3 }],
                  },
                },
              ],
            },
          ],
        },
      ],
    })
  })

  test.each<[name: string, unit: MetricUnit, otlp: string, ucum: string]>([
    ['wait_seconds', 'seconds', 'wait', 's'],
    ['size_bytes', 'bytes', 'size', 'By'],
    ['table_rows', 'rows', 'table_rows', '{row}'],
    ['full_ratio', 'ratio', 'full', '1'],
    ['room_celsius', 'celsius', 'room', 'Cel'],
    ['built_timestamp_seconds', 'timestamp_seconds', 'built_timestamp', 's'],
    ['used_percent', 'percent', 'used', '%'],
  ])('a gauge %s in %s is sent as %s in %s', (name, unit, otlp, ucum) => {
    const registry = new Registry()
    registry
      .gauge(defineMetric('gauge', name, { help: 'Help.', unit }))
      .with({})
      .set(1)
    expect(otlpMetrics(registry.collect(), at)).toMatchObject({
      resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: otlp, unit: ucum }] }] }],
    })
  })
})

test('nanoseconds are exact beyond what a number holds', () => {
  expect(nanoseconds(1_700_000_000_123)).toBe('1700000000123000000')
  expect(nanoseconds(1_700_000_000_000.5)).toBe('1700000000000500000')
})

describe('the environment', () => {
  test('gives an endpoint to each signal, headers, and who sends', () => {
    expect(
      otlpSettings({
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/',
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://traces:4318/own/path',
        OTEL_EXPORTER_OTLP_HEADERS: 'api-key=a=b, tenant=blue%20whale',
        OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'api-key=other',
        OTEL_LOGS_EXPORTER: 'none',
        OTEL_SERVICE_NAME: 'shop',
        OTEL_RESOURCE_ATTRIBUTES: 'service.name=ignored,deployment.environment.name=test',
      }),
    ).toEqual({
      metrics: { endpoint: 'http://collector:4318/', path: '/v1/metrics', headers: { 'api-key': 'a=b', tenant: 'blue whale' } },
      traces: { endpoint: 'http://traces:4318/own/path', path: '', headers: { 'api-key': 'other' } },
      resource: { 'service.name': 'shop', 'deployment.environment.name': 'test' },
    })
  })

  test.each([
    {},
    { OTEL_EXPORTER_OTLP_ENDPOINT: ' ' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318', OTEL_SDK_DISABLED: 'true' },
  ])('sends nothing for %o', (environment) => {
    expect(otlpSettings(environment)).toEqual({ resource: { 'service.name': 'sluice' } })
  })
})

describe('sending', () => {
  test('posts JSON, with the headers given and the password out of the address', async () => {
    const { url, received } = await receiver(200, '{}')
    await sendOtlp(url.replace('http://', 'http://me:s%40cret@'), '/v1/metrics', { hello: 1 }, { tenant: 'blue' })
    expect(received).toEqual([
      {
        method: 'POST',
        url: '/v1/metrics',
        body: '{"hello":1}',
        headers: expect.objectContaining({
          'content-type': 'application/json',
          tenant: 'blue',
          authorization: `Basic ${Buffer.from('me:s@cret').toString('base64')}`,
        }),
      },
    ])
  })

  test.each([
    [503, 'PUSH_FAILED', 'transient'],
    [429, 'PUSH_FAILED', 'transient'],
    [400, 'PUSH_REFUSED', 'terminal'],
    [401, 'PUSH_REFUSED', 'terminal'],
  ])('a receiver that answers %i makes it %s', async (status, code, retry) => {
    const { url } = await receiver(status, 'not like this')
    const thrown = expect.objectContaining({ code, retry, message: expect.stringContaining('not like this') })
    await expect(sendOtlp(url, '/v1/metrics', {})).rejects.toThrowError(thrown)
    await expect(pushMetrics(url, { job: 'nightly' }, '')).rejects.toThrowError(thrown)
  })

  test('what a collector leaves out is refused, though it answers 200', async () => {
    const { url } = await receiver(200, '{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"too old"}}')
    await expect(sendOtlp(url, '/v1/metrics', {})).rejects.toThrowError(
      expect.objectContaining({ code: 'PUSH_REFUSED', message: expect.stringContaining('3 DataPoints left out: too old') }),
    )
  })

  test('nobody there is transient, no address at all terminal, and a password is in neither message', async () => {
    const { url, close } = await receiver(200, '')
    await close()
    const address = url.replace('http://', 'http://me:hunter22@')
    const thrown = await sendOtlp(address, '', {}).catch((error: unknown) => error)
    expect(thrown).toMatchObject({ code: 'PUSH_FAILED', message: expect.stringContaining('ECONNREFUSED') })
    expect(String(thrown)).not.toContain('hunter22')
    const refused = await sendOtlp('http://me:hunter22@nowhere:port', '', {}).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'PUSH_REFUSED', message: expect.stringContaining('http://nowhere:port') })
    expect(JSON.stringify(refused)).not.toContain('hunter22')
  })

  test('ends with the reason of a signal that is aborted', async () => {
    const { url } = await receiver(200, '')
    const reason = new Error('enough')
    await expect(sendOtlp(url, '', {}, {}, AbortSignal.abort(reason))).rejects.toBe(reason)
    await expect(pushMetrics(url, { job: 'nightly' }, '', AbortSignal.abort(reason))).rejects.toBe(reason)
  })
})

test('a push to a Pushgateway says its group in the path, in Base64 what a path cannot say', async () => {
  const { url, received } = await receiver(202, '')
  await pushMetrics(`${url}/`, { job: 'nightly run', grouping: { pipeline: 'a/b', layer: '', stage: '..', note: 'ü' } }, 'runs_total 1\n')
  expect(received).toMatchObject([
    {
      method: 'PUT',
      url: `/metrics/job/nightly%20run/pipeline@base64/${Buffer.from('a/b').toString('base64url')}/layer@base64/=/stage@base64/Li4/note/%C3%BC`,
      body: 'runs_total 1\n',
      headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
    },
  ])
})

interface Received {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: object
  readonly body: string
}

/** A server that keeps what it is sent, and always answers the same. */
async function receiver(status: number, answer: string) {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += chunk
    received.push({ method: request.method, url: request.url, headers: request.headers, body })
    response.writeHead(status).end(answer)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = () => {
    server.closeAllConnections()
    return new Promise<void>((resolve) => server.close(() => resolve()))
  }
  onTestFinished(close)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received, close }
}
