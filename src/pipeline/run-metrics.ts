import { anomaliesFlagged, anomaliesFound, anomaliesShare } from '../anomaly/metrics.js'
import type { Session } from '../engine/index.js'
import { messageOf } from '../errors/index.js'
import type { Journal } from '../journal/index.js'
import { keepSamplesOf, seriesKey, totals } from '../monitoring/index.js'
import {
  type Attributes,
  defaultRegistry,
  exposition,
  type FamilySnapshot,
  milliseconds,
  type OtlpTarget,
  otlpMetrics,
  otlpSettings,
  pushMetrics,
  Registry,
  type StoredSample,
  sendOtlp,
} from '../observability/index.js'
import { quarantinePath } from '../quality/index.js'
import { expectationFailures, expectationResults, gateRows, quarantinedShare, quarantineRows, stepGateRows } from '../quality/metrics.js'
import { reconciledRows, reconciliationEnded, storeDifferences } from '../reconciliation/metrics.js'
import { driftedColumns, filesSeen, schemaDrift } from '../sources/metrics.js'
import type { StoreUsage } from '../stores/index.js'
import {
  operationCpu,
  operationMemory,
  operationSeconds,
  storeRetries,
  storeWaited,
  storeWaits,
  syncedRows,
  syncFailed,
  syncRefused,
  syncSeconds,
  syncSucceeded,
} from '../sync/metrics.js'
import { DeltaTable, rowCount } from '../table/index.js'
import { tableBytes, tableFiles, tableLastWriteSeconds, tableRows, tableVersion, tableWriteSeconds } from '../table/metrics.js'
import type { Dataset } from './dataset.js'
import * as own from './metrics.js'
import { monitorsOf } from './monitors.js'
import type { Operation } from './operations.js'
import type { RunResult, StepResult } from './result.js'
import type { ReconcileResult, SyncResult } from './sync-result.js'
import { isOfProject } from './watch.js'
import { pushgatewayOf, type Workspace } from './workspace.js'

/** What a table weighs after a step. */
export interface TableFacts {
  readonly rows: number
  readonly bytes: number
  readonly files: number
  readonly version: number
  readonly held: number
}

export async function tableFacts(workspace: Workspace, session: Session, dataset: Dataset): Promise<TableFacts | undefined> {
  const table = workspace.table(dataset, session)
  if (!(await table.exists())) return undefined
  const snapshot = await table.snapshot()
  let bytes = 0
  for (const file of snapshot.files.values()) bytes += file.size
  const quarantine = DeltaTable.at(quarantinePath(workspace.lake, dataset.name), { storage: workspace.storage, session })
  const held = (await quarantine.exists()) ? await rowCount(await quarantine.snapshot()) : 0
  return { rows: await rowCount(snapshot), bytes, files: snapshot.files.size, version: snapshot.version, held }
}

/** Longer than the time between two looks, so that one sees the 0: what nobody has seen at 0 has not grown to be 1. */
const ZERO_BEFORE_MS = 60_000

/** Counts one run, and keeps what it counted: after each step, so that a run that is killed leaves what it had done. */
export class RunMetrics {
  readonly #registry = new Registry()
  readonly #workspace: Workspace
  readonly #startedAt = Date.now()
  readonly #cpu = process.cpuUsage()
  /** What the journal has. Other counters begin with 0 before their first change, which is what makes that a change; a gauge is kept when it changed. */
  #known: Map<string, number> | undefined

