import { failure, TABLE_LOG_CORRUPT } from '../../errors/index.js'
import type { Storage } from '../../storage/index.js'
import { bytesOf, type Change, removeFile } from '../change.js'
import { upgraded } from '../protocol.js'
import type { Snapshot } from '../snapshot.js'

/** Makes the table what it was at an earlier version. Its files must still be there: throws TABLE_LOG_CORRUPT when one was vacuumed. */
export async function prepareRestore(storage: Storage, current: Snapshot, earlier: Snapshot): Promise<Change> {
  const back = [...earlier.files].filter(([path]) => !current.files.has(path))
  const out = [...current.files].filter(([path]) => !earlier.files.has(path))
  for (const [path] of back) {
    if ((await storage.stat(path.startsWith('/') ? path : `${current.path}/${path}`)) === undefined) {
      throw failure(TABLE_LOG_CORRUPT, {
        path: current.path,
        problem: `version ${earlier.version} needs ${path}, which is no longer there`,
      })
    }
  }
  const protocol = upgraded(current.protocol, earlier.fields)
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
    ...(earlier.metadata.schemaString === current.metadata.schemaString ? {} : { metadata: earlier.metadata }),
    ...(protocol === current.protocol ? {} : { protocol }),
    blind: false,
  }
}
