import { failure, METRIC_INVALID } from '../errors/index.js'

/** What a label may say: anything (`*`), or one of these values, each of which is there from the start with 0. */
export type LabelDomain = '*' | readonly string[]
export type LabelDomains = Readonly<Record<string, LabelDomain>>

/** The labels that a declaration asks for: a text for `*`, one of the listed values otherwise. */
export type LabelsOf<Domains extends LabelDomains> = {
  readonly [Name in keyof Domains & string]: Domains[Name] extends readonly (infer Value extends string)[] ? Value : string
}

export type Labels = Readonly<Record<string, string>>

export type MetricKind = 'counter' | 'gauge' | 'histogram'

/** Units by the names that Prometheus has for base units: they end a metric's name. */
export type MetricUnit = 'seconds' | 'bytes' | 'rows' | 'ratio' | 'celsius' | 'timestamp_seconds' | 'percent'

/** A metric as data: what records it, draws it, stores it and pages on it all go by this. */
export interface MetricDefinition {
  readonly kind: MetricKind
  /** As Prometheus shows it: `sluice_runs_total`, `sluice_step_duration_seconds`. A histogram's without `_bucket`, `_sum`, `_count`. */
  readonly name: string
  readonly help: string
  readonly unit?: MetricUnit
  readonly domains: LabelDomains
  /** In the order of `domains`; series are kept and printed in it. */
  readonly labelNames: readonly string[]
  /** Upper bounds of a histogram's buckets, ascending, without infinity. */
  readonly buckets: readonly number[]
  /** Series past this many are not kept, only counted. */
  readonly seriesLimit: number
}

export interface MetricOptions<Domains extends LabelDomains> {
  /** One sentence: what is counted or measured. */
  readonly help: string
  readonly unit?: MetricUnit
  readonly labels?: Domains
  /** Default 2,000. */
  readonly seriesLimit?: number
}

/** Seconds, from a millisecond to an hour: for anything that a person or a batch waits for. */
export const DURATION_BUCKETS: readonly number[] = [
  0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600,
]

/** Bytes, from 256 B to 1 GiB in steps of 16. */
export const SIZE_BUCKETS: readonly number[] = [256, 4096, 65_536, 1_048_576, 16_777_216, 268_435_456, 1_073_741_824]

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/

/** Throws METRIC_INVALID for a name, label or bucket that Prometheus would not take, or that its conventions forbid. */
export function defineMetric(
  kind: MetricKind,
  name: string,
  options: MetricOptions<LabelDomains>,
  buckets: readonly number[] = [],
): MetricDefinition {
  const invalid = (problem: string, advice: string) => failure(METRIC_INVALID, { name, problem, advice })
  if (!NAME.test(name) || name.startsWith('__')) throw invalid('its name is none that Prometheus takes', 'Use a-z, 0-9 and _.')
  if (kind === 'counter' && !name.endsWith('_total')) throw invalid("a counter's name ends in _total", `Call it ${name}_total.`)
  if (kind !== 'counter' && name.endsWith('_total')) throw invalid('only a counter is named _total', 'Leave the ending out.')
  if (/_(bucket|sum|count|created|info)$/.test(name))
    throw invalid('its ending is kept for the parts of a histogram', 'Leave the ending out.')
  if (options.help.trim() === '') throw invalid('it has no help', 'Say in a sentence what it counts.')
  const unit = options.unit
  const bare = kind === 'counter' ? name.slice(0, -'_total'.length) : name
  if (unit !== undefined && !bare.endsWith(`_${unit}`))
    throw invalid(`its unit is ${unit}, which ends no part of its name`, `End it in _${unit}.`)
  const domains = options.labels ?? {}
  const labelNames = Object.keys(domains)
  for (const label of labelNames) {
    if (!LABEL.test(label) || label.startsWith('__') || label === 'le' || label === 'quantile')
      throw invalid(`it cannot have a label "${label}"`, 'Use a-z, 0-9 and _; `le` and `quantile` are taken.')
    if (label === 'job' || label === 'instance')
      throw invalid(`the label "${label}" is what Prometheus calls the target it scrapes`, 'Choose another.')
    if (domains[label]?.length === 0) throw invalid(`its label "${label}" may have no value at all`, "List values, or write '*'.")
  }
  buckets.forEach((bound, index) => {
    const before = buckets[index - 1] ?? Number.NEGATIVE_INFINITY
    if (!Number.isFinite(bound) || bound <= before)
      throw invalid('its buckets do not ascend', 'List finite bounds, each above the one before.')
  })
  if (kind === 'histogram' && buckets.length === 0) throw invalid('a histogram needs buckets', 'List their upper bounds.')
  return {
    kind,
    name,
    help: options.help,
    ...(unit === undefined ? {} : { unit }),
    domains,
    labelNames,
    buckets,
    seriesLimit: options.seriesLimit ?? 2_000,
  }
}

/** Every combination of values, when all labels have listed ones; none when one of them is open. */
export function closedSeries({ domains, labelNames }: MetricDefinition): Labels[] {
  return labelNames.reduce<Labels[]>(
    (combined, label) => {
      const domain = domains[label]
      return domain === undefined || domain === '*'
        ? []
        : combined.flatMap((labels) => domain.map((value) => ({ ...labels, [label]: value })))
    },
    [{}],
  )
}
