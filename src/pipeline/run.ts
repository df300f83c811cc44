import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Session } from '../engine/index.js'
import {
  ENGINE_CANCELLED,
  failure,
  INTERVAL_INVALID,
  isSluiceError,
  messageOf,
  RUN_CANCELLED,
  type SluiceError,
  STEP_BLOCKED,
  UNEXPECTED,
} from '../errors/index.js'
import { type Journal, type Lease, openJournal } from '../journal/index.js'
import { downstream } from '../lineage/index.js'
import { ATTRIBUTES, span } from '../observability/index.js'
import type { Verdict } from '../quality/index.js'
import { isDate } from '../schema/index.js'
import { type Dataset, lineageNode, readsOf } from './dataset.js'
import { decide } from './decide.js'
import { readState } from './note.js'
import { recordProfile } from './profiles.js'
import { completeHeld, type Published, type StepContext } from './publish.js'
import { type Interval, intervalColumn, runQuery } from './query-step.js'
import {
  type LedgerEntry,
  previousRows,
  recordEnd,
  recordFiles,
  recordInterrupted,
  recordStart,
  recordSteps,
  refusedFiles,
  unfinishedRuns,
} from './records.js'
import { recoverSteps } from './recover.js'
import { defineReferences } from './references.js'
import type { RunResult, StepResult } from './result.js'
import { RunMetrics, type TableFacts, tableFacts } from './run-metrics.js'
import { selectDatasets } from './select.js'
import {
  offerOf,
  requireItems,
  requireOneKind,
  requireSameTypes,
  runSource,
  type SourceResult,
  sortItems,
  sourceOf,
} from './source-step.js'
import type { Workspace } from './workspace.js'

export interface RunOptions {
  readonly select?: readonly string[]
  readonly fullRefresh?: boolean
  /** First day, and the day after the last. */
  readonly from?: string
  readonly to?: string
  readonly runId?: string
  /** For the run records. */
  readonly version?: string
  readonly observer?: RunObserver
}

/** Told of a run as it happens. */
export interface RunObserver {
  onStart?(steps: readonly Dataset[]): void
  onStep?(dataset: string): void
  onProgress?(dataset: string, progress: string): void
  onStepEnd?(result: StepResult): void
}

const RETRIES_AFTER_MS = [500, 2_000]

export function newRunId(now = new Date()): string {
  return `${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')}-${randomBytes(3).toString('hex')}`
}

/**
 * Brings the selected datasets up to date, each after all it reads, several side by side. A step that fails stops what depends on
 * it and nothing else. What is committed stays; running again goes on from there.
 * Throws what kept the run from starting: SELECTOR_UNKNOWN, INTERVAL_INVALID, LEASE_HELD, STORAGE_DENIED.
 */
export async function run(workspace: Workspace, options: RunOptions = {}): Promise<RunResult> {
  const runId = options.runId ?? newRunId()
  const attributes = { [ATTRIBUTES.pipeline]: workspace.project.config.name, [ATTRIBUTES.run]: runId }
  return span(`run ${workspace.project.config.name}`, { attributes }, async (active) => {
    const result = await runAll(workspace, { ...options, runId })
    if (result.error !== undefined) active.setAttributes({ [ATTRIBUTES.errorType]: result.error.code })
    return result
  })
}

