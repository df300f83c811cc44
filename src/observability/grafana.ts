import type { FieldColorModeId, Panel as SdkPanel } from '@grafana/grafana-foundation-sdk/dashboard'
import { DASHBOARD_INVALID, failure } from '../errors/index.js'
import type { Annotation, Dashboard, DashboardLink, DashboardVariable, Panel, PanelKind, PanelUnit, Series } from './dashboard.js'
import type { MetricDefinition, MetricUnit } from './definition.js'
import type { Expression, Matcher, SelectExpression } from './expression.js'
import { generatedYaml } from './generated.js'
import { sdk } from './grafana-sdk.js'
import { promql } from './promql.js'
import { metricsOf } from './runbook.js'

export interface GrafanaOptions {
  /** Every metric and recording that a panel names, for the labels it has: variables narrow those that have theirs. */
  readonly metrics: readonly MetricDefinition[]
}

export interface GridPosition {
  readonly x: number
  readonly y: number
  readonly w: number
  readonly h: number
}

export interface DataSourceReference {
  readonly type: string
  readonly uid: string
}

export interface GrafanaTarget {
  readonly refId: string
  readonly datasource: DataSourceReference
  readonly expr?: string
  readonly legendFormat?: string
  readonly format?: string
  readonly instant?: boolean
  readonly range?: boolean
  readonly rawSql?: string
}

/** A panel or, with `panels`, a row, as Grafana's JSON has it. */
export interface GrafanaPanel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly gridPos: GridPosition
  readonly datasource?: DataSourceReference
  readonly targets?: readonly GrafanaTarget[]
  readonly fieldConfig?: { readonly defaults: Readonly<Record<string, unknown>>; readonly overrides: readonly unknown[] }
  readonly options?: Readonly<Record<string, unknown>>
  readonly transformations?: readonly unknown[]
  readonly collapsed?: boolean
  readonly panels?: readonly GrafanaPanel[]
}

export interface GrafanaVariable {
  readonly type: string
  readonly name: string
  readonly label: string
  readonly query: string
  readonly refresh: number
  readonly datasource?: DataSourceReference
  readonly multi?: boolean
  readonly includeAll?: boolean
  readonly allValue?: string
}

export interface GrafanaLink {
  readonly title: string
  readonly type: string
  readonly url: string
}

export interface GrafanaDashboard {
  readonly uid: string
  readonly title: string
  readonly editable: boolean
  readonly refresh: string
  readonly panels: readonly GrafanaPanel[]
  readonly templating: { readonly list: readonly GrafanaVariable[] }
  readonly annotations: {
    readonly list: readonly { readonly name: string; readonly datasource: DataSourceReference; readonly expr: string }[]
  }
  readonly links: readonly GrafanaLink[]
}

/** Grafana 11's; later ones read it and bring it up to theirs. */
const SCHEMA_VERSION = 42

/** Columns that the grid has. */
const GRID = 24

const SIZES: Readonly<Record<PanelKind, { readonly width: number; readonly height: number }>> = {
  stat: { width: 4, height: 4 },
  gauge: { width: 6, height: 6 },
  bargauge: { width: 8, height: 8 },
  timeseries: { width: 12, height: 8 },
  heatmap: { width: 12, height: 8 },
  piechart: { width: 8, height: 8 },
  table: { width: 12, height: 8 },
}

const UNITS: Readonly<Record<MetricUnit, PanelUnit>> = {
  seconds: 's',
  bytes: 'bytes',
  rows: 'short',
  ratio: 'percentunit',
  celsius: 'celsius',
  timestamp_seconds: 'dateTimeAsIso',
  percent: 'percent',
}

/** What a panel shows is the last moment, not a course. */
const INSTANT: ReadonlySet<PanelKind> = new Set(['stat', 'gauge', 'bargauge', 'piechart', 'table'])

/** Series that Prometheus makes of its rules: they have no `job` to be chosen by. */
export function madeByRules(metric: string): boolean {
  return metric.includes(':') || metric === 'ALERTS' || metric === 'ALERTS_FOR_STATE'
}

/**
 * A dashboard as Grafana's classic JSON, which every Grafana from 9 on reads.
 *
 * Every query is narrowed by the variable `job`, and by each declared variable whose label its metric has. Throws DASHBOARD_INVALID for a
 * metric that `metrics` does not have, and for a name that Grafana takes for no uid.
 */
