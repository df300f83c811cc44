import fc from 'fast-check'
import { expect, test } from 'vitest'
import { literal, quoteName } from '../../src/engine/index.js'
import { column, fieldsOf } from '../../src/schema/index.js'
import { localStorage } from '../../src/storage/index.js'
import { DeltaTable, type MergeClauses, type Snapshot } from '../../src/table/index.js'
import { part } from '../fixtures.js'
import { openSession } from '../session.js'
import { fed, newTable, rowsOf } from './table.js'

/**
 * After any sequence of operations a table's log tells one story, however it is read: from its checkpoints or from its first commit, at
 * every version, and as the changes from each version to the next.
 */

const session = openSession()

type Value = number | string | null
/** By the name that a column had first. */
type Item = Readonly<Record<string, Value>>

/** What a version is, in plain words. */
interface State {
  readonly columns: readonly { readonly first: string; readonly name: string }[]
  readonly rows: readonly Item[]
  readonly keepsChanges: boolean
}

interface Step {
  readonly say: string
  /** Undefined where it cannot be done to such a table. */
  readonly onModel: (now: State, earlier: readonly State[]) => State | undefined
  readonly onTable: (table: DeltaTable, now: State, versions: number) => Promise<unknown>
}

const key = fc.integer({ min: 0, max: 9 })
const values = {
  p: fc.constantFrom<string | null>('a', 'b', 'c d', null),
  v: fc.integer({ min: 0, max: 99 }),
  x: fc.option(fc.integer({ min: 0, max: 99 })),
}
const items = fc.array(fc.record({ k: fc.option(key), ...values }), { maxLength: 6 })
const keyed = fc.uniqueArray(fc.record({ k: key, ...values }), { selector: (one) => one.k, maxLength: 5 })

/** Columns that came later take the value of `x`. */
const cell = (row: Item, first: string): Value => row[first in row ? first : 'x'] ?? null
const widened = (rows: readonly Item[], { columns }: State): Item[] =>
  rows.map((row) => Object.fromEntries(columns.map(({ first }) => [first, cell(row, first)])))

function select(rows: readonly Item[], { columns }: State): string {
  const type = (first: string) => (first === 'p' ? 'VARCHAR' : 'INTEGER')
  const lists = (rows.length === 0 ? [{}] : rows).map(
    (row) => `(${columns.map(({ first }) => `${literal(cell(row, first))}::${type(first)}`).join(', ')})`,
  )
  const names = columns.map(({ name }) => quoteName(name)).join(', ')
  return `SELECT * FROM (VALUES ${lists.join(', ')}) AS s(${names})${rows.length === 0 ? ' WHERE false' : ''}`
}

const between = (low: number, high: number) => (row: Item) => row['k'] !== null && Number(row['k']) >= low && Number(row['k']) <= high
const lines = (rows: readonly Item[], { columns }: State) =>
  rows.map((row) => columns.map(({ first }) => String(row[first] ?? null)).join(' ')).sort()

/** Clauses, and what they make of a row of the table and one of the source, either of which may not be there. */
const merges: readonly { clauses: MergeClauses; becomes: (mine: Item | undefined, theirs: Item | undefined) => Item | undefined }[] = [
  {
    clauses: { matched: [{ update: 'all' }], notMatched: [{ insert: 'all' }] },
    becomes: (mine, theirs) => theirs ?? mine,
  },
  {
    clauses: { matched: [{ when: 's.v > 50', delete: true }, { update: { v: 's.v' } }] },
    becomes: (mine, theirs) =>
      mine === undefined || theirs === undefined ? mine : Number(theirs['v']) > 50 ? undefined : { ...mine, v: theirs['v'] ?? null },
  },
  {
    clauses: {
      notMatched: [{ when: 's.v > 50', insert: 'all' }],
      notMatchedBySource: [{ when: 't.v < 20', delete: true }, { update: { v: 't.v + 1000' } }],
    },
    becomes(mine, theirs) {
      if (mine === undefined) return Number(theirs?.['v']) > 50 ? theirs : undefined
      if (theirs !== undefined) return mine
      return Number(mine['v']) < 20 ? undefined : { ...mine, v: Number(mine['v']) + 1000 }
    },
  },
]

