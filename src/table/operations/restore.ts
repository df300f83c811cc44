import { failure, TABLE_FILE_MISSING } from '../../errors/index.js'
import type { Storage } from '../../storage/index.js'
import { bytesOf, type Change, removeFile, vectorFile } from '../change.js'
import { decodePath, type Metadata } from '../log/actions.js'
import { upgraded } from '../protocol.js'
import { filePath, type Snapshot } from '../snapshot.js'

/** Makes the table what it was at an earlier version. Its files must still be there: throws TABLE_FILE_MISSING when one was vacuumed. */
export async function prepareRestore(storage: Storage, current: Snapshot, earlier: Snapshot): Promise<Change> {
  const back = await earlier.files.without(current.files)
  const out = [...current.files].filter(([path]) => !earlier.files.has(path))
  for (const [, add] of back) {
    const vector = add.deletionVector === undefined ? undefined : vectorFile(earlier, add.deletionVector)
    for (const file of [filePath(earlier, add), ...(vector === undefined ? [] : [vector])]) {
      if ((await storage.stat(file)) === undefined)
        throw failure(TABLE_FILE_MISSING, { path: current.path, file: decodePath(add.path), version: earlier.version })
    }
  }
  const metadata = withHighestId(current, earlier)
  const protocol = upgraded(current.protocol, earlier.fields, earlier.metadata.configuration)
  return {
    operation: 'RESTORE',
    parameters: { version: String(earlier.version), timestamp: 'null' },
    metrics: {
      numRestoredFiles: back.length,
      numRemovedFiles: out.length,
      restoredFilesSize: bytesOf(back.map(([, add]) => add)),
      removedFilesSize: bytesOf(out.map(([, add]) => add)),
      numOfFilesAfterRestore: earlier.files.size,
      tableSizeAfterRestore: bytesOf([...earlier.files.values()]),
    },
    adds: back.map(([, add]) => ({ ...add, dataChange: true })),
    removes: out.map(([, add]) => removeFile(add)),
    ...(JSON.stringify(metadata) === JSON.stringify(current.metadata) ? {} : { metadata }),
    ...(protocol === current.protocol ? {} : { protocol }),
    blind: false,
    borrows: true,
  }
}

/** Ids of columns are never given twice, whatever becomes of the columns. */
function withHighestId({ metadata: { configuration } }: Snapshot, { metadata }: Snapshot): Metadata {
  const key = 'delta.columnMapping.maxColumnId'
  const highest = Math.max(Number(configuration[key] ?? 0), Number(metadata.configuration[key] ?? 0))
  return highest === 0 ? metadata : { ...metadata, configuration: { ...metadata.configuration, [key]: String(highest) } }
}
