import type { Field } from '../schema/index.js'
import { type Difference, NULL, unescapeText } from '../stores/index.js'
import { type Cause, causeOf, type Tolerance } from './cause.js'

/** One thing that differs, for people and programs. */
export interface Finding {
  /** The row's key, by column, as text. */
  readonly key: Readonly<Record<string, string | null>>
  /** Null when the whole row is on one side only. */
  readonly column: string | null
  /** Values as text; null is null. */
  readonly left: string | null
  readonly right: string | null
  readonly cause: Cause
}

export interface CompareOptions {
  /** In the order of the lines, the key's first. */
  readonly columns: readonly Field[]
  readonly key: readonly string[]
  readonly tolerances: Readonly<Record<string, Tolerance>>
}

/** What of a row differs: nothing when its lines are two ways to write the same, or within the tolerances. */
export function findings({ left, right }: Difference, { columns, key, tolerances }: CompareOptions): Finding[] {
  const present = (left ?? right ?? '').split('\t')
  const keys = Object.fromEntries(key.map((name, index) => [name, shown(present[index])]))
  if (left === undefined) return [{ key: keys, column: null, left: null, right: 'a row', cause: 'extra' }]
  if (right === undefined) return [{ key: keys, column: null, left: 'a row', right: null, cause: 'missing' }]
  const others = right.split('\t')
  return columns.flatMap((column, index) => {
    const [one, other] = [present[index] ?? NULL, others[index] ?? NULL]
    const cause = causeOf(one, other, column.type, tolerances[column.name])
    return cause === undefined ? [] : [{ key: keys, column: column.name, left: shown(one), right: shown(other), cause }]
  })
}

function shown(text: string | undefined): string | null {
  return text === undefined || text === NULL ? null : unescapeText(text)
}
