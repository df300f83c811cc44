import { messageOf } from '../errors/index.js'
import type { MetricDefinition } from './definition.js'
import type { Expression, RangeExpression, SelectExpression } from './expression.js'
import { type GrafanaDashboard, type GrafanaPanel, type GrafanaTarget, labelsByName, madeByRules } from './grafana.js'
import { sdk } from './grafana-sdk.js'
import { parsePromql } from './promql-parser.js'

/** Rules that hold nowhere in this framework, with the reason. */
export const PROJECT_EXCLUSIONS: Readonly<Record<string, string>> = {
  'template-instance': 'A batch is the same whichever machine runs it: its metrics have no instance that means anything.',
  'target-instance': 'A batch is the same whichever machine runs it: its metrics have no instance that means anything.',
}

export interface LintFinding {
  readonly rule: string
  readonly dashboard: string
  readonly panel?: string
  readonly problem: string
}

export interface LintOptions {
  /** Metrics that are drawn, so that legends can be held against their labels. */
  readonly metrics: readonly MetricDefinition[]
  /** uids that links may lead to. */
  readonly dashboards: readonly string[]
  /** Rules that do not hold for this dashboard, each with its reason: `dashboard.exclusions`. */
  readonly exclusions?: Readonly<Record<string, string>>
}

type Report = (rule: string, problem: string, panel?: GrafanaPanel) => void

/**
 * What is wrong with a dashboard, by the rules of Grafana's own linter (grafana/dashboard-linter, under its names for them without `-rule`)
 * and some of ours: `panel-ids`, `panel-overlap`, `legend-labels`, `variable-declared`, `link-target`, `exclusion-reason`. Empty: nothing.
 */
export function lintDashboard(dashboard: GrafanaDashboard, options: LintOptions): readonly LintFinding[] {
  const found: LintFinding[] = []
  const exclusions = { ...PROJECT_EXCLUSIONS, ...options.exclusions }
  const report: Report = (rule, problem, panel) => {
    if ((exclusions[rule] ?? '').trim() !== '') return
    found.push({ rule, dashboard: dashboard.uid, ...(panel === undefined ? {} : { panel: panel.title }), problem })
  }
  for (const [rule, reason] of Object.entries(exclusions))
    if (reason.trim() === '') report('exclusion-reason', `${rule} is excluded without a reason`)
  lintWhole(dashboard, report)
  lintVariables(dashboard, report)
  lintLayout(dashboard, report)
  lintLinks(dashboard, options.dashboards, report)
  const labels = labelsByName(options.metrics)
  for (const panel of panelsOf(dashboard)) lintPanel(panel, dashboard, labels, report)
  return found
}

function lintWhole(dashboard: GrafanaDashboard, report: Report): void {
  if (dashboard.editable) report('uneditable-dashboard', 'it can be edited, and what is edited is lost when it is generated again')
  for (const { name, expr } of dashboard.annotations.list) {
    const problem = parsed(expr)
    if (typeof problem === 'string') report('target-promql', `the annotation ${name}: ${problem}`)
  }
}

const TEMPLATE_LABELS: Readonly<Record<string, string>> = { job: 'Job', instance: 'Instance' }

function lintVariables(dashboard: GrafanaDashboard, report: Report): void {
  const list = dashboard.templating.list
  const sources = list.filter(({ type }) => type === 'datasource')
  if (sources.length === 0) report('template-datasource', 'it has no variable for its data source')
  for (const { name, label, query } of sources) {
    const kind = query.charAt(0).toUpperCase() + query.slice(1)
    const plain = sources.length === 1
    if (name !== `${query}_datasource` && !(plain && name === 'datasource'))
      report('template-datasource', `its variable ${name} is to be called ${plain ? 'datasource' : `${query}_datasource`}`)
    if (label !== `${kind} data source` && !(plain && label === 'Data source'))
      report('template-datasource', `its variable ${name} is to be labelled "${plain ? 'Data source' : `${kind} data source`}"`)
  }
  const scraped = panelsOf(dashboard).some((panel) => targetsOf(panel).some(({ expr }) => selects(expr).some(isScraped)))
  for (const [name, label] of Object.entries(TEMPLATE_LABELS)) {
    const rule = `template-${name}`
    const variable = list.find((one) => one.name === name)
    if (variable === undefined) {
      if (scraped) report(rule, `it has no variable ${name}`)
      continue
    }
    if (!isSource(dashboard, variable.datasource?.uid)) report(rule, `its variable ${name} has a data source of its own`)
    if (variable.type !== 'query') report(rule, `its variable ${name} is no query`)
    if (variable.label !== label) report(rule, `its variable ${name} is to be labelled "${label}"`)
    if (variable.multi !== true) report(rule, `its variable ${name} takes one value only`)
    if (variable.allValue !== '.+') report(rule, `its variable ${name} has "${variable.allValue}" for all values, not ".+"`)
  }
  for (const { name, query, refresh } of list.filter((one) => one.type === 'query')) {
    const selector = /^label_values\((.*), *[a-zA-Z_][a-zA-Z0-9_]*\)$/.exec(query)?.[1]
    const problem = selector === undefined ? `${query} is no label_values(selector, label)` : parsed(selector)
    if (typeof problem === 'string') report('template-label-promql', `its variable ${name}: ${problem}`)
    if (refresh !== 2) report('template-on-time-change-reload', `its variable ${name} is not read anew when the time changes`)
  }
}