async function runAll(workspace: Workspace, options: RunOptions & { readonly runId: string }): Promise<RunResult> {
  const datasets = selectDatasets(workspace.project.datasets, options.select ?? [])
  const interval = intervalOf(options, datasets)
  const lease = await workspace.takeLease({ purpose: 'sluice run' })
  const startedAt = new Date()
  const { runId } = options
  const version = options.version ?? ''
  let session: Session | undefined
  try {
    session = await workspace.connect('whatever happens')
    const journal = await openJournal(workspace.lake, workspace.storage, session)
    const previous = await previousRows(journal)
    const metrics = new RunMetrics(workspace)
    const unfinished = await unfinishedRuns(journal)
    await recoverSteps(workspace, session, journal, metrics, unfinished)
    // Nothing is recorded for a run that finds nothing to do until it ends: it costs one commit, not two.
    const runner = new Runner({ workspace, lease, journal, runId, options, interval, previous, metrics })
    const steps = await runner.all(datasets)
    const cancelled = isAborted(workspace)
    const failed = steps.some((step) => step.status === 'failed' || step.status === 'blocked') || runner.refused > 0
    const result: RunResult = {
      runId,
      project: workspace.project.config.name,
      status: cancelled ? 'cancelled' : failed ? 'failed' : 'ok',
      startedAt: startedAt.toISOString(),
      durationMs: Date.now() - startedAt.getTime(),
      ...errorOf(cancelled, steps),
      steps,
    }
    await recordRun(journal, workspace, result, version, runner)
    metrics.run(result, unfinished.length)
    await runner.keepMetrics()
    await recordInterrupted(journal, workspace, unfinished)
    return result
  } finally {
    await session?.close().catch(() => {})
    await workspace.close().catch(() => {})
    await lease.release()
  }
}

function errorOf(cancelled: boolean, steps: readonly StepResult[]): Pick<RunResult, 'error'> {
  if (cancelled) return { error: failure(RUN_CANCELLED, {}).toJSON() }
  const error =
    steps.find((step) => step.status === 'failed')?.error ??
    steps.flatMap((step) => step.files).find((file) => file.error !== undefined)?.error
  return error === undefined ? {} : { error }
}

async function recordRun(journal: Journal, workspace: Workspace, result: RunResult, version: string, runner: Runner): Promise<void> {
  await recordSteps(
    journal,
    result.runId,
    result.steps.filter((step) => !runner.recorded.has(step.dataset)),
  )
  await recordEnd(journal, workspace, result, version)
}

function intervalOf({ from, to }: RunOptions, datasets: readonly Dataset[]): Interval | undefined {
  if (from === undefined && to === undefined) return undefined
  const name = datasets.map((one) => one.name).join(', ')
  if (from === undefined || to === undefined) throw failure(INTERVAL_INVALID, { dataset: name, problem: '--from and --to go together' })
  if (!isDate(from) || !isDate(to) || from >= to)
    throw failure(INTERVAL_INVALID, { dataset: name, problem: `${from} to ${to} is no range of days` })
  if (!datasets.some((one) => intervalColumn(one) !== undefined && sourceOf(one) === undefined)) {
    throw failure(INTERVAL_INVALID, {
      dataset: name,
      problem: 'none of the selected datasets has a date or timestamp partition and a query',
    })
  }
  return { from, to }
}

interface RunnerInput {
  readonly workspace: Workspace
  readonly lease: Lease
  readonly journal: Journal
  readonly runId: string
  readonly options: RunOptions
  readonly interval: Interval | undefined
  readonly previous: ReadonlyMap<string, number>
  readonly metrics: RunMetrics
}

class Runner {
  readonly #input: RunnerInput
  /** Datasets whose step is in the journal already. */
  readonly recorded = new Set<string>()
  refused = 0
  #started: Promise<void> | undefined
  #recording: Promise<void> = Promise.resolve()

  constructor(input: RunnerInput) {
    this.#input = input
  }

