import type { DeltaTable as Table } from '../../src/table/index.js'
import { type Item, type Step, stepsOf } from './chaos-model.js'

/**
 * A process of the chaos test: `write PATH OWNER SEED STEPS VACUUM_SECONDS` takes an owner's steps from where the table says that it is, and
 * tells of each what was committed; `read PATH` looks at the table until SIGTERM, and ends with a failure when what it sees cannot be.
 */
const [, , role, path = '', ...words] = process.argv
const [owner = 0, seed = 0, steps = 0, vacuumSeconds = 0] = words.map(Number)

/** As built, for that starts five times as quickly as the sources. */
const built: typeof import('../../src/table/index.js') = await import(new URL('../../dist/table/index.js', import.meta.url).href)
const { DeltaTable } = built

/** A conflict is followed by another attempt however often it happens: the test is over when all has been done. */
const RETRIES = 10_000

await (role === 'read' ? read() : write())

async function write(): Promise<void> {
  const table = await DeltaTable.open(path, { memory: '256MB', threads: 1 })
  const appId = `owner ${owner}`
  const done = (await table.snapshot()).transactions.get(appId)?.version ?? 0
  console.log(JSON.stringify({ begun: done }))
  for (const { number, step } of stepsOf(owner, seed)) {
    if (number > steps) break
    if (number <= done) continue
    const committed = await take(table, step, { txn: { appId, version: number }, retries: RETRIES })
    console.log(JSON.stringify({ number, ...committed }))
  }
  await table.close()
}

async function take(table: Table, step: Step, options: { txn: { appId: string; version: number }; retries: number }) {
  switch (step.kind) {
    case 'append':
      return table.append(select(step.rows), options)
    case 'merge':
      return table.merge(`(${select(step.rows)})`, ['owner', 'batch', 'k'], options)
    case 'negate':
      return table.update({ v: '-t.v', n: '-t.n' }, `t.owner = ${owner} AND t.batch = ${step.batch}`, options)
    case 'delete':
      return table.delete(`t.owner = ${owner} AND t.batch = ${step.batch}`, options)
    case 'optimize':
      // Nobody waits for it: where others are always quicker, the next one will do.
      return table.optimize({ ...options, retries: 3 }).catch((error: { code?: string }) => {
        if (error.code === 'TABLE_CONFLICT') return undefined
        throw error
      })
    case 'vacuum':
      await table.vacuum({ retentionHours: vacuumSeconds / 3600, force: true })
      return undefined
  }
}

function select(rows: readonly Item[]): string {
  const list = rows.map((row) => `(${row.owner}, ${row.batch}, ${row.k}, ${row.v}, ${row.n})`)
  return `SELECT * FROM (VALUES ${list.join(', ')}) AS s(owner, batch, k, v, n)`
}

/** With a handle that goes on from what it knew, and each time with one that knows nothing. */
async function read(): Promise<void> {
  let stop = false
  process.on('SIGTERM', () => {
    stop = true
  })
  const table = await DeltaTable.open(path, { memory: '256MB', threads: 1 })
  const session = await table.session()
  let [looks, newest] = [0, -1]
  console.log(JSON.stringify({ begun: 0 }))
  for (; !stop; looks++) {
    const snapshot = await table.snapshot()
    if (snapshot.version < newest) throw new Error(`version ${snapshot.version} was newest after ${newest}`)
    newest = snapshot.version
    const fresh = await DeltaTable.at(path, { session }).snapshot(newest)
    const [ours, theirs] = [snapshot, fresh].map(({ files }) => [...files.keys()].sort().join('\n'))
    if (ours !== theirs) throw new Error(`version ${newest} has other files for one who followed it:\n${ours}\n\n${theirs}`)
    const odd = await session.rows(
      `SELECT owner, batch FROM (${await table.select(snapshot)}) GROUP BY ALL HAVING sum(v) <> 0 OR sum(n) <> 0 OR count(DISTINCT k) <> count(*)`,
    )
    if (odd.length > 0) throw new Error(`version ${newest} is half of something: ${JSON.stringify(odd)}`)
  }
  console.log(JSON.stringify({ looks, newest }))
  await table.close()
}
