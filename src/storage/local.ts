import { randomUUID } from 'node:crypto'
import { copyFile, type FileHandle, link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { codeOf, fileFailure, guarded, unlessMissing } from './file-failure.js'
import type { Storage, StoredFile } from './storage.js'

/** The file system of this machine. A new file becomes visible by link or rename, whole, after its bytes are on the disk. */
export function localStorage(): Storage {
  const adopt: Storage['adopt'] = async (files) => {
    await Promise.all(files.map(({ from, to }) => guarded(to, () => moveSynced(from, to))))
    await Promise.all([...new Set(files.map(({ to }) => dirname(to)))].map((folder) => guarded(folder, () => syncFolder(folder))))
  }
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
        throw fileFailure(thrown, path)
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

    settle: (paths) => adopt(paths.map((path) => ({ from: path, to: path }))),
    fetch: async (paths) => [...paths],
    adopt,
  }
}

/** Node's own recursive mkdir never returns where the system answers ENOENT for a folder whose parent is there (/proc). */
async function makeFolders(path: string, last = false): Promise<void> {
  try {
    await mkdir(path)
  } catch (thrown) {
    if (codeOf(thrown) === 'EEXIST') return
    if (codeOf(thrown) !== 'ENOENT' || last) throw thrown
    // Another may have made the parent just now: then once more, and no oftener.
    const parent = (await unlessMissing(stat(dirname(path)))) !== undefined
    if (!parent) await makeFolders(dirname(path))
    await makeFolders(path, parent)
  }
}

/** Gives a file its place with its bytes on the disk; the folder that holds it is the caller's to sync. */
async function moveSynced(from: string, to: string): Promise<void> {
  if (from === to) return syncFile(to)
  await makeSyncedFolder(dirname(to))
  await syncFile(from)
  try {
    await rename(from, to)
  } catch (thrown) {
    if (codeOf(thrown) !== 'EXDEV') throw thrown
    const temporary = join(dirname(to), `.${randomUUID()}.tmp`)
    try {
      await copyFile(from, temporary)
      await syncFile(temporary)
      await rename(temporary, to)
    } finally {
      await rm(temporary, { force: true })
    }
    await rm(from)
  }
}

/** A folder that was not there is itself an entry of its parent, which a crash must not lose. */
async function makeSyncedFolder(path: string): Promise<void> {
  if ((await unlessMissing(stat(path))) !== undefined) return
  await makeSyncedFolder(dirname(path))
  await makeFolders(path)
  await syncFolder(dirname(path))
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
