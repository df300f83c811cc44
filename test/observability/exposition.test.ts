import { expect, test } from 'vitest'
import { defineMetric } from '../../src/observability/definition.js'
import { exposition, negotiate } from '../../src/observability/exposition.js'
import { Registry } from '../../src/observability/registry.js'

const registry = new Registry()
const cost = defineMetric('counter', 'cost_seconds_total', {
  help: 'What it cost, in "seconds".\nC:\\temp',
  unit: 'seconds',
  labels: { path: '*' },
})
registry.counter(cost).with({ path: 'C:\\temp "x"\nü' }).inc(1e21)
registry
  .gauge(defineMetric('gauge', 'started_timestamp_seconds', { help: 'When.', unit: 'timestamp_seconds' }))
  .with({})
  .set(1.5)
const sizes = defineMetric('histogram', 'size_bytes', { help: 'Sizes.', unit: 'bytes', labels: { of: '*' } }, [0.5, 100])
registry
  .histogram(sizes)
  .with({ of: 'a' })
  .observe(7, { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) })
registry.histogram(sizes).with({ of: 'a' }).observe(700)
registry.register(defineMetric('counter', 'unused_total', { help: 'Nothing yet.', labels: { of: '*' } }))

test('is Prometheus text 0.0.4, and leaves out what has no series', () => {
  expect(exposition(registry.collect(), 'text')).toBe(`# HELP cost_seconds_total What it cost, in "seconds".\\nC:\\\\temp
# TYPE cost_seconds_total counter
cost_seconds_total{path="C:\\\\temp \\"x\\"\\nü"} 1e+21
# HELP size_bytes Sizes.
# TYPE size_bytes histogram
size_bytes_bucket{of="a",le="0.5"} 0
size_bytes_bucket{of="a",le="100"} 1
size_bytes_bucket{of="a",le="+Inf"} 2
size_bytes_sum{of="a"} 707
size_bytes_count{of="a"} 2
# HELP started_timestamp_seconds When.
# TYPE started_timestamp_seconds gauge
started_timestamp_seconds 1.5
`)
})

test('is OpenMetrics 1.0, with units, exemplars and an end', () => {
  const time =
    registry.collect().flatMap((family) => (family.kind === 'histogram' ? (family.series[0]?.exemplars[1]?.timeMs ?? []) : []))[0] ?? 0
  expect(exposition(registry.collect(), 'openmetrics')).toBe(`# HELP cost_seconds What it cost, in \\"seconds\\".\\nC:\\\\temp
# TYPE cost_seconds counter
# UNIT cost_seconds seconds
cost_seconds_total{path="C:\\\\temp \\"x\\"\\nü"} 1e+21
# HELP size_bytes Sizes.
# TYPE size_bytes histogram
# UNIT size_bytes bytes
size_bytes_bucket{of="a",le="0.5"} 0
size_bytes_bucket{of="a",le="100"} 1 # {trace_id="${'a'.repeat(32)}",span_id="${'b'.repeat(16)}"} 7 ${time / 1000}
size_bytes_bucket{of="a",le="+Inf"} 2
size_bytes_sum{of="a"} 707
size_bytes_count{of="a"} 2
# HELP started_timestamp_seconds When.
# TYPE started_timestamp_seconds gauge
# UNIT started_timestamp_seconds seconds
started_timestamp_seconds 1.5
# EOF
`)
})

const text = 'text/plain; version=0.0.4; charset=utf-8'
const openmetrics = 'application/openmetrics-text; version=1.0.0; charset=utf-8'

test.each([
  [
    'what Prometheus 2 sends',
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
    openmetrics,
  ],
  ['what a browser sends', 'text/html,application/xhtml+xml,*/*;q=0.8', text],
  ['text before OpenMetrics', 'text/plain, application/openmetrics-text;q=0.5', text],
  ['OpenMetrics ruled out', 'application/openmetrics-text;q=0, */*', text],
  ['a quality that is no number', 'application/openmetrics-text;q=high', text],
  ['upper case', 'Application/OpenMetrics-Text; Q=1', openmetrics],
  ['anything', '*/*', text],
  ['nothing', undefined, text],
  ['null', null, text],
])('%s is answered in the format it prefers', (_, accept, contentType) => {
  expect(negotiate(accept).contentType).toBe(contentType)
})
