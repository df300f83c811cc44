import { describe, expect, test } from 'vitest'
import { workloadTimeline } from '../../src/report/workload-timeline.js'
import type { WorkloadAttempt } from '../../src/sync/workload.js'

const workers = [
  { name: 'inserter 1', kind: 'insert' },
  { name: 'updater 1', kind: 'update' },
] as const

const attempt = (worker: number, began: number, ended: number, outcome: WorkloadAttempt['outcome'] = 'done'): WorkloadAttempt => ({
  worker,
  kind: worker === 0 ? 'insert' : 'update',
  began,
  ended,
  outcome,
})

const drawn = (attempts: readonly WorkloadAttempt[], milliseconds = 1000) =>
  workloadTimeline({ workers, attempts, milliseconds }, '2 workers')

/** Rectangles of a colour: left edge and width, in the picture's units. */
function marks(svg: string, colour: string): [left: number, width: number][] {
  const paths = [...svg.matchAll(new RegExp(`<path fill="${colour}"[^>]* d="([^"]*)"`, 'g'))].map(([, path = '']) => path)
  return paths.flatMap((path) =>
    [...path.matchAll(/M([\d.]+) [\d.]+h([\d.]+)/g)].map(([, left, width]): [number, number] => [Number(left), Number(width)]),
  )
}

const [BLUE, RED] = ['#2b6cb0', '#e53e3e']

describe('the timeline of a workload', () => {
  test('has a lane a worker, with what it did', () => {
    const svg = drawn([attempt(0, 0, 10), attempt(0, 20, 30), attempt(1, 0, 100, 'deadlock'), attempt(1, 200, 300)])
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/)
    expect(svg.match(/<g>/g)).toHaveLength(2)
    expect(svg).toContain('>inserter 1<')
    expect(svg).toContain('>2 done<')
    expect(svg).toContain('>1 done, 1 failed<')
  })

  test('draws an operation as long as it took, and what failed in red', () => {
    const svg = drawn([attempt(0, 0, 500), attempt(1, 250, 500, 'deadlock'), attempt(1, 600, 601, 'lock timeout')])
    const [[left, half]] = marks(svg, BLUE) as [[number, number]]
    const failed = marks(svg, RED)
    expect(failed).toHaveLength(2)
    expect(failed[0]?.[0]).toBeCloseTo(left + half / 2)
    expect(failed[0]?.[1]).toBeCloseTo(half / 2)
    // A millisecond of a second is less than a point wide; a failure is seen all the same.
    expect(failed[1]?.[1]).toBeGreaterThanOrEqual(2)
  })

  test('tells one operation from the next, and draws a great many short ones as few', () => {
    const twice = drawn([attempt(0, 0, 500), attempt(0, 500, 1000)])
    expect([...twice.matchAll(/<path fill="#2b6cb0"[^>]* d="([^"]+)"/g)]).toHaveLength(2)
    const minute = Array.from({ length: 100_000 }, (_, index) => attempt(0, index * 0.6, index * 0.6 + 0.5))
    const svg = drawn(minute, 60_000)
    expect(svg.length).toBeLessThan(100_000)
    expect(svg).toContain('>100000 done<')
  })

  test.each([0.4, 7, 1999, 2000, 61_000, 7_200_000])('has an axis with a few round times, for %d ms', (milliseconds) => {
    const svg = drawn([attempt(0, 0, milliseconds)], milliseconds)
    const labels = [...svg.matchAll(/text-anchor="middle" fill="#4a5568">([^<]+)</g)].map(([, text]) => text)
    expect(labels.length).toBeGreaterThanOrEqual(milliseconds < 1 ? 4 : 5)
    expect(labels.length).toBeLessThanOrEqual(11)
    expect(new Set(labels).size).toBe(labels.length)
  })

  test('escapes what it is given to say', () => {
    const svg = workloadTimeline({ workers: [], attempts: [], milliseconds: 0 }, '<script> & "more"')
    expect(svg).not.toContain('<script>')
    expect(svg).toContain('&lt;script&gt; &amp;')
  })
})
