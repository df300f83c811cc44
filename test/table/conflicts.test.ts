import { describe, expect, test } from 'vitest'
import type { Session } from '../../src/engine/index.js'
import { column, fieldsOf } from '../../src/schema/index.js'
import { localStorage, type Storage } from '../../src/storage/index.js'
import { type Current, conflictOf, type IsolationLevel, levelOf } from '../../src/table/conflict.js'
import {
  type Change,
  DeltaTable,
  prepareAppend,
  prepareDelete,
  prepareMerge,
  prepareOverwrite,
  prepareReplaceWhere,
} from '../../src/table/index.js'
import type { Action, AddFile, Metadata, Protocol, RemoveFile } from '../../src/table/log/actions.js'
import type { DeletionVector } from '../../src/table/log/deletion-vector.js'
import { prepareSetProperties } from '../../src/table/operations/columns.js'
import { prepareOptimize } from '../../src/table/operations/optimize.js'
import { prepareOverwritePartitions } from '../../src/table/operations/overwrite.js'
import { prepareUpdate } from '../../src/table/operations/replace.js'
import { type Snapshot, withinRanges } from '../../src/table/snapshot.js'
import { openSession } from '../session.js'
import { codeOf, newTable, rowsOf, values } from './table.js'

/** The cases of Delta's own OptimisticTransactionSuite, and what it leaves to others: statistics, deletion vectors, levels, OPTIMIZE. */

const fields = fieldsOf({ x: column.integer(), id: column.integer() })

/** A file of the partition x, with ids from `min` to `max`. */
function file(path: string, { x = '1', min = 1, max = 9, ...more }: Partial<AddFile> & { x?: string; min?: number; max?: number } = {}) {
  const stats = JSON.stringify({ numRecords: 1, minValues: { id: min }, maxValues: { id: max }, nullCount: { id: 0 } })
  return { path, partitionValues: { x }, size: 1, modificationTime: 1, dataChange: true, stats, ...more } satisfies AddFile
}
function vector(pathOrInlineDv: string): DeletionVector {
  return { storageType: 'u', pathOrInlineDv, offset: 1, sizeInBytes: 1, cardinality: 1 }
}
function removal({ path, deletionVector, dataChange }: AddFile): RemoveFile {
  return { path, deletionTimestamp: 4, dataChange, ...(deletionVector === undefined ? {} : { deletionVector }) }
}
const moved = (add: AddFile): AddFile => ({ ...add, dataChange: false })
const within = (column: 'x' | 'id', min: number, max = min) =>
  withinRanges({ fields }, { [column]: { min: String(min), max: String(max), nulls: false } })

const [a, b, c] = [file('a'), file('b'), file('c')]
const a1 = file('a', { deletionVector: vector('one') })
const a2 = file('a', { deletionVector: vector('two') })
const metadata = { id: 'm', format: { provider: 'parquet', options: {} }, schemaString: '{}', partitionColumns: [], configuration: {} }
const protocol: Protocol = { minReaderVersion: 1, minWriterVersion: 2 }
const domain = (name: string) => ({ domain: name, configuration: '{}', removed: false })

type Loser = Partial<Current['change']> & { readonly txn?: string }
const nothingRead = { files: [], mayHold: () => false }
const reads = (of: { files?: readonly AddFile[]; x?: number; ids?: [number, number] }) => ({
  files: of.files ?? [],
  mayHold: of.ids === undefined ? within('x', of.x ?? 1) : within('id', ...of.ids),
})
const appends = (...adds: AddFile[]): Loser => ({ adds, blind: true })
const rewrites = (removed: readonly AddFile[], adds: readonly AddFile[] = [], read: Loser['reads'] = reads({ files: removed })): Loser => ({
  removes: removed.map(removal),
  adds,
  reads: read,
})

const blind: Action = {
  commitInfo: { timestamp: 1, operation: 'WRITE', operationParameters: {}, isBlindAppend: true },
}
const added = (...adds: AddFile[]): Action[] => adds.map((add) => ({ add }))
const removed = (...adds: AddFile[]): Action[] => adds.map((add) => ({ remove: removal(add) }))

