import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { S3 } from '@aws-sdk/client-s3'
import { beforeAll, describe, expect, it, test } from 'vitest'
import { decodeText, encodeText, type S3StorageOptions, s3Storage } from '../../src/storage/index.js'
import { storageConformance } from '../../src/testing/index.js'
import { describeWithS3, s3Server, temporaryFolder } from '../fixtures.js'

describeWithS3('s3', () => {
  const bucket = `sluice-${randomUUID()}`
  beforeAll(async () => {
    await new S3(s3Server()).createBucket({ Bucket: bucket })
  })
  const storageWith = (options: S3StorageOptions = {}) =>
    s3Storage({ ...s3Server(), cache: { folder: join(temporaryFolder(), 'cache') }, ...options })
  const newFolder = () => `s3://${bucket}/${randomUUID()}`

  storageConformance({
    describe,
    it,
    equal: (actual, expected) => expect(actual).toEqual(expected),
    open: async () => ({ storage: storageWith(), folder: newFolder() }),
  })

  test('of 20 storages that put the same absent file exactly one wins, 20 times', async () => {
    const folder = newFolder()
    const racers = Array.from({ length: 20 }, () => storageWith())
    for (let race = 0; race < 20; race++) {
      const path = `${folder}/_delta_log/${String(race).padStart(20, '0')}.json`
      const won = await Promise.all(racers.map((storage, racer) => storage.putIfAbsent(path, encodeText(`racer ${racer}`))))
      expect(won.filter(Boolean)).toHaveLength(1)
      expect(decodeText((await racers[0]?.read(path)) ?? new Uint8Array())).toBe(`racer ${won.indexOf(true)}`)
    }
  })

  test('a listing of more files than a page holds is whole, and begins after a name', async () => {
    const [storage, folder] = [storageWith(), newFolder()]
    const names = Array.from({ length: 1100 }, (_, index) => String(index).padStart(20, '0'))
    for (let from = 0; from < names.length; from += 50) {
      await Promise.all(names.slice(from, from + 50).map((name) => storage.put(`${folder}/${name}`, encodeText(name))))
    }
    await storage.put(`${folder}/_sidecars/below`, encodeText('below'))
    expect((await storage.list(folder)).map((file) => file.name)).toEqual(names)
    expect((await storage.list(folder, names[1049])).map((file) => file.name)).toEqual(names.slice(1050))
    expect(await storage.walk(folder)).toHaveLength(1101)
  })

  test('a file of more than 64 MiB is sent in parts and comes back the same', async () => {
    const [storage, to] = [storageWith(), `${newFolder()}/large.parquet`]
    const from = join(temporaryFolder(), 'large')
    const bytes = 70 * 2 ** 20 + 7
    const file = await open(from, 'w')
    for (let offset = 0; offset < bytes; offset += 2 ** 20) await file.write(`at ${offset}`, offset)
    await file.truncate(bytes)
    await file.close()
    const written = await readFile(from)
    await storage.adopt([{ from, to }])
    expect(existsSync(from)).toBe(false)
    expect((await storage.stat(to))?.bytes).toBe(bytes)
    const [copy = ''] = await storage.fetch([to])
    expect(written.equals(await readFile(copy))).toBe(true)
    expect(await new S3(s3Server()).listMultipartUploads({ Bucket: bucket })).not.toHaveProperty('Uploads.0')
  })

  test('a file is downloaded once: another storage on the same cache finds it there', async () => {
    const folder = newFolder()
    const cache = { folder: join(temporaryFolder(), 'cache') }
    const first = storageWith({ cache })
    await first.put(`${folder}/part-1.parquet`, encodeText('first'))
    const [copy = ''] = await first.fetch([`${folder}/part-1.parquet`])
    expect(copy).toMatch(/\/[0-9a-f]{32}-part-1\.parquet$/)
    const written = statSync(copy).ino
    await first.remove(`${folder}/part-1.parquet`)
    expect(await storageWith({ cache }).fetch([`${folder}/part-1.parquet`])).toEqual([copy])
    expect(statSync(copy).ino).toBe(written)
    expect(readdirSync(cache.folder)).toHaveLength(1)
  })

  test('says which file is gone, and keeps those that were there', async () => {
    const [storage, folder] = [storageWith(), newFolder()]
    await storage.put(`${folder}/there`, encodeText('there'))
    const missing = storage.fetch([`${folder}/there`, `${folder}/gone`])
    await expect(missing).rejects.toMatchObject({ code: 'STORAGE_FILE_MISSING', facts: { path: `${folder}/gone` } })
    const [copy = ''] = await storage.fetch([`${folder}/there`])
    expect(await readFile(copy, 'utf8')).toBe('there')
  })

  test('a bucket that is not there is told from a file that is not', async () => {
    const storage = storageWith()
    const refused = { code: 'STORAGE_DENIED', retry: 'terminal', message: expect.stringContaining('NoSuchBucket') }
    await expect(storage.read('s3://no-such-bucket/a')).rejects.toMatchObject(refused)
    await expect(storage.list('s3://no-such-bucket/a')).rejects.toMatchObject(refused)
    await expect(storage.put('s3://no-such-bucket/a', encodeText('a'))).rejects.toMatchObject(refused)
    await expect(storage.putIfAbsent('s3://no-such-bucket/a', encodeText('a'))).rejects.toMatchObject(refused)
    expect(await storage.read(`s3://${bucket}/no-such-file`)).toBeUndefined()
  })

  test('a wrong secret is refused, and not tried again', async () => {
    const { accessKeyId } = s3Server().credentials
    const storage = storageWith({ credentials: { accessKeyId, secretAccessKey: 'not-the-secret-of-this-server' } })
    for (const call of [storage.read, storage.list, storage.walk, storage.stat, storage.remove]) {
      await expect(call(`s3://${bucket}/a`)).rejects.toMatchObject({ code: 'STORAGE_DENIED', retry: 'terminal' })
    }
  })

  test('lists the whole bucket, without the objects that mark folders', async () => {
    const name = `sluice-${randomUUID()}`
    const client = new S3(s3Server())
    await client.createBucket({ Bucket: name })
    await client.putObject({ Bucket: name, Key: 'folder/', Body: new Uint8Array() })
    const storage = storageWith()
    await storage.put(`s3://${name}/folder/a`, encodeText('a'))
    await storage.put(`s3://${name}/b`, encodeText('b'))
    expect((await storage.walk(`s3://${name}`)).map((file) => file.name)).toEqual(['b', 'folder/a'])
    expect((await storage.walk(`s3://${name}/folder/`)).map((file) => file.name)).toEqual(['a'])
  })

  test('a client that is handed in is used as it is', async () => {
    const folder = newFolder()
    const storage = s3Storage({ client: new S3(s3Server()), cache: { folder: temporaryFolder() } })
    const from = join(temporaryFolder(), 'a')
    await writeFile(from, 'a')
    await storage.adopt([{ from, to: `${folder}/a` }])
    expect(await storage.putIfAbsent(`${folder}/a`, encodeText('b'))).toBe(false)
    expect(decodeText((await storage.read(`${folder}/a`)) ?? new Uint8Array())).toBe('a')
  })
})
