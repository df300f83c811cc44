import type { Field } from '../../schema/index.js'

/** The actions of a Delta log, one a line in a commit file. Source: the Delta transaction log protocol, "Actions". */

export interface AddFile {
  /** Relative to the table, percent-encoded. */
  readonly path: string
  readonly partitionValues: Readonly<Record<string, string | null>>
  readonly size: number
  /** Milliseconds since 1970. */
  readonly modificationTime: number
  readonly dataChange: boolean
  /** JSON text; see statistics.ts. */
  readonly stats?: string
  readonly tags?: Readonly<Record<string, string>>
}

export interface RemoveFile {
  readonly path: string
  readonly deletionTimestamp: number
  readonly dataChange: boolean
  readonly extendedFileMetadata?: boolean
  readonly partitionValues?: Readonly<Record<string, string | null>>
  readonly size?: number
}

export interface Metadata {
  readonly id: string
  readonly name?: string
  readonly description?: string
  readonly format: { readonly provider: string; readonly options: Readonly<Record<string, string>> }
  readonly schemaString: string
  readonly partitionColumns: readonly string[]
  readonly configuration: Readonly<Record<string, string>>
  readonly createdTime?: number
}

export interface Protocol {
  readonly minReaderVersion: number
  readonly minWriterVersion: number
  readonly readerFeatures?: readonly string[]
  readonly writerFeatures?: readonly string[]
}

/** How far an application's own numbered writes have come in this table. */
export interface Transaction {
  readonly appId: string
  readonly version: number
  readonly lastUpdated?: number
}

export interface CommitInfo {
  readonly timestamp: number
  readonly operation: string
  readonly operationParameters: Readonly<Record<string, string>>
  readonly readVersion?: number
  readonly isolationLevel?: string
  readonly isBlindAppend?: boolean
  readonly operationMetrics?: Readonly<Record<string, string>>
  readonly engineInfo?: string
  readonly txnId?: string
  readonly userMetadata?: string
}

export interface Action {
  readonly commitInfo?: CommitInfo
  readonly protocol?: Protocol
  readonly metaData?: Metadata
  readonly txn?: Transaction
  readonly add?: AddFile
  readonly remove?: RemoveFile
}

export function parseActions(text: string): Action[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as Action)
}

export function formatActions(actions: readonly Action[]): string {
  return actions.map((action) => `${JSON.stringify(action)}\n`).join('')
}

/** `a b/c` in a folder `p=1` is logged as `p=1/a%20b%2Fc`. */
export function encodePath(path: string): string {
  return path
    .split('/')
    .map((segment) => encodeURIComponent(segment).replaceAll('%3D', '='))
    .join('/')
}

export function decodePath(path: string): string {
  return decodeURIComponent(path)
}

export interface TableShape {
  readonly fields: readonly Field[]
  readonly partitionColumns: readonly string[]
}
