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

export interface ReportSyncRun {
  readonly status: 'ok' | 'failed'
  /** `load`, `changes`, `cursor`, `compare`, `nothing` */
  readonly mode: string
  readonly startedAt: string
  readonly durationMs: number
  /** Rows that were sent. */
  readonly rows: number
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
  readonly deadLettered: number
  readonly error?: ReportFailure
}

/** Values of columns tagged `pii` are taken out before they reach this page. */
export interface ReportCell {
  readonly column: string
  readonly value: string | null
}

export interface ReportSync {
  readonly name: string
  readonly description: string
  readonly from: string
  readonly to: string
  /** How often it ran in all. */
  readonly runs: number
  /** Newest first; empty when it never ran. */
  readonly history: readonly ReportSyncRun[]
  /** Rows that the target does not take, and so lacks. */
  readonly deadLetters: {
    readonly rows: number
    /** The most frequent. */
    readonly reasons: readonly { readonly reason: string; readonly rows: number }[]
    readonly samples: readonly { readonly row: readonly ReportCell[]; readonly reason: string }[]
    readonly withheld: readonly string[]
  }
}

export interface ReportReconciliation {
  /** The sync's. */
  readonly name: string
  readonly from: string
  readonly to: string
  /** `count`, `digest`, `rows` */
  readonly level: string
  readonly startedAt: string
  readonly durationMs: number
  readonly compared: number
  readonly differences: number
  readonly byCause: readonly { readonly cause: string; readonly count: number }[]
  readonly samples: readonly {
    readonly key: readonly ReportCell[]
    /** Null when the whole row is on one side only. */
    readonly column: string | null
    readonly left: string | null
    readonly right: string | null
    readonly cause: string
  }[]
  /** What was done, and why, in words. */
  readonly how: readonly string[]
  /** Differences that it found and repaired; `differences` are those that were left. */
  readonly repaired?: number
  /** The sync has written to the target afterwards. */
  readonly writtenSince: boolean
  /** Newest first. */
  readonly history: readonly {
    readonly startedAt: string
    readonly level: string
    readonly compared: number
    readonly differences: number
    readonly durationMs: number
  }[]
}

export interface ReportAnomalies {
  readonly name: string
  readonly dataset: string
  /** Where all that was found stands. */
  readonly results: string
  /** How many methods must flag a row. */
  readonly votes: number
  /** Newest first; empty when it never ran. */
  readonly history: readonly {
    readonly startedAt: string
    readonly judged: number
    readonly found: number
    readonly durationMs: number
  }[]
  readonly methods: readonly { readonly method: string; readonly threshold: number; readonly flagged: number }[]
  /** Of the first feature; absent where it has no two values, or may not be shown. */
  readonly distribution?: ReportDistribution
  /** The oddest of each method, odd ones first. */
  readonly worst: readonly {
    readonly key: readonly ReportCell[]
    readonly method: string
    readonly feature: string
    readonly value: number | null
    readonly score: number | null
    readonly threshold: number | null
    readonly reason: string
  }[]
  /** The dataset has changed since it was judged. */
  readonly behind: boolean
}

/** Forty equally wide bars from `low` to `high`, those without rows left out; what lies beyond is in the outermost. */
export interface ReportDistribution {
  readonly feature: string
  readonly low: number
  readonly high: number
  readonly bars: readonly (readonly [bar: number, rows: number, found: number])[]
}

/** What an operation on a store cost in the last 30 days. */
export interface ReportOperation {
  /** `sync trips_to_warehouse` */
  readonly operation: string
  /** The store's kind. */
  readonly store: string
  readonly times: number
  readonly lastMs: number
  readonly usualMs: number
  readonly longestMs: number
  /** One batch, on average, when it last ran; null where it has none. */
  readonly batchMs: number | null
  /** Written or compared, all times together. */
  readonly rows: number
  /** Shares of the machine's, 0 to 1, when it last ran; null where they were not kept. */
  readonly cpu: number | null
  readonly memory: number | null
  readonly mismatches: number
  readonly errors: number
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
  /** Those of the project, in order of dependency. */
  readonly syncs: readonly ReportSync[]
  /** The last of each sync that was proved. */
  readonly reconciliations: readonly ReportReconciliation[]
  readonly anomalies: readonly ReportAnomalies[]
  /** The slowest first. */
  readonly operations: readonly ReportOperation[]
  readonly metrics: ReportMetrics
  readonly alerts: ReportAlerts
}
