import { type Anomalies, type Calibration, calibrate, detect } from '../anomaly/index.js'
import { quoteName, renderSql, type Session } from '../engine/index.js'
import { ANOMALIES_NOTHING_TO_JUDGE, ANOMALIES_UNKNOWN, failure } from '../errors/index.js'
import { openJournal } from '../journal/index.js'
import { span } from '../observability/index.js'
import { fieldsOf, Timestamp } from '../schema/index.js'
import { DeltaTable } from '../table/index.js'
import { cpuMeter, memoryShare, type Operation } from './operations.js'
import { newRunId } from './run.js'
import { RunMetrics } from './run-metrics.js'
import { openStores } from './stores.js'
import { keepAfter } from './sync.js'
import { sqlContext, type Workspace } from './workspace.js'

/** One search for odd rows, as `sluice anomaly run --json` prints it. */
export interface AnomalyResult {
  readonly name: string
  readonly dataset: string
  /** Where the results are: `_anomalies.odd_trips`. */
  readonly results: string
  readonly judged: number
  readonly found: number
  readonly methods: readonly { readonly method: string; readonly threshold: number; readonly flagged: number }[]
  /** Some of the oddest. */
  readonly samples: readonly Readonly<Record<string, unknown>>[]
  readonly durationMs: number
}

export interface CalibrationResult extends Calibration {
  readonly name: string
  readonly dataset: string
}

/** Throws ANOMALIES_UNKNOWN. */
export function selectAnomalies({ project }: Workspace, names: readonly string[]): readonly Anomalies[] {
  const known = project.anomalies.map((one) => one.name)
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) throw failure(ANOMALIES_UNKNOWN, { name: unknown, known })
  return names.length === 0 ? project.anomalies : project.anomalies.filter((one) => names.includes(one.name))
}

/**
 * Looks for odd rows in whole datasets and keeps what is found in the lake, in place of what was found before.
 * Throws ANOMALIES_UNKNOWN, ANOMALIES_NOTHING_TO_JUDGE, ENGINE_SQL_INVALID, LEASE_HELD.
 */
export async function runAnomalies(
  workspace: Workspace,
  names: readonly string[],
  report: (name: string, progress: string) => void = () => {},
): Promise<AnomalyResult[]> {
  const chosen = selectAnomalies(workspace, names)
  const lease = await workspace.takeLease({ purpose: 'sluice anomaly run' })
  const runId = newRunId()
  const stores = openStores(workspace)
  try {
    const session = await workspace.connect()
    const journal = await openJournal(workspace.lake, workspace.storage, session)
    const metrics = new RunMetrics(workspace)
    const results: AnomalyResult[] = []
    const operations: Operation[] = []
    for (const one of chosen) {
      const [started, cpu] = [new Date(), cpuMeter()]
      report(one.name, `judging ${one.of.name}`)
      const { select, version } = await judgedRows(workspace, session, one)
      const options = { context: sqlContext(workspace.values), signal: workspace.signal }
      const found = await span(`anomalies ${one.name}`, {}, () => detect(session, select, one, options))
      await lease.check()
      await keep(workspace, session, one, found.relation)
      const samples = await session.rows(`SELECT * FROM ${found.relation} ORDER BY score DESC LIMIT 10`)
      const durationMs = Date.now() - started.getTime()
      const result: AnomalyResult = {
        name: one.name,
        dataset: one.of.name,
        results: one.results.name,
        judged: found.judged,
        found: found.found,
        methods: found.methods,
        samples,
        durationMs,
      }
      results.push(result)
      metrics.anomalies(result)
      const operation: Operation = {
        at: new Date(),
        store: 'lake',
        operation: `anomalies ${one.name}`,
        cpu: cpu(),
        memory: memoryShare(),
        latencyMs: durationMs,
        rows: found.judged,
        mismatches: 0,
        errors: 0,
      }
      operations.push(operation)
      metrics.operation(operation)
      await journal.append('anomaly_runs', [
        {
          run_id: runId,
          anomalies: one.name,
          dataset: one.of.name,
          version,
          judged: found.judged,
          found: found.found,
          methods: JSON.stringify(found.methods),
          distribution: JSON.stringify(await distribution(workspace, session, one, select, found.relation)),
          started_at: Timestamp.fromDate(started),
          duration_ms: durationMs,
        },
      ])
    }
    await keepAfter(workspace, stores, journal, metrics, runId, operations, [], (problem) => report('records', problem))
    return results
  } finally {
    await stores.close()
    await workspace.close().catch(() => {})
    await lease.release()
  }
}

