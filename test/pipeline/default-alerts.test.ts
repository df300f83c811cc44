import { describe, expect, test } from 'vitest'
import { shownAddress } from '../../src/observability/delivery.js'
import { milliseconds, promql } from '../../src/observability/index.js'
import { defaultAlerts, silence, tune } from '../../src/pipeline/default-alerts.js'

/** The rules that an alert's tunings come to. */
function rules(name: string, ...tunings: Parameters<typeof defaultAlerts>[0]) {
  return defaultAlerts(tunings)
    .filter((one) => one.name === name)
    .map((one) => `${one.severity} ${one.owner ?? '-'} ${promql(one.when.expression)}`)
}

describe('default alerts', () => {
  test('are one rule each, and a watchdog', () => {
    const names = defaultAlerts([]).map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(names).toContain('Watchdog')
  })

  test('tuned for some datasets, leave those out of the rule for the others', () => {
    expect(rules('SchemaDrifted', tune('SchemaDrifted', { threshold: 3, owner: 'a' }, 'silver.x', 'silver.y'))).toEqual([
      'info - sluice_step_drifted_columns{dataset!~"silver\\\\.x|silver\\\\.y"} > 0',
      'info a sluice_step_drifted_columns{dataset=~"silver\\\\.x|silver\\\\.y"} > 3',
    ])
  })

  test('take together what several tunings say of one dataset; silenced once is silenced', () => {
    const several = [
      tune('SchemaDrifted', { owner: 'a' }, 'silver.x'),
      tune('SchemaDrifted', { severity: 'warning' }, 'silver.x', 'silver.y'),
    ]
    expect(rules('SchemaDrifted', ...several)).toEqual([
      'info - sluice_step_drifted_columns{dataset!~"silver\\\\.x|silver\\\\.y"} > 0',
      'warning a sluice_step_drifted_columns{dataset=~"silver\\\\.x"} > 0',
      'warning - sluice_step_drifted_columns{dataset=~"silver\\\\.y"} > 0',
    ])
    expect(rules('SchemaDrifted', ...several, silence('SchemaDrifted', 'known', 'silver.x'))).toEqual([
      'info - sluice_step_drifted_columns{dataset!~"silver\\\\.x|silver\\\\.y"} > 0',
      'warning - sluice_step_drifted_columns{dataset=~"silver\\\\.y"} > 0',
    ])
  })

  test('silenced for all, speak only for those that are tuned', () => {
    const tuned = [silence('SchemaDrifted', 'noise'), tune('SchemaDrifted', { threshold: 1 }, 'silver.x')]
    expect(rules('SchemaDrifted', ...tuned)).toEqual(['info - sluice_step_drifted_columns{dataset=~"silver\\\\.x"} > 1'])
  })
})

test('a length of time ends at a hundred years', () => {
  expect(milliseconds('36525d')).toBe(3_155_760_000_000)
  for (const text of ['36526d', '99999999999w', '-1h', '5', '1e3s'])
    expect(() => milliseconds(text)).toThrow(`"${text}" is no length of time`)
})

test('an address is shown without a password, however it is written', () => {
  for (const [url, shown] of [
    ['http://user:hunter2@host:1/path', 'http://host:1/path'],
    ['http://user:p/hunter2@host:1', 'http://host:1'],
    ['user:hunter2@host:1', 'host:1'],
    ['http://host:1/path', 'http://host:1/path'],
  ] as const)
    expect(shownAddress(url)).toBe(shown)
})
