import fc from 'fast-check'
import { expect } from 'vitest'
import type { Field } from '../../src/schema/index.js'
import { type OpenTable, RowBatch, type Where } from '../../src/stores/index.js'

const KEY: Field = { name: 'id', type: { kind: 'long' }, nullable: false }
const columns: readonly Field[] = [
  KEY,
  { name: 'text', type: { kind: 'string' }, nullable: true },
  { name: 'ratio', type: { kind: 'double' }, nullable: true },
]

const cells = fc.tuple(
  fc.integer({ min: -4, max: 12 }).map(String),
  fc.constantFrom('\\N', '', 'a', 'A', 'a ', '\\t', '\\0', '😀'),
  fc.constantFrom('\\N', '0', '-0', 'NaN', '0.1', '1e-7', '1e+22'),
)
const step = fc.oneof(
  fc.record({ kind: fc.constant('upsert' as const), lines: fc.array(cells, { maxLength: 12 }), fresh: fc.boolean() }),
  fc.record({ kind: fc.constant('remove' as const), keys: fc.array(fc.integer({ min: -4, max: 12 }).map(String), { maxLength: 5 }) }),
)

/** Whatever is done to a table, in whatever order, it holds what a Map that the same is done to would. `fresh` gives an empty table each time. */
export async function actsAsMap(emptyTable: () => Promise<OpenTable>, runs: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 5 }), async (steps) => {
      const table = await emptyTable()
      await table.make({ columns, key: ['id'], indexes: [] })
      const model = new Map<string, string>()
      for (const one of steps) {
        if (one.kind === 'remove') {
          const there = new Set(one.keys.filter((key) => model.delete(key)))
          expect(await table.remove(new RowBatch([KEY], one.keys))).toBe(there.size)
          continue
        }
        const last = new Map(one.lines.map((line) => [line[0], line.join('\t')]))
        const inserted = [...last.keys()].filter((key) => !model.has(key)).length
        const updated = [...last].filter(([key, line]) => model.has(key) && model.get(key) !== line).length
        const batch = new RowBatch(
          columns,
          one.lines.map((line) => line.join('\t')),
        )
        expect(await table.upsert(batch, { key: ['id'], fresh: one.fresh })).toEqual({ inserted, updated, refused: [] })
        for (const [key, line] of last) model.set(key, line)
      }
      const expected = [...model].sort(([a], [b]) => Number(a) - Number(b)).map(([, line]) => line)
      expect(await linesOf(table)).toEqual(expected)
      const where: Where = { kind: 'range', column: KEY, from: '0', to: '5' }
      expect(await linesOf(table, where)).toEqual(expected.filter((line) => /^[0-4]\t/.test(line)))
      expect(await table.count(where)).toBe(expected.filter((line) => /^[0-4]\t/.test(line)).length)
    }),
    { numRuns: runs, endOnFailure: true },
  )
}

async function linesOf(table: OpenTable, where?: Where): Promise<string[]> {
  const lines: string[] = []
  for await (const batch of table.scan({ columns, orderBy: 'id', ...(where === undefined ? {} : { where }) })) lines.push(...batch.lines)
  return lines
}