export function grafanaDashboard(dashboard: Dashboard, options: GrafanaOptions): GrafanaDashboard {
  if (!/^[a-zA-Z0-9_-]{1,40}$/.test(dashboard.name))
    throw failure(DASHBOARD_INVALID, {
      name: dashboard.name,
      problem: 'its name cannot be a uid in Grafana',
      advice: 'Use up to 40 letters, digits, - and _.',
    })
  const drawing = new Drawing(dashboard, options.metrics)
  const json = {
    uid: dashboard.name,
    title: dashboard.title,
    description: dashboard.description,
    tags: [...dashboard.tags],
    editable: false,
    graphTooltip: sdk.dashboard.DashboardCursorSync.Crosshair,
    time: { from: `now-${dashboard.span}`, to: 'now' },
    timezone: 'browser',
    refresh: dashboard.refresh,
    schemaVersion: SCHEMA_VERSION,
    links: dashboard.links.map(linkOf),
    templating: { list: drawing.variables() },
    annotations: { list: dashboard.annotations.map((one) => drawing.annotation(one)) },
    panels: drawing.panels(),
  }
  // Through text and back: builders leave undefined fields behind.
  return JSON.parse(JSON.stringify(json)) as GrafanaDashboard
}

class Drawing {
  readonly #dashboard: Dashboard
  readonly #labels: ReadonlyMap<string, readonly string[]>
  /** Whether anything of it is asked of Prometheus: a board may be of SQL alone. */
  readonly #scraped: boolean
  readonly #prometheus: DataSourceReference
  readonly #mysql: DataSourceReference | undefined
  #lastId = 0

  constructor(dashboard: Dashboard, metrics: readonly MetricDefinition[]) {
    this.#dashboard = dashboard
    this.#labels = labelsByName([...metrics, ...dashboard.variables.map(({ metric }) => metric)])
    const panels = dashboard.rows.flatMap((row) => row.panels)
    const sql = panels.some((panel) => panel.sql.length > 0)
    this.#scraped =
      !sql || panels.some(({ series }) => series.length > 0) || dashboard.annotations.length > 0 || dashboard.variables.length > 0
    this.#prometheus = { type: 'prometheus', uid: sql ? '$prometheus_datasource' : '$datasource' }
    this.#mysql = sql ? { type: 'mysql', uid: '$mysql_datasource' } : undefined
  }

