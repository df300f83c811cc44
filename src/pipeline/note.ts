import { createHash } from 'node:crypto'
import { isSql, renderSql, sqlInputs } from '../engine/index.js'
import { typeText, type VariableValues } from '../schema/index.js'
import type { Change, DeltaTable, HistoryEntry, Snapshot } from '../table/index.js'
import { type Dataset, declaredFields, tableFields } from './dataset.js'
import { sqlContext } from './workspace.js'

/** What each commit of ours says about itself, in its `userMetadata`: from these alone a dataset's state is known again. */
export interface CommitNote {
  readonly sluice: 1
  readonly dataset: string
  readonly runId: string
  readonly batch: number
  readonly mode: Mode
  /** Fingerprints; see below. */
  readonly definition: string
  readonly expectations: string
  /** For each dataset it read, the table and version that are now taken in. */
  readonly consumed: Readonly<Record<string, Consumed>>
  readonly rowsIn: number
  readonly rowsAccepted: number
  /** Files this commit took in. */
  readonly files?: readonly LedgerFile[]
  /** True when files taken before no longer count: the table was filled anew. */
  readonly ledgerAnew?: boolean
  /** What remained to be done to the quarantine when this commit was made; a run that died in between is completed from it. */
  readonly held?: HeldChange
}

export type Mode = 'full' | 'incremental' | 'interval' | 'replay'

export interface Consumed {
  readonly table: string
  readonly version: number
}

export interface LedgerFile {
  readonly path: string
  readonly kind: 'real' | 'synthetic'
  readonly bytes: number
  readonly checksum: string
  readonly modifiedAt: number
  readonly rows: number
}

export type HeldChange = Pick<Change, 'operation' | 'parameters' | 'metrics' | 'adds' | 'removes' | 'metadata' | 'protocol'>

/** A dataset's table, and what our last commit in its line says. */
export interface DatasetState {
  /** Undefined when there is no table yet. */
  readonly snapshot?: Snapshot
  readonly note?: CommitNote
  readonly noteVersion?: number
  readonly ledger: ReadonlyMap<string, LedgerFile & { readonly version: number }>
}

/** Reads a dataset's state back from its table's own commits. A restored version is followed to where it leads. */
export async function readState(table: DeltaTable, withLedger: boolean): Promise<DatasetState> {
  if (!(await table.exists())) return { ledger: new Map() }
  const snapshot = await table.snapshot()
  const ledger = new Map<string, LedgerFile & { version: number }>()
  let found: { note: CommitNote; version: number } | undefined
  let ledgerOpen = withLedger
  for (let version = snapshot.version; version >= 0 && (found === undefined || ledgerOpen); ) {
    const info = (await table.actions(version))?.find((action) => action.commitInfo !== undefined)?.commitInfo
    if (info?.operation === 'RESTORE') {
      version = Number(info.operationParameters['version'] ?? version - 1)
      continue
    }
    const note = parseNote(info?.userMetadata)
    if (note !== undefined) {
      found ??= { note, version }
      if (ledgerOpen) {
        for (const file of note.files ?? []) if (!ledger.has(file.path)) ledger.set(file.path, { ...file, version })
        if (note.ledgerAnew === true) ledgerOpen = false
      }
    }
    version--
  }
  return { snapshot, ledger, ...(found === undefined ? {} : { note: found.note, noteVersion: found.version }) }
}

export function parseNote(text: string | undefined): CommitNote | undefined {
  if (text === undefined || !text.startsWith('{"sluice":1')) return undefined
  try {
    return JSON.parse(text) as CommitNote
  } catch {
    return undefined
  }
}

export function noteOf(entry: HistoryEntry): CommitNote | undefined {
  return parseNote(entry.info?.userMetadata)
}

function fingerprint(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16)
}

/** Changes with the query and the values of its variables, with columns, staged, key, write and partition; not with words, nor with where a source points. */
export function definitionFingerprint(dataset: Dataset, values: VariableValues): string {
  return fingerprint({
    query: isSql(dataset.from) ? queryText(dataset, values) : 'source',
    columns: [...tableFields(dataset), ...declaredFields(dataset)].map((field) => [field.name, typeText(field.type), field.nullable]),
    key: dataset.key,
    write: [dataset.write.kind, dataset.write.columns],
    partition: dataset.partition,
  })
}

/** The query with relations as names and variables as values; white space does not count. */
export function queryText(dataset: Dataset, values: VariableValues): string {
  return isSql(dataset.from) ? renderSql(dataset.from, sqlContext(values, 'named')).text.replace(/\s+/g, ' ').trim() : ''
}

export function expectationsFingerprint(dataset: Dataset, values: VariableValues): string {
  const context = sqlContext(values, 'named')
  return fingerprint(
    dataset.expect.map((one) => [
      one.name,
      one.action,
      one.mostly ?? null,
      one.rule.scope === 'row'
        ? renderSql(one.rule.passes, context).text
        : one.rule.scope === 'table'
          ? [renderSql(one.rule.measure, context).text, one.description]
          : one.description,
    ]),
  )
}

/** The query's inputs: those read whole, and the one read by what was added. */
export function inputsOf(dataset: Dataset): { readonly whole: readonly string[]; readonly changed: string | undefined } {
  if (!isSql(dataset.from)) return { whole: [], changed: undefined }
  const inputs = sqlInputs(dataset.from)
  return { whole: inputs.relations.map((one) => one.name), changed: inputs.changed[0]?.name }
}
