import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { type Ended, sluice, sluiceWith, temporaryFolder } from '../fixtures.js'
import { stepOf } from './taxi.js'

/** A project of three datasets, as `sluice init` makes it: raw orders, orders, revenue by day. Each test changes one thing. */
let project: string
beforeEach(async () => {
  project = join(temporaryFolder(), 'shop')
  expect((await sluice('init', project)).code).toBe(0)
})

const SILVER = 'datasets/silver/orders.ts'
const BRONZE = 'datasets/bronze/raw-orders.ts'
const ORDERS = 'landing/orders.csv'

const here = (...words: string[]): Promise<Ended> => sluice(...words, '--project', project, '--json')
const run = (...words: string[]): Promise<Ended> => here('run', ...words)

function edit(file: string, from: string | RegExp, to: string): void {
  const path = join(project, file)
  const text = readFileSync(path, 'utf8')
  expect(text).toMatch(from)
  writeFileSync(path, text.replace(from, to))
}

async function rows(sql: string): Promise<unknown[]> {
  const answer = await here('query', sql)
  expect(answer.code, answer.stdout).toBe(0)
  return answer.json().rows
}

const revenue = () => rows('select ordered_on, orders::integer as orders, revenue from gold.revenue_by_day order by 1')
const held = async () => (await here('quarantine', 'ls')).json()

async function reasons(dataset: string): Promise<string[]> {
  const plan = (await here('plan')).json()
  return plan.steps.find((step: { dataset: string }) => step.dataset === dataset).reasons
}

test('a first run fills three tables and holds the negative amount', async () => {
  const first = await run()
  expect(first.code, first.stdout).toBe(0)
  expect(await revenue()).toEqual([
    { ordered_on: '2026-01-01', orders: 1, revenue: '12.50' },
    { ordered_on: '2026-01-02', orders: 1, revenue: '7.25' },
  ])
  expect(await held()).toEqual({ rows: 1, groups: [{ dataset: 'silver.orders', expectation: 'amount_not_negative', rows: 1 }] })
})

test('a changed query rebuilds its table and what reads it; the files are not read again', async () => {
  await run()
  edit(SILVER, 'ordered_on, amount,', 'ordered_on, amount * 2 as amount,')
  expect((await reasons('silver.orders'))[0]).toMatch(/^definition-changed/)
  const again = (await run()).json()
  expect(stepOf(again, 'bronze.raw_orders').status).toBe('skipped')
  expect(stepOf(again, 'silver.orders')).toMatchObject({ mode: 'full', rowsIn: 3, rowsQuarantined: 1 })
  expect(await revenue()).toMatchObject([{ revenue: '25.00' }, { revenue: '14.50' }])
  expect((await held()).rows).toBe(1)
})

test('a changed description rebuilds nothing', async () => {
  await run()
  edit(SILVER, "'One order.'", "'One order of one customer.'")
  expect((await run()).json().steps.map((step: { status: string }) => step.status)).toEqual(['skipped', 'skipped', 'skipped'])
})

test('a changed expectation holds for rows from then on; replay lets in what now passes, and gold catches up', async () => {
  await run()
  edit(SILVER, 'atLeast(0)', 'atLeast(-5)')
  expect((await reasons('silver.orders'))[0]).toMatch(/^expectations-changed.* 1 held rows would now pass/)
  expect(stepOf((await run()).json(), 'silver.orders').status).toBe('skipped')
  expect((await here('quarantine', 'replay')).json()).toMatchObject({ replayed: 1, accepted: 1, stillQuarantined: 0 })
  expect((await here('quarantine', 'replay')).json()).toMatchObject({ replayed: 0, accepted: 0, stillQuarantined: 0 })
  await run()
  expect(await revenue()).toMatchObject([{ orders: 2, revenue: '9.50' }, { orders: 1 }])
  expect((await held()).rows).toBe(0)
})

test('held rows that another query staged are not replayed: the way out is named', async () => {
  await run()
  edit(SILVER, 'ordered_on, amount,', 'ordered_on, amount * 2 as amount,')
  const replay = await here('quarantine', 'replay')
  expect(replay.code).toBe(2)
  expect(replay.json().error).toMatchObject({ code: 'QUARANTINE_QUERY_CHANGED', hint: expect.stringContaining('--full-refresh') })
})

test('discard takes held rows out for good, and only when it is meant', async () => {
  await run()
  expect((await here('quarantine', 'discard', 'silver.orders')).code).toBe(2)
  expect((await here('quarantine', 'discard', 'silver.orders', '--yes')).json()).toEqual({ discarded: 1 })
  expect((await held()).rows).toBe(0)
})

