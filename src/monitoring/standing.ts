import { type Alert, type Labels, renderTemplate, type Severity } from '../observability/index.js'

/** An alert that holds for one element of its condition, for whoever shows it or tells of it. */
export interface StandingAlert {
  readonly alert: string
  readonly severity: Severity
  /** All it goes out with, `alertname` and `severity` among them. */
  readonly labels: Labels
  readonly value: number
  /** Unix milliseconds. */
  readonly since: number
  readonly summary: string
  readonly description: string
  /** A page, or undefined. */
  readonly runbook?: string | undefined
}

/** @param runbookUrl what its page's address begins with */
export function standingAlert(one: Alert, labels: Labels, value: number, since: number, runbookUrl?: string): StandingAlert {
  return {
    alert: one.name,
    severity: one.severity,
    labels,
    value,
    since,
    summary: renderTemplate(one.summary, labels, value),
    description: renderTemplate(one.description, labels, value),
    ...(runbookUrl === undefined ? {} : { runbook: `${runbookUrl}${one.name}` }),
  }
}
