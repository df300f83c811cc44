import type { DeltaTable } from '../../../table/index.js'
import type { Invocation } from '../../command.js'
import { cellText, count, table as textTable } from '../../output.js'
import { number } from './options.js'

export async function diff(invocation: Invocation, handle: DeltaTable): Promise<number> {
  const newest = await handle.snapshot(number(invocation, 'to'))
  const oldest = await handle.snapshot(number(invocation, 'from') ?? Math.max(0, newest.version - 1))
  const between = await handle.diff(oldest, newest)
  const session = await handle.session()
  const limit = number(invocation, 'limit') ?? 10
  const added = `SELECT * FROM (${between.added} EXCEPT ALL ${between.removed})`
  const removed = `SELECT * FROM (${between.removed} EXCEPT ALL ${between.added})`
  const rowsOf = async (select: string) => Number((await session.rows(`SELECT count(*) AS n FROM (${select})`))[0]?.['n'] ?? 0)
  const document = {
    path: handle.path,
    from: oldest.version,
    to: newest.version,
    added: await rowsOf(added),
    removed: await rowsOf(removed),
    samples: { added: await session.rows(`${added} LIMIT ${limit}`), removed: await session.rows(`${removed} LIMIT ${limit}`) },
  }
  if (invocation.output.json) invocation.output.document(document)
  else {
    invocation.output.print(
      `From version ${document.from} to ${document.to}: ${count(document.added)} rows added, ${count(document.removed)} removed.`,
    )
    const head = newest.fields.map((field) => field.name)
    for (const [mark, rows] of [
      ['+', document.samples.added],
      ['-', document.samples.removed],
    ] as const) {
      if (rows.length > 0)
        invocation.output.print(
          `\n${textTable(
            ['', ...head],
            rows.map((row) => [mark, ...head.map((name) => cellText(row[name]))]),
          )}`,
        )
    }
  }
  return 0
}
