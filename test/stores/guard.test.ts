import { describe, expect, it } from 'vitest'
import { failure, isSluiceError, messageOf, type SluiceError, STORE_BUSY, STORE_FAILED } from '../../src/errors/index.js'
import { guard, type RetryOptions } from '../../src/stores/index.js'

const store = 'a store'
const translate = (thrown: unknown): SluiceError =>
  messageOf(thrown) === 'busy'
    ? failure(STORE_BUSY, { store, problem: 'busy' })
    : failure(STORE_FAILED, { store, problem: messageOf(thrown) })

/** Waits of no length: `random` is asked for each. */
function guarded(retry: RetryOptions = {}, signal?: AbortSignal) {
  const clock = { now: 0 }
  const drawn: number[] = []
  const random = () => {
    drawn.push(0)
    return 0
  }
  return { clock, drawn, ...{ guard: guard({ store, retry, translate, signal, random, now: () => clock.now }) } }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (thrown: unknown) => (isSluiceError(thrown) ? thrown.code : String(thrown)),
  )
}

/** Fails with the given words, one after the other, then answers. Counts its calls. */
function failing(...words: string[]) {
  const body = async () => {
    body.calls += 1
    const word = words.shift()
    if (word !== undefined) throw new Error(word)
    return 'done'
  }
  body.calls = 0
  return body
}

describe('guard', () => {
  it('makes a call again while its failure is transient', async () => {
    const { guard: guarding, drawn } = guarded()
    const body = failing('busy', 'busy', 'busy')
    expect(await guarding.call(body)).toBe('done')
    expect(body.calls).toBe(4)
    expect(guarding.retries).toBe(3)
    expect(drawn.length).toBe(3)
  })
  it('makes no call again whose failure is terminal', async () => {
    const { guard: guarding } = guarded()
    const body = failing('no such thing')
    expect(await codeOf(guarding.call(body))).toBe('STORE_FAILED')
    expect(body.calls).toBe(1)
    expect(guarding.retries).toBe(0)
  })
  it('gives up after its attempts, with the last failure', async () => {
    const { guard: guarding } = guarded({ attempts: 3 })
    const body = failing('busy', 'busy', 'busy', 'busy')
    expect(await codeOf(guarding.call(body))).toBe('STORE_BUSY')
    expect(body.calls).toBe(3)
  })
  it('leaves our own errors as they are', async () => {
    const own = failure(STORE_FAILED, { store: 'another', problem: 'its own' })
    const { guard: guarding } = guarded()
    await expect(
      guarding.call(async () => {
        throw own
      }),
    ).rejects.toBe(own)
  })
  it('asks no more after several calls that failed, until one is let through', async () => {
    const { guard: guarding, clock } = guarded({ attempts: 2, breakAfter: 2, breakFor: 1_000 })
    const busy = () => failing('busy', 'busy')
    for (let call = 0; call < 2; call++) expect(await codeOf(guarding.call(busy()))).toBe('STORE_BUSY')
    const unasked = failing()
    expect(await codeOf(guarding.call(unasked))).toBe('STORE_CIRCUIT_OPEN')
    clock.now = 999
    expect(await codeOf(guarding.call(unasked))).toBe('STORE_CIRCUIT_OPEN')
    expect(unasked.calls).toBe(0)
    // One is let through; the others fail at once until it is back.
    clock.now = 1_000
    const [first, second] = [guarding.call(failing()), guarding.call(unasked)]
    expect(await codeOf(second)).toBe('STORE_CIRCUIT_OPEN')
    expect(await first).toBe('done')
    expect(await guarding.call(unasked)).toBe('done')
  })
  it('stays so when the one let through fails too', async () => {
    const { guard: guarding, clock } = guarded({ attempts: 1, breakAfter: 1, breakFor: 1_000 })
    expect(await codeOf(guarding.call(failing('busy')))).toBe('STORE_BUSY')
    clock.now = 1_500
    expect(await codeOf(guarding.call(failing('busy')))).toBe('STORE_BUSY')
    clock.now = 2_400
    expect(await codeOf(guarding.call(failing()))).toBe('STORE_CIRCUIT_OPEN')
    clock.now = 2_500
    expect(await guarding.call(failing())).toBe('done')
  })
  it('counts a server that refuses as one that is up', async () => {
    const { guard: guarding } = guarded({ attempts: 1, breakAfter: 2 })
    for (const word of ['busy', 'refused', 'busy', 'refused', 'busy']) await codeOf(guarding.call(failing(word)))
    expect(await guarding.call(failing())).toBe('done')
  })
  it('does not wait, nor call again, once it is told to end', async () => {
    const ended = new AbortController()
    const { guard: guarding } = guarded({ delay: 60_000 }, ended.signal)
    const body = failing('busy', 'busy')
    const call = codeOf(
      guarding.call(() => {
        ended.abort()
        return body()
      }),
    )
    expect(await call).toBe('STORE_BUSY')
    expect(body.calls).toBe(1)
  })
})
