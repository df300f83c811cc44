import { createHash } from 'node:crypto'
import { type DeletionVector, vectorId } from './deletion-vector.js'

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
  readonly deletionVector?: DeletionVector
  readonly baseRowId?: number
  readonly defaultRowCommitVersion?: number
  readonly clusteringProvider?: string
}

export interface RemoveFile {
  readonly path: string
  readonly deletionTimestamp: number
  readonly dataChange: boolean
  readonly extendedFileMetadata?: boolean
  readonly partitionValues?: Readonly<Record<string, string | null>>
  readonly size?: number
  readonly stats?: string
  readonly tags?: Readonly<Record<string, string>>
  readonly deletionVector?: DeletionVector
  readonly baseRowId?: number
  readonly defaultRowCommitVersion?: number
}

/** A file of the change data feed: rows with `_change_type`. */
export interface ChangeFile {
  readonly path: string
  readonly partitionValues: Readonly<Record<string, string | null>>
  readonly size: number
  readonly dataChange: false
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

export interface DomainMetadata {
  readonly domain: string
  readonly configuration: string
  readonly removed: boolean
}

export interface CommitInfo {
  readonly timestamp: number
  readonly inCommitTimestamp?: number
  readonly operation: string
  readonly operationParameters: Readonly<Record<string, string>>
  readonly readVersion?: number
  readonly isolationLevel?: string
  readonly isBlindAppend?: boolean
  readonly operationMetrics?: Readonly<Record<string, string>>
  readonly engineInfo?: string
  readonly txnId?: string
  readonly userMetadata?: string
  /** SHA-256 of the commit's other lines, which we write and check: a damaged log is told apart from a sound one. Other readers pass over it. */
  readonly contentHash?: string
}

export interface Action {
  readonly commitInfo?: CommitInfo
  readonly protocol?: Protocol
  readonly metaData?: Metadata
  readonly txn?: Transaction
  readonly domainMetadata?: DomainMetadata
  readonly add?: AddFile
  readonly remove?: RemoveFile
  readonly cdc?: ChangeFile
  /** In place of `add`, where a commit has very many: parsed again when it is asked for. */
  readonly later?: { readonly key: string; later(): AddFile }
  /** In log checkpoints of the second kind only. */
  readonly sidecar?: { readonly path: string }
}

/** Throws a plain Error when a line is no action, or the text is not the one that was written. */
export function parseActions(text: string): Action[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  // Nobody commits nothing: it is a file whose content was lost.
  if (lines.length === 0) throw new Error('it is empty')
  const actions = lines.map(parseAction)
  const at = actions.findIndex((action) => action.commitInfo?.contentHash !== undefined)
  if (at >= 0 && actions[at]?.commitInfo?.contentHash !== contentHash(lines.filter((_, index) => index !== at)))
    throw new Error('its content is not what its hash says')
  return actions
}

/** The same for a commit of very many files: what is kept of an add is where its line stands in the bytes. */
export function parseManyActions(bytes: Uint8Array): Action[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const hash = createHash('sha256')
  const actions: Action[] = []
  let expected: string | undefined
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf(10, from)
    const to = end < 0 ? text.length : end
    const start = from
    const line = text.subarray(start, to).toString()
    from = to + 1
    if (line.trim() === '') continue
    const action = parseAction(line)
    if (action.commitInfo?.contentHash !== undefined) expected = action.commitInfo.contentHash
    else hash.update(line).update('\n')
    if (action.add === undefined) actions.push(action)
    else actions.push({ later: { key: fileKey(action.add), later: () => parseAction(text.subarray(start, to).toString()).add as AddFile } })
  }
  if (expected !== undefined && expected !== hash.digest('hex')) throw new Error('its content is not what its hash says')
  return actions
}

function parseAction(line: string): Action {
  const action: unknown = JSON.parse(line)
  if (!isRecord(action)) throw new Error('a line is no action')
  for (const [kind, required] of Object.entries(REQUIRED)) {
    const body = action[kind]
    if (body === undefined || body === null) continue
    const wrong = isRecord(body) ? Object.entries(required).find(([name, type]) => !isA(type, body[name])) : [kind]
    if (wrong !== undefined) throw new Error(`"${kind}" has no sound "${wrong[0]}"`)
  }
  return withoutNulls(action)
}

/** Fields that an action lacks are null in a checkpoint, and for some writers in a commit too: absent it is. */
export function withoutNulls(action: Action): Action {
  if (!Object.values(action).some((body: object | null) => body === null || hasNulls(body))) return action
  const entries = Object.entries(action).flatMap(([kind, body]) => (body === null ? [] : [[kind, dropNulls(body as object)]]))
  return Object.fromEntries(entries) as Action
}

function hasNulls(body: object): boolean {
  for (const name in body) {
    const one = (body as Readonly<Record<string, unknown>>)[name]
    if (one === null || (name === 'deletionVector' && hasNulls(one as object))) return true
  }
  return false
}

export function dropNulls<Body extends object>(body: Body): Body {
  if (!hasNulls(body)) return body
  const entries = Object.entries(body).filter(([, one]) => one !== null)
  return Object.fromEntries(entries.map(([name, one]) => [name, name === 'deletionVector' ? dropNulls(one) : one])) as Body
}

/** What an action must have for us to act on it; the protocol's other fields may be absent. */
const REQUIRED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  add: { path: 'string', partitionValues: 'record', size: 'number' },
  remove: { path: 'string' },
  cdc: { path: 'string', partitionValues: 'record' },
  protocol: { minReaderVersion: 'number', minWriterVersion: 'number' },
  metaData: { schemaString: 'string', partitionColumns: 'list' },
  txn: { appId: 'string', version: 'number' },
  domainMetadata: { domain: 'string' },
}

function isA(type: string, value: unknown): boolean {
  if (type === 'record') return isRecord(value)
  if (type === 'list') return Array.isArray(value)
  return type === 'number' ? Number.isSafeInteger(value) : typeof value === type
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function formatActions(actions: readonly Action[]): string {
  const [first, ...rest] = actions
  const lines = rest.map((action) => JSON.stringify(action))
  const head = first?.commitInfo === undefined ? first : { commitInfo: { ...first.commitInfo, contentHash: contentHash(lines) } }
  return [JSON.stringify(head), ...lines].map((line) => `${line}\n`).join('')
}

function contentHash(lines: readonly string[]): string {
  const hash = createHash('sha256')
  for (const line of lines) hash.update(line).update('\n')
  return hash.digest('hex')
}

/** `a b/c` in a folder `p=1` is logged as `p=1/a%20b%2Fc`. */
export function encodePath(path: string): string {
  return path
    .split('/')
    .map((segment) => encodeURIComponent(segment).replaceAll('%3D', '='))
    .join('/')
}

/** Relative to the table, or absolute where the file lies elsewhere (`/data/x`, `s3://bucket/x`). Throws a URIError for a path that is not percent-encoded. */
export function decodePath(path: string): string {
  const decoded = path.includes('%') ? decodeURIComponent(path) : path
  return decoded.startsWith('file:') ? decoded.replace(/^file:(\/\/)?\/*/, '/') : decoded
}

export function isAbsolute(path: string): boolean {
  return path.startsWith('/') || /^[a-z][a-z0-9+.-]*:/i.test(path)
}

/** A data file with one set of deleted rows: the same file with another is another. */
export function fileKey({ path, deletionVector }: Pick<AddFile, 'path' | 'deletionVector'>): string {
  const decoded = decodePath(path)
  return deletionVector === undefined ? decoded : `${decoded}\n${vectorId(deletionVector)}`
}