function merged(now: readonly Item[], source: readonly Item[], becomes: (typeof merges)[number]['becomes']): Item[] {
  const theirs = (row: Item) => source.find((one) => one['k'] === row['k'])
  const pairs: [Item | undefined, Item | undefined][] = now.map((row) => [row, theirs(row)])
  const alone = source.filter((one) => !now.some((row) => row['k'] === one['k'])).map((one): [undefined, Item] => [undefined, one])
  return [...pairs, ...alone].map(([mine, other]) => becomes(mine, other)).filter((row) => row !== undefined)
}

const told = (what: string) => (rows: readonly Item[]) => `${what} ${JSON.stringify(rows)}`
const property = (name: string, change: (value: boolean) => Partial<State>) =>
  fc.boolean().map(
    (value): Step => ({
      say: `${name} = ${value}`,
      onModel: (now) => ({ ...now, ...change(value) }),
      onTable: (table) => table.setProperties({ [name]: String(value) }),
    }),
  )

const steps = (partitioned: boolean): fc.Arbitrary<Step> =>
  fc.oneof(
    { maxDepth: 0 },
    items.map(
      (rows): Step => ({
        say: told('append')(rows),
        onModel: (now) => ({ ...now, rows: [...now.rows, ...widened(rows, now)] }),
        onTable: (table, now) => table.append(select(rows, now)),
      }),
    ),
    items.map(
      (rows): Step => ({
        say: told('overwrite')(rows),
        onModel: (now) => ({ ...now, rows: widened(rows, now) }),
        onTable: (table, now) => table.overwrite(select(rows, now)),
      }),
    ),
    items.map(
      (rows): Step => ({
        say: told('overwrite of partitions')(rows),
        onModel: (now) => ({
          ...now,
          rows: [...(partitioned ? now.rows.filter((one) => !rows.some((row) => row.p === one['p'])) : []), ...widened(rows, now)],
        }),
        onTable: (table, now) => table.overwrite(select(rows, now), { partitions: 'dynamic' }),
      }),
    ),
    fc.tuple(keyed, fc.nat(merges.length - 1)).map(([rows, which]): Step => {
      const { clauses, becomes } = merges[which] as (typeof merges)[number]
      return {
        say: told(`merge ${which}`)(rows),
        onModel: (now) => ({ ...now, rows: merged(now.rows, widened(rows, now), becomes) }),
        onTable: (table, now) => table.merge(`(${select(rows, now)})`, ['k'], { clauses }),
      }
    }),
    fc.tuple(key, key).map(
      ([low, high]): Step => ({
        say: `update ${low}..${high}`,
        onModel: (now) => ({
          ...now,
          rows: now.rows.map((row) => (between(low, high)(row) ? { ...row, v: Number(row['v']) + 1000 } : row)),
        }),
        onTable: (table) => table.update({ v: 't.v + 1000' }, `t.k BETWEEN ${low} AND ${high}`),
      }),
    ),
    fc.tuple(key, key).map(
      ([low, high]): Step => ({
        say: `delete ${low}..${high}`,
        onModel: (now) => ({ ...now, rows: now.rows.filter((row) => !between(low, high)(row)) }),
        onTable: (table) => table.delete(`t.k BETWEEN ${low} AND ${high}`),
      }),
    ),
    fc.tuple(key, items).map(([from, given]): Step => {
      const rows = given.filter((one) => one.k !== null && one.k >= from)
      return {
        say: told(`replaceWhere k >= ${from}`)(rows),
        onModel: (now) => ({ ...now, rows: [...now.rows.filter((row) => !between(from, 9)(row)), ...widened(rows, now)] }),
        onTable: (table, now) => table.replaceWhere(`k >= ${from}`, select(rows, now)),
      }
    }),
    fc.constant<Step>({ say: 'optimize', onModel: (now) => now, onTable: (table) => table.optimize() }),
    fc.constant<Step>({ say: 'checkpoint', onModel: (now) => now, onTable: (table) => table.checkpoint() }),
    fc.nat(30).map(
      (back): Step => ({
        say: `restore ${back}`,
        onModel: (_, earlier) => earlier[back % earlier.length],
        onTable: (table, _, versions) => table.restore(back % versions),
      }),
    ),
    property('delta.enableDeletionVectors', () => ({})),
    property('delta.enableChangeDataFeed', (keepsChanges) => ({ keepsChanges })),
    fc.nat(99).map((number): Step => {
      const name = `later ${number}`
      return {
        say: `add ${name}`,
        onModel: (now) =>
          now.columns.some((one) => one.name === name)
            ? undefined
            : { ...now, columns: [...now.columns, { first: `${name} ${fresh++}`, name }] },
        onTable: (table) => table.addColumns(fieldsOf({ [name]: column.integer() })),
      }
    }),
    fc.tuple(fc.nat(9), fc.nat(99)).map(([which, number]): Step => {
      const name = `other ${number}`
      const renamed = ({ columns }: State) => columns[3 + (which % Math.max(1, columns.length - 3))]
      return {
        say: `rename ${which} to ${name}`,
        onModel: (now) =>
          renamed(now) === undefined || now.columns.some((one) => one.name === name)
            ? undefined
            : { ...now, columns: now.columns.map((one) => (one === renamed(now) ? { ...one, name } : one)) },
        onTable: (table, now) => table.renameColumn([renamed(now)?.name ?? ''], name),
      }
    }),
    fc.nat(9).map((which): Step => {
      const dropped = ({ columns }: State) => columns[3 + (which % Math.max(1, columns.length - 3))]
      return {
        say: `drop ${which}`,
        onModel: (now) => (dropped(now) === undefined ? undefined : { ...now, columns: now.columns.filter((one) => one !== dropped(now)) }),
        onTable: (table, now) => table.dropColumn([dropped(now)?.name ?? '']),
      }
    }),
  )

