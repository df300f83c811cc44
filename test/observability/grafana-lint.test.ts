import { describe, expect, test } from 'vitest'
import { type GrafanaDashboard, type GrafanaPanel, type GrafanaTarget, grafanaDashboard } from '../../src/observability/grafana.js'
import { lintDashboard } from '../../src/observability/grafana-lint.js'
import { metrics, shop, shopDetails } from './sample.js'

const json = grafanaDashboard(shop, { metrics })
const known = { metrics, dashboards: ['shop', 'shop-details'] }
const rulesBroken = (changed: GrafanaDashboard, options = {}) => [
  ...new Set(lintDashboard(changed, { ...known, ...options }).map(({ rule }) => rule)),
]

/** The dashboard with one of its panels changed. */
const withPanel = (title: string, change: (panel: GrafanaPanel) => GrafanaPanel): GrafanaDashboard => ({
  ...json,
  panels: json.panels.map((panel) => (panel.title === title ? change(panel) : panel)),
})
const withTarget = (title: string, change: Partial<GrafanaTarget>) =>
  withPanel(title, (panel) => ({ ...panel, targets: (panel.targets ?? []).map((target) => ({ ...target, ...change })) }))
const withVariable = (name: string, change: object) => ({
  ...json,
  templating: { list: json.templating.list.map((variable) => (variable.name === name ? { ...variable, ...change } : variable)) },
})

test('what is generated breaks no rule', () => {
  expect(lintDashboard(json, known)).toEqual([])
  expect(lintDashboard(grafanaDashboard(shopDetails, { metrics }), known)).toEqual([])
})

describe('a rule finds', () => {
  const counter = 'sum(rate(shop_rows_total{job=~"$job"}[$__rate_interval]))'
  test.each<[string, GrafanaDashboard]>([
    ['uneditable-dashboard', { ...json, editable: true }],
    ['template-datasource', withVariable('prometheus_datasource', { name: 'source' })],
    ['template-datasource', withVariable('mysql_datasource', { label: 'MySQL' })],
    ['template-job', { ...json, templating: { list: json.templating.list.filter(({ name }) => name !== 'job') } }],
    ['template-job', withVariable('job', { allValue: '.*' })],
    ['template-job', withVariable('job', { multi: false })],
    ['template-job', withVariable('job', { datasource: { type: 'prometheus', uid: 'abc' } })],
    ['template-label-promql', withVariable('dataset', { query: 'label_values(shop_rows_total{, dataset)' })],
    ['template-on-time-change-reload', withVariable('dataset', { refresh: 1 })],
    ['panel-datasource', withPanel('Waiting', (panel) => ({ ...panel, datasource: { type: 'prometheus', uid: 'abc' } }))],
    ['panel-title-description', withPanel('Waiting', (panel) => ({ ...panel, description: '' }))],
    ['panel-units', withPanel('Waiting', (panel) => ({ ...panel, fieldConfig: { defaults: { unit: 'apples' }, overrides: [] } }))],
    ['panel-no-targets', withPanel('Waiting', (panel) => ({ ...panel, targets: [] }))],
    ['target-promql', withTarget('Waiting', { expr: 'sum(' })],
    ['target-rate-interval', withTarget('Rows a second', { expr: counter.replace('$__rate_interval', '5m'), legendFormat: '' })],
    ['target-job', withTarget('Rows a second', { expr: counter.replace('=~', '='), legendFormat: '' })],
    ['target-counter-agg', withTarget('Rows a second', { expr: 'sum(shop_rows_total{job=~"$job"})', legendFormat: '' })],
    ['panel-ids', withPanel('Waiting', (panel) => ({ ...panel, id: 2 }))],
    ['panel-overlap', withPanel('Waiting', (panel) => ({ ...panel, gridPos: { ...panel.gridPos, x: 10 } }))],
    ['panel-overlap', withPanel('Waiting', (panel) => ({ ...panel, gridPos: { ...panel.gridPos, w: 13 } }))],
    ['legend-labels', withTarget('Rows a second', { legendFormat: '{{status}}' })],
    ['variable-declared', withTarget('Waiting', { expr: 'shop_queue_rows{job=~"$job",zone=~"$zone"}' })],
    ['link-target', { ...json, links: [{ title: 'x', type: 'link', url: '/d/nowhere' }] }],
  ])('%s', (rule, changed) => {
    expect(rulesBroken(changed)).toContain(rule)
  })

  test('a drill-down that leads nowhere', () => {
    expect(lintDashboard(json, { ...known, dashboards: ['shop'] })).toEqual([
      { rule: 'link-target', dashboard: 'shop', problem: 'there is no dashboard shop-details' },
      { rule: 'link-target', dashboard: 'shop', panel: 'Failed today', problem: 'there is no dashboard shop-details' },
    ])
  })

  test('what is wrong in a collapsed row', () => {
    const changed = withPanel('Tables', (panel) => ({
      ...panel,
      panels: (panel.panels ?? []).map((inner) => ({ ...inner, description: '' })),
    }))
    expect(lintDashboard(changed, known).map(({ panel }) => panel)).toEqual(['By dataset', 'Orders by day', 'Orders over time'])
  })
})

describe('a legend is held against what its query gives:', () => {
  test.each([
    ['shop_queue_rows{job=~"$job"}', '{{instance}}', true],
    ['shop_rows_total{job=~"$job"}', '{{le}}', false],
    ['sum by (le, zone) (increase(shop_step_duration_seconds_bucket{job=~"$job"}[5m]))', '{{le}}', true],
    ['sum by (le, zone) (increase(shop_step_duration_seconds_bucket{job=~"$job"}[5m]))', '{{zone}}', false],
    ['topk(3, sum by (dataset) (increase(shop_rows_total{job=~"$job"}[1h])))', '{{dataset}}', true],
    ['1 - sum by (dataset) (increase(shop_rows_total{job=~"$job"}[1h]))', '{{dataset}}', true],
    ['sum(increase(shop_rows_total{job=~"$job"}[1h])) or vector(0)', '{{dataset}}', false],
    ['sum without (job) (increase(shop_rows_total{job=~"$job"}[1h]))', '{{job}}', false],
    ['histogram_quantile(0.9, sum by (le) (increase(shop_step_duration_seconds_bucket{job=~"$job"}[1h])))', '{{le}}', false],
    ['unknown_metric{job=~"$job"}', '{{anything}}', true],
  ])('%s as %s', (expr, legendFormat, fits) => {
    expect(rulesBroken(withTarget('Rows a second', { expr, legendFormat })).includes('legend-labels')).toBe(fits === false)
  })
})

describe('a rule is excluded', () => {
  const changed = { ...json, editable: true }

  test('with a reason', () => {
    expect(rulesBroken(changed, { exclusions: { 'uneditable-dashboard': 'People try things out on it.' } })).toEqual([])
  })

  test('but not without', () => {
    expect(rulesBroken(changed, { exclusions: { 'uneditable-dashboard': ' ' } })).toEqual(['exclusion-reason', 'uneditable-dashboard'])
  })

  test('for instances everywhere', () => {
    expect(rulesBroken(json, { exclusions: { 'target-instance': '', 'template-instance': '' } })).toEqual([
      'exclusion-reason',
      'template-instance',
      'target-instance',
    ])
  })
})