function lintLayout(dashboard: GrafanaDashboard, report: Report): void {
  const ids = new Set<number>()
  for (const panel of [...dashboard.panels, ...dashboard.panels.flatMap((row) => row.panels ?? [])]) {
    if (ids.has(panel.id) || panel.id < 1) report('panel-ids', `${panel.id} is the id of another panel as well, or of none`, panel)
    ids.add(panel.id)
  }
  for (const level of [dashboard.panels, ...dashboard.panels.map((row) => row.panels ?? [])])
    level.forEach((panel, index) => {
      if (panel.gridPos.x + panel.gridPos.w > 24) report('panel-overlap', 'it reaches over the right edge', panel)
      const other = level.slice(index + 1).find((one) => overlap(panel, one))
      if (other !== undefined) report('panel-overlap', `it lies over ${other.title}`, panel)
    })
}

function overlap({ gridPos: a }: GrafanaPanel, { gridPos: b }: GrafanaPanel): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h
}

function lintLinks(dashboard: GrafanaDashboard, known: readonly string[], report: Report): void {
  const check = (url: string, panel?: GrafanaPanel) => {
    const uid = /^\/d\/([^/?]+)/.exec(url)?.[1]
    if (uid !== undefined && !known.includes(uid)) report('link-target', `there is no dashboard ${uid}`, panel)
  }
  for (const { url } of dashboard.links) check(url)
  for (const panel of panelsOf(dashboard))
    for (const { url } of (panel.fieldConfig?.defaults['links'] ?? []) as readonly { readonly url: string }[]) check(url, panel)
}

