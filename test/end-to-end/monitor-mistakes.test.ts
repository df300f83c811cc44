import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { beforeAll, beforeEach, expect, test } from 'vitest'
import { type Ended, sluice, sluiceWith, temporaryFolder } from '../fixtures.js'

/** What somebody gets wrong in `monitors/` or beside it: a code, where, and what to do; never a stack. */

let project: string
beforeAll(async () => {
  project = join(temporaryFolder(), 'shop')
  expect((await sluice('init', project)).code).toBe(0)
  mkdirSync(join(project, 'monitors'))
})
beforeEach(() => monitors(''))

const here = (...words: string[]): Promise<Ended> => sluice(...words, '--project', project)

function monitors(text: string): void {
  const imports = [
    "import { env } from 'sluice'",
    "import { rows, silence, stepFailed, tune } from 'sluice/metrics'",
    "import { alert, counter, dashboard, fires, given, notifications, receiver, record, ruleGroup, staysQuiet } from 'sluice/observability'",
    "const tests = [fires('a', { series: [given(stepFailed, { dataset: 'a' }, '1x5')], at: '1m' }), staysQuiet('b', { series: [], at: '1m' })]",
    "const rest = { severity: 'warning', summary: 's', description: 'd', tests }",
  ]
  writeFileSync(join(project, 'monitors', 'mine.ts'), `${imports.join('\n')}\n${text}\n`)
}

/** `[code, line, fact]` of each problem that `sluice check` finds. */
async function problems(text: string, ...facts: string[]): Promise<string[]> {
  monitors(text)
  const checked = await here('check', '--json')
  expect(checked.code).toBe(2)
  expect(checked.stderr).toBe('')
  const found = checked.json().problems as { code: string; message: string; hint: string; file?: string; line?: number }[]
  for (const [index, fact] of facts.entries()) expect(`${found[index]?.message} ${found[index]?.hint}`).toContain(fact)
  return found.map(({ code, file, line }) => `${code} ${file}:${line ?? ''}`)
}

test('two of one name', async () => {
  const text = `export const one = alert('Broken', { when: stepFailed.now().gt(0), ...rest })
export const two = alert('Broken', { when: stepFailed.now().gt(1), ...rest })
export const three = alert('DatasetSlow', { when: stepFailed.now().gt(0), ...rest })
export const four = counter('sluice_rows_total', { help: 'Mine.' })
export const five = [dashboard('shop', { title: 'a', rows: [] }), dashboard('shop', { title: 'b', rows: [] })]
export const six = ruleGroup('sluice', { rules: [record('dataset:fresh:bool', rows.increase('1h').sum('dataset'))] })`
  expect(await problems(text, 'sluice_rows_total', 'DatasetSlow', 'Broken', 'dataset:fresh:bool', 'sluice', 'shop')).toEqual([
    'MONITOR_DUPLICATE monitors/mine.ts:9',
    'MONITOR_DUPLICATE monitors/mine.ts:8',
    'MONITOR_DUPLICATE monitors/mine.ts:7',
    'MONITOR_DUPLICATE monitors/mine.ts:11',
    'MONITOR_DUPLICATE monitors/mine.ts:11',
    'MONITOR_DUPLICATE monitors/mine.ts:10',
  ])
})

test('a default alert that is silenced leaves its name free; one that is tuned for some datasets is still one', async () => {
  monitors(`export const mine = alert('DatasetSlow', { when: stepFailed.now().gt(0), ...rest })
export const not = silence('DatasetSlow', 'Ours says it better.')
export const tuned = tune('DatasetStale', { threshold: 3 }, 'silver.orders')`)
  expect((await here('check')).code).toBe(0)
})

test('tuned for what is not there', async () => {
  const text = `export const one = tune('DatasetSlo', { threshold: 2 })
export const two = silence('DatasetUnchanged', 'Seldom.', 'silver.oders')`
  expect(await problems(text, '"DatasetSlow"', '"silver.orders"')).toEqual([
    'ALERT_INVALID monitors/mine.ts:6',
    'MONITOR_DATASET_UNKNOWN monitors/mine.ts:7',
  ])
})

test('two notifications', async () => {
  const text = `export const one = notifications({ default: receiver('a', { logFile: 'target/a.log' }) })
export const two = notifications({ default: receiver('b', { logFile: 'target/b.log' }) })`
  expect(await problems(text, '2 notifications')).toEqual(['NOTIFICATIONS_SEVERAL monitors:'])
})

test('an alert without tests, an unknown label, a duration that is none, and TypeScript that is none', async () => {
  const codes = async (text: string) => (await problems(text)).map((problem) => problem.split(' ')[0])
  expect(await codes("export const one = alert('Broken', { when: stepFailed.now().gt(0), ...rest, tests: [] })")).toEqual(['ALERT_INVALID'])
  expect(await codes("export const one = rows.where({ datset: 'a' })")).toEqual(['SIGNAL_INVALID'])
  expect(await codes("export const one = rows.increase('1hour')")).toEqual(['DURATION_INVALID'])
  expect(await problems('export const one = alert(')).toEqual(['PROJECT_FILE_INVALID monitors/mine.ts:7'])
})

test('the tests of a default alert hold for the datasets it is tuned for, and for the others', async () => {
  monitors(`export const tuned = ['RunFailed', 'RunsUnknown', 'DatasetFailed', 'DatasetStale', 'DatasetUnchanged', 'DatasetSlow', 'QuarantineShareHigh', 'SchemaDrifted']
  .map((name) => tune(name, { owner: 'shop' }, 'silver.orders', 'bronze.raw_orders'))`)
  const tested = await here('alerts', 'test', '--json')
  expect(tested.json()).toMatchObject({ failed: 0 })
  expect(tested.json().passed).toBeGreaterThan(30)
})

test('a secret that is not set is said before anything is judged, and one that does not reach anybody exits 75', async () => {
  monitors("export const told = notifications({ groupWait: '0s', default: receiver('team', { slack: { url: env('SHOP_SLACK') } }) })")
  const words = ['monitor', 'up', '--once', '--json', '--project', project]
  const unset = await sluiceWith({ env: { SHOP_SLACK: undefined } }, ...words)
  expect([unset.code, unset.json().error.code]).toEqual([2, 'SECRET_NOT_SET'])
  const unreached = await sluiceWith({ env: { SHOP_SLACK: 'http://127.0.0.1:1/hook' } }, ...words)
  expect(unreached.code).toBe(75)
  expect(unreached.json().problems).toHaveLength(1)
  expect(unreached.stdout).not.toContain('127.0.0.1')
})

test('words that a command does not take', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => taken.once('listening', resolve))
  const port = String((taken.address() as { port: number }).port)
  const said = async (...words: string[]) => {
    const { code, stderr } = await here(...words)
    expect(stderr).not.toMatch(/^\s+at /m)
    return `${code} ${stderr.split(' ')[0]}`
  }
  try {
    expect(await said('alerts', 'backtest', '--since', 'banana')).toBe('2 DURATION_INVALID')
    expect(await said('alerts', 'chekc')).toBe('2 USAGE_WRONG')
    expect(await said('monitor', 'up', '--every', 'often')).toBe('2 DURATION_INVALID')
    expect(await said('generate', 'promethius')).toBe('2 USAGE_WRONG')
    expect(await said('check', '--log-format', 'xml')).toBe('2 USAGE_WRONG')
    expect(await said('serve', '--port', port)).toBe('3 SERVE_ADDRESS_TAKEN')
    expect(await said('serve', '--host', '0.0.0.0')).toBe('2 SERVE_TOKEN_NEEDED')
  } finally {
    taken.close()
  }
})
