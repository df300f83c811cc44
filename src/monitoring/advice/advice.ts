/** What could be better, said only where figures show it. An adviser reads facts and touches nothing. */

export type Impact = 'high' | 'medium' | 'low'
export type Unit = 'bytes' | 'rows' | 'files' | 'seconds' | 'share' | 'count'

/** A figure that was measured. A share is 0 to 1. */
export interface Evidence {
  readonly what: string
  readonly value: number
  readonly unit: Unit
}

export interface Advice {
  /** The adviser's: `compaction`. */
  readonly id: string
  /** The dataset, the sync, the search for anomalies, or the table of a store: `warehouse.taxi_trips`. */
  readonly about: string
  readonly title: string
  readonly evidence: readonly Evidence[]
  /** What would be otherwise. */
  readonly expected: string
  /** The command or the code to write. */
  readonly how: string
  readonly impact: Impact
  /** What can be tried on a copy of the table. */
  readonly trial?: Trial
}

/** A change that can be made to a copy, and the read that it should make cheaper. */
export type Trial =
  | { readonly change: 'optimize' }
  | { readonly change: 'z-order'; readonly columns: readonly string[] }
  | { readonly change: 'partition'; readonly columns: readonly string[]; readonly filter?: string }
  | { readonly change: 'checkpoint' }
  /** On a temporary table of the store. */
  | {
      readonly change: 'index'
      readonly store: string
      readonly table: string
      readonly columns: readonly string[]
      readonly statement: string
    }
  /** Writes rows into a table like the sync's target, one way and the other. */
  | { readonly change: 'sync'; readonly sync: string; readonly before: SyncSettings; readonly after: SyncSettings }
  /** Judges one row in so many, drawn by its key, beside all of them. Nothing is kept. */
  | { readonly change: 'judge-part'; readonly anomalies: string; readonly parts: number }

export interface SyncSettings {
  readonly batchRows: number
  readonly parallel: number
  /** That the store may have open; undefined as it is. */
  readonly connections?: number
}

export interface Adviser {
  readonly id: string
  /** Answers nothing where the facts show nothing. */
  advise(facts: Facts): Advice[]
}

export interface Facts {
  readonly datasets: readonly DatasetFacts[]
  readonly engine: EngineFacts
  /** Statements that stores are tested with, as they plan them. */
  readonly statements: readonly StatementFacts[]
  readonly syncs: readonly SyncFacts[]
  readonly anomalies: readonly AnomalyFacts[]
}

/** A statement on one table of a store. */
export interface StatementFacts {
  /** The project's name for it. */
  readonly store: string
  readonly table: string
  /** `performance/indexes.mysql.sql: dear trips are found` */
  readonly name: string
  readonly statement: string
  readonly plan: PlanFacts
  readonly tableRows: number
  /** Rows that its conditions leave over. */
  readonly matched: number
  /** How long it took. */
  readonly seconds: number
  readonly columns: IndexableColumns
  /** The columns of each index that there is. */
  readonly indexes: readonly (readonly string[])[]
}

/** What a store says that it is going to do. */
export interface PlanFacts {
  /** Every row of the table, or of an index of it, is read. */
  readonly scansAll: boolean
  /** Rows are sorted by their own values, not read in order. */
  readonly sorts: boolean
  /** Rows that it expects to read. */
  readonly rows: number
  readonly index: string | undefined
}

/** Columns of a statement that an index can go by, in the order in which they stand there. */
export interface IndexableColumns {
  /** Each must be one value, or one of a few. */
  readonly equal: readonly string[]
  /** Each must lie in a range. */
  readonly range: readonly string[]
  /** All rows come in the order of these; empty where they go both up and down. */
  readonly order: readonly string[]
  /** It ends after some rows. */
  readonly limited: boolean
}

export interface SyncFacts {
  readonly name: string
  /** The stores, by the project's names for them; a dataset has none. */
  readonly from: string | undefined
  readonly to: string
  readonly fromStore: boolean
  /** Of a store: a column that grows with every change. */
  readonly cursor: string | undefined
  readonly batchRows: number
  readonly parallel: number
  /** Of the last 30 days, oldest first. */
  readonly runs: readonly SyncRunFacts[]
  /** Rows of the target, as far as the journal knows: the most that a run sent, or a reconciliation compared. */
  readonly knownRows: number
}

