import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { expandValues } from '../../../src/monitoring/alert-tests.js'
import { temporaryFolder } from '../../fixtures.js'
import { describeWithPrometheus, promtool } from '../prometheus/server.js'

describeWithPrometheus('values of a test and promtool', () => {
  test.each(['1', '1x3', '0+10x3', '1-1x2', '-2+4x2', '1e3 .5 2', '_ 1 _x2 stale', '3 _ 4x1 _x3 5', '0.5+0.25x4 stale 7'])(
    '%s',
    async (values) => {
      const given = expandValues(values)
      const expected = given.map((value, minute) => ({
        // A window of less than a step sees the one sample, and nothing that lingers from before it.
        expr: 'last_over_time(given_rows[30s])',
        eval_time: `${minute}m`,
        exp_samples: typeof value === 'number' ? [{ labels: 'given_rows', value }] : [],
      }))
      expect(expected.some(({ exp_samples }) => exp_samples.length > 0)).toBe(true)
      await expect(judged(values, expected)).resolves.toContain('SUCCESS')
      await expect(
        judged(values, [{ expr: 'last_over_time(given_rows[30s])', eval_time: '1m', exp_samples: [{ labels: 'given_rows', value: 99 }] }]),
      ).rejects.toThrow('FAILED')
    },
  )
})

async function judged(values: string, expected: readonly object[]): Promise<string> {
  const file = join(temporaryFolder(), 'values.test.yml')
  const tests = [{ interval: '1m', input_series: [{ series: 'given_rows', values }], promql_expr_test: expected }]
  await writeFile(file, stringify({ evaluation_interval: '1m', tests }))
  // What it finds wrong it says on stdout.
  return promtool('test', 'rules', file).catch((error: Error & { stdout?: string }) => {
    throw new Error(`${error.message}${error.stdout ?? ''}`)
  })
}
