import { type AddFile, decodePath, fileKey } from './log/actions.js'
import type { AddBlock, AddSource } from './log/checkpoint.js'

/** An add of a commit of very many: its line, parsed when it is asked for. */
export interface LaterAdd {
  later(): AddFile
}

/** False only for files that cannot hold what is wanted, by partition values and statistics alone. A file whose statistics are not known may. */
export type FileTest = (add: AddFile) => boolean

type Entry = AddFile | LaterAdd

/**
 * A table's live files by key (see `fileKey`), as a map that is cheap to make and to keep: what a log checkpoint holds stays in the
 * engine's own bytes, and becomes objects only while it is walked over. Of tables of very many files, what is walked over comes without
 * statistics; `filter` and `whole` give them.
 */
export class FileSet implements ReadonlyMap<string, AddFile> {
  readonly #sources: readonly AddSource[]
  readonly #blocks: readonly AddBlock[]
  /** Rows of each block that later commits removed or added anew. */
  readonly #dead: readonly (ReadonlySet<number> | undefined)[]
  readonly #recent: ReadonlyMap<string, Entry>
  readonly size: number
  #index: Map<string, readonly [AddBlock, number]> | undefined

  /** @param touched keys of files that commits after the checkpoint added or removed @param recent files that those commits left there */
  constructor(
    sources: readonly AddSource[] = [],
    touched: ReadonlySet<string> = new Set(),
    recent: ReadonlyMap<string, Entry> = new Map(),
  ) {
    this.#sources = sources
    this.#blocks = sources.flatMap((source) => source.blocks)
    this.#recent = recent
    const paths = new Set([...touched].map((key) => key.split('\n')[0] ?? ''))
    this.#dead = this.#blocks.map((block) => (paths.size === 0 ? undefined : deadRows(block, paths, touched)))
    this.size = recent.size + this.#blocks.reduce((sum, block, index) => sum + block.size - (this.#dead[index]?.size ?? 0), 0)
  }

  /** The files that pass, with their keys and all of their statistics. */
  async filter(test: FileTest): Promise<(readonly [string, AddFile])[]> {
    const found: (readonly [string, AddFile])[] = []
    for await (const add of this.#tested(test)) found.push([fileKey(add), add])
    return found
  }

  /** The files that are not in another set, with their keys and all of their statistics. */
  async without(other: ReadonlyMap<string, AddFile>): Promise<(readonly [string, AddFile])[]> {
    const found: (readonly [string, AddFile])[] = []
    for await (const add of this.whole()) {
      const key = fileKey(add)
      if (!other.has(key)) found.push([key, add])
    }
    return found
  }

  /** Every file with all of its statistics, one at a time. */
  whole(): AsyncIterable<AddFile> {
    return this.#tested(() => true)
  }

  async *#tested(test: FileTest): AsyncIterable<AddFile> {
    let index = 0
    for (const { blocks, statistics } of this.#sources) {
      const first = index
      index += blocks.length
      // Partition values are few and files are many, so each combination is judged once, before any statistics are looked at.
      const verdicts = new Map<string, boolean>()
      const passes = (block: AddBlock, row: number) => {
        const partition = block.partition(row)
        const known = verdicts.get(partition)
        if (known !== undefined) return known
        const { stats: _, ...bare } = block.at(row)
        const verdict = test(bare)
        verdicts.set(partition, verdict)
        return verdict
      }
      const rows = blocks.map((block, at) => {
        const dead = this.#dead[first + at]
        return Array.from({ length: block.size }, (_, row) => row).filter((row) => dead?.has(row) !== true && passes(block, row))
      })
      if (statistics === undefined) {
        for (const [at, block] of blocks.entries()) for (const row of rows[at] ?? []) yield* passing(block.at(row), test)
        continue
      }
      if (rows.every((one) => one.length === 0)) continue
      yield* withStatistics(blocks, rows, statistics(), test)
    }
    for (const entry of this.#recent.values()) yield* passing(resolved(entry), test)
  }

  *entries(): MapIterator<[string, AddFile]> {
    for (const add of this.#old()) yield [fileKey(add), add]
    for (const [key, entry] of this.#recent) yield [key, resolved(entry)]
  }

  *values(): MapIterator<AddFile> {
    yield* this.#old()
    for (const entry of this.#recent.values()) yield resolved(entry)
  }

  *keys(): MapIterator<string> {
    for (const [key] of this) yield key
  }

  [Symbol.iterator](): MapIterator<[string, AddFile]> {
    return this.entries()
  }

  get(key: string): AddFile | undefined {
    const recent = this.#recent.get(key)
    if (recent !== undefined) return resolved(recent)
    const [block, row] = this.#blocks.length === 0 ? [] : (this.#indexed().get(key) ?? [])
    return block === undefined || row === undefined ? undefined : block.at(row)
  }

  has(key: string): boolean {
    return this.#recent.has(key) || (this.#blocks.length > 0 && this.#indexed().has(key))
  }

  forEach(visit: (add: AddFile, key: string, map: ReadonlyMap<string, AddFile>) => void): void {
    for (const [key, add] of this) visit(add, key, this)
  }

  *#old(): IterableIterator<AddFile> {
    for (const [index, block] of this.#blocks.entries()) {
      const dead = this.#dead[index]
      for (let row = 0; row < block.size; row++) if (dead?.has(row) !== true) yield block.at(row)
    }
  }

  #indexed(): Map<string, readonly [AddBlock, number]> {
    if (this.#index === undefined) {
      this.#index = new Map()
      for (const [index, block] of this.#blocks.entries()) {
        for (let row = 0; row < block.size; row++) {
          if (this.#dead[index]?.has(row) !== true) this.#index.set(fileKey(block.at(row)), [block, row])
        }
      }
    }
    return this.#index
  }
}

function resolved(entry: Entry): AddFile {
  return 'later' in entry ? entry.later() : entry
}

function* passing(add: AddFile, test: FileTest): Iterable<AddFile> {
  if (test(add)) yield add
}

/** Walks statistics, which come in batches of their own sizes, beside the blocks that they belong to. */
async function* withStatistics(
  blocks: readonly AddBlock[],
  rows: readonly (readonly number[])[],
  batches: AsyncIterable<{ readonly size: number; value(row: number, column: number): unknown }>,
  test: FileTest,
): AsyncIterable<AddFile> {
  const wanted = blocks.flatMap((block, at) => (rows[at] ?? []).map((row) => [block, row] as const))
  const offsets = new Map<AddBlock, number>()
  let offset = 0
  for (const block of blocks) {
    offsets.set(block, offset)
    offset += block.size
  }
  let next = 0
  let from = 0
  for await (const batch of batches) {
    for (; next < wanted.length; next++) {
      const [block, row] = wanted[next] as readonly [AddBlock, number]
      const at = (offsets.get(block) ?? 0) + row - from
      if (at >= batch.size) break
      yield* passing(block.at(row, (batch.value(at, 0) as string | null) ?? undefined), test)
    }
    from += batch.size
    if (next >= wanted.length) return
  }
}

function deadRows(block: AddBlock, paths: ReadonlySet<string>, touched: ReadonlySet<string>): Set<number> | undefined {
  const dead = new Set<number>()
  for (let row = 0; row < block.size; row++) {
    if (paths.has(decodePath(block.path(row))) && touched.has(fileKey(block.at(row)))) dead.add(row)
  }
  return dead.size === 0 ? undefined : dead
}
