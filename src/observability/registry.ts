import { failure, METRIC_INVALID, METRIC_VALUE_INVALID } from '../errors/index.js'
import { closedSeries, defineMetric, type Labels, type MetricDefinition, type MetricKind } from './definition.js'

/** Where an observation came from: the span that was running. Both as lower-case hexadecimal, 32 and 16 digits. */
export interface Exemplar {
  readonly traceId: string
  readonly spanId: string
}

export interface KeptExemplar extends Exemplar {
  readonly value: number
  /** Unix milliseconds. */
  readonly timeMs: number
}

/** What every series can do beside being recorded to: say its numbers, and take up those of an earlier process. */
interface Recording {
  /** Whether anybody has given it a value; a gauge without one is not shown. */
  readonly written: boolean
  /** One number for each of its family's components. */
  components(): readonly number[]
  restore(components: readonly number[]): void
}

export class CounterSeries implements Recording {
  readonly #metric: string
  #value = 0

  constructor(definition: MetricDefinition) {
    this.#metric = definition.name
  }

  get value(): number {
    return this.#value
  }

  get written(): boolean {
    return true
  }

  /** Throws METRIC_VALUE_INVALID for what is negative or not finite. */
  inc(by = 1): void {
    if (!(by >= 0 && by <= Number.MAX_VALUE)) {
      throw failure(METRIC_VALUE_INVALID, {
        name: this.#metric,
        value: String(by),
        problem: 'a counter grows by what is finite and not negative',
      })
    }
    this.#value += by
  }

  components(): readonly number[] {
    return [this.#value]
  }

  restore([value = 0]: readonly number[]): void {
    this.#value += value
  }
}

export class GaugeSeries implements Recording {
  #value = 0
  #written = false

  /** 0 until it is set. */
  get value(): number {
    return this.#value
  }

  get written(): boolean {
    return this.#written
  }

  /** Takes any number; NaN and the infinities are shown as Prometheus writes them. */
  set(value: number): void {
    this.#value = value
    this.#written = true
  }

