/** What a report is drawn from: run records, already read from the journal. Nothing here touches a table, a clock or a disk. */

export type StepStatus = 'ok' | 'skipped' | 'failed' | 'blocked' | 'cancelled'
export type RunStatus = 'ok' | 'failed' | 'cancelled' | 'interrupted'

export interface ReportFailure {
  readonly code: string
  readonly message: string
  readonly hint: string
}

export interface ReportExpectation {
  readonly name: string
  readonly description: string
  readonly action: 'warn' | 'quarantine' | 'fail'
  readonly severity: string
  readonly status: 'pass' | 'warn' | 'fail'
  readonly failed: number
  readonly evaluated: number
}

export interface ReportFile {
  readonly path: string
  readonly status: 'taken' | 'known' | 'refused'
  readonly rows: number
  readonly note?: string
  readonly error?: ReportFailure
}

export interface ReportDrift {
  readonly column: string
  readonly change: 'missing' | 'extra' | 'retyped' | 'reordered'
  readonly expected: string
  readonly arrived: string
  readonly policy: string
  readonly file: string
}

export interface ReportStep {
  readonly dataset: string
  readonly layer: string
  readonly status: StepStatus
  /** Why it ran, or why not: `new-files: 24 files`, `upstream-changed: bronze.raw_trips`. */
  readonly reasons: readonly string[]
  readonly rowsRead: number
  readonly rowsIn: number
  readonly rowsAccepted: number
  readonly rowsQuarantined: number
  readonly rowsWritten: number
  readonly bytesWritten: number
  readonly startedAt: string
  readonly durationMs: number
  readonly version: number
  readonly error?: ReportFailure
  readonly files: readonly ReportFile[]
  readonly drift: readonly ReportDrift[]
  readonly expectations: readonly ReportExpectation[]
}

export interface ReportSample {
  readonly dataset: string
  readonly expectation: string
  /** The command that explains the rows held under this expectation. */
  readonly explain: string
  /** Column names of `rows`; columns tagged `pii` are left out before they reach this page. */
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (string | null)[])[]
  /** Names of the columns that were left out because they are tagged `pii`. */
  readonly withheld: readonly string[]
}

export interface ReportColumnProfile {
  readonly column: string
  readonly type: string
  readonly unit?: string
  readonly pii: boolean
  /** Of the table's rows, also where the rest was measured on a sample. */
  readonly nulls: number
  /** Approximate; null where it was not measured. */
  readonly distinct: number | null
  readonly min: string | null
  readonly max: string | null
  readonly mean: string | null
  /** Counts of equally wide buckets from min to max; empty for columns that are not numbers. */
  readonly histogram: readonly number[]
}

export interface ReportDataset {
  readonly name: string
  readonly layer: string
  readonly description: string
  /** Names of the datasets it reads. */
  readonly reads: readonly string[]
  /** Where its rows come from when that is not another dataset: `files ../data/*.csv`, `generator nyc-taxi (synthetic)`. */
  readonly source?: string
  /** True when the table holds generated rows: the page must say so wherever it shows them. */
  readonly synthetic: boolean
  readonly rows: number
  readonly bytes: number
  readonly files: number
  readonly version: number
  readonly held: number
  /** Rows the profile was measured on (a sample when fewer than `rows`). */
  readonly profiledRows: number
  readonly profile: readonly ReportColumnProfile[]
}

export interface ReportPastRun {
  readonly runId: string
  readonly status: RunStatus
  readonly startedAt: string
  readonly durationMs: number
  readonly rowsWritten: number
  readonly rowsQuarantined: number
}

/** A value at a moment. `at` is in Unix milliseconds. */
export interface ReportPoint {
  readonly at: number
  readonly value: number
}

/** Kept samples, already thinned. What a run did stands at its moment; what a table weighs holds until the next point. */
export interface ReportMetrics {
  /** Unix milliseconds: the first sample, no older than 90 days, and when the page was drawn. */
  readonly from: number
  readonly to: number
  readonly runSeconds: readonly ReportPoint[]
  readonly rowsWritten: readonly ReportPoint[]
  readonly datasets: readonly {
    readonly dataset: string
    /** 0 to 1, of the rows that a step brought to its gate. */
    readonly quarantinedShare: readonly ReportPoint[]
    readonly bytes: readonly ReportPoint[]
    readonly files: readonly ReportPoint[]
  }[]
}

/** Shares are of all time that steps took: steps run side by side, so that is more than the run's own. */
export interface ReportSlowest {
  readonly run: readonly {
    readonly dataset: string
    readonly durationMs: number
    readonly share: number
    /** The median of its other steps of 30 days; null when there are none. */
    readonly usualMs: number | null
  }[]
  /** Of the last 30 days. */
  readonly month: readonly {
    readonly dataset: string
    readonly steps: number
    readonly totalMs: number
    readonly share: number
    readonly usualMs: number
    readonly longestMs: number
  }[]
}

/** Times are Unix milliseconds. */
export interface ReportAlerts {
  readonly judgedAt: number
  /** How many alerts were judged. */
  readonly watched: number
  readonly firing: readonly {
    readonly alert: string
    readonly severity: string
    /** The dataset; empty when it is about none. */
    readonly about: string
    readonly summary: string
    readonly description: string
    readonly since: number
  }[]
  /** What fired before, newest first; undefined where nobody asked: replaying takes seconds. */
  readonly past?: {
    readonly from: number
    readonly alerts: readonly {
      readonly alert: string
      readonly severity: string
      readonly times: number
      readonly firingMs: number
      readonly lastAt: number
      /** Datasets, each once; empty when it is about none. */
      readonly about: readonly string[]
    }[]
  }
  /** What `sluice monitor` held at its last turn; null when it never ran. */
  readonly monitor: { readonly turnedAt: number; readonly firing: readonly string[]; readonly pending: readonly string[] } | null
}

export interface ReportModel {
  readonly project: string
  readonly sluiceVersion: string
  readonly lake: string
  readonly run: {
    readonly runId: string
    readonly status: RunStatus
    readonly startedAt: string
    readonly durationMs: number
    readonly error?: ReportFailure
    readonly environment: string
    /** Secrets never reach this list. */
    readonly variables: readonly { readonly name: string; readonly value: string }[]
  }
  readonly steps: readonly ReportStep[]
  readonly datasets: readonly ReportDataset[]
  readonly samples: readonly ReportSample[]
  /** Newest first; includes this run. */
  readonly history: readonly ReportPastRun[]
  readonly slowest: ReportSlowest
  readonly metrics: ReportMetrics
  readonly alerts: ReportAlerts
}
