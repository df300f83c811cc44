// Rows of a MySQL table read and made into documents by Sluice's stores, then:
//   encode      made into BSON and dropped: what reading and encoding alone take
//   inserts     held in memory, then written by the bare driver's bulkWrite, as inserts, which is what a first load sends
//   upserts     the same with updates that insert, which is what later syncs send
// node documents.mjs '{"mode": "encode", "table": "taxi_trips", "except": ["updated_at"], "key": "trip_id"}'. Prints what it took as JSON.
import { BSON, MongoClient } from 'mongodb'
import { mongodb } from 'sluice/stores/mongodb'
import { mysql } from 'sluice/stores/mysql'

const { mode, table, except, key, into } = JSON.parse(process.argv[2])
const { put } = await import(new URL('../../dist/sync/index.js', import.meta.url))
// Those of a sync to a collection.
const [BATCH, PARALLEL] = [5_000, 2]

const source = await mysql({ url: process.env.MYSQL_URL }).open({ projectFolder: '.' })
const rows = source.table(table)
const { columns: all } = await rows.shape()
const columns = all.filter((column) => !except.includes(column.name))
const keyColumn = columns.find((column) => column.name === key)

let [documents, bytes] = [0, 0]
const held = []
const take = (batch) => {
  documents += batch.length
  if (mode !== 'encode') held.push(batch)
  // As the driver does: a message is made at once.
  else bytes += BSON.serialize({ insert: 'sink', documents: batch, ordered: false }).length
}
const target = await mongodb({ client: sink() }).open({ projectFolder: '.' })
const [readFrom, usedFrom] = [performance.now(), process.cpuUsage()]
const ranges = await halves()
await Promise.all(
  ranges.map((where) =>
    put(target.table('sink'), rows.scan({ columns, where, batchRows: BATCH }), {
      key: [key],
      batchRows: BATCH,
      parallel: 1,
      fresh: mode !== 'upserts',
      refused: async (refused) => {
        if (refused.length > 0) throw new Error(`refused: ${refused[0].reason}`)
      },
    }),
  ),
)
const [read, { user, system }] = [performance.now() - readFrom, process.cpuUsage(usedFrom)]
await source.close()
if (mode === 'encode') console.log(JSON.stringify({ milliseconds: read, processorMs: (user + system) / 1000, documents, bytes }))
else console.log(JSON.stringify({ ...(await write()), documents }))

/** A client in place of the driver's, whose one collection takes what it is given and keeps nothing. */
function sink() {
  const answer = (found) => ({ toArray: async () => found, close: async () => {} })
  const shape = { columns: columns.map((column) => ({ ...column, nullable: column.nullable && column.name !== key })), key: [key] }
  const collection = (name) => ({
    find: () => answer(name === 'sluice_shapes' ? [shape] : []),
    indexes: async () => [],
    insertMany: async (batch) => {
      take(mode === 'encode' ? batch : batch.map((document) => ({ insertOne: { document } })))
      return { insertedCount: batch.length }
    },
    bulkWrite: async (operations) => {
      take(operations)
      return { upsertedCount: operations.length, modifiedCount: 0 }
    },
  })
  const database = { databaseName: 'nowhere', collection, listCollections: () => answer([{}]), command: async () => ({ version: '' }) }
  return { connect: async () => {}, db: () => database, close: async () => {} }
}

/** The two ranges of the key that a sync reads side by side. */
async function halves() {
  const { least, greatest } = await rows.bounds(keyColumn)
  const width = (BigInt(greatest) - BigInt(least)) / BigInt(PARALLEL) + 1n
  return Array.from({ length: PARALLEL }, (_, index) => {
    const from = BigInt(least) + width * BigInt(index)
    return { kind: 'range', column: keyColumn, from: String(from), to: String(from + width) }
  })
}

async function write() {
  const client = new MongoClient(process.env.MONGODB_URL, { maxPoolSize: 4 })
  await client.connect()
  try {
    const collection = client.db().collection(into)
    await collection.createIndex({ [key]: 1 }, { unique: true })
    await collection.createIndex({ payment_type: 1, pickup_datetime: 1 })
    const began = performance.now()
    const work = async () => {
      for (let batch = held.shift(); batch !== undefined; batch = held.shift()) await collection.bulkWrite(batch, { ordered: false })
    }
    await Promise.all(Array.from({ length: PARALLEL }, work))
    const milliseconds = performance.now() - began
    return { milliseconds, written: await collection.countDocuments() }
  } finally {
    await client.close()
  }
}
