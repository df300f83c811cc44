import type { Session } from '../engine/index.js'
import { type DataType, type Field, isNumber } from '../schema/index.js'
import {
  type BucketDigest,
  type Buckets,
  comparison,
  type Difference,
  type Differences,
  differences,
  NULL,
  type RowSet,
  type Where,
} from '../stores/index.js'
import type { Cause, Tolerance } from './cause.js'
import { type Finding, findings } from './compare.js'

export const LEVELS = ['count', 'digest', 'rows'] as const
/** How far to look: numbers of rows and sums of columns; digests of buckets of rows; rows, value by value. */
export type Level = (typeof LEVELS)[number]

export interface ReconcileOptions {
  readonly level: Level
  /** About so many rows, drawn at random, in place of all. */
  readonly sample?: number
  readonly tolerances?: Readonly<Record<string, Tolerance>>
  /** True where the right may hold rows that the left does not have: those are no differences. */
  readonly extras?: boolean
  /** Findings that are kept: 100. */
  readonly keep?: number
  readonly random?: () => number
  readonly now?: () => number
  readonly report?: (progress: string) => void
}

export interface Outcome {
  readonly level: Level
  /** Rows that were looked at, both sides together, each key once. */
  readonly compared: number
  /** What was done, and why, in words. */
  readonly how: readonly string[]
  readonly total: number
  readonly byCause: Readonly<Partial<Record<Cause | 'rows' | 'sum' | 'bucket', number>>>
  readonly samples: readonly Finding[]
  /** The rows that differ, where they were looked at; to be released. */
  readonly rows?: Repairs
}

/** What would make the right equal to the left. */
export interface Repairs {
  /** Rows to put, and rows to take away, each as a pair of lines. */
  read(): AsyncIterable<Difference>
  release(): Promise<void>
}

/** With more than this share of the buckets different, reading everything is less work than reading those. */
const MANY = 0.25
/** With more than this share of a trial's buckets different, digests of all are not asked for. */
const NEARLY_ALL = 0.75
/** So many rows tell how fast a side computes digests, and how fast it gives rows. */
const PROBE_ROWS = 20_000
/** More bounds of text than this make statements too long. */
const MANY_BOUNDS = 4_096
/** With so many sampled between two bounds, few ranges have twice as many rows as they should. */
const SAMPLED_PER_BOUND = 16
/** Fewer rows than this are read rather than thought about. */
const FEW_ROWS = 50_000

/**
 * Whether two sets hold the same rows, and if not, where and why.
 *
 * Level `rows` looks at digests of buckets first and at rows where those differ, or reads everything, whichever a trial on some rows says is
 * less work; the answer is the same, and `how` says which it was.
 */
export async function reconcile(session: Session, left: RowSet, right: RowSet, options: ReconcileOptions): Promise<Outcome> {
  const how: string[] = []
  if (options.level === 'count') return byTotals(left, right, options.extras === true)
  const unable = [left, right].find((side) => !side.digestible)
  if (unable !== undefined && options.sample === undefined) {
    // Then counting would be one more reading.
    const why = `${unable.label} cannot compute digests: everything is read`
    return byRows(session, left, right, undefined, (found) => [countsText(left, right, found.lefts, found.rights), why], options)
  }
  const [lefts, rights] = await Promise.all([left.count(), right.count()])
  how.push(countsText(left, right, lefts, rights))
  if (options.sample !== undefined && options.level === 'rows') {
    const where = await sampleOf(left, Math.max(lefts, 1), options.sample, options.random ?? Math.random)
    how.push(`about ${rowsText(Math.min(options.sample, lefts))} drawn at random`)
    return byRows(session, left, right, where, how, options)
  }
  const why = options.level === 'rows' ? noDigests(lefts, rights) : undefined
  if (why !== undefined) return byRows(session, left, right, undefined, [...how, why], options)
  const buckets = await bucketsOf(left, right, Math.max(lefts, rights))
  const plan = await choose(left, right, buckets, rights, options, how)
  if (plan === 'stream') return byRows(session, left, right, undefined, how, options)
  const [ours, theirs] = await Promise.all([left.digests(buckets), right.digests(buckets)])
  if (ours === undefined || theirs === undefined) return byRows(session, left, right, undefined, how, options)
  const differing = differingBuckets(ours, theirs)
  how.push(`digests of ${buckets.count} buckets: ${differing.length === 0 ? 'all alike' : `${differing.length} differ`}`)
  const compared = lefts + Math.max(0, rights - lefts)
  if (differing.length === 0 && lefts === rights) return { level: options.level, compared, how, total: 0, byCause: {}, samples: [] }
  if (differing.length === 0) {
    how.push('and yet their numbers of rows differ: everything is read')
    const { rows, ...read } = await byRows(session, left, right, undefined, how, options)
    if (options.level === 'rows' && rows !== undefined) return { ...read, rows }
    await rows?.release()
    return read
  }
  if (options.level === 'digest') return bucketsOutcome(session, left, right, buckets, differing, compared, how, options)
  if (differing.length > MANY * buckets.count) {
    how.push(`more than a quarter of the buckets: everything is read`)
    return byRows(session, left, right, undefined, how, options)
  }
  how.push('the rows of those buckets were read')
  const outcome = await byRows(session, left, right, { kind: 'buckets', buckets, numbers: differing }, how, options)
  return { ...outcome, compared }
}

