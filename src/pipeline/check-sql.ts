import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { type RenderedSql, type Sql, sourceOf } from '../engine/index.js'
import { failure, isSluiceError, type Place, QUERY_INVALID } from '../errors/index.js'
import type { Dataset } from './dataset.js'

/** Turns an engine's complaint about rendered SQL into one about the place in the user's file. Other errors pass through. */
export function placeSqlError(error: unknown, rendered: RenderedSql, dataset: Pick<Dataset, 'name'>, folder: string, offset = 0): unknown {
  if (!isSluiceError(error) || error.code !== 'ENGINE_SQL_INVALID') return error
  const facts = error.facts as { problem: string; position?: number }
  const position = facts.position === undefined ? undefined : facts.position - offset
  const source = position === undefined || position < 0 ? undefined : sourceOf(rendered, position)
  const near = position === undefined || position < 0 ? '' : (/^[^\s,()]+/.exec(rendered.text.slice(position))?.[0] ?? '')
  const place =
    source === undefined
      ? filePlace(rendered.pieces[0]?.template, folder)
      : templatePlace(source.template, source.index, source.offset, folder)
  return failure(
    QUERY_INVALID,
    { dataset: dataset.name, problem: (facts.problem.split('\n\nLINE')[0] ?? '').replaceAll('\n', ' '), near },
    { place, cause: error },
  )
}

function filePlace(template: Sql | undefined, folder: string): Place {
  if (template?.place.file === undefined) return {}
  return { ...template.place, file: relative(folder, template.place.file) }
}

/** The line and column in the user's file: the template's text is looked up there, because a loader may have moved lines. */
function templatePlace(template: Sql, index: number, offset: number, folder: string): Place {
  const { file } = template.place
  if (file === undefined) return {}
  const named: Place = { ...template.place, file: relative(folder, file) }
  try {
    const text = readFileSync(file, 'utf8')
    let at = 0
    for (const string of template.strings.slice(0, index + 1)) {
      const found = text.indexOf(string, at)
      if (found < 0) return named
      at = found + (string === template.strings[index] ? 0 : string.length)
    }
    const before = text.slice(0, at + offset)
    return { file: relative(folder, file), line: before.split('\n').length, column: before.length - before.lastIndexOf('\n') }
  } catch {
    return named
  }
}
