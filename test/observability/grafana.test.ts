import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { type GrafanaPanel, grafanaDashboard, grafanaProvisioning } from '../../src/observability/grafana.js'
import { lintDashboard } from '../../src/observability/grafana-lint.js'
import { dashboard, gauge, row, stat, timeSeries } from '../../src/observability/index.js'
import { lastSuccess, metrics, rows, shop, shopDetails } from './sample.js'

const json = grafanaDashboard(shop, { metrics })
const all = json.panels.flatMap((panel) => [panel, ...(panel.panels ?? [])])
const panel = (title: string): GrafanaPanel => {
  const found = all.find((one) => one.title === title)
  if (found === undefined) throw new Error(`There is no panel ${title}.`)
  return found
}
const expressions = (title: string) => panel(title).targets?.map(({ expr }) => expr)

describe('a dashboard', () => {
  test('has a panel of every kind, each with an id of its own', () => {
    expect(new Set(all.map(({ type }) => type))).toEqual(
      new Set(['row', 'stat', 'gauge', 'bargauge', 'piechart', 'timeseries', 'heatmap', 'table']),
    )
    expect(all.map(({ id }) => id)).toEqual(all.map((_, index) => index + 1))
  })

  test('is laid out from left to right, under its rows', () => {
    const places = json.panels.map(({ title, gridPos: { x, y, w, h } }) => [title, x, y, w, h])
    expect(places).toEqual([
      ['Now', 0, 0, 24, 1],
      ['Failed today', 0, 1, 4, 4],
      ['State', 4, 1, 4, 4],
      ['Last written', 8, 1, 4, 4],
      ['Waiting', 12, 1, 6, 6],
      ['Rows in an hour', 0, 7, 8, 8],
      ['Batches', 8, 7, 8, 8],
      ['Over time', 0, 15, 24, 1],
      ['Step time', 0, 16, 12, 8],
      ['Rows a second', 12, 16, 12, 8],
      ['Step time, spread', 0, 24, 12, 8],
      ['Tables', 0, 32, 24, 1],
    ])
    expect(json.panels.at(-1)).toMatchObject({ type: 'row', collapsed: true })
    expect(json.panels.at(-1)?.panels?.map(({ title }) => title)).toEqual(['By dataset', 'Orders by day', 'Orders over time'])
  })

  test('goes on under a collapsed row, whose panels take no room', () => {
    const one = row('A', [stat('a', rows.increase('1d').sum(), { description: 'a' })], { collapsed: true })
    const two = row('B', [stat('b', rows.increase('1d').sum(), { description: 'b' })])
    const places = grafanaDashboard(dashboard('two', { title: 'Two', rows: [one, two] }), { metrics }).panels.map(
      ({ gridPos }) => gridPos.y,
    )
    expect(places).toEqual([0, 1, 2])
  })

  test('cannot be edited, and looks back and draws anew as it says', () => {
    expect(json).toMatchObject({
      uid: 'shop',
      editable: false,
      refresh: '30s',
      time: { from: 'now-6h', to: 'now' },
      tags: ['shop'],
      schemaVersion: 42,
    })
  })

  test('asks in its variables for what the metrics have', () => {
    expect(json.templating.list.map(({ name, query, label }) => [name, label, query])).toEqual([
      ['prometheus_datasource', 'Prometheus data source', 'prometheus'],
      ['mysql_datasource', 'Mysql data source', 'mysql'],
      ['job', 'Job', 'label_values(shop_batches_total, job)'],
      ['dataset', 'Dataset', 'label_values(shop_rows_total{job=~"$job"}, dataset)'],
    ])
    expect(grafanaDashboard(shopDetails, { metrics }).templating.list[0]).toMatchObject({ name: 'datasource', label: 'Data source' })
  })

  test('narrows each query by the job, and by the variables whose label its metric has', () => {
    expect(expressions('Failed today')).toEqual([
      'sum(increase(shop_batches_total{job=~"$job",dataset=~"$dataset",status="failed"}[1d])) or vector(0)',
    ])
    expect(expressions('Waiting')).toEqual(['shop_queue_rows{job=~"$job"}'])
  })

  test('does not ask what is recorded for a job, which it has lost', () => {
    expect(expressions('Rows in an hour')).toEqual(['dataset:shop_rows:increase1h{dataset=~"$dataset"}'])
  })

  test("leaves the window to Grafana where it is 'auto'", () => {
    expect(expressions('Step time')?.[1]).toBe(
      'histogram_quantile(0.95, sum by (step, le) (rate(shop_step_duration_seconds_bucket{job=~"$job",dataset=~"$dataset"}[$__rate_interval])))',
    )
  })

  test('asks for the last moment where only that is shown', () => {
    const instant = all.flatMap(({ type, targets = [] }) =>
      targets.filter(({ expr }) => expr !== undefined).map((one) => [type, one.instant, one.range]),
    )
    expect(Object.fromEntries(instant.map(([type, ...rest]) => [type, rest]))).toEqual({
      stat: [true, false],
      gauge: [true, false],
      bargauge: [true, false],
      piechart: [true, false],
      table: [true, false],
      timeseries: [false, true],
      heatmap: [false, true],
    })
    expect(panel('Waiting').options).toMatchObject({ reduceOptions: { calcs: ['lastNotNull'] } })
  })

  test("gives moments in milliseconds, as Grafana's dates are", () => {
    expect(expressions('Last written')?.[0]).toMatch(/ \* 1000$/)
    expect(panel('Last written').fieldConfig?.defaults).toMatchObject({ unit: 'dateTimeAsIso' })
  })

  test('colours by thresholds, names values, and takes the unit of what it draws', () => {
    expect(panel('Waiting').fieldConfig?.defaults).toMatchObject({
      unit: 'short',
      min: 0,
      max: 1000,
      thresholds: {
        mode: 'absolute',
        steps: [
          { value: null, color: 'green' },
          { value: 500, color: 'orange' },
        ],
      },
    })
    expect(panel('State').fieldConfig?.defaults['mappings']).toEqual([
      { type: 'value', options: { 0: { text: 'short', color: 'green', index: 0 }, 1: { text: 'long', color: 'red', index: 1 } } },
    ])
    expect(panel('Step time').fieldConfig?.defaults).toMatchObject({ unit: 's', custom: { thresholdsStyle: { mode: 'dashed' } } })
    expect(panel('Rows a second').fieldConfig?.defaults).toMatchObject({ unit: 'rowsps', custom: { stacking: { mode: 'normal' } } })
  })

  test('reads a histogram as buckets, with its unit on the axis', () => {
    expect(panel('Step time, spread')).toMatchObject({
      targets: [{ format: 'heatmap', legendFormat: '{{le}}' }],
      options: { calculate: false, yAxis: { unit: 's' } },
    })
  })

  test('makes one table of several queries, with headings', () => {
    expect(panel('By dataset').transformations).toEqual([
      { id: 'merge', options: {} },
      {
        id: 'organize',
        options: {
          excludeByName: { Time: true, __name__: true, job: true, instance: true },
          indexByName: {},
          renameByName: { dataset: 'Dataset', 'Value #A': 'Rows', 'Value #B': 'Age' },
        },
      },
    ])
  })

  test('asks MySQL in SQL', () => {
    const source = { type: 'mysql', uid: '$mysql_datasource' }
    expect(panel('Orders by day')).toMatchObject({
      datasource: source,
      targets: [{ refId: 'A', datasource: source, rawSql: 'SELECT day, orders FROM daily ORDER BY day', format: 'table' }],
    })
    expect(panel('Orders over time').targets?.[0]).toMatchObject({ format: 'time_series' })
  })

  test('of SQL alone has a MySQL data source and no other, and shows what its lines are called', () => {
    const sql = 'SELECT day AS time, city AS metric, orders FROM daily ORDER BY day'
    const board = dashboard('sql', {
      title: 'SQL',
      rows: [row('r', [timeSeries('Orders', { sql, format: 'time_series' }, { description: 'd' })])],
    })
    const drawn = grafanaDashboard(board, { metrics })
    expect(drawn.templating.list.map(({ name, query }) => [name, query])).toEqual([['mysql_datasource', 'mysql']])
    expect(drawn.panels[1]?.options).toMatchObject({ legend: { showLegend: true } })
    expect(lintDashboard(drawn, { metrics, dashboards: ['sql'] })).toEqual([])
  })

  test('leads on, and takes the time and the choice along', () => {
    expect(json.links).toEqual([
      expect.objectContaining({ title: 'One dataset', url: '/d/shop-details', keepTime: true, includeVars: true, targetBlank: false }),
      expect.objectContaining({ title: 'How to', url: 'https://example.org/how-to', keepTime: false, targetBlank: true }),
    ])
    expect(panel('Failed today').fieldConfig?.defaults['links']).toEqual([
      { title: 'Look closer: shop-details', url: '/d/shop-details?$' + '{__url_time_range}&$' + '{__all_variables}', targetBlank: false },
    ])
  })

  test('marks the time axis', () => {
    expect(json.annotations.list).toEqual([
      expect.objectContaining({
        name: 'Failures',
        iconColor: 'red',
        titleFormat: '{{dataset}} failed',
        expr: 'sum by (dataset) (increase(shop_batches_total{job=~"$job",dataset=~"$dataset",status="failed"}[5m])) > 0',
      }),
    ])
  })

  test('calls a line without labels by its panel', () => {
    const one = dashboard('one', { title: 'One', rows: [row('r', [timeSeries('Rows', rows.rate().sum(), { description: 'd' })])] })
    expect(grafanaDashboard(one, { metrics }).panels[1]?.targets?.[0]?.legendFormat).toBe('Rows')
  })

  test('of a metric that nobody knows is refused, and so is a name that is no uid', () => {
    const strange = gauge('strange_rows', { help: 'Nobody exports it.' })
    const drawn = (name: string, signal: ReturnType<typeof strange.now>) =>
      dashboard(name, { title: 'x', rows: [row('r', [stat('x', signal, { description: 'x' })])] })
    expect(() => grafanaDashboard(drawn('x', strange.now()), { metrics })).toThrow(
      expect.objectContaining({ code: 'DASHBOARD_INVALID', message: expect.stringContaining('strange_rows') }),
    )
    expect(() => grafanaDashboard(drawn('no uid', lastSuccess.now().max()), { metrics })).toThrow(
      expect.objectContaining({ code: 'DASHBOARD_INVALID', message: expect.stringContaining('uid') }),
    )
  })
})

test("Grafana is told of its data sources, with no password in the text, and of the dashboards' folder", () => {
  const files = grafanaProvisioning({ mysql: { host: 'db:3306', database: 'shop', user: 'reader' } })
  expect(parse(files.get('datasources/sluice.yml') ?? '')).toMatchObject({
    apiVersion: 1,
    datasources: [
      { type: 'prometheus', url: 'http://prometheus:9090', isDefault: true },
      { type: 'mysql', url: 'db:3306', secureJsonData: { password: '$__env{MYSQL_PASSWORD}' } },
    ],
  })
  expect(parse(files.get('dashboards/sluice.yml') ?? '')).toMatchObject({
    providers: [{ type: 'file', allowUiUpdates: false, options: { path: '/var/lib/grafana/dashboards' } }],
  })
  expect(grafanaProvisioning().get('datasources/sluice.yml')).not.toContain('mysql')
})