test('an expectation that fails publishes nothing, quarantine included, and stops only what depends on it', async () => {
  await run()
  edit(SILVER, '  expect: [', "  expect: [\n    expect.rowCount({ min: 100 }).otherwise('fail'),")
  writeFileSync(join(project, 'landing/more.csv'), 'order_id,ordered_on,amount\n4,2026-01-03,-1.00\n5,2026-01-03,2.00\n')
  const before = [await revenue(), await held()]
  const failed = await run()
  expect(failed.code).toBe(1)
  expect(stepOf(failed.json(), 'bronze.raw_orders').status).toBe('ok')
  expect(stepOf(failed.json(), 'silver.orders')).toMatchObject({ status: 'failed', error: { code: 'GATE_FAILED' } })
  expect(stepOf(failed.json(), 'silver.orders').expectations).toContainEqual(expect.objectContaining({ name: 'row_count', status: 'fail' }))
  expect(stepOf(failed.json(), 'gold.revenue_by_day').status).toBe('blocked')
  expect([await revenue(), await held()]).toEqual(before)

  edit(SILVER, "    expect.rowCount({ min: 100 }).otherwise('fail'),\n", '')
  const mended = (await run()).json()
  expect(stepOf(mended, 'silver.orders')).toMatchObject({ status: 'ok', rowsIn: 2, rowsQuarantined: 1 })
  expect(await revenue()).toContainEqual({ ordered_on: '2026-01-03', orders: 1, revenue: '2.00' })
})

test('below `mostly` the step fails; above it, the failing rows are held', async () => {
  edit(SILVER, ".named('amount_not_negative')", ".named('amount_not_negative').mostly(0.9)")
  expect((await run()).code).toBe(1)
  expect((await held()).rows).toBe(0)
  edit(SILVER, '.mostly(0.9)', '.mostly(0.6)')
  expect((await run()).code).toBe(0)
  expect((await held()).rows).toBe(1)
})

test('duplicates are held, all of them', async () => {
  appendFileSync(join(project, ORDERS), '4,2026-01-03,1.00\n4,2026-01-03,2.00\n')
  const first = (await run()).json()
  expect(stepOf(first, 'silver.orders')).toMatchObject({ rowsIn: 5, rowsAccepted: 2, rowsQuarantined: 3 })
  expect((await held()).groups).toContainEqual({ dataset: 'silver.orders', expectation: 'order_id_unique', rows: 2 })
})

test('a newer row with the key of a held one takes its place', async () => {
  await run()
  writeFileSync(join(project, 'landing/correction.csv'), 'order_id,ordered_on,amount\n2,2026-01-01,3.00\n')
  const second = (await run()).json()
  expect(stepOf(second, 'silver.orders')).toMatchObject({ rowsIn: 1, rowsAccepted: 1, rowsSuperseded: 1 })
  expect((await held()).rows).toBe(0)
  expect(await revenue()).toMatchObject([{ orders: 2, revenue: '15.50' }, {}])
})

test('a file that changed is replaced where the source says so: its rows, accepted and held, in one commit', async () => {
  edit(BRONZE, 'files(vars.input)', "files(vars.input, { changed: 'replace' })")
  await run()
  writeFileSync(join(project, ORDERS), 'order_id,ordered_on,amount\n1,2026-01-01,20.00\nbroken\n')
  const second = (await run()).json()
  expect(stepOf(second, 'bronze.raw_orders')).toMatchObject({ rowsIn: 2, rowsAccepted: 1, rowsQuarantined: 1 })
  expect(await rows('select amount from bronze.raw_orders')).toEqual([{ amount: '20.00' }])
  writeFileSync(join(project, ORDERS), 'order_id,ordered_on,amount\n1,2026-01-01,30.00\n')
  await run()
  expect(await rows('select amount from bronze.raw_orders')).toEqual([{ amount: '30.00' }])
  expect(await revenue()).toEqual([{ ordered_on: '2026-01-01', orders: 1, revenue: '30.00' }])
  expect((await held()).rows).toBe(0)
})

test('columns drift: an extra one joins the table where the policy is evolve; a missing one is null', async () => {
  edit(BRONZE, 'files(vars.input)', "files(vars.input, { drift: { extra: 'evolve' } })")
  await run()
  writeFileSync(join(project, 'landing/wider.csv'), 'order_id,ordered_on,channel\n9,2026-01-05,web\n')
  const drift = stepOf((await run()).json(), 'bronze.raw_orders').drift
  expect(drift.map((one: { column: string; change: string; policy: string }) => [one.column, one.change, one.policy])).toEqual([
    ['amount', 'missing', 'evolve'],
    ['channel', 'extra', 'evolve'],
  ])
  expect(await rows('select order_id, amount, channel from bronze.raw_orders order by 1')).toEqual([
    { order_id: '1', amount: '12.50', channel: null },
    { order_id: '2', amount: '-3.00', channel: null },
    { order_id: '3', amount: '7.25', channel: null },
    { order_id: '9', amount: null, channel: 'web' },
  ])
})

