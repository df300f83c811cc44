import type { Anomalies } from '../anomaly/index.js'
import { quoteNames, quoteText, renderSql, type Session } from '../engine/index.js'
import type { ErrorDocument } from '../errors/index.js'
import type { Journal, JournalRead } from '../journal/index.js'
import type { Finding } from '../reconciliation/index.js'
import { isRelation, Timestamp } from '../schema/index.js'
import type { Sync } from '../sync/index.js'
import { operationCpu, operationMemory, operationSeconds } from '../sync/metrics.js'
import { median } from './report-metrics.js'
import { tableLabel } from './stores.js'
import { sqlContext, type Workspace } from './workspace.js'

/** What a report shows of stores and of odd rows, from the journal alone: no store is opened. Its shape is that of `report/model.ts`. */

const DAY = 86_400_000
const MONTH_DAYS = 30
const SHOWN_RUNS = 40
const SHOWN_REASONS = 5
const SHOWN_LETTERS = 5
const SHOWN_DIFFERENCES = 10
const WORST_OF_A_METHOD = 5
const SLOWEST = 12

type SyncRow = JournalRead<'syncs'>

/** Syncs, reconciliations, anomalies and operations of the project as it is now. @param now Unix milliseconds */
export async function storesModel(workspace: Workspace, session: Session, journal: Journal, now: number) {
  const { project } = workspace
  const hasSyncs = project.syncs.length > 0
  const [syncRows, reconciliationRows, anomalyRows] = [
    hasSyncs ? await journal.read('syncs', 'ORDER BY started_at DESC') : [],
    hasSyncs ? await journal.read('reconciliations', 'ORDER BY started_at DESC') : [],
    project.anomalies.length > 0 ? await journal.read('anomaly_runs', 'ORDER BY started_at DESC') : [],
  ]
  const syncs = []
  const reconciliations = []
  for (const one of project.syncs) {
    const [own, proofs] = [syncRows.filter((row) => row.sync === one.name), reconciliationRows.filter((row) => row.sync === one.name)]
    syncs.push(await describeSync(workspace, journal, one, own, proofs))
    reconciliations.push(describeReconciliation(workspace, one, proofs, own))
  }
  const anomalies = []
  for (const one of project.anomalies)
    anomalies.push(
      await describeAnomalies(
        workspace,
        session,
        one,
        anomalyRows.filter((row) => row.anomalies === one.name),
      ),
    )
  const operations = hasSyncs ? await operationsOf(workspace, journal, { syncs: syncRows, reconciliations: reconciliationRows, now }) : []
  return { syncs, reconciliations: reconciliations.filter((one) => one !== undefined), anomalies, operations }
}

async function describeSync(
  workspace: Workspace,
  journal: Journal,
  one: Sync,
  rows: readonly SyncRow[],
  proofs: readonly JournalRead<'reconciliations'>[],
) {
  const [last] = rows
  const history = rows.slice(0, SHOWN_RUNS).map((row) => ({
    status: row.status === 'failed' ? ('failed' as const) : ('ok' as const),
    mode: row.mode ?? '',
    startedAt: iso(row.started_at),
    durationMs: Number(row.duration_ms),
    rows: Number(row.rows),
    inserted: Number(row.inserted),
    updated: Number(row.updated),
    deleted: Number(row.deleted),
    deadLettered: Number(row.dead_lettered),
    ...(row.error === null ? {} : { error: JSON.parse(row.error) as ErrorDocument }),
  }))
  return {
    name: one.name,
    description: one.description,
    from: 'store' in one.from ? tableLabel(workspace.project, one.from) : one.from.name,
    to: tableLabel(workspace.project, one.to),
    runs: rows.length,
    // Newest first.
    history,
    deadLetters: last === undefined ? NO_LETTERS : await standingLetters(workspace, journal, one, rows, proofs),
  }
}

const NO_LETTERS = { rows: 0, reasons: [], samples: [], withheld: [] }

