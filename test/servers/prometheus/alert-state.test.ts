import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { AlertState } from '../../../src/monitoring/alert-state.js'
import { evaluate } from '../../../src/monitoring/evaluator.js'
import { type Series, seriesInMemory } from '../../../src/monitoring/series.js'
import { parsePromql } from '../../../src/observability/promql-parser.js'
import { temporaryFolder } from '../../fixtures.js'
import { describeWithPrometheus, promtool } from './server.js'

const minute = 60_000
const minutes = 120
const hosts = ['h1', 'h2', 'h3', 'h4']
const expression = 'load > 5'

describeWithPrometheus('the alert state machine and promtool', () => {
  test.each([
    { seed: 1, wait: 0, keep: 0 },
    { seed: 2, wait: 3, keep: 0 },
    { seed: 3, wait: 2, keep: 4 },
    { seed: 4, wait: 5, keep: 1 },
    { seed: 5, wait: 0, keep: 7 },
    { seed: 6, wait: 10, keep: 20 },
  ])('agree at every minute of history $seed, for $wait m, kept for $keep m', async ({ seed, wait, keep }) => {
    const random = generator(seed)
    const histories = hosts.map((host) => ({ host, marks: marks(random) }))
    const firing = firingAt(histories, { wait, keep })
    expect(firing.filter((alerts) => alerts.length > 0).length).toBeGreaterThan(5)
    await expect(promtool('test', 'rules', await ruleTest(histories, { wait, keep }, firing))).resolves.toContain('SUCCESS')
  })

  test('a firing that is a minute off is found, so the comparison can fail', async () => {
    const random = generator(3)
    const histories = hosts.map((host) => ({ host, marks: marks(random) }))
    const firing = firingAt(histories, { wait: 2, keep: 4 })
    const file = await ruleTest(histories, { wait: 2, keep: 4 }, [[], ...firing.slice(0, -1)])
    await expect(promtool('test', 'rules', file)).rejects.toThrow('FAILED')
  })
})

/** A value, a minute without a sample, or the end of the series. */
type Mark = number | 'missing' | 'stale'

interface History {
  readonly host: string
  readonly marks: readonly Mark[]
}

interface Waits {
  /** Minutes. */
  readonly wait: number
  readonly keep: number
}

/** The hosts whose alert fires, for each minute. The machine is written out and taken up again every few steps. */
function firingAt(histories: readonly History[], { wait, keep }: Waits): readonly (readonly string[])[] {
  const source = seriesInMemory(histories.map(seriesOf))
  const timing = { name: 'LoadHigh', labels: { severity: 'page', host_of: 'alert' }, for: wait * minute, keepFiring: keep * minute }
  let state = new AlertState(timing)
  return Array.from({ length: minutes }, (_, at) => {
    const result = evaluate(parsePromql(expression), source, at * minute, { semantics: 'prometheus2' })
    if (result.kind !== 'vector') throw new Error('The condition is a number.')
    if (at % 7 === 0) state = new AlertState(timing, JSON.parse(JSON.stringify(state)))
    const alerts = state.step(result.samples, at * minute).filter((alert) => alert.state === 'firing')
    return alerts.map((alert) => alert.labels['host'] ?? '').sort()
  })
}

function seriesOf({ host, marks }: History): Series {
  const seen = marks.flatMap((mark, index) => (mark === 'missing' ? [] : [{ time: index * minute, mark }]))
  return {
    labels: { __name__: 'load', host },
    times: Float64Array.from(seen, ({ time }) => time),
    values: Float64Array.from(seen, ({ mark }) => (typeof mark === 'number' ? mark : Number.NaN)),
    stale: Uint8Array.from(seen, ({ mark }) => Number(mark === 'stale')),
  }
}

async function ruleTest(histories: readonly History[], { wait, keep }: Waits, firing: readonly (readonly string[])[]): Promise<string> {
  const folder = temporaryFolder()
  const rule = {
    alert: 'LoadHigh',
    expr: expression,
    ...(wait === 0 ? {} : { for: `${wait}m` }),
    ...(keep === 0 ? {} : { keep_firing_for: `${keep}m` }),
    labels: { severity: 'page', host_of: 'alert' },
  }
  // JSON is YAML.
  await writeFile(join(folder, 'rules.yml'), JSON.stringify({ groups: [{ name: 'load', rules: [rule] }] }))
  const file = join(folder, 'test.yml')
  const unitTest = {
    interval: '1m',
    input_series: histories.map(({ host, marks }) => ({
      series: `load{host="${host}"}`,
      values: marks.map((mark) => (mark === 'missing' ? '_' : String(mark))).join(' '),
    })),
    alert_rule_test: firing.map((alerts, at) => ({
      eval_time: `${at}m`,
      alertname: 'LoadHigh',
      exp_alerts: alerts.map((host) => ({ exp_labels: { severity: 'page', host_of: 'alert', host } })),
    })),
  }
  await writeFile(file, JSON.stringify({ rule_files: ['rules.yml'], evaluation_interval: '1m', tests: [unitTest] }))
  return file
}

/** Mostly long runs on one side of the threshold, with gaps and ends. */
function marks(random: () => number): readonly Mark[] {
  let high = false
  let missing = 0
  return Array.from({ length: minutes }, () => {
    if (random() < 0.15) high = !high
    if (random() < 0.04) missing = Math.ceil(random() * 9)
    if (missing-- > 0) return 'missing'
    if (random() < 0.03) return 'stale'
    return Math.floor(random() * 5) + (high ? 6 : 0)
  })
}

/** The same numbers for the same seed. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
