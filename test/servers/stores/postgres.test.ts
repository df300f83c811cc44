import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { env } from '../../../src/schema/index.js'
import { postgres } from '../../../src/stores/postgres.js'
import { storeConformance } from '../../../src/testing/index.js'
import { describeWithPostgres } from './servers.js'

describeWithPostgres('postgres', () => {
  storeConformance({
    describe,
    it,
    equal: (actual, expected) => expect(actual).toEqual(expected),
    async open(ending) {
      const store = await postgres({ url: env('POSTGRES_URL') }).open({ projectFolder: '.' })
      const table = `t${randomUUID().slice(0, 8)}${ending}`
      return {
        store,
        table,
        async drop() {
          await store.sql?.script(`DROP TABLE IF EXISTS ${store.sql.quoteName(table)}`)
          await store.close()
        },
      }
    },
  })
})
