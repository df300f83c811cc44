import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { ended, sluice, startSluice, temporaryFolder } from '../fixtures.js'

/** What every project is told of itself, with no server: kept samples, alerts now, files of a monitoring stack. */
let project: string
beforeEach(async () => {
  project = join(temporaryFolder(), 'shop')
  expect((await sluice('init', project)).code).toBe(0)
})

const here = (...words: string[]) => sluice(...words, '--project', project, '--json')
const check = async (...words: string[]) => {
  const answer = await here('alerts', 'check', ...words)
  return { code: answer.code, ...(answer.json() as { firing: { alert: string; labels: Record<string, string>; value: number }[] }) }
}
const names = (found: { readonly firing: readonly { readonly alert: string }[] }) => found.firing.map(({ alert }) => alert).sort()

/** What a counter has grown to, over all processes. */
async function total(metric: string, labels: Record<string, string>): Promise<number> {
  const where = `metric = '${metric}' and labels = '${JSON.stringify(labels)}'`
  const samples = join(project, 'lake/_sluice/metric_samples')
  const answer = await sluice('table', 'read', samples, '--where', where, '--columns', 'value', '--limit', '100000', '--json')
  if (answer.code !== 0) throw new Error(answer.stdout)
  return answer.json().rows.reduce((sum: number, row: { value: number }) => sum + Number(row.value), 0)
}

function land(name: string, text: string): void {
  writeFileSync(join(project, 'landing', name), text)
}

function write(path: string, text: string): void {
  mkdirSync(join(project, path, '..'), { recursive: true })
  writeFileSync(join(project, path), text)
}

/** A file that is refused: columns and no row. */
const TRUNCATED = 'order_id,ordered_on,amount\n'

describe('alerts check', () => {
  test('is quiet after a good run, fires at the first failure, and is quiet again when it was mended', async () => {
    expect((await here('run')).code).toBe(0)
    expect(await check()).toMatchObject({ code: 0, firing: [], pending: [] })
    land('torn.csv', TRUNCATED)
    expect((await here('run')).code).toBe(1)
    const loud = await check()
    expect(loud.code).toBe(1)
    expect(names(loud)).toEqual(['DatasetFailed', 'RunFailed'])
    expect(loud.firing.find(({ alert }) => alert === 'DatasetFailed')).toMatchObject({
      labels: { dataset: 'bronze.raw_orders', severity: 'critical', alertname: 'DatasetFailed' },
      value: 1,
      since: expect.stringMatching(/^\d{4}-.*Z$/),
    })
    rmSync(join(project, 'landing/torn.csv'))
    expect((await here('run')).code).toBe(0)
    expect(await check()).toMatchObject({ code: 0, firing: [] })
    // What fired before is replayed for the report, at each minute: this was over sooner.
    const page = readFileSync((await here('report')).json().report, 'utf8')
    expect(page).toMatch(/Alerts that fired before|None has fired since/)
  })

  test('knows of the very first run that failed, and of a project that has never run', async () => {
    expect(names(await check())).toEqual(['RunsUnknown'])
    expect(await check('--pending')).toMatchObject({ firing: [{ alert: 'RunsUnknown' }] })
    land('orders.csv', TRUNCATED)
    expect((await here('run')).code).toBe(1)
    expect(names(await check())).toEqual(['DatasetFailed', 'RunFailed'])
  })

  test('goes by the interval that a dataset is meant to have, and says nothing of one that is gone', async () => {
    expect((await here('run')).code).toBe(0)
    const config = join(project, 'sluice.config.ts')
    writeFileSync(config, readFileSync(config, 'utf8').replace("lake: './lake',", "lake: './lake',\n  every: '1s',"))
    expect((await here('run')).code).toBe(0)
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    // On a slow machine datasets that nothing has changed for seven intervals are said too.
    const stale = async () =>
      (await check()).firing.filter(({ alert }) => alert === 'DatasetStale').map(({ labels }) => labels['dataset'] ?? '')
    expect((await stale()).sort()).toEqual(['bronze.raw_orders', 'gold.revenue_by_day', 'silver.orders'])
    rmSync(join(project, 'datasets/gold'), { recursive: true })
    expect((await stale()).sort()).toEqual(['bronze.raw_orders', 'silver.orders'])
  })

  test('is changed by what monitors/ say: tuned, silenced, with alerts of its own', async () => {
    write(
      'monitors/shop.ts',
      `import { alert, fires, given, staysQuiet } from 'sluice/observability'
import { quarantineRows, silence, tune } from 'sluice/metrics'
export const quiet = silence('DatasetFailed', 'Torn files are known here.', 'bronze.raw_orders')
export const low = tune('RunFailed', { severity: 'info', owner: 'shop' })
export const held = alert('RowsHeld', {
  when: quarantineRows.now().gt(0),
  severity: 'warning',
  summary: ({ dataset }, value) => \`\${dataset} holds \${value}\`,
  description: 'Held.',
  tests: [
    fires('one', { series: [given(quarantineRows, { dataset: 'a.b' }, '1x2')], at: '1m' }, [{ dataset: 'a.b' }]),
    staysQuiet('none', { series: [given(quarantineRows, { dataset: 'a.b' }, '0x2')], at: '1m' }),
  ],
})
`,
    )
    land('torn.csv', TRUNCATED)
    expect((await here('run')).code).toBe(1)
    const found = await check()
    expect(names(found)).toEqual(['RowsHeld', 'RunFailed'])
    expect(found.firing).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ alert: 'RowsHeld', summary: 'silver.orders holds 1', value: 1 }),
        expect.objectContaining({ alert: 'RunFailed', labels: { severity: 'info', owner: 'shop', alertname: 'RunFailed' } }),
      ]),
    )
    const tests = (await here('alerts', 'test')).json()
    expect(tests.failed).toBe(0)
    expect(tests.tests.filter(({ alert }: { alert: string }) => alert === 'RowsHeld')).toHaveLength(2)
  })

  test('an alert test that does not hold is named, and fails the command', async () => {
    write(
      'monitors/shop.ts',
      `import { alert, fires, given, staysQuiet } from 'sluice/observability'
import { quarantineRows } from 'sluice/metrics'
const series = (value) => [given(quarantineRows, { dataset: 'a.b' }, value)]
export const held = alert('RowsHeld', {
  when: quarantineRows.now().gt(10), severity: 'warning', summary: 'Held.', description: 'Held.',
  tests: [fires('one row', { series: series('1x2'), at: '1m' }), staysQuiet('none', { series: series('0x2'), at: '1m' })],
})
`,
    )
    const failed = await here('alerts', 'test')
    expect(failed.code).toBe(1)
    expect(failed.json().tests.filter(({ ok }: { ok: boolean }) => !ok)).toMatchObject([
      { alert: 'RowsHeld', test: 'one row', problem: 'it did not fire' },
    ])
  })
})

