import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { failure, STORAGE_FILE_MISSING } from '../errors/index.js'
import { guarded } from './file-failure.js'
import type { Storage, StoredFile } from './storage.js'

/**
 * Bytes in this process alone: for tests, and for trying things out. What the engine is to read is copied into a folder, which goes
 * with the process unless it is given.
 */
export function memoryStorage(now: () => number = Date.now, copies?: string): Storage {
  const files = new Map<string, { bytes: Uint8Array; modifiedAt: number; copy?: Promise<string> }>()
  const below = (folder: string): StoredFile[] => {
    const prefix = folder.endsWith('/') ? folder : `${folder}/`
    return [...files]
      .filter(([path]) => path.startsWith(prefix))
      .map(([path, { bytes, modifiedAt }]) => ({ name: path.slice(prefix.length), bytes: bytes.length, modifiedAt }))
      .sort((left, right) => (left.name < right.name ? -1 : 1))
  }
  const put = (path: string, bytes: Uint8Array) => void files.set(path, { bytes: bytes.slice(), modifiedAt: now() })
  return {
    read: async (path) => files.get(path)?.bytes.slice(),
    async putIfAbsent(path, bytes) {
      if (files.has(path)) return false
      put(path, bytes)
      return true
    },
    put: async (path, bytes) => put(path, bytes),
    list: async (folder, after) => below(folder).filter((file) => !file.name.includes('/') && (after === undefined || file.name > after)),
    walk: async (folder) => below(folder),
    async stat(path) {
      const found = files.get(path)
      return found === undefined ? undefined : { name: path, bytes: found.bytes.length, modifiedAt: found.modifiedAt }
    },
    remove: async (path) => void files.delete(path),
    makeFolder: async () => {},
    settle: async () => {},
    fetch: async (paths) =>
      Promise.all(
        paths.map((path) => {
          const found = files.get(path)
          if (found === undefined) throw failure(STORAGE_FILE_MISSING, { path })
          found.copy ??= write(join(copies ?? passingFolder(), `${randomUUID()}-${basename(path)}`), found.bytes)
          return found.copy
        }),
      ),
    async adopt(adopted) {
      for (const { from, to } of adopted) {
        put(to, await guarded(from, () => readFile(from)))
        await guarded(from, () => rm(from))
      }
    },
  }
}

async function write(path: string, bytes: Uint8Array): Promise<string> {
  await guarded(path, () => writeFile(path, bytes))
  return path
}

let passing: string | undefined

function passingFolder(): string {
  if (passing === undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-memory-'))
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
    passing = folder
  }
  return passing
}
