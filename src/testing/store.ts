import { createHash, randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { duckdb, literal, quoteName, type SqlValue, sqlType, type Value } from '../engine/index.js'
import { isSluiceError } from '../errors/index.js'
import { type DataType, type Field, Timestamp, widens } from '../schema/index.js'
import {
  type BucketDigest,
  type Buckets,
  decodeLine,
  encodeValue,
  hashSql,
  lineSql,
  NULL,
  type OpenStore,
  type OpenTable,
  RowBatch,
  type ScanRequest,
  type Where,
} from '../stores/index.js'

/** What a test runner gives: vitest's or node:test's `describe`, `it` and an assertion of deep equality. */
export interface StoreConformance {
  readonly describe: (name: string, body: () => void) => void
  readonly it: (name: string, body: () => Promise<void>) => void
  readonly equal: (actual: unknown, expected: unknown) => void
  /** An open store and the name of a table that it does not have, new for each call, with this ending. `drop` takes the table away and closes the store. */
  readonly open: (ending: string) => Promise<OpenedForTest>
}

export interface OpenedForTest {
  readonly store: OpenStore
  readonly table: string
  drop?(): Promise<void>
}

/**
 * What every store must do, by what it says that it can. `storeConformance({ describe, it, equal, open })` declares the tests.
 *
 * What a store cannot do has a test too: that it says so.
 */
export function storeConformance({ describe, it, equal, open }: StoreConformance): void {
  /** A test with a table of its own, which is taken away afterwards. */
  const test = (name: string, body: (opened: { store: OpenStore; table: OpenTable }) => Promise<void>, ending = '') =>
    it(name, async () => {
      const { store, table, drop } = await open(ending)
      try {
        await body({ store, table: store.table(table) })
      } finally {
        await drop?.()
      }
    })
  const made = async (table: OpenTable, columns: readonly Field[], key: readonly string[]) => {
    await table.make({ columns, key, indexes: [] })
    return columns
  }
  const counts = async (writing: ReturnType<OpenTable['upsert']>) => {
    const { inserted, updated, refused } = await writing
    return { inserted, updated, refused: refused.map(({ line }) => line) }
  }
  const wholly = (inserted: number, updated = 0) => ({ inserted, updated, refused: [] })

  describe('store', () => {
    describe('tables', () => {
      test('is not there, then made, then there; made again it stays with its rows', async ({ table }) => {
        equal(await table.shape(), undefined)
        await made(table, TRIPS, ['id'])
        const shape = await table.shape()
        equal(
          shape?.columns.map(({ name }) => name),
          TRIPS.map(({ name }) => name),
        )
        equal(
          shape?.columns.map(({ nullable }) => nullable),
          TRIPS.map(({ nullable }) => nullable),
        )
        equal(shape?.key, ['id'])
        await table.upsert(trips(3), { key: ['id'] })
        await made(table, TRIPS, ['id'])
        equal(await table.count(), 3)
      })
      test('has columns of types that hold every value', async ({ store, table }) => {
        const columns = [KEY, ...ALL_TYPES.filter(({ type }) => store.capabilities.types[type.kind] !== 'refused')]
        await made(table, columns, ['id'])
        const shape = await table.shape()
        equal(
          shape?.columns.filter(({ name, type }) => !holds(type, columns.find((column) => column.name === name)?.type)),
          [],
        )
      })
      test('refuses columns that it could not keep', async ({ store, table }) => {
        for (const column of [...ALL_TYPES, ...NESTED]) {
          if (store.capabilities.types[column.type.kind] !== 'refused') continue
          equal(await codeOf(table.make({ columns: [KEY, column], key: ['id'], indexes: [] })), 'STORE_TYPE_UNSUPPORTED')
        }
        equal(await table.shape(), undefined)
      })
      test('has the indexes that it was given, and those given later', async ({ table }) => {
        const one = { name: `${table.name}_one`, columns: ['zone'], unique: false }
        const two = { name: `${table.name}_two`, columns: ['zone', 'fare'], unique: true }
        const byName = async () => [...((await table.shape())?.indexes ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1))
        await table.make({ columns: TRIPS, key: ['id'], indexes: [one] })
        equal(await byName(), [one])
        await table.make({ columns: TRIPS, key: ['id'], indexes: [one, two] })
        equal(await byName(), [one, two])
        await table.make({ columns: TRIPS, key: ['id'], indexes: [two] })
        equal(await byName(), [one, two])
      })
      test('is named for what it lacks', async ({ table }) => {
        equal(await codeOf(table.count()), 'STORE_TABLE_MISSING')
        equal(await codeOf(table.upsert(trips(1), { key: ['id'] })), 'STORE_TABLE_MISSING')
        equal(await codeOf(scanned(table, { columns: TRIPS })), 'STORE_TABLE_MISSING')
        await made(table, TRIPS, ['id'])
        const more = [...TRIPS, field('unknown', 'string')]
        equal(await codeOf(table.upsert(new RowBatch(more, ['1\ta\t1.00\t\\N\tx']), { key: ['id'] })), 'STORE_TABLE_UNFIT')
        equal(await codeOf(scanned(table, { columns: more })), 'STORE_TABLE_UNFIT')
      })
    })

    describe('upsert', () => {
      test('puts rows in, changes those that differ, and counts both', async ({ table }) => {
        await made(table, TRIPS, ['id'])
        equal(await counts(table.upsert(trips(10), { key: ['id'] })), wholly(10))
        equal(await counts(table.upsert(trips(10), { key: ['id'] })), wholly(0))
        const lines = trips(12).lines.map((line, index) => (index === 3 ? '3\tchanged\t0.01\t\\N' : line))
        equal(await counts(table.upsert(new RowBatch(TRIPS, lines), { key: ['id'] })), wholly(2, 1))
        equal(await lineSet(table, TRIPS), [...lines].sort())
      })
      test('takes the later of two rows of one key', async ({ table }) => {
        await made(table, TRIPS, ['id'])
        const batch = new RowBatch(TRIPS, ['1\tfirst\t1.00\t\\N', '2\tother\t1.00\t\\N', '1\tlast\t2.00\t\\N'])
        equal(await counts(table.upsert(batch, { key: ['id'], fresh: true })), wholly(2))
        equal(await lineSet(table, TRIPS), ['1\tlast\t2.00\t\\N', '2\tother\t1.00\t\\N'])
        equal(await counts(table.upsert(new RowBatch(TRIPS, ['1\tnot yet\t3.00\t\\N', '1\tlast\t2.00\t\\N']), { key: ['id'] })), wholly(0))
      })
      test('changes null to a value and a value to null', async ({ table }) => {
        await made(table, TRIPS, ['id'])
        await table.upsert(new RowBatch(TRIPS, ['1\t\\N\t\\N\t\\N', '2\t\t0.00\t\\N']), { key: ['id'] })
        equal(await counts(table.upsert(new RowBatch(TRIPS, ['1\t\t0.00\t\\N', '2\t\\N\t\\N\t\\N']), { key: ['id'] })), wholly(0, 2))
        equal(await lineSet(table, TRIPS), ['1\t\t0.00\t\\N', '2\t\\N\t\\N\t\\N'])
      })
      test('tells rows apart by all columns of a key', async ({ table }) => {
        const columns = [
          field('day', 'date', false),
          field('zone', 'string', false),
          field('number', 'long', false),
          field('trips', 'long'),
        ]
        const key = ['day', 'zone', 'number']
        await made(table, columns, key)
        equal((await table.shape())?.key, key)
        const lines = ['2018-01-01\ta\t1\t1', '2018-01-01\ta\t2\t1', '2018-01-01\tb\t1\t1', '2018-01-02\ta\t1\t1']
        equal(await counts(table.upsert(new RowBatch(columns, lines), { key })), wholly(4))
        equal(await counts(table.upsert(new RowBatch(columns, ['2018-01-01\ta\t2\t5']), { key })), wholly(0, 1))
        equal(await table.remove(new RowBatch(columns.slice(0, 3), ['2018-01-01\ta\t1', '2018-01-02\tb\t1', '2018-01-02\ta\t1'])), 2)
        equal(await lineSet(table, columns), ['2018-01-01\ta\t2\t5', '2018-01-01\tb\t1\t1'])
      })
      test('puts fresh rows in, whether they are or not', async ({ table }) => {
        await made(table, TRIPS, ['id'])
        const request = { key: ['id'], fresh: true }
        equal(await counts(table.upsert(trips(100), request)), wholly(100))
        equal(await counts(table.upsert(trips(100), request)), wholly(0))
        const lines = trips(150).lines.map((line, index) => (index === 7 ? '7\tchanged\t0.01\t\\N' : line))
        equal(await counts(table.upsert(new RowBatch(TRIPS, lines), request)), wholly(50, 1))
        equal(await lineSet(table, TRIPS), [...lines].sort())
      })
      test('leaves columns that it is not given', async ({ table }) => {
        await made(table, TRIPS, ['id'])
        await table.upsert(new RowBatch(TRIPS, ['1\ta\t1.00\t\\N']), { key: ['id'] })
        const some = new RowBatch(pick(TRIPS, ['fare', 'id']), ['2.50\t1', '3.50\t2'])
        equal(await counts(table.upsert(some, { key: ['id'] })), wholly(1, 1))
        equal(await lineSet(table, TRIPS), ['1\ta\t2.50\t\\N', '2\t\\N\t3.50\t\\N'])
      })
      test('refuses a row and takes the others', async ({ table }) => {
        const columns = [KEY, field('zone', 'string', false)]
        await made(table, columns, ['id'])
        const lines = Array.from({ length: 200 }, (_, index) => `${index}\t${index % 50 === 49 ? NULL : `zone ${index}`}`)
        const bad = lines.filter((line) => line.endsWith(NULL))
        const { inserted, refused } = await table.upsert(new RowBatch(columns, lines), { key: ['id'], fresh: true })
        equal(refused.map(({ line }) => line).sort(), [...bad].sort())
        equal(
          refused.filter(({ reason }) => reason === ''),
          [],
        )
        equal(inserted, 196)
        equal(await lineSet(table, columns), lines.filter((line) => !bad.includes(line)).sort())
        equal((await table.upsert(new RowBatch(columns, lines), { key: ['id'] })).refused.length, 4)
      })
      test('refuses a row whose value another has in a unique index', async ({ table }) => {
        const columns = [KEY, field('code', 'long')]
        await table.make({ columns, key: ['id'], indexes: [{ columns: ['code'], unique: true }] })
        equal(await counts(table.upsert(new RowBatch(columns, ['1\t10', '2\t20']), { key: ['id'] })), wholly(2))
        equal(await counts(table.upsert(new RowBatch(columns, ['3\t30', '4\t10', '5\t50']), { key: ['id'] })), {
          inserted: 2,
          updated: 0,
          refused: ['4\t10'],
        })
        equal(await lineSet(table, columns), ['1\t10', '2\t20', '3\t30', '5\t50'])
      })
      test('does nothing with an empty batch', async ({ table }) => {
        await made(table, TRIPS, ['id'])
        equal(await counts(table.upsert(new RowBatch(TRIPS, []), { key: ['id'] })), wholly(0))
        equal(await table.remove(new RowBatch([KEY], [])), 0)
      })
      test('takes batches side by side', async ({ table }) => {
        await made(table, TRIPS, ['id'])
        const all = trips(2_000)
        const batches = Array.from({ length: 8 }, (_, index) => all.slice(index * 250, (index + 1) * 250))
        const written = await Promise.all(batches.map((batch) => counts(table.upsert(batch, { key: ['id'] }))))
        equal(
          written,
          batches.map(() => wholly(250)),
        )
        equal(await lineSet(table, TRIPS), [...all.lines].sort())
      })
    })

    describe('remove', () => {
      test('takes itself away, where it can, and may be made again', async ({ table }) => {
        if (table.drop === undefined) return
        await table.drop()
        await made(table, TRIPS, ['id'])
        await table.upsert(trips(3), { key: ['id'] })
        await table.drop()
        equal(await table.shape(), undefined)
        const others = [KEY, field('other', 'long')]
        await made(table, others, ['id'])
        equal(
          (await table.shape())?.columns.map(({ name }) => name),
          ['id', 'other'],
        )
        equal(await table.count(), 0)
      })
      test('takes rows away by their key, and tells how many there were', async ({ table }) => {
        await made(table, TRIPS, ['id'])
        await table.upsert(trips(100), { key: ['id'] })
        equal(await table.remove(new RowBatch([KEY], ['1', '50', '99', '100', '-1', '1'])), 3)
        equal(await table.count(), 97)
        equal(await table.remove(new RowBatch([KEY], ['1', '50', '99'])), 0)
        equal(await counts(table.upsert(trips(100), { key: ['id'] })), wholly(3))
      })
    })

    describe('values', () => {
      for (const column of ALL_TYPES) {
        const { kind } = column.type
        test(`${column.name} comes back as it went in, or is refused by name`, async ({ store, table }) => {
          const how = store.capabilities.types[kind]
          const columns = [KEY, column]
          if (how === 'refused') {
            equal(await codeOf(table.make({ columns, key: ['id'], indexes: [] })), 'STORE_TYPE_UNSUPPORTED')
            return
          }
          await made(table, columns, ['id'])
          const texts = VALUES[column.name] ?? []
          const lines = [NULL, ...texts].map((text, index) => `${index}\t${text}`)
          const { inserted, refused } = await table.upsert(new RowBatch(columns, lines), { key: ['id'] })
          const kept = lines.filter((line) => !refused.some((one) => one.line === line))
          equal(inserted, kept.length)
          equal(await lineSet(table, columns), [...kept].sort())
          equal(await counts(table.upsert(new RowBatch(columns, kept), { key: ['id'] })), wholly(0))
          const mayRefuse = (line: string) => how === 'checked' || (kind === 'string' && !store.capabilities.nul && line.includes('\\0'))
          equal(
            refused.filter(({ line, reason }) => !mayRefuse(line) || reason === ''),
            [],
          )
          equal(kept.length > 1, true)
          if (kind === 'string' && !store.capabilities.nul) equal(refused.length, texts.filter((text) => text.includes('\\0')).length)
        })
      }
      test('text is a key by its bytes', async ({ store, table }) => {
        const columns = [field('name', 'string', false), field('number', 'long')]
        await made(table, columns, ['name'])
        const lines = KEYS_OF_TEXT.filter((text) => store.capabilities.nul || !text.includes('\\0')).map(
          (text, index) => `${text}\t${index}`,
        )
        equal(await counts(table.upsert(new RowBatch(columns, lines), { key: ['name'] })), wholly(lines.length))
        equal(await counts(table.upsert(new RowBatch(columns, lines), { key: ['name'] })), wholly(0))
        equal(await lineSet(table, columns), [...lines].sort())
        equal(await table.remove(new RowBatch(columns.slice(0, 1), ['A', 'a '])), 2)
        equal(await lineSet(table, columns), lines.filter((line) => !/^(A|a )\t/.test(line)).sort())
      })
      test('a byte order mark at the start of all is text', async ({ table }) => {
        const columns = [field('name', 'string', false), field('number', 'long')]
        await made(table, columns, ['name'])
        const lines = ['\ufeff\t1', '\ufeffa\t2', '\t3', 'a\t4']
        equal(await counts(table.upsert(new RowBatch(columns, lines), { key: ['name'], fresh: true })), wholly(4))
        equal(await lineSet(table, columns), [...lines].sort())
      })
      test('text of 10 MB', async ({ table }) => {
        const columns = [KEY, field('text', 'string')]
        await made(table, columns, ['id'])
        const line = `1\t${'ab\\tç😀'.repeat(1_000_000)}`
        equal(await counts(table.upsert(new RowBatch(columns, [line, '2\tshort']), { key: ['id'] })), wholly(2))
        const [first] = (await scanned(table, { columns })).filter((one) => one.startsWith('1'))
        equal(first === line, true)
      })
      for (const ending of ["it's", ' a "b" `c`', ';--', '-é数', '%s', '(x)', '\\']) {
        test(
          `a table's name may end with ${ending}`,
          async ({ store, table }) => {
            await table.make({ columns: TRIPS, key: ['id'], indexes: [{ columns: ['zone'] }] })
            equal(
              (await table.shape())?.indexes.map(({ columns }) => columns),
              [['zone']],
            )
            equal(await counts(table.upsert(trips(5), { key: ['id'], fresh: true })), wholly(5))
            equal(await counts(table.upsert(trips(6), { key: ['id'] })), wholly(1))
            equal(await table.remove(new RowBatch([KEY], ['2'])), 1)
            equal(await table.count({ kind: 'range', column: KEY, from: '1' }), 4)
            equal(await table.bounds(KEY), { least: '0', greatest: '5' })
            equal((await lineSet(table, TRIPS)).length, 5)
            if (store.capabilities.digest) equal((await table.digests(TRIPS, hashed(1)))[0]?.rows, 5)
          },
          ending,
        )
      }
      test('names of columns that a statement would trip over', async ({ store, table }) => {
        const columns = [KEY, ...NAMES.map((name) => field(name, 'long'))]
        await made(table, columns, ['id'])
        equal(
          (await table.shape())?.columns.map(({ name }) => name),
          columns.map(({ name }) => name),
        )
        const line = columns.map((_, index) => index).join('\t')
        const changed = line.replace('\t1\t', '\t11\t')
        equal(await counts(table.upsert(new RowBatch(columns, [line]), { key: ['id'] })), wholly(1))
        equal(await counts(table.upsert(new RowBatch(columns, [changed]), { key: ['id'] })), wholly(0, 1))
        equal(await scanned(table, { columns }), [changed])
        for (const column of columns.slice(1)) {
          equal(await table.count({ kind: 'range', column, from: '10', to: '12' }), countOf(changed, columns, column))
          if (store.capabilities.orderedScan) equal((await scanned(table, { columns: [column], orderBy: column.name })).length, 1)
        }
      })
      for (const name of ODD_NAMES) {
        test(`a column called ${JSON.stringify(name)} works, or is refused by name`, async ({ table }) => {
          const columns = [KEY, field(name, 'string')]
          const code = await codeOf(made(table, columns, ['id']))
          if (code === undefined) {
            equal(await counts(table.upsert(new RowBatch(columns, ['1\ta', '2\tb']), { key: ['id'] })), wholly(2))
            equal(await counts(table.upsert(new RowBatch(columns, ['1\tc', '2\tb']), { key: ['id'] })), wholly(0, 1))
            equal(await lineSet(table, columns), ['1\tc', '2\tb'])
            equal(await table.count({ kind: 'range', column: field(name, 'string'), from: 'c' }), 1)
            return
          }
          equal(code, 'STORE_TABLE_UNFIT')
          equal(await table.shape(), undefined)
        })
      }
    })

    describe('reading', () => {
      const filled = async (table: OpenTable, rows: number) => {
        await made(table, TRIPS, ['id'])
        const batch = trips(rows)
        await table.upsert(batch, { key: ['id'], fresh: true })
        return batch.lines
      }
      test('gives all rows in batches of the size wanted', async ({ table }) => {
        const lines = await filled(table, 2_500)
        const batches: RowBatch[] = []
        for await (const batch of table.scan({ columns: TRIPS, batchRows: 1_000 })) batches.push(batch)
        equal(batches.flatMap((batch) => batch.lines).sort(), [...lines].sort())
        equal(
          batches.filter(({ size }) => size > 1_500 || size === 0),
          [],
        )
      })
      test('gives the columns wanted, in their order', async ({ table }) => {
        await filled(table, 3)
        const columns = pick(TRIPS, ['fare', 'id'])
        equal(await lineSet(table, columns), ['0.00\t0', '1.01\t1', '2.02\t2'])
      })
      test('gives values of wider types', async ({ table }) => {
        const columns = [field('id', 'integer', false), decimal('fare', 10, 2), field('ratio', 'float')]
        await made(table, columns, ['id'])
        await table.upsert(new RowBatch(columns, ['1\t-1.50\t0.5']), { key: ['id'] })
        equal(await scanned(table, { columns: [field('id', 'long', false), decimal('fare', 20, 4), field('ratio', 'double')] }), [
          '1\t-1.5000\t0.5',
        ])
      })
      test('gives a range of rows, and its count', async ({ table }) => {
        const lines = await filled(table, 200)
        const number = (line: string) => Number(line.split('\t')[0])
        const cases: [Where, (line: string) => boolean][] = [
          [{ kind: 'range', column: KEY }, () => true],
          [{ kind: 'range', column: KEY, from: '90' }, (line) => number(line) >= 90],
          [{ kind: 'range', column: KEY, after: '90' }, (line) => number(line) > 90],
          [{ kind: 'range', column: KEY, to: '101' }, (line) => number(line) < 101],
          [{ kind: 'range', column: KEY, from: '9', to: '100' }, (line) => number(line) >= 9 && number(line) < 100],
          [{ kind: 'range', column: KEY, after: '9', to: '11' }, (line) => number(line) === 10],
          [{ kind: 'range', column: KEY, from: '1000' }, () => false],
          [
            { kind: 'range', column: FARE, from: '9.09', to: '100.10' },
            (line) => number(line) >= 9 && number(line) < 100 && !line.includes('\t\\N\t'),
          ],
          [{ kind: 'range', column: ZONE, from: 'zone 1', to: 'zone 2' }, (line) => line.includes('\tzone 1')],
          [
            { kind: 'range', column: STARTED, after: '2018-01-01 00:00:10.000000', to: '2018-01-01 00:00:12.500000' },
            (line) => ['11', '12'].includes(line.split('\t')[0] ?? ''),
          ],
        ]
        for (const [where, wanted] of cases) {
          const expected = lines.filter(wanted).sort()
          equal(await lineSet(table, TRIPS, where), expected)
          equal(await table.count(where), expected.length)
        }
      })
      test('gives the rows of buckets', async ({ table }) => {
        const lines = await filled(table, 300)
        for (const { buckets, numberOf } of bucketings()) {
          const where: Where = { kind: 'buckets', buckets, numbers: [0, 3] }
          const expected = lines.filter((line) => [0, 3].includes(numberOf(line))).sort()
          equal(expected.length > 0, true)
          equal(await lineSet(table, TRIPS, where), expected)
          equal(await table.count(where), expected.length)
          equal(await lineSet(table, TRIPS, { ...where, numbers: [] }), [])
        }
      })
      test('gives a sample', async ({ table }) => {
        const lines = new Set(await filled(table, 1_000))
        const seen = await lineSet(table, TRIPS, { kind: 'sample', share: 0.3 })
        equal(seen.filter((line) => lines.has(line)).length, seen.length)
        // Ten times the spread of that many draws, which is 14.5.
        equal(Math.abs(seen.length - 300) < 145, true)
      })
      test('gives rows in order, as many as wanted', async ({ store, table }) => {
        const lines = await filled(table, 30)
        if (!store.capabilities.orderedScan) {
          equal(await codeOf(scanned(table, { columns: TRIPS, orderBy: 'id' })), 'STORE_CAPABILITY_MISSING')
          return
        }
        equal(await scanned(table, { columns: TRIPS, orderBy: 'id' }), lines)
        equal(await scanned(table, { columns: TRIPS, orderBy: 'id', limit: 7, batchRows: 3 }), lines.slice(0, 7))
        equal(
          await scanned(table, { columns: TRIPS, orderBy: 'id', limit: 2, where: { kind: 'range', column: KEY, after: '7' } }),
          lines.slice(8, 10),
        )
        const fares = (await scanned(table, { columns: [FARE], orderBy: 'fare' })).map((text) => (text === NULL ? -1 : Number(text)))
        equal(
          fares,
          [...fares].sort((a, b) => a - b),
        )
      })
      test('orders text by its bytes', async ({ store, table }) => {
        const columns = [KEY, field('text', 'string')]
        await made(table, columns, ['id'])
        const texts = ['', ' ', 'A', 'B', 'Z', 'a', 'a ', 'aa', 'b', 'é', '\uffee', '😀']
        await table.upsert(
          new RowBatch(
            columns,
            texts.map((text, index) => `${texts.length - index}\t${text}`),
          ),
          { key: ['id'] },
        )
        const text = columns.slice(1)
        if (store.capabilities.orderedScan) equal(await scanned(table, { columns: text, orderBy: 'text' }), texts)
        equal(await lineSet(table, text, { kind: 'range', column: field('text', 'string'), from: 'a', to: 'b' }), ['a', 'a ', 'aa'])
        equal(await table.bounds(field('text', 'string')), { least: '', greatest: '😀' })
      })
      test('gives at most so many rows', async ({ table }) => {
        await filled(table, 30)
        equal((await scanned(table, { columns: TRIPS, limit: 11, batchRows: 4 })).length, 11)
        equal(await scanned(table, { columns: TRIPS, limit: 0 }), [])
      })
      test('tells the least and the greatest value', async ({ table }) => {
        await made(table, TRIPS, ['id'])
        equal(await table.bounds(KEY), undefined)
        await table.upsert(trips(120), { key: ['id'] })
        equal(await table.bounds(KEY), { least: '0', greatest: '119' })
        equal(await table.bounds(FARE), { least: '0.00', greatest: '120.19' })
        equal(await table.bounds(STARTED), { least: '2018-01-01 00:00:00.000000', greatest: '2018-01-01 00:01:59.000000' })
      })
      test('ends when it is told to', async ({ table }) => {
        await filled(table, 3_000)
        const ended = new AbortController()
        let seen = 0
        const reading = async () => {
          for await (const batch of table.scan({ columns: TRIPS, batchRows: 100, signal: ended.signal })) {
            seen += batch.size
            ended.abort()
          }
        }
        equal(await codeOf(reading()), 'ENGINE_CANCELLED')
        equal(seen < 3_000, true)
        equal(await codeOf(scanned(table, { columns: TRIPS, signal: ended.signal })), 'ENGINE_CANCELLED')
        equal(await table.count(), 3_000)
      })
      test('may be left before its end', async ({ table }) => {
        await filled(table, 3_000)
        for (let time = 0; time < 12; time++) {
          for await (const batch of table.scan({ columns: TRIPS, batchRows: 100 })) {
            equal(batch.size > 0, true)
            break
          }
        }
        equal(await table.count(), 3_000)
      })
    })

    describe('digests', () => {
      test('of buckets are those of the engine, over the same rows', async ({ store, table }) => {
        const columns = [KEY, ...ALL_TYPES.filter(({ type }) => store.capabilities.types[type.kind] === 'exact' || type.kind === 'string')]
        await made(table, columns, ['id'])
        const rows = mixed(columns, 100)
        if (!store.capabilities.digest) {
          equal(await codeOf(table.digests(columns, hashed(16))), 'STORE_CAPABILITY_MISSING')
          equal(await codeOf(table.totals(columns)), 'STORE_CAPABILITY_MISSING')
          return
        }
        const { refused } = await table.upsert(rows, { key: ['id'] })
        const kept = rows.lines.filter((line) => !refused.some((one) => one.line === line))
        for (const buckets of [hashed(16), hashed(1), hashed(65_536), ranged(0n, 10n, 8), ranged(-5n, 33n, 2)]) {
          const where: Where = { kind: 'range', column: KEY, from: '20', to: '70' }
          const within = kept.filter((line) => Number(line.split('\t')[0]) >= 20 && Number(line.split('\t')[0]) < 70)
          equal(inOrder(await table.digests(columns, buckets)), await engineDigests(columns, kept, buckets))
          equal(inOrder(await table.digests(columns, buckets, where)), await engineDigests(columns, within, buckets))
        }
        const text = columns.find(({ name }) => name === 'string') ?? ZONE
        const byText: Buckets = { kind: 'text', column: text, bounds: [' ', 'A', 'a', 'a ', 'é', '😀'], count: 7 }
        equal(inOrder(await table.digests(columns, byText)), await engineDigests(columns, kept, byText))
        const two = pick(columns, ['string', 'id'])
        const twos = new RowBatch(columns, kept).pick(['string', 'id']).lines
        equal(inOrder(await table.digests(two, hashed(4))), await engineDigests(two, twos, hashed(4)))
        const byBoth: Buckets = { kind: 'hash', columns: two, count: 32 }
        equal(inOrder(await table.digests(two, byBoth)), await engineDigests(two, twos, byBoth))
      })
      test('of no rows are none', async ({ store, table }) => {
        await made(table, TRIPS, ['id'])
        if (store.capabilities.digest) equal(await table.digests(TRIPS, hashed(16)), [])
        else equal(await codeOf(table.digests(TRIPS, hashed(16))), 'STORE_CAPABILITY_MISSING')
      })
      test('totals are exact, at any size', async ({ store, table }) => {
        const columns = [KEY, field('long', 'long'), decimal('small', 10, 2), decimal('large', 38, 4), field('empty', 'long'), ZONE]
        if (!store.capabilities.digest) {
          equal(await codeOf(table.totals(columns)), 'STORE_CAPABILITY_MISSING')
          return
        }
        await made(table, columns, ['id'])
        equal(await table.totals(columns.slice(1)), { rows: 0, sums: columns.slice(1).map(() => null) })
        const large = '9999999999999999999999999999999999.9999'
        const lines = [
          `1\t9223372036854775807\t0.10\t${large}\t\\N\ta`,
          `2\t9223372036854775807\t0.20\t${large}\t\\N\tb`,
          `3\t1\t\\N\t0.0002\t\\N\tc`,
        ]
        equal(await counts(table.upsert(new RowBatch(columns, lines), { key: ['id'] })), wholly(3))
        equal(await table.totals(columns), {
          rows: 3,
          sums: ['6', '18446744073709551615', '0.30', '20000000000000000000000000000000000.0000', null, null],
        })
      })
    })

    describe('state', () => {
      test('is kept under its name, in the store', async ({ store }) => {
        const name = `conformance/${randomUUID()}`
        equal(await store.readState(name), undefined)
        await store.writeState(name, '{"version": 1}')
        equal(await store.readState(name), '{"version": 1}')
        const text = `it's "2"\\\n${'😀'.repeat(10_000)}`
        await store.writeState(name, text)
        equal(await store.readState(name), text)
        equal(await store.readState(name.toUpperCase()), undefined)
        await store.writeState(name, '')
        equal(await store.readState(name), '')
      })
    })
  })
}

function field(name: string, kind: Exclude<DataType['kind'], 'decimal' | 'array' | 'map' | 'struct'>, nullable = true): Field {
  return { name, type: { kind }, nullable }
}

function decimal(name: string, precision: number, scale: number): Field {
  return { name, type: { kind: 'decimal', precision, scale }, nullable: true }
}

function pick(columns: readonly Field[], names: readonly string[]): Field[] {
  return names.flatMap((name) => columns.filter((column) => column.name === name))
}

const KEY = field('id', 'long', false)
const ZONE = field('zone', 'string')
const FARE = decimal('fare', 10, 2)
const STARTED = field('started', 'timestamp')
const TRIPS: readonly Field[] = [KEY, ZONE, FARE, STARTED]

/** Trips 0, 1, 2 and so on, each a second after the one before. Each tenth but the first has no fare. */
function trips(rows: number): RowBatch {
  const started = new Timestamp(1_514_764_800_000_000n)
  return RowBatch.of(
    TRIPS,
    Array.from({ length: rows }, (_, index) => [
      BigInt(index),
      `zone ${index % 7}`,
      index % 10 === 0 && index > 0 ? null : `${index + Math.floor(index / 100)}.${String(index % 100).padStart(2, '0')}`,
      new Timestamp(started.micros + BigInt(index) * 1_000_000n),
    ]),
  )
}

/** By name: every type that is not nested, decimals of three sizes. */
const ALL_TYPES: readonly Field[] = [
  ...(
    ['string', 'long', 'integer', 'short', 'byte', 'float', 'double', 'boolean', 'date', 'timestamp', 'timestamp_ntz', 'binary'] as const
  ).map((kind) => field(kind, kind)),
  decimal('decimal', 10, 2),
  decimal('decimal whole', 38, 0),
  decimal('decimal long', 38, 18),
]

const NESTED: readonly Field[] = [
  { name: 'array', type: { kind: 'array', element: { kind: 'long' } }, nullable: true },
  { name: 'map', type: { kind: 'map', key: { kind: 'string' }, value: { kind: 'long' } }, nullable: true },
  { name: 'struct', type: { kind: 'struct', fields: [KEY] }, nullable: true },
]

const everyByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0')).join('')
const clocks = [
  '2018-01-01 05:00:00.000000',
  '2018-01-01 05:00:00.123000',
  '2018-01-01 05:00:00.123456',
  '1969-12-31 23:59:59.999999',
  '1969-12-31 23:59:59.999000',
  '1900-02-28 00:00:00.000001',
  '1582-10-04 12:00:00.000000',
  '0001-01-01 00:00:00.000000',
  '9999-12-31 23:59:59.999999',
  '2024-02-29 23:59:59.500000',
  '2018-03-11 02:30:00.000000',
]

/** Lines' texts, chosen to be misread. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  string: [
    '',
    ' ',
    'plain',
    'trailing  ',
    ' leading',
    `it's`,
    `"quoted" and 'so' and \`so\``,
    `back\\\\slash`,
    `\\\\N`,
    `\\\\\\\\`,
    `tab\\tnewline\\nreturn\\rend`,
    `\\t`,
    `nul\\0inside`,
    `\\0`,
    `'; DROP TABLE trips; --`,
    `%s %d {} \${x} $1 ? :a @b`,
    'NULL',
    'null',
    '\u0001\u0008\u000b\u001a\u001b\u007f',
    'é',
    'e\u0301',
    'Straße İstanbul ΑΣ',
    '\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627',
    '\u202eright to left\u202c',
    'বাংলা 日本語 한국어',
    '😀 👩‍👩‍👧‍👦 🇧🇩 𝔘𝔫𝔦',
    '\ufeffmark',
    '\ufffd\uffff\ud7ff\ue000',
    '\u2028\u2029\u0085',
    'x'.repeat(70_000),
  ],
  long: ['0', '-1', '1', '9007199254740993', '-9007199254740993', '9223372036854775807', '-9223372036854775808'],
  integer: ['0', '-1', '2147483647', '-2147483648'],
  short: ['0', '-1', '32767', '-32768'],
  byte: ['0', '-1', '127', '-128'],
  float: ['0', '-0', '0.5', '-1.25', '0.10000000149011612', '16777216', 'NaN', 'Infinity', '-Infinity'],
  double: [
    '0',
    '-0',
    '0.1',
    '-0.30000000000000004',
    '123456789.12345679',
    '9007199254740992',
    '1e+22',
    '1.7976931348623157e+308',
    '5e-324',
    '2.2250738585072014e-308',
    '1e-7',
    'NaN',
    'Infinity',
    '-Infinity',
  ],
  boolean: ['0', '1'],
  date: ['1970-01-01', '2018-01-01', '1969-12-31', '2024-02-29', '1582-10-10', '1900-03-01', '0001-01-01', '9999-12-31'],
  timestamp: clocks,
  timestamp_ntz: clocks,
  binary: ['', '00', 'ff', '5c4e', '0a0d09', '27225c', everyByte, everyByte.repeat(300)],
  decimal: ['0.00', '0.01', '-0.01', '1.10', '99999999.99', '-99999999.99'],
  'decimal whole': ['0', '1', '-1', '9'.repeat(38), `-${'9'.repeat(38)}`, '1'.repeat(34), '1'.repeat(35), `1${'0'.repeat(37)}`],
  'decimal long': [
    `0.${'0'.repeat(18)}`,
    `0.${'0'.repeat(17)}1`,
    `-0.${'0'.repeat(17)}1`,
    `1.5${'0'.repeat(17)}`,
    `${'9'.repeat(20)}.${'9'.repeat(18)}`,
    `-${'9'.repeat(20)}.${'9'.repeat(18)}`,
  ],
}

/** No two are the same bytes; to many a collation some are. */
const KEYS_OF_TEXT = [
  'a',
  'A',
  'a ',
  'a  ',
  ' a',
  'á',
  'a\u0301',
  'ａ',
  'ß',
  'ss',
  'SS',
  '',
  ' ',
  'i',
  'I',
  'ı',
  'İ',
  '1',
  '01',
  '1.0',
  'a\\t',
  'a\\n',
  'a\\0',
  'a\\\\',
  '😀',
  '😁',
  '\u200d',
  '\u200b',
  'ñ',
  'n',
]

/** Names that SQL has to quote. */
const NAMES = [
  'order',
  'select',
  'group',
  'a b',
  ' leading',
  `it's`,
  'double"quote',
  'back`tick',
  'back\\slash',
  'semi;colon',
  'per%cent',
  'dash-dash--',
  'question?',
  'né',
  '数',
  '1st',
  '[brackets]',
  '{braces}',
  '@at :colon',
]

/** Names that one store or another cannot have. */
const ODD_NAMES = ['a.b', '.', '$set', 'a$b', '_id', '', 'trailing ', '😀', '__proto__', 'constructor', 'n'.repeat(200)]

/** Whether a column of one type, as a store tells it, holds what was put in as another. Some have no booleans, or one kind of timestamp. */
function holds(type: DataType, put: DataType | undefined): boolean {
  if (put === undefined) return false
  const kinds = [type.kind, put.kind].sort().join(' ')
  return widens(put, type) || ['timestamp timestamp_ntz', 'boolean byte'].includes(kinds)
}

/** The code of what a promise is rejected with; `undefined` when it is not. */
async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise
    return undefined
  } catch (thrown) {
    return isSluiceError(thrown) ? thrown.code : `not ours: ${String(thrown)}`
  }
}

