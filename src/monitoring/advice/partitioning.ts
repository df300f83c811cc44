import {
  type Advice,
  type Adviser,
  byPartition,
  type DatasetFacts,
  GIB,
  MIB,
  medianOf,
  type TableFacts,
  totalBytes,
  whole,
} from './advice.js'

/** Below a mebibyte, opening a partition's file takes longer than reading it. */
const SMALL_PARTITION = MIB
/** A few small partitions cost nothing worth a change of the definition. */
const FEWEST_PARTITIONS = 20
/** Below it, the statistics in the log leave out files well enough. */
const LARGE_TABLE = GIB
/** What a new partition should hold at least: Delta's own advice is a gibibyte, which few daily feeds have. */
const WORTH_A_PARTITION = 16 * MIB

/** Too many partitions for so little, or none where all who read go by one day. */
export const partitioning: Adviser = {
  id: 'partitioning',
  advise: ({ datasets }) =>
    datasets.flatMap((one) => {
      if (one.table === undefined) return []
      return one.table.partitionColumns.length > 0 ? tooFine(one.name, one.table) : missing(one, one.table)
    }),
}

function tooFine(name: string, table: TableFacts): Advice[] {
  const partitions = byPartition(table.files).map(totalBytes)
  const middle = medianOf(partitions)
  if (partitions.length < FEWEST_PARTITIONS || middle >= SMALL_PARTITION) return []
  const after = Math.max(1, Math.ceil(totalBytes(table.files) / table.targetBytes))
  const columns = table.partitionColumns.join(', ')
  return [
    {
      id: 'partitioning',
      about: name,
      title: `Partitioned by ${columns} into ${whole(partitions.length)} parts of next to nothing`,
      evidence: [
        { what: 'partitions', value: partitions.length, unit: 'count' },
        { what: 'size of the middle one', value: middle, unit: 'bytes' },
        { what: 'files', value: table.files.length, unit: 'files' },
      ],
      expected: `${whole(after)} ${after === 1 ? 'file' : 'files'} instead of ${whole(table.files.length)}. Filters on ${columns} are still served by the statistics of each file.`,
      how: `Leave out \`partition\` in the definition of ${name}, or take a coarser column such as the month. The next run fills it anew. If it is run by --from and --to, keep the day in replaceBy().`,
      impact: partitions.length >= 1_000 ? 'high' : partitions.length >= 200 ? 'medium' : 'low',
      trial: { change: 'partition', columns: [] },
    },
  ]
}

function missing({ name, uses }: DatasetFacts, table: TableFacts): Advice[] {
  const size = totalBytes(table.files)
  if (size < LARGE_TABLE) return []
  const selecting = uses.filter((use) => use.how !== 'join')
  const dates = table.columns.filter(({ kind }) => kind === 'date')
  const counted = dates
    .map(({ name: column }) => ({ column, uses: selecting.filter((use) => use.column === column).length, days: daysOf(table, column) }))
    .filter((one) => one.uses > 0 && one.uses * 2 >= new Set(selecting.map((use) => use.by)).size && one.days > 1)
    .filter((one) => size / one.days >= WORTH_A_PARTITION)
    .sort((one, other) => other.uses - one.uses)
  const [best] = counted
  if (best === undefined) return []
  return [
    {
      id: 'partitioning',
      about: name,
      title: `Read and replaced by ${best.column}, and not partitioned by it`,
      evidence: [
        { what: 'size', value: size, unit: 'bytes' },
        { what: `queries and writes that go by ${best.column}`, value: best.uses, unit: 'count' },
        { what: `days of ${best.column}`, value: best.days, unit: 'count' },
        { what: 'size of a day', value: size / best.days, unit: 'bytes' },
      ],
      expected: `A filter on one day opens its own files alone, about ${whole(size / best.days / MIB)} MiB, and replacing a day rewrites nothing else.`,
      how: `Add \`partition: ['${best.column}']\` to the definition of ${name}. The next run fills it anew.`,
      impact: 'high',
      trial: { change: 'partition', columns: [best.column], filter: best.column },
    },
  ]
}

/** Days from the least to the greatest date; 0 when a file does not tell. */
function daysOf({ files }: TableFacts, column: string): number {
  const bounds = files.flatMap((file) => [file.min[column], file.max[column]]).map((bound) => Date.parse(String(bound)))
  if (bounds.length === 0 || bounds.some(Number.isNaN)) return 0
  const [least, greatest] = bounds.reduce(([low, high], at) => [Math.min(low, at), Math.max(high, at)], [
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ] as [number, number])
  return Math.round((greatest - least) / 86_400_000) + 1
}
