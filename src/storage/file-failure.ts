import { failure, isSluiceError, messageOf, type SluiceError, STORAGE_DENIED, STORAGE_FAILED, STORAGE_FULL } from '../errors/index.js'

/** What the file system of this machine threw, as a STORAGE_* error about `path`. */
export function fileFailure(thrown: unknown, path: string): SluiceError {
  if (isSluiceError(thrown)) return thrown
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

export async function guarded<Result>(path: string, call: () => Promise<Result>): Promise<Result> {
  try {
    return await call()
  } catch (thrown) {
    throw fileFailure(thrown, path)
  }
}

export async function unlessMissing<Result>(call: Promise<Result>): Promise<Result | undefined> {
  try {
    return await call
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT' || codeOf(thrown) === 'ENOTDIR') return undefined
    throw thrown
  }
}

export function codeOf(thrown: unknown): string | undefined {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown ? String(thrown.code) : undefined
}
