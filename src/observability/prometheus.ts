import { type Alert, type AlertTest, alertLabels, isAlert, isRecording, type Rule, type RuleGroup } from './alert.js'
import type { Labels } from './definition.js'
import { durationText } from './duration.js'
import { generatedYaml } from './generated.js'
import { promql, quoted } from './promql.js'
import { renderTemplate } from './template.js'

const COMMAND = 'sluice generate prometheus'

export interface PrometheusRuleOptions {
  /** Where the pages of alerts are: each has its name after it. Without it, alerts have no `runbook_url`. */
  readonly runbookUrl?: string
  /** Milliseconds between scrapes: an `auto` window is four of them. Default 15 s. */
  readonly scrapeInterval?: number
}

/** The rule file: `promtool check rules` passes it. */
export function prometheusRules(groups: readonly RuleGroup[], options: PrometheusRuleOptions = {}): string {
  return generatedYaml(COMMAND, {
    groups: groups.map((group) => ({
      name: group.name,
      interval: durationText(group.every),
      rules: group.rules.map((rule) => ruleOf(rule, options)),
    })),
  })
}

function ruleOf(rule: Rule, options: PrometheusRuleOptions): object {
  const printed = { rateInterval: durationText(4 * (options.scrapeInterval ?? 15_000)) }
  if (isRecording(rule)) return { record: rule.definition.name, expr: promql(rule.signal.expression, printed) }
  const { alertname: _, ...labels } = alertLabels(rule, {})
  return {
    alert: rule.name,
    expr: promql(rule.when.expression, printed),
    ...(rule.for === 0 ? {} : { for: durationText(rule.for) }),
    ...(rule.keepFiring === 0 ? {} : { keep_firing_for: durationText(rule.keepFiring) }),
    labels,
    annotations: annotationsOf(rule, options),
  }
}

function annotationsOf(alert: Alert, { runbookUrl }: PrometheusRuleOptions): Readonly<Record<string, string>> {
  return {
    summary: alert.summary,
    description: alert.description,
    ...(runbookUrl === undefined ? {} : { runbook_url: `${runbookUrl.replace(/\/$/, '')}/${alert.name}` }),
  }
}

/** An element that a condition had when a test looked: its labels, and the value its texts are filled in with. */
export interface FoundElement {
  readonly labels: Labels
  readonly value: number
}

export interface PromtoolTestOptions extends PrometheusRuleOptions {
  /** The rule file's name, relative to the test file. */
  readonly rulesFile: string
  /** What our own evaluation finds firing in a test: promtool is asked whether Prometheus finds the same. */
  readonly found: (alert: Alert, test: AlertTest) => readonly FoundElement[]
}

export interface PromtoolTestFile {
  /** `rules.test.yml`; with the interval when groups have several: `rules.5m.test.yml`. */
  readonly name: string
  readonly text: string
}

/**
 * The tests of all alerts for `promtool test rules`, with every label and annotation that is expected.
 *
 * A file for each interval, since promtool works out all groups at the one interval that its file names.
 */
export function promtoolTests(groups: readonly RuleGroup[], options: PromtoolTestOptions): readonly PromtoolTestFile[] {
  const intervals = [...new Set(groups.map(({ every }) => every))].sort((a, b) => a - b)
  const base = options.rulesFile.replace(/^.*\//, '').replace(/\.ya?ml$/, '')
  return intervals.flatMap((every): PromtoolTestFile[] => {
    const alerts = groups.filter((group) => group.every === every).flatMap((group) => group.rules.filter(isAlert))
    if (alerts.length === 0) return []
    const tests = alerts.flatMap((alert) => testsOf(alert).map((test) => promtoolTest(alert, test, options)))
    const document = {
      rule_files: [options.rulesFile],
      evaluation_interval: durationText(every),
      group_eval_order: groups.map(({ name }) => name),
      tests,
    }
    const name = intervals.length === 1 ? `${base}.test.yml` : `${base}.${durationText(every)}.test.yml`
    return [{ name, text: generatedYaml(COMMAND, document) }]
  })
}

/** The alert that always fires has no test of its own, and is looked at all the same. */
function testsOf(alert: Alert): readonly AlertTest[] {
  return alert.watchdog ? [{ name: 'fires always', series: [], interval: 60_000, at: 0, fires: true }] : alert.tests
}

function promtoolTest(alert: Alert, test: AlertTest, options: PromtoolTestOptions): object {
  const found = alert.watchdog ? [{ labels: {}, value: 1 }] : test.fires ? options.found(alert, test) : []
  return {
    name: `${alert.name} ${test.name}`,
    interval: durationText(test.interval),
    input_series: test.series.map(({ metric, labels, values }) => ({ series: seriesText(metric, labels), values })),
    alert_rule_test: [
      {
        eval_time: durationText(test.at),
        alertname: alert.name,
        exp_alerts: found.map(({ labels, value }) => {
          const { __name__: _, ...element } = labels
          const { alertname: _name, ...all } = alertLabels(alert, element)
          const texts = Object.entries(annotationsOf(alert, options)).map(([key, text]) => [key, renderTemplate(text, labels, value)])
          return { exp_labels: all, exp_annotations: Object.fromEntries(texts) }
        }),
      },
    ],
  }
}

/** `runs_total{status="ok"}` */
export function seriesText(metric: string, labels: Labels): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}=${quoted(value)}`)
  return pairs.length === 0 ? metric : `${metric}{${pairs.join(',')}}`
}

export interface PrometheusConfigOptions {
  /** `host:port` of each process that serves `/metrics`. */
  readonly targets: readonly string[]
  /** `host:port` */
  readonly pushgateway?: string
  /** `host:port` */
  readonly alertmanager?: string
  /** Relative to the configuration. */
  readonly ruleFiles: readonly string[]
  /** Milliseconds between scrapes, and between turns of rules that name no interval. Default 15 s. */
  readonly interval?: number
  /** What targets are called by the label `job`. Default `sluice`. */
  readonly job?: string
}

/** `prometheus.yml`: `promtool check config` passes it. What was pushed keeps the labels it was pushed with. */
export function prometheusConfig(options: PrometheusConfigOptions): string {
  const interval = durationText(options.interval ?? 15_000)
  return generatedYaml(COMMAND, {
    global: { scrape_interval: interval, evaluation_interval: interval },
    rule_files: options.ruleFiles,
    ...(options.alertmanager === undefined
      ? {}
      : { alerting: { alertmanagers: [{ static_configs: [{ targets: [options.alertmanager] }] }] } }),
    scrape_configs: [
      ...(options.targets.length === 0 ? [] : [{ job_name: options.job ?? 'sluice', static_configs: [{ targets: options.targets }] }]),
      ...(options.pushgateway === undefined
        ? []
        : [{ job_name: 'pushgateway', honor_labels: true, static_configs: [{ targets: [options.pushgateway] }] }]),
    ],
  })
}
