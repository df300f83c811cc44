import { typeText } from '../../../schema/index.js'
import { type DeltaTable, liveRows } from '../../../table/index.js'
import type { Invocation } from '../../command.js'
import { bytes, count, table as textTable } from '../../output.js'
import { version } from './options.js'

/** What a table is: version, size, columns, properties, protocol. */
export async function show(invocation: Invocation, table: DeltaTable): Promise<number> {
  const snapshot = await table.snapshot(await version(invocation, table))
  let rows: number | undefined = 0
  let size = 0
  let marked = 0
  for await (const add of snapshot.files.whole()) {
    const live = liveRows(add)
    rows = rows === undefined || live === undefined ? undefined : rows + live
    size += add.size
    marked += add.deletionVector?.cardinality ?? 0
  }
  const { protocol, metadata } = snapshot
  const document = {
    path: table.path,
    version: snapshot.version,
    timestamp: new Date(snapshot.timestamp).toISOString(),
    id: metadata.id,
    name: metadata.name ?? null,
    description: metadata.description ?? null,
    /** Null where a file came without statistics. */
    rows: rows ?? null,
    files: snapshot.files.size,
    bytes: size,
    rowsMarkedDeleted: marked,
    partitionColumns: snapshot.partitionColumns,
    columns: snapshot.fields.map(({ name, type, nullable }) => ({ name, type: typeText(type), nullable })),
    properties: metadata.configuration,
    protocol,
    transactions: [...snapshot.transactions.values()].map(({ appId, version: last }) => ({ appId, version: last })),
  }
  if (invocation.output.json) {
    invocation.output.document(document)
    return 0
  }
  const features = [...new Set([...(protocol.readerFeatures ?? []), ...(protocol.writerFeatures ?? [])])]
  const facts = [
    ['version', `${document.version} (${document.timestamp})`],
    ['rows', rows === undefined ? 'not known without reading' : count(rows)],
    ['files', `${count(document.files)} (${bytes(size)})${marked === 0 ? '' : `, ${count(marked)} rows marked as deleted`}`],
    ['partitioned by', snapshot.partitionColumns.join(', ') || 'nothing'],
    [
      'protocol',
      `reader ${protocol.minReaderVersion}, writer ${protocol.minWriterVersion}${features.length === 0 ? '' : `: ${features.join(', ')}`}`,
    ],
    ...Object.entries(metadata.configuration).map(([key, value]) => [key, value]),
  ]
  const width = Math.max(...facts.map(([name]) => name?.length ?? 0))
  invocation.output.print(`${table.path}\n${facts.map(([name = '', value]) => `  ${name.padEnd(width)}  ${value}`).join('\n')}\n`)
  invocation.output.print(
    textTable(
      ['column', 'type', 'null'],
      document.columns.map((one) => [one.name, one.type, one.nullable ? 'may be' : 'never']),
    ),
  )
  return 0
}