  constructor(workspace: Workspace) {
    this.#workspace = workspace
    for (const { definition } of monitorsOf(workspace.project).metrics) {
      const registry = definition.name.startsWith('sluice_') ? this.#registry : defaultRegistry
      registry.register(definition)
    }
    for (const dataset of workspace.project.datasets) this.#prepare(dataset)
    for (const { name } of workspace.project.syncs)
      for (const change of ['inserted', 'updated', 'deleted', 'refused'] as const) syncedRows.with({ sync: name, change }, this.#registry)
  }

  step(dataset: Dataset, result: StepResult, facts: TableFacts | undefined): void {
    const [registry, labels] = [this.#registry, { dataset: dataset.name }]
    const seconds = result.durationMs / 1000
    const refused = result.files.filter((file) => file.status === 'refused')
    const failed = result.status === 'failed' || refused.length > 0
    own.steps.with({ ...labels, status: result.status }, registry).inc()
    if (result.status === 'blocked' || result.status === 'cancelled') return
    own.stepFailed.with(labels, registry).set(failed ? 1 : 0)
    if (!failed) own.stepSucceeded.with(labels, registry).setToNow()
    own.rows.with({ ...labels, stage: 'read' }, registry).inc(result.rowsRead)
    own.rows.with({ ...labels, stage: 'in' }, registry).inc(result.rowsIn)
    own.rows.with({ ...labels, stage: 'written' }, registry).inc(result.rowsWritten)
    for (const error of [result.error, ...refused.map((file) => file.error)])
      if (error !== undefined) own.errors.with({ code: error.code }, registry).inc()
    for (const { name, status, failed: broken } of result.expectations) {
      expectationResults.with({ ...labels, expectation: name, status }, registry).inc()
      expectationFailures.with({ ...labels, expectation: name }, registry).inc(broken)
    }
    const taken = result.files.filter((file) => file.status === 'taken').length
    filesSeen.with({ ...labels, status: 'taken' }, registry).inc(taken)
    filesSeen.with({ ...labels, status: 'refused' }, registry).inc(refused.length)
    if (result.status !== 'skipped') {
      own.stepSeconds.with(labels, registry).observe(seconds)
      own.stepLastSeconds.with(labels, registry).set(seconds)
    }
    if (taken > 0) {
      for (const { change } of result.drift) schemaDrift.with({ ...labels, change }, registry).inc()
      driftedColumns.with(labels, registry).set(new Set(result.drift.map((one) => one.column)).size)
    }
    if (result.rowsIn > 0) {
      gateRows.with({ ...labels, verdict: 'accepted' }, registry).inc(result.rowsAccepted)
      gateRows.with({ ...labels, verdict: 'quarantined' }, registry).inc(result.rowsQuarantined)
      quarantinedShare.with(labels, registry).set(result.rowsQuarantined / result.rowsIn)
      stepGateRows.with(labels, registry).set(result.rowsIn)
      tableWriteSeconds.with(labels, registry).observe(result.writeMs / 1000)
      tableLastWriteSeconds.with(labels, registry).set(result.writeMs / 1000)
      if (result.rowsWritten > 0) own.datasetChanged.with(labels, registry).setToNow()
    }
    if (facts === undefined) return
    tableRows.with(labels, registry).set(facts.rows)
    tableBytes.with(labels, registry).set(facts.bytes)
    tableFiles.with(labels, registry).set(facts.files)
    tableVersion.with(labels, registry).set(facts.version)
    quarantineRows.with(labels, registry).set(facts.held)
  }

  sync({ name, status, inserted, updated, deleted, deadLettered, durationMs, error }: SyncResult): void {
    const [registry, labels] = [this.#registry, { sync: name }]
    for (const [change, rows] of Object.entries({ inserted, updated, deleted, refused: deadLettered }))
      syncedRows.with({ ...labels, change: change as 'inserted' | 'updated' | 'deleted' | 'refused' }, registry).inc(rows)
    if (status !== 'ok' && status !== 'failed') return
    if (error !== undefined) own.errors.with({ code: error.code }, registry).inc()
    syncFailed.with(labels, registry).set(status === 'failed' ? 1 : 0)
    if (status === 'failed') return
    syncSeconds.with(labels, registry).set(durationMs / 1000)
    syncSucceeded.with(labels, registry).setToNow()
    syncRefused.with(labels, registry).set(deadLettered)
  }

  usage({ store, retries, waits, waitedMs }: StoreUsage & { readonly store: string }): void {
    storeRetries.with({ store }, this.#registry).inc(retries)
    storeWaits.with({ store }, this.#registry).inc(waits)
    storeWaited.with({ store }, this.#registry).inc(waitedMs / 1000)
  }

  /** @param causes every cause there is: those that were not found are 0 */
  reconciliation({ name, compared, differences: { byCause } }: ReconcileResult, causes: readonly string[]): void {
    const [registry, labels] = [this.#registry, { sync: name }]
    const found = byCause as Readonly<Record<string, number | undefined>>
    for (const cause of causes) storeDifferences.with({ ...labels, cause }, registry).set(found[cause] ?? 0)
    reconciledRows.with(labels, registry).set(compared)
    reconciliationEnded.with(labels, registry).setToNow()
  }

  anomalies({
    name,
    judged,
    found,
    methods,
  }: {
    readonly name: string
    readonly judged: number
    readonly found: number
    readonly methods: readonly { readonly method: string; readonly flagged: number }[]
  }): void {
    const [registry, labels] = [this.#registry, { anomalies: name }]
    anomaliesFound.with(labels, registry).set(found)
    anomaliesShare.with(labels, registry).set(judged === 0 ? 0 : found / judged)
    for (const { method, flagged } of methods) anomaliesFlagged.with({ ...labels, method }, registry).set(flagged)
  }

  operation({ store, operation, latencyMs, cpu, memory }: Operation): void {
    const [registry, labels] = [this.#registry, { store, operation }]
    operationSeconds.with(labels, registry).set(latencyMs / 1000)
    operationCpu.with(labels, registry).set(cpu)
    operationMemory.with(labels, registry).set(memory)
  }

  /** Counts a step of an earlier run, which did not live to. */
  recovered({ dataset, status, rowsRead, rowsIn, rowsAccepted, rowsQuarantined, rowsWritten, files }: StepResult): void {
    const [registry, labels] = [this.#registry, { dataset }]
    own.steps.with({ ...labels, status }, registry).inc()
    own.rows.with({ ...labels, stage: 'read' }, registry).inc(rowsRead)
    own.rows.with({ ...labels, stage: 'in' }, registry).inc(rowsIn)
    own.rows.with({ ...labels, stage: 'written' }, registry).inc(rowsWritten)
    gateRows.with({ ...labels, verdict: 'accepted' }, registry).inc(rowsAccepted)
    gateRows.with({ ...labels, verdict: 'quarantined' }, registry).inc(rowsQuarantined)
    filesSeen.with({ ...labels, status: 'taken' }, registry).inc(files.length)
  }

  /** @param interrupted runs found that were begun and never ended */
  run(result: RunResult, interrupted: number): void {
    const registry = this.#registry
    own.runs.with({ status: result.status }, registry).inc()
    own.runs.with({ status: 'interrupted' }, registry).inc(interrupted)
    own.runSeconds.with({}, registry).set(result.durationMs / 1000)
    own.runEnded.with({}, registry).setToNow()
    if (result.status !== 'cancelled') own.runFailed.with({}, registry).set(result.status === 'failed' ? 1 : 0)
    if (result.status === 'ok') own.runSucceeded.with({}, registry).setToNow()
    // The kernel counts in KiB.
    own.runMemory.with({}, registry).set(process.resourceUsage().maxRSS * 1024)
    const { user, system } = process.cpuUsage(this.#cpu)
    own.runCpu.with({}, registry).inc((user + system) / 1e6)
  }

  /** Keeps what has changed since it was last kept, the metrics of the project's own code among it. */
  async keep(journal: Journal, runId: string): Promise<void> {
    this.#known ??= new Map((await totals(journal)).map((sample) => [seriesKey(sample), sample.value]))
    const known = this.#known
    const [framework, others] = [this.#registry.takeChanges(), defaultRegistry.takeChanges()]
    const samples = [...framework.samples, ...others.samples]
    const isNew = (sample: StoredSample) => sample.kind === 'counter' && !known.has(seriesKey(sample))
    const zeros = samples.filter(isNew).map((sample) => ({ ...sample, value: 0 }))
    const changed = samples.filter((sample) =>
      sample.kind === 'gauge' ? !Object.is(known.get(seriesKey(sample)), sample.value) : sample.value > 0,
    )
    try {
      const moments = [
        { samples: zeros, at: this.#startedAt - ZERO_BEFORE_MS },
        { samples: changed, at: Date.now() },
      ]
      await keepSamplesOf(journal, moments, runId)
    } catch (error) {
      framework.putBack()
      others.putBack()
      throw error
    }
    for (const sample of [...zeros, ...changed]) known.set(seriesKey(sample), sample.value)
  }

  /** Sends the totals to a Pushgateway and by OTLP, where the project or the environment names such. Answers what went wrong. */
  async push(journal: Journal): Promise<string[]> {
    const gateway = pushgatewayOf(this.#workspace)
    const { metrics: collector, resource } = otlpSettings(process.env)
    if (gateway === undefined && collector === undefined) return []
    const job = this.#workspace.project.config.name
    const snapshots = (await totalsRegistry(this.#workspace, journal)).collect()
    const sent = await Promise.allSettled([
      ...(gateway === undefined ? [] : [pushMetrics(gateway, { job }, exposition(snapshots, 'text'))]),
      ...(collector === undefined
        ? []
        : [
            this.#sendOtlp(
              journal,
              collector,
              process.env['OTEL_SERVICE_NAME'] ? resource : { ...resource, 'service.name': job },
              snapshots,
            ),
          ]),
    ])
    return sent.flatMap((one) => (one.status === 'rejected' ? [messageOf(one.reason)] : []))
  }

  async #sendOtlp(
    journal: Journal,
    { endpoint, path, headers }: OtlpTarget,
    resource: Attributes,
    snapshots: readonly FamilySnapshot[],
  ): Promise<void> {
    const [first] = await journal.select(
      'metric_samples',
      (samples) => `SELECT epoch_ms(min(recorded_at))::DOUBLE AS began FROM ${samples}`,
    )
    const startTimeMs = Number(first?.['began'] ?? this.#startedAt)
    await sendOtlp(endpoint, path, otlpMetrics(snapshots, { resource, startTimeMs, timeMs: Date.now() }), headers)
  }

  #prepare(dataset: Dataset): void {
    const [registry, labels] = [this.#registry, { dataset: dataset.name }]
    for (const status of own.steps.definition.domains.status as readonly StepResult['status'][])
      own.steps.with({ ...labels, status }, registry)
    for (const stage of ['read', 'in', 'written'] as const) own.rows.with({ ...labels, stage }, registry)
    for (const verdict of ['accepted', 'quarantined'] as const) gateRows.with({ ...labels, verdict }, registry)
    for (const { name } of dataset.expect) {
      expectationFailures.with({ ...labels, expectation: name }, registry)
      for (const status of ['pass', 'warn', 'fail'] as const) expectationResults.with({ ...labels, expectation: name, status }, registry)
    }
    for (const status of ['taken', 'refused'] as const) filesSeen.with({ ...labels, status }, registry)
    for (const change of ['missing', 'extra', 'retyped', 'reordered'] as const) schemaDrift.with({ ...labels, change }, registry)
    own.stepSeconds.with(labels, registry)
    tableWriteSeconds.with(labels, registry)
    own.datasetInterval.with(labels, registry).set(intervalOf(this.#workspace, dataset) / 1000)
  }
}

/** Milliseconds between runs that a dataset is meant to have. */
function intervalOf({ project }: Workspace, dataset: Dataset): number {
  return milliseconds(dataset.every ?? project.config.every ?? '1d')
}

/** The project's metrics with the values that the journal has, for whoever reads them from outside. */
export async function totalsRegistry(workspace: Workspace, journal: Journal): Promise<Registry> {
  const registry = new Registry()
  for (const { definition } of monitorsOf(workspace.project).metrics) registry.register(definition)
  registry.restore((await totals(journal)).filter((sample) => isOfProject(workspace, sample.metric, sample.labels)))
  return registry
}
