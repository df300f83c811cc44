import { failure, messageOf, TABLE_LOG_CORRUPT, TABLE_NOT_FOUND, TABLE_VERSION_NOT_FOUND } from '../../errors/index.js'
import { decodeText, encodeText, type Storage, type StoredFile } from '../../storage/index.js'
import { type Action, formatActions, parseActions } from './actions.js'

/** The files of `_delta_log`: which versions and log checkpoints there are, and what a commit says. */
export interface DeltaLog {
  /** The newest complete log checkpoint at or below `version` and the commits after it. Throws TABLE_NOT_FOUND, TABLE_VERSION_NOT_FOUND, TABLE_LOG_CORRUPT. */
  segment(version?: number): Promise<LogSegment>
  /** The commits there are, oldest first, with their times made monotone. */
  commits(): Promise<Commit[]>
  /** Undefined when there is no such commit. */
  read(version: number): Promise<Action[] | undefined>
  /** Writes a commit unless its version is taken; true when this call wrote it. */
  write(version: number, actions: readonly Action[]): Promise<boolean>
  writeCheckpoint(version: number, parquet: Uint8Array, actions: number): Promise<void>
  exists(): Promise<boolean>
}

export interface Commit {
  readonly version: number
  readonly timestamp: number
}

export interface LogSegment {
  readonly version: number
  readonly timestamp: number
  readonly checkpoint?: { readonly version: number; readonly path: string }
  /** Versions after the checkpoint, contiguous, oldest first. */
  readonly versions: readonly number[]
}

const COMMIT = /^(\d{20})\.json$/
const CHECKPOINT = /^(\d{20})\.checkpoint\.parquet$/

function fileName(version: number, ending: string): string {
  return `${String(version).padStart(20, '0')}.${ending}`
}

export function deltaLog(table: string, storage: Storage): DeltaLog {
  const folder = `${table}/_delta_log`
  const corrupt = (problem: string, cause?: unknown) => failure(TABLE_LOG_CORRUPT, { path: table, problem }, { cause })

  async function lastCheckpoint(): Promise<number | undefined> {
    const bytes = await storage.read(`${folder}/_last_checkpoint`)
    if (bytes === undefined) return undefined
    try {
      const { version } = JSON.parse(decodeText(bytes)) as { version?: number }
      return typeof version === 'number' && Number.isSafeInteger(version) && version >= 0 ? version : undefined
    } catch {
      return undefined // The file is a hint only: without a sound one, the listing tells.
    }
  }

  async function commits(files?: readonly StoredFile[]): Promise<Commit[]> {
    const listed = files ?? (await storage.list(folder))
    let last = Number.NEGATIVE_INFINITY
    return listed
      .filter((file) => COMMIT.test(file.name))
      .map((file) => {
        last = Math.max(Math.floor(file.modifiedAt), last + 1)
        return { version: Number.parseInt(file.name, 10), timestamp: last }
      })
  }

  return {
    commits: () => commits(),

    exists: async () => (await storage.list(folder)).some((file) => COMMIT.test(file.name) || CHECKPOINT.test(file.name)),

    async segment(wanted) {
      const hint = await lastCheckpoint()
      const from = hint !== undefined && (wanted === undefined || hint <= wanted) ? hint : undefined
      const hinted = from === undefined ? [] : await storage.list(folder, fileName(from, ''))
      // The file is a hint: when the log checkpoint that it names is not there, all of the folder is looked at.
      const sound = from !== undefined && hinted.some((file) => file.name === fileName(from, 'checkpoint.parquet'))
      const files = sound ? hinted : await storage.list(folder)
      const all = await commits(files)
      const checkpoints = files.flatMap((file) => (CHECKPOINT.test(file.name) ? [Number.parseInt(file.name, 10)] : []))
      if (all.length === 0 && checkpoints.length === 0) throw failure(TABLE_NOT_FOUND, { path: table })
      const newest = Math.max(all.at(-1)?.version ?? -1, checkpoints.at(-1) ?? -1)
      const version = wanted ?? newest
      if (version > newest || version < 0) {
        throw failure(TABLE_VERSION_NOT_FOUND, { path: table, wanted: String(version), first: all[0]?.version ?? newest, last: newest })
      }
      const checkpoint = checkpoints.findLast((one) => one <= version)
      const versions = all.map((commit) => commit.version).filter((one) => one <= version && one > (checkpoint ?? -1))
      versions.forEach((one, index) => {
        const expected = (checkpoint ?? -1) + 1 + index
        if (one !== expected) throw corrupt(`version ${expected} is missing`)
      })
      if ((versions.at(-1) ?? checkpoint) !== version) throw corrupt(`version ${version} is missing`)
      const timestamp = all.find((commit) => commit.version === version)?.timestamp ?? 0
      return {
        version,
        timestamp,
        versions,
        ...(checkpoint === undefined
          ? {}
          : { checkpoint: { version: checkpoint, path: `${folder}/${fileName(checkpoint, 'checkpoint.parquet')}` } }),
      }
    },

    async read(version) {
      const bytes = await storage.read(`${folder}/${fileName(version, 'json')}`)
      if (bytes === undefined) return undefined
      try {
        return parseActions(decodeText(bytes))
      } catch (thrown) {
        throw corrupt(`${fileName(version, 'json')} is damaged (${messageOf(thrown)})`, thrown)
      }
    },

    write: (version, actions) => storage.putIfAbsent(`${folder}/${fileName(version, 'json')}`, encodeText(formatActions(actions))),

    async writeCheckpoint(version, parquet, actions) {
      await storage.put(`${folder}/${fileName(version, 'checkpoint.parquet')}`, parquet)
      await storage.put(`${folder}/_last_checkpoint`, encodeText(JSON.stringify({ version, size: actions, sizeInBytes: parquet.length })))
    },
  }
}
