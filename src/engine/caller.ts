import { fileURLToPath } from 'node:url'
import type { Place } from '../errors/index.js'

/** Where the function was called from: the nearest stack frame above it. Line and column are those of the loaded file. */
export function callerPlace(called: (...rest: never[]) => unknown): Place {
  const holder: { stack?: string } = {}
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 1
  Error.captureStackTrace(holder, called)
  Error.stackTraceLimit = limit
  const frame = /(?:\(|at (?:async )?)((?:file:\/\/|\/|[A-Za-z]:\\)[^()]*?):(\d+):(\d+)\)?$/m.exec(holder.stack ?? '')
  if (frame === null) return {}
  const [, path = '', line, column] = frame
  return { file: path.startsWith('file://') ? fileURLToPath(path) : path, line: Number(line), column: Number(column) }
}