async function byTotals(left: RowSet, right: RowSet, extras: boolean): Promise<Outcome> {
  const summed = left.columns.filter((column) => isExactNumber(column.type) && !left.key.includes(column.name))
  const [ours, theirs] = await Promise.all([left.totals(summed), right.totals(summed)])
  const how: string[] = []
  const samples: Finding[] = []
  const [lefts, rights] = [ours?.rows ?? (await left.count()), theirs?.rows ?? (await right.count())]
  how.push(countsText(left, right, lefts, rights))
  const differingSums: string[] = []
  if (extras && rights > lefts) how.push('no sums: the right may hold more')
  else if (ours !== undefined && theirs !== undefined) {
    how.push(`sums of ${summed.length} columns`)
    for (const [index, column] of summed.entries()) {
      const [one, other] = [ours.sums[index] ?? null, theirs.sums[index] ?? null]
      if (sameSum(one, other)) continue
      differingSums.push(column.name)
      samples.push({ key: {}, column: column.name, left: one, right: other, cause: 'real' })
    }
  } else how.push('no sums: one of the two cannot add up where the rows are')
  const missing = Math.max(0, lefts - rights)
  const extra = extras ? 0 : Math.max(0, rights - lefts)
  return {
    level: 'count',
    compared: Math.max(lefts, rights),
    how,
    total: missing + extra + differingSums.length,
    byCause: {
      ...(missing > 0 ? { missing } : {}),
      ...(extra > 0 ? { extra } : {}),
      ...(differingSums.length > 0 ? { sum: differingSums.length } : {}),
    },
    samples,
  }
}

function sameSum(one: string | null, other: string | null): boolean {
  // Without rows a sum is null; a database may say 0.
  const plain = (text: string | null) => (text ?? '0').replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '')
  return plain(one) === plain(other)
}

/** A difference of digests may be two ways to write one double, or rows that the right may have: then only rows tell. */
async function bucketsOutcome(
  session: Session,
  left: RowSet,
  right: RowSet,
  buckets: Buckets,
  differing: readonly number[],
  compared: number,
  how: string[],
  options: ReconcileOptions,
): Promise<Outcome> {
  const asOutcome = (count: number): Outcome => ({
    level: 'digest',
    compared,
    how,
    total: count,
    byCause: count === 0 ? {} : { bucket: count },
    samples: [],
  })
  const doubles = left.columns.some((column) => column.type.kind === 'double' || column.type.kind === 'float')
  if (!doubles && options.extras !== true) return asOutcome(differing.length)
  const rows = await byRows(session, left, right, { kind: 'buckets', buckets, numbers: differing }, how, options)
  await rows.rows?.release()
  return asOutcome(Math.min(rows.total, differing.length))
}

