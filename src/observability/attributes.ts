import type { Attributes, AttributeValue, Environment } from './otlp.js'

/**
 * The names that Sluice gives to what a span knows. Databases and errors by OpenTelemetry's semantic conventions 1.33 and later, where they
 * are stable; messaging by the same, where they are still in development; the rest is our own.
 */
export const ATTRIBUTES = {
  databaseSystem: 'db.system.name',
  databaseNamespace: 'db.namespace',
  databaseCollection: 'db.collection.name',
  databaseOperation: 'db.operation.name',
  databaseBatchSize: 'db.operation.batch.size',
  databaseQuerySummary: 'db.query.summary',
  databaseQueryText: 'db.query.text',
  databaseStatusCode: 'db.response.status_code',
  databaseReturnedRows: 'db.response.returned_rows',
  errorType: 'error.type',
  serverAddress: 'server.address',
  serverPort: 'server.port',
  messagingSystem: 'messaging.system',
  messagingOperation: 'messaging.operation.name',
  messagingOperationType: 'messaging.operation.type',
  messagingDestination: 'messaging.destination.name',
  messagingPartition: 'messaging.destination.partition.id',
  messagingConsumerGroup: 'messaging.consumer.group.name',
  messagingBatchSize: 'messaging.batch.message_count',
  messagingOffset: 'messaging.kafka.offset',
  pipeline: 'lakehouse.pipeline',
  run: 'lakehouse.run_id',
  task: 'lakehouse.task',
  layer: 'lakehouse.layer',
  table: 'lakehouse.table',
  rows: 'lakehouse.rows',
} as const

/** What the same things were called before the conventions were stable; some tools still look for nothing else. */
export const LEGACY_ATTRIBUTES: Readonly<Record<string, readonly string[]>> = {
  [ATTRIBUTES.databaseSystem]: ['db.system', 'db.type'],
  [ATTRIBUTES.databaseNamespace]: ['db.name'],
  [ATTRIBUTES.databaseCollection]: ['db.sql.table'],
  [ATTRIBUTES.databaseOperation]: ['db.operation'],
  [ATTRIBUTES.databaseQueryText]: ['db.statement'],
}

/** Of a database's span: how long it took, and what the process used meanwhile. These are metrics today. */
export const LEGACY_MEASURES = { latency: 'latency.ms', processor: 'cpu.percent', memory: 'memory.percent' } as const

export interface LegacyChoice {
  /** The names of LEGACY_ATTRIBUTES, beside today's. */
  readonly names: boolean
  /** LEGACY_MEASURES. */
  readonly measures: boolean
}

/** `OTEL_SEMCONV_STABILITY_OPT_IN=database/dup` asks for the old names too; `SLUICE_SPAN_LEGACY=1` for them and the measures. */
export function legacyChoice(environment: Environment): LegacyChoice {
  const everything = environment['SLUICE_SPAN_LEGACY'] === '1'
  const optedIn = (environment['OTEL_SEMCONV_STABILITY_OPT_IN'] ?? '').split(',').map((one) => one.trim())
  return { names: everything || optedIn.includes('database/dup'), measures: everything }
}

/** `{ 'db.system.name': 'mysql' }` becomes `{ 'db.system.name': 'mysql', 'db.system': 'mysql', 'db.type': 'mysql' }`. */
export function withLegacyNames(attributes: Attributes): Attributes {
  const all: Record<string, AttributeValue> = { ...attributes }
  for (const [name, value] of Object.entries(attributes)) {
    for (const legacy of LEGACY_ATTRIBUTES[name] ?? []) all[legacy] = value
  }
  return all
}