/** What each method would flag in what there is, and at which threshold it would flag a wanted share. Writes nothing. */
export async function calibrateAnomalies(
  workspace: Workspace,
  names: readonly string[],
  wantedShare: number,
): Promise<CalibrationResult[]> {
  const chosen = selectAnomalies(workspace, names)
  try {
    const session = await workspace.connect()
    const results: CalibrationResult[] = []
    for (const one of chosen) {
      const { select } = await judgedRows(workspace, session, one)
      const options = { context: sqlContext(workspace.values), signal: workspace.signal, wantedShare }
      results.push({ name: one.name, dataset: one.of.name, ...(await calibrate(session, select, one, options)) })
    }
    return results
  } finally {
    await workspace.close()
  }
}

async function judgedRows(workspace: Workspace, session: Session, one: Anomalies): Promise<{ select: string; version: number }> {
  const table = workspace.table(one.of, session)
  if (!(await table.exists())) throw failure(ANOMALIES_NOTHING_TO_JUDGE, { name: one.name, dataset: one.of.name }, { place: one.place })
  const snapshot = await table.snapshot()
  return { select: await table.select(snapshot), version: snapshot.version }
}

async function keep(workspace: Workspace, session: Session, one: Anomalies, relation: string): Promise<void> {
  const definition = { fields: fieldsOf(one.results.columns), description: `What ${one.name} found in ${one.of.name}.` }
  const table = workspace.table(one.results, session)
  const { storage } = workspace
  if (!(await table.exists())) await DeltaTable.create(table.path, definition, { storage, session })
  const columns = definition.fields.map(({ name }) => quoteName(name)).join(', ')
  await table.overwrite(`SELECT ${columns} FROM ${relation}`, { definition })
}

const BARS = 40

/** The first feature in 40 steps between its 0.1st and 99.9th percentile: how many rows lie in each, and how many of them were found. */
async function distribution(workspace: Workspace, session: Session, one: Anomalies, select: string, relation: string) {
  const [name, feature] = Object.entries(one.features)[0] ?? []
  if (name === undefined || feature === undefined) return null
  const value =
    typeof feature === 'string'
      ? `${quoteName(feature)}::DOUBLE`
      : `TRY((${renderSql(feature, sqlContext(workspace.values)).text}\n)::DOUBLE)`
  const keys = one.key.map((key) => `r.${quoteName(key)} = f.${quoteName(key)}`).join(' AND ')
  const odd = `EXISTS (SELECT 1 FROM ${relation} AS r WHERE ${keys})`
  const wanted = one.key.map(quoteName).join(', ')
  const values = `SELECT ${wanted}, v FROM (SELECT *, ${value} AS v FROM (${select})) WHERE v IS NOT NULL AND abs(v) < 1e150`
  const rows = await session.rows(`
    WITH f AS MATERIALIZED (${values}), b AS (SELECT quantile_cont(v, 0.001) AS low, quantile_cont(v, 0.999) AS high FROM f)
    SELECT low, high, least(greatest(floor((v - low) / nullif(high - low, 0) * ${BARS}), 0), ${BARS - 1})::INTEGER AS bar, count(*) AS n, count(*) FILTER (WHERE ${odd}) AS found
    FROM f, b WHERE high > low GROUP BY ALL ORDER BY bar`)
  const [first] = rows
  if (first === undefined) return null
  return {
    feature: name,
    low: Number(first['low']),
    high: Number(first['high']),
    bars: rows.map((row) => [Number(row['bar']), Number(row['n']), Number(row['found'])]),
  }
}