  variables(): readonly object[] {
    const chosen = this.#jobMetric()
    const prometheus =
      this.#mysql === undefined
        ? datasourceVariable('datasource', 'Data source', 'prometheus')
        : datasourceVariable('prometheus_datasource', 'Prometheus data source', 'prometheus')
    return [
      ...(this.#scraped ? [prometheus] : []),
      ...(this.#mysql === undefined ? [] : [datasourceVariable('mysql_datasource', 'Mysql data source', 'mysql')]),
      ...(chosen === undefined ? [] : [this.#queryVariable('job', 'Job', `label_values(${chosen}, job)`, '.+')]),
      ...this.#dashboard.variables.map((variable) =>
        this.#queryVariable(
          variable.name,
          variable.title,
          `label_values(${promql(this.#narrowed({ kind: 'select', metric: seriesName(variable), matchers: [] }, false))}, ${variable.label})`,
          // Not `.+`: a series that lacks the label is drawn as well, as long as nothing is chosen.
          '.*',
        ),
      ),
    ]
  }

  annotation({ name, signal, text, colour }: Annotation): object {
    const expr = promql(this.#narrowed(signal.expression), { rateInterval: '5m' })
    return {
      name,
      enable: true,
      hide: false,
      iconColor: colour,
      datasource: this.#prometheus,
      expr,
      titleFormat: text,
    }
  }

  panels(): readonly object[] {
    let top = 0
    return this.#dashboard.rows.flatMap((row) => {
      const heading = { id: this.#id(), type: 'row', title: row.title, collapsed: row.collapsed, gridPos: { x: 0, y: top, w: GRID, h: 1 } }
      const { positions, bottom } = laidOut(row.panels, top + 1)
      const panels = row.panels.map((panel, index) => ({ ...this.#panel(panel), id: this.#id(), gridPos: positions[index] }))
      top = row.collapsed ? top + 1 : bottom
      return row.collapsed ? [{ ...heading, panels }] : [{ ...heading, panels: [] }, ...panels]
    })
  }

  #id(): number {
    this.#lastId += 1
    return this.#lastId
  }

  #panel(panel: Panel): object {
    const source = panel.sql.length > 0 && this.#mysql !== undefined ? this.#mysql : this.#prometheus
    const { fieldConfig, ...built } = optionsOf(panel)
    const unit = unitOf(panel)
    const defaults = {
      ...fieldConfig?.defaults,
      // A heatmap's cells hold counts; what is measured is on its axis.
      unit: panel.kind === 'heatmap' ? 'short' : unit,
      ...(panel.min === undefined ? {} : { min: panel.min }),
      ...(panel.max === undefined ? {} : { max: panel.max }),
      ...(panel.decimals === undefined ? {} : { decimals: panel.decimals }),
      color: { mode: colourMode(panel) },
      thresholds: { mode: sdk.dashboard.ThresholdsMode.Absolute, steps: thresholdSteps(panel) },
      mappings: mappings(panel),
      ...(panel.drillDown === undefined ? {} : { links: [drillDown(panel.drillDown)] }),
    }
    return {
      ...built,
      title: panel.title,
      description: panel.description,
      datasource: source,
      targets:
        panel.sql.length > 0
          ? panel.sql.map(({ sql, format }, index) => ({
              refId: letter(index),
              datasource: source,
              rawSql: sql,
              rawQuery: true,
              editorMode: 'code',
              format: format ?? 'table',
            }))
          : panel.series.map((series, index) => this.#target(panel, series, index, unit)),
      fieldConfig: { defaults, overrides: fieldConfig?.overrides ?? [] },
      ...(panel.kind === 'table' && panel.sql.length === 0 ? { transformations: tableTransformations(panel) } : {}),
    }
  }

  #target({ kind, title }: Panel, { signal, legend }: Series, index: number, unit: PanelUnit): GrafanaTarget {
    const narrowed = this.#narrowed(signal.expression)
    // Grafana's dates are in milliseconds.
    const inMilliseconds: Expression =
      unit.startsWith('dateTime') && signal.unit === 'timestamp_seconds'
        ? { kind: 'binary', operator: '*', left: narrowed, right: { kind: 'number', value: 1000 } }
        : narrowed
    return {
      refId: letter(index),
      datasource: this.#prometheus,
      expr: promql(inMilliseconds, { rateInterval: '$__rate_interval' }),
      legendFormat: legend === '' ? title : legend,
      format: kind === 'table' ? 'table' : kind === 'heatmap' ? 'heatmap' : 'time_series',
      instant: INSTANT.has(kind),
      range: !INSTANT.has(kind),
    }
  }

  #narrowed(expression: Expression, byVariables = true): Expression {
    return withSelects(expression, (select) => {
      const labels = this.#labels.get(select.metric)
      if (labels === undefined)
        throw failure(DASHBOARD_INVALID, {
          name: this.#dashboard.name,
          problem: `it draws ${select.metric}, which is not among the metrics`,
          advice: 'Export the metric from your project, so that its labels are known.',
        })
      const variables = byVariables ? this.#dashboard.variables.filter(({ label }) => labels.includes(label)) : []
      const matchers: Matcher[] = [
        ...(madeByRules(select.metric) ? [] : [{ label: 'job', operator: '=~' as const, value: '$job' }]),
        ...variables.map(({ name, label }) => ({ label, operator: '=~' as const, value: `$${name}` })),
      ]
      return { ...select, matchers: [...matchers, ...select.matchers] }
    })
  }

  /** The first series drawn that was scraped: its jobs are the choice. */
  #jobMetric(): string | undefined {
    const signals = [
      ...this.#dashboard.rows.flatMap(({ panels }) => panels.flatMap(({ series }) => series.map(({ signal }) => signal))),
      ...this.#dashboard.annotations.map(({ signal }) => signal),
    ]
    return [...signals.flatMap(({ expression }) => [...metricsOf(expression)]), ...this.#dashboard.variables.map(seriesName)].find(
      (metric) => !madeByRules(metric),
    )
  }

  #queryVariable(name: string, label: string, query: string, allValue: string): object {
    return {
      type: 'query',
      name,
      label,
      datasource: this.#prometheus,
      query,
      refresh: sdk.dashboard.VariableRefresh.OnTimeRangeChanged,
      sort: sdk.dashboard.VariableSort.AlphabeticalAsc,
      multi: true,
      includeAll: true,
      allValue,
      current: { selected: true, text: 'All', value: '$__all' },
    }
  }
}

