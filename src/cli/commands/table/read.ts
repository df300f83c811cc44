import { randomUUID } from 'node:crypto'
import { rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { quoteText } from '../../../engine/index.js'
import { failure, USAGE_WRONG } from '../../../errors/index.js'
import { typeText } from '../../../schema/index.js'
import type { DeltaTable } from '../../../table/index.js'
import type { Invocation } from '../../command.js'
import { cellText, count, table as textTable } from '../../output.js'
import { names, number, version } from './options.js'

const FORMATS: Readonly<Record<string, string>> = {
  parquet: 'FORMAT parquet, COMPRESSION zstd',
  csv: 'FORMAT csv, HEADER',
  jsonl: 'FORMAT json',
}
const SHOWN = 20

/** Prints rows, or writes them to a file. */
export async function read(invocation: Invocation, table: DeltaTable): Promise<number> {
  const [columns, where, out] = [names(invocation, 'columns'), invocation.text('where'), invocation.text('out')]
  const format = out === undefined ? undefined : formatOf(out)
  const snapshot = await table.snapshot(await version(invocation, table))
  const rows = await table.select(snapshot, { ...(columns === undefined ? {} : { columns }), ...(where === undefined ? {} : { where }) })
  const session = await table.session()
  const limit = number(invocation, 'limit')
  if (out !== undefined && format !== undefined) {
    const written = await writeWhole(resolve(out), async (path) => {
      const [row] = await session.rows(
        `COPY (SELECT * FROM (${rows})${limit === undefined ? '' : ` LIMIT ${limit}`}) TO ${quoteText(path)} (${format})`,
      )
      return Number(row?.['Count'] ?? 0)
    })
    const document = { path: table.path, version: snapshot.version, rows: written, out: resolve(out) }
    if (invocation.output.json) invocation.output.document(document)
    else invocation.output.print(`${count(written)} rows of version ${snapshot.version} are in ${out}.`)
    return 0
  }
  const fields = await session.describe(rows)
  const most = limit ?? (invocation.output.json ? Number.POSITIVE_INFINITY : SHOWN)
  const found: (readonly unknown[])[] = []
  for await (const batch of session.stream(`SELECT * FROM (${rows})${Number.isFinite(most) ? ` LIMIT ${most + 1}` : ''}`))
    found.push(...batch.rows)
  const shown = found.slice(0, most)
  if (invocation.output.json) {
    invocation.output.document({
      path: table.path,
      version: snapshot.version,
      columns: fields.map(({ name, type }) => ({ name, type: typeText(type) })),
      rows: shown.map((row) => Object.fromEntries(row.map((value, index) => [fields[index]?.name ?? '', value]))),
      truncated: found.length > shown.length,
    })
  } else {
    const cells = shown.map((row) => row.map(cellText))
    const tail =
      found.length > shown.length ? `(the first ${most} rows; --limit N shows more, --out FILE writes all)` : `(${shown.length} rows)`
    invocation.output.print(
      `${textTable(
        fields.map((field) => field.name),
        cells,
      )}\n${tail}`,
    )
  }
  return 0
}

function formatOf(out: string): string {
  const format = FORMATS[/\.([a-z]+)$/i.exec(out)?.[1]?.toLowerCase() ?? '']
  if (format === undefined)
    throw failure(USAGE_WRONG, {
      command: 'table',
      problem: `--out takes a file that ends in .parquet, .csv or .jsonl; "${out}" does not.`,
    })
  return format
}

/** The file is there whole or not at all. */
async function writeWhole<Result>(path: string, write: (temporary: string) => Promise<Result>): Promise<Result> {
  const temporary = join(dirname(path), `.${randomUUID()}.${basename(path)}`)
  try {
    const result = await write(temporary)
    await rename(temporary, path)
    return result
  } finally {
    await rm(temporary, { force: true })
  }
}
