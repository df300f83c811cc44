import { NULL, RowBatch } from './rows.js'
import type { RefusedRow } from './store.js'

/** Something that a store does not take in a column. */
export interface Check {
  readonly column: string
  /** Lines that fail it need no closer look: a regular expression, or what is quicker. */
  readonly sign?: { test(line: string): boolean }
  /** Why a value's text is refused. */
  readonly problem: (text: string) => string | undefined
}

/**
 * The rows of a batch that a store may be given: of two rows with one key the later, and none with null in its key or with what the checks
 * find.
 */
export function screen(
  batch: RowBatch,
  key: readonly string[],
  checks: readonly Check[],
): { readonly kept: RowBatch; readonly refused: readonly RefusedRow[] } {
  const placeOf = (name: string) => batch.columns.findIndex((column) => column.name === name)
  const keyPlaces = key.map(placeOf)
  const [only = 0, ...others] = keyPlaces
  const placed = checks.map((check) => ({ ...check, place: placeOf(check.column) }))
  // Columns of one type have one sign.
  const signs = [...new Set(checks.map(({ sign }) => sign))]
  const refused: RefusedRow[] = []
  const [kept, keys]: [string[], string[]] = [[], []]
  let [previous, ascending] = ['', true]
  for (const line of batch.lines) {
    let reason: string | undefined
    let found = cellAt(line, only)
    let hasNull = found === NULL
    for (const place of others) {
      const text = cellAt(line, place)
      hasNull ||= text === NULL
      found += `\t${text}`
    }
    if (hasNull) reason = `null in the key ${key.join(', ')}`
    const shown = reason === undefined ? signs.filter((sign) => sign === undefined || sign.test(line)) : []
    if (shown.length > 0) {
      const all = line.split('\t')
      for (const { column, place, sign, problem } of placed) {
        const why = shown.includes(sign) ? problem(all[place] ?? NULL) : undefined
        if (why === undefined) continue
        reason = `"${column}" is ${why}`
        break
      }
    }
    if (reason === undefined) {
      kept.push(line)
      keys.push(found)
      ascending &&= previous < found
      previous = found
    } else refused.push({ line, reason })
  }
  // Keys that ascend, as those of a table read in its order do, are all different.
  const isRepeated = !ascending && new Set(keys).size < keys.length
  if (refused.length === 0 && !isRepeated) return { kept: batch, refused }
  const latest = isRepeated ? [...new Map(keys.map((one, index) => [one, kept[index] ?? ''])).values()] : kept
  return { kept: new RowBatch(batch.columns, latest), refused }
}

/** Where a line goes on after so many tabs; -1 where it has fewer. */
function after(line: string, tabs: number, from: number): number {
  let at = from
  for (let left = tabs; left > 0; left--) {
    const tab = line.indexOf('\t', at)
    if (tab < 0) return -1
    at = tab + 1
  }
  return at
}

function upToTab(line: string, from: number): string {
  const end = line.indexOf('\t', from)
  return end < 0 ? line.slice(from) : line.slice(from, end)
}

/** The text at a place of a line, without splitting all of it. */
function cellAt(line: string, place: number): string {
  const from = place < 0 ? -1 : after(line, place, 0)
  return from < 0 ? NULL : upToTab(line, from)
}

/** Whether one of the texts at these places, in order, is an odd double. */
function hasOddDouble(line: string, places: readonly number[]): boolean {
  let [from, at] = [0, 0]
  for (const place of places) {
    from = after(line, place - at, from)
    if (from < 0) return false
    if (ODD_DOUBLE.test(upToTab(line, from))) return true
    at = place
  }
  return false
}

const ODD_DOUBLE = /e|^-?(?:0\.000000|\d{16})/i

/** Rewrites lines whose doubles a database writes in another way than lines do: `1e15` for 1000000000000000, `0.0000001` for 1e-7. */
export function plainDoubles(columns: RowBatch['columns']): ((line: string) => string) | undefined {
  const places = columns.flatMap(({ type }, place) => (type.kind === 'double' || type.kind === 'float' ? [place] : []))
  if (places.length === 0) return undefined
  return (line) => {
    if (!hasOddDouble(line, places)) return line
    const texts = line.split('\t')
    for (const place of places) if (ODD_DOUBLE.test(texts[place] ?? '')) texts[place] = String(Number(texts[place]))
    return texts.join('\t')
  }
}
