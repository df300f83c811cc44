import { type Advice, type Adviser, type DatasetFacts, type FileFacts, type TableFacts, totalBytes, whole } from './advice.js'

/** With fewer full files than this there is little to leave out. */
const FEWEST_FILES = 4
/** The share of a table that a look-up of one value opens. Below a half, the order rows came in does well enough. */
const MOST_OPENED = 0.5
/** Each further column makes files wider in the others. */
const MOST_COLUMNS = 2
const ORDERED = new Set(['byte', 'short', 'integer', 'long', 'float', 'double', 'decimal', 'string', 'date', 'timestamp', 'timestamp_ntz'])
const PROBES = 64

/** A column that queries go by, whose values lie all over the files. */
export const zOrder: Adviser = {
  id: 'z-order',
  advise: ({ datasets }) => datasets.flatMap((one) => (one.table === undefined ? [] : of(one, one.table))),
}

function of({ name, uses }: DatasetFacts, table: TableFacts): Advice[] {
  const full = totalBytes(table.files) / table.targetBytes
  if (full < FEWEST_FILES || table.files.length < FEWEST_FILES) return []
  const columns = table.columns
    .filter(({ name: column, kind }) => ORDERED.has(kind) && !table.partitionColumns.includes(column))
    .map(({ name: column }) => ({ column, uses: uses.filter((use) => use.column === column), opened: openedShare(table.files, column) }))
    // A join alone reads all of a table, in whatever order it lies.
    .filter((one) => one.uses.some(({ how }) => how !== 'join') && (one.opened ?? 0) >= MOST_OPENED)
    .sort((one, other) => other.uses.length - one.uses.length || (other.opened ?? 0) - (one.opened ?? 0))
    .slice(0, MOST_COLUMNS)
  const [first] = columns
  if (first === undefined) return []
  const names = columns.map(({ column }) => column)
  // Each of k columns gets the k-th root of the files to itself.
  const expected = Math.max(1, Math.ceil(full ** (1 - 1 / columns.length)))
  return [
    {
      id: 'z-order',
      about: name,
      title: `A look-up by ${names.join(' or ')} opens most of the table`,
      evidence: [
        ...columns.map(({ column, opened }) => ({
          what: `of the table is opened for one ${column}`,
          value: opened ?? 0,
          unit: 'share' as const,
        })),
        ...columns.map(({ column, uses: by }) => ({
          what: `queries and writes that go by ${column} (${[...new Set(by.map((use) => use.by))].join(', ')})`,
          value: by.length,
          unit: 'count' as const,
        })),
        { what: 'size', value: totalBytes(table.files), unit: 'bytes' },
      ],
      expected: `One value is found in about ${whole(expected)} of ${whole(Math.ceil(full))} files.`,
      how: `sluice table optimize ${name} --z-order ${names.join(',')}`,
      impact: full >= 64 ? 'high' : 'medium',
      trial: { change: 'z-order', columns: names },
    },
  ]
}

/**
 * The share of a table's bytes in files whose bounds hold a value, for values that are there: each file's least, or those of some files, the
 * more rows the likelier. Undefined when a file has no bounds.
 */
export function openedShare(files: readonly FileFacts[], column: string): number | undefined {
  const bounds = files.map((file) => ({ min: file.min[column], max: file.max[column], bytes: file.bytes, rows: file.rows }))
  if (bounds.length === 0 || bounds.some(({ min, max }) => !isBound(min) || !isBound(max))) return undefined
  const probes = [...bounds].sort((one, other) => other.rows - one.rows).slice(0, PROBES)
  const opened = probes.map(({ min: probe, rows }) => {
    const holding = bounds.filter(({ min, max }) => ascends(min, probe) && ascends(probe, max))
    return { rows, bytes: holding.reduce((sum, { bytes }) => sum + bytes, 0) }
  })
  const rows = opened.reduce((sum, one) => sum + one.rows, 0)
  return opened.reduce((sum, one) => sum + one.bytes * one.rows, 0) / Math.max(1, rows) / Math.max(1, totalBytes(files))
}

function isBound(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number'
}

function ascends(one: unknown, other: unknown): boolean {
  if (typeof one === 'number' && typeof other === 'number') return one <= other
  return String(one) <= String(other)
}
