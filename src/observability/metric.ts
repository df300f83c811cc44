import { DURATION_BUCKETS, defineMetric, type LabelDomains, type LabelsOf, type MetricOptions, type MetricUnit } from './definition.js'
import { type CounterSeries, defaultRegistry, type Exemplar, type GaugeSeries, type HistogramSeries, type Registry } from './registry.js'
import { CounterSelection, GaugeSelection, HistogramSelection } from './signal.js'

export const METRIC = Symbol.for('sluice.metric')

/** Labels come first, and are left out by a metric that has none. */
type WithLabels<Domains extends LabelDomains, Rest extends unknown[]> = keyof Domains extends never
  ? Rest
  : [labels: LabelsOf<Domains>, ...rest: Rest]

/**
 * A number that only grows. Declared once; the same object records it, and is where signals on it begin.
 *
 * ```ts
 * export const payments = counter('payments_total', { help: 'Payments taken.', labels: { method: '*', status: ['ok', 'refused'] } })
 * payments.inc({ method: 'card', status: 'ok' })
 * payments.where({ status: 'refused' }).rate('5m').sum('method') // sum by (method) (rate(payments_total{status="refused"}[5m]))
 * ```
 */
export class Counter<Domains extends LabelDomains> extends CounterSelection<Domains> {
  readonly [METRIC] = true
  /** One series, found once: then `inc` costs an addition. */
  with(labels: LabelsOf<Domains>, registry: Registry = defaultRegistry): CounterSeries {
    return registry.counter(this.definition).with(labels)
  }
  /** Throws METRIC_VALUE_INVALID when it would shrink, or for a label or value that was not declared. */
  inc(...given: WithLabels<Domains, [by?: number]>): void {
    const [labels, [by]] = parted(given)
    this.with(labels as LabelsOf<Domains>).inc(by as number | undefined)
  }
}

/** A number that goes up and down, or a moment (`unit: 'timestamp_seconds'`). */
export class Gauge<Domains extends LabelDomains, Unit extends MetricUnit | undefined = undefined> extends GaugeSelection<Domains, Unit> {
  readonly [METRIC] = true
  with(labels: LabelsOf<Domains>, registry: Registry = defaultRegistry): GaugeSeries {
    return registry.gauge(this.definition).with(labels)
  }
  set(...given: WithLabels<Domains, [value: number]>): void {
    const [labels, [value]] = parted(given)
    this.with(labels as LabelsOf<Domains>).set(value as number)
  }
}

/** How observations lie, counted in buckets. */
export class Histogram<Domains extends LabelDomains> extends HistogramSelection<Domains> {
  readonly [METRIC] = true
  with(labels: LabelsOf<Domains>, registry: Registry = defaultRegistry): HistogramSeries {
    return registry.histogram(this.definition).with(labels)
  }
  observe(...given: WithLabels<Domains, [value: number, exemplar?: Exemplar]>): void {
    const [labels, [value, exemplar]] = parted(given)
    this.with(labels as LabelsOf<Domains>).observe(value as number, exemplar as Exemplar | undefined)
  }
}

function parted(given: readonly unknown[]): [labels: unknown, rest: readonly unknown[]] {
  return typeof given[0] === 'object' ? [given[0], given.slice(1)] : [{}, given]
}

/** Throws METRIC_INVALID: the name ends in `_total`, after the unit if there is one. */
export function counter<const Domains extends LabelDomains = Record<never, never>>(
  name: string,
  options: MetricOptions<Domains>,
): Counter<Domains> {
  return new Counter<Domains>(defineMetric('counter', name, options), [])
}

/** Throws METRIC_INVALID. A gauge in `timestamp_seconds` has an `age()`. */
export function gauge<const Domains extends LabelDomains = Record<never, never>, const Unit extends MetricUnit | undefined = undefined>(
  name: string,
  options: MetricOptions<Domains> & { readonly unit?: Unit },
): Gauge<Domains, Unit> {
  return new Gauge<Domains, Unit>(defineMetric('gauge', name, options), [])
}

/** Throws METRIC_INVALID. Buckets are upper bounds; without them, those for seconds from a millisecond to an hour. */
export function histogram<const Domains extends LabelDomains = Record<never, never>>(
  name: string,
  options: MetricOptions<Domains> & { readonly buckets?: readonly number[] },
): Histogram<Domains> {
  return new Histogram<Domains>(defineMetric('histogram', name, options, options.buckets ?? DURATION_BUCKETS), [])
}

export type Metric = Counter<LabelDomains> | Gauge<LabelDomains, MetricUnit | undefined> | Histogram<LabelDomains>

export function isMetric(value: unknown): value is Metric {
  return typeof value === 'object' && value !== null && METRIC in value
}
