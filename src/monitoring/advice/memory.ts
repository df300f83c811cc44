import { type Advice, type Adviser, GIB, MIB } from './advice.js'

/** A spill of less is over before it is felt. */
const SMALL_SPILL = 16 * MIB
/** More than this share of the machine's memory is the machine's own. */
const MOST_OF_MACHINE = 0.75

/** Queries that do not fit into the memory that the engine may use, and so go by way of the disk. */
export const memory: Adviser = {
  id: 'memory',
  advise({ engine }) {
    const short = engine.profiles
      .filter((one) => one.outOfMemory || one.spilledBytes >= SMALL_SPILL)
      .sort((one, other) => Number(other.outOfMemory) - Number(one.outOfMemory) || other.spilledBytes - one.spilledBytes)
    return short.slice(0, 1).map(({ dataset, spilledBytes, outOfMemory }): Advice => {
      const limit = engine.memoryLimitBytes
      const wanted = memoryText(limit + (outOfMemory ? limit : spilledBytes))
      const fits = wanted.bytes <= engine.machineBytes * MOST_OF_MACHINE
      const spilled = outOfMemory ? [] : [{ what: 'written to temporary files', value: spilledBytes, unit: 'bytes' as const }]
      const peak =
        engine.peakBytes === undefined ? [] : [{ what: 'most that a run held in 30 days', value: engine.peakBytes, unit: 'bytes' as const }]
      return {
        id: 'memory',
        about: dataset,
        title: outOfMemory
          ? 'Its query ran out of memory when it was tried'
          : 'Its query does not fit into memory and goes by way of the disk',
        evidence: [
          { what: 'memory limit of the engine', value: limit, unit: 'bytes' },
          ...spilled,
          ...peak,
          { what: 'memory of this machine', value: engine.machineBytes, unit: 'bytes' },
        ],
        expected: fits
          ? outOfMemory
            ? 'It has twice the room. What it needs in all cannot be told from a query that did not end.'
            : 'Nothing, or little, is written to temporary files.'
          : 'Fewer threads hold fewer rows at once. This machine has not the memory for all of it.',
        how: fits
          ? `Set \`engine: { memory: '${wanted.text}' }\` in sluice.config.ts, or SLUICE_MEMORY=${wanted.text}.`
          : `Set \`engine: { threads: ${Math.max(1, Math.floor(engine.threads / 2))} }\` in sluice.config.ts, or run where there is more memory.`,
        impact: outOfMemory || spilledBytes >= limit ? 'high' : 'medium',
      }
    })
  },
}

/** The next half gibibyte. */
function memoryText(bytes: number): { readonly bytes: number; readonly text: string } {
  const halves = Math.ceil(bytes / (GIB / 2))
  return { bytes: (halves * GIB) / 2, text: halves % 2 === 0 ? `${halves / 2}GiB` : `${halves * 512}MiB` }
}