async function byRows(
  session: Session,
  left: RowSet,
  right: RowSet,
  where: Where | undefined,
  how: readonly string[] | ((found: Differences) => readonly string[]),
  { tolerances = {}, keep = 100, report = () => {}, level, extras = false }: ReconcileOptions,
): Promise<Outcome> {
  const seen = new Map<string, number>()
  const found = await differences(session, left, right, {
    ...(where === undefined ? {} : { where }),
    observe(side, rows) {
      seen.set(side, rows)
      report([...seen].map(([name, count]) => `${rowsText(count)} of ${name}`).join(', '))
    },
  })
  const byCause: Partial<Record<Cause, number>> = {}
  const samples: Finding[] = []
  let total = 0
  const compare = { columns: left.columns, key: left.key, tolerances }
  const judge: Judge = (difference) => (extras && difference.left === undefined ? [] : findings(difference, compare))
  for await (const difference of found.read()) {
    for (const finding of judge(difference)) {
      total += 1
      byCause[finding.cause] = (byCause[finding.cause] ?? 0) + 1
      // Some of each cause, so that the rare one is not lost behind the common one.
      if ((byCause[finding.cause] ?? 0) <= Math.max(1, Math.floor(keep / 10)) || samples.length < keep / 2) samples.push(finding)
    }
  }
  return {
    level,
    compared: found.compared,
    how: typeof how === 'function' ? how(found) : how,
    total,
    byCause,
    samples: samples.slice(0, keep),
    rows: repairsOf(found, judge),
  }
}

type Judge = (difference: Difference) => readonly Finding[]

/** Of the rows whose lines differ, those whose values do. */
function repairsOf(found: Differences, judge: Judge): Repairs {
  return {
    async *read() {
      for await (const difference of found.read()) if (judge(difference).length > 0) yield difference
    },
    release: found.release,
  }
}

/**
 * Buckets by ranges of a single key of whole numbers or text, which differences beside each other share and an index finds; else by a hash of
 * the key. A thousand rows or two in each of the one kind, so that few rows are read for one difference, and fewer in the other, which spreads
 * differences over as many buckets as there are of them. Of text twice as many, as each row's bucket is looked for among all bounds.
 */
async function bucketsOf(left: RowSet, right: RowSet, rows: number): Promise<Buckets> {
  const wantedFor = (each: number) => 2 ** Math.min(14, Math.max(4, Math.ceil(Math.log2(Math.max(1, rows / each)))))
  const wanted = wantedFor(1_000)
  const keys = left.key.map((name) => left.columns.find((column) => column.name === name)).filter((column) => column !== undefined)
  const [only] = keys
  if (keys.length === 1 && only !== undefined && isWhole(only.type)) {
    const bounds = (await Promise.all([left.bounds(only), right.bounds(only)])).filter((one) => one !== undefined)
    if (bounds.length > 0) {
      const start = bounds.map(({ least }) => BigInt(least)).reduce((a, b) => (a < b ? a : b))
      const end = bounds.map(({ greatest }) => BigInt(greatest)).reduce((a, b) => (a > b ? a : b))
      return { kind: 'range', column: only, start, width: (end - start) / BigInt(wanted) + 1n, count: wanted }
    }
  }
  if (keys.length === 1 && only !== undefined && only.type.kind === 'string' && left.textRanges && right.textRanges) {
    const bounds = await boundsOf(left, only, rows, Math.min(wantedFor(2_000), MANY_BOUNDS))
    if (bounds.length > 0) return { kind: 'text', column: only, bounds, count: bounds.length + 1 }
  }
  return { kind: 'hash', columns: keys, count: wantedFor(250) }
}

/** Texts that part the rows into about as many ranges as wanted, none much larger than the others, by a sample of them. */
async function boundsOf(side: RowSet, column: Field, rows: number, wanted: number): Promise<string[]> {
  const share = Math.min(1, (wanted * SAMPLED_PER_BOUND) / Math.max(1, rows))
  const texts: string[] = []
  for await (const batch of side.scan({ columns: [column], where: { kind: 'sample', share } })) {
    for (const line of batch.lines) {
      const [text = NULL] = line.split('\t', 1)
      // What has an escape in a line may be what another store cannot write in a statement.
      if (!text.includes('\\')) texts.push(text)
    }
  }
  const sorted = [...new Set(texts)].sort(comparison(column.type))
  const bounds = Array.from({ length: wanted - 1 }, (_, index) => sorted[Math.floor(((index + 1) / wanted) * sorted.length)])
  return [...new Set(bounds)].filter((text) => text !== undefined)
}

/** Why everything is to be read, where a look at the numbers of rows says so. */
function noDigests(lefts: number, rights: number): string | undefined {
  const most = Math.max(lefts, rights)
  if (most <= FEW_ROWS) return 'so few that all are read'
  return Math.abs(lefts - rights) > MANY * most ? 'the numbers of rows are far apart: everything is read' : undefined
}

