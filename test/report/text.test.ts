import { expect, test } from 'vitest'
import { renderReportText } from '../../src/report/text.js'
import { empty, failed, healthy } from './sample.js'

test('the text says what the page says first', () => {
  const text = renderReportText(healthy)
  expect(text).toContain('\n240,000 rows in; 239,312 accepted, 688 held at silver.trips.\n')
  expect(text).toContain(`
Steps
  dataset                       status   accepted  held    time
  bronze.raw_trips              ok        240,000     0   4.3 s
`)
  expect(text).toContain(`
Reconciliations
  sync                verdict  level  compared  differences                     when
  trips_to_warehouse  equal     rows   239,312            0  2026-01-14 06:00:30 UTC
`)
  expect(text).toContain('\n  odd_trips: 1,195 of 239,000 rows of silver.trips are odd (0.5%), by mad\n')
})

test('what went wrong is said with its code, its reasons and its causes', () => {
  const text = renderReportText(failed)
  for (const line of [
    'bronze.raw_trips: GATE_FAILED  Expectation "row count at least 1000" of bronze.raw_trips failed: the batch has 0 rows.',
    'trips_to_warehouse: STORE_UNREACHABLE  mysql at db.example.com:3306/taxi does not answer: connect ECONNREFUSED.',
    "trips_to_warehouse: 3 rows refused, Out of range value for column 'fare_amount'",
    'trips_to_warehouse: missing 7, null-vs-zero 5',
  ])
    expect(text.split('\n')).toContain(`  ${line}`)
})

test('without anything to say it is short', () => {
  expect(renderReportText(empty).split('\n').slice(3)).toEqual(['No steps ran.', 'The run took 41 ms.', '', 'Alerts: none of 0 fires.'])
})
