import { describe, expect, test } from 'vitest'
import { renderSql, type SqlContext, sourceOf, sql, sqlInputs } from '../../src/engine/index.js'
import { changed, column, env, nameColumns, RELATION, type Relation, Timestamp, variable, variables } from '../../src/schema/index.js'
import { openSession } from '../session.js'

const session = openSession()
const trips = { [RELATION]: true, name: 'silver.trips', columns: nameColumns({ 'fare "x"': column.double() }) } satisfies Relation
const vars = variables({ limit: variable.integer(), name: variable.string({ default: "O'Hare" }) })
const context: SqlContext = {
  relation: (one) => `"${one.name}"`,
  changed: (one) => `"${one.name} (changed)"`,
  values: { limit: 6 },
  secrets: 'named',
}
const rendered = (template: ReturnType<typeof sql>) => renderSql(template, context).text

describe('sql', () => {
  test.each([
    [sql`select * from ${trips}`, 'select * from "silver.trips"'],
    [sql`select * from ${changed(trips)} as t`, 'select * from "silver.trips (changed)" as t'],
    [sql`select t.${trips.columns['fare "x"']}`, 'select t."fare ""x"""'],
    [sql`where a < ${vars.limit} and b = ${vars.name}`, "where a < 6 and b = 'O''Hare'"],
    [sql`${1} ${10n} ${"it's"} ${true} ${null} ${new Timestamp(0n)}`, "1 10 'it''s' TRUE NULL TIMESTAMPTZ '1970-01-01T00:00:00.000000Z'"],
    [sql`select ${sql`a + ${1}`} from t`, 'select a + 1 from t'],
    [sql`regexp_matches(x, '\d+\.\w')`, "regexp_matches(x, '\\d+\\.\\w')"],
    [sql`\`a\` \${b}`, '`a` ${b}'],
    [sql`key = ${env('NO_SUCH_SECRET')}`, 'key = env(NO_SUCH_SECRET)'],
  ])('%#', (template, text) => {
    expect(rendered(template)).toBe(text)
  })

  test('a variable without a value is named', () => {
    expect(() => renderSql(sql`${vars.limit}`, { ...context, values: {} })).toThrow(expect.objectContaining({ code: 'VARIABLE_NOT_SET' }))
  })

  test('tells what it refers to, each once, however deep', () => {
    const inner = sql`${trips} ${vars.limit}`
    const { relations, changed: news, variables: named } = sqlInputs(sql`${inner} ${inner} ${changed(trips)} ${trips}`)
    expect([relations, news, named].map((all) => all.map((one) => one.name))).toEqual([['silver.trips'], ['silver.trips'], ['limit']])
  })

  test('knows the file and line it stands on', () => {
    expect(sql`select 1`.place).toMatchObject({ file: expect.stringContaining('sql.test.ts'), line: expect.any(Number) })
  })
})

describe('where an error lies', () => {
  test('the engine’s offset leads back to the template’s own text', async () => {
    const template = sql`select 'é😀', ${'a long literal that the file does not have'} as x, ${sql`nothing`} from (select 1 as one)`
    const text = renderSql(template, context)
    const error = await session()
      .describe(text.text)
      .then(
        () => undefined,
        (thrown: { facts: { position: number } }) => thrown,
      )
    const position = error?.facts.position ?? -1
    expect(text.text.slice(position)).toMatch(/^nothing/)
    expect(sourceOf(text, position)).toMatchObject({ index: 0, offset: 0, template: { strings: ['nothing'] } })
  })

  test('an offset in the author’s text is where the author sees it', () => {
    const template = sql`a ${12345} b ${6} c`
    const text = renderSql(template, context)
    expect(text.text).toBe('a 12345 b 6 c')
    const at = (offset: number) => [sourceOf(text, offset)?.index, sourceOf(text, offset)?.offset]
    expect([at(0), at(8), at(12), at(4)]).toEqual([
      [0, 0],
      [1, 1],
      [2, 1],
      [0, 2],
    ])
  })
})
