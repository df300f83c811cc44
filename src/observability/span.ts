import { AsyncLocalStorage } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { totalmem } from 'node:os'
import type * as OpenTelemetry from '@opentelemetry/api'
import { isSluiceError, messageOf, redact } from '../errors/index.js'
import { ATTRIBUTES, LEGACY_MEASURES, type LegacyChoice, legacyChoice, withLegacyNames } from './attributes.js'
import { type Attributes, type AttributeValue, type Environment, nanoseconds, otlpAttributes, otlpSettings, sendOtlp } from './otlp.js'

export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer'

export interface SpanOptions {
  /** `internal` unless told: `client` for a call to another system. */
  readonly kind?: SpanKind
  readonly attributes?: Attributes
}

/** The span that a piece of work runs in. */
export interface ActiveSpan {
  /** False when nobody looks: what is costly to know need not be found out. */
  readonly recording: boolean
  setAttributes(attributes: Attributes): void
  addEvent(name: string, attributes?: Attributes): void
}

/** As hexadecimal digits, 32 and 16 of them. */
export interface ActiveTrace {
  readonly traceId: string
  readonly spanId: string
  /** Whether it is kept: a link to a trace that is not leads nowhere. */
  readonly sampled: boolean
}

/**
 * Runs work inside a span, and answers what it answers. What it throws is noted on the span (`error.type` is our error's code), and thrown.
 *
 * `await span('INSERT orders', { kind: 'client', attributes: { [ATTRIBUTES.databaseSystem]: 'mysql' } }, () => write(rows))`
 *
 * Spans go to the application's OpenTelemetry when it has registered a tracer. Without one they are sent as OTLP/HTTP JSON to where
 * OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT says. Without that either, this only calls `work`.
 */
export async function span<T>(name: string, options: SpanOptions, work: (span: ActiveSpan) => Promise<T>): Promise<T> {
  const opened = openSpan(name, options)
  if (opened === undefined) return work(UNSEEN)
  const measured = legacy().measures && opened.attributes[ATTRIBUTES.databaseSystem] !== undefined
  const measure = measured ? legacyMeasures() : undefined
  try {
    return await opened.run(() => work(opened.span))
  } catch (thrown) {
    opened.fail(thrown)
    throw thrown
  } finally {
    if (measure !== undefined) opened.span.setAttributes(measure())
    opened.end()
  }
}

/** The span that is running here, OpenTelemetry's or our own. */
export function activeTrace(): ActiveTrace | undefined {
  const active = openTelemetry()?.trace.getActiveSpan()?.spanContext()
  if (active !== undefined && api?.isSpanContextValid(active)) {
    return { traceId: active.traceId, spanId: active.spanId, sampled: (active.traceFlags & SAMPLED) !== 0 }
  }
  return running.getStore()?.trace
}

/** Sends the spans that have ended, and waits until those on their way are through. Never throws. */
export async function flushSpans(): Promise<void> {
  await exporter?.flush()
}

/**
 * Reads OpenTelemetry's variables and our own again, from `environment`; otherwise those of the process are read at the first span.
 * Spans that have ended go where they were going.
 */
export async function configureSpans(environment: Environment): Promise<void> {
  await exporter?.flush()
  configure(environment)
}

interface OpenSpan {
  readonly span: ActiveSpan
  readonly attributes: Attributes
  run<T>(work: () => Promise<T>): Promise<T>
  fail(thrown: unknown): void
  end(): void
}

interface Running {
  readonly trace: ActiveTrace
  /** OpenTelemetry's context with the span in it: for an application that has tracers, but nothing that carries its context. */
  readonly context?: OpenTelemetry.Context
}

const SAMPLED = 1
const UNSEEN: ActiveSpan = { recording: false, setAttributes() {}, addEvent() {} }
const running = new AsyncLocalStorage<Running>()

let api: typeof OpenTelemetry | undefined
let looked = false
let configured = false
let flushedAtExit = false
let exporter: SpanExporter | undefined
/** The span of whoever started this process, by the environment variable TRACEPARENT. */
let outer: ActiveTrace | undefined
let choice: LegacyChoice = { names: false, measures: false }