export interface SyncRunFacts {
  /** Unix milliseconds. */
  readonly at: number
  readonly status: 'ok' | 'failed'
  readonly mode: string
  readonly seconds: number
  /** Rows that were sent. */
  readonly rows: number
  readonly refused: number
  /** One batch, on average; undefined where there was none. */
  readonly batchSeconds: number | undefined
  /** The code of what it failed with, where trying again may help. */
  readonly transient: string | undefined
  /** Of its stores, where the run wrote rows, or calls waited for a connection or were made again. */
  readonly usage: readonly StoreUsageFacts[]
}

export interface StoreUsageFacts {
  readonly store: string
  /** That it may have open at a time. */
  readonly connections: number
  readonly retries: number
  readonly waits: number
  readonly waitedSeconds: number
}

export interface AnomalyFacts {
  readonly name: string
  readonly dataset: string
  readonly methods: readonly string[]
  /** Of the last 30 days, oldest first. */
  readonly runs: readonly { readonly judged: number; readonly seconds: number }[]
}

export interface DatasetFacts {
  readonly name: string
  readonly write: 'append' | 'merge' | 'overwrite' | 'replaceBy'
  readonly reads: readonly { readonly name: string; readonly how: 'whole' | 'changed' }[]
  /** False when something in its recent history replaced or removed rows, or when it has no table. */
  readonly onlyAppends: boolean
  /** Steps of the last 30 days that had something to do and went well, oldest first. */
  readonly steps: readonly StepFacts[]
  /** Which of its columns queries go by, those of its own writes among them. */
  readonly uses: readonly ColumnUse[]
  /** Source files taken in the last 30 days. */
  readonly sourceFiles: { readonly count: number; readonly medianBytes: number }
  readonly table: TableFacts | undefined
}

export interface StepFacts {
  readonly runId: string
  /** Unix milliseconds. */
  readonly at: number
  readonly seconds: number
  readonly mode: string
  /** Whether it ran because what it reads changed, and for no other reason. */
  readonly upstreamChanged: boolean
  readonly rowsRead: number
  readonly rowsWritten: number
  readonly bytesWritten: number
}

export interface ColumnUse {
  readonly column: string
  /** The dataset whose query or write goes by it. */
  readonly by: string
  readonly how: 'filter' | 'join' | 'write'
}

/** A table without opening a data file: all of it is in the log. */
export interface TableFacts {
  readonly rows: number
  readonly files: readonly FileFacts[]
  readonly partitionColumns: readonly string[]
  readonly columns: readonly { readonly name: string; readonly kind: string }[]
  /** Size that OPTIMIZE fills files up to. */
  readonly targetBytes: number
  readonly commitsSinceCheckpoint: number
  readonly checkpointInterval: number
  /** What VACUUM would delete now. */
  readonly unreferenced: { readonly files: number; readonly bytes: number }
}

export interface FileFacts {
  readonly bytes: number
  /** Rows in the file, those marked deleted among them. */
  readonly rows: number
  readonly deleted: number
  /** Equal for files of one partition. */
  readonly partition: string
  readonly min: Readonly<Record<string, unknown>>
  readonly max: Readonly<Record<string, unknown>>
}

export interface EngineFacts {
  readonly memoryLimitBytes: number
  readonly machineBytes: number
  readonly threads: number
  /** Most that the process of a run held in the last 30 days; undefined when none was measured. */
  readonly peakBytes: number | undefined
  /** Queries that were run once more to see what they need. Empty when no run came near the limit: none can have spilled then. */
  readonly profiles: readonly {
    readonly dataset: string
    /** The most that it had in temporary files. */
    readonly spilledBytes: number
    /** True when it ended because the limit was reached: spilling did not help. */
    readonly outOfMemory: boolean
  }[]
}

export const KIB = 1024
export const MIB = 1024 ** 2
export const GIB = 1024 ** 3

export function totalBytes(files: readonly FileFacts[]): number {
  return files.reduce((sum, file) => sum + file.bytes, 0)
}

/** 0 when there is none. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return 0
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

export function byPartition(files: readonly FileFacts[]): FileFacts[][] {
  const groups = new Map<string, FileFacts[]>()
  for (const file of files) {
    const group = groups.get(file.partition)
    if (group === undefined) groups.set(file.partition, [file])
    else group.push(file)
  }
  return [...groups.values()]
}

/** `1,234` */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}
