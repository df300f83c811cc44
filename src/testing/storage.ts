import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeText, encodeText, type Storage } from '../storage/index.js'

/** What a test runner gives: vitest's or node:test's `describe`, `it` and an assertion. */
export interface StorageConformance {
  readonly describe: (name: string, body: () => void) => void
  readonly it: (name: string, body: () => Promise<void>) => void
  readonly equal: (actual: unknown, expected: unknown) => void
  /** A storage and an empty folder in it, new for each call. */
  readonly open: () => Promise<{ readonly storage: Storage; readonly folder: string }>
}

/** What every storage must do. `storageConformance({ describe, it, equal, open })` declares the tests. */
export function storageConformance({ describe, it, equal, open }: StorageConformance): void {
  describe('storage', () => {
    it('reads what was put, and nothing where nothing is', async () => {
      const { storage, folder } = await open()
      await storage.put(`${folder}/a`, encodeText('one'))
      await storage.put(`${folder}/a`, encodeText('two'))
      equal(decodeText((await storage.read(`${folder}/a`)) ?? new Uint8Array()), 'two')
      equal(await storage.read(`${folder}/b`), undefined)
    })
    it('lets exactly one of many put a file that is absent', async () => {
      const { storage, folder } = await open()
      const won = await Promise.all(
        Array.from({ length: 20 }, (_, index) => storage.putIfAbsent(`${folder}/a`, encodeText(`writer ${index}`))),
      )
      equal(won.filter((one) => one).length, 1)
      equal(decodeText((await storage.read(`${folder}/a`)) ?? new Uint8Array()), `writer ${won.indexOf(true)}`)
    })
    it('lists the files of a folder by name, after a name, and not those below', async () => {
      const { storage, folder } = await open()
      for (const name of ['b', 'a', 'c']) await storage.put(`${folder}/${name}`, encodeText(name))
      await storage.makeFolder(`${folder}/below`)
      await storage.put(`${folder}/below/d`, encodeText('d'))
      equal(
        (await storage.list(folder)).map((file) => file.name),
        ['a', 'b', 'c'],
      )
      equal(
        (await storage.list(folder, 'a')).map((file) => file.name),
        ['b', 'c'],
      )
      equal(await storage.list(`${folder}/nothing`), [])
      equal(
        (await storage.walk(folder)).map((file) => file.name),
        ['a', 'b', 'below/d', 'c'],
      )
    })
    it('removes a file, and one that is not there', async () => {
      const { storage, folder } = await open()
      await storage.put(`${folder}/a`, encodeText('one'))
      await storage.remove(`${folder}/a`)
      await storage.remove(`${folder}/a`)
      equal(await storage.stat(`${folder}/a`), undefined)
    })
    it('walks what is below a folder, and not what is beside it under a longer name', async () => {
      const { storage, folder } = await open()
      for (const name of ['table', 'table2']) await storage.makeFolder(`${folder}/${name}`)
      await storage.put(`${folder}/table/a`, encodeText('a'))
      await storage.put(`${folder}/table2/b`, encodeText('b'))
      equal(
        (await storage.walk(`${folder}/table`)).map((file) => file.name),
        ['a'],
      )
    })
    it('keeps names as they are', async () => {
      const { storage, folder } = await open()
      const names = ['a b', 'a%20b', 'a+b', 'a=b', 'ä']
      for (const name of names) await storage.put(`${folder}/${name}`, encodeText(name))
      equal(
        (await storage.list(folder)).map((file) => file.name),
        names,
      )
      for (const name of names) equal(decodeText((await storage.read(`${folder}/${name}`)) ?? new Uint8Array()), name)
    })
    it('tells a file’s size', async () => {
      const { storage, folder } = await open()
      await storage.put(`${folder}/a`, encodeText('four'))
      equal((await storage.stat(`${folder}/a`))?.bytes, 4)
    })
    it('takes in what the engine wrote on this machine, and gives it back to the engine', async () => {
      const { storage, folder } = await open()
      const here = await mkdtemp(join(tmpdir(), 'sluice-conformance-'))
      try {
        const files = ['a', 'b', 'c'].map((name) => ({ from: join(here, name), to: `${folder}/p=1/${name}.parquet` }))
        for (const { from, to } of files) await writeFile(from, `bytes of ${to}`)
        await storage.adopt(files)
        equal(await Promise.all(files.map(({ from }) => stat(from).catch(() => 'gone'))), ['gone', 'gone', 'gone'])
        equal(
          (await storage.walk(folder)).map((file) => file.name),
          ['p=1/a.parquet', 'p=1/b.parquet', 'p=1/c.parquet'],
        )
        const asked = files.map(({ to }) => to).reverse()
        const copies = await storage.fetch(asked)
        equal(
          await Promise.all(copies.map((path) => readFile(path, 'utf8'))),
          asked.map((path) => `bytes of ${path}`),
        )
        equal(await storage.fetch(asked), copies)
        equal(await storage.fetch([]), [])
        await storage.adopt([])
      } finally {
        await rm(here, { recursive: true, force: true })
      }
    })
  })
}