async function scanned(table: OpenTable, request: Omit<ScanRequest, 'orderBy'> & { orderBy?: string | undefined }): Promise<string[]> {
  const { orderBy, ...rest } = request
  const lines: string[] = []
  for await (const batch of table.scan({ ...rest, ...(orderBy === undefined ? {} : { orderBy }) })) {
    for (const line of batch.lines) lines.push(line)
  }
  return lines
}

/** Sorted. */
async function lineSet(table: OpenTable, columns: readonly Field[], where?: Where): Promise<string[]> {
  return (await scanned(table, { columns, ...(where === undefined ? {} : { where }) })).sort()
}

/** Rows that take their values in turn from those of their types. Doubles that databases write in other ways are left out. */
function mixed(columns: readonly Field[], rows: number): RowBatch {
  const lines = Array.from({ length: rows }, (_, row) =>
    columns
      .map(({ name }, place) => {
        if (name === 'id') return String(row)
        const texts = (VALUES[name] ?? []).filter((text) => text.length < 1_000 && !/e[+-]|^9007199254740992$|16777216/.test(text))
        return (row + place) % 11 === 0 ? NULL : (texts[(row * 7 + place) % texts.length] ?? NULL)
      })
      .join('\t'),
  )
  return new RowBatch(columns, lines)
}

