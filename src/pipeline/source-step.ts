import { quoteText } from '../engine/index.js'
import {
  type ErrorDocument,
  failure,
  isSluiceError,
  SOURCE_FILE_CHANGED,
  SOURCE_FILE_UNACCOUNTED,
  SOURCE_KINDS_MIXED,
  SOURCE_NOT_FOUND,
  SOURCE_NOT_GIVEN,
  TABLE_SCHEMA_MISMATCH,
} from '../errors/index.js'
import { PROBLEM_FIELDS } from '../quality/index.js'
import { sameType, typeText } from '../schema/index.js'
import { type FileDrift, type Intake, type Item, isSource, type Offer, SOURCE_FILE } from '../sources/index.js'
import { type Dataset, tableFields } from './dataset.js'
import type { DatasetState, LedgerFile } from './note.js'
import { type Batch, type Placement, type Published, publish, type StepContext } from './publish.js'
import { sameKey } from './query-step.js'
import type { FileResult } from './result.js'

/** A refused item as the ledger remembers it. */
export interface RefusedFile {
  readonly bytes: number
  readonly modifiedAt: number
  readonly checksum: string
  readonly error: ErrorDocument
}

/** What a source's items are to a dataset: what to take, what is in already, what cannot be taken. */
export interface Sorting {
  readonly fresh: readonly Item[]
  /** Taken before with other content, to be taken again in its place. */
  readonly replaced: readonly Item[]
  readonly known: readonly { readonly item: Item; readonly rows: number }[]
  readonly refused: readonly { readonly item: Item; readonly error: ErrorDocument }[]
}

export interface SourceResult {
  readonly published: readonly Published[]
  readonly files: readonly FileResult[]
  readonly drift: readonly FileDrift[]
  readonly refused: readonly { readonly item: Item; readonly checksum: string; readonly error: ErrorDocument }[]
  readonly kind: Offer['kind']
}

/** Past this size, items are taken in several commits, so that a crash costs no more than one. */
const BATCH_BYTES = 1024 * 1024 * 1024

export async function sortItems(
  offer: Offer,
  state: DatasetState,
  refusedBefore: ReadonlyMap<string, RefusedFile>,
  fullRefresh: boolean,
): Promise<Sorting> {
  const fresh: Item[] = []
  const replaced: Item[] = []
  const known: { item: Item; rows: number }[] = []
  const refused: { item: Item; error: ErrorDocument }[] = []
  for (const item of offer.items) {
    const taken = fullRefresh ? undefined : state.ledger.get(item.path)
    const before = fullRefresh ? undefined : refusedBefore.get(item.path)
    if (taken !== undefined) {
      if (await isSame(item, taken)) known.push({ item, rows: taken.rows })
      else if (offer.whenChanged === 'replace') replaced.push(item)
      else refused.push({ item, error: failure(SOURCE_FILE_CHANGED, { path: item.path }).toJSON() })
    } else if (before !== undefined && (await isSame(item, before))) refused.push({ item, error: before.error })
    else fresh.push(item)
  }
  return { fresh, replaced, known, refused }
}

async function isSame(item: Item, before: Pick<LedgerFile, 'bytes' | 'modifiedAt' | 'checksum'>): Promise<boolean> {
  if (item.bytes !== before.bytes) return false
  return item.modifiedAt === before.modifiedAt || (await item.checksum()) === before.checksum
}

/** Throws SOURCE_KINDS_MIXED when the rows would join rows of the other kind. */
export function requireOneKind(dataset: Dataset, offer: Offer, state: DatasetState): void {
  if (dataset.write.kind === 'overwrite') return
  const other = [...state.ledger.values()].find((file) => file.kind !== offer.kind)
  if (other !== undefined) throw failure(SOURCE_KINDS_MIXED, { dataset: dataset.name, held: other.kind, arriving: offer.kind })
}

/** Files that were taken may be archived since, and then nothing is new; a source that never gave a file is more likely misspelt. Throws SOURCE_NOT_FOUND. */
export function requireItems(offer: Offer, state: DatasetState): void {
  if (offer.items.length === 0 && state.ledger.size === 0 && offer.mayBeEmpty !== true)
    throw failure(SOURCE_NOT_FOUND, { path: offer.label.replace(/^files /, '') })
}

