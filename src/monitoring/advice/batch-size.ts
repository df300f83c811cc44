import { type Advice, type Adviser, type DatasetFacts, KIB, MIB, medianOf, whole } from './advice.js'

/** A daily feed makes 30 in 30 days; so many come from a schedule that is too keen. */
const FEWEST_BATCHES = 50
const SMALL_BATCH = MIB
/** A table that is written whole is no batch of it. */
const PART_OF_TABLE = 0.1
const FEWEST_SOURCE_FILES = 1_000
const SMALL_SOURCE_FILE = 256 * KIB

/** Many commits of next to nothing, or source files by the thousand. Each batch has costs of its own: reading the log, a commit, a file. */
export const batchSize: Adviser = {
  id: 'batch-size',
  advise: ({ datasets }) => datasets.flatMap((one) => [...batches(one), ...sourceFiles(one)]),
}

function batches({ name, steps, table }: DatasetFacts): Advice[] {
  const wrote = steps.filter((step) => step.rowsWritten > 0)
  const bytes = medianOf(wrote.map((step) => step.bytesWritten))
  const rows = medianOf(wrote.map((step) => step.rowsWritten))
  if (table === undefined || wrote.length < FEWEST_BATCHES || bytes >= SMALL_BATCH || rows > table.rows * PART_OF_TABLE) return []
  const seconds = wrote.reduce((sum, step) => sum + step.seconds, 0)
  const [first, last] = [wrote.at(0)?.at ?? 0, wrote.at(-1)?.at ?? 0]
  const apart = (last - first) / 1000 / (wrote.length - 1)
  return [
    {
      id: 'batch-size',
      about: name,
      title: `${whole(wrote.length)} batches of about ${whole(rows)} rows`,
      evidence: [
        { what: 'batches in 30 days', value: wrote.length, unit: 'count' },
        { what: 'time between two', value: apart, unit: 'seconds' },
        { what: 'rows of the middle one', value: rows, unit: 'rows' },
        { what: 'size of the middle one', value: bytes, unit: 'bytes' },
        { what: 'time for all', value: seconds, unit: 'seconds' },
      ],
      expected: `Ten times fewer runs take about a tenth of the time (${whole(seconds * 0.9)} s of ${whole(seconds)} s less) and leave a tenth of the files: a run takes all that is waiting in one batch.`,
      how: `Run it less often: let the schedule wait, and say so with \`every\` in the definition of ${name}, by which its alerts go.`,
      impact: seconds >= 3_600 ? 'medium' : 'low',
    },
  ]
}

function sourceFiles({ name, sourceFiles: { count, medianBytes } }: DatasetFacts): Advice[] {
  if (count < FEWEST_SOURCE_FILES || medianBytes >= SMALL_SOURCE_FILE) return []
  return [
    {
      id: 'batch-size',
      about: name,
      title: `${whole(count)} source files of next to nothing`,
      evidence: [
        { what: 'files taken in 30 days', value: count, unit: 'files' },
        { what: 'size of the middle one', value: medianBytes, unit: 'bytes' },
      ],
      expected:
        'Each file is opened, judged by its header, given a checksum and kept in the ledger; with fewer, larger ones that is done less often.',
      how: `Let what delivers to ${name} put more rows in a file, or join files before they land.`,
      impact: count >= 10_000 ? 'medium' : 'low',
    },
  ]
}