const levels = ['Serializable', 'WriteSerializable', 'SnapshotIsolation'] as const
const all: readonly IsolationLevel[] = levels
const none: readonly IsolationLevel[] = []
const changing: readonly IsolationLevel[] = ['Serializable', 'WriteSerializable']
const strictest: readonly IsolationLevel[] = ['Serializable']

/** `at`: the levels at which the loser cannot stand beside the winner. */
const cases: readonly {
  name: string
  winner: readonly Action[]
  loser: Loser
  at: readonly IsolationLevel[]
  says?: RegExp
}[] = [
  { name: 'append / append', winner: [blind, ...added(a)], loser: appends(b), at: none },
  { name: 'rewrite / append', winner: [...removed(a), ...added(b)], loser: appends(c), at: none },
  { name: 'disjoint txns', winner: [{ txn: { appId: 't2', version: 0 } }], loser: { txn: 't1' }, at: none },
  { name: 'disjoint delete / read', winner: removed(file('a', { x: '2' })), loser: { reads: reads({ x: 1 }) }, at: none },
  { name: 'disjoint add / read', winner: added(file('a', { x: '2' })), loser: { reads: reads({ x: 1 }) }, at: none },
  {
    name: 'disjoint add / read by statistics',
    winner: added(file('a', { min: 10, max: 19 })),
    loser: { ...appends(b), blind: false, reads: reads({ ids: [1, 9] }) },
    at: none,
  },
  {
    name: 'add / read by statistics that overlap',
    winner: added(file('a', { min: 9, max: 19 })),
    loser: { ...appends(b), blind: false, reads: reads({ ids: [1, 9] }) },
    at: changing,
    says: /rows were added/,
  },
  {
    name: 'add without statistics / read by statistics',
    winner: added({ ...a, stats: '{}' }),
    loser: { reads: reads({ ids: [70, 80] }) },
    at: changing,
  },
  { name: 'delete / delete', winner: removed(a), loser: rewrites([a], [], nothingRead), at: all, says: /both remove a/ },
  {
    name: 'delete / delete, where one wrote the name percent-encoded',
    winner: removed(file('x=a%20b/f')),
    loser: rewrites([file('x=a b/f')], [], nothingRead),
    at: all,
  },
  { name: 'add / read + write', winner: added(a), loser: { adds: [b], reads: reads({ x: 1 }) }, at: changing, says: /rows were added/ },
  { name: 'blind add / read + write', winner: [blind, ...added(a)], loser: { adds: [b], reads: reads({ x: 1 }) }, at: strictest },
  {
    name: 'blind add / read + write + metadata',
    winner: [blind, ...added(a)],
    loser: { adds: [b], reads: reads({ x: 1 }), metadata },
    at: changing,
  },
  {
    name: 'add in x=1 / read from x=1 and x=2, write to x=2',
    winner: added(a),
    loser: { adds: [file('b', { x: '2' })], reads: { files: [], mayHold: (add) => within('x', 1)(add) || within('x', 2)(add) } },
    at: changing,
  },
  {
    name: 'delete / read',
    winner: removed(a),
    loser: { reads: reads({ files: [a] }) },
    at: all,
    says: /rows this write read were removed/,
  },
  { name: 'delete of another file / read', winner: removed(b), loser: { reads: reads({ files: [a] }) }, at: none },
  { name: 'rows marked / read', winner: [...removed(a), ...added(a1)], loser: { reads: reads({ files: [a] }) }, at: all },
  { name: 'rows marked / other rows of the file marked', winner: [...removed(a), ...added(a1)], loser: rewrites([a], [a2]), at: all },
  {
    name: 'rows marked again / marked on top of older marks',
    winner: [...removed(a1), ...added(a2)],
    loser: rewrites([a1], [a2]),
    at: all,
  },
  { name: 'schema change', winner: [{ metaData: metadata }], loser: {}, at: all, says: /schema or the properties/ },
  { name: 'schema change / append', winner: [{ metaData: metadata }], loser: appends(a), at: all },
  { name: 'same txn', winner: [{ txn: { appId: 't1', version: 0 } }], loser: { txn: 't1' }, at: all, says: /t1/ },
  { name: 'same txn / append', winner: [{ txn: { appId: 't1', version: 0 } }], loser: { ...appends(a), txn: 't1' }, at: all },
  { name: 'txn / a write without one', winner: [{ txn: { appId: 't1', version: 0 } }], loser: appends(a), at: none },
  { name: 'upgrade / upgrade', winner: [{ protocol }], loser: { protocol }, at: all, says: /protocol/ },
  { name: 'upgrade / append', winner: [{ protocol }], loser: appends(a), at: all },
  { name: 'same domain', winner: [{ domainMetadata: domain('d') }], loser: { domains: [domain('d')] }, at: all, says: /both change d/ },
  { name: 'other domain', winner: [{ domainMetadata: domain('d') }], loser: { domains: [domain('e')], blind: true }, at: none },
  { name: 'domain / append', winner: [{ domainMetadata: domain('d') }], loser: appends(a), at: none },
  { name: 'add / whole table read', winner: added(file('b', { x: '3' })), loser: { adds: [file('c', { x: '4' })] }, at: changing },
  { name: 'blind add / whole table read', winner: [blind, ...added(b)], loser: { adds: [c] }, at: strictest },
  { name: 'remove / whole table read', winner: removed(a), loser: { adds: [b] }, at: changing, says: /rows this write read/ },
  { name: 'no files / whole table read', winner: [blind], loser: { adds: [b] }, at: none },
  {
    name: 'append / OPTIMIZE',
    winner: [blind, ...added(c)],
    loser: rewrites([a, b].map(moved), [moved(file('ab'))], nothingRead),
    at: none,
  },
  { name: 'delete of one of its files / OPTIMIZE', winner: removed(a), loser: rewrites([a, b].map(moved), [moved(file('ab'))]), at: all },
  { name: 'marks in one of its files / OPTIMIZE', winner: [...removed(a), ...added(a1)], loser: rewrites([moved(a)], [moved(c)]), at: all },
  { name: 'OPTIMIZE / OPTIMIZE of the same', winner: removed(moved(a)), loser: rewrites([moved(a)], [moved(c)]), at: all },
  { name: 'OPTIMIZE / OPTIMIZE of others', winner: removed(moved(b)), loser: rewrites([moved(a)], [moved(c)]), at: none },
  { name: 'OPTIMIZE / delete in its file', winner: [...removed(moved(a)), ...added(moved(c))], loser: rewrites([a]), at: all },
  { name: 'OPTIMIZE / append', winner: [...removed(moved(a)), ...added(moved(c))], loser: appends(b), at: none },
]