function lintPanel(panel: GrafanaPanel, dashboard: GrafanaDashboard, labels: LabelsByName, report: Report): void {
  const defaults = panel.fieldConfig?.defaults ?? {}
  const targets = targetsOf(panel)
  if (!isSource(dashboard, panel.datasource?.uid)) report('panel-datasource', 'its data source is no variable', panel)
  if (panel.title.trim() === '' || (panel.description ?? '').trim() === '')
    report('panel-title-description', 'it has no title or no description', panel)
  const mapped = Array.isArray(defaults['mappings']) && defaults['mappings'].length > 0
  if (!Object.values<unknown>(sdk.units).includes(defaults['unit']) && !mapped)
    report('panel-units', `its unit ${String(defaults['unit'])} is none of Grafana's`, panel)
  if (targets.length === 0) report('panel-no-targets', 'it asks for nothing', panel)
  if (new Set(targets.map(({ refId }) => refId)).size < targets.length) report('panel-ids', 'two of its queries have one name', panel)
  const declared = new Set(dashboard.templating.list.map(({ name }) => name))
  for (const target of targets) {
    const used = [...`${target.expr ?? ''} ${target.rawSql ?? ''}`.matchAll(/\$\{?([a-zA-Z_]\w*)/g)].map(([, name]) => name ?? '')
    const undeclared = used.find((name) => !name.startsWith('__') && !declared.has(name))
    if (undeclared !== undefined) report('variable-declared', `it uses $${undeclared}, which is not declared`, panel)
    lintTarget(target, panel, labels, report)
  }
}

function lintTarget({ expr, legendFormat, rawSql }: GrafanaTarget, panel: GrafanaPanel, labels: LabelsByName, report: Report): void {
  if (expr === undefined) {
    if ((rawSql ?? '').trim() === '') report('panel-no-targets', 'a query of it is empty', panel)
    return
  }
  const expression = parsed(expr)
  if (typeof expression === 'string') {
    report('target-promql', `${expr}: ${expression}`, panel)
    return
  }
  for (const { select, range } of selectorsIn(expression)) {
    for (const label of isScraped(select) ? Object.keys(TEMPLATE_LABELS) : [])
      if (!select.matchers.some((one) => one.label === label && one.operator === '=~' && one.value === `$${label}`))
        report(`target-${label}`, `${select.metric} is not narrowed by ${label}=~"$${label}"`, panel)
    if (select.metric.endsWith('_total') && !['rate', 'irate', 'increase'].includes(range?.function ?? ''))
      report('target-counter-agg', `${select.metric} is read as it stands; what a counter says depends on when it began`, panel)
    if ((range?.function === 'rate' || range?.function === 'irate') && range.window !== RATE_INTERVAL)
      report('target-rate-interval', `${range.function} of ${select.metric} has a window of its own, not $__rate_interval`, panel)
  }
  const output = outputLabels(expression, labels)
  const strange = [...(legendFormat ?? '').matchAll(/\{\{\s*(.*?)\s*\}\}/g)].find(
    ([, label = '']) => output !== undefined && !output.includes(label),
  )
  if (strange !== undefined) report('legend-labels', `its legend has ${strange[0]}, a label that the query does not give`, panel)
}

type LabelsByName = ReadonlyMap<string, readonly string[]>

/** Stands for `$__rate_interval` while a query is read; a length that nobody writes. */
const RATE_INTERVAL = 7_654_321

/** The tree, or what is wrong. */
function parsed(text: string): Expression | string {
  try {
    return parsePromql(text.replaceAll(/\$(__(?:rate_)?interval|__range)\b|\$\{(?:__(?:rate_)?interval|__range)\}/g, '2h7m34s321ms'))
  } catch (error) {
    return messageOf(error)
  }
}

function selects(text: string | undefined): readonly SelectExpression[] {
  const expression = text === undefined ? '' : parsed(text)
  return typeof expression === 'string' ? [] : selectorsIn(expression).map(({ select }) => select)
}

function isScraped({ metric }: SelectExpression): boolean {
  return !madeByRules(metric)
}

interface FoundSelector {
  readonly select: SelectExpression
  readonly range?: RangeExpression
}

function selectorsIn(expression: Expression): readonly FoundSelector[] {
  switch (expression.kind) {
    case 'number':
    case 'time':
      return []
    case 'select':
      return [{ select: expression }]
    case 'range':
      return [{ select: expression.of, range: expression }]
    case 'binary':
    case 'comparison':
    case 'set':
      return [...selectorsIn(expression.left), ...selectorsIn(expression.right)]
    default:
      return selectorsIn(expression.of)
  }
}

/** Labels that the elements of a query can have; undefined: any, since a metric in it is not known. */
function outputLabels(expression: Expression, known: LabelsByName): readonly string[] | undefined {
  switch (expression.kind) {
    case 'number':
    case 'time':
    case 'vector':
    case 'scalar':
      return []
    case 'select': {
      const own = known.get(expression.metric)
      return own === undefined ? undefined : [...own, ...(expression.metric.endsWith('_bucket') ? ['le'] : []), 'job', 'instance']
    }
    case 'range':
      return outputLabels(expression.of, known)
    case 'absent':
      return expression.of.kind === 'select'
        ? expression.of.matchers.filter(({ operator }) => operator === '=').map(({ label }) => label)
        : []
    case 'call':
      return outputLabels(expression.of, known)
    case 'histogram_quantile':
      return outputLabels(expression.of, known)?.filter((label) => label !== 'le')
    case 'aggregate': {
      const inner = outputLabels(expression.of, known)
      if (expression.operator === 'topk' || expression.operator === 'bottomk') return inner
      const { grouping } = expression
      if ('by' in grouping) return inner === undefined ? grouping.by : grouping.by.filter((label) => inner.includes(label))
      return inner?.filter((label) => !grouping.without.includes(label))
    }
    case 'binary':
    case 'comparison': {
      const [left, right] = [outputLabels(expression.left, known), outputLabels(expression.right, known)]
      if (isNumber(expression.left)) return right
      const { matching } = expression
      if (matching === undefined || isNumber(expression.right)) return left
      return 'on' in matching ? matching.on : left?.filter((label) => !matching.ignoring.includes(label))
    }
    case 'set': {
      const [left, right] = [outputLabels(expression.left, known), outputLabels(expression.right, known)]
      if (expression.operator !== 'or') return left
      return left === undefined || right === undefined ? undefined : [...left, ...right]
    }
  }
}

function isNumber({ kind }: Expression): boolean {
  return kind === 'number' || kind === 'time' || kind === 'scalar'
}

/** A dashboard's panels, those of collapsed rows too, without the rows. */
function panelsOf(dashboard: GrafanaDashboard): readonly GrafanaPanel[] {
  return dashboard.panels.flatMap((panel) => (panel.type === 'row' ? (panel.panels ?? []) : [panel]))
}

function targetsOf(panel: GrafanaPanel): readonly GrafanaTarget[] {
  return panel.targets ?? []
}

function isSource(dashboard: GrafanaDashboard, uid: string | undefined): boolean {
  return dashboard.templating.list.some(({ type, name }) => type === 'datasource' && (uid === `$${name}` || uid === `\${${name}}`))
}
