import { createHash, randomUUID } from 'node:crypto'
import { lstat, mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { failure, STORAGE_DENIED } from '../errors/index.js'
import { codeOf, guarded, unlessMissing } from './file-failure.js'

export interface FileCacheOptions {
  /** `sluice-cache-<uid>` in the system's folder for temporary files unless told; several processes may share one. */
  readonly folder?: string | undefined
  /** 10 GiB unless told. What is in use may go beyond it. */
  readonly bytes?: number | undefined
}

/** Copies, on this machine, of files that never change. A copy that is there is right for ever, so nothing is ever asked again. */
export interface FileCache {
  /** The path of the copy; where there is none yet, `download` writes it to the path it is given. */
  copy(identity: string, download: (temporary: string) => Promise<void>): Promise<string>
  /** Deletes the copies used longest ago until the rest is within the limit, sparing those that a process may be reading. */
  trim(): Promise<void>
}

/** A copy used more recently than this, in milliseconds, may be about to be opened by another process. */
const SPARED = 60 * 60 * 1000

/** File names may have 255 bytes; the hash takes 33 of them, and the end of a temporary name 41. */
const LONGEST_NAME = 180

/** What this process was answered, and may open at any time; and what it is downloading. Shared by all caches on one folder. */
const answered = new Set<string>()
const running = new Map<string, Promise<void>>()

export function fileCache({ folder: given, bytes: limit = 10 * 2 ** 30 }: FileCacheOptions): FileCache {
  const folder = given === undefined ? privateFolder() : resolve(given)
  let ready: Promise<void> | undefined
  const open = async () => {
    ready ??= guarded(folder, () => makeFolder(folder, given === undefined))
    await ready.catch((thrown) => {
      ready = undefined
      throw thrown
    })
  }
  return {
    async copy(identity, download) {
      await open()
      const path = join(folder, nameOf(identity))
      // Before looking, so that no trim of this process takes it away in between.
      answered.add(path)
      while (!(await guarded(path, () => touch(path)))) {
        const other = running.get(path)
        if (other === undefined) {
          const own = bring(path, download)
          running.set(path, own)
          await own.finally(() => running.delete(path))
          break
        }
        // Whoever began it is told why it failed; here it is tried again.
        await other.catch(() => {})
      }
      return path
    },

    async trim() {
      const now = Date.now()
      const found = await guarded(folder, async () => {
        const names = (await unlessMissing(readdir(folder))) ?? []
        return Promise.all(names.map((name) => entryAt(join(folder, name))))
      })
      const entries = found.filter((entry) => entry !== undefined).sort((left, right) => left.usedAt - right.usedAt)
      let total = entries.reduce((sum, entry) => sum + entry.bytes, 0)
      for (const { path, bytes, usedAt } of entries) {
        const leftOver = path.endsWith('.tmp')
        if (total <= limit && !leftOver) continue
        if (usedAt > now - SPARED || answered.has(path)) continue
        // Another process may have begun to use it while this one looked at the others.
        if ((await entryAt(path))?.usedAt !== usedAt) continue
        await guarded(path, () => rm(path, { force: true }))
        total -= bytes
      }
    },
  }
}

/** Whole and on the disk before it has its name: a crash must not leave a torn copy that would be trusted for ever. */
async function bring(path: string, download: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`
  try {
    await download(temporary)
    await guarded(path, async () => {
      const handle = await open(temporary, 'r+')
      await handle.sync().finally(() => handle.close())
      await rename(temporary, path)
    })
  } finally {
    await rm(temporary, { force: true })
  }
}

/** The time of last use is kept as the time of modification, as few file systems keep that of access. */
async function touch(path: string): Promise<boolean> {
  const now = new Date()
  return (await unlessMissing(utimes(path, now, now).then(() => true))) ?? false
}

async function entryAt(path: string): Promise<{ path: string; bytes: number; usedAt: number } | undefined> {
  const found = await guarded(path, () => unlessMissing(stat(path)))
  return found?.isFile() === true ? { path, bytes: found.size, usedAt: found.mtimeMs } : undefined
}

/** `9f86d081884c7d659a2feaa0c55ad015-part-00000-....snappy.parquet`. */
function nameOf(identity: string): string {
  const hash = createHash('sha256').update(identity).digest('hex').slice(0, 32)
  return `${hash}-${basename(identity)
    .replace(/[^\w.=-]/g, '_')
    .slice(-LONGEST_NAME)}`
}

function privateFolder(): string {
  return join(tmpdir(), `sluice-cache-${process.getuid?.() ?? userInfo().username}`)
}

/** The folder for temporary files is everyone's: another user who made our folder first could put anything into our tables. */
async function makeFolder(path: string, isPrivate: boolean): Promise<void> {
  await mkdir(path, { recursive: true, mode: isPrivate ? 0o700 : 0o777 }).catch((thrown: unknown) => {
    if (codeOf(thrown) !== 'EEXIST') throw thrown
  })
  if (!isPrivate || process.getuid === undefined) return
  const found = await lstat(path)
  if (!found.isDirectory() || found.uid !== process.getuid() || (found.mode & 0o022) !== 0) {
    const problem = 'it is not a folder that you alone may write. Remove it, or name another with `cache.folder`'
    throw failure(STORAGE_DENIED, { path, problem })
  }
}
