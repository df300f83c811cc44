import { failure, PUSH_REFUSED } from '../errors/index.js'
import type { Labels, MetricDefinition, MetricUnit } from './definition.js'
import { deliver, shownAddress } from './delivery.js'
import type { FamilySnapshot, KeptExemplar } from './registry.js'

/** A process's environment, or one that says the same. */
export type Environment = Readonly<Record<string, string | undefined>>

export type AttributeValue = string | number | boolean | readonly string[]
export type Attributes = Readonly<Record<string, AttributeValue>>

/** Where one kind of signal goes, ready for `sendOtlp`. */
export interface OtlpTarget {
  readonly endpoint: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

export interface OtlpSettings {
  readonly metrics?: OtlpTarget
  readonly traces?: OtlpTarget
  readonly logs?: OtlpTarget
  /** `service.name` and whatever else says who sends. */
  readonly resource: Attributes
}

export interface OtlpMetricsOptions {
  readonly resource: Attributes
  /** Since when the totals are counted, in Unix milliseconds. */
  readonly startTimeMs: number
  /** Of what was collected, in Unix milliseconds. */
  readonly timeMs: number
}

/** UCUM's names for units. A curly bracket is a remark: such a number has no unit. */
const UCUM: Readonly<Record<MetricUnit, string>> = {
  seconds: 's',
  bytes: 'By',
  rows: '{row}',
  ratio: '1',
  celsius: 'Cel',
  timestamp_seconds: 's',
  percent: '%',
}

const CUMULATIVE = 2

/**
 * The body of OTLP/HTTP's `/v1/metrics`, in JSON: opentelemetry-proto 1.x, `metrics.proto`, by Protobuf's mapping to JSON.
 *
 * Names lose `_total` and their unit, which OTLP has fields for; Prometheus puts them back when it receives them, so that the same
 * queries hold there.
 */
export function otlpMetrics(snapshots: readonly FamilySnapshot[], { resource, startTimeMs, timeMs }: OtlpMetricsOptions): object {
  const times = { startTimeUnixNano: nanoseconds(startTimeMs), timeUnixNano: nanoseconds(timeMs) }
  const metrics = snapshots
    .filter(({ series }) => series.length > 0)
    .map((snapshot) => {
      const { definition } = snapshot
      const head = {
        name: otlpName(definition),
        description: definition.help,
        ...(definition.unit === undefined ? {} : { unit: UCUM[definition.unit] }),
      }
      if (snapshot.kind === 'histogram') {
        const dataPoints = snapshot.series.map(({ labels, buckets, sum, count, exemplars }) => ({
          attributes: otlpAttributes(labels),
          ...times,
          count: String(count),
          sum: otlpDouble(sum),
          bucketCounts: buckets.map(String),
          explicitBounds: definition.buckets,
          exemplars: exemplars.filter((exemplar) => exemplar !== undefined).map(otlpExemplar),
        }))
        return { ...head, histogram: { aggregationTemporality: CUMULATIVE, dataPoints } }
      }
      const dataPoints = snapshot.series.map(({ labels, value }) => ({
        attributes: otlpAttributes(labels),
        ...(snapshot.kind === 'counter' ? times : { timeUnixNano: times.timeUnixNano }),
        asDouble: otlpDouble(value),
      }))
      if (snapshot.kind === 'gauge') return { ...head, gauge: { dataPoints } }
      return { ...head, sum: { aggregationTemporality: CUMULATIVE, isMonotonic: true, dataPoints } }
    })
  return {
    resourceMetrics: [{ resource: { attributes: otlpAttributes(resource) }, scopeMetrics: [{ scope: { name: 'sluice' }, metrics }] }],
  }
}

/**
 * Posts a body to `endpoint` + `path` as OTLP/HTTP JSON.
 *
 * Throws PUSH_FAILED when it may be taken later, PUSH_REFUSED when it, or a part of it, never will be.
 */
export async function sendOtlp(
  endpoint: string,
  path: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
  signal?: AbortSignal,
): Promise<void> {
  const url = `${path.startsWith('/') && endpoint.endsWith('/') ? endpoint.slice(0, -1) : endpoint}${path}`
  const said = await deliver({
    method: 'POST',
    url,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    signal,
  })
  const refused = partlyRefused(said)
  if (refused !== undefined) throw failure(PUSH_REFUSED, { url: shownAddress(url), problem: refused })
}

/**
 * What OpenTelemetry's environment variables say: OTEL_EXPORTER_OTLP_ENDPOINT and _HEADERS, each also for one signal
 * (OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, which is taken as it is), OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
 * OTEL_{TRACES,METRICS,LOGS}_EXPORTER=none and OTEL_SDK_DISABLED. Without an endpoint nothing is sent.
 */
export function otlpSettings(environment: Environment): OtlpSettings {
  const off = environment['OTEL_SDK_DISABLED']?.trim().toLowerCase() === 'true'
  const target = (signal: 'TRACES' | 'METRICS' | 'LOGS'): OtlpTarget | undefined => {
    if (off || environment[`OTEL_${signal}_EXPORTER`]?.trim() === 'none') return undefined
    const own = said(environment[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`])
    const endpoint = own ?? said(environment['OTEL_EXPORTER_OTLP_ENDPOINT'])
    if (endpoint === undefined) return undefined
    const headers = said(environment[`OTEL_EXPORTER_OTLP_${signal}_HEADERS`]) ?? environment['OTEL_EXPORTER_OTLP_HEADERS']
    return { endpoint, path: own === undefined ? `/v1/${signal.toLowerCase()}` : '', headers: pairsOf(headers) }
  }
  const [metrics, traces, logs] = [target('METRICS'), target('TRACES'), target('LOGS')]
  const service = said(environment['OTEL_SERVICE_NAME'])
  return {
    ...(metrics === undefined ? {} : { metrics }),
    ...(traces === undefined ? {} : { traces }),
    ...(logs === undefined ? {} : { logs }),
    resource: {
      'service.name': 'sluice',
      ...pairsOf(environment['OTEL_RESOURCE_ATTRIBUTES']),
      ...(service === undefined ? {} : { 'service.name': service }),
    },
  }
}

export function otlpAttributes(attributes: Attributes | Labels): object[] {
  return Object.entries<AttributeValue>(attributes).map(([key, value]) => ({ key, value: otlpValue(value) }))
}

/** Unix milliseconds, with their fraction, as the text of a 64-bit number. */
export function nanoseconds(milliseconds: number): string {
  const whole = Math.floor(milliseconds)
  return String(BigInt(whole) * 1_000_000n + BigInt(Math.round((milliseconds - whole) * 1_000_000)))
}

function otlpName({ kind, name, unit }: MetricDefinition): string {
  const bare = kind === 'counter' ? name.slice(0, -'_total'.length) : name
  // Prometheus puts no "rows" back, and "ratio" only for a gauge.
  if (unit === undefined || unit === 'rows' || (unit === 'ratio' && kind !== 'gauge')) return bare
  return bare.slice(0, -`_${unit === 'timestamp_seconds' ? 'seconds' : unit}`.length)
}

function otlpValue(value: AttributeValue): object {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'number') return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: otlpDouble(value) }
  return { arrayValue: { values: value.map((text) => ({ stringValue: text })) } }
}

/** JSON has no NaN and no infinity; Protobuf's mapping writes them as text. */
function otlpDouble(value: number): number | string {
  return Number.isFinite(value) ? value : String(value)
}

function otlpExemplar({ traceId, spanId, value, timeMs }: KeptExemplar): object {
  return { timeUnixNano: nanoseconds(timeMs), traceId, spanId, asDouble: otlpDouble(value) }
}

/** A collector may answer 200 and still leave a part out. */
function partlyRefused(answer: string): string | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(answer)
  } catch {
    return undefined
  }
  const partial = (parsed as { partialSuccess?: Record<string, unknown> } | null)?.partialSuccess ?? {}
  const refused = Object.entries(partial).find(([name, value]) => name.startsWith('rejected') && Number(value) > 0)
  return refused === undefined
    ? undefined
    : `${refused[1]} ${refused[0].slice('rejected'.length)} left out: ${partial['errorMessage'] ?? ''}`
}

/** `api-key=abc,tenant=a%20b`, as W3C Baggage writes it. */
function pairsOf(text: string | undefined): Record<string, string> {
  const pairs = (text ?? '').split(',').map((pair) => {
    const at = pair.indexOf('=')
    return at <= 0 ? [] : [pair.slice(0, at).trim(), decoded(pair.slice(at + 1).trim())]
  })
  return Object.fromEntries(pairs.filter((pair) => pair.length === 2))
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** An environment variable that is empty counts as not set. */
function said(value: string | undefined): string | undefined {
  return value === undefined || value.trim() === '' ? undefined : value.trim()
}