/** Fills a dataset from its source. A file that cannot be read is refused by itself; the others go on. */
export async function runSource(
  step: StepContext,
  offer: Offer,
  state: DatasetState,
  sorting: Sorting,
  fullRefresh: boolean,
): Promise<SourceResult> {
  const { dataset } = step
  const whole = fullRefresh || dataset.write.kind === 'overwrite'
  const chosen = [...sorting.fresh, ...sorting.replaced]
  const items = whole && chosen.length > 0 ? [...offer.items].filter((item) => !sorting.refused.some((one) => one.item === item)) : chosen
  const published: Published[] = []
  const drift: FileDrift[] = []
  const refused: { item: Item; checksum: string; error: ErrorDocument }[] = []
  const taken: FileResult[] = []
  let current = state
  // What replaces the whole table cannot come in parts.
  for (const group of whole ? [items].filter((one) => one.length > 0) : grouped(items)) {
    const { intake, done } = await takeGroup(step, offer, current, group, sorting.replaced, whole)
    drift.push(...intake.drift)
    for (const { item, error } of intake.refused) refused.push({ item, checksum: await item.checksum(), error: error.toJSON() })
    if (done === undefined) continue
    published.push(done)
    const rows = new Map(done.files.map((file) => [file.path, file.rows]))
    taken.push(
      ...intake.taken.map(
        ({ item, note }): FileResult => ({
          path: item.path,
          status: 'taken',
          rows: rows.get(item.path) ?? 0,
          ...(note === undefined ? {} : { note }),
        }),
      ),
    )
    const table = step.workspace.table(dataset, step.session)
    current = {
      ...current,
      snapshot: await table.snapshot(),
      note: { ...(current.note ?? emptyNote(step)), batch: (current.note?.batch ?? 0) + 1 },
    }
  }
  const takenPaths = new Set(taken.map((file) => file.path))
  return {
    published,
    drift,
    refused,
    kind: offer.kind,
    files: [
      ...taken,
      ...sorting.known
        .filter(({ item }) => !takenPaths.has(item.path))
        .map(({ item, rows }): FileResult => ({ path: item.path, status: 'known', rows })),
      ...[...sorting.refused, ...refused].map(({ item, error }): FileResult => ({ path: item.path, status: 'refused', rows: 0, error })),
    ],
  }
}

function emptyNote({ dataset, runId }: StepContext) {
  return {
    sluice: 1,
    dataset: dataset.name,
    runId,
    batch: 0,
    mode: 'incremental',
    definition: '',
    expectations: '',
    consumed: {},
    rowsIn: 0,
    rowsAccepted: 0,
  } as const
}

function grouped(items: readonly Item[]): Item[][] {
  const groups: Item[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const item of items) {
    if (bytes + item.bytes > BATCH_BYTES || item.alone === true) {
      groups.push([])
      bytes = 0
    }
    groups.at(-1)?.push(item)
    bytes = item.alone === true ? Number.POSITIVE_INFINITY : bytes + item.bytes
  }
  return groups
}

/** Values, lines and files that the quick way cannot read: what is wrong is then looked for row by row. */
const CAREFUL = new Set(['ENGINE_VALUE_INVALID', 'ENGINE_FILE_UNREADABLE', 'ENGINE_FAILED', 'SOURCE_FILE_UNACCOUNTED'])

async function takeGroup(
  step: StepContext,
  offer: Offer,
  state: DatasetState,
  items: readonly Item[],
  replaced: readonly Item[],
  whole: boolean,
): Promise<{ intake: Intake; done: Published | undefined }> {
  const request = { session: step.session, columns: step.dataset.columns }
  try {
    const quick = await offer.read(items, { ...request, careful: false })
    if (quick.query === '') return { intake: quick, done: undefined }
    return { intake: quick, done: await publish(step, state, batchOf(step, offer, quick, await checksums(quick), replaced, whole)) }
  } catch (error) {
    if (!isSluiceError(error) || !CAREFUL.has(error.code)) throw error
    step.report('looking at each row')
  }
  const careful = await offer.read(items, { ...request, careful: true })
  if (careful.query === '') return { intake: careful, done: undefined }
  return { intake: careful, done: await publish(step, state, batchOf(step, offer, careful, await checksums(careful), replaced, whole)) }
}

async function checksums(intake: Intake): Promise<Map<string, string>> {
  const all = new Map<string, string>()
  for (const { item } of intake.taken) all.set(item.path, await item.checksum())
  return all
}