  /** Runs steps as soon as what they read is ready, as many at once as the machine has processors. */
  async all(datasets: readonly Dataset[]): Promise<StepResult[]> {
    const { workspace, options } = this.#input
    options.observer?.onStart?.(datasets)
    const results = new Map<string, StepResult>()
    const waiting = [...datasets]
    const running = new Map<string, Promise<void>>()
    const nodes = workspace.project.datasets.map((one) => lineageNode(one))
    while (waiting.length > 0 || running.size > 0) {
      for (const one of [...waiting]) {
        if (running.size >= Math.max(1, availableParallelism())) break
        const open = readsOf(one).some((read) => running.has(read) || waiting.some((other) => other.name === read))
        if (open) continue
        waiting.splice(waiting.indexOf(one), 1)
        const blocker = readsOf(one)
          .map((read) => results.get(read))
          .find((result) => result !== undefined && result.status !== 'ok' && result.status !== 'skipped')
        const attributes = { [ATTRIBUTES.table]: one.name, [ATTRIBUTES.layer]: one.layer, [ATTRIBUTES.run]: this.#input.runId }
        const step = span(`step ${one.name}`, { attributes }, async (active) => {
          const result = await this.#step(one, blocker)
          active.setAttributes({ 'lakehouse.status': result.status, [ATTRIBUTES.rows]: result.rowsWritten })
          if (result.error !== undefined) active.setAttributes({ [ATTRIBUTES.errorType]: result.error.code })
          return result
        }).then((result) => {
          results.set(one.name, result)
          running.delete(one.name)
          options.observer?.onStepEnd?.(result)
        })
        running.set(one.name, step)
      }
      if (running.size === 0 && waiting.length > 0)
        throw new Error(`nothing can run: ${waiting.map((one) => [one.name, [...downstream(nodes, one.name)]])}`)
      await Promise.race(running.values())
    }
    await this.#recording
    return datasets.map((one) => results.get(one.name)).filter((result) => result !== undefined)
  }

  async #step(dataset: Dataset, blocker: StepResult | undefined): Promise<StepResult> {
    const startedAt = new Date()
    const base = blank(dataset, startedAt)
    const without = (result: StepResult) => {
      this.#input.metrics.step(dataset, result, undefined)
      return result
    }
    if (isAborted(this.#input.workspace)) return without({ ...base, status: 'cancelled' })
    if (blocker !== undefined) {
      const error = failure(STEP_BLOCKED, { dataset: dataset.name, by: blocker.dataset }).toJSON()
      return without(blocker.status === 'cancelled' ? { ...base, status: 'cancelled' } : { ...base, status: 'blocked', error })
    }
    this.#input.options.observer?.onStep?.(dataset.name)
    for (let attempt = 0; ; attempt++) {
      try {
        const { result: done, facts } = await this.#attempt(dataset, base)
        const result = { ...done, durationMs: Date.now() - startedAt.getTime() }
        this.#input.metrics.step(dataset, result, facts)
        if (result.status !== 'skipped') this.#record(result)
        return result
      } catch (thrown) {
        const error = isSluiceError(thrown) ? thrown : failure(UNEXPECTED, { problem: messageOf(thrown) }, { cause: thrown })
        if (error.code === ENGINE_CANCELLED.code || isAborted(this.#input.workspace)) {
          return without({ ...base, status: 'cancelled', durationMs: Date.now() - startedAt.getTime() })
        }
        const pause = RETRIES_AFTER_MS[attempt]
        if (retryable(error) && pause !== undefined) {
          this.#input.options.observer?.onProgress?.(dataset.name, `${error.message} Trying again.`)
          await sleep(pause)
          continue
        }
        if (process.env['SLUICE_DEBUG'] !== undefined) process.stderr.write(`${thrown instanceof Error ? thrown.stack : thrown}\n`)
        const failed = this.#failed(dataset, base, error, startedAt)
        this.#input.metrics.step(dataset, failed, undefined)
        this.#record(failed)
        return failed
      }
    }
  }

  #failed(dataset: Dataset, base: StepResult, error: SluiceError, startedAt: Date): StepResult {
    const { verdict } = error.facts as { readonly verdict?: Verdict }
    return {
      ...base,
      dataset: dataset.name,
      status: 'failed',
      durationMs: Date.now() - startedAt.getTime(),
      error: error.toJSON(),
      expectations: verdict?.results ?? [],
    }
  }

  async #attempt(dataset: Dataset, base: StepResult): Promise<{ readonly result: StepResult; readonly facts: TableFacts | undefined }> {
    const { workspace, lease, runId, options, previous } = this.#input
    const session = await workspace.connect()
    try {
      const step: StepContext = {
        workspace,
        session,
        lease,
        runId,
        dataset,
        previousRows: previous.get(dataset.name),
        report: (progress) => options.observer?.onProgress?.(dataset.name, progress),
      }
      await defineReferences(workspace, session, dataset)
      const result = sourceOf(dataset) === undefined ? await this.#query(step, base) : await this.#source(step, base)
      if (result.status === 'ok' && result.version >= 0 && result.rowsIn > 0) {
        const table = workspace.table(dataset, session)
        await this.#serially((journal) => recordProfile(journal, session, table, dataset, runId))
      }
      return { result, facts: await tableFacts(workspace, session, dataset) }
    } finally {
      await session.close()
    }
  }

  async #query(step: StepContext, base: StepResult): Promise<StepResult> {
    const { options, interval } = this.#input
    const decision = await decide(step.workspace, step.session, step.dataset, options.fullRefresh === true)
    await completeHeld(step.workspace, step.session, step.dataset, decision.state)
    const version = decision.state.snapshot?.version ?? -1
    const ranged = interval !== undefined && intervalColumn(step.dataset) !== undefined
    if (!ranged && decision.action === 'skip') return { ...base, status: 'skipped', reasons: decision.reasons, version }
    await this.#begin()
    // A dataset that was never filled is filled whole; an interval of it would pass for all of it.
    const chosen = ranged && decision.state.note !== undefined ? interval : undefined
    const done = await runQuery(step, decision, chosen)
    const reasons = chosen === undefined ? decision.reasons : [`interval: ${chosen.from} to ${chosen.to}`]
    return {
      ...base,
      ...published([done]),
      status: 'ok',
      mode: chosen === undefined ? decision.mode : 'interval',
      reasons,
      rowsRead: done.rowsRead,
    }
  }

