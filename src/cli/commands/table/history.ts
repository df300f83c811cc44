import { noteOf } from '../../../pipeline/index.js'
import type { DeltaTable } from '../../../table/index.js'
import type { Invocation } from '../../command.js'
import { count, table as textTable } from '../../output.js'
import { number } from './options.js'

export async function history(invocation: Invocation, handle: DeltaTable): Promise<number> {
  const entries = await handle.history(number(invocation, 'limit'))
  const versions = entries.map((entry) => {
    const note = noteOf(entry)
    return {
      version: entry.version,
      timestamp: new Date(entry.timestamp).toISOString(),
      operation: entry.operation,
      parameters: entry.info?.operationParameters ?? {},
      metrics: entry.info?.operationMetrics ?? {},
      engine: entry.info?.engineInfo ?? '',
      runId: note?.runId ?? null,
      mode: note?.mode ?? null,
    }
  })
  if (invocation.output.json) invocation.output.document({ path: handle.path, versions })
  else {
    const rows = versions.map((one) => [
      String(one.version),
      one.timestamp,
      one.operation,
      one.mode ?? '',
      count(Number(one.metrics['numOutputRows'] ?? one.metrics['numTargetRowsInserted'] ?? 0)),
      one.runId ?? one.engine,
    ])
    invocation.output.print(textTable(['version', 'time', 'operation', 'mode', 'rows', 'by'], rows))
  }
  return 0
}
