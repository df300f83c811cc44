import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Databases, describeWithStores, newDatabases, onMongodb, onMysql, onPostgres, TestProject } from './project.js'

/** Names that a Delta table may have, and others that only stores do. */
const TEXT = `it's"quoted"\`ticked\``
/** No emoji: MySQL has none in names. */
const NUMBER = 'Größeשם'
const RENAMED = { joined: 'left join', flag: 'or (1=1); -- \\' }
const columns = {
  id: 'column.string({ nullable: false })',
  [TEXT]: 'column.string()',
  [NUMBER]: 'column.double()',
  select: 'column.decimal(38, 18)',
  joined: 'column.date()',
  ORDER: 'column.timestamp()',
  flag: 'column.boolean()',
}

/** By whom a row is not taken, and what the reason says. */
type Refusals = Partial<Record<'mysql' | 'postgres' | 'mongodb', RegExp>>
interface Row {
  readonly id: string
  /** Values as SQL of the engine. */
  readonly text?: string
  readonly number?: string
  readonly decimal?: string
  readonly day?: string
  readonly at?: string
  readonly flag?: string
  readonly refused?: Refusals
}

const quoted = (text: string) => {
  const parts = text.split('\0').map((part) => `'${part.replaceAll("'", "''")}'`)
  return parts.join(' || chr(0) || ')
}
const noNul = { postgres: /NUL/ }
const noOddDouble = { mysql: /NaN|Infinity|-0/ }
const whole = (name: string, values: readonly string[], column: 'number' | 'decimal' | 'day' | 'at' | 'flag', refused: Refusals = {}) =>
  values.map((value, place): Row => ({ id: `${name} ${place}`, [column]: value, refused }))

const texts = [
  ...[
    '',
    ' ',
    'a',
    'A',
    'a ',
    ' a',
    'ä',
    'a\u0308',
    'ß',
    'SS',
    "'",
    '"',
    '`',
    '\\',
    '\\N',
    '\\\\N',
    '\\0',
    'NULL',
    'null',
    '%',
    '_',
    '?',
    '$1',
    ':x',
  ],
  ...[
    '\t',
    '\n',
    '\r\n',
    '\r',
    '\b',
    '\x1a',
    'a\tb\nc\\',
    "'; DROP TABLE items; --",
    '{"$gt": ""}',
    '$set',
    'a.b',
    '👩‍👩‍👧‍👦',
    '𝒳',
    'שלום',
    'مرحبا بالعالم',
  ],
  ...['\u200f', '\ufeff', '\u2028', '\uffff', 'ı', 'İ', 'ｆｕｌｌ', 'x'.repeat(3_000)],
]
const ROWS: readonly Row[] = [
  // As keys, but for what is longer than a key may be.
  ...texts.filter((text) => text.length < 100).map((text): Row => ({ id: text, text: quoted(text) })),
  ...texts.map((text, place): Row => ({ id: `text ${place}`, text: quoted(text) })),
  { id: 'nul', text: quoted('a\0b'), refused: noNul },
  { id: 'nul\0in the key', refused: noNul },
  { id: 'no values' },
  { id: '10 MB', text: "repeat('ü😀\"''\\', 1000000)" },
  ...whole('number', ["'NaN'", "'Infinity'", "'-Infinity'", "'-0.0'"], 'number', noOddDouble),
  ...whole(
    'finite',
    [
      '5e-324',
      '2.2250738585072014e-308',
      '1.7976931348623157e308',
      '-1.7976931348623157e308',
      '0.1::DOUBLE + 0.2::DOUBLE',
      '1e15',
      '1e16',
      '1e21',
      '1e-7',
      '123456789012345680',
    ],
    'number',
  ),
  ...whole('decimal', ['0', '-0.000000000000000001', '1.5', '12345678901234567890', '-99999999999999.99999999999999999'], 'decimal'),
  ...whole(
    'long decimal',
    [
      "'99999999999999999999.999999999999999999'",
      "'-99999999999999999999.999999999999999999'",
      "'12345678901234567890.123456789012345678'",
    ],
    'decimal',
    { mongodb: /34 digits/ },
  ),
  ...whole(
    'day',
    ['0001-01-01', '1582-10-10', '1900-02-28', '1969-12-31', '1970-01-01', '2000-02-29', '9999-12-31'].map((day) => `DATE '${day}'`),
    'day',
  ),
  ...whole(
    'at',
    [
      '0001-01-01 00:00:00',
      '1582-10-10 12:00:00',
      '1969-12-31 23:59:59.999',
      '1970-01-01 00:00:00',
      '2038-01-19 03:14:08',
      '2024-03-31 01:30:00',
      '9999-12-31 23:59:59.999',
    ].map((at) => `TIMESTAMPTZ '${at}+00'`),
    'at',
  ),
  ...whole('fine', ["TIMESTAMPTZ '2024-01-01 00:00:00.123456+00'", "TIMESTAMPTZ '1969-12-31 23:59:59.999999+00'"], 'at', {
    mongodb: /millisecond/,
  }),
  ...whole('flag', ['true', 'false'], 'flag'),
]

const select = ROWS.map(
  ({ id, text = 'NULL', number = 'NULL', decimal = 'NULL', day = 'NULL', at = 'NULL', flag = 'NULL' }) =>
    `(${quoted(id)}, ${text}, ${number}::DOUBLE, ${decimal}::DECIMAL(38, 18), ${day}::DATE, ${at}::TIMESTAMPTZ, ${flag}::BOOLEAN)`,
).join(',\n')
const named = Object.keys(columns).map((name) => `"${name.replaceAll('"', '""')}"`)

