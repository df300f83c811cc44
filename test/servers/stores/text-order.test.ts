import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { env, type Field } from '../../../src/schema/index.js'
import { mysql } from '../../../src/stores/mysql.js'
import { postgres } from '../../../src/stores/postgres.js'
import { escapeText, unescapeText } from '../../../src/stores/rows.js'
import type { Buckets, OpenStore, Store, Where } from '../../../src/stores/store.js'
import { describeWithMysql, describeWithPostgres } from './servers.js'

const ID: Field = { name: 'id', type: { kind: 'long' }, nullable: false }
const TEXT: Field = { name: 'text', type: { kind: 'string' }, nullable: true }

const ASCII = ['', ' ', 'a', 'a ', 'a!', 'a\t', 'A', 'aa', 'ab', 'ab\n', 'ab ', 'b', 'B~', '~', '0', '10', "'", '\\', 'x\\y', 'zzzzzzzzzz']
const LATIN = [...ASCII, 'é', 'ÿ', 'e', '€', 'é ', 'z']
const ALL = [...LATIN, '😀', '\uffee', '一', 'ß', 'ss']
const WORDS = ['b', 'a', 'C', 'aa']

/** Whatever a column's own order is, ranges and buckets of its texts are by the bytes of UTF-8. */
function byBytes(store: Store, declared: readonly (readonly [column: string, texts: readonly string[]])[]) {
  for (const [column, texts] of declared) {
    describe(column, () => {
      const name = `order_${randomUUID().slice(0, 8)}`
      let open: OpenStore
      beforeAll(async () => {
        open = await store.open({ projectFolder: '.' })
        const quoted = (text: string) =>
          store.kind === 'mysql' ? `'${text.replaceAll(/['\\]/g, '\\$&')}'` : `'${text.replaceAll("'", "''")}'`
        const rows = [...texts.map(quoted), 'NULL'].map((text, index) => `(${index}, ${text})`)
        await open.sql?.script(`CREATE TABLE ${name} (id BIGINT PRIMARY KEY, text ${column}); CREATE INDEX ${name}_text ON ${name} (text)`)
        await open.sql?.query(`INSERT INTO ${name} VALUES ${rows.join(', ')}`)
      })
      afterAll(async () => {
        await open.sql?.script(`DROP TABLE ${name}`)
        await open.close()
      })

      const bytes = (text: string) => Buffer.from(text)
      const compare = (a: string, b: string) => Buffer.compare(bytes(a), bytes(b))
      const found = async (where: Where) => {
        const ids: number[] = []
        for await (const batch of open.table(name).scan({ columns: [ID], where })) ids.push(...batch.lines.map(Number))
        expect(await open.table(name).count(where)).toBe(ids.length)
        return ids.sort((a, b) => a - b)
      }
      const limit = fc.constantFrom(...texts, 'a', 'b', 'm', '~~')

      test('ranges', async () => {
        await fc.assert(
          fc.asyncProperty(fc.option(limit, { nil: undefined }), limit, fc.boolean(), async (from, to, after) => {
            const start = from === undefined ? {} : after ? { after: escapeText(from) } : { from: escapeText(from) }
            const expected = texts.flatMap((text, id) => {
              const begun = from === undefined || compare(text, from) > 0 || (!after && text === from)
              return begun && compare(text, to) < 0 ? [id] : []
            })
            expect(await found({ kind: 'range', column: TEXT, ...start, to: escapeText(to) })).toEqual(expected)
          }),
          { numRuns: 60 },
        )
      })

      test('buckets, and the digests of these', async () => {
        await fc.assert(
          fc.asyncProperty(fc.uniqueArray(limit, { maxLength: 6 }), fc.array(fc.nat(6)), async (some, numbers) => {
            const bounds = [...some].sort(compare).map(escapeText)
            const buckets: Buckets = { kind: 'text', column: TEXT, bounds, count: bounds.length + 1 }
            const numberOf = (text: string) => bounds.filter((bound) => compare(unescapeText(bound), text) <= 0).length
            const all = [...texts.map(numberOf), 0]
            expect(await found({ kind: 'buckets', buckets, numbers })).toEqual(
              all.flatMap((number, id) => (numbers.includes(number) ? [id] : [])),
            )
            const digests = await open.table(name).digests([ID], buckets)
            const counts = new Map(digests.map(({ bucket, rows }) => [bucket, rows]))
            for (let number = 0; number <= bounds.length; number++)
              expect(counts.get(number) ?? 0).toBe(all.filter((one) => one === number).length)
          }),
          { numRuns: 60 },
        )
      })

      test('with hundreds of bounds', async () => {
        const many = Array.from({ length: 300 }, (_, index) => `a${String(index).padStart(3, '0')}`)
        const bounds = [...many, 'b'].sort(compare)
        const digests = await open.table(name).digests([ID], { kind: 'text', column: TEXT, bounds, count: bounds.length + 1 })
        const expected = new Map<number, number>([[0, 1]])
        for (const text of texts) {
          const number = bounds.filter((bound) => compare(bound, text) <= 0).length
          expected.set(number, (expected.get(number) ?? 0) + 1)
        }
        expect(new Map(digests.map(({ bucket, rows }) => [bucket, rows]))).toEqual(new Map([...expected].sort(([a], [b]) => a - b)))
      })
    })
  }
}

describeWithMysql('text in order of its bytes, in mysql', () => {
  const store = mysql({ url: env('MYSQL_URL') })
  byBytes(store, [
    ['VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin', ALL],
    ['VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin', ALL],
    ['VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci', ALL],
    ['VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci', LATIN],
    ['VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_nopad_bin', LATIN],
    ['VARCHAR(20) CHARACTER SET ascii COLLATE ascii_bin', ASCII],
    ["ENUM('b', 'a', 'C', 'aa')", WORDS],
  ])

  test('an index that pads with spaces is used all the same', async () => {
    // One connection, whose own counters are read.
    const open = await mysql({ url: env('MYSQL_URL'), pool: 1 }).open({ projectFolder: '.' })
    const name = `order_${randomUUID().slice(0, 8)}`
    try {
      await open.sql?.script(`CREATE TABLE ${name} (id BIGINT PRIMARY KEY, text VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL UNIQUE);
        INSERT INTO ${name} SELECT seq, MD5(seq) FROM seq_1_to_20000; ANALYZE TABLE ${name}`)
      const read = async () => {
        const rows = (await open.sql?.query("SHOW SESSION STATUS LIKE 'Handler_read_%'")) ?? []
        return rows.reduce((sum, row) => sum + Number(row['Value']), 0)
      }
      const before = await read()
      const within = await open.table(name).count({ kind: 'range', column: TEXT, from: 'abc', to: 'abd' })
      expect(within).toBeGreaterThan(0)
      // Those from `ab` on: one in 128, where reading all would be 20,000.
      expect((await read()) - before).toBeLessThan(2_000)
    } finally {
      await open.sql?.script(`DROP TABLE IF EXISTS ${name}`)
      await open.close()
    }
  })
})

describeWithPostgres('text in order of its bytes, in postgres', () => {
  byBytes(postgres({ url: env('POSTGRES_URL') }), [
    ['text', ALL],
    ['varchar(20) COLLATE "C"', ALL],
    ['text COLLATE "und-x-icu"', ALL],
  ])
})
