import { type Advice, type Adviser, medianOf, type SyncFacts, type SyncSettings, whole } from './advice.js'

/** Fewer tell more of chance than of the store. */
const FEWEST_BATCHES = 10
/** A batch is written whole or not at all: a longer one holds locks for long, and all of it is done again when it fails. */
const LONG_BATCH = 5
/** Long enough that its own cost does not show, and soon over. */
const WANTED_BATCH = 2
/** Of a shorter one, most is the way there and back and the commit, whatever is in it. */
const SHORT_BATCH = 0.05
const MANY_BATCHES = 100
/** A sync that is over sooner is quick enough. */
const LONG_SYNC = 30
/** The share of the time in which writers are busy. */
const BUSY = 0.8
/** Stores open 4 connections unless told otherwise. */
const MOST_PARALLEL = 4

/** Batches that are too large or too small, or written by too few at a time, by how long they took. */
export const syncBatches: Adviser = {
  id: 'sync-batch',
  advise: ({ syncs }) => syncs.flatMap(of),
}

function of(one: SyncFacts): Advice[] {
  const { name, batchRows, parallel } = one
  const measured = one.runs.flatMap(({ status, rows, seconds, batchSeconds }) =>
    status === 'ok' && batchSeconds !== undefined && rows >= batchRows * FEWEST_BATCHES
      ? [{ batches: Math.ceil(rows / batchRows), rows, seconds, batchSeconds }]
      : [],
  )
  if (measured.length === 0) return []
  const middle = (figure: (run: (typeof measured)[number]) => number) => medianOf(measured.map(figure))
  const [batchSeconds, batches, seconds, rows] = [
    middle((run) => run.batchSeconds),
    middle((run) => run.batches),
    middle((run) => run.seconds),
    middle((run) => run.rows),
  ]
  const busy = middle((run) => Math.min(1, (run.batches * run.batchSeconds) / parallel / Math.max(run.seconds, 0.001)))
  const about = { id: 'sync-batch', about: name }
  const tried = (after: Partial<SyncSettings>): Pick<Advice, 'trial'> => {
    const before = { batchRows, parallel }
    return { trial: { change: 'sync', sync: name, before, after: { ...before, ...after } } }
  }
  const evidence: Advice['evidence'] = [
    { what: `runs of ${FEWEST_BATCHES} batches or more in 30 days`, value: measured.length, unit: 'count' },
    { what: 'rows of the middle one', value: rows, unit: 'rows' },
    { what: 'its time', value: seconds, unit: 'seconds' },
    { what: 'rows in a batch', value: batchRows, unit: 'rows' },
    { what: 'time of a batch', value: batchSeconds, unit: 'seconds' },
    { what: 'batches side by side', value: parallel, unit: 'count' },
    { what: 'share of its time in which all of those were being written', value: busy, unit: 'share' },
  ]
  if (batchSeconds > LONG_BATCH) {
    const fewer = Math.max(100, roundly(batchRows / Math.ceil(batchSeconds / WANTED_BATCH)))
    return [
      {
        ...about,
        title: `Batches of ${whole(batchRows)} rows take ${whole(batchSeconds)} s each`,
        evidence,
        expected: `A batch takes about ${(batchSeconds * (fewer / batchRows)).toFixed(1)} s: locks are held for less long, and less is done again after a failure or a kill. Rows a second stay about the same, as what a batch costs by itself is little beside that.`,
        how: `Set \`batchRows: ${fewer}\` in the definition of ${name}.`,
        impact: batchSeconds > 6 * LONG_BATCH ? 'medium' : 'low',
        ...tried({ batchRows: fewer }),
      },
    ]
  }
  if (batchSeconds < SHORT_BATCH && batches >= MANY_BATCHES && batchRows < 5_000)
    return [
      {
        ...about,
        title: `${whole(batches)} batches of ${whole(batchRows)} rows, ${whole(batchSeconds * 1000)} ms each`,
        evidence,
        expected: `${whole(Math.ceil(rows / (batchRows * 10)))} batches: what each costs whatever is in it, the way there and back and the commit, is paid a tenth as often.`,
        how: `Set \`batchRows: ${batchRows * 10}\` in the definition of ${name}, or leave it out.`,
        impact: seconds >= LONG_SYNC ? 'medium' : 'low',
        ...tried({ batchRows: batchRows * 10 }),
      },
    ]
  if (busy < BUSY || seconds < LONG_SYNC || parallel >= MOST_PARALLEL) return []
  const more = Math.min(MOST_PARALLEL, parallel * 2)
  return [
    {
      ...about,
      title: `Waits for the store: ${parallel === 1 ? 'one batch is' : `${whole(parallel)} batches are`} being written nearly all of the time`,
      evidence,
      expected: `Up to ${whole(seconds * (1 - parallel / more))} s of ${whole(seconds)} s less, where the store has processors to spare; none where it has not.`,
      how: `Set \`parallel: ${more}\` in the definition of ${name}, and compare what the next full run takes.`,
      impact: seconds >= 600 ? 'medium' : 'low',
      ...tried({ parallel: more }),
    },
  ]
}

/** Two digits: 1,666 is 1,600. */
function roundly(value: number): number {
  const power = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1)
  return Math.floor(value / power) * power
}
