import { expect, test } from 'vitest'
import { openSession } from '../session.js'
const session = openSession()
test('stream', async () => {
  let n = 0
  for await (const b of session().stream('SELECT i FROM range(10000) AS r(i)')) {
    n += b.size
    await session().rows('SELECT 1 AS one')
  }
  console.log('interleaved', n)
  const count = async () => { let m = 0; for await (const b of session().stream('SELECT i FROM range(10) AS r(i)')) m += b.size; return m }
  console.log('side by side', await Promise.all([count(), session().rows('SELECT 1 AS a'), count(), count(), session().rows('SELECT 1 AS a')]))
})