  inc(by = 1): void {
    this.set(this.#value + by)
  }

  dec(by = 1): void {
    this.set(this.#value - by)
  }

  /** Unix time, in seconds. */
  setToNow(): void {
    this.set(Date.now() / 1000)
  }

  components(): readonly number[] {
    return [this.#value]
  }

  /** What this process has set is newer, and stays. */
  restore([value = 0]: readonly number[]): void {
    if (!this.#written) this.set(value)
  }
}

export class HistogramSeries implements Recording {
  readonly #metric: string
  readonly #bounds: Float64Array
  readonly #buckets: number[]
  readonly #exemplars: (KeptExemplar | undefined)[]
  #sum = 0
  #count = 0

  /** `bounds` are the definition's, for many series to share. Typed, as an array that somebody froze is six times slower. */
  constructor(definition: MetricDefinition, bounds: Float64Array = Float64Array.from(definition.buckets)) {
    this.#metric = definition.name
    this.#bounds = bounds
    this.#buckets = new Array<number>(bounds.length + 1).fill(0)
    this.#exemplars = new Array<KeptExemplar | undefined>(bounds.length + 1).fill(undefined)
  }

  get sum(): number {
    return this.#sum
  }

  get count(): number {
    return this.#count
  }

  get written(): boolean {
    return true
  }

  /** How many observations each bucket alone holds; the last one has those above every bound. */
  get buckets(): readonly number[] {
    return [...this.#buckets]
  }

  /** The last one of each bucket. */
  get exemplars(): readonly (KeptExemplar | undefined)[] {
    return this.#exemplars
  }

  /** Throws METRIC_VALUE_INVALID for what is not finite: one such value would be the sum for ever. */
  observe(value: number, exemplar?: Exemplar): void {
    if (!Number.isFinite(value)) {
      throw failure(METRIC_VALUE_INVALID, { name: this.#metric, value: String(value), problem: 'a histogram observes finite numbers' })
    }
    // Counted, not iterated over: this is a third of the time that `for (const bound of ...)` takes.
    const bounds = this.#bounds
    let bucket = 0
    while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket += 1
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1
    this.#sum += value
    this.#count += 1
    if (exemplar !== undefined) {
      this.#exemplars[bucket] = { traceId: exemplar.traceId, spanId: exemplar.spanId, value, timeMs: Date.now() }
    }
  }

  /** `const stop = series.startTimer(); ...; stop()` observes the seconds in between, and answers them. */
  startTimer(): () => number {
    const started = performance.now()
    return () => {
      const seconds = (performance.now() - started) / 1000
      this.observe(seconds)
      return seconds
    }
  }

  components(): readonly number[] {
    let below = 0
    return [...this.buckets.map((count) => (below += count)), this.#sum, this.#count]
  }

  restore(components: readonly number[]): void {
    let below = 0
    this.#buckets.forEach((count, bucket) => {
      const upTo = components[bucket] ?? below
      this.#buckets[bucket] = count + upTo - below
      below = upTo
    })
    this.#sum += components[this.#buckets.length] ?? 0
    this.#count += below
  }
}

/** One of the samples that a series is shown and stored as. */
interface Component {
  readonly metric: string
  readonly kind: 'counter' | 'gauge'
  readonly le?: string
}

interface Entry<Series> {
  readonly labels: Labels
  readonly series: Series
  /** Shown though nobody has given it a value. */
  initialised: boolean
  /** Its components when changes were last taken. */
  taken: readonly number[] | undefined
}

class Branch<Series> {
  readonly children = new Map<string, Branch<Series>>()
  entry: Entry<Series> | undefined
}

/** A metric and its series, one for each set of label values that was recorded. */
export class Family<Series> {
  readonly definition: MetricDefinition
  readonly #create: () => Series
  readonly #refused: () => void
  readonly #root = new Branch<Series>()
  readonly #entries: Entry<Series>[] = []
  /** Takes what is recorded past the limit, and is never shown. */
  readonly #sink: Series

  constructor(definition: MetricDefinition, create: () => Series, refused: () => void) {
    this.definition = definition
    this.#create = create
    this.#refused = refused
    this.#sink = create()
    if (definition.kind === 'gauge' && definition.labelNames.length === 0) return
    for (const labels of closedSeries(definition)) {
      const entry = this.#entryWith(labels)
      if (entry !== undefined) entry.initialised = true
    }
  }

  get entries(): readonly Entry<Series>[] {
    return this.#entries
  }

  /**
   * The series with these labels, to keep and record to. Past the metric's limit of series it is one that nobody is shown.
   *
   * Throws METRIC_VALUE_INVALID when a label is missing or unknown, or its value is none of those listed.
   */
  with(labels: Labels): Series {
    const known = this.#known(labels)
    if (known !== undefined) return known.series
    const problem = this.#problemOf(labels)
    if (problem !== undefined) {
      throw failure(METRIC_VALUE_INVALID, { name: this.definition.name, value: `the labels ${JSON.stringify(labels)}`, problem })
    }
    const entry = this.#entryWith(labels)
    if (entry !== undefined) return entry.series
    this.#refused()
    return this.#sink
  }

  /** As `with`, for labels that come from elsewhere: none when they do not fit, or are too many. */
  find(labels: Labels): Entry<Series> | undefined {
    return this.#known(labels) ?? (this.#problemOf(labels) === undefined ? this.#entryWith(labels) : undefined)
  }

  #problemOf(labels: Labels): string | undefined {
    const { labelNames, domains } = this.definition
    for (const name of labelNames) {
      const value: unknown = Object.hasOwn(labels, name) ? labels[name] : undefined
      if (value === undefined) return `the label "${name}" is missing`
      if (typeof value !== 'string') return `the label "${name}" is no text`
      const domain = domains[name]
      if (domain !== undefined && domain !== '*' && !domain.includes(value)) {
        return `the label "${name}" is one of ${domain.join(', ')}`
      }
    }
    const unknown = Object.keys(labels).find((name) => !labelNames.includes(name))
    return unknown === undefined ? undefined : `it has no label "${unknown}"`
  }

  /** A walk from value to value: it makes no text and no key, which is what it costs elsewhere. */
  #known(labels: Labels): Entry<Series> | undefined {
    const names = this.definition.labelNames
    let branch: Branch<Series> | undefined = this.#root
    let depth = 0
    for (const name in labels) {
      if (name !== names[depth]) return this.#knownInAnyOrder(labels)
      branch = branch.children.get(labels[name] ?? '')
      if (branch === undefined) return undefined
      depth += 1
    }
    return depth === names.length ? branch.entry : undefined
  }

  #knownInAnyOrder(labels: Labels): Entry<Series> | undefined {
    let branch: Branch<Series> | undefined = this.#root
    for (const name of this.definition.labelNames) {
      const value = labels[name]
      branch = value === undefined ? undefined : branch.children.get(value)
      if (branch === undefined) return undefined
    }
    return Object.keys(labels).length === this.definition.labelNames.length ? branch.entry : undefined
  }

  #entryWith(given: Labels): Entry<Series> | undefined {
    if (this.#entries.length >= this.definition.seriesLimit) return undefined
    const labels: Record<string, string> = {}
    let branch = this.#root
    for (const name of this.definition.labelNames) {
      const value = given[name] ?? ''
      labels[name] = value
      let child = branch.children.get(value)
      if (child === undefined) {
        child = new Branch<Series>()
        branch.children.set(value, child)
      }
      branch = child
    }
    if (branch.entry === undefined) {
      branch.entry = { labels, series: this.#create(), initialised: false, taken: undefined }
      this.#entries.push(branch.entry)
    }
    return branch.entry
  }
}

export interface ValueSnapshot {
  readonly labels: Labels
  readonly value: number
}

export interface HistogramSnapshot {
  readonly labels: Labels
  /** How many observations each bucket alone holds (not cumulative); one more than there are bounds, the last for those above all. */
  readonly buckets: readonly number[]
  readonly sum: number
  readonly count: number
  /** Beside `buckets`. */
  readonly exemplars: readonly (KeptExemplar | undefined)[]
}

export type FamilySnapshot =
  | { readonly kind: 'counter' | 'gauge'; readonly definition: MetricDefinition; readonly series: readonly ValueSnapshot[] }
  | { readonly kind: 'histogram'; readonly definition: MetricDefinition; readonly series: readonly HistogramSnapshot[] }

/** One number of one series, under the name that Prometheus has for it. */
export interface StoredSample {
  /** `x_total`, `x`, or of a histogram `x_bucket`, `x_sum`, `x_count`. */
  readonly metric: string
  /** With `le` for a bucket. */
  readonly labels: Labels
  readonly kind: 'counter' | 'gauge'
  /** Of a counter what it has grown by, of a gauge what it is. */
  readonly value: number
}

/** A total as it was stored; buckets are cumulative over `le`, as Prometheus has them. */
export interface CumulativeSample {
  readonly metric: string
  readonly labels: Labels
  readonly value: number
}

export interface Changes {
  readonly samples: readonly StoredSample[]
  /** They were not stored after all: they are part of what is taken next. */
  putBack(): void
}

/** Counts what the limit of a metric's series kept out: each recording, whatever its labels. */
export const METRIC_SERIES_REFUSED = defineMetric('counter', 'sluice_metric_series_refused_total', {
  help: 'Times that a series was not kept, because its metric had as many as its limit allows.',
  labels: { metric: '*' },
})

interface Registered {
  readonly definition: MetricDefinition
  readonly components: readonly Component[]
  readonly kept:
    | { readonly kind: 'counter'; readonly family: Family<CounterSeries> }
    | { readonly kind: 'gauge'; readonly family: Family<GaugeSeries> }
    | { readonly kind: 'histogram'; readonly family: Family<HistogramSeries> }
}

/** All metrics of a process, by name. */
export class Registry {
  readonly #registered = new Map<string, Registered>()
  /** Names as OpenMetrics has them, where a counter's has no `_total`. */
  readonly #bareNames = new Map<string, string>()
  readonly #callbacks: (() => void)[] = []

  /** Registers it on first use. Throws METRIC_INVALID when another metric has its name. */
  counter(definition: MetricDefinition): Family<CounterSeries> {
    const { kept } = this.#of(definition)
    if (kept.kind !== 'counter') throw wrongKind(definition, 'counter')
    return kept.family
  }

  /** Registers it on first use. Throws METRIC_INVALID when another metric has its name. */
  gauge(definition: MetricDefinition): Family<GaugeSeries> {
    const { kept } = this.#of(definition)
    if (kept.kind !== 'gauge') throw wrongKind(definition, 'gauge')
    return kept.family
  }

  /** Registers it on first use. Throws METRIC_INVALID when another metric has its name. */
  histogram(definition: MetricDefinition): Family<HistogramSeries> {
    const { kept } = this.#of(definition)
    if (kept.kind !== 'histogram') throw wrongKind(definition, 'histogram')
    return kept.family
  }

  /**
   * Shows the metric from now on: at 0, when it has no labels or each has listed values, so that the first failure is a change from 0.
   * A gauge without labels is not shown until it is set.
   *
   * Throws METRIC_INVALID when another metric has its name.
   */
  register(definition: MetricDefinition): void {
    this.#of(definition)
  }

  /** Called before anything is read: the place to set what is only known by looking, such as the memory in use. */
  onCollect(callback: () => void): void {
    this.#callbacks.push(callback)
  }

  /** Everything as it is now, by name. */
  collect(): FamilySnapshot[] {
    for (const callback of this.#callbacks) callback()
    const byName = [...this.#registered.values()].sort((left, right) => (left.definition.name < right.definition.name ? -1 : 1))
    return byName.map(({ definition, kept }) =>
      kept.kind === 'histogram'
        ? {
            kind: kept.kind,
            definition,
            series: kept.family.entries.map(({ labels, series: { buckets, sum, count, exemplars } }) => ({
              labels,
              buckets,
              sum,
              count,
              exemplars: [...exemplars],
            })),
          }
        : { kind: kept.kind, definition, series: valuesOf<CounterSeries | GaugeSeries>(kept.family.entries) },
    )
  }

  /**
   * What has changed since this was last called: counters and histograms by how much they grew, gauges by what they are now. A series taken
   * for the first time is there with 0 too, so that whoever adds the increases up starts from 0.
   *
   * `const { samples, putBack } = registry.takeChanges(); await store.append(samples).catch(putBack)`
   */
  takeChanges(): Changes {
    for (const callback of this.#callbacks) callback()
    const samples: StoredSample[] = []
    const undo: (() => void)[] = []
    for (const { kept, components } of this.#registered.values()) {
      const entries: readonly Entry<Recording>[] = kept.family.entries
      for (const entry of entries) {
        if (!entry.series.written) continue
        const before = entry.taken
        const now = entry.series.components()
        const size = samples.length
        components.forEach(({ metric, kind, le }, index) => {
          const value = kind === 'gauge' ? (now[index] ?? 0) : (now[index] ?? 0) - (before?.[index] ?? 0)
          const changed = before === undefined || (kind === 'gauge' ? !Object.is(value, before[index]) : value !== 0)
          if (changed) samples.push({ metric, labels: le === undefined ? entry.labels : { ...entry.labels, le }, kind, value })
        })
        if (samples.length === size) continue
        entry.taken = now
        undo.push(() => {
          entry.taken = kept.kind === 'gauge' ? undefined : withoutTaken(entry.taken, now, before)
        })
      }
    }
    return {
      samples,
      putBack() {
        for (const one of undo.splice(0)) one()
      },
    }
  }

  /**
   * Goes on from totals that an earlier process left: counters and histograms add them to what they have counted since, gauges take them
   * unless they were set since. They are no changes. What no registered metric has, or has no longer, is passed over.
   */
  restore(samples: Iterable<CumulativeSample>): void {
    const families = new Map<string, { readonly of: Registered; readonly part: Part }>()
    for (const registered of this.#registered.values()) {
      for (const { metric } of registered.components) families.set(metric, { of: registered, part: partOf(registered.definition, metric) })
    }
    const histograms = new Map<Entry<Recording>, { readonly bounds: readonly number[]; readonly parts: HistogramParts }>()
    for (const { metric, labels, value } of samples) {
      const found = families.get(metric)
      if (found === undefined || Number.isNaN(value)) continue
      const family: Family<Recording> = found.of.kept.family
      const { le, ...own } = labels
      const entry = family.find(own)
      if (entry === undefined) continue
      if (found.part === 'value') {
        goOnFrom(entry, [value], found.of.kept.kind)
        continue
      }
      const { parts } = histograms.get(entry) ?? { parts: { buckets: new Map<number, number>(), sum: 0, count: 0 } }
      histograms.set(entry, { bounds: found.of.definition.buckets, parts })
      if (found.part === 'bucket') parts.buckets.set(le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le), value)
      else parts[found.part] = value
    }
    for (const [entry, { bounds, parts }] of histograms) goOnFrom(entry, componentsOf(bounds, parts), 'histogram')
  }

  #of(definition: MetricDefinition): Registered {
    const found = this.#registered.get(definition.name)
    if (found === undefined) return this.#add(definition)
    if (found.definition !== definition && JSON.stringify(found.definition) !== JSON.stringify(definition)) {
      const problem = 'it is declared twice, and not the same way'
      throw failure(METRIC_INVALID, { name: definition.name, problem, advice: 'Declare it once and import it, or rename one of them.' })
    }
    return found
  }

  #add(definition: MetricDefinition): Registered {
    const bare = definition.kind === 'counter' ? definition.name.slice(0, -'_total'.length) : definition.name
    const other = this.#bareNames.get(bare)
    if (other !== undefined) {
      const problem = `OpenMetrics knows it and "${other}" by the one name "${bare}"`
      throw failure(METRIC_INVALID, { name: definition.name, problem, advice: 'Rename one of them.' })
    }
    const refused = () => {
      if (definition.name !== METRIC_SERIES_REFUSED.name) this.counter(METRIC_SERIES_REFUSED).with({ metric: definition.name }).inc()
    }
    const registered: Registered = { definition, components: componentsFor(definition), kept: keptFor(definition, refused) }
    this.#registered.set(definition.name, registered)
    this.#bareNames.set(bare, definition.name)
    return registered
  }
}

/** The one that declared metrics record to, and that everything is read from unless told otherwise. */
export const defaultRegistry: Registry = new Registry()

function keptFor(definition: MetricDefinition, refused: () => void): Registered['kept'] {
  if (definition.kind === 'counter')
    return { kind: 'counter', family: new Family(definition, () => new CounterSeries(definition), refused) }
  if (definition.kind === 'gauge') return { kind: 'gauge', family: new Family(definition, () => new GaugeSeries(), refused) }
  const bounds = Float64Array.from(definition.buckets)
  return { kind: 'histogram', family: new Family(definition, () => new HistogramSeries(definition, bounds), refused) }
}

function componentsFor({ kind, name, buckets }: MetricDefinition): Component[] {
  if (kind !== 'histogram') return [{ metric: name, kind }]
  return [
    ...[...buckets.map(String), '+Inf'].map((le) => ({ metric: `${name}_bucket`, kind: 'counter' as const, le })),
    { metric: `${name}_sum`, kind: 'counter' },
    { metric: `${name}_count`, kind: 'counter' },
  ]
}

type Part = 'value' | 'bucket' | 'sum' | 'count'

interface HistogramParts {
  readonly buckets: Map<number, number>
  sum: number
  count: number
}

function partOf({ kind, name }: MetricDefinition, metric: string): Part {
  if (kind !== 'histogram') return 'value'
  if (metric === `${name}_bucket`) return 'bucket'
  return metric === `${name}_sum` ? 'sum' : 'count'
}

/** Buckets may have been stored under other bounds: each lot then goes to the first of today's bounds that is not below its own. */
function componentsOf(bounds: readonly number[], { buckets, sum, count }: HistogramParts): number[] {
  const stored = [...buckets].sort(([left], [right]) => left - right)
  const total = stored.reduce((most, [, value]) => Math.max(most, value), count)
  const upTo = bounds.map((bound) => stored.reduce((most, [le, value]) => (le <= bound ? Math.max(most, value) : most), 0))
  return [...upTo, total, sum, total]
}

function goOnFrom(entry: Entry<Recording>, components: readonly number[], kind: MetricKind): void {
  entry.series.restore(components)
  entry.taken = kind === 'gauge' ? components : components.map((value, index) => value + (entry.taken?.[index] ?? 0))
}

function valuesOf<Series extends Recording & { readonly value: number }>(entries: readonly Entry<Series>[]): ValueSnapshot[] {
  return entries
    .filter(({ series, initialised }) => initialised || series.written)
    .map(({ labels, series: { value } }) => ({ labels, value }))
}

/** What counts as taken once `now`, taken when `before` was, is put back; more may have been taken since. */
function withoutTaken(taken: readonly number[] | undefined, now: readonly number[], before: readonly number[] | undefined) {
  if (taken === now) return before
  return taken?.map((value, index) => value - ((now[index] ?? 0) - (before?.[index] ?? 0)))
}

function wrongKind({ name, kind }: MetricDefinition, wanted: MetricKind): Error {
  return failure(METRIC_INVALID, { name, problem: `it is a ${kind}, not a ${wanted}`, advice: `Declare it as a ${wanted}.` })
}
