import { failure, USAGE_WRONG } from '../../../errors/index.js'
import type { DeltaTable } from '../../../table/index.js'
import type { Invocation } from '../../command.js'
import { bytes, count } from '../../output.js'
import { names, number, version } from './options.js'

/** Makes the table what it was, as a new version. */
export async function restore(invocation: Invocation, table: DeltaTable): Promise<number> {
  const wanted = await version(invocation, table)
  if (wanted === undefined) throw failure(USAGE_WRONG, { command: 'table', problem: 'restore needs --version N or --timestamp TIME.' })
  const committed = await table.restore(wanted)
  if (invocation.output.json) invocation.output.document({ path: table.path, restored: wanted, version: committed.version })
  else invocation.output.print(`Version ${committed.version} is the table as it was at version ${wanted}.`)
  return 0
}

/** Small files become large ones. */
export async function optimize(invocation: Invocation, table: DeltaTable): Promise<number> {
  const [where, zOrderBy, megabytes] = [invocation.text('where'), names(invocation, 'z-order'), number(invocation, 'target-mb')]
  const { version: at, applied } = await table.optimize({
    ...(where === undefined ? {} : { where }),
    ...(zOrderBy === undefined ? {} : { zOrderBy }),
    ...(megabytes === undefined ? {} : { targetBytes: megabytes * 1024 * 1024 }),
    onProgress: ({ files, of }) => invocation.output.transient(`${count(files)} of ${count(of)} files`),
  })
  const [entry] = applied ? await table.history(1) : []
  const metric = (name: string) => Number(entry?.info?.operationMetrics?.[name] ?? 0)
  const document = {
    path: table.path,
    version: at,
    optimized: applied,
    filesRemoved: metric('numRemovedFiles'),
    filesAdded: metric('numAddedFiles'),
    bytesRemoved: metric('numRemovedBytes'),
    bytesAdded: metric('numAddedBytes'),
  }
  if (invocation.output.json) invocation.output.document(document)
  else if (!applied) invocation.output.print('There is nothing to optimize.')
  else
    invocation.output.print(
      `${count(document.filesRemoved)} files (${bytes(document.bytesRemoved)}) are ${count(document.filesAdded)} (${bytes(document.bytesAdded)}) in version ${at}.`,
    )
  return 0
}

/** Deletes files that no version within the retention needs. */
export async function vacuum(invocation: Invocation, table: DeltaTable): Promise<number> {
  const text = invocation.text('retention-hours')
  const hours = text === undefined ? undefined : Number(text)
  if (hours !== undefined && !(hours >= 0))
    throw failure(USAGE_WRONG, { command: 'table', problem: `--retention-hours takes a number; "${text}" is none.` })
  const found = await table.vacuum({
    dryRun: invocation.flag('dry-run'),
    force: invocation.flag('force'),
    ...(hours === undefined ? {} : { retentionHours: hours }),
    onProgress: ({ files, of }) => invocation.output.transient(`${count(files)} of ${count(of)} files deleted`),
  })
  if (invocation.output.json) invocation.output.document({ path: table.path, ...found })
  else {
    const what = `${count(found.files.length)} files (${bytes(found.bytes)})`
    invocation.output.print(
      found.dryRun ? `${what} would be deleted:\n${found.files.map((file) => `  ${file}`).join('\n')}` : `${what} deleted.`,
    )
  }
  return 0
}

/** Writes a log checkpoint, and takes away log files past their retention. */
export async function checkpoint(invocation: Invocation, table: DeltaTable): Promise<number> {
  const written = await table.checkpoint()
  const cleaned = await table.cleanLog()
  if (invocation.output.json) invocation.output.document({ path: table.path, ...written, logFilesRemoved: cleaned.length })
  else invocation.output.print(`The log checkpoint of version ${written.version} holds ${count(written.actions)} actions.`)
  return 0
}
