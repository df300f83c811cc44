import { describe, expect, it } from 'vitest'
import { localStorage, memoryStorage } from '../../src/storage/index.js'
import { storageConformance } from '../../src/testing/index.js'
import { temporaryFolder } from '../fixtures.js'

const equal = (actual: unknown, expected: unknown) => expect(actual).toEqual(expected)

describe('local', () => {
  storageConformance({ describe, it, equal, open: async () => ({ storage: localStorage(), folder: temporaryFolder() }) })
})

describe('memory', () => {
  storageConformance({
    describe,
    it,
    equal,
    open: async () => ({ storage: memoryStorage(Date.now, temporaryFolder()), folder: '/folder' }),
  })
})
