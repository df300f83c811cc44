import { expect, test, vi } from 'vitest'
import { startSluice } from '../../fixtures.js'
import { startPushgateway } from '../prometheus/pushgateway.js'
import { shop } from './project.js'
import { describeWithStack, elements, generated, prometheusOn, serving } from './stack.js'

describeWithStack('counters over processes that each run once', () => {
  test('add up, a killed one among them, and never fall', async () => {
    const gateway = await startPushgateway()
    const one = await shop({ pushgateway: gateway.url })
    const prometheus = await prometheusOn(await generated(one), { pushgateway: gateway.url })
    const server = await serving(one)
    const began = Date.now()
    const seen = (status: string, count: number) =>
      vi.waitUntil(
        async () => (await elements(prometheus.url, `sluice_runs_total{status="${status}"} == ${count}`, { time: Date.now() })).length > 0,
        { timeout: 20_000, interval: 100 },
      )
    try {
      expect((await one.sluice('run')).code).toBe(0)
      await seen('ok', 1)

      one.land('second.csv', 'order_id,ordered_on,amount\n4,2026-01-03,2.00\n')
      expect(await killedAfter(['run', '--project', one.folder], one.env, 'bronze.raw_orders')).toBe('SIGKILL')

      for (const count of [2, 3]) {
        one.land(`more-${count}.csv`, `order_id,ordered_on,amount\n1${count},2026-01-03,2.00\n`)
        expect((await one.sluice('run')).code).toBe(0)
        await seen('ok', count)
      }
      await seen('interrupted', 1)
      const grown = async (url: string, status: string, time: number) => {
        const [found] = await elements(url, `increase(sluice_runs_total{status="${status}"}[1h])`, { time })
        return Math.round(found?.values[0] ?? Number.NaN)
      }
      // Prometheus cannot know that the first it saw of a counter, 1, had been 0 before.
      const times = { theirs: Date.now(), ours: Date.now() + 60_000 }
      expect(await grown(prometheus.url, 'ok', times.theirs)).toBe(2)
      expect(await grown(prometheus.url, 'interrupted', times.theirs)).toBe(1)
      expect(await grown(prometheus.url, 'failed', times.theirs)).toBe(0)
      expect(await grown(server.url, 'ok', times.ours)).toBe(3)
      expect(await grown(server.url, 'interrupted', times.ours)).toBe(1)
      expect(await grown(server.url, 'failed', times.ours)).toBe(0)

      // Every counter, of every dataset, at each look.
      for (const [url, time] of [
        [prometheus.url, times.theirs],
        [server.url, times.ours],
      ] as const) {
        const all = await counterNames(server.url)
        expect(all.length).toBeGreaterThan(10)
        for (const name of all)
          for (const { labels, values } of await elements(url, name, { time, start: began }))
            values.forEach((value, index) => {
              expect(value, `${name} ${JSON.stringify(labels)}`).toBeGreaterThanOrEqual(values[index - 1] ?? 0)
            })
      }
      // What the killed run had taken in is in a table, so it is counted once: by it, or by the run that found it there.
      const [rows] = await elements(prometheus.url, 'sluice_table_rows{dataset="silver.orders"}', { time: Date.now() })
      expect(rows?.values).toEqual([5])
      const [ended] = await elements(prometheus.url, 'sum(sluice_runs_total)', { time: Date.now() })
      expect(ended?.values).toEqual([4])
    } finally {
      await server.stop()
      await prometheus.stop()
      await gateway.stop()
    }
  })
})

/** Kills a command at the first line that names this. Answers how it ended. */
function killedAfter(
  words: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  word: string,
): Promise<string | number | null> {
  const child = startSluice({ env }, ...words)
  const listen = (chunk: Buffer) => {
    if (chunk.toString().includes(word)) child.kill('SIGKILL')
  }
  child.stdout?.on('data', listen)
  child.stderr?.on('data', listen)
  return new Promise((resolve) => child.on('close', (code, signal) => resolve(signal ?? code)))
}

async function counterNames(url: string): Promise<string[]> {
  const { data } = (await (await fetch(`${url}/api/v1/metadata`)).json()) as { data: Readonly<Record<string, readonly { type: string }[]>> }
  return Object.entries(data).flatMap(([name, [about]]) => (about?.type === 'counter' ? [name] : []))
}