function hashed(count: number): Buckets {
  return { kind: 'hash', columns: [KEY], count }
}

function ranged(start: bigint, width: bigint, count: number): Buckets {
  return { kind: 'range', column: KEY, start, width, count }
}

/** Ways to sort trips into buckets, and the bucket of a line by the words of the contract. */
function bucketings(): { buckets: Buckets; numberOf: (line: string) => number }[] {
  const id = (line: string) => line.split('\t')[0] ?? ''
  const md5 = (text: string) => Number.parseInt(createHash('md5').update(text).digest('hex').slice(0, 4), 16)
  return [
    { buckets: ranged(10n, 50n, 4), numberOf: (line) => Math.min(3, Math.max(0, Math.floor((Number(id(line)) - 10) / 50))) },
    { buckets: ranged(-100n, 100n, 64), numberOf: (line) => Math.floor((Number(id(line)) + 100) / 100) },
    { buckets: hashed(8), numberOf: (line) => md5(id(line)) % 8 },
    {
      buckets: { kind: 'text', column: ZONE, bounds: ['zone', 'zone 1', 'zone 3'], count: 4 },
      numberOf: (line) => ['zone', 'zone 1', 'zone 3'].filter((bound) => bound <= (line.split('\t')[1] ?? '')).length,
    },
    {
      buckets: { kind: 'hash', columns: [ZONE, KEY], count: 16 },
      numberOf: (line) => md5(`${line.split('\t')[1]}\t${id(line)}`) % 16,
    },
  ]
}

