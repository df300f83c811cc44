import { randomUUID } from 'node:crypto'
import { type FileHandle, link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { failure, messageOf, type SluiceError, STORAGE_DENIED, STORAGE_FAILED, STORAGE_FULL } from '../errors/index.js'
import type { Storage, StoredFile } from './storage.js'

/** The file system of this machine. A new file becomes visible by link or rename, whole, after its bytes are on the disk. */
export function localStorage(): Storage {
  return {
    read: (path) => guarded(path, () => unlessMissing(readFile(path))),

    async putIfAbsent(path, bytes) {
      const temporary = await writeTemporary(path, bytes)
      try {
        await link(temporary, path)
        await syncFolder(dirname(path))
        return true
      } catch (thrown) {
        if (codeOf(thrown) === 'EEXIST') return false
        if (codeOf(thrown) === 'EPERM' || codeOf(thrown) === 'ENOTSUP') return await putExclusive(path, bytes)
        throw translate(thrown, path)
      } finally {
        await rm(temporary, { force: true })
      }
    },

    async put(path, bytes) {
      const temporary = await writeTemporary(path, bytes)
      await guarded(path, async () => {
        await rename(temporary, path)
        await syncFolder(dirname(path))
      })
    },

    async list(folder, after) {
      const names = (await guarded(folder, () => unlessMissing(readdir(folder)))) ?? []
      const files = await Promise.all(
        names
          .filter((name) => after === undefined || name > after)
          .sort()
          .map((name) => fileAt(join(folder, name), name)),
      )
      return files.filter((file) => file !== undefined)
    },

    async walk(folder) {
      const entries = (await guarded(folder, () => unlessMissing(readdir(folder, { recursive: true, withFileTypes: true })))) ?? []
      const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
      return (await Promise.all(files.sort().map((path) => fileAt(path, relative(folder, path))))).filter((file) => file !== undefined)
    },

    stat: (path) => guarded(path, () => fileAt(path, path)),
    remove: (path) => guarded(path, () => rm(path, { force: true })),
    makeFolder: (path) => guarded(path, () => makeFolders(path)),

    async settle(paths) {
      await Promise.all(paths.map((path) => guarded(path, () => syncFile(path))))
      await Promise.all([...new Set(paths.map(dirname))].map((folder) => guarded(folder, () => syncFolder(folder))))
    },
  }
}

/** Node's own recursive mkdir never returns where the system answers ENOENT for a folder whose parent is there (/proc). */
async function makeFolders(path: string): Promise<void> {
  try {
    await mkdir(path)
  } catch (thrown) {
    if (codeOf(thrown) === 'EEXIST') return
    if (codeOf(thrown) !== 'ENOENT' || (await unlessMissing(stat(dirname(path)))) !== undefined) throw thrown
    await makeFolders(dirname(path))
    await makeFolders(path)
  }
}

async function writeTemporary(path: string, bytes: Uint8Array): Promise<string> {
  const temporary = join(dirname(path), `.${randomUUID()}.tmp`)
  return guarded(path, async () => {
    let handle: FileHandle | undefined
    try {
      handle = await open(temporary, 'wx')
      await handle.writeFile(bytes)
      await handle.sync()
    } catch (thrown) {
      await rm(temporary, { force: true })
      throw thrown
    } finally {
      await handle?.close()
    }
    return temporary
  })
}

/** For file systems without hard links. A reader may see the file while it is being written; there is no better way there. */
async function putExclusive(path: string, bytes: Uint8Array): Promise<boolean> {
  return guarded(path, async () => {
    let handle: FileHandle
    try {
      handle = await open(path, 'wx')
    } catch (thrown) {
      if (codeOf(thrown) === 'EEXIST') return false
      throw thrown
    }
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    return true
  })
}

async function fileAt(path: string, name: string): Promise<StoredFile | undefined> {
  const found = await unlessMissing(stat(path))
  return found?.isFile() === true ? { name, bytes: found.size, modifiedAt: found.mtimeMs } : undefined
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  await syncFile(path)
}

async function unlessMissing<Result>(call: Promise<Result>): Promise<Result | undefined> {
  try {
    return await call
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT' || codeOf(thrown) === 'ENOTDIR') return undefined
    throw thrown
  }
}

async function guarded<Result>(path: string, call: () => Promise<Result>): Promise<Result> {
  try {
    return await call()
  } catch (thrown) {
    throw translate(thrown, path)
  }
}

function codeOf(thrown: unknown): string | undefined {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown ? String(thrown.code) : undefined
}

function translate(thrown: unknown, path: string): SluiceError {
  const about = { cause: thrown }
  switch (codeOf(thrown)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return failure(STORAGE_FULL, { path }, about)
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOTDIR':
    case 'ENOENT':
      return failure(STORAGE_DENIED, { path, problem: messageOf(thrown).split(',')[0] ?? '' }, about)
    default:
      return failure(STORAGE_FAILED, { path, problem: messageOf(thrown) }, about)
  }
}
