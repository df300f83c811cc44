import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Connections, type Pooled } from '../../src/stores/connections.js'

class Fake implements Pooled {
  usable = true
  ended = false
  destroy() {
    this.ended = true
  }
  async end() {
    this.ended = true
  }
}

test('no more are open than may be; who waited, and for how long, is known', async () => {
  const made: Fake[] = []
  const pool = new Connections(2, async () => {
    const one = new Fake()
    made.push(one)
    return one
  })
  let [now, most] = [0, 0]
  const use = () =>
    pool.use(async () => {
      now += 1
      most = Math.max(most, now)
      await sleep(20)
      now -= 1
    })
  await Promise.all([use(), use()])
  expect(pool.waited).toEqual({ waits: 0, waitedMs: 0 })
  await Promise.all([use(), use(), use(), use()])
  expect([made.length, most, pool.waited.waits]).toEqual([2, 2, 2])
  // Two of them, 20 ms each; timers may be a little early.
  expect(pool.waited.waitedMs).toBeGreaterThan(30)
})

test('one that is lost is replaced, and who waits gets the new one', async () => {
  const made: Fake[] = []
  const pool = new Connections(1, async () => {
    const one = new Fake()
    made.push(one)
    return one
  })
  const losing = pool.use(async (one) => {
    await sleep(5)
    one.usable = false
    throw new Error('lost')
  })
  const waiting = pool.use(async (one) => one)
  await expect(losing).rejects.toThrow('lost')
  expect(await waiting).toBe(made[1])
  expect(made.map(({ ended }) => ended)).toEqual([true, false])
  await pool.close()
  expect(made[1]?.ended).toBe(true)
})

test('one that cannot be opened fails its caller, and leaves room', async () => {
  let attempts = 0
  const pool = new Connections(1, async () => {
    attempts += 1
    if (attempts === 1) throw new Error('refused')
    return new Fake()
  })
  const [first, second] = await Promise.allSettled([pool.use(async () => 1), pool.use(async () => 2)])
  expect([first?.status, second]).toEqual(['rejected', { status: 'fulfilled', value: 2 }])
})
