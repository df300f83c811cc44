import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { failure, keepSecret, METRIC_INVALID } from '../../src/errors/index.js'
import { createLogger, type LoggerOptions } from '../../src/observability/log.js'
import { activeTrace, configureSpans, span } from '../../src/observability/span.js'

function logging(options: LoggerOptions = {}) {
  const lines: string[] = []
  return { logger: createLogger({ write: (line) => void lines.push(line), ...options }), lines }
}

test('a line is one JSON document, with the time first', () => {
  const { logger, lines } = logging()
  logger.info('committed', { table: 'silver.trips', rows: 120, bytes: 12n, none: undefined, share: Number.NaN })
  expect(lines[0]?.endsWith('\n')).toBe(true)
  const line = JSON.parse(lines[0] ?? '')
  expect(line).toEqual({
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    level: 'info',
    message: 'committed',
    table: 'silver.trips',
    rows: 120,
    bytes: '12',
    share: 'NaN',
  })
  expect(Object.keys(line).slice(0, 3)).toEqual(['time', 'level', 'message'])
})

test('nothing below the level is written', () => {
  const { logger, lines } = logging({ level: 'warn' })
  for (const level of ['debug', 'info', 'warn', 'error'] as const) logger[level](level)
  expect(lines.map((line) => JSON.parse(line).level)).toEqual(['warn', 'error'])
})

test('facts of a logger are in each of its lines, and none takes the place of what a line says itself', () => {
  const { logger, lines } = logging()
  logger.with({ run: 'r1', level: 'deep' }).with({ task: 't' }).error('failed', { run: 'r2', message: 'mine' })
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    level: 'error',
    message: 'failed',
    run: 'r2',
    task: 't',
    fact_level: 'deep',
    fact_message: 'mine',
  })
})

test('errors say what they are', () => {
  const { logger, lines } = logging()
  logger.error('failed', {
    error: failure(METRIC_INVALID, { name: 'x', problem: 'it is none', advice: 'Mend it.' }),
    cause: new RangeError('far'),
  })
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    error: { code: 'METRIC_INVALID', hint: 'Mend it.', retry: 'terminal' },
    cause: { name: 'RangeError', message: 'far' },
  })
})

test('what refers to itself is written all the same', () => {
  const { logger, lines } = logging()
  const loop: Record<string, unknown> = { name: 'loop', when: new Date(0), all: new Map([['a', new Set([1])]]) }
  loop['self'] = loop
  logger.info('round', { loop, twice: [loop['when'], loop['when']] })
  const epoch = '1970-01-01T00:00:00.000Z'
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    loop: { name: 'loop', when: epoch, all: { a: [1] }, self: '[circular]' },
    twice: [epoch, epoch],
  })
})

test.each(['json', 'pretty'] as const)('no secret is written as %s, however deep it lies', (format) => {
  keepSecret('LOG_TEST_PASSWORD', 'hunter"22')
  const { logger, lines } = logging({ format })
  logger.warn('refused hunter"22', { query: ["SELECT 'hunter\"22'"], error: new Error('at hunter"22') })
  expect(lines[0]).not.toContain('hunter')
  expect(lines[0]?.match(/env\(LOG_TEST_PASSWORD\)/g)).toHaveLength(3)
})

test.each(['json', 'pretty'] as const)('a line written as %s inside a span names it', async (format) => {
  const collector = createServer((_, response) => void response.end('{}'))
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void collector.close())
  await configureSpans({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}` })
  const { logger, lines } = logging({ format })
  logger.info('outside')
  const active = await span('work', {}, async () => {
    logger.info('inside')
    return activeTrace()
  })
  expect(lines.map((line) => line.includes('trace_id'))).toEqual([false, true])
  expect(lines[1]).toContain(active?.traceId)
  expect(lines[1]).toContain(active?.spanId)
  await configureSpans({})
})

test('a line for people is one line, and cannot steer their terminal', () => {
  const { logger, lines } = logging({ format: 'pretty' })
  logger.warn('late\u001b[2J\nvery', { table: 'silver.trips', note: 'two words', rows: 3 })
  expect(lines[0]).toMatch(
    /^\d\d:\d\d:\d\d\.\d{3} warn {2}late\\u001b\[2J\\u000avery {2}table=silver\.trips {2}note="two words" {2}rows=3\n$/,
  )
})