describe('winner / loser', () => {
  test.each(cases.flatMap((one) => levels.map((level) => ({ ...one, level }))))('$name, $level', ({ winner, loser, level, at, says }) => {
    const { txn, ...change } = loser
    const current: Current = { change: { adds: [], removes: [], blind: false, ...change }, level, ...(txn && { txn: { appId: txn } }) }
    const problem = conflictOf(current, winner)
    if (at.includes(level)) expect(problem).toMatch(says ?? /./)
    else expect(problem).toBeUndefined()
  })
})

test('add / read + no write: nothing was made of what was read', () => {
  const change = { adds: [], removes: [], blind: false, reads: reads({ x: 1 }) }
  expect(conflictOf({ change, level: levelOf(change, 'Serializable') }, added(a))).toBeUndefined()
})

test.each<[string, Loser, IsolationLevel, IsolationLevel]>([
  ['an append', appends(a), 'Serializable', 'Serializable'],
  ['a delete', rewrites([a]), 'WriteSerializable', 'WriteSerializable'],
  ['an OPTIMIZE', rewrites([moved(a)], [moved(b)]), 'Serializable', 'SnapshotIsolation'],
  ['a change of nothing', {}, 'Serializable', 'SnapshotIsolation'],
  ['a new property', { metadata }, 'Serializable', 'Serializable'],
  ['a new schema', { metadata: { ...metadata, schemaString: '[]' } satisfies Metadata }, 'WriteSerializable', 'WriteSerializable'],
  ['an upgrade', { protocol }, 'Serializable', 'Serializable'],
])('%s', (_, loser, table, level) => {
  expect(levelOf({ adds: [], removes: [], blind: false, ...loser }, table)).toBe(level)
})

