import { createHash } from 'node:crypto'
import { quoteText, renderSql, type Sql } from '../engine/index.js'
import { failure, SOURCE_FILE_UNREADABLE } from '../errors/index.js'
import { compareSchema, givenValue, isVariable, requiredValue, type Variable, type VariableValues } from '../schema/index.js'
import { selectList } from './convert.js'
import { type Item, SOURCE, type Source } from './source.js'

export interface GeneratorOptions {
  readonly name: string
  readonly rows: number | Variable<number>
  readonly seed: number | Variable<number>
  /** A SELECT of the declared columns; it may give `_source_file` and `_source_row` itself. The same seed must give the same rows. */
  readonly query: (rows: number, seed: number) => Sql
}

/**
 * Rows made by SQL from a seed: called synthetic wherever they are shown, and taken once for each seed and size.
 *
 * `generator({ name: 'trips', rows: 1000, seed: 42, query: (rows, seed) => sql`select ... from range(${rows})` })`
 */
export function generator(options: GeneratorOptions): Source {
  const numbers = [options.rows, options.seed].filter((one): one is Variable<number> => isVariable(one))
  const resolve = (value: number | Variable<number>, values: VariableValues) =>
    Number(isVariable(value) ? requiredValue(value, values) : value)
  return {
    [SOURCE]: true,
    variables: numbers,
    given: (values) => numbers.every((one) => givenValue(one, values) !== undefined),
    describe: (values) =>
      `generator ${options.name}, ${resolve(options.rows, values).toLocaleString('en-US')} rows, seed ${resolve(options.seed, values)} (synthetic)`,
    async offer({ values }) {
      const [rows, seed] = [resolve(options.rows, values), resolve(options.seed, values)]
      if (!Number.isInteger(rows) || rows < 0)
        throw failure(SOURCE_FILE_UNREADABLE, { path: options.name, problem: `${rows} is no number of rows` })
      const path = `synthetic/${options.name}?seed=${seed}&rows=${rows}`
      const item: Item = { path, bytes: 0, modifiedAt: 0, checksum: async () => createHash('sha256').update(path).digest('hex') }
      return {
        kind: 'synthetic',
        label: `generator ${options.name} (synthetic)`,
        items: [item],
        whenChanged: 'refuse',
        async read(items, { columns, session }) {
          const template = options.query(rows, seed)
          const query = renderSql(template, { relation: noRelation, changed: noRelation, values, secrets: 'read' }).text
          const given = await session.describe(`SELECT * FROM (${query})`)
          const names = new Set(given.map((field) => field.name))
          const { mapping } = compareSchema(columns, given)
          const select = [
            ...selectList({ columns, mapping, dropped: new Set(), extra: [] }, false),
            names.has('_source_file') ? '_source_file' : `${quoteText(path)} AS _source_file`,
            names.has('_source_row') ? '_source_row::BIGINT AS _source_row' : 'row_number() OVER () AS _source_row',
          ]
          return {
            query: items.length === 0 ? '' : `SELECT ${select.join(', ')} FROM (${query})`,
            messy: false,
            extraFields: [],
            taken: items.map((one) => ({ item: one, note: 'synthetic' })),
            refused: [],
            drift: [],
          }
        },
      }
    },
  }
}

function noRelation(): never {
  throw new Error('a generator reads no dataset')
}