/** Where OpenTelemetry's API, of any version 1, keeps what is registered with it, for all copies of itself. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1')

/** Loaded once the application itself has loaded it: before, there is no tracer that it could lead to. */
function openTelemetry(): typeof OpenTelemetry | undefined {
  if (looked || !(REGISTERED in globalThis)) return api
  looked = true
  try {
    api = createRequire(import.meta.url)('@opentelemetry/api') as typeof OpenTelemetry
  } catch {
    // It is optional.
  }
  return api
}

function configure(environment: Environment): void {
  configured = true
  const { traces, resource } = otlpSettings(environment)
  if (traces !== undefined && !flushedAtExit) {
    flushedAtExit = true
    process.on('beforeExit', () => void flushSpans())
  }
  exporter =
    traces === undefined ? undefined : new SpanExporter((body) => sendOtlp(traces.endpoint, traces.path, body, traces.headers), resource)
  outer = traceParent(environment['TRACEPARENT'])
  choice = legacyChoice(environment)
}

function legacy(): LegacyChoice {
  if (!configured) configure(process.env)
  return choice
}

function openSpan(name: string, options: SpanOptions): OpenSpan | undefined {
  const named = legacy().names ? withLegacyNames : (attributes: Attributes) => attributes
  const attributes = named(options.attributes ?? {})
  const theirs = openTelemetry()
  const theirSpan = theirs === undefined ? undefined : openTheirs(theirs, name, options.kind ?? 'internal', attributes, named)
  if (theirSpan !== undefined) return theirSpan
  return exporter === undefined ? undefined : openOurs(exporter, name, options.kind ?? 'internal', attributes, named)
}

function openTheirs(
  { context, trace, SpanKind: kinds, SpanStatusCode, isSpanContextValid }: typeof OpenTelemetry,
  name: string,
  kind: SpanKind,
  attributes: Attributes,
  named: (attributes: Attributes) => Attributes,
): OpenSpan | undefined {
  const active = context.active()
  const parent = trace.getSpan(active) === undefined ? (running.getStore()?.context ?? active) : active
  const theirKind = {
    internal: kinds.INTERNAL,
    server: kinds.SERVER,
    client: kinds.CLIENT,
    producer: kinds.PRODUCER,
    consumer: kinds.CONSUMER,
  }[kind]
  const opened = trace.getTracer('sluice').startSpan(name, { kind: theirKind, attributes: theirAttributes(attributes) }, parent)
  const { traceId, spanId, traceFlags } = opened.spanContext()
  const parentSpan = trace.getSpan(parent)?.spanContext()
  // What no tracer made has no identity of its own.
  if (!isSpanContextValid(opened.spanContext()) || spanId === parentSpan?.spanId) return undefined
  const inside = trace.setSpan(parent, opened)
  return {
    attributes,
    span: {
      recording: opened.isRecording(),
      setAttributes: (more) => void opened.setAttributes(theirAttributes(named(more))),
      addEvent: (event, more = {}) => void opened.addEvent(event, theirAttributes(more)),
    },
    run: (work) =>
      running.run({ trace: { traceId, spanId, sampled: (traceFlags & SAMPLED) !== 0 }, context: inside }, () => context.with(inside, work)),
    fail(thrown) {
      const { type, message } = described(thrown)
      opened.setAttribute(ATTRIBUTES.errorType, type)
      opened.recordException({ name: type, message })
      opened.setStatus({ code: SpanStatusCode.ERROR, message })
    },
    end: () => opened.end(),
  }
}

function openOurs(
  to: SpanExporter,
  name: string,
  kind: SpanKind,
  given: Attributes,
  named: (attributes: Attributes) => Attributes,
): OpenSpan | undefined {
  const parent = running.getStore()?.trace ?? outer
  if (parent?.sampled === false) return undefined
  const trace: ActiveTrace = { traceId: parent?.traceId ?? hexadecimal(16), spanId: hexadecimal(8), sampled: true }
  const attributes: Record<string, AttributeValue> = { ...given }
  const events: object[] = []
  const startTimeMs = nowMs()
  let status: object = {}
  const addEvent = (event: string, more: Attributes = {}) =>
    void events.push({ name: event, timeUnixNano: nanoseconds(nowMs()), attributes: otlpAttributes(more) })
  return {
    attributes,
    span: { recording: true, setAttributes: (more) => void Object.assign(attributes, named(more)), addEvent },
    run: (work) => running.run({ trace }, work),
    fail(thrown) {
      const { type, message } = described(thrown)
      attributes[ATTRIBUTES.errorType] = type
      status = { code: 2, message }
      addEvent('exception', { 'exception.type': type, 'exception.message': message })
    },
    end() {
      to.add({
        traceId: trace.traceId,
        spanId: trace.spanId,
        ...(parent === undefined ? {} : { parentSpanId: parent.spanId }),
        flags: SAMPLED,
        name,
        kind: ['internal', 'server', 'client', 'producer', 'consumer'].indexOf(kind) + 1,
        startTimeUnixNano: nanoseconds(startTimeMs),
        endTimeUnixNano: nanoseconds(nowMs()),
        attributes: otlpAttributes(attributes),
        events,
        status,
      })
    },
  }
}

