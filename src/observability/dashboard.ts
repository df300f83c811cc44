import type { MetricDefinition } from './definition.js'
import type { Duration } from './duration.js'
import type { Vector } from './signal.js'

export const DASHBOARD = Symbol.for('sluice.dashboard')

/** Units as Grafana calls them; a panel's default is its signal's. */
export type PanelUnit =
  | 'none'
  | 'short'
  | 'percent'
  | 'percentunit'
  | 's'
  | 'ms'
  | 'bytes'
  | 'decbytes'
  | 'ops'
  | 'rps'
  | 'rowsps'
  | 'dateTimeAsIso'
  | 'dateTimeFromNow'
  | 'dtdurations'
  | 'celsius'
  | 'currencyUSD'

export type Colour = 'green' | 'yellow' | 'orange' | 'red' | 'blue' | 'purple' | 'text'

/** From `at` upwards the colour is this; below the first it is green. */
export interface Threshold {
  readonly at: number
  readonly colour: Colour
}

/** One thing drawn: a signal, and what its elements are called. */
export interface Series {
  readonly signal: Vector<never>
  /** With `{{dataset}}`, as Grafana has it. */
  readonly legend: string
}

export interface SqlQuery {
  readonly sql: string
  /** Default `table`; `time_series` needs a column `time`, in whose order its rows come; a column `metric` then names the lines. */
  readonly format?: 'table' | 'time_series'
}

export type PanelKind = 'stat' | 'timeseries' | 'gauge' | 'bargauge' | 'heatmap' | 'piechart' | 'table'

export interface Panel {
  readonly kind: PanelKind
  readonly title: string
  readonly description: string
  readonly series: readonly Series[]
  /** Instead of `series`: a query on the MySQL datasource. */
  readonly sql: readonly SqlQuery[]
  readonly unit: PanelUnit | undefined
  readonly thresholds: readonly Threshold[]
  readonly min: number | undefined
  readonly max: number | undefined
  readonly decimals: number | undefined
  /** What values are called: `{ 1: 'failed', 0: 'ok' }`. */
  readonly values: Readonly<Record<string, { readonly text: string; readonly colour?: Colour }>>
  readonly stacked: boolean
  /** Of 24; default by kind. */
  readonly width: number | undefined
  /** Rows of 30 pixels; default by kind. */
  readonly height: number | undefined
  /** Where a click leads: another dashboard, by its name. */
  readonly drillDown: string | undefined
}

export interface PanelOptions {
  /** What it shows, and what is good. */
  readonly description: string
  readonly unit?: PanelUnit
  readonly thresholds?: readonly Threshold[]
  readonly min?: number
  readonly max?: number
  readonly decimals?: number
  readonly values?: Panel['values']
  readonly stacked?: boolean
  readonly width?: number
  readonly height?: number
  readonly drillDown?: string
}

type Legend<Label extends string> = string | ((labels: { readonly [Name in Label]: string }) => string)

/** `line(rows.rate().sum('dataset'), ({ dataset }) => dataset)`: only labels that the signal still has. */
export function line<Label extends string>(signal: Vector<Label>, legend?: Legend<Label>): Series {
  const placeholders = Object.fromEntries(signal.labels.map((label) => [label, `{{${label}}}`])) as { readonly [Name in Label]: string }
  const otherwise = signal.labels.map((label) => `{{${label}}}`).join(' ')
  return { signal: signal as unknown as Vector<never>, legend: typeof legend === 'function' ? legend(placeholders) : (legend ?? otherwise) }
}

type Drawn<Label extends string> =
  | Vector<Label>
  | Series
  | readonly Series[]
  | { readonly sql: string | readonly SqlQuery[]; readonly format?: SqlQuery['format'] }

function panel<Label extends string>(kind: PanelKind, title: string, drawn: Drawn<Label>, options: PanelOptions): Panel {
  const sql =
    'sql' in drawn
      ? typeof drawn.sql === 'string'
        ? [{ sql: drawn.sql, ...(drawn.format === undefined ? {} : { format: drawn.format }) }]
        : drawn.sql
      : []
  const series =
    'sql' in drawn
      ? []
      : Array.isArray(drawn)
        ? (drawn as readonly Series[])
        : 'legend' in drawn
          ? [drawn as Series]
          : [line(drawn as Vector<Label>)]
  return {
    kind,
    title,
    description: options.description,
    series,
    sql,
    unit: options.unit,
    thresholds: options.thresholds ?? [],
    min: options.min,
    max: options.max,
    decimals: options.decimals,
    values: options.values ?? {},
    stacked: options.stacked ?? false,
    width: options.width,
    height: options.height,
    drillDown: options.drillDown,
  }
}

