import type { Columns } from './column.js'
import { type DataType, typeText, widens } from './types.js'

export type DriftChange = 'missing' | 'extra' | 'retyped' | 'reordered'

/**
 * What happens when a column drifts:
 * `fail` refuses what arrived; `evolve` follows it (an extra column joins the table, a missing one is null, a re-typed one is
 * converted, order does not matter); `drop` leaves the column out (null where it is declared); `quarantine` holds the rows.
 */
export type DriftPolicy = 'fail' | 'evolve' | 'drop' | 'quarantine'
export type DriftPolicies = Readonly<Record<DriftChange, DriftPolicy>>

export const DEFAULT_DRIFT: DriftPolicies = { missing: 'evolve', extra: 'drop', retyped: 'evolve', reordered: 'evolve' }

/** One difference between the columns expected and those that arrived. */
export interface Drift {
  readonly column: string
  readonly change: DriftChange
  readonly expected: string
  readonly arrived: string
  readonly policy: DriftPolicy
}

/** A column as it arrived; `type` is undefined where the format has no types (CSV). */
export interface ArrivedColumn {
  readonly name: string
  readonly type?: DataType
  /** The format's types say little (JSON has one for all numbers), so another type than the declared one is no drift. */
  readonly loose?: boolean
}

export interface Comparison {
  /** For each expected column, the name under which it arrived, when it did. */
  readonly mapping: ReadonlyMap<string, ArrivedColumn>
  readonly extra: readonly ArrivedColumn[]
  readonly drift: readonly Drift[]
}

/**
 * Matches arrived columns to the expected ones by name, then by alias, both without case, and lists the differences.
 * A column whose values all fit the expected type (integer for long) is not drift; neither is an `optional` one that is absent.
 */
export function compareSchema(expected: Columns, arrived: readonly ArrivedColumn[], policies: DriftPolicies = DEFAULT_DRIFT): Comparison {
  const byName = new Map(arrived.map((one) => [one.name.toLowerCase(), one]))
  const mapping = new Map<string, ArrivedColumn>()
  const drift: Drift[] = []
  const note = (column: string, change: DriftChange, was: string, is: string) =>
    drift.push({ column, change, expected: was, arrived: is, policy: policies[change] })

  for (const [name, declared] of Object.entries(expected)) {
    const found = [name, ...declared.aliases].map((spelling) => byName.get(spelling.toLowerCase())).find((one) => one !== undefined)
    if (found === undefined) {
      if (!declared.optional) note(name, 'missing', typeText(declared.type), 'absent')
      continue
    }
    mapping.set(name, found)
    if (found.type !== undefined && found.loose !== true && !widens(found.type, declared.type))
      note(name, 'retyped', typeText(declared.type), typeText(found.type))
  }

  const used = new Set(mapping.values())
  const extra = arrived.filter((one) => !used.has(one))
  for (const one of extra) note(one.name, 'extra', 'absent', one.type === undefined ? 'text' : typeText(one.type))

  const names = [...mapping.keys()]
  const positions = names.map((name) => arrived.indexOf(mapping.get(name) as ArrivedColumn))
  const out = positions.findIndex((position, index) => index > 0 && position < (positions[index - 1] ?? 0))
  if (out > 0) note(names[out] ?? '', 'reordered', `after ${names[out - 1]}`, `column ${(positions[out] ?? 0) + 1}`)
  return { mapping, extra, drift }
}
