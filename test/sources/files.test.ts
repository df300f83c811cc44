import { describe, expect, test } from 'vitest'
import { rawSql } from '../../src/engine/index.js'
import { type Columns, column, variable, variables } from '../../src/schema/index.js'
import { type FilesOptions, files, firstGiven, generator } from '../../src/sources/index.js'
import { openSession } from '../session.js'
import { codeOf } from '../table/table.js'
import { contextIn, folderOf, take, takeOffer } from './take.js'

const session = openSession()
const csv = (content: string, columns: Columns, options: FilesOptions = {}) => take(session(), columns, 'x.csv', content, options)

describe('which files', () => {
  const folder = () =>
    folderOf({
      'b.csv': 'n\n2\n3\n',
      'a.csv': 'n\n1\n1\n',
      '_hidden.csv': 'n\n9\n',
      '.dot.csv': 'n\n9\n',
      'deep/c.csv': 'n\n4\n4\n',
      'odd [1]*?.csv': 'n\n5\n5\n',
    })
  const paths = async (pattern: string) => (await files(pattern).offer(contextIn(folder()))).items.map((item) => item.path)

  test.each([
    ['a.csv', ['a.csv']],
    ['*.csv', ['a.csv', 'b.csv', 'odd [1]*?.csv']],
    ['**/*.csv', ['a.csv', 'b.csv', 'deep/c.csv', 'odd [1]*?.csv']],
    ['deep', ['deep/c.csv']],
    ['odd [1]*?.csv', ['odd [1]*?.csv']],
    ['[ab].csv', ['a.csv', 'b.csv']],
  ])('%s is %j', async (pattern, found) => {
    expect(await paths(pattern)).toEqual(found)
  })

  test('a name with the signs of a glob is read as it is', async () => {
    const offer = await files('odd [1]*?.csv').offer(contextIn(folder()))
    expect((await takeOffer(session(), { n: column.integer() }, offer)).rows).toEqual([{ n: 5 }, { n: 5 }])
  })

  test('a path that is not there is an error; a glob may match nothing', async () => {
    expect(await codeOf(files('nothing.csv').offer(contextIn(folder())))).toBe('SOURCE_NOT_FOUND')
    expect(await paths('*.nothing')).toEqual([])
  })

  test('of an unknown kind is refused, unless its format is said', async () => {
    expect((await take(session(), { n: column.integer() }, 'x.dat', 'n\n1\n1\n')).refused).toEqual(['x.dat SOURCE_FORMAT_UNKNOWN'])
    expect((await take(session(), { n: column.integer() }, 'x.dat', 'n\n1\n1\n', { format: 'csv' })).rows).toHaveLength(2)
  })

  test('a path from the command line is relative to where one stands, in a definition to the project', async () => {
    const [here, project] = [folderOf({ 'in.csv': 'n\n1\n1\n' }), folderOf({ 'in.csv': 'n\n2\n2\n' })]
    const vars = variables({ input: variable.path() })
    const context = { ...contextIn(project, { input: 'in.csv' }), currentFolder: here }
    const location = async (given: string[]) => {
      const offer = await files(vars.input).offer({ ...context, fromCommandLine: new Set(given) })
      return (await takeOffer(session(), { n: column.integer() }, offer)).rows[0]
    }
    expect([await location([]), await location(['input'])]).toEqual([{ n: 2 }, { n: 1 }])
  })

  test('firstGiven takes the first whose variables have values', () => {
    const vars = variables({ input: variable.path() })
    const synthetic = generator({ name: 'g', rows: 1, seed: 1, query: () => rawSql('select 1 as n') })
    const source = firstGiven(files(vars.input), synthetic)
    expect(source.describe({ input: 'x.csv' })).toBe('files x.csv')
    expect(source.describe({})).toContain('synthetic')
  })
})

describe('columns that drift', () => {
  const columns = { id: column.long(), fare: column.double({ aliases: ['Fare_Amount', 'price'] }), fee: column.double({ optional: true }) }

  test('aliases and other case are no drift; neither is an optional column that is absent', async () => {
    expect(await csv('ID,FARE_AMOUNT\n1,2\n', columns)).toMatchObject({ rows: [{ id: 1n, fare: 2, fee: null }], drift: [] })
  })

  test.each<[string, FilesOptions['drift'], object]>([
    ['missing is null', {}, { rows: [{ id: 1n, fare: null, fee: null }], drift: ['fare missing: double -> absent, evolve'] }],
    ['missing refuses the file', { missing: 'fail' }, { rows: [], refused: ['x.csv SOURCE_DRIFT_REFUSED'] }],
    ['missing holds the rows', { missing: 'quarantine' }, { rows: [], held: ['1 schema_matches: '] }],
  ])('%s', async (_, drift, expected) => {
    expect(await csv('id,fee\n1,\n', columns, { drift: drift ?? {} })).toMatchObject(expected)
  })

  test.each<[string, FilesOptions['drift'], object]>([
    ['extra is left out', {}, { rows: [{ id: 1n, fare: 2, fee: null }], drift: ['more extra: absent -> text, drop'] }],
    ['extra joins', { extra: 'evolve' }, { rows: [{ id: 1n, fare: 2, fee: null, more: 'x' }] }],
    ['extra refuses the file', { extra: 'fail' }, { refused: ['x.csv SOURCE_DRIFT_REFUSED'] }],
    ['extra holds the rows', { extra: 'quarantine' }, { rows: [], held: ['1 schema_matches: more=x'] }],
  ])('%s', async (_, drift, expected) => {
    expect(await csv('id,fare,more\n1,2,x\n', columns, { drift: drift ?? {} })).toMatchObject(expected)
  })

  test.each<[string, FilesOptions['drift'], object]>([
    ['another order is noted', {}, { rows: [{ id: 1n, fare: 2 }], drift: ['fare reordered: after id -> column 1, evolve'] }],
    ['another order refuses the file', { reordered: 'fail' }, { refused: ['x.csv SOURCE_DRIFT_REFUSED'] }],
  ])('%s', async (_, drift, expected) => {
    expect(await csv('fare,id\n2,1\n', columns, { drift: drift ?? {} })).toMatchObject(expected)
  })

  test('files of several shapes are read together', async () => {
    const folder = folderOf({ 'a.csv': 'id,fare\n1,2\n', 'b.csv': 'price,id,x\n4,3,y\n', 'c.csv': 'id\nbad\n5\n' })
    const taken = await takeOffer(session(), columns, await files('*', { drift: { extra: 'evolve' } }).offer(contextIn(folder)))
    expect(taken.rows).toEqual([
      { id: 1n, fare: 2, fee: null, x: null },
      { id: 3n, fare: 4, fee: null, x: 'y' },
      { id: 5n, fare: null, fee: null, x: null },
    ])
    expect(taken.held).toEqual(['1 value_converts: id=bad'])
  })
})
