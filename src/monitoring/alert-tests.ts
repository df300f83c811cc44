import { ALERT_TEST_INVALID, failure } from '../errors/index.js'
import { type Alert, type AlertTest, alertLabels, type GivenSeries, isAlert, type Labels, type RuleGroup } from '../observability/index.js'
import { AlertState } from './alert-state.js'
import { evaluate } from './evaluator.js'
import { withRecordings } from './recordings.js'
import { labelsKey, labelsText, type Series, seriesInMemory } from './series.js'

/** The unit tests that stand beside alerts: series in, alerts out. */

export interface AlertTestResult {
  readonly alert: string
  readonly test: string
  readonly ok: boolean
  /** What was wrong. */
  readonly problem?: string
  /** What fired at the time of the test: the labels of the condition's element, and its value. */
  readonly fired: readonly { readonly labels: Labels; readonly value: number }[]
}

export function testAlerts(groups: readonly RuleGroup[]): AlertTestResult[] {
  return groups.flatMap((group) =>
    group.rules.filter(isAlert).flatMap((one) => one.tests.map((test) => testAlert(groups, group.every, one, test))),
  )
}

/** Plays a test's series through the alert's state machine, a turn of its group at a time, as `promtool test rules` does. */
export function testAlert(groups: readonly RuleGroup[], every: number, one: Alert, test: AlertTest): AlertTestResult {
  const source = withRecordings(groups, seriesInMemory(test.series.map((given) => givenSeries(given, test.interval))))
  const state = new AlertState({ name: one.name, for: one.for, keepFiring: one.keepFiring })
  let fired: { labels: Labels; value: number }[] = []
  for (let time = 0; time <= test.at; time += every) {
    const result = evaluate(one.when.expression, source, time)
    const samples = result.kind === 'vector' ? result.samples : []
    fired = state
      .step(samples, time)
      .filter((active) => active.state === 'firing')
      .map(({ labels, value }) => ({ labels: withoutName(labels), value }))
  }
  const problem = problemOf(one, test, fired)
  return { alert: one.name, test: test.name, ok: problem === undefined, ...(problem === undefined ? {} : { problem }), fired }
}

function withoutName(labels: Labels): Labels {
  const { alertname: _, ...rest } = labels
  return rest
}

function problemOf(one: Alert, test: AlertTest, fired: readonly { readonly labels: Labels }[]): string | undefined {
  const seen = fired.map(({ labels }) => labelsText(labels)).join(', ')
  if (!test.fires) return fired.length === 0 ? undefined : `it fired for ${seen}`
  if (fired.length === 0) return 'it did not fire'
  if (test.expected === undefined) return undefined
  const [wanted, got] = [test.expected, fired.map((each) => each.labels)].map((all) => all.map(labelsKey).sort().join())
  if (wanted === got) return undefined
  return `it fired for ${seen}, and was expected to for ${test.expected.map((labels) => labelsText(alertLabels(one, labels))).join(', ')}`
}

function givenSeries({ metric, labels, values }: GivenSeries, interval: number): Series {
  const all = expandValues(values)
  const kept = all.flatMap((value, index) => (value === undefined ? [] : [{ time: index * interval, value }]))
  return {
    labels: { ...labels, __name__: metric },
    times: Float64Array.from(kept, ({ time }) => time),
    values: Float64Array.from(kept, ({ value }) => (value === 'stale' ? Number.NaN : value)),
    stale: Uint8Array.from(kept, ({ value }) => (value === 'stale' ? 1 : 0)),
  }
}

/**
 * Prometheus' notation for a test's values: `1x3` is 1 and three more, `0+10x3` is 0 10 20 30, `1-1x2` is 1 0 -1, `_` is none, `_x3` three times
 * none, `stale` is where the series ends. https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series
 *
 * Throws ALERT_TEST_INVALID.
 */
export function expandValues(text: string): (number | 'stale' | undefined)[] {
  return text
    .trim()
    .split(/\s+/)
    .flatMap((word): (number | 'stale' | undefined)[] => {
      if (word === 'stale') return ['stale']
      const gap = /^_(?:x(\d+))?$/.exec(word)
      if (gap !== null) return new Array<undefined>(Number(gap[1] ?? 1)).fill(undefined)
      const run = /^([+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+|Inf|NaN))(?:([+-](?:\d+\.?\d*(?:e[+-]?\d+)?))?x(\d+))?$/i.exec(word)
      if (run === null) throw failure(ALERT_TEST_INVALID, { values: text, word })
      const [, first = '', step = '0', times = '0'] = run
      const start = Number(first.replace(/inf/i, 'Infinity').replace(/nan/i, 'NaN'))
      return Array.from({ length: Number(times) + 1 }, (_, index) => start + index * Number(step))
    })
}
