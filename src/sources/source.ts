import type { Session } from '../engine/index.js'
import type { SluiceError } from '../errors/index.js'
import type { Columns, Drift, Field, Variable, VariableValues } from '../schema/index.js'

export const SOURCE = Symbol.for('sluice.source')

export const SOURCE_FILE = '_source_file'
export const SOURCE_ROW = '_source_row'
/** What a source adds to each row: where it came from. `_source_row` counts the records of a file from 1. */
export const PROVENANCE_FIELDS: readonly Field[] = [
  { name: SOURCE_FILE, type: { kind: 'string' }, nullable: true },
  { name: SOURCE_ROW, type: { kind: 'long' }, nullable: true },
]

/** `synthetic` rows were generated; they are called so wherever they are shown, and never mixed with real ones. */
export type SourceKind = 'real' | 'synthetic'

export interface SourceContext {
  readonly projectFolder: string
  /** What paths given on the command line are relative to. */
  readonly currentFolder: string
  readonly values: VariableValues
  /** Names of the variables that the command line gave. */
  readonly fromCommandLine: ReadonlySet<string>
  /** For files fetched from elsewhere; kept between runs. */
  readonly cacheFolder: string
  /** Names of the items whose rows the table holds; none when it is filled anew. */
  readonly taken: Iterable<string>
  readonly signal?: AbortSignal
  readonly report: (progress: string) => void
}

/** One thing that is taken whole or not at all: a file, a generated set. */
export interface Item {
  /** Its name in the ledger and in `_source_file`: relative to the project when it lies inside, else absolute. */
  readonly path: string
  readonly bytes: number
  readonly modifiedAt: number
  /** Taken in a commit of its own. */
  readonly alone?: boolean
  /** SHA-256 of its content, read when asked for. */
  checksum(): Promise<string>
}

/** What there is to take now. */
export interface Offer {
  readonly kind: SourceKind
  /** `files ../data/*.csv` */
  readonly label: string
  readonly items: readonly Item[]
  /** True when there may be nothing to take, even the first time; otherwise that is SOURCE_NOT_FOUND. */
  readonly mayBeEmpty?: boolean
  /** What happens to rows of an item that has changed since. */
  readonly whenChanged: 'refuse' | 'replace'
  /**
   * Makes the items readable. With `careful` every value and line is looked at by itself, so that what is wrong can be held:
   * slower, and only needed when the query failed without it.
   */
  read(items: readonly Item[], request: ReadRequest): Promise<Intake>
}

export interface ReadRequest {
  readonly session: Session
  readonly columns: Columns
  readonly careful: boolean
}

export interface FileDrift extends Drift {
  readonly file: string
}

/** Items as SQL, and what was noticed on the way. */
export interface Intake {
  /** A SELECT of the declared columns, extra ones that join the table, `_source_file`, `_source_row`, and for messy input `_problem` and `_raw`. */
  readonly query: string
  /** True when `query` has `_problem` and `_raw`. */
  readonly messy: boolean
  readonly extraFields: readonly Field[]
  /** `records` is how many the item holds by a count that is not the engine's: as many rows must come out of `query`. */
  readonly taken: readonly { readonly item: Item; readonly note?: string; readonly records?: number }[]
  readonly refused: readonly { readonly item: Item; readonly error: SluiceError }[]
  readonly drift: readonly FileDrift[]
}

/** Where rows come from. */
export interface Source {
  readonly [SOURCE]: true
  readonly variables: readonly Variable[]
  /** False when a variable that it needs has no value. */
  given(values: VariableValues): boolean
  /** An environment variable that it needs and that is not set. */
  lacking?(): string | undefined
  /** For plans and pages: never a secret. */
  describe(values: VariableValues): string
  /** Throws SOURCE_NOT_FOUND, SOURCE_UNREACHABLE. */
  offer(context: SourceContext): Promise<Offer>
}

export function isSource(value: unknown): value is Source {
  return typeof value === 'object' && value !== null && SOURCE in value
}
