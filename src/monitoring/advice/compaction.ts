import { type Advice, type Adviser, byPartition, medianOf, type TableFacts, totalBytes, whole } from './advice.js'

/** Opening a file costs a millisecond on a disk and tens of them on an object store, whatever is in it: twenty too many begin to be felt. */
const FEWEST_SAVED = 20
/** Rows marked deleted are read and thrown away; below a tenth that is less than what rewriting costs. */
const DELETED_SHARE = 0.1
const FEWEST_DELETED = 10_000

/** Many small files, or many rows that are only marked deleted. */
export const compaction: Adviser = {
  id: 'compaction',
  advise: ({ datasets }) => datasets.flatMap(({ name, table }) => (table === undefined ? [] : of(name, table))),
}

function of(name: string, table: TableFacts): Advice[] {
  const after = filesAfter(table)
  const saved = table.files.length - after
  const deleted = table.files.reduce((sum, file) => sum + file.deleted, 0)
  const stored = table.files.reduce((sum, file) => sum + file.rows, 0)
  const deletedShare = stored === 0 ? 0 : deleted / stored
  const manyDeleted = deleted >= FEWEST_DELETED && deletedShare >= DELETED_SHARE
  if (saved < FEWEST_SAVED && !manyDeleted) return []
  const marked = manyDeleted ? [{ what: 'rows marked deleted, of those stored', value: deletedShare, unit: 'share' as const }] : []
  return [
    {
      id: 'compaction',
      about: name,
      title:
        saved >= FEWEST_SAVED
          ? `${whole(table.files.length)} files where ${whole(after)} would do`
          : `${whole(deleted)} rows are read only to be thrown away`,
      evidence: [
        { what: 'files', value: table.files.length, unit: 'files' },
        { what: 'size of the middle one', value: medianOf(table.files.map((file) => file.bytes)), unit: 'bytes' },
        { what: 'size of all', value: totalBytes(table.files), unit: 'bytes' },
        ...marked,
      ],
      expected: `${whole(after)} ${after === 1 ? 'file' : 'files'}. Every read of ${name} opens fewer of them, and its log is shorter.`,
      how: `sluice table optimize ${name}`,
      impact: saved >= 1_000 || deletedShare >= 0.5 ? 'high' : saved >= 100 || manyDeleted ? 'medium' : 'low',
      trial: { change: 'optimize' },
    },
  ]
}

/** Files of one partition are written together up to the target; what is full already stays. */
function filesAfter({ files, targetBytes }: TableFacts): number {
  return byPartition(files)
    .map((group) => {
      const small = group.filter((file) => file.bytes < targetBytes)
      return group.length - small.length + Math.ceil(totalBytes(small) / targetBytes)
    })
    .reduce((sum, count) => sum + count, 0)
}
