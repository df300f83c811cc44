import type { Labels, MetricDefinition } from './definition.js'
import type { FamilySnapshot, HistogramSnapshot, KeptExemplar } from './registry.js'

/** Prometheus' text format 0.0.4, which everything reads; or OpenMetrics 1.0, which has units and exemplars too. */
export type ExpositionFormat = 'text' | 'openmetrics'

export const CONTENT_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
}

/** What a scraper reads. Metrics without any series are left out. */
export function exposition(snapshots: readonly FamilySnapshot[], format: ExpositionFormat): string {
  let text = ''
  for (const snapshot of snapshots) {
    if (snapshot.series.length === 0) continue
    const { definition } = snapshot
    text += headOf(definition, format)
    if (snapshot.kind === 'histogram') {
      for (const series of snapshot.series) text += histogramLines(definition, series, format)
    } else {
      for (const { labels, value } of snapshot.series) text += `${startsOf(definition, labels)[0]}${numberText(value)}\n`
    }
  }
  return format === 'openmetrics' ? `${text}# EOF\n` : text
}

/** By the header `Accept`: OpenMetrics for whoever prefers it to text, text for everybody else. */
export function negotiate(acceptHeader: string | null | undefined): { readonly format: ExpositionFormat; readonly contentType: string } {
  const ranges = (acceptHeader ?? '').split(',').map((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    const quality = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1)
    return { type, quality: Number.isNaN(quality) ? 0 : quality }
  })
  const best = (wanted: string) => Math.max(0, ...ranges.filter(({ type }) => type === wanted).map(({ quality }) => quality))
  const openmetrics = best('application/openmetrics-text')
  const format = openmetrics > 0 && openmetrics >= best('text/plain') ? 'openmetrics' : 'text'
  return { format, contentType: CONTENT_TYPES[format] }
}

/** As Go reads it back. */
export function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return String(value)
}

function headOf({ name, kind, help, unit }: MetricDefinition, format: ExpositionFormat): string {
  if (format === 'text') return `# HELP ${name} ${escapedHelp(help)}\n# TYPE ${name} ${kind}\n`
  const family = kind === 'counter' ? name.slice(0, -'_total'.length) : name
  const head = `# HELP ${family} ${escapedValue(help)}\n# TYPE ${family} ${kind}\n`
  if (unit === undefined) return head
  return `${head}# UNIT ${family} ${unit === 'timestamp_seconds' ? 'seconds' : unit}\n`
}

function histogramLines(
  definition: MetricDefinition,
  { labels, buckets, sum, count, exemplars }: HistogramSnapshot,
  format: ExpositionFormat,
): string {
  const starts = startsOf(definition, labels)
  let text = ''
  let below = 0
  buckets.forEach((alone, bucket) => {
    below += alone
    const exemplar = format === 'openmetrics' ? exemplars[bucket] : undefined
    text += `${starts[bucket]}${below}${exemplar === undefined ? '' : exemplarText(exemplar)}\n`
  })
  return `${text}${starts[buckets.length]}${numberText(sum)}\n${starts[buckets.length + 1]}${count}\n`
}

function exemplarText({ traceId, spanId, value, timeMs }: KeptExemplar): string {
  return ` # {trace_id="${escapedValue(traceId)}",span_id="${escapedValue(spanId)}"} ${numberText(value)} ${timeMs / 1000}`
}

/** What each line of a series begins with, kept for as long as the series: it is most of the text, and never changes. */
const kept = new WeakMap<MetricDefinition, WeakMap<Labels, readonly string[]>>()

function startsOf(definition: MetricDefinition, labels: Labels): readonly string[] {
  let ofMetric = kept.get(definition)
  if (ofMetric === undefined) {
    ofMetric = new WeakMap()
    kept.set(definition, ofMetric)
  }
  let starts = ofMetric.get(labels)
  if (starts === undefined) {
    starts = writtenStarts(definition, labels)
    ofMetric.set(labels, starts)
  }
  return starts
}

function writtenStarts({ kind, name, buckets }: MetricDefinition, labels: Labels): string[] {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${escapedValue(value)}"`)
  const start = (metric: string, all: readonly string[]) => (all.length === 0 ? `${metric} ` : `${metric}{${all.join(',')}} `)
  if (kind !== 'histogram') return [start(name, pairs)]
  return [
    ...[...buckets.map(String), '+Inf'].map((le) => start(`${name}_bucket`, [...pairs, `le="${le}"`])),
    start(`${name}_sum`, pairs),
    start(`${name}_count`, pairs),
  ]
}

function escapedHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function escapedValue(text: string): string {
  return escapedHelp(text).replaceAll('"', '\\"')
}