const session = openSession()
const another = (table: DeltaTable) => DeltaTable.at(table.path, { session: session() })
const rows = (...of: readonly [day: string, id: number, v: string][]) =>
  values('day, id, v', ...of.map(([day, id, v]) => `('${day}', ${id}, '${v}')`))

interface Race {
  readonly name: string
  readonly level?: IsolationLevel
  /** Rows that go are marked in deletion vectors. */
  readonly marks?: true
  /** One file a day, where else each row has its own. */
  readonly oneFile?: true
  readonly winner: (table: DeltaTable) => Promise<unknown>
  readonly loser: (session: Session, snapshot: Snapshot) => Promise<Change | undefined>
  /** The rows if the loser can still be committed. */
  readonly leaves?: readonly string[]
}

/** Both start from `mon 1 a`, `mon 2 b` and `tue 3 c`. */
const races: readonly Race[] = [
  {
    name: 'an append beside a delete',
    winner: (table) => table.delete('t.id = 1'),
    loser: (s, at) => prepareAppend(s, at, rows(['wed', 4, 'd'])),
    leaves: ['mon 2 b', 'tue 3 c', 'wed 4 d'],
  },
  {
    name: 'a delete in one partition, an append to another',
    winner: (table) => table.append(rows(['tue', 4, 'd'])),
    loser: (s, at) => prepareDelete(s, at, "t.day = 'mon'"),
    leaves: ['tue 3 c', 'tue 4 d'],
  },
  {
    name: 'a delete in the partition that was appended to',
    winner: (table) => table.append(rows(['mon', 4, 'd'])),
    loser: (s, at) => prepareDelete(s, at, "t.day = 'mon'"),
  },
  {
    name: 'the same where blind appends do not matter',
    level: 'WriteSerializable',
    winner: (table) => table.append(rows(['mon', 4, 'd'])),
    loser: (s, at) => prepareDelete(s, at, "t.day = 'mon'"),
    leaves: ['mon 4 d', 'tue 3 c'],
  },
  {
    name: 'a merge into ids that no new file can hold',
    winner: (table) => table.append(rows(['mon', 70, 'd'])),
    loser: (s, at) => prepareMerge(s, at, { relation: `(${rows(['mon', 2, 'B'])})`, keys: ['id'] }),
    leaves: ['mon 1 a', 'mon 2 B', 'mon 70 d', 'tue 3 c'],
  },
  {
    name: 'a merge into ids that a new file may hold',
    winner: (table) => table.append(rows(['mon', 4, 'd'])),
    loser: (s, at) => prepareMerge(s, at, { relation: `(${rows(['mon', 4, 'D'])})`, keys: ['id'] }),
  },
  {
    name: 'updates of different files',
    winner: (table) => table.update({ v: "'A'" }, 't.id = 1'),
    loser: (s, at) => prepareUpdate(s, at, { v: "'C'" }, 't.id = 3'),
    leaves: ['mon 1 A', 'mon 2 b', 'tue 3 C'],
  },
  {
    name: 'two deletes of the same row',
    winner: (table) => table.delete('t.id = 1'),
    loser: (s, at) => prepareDelete(s, at, 't.id = 1'),
  },
  {
    name: 'two deletes that mark different rows of one file',
    marks: true,
    oneFile: true,
    winner: (table) => table.delete('t.id = 1'),
    loser: (s, at) => prepareDelete(s, at, 't.id = 2'),
  },
  {
    name: 'an overwrite after an append',
    winner: (table) => table.append(rows(['wed', 4, 'd'])),
    loser: (s, at) => prepareOverwrite(s, at, rows(['sun', 9, 'z'])),
  },
  {
    name: 'an overwrite of a partition after an append to another',
    winner: (table) => table.append(rows(['wed', 4, 'd'])),
    loser: (s, at) => prepareOverwritePartitions(s, at, rows(['mon', 9, 'z'])),
    leaves: ['mon 9 z', 'tue 3 c', 'wed 4 d'],
  },
  {
    name: 'replaceWhere after an append within its predicate',
    winner: (table) => table.append(rows(['tue', 4, 'd'])),
    loser: (s, at) => prepareReplaceWhere(s, at, "day = 'tue'", rows(['tue', 9, 'z'])),
  },
  {
    name: 'OPTIMIZE after an append',
    winner: (table) => table.append(rows(['mon', 4, 'd'])),
    loser: (s, at) => prepareOptimize(s, at),
    leaves: ['mon 1 a', 'mon 2 b', 'mon 4 d', 'tue 3 c'],
  },
  {
    name: 'OPTIMIZE after a delete of a row of its files',
    winner: (table) => table.delete('t.id = 1'),
    loser: (s, at) => prepareOptimize(s, at),
  },
  {
    name: 'OPTIMIZE after marks in its files',
    marks: true,
    winner: (table) => table.update({ v: "'B'" }, 't.id = 2'),
    loser: (s, at) => prepareOptimize(s, at),
  },
  {
    name: 'a delete after an OPTIMIZE of its file',
    winner: (table) => table.optimize(),
    loser: (s, at) => prepareDelete(s, at, 't.id = 1'),
  },
  {
    name: 'an append after a new property',
    winner: (table) => table.setProperties({ 'delta.checkpointInterval': '5' }),
    loser: (s, at) => prepareAppend(s, at, rows(['wed', 4, 'd'])),
  },
  {
    name: 'two new properties',
    winner: (table) => table.setProperties({ 'delta.checkpointInterval': '5' }),
    loser: async (_, at) => prepareSetProperties(at, { 'delta.appendOnly': 'true' }),
  },
]

