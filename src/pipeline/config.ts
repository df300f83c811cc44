import type { Duration } from '../observability/index.js'
import type { Secret, VariableValue } from '../schema/index.js'
import type { Store, StoreTable } from '../stores/index.js'

export const PROJECT = Symbol.for('sluice.project')

export interface EngineSettings {
  /** `512MB`, `4GB`. Default 1GB, or SLUICE_MEMORY. */
  readonly memory?: string
  /** Default: the machine's processors, or SLUICE_THREADS. */
  readonly threads?: number
}

/** What an environment (`--env prod`) changes. */
export interface EnvironmentSettings {
  readonly lake?: string | Secret
  readonly variables?: Readonly<Record<string, VariableValue>>
  readonly engine?: EngineSettings
}

export interface ProjectSettings extends EnvironmentSettings {
  readonly name: string
  /** Where the tables lie; a relative path is relative to the project. `env('LAKE')` takes it from the environment. */
  readonly lake: string | Secret
  readonly environments?: Readonly<Record<string, EnvironmentSettings>>
  /** Databases outside the lake, by the names under which commands and files know them. */
  readonly stores?: Readonly<Record<string, Store>>
  /** Tables of a store in which what each operation on a store cost, and each batch of a sync, is written down; made when they are not there. */
  readonly records?: { readonly operations?: StoreTable; readonly batches?: StoreTable }
  /** How often datasets are meant to be brought up to date, unless one says otherwise: alerts on staleness go by it. Default `1d`. */
  readonly every?: Duration
  /** Where each run's metrics are pushed when it ends; default the environment's PUSHGATEWAY_URL. */
  readonly pushgateway?: string | Secret
  /** Where the pages of alerts are, for links in alerts: each has its name after it. Default `sluice serve` on this machine. */
  readonly runbookUrl?: string
}

export interface ProjectConfig extends ProjectSettings {
  readonly [PROJECT]: true
}

/** The default export of `sluice.config.ts`. */
export function defineProject(settings: ProjectSettings): ProjectConfig {
  return { [PROJECT]: true, ...settings }
}

export function isProjectConfig(value: unknown): value is ProjectConfig {
  return typeof value === 'object' && value !== null && PROJECT in value
}