const TABLE = `odd "name" of \`a\` table's; --`

describeWithStores('hostile values and names', () => {
  let databases: Databases
  let project: TestProject
  beforeAll(async () => {
    databases = await newDatabases()
    const table = JSON.stringify(TABLE)
    const rename = JSON.stringify(RENAMED)
    project = new TestProject({
      columns,
      addresses: databases,
      syncs: `export const toMysql = sync(items, { name: 'mysql', to: warehouse.table(${table}), rename: ${rename} })
export const toPostgres = sync(items, { name: 'postgres', to: ledger.table(${table}), rename: ${rename} })
export const toShelf = sync(items, { name: 'shelf', to: shelf.table(${table}), rename: ${rename} })
export const toMongodb = sync(items, { name: 'mongodb', to: documents.table(${table}), rename: ${rename} })
export const onwards = sync(warehouse.table(${table}), { name: 'onwards', to: documents.table('onwards'), key: ['id'] })`,
    })
    await project.rows('all', `SELECT * FROM (VALUES ${select}) AS t(${named.join(', ')})`)
    await project.run()
  })
  afterAll(() => databases?.drop())

  const refusedBy = (...stores: (keyof Refusals)[]) => ROWS.filter((row) => stores.some((store) => row.refused?.[store] !== undefined))
  const mysqlRefuses = refusedBy('mysql').map(({ id }) => id)
  /** By sync, the rows that its target does not take. */
  const expected: Record<string, readonly Row[]> = {
    mysql: refusedBy('mysql'),
    postgres: refusedBy('postgres'),
    shelf: [],
    mongodb: refusedBy('mongodb'),
    onwards: refusedBy('mongodb').filter(({ id }) => !mysqlRefuses.includes(id)),
  }

  test('go through every store; what one cannot hold is refused, with the reason', async () => {
    const done = await project.synced()
    for (const [name, rows] of Object.entries(expected)) {
      const lost = name === 'onwards' ? mysqlRefuses.length : 0
      expect([name, done[name]?.inserted, done[name]?.deadLettered]).toEqual([name, ROWS.length - lost - rows.length, rows.length])
    }
    const letters = await project.deadLetters()
    for (const [name, rows] of Object.entries(expected)) {
      const own = letters.filter((one) => one.sync === name)
      expect([name, own.map((one) => JSON.parse(one.row).id).sort()]).toEqual([name, rows.map(({ id }) => id).sort()])
      const store = name === 'onwards' ? 'mongodb' : (name as keyof Refusals)
      for (const { row, reason } of own) {
        const { id } = JSON.parse(row)
        expect([id, reason]).toEqual([id, expect.stringMatching(ROWS.find((one) => one.id === id)?.refused?.[store] ?? /^$/)])
      }
    }
  })

  test('reconciled, the refused rows are missing and all others are equal', async () => {
    const { by } = await project.reconciled('--level', 'rows')
    for (const [name, rows] of Object.entries(expected)) {
      const found = by[name]
      const missing = found?.samples.map((one) => [one.key['id'], one.cause]).sort()
      expect([name, missing]).toEqual([name, rows.map(({ id }) => [id, 'missing']).sort()])
      expect([name, found?.differences.total]).toEqual([name, rows.length])
    }
  })

  test('the servers themselves say what is there', async () => {
    const name = `\`${TABLE.replaceAll('`', '``')}\``
    const postgres = `"${TABLE.replaceAll('"', '""')}"`
    const [text, number] = [TEXT.replaceAll('`', '``'), NUMBER]
    expect(await onMysql(databases.mysql, `SELECT \`${text}\` FROM ${name} WHERE id = 'text 30'`)).toEqual([[texts[30]]])
    expect(
      (await onMysql(databases.mysql, `SELECT length(\`${text}\`), char_length(\`${text}\`) FROM ${name} WHERE id = '10 MB'`)).map((row) =>
        row.map(Number),
      ),
    ).toEqual([[9_000_000, 5_000_000]])
    expect(
      await onPostgres(databases.postgres, `SELECT CAST("${number}" AS TEXT) FROM ${postgres} WHERE id LIKE 'number %' ORDER BY id`),
    ).toEqual([['NaN'], ['Infinity'], ['-Infinity'], ['-0']])
    const found = await onMongodb(databases.mongodb, (client) => client.db().collection(TABLE).findOne({ id: 'text 37' }))
    expect(found?.[TEXT]).toBe(texts[37])
    const keys = await onMysql(databases.mysql, `SELECT count(*) FROM ${name} WHERE hex(id) IN ('61', '41', '6120', '2061')`)
    expect(Number(keys[0]?.[0])).toBe(4)
  })

  test('again: nothing is written, and nothing refused a second time', async () => {
    const done = await project.synced('mysql', 'postgres', 'shelf', 'mongodb')
    for (const one of Object.values(done)) expect([one.name, one.mode]).toEqual([one.name, 'nothing'])
    const repaired = await project.sluice('reconcile', 'postgres', '--repair')
    expect(repaired.code).toBe(1)
    expect(repaired.json().reconciliations[0].repaired).toMatchObject({ inserted: 0, updated: 0, deleted: 0, deadLettered: 2 })
  })
})
