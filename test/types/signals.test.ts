import { describe, expect, test } from 'vitest'
import {
  alert,
  constant,
  counter,
  type Duration,
  fires,
  gauge,
  given,
  histogram,
  labelVariable,
  line,
  not,
  pattern,
  ratio,
  record,
  staysQuiet,
  timeSeries,
  type Vector,
} from '../../src/observability/index.js'

/** What the compiler knows of metrics and signals. `tsc` checks this file: a line under @ts-expect-error that compiles is an error. */

const runs = counter('test_runs_total', { help: 'Runs.', labels: { pipeline: '*', status: ['ok', 'failed'] } })
const plain = counter('test_plain_total', { help: 'Without labels.' })
const rows = gauge('test_table_rows', { help: 'Rows.', unit: 'rows', labels: { pipeline: '*', table: '*' } })
const ended = gauge('test_ended_timestamp_seconds', { help: 'When.', unit: 'timestamp_seconds', labels: { pipeline: '*' } })
const seconds = histogram('test_step_seconds', { help: 'Steps.', unit: 'seconds', labels: { pipeline: '*' }, buckets: [0.1, 1, 10] })
const metrics = { runs, rows }

describe('what compiles', () => {
  test('signals whose labels agree', () => {
    const failed: Vector<'pipeline'> = runs.where({ status: 'failed' }).increase('1h').sum('pipeline')
    const share: Vector<'pipeline'> = ratio(failed, runs.increase('1h').sum('pipeline'), { atLeast: 10 }).gt(0.05)
    const late: Vector<'pipeline'> = ended.age().gt('2d').or(share)
    const none: Vector<never> = runs
      .where({ status: not('ok'), pipeline: pattern('a.*') })
      .rate()
      .sum()
      .orZero()
    expect([share, late, none].map((one) => one.labels)).toEqual([['pipeline'], ['pipeline'], []])
    runs.inc({ pipeline: 'a', status: 'ok' })
    plain.inc()
    plain.inc(2)
    seconds.observe({ pipeline: 'a' }, 0.3)
  })
})

describe('what does not compile', () => {
  test('an unknown metric, label or value', () => {
    // @ts-expect-error there is no metric of that name
    expect(metrics.rums).toBeUndefined()
    // @ts-expect-error there is no label of that name
    expect(() => runs.where({ state: 'failed' })).toThrow('no label "state"')
    // @ts-expect-error the label never has that value
    expect(() => runs.where({ status: 'faild' })).toThrow('never "faild"')
    // @ts-expect-error the label never has that value
    expect(() => runs.where({ status: not('faild') })).toThrow('never "faild"')
    // @ts-expect-error recording asks for every label
    expect(() => runs.inc({ pipeline: 'a' })).toThrow('"status" is missing')
    // @ts-expect-error recording asks for a listed value
    expect(() => runs.inc({ pipeline: 'a', status: 'bad' })).toThrow('"status" is one of')
    // @ts-expect-error a metric with labels is not recorded without
    expect(() => runs.inc(1)).toThrow()
    // @ts-expect-error a test's series has the metric's labels
    given(runs, { pipelin: 'a', status: 'ok' }, '0x5')
  })

  test('the rate of a gauge, the quantile of a counter, a raw counter', () => {
    // @ts-expect-error a gauge has no rate
    expect(() => rows.rate('5m')).toThrow()
    // @ts-expect-error a counter has no quantile
    expect(() => runs.quantile(0.95, '5m')).toThrow()
    // @ts-expect-error a counter is not read as it stands
    expect(() => runs.now()).toThrow()
    // @ts-expect-error only a moment has an age
    rows.age()
    // @ts-expect-error a histogram is no number
    expect(() => seconds.now()).toThrow()
  })

  test('vectors with different labels, reckoned with', () => {
    const byPipeline = runs.increase('1h').sum('pipeline')
    const byStatus = runs.increase('1h').sum('status')
    const byBoth = runs.increase('1h')
    // @ts-expect-error different labels
    byPipeline.dividedBy(byStatus)
    // @ts-expect-error more labels
    byPipeline.dividedBy(byBoth)
    // @ts-expect-error fewer labels
    byBoth.dividedBy(byPipeline)
    // @ts-expect-error different labels
    ratio(byPipeline, byStatus)
    // @ts-expect-error no labels
    byPipeline.and(constant(1))
    // @ts-expect-error only one number can be 0 where there is none
    byPipeline.orZero()
  })

  test('a label that was aggregated away', () => {
    const byPipeline = runs.increase('1h').sum('pipeline')
    // @ts-expect-error status is gone
    expect(() => byPipeline.sum('status')).toThrow('no label "status"')
    // @ts-expect-error table is no label of it
    expect(() => rows.now().max('tables')).toThrow('no label "tables"')
    // @ts-expect-error status is gone from the legend
    line(byPipeline, ({ status }) => status)
    // @ts-expect-error `le` is no label of a histogram for its signals
    expect(() => seconds.rate().sum('le')).toThrow('no label "le"')
    alert('Gone', {
      when: byPipeline.gt(1),
      severity: 'info',
      // @ts-expect-error status is gone from the texts
      summary: ({ status }) => `${status}`,
      description: ({ pipeline }) => `${pipeline}`,
      tests: [fires('', { series: [], at: '1m' }), staysQuiet('', { series: [], at: '1m' })],
    })
    // @ts-expect-error there is no such label
    labelVariable(runs, 'state')
    const recorded = record('pipeline:runs:increase1h', byPipeline)
    // @ts-expect-error a recorded signal has only the labels it was recorded with
    expect(() => recorded.now().max('status')).toThrow('no label "status"')
  })

  test('a length of time that is none', () => {
    // @ts-expect-error no unit
    expect(() => runs.rate('5')).toThrow('no length of time')
    // @ts-expect-error no such unit
    expect(() => runs.rate('5min')).toThrow('no length of time')
    const duration: Duration = '5m'
    // @ts-expect-error a panel says what it shows
    timeSeries('Rows', rows.now(), { unit: 's' })
    expect(duration).toBe('5m')
  })

  test('a bound that is no bucket is refused at definition', () => {
    expect(() => seconds.under(2, '5m')).toThrow("2 is no bucket's bound")
    expect(seconds.under(1, '5m', 'pipeline').labels).toEqual(['pipeline'])
  })
})