  async #source(step: StepContext, base: StepResult): Promise<StepResult> {
    const { workspace, session, dataset } = step
    const fullRefresh = this.#input.options.fullRefresh === true
    const state = await readState(workspace.table(dataset, session), true)
    await completeHeld(workspace, session, dataset, state)
    const offer = await offerOf(step, state, fullRefresh)
    if (!fullRefresh) requireOneKind(dataset, offer, state)
    if (!fullRefresh) requireSameTypes(dataset, state)
    requireItems(offer, state)
    const sorting = await sortItems(offer, state, await this.#refusedFiles(dataset), fullRefresh)
    const fresh = sorting.fresh.length + sorting.replaced.length
    const synthetic = offer.kind === 'synthetic' ? ' (synthetic)' : ''
    const reasons = fullRefresh
      ? ['full-refresh: asked for']
      : fresh > 0
        ? [`new-files: ${fresh} of ${offer.items.length}${synthetic}`]
        : []
    if (fresh > 0) await this.#begin()
    const done: SourceResult =
      fresh > 0
        ? await runSource(step, offer, state, sorting, fullRefresh)
        : { published: [], files: knownFiles(sorting), drift: [], refused: [], kind: offer.kind }
    const refused = done.files.filter((file) => file.status === 'refused').length
    this.refused += refused
    await this.#recordFiles(dataset, done)
    const counts = published(done.published)
    const version = done.published.at(-1)?.version ?? state.snapshot?.version ?? -1
    return {
      ...base,
      ...counts,
      status: fresh === 0 && refused === 0 ? 'skipped' : 'ok',
      mode: fullRefresh ? 'full' : 'incremental',
      reasons,
      rowsRead: counts.rowsIn,
      version,
      files: done.files,
      drift: done.drift,
    }
  }

  async #refusedFiles(dataset: Dataset) {
    return refusedFiles(this.#input.journal, dataset.name)
  }

