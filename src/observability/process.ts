import { defineMetric } from './definition.js'
import type { Registry } from './registry.js'

/** By the names that Prometheus' own clients have for them. */
const MEMORY = defineMetric('gauge', 'process_resident_memory_bytes', { help: 'Resident memory size in bytes.', unit: 'bytes' })
const CPU = defineMetric('counter', 'process_cpu_seconds_total', {
  help: 'Total user and system CPU time spent in seconds.',
  unit: 'seconds',
})
const START = defineMetric('gauge', 'process_start_time_seconds', {
  help: 'Start time of the process since unix epoch in seconds.',
  unit: 'seconds',
})
const HEAP = defineMetric('gauge', 'nodejs_heap_used_bytes', { help: 'Heap of the JavaScript engine in use, in bytes.', unit: 'bytes' })

/** Adds the process's memory and processor time to what the registry shows. */
export function observeProcess(registry: Registry): void {
  const [memory, cpu, start, heap] = [
    registry.gauge(MEMORY).with({}),
    registry.counter(CPU).with({}),
    registry.gauge(START).with({}),
    registry.gauge(HEAP).with({}),
  ]
  start.set(Date.now() / 1000 - process.uptime())
  let counted = 0
  registry.onCollect(() => {
    const { rss, heapUsed } = process.memoryUsage()
    memory.set(rss)
    heap.set(heapUsed)
    const { user, system } = process.cpuUsage()
    const seconds = (user + system) / 1e6
    cpu.inc(Math.max(0, seconds - counted))
    counted = seconds
  })
}
