import { DASHBOARD_INVALID, failure } from '../errors/index.js'
import { testAlert } from '../monitoring/index.js'
import {
  alertLabels,
  alertmanagerConfig,
  composeStack,
  type Dashboard,
  grafanaDashboard,
  grafanaProvisioning,
  isAlert,
  isRecording,
  lintDashboard,
  prometheusConfig,
  prometheusRules,
  promtoolTests,
  receiversFor,
  runbook,
  secretNames,
} from '../observability/index.js'
import { monitorsOf, type Project } from '../pipeline/index.js'

/** The files of a monitoring stack, made from a project's definitions. */

export interface GeneratedFile {
  /** From the folder they are written to, with `/`. */
  readonly path: string
  readonly text: string
}

export const MONITORING_TARGETS = ['prometheus', 'alertmanager', 'grafana', 'compose'] as const
export type MonitoringTarget = (typeof MONITORING_TARGETS)[number]

/** Where `sluice serve` has alerts' pages when the project names no other place. */
const OWN_RUNBOOKS = 'http://127.0.0.1:9464/runbooks/'

export function runbookUrlOf(project: Project): string {
  return project.config.runbookUrl ?? OWN_RUNBOOKS
}

/** The files of one part. What `sluice generate` writes, and what `--check` holds against what was written. */
export function monitoringFiles(target: MonitoringTarget, project: Project): GeneratedFile[] {
  switch (target) {
    case 'prometheus':
      return prometheusFiles(project)
    case 'alertmanager':
      return alertmanagerFiles(project)
    case 'grafana':
      return grafanaFiles(project)
    case 'compose':
      return [
        { path: 'compose.yml', text: composeStack({ secrets: secretNames(monitorsOf(project).notifications), mysql: drawsSql(project) }) },
      ]
  }
}

function prometheusFiles(project: Project): GeneratedFile[] {
  const { groups, dashboards, notifications } = monitorsOf(project)
  const runbookUrl = runbookUrlOf(project)
  const everyOf = new Map(groups.flatMap((group) => group.rules.map((rule) => [rule, group.every] as const)))
  const tests = promtoolTests(groups, {
    rulesFile: 'rules.yml',
    runbookUrl,
    found: (alert, test) => testAlert(groups, everyOf.get(alert) ?? 60_000, alert, test).fired,
  })
  const config = prometheusConfig({
    job: project.config.name,
    // Runs push to the stack's Pushgateway. `sluice serve` has the same numbers: scraping both would count them twice.
    targets: [],
    pushgateway: 'pushgateway:9091',
    alertmanager: 'alertmanager:9093',
    ruleFiles: ['rules.yml'],
  })
  const alerts = groups.flatMap((group) => group.rules.filter(isAlert))
  return [
    { path: 'prometheus/prometheus.yml', text: config },
    { path: 'prometheus/rules.yml', text: prometheusRules(groups, { runbookUrl }) },
    ...tests.map(({ name, text }) => ({ path: `prometheus/${name}`, text })),
    ...[...new Map(alerts.map((alert) => [alert.name, alert])).values()].map((alert) => ({
      path: `runbooks/${alert.name}.md`,
      text: runbook(alert, { dashboards, receivers: receiversFor(notifications, alertLabels(alert, {})).map(({ name }) => name) }),
    })),
  ]
}

function alertmanagerFiles(project: Project): GeneratedFile[] {
  const { groups, notifications } = monitorsOf(project)
  const alerts = groups.flatMap((group) => group.rules.filter(isAlert))
  return [{ path: 'alertmanager/alertmanager.yml', text: alertmanagerConfig(notifications, alerts, { runbooks: true }) }]
}

function grafanaFiles(project: Project): GeneratedFile[] {
  const { dashboards, groups, metrics } = monitorsOf(project)
  const definitions = [...metrics, ...groups.flatMap((group) => group.rules.filter(isRecording))].map(({ definition }) => definition)
  const named = withUids(project.config.name, dashboards)
  const uids = named.map((one) => one.name)
  const files = named.map((one, index) => {
    const drawn = grafanaDashboard(one, { metrics: definitions })
    const [finding] = lintDashboard(drawn, { metrics: definitions, dashboards: uids, exclusions: one.exclusions })
    if (finding !== undefined) {
      const problem = `${finding.panel === undefined ? '' : `its panel "${finding.panel}": `}${finding.problem} (${finding.rule})`
      throw failure(DASHBOARD_INVALID, { name: one.name, problem, advice: 'Mend it, or give the rule and a reason in its `exclusions`.' })
    }
    return { path: `grafana/dashboards/${dashboards[index]?.name}.json`, text: `${JSON.stringify(drawn, undefined, 2)}\n` }
  })
  const mysql = drawsSql(project) ? { mysql: { host: '$MYSQL_HOST', database: '$MYSQL_DATABASE', user: '$MYSQL_USER' } } : {}
  const provisioning = [...grafanaProvisioning({ folder: project.config.name, ...mysql })].map(([name, text]) => ({
    path: `grafana/provisioning/${name}`,
    text,
  }))
  return [...files, ...provisioning]
}

/** A dashboard's uid begins with the project, so that several projects can share a Grafana. It has no more than 40 characters. */
function withUids(project: string, dashboards: readonly Dashboard[]): Dashboard[] {
  const names = new Set(dashboards.map((one) => one.name))
  const uidOf = (name: string) =>
    names.has(name) ? `${project.replaceAll(/[^a-zA-Z0-9_-]/g, '-').slice(0, Math.max(0, 39 - name.length))}-${name}` : name
  return dashboards.map((one) => ({
    ...one,
    name: uidOf(one.name),
    links: one.links.map((link) => ({ ...link, to: uidOf(link.to) })),
    rows: one.rows.map((row) => ({
      ...row,
      panels: row.panels.map((panel) => ({ ...panel, drillDown: panel.drillDown === undefined ? undefined : uidOf(panel.drillDown) })),
    })),
  }))
}

function drawsSql(project: Project): boolean {
  return monitorsOf(project).dashboards.some(({ rows }) => rows.some(({ panels }) => panels.some(({ sql }) => sql.length > 0)))
}
