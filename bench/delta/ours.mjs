// One case by Sluice: node ours.mjs '{"case": "merge-all", "table": "/tmp/table", "input": "/tmp/merge-all.parquet"}'. Prints what it took and found as JSON.
import { DeltaTable } from 'sluice/table'

const { case: name, table: path, input, where } = JSON.parse(process.argv[2])
const options = { memory: process.env.SLUICE_MEMORY, threads: Number(process.env.SLUICE_THREADS) }
const rows = `SELECT * FROM read_parquet('${input?.replaceAll("'", "''")}')`

async function create() {
  const own = DeltaTable.at(path, options)
  const session = await own.session()
  const table = await DeltaTable.create(path, { fields: await session.describe(rows) }, { session })
  await table.append(rows)
  await own.close()
}

const merge = (table) => table.merge(`(${rows})`, ['trip_id'])
const cases = {
  append: (table) => table.append(rows),
  'merge-one': merge,
  'merge-all': merge,
  upsert: merge,
  delete: (table) => table.delete(where),
  read: async (table) => {
    const select = await table.read({ columns: ['trip_id', 'total_amount'], where })
    const [row] = await (await table.session()).rows(`SELECT count(*) AS n, round(sum(total_amount), 1) AS total FROM (${select})`)
    return [Number(row.n), row.total]
  },
  optimize: (table) => table.optimize({ targetBytes: 2 ** 27 }),
  open: async (table) => (await table.snapshot()).files.size,
  'open-more': async (table) => (await table.snapshot()).files.size,
  /** Not a case: what a table holds, whoever wrote it. */
  contents: async (table) => {
    const { fields, files } = await table.snapshot()
    const columns = fields.map(({ name: column }) => `"${column}"`).sort()
    const [row] = await (await table.session()).rows(
      `SELECT count(*) AS n, sum(hash(${columns.join(', ')}))::varchar AS digest FROM (${await table.read()})`,
    )
    return { rows: Number(row.n), digest: row.digest, files: files.size }
  },
}

const began = performance.now()
let answer
if (name === 'create') await create()
else {
  const table = await DeltaTable.open(path, options)
  const result = await cases[name](table)
  if (['read', 'open', 'open-more', 'contents'].includes(name)) answer = result
  await table.close()
}
console.log(JSON.stringify({ insideMs: performance.now() - began, answer }))
