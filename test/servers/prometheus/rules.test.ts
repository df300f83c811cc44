import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { testAlert } from '../../../src/monitoring/alert-tests.js'
import { alert, fires, gauge, given, type RuleGroup, ruleGroup, staysQuiet } from '../../../src/observability/index.js'
import { type PromtoolTestOptions, prometheusConfig, prometheusRules, promtoolTests } from '../../../src/observability/prometheus.js'
import { temporaryFolder } from '../../fixtures.js'
import { groups } from '../../observability/sample.js'
import { describeWithPrometheus, promtool } from './server.js'

const runbookUrl = 'https://example.org/runbooks/'

const found: PromtoolTestOptions['found'] = (one, example) => {
  const every = groups.find(({ rules }) => rules.includes(one))?.every ?? 60_000
  const { problem, fired } = testAlert(groups, every, one, example)
  if (problem !== undefined) throw new Error(`${one.name} ${example.name}: ${problem}`)
  return fired
}

describeWithPrometheus('generated rules and promtool', () => {
  test('the rules and the configuration are taken', async () => {
    const folder = temporaryFolder()
    await writeFile(join(folder, 'rules.yml'), prometheusRules(groups, { runbookUrl }))
    const config = prometheusConfig({
      targets: ['127.0.0.1:1'],
      pushgateway: '127.0.0.1:2',
      alertmanager: '127.0.0.1:3',
      ruleFiles: ['rules.yml'],
    })
    await writeFile(join(folder, 'prometheus.yml'), config)
    await expect(promtool('check', 'rules', join(folder, 'rules.yml'))).resolves.toContain('16 rules found')
    await expect(promtool('check', 'config', join(folder, 'prometheus.yml'))).resolves.toContain('SUCCESS')
  })

  test("each alert's tests hold there too, to the last label and text", async () => {
    const answers = await tested(groups, found)
    expect(answers).toEqual(['SUCCESS', 'SUCCESS'])
  })

  test('a value that is off is found, so the comparison can fail', async () => {
    const answers = await tested(groups, (one, example) => found(one, example).map(({ labels, value }) => ({ labels, value: value * 2 })))
    expect(answers).toEqual(['FAILED', 'FAILED'])
  })

  test('texts are filled in as Prometheus fills them in, whatever the value', async () => {
    const level = gauge('level', { help: 'Anything.', labels: { number: '*' } })
    const edges = [
      0, 1, -1, 999.95, 1000, 1023.9, 1024, 0.001, 59.9999, 86_399.5, 1e5, 1e6, 1e15, 100.25, 100.75, 2.5e-9, 123_456.5, 1e-24, 8e17,
    ]
    const near = fc.double({ noNaN: true, min: -1e9, max: 1e9 })
    const small = fc.double({ noNaN: true, min: -2, max: 2 })
    // A quarter of 0.01 lies between two roundings more often than chance would have it.
    const halves = fc.integer({ min: -40_000, max: 40_000 }).map((quarter) => quarter / 4)
    // Longer than this a duration overflows in Prometheus.
    const wide = fc.tuple(fc.double({ noNaN: true, min: 1, max: 9.99 }), fc.integer({ min: -30, max: 17 })).map(([m, e]) => m * 10 ** e)
    const values = [...edges, ...fc.sample(fc.oneof(near, small, halves, wide), { numRuns: 600, seed: 7 })]
    const odd = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    const all = [...values.filter((value) => value !== 12_345), ...odd]
    const texts = alert('AnyLevel', {
      when: level.now().differsFrom(12_345),
      severity: 'info',
      summary: ({ number }, value) => `${number}: ${value} ${value.humanized} ${value.binary}`,
      description: (_, value) => `${value.duration} ${value.percentage}`,
      tests: [
        fires('for anything', {
          series: all.map((value, index) => given(level, { number: String(index) }, String(value).replace('Infinity', 'Inf'))),
          at: '0s',
        }),
        staysQuiet('for one', { series: [given(level, { number: 'x' }, '12345')], at: '0s' }),
      ],
    })
    const elements = all.map((value, index) => ({ labels: { number: String(index) }, value }))
    const answers = await tested([ruleGroup('any', { rules: [texts] })], () => elements)
    expect(answers).toEqual(['SUCCESS'])
  })
})

/** What promtool says of each test file: SUCCESS or FAILED. */
async function tested(rules: readonly RuleGroup[], finds: PromtoolTestOptions['found']): Promise<readonly string[]> {
  const folder = temporaryFolder()
  await writeFile(join(folder, 'rules.yml'), prometheusRules(rules, { runbookUrl }))
  const files = promtoolTests(rules, { rulesFile: 'rules.yml', runbookUrl, found: finds })
  return Promise.all(
    files.map(async ({ name, text }) => {
      await writeFile(join(folder, name), text)
      return promtool('test', 'rules', join(folder, name)).then(
        (said) => (said.includes('SUCCESS') ? 'SUCCESS' : said),
        (error: unknown) => {
          const said =
            String((error as { readonly stderr?: unknown; readonly stdout?: unknown }).stderr) +
            String((error as { readonly stdout?: unknown }).stdout)
          return said.includes('FAILED') && said.includes('exp:') ? 'FAILED' : said
        },
      )
    }),
  )
}
