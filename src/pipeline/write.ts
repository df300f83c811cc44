/** How rows reach a dataset's table. `columns` are those the strategy goes by. */
export interface WriteStrategy<Names extends string = string> {
  readonly kind: 'append' | 'overwrite' | 'merge' | 'replaceBy'
  readonly columns: readonly Names[]
}

/** Adds the new rows to those there are. */
export function append(): WriteStrategy<never> {
  return { kind: 'append', columns: [] }
}

/** Replaces all rows. */
export function overwrite(): WriteStrategy<never> {
  return { kind: 'overwrite', columns: [] }
}

/** A row whose `key` is in the table replaces that row; another is added. */
export function merge(): WriteStrategy<never> {
  return { kind: 'merge', columns: [] }
}

/**
 * Replaces all rows of each combination of values that changed rows touch.
 *
 * `write: replaceBy('day')` recomputes a day when any of its rows changed, from all of that day's rows.
 */
export function replaceBy<const Names extends readonly [string, ...string[]]>(...columns: Names): WriteStrategy<Names[number]> {
  return { kind: 'replaceBy', columns }
}