/** Labels of each series by its name; a histogram has three names. */
export function labelsByName(metrics: readonly MetricDefinition[]): ReadonlyMap<string, readonly string[]> {
  return new Map(
    metrics.flatMap(({ kind, name, labelNames }) =>
      (kind === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']).map((suffix) => [`${name}${suffix}`, labelNames] as const),
    ),
  )
}

function seriesName({ metric }: DashboardVariable): string {
  return metric.kind === 'histogram' ? `${metric.name}_count` : metric.name
}

/** The tree with each of its selectors exchanged. */
function withSelects(expression: Expression, change: (select: SelectExpression) => SelectExpression): Expression {
  switch (expression.kind) {
    case 'number':
    case 'time':
      return expression
    case 'select':
      return change(expression)
    case 'range':
      return { ...expression, of: change(expression.of) }
    case 'binary':
    case 'comparison':
    case 'set':
      return { ...expression, left: withSelects(expression.left, change), right: withSelects(expression.right, change) }
    default:
      return { ...expression, of: withSelects(expression.of, change) }
  }
}

/** Left to right, and on to the next line where one does not fit. */
function laidOut(panels: readonly Panel[], top: number): { readonly positions: readonly GridPosition[]; readonly bottom: number } {
  const positions: GridPosition[] = []
  let [x, y, tallest] = [0, top, 0]
  for (const panel of panels) {
    const w = Math.min(panel.width ?? SIZES[panel.kind].width, GRID)
    const h = panel.height ?? SIZES[panel.kind].height
    if (x + w > GRID) [x, y, tallest] = [0, y + tallest, 0]
    positions.push({ x, y, w, h })
    x += w
    tallest = Math.max(tallest, h)
  }
  return { positions, bottom: y + tallest }
}

function unitOf({ unit, series }: Panel): PanelUnit {
  const own = series[0]?.signal.unit
  return unit ?? (own === undefined ? 'short' : UNITS[own])
}

function optionsOf(panel: Panel): SdkPanel {
  const { common } = sdk
  const last = new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false).fields('')
  const legend = new common.VizLegendOptionsBuilder()
    .displayMode(common.LegendDisplayMode.List)
    .placement(common.LegendPlacement.Bottom)
    // What SQL calls its lines is not known before it is asked.
    .showLegend(panel.series.length > 1 || panel.series.some(({ legend }) => legend.includes('{{')) || panel.sql.length > 0)
    .calcs([])
  switch (panel.kind) {
    case 'stat':
      return new sdk.stat.PanelBuilder().graphMode(common.BigValueGraphMode.None).reduceOptions(last).build()
    case 'gauge':
      return new sdk.gauge.PanelBuilder().reduceOptions(last).build()
    case 'bargauge':
      return new sdk.barGauge.PanelBuilder().orientation(common.VizOrientation.Horizontal).reduceOptions(last).build()
    case 'piechart': {
      const values = new sdk.pieChart.PieChartLegendOptionsBuilder()
        .displayMode(common.LegendDisplayMode.Table)
        .placement(common.LegendPlacement.Right)
        .showLegend(true)
        .values([sdk.pieChart.PieChartLegendValues.Value, sdk.pieChart.PieChartLegendValues.Percent])
      return new sdk.pieChart.PanelBuilder().pieType(sdk.pieChart.PieChartType.Donut).reduceOptions(last).legend(values).build()
    }
    case 'heatmap':
      return new sdk.heatmap.PanelBuilder()
        .calculate(false)
        .yAxis(new sdk.heatmap.YAxisConfigBuilder().unit(unitOf(panel)))
        .build()
    case 'table':
      return new sdk.table.PanelBuilder().build()
    case 'timeseries': {
      const lines = new sdk.timeSeries.PanelBuilder()
        .legend(legend)
        .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi).sort(common.SortOrder.Descending))
        .fillOpacity(panel.stacked ? 40 : 10)
      if (panel.stacked) lines.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal))
      if (panel.thresholds.length > 0)
        lines.thresholdsStyle(new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Dashed))
      return lines.build()
    }
  }
}

function colourMode({ kind }: Panel): FieldColorModeId {
  return kind === 'timeseries' || kind === 'piechart'
    ? sdk.dashboard.FieldColorModeId.PaletteClassic
    : sdk.dashboard.FieldColorModeId.Thresholds
}

function thresholdSteps({ thresholds, kind }: Panel): readonly object[] {
  const base = thresholds.length > 0 || kind === 'gauge' || kind === 'bargauge' ? 'green' : 'text'
  const steps = [...thresholds].sort((a, b) => a.at - b.at).map(({ at, colour }) => ({ value: at, color: colour }))
  return [{ value: null, color: base }, ...steps]
}