/**
 * Rows that the target refused since it was last looked at whole: that sends all that is missing, so what was refused before and is in now is
 * not counted, nor a row that was sent twice.
 */
async function standingLetters(
  workspace: Workspace,
  journal: Journal,
  one: Sync,
  rows: readonly SyncRow[],
  proofs: readonly JournalRead<'reconciliations'>[],
) {
  const whole = [
    ...rows.filter((row) => row.status === 'ok' && (row.mode === 'load' || row.mode === 'compare')).map((row) => row.started_at),
    ...proofs.filter((row) => row.repaired !== null).map((row) => row.started_at),
  ].map((at) => at?.toDate().getTime() ?? 0)
  const since = Math.max(0, ...whole)
  const letters = await journal.read(
    'dead_letters',
    `WHERE sync = ${quoteText(one.name)} AND recorded_at >= epoch_ms(${Math.floor(since)})::TIMESTAMPTZ
     QUALIFY row_number() OVER (PARTITION BY row ORDER BY recorded_at DESC) = 1 ORDER BY recorded_at DESC, row`,
  )
  const personal = personalColumns(workspace, one)
  const shown = letters.map((letter) => {
    const row = JSON.parse(letter.row ?? '{}') as Record<string, string | null>
    const secret = Object.entries(row).flatMap(([column, value]) => (personal.has(column) && value !== null ? [value] : []))
    return { row, reason: without(letter.reason ?? '', secret) }
  })
  const reasons = new Map<string, number>()
  for (const { reason } of shown) reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
  return {
    rows: letters.length,
    reasons: [...reasons]
      .map(([reason, count]) => ({ reason, rows: count }))
      .sort((left, right) => right.rows - left.rows)
      .slice(0, SHOWN_REASONS),
    samples: shown.slice(0, SHOWN_LETTERS).map(({ row, reason }) => ({
      row: Object.entries(row).flatMap(([column, value]) => (personal.has(column) ? [] : [{ column, value }])),
      reason,
    })),
    withheld: [...new Set(shown.flatMap(({ row }) => Object.keys(row).filter((column) => personal.has(column))))],
  }
}

/** What a store says of a refused row may quote it. */
function without(reason: string, secret: readonly string[]): string {
  return secret.filter((value) => value !== '').reduce((text, value) => text.replaceAll(value, 'withheld'), reason)
}

/** Columns tagged `pii` under the names that a sync's source and target have for them, also where they came by way of other syncs. */
export function personalColumns({ project }: Pick<Workspace, 'project'>, one: Sync): ReadonlySet<string> {
  const { from } = one
  const before = isRelation(from)
    ? Object.entries(from.columns).flatMap(([name, column]) => (column.tags.includes('pii') ? [name] : []))
    : project.syncs
        .filter((other) => other !== one && other.to.store === from.store && other.to.name === from.name)
        .flatMap((other) => [...personalColumns({ project }, other)])
  return new Set(before.flatMap((name) => [name, one.rename[name] ?? name]))
}

function describeReconciliation(
  workspace: Workspace,
  one: Sync,
  rows: readonly JournalRead<'reconciliations'>[],
  synced: readonly SyncRow[],
) {
  const [last] = rows
  if (last === undefined) return undefined
  const personal = personalColumns(workspace, one)
  const causes = JSON.parse(last.by_cause ?? '{}') as Record<string, number>
  const samples = JSON.parse(last.samples ?? '[]') as Finding[]
  const how = JSON.parse(last.how ?? '[]') as string[]
  const repaired = last.repaired === null ? undefined : (JSON.parse(last.repaired) as { before: { total: number } })
  const at = (time: Timestamp | null) => time?.toDate().getTime() ?? 0
  return {
    name: one.name,
    from: last.source ?? '',
    to: last.target ?? '',
    level: last.level ?? '',
    startedAt: iso(last.started_at),
    durationMs: Number(last.duration_ms),
    compared: Number(last.compared),
    differences: Number(last.differences),
    byCause: Object.entries(causes)
      .map(([cause, count]) => ({ cause, count }))
      .sort((left, right) => right.count - left.count),
    samples: samples.slice(0, SHOWN_DIFFERENCES).map(({ key, column, left, right, cause }) => ({
      key: Object.entries(key).map(([name, value]) => ({ column: name, value: personal.has(name) ? 'withheld' : value })),
      column,
      left: column !== null && personal.has(column) ? 'withheld' : left,
      right: column !== null && personal.has(column) ? 'withheld' : right,
      cause,
    })),
    how,
    ...(repaired === undefined ? {} : { repaired: repaired.before.total }),
    // What it found may be otherwise by now.
    writtenSince: synced.some(
      (row) => at(row.started_at) > at(last.started_at) && Number(row.inserted) + Number(row.updated) + Number(row.deleted) > 0,
    ),
    history: rows.slice(0, SHOWN_RUNS).map((row) => ({
      startedAt: iso(row.started_at),
      level: row.level ?? '',
      compared: Number(row.compared),
      differences: Number(row.differences),
      durationMs: Number(row.duration_ms),
    })),
  }
}

