import { randomUUID } from 'node:crypto'
import { Decimal128, Double, Int32, Long, MongoClient, ObjectId } from 'mongodb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Field } from '../../../src/schema/index.js'
import { RowBatch } from '../../../src/stores/index.js'
import { mongodb } from '../../../src/stores/mongodb.js'
import { storeConformance } from '../../../src/testing/index.js'
import { actsAsMap } from '../../stores/laws.js'
import { describeWithMongodb } from './servers.js'

const url = process.env['MONGODB_URL'] ?? ''
const database = `sluice_${randomUUID().slice(0, 8)}`
const equal = (actual: unknown, expected: unknown) => expect(actual).toEqual(expected)

describeWithMongodb('mongodb', () => {
  let number = 0
  let driver: MongoClient
  beforeAll(() => {
    driver = new MongoClient(url)
  })
  afterAll(async () => {
    await driver.db(database).dropDatabase()
    await driver.close()
  })

  storeConformance({
    describe,
    it,
    equal,
    open: async (ending) => {
      const store = await mongodb({ url, database }).open({ projectFolder: '.' })
      return { store, table: `trips ${number++}${ending}`, drop: () => store.close() }
    },
  })

  const columns: readonly Field[] = [
    { name: 'id', type: { kind: 'long' }, nullable: false },
    { name: 'fare', type: { kind: 'decimal', precision: 10, scale: 2 }, nullable: true },
    { name: 'day', type: { kind: 'date' }, nullable: true },
    { name: 'ratio', type: { kind: 'double' }, nullable: true },
  ]
  const opened = () => mongodb({ url, database }).open({ projectFolder: '.' })

  it('holds what a Map would', async () => {
    const store = await opened()
    try {
      let law = 0
      await actsAsMap(async () => store.table(`law ${law++}`), 20)
    } finally {
      await store.close()
    }
  })

  it('writes values of BSON’s own types, and leaves fields that are not ours', async () => {
    const store = await opened()
    const table = store.table('types')
    await table.make({ columns, key: ['id'], indexes: [] })
    await table.upsert(new RowBatch(columns, ['1\t-0.05\t2018-01-01\t-0']), { key: ['id'] })
    const raw = driver.db(database).collection('types')
    const [found] = await raw.find({}, { promoteValues: false, projection: { _id: 0 } }).toArray()
    expect(found).toEqual({
      id: Long.fromNumber(1),
      fare: Decimal128.fromString('-0.05'),
      day: new Date('2018-01-01T00:00:00Z'),
      ratio: new Double(-0),
    })
    await raw.updateOne({}, { $set: { note: 'theirs' } })
    expect(await table.upsert(new RowBatch(columns, ['1\t1.00\t\\N\t2']), { key: ['id'] })).toEqual({
      inserted: 0,
      updated: 1,
      refused: [],
    })
    expect((await raw.findOne({}))?.['note']).toBe('theirs')
    await store.close()
  })

  it('keeps decimals as whole numbers where told, finds them by range, and refuses what has no room', async () => {
    const store = await mongodb({ url, database, decimals: 'integer' }).open({ projectFolder: '.' })
    const table = store.table('cents')
    const wide: readonly Field[] = [
      { name: 'id', type: { kind: 'long' }, nullable: false },
      { name: 'fare', type: { kind: 'decimal', precision: 30, scale: 2 }, nullable: true },
    ]
    await table.make({ columns: wide, key: ['id'], indexes: [] })
    const lines = ['1\t12.50', '2\t-0.05', '3\t\\N']
    const written = await table.upsert(new RowBatch(wide, [...lines, '4\t1234567890123456789012.00']), { key: ['id'] })
    expect([written.inserted, written.refused.map(({ reason }) => reason)]).toEqual([3, [expect.stringMatching(/64 bits/)]])
    const [found] = await driver.db(database).collection('cents').find({ id: 1 }, { promoteValues: false }).toArray()
    expect(found?.['fare']).toEqual(Long.fromNumber(1250))
    const [, fare] = wide
    if (fare === undefined) throw new Error('no fare')
    const all = async (request: object) => {
      const read: string[] = []
      for await (const batch of table.scan({ columns: wide, orderBy: 'id', ...request })) read.push(...batch.lines)
      return read
    }
    expect(await all({})).toEqual(lines)
    expect(await all({ where: { kind: 'range', column: fare, from: '0.00', to: '12.51' } })).toEqual(['1\t12.50'])
    await store.close()
  })

  it('shows what is there, whatever others have put there', async () => {
    const store = await opened()
    const table = store.table('planted')
    await table.make({ columns, key: ['id'], indexes: [] })
    await driver
      .db(database)
      .collection('planted')
      .insertMany([
        { id: new Int32(1), fare: '1.50', day: '2018-01-01', ratio: new Int32(3) },
        { id: Long.fromNumber(2), fare: new Double(1.5), ratio: Decimal128.fromString('2.50') },
        { id: Long.fromNumber(3), fare: Decimal128.fromString('1.5E+3'), day: new Date('2018-01-01T05:00:00Z'), ratio: true },
        { id: Long.fromNumber(4), fare: Decimal128.fromString('1.505'), day: new ObjectId('0123456789abcdef01234567'), ratio: { a: [1] } },
        { id: Long.fromNumber(5), fare: Decimal128.fromString('NaN'), day: null, ratio: 'a\tb' },
      ])
    const lines: string[] = []
    for await (const batch of table.scan({ columns, orderBy: 'id' })) lines.push(...batch.lines)
    expect(lines).toEqual([
      '1\t1.50\t2018-01-01\t3',
      '2\t1.50\t\\N\t2.5',
      '3\t1500.00\t2018-01-01 05:00:00.000000\ttrue',
      '4\t1.505\t0123456789abcdef01234567\t{"a":[1]}',
      '5\tNaN\t\\N\ta\\tb',
    ])
    await store.close()
  })

  it('reads the shape of a collection that it did not make', async () => {
    await driver
      .db(database)
      .collection('theirs')
      .insertMany([{ n: new Int32(1), fare: Decimal128.fromString('1.25') }, { n: Long.fromNumber(2) }])
    await driver.db(database).collection('theirs').createIndex({ n: 1 }, { unique: true })
    const store = await opened()
    expect(await store.table('theirs').shape()).toEqual({
      columns: [
        { name: 'n', type: { kind: 'long' }, nullable: false },
        { name: 'fare', type: { kind: 'decimal', precision: 38, scale: 2 }, nullable: true },
      ],
      key: ['n'],
      defaulted: [],
      indexes: [],
    })
    await store.close()
  })

  it('says what an empty collection is to hold, though it did not make it', async () => {
    // As it is left when the connection goes between the making of a collection and the noting of its shape.
    await driver.db(database).createCollection('left')
    const store = await opened()
    const table = store.table('left')
    await table.make({ columns, key: ['id'], indexes: [] })
    await table.upsert(new RowBatch(columns, ['1\t-0.05\t2018-01-01\t-0']), { key: ['id'] })
    expect((await table.shape())?.columns.map(({ name }) => name)).toEqual(columns.map(({ name }) => name))
    expect(await table.count()).toBe(1)
    await store.close()
  })

  it('says what is wrong with an address, and never a password', async () => {
    const retry = { attempts: 1 }
    const open = (address: string) => mongodb({ url: address, retry, connectTimeout: 300 }).open({ projectFolder: '.' })
    await expect(open('mysql://127.0.0.1/x')).rejects.toMatchObject({ code: 'STORE_URL_INVALID' })
    const address = 'mongodb://someone:hunter2hunter2@127.0.0.1:1/taxi'
    const error = await open(address).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'STORE_UNREACHABLE' })
    expect(String(error)).not.toContain('hunter2')
    expect(mongodb({ url: address }).describe()).toBe('mongodb at 127.0.0.1:1/taxi')
  })
})
