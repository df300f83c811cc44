import * as anomaly from '../anomaly/metrics.js'
import { type Expression, type Matcher, matching } from '../observability/expression.js'
import type { Alert, Dashboard, Inhibition, Labels, Metric, Notifications, RuleGroup } from '../observability/index.js'
import {
  isAlert,
  isDashboard,
  isMetric,
  isNotifications,
  isRuleGroup,
  receiver,
  notifications as route,
  ruleGroup,
  trackedSeconds,
  trackedWork,
} from '../observability/index.js'
import * as quality from '../quality/metrics.js'
import * as reconciliation from '../reconciliation/metrics.js'
import * as sources from '../sources/metrics.js'
import * as syncs from '../sync/metrics.js'
import * as tables from '../table/metrics.js'
import { type Dataset, readsOf } from './dataset.js'
import { defaultAlerts, isTuning, type Tuning } from './default-alerts.js'
import * as own from './metrics.js'

/** What a project's `monitors/` define. */
export interface Definitions {
  readonly metrics: readonly Metric[]
  readonly alerts: readonly Alert[]
  readonly groups: readonly RuleGroup[]
  readonly dashboards: readonly Dashboard[]
  readonly notifications: readonly Notifications[]
  readonly tunings: readonly Tuning[]
}

export const NO_MONITORS: Definitions = { metrics: [], alerts: [], groups: [], dashboards: [], notifications: [], tunings: [] }

/** What is watched, drawn and told of a project: its own definitions and the framework's. */
export interface Monitors {
  readonly metrics: readonly Metric[]
  readonly groups: readonly RuleGroup[]
  readonly dashboards: readonly Dashboard[]
  readonly notifications: Notifications
}

/** The metrics that every project has. */
export const FRAMEWORK_METRICS: readonly Metric[] = [
  ...[own, quality, sources, tables, syncs, reconciliation, anomaly, { trackedWork, trackedSeconds }].flatMap((stage) =>
    Object.values(stage).filter(isMetric),
  ),
]

/** Sorts what modules under `monitors/` export. */
export function collectMonitors(exported: Iterable<unknown>): Definitions {
  const all = [...new Set([...exported].flatMap((one) => (Array.isArray(one) ? (one as unknown[]) : [one])))]
  const groups = all.filter(isRuleGroup)
  const grouped = new Set(groups.flatMap((group) => group.rules))
  return {
    metrics: all.filter(isMetric),
    alerts: all.filter(isAlert).filter((one) => !grouped.has(one)),
    groups,
    dashboards: all.filter(isDashboard),
    notifications: all.filter(isNotifications),
    tunings: all.filter(isTuning),
  }
}

/** Where alerts go in a project that says nothing: a file in its folder. */
const LOG = receiver('log', { logFile: 'target/alerts.log' })

export function monitorsOf(project: {
  readonly config: { readonly name: string }
  readonly datasets: readonly Dataset[]
  readonly syncs: readonly unknown[]
  readonly monitors: Definitions
}): Monitors {
  const { metrics, alerts, groups, dashboards, notifications, tunings } = project.monitors
  const named = new Set(dashboards.map((one) => one.name))
  const hasExpectations = project.datasets.some((one) => one.expect.length > 0)
  const [given] = notifications
  const told = given ?? route({ default: LOG, groupWait: '0s' })
  return {
    metrics: [...FRAMEWORK_METRICS, ...metrics],
    groups: [
      own.freshnessRules,
      ruleGroup('sluice', { every: '1m', rules: defaultAlerts(tunings).map((one) => withTestsOfItsOwn(one, tunings)) }),
      ...(alerts.length === 0 ? [] : [ruleGroup('alerts', { every: '1m', rules: alerts })]),
      ...groups,
    ],
    dashboards: [
      own.overview(project.config.name),
      own.dataQuality(project.config.name, hasExpectations),
      ...(project.syncs.length > 0 ? [own.storesBoard(project.config.name)] : []),
    ]
      .filter((one) => !named.has(one.name))
      .concat(dashboards),
    notifications: { ...told, inhibit: [...told.inhibit, ...lineageInhibitions(project.datasets)] },
  }
}

/** The tests of default alerts speak of a dataset called orders. Where a rule is about others, they are played with one of those. */
function withTestsOfItsOwn(one: Alert, tunings: readonly Tuning[]): Alert {
  const isAbout = matching(datasetMatchers(one.when.expression))
  const other = [...tunings.flatMap(({ datasets }) => datasets), 'any.other'].find((dataset) => isAbout({ dataset }))
  const renamed = (labels: Labels): Labels =>
    labels['dataset'] === undefined || other === undefined || isAbout(labels) ? labels : { ...labels, dataset: other }
  const tests = one.tests.map((test) => ({
    ...test,
    series: test.series.map((series) => ({ ...series, labels: renamed(series.labels) })),
    ...(test.expected === undefined ? {} : { expected: test.expected.map(renamed) }),
  }))
  return { ...one, tests }
}

function datasetMatchers(expression: Expression): Matcher[] {
  return [
    ...('matchers' in expression ? expression.matchers.filter(({ label }) => label === 'dataset') : []),
    ...('of' in expression ? datasetMatchers(expression.of) : []),
    ...('left' in expression ? [...datasetMatchers(expression.left), ...datasetMatchers(expression.right)] : []),
  ]
}

/** While a dataset fails, that those made from it are stale says nothing new. */
function lineageInhibitions(datasets: readonly Dataset[]): Inhibition[] {
  const below = (name: string, seen = new Set<string>()): Set<string> => {
    for (const one of datasets) {
      if (!readsOf(one).includes(name) || seen.has(one.name)) continue
      seen.add(one.name)
      below(one.name, seen)
    }
    return seen
  }
  return datasets.flatMap(({ name }) => {
    const downstream = [...below(name)]
    if (downstream.length === 0) return []
    const target = { alertname: ['DatasetStale', 'DatasetUnchanged'], dataset: downstream }
    return [{ source: { alertname: 'DatasetFailed', dataset: name }, target, equal: [] }]
  })
}
