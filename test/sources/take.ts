import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Row, Session } from '../../src/engine/index.js'
import { isSluiceError } from '../../src/errors/index.js'
import type { Columns, VariableValues } from '../../src/schema/index.js'
import { type FilesOptions, files, type Intake, type Offer, type SourceContext } from '../../src/sources/index.js'
import { temporaryFolder } from '../fixtures.js'

export interface Taken {
  /** The declared columns of the rows that could be read, by their place in the file. */
  readonly rows: readonly Row[]
  /** `1 line_parsed: the line` or `2 value_converts: fare=abc`, by their place in the file. */
  readonly held: readonly string[]
  /** `a.csv SOURCE_FILE_EMPTY` */
  readonly refused: readonly string[]
  readonly drift: readonly string[]
  /** True when each value had to be looked at by itself. */
  readonly careful: boolean
  readonly intake: Intake
}

export function contextIn(folder: string, values: VariableValues = {}): SourceContext {
  const cacheFolder = join(folder, '.cache')
  return { projectFolder: folder, currentFolder: folder, values, fromCommandLine: new Set(), cacheFolder, taken: [], report: () => {} }
}

/** A folder with these files. */
export function folderOf(contents: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = temporaryFolder()
  for (const [name, content] of Object.entries(contents)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  return folder
}

/** What a step takes from one file: quickly where that goes, else with care, as `pipeline/source-step.ts` does. */
export async function take(
  session: Session,
  columns: Columns,
  name: string,
  content: string | Uint8Array,
  options: FilesOptions = {},
): Promise<Taken> {
  const offer = await files('*', options).offer(contextIn(folderOf({ [name]: content })))
  return takeOffer(session, columns, offer)
}

export async function takeOffer(session: Session, columns: Columns, offer: Offer): Promise<Taken> {
  try {
    return await takeWith(session, columns, offer, false)
  } catch (error) {
    if (!isSluiceError(error) || !/^ENGINE_|UNACCOUNTED/.test(error.code)) throw error
    return await takeWith(session, columns, offer, true)
  }
}

async function takeWith(session: Session, columns: Columns, offer: Offer, careful: boolean): Promise<Taken> {
  const intake = await offer.read(offer.items, { session, columns, careful })
  const all = intake.query === '' ? [] : await session.rows(`SELECT * FROM (${intake.query}) ORDER BY _source_file, _source_row`)
  for (const { item, records } of intake.taken) {
    const found = all.filter((row) => row['_source_file'] === item.path).length
    if (records !== undefined && records !== found) {
      const { failure, SOURCE_FILE_UNACCOUNTED } = await import('../../src/errors/index.js')
      throw failure(SOURCE_FILE_UNACCOUNTED, { path: item.path, records, rows: found })
    }
  }
  const bad = all.filter((row) => (row['_problem'] ?? null) !== null)
  const names = [...Object.keys(columns), ...intake.extraFields.map((field) => field.name)]
  return {
    rows: all
      .filter((row) => (row['_problem'] ?? null) === null)
      .map((row) => Object.fromEntries(names.map((name) => [name, row[name] ?? null]))),
    held: bad.map((row) => {
      const raw = row['_raw'] as ReadonlyMap<string, string> | null
      const what = raw === null ? '' : raw.has('line') ? raw.get('line') : [...raw].map(([key, value]) => `${key}=${value}`).join(', ')
      return `${row['_source_row']} ${row['_problem']}: ${what}`
    }),
    refused: intake.refused.map(({ item, error }) => `${item.path} ${error.code}`),
    drift: intake.drift.map((one) => `${one.column} ${one.change}: ${one.expected} -> ${one.arrived}, ${one.policy}`),
    careful,
    intake,
  }
}