describe('counters', () => {
  test('go on over processes, and count a run that was killed', async () => {
    for (const _ of [1, 2]) expect((await here('run')).code).toBe(0)
    expect(await total('sluice_runs_total', { status: 'ok' })).toBe(2)
    expect(await total('sluice_rows_total', { dataset: 'silver.orders', stage: 'in' })).toBe(3)
    expect(await total('sluice_steps_total', { dataset: 'silver.orders', status: 'skipped' })).toBe(1)
    // Killed once it has begun: the record of its start is there, that of its end is not.
    land('more.csv', `order_id,ordered_on,amount\n${Array.from({ length: 200_000 }, (_, id) => `${id + 10},2026-01-05,1.00`).join('\n')}\n`)
    const child = startSluice({}, 'run', '--project', project, '--run-id', 'killed')
    const gone = ended(child)
    child.stderr?.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('bronze.raw_orders')) child.kill('SIGKILL')
    })
    const killed = (await gone).code === 137
    expect((await here('run')).code).toBe(0)
    expect(await total('sluice_runs_total', { status: 'ok' })).toBe(killed ? 3 : 4)
    expect(await total('sluice_runs_total', { status: 'interrupted' })).toBe(killed ? 1 : 0)
    expect(await total('sluice_rows_total', { dataset: 'bronze.raw_orders', stage: 'in' })).toBe(200_003)
    expect(await check()).toMatchObject({ firing: [] })
  })
})

describe('generate', () => {
  test('writes what --check then holds the definitions against', async () => {
    const out = join(project, 'monitoring')
    const written = (await here('generate', 'all', '--out', out)).json()
    expect(written.files).toEqual(written.changed)
    expect((await here('generate', 'all', '--out', out, '--check')).code).toBe(0)
    expect((await here('generate', 'all', '--out', out)).json().changed).toEqual([])
    write('monitors/shop.ts', "import { tune } from 'sluice/metrics'\nexport const slow = tune('DatasetSlow', { threshold: 9 })\n")
    const stale = await here('generate', 'all', '--out', out, '--check')
    expect(stale.code).toBe(1)
    expect(stale.json().error).toMatchObject({ code: 'GENERATED_STALE', message: expect.stringContaining('rules.yml') })
  })
})
