import { type Alert, type AlertTest, alertLabels } from './alert.js'
import type { Dashboard } from './dashboard.js'
import { durationText } from './duration.js'
import type { Expression } from './expression.js'
import { seriesText } from './prometheus.js'
import { promql } from './promql.js'

export interface RunbookFacts {
  /** Those that draw one of its metrics are named. */
  readonly dashboards?: readonly Dashboard[]
  /** Names of the receivers that get it. */
  readonly receivers?: readonly string[]
}

/**
 * An alert's page in Markdown, from what the alert itself knows: what it means, what to do, when it fires, and how to keep it quiet
 * while one works on it. A text with a label in it shows the label's name: `<dataset>`.
 */
export function runbook(alert: Alert, facts: RunbookFacts = {}): string {
  const { alertname: _, ...labels } = alertLabels(alert, {})
  const dashboards = drawing(alert, facts.dashboards ?? [])
  const sections = [
    `# ${alert.name}`,
    plain(alert.summary),
    table([
      ['Severity', alert.severity],
      ['Owner', alert.owner ?? 'nobody is named'],
      ...(facts.receivers === undefined ? [] : [['Goes to', facts.receivers.join(', ')] as const]),
      ['Fires', alert.for === 0 ? 'at once' : `when it has held for ${durationText(alert.for)}`],
      ...(alert.keepFiring === 0 ? [] : [['Ends', `${durationText(alert.keepFiring)} after it no longer holds`] as const]),
      [
        'Labels',
        Object.entries(labels)
          .map(([label, value]) => `\`${label}="${value}"\``)
          .join(' '),
      ],
    ]),
    '## What it means',
    plain(alert.description),
    '## What to do',
    alert.steps.length === 0
      ? 'No steps are written down; add `steps` to the alert when you have found them.'
      : alert.steps.map((step, index) => `${index + 1}. ${step}`).join('\n'),
    '## When it fires',
    fenced('promql', promql(alert.when.expression)),
    ...(alert.tests.length === 0 ? [] : ['For example:', alert.tests.map(example).join('\n')]),
    '## Keeping it quiet',
    'While you work on it, for two hours:',
    fenced('sh', `amtool silence add alertname="${alert.name}" --duration=2h --author="$USER" --comment="why"`),
    ...(dashboards.length === 0
      ? []
      : ['## Where it is drawn', dashboards.map(({ name, title }) => `- ${title} (\`${name}\`)`).join('\n')]),
  ]
  return `${sections.join('\n\n')}\n`
}

/** Dashboards that draw a metric of the alert's condition. */
function drawing(alert: Alert, dashboards: readonly Dashboard[]): readonly Dashboard[] {
  const watched = metricsOf(alert.when.expression)
  return dashboards.filter(({ rows }) =>
    rows.some(({ panels }) =>
      panels.some(({ series }) => series.some(({ signal }) => [...metricsOf(signal.expression)].some((metric) => watched.has(metric)))),
    ),
  )
}

/** Names of the series it reads. */
export function metricsOf(expression: Expression): ReadonlySet<string> {
  switch (expression.kind) {
    case 'number':
    case 'time':
      return new Set()
    case 'select':
      return new Set([expression.metric])
    case 'binary':
    case 'comparison':
    case 'set':
      return new Set([...metricsOf(expression.left), ...metricsOf(expression.right)])
    default:
      return metricsOf(expression.of)
  }
}

function plain(text: string): string {
  return text.replaceAll(/\{\{\s*\$labels\.(\w+)\s*\}\}/g, '`<$1>`').replaceAll(/\{\{\s*\$value.*?\}\}/g, '`<value>`')
}

function table(rows: readonly (readonly [string, string])[]): string {
  const lines = rows.map(([name, value]) => `| ${name} | ${value.replaceAll('|', '\\|')} |`)
  return ['| | |', '|---|---|', ...lines].join('\n')
}

function fenced(language: string, text: string): string {
  return `\`\`\`${language}\n${text}\n\`\`\``
}

function example({ name, fires, series, interval, at }: AlertTest): string {
  const given = series.map(({ metric, labels, values }) => `\`${seriesText(metric, labels)}\` is \`${values}\``).join(', ')
  const head = `- It ${fires ? 'fires' : 'stays quiet'} ${name}`
  return given === '' ? `${head}.` : `${head}: ${given}, a value each ${durationText(interval)}, after ${durationText(at)}.`
}