function mappings({ values }: Panel): readonly object[] {
  const entries = Object.entries(values).map(([value, { text, colour }], index) => [
    value,
    { text, index, ...(colour === undefined ? {} : { color: colour }) },
  ])
  return entries.length === 0 ? [] : [{ type: sdk.dashboard.MappingType.ValueToText, options: Object.fromEntries(entries) }]
}

/** The time and what is chosen go along. */
function drillDown(name: string): object {
  return { title: `Look closer: ${name}`, url: `/d/${name}?\${__url_time_range}&\${__all_variables}`, targetBlank: false }
}

function linkOf({ title, to }: DashboardLink): object {
  const address = /^(https?:\/\/|\/)/.test(to)
  return {
    title,
    type: sdk.dashboard.DashboardLinkType.Link,
    icon: address ? 'external link' : 'dashboard',
    tooltip: '',
    url: address ? to : `/d/${to}`,
    tags: [],
    asDropdown: false,
    targetBlank: address,
    includeVars: !address,
    keepTime: !address,
  }
}

/** One table of all queries, with headings: a label's name, and what the query's legend says beside labels. */
function tableTransformations({ title, series }: Panel): readonly object[] {
  const labels = [...new Set(series.flatMap(({ signal }) => signal.labels))]
  const headings = series.map(({ legend }, index) => {
    const text = legend.replaceAll(/\{\{.*?\}\}/g, '').trim()
    return [series.length === 1 ? 'Value' : `Value #${letter(index)}`, text === '' ? title : text]
  })
  return [
    ...(series.length > 1 ? [{ id: 'merge', options: {} }] : []),
    {
      id: 'organize',
      options: {
        excludeByName: { Time: true, __name__: true, job: true, instance: true },
        indexByName: {},
        renameByName: Object.fromEntries([...labels.map((label) => [label, label.charAt(0).toUpperCase() + label.slice(1)]), ...headings]),
      },
    },
  ]
}

/** A to Z, as Grafana calls queries. */
function letter(index: number): string {
  return String.fromCharCode(65 + index)
}

function datasourceVariable(name: string, label: string, query: string): object {
  return { type: 'datasource', name, label, query, refresh: sdk.dashboard.VariableRefresh.OnDashboardLoad, multi: false, includeAll: false }
}

export interface ProvisioningOptions {
  /** Default `http://prometheus:9090`. */
  readonly prometheusUrl?: string
  /** For SQL panels. `$NAME` is a variable of Grafana's environment; the password is one always, `MYSQL_PASSWORD` unless told. */
  readonly mysql?: { readonly host: string; readonly database: string; readonly user: string; readonly passwordVariable?: string }
  /** Where the dashboards' JSON files are. Default `/var/lib/grafana/dashboards`. */
  readonly dashboardsFolder?: string
  /** Default `Sluice`. */
  readonly folder?: string
}

/** Files for Grafana's `provisioning` folder, by their names in it. A password stays in Grafana's environment. */
export function grafanaProvisioning(options: ProvisioningOptions = {}): ReadonlyMap<string, string> {
  const command = 'sluice generate grafana'
  const { mysql } = options
  const datasources = [
    {
      name: 'Prometheus',
      uid: 'prometheus',
      type: 'prometheus',
      access: 'proxy',
      url: options.prometheusUrl ?? 'http://prometheus:9090',
      isDefault: true,
      editable: false,
      jsonData: { timeInterval: '15s', httpMethod: 'POST' },
    },
    ...(mysql === undefined
      ? []
      : [
          {
            name: 'MySQL',
            uid: 'mysql',
            type: 'mysql',
            url: mysql.host,
            user: mysql.user,
            editable: false,
            jsonData: { database: mysql.database },
            secureJsonData: { password: `$__env{${mysql.passwordVariable ?? 'MYSQL_PASSWORD'}}` },
          },
        ]),
  ]
  const providers = [
    {
      name: 'sluice',
      folder: options.folder ?? 'Sluice',
      type: 'file',
      disableDeletion: true,
      allowUiUpdates: false,
      options: { path: options.dashboardsFolder ?? '/var/lib/grafana/dashboards' },
    },
  ]
  return new Map([
    ['datasources/sluice.yml', generatedYaml(command, { apiVersion: 1, datasources })],
    ['dashboards/sluice.yml', generatedYaml(command, { apiVersion: 1, providers })],
  ])
}
