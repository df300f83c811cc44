import { createHash } from 'node:crypto'
import { failure, isSluiceError, messageOf, TABLE_LOG_CORRUPT, TABLE_NOT_FOUND, TABLE_VERSION_NOT_FOUND } from '../../errors/index.js'
import { decodeText, encodeText, type Storage, type StoredFile } from '../../storage/index.js'
import { type Action, formatActions, parseActions, parseManyActions } from './actions.js'

/** The files of `_delta_log`: which versions and log checkpoints there are, and what a commit says. Source: the Delta protocol, "Delta Table Specification, File Types". */
export interface DeltaLog {
  readonly folder: string
  /**
   * The newest complete log checkpoint at or below `version` and the commits after it. Throws TABLE_NOT_FOUND, TABLE_VERSION_NOT_FOUND, TABLE_LOG_CORRUPT.
   *
   * @param unreadable names of checkpoint files that turned out to be damaged: an older one, or none, is looked for
   */
  segment(version?: number, unreadable?: ReadonlySet<string>): Promise<LogSegment>
  /** The commits after a version that was read before; undefined when the log is no longer the one it was read from. */
  after(version: number, newest: StoredFile): Promise<LogSegment | undefined>
  /** The commits there are, oldest first, with their times made monotone. */
  commits(): Promise<Commit[]>
  /** Undefined when there is no such commit. */
  read(version: number): Promise<Action[] | undefined>
  /** The actions of the segment's commits, in order, a commit (or a log compaction file) at a time. */
  replay(segment: LogSegment): AsyncIterable<Action[]>
  /** Writes a commit unless its version is taken; true when this call wrote it. */
  write(version: number, actions: readonly Action[]): Promise<boolean>
  writeCheckpoint(
    version: number,
    checkpoint: { readonly bytes: Uint8Array; readonly actions: number; readonly v2: boolean },
  ): Promise<void>
  /** Whether a checkpoint file is what was written, as far as `_last_checkpoint` tells. */
  isSound(name: string): Promise<boolean>
  /** Every file of the log with its kind. */
  files(): Promise<LogFile[]>
  remove(name: string): Promise<void>
  exists(): Promise<boolean>
}

export interface Commit {
  readonly version: number
  /** Milliseconds since 1970. */
  readonly timestamp: number
}

export interface Checkpoint {
  readonly version: number
  /** One, or all parts of one that was written in several. */
  readonly names: readonly string[]
}

export interface LogSegment {
  readonly version: number
  readonly timestamp: number
  readonly checkpoint?: Checkpoint
  /** Versions after the checkpoint, contiguous, oldest first. */
  readonly versions: readonly number[]
  /** Log compaction files that stand for some of them. */
  readonly compacted: readonly { readonly from: number; readonly to: number; readonly name: string }[]
  /** The last commit's own file. */
  readonly newest: StoredFile | undefined
}

export interface LogFile extends StoredFile {
  readonly kind: 'commit' | 'checkpoint' | 'compacted' | 'checksum' | 'other'
  /** Of a log compaction file, its first. */
  readonly version: number
}

interface LastCheckpoint {
  readonly version: number
  readonly sha256?: string
  readonly name?: string
}

const COMMIT = /^(\d{20})\.json$/
const CHECKPOINT = /^(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10})|\.([0-9a-fA-F-]{36}))?\.(parquet|json)$/
const COMPACTED = /^(\d{20})\.(\d{20})\.compacted\.json$/
const CHECKSUM = /^(\d{20})\.crc$/
/** Commits above this size are not held as objects. */
const MANY_BYTES = 8 * 1024 * 1024
/** Commits read at once: enough to hide a store's latency, few enough to hold in memory. */
const READ_AHEAD = 64

export function logFileName(version: number, ending: string): string {
  return `${String(version).padStart(20, '0')}.${ending}`
}