  async #recordFiles(dataset: Dataset, done: SourceResult): Promise<void> {
    const taken = done.published.flatMap((one) =>
      one.files.map((file): LedgerEntry => ({ ...file, status: 'taken', version: one.version })),
    )
    const refused = done.refused.map(
      ({ item, checksum, error }): LedgerEntry => ({
        path: item.path,
        status: 'refused',
        kind: done.kind,
        bytes: item.bytes,
        checksum,
        rows: 0,
        modifiedAt: item.modifiedAt,
        version: null,
        error,
      }),
    )
    await this.#serially((journal) => recordFiles(journal, this.#input.runId, dataset.name, [...taken, ...refused]))
  }

  /** Before anything is committed: what is found with no end to it was killed. */
  #begin(): Promise<void> {
    const { workspace, runId, options } = this.#input
    this.#started ??= this.#serially((journal) => recordStart(journal, workspace, runId, new Date().toISOString(), options.version ?? ''))
    return this.#started
  }

  #record(result: StepResult): void {
    this.recorded.add(result.dataset)
    void this.#serially(async (journal) => {
      await recordSteps(journal, this.#input.runId, [result])
      await this.#input.metrics.keep(journal, this.#input.runId)
    })
  }

  /** Those of the run itself, and of steps that had nothing to do; then, where there is one, to the Pushgateway. */
  async keepMetrics(): Promise<void> {
    const { metrics, runId, options } = this.#input
    await this.#serially((journal) => metrics.keep(journal, runId))
    await this.#serially(async (journal) => {
      for (const problem of await metrics.push(journal))
        options.observer?.onProgress?.('journal', `the metrics could not be sent: ${problem}`)
    })
  }

  /** One after the other: the journal's tables have one writer. A fact that cannot be kept does not fail the run that made it. */
  #serially(work: (journal: Journal) => Promise<void>): Promise<void> {
    this.#recording = this.#recording
      .then(() => work(this.#input.journal))
      .catch((error: unknown) => {
        this.#input.options.observer?.onProgress?.('journal', `a record could not be kept: ${messageOf(error)}`)
      })
    return this.#recording
  }
}

function isAborted({ signal }: Workspace): boolean {
  return signal?.aborted === true
}

/** A full disk or a lost lease does not mend itself within seconds. */
function retryable(error: SluiceError): boolean {
  return error.retry === 'transient' && error.code !== 'STORAGE_FULL' && !error.code.startsWith('LEASE_')
}

function knownFiles(sorting: Awaited<ReturnType<typeof sortItems>>): SourceResult['files'] {
  return [
    ...sorting.known.map(({ item, rows }) => ({ path: item.path, status: 'known' as const, rows })),
    ...sorting.refused.map(({ item, error }) => ({ path: item.path, status: 'refused' as const, rows: 0, error })),
  ]
}

function published(all: readonly Published[]) {
  const total = (count: (one: Published) => number) => all.reduce((sum, one) => sum + count(one), 0)
  return {
    rowsIn: total((one) => one.verdict.rowsIn),
    rowsAccepted: total((one) => one.verdict.rowsAccepted),
    rowsQuarantined: total((one) => one.verdict.rowsQuarantined),
    rowsWritten: total((one) => one.rowsWritten),
    rowsSuperseded: total((one) => one.rowsSuperseded),
    bytesWritten: total((one) => one.bytesWritten),
    writeMs: total((one) => one.writeMs),
    version: all.at(-1)?.version ?? -1,
    expectations: mergedResults(all.map((one) => one.verdict)),
  }
}

/** Results of several batches of one step as one: counts add up, the worst status stands. */
function mergedResults(verdicts: readonly Verdict[]): Verdict['results'] {
  const [first, ...rest] = verdicts
  if (first === undefined) return []
  const rank = { pass: 0, warn: 1, fail: 2 }
  return rest.reduce<Verdict['results']>((merged, verdict) => {
    const byName = new Map(merged.map((one) => [one.name, one]))
    for (const one of verdict.results) {
      const other = byName.get(one.name)
      const status = other === undefined || rank[one.status] > rank[other.status] ? one.status : other.status
      byName.set(one.name, {
        ...one,
        status,
        failed: one.failed + (other?.failed ?? 0),
        evaluated: one.evaluated + (other?.evaluated ?? 0),
      })
    }
    return [...byName.values()]
  }, first.results)
}

function blank(dataset: Dataset, startedAt: Date): StepResult {
  return {
    dataset: dataset.name,
    layer: dataset.layer,
    status: 'ok',
    mode: 'none',
    reasons: [],
    rowsRead: 0,
    rowsIn: 0,
    rowsAccepted: 0,
    rowsQuarantined: 0,
    rowsWritten: 0,
    rowsSuperseded: 0,
    bytesWritten: 0,
    writeMs: 0,
    startedAt: startedAt.toISOString(),
    durationMs: 0,
    version: -1,
    files: [],
    drift: [],
    expectations: [],
  }
}