/** A column that is added under the name of one that was dropped is another. */
let fresh = 0

/** Storage that shows the commits of a log alone. */
function withoutCheckpoints() {
  const storage = localStorage()
  const list: typeof storage.list = async (folder, after) =>
    (await storage.list(folder, after)).filter((file) => !file.name.includes('checkpoint'))
  const read: typeof storage.read = async (path) => (path.endsWith('_last_checkpoint') ? undefined : storage.read(path))
  return { ...storage, list, read }
}

/** All that a snapshot says, but for what a checkpoint may leave out. */
function described({ version, protocol, metadata, files, tombstones }: Snapshot) {
  const sorted = <Body>(map: Iterable<readonly [string, Body]>) => [...map].sort(([left], [right]) => (left < right ? -1 : 1))
  return {
    version,
    protocol,
    metadata,
    files: sorted(files).map(([path, add]) => [path, { ...add, dataChange: undefined }]),
    tombstones: sorted(tombstones ?? []).map(([path, { deletionTimestamp }]) => [path, deletionTimestamp]),
  }
}

test.each([
  ['a table', []],
  ['a partitioned table', ['p']],
])('%s tells one story', async (_, partitionColumns) => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps(partitionColumns.length > 0), { minLength: 1, maxLength: 10 }), async (sequence) => {
      const columns = { k: column.integer(), p: column.string(), v: column.integer() }
      const properties = { 'delta.checkpointInterval': '3', 'delta.columnMapping.mode': 'name', 'delta.enableChangeDataFeed': 'true' }
      const table = await newTable(session(), columns, { partitionColumns, properties })
      const versions: State[] = [{ columns: Object.keys(columns).map((name) => ({ first: name, name })), rows: [], keepsChanges: true }]
      const done: string[] = []
      for (const { say, onModel, onTable } of sequence) {
        const now = versions.at(-1) as State
        const next = onModel(now, versions)
        if (next === undefined) continue
        done.push(say)
        await onTable(table, now, versions.length)
        if ((await table.snapshot()).version === versions.length) versions.push(next)
      }
      const story = done.join('\n')
      const [whole, first] = [
        DeltaTable.at(table.path, { session: session() }),
        DeltaTable.at(table.path, { session: session(), storage: withoutCheckpoints() }),
      ]
      const newest = { tombstones: true }
      expect(described(await whole.snapshot(undefined, newest)), story).toEqual(described(await first.snapshot(undefined, newest)))
      expect(described(await table.snapshot()), story).toEqual(described(await first.snapshot()))
      for (const [version, state] of versions.entries()) {
        expect(await rowsOf(whole, { version }), `version ${version} of\n${story}`).toEqual(lines(state.rows, state))
        expect(described(await whole.snapshot(version)), story).toEqual(described(await first.snapshot(version)))
        const before = versions[version - 1]
        if (before === undefined || !state.keepsChanges) continue
        expect(await fed(whole, lines(before.rows, state), version), `changes of version ${version} of\n${story}`).toEqual(
          lines(state.rows, state),
        )
      }
    }),
    { numRuns: part(12) },
  )
})
