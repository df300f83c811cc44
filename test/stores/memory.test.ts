import { describe, expect, it } from 'vitest'
import { memory } from '../../src/stores/memory.js'
import { storeConformance } from '../../src/testing/index.js'
import { actsAsMap } from './laws.js'

const equal = (actual: unknown, expected: unknown) => expect(actual).toEqual(expected)

storeConformance({
  describe,
  it,
  equal,
  open: async (ending) => ({ store: await memory().open({ projectFolder: '.' }), table: `trips${ending}` }),
})

describe('memory', () => {
  it('holds what a Map would', () => actsAsMap(async () => (await memory().open({ projectFolder: '.' })).table('trips'), 200))
  it('keeps its tables for whoever opens it again', async () => {
    const store = memory()
    const first = await store.open({ projectFolder: '.' })
    await first.writeState('a', 'b')
    await first.close()
    expect(await (await store.open({ projectFolder: '.' })).readState('a')).toBe('b')
    expect(await (await memory().open({ projectFolder: '.' })).readState('a')).toBeUndefined()
  })
})