function batchOf(
  { dataset }: StepContext,
  offer: Offer,
  intake: Intake,
  checksum: ReadonlyMap<string, string>,
  replaced: readonly Item[],
  whole: boolean,
): Batch {
  const again = intake.taken.filter(({ item }) => replaced.includes(item)).map(({ item }) => item.path)
  // A file's rows may be held already: it has changed since, or its table was restored to a version without it.
  const fromThem = `t.${SOURCE_FILE} IN (${intake.taken.map(({ item }) => quoteText(item.path)).join(', ')})`
  const supersedes = [...(intake.taken.length > 0 ? [fromThem] : []), ...(dataset.write.kind === 'merge' ? [sameKey(dataset)] : [])]
  return {
    query: intake.query,
    fields: [...tableFields(dataset), ...intake.extraFields, ...(intake.messy ? PROBLEM_FIELDS : [])],
    extraFields: intake.extraFields,
    mode: whole ? 'full' : 'incremental',
    placement: placementOf(dataset, whole, again),
    consumed: {},
    ...(supersedes.length > 0 ? { supersedes: supersedes.join(' OR ') } : {}),
    ...(whole ? { ledgerAnew: true } : {}),
    files: (rowsOf) =>
      intake.taken.map(({ item, records }) => ({
        path: item.path,
        kind: offer.kind,
        bytes: item.bytes,
        checksum: checksum.get(item.path) ?? '',
        modifiedAt: item.modifiedAt,
        rows: accounted(
          item,
          records,
          rowsOf.get(item.path) ?? (intake.taken.length === 1 ? [...rowsOf.values()].reduce((sum, rows) => sum + rows, 0) : 0),
        ),
      })),
  }
}

/** Never a row fewer without a word: what the engine read of a file is held against a count of its own. */
function accounted(item: Item, records: number | undefined, rows: number): number {
  if (records !== undefined && records !== rows) throw failure(SOURCE_FILE_UNACCOUNTED, { path: item.path, records, rows })
  return rows
}

function placementOf(dataset: Dataset, whole: boolean, again: readonly string[]): Placement {
  if (whole) return { how: 'replace-all' }
  if (again.length > 0) {
    return { how: 'replace-keys', keys: [SOURCE_FILE], relation: `(SELECT unnest([${again.map(quoteText).join(', ')}]) AS ${SOURCE_FILE})` }
  }
  switch (dataset.write.kind) {
    case 'merge':
      return { how: 'merge' }
    case 'replaceBy':
      return { how: 'replace-keys', keys: dataset.write.columns }
    default:
      return { how: 'append' }
  }
}

/** A table that is filled from outside is not rebuilt when its definition changes: columns may join it, but not change their type. */
export function requireSameTypes(dataset: Dataset, { snapshot }: DatasetState): void {
  if (dataset.write.kind === 'overwrite') return
  for (const field of tableFields(dataset)) {
    const found = snapshot?.fields.find((one) => one.name.toLowerCase() === field.name.toLowerCase())
    if (snapshot === undefined || found === undefined || sameType(found.type, field.type)) continue
    const problem = `the column "${field.name}" is ${typeText(found.type)} there and ${typeText(field.type)} in the definition`
    throw failure(TABLE_SCHEMA_MISMATCH, { path: snapshot.path, problem })
  }
}

export function sourceOf(dataset: Dataset) {
  return isSource(dataset.from) ? dataset.from : undefined
}

/** What a dataset's source has now. Throws SOURCE_NOT_GIVEN, and what the source does. */
export async function offerOf(
  { workspace, dataset, report }: Pick<StepContext, 'workspace' | 'dataset' | 'report'>,
  state: DatasetState,
  fullRefresh: boolean,
): Promise<Offer> {
  const source = sourceOf(dataset)
  if (source === undefined || !source.given(workspace.values)) {
    const environment = source?.lacking?.()
    const variables = source?.variables.map((one) => one.name) ?? []
    throw failure(SOURCE_NOT_GIVEN, { dataset: dataset.name, variables, ...(environment === undefined ? {} : { environment }) })
  }
  const anew = fullRefresh || dataset.write.kind === 'overwrite'
  return source.offer(workspace.sourceContext(report, anew ? [] : state.ledger.keys()))
}