function countOf(line: string, columns: readonly Field[], column: Field): number {
  const number = Number(line.split('\t')[columns.indexOf(column)])
  return number >= 10 && number < 12 ? 1 : 0
}

function inOrder(digests: readonly BucketDigest[]): BucketDigest[] {
  return [...digests].sort((a, b) => a.bucket - b.bucket)
}

/** The digests of these rows, by the engine's own SQL. */
async function engineDigests(columns: readonly Field[], lines: readonly string[], buckets: Buckets): Promise<BucketDigest[]> {
  const engine = duckdb({ temporaryFolder: join(tmpdir(), `sluice-conformance-${randomUUID()}`), threads: 1 })
  try {
    const session = await engine.connect()
    const declared = columns.map((column) => `${quoteName(column.name)} ${sqlType(column.type)}`).join(', ')
    await session.execute(`CREATE TEMP TABLE rows (${declared})`)
    const tuples = lines.map(
      (line) =>
        `(${decodeLine(line, columns)
          .map((value, index) => sqlOf(value, columns[index]))
          .join(', ')})`,
    )
    if (tuples.length > 0) await session.execute(`INSERT INTO rows VALUES ${tuples.join(', ')}`)
    const bucket =
      buckets.kind === 'hash'
        ? `CAST('0x' || left(md5(${lineSql(buckets.columns)}), 4) AS BIGINT) % ${buckets.count}`
        : buckets.kind === 'text'
          ? `len(list_filter([${buckets.bounds.map(literal).join(', ')}], lambda bound: bound <= ${quoteName(buckets.column.name)}))`
          : `least(${buckets.count - 1}, greatest(0, CAST(floor((${quoteName(buckets.column.name)} - (${buckets.start})) / ${buckets.width}) AS BIGINT)))`
    const found = await session.rows(
      `SELECT ${bucket} AS bucket, count(*) AS rows, bit_xor(${hashSql('line')}) AS xor, sum(${hashSql('line')}) AS sum
       FROM (SELECT *, ${lineSql(columns)} AS line FROM rows) GROUP BY 1 ORDER BY 1`,
    )
    return found.map((row) => ({
      bucket: Number(row['bucket']),
      rows: Number(row['rows']),
      xor: BigInt(String(row['xor'])),
      sum: BigInt(String(row['sum'])),
    }))
  } finally {
    await engine.close()
  }
}

/** NUL ends a statement's text: it is written as a call. */
function sqlOf(value: Value, column: Field | undefined): string {
  const type = column?.type ?? { kind: 'string' }
  if (typeof value === 'string' && type.kind === 'string')
    return value
      .split('\0')
      .map((part) => literal(part))
      .join(' || chr(0) || ')
  if (value instanceof Timestamp) return `CAST('${encodeValue(value, type)}${type.kind === 'timestamp' ? '+00' : ''}' AS ${sqlType(type)})`
  return `CAST(${literal(value as SqlValue)} AS ${sqlType(type)})`
}