/** One number, its last. */
export function stat<Label extends string>(title: string, drawn: Drawn<Label>, options: PanelOptions): Panel {
  return panel('stat', title, drawn, options)
}
export function timeSeries<Label extends string>(title: string, drawn: Drawn<Label>, options: PanelOptions): Panel {
  return panel('timeseries', title, drawn, options)
}
export function gaugePanel<Label extends string>(title: string, drawn: Drawn<Label>, options: PanelOptions): Panel {
  return panel('gauge', title, drawn, options)
}
export function barGauge<Label extends string>(title: string, drawn: Drawn<Label>, options: PanelOptions): Panel {
  return panel('bargauge', title, drawn, options)
}
/** Of `histogram.buckets()`. */
export function heatmap(title: string, drawn: Vector<'le'>, options: PanelOptions): Panel {
  return panel(
    'heatmap',
    title,
    line(drawn, ({ le }) => le),
    options,
  )
}
export function pie<Label extends string>(title: string, drawn: Drawn<Label>, options: PanelOptions): Panel {
  return panel('piechart', title, drawn, options)
}
export function tablePanel<Label extends string>(title: string, drawn: Drawn<Label>, options: PanelOptions): Panel {
  return panel('table', title, drawn, options)
}

export interface PanelRow {
  readonly title: string
  readonly panels: readonly Panel[]
  readonly collapsed: boolean
}

export function row(title: string, panels: readonly Panel[], options: { readonly collapsed?: boolean } = {}): PanelRow {
  return { title, panels, collapsed: options.collapsed ?? false }
}

/** A choice at the top of a dashboard. Panels whose metrics all have the label are narrowed by it. */
export interface DashboardVariable {
  readonly name: string
  readonly title: string
  /** Values are those that this metric has. */
  readonly metric: MetricDefinition
  readonly label: string
}

/** `labelVariable(rows, 'dataset')`: choose datasets. Throws nothing; a label the metric has not is a compile error. */
export function labelVariable<Domains extends Readonly<Record<string, unknown>>>(
  metric: { readonly definition: MetricDefinition; with(labels: Domains): unknown },
  label: keyof Domains & string,
  title = label.charAt(0).toUpperCase() + label.slice(1),
): DashboardVariable {
  return { name: label, title, metric: metric.definition, label }
}

/** A mark on the time axis wherever the signal has an element. */
export interface Annotation {
  readonly name: string
  readonly signal: Vector<never>
  readonly text: string
  readonly colour: Colour
}

export function annotation<Label extends string>(
  name: string,
  signal: Vector<Label>,
  text: Legend<Label>,
  colour: Colour = 'red',
): Annotation {
  const { legend } = line(signal, text)
  return { name, signal: signal as unknown as Vector<never>, text: legend, colour }
}

export interface DashboardLink {
  readonly title: string
  /** Another dashboard's name, or an address. */
  readonly to: string
}

export interface DashboardDefinition {
  readonly title: string
  readonly description?: string
  readonly tags?: readonly string[]
  readonly variables?: readonly DashboardVariable[]
  readonly rows: readonly PanelRow[]
  readonly annotations?: readonly Annotation[]
  readonly links?: readonly DashboardLink[]
  /** How far back it looks. Default 6h. */
  readonly span?: Duration
  /** How often it draws anew. Default 30s. */
  readonly refresh?: Duration
  /** Rules of the linter that do not hold for it, each with the reason. */
  readonly exclusions?: Readonly<Record<string, string>>
}

export interface Dashboard {
  readonly [DASHBOARD]: true
  /** Its file's name and its uid. */
  readonly name: string
  readonly title: string
  readonly description: string
  readonly tags: readonly string[]
  readonly variables: readonly DashboardVariable[]
  readonly rows: readonly PanelRow[]
  readonly annotations: readonly Annotation[]
  readonly links: readonly DashboardLink[]
  readonly span: Duration
  readonly refresh: Duration
  readonly exclusions: Readonly<Record<string, string>>
}

/** `dashboard('runs', { title: 'Runs', rows: [row('Now', [stat('Failed', failed.increase('1d').sum().orZero(), { description: '...' })])] })` */
export function dashboard(name: string, definition: DashboardDefinition): Dashboard {
  return {
    [DASHBOARD]: true,
    name,
    title: definition.title,
    description: definition.description ?? '',
    tags: definition.tags ?? [],
    variables: definition.variables ?? [],
    rows: definition.rows,
    annotations: definition.annotations ?? [],
    links: definition.links ?? [],
    span: definition.span ?? '6h',
    refresh: definition.refresh ?? '30s',
    exclusions: definition.exclusions ?? {},
  }
}

export function isDashboard(value: unknown): value is Dashboard {
  return typeof value === 'object' && value !== null && DASHBOARD in value
}