export interface Distribution {
  readonly feature: string
  readonly low: number
  readonly high: number
  readonly bars: readonly (readonly [bar: number, rows: number, found: number])[]
}

async function describeAnomalies(workspace: Workspace, session: Session, one: Anomalies, rows: readonly JournalRead<'anomaly_runs'>[]) {
  const [last] = rows
  const about = { name: one.name, dataset: one.of.name, results: one.results.name, votes: one.votes }
  const history = rows.slice(0, SHOWN_RUNS).map((row) => ({
    startedAt: iso(row.started_at),
    judged: Number(row.judged),
    found: Number(row.found),
    durationMs: Number(row.duration_ms),
  }))
  if (last === undefined) return { ...about, history, methods: [], worst: [], behind: false }
  const distribution = JSON.parse(last.distribution ?? 'null') as Distribution | null
  const table = workspace.table(one.of, session)
  const version = (await table.exists()) ? (await table.snapshot()).version : Number(last.version)
  return {
    ...about,
    history,
    methods: JSON.parse(last.methods ?? '[]') as { method: string; threshold: number; flagged: number }[],
    ...(distribution === null || personalFeatures(workspace, one).has(distribution.feature) ? {} : { distribution }),
    worst: await worstRows(workspace, session, one),
    // The dataset has changed since it was judged.
    behind: version > Number(last.version),
  }
}