export function deltaLog(table: string, storage: Storage): DeltaLog {
  const folder = `${table}/_delta_log`
  const corrupt = (problem: string, cause?: unknown) => failure(TABLE_LOG_CORRUPT, { path: table, problem }, { cause })

  async function lastCheckpoint(): Promise<LastCheckpoint | undefined> {
    const bytes = await storage.read(`${folder}/_last_checkpoint`)
    if (bytes === undefined) return undefined
    try {
      const { version, sluice } = JSON.parse(decodeText(bytes)) as { version?: number; sluice?: { sha256?: string; name?: string } }
      return typeof version === 'number' && Number.isSafeInteger(version) && version >= 0 ? { version, ...sluice } : undefined
    } catch {
      return undefined // The file is a hint only: without a sound one, the listing tells.
    }
  }

  async function parsed(name: string, replaying = false): Promise<Action[] | undefined> {
    const bytes = await storage.read(`${folder}/${name}`)
    if (bytes === undefined) return undefined
    try {
      return replaying && bytes.length > MANY_BYTES ? parseManyActions(bytes) : parseActions(decodeText(bytes))
    } catch (thrown) {
      throw corrupt(`${name} is damaged (${messageOf(thrown)})`, thrown)
    }
  }

  const self: DeltaLog = {
    folder,
    commits: async () => commitsAmong(await storage.list(folder)),
    exists: async () => (await storage.list(folder)).some((file) => COMMIT.test(file.name) || CHECKPOINT.test(file.name)),
    read: (version) => parsed(logFileName(version, 'json')),

    async segment(wanted, unreadable = new Set()) {
      const hint = unreadable.size > 0 ? undefined : (await lastCheckpoint())?.version
      const from = hint !== undefined && (wanted === undefined || hint <= wanted) ? hint : undefined
      const hinted = from === undefined ? [] : await storage.list(folder, logFileName(from, ''))
      // The file is a hint: when the log checkpoint that it names is not there, all of the folder is looked at.
      const files = checkpointsAmong(hinted).some((one) => one.version === from) ? hinted : await storage.list(folder)
      const commits = commitsAmong(files)
      const every = checkpointsAmong(files)
      const checkpoints = every.filter((one) => !one.names.some((name) => unreadable.has(name)))
      if (commits.length === 0 && checkpoints.length === 0) {
        if (unreadable.size > 0) throw corrupt(`${[...unreadable].join(', ')} is damaged, and no older state of the log is left`)
        throw failure(TABLE_NOT_FOUND, { path: table })
      }
      // A damaged checkpoint still says how far the table has come: an older state in its place would be silently wrong.
      const newest = Math.max(commits.at(-1)?.version ?? -1, every.at(-1)?.version ?? -1)
      const version = wanted ?? newest
      const first = firstReadable(commits, checkpoints)
      if (version > newest || version < Math.min(first, newest)) {
        throw failure(TABLE_VERSION_NOT_FOUND, { path: table, wanted: String(version), first, last: newest })
      }
      const checkpoint = checkpoints.findLast((one) => one.version <= version)
      const after = checkpoint?.version ?? -1
      const versions = commits.map((commit) => commit.version).filter((one) => one <= version && one > after)
      versions.forEach((one, index) => {
        if (one !== after + 1 + index) throw corrupt(`version ${after + 1 + index} is missing`)
      })
      if ((versions.at(-1) ?? after) !== version) throw corrupt(`version ${version} is missing`)
      return {
        version,
        timestamp: commits.find((commit) => commit.version === version)?.timestamp ?? 0,
        versions,
        compacted: compactedAmong(files).filter((one) => one.from > after && one.to <= version),
        newest: files.find((file) => file.name === logFileName(version, 'json')),
        ...(checkpoint === undefined ? {} : { checkpoint }),
      }
    },

    async after(version, newest) {
      const files = await storage.list(folder, logFileName(version, ''))
      const same = files.find((file) => file.name === newest.name)
      if (same === undefined || same.bytes !== newest.bytes || same.modifiedAt !== newest.modifiedAt) return undefined
      const commits = commitsAmong(files).filter((commit) => commit.version > version)
      if (commits.some((commit, index) => commit.version !== version + 1 + index)) return undefined
      const last = commits.at(-1)
      return {
        version: last?.version ?? version,
        timestamp: last?.timestamp ?? Math.floor(newest.modifiedAt),
        versions: commits.map((commit) => commit.version),
        compacted: [],
        newest: last === undefined ? same : files.find((file) => file.name === logFileName(last.version, 'json')),
      }
    },

    async *replay(segment) {
      for (let at = 0; at < segment.versions.length; ) {
        const version = segment.versions[at] ?? 0
        const whole = longest(segment.compacted.filter((one) => one.from === version))
        const actions = whole === undefined ? undefined : await parsed(whole.name, true).catch(() => undefined)
        if (whole !== undefined && actions !== undefined) {
          yield actions
          at += whole.to - whole.from + 1
          continue
        }
        const next = segment.compacted.map((one) => one.from).find((one) => one > version) ?? Number.POSITIVE_INFINITY
        const batch = segment.versions.slice(at, at + READ_AHEAD).filter((one) => one < next)
        const commits = await Promise.all(batch.map((one) => parsed(logFileName(one, 'json'), true)))
        for (const [index, commit] of commits.entries()) {
          if (commit === undefined) throw corrupt(`version ${batch[index]} is missing`)
          yield commit
        }
        at += batch.length
      }
    },

    write: (version, actions) => storage.putIfAbsent(`${folder}/${logFileName(version, 'json')}`, encodeText(formatActions(actions))),

    async writeCheckpoint(version, { bytes, actions, v2 }) {
      const name = logFileName(version, v2 ? `checkpoint.${crypto.randomUUID()}.parquet` : 'checkpoint.parquet')
      // One that is there already says the same.
      if ((await storage.stat(`${folder}/${name}`)) !== undefined) return
      await storage.put(`${folder}/${name}`, bytes)
      const newer = (await lastCheckpoint())?.version ?? -1
      if (newer > version) return
      const last = { version, size: actions, sizeInBytes: bytes.length, sluice: { name, sha256: sha256(bytes) } }
      // Spark keeps a checksum beside a file on a local disk, and would hold ours against it.
      await storage.remove(`${folder}/._last_checkpoint.crc`)
      await storage.put(`${folder}/_last_checkpoint`, encodeText(JSON.stringify(last)))
    },

    async isSound(name) {
      const last = await lastCheckpoint()
      if (last?.name !== name || last.sha256 === undefined) return true
      return last.sha256 === sha256((await storage.read(`${folder}/${name}`)) ?? new Uint8Array())
    },

    async files() {
      return (await storage.list(folder)).map((file): LogFile => {
        const version = Number.parseInt(file.name, 10)
        const kinds = [
          ['commit', COMMIT],
          ['checkpoint', CHECKPOINT],
          ['compacted', COMPACTED],
          ['checksum', CHECKSUM],
        ] as const
        return { ...file, version, kind: kinds.find(([, pattern]) => pattern.test(file.name))?.[0] ?? 'other' }
      })
    },

    remove: (name) => storage.remove(`${folder}/${name}`),
  }
  return self
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function commitsAmong(files: readonly StoredFile[]): Commit[] {
  let last = Number.NEGATIVE_INFINITY
  return files
    .filter((file) => COMMIT.test(file.name))
    .map((file) => {
      last = Math.max(Math.floor(file.modifiedAt), last + 1)
      return { version: Number.parseInt(file.name, 10), timestamp: last }
    })
}

/** Complete ones, oldest first; of several at one version the one in fewest files comes last. */
function checkpointsAmong(files: readonly StoredFile[]): Checkpoint[] {
  const found = new Map<string, { version: number; names: string[]; parts: number }>()
  for (const { name } of files) {
    const match = CHECKPOINT.exec(name)
    if (match === null) continue
    const [, version, part, parts, , ending] = match
    if (ending === 'json' && match[4] === undefined) continue
    const group = part === undefined ? name : `${version}/${parts}`
    const one = found.get(group) ?? { version: Number(version), names: [], parts: Number(parts ?? 1) }
    one.names.push(name)
    found.set(group, one)
  }
  return [...found.values()]
    .filter((one) => one.names.length === one.parts)
    .sort((left, right) => left.version - right.version || right.parts - left.parts)
    .map(({ version, names }) => ({ version, names: names.sort() }))
}

function compactedAmong(files: readonly StoredFile[]): { from: number; to: number; name: string }[] {
  return files.flatMap(({ name }) => {
    const match = COMPACTED.exec(name)
    return match === null || Number(match[1]) >= Number(match[2]) ? [] : [{ from: Number(match[1]), to: Number(match[2]), name }]
  })
}

function longest<Span extends { readonly to: number }>(spans: readonly Span[]): Span | undefined {
  return spans.reduce<Span | undefined>((best, one) => (best === undefined || one.to > best.to ? one : best), undefined)
}

/** The oldest version that can be put together: the first commit if it is 0, else the oldest log checkpoint. */
function firstReadable(commits: readonly Commit[], checkpoints: readonly Checkpoint[]): number {
  if (commits[0]?.version === 0) return 0
  return checkpoints[0]?.version ?? commits[0]?.version ?? 0
}

export function isCorrupt(error: unknown): boolean {
  return isSluiceError(error) && error.code === TABLE_LOG_CORRUPT.code
}
