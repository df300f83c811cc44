import { type AddFile, decodePath, fileKey } from './log/actions.js'
import type { AddBlock } from './log/checkpoint.js'

/**
 * A table's live files by key (see `fileKey`), as a map that is cheap to make and to keep: what a log checkpoint holds stays in the
 * engine's own bytes, and becomes objects only while it is walked over.
 */
export class FileSet implements ReadonlyMap<string, AddFile> {
  readonly #blocks: readonly AddBlock[]
  /** Rows of each block that later commits removed or added anew. */
  readonly #dead: readonly (ReadonlySet<number> | undefined)[]
  readonly #recent: ReadonlyMap<string, AddFile>
  readonly size: number
  #index: Map<string, readonly [AddBlock, number]> | undefined

  /** @param touched keys of files that commits after the checkpoint added or removed @param recent files that those commits left there */
  constructor(blocks: readonly AddBlock[], touched: ReadonlySet<string>, recent: ReadonlyMap<string, AddFile>) {
    this.#blocks = blocks
    this.#recent = recent
    const paths = new Set([...touched].map((key) => key.split('\n')[0] ?? ''))
    this.#dead = blocks.map((block) => (paths.size === 0 ? undefined : deadRows(block, paths, touched)))
    this.size = recent.size + blocks.reduce((sum, block, index) => sum + block.size - (this.#dead[index]?.size ?? 0), 0)
  }

  *entries(): MapIterator<[string, AddFile]> {
    for (const add of this.#old()) yield [fileKey(add), add]
    yield* this.#recent
  }

  *values(): MapIterator<AddFile> {
    yield* this.#old()
    yield* this.#recent.values()
  }

  *keys(): MapIterator<string> {
    for (const [key] of this) yield key
  }

  [Symbol.iterator](): MapIterator<[string, AddFile]> {
    return this.entries()
  }

  get(key: string): AddFile | undefined {
    const recent = this.#recent.get(key)
    if (recent !== undefined || this.#blocks.length === 0) return recent
    const [block, row] = this.#indexed().get(key) ?? []
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
        for (let row = 0; row < block.size; row++)
          if (this.#dead[index]?.has(row) !== true) this.#index.set(fileKey(block.at(row)), [block, row])
      }
    }
    return this.#index
  }
}

function deadRows(block: AddBlock, paths: ReadonlySet<string>, touched: ReadonlySet<string>): Set<number> | undefined {
  const dead = new Set<number>()
  for (let row = 0; row < block.size; row++) {
    if (paths.has(decodePath(block.path(row))) && touched.has(fileKey(block.at(row)))) dead.add(row)
  }
  return dead.size === 0 ? undefined : dead
}
