export interface StoredFile {
  /** Relative to the folder listed. */
  readonly name: string
  readonly bytes: number
  /** Milliseconds since 1970. */
  readonly modifiedAt: number
}

/** A file that the engine wrote on this machine, and its place in the storage. */
export interface AdoptedFile {
  readonly from: string
  readonly to: string
}

/**
 * Where bytes live. Paths are absolute, with `/` between their parts.
 *
 * The engine reads and writes data files itself, on this machine: `fetch` and `adopt` bring them here and away. Data files have names
 * of their own and never change once written.
 *
 * A write that has resolved survives a crash of the process and of the machine. Failures are STORAGE_* errors.
 */
export interface Storage {
  /** Undefined when there is no such file. */
  read(path: string): Promise<Uint8Array | undefined>
  /**
   * Writes a whole file unless one is there; true when this call wrote it. Of any number of callers exactly one is answered true,
   * and nobody ever sees a part of the file.
   */
  putIfAbsent(path: string, bytes: Uint8Array): Promise<boolean>
  /** Writes a whole file in place of any other; nobody ever sees a part of it. */
  put(path: string, bytes: Uint8Array): Promise<void>
  /** The files directly in a folder, by name; none when there is no such folder. With `after`, only names that sort later. */
  list(folder: string, after?: string): Promise<StoredFile[]>
  /** Every file below a folder. */
  walk(folder: string): Promise<StoredFile[]>
  stat(path: string): Promise<StoredFile | undefined>
  /** Does nothing when there is no such file. */
  remove(path: string): Promise<void>
  makeFolder(path: string): Promise<void>
  /** Resolves once files that the engine wrote itself survive a crash of the machine. */
  settle(paths: readonly string[]): Promise<void>
  /**
   * Where the engine finds these data files on this machine, in the order asked. Downloaded files stay as long as this process runs.
   * A file that is not there is a failure here or when the engine opens it. An abort rejects with the signal's reason.
   */
  fetch(paths: readonly string[], signal?: AbortSignal): Promise<string[]>
  /**
   * Brings files that the engine wrote on this machine to their place and takes them away from where they were; `from` and `to` may be
   * the same file. Resolves once all of them survive a crash of the machine. After a failure any of them may be in either place or in
   * both, and the call may be made again where `from` is still there.
   */
  adopt(files: readonly AdoptedFile[]): Promise<void>
}

export function encodeText(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export function decodeText(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
}
