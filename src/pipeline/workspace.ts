import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { duckdb, type Engine, type Session, type SqlContext } from '../engine/index.js'
import { ENGINE_SETTING_WRONG, failure, STORAGE_UNSUPPORTED } from '../errors/index.js'
import { createJournal, type Lease, type LeaseOptions, takeLease } from '../journal/index.js'
import { givenValue, isSecret, isVariable, type Relation, readSecret, type VariableValues } from '../schema/index.js'
import type { SourceContext } from '../sources/index.js'
import { localStorage, type Storage } from '../storage/index.js'
import { DeltaTable } from '../table/index.js'
import type { EngineSettings } from './config.js'
import type { Dataset } from './dataset.js'
import { findProject, loadProject, type Project, settingsOf } from './project.js'

export interface WorkspaceOptions {
  /** Default: the nearest project from the current folder upwards. */
  readonly project?: string
  readonly environment?: string
  /** Instead of the project's own; relative to the current folder. */
  readonly lake?: string
  /** Variables as text, by name. */
  readonly variables?: Readonly<Record<string, string>>
  readonly currentFolder?: string
  readonly signal?: AbortSignal
}

/** A project with its values, its lake and its engine: what every command that touches a project works on. */
export interface Workspace {
  readonly project: Project
  readonly values: VariableValues
  readonly environment: string
  /** Absolute. */
  readonly lake: string
  readonly storage: Storage
  readonly currentFolder: string
  readonly fromCommandLine: ReadonlySet<string>
  readonly signal: AbortSignal | undefined
  /** A session that ends its statement when the command is interrupted, unless it has to end well whatever happens. */
  connect(until?: 'interrupted' | 'whatever happens'): Promise<Session>
  table(dataset: { readonly name: string }, session: Session): DeltaTable
  /** Makes this process the lake's one writer. Throws LEASE_HELD, STORAGE_DENIED. */
  takeLease(options: LeaseOptions): Promise<Lease>
  /** Makes this process the one that writes to the stores of the lake's syncs. Throws LEASE_HELD. */
  takeSyncLease(purpose: string): Promise<Lease>
  sourceContext(report: (progress: string) => void, taken: Iterable<string>): SourceContext
  close(): Promise<void>
}

/** Throws PROJECT_*, VARIABLE_*, and ProjectProblems. */
export async function openWorkspace(options: WorkspaceOptions = {}): Promise<Workspace> {
  const currentFolder = options.currentFolder ?? process.cwd()
  const folder = findProject(options.project === undefined ? currentFolder : resolve(currentFolder, options.project))
  const project = await loadProject(folder)
  const { values, settings } = settingsOf(project, options.environment, options.variables ?? {})
  const configured = isSecret(settings.lake) ? readSecret(settings.lake) : settings.lake
  const lake = lakePath(options.lake === undefined ? resolveIn(folder, configured) : resolveIn(currentFolder, options.lake))
  const storage = localStorage()
  let engine: Engine | undefined
  let temporary = join(tmpdir(), `sluice-${process.pid}-${randomUUID()}`)
  return {
    project,
    values,
    environment: options.environment ?? 'default',
    lake,
    storage,
    currentFolder,
    fromCommandLine: new Set(Object.keys(options.variables ?? {})),
    signal: options.signal,
    connect(until = 'interrupted') {
      engine ??= duckdb({ ...engineSettings(settings.engine ?? {}), temporaryFolder: temporary })
      return engine.connect(until === 'interrupted' ? options.signal : undefined)
    },
    table: (dataset, session) => DeltaTable.at(`${lake}/${dataset.name.replace('.', '/')}`, { storage, session }),
    async takeLease(lease) {
      await createJournal(lake, storage)
      const taken = await takeLease(lake, storage, lease)
      // Large temporary files belong on the lake's disk; those of a killed writer are nobody's now.
      await rm(`${lake}/_sluice/tmp`, { recursive: true, force: true })
      temporary = `${lake}/_sluice/tmp/${randomUUID()}`
      return taken
    },
    async takeSyncLease(purpose) {
      await createJournal(lake, storage)
      const taken = await takeLease(lake, storage, { purpose, name: 'sync' })
      // Rows that are compared are large, and belong on the lake's disk; a folder of this process alone, as a run may be going on.
      temporary = `${lake}/_sluice/tmp-sync/${randomUUID()}`
      await rm(`${lake}/_sluice/tmp-sync`, { recursive: true, force: true })
      return taken
    },
    sourceContext: (report, taken) => ({
      projectFolder: folder,
      currentFolder,
      values,
      fromCommandLine: new Set(Object.keys(options.variables ?? {})),
      cacheFolder: join(folder, '.sluice', 'cache'),
      taken,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      report,
    }),
    async close() {
      await engine?.close()
      engine = undefined
    },
  }
}

function resolveIn(folder: string, path: string): string {
  return isAbsolute(path) || path.includes('://') ? path : resolve(folder, path)
}

function lakePath(path: string): string {
  if (path.includes('://')) throw failure(STORAGE_UNSUPPORTED, { location: path })
  return path.replace(/\/+$/, '')
}

function engineSettings(settings: EngineSettings): { memory?: string; threads?: number } {
  const memory = process.env['SLUICE_MEMORY'] ?? settings.memory
  const threads = process.env['SLUICE_THREADS'] === undefined ? settings.threads : Number(process.env['SLUICE_THREADS'])
  if (memory !== undefined && !/^\d+(\.\d+)?\s*([KMGT]i?B)$/i.test(memory))
    throw failure(ENGINE_SETTING_WRONG, { setting: 'memory', value: memory })
  if (threads !== undefined && !(Number.isInteger(threads) && threads > 0))
    throw failure(ENGINE_SETTING_WRONG, { setting: 'threads', value: String(threads) })
  return { ...(memory === undefined ? {} : { memory }), ...(threads === undefined ? {} : { threads }) }
}

/** The name under which a session knows a dataset's rows. */
export function relationName(relation: Pick<Relation, 'name'>): string {
  return `"${relation.name}"`
}

/** The name under which a session knows a dataset's rows that were added since they were last read. */
export function changedName(relation: Pick<Relation, 'name'>): string {
  return `"${relation.name} (changed)"`
}

export function sqlContext(values: VariableValues, secrets: SqlContext['secrets'] = 'read'): SqlContext {
  return { relation: relationName, changed: changedName, values, secrets }
}

/** The values of variables, for people and records. Secrets are no variables, so none is among them. */
export function shownVariables(workspace: Workspace): { name: string; value: string }[] {
  return Object.values(workspace.project.variables)
    .filter(isVariable)
    .map((one) => ({ name: one.name, value: String(givenValue(one, workspace.values) ?? '') }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

export function datasetNamed(workspace: Workspace, name: string): Dataset | undefined {
  return workspace.project.datasets.find((one) => one.name === name || one.name.split('.')[1] === name)
}

/** Where metrics are pushed; undefined when nowhere. A secret that is not set is nowhere, as on a developer's machine. */
export function pushgatewayOf({ project }: Workspace): string | undefined {
  const { pushgateway } = project.config
  if (!isSecret(pushgateway)) return pushgateway ?? (process.env['PUSHGATEWAY_URL'] || undefined)
  return process.env[pushgateway.name] ? readSecret(pushgateway) : undefined
}