/** The numbers of OpenTelemetry's own batching: a batch's size and age, and how many spans wait before more are dropped. */
const BATCH = 512
const BATCH_AGE_MS = 5_000
const WAITING = 2_048

class SpanExporter {
  readonly #send: (body: object) => Promise<void>
  readonly #resource: Attributes
  readonly #sending = new Set<Promise<void>>()
  #ended: object[] = []
  #timer: NodeJS.Timeout | undefined
  #warned = false

  constructor(send: (body: object) => Promise<void>, resource: Attributes) {
    this.#send = send
    this.#resource = resource
  }

  add(ended: object): void {
    if (this.#ended.length >= WAITING) {
      this.#warn(`more than ${WAITING} are waiting to be sent`)
      return
    }
    this.#ended.push(ended)
    if (this.#ended.length >= BATCH && this.#sending.size === 0) this.#sendEnded()
    this.#timer ??= setTimeout(() => this.#sendEnded(), BATCH_AGE_MS).unref()
  }

  async flush(): Promise<void> {
    this.#sendEnded()
    await Promise.all(this.#sending)
  }

  #sendEnded(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const spans = this.#ended
    if (spans.length === 0) return
    this.#ended = []
    const resourceSpans = [{ resource: { attributes: otlpAttributes(this.#resource) }, scopeSpans: [{ scope: { name: 'sluice' }, spans }] }]
    const sent = this.#send({ resourceSpans })
      .catch((thrown: unknown) => this.#warn(messageOf(thrown)))
      .finally(() => this.#sending.delete(sent))
    this.#sending.add(sent)
  }

  /** Once: tracing that is down is no reason to say so for every span. */
  #warn(problem: string): void {
    if (this.#warned) return
    this.#warned = true
    process.emitWarning(`Spans were lost: ${redact(problem)}`, { code: 'SLUICE_SPANS_LOST' })
  }
}

function described(thrown: unknown): { type: string; message: string } {
  const type = isSluiceError(thrown) ? thrown.code : thrown instanceof Error ? thrown.name : '_OTHER'
  return { type, message: redact(messageOf(thrown)) }
}

/** Begins to measure. Of the time the span takes, one processor in full use is 100 %. */
function legacyMeasures(): () => Attributes {
  const before = process.cpuUsage()
  const started = performance.now()
  return () => {
    const used = process.cpuUsage(before)
    const milliseconds = performance.now() - started
    return {
      [LEGACY_MEASURES.latency]: milliseconds,
      [LEGACY_MEASURES.processor]: milliseconds === 0 ? 0 : ((used.user + used.system) / 1000 / milliseconds) * 100,
      [LEGACY_MEASURES.memory]: (process.memoryUsage.rss() / totalmem()) * 100,
    }
  }
}

/** W3C Trace Context, version 00: `00-<trace>-<span>-<flags>`. */
function traceParent(text: string | undefined): ActiveTrace | undefined {
  const [, traceId = '', spanId = '', flags = ''] =
    /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:-|$)/.exec(text?.trim() ?? '') ?? []
  if (!/[1-9a-f]/.test(traceId) || !/[1-9a-f]/.test(spanId)) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & SAMPLED) !== 0 }
}

function theirAttributes(attributes: Attributes): OpenTelemetry.Attributes {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, typeof value === 'object' ? [...value] : value]))
}

function hexadecimal(bytes: number): string {
  return randomBytes(bytes).toString('hex')
}

function nowMs(): number {
  return performance.timeOrigin + performance.now()
}