/** Features that are a column tagged `pii`, or an expression that names one. */
function personalFeatures({ values }: Workspace, one: Anomalies): ReadonlySet<string> {
  const personal = Object.entries(one.of.columns).flatMap(([name, column]) => (column.tags.includes('pii') ? [name] : []))
  return new Set(
    Object.entries(one.features).flatMap(([name, feature]) => {
      const text = typeof feature === 'string' ? feature : renderSql(feature, sqlContext(values, 'named')).text
      return personal.some((column) => new RegExp(`(?<![\\w$])${escaped(column)}(?![\\w$])`, 'i').test(text)) ? [name] : []
    }),
  )
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

/** The oddest of each method: scores of two methods cannot be compared. */
async function worstRows(workspace: Workspace, session: Session, one: Anomalies) {
  const table = workspace.table(one.results, session)
  if (!(await table.exists())) return []
  const found = await session.rows(
    `SELECT * FROM (${await table.read()})
     QUALIFY row_number() OVER (PARTITION BY method ORDER BY score DESC NULLS LAST, ${quoteNames(one.key)}) <= ${WORST_OF_A_METHOD}
     ORDER BY method, score DESC NULLS LAST`,
  )
  const features = personalFeatures(workspace, one)
  const text = (value: unknown): string | null =>
    value === null || value === undefined ? null : value instanceof Timestamp ? value.toString() : String(value)
  const number = (value: unknown) => (typeof value === 'number' ? value : null)
  return found.map((row) => {
    const hidden = features.has(String(row['feature']))
    return {
      key: one.key.map((name) => ({
        column: name,
        value: one.of.columns[name]?.tags.includes('pii') === true ? 'withheld' : text(row[name]),
      })),
      method: String(row['method']),
      feature: String(row['feature'] ?? ''),
      value: hidden ? null : number(row['value']),
      score: number(row['score']),
      threshold: number(row['threshold']),
      reason: hidden ? `withheld: ${row['feature']} comes from a column tagged pii` : String(row['reason'] ?? ''),
    }
  })
}

interface OperationRows {
  readonly syncs: readonly SyncRow[]
  readonly reconciliations: readonly JournalRead<'reconciliations'>[]
  readonly now: number
}

/** What syncs and reconciliations of the last 30 days cost, the one with the longest first. */
async function operationsOf(workspace: Workspace, journal: Journal, { syncs, reconciliations, now }: OperationRows) {
  const { project } = workspace
  const recent = (row: { readonly started_at: Timestamp | null }) => (row.started_at?.toDate().getTime() ?? 0) >= now - MONTH_DAYS * DAY
  const gauges = await lastGauges(journal)
  const of = (operation: string, store: string, rows: readonly { readonly ms: number; readonly rows: number }[]) => {
    const gauge = (metric: string) => gauges.find((one) => one.metric === metric && one.operation === operation && one.store === store)
    const all = rows.map((row) => row.ms)
    return {
      operation,
      store,
      times: rows.length,
      lastMs: rows[0]?.ms ?? 0,
      usualMs: median(all) ?? 0,
      longestMs: Math.max(0, ...all),
      rows: rows.reduce((sum, row) => sum + row.rows, 0),
      cpu: gauge(operationCpu.definition.name)?.value ?? null,
      memory: gauge(operationMemory.definition.name)?.value ?? null,
    }
  }
  const operations = project.syncs.flatMap((one) => {
    const [own, proofs] = [
      syncs.filter((row) => row.sync === one.name && recent(row)),
      reconciliations.filter((row) => row.sync === one.name && recent(row)),
    ]
    const batch = gauges.find(
      (gauge) =>
        gauge.metric === operationSeconds.definition.name && gauge.operation === `sync ${one.name}` && gauge.store === one.to.store.kind,
    )
    return [
      {
        ...of(
          `sync ${one.name}`,
          one.to.store.kind,
          own.map((row) => ({ ms: Number(row.duration_ms), rows: Number(row.rows) })),
        ),
        // Without a batch, it is the time of all.
        batchMs: batch === undefined || Number(own[0]?.rows ?? 0) === 0 ? null : batch.value * 1000,
        mismatches: 0,
        errors: own.reduce((sum, row) => sum + (row.status === 'failed' ? 1 : 0) + Number(row.dead_lettered), 0),
      },
      {
        ...of(
          `reconcile ${one.name}`,
          one.to.store.kind,
          proofs.map((row) => ({ ms: Number(row.duration_ms), rows: Number(row.compared) })),
        ),
        batchMs: null,
        mismatches: proofs.reduce((sum, row) => sum + Number(row.differences), 0),
        errors: 0,
      },
    ]
  })
  return operations
    .filter((one) => one.times > 0)
    .sort((one, other) => other.longestMs - one.longestMs)
    .slice(0, SLOWEST)
}

async function lastGauges(journal: Journal) {
  const metrics = [operationSeconds, operationCpu, operationMemory].map(({ definition }) => quoteText(definition.name)).join(', ')
  const found = await journal.select(
    'metric_samples',
    (samples) => `
      SELECT metric, json_extract_string(labels, '$.store') AS store, json_extract_string(labels, '$.operation') AS operation,
        arg_max(value, recorded_at) AS value
      FROM ${samples} WHERE metric IN (${metrics}) GROUP BY ALL`,
  )
  return found.map((row) => ({
    metric: String(row['metric']),
    store: String(row['store']),
    operation: String(row['operation']),
    value: Number(row['value']),
  }))
}

function iso(time: Timestamp | null): string {
  return time === null ? '' : time.toDate().toISOString()
}
