import type { Alert, Conditions, Duration, Severity } from '../observability/index.js'
import { not, watchdog } from '../observability/index.js'
import { type DatasetAlertOptions, quarantineShareHigh } from '../quality/metrics.js'
import { storeDiffers } from '../reconciliation/metrics.js'
import { schemaDrifted } from '../sources/metrics.js'
import { lastSyncFailed, rowsRefused } from '../sync/metrics.js'
import { datasetFailed, datasetSlow, datasetStale, datasetUnchanged, lastRunFailed, runsAbsent } from './metrics.js'

/** The alerts that every project has, and how a project changes them. */

const DEFAULTS = {
  RunFailed: lastRunFailed,
  RunsUnknown: runsAbsent,
  DatasetFailed: datasetFailed,
  DatasetStale: datasetStale,
  DatasetUnchanged: datasetUnchanged,
  DatasetSlow: datasetSlow,
  QuarantineShareHigh: quarantineShareHigh,
  SchemaDrifted: schemaDrifted,
  SyncFailed: lastSyncFailed,
  RowsRefused: rowsRefused,
  StoreDiffers: storeDiffers,
} satisfies Readonly<Record<string, (options: DatasetAlertOptions) => Alert>>

export type DefaultAlert = keyof typeof DEFAULTS

const TUNING = Symbol.for('sluice.alert-tuning')

export interface Tuning {
  readonly [TUNING]: true
  readonly alert: DefaultAlert
  /** Empty: all. */
  readonly datasets: readonly string[]
  /** Why it is not wanted; undefined for one that is only changed. */
  readonly silenced: string | undefined
  readonly options: TuningOptions
}

export interface TuningOptions {
  /** In the alert's own measure: `docs/monitoring.md` lists them. */
  readonly threshold?: number
  readonly for?: Duration
  readonly severity?: Severity
  readonly owner?: string
}

/** `tune('DatasetSlow', { threshold: 5, severity: 'info' }, 'silver.trips')`, exported from `monitors/`; without datasets, for all. */
export function tune(name: DefaultAlert, options: TuningOptions, ...datasets: string[]): Tuning {
  return { [TUNING]: true, alert: name, datasets, silenced: undefined, options }
}

/** `silence('DatasetUnchanged', 'The zones change once a year.', 'silver.zones')`, exported from `monitors/`; without datasets, for all. */
export function silence(name: DefaultAlert, reason: string, ...datasets: string[]): Tuning {
  return { [TUNING]: true, alert: name, datasets, silenced: reason, options: {} }
}

export function isTuning(value: unknown): value is Tuning {
  return typeof value === 'object' && value !== null && TUNING in value
}

/** Datasets with what all that is said of each comes to: silenced once is silenced; those that come to the same are one rule. */
function alike(datasets: readonly string[], tunings: readonly Tuning[]): { readonly datasets: string[]; readonly own: TuningOptions }[] {
  const found = new Map<string, { datasets: string[]; own: TuningOptions }>()
  for (const dataset of new Set(datasets)) {
    const about = tunings.filter((one) => one.datasets.includes(dataset))
    if (about.some((one) => one.silenced !== undefined)) continue
    const own = Object.assign({}, ...about.map((one) => one.options)) as TuningOptions
    const key = JSON.stringify(Object.entries(own).sort(([left], [right]) => (left < right ? -1 : 1)))
    const one = found.get(key) ?? { datasets: [], own }
    one.datasets.push(dataset)
    found.set(key, one)
  }
  return [...found.values()]
}

/** Alerts about a run as a whole, or about syncs: naming datasets for them says nothing. */
export const RUN_ALERTS: readonly DefaultAlert[] = ['RunFailed', 'RunsUnknown', 'SyncFailed', 'RowsRefused', 'StoreDiffers']

/** The default alerts as the project wants them. Where some datasets are tuned, the rule for the others leaves them out. */
export function defaultAlerts(tunings: readonly Tuning[]): Alert[] {
  const alerts = (Object.keys(DEFAULTS) as DefaultAlert[]).flatMap((name) => {
    const own = tunings.filter((one) => one.alert === name)
    const general = own.filter((one) => one.datasets.length === 0)
    const special = own.filter((one) => one.datasets.length > 0)
    const options = Object.assign({}, ...general.map((one) => one.options)) as TuningOptions
    const apart = special.flatMap((one) => one.datasets)
    const others: Conditions<{ readonly dataset: string }> = apart.length === 0 ? {} : { dataset: not(...new Set(apart)) }
    return [
      ...(general.some((one) => one.silenced !== undefined) ? [] : [DEFAULTS[name]({ datasets: others, ...options })]),
      ...alike(apart, special).map(({ datasets, own: theirs }) =>
        DEFAULTS[name]({ datasets: { dataset: datasets }, ...options, ...theirs }),
      ),
    ]
  })
  return [...alerts, watchdog()]
}