async function threeFiles(properties: Readonly<Record<string, string>> = {}): Promise<DeltaTable> {
  const columns = { day: column.string(), id: column.integer(), v: column.string() }
  const table = await newTable(session(), columns, { partitionColumns: ['day'], properties })
  await table.append(rows(['mon', 1, 'a']))
  await table.append(rows(['mon', 2, 'b']))
  await table.append(rows(['tue', 3, 'c']))
  return table
}

describe('two handles on one snapshot:', () => {
  test.each(races)('$name', async ({ level, marks, oneFile, winner, loser, leaves }) => {
    const table = await threeFiles({
      ...(level === undefined ? {} : { 'delta.isolationLevel': level }),
      ...(marks === undefined ? {} : { 'delta.enableDeletionVectors': 'true' }),
    })
    if (oneFile) await table.optimize()
    const snapshot = await table.snapshot()
    const change = await loser(session(), snapshot)
    if (change === undefined) throw new Error('there is nothing to commit')
    await winner(another(table))
    const before = await rowsOf(another(table))
    expect(await codeOf(table.commit(snapshot, change))).toBe(leaves === undefined ? 'TABLE_CONFLICT' : 'no error')
    expect(await rowsOf(another(table))).toEqual(leaves ?? before)
    expect(await rowsOf(another(table), { version: snapshot.version })).toEqual(['mon 1 a', 'mon 2 b', 'tue 3 c'])
  })
})

/** A storage in which `meanwhile` happens just before the next commit is written. */
function overtaken(meanwhile: () => Promise<unknown>): Storage {
  const storage = localStorage()
  let first = true
  return {
    ...storage,
    async putIfAbsent(path, bytes) {
      if (first) {
        first = false
        await meanwhile()
      }
      return storage.putIfAbsent(path, bytes)
    },
  }
}

describe('an operation that is overtaken by one append', () => {
  const late = (table: DeltaTable) =>
    DeltaTable.at(table.path, { session: session(), storage: overtaken(() => another(table).append(rows(['mon', -1, 'late']))) })

  test('adds no constraint that the appended row breaks', async () => {
    const table = await threeFiles()
    expect(await codeOf(late(table).addConstraint('positive', 'id > 0'))).toBe('TABLE_CONSTRAINT_BROKEN')
    expect((await another(table).snapshot()).metadata.configuration).toEqual({})
  })

  test('sets a property all the same', async () => {
    const table = await threeFiles()
    await late(table).setProperties({ 'delta.checkpointInterval': '5' })
    expect((await another(table).snapshot()).metadata.configuration).toEqual({ 'delta.checkpointInterval': '5' })
  })

  test('restores an earlier version, whose files are still there', async () => {
    const table = await threeFiles()
    await table.delete('true')
    expect(await late(table).restore(3)).toEqual({ version: 6, applied: true })
    expect(await rowsOf(another(table))).toEqual(['mon 1 a', 'mon 2 b', 'tue 3 c'])
  })
})
