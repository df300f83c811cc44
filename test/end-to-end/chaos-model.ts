import { chance } from '../chance.js'

/**
 * What each worker of the chaos test does, and what its rows are afterwards: both follow from its number and the seed alone.
 *
 * In every batch of every owner, `v` and `n` add up to 0, after every commit: a batch's rows count 1 each, and its marker row takes their
 * sum and their number away. A commit of which one half is missing shows as a batch that does not add up.
 */
export interface Item {
  readonly owner: number
  readonly batch: number
  readonly k: number
  readonly v: number
  readonly n: number
}

export type Step =
  | { readonly kind: 'append' | 'merge'; readonly rows: readonly Item[] }
  | { readonly kind: 'negate' | 'delete'; readonly batch: number }
  | { readonly kind: 'optimize' | 'vacuum' }

export interface Numbered {
  /** From 1. */
  readonly number: number
  readonly step: Step
  /** The owner's rows once it is done. */
  readonly after: readonly Item[]
}

const MARKER = 99

export function* stepsOf(owner: number, seed: number): Generator<Numbered> {
  const random = chance(seed * 1000 + owner)
  const upTo = (most: number) => Math.floor(random() * most)
  const balanced = (batch: number, values: ReadonlyMap<number, number>): Item[] => {
    const rows = [...values].map(([k, v]) => ({ owner, batch, k, v, n: 1 }))
    return [...rows, { owner, batch, k: MARKER, v: -rows.reduce((sum, row) => sum + row.v, 0), n: -rows.length }]
  }
  const valuesOf = (rows: readonly Item[]) => new Map(rows.filter((row) => row.k !== MARKER).map(({ k, v }) => [k, v]))
  let after: readonly Item[] = []
  for (let number = 1; ; number++) {
    const batches = [...new Set(after.map((row) => row.batch))]
    const batch = batches[upTo(batches.length)]
    const dice = random()
    let step: Step
    if (batch === undefined || dice < 0.35) {
      const rows = balanced(number, new Map(Array.from({ length: 1 + upTo(20) }, (_, k) => [k, upTo(1000)])))
      step = { kind: 'append', rows }
      after = [...after, ...rows]
    } else if (dice < 0.65) {
      const values = valuesOf(after.filter((row) => row.batch === batch))
      for (let changes = 1 + upTo(6); changes > 0; changes--) values.set(upTo(40), upTo(1000))
      const rows = balanced(batch, values)
      step = { kind: 'merge', rows }
      after = [...after.filter((row) => row.batch !== batch), ...rows]
    } else if (dice < 0.75) {
      step = { kind: 'negate', batch }
      after = after.map((row) => (row.batch === batch ? { ...row, v: row.v === 0 ? 0 : -row.v, n: -row.n } : row))
    } else if (dice < 0.87) {
      step = { kind: 'delete', batch }
      after = after.filter((row) => row.batch !== batch)
    } else step = { kind: dice < 0.95 ? 'optimize' : 'vacuum' }
    yield { number, step, after }
  }
}
