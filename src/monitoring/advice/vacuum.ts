import { type Adviser, MIB, totalBytes, whole } from './advice.js'

/** Less is not worth a command. */
const FEWEST_BYTES = 64 * MIB
/** Of a small table, when what is left over is more than the table. */
const FEWEST_BYTES_OF_SMALL = MIB

/** Files that no version within the retention needs. */
export const vacuum: Adviser = {
  id: 'vacuum',
  advise: ({ datasets }) =>
    datasets.flatMap(({ name, table }) => {
      if (table === undefined) return []
      const { bytes, files } = table.unreferenced
      const live = totalBytes(table.files)
      if (bytes < FEWEST_BYTES && !(bytes >= FEWEST_BYTES_OF_SMALL && bytes > live)) return []
      return [
        {
          id: 'vacuum',
          about: name,
          title: `${whole(files)} files that nothing needs any more`,
          evidence: [
            { what: 'files past their retention', value: files, unit: 'files' },
            { what: 'size of them', value: bytes, unit: 'bytes' },
            { what: 'size of the table', value: live, unit: 'bytes' },
          ],
          expected: `${whole(bytes / MIB)} MiB of the disk come free. Versions older than the retention can no longer be read.`,
          how: `sluice table vacuum ${name}`,
          impact: bytes > 10 * live && bytes >= FEWEST_BYTES ? 'medium' : 'low',
        },
      ]
    }),
}
