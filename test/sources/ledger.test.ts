import { statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { failure, SOURCE_FILE_EMPTY } from '../../src/errors/index.js'
import type { LedgerFile } from '../../src/pipeline/note.js'
import { type RefusedFile, sortItems } from '../../src/pipeline/source-step.js'
import { type FilesOptions, files } from '../../src/sources/index.js'
import { contextIn, folderOf } from './take.js'

/** What a run makes of `a.csv` and `b.csv`, where an earlier one has taken `a.csv` and whatever is changed since. */
async function sorted(
  change: (path: string) => void,
  options: FilesOptions = {},
  more: { refusedBefore?: boolean; fullRefresh?: boolean } = {},
) {
  const folder = folderOf({ 'a.csv': 'n\n1\n2\n', 'b.csv': 'n\n3\n4\n' })
  const source = files('*.csv', options)
  const [before] = (await source.offer(contextIn(folder))).items
  if (before === undefined) throw new Error('no items')
  const taken = {
    path: 'a.csv',
    kind: 'real',
    bytes: before.bytes,
    checksum: await before.checksum(),
    modifiedAt: before.modifiedAt,
    rows: 2,
    version: 1,
  } satisfies LedgerFile & { version: number }
  const error = failure(SOURCE_FILE_EMPTY, { path: 'a.csv', found: 'was empty' }).toJSON()
  const refused: RefusedFile = { ...taken, error }
  change(join(folder, 'a.csv'))
  const offer = await source.offer(contextIn(folder))
  const sorting = await sortItems(
    offer,
    { ledger: more.refusedBefore === true ? new Map() : new Map([['a.csv', taken]]) },
    more.refusedBefore === true ? new Map([['a.csv', refused]]) : new Map(),
    more.fullRefresh ?? false,
  )
  return {
    fresh: sorting.fresh.map((item) => item.path),
    replaced: sorting.replaced.map((item) => item.path),
    known: sorting.known.map((one) => `${one.item.path} ${one.rows}`),
    refused: sorting.refused.map((one) => `${one.item.path} ${one.error.code}`),
  }
}

const same = () => {}
const rewrite = (path: string) => {
  const { mtime } = statSync(path)
  writeFileSync(path, 'n\n9\n9\n') // as long as before
  utimesSync(path, mtime, new Date(mtime.getTime() + 5000))
}

describe('a second run', () => {
  test('takes only what is new', async () => {
    expect(await sorted(same)).toEqual({ fresh: ['b.csv'], replaced: [], known: ['a.csv 2'], refused: [] })
  })

  test('knows a file whose time changed and whose content did not', async () => {
    expect(await sorted((path) => utimesSync(path, 1, 1))).toMatchObject({ known: ['a.csv 2'], refused: [] })
  })

  test('refuses a file that has changed, by name', async () => {
    expect(await sorted(rewrite)).toEqual({ fresh: ['b.csv'], replaced: [], known: [], refused: ['a.csv SOURCE_FILE_CHANGED'] })
  })

  test('or replaces its rows, by policy', async () => {
    expect(await sorted(rewrite, { changed: 'replace' })).toEqual({ fresh: ['b.csv'], replaced: ['a.csv'], known: [], refused: [] })
  })

  test('names a refused file again, and tries it once it changed', async () => {
    expect(await sorted(same, {}, { refusedBefore: true })).toMatchObject({ fresh: ['b.csv'], refused: ['a.csv SOURCE_FILE_EMPTY'] })
    expect(await sorted(rewrite, {}, { refusedBefore: true })).toMatchObject({ fresh: ['a.csv', 'b.csv'], refused: [] })
  })

  test('reads all again when it is told to', async () => {
    expect(await sorted(same, {}, { fullRefresh: true })).toEqual({ fresh: ['a.csv', 'b.csv'], replaced: [], known: [], refused: [] })
  })
})