/** Digests or everything: what is far away is asked for little, what gives rows as fast as it adds them up is read. */
async function choose(
  left: RowSet,
  right: RowSet,
  buckets: Buckets,
  rights: number,
  { level, now = () => performance.now() }: ReconcileOptions,
  how: string[],
): Promise<'digest' | 'stream'> {
  if (level === 'digest') return 'digest'
  const where = await probeOf(right, buckets, rights)
  if (where === undefined) return 'stream'
  const began = now()
  const probed = await right.digests(buckets, where)
  const digesting = now() - began
  if (probed === undefined) return 'stream'
  let rows = 0
  const readFrom = now()
  for await (const batch of right.scan({ where })) rows += batch.size
  const reading = now() - readFrom
  const share = Math.max(1, rights) / Math.max(1, rows)
  const times = `a trial on ${rowsText(rows)} puts digests at ${seconds(digesting * share)}, reading at ${seconds(reading * share)}`
  const chosen = digesting <= reading * 1.5 ? 'digest' : 'stream'
  if (chosen === 'digest') {
    const ours = await left.digests(buckets, where)
    const tried = new Set([...(ours ?? []), ...probed].map((one) => one.bucket)).size
    if (ours !== undefined && differingBuckets(ours, probed).length > NEARLY_ALL * tried) {
      how.push(`${times}, but nearly all buckets of the trial differ: everything is read`)
      return 'stream'
    }
  }
  how.push(`${times}: ${chosen === 'digest' ? 'digests first' : 'everything is read'}`)
  return chosen
}

/** A condition that about 20,000 rows meet and an index answers. */
async function probeOf(rows: RowSet, buckets: Buckets, count: number): Promise<Where | undefined> {
  if (buckets.kind !== 'hash') {
    const wanted = Math.min(buckets.count, Math.max(1, Math.round((PROBE_ROWS / Math.max(1, count)) * buckets.count)))
    return { kind: 'buckets', buckets, numbers: Array.from({ length: wanted }, (_, number) => number) }
  }
  const [first] = buckets.columns
  if (first === undefined) return undefined
  let seen = 0
  let last: string | undefined
  for await (const batch of rows.scan({ columns: [first], orderBy: first.name, limit: PROBE_ROWS })) {
    seen += batch.size
    last = batch.lines.at(-1)
  }
  return last === undefined || seen < PROBE_ROWS ? undefined : { kind: 'range', column: first, to: last }
}

/** As many buckets as hold about the wanted number of rows, drawn at random. */
async function sampleOf(left: RowSet, rows: number, wanted: number, random: () => number): Promise<Where | undefined> {
  if (wanted >= rows) return undefined
  const columns = left.key.map((name) => left.columns.find((column) => column.name === name)).filter((column) => column !== undefined)
  const count = 65_536
  const numbers = new Set<number>()
  const many = Math.min(count, Math.max(1, Math.ceil((wanted / rows) * count)))
  while (numbers.size < many) numbers.add(Math.floor(random() * count))
  return { kind: 'buckets', buckets: { kind: 'hash', columns, count }, numbers: [...numbers] }
}

export function differingBuckets(left: readonly BucketDigest[], right: readonly BucketDigest[]): number[] {
  const others = new Map(right.map((one) => [one.bucket, one]))
  const differing: number[] = []
  for (const one of left) {
    const other = others.get(one.bucket)
    others.delete(one.bucket)
    if (other === undefined || one.rows !== other.rows || one.xor !== other.xor || one.sum !== other.sum) differing.push(one.bucket)
  }
  return [...differing, ...others.keys()].sort((a, b) => a - b)
}

function isWhole(type: DataType): boolean {
  return ['long', 'integer', 'short', 'byte'].includes(type.kind) || (type.kind === 'decimal' && type.scale === 0)
}

function isExactNumber(type: Field['type']): boolean {
  return isNumber(type) && type.kind !== 'double' && type.kind !== 'float'
}

function countsText(left: RowSet, right: RowSet, lefts: number, rights: number): string {
  return `${rowsText(lefts)} in ${left.label}, ${rowsText(rights)} in ${right.label}`
}

function rowsText(count: number): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? 'row' : 'rows'}`
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`
}