test('columns drift: refused, or held, by policy', async () => {
  edit(BRONZE, 'files(vars.input)', "files(vars.input, { drift: { missing: 'fail', extra: 'quarantine' } })")
  writeFileSync(join(project, 'landing/narrow.csv'), 'order_id,ordered_on\n8,2026-01-05\n')
  writeFileSync(join(project, 'landing/wider.csv'), 'order_id,ordered_on,amount,channel\n9,2026-01-05,1.00,web\n')
  const first = await run()
  expect(first.code).toBe(1)
  const step = stepOf(first.json(), 'bronze.raw_orders')
  expect(step).toMatchObject({ rowsIn: 4, rowsAccepted: 3, rowsQuarantined: 1 })
  expect(step.files).toContainEqual(
    expect.objectContaining({
      path: 'landing/narrow.csv',
      status: 'refused',
      error: expect.objectContaining({ code: 'SOURCE_DRIFT_REFUSED' }),
    }),
  )
  expect((await held()).groups).toContainEqual({ dataset: 'bronze.raw_orders', expectation: 'schema_matches', rows: 1 })
})

test('a column declared later joins the table of a source without its files being read again', async () => {
  await run()
  edit(BRONZE, 'amount: column', 'channel: column.string({ optional: true }),\n    amount: column')
  writeFileSync(join(project, 'landing/more.csv'), 'order_id,ordered_on,amount,channel\n4,2026-01-03,1.00,web\n')
  const second = (await run()).json()
  expect(stepOf(second, 'bronze.raw_orders').rowsIn).toBe(1)
  expect(await rows('select order_id, channel from bronze.raw_orders order by 1 desc limit 2')).toEqual([
    { order_id: '4', channel: 'web' },
    { order_id: '3', channel: null },
  ])
})

test('a table restored to an earlier version is brought up to date again by the next run', async () => {
  await run()
  writeFileSync(join(project, 'landing/more.csv'), 'order_id,ordered_on,amount\n4,2026-01-03,1.00\nbad line\n')
  await run()
  const before = [await revenue(), await held()]
  expect((await here('table', 'restore', 'bronze.raw_orders', '--version', '0')).code).toBe(0)
  expect(await rows('select count(*)::integer as n from bronze.raw_orders')).toEqual([{ n: 3 }])
  const again = (await run()).json()
  expect(stepOf(again, 'bronze.raw_orders').files).toContainEqual(expect.objectContaining({ path: 'landing/more.csv', status: 'taken' }))
  expect([await revenue(), await held()]).toEqual(before)
})

test('--full-refresh reads everything again and gives the same tables', async () => {
  await run()
  const before = [await revenue(), await held()]
  const again = (await run('--full-refresh')).json()
  expect(stepOf(again, 'bronze.raw_orders')).toMatchObject({ rowsIn: 3, mode: 'full' })
  expect([await revenue(), await held()]).toEqual(before)
})

test('selectors run a part; --fail-on makes held rows a failure', async () => {
  const part = (await run('+silver.orders')).json()
  expect(part.steps.map((step: { dataset: string }) => step.dataset)).toEqual(['bronze.raw_orders', 'silver.orders'])
  const all = await run('--full-refresh', '--fail-on', 'quarantine')
  expect([all.code, all.json().status]).toEqual([1, 'ok'])
})

test('a secret is used and never shown: not in a plan, an error, a record or a page', async () => {
  const secret = 'tr0ub4dor-and-3'
  edit(SILVER, 'import { changed,', 'import { env, changed,')
  edit(SILVER, 'order_id, ordered_on, amount,', "order_id, ordered_on, amount + length(${env('SHOP_SECRET')}) as amount,")
  const missing = await run()
  expect([missing.code, stepOf(missing.json(), 'silver.orders').error.code]).toEqual([2, 'SECRET_NOT_SET'])
  const options = { env: { SHOP_SECRET: secret } }
  const plan = await sluiceWith(options, 'plan', '--sql', '--project', project)
  expect(plan.stdout).toContain('env(SHOP_SECRET)')
  const done = await sluiceWith(options, 'run', '--project', project, '--json')
  expect(done.code, done.stdout).toBe(0)
  expect(await revenue()).toMatchObject([{ revenue: '39.50' }, { revenue: '22.25' }])
  edit(SILVER, 'amount + length(', 'amount + cast(')
  edit(SILVER, "${env('SHOP_SECRET')})", "${env('SHOP_SECRET')} as integer)")
  const wrong = await sluiceWith(options, 'run', '--project', project, '--json')
  expect(wrong.code).toBe(1)
  const pages = ['target/report.html', 'target/manifest.json', 'target/run_results.json'].map((file) =>
    readFileSync(join(project, file), 'utf8'),
  )
  for (const text of [plan.stdout, done.stdout, wrong.stdout, wrong.stderr, ...pages]) expect(text).not.toContain(secret)
})
