import type { Storage, StoredFile } from './storage.js'

/** Bytes in this process alone: for tests, and for trying things out. */
export function memoryStorage(now: () => number = Date.now): Storage {
  const files = new Map<string, { bytes: Uint8Array; modifiedAt: number }>()
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
  }
}
