import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { describeWithData, sluice, temporaryFolder } from '../fixtures.js'
import { allContents, ask, contents, csvs, example, GOLD, heldIn, newLake, runTaxi, stepOf, taxi } from './taxi.js'

/** Each rule of the cleaning as a query over the source files, on the record's own clock: true for a row that breaks it. */
const RULES: Readonly<Record<string, string>> = {
  dropoff_not_before_pickup: 'dropoff < pickup',
  trip_under_6_hours: 'dropoff - pickup >= interval 6 hour',
  distance_not_negative: 'distance < 0',
  distance_plausible: 'distance > 1000',
  fare_not_negative: 'fare < 0',
  total_not_negative: 'total < 0',
  pickup_in_file_month: "strftime(pickup, '%Y-%m') <> file_month",
  payment_fields_present: 'vendor is null and payment is null and passengers is null and rate is null and flag is null',
}

const SOURCE = `(select regexp_extract(filename, '(\\d{4}-\\d{2})', 1) as file_month, vendor_id as vendor, payment_type as payment,
  passenger_count as passengers, rate_code_id as rate, store_and_fwd_flag as flag, try_cast(pickup_datetime as timestamp) as pickup,
  try_cast(dropoff_datetime as timestamp) as dropoff, try_cast(trip_distance as double) as distance, try_cast(fare_amount as double) as fare,
  try_cast(total_amount as double) as total, try_cast(total_amount as decimal(10, 2)) as total_exact, try_cast(pickup_location_id as integer) as zone
  from read_csv('${csvs}', filename = true, strict_mode = false, union_by_name = true, all_varchar = true))`
const BROKEN = Object.values(RULES)
  .map((rule) => `coalesce(${rule}, false)`)
  .join(' or ')

describeWithData('nyc-taxi on 240,000 real trips', () => {
  let lake: string
  // biome-ignore lint/suspicious/noExplicitAny: a run document is read freely here
  let document: any
  beforeAll(async () => {
    lake = join(temporaryFolder(), 'lake')
    const run = await runTaxi(lake, csvs)
    expect(run.code, run.stderr).toBe(0)
    document = run.json()
  })

  test('every row is accounted for, in every step', () => {
    expect(document.status).toBe('ok')
    for (const step of document.steps) expect(step.rowsIn, step.dataset).toBe(step.rowsAccepted + step.rowsQuarantined)
    expect(stepOf(document, 'bronze.raw_trips')).toMatchObject({ rowsIn: 240_000, rowsAccepted: 240_000, rowsQuarantined: 0 })
    expect(stepOf(document, 'silver.trips').rowsIn).toBe(240_000)
  })

  test('the reasons in the quarantine are those of a query over the files', async () => {
    const counts = Object.entries(RULES).map(([name, rule]) => `count(*) filter (where ${rule})::integer as ${name}`)
    const [expected] = await ask(`select ${counts.join(', ')}, count(*) filter (where ${BROKEN})::integer as held from ${SOURCE}`)
    const held = await heldIn(lake)
    const seen = Object.fromEntries(
      held.groups.filter((group) => group.dataset === 'silver.trips').map((group) => [group.expectation, group.rows]),
    )
    for (const name of Object.keys(RULES)) expect(seen[name] ?? 0, name).toBe(expected?.[name])
    expect(held.rows).toBe(expected?.['held'])
  })

  test('gold is what a query over the files gives', async () => {
    const good = `(select * from ${SOURCE} where not (${BROKEN}))`
    const expected = await ask(
      `select cast(pickup as date)::varchar as day, zone::integer as zone, count(*)::integer as trips, sum(total_exact)::varchar as revenue from ${good} group by all order by all`,
    )
    const answer = await sluice(
      'query',
      '--project',
      example,
      '--lake',
      lake,
      '--json',
      'select day, pickup_location_id as zone, trips, revenue from gold.revenue_by_day_and_zone order by all',
    )
    const rows = answer.json().rows.map((row: Record<string, unknown>) => ({ ...row, trips: Number(row['trips']) }))
    expect(rows).toEqual(expected)
    for (const name of GOLD) {
      const sum = await sluice('query', '--project', example, '--lake', lake, '--json', `select sum(trips)::bigint as n from ${name}`)
      expect(Number(sum.json().rows[0].n), name).toBe(stepOf(document, 'silver.trips').rowsAccepted)
    }
  })

  test('two files mix line endings: they are read all the same, and it is said', () => {
    const noted = stepOf(document, 'bronze.raw_trips').files.filter((file: { note?: string }) => file.note?.includes('line endings'))
    expect(noted.map((file: { path: string; rows: number }) => [file.path.slice(-11, -4), file.rows])).toEqual([
      ['2019-01', 10_000],
      ['2019-02', 10_000],
    ])
  })

  test('a second run takes nothing and writes nothing', async () => {
    const before = await allContents(lake)
    const again = (await runTaxi(lake, csvs)).json()
    expect(again.steps.map((step: { status: string }) => step.status)).toEqual(again.steps.map(() => 'skipped'))
    expect(await allContents(lake)).toEqual(before)
  })

  test('2018 first, then all: the second run reads what is new, and the tables are the same', async () => {
    const other = newLake()
    expect((await runTaxi(other, csvs.replace('201*', '2018-*'))).code).toBe(0)
    const second = (await runTaxi(other, csvs)).json()
    expect(stepOf(second, 'bronze.raw_trips').rowsIn).toBe(120_000)
    expect(stepOf(second, 'silver.trips')).toMatchObject({ rowsRead: 120_000, mode: 'incremental' })
    expect(stepOf(second, 'gold.hourly_demand').mode).toBe('incremental')
    expect(await allContents(other)).toEqual(await allContents(lake))
    expect(await heldIn(other)).toEqual(await heldIn(lake))
  })

  test('the same trips as Parquet give the same silver rows, the month rule apart', async () => {
    const other = newLake()
    expect((await runTaxi(other, taxi('yellow_240k_tlc_columns.parquet'))).code).toBe(0)
    const held = await heldIn(other)
    expect(held.groups.some((group) => group.expectation === 'pickup_in_file_month')).toBe(false)
    const onlyMonth = Object.entries(RULES).map(([name, rule]) =>
      name === 'pickup_in_file_month' ? `(${rule})` : `not coalesce(${rule}, false)`,
    )
    const [expected] = await ask(`select count(*)::integer as n from ${SOURCE} where ${onlyMonth.join(' and ')}`)
    expect((await contents(other, 'silver.trips')).rows).toBe(stepOf(document, 'silver.trips').rowsAccepted + Number(expected?.['n']))
    // Both tables were written once, so their files are their rows.
    const rows = (folder: string) => `select * from read_parquet('${folder}/silver/trips/*.parquet')`
    const [missing] = await ask(`select count(*)::integer as n from (${rows(lake)} except ${rows(other)})`)
    expect(missing?.['n']).toBe(0)
  })

  test('the limit moves: replay lets in the rows that now pass, once, and gold catches up', async () => {
    const other = newLake()
    await runTaxi(other, csvs)
    const replay = () => sluice('quarantine', 'replay', '--project', example, '--lake', other, '--var', 'max_trip_hours=48', '--json')
    const before = (await contents(other, 'silver.trips')).rows
    const plan = (
      await sluice('plan', '--project', example, '--lake', other, '--var', `input=${csvs}`, '--var', 'max_trip_hours=48', '--json')
    ).json()
    expect(plan.steps.find((step: { dataset: string }) => step.dataset === 'silver.trips').reasons[0]).toMatch(
      /^expectations-changed: .* 537 held rows would now pass/,
    )
    const first = (await replay()).json()
    expect(first.accepted).toBe(537)
    expect((await contents(other, 'silver.trips')).rows).toBe(before + 537)
    expect((await replay()).json()).toMatchObject({ accepted: 0 })
    expect((await contents(other, 'silver.trips')).rows).toBe(before + 537)
    const run = (await runTaxi(other, csvs, '--var', 'max_trip_hours=48')).json()
    expect(stepOf(run, 'gold.revenue_by_day_and_zone').reasons[0]).toMatch(/^upstream-changed/)
    const trips = await sluice(
      'query',
      '--project',
      example,
      '--lake',
      other,
      '--json',
      'select sum(trips)::bigint as n from gold.revenue_by_day_and_zone',
    )
    expect(Number(trips.json().rows[0].n)).toBe(before + 537)
  })

  test('drift is named, a corrupt file is refused by name, and the others are in', async () => {
    const folder = temporaryFolder()
    const files = [
      'yellow_tripdata_2025-02_sample5000.parquet',
      'yellow_tripdata_sample_2021.csv',
      'CORRUPT_truncated_yellow_tripdata_2024-01.parquet',
    ]
    for (const name of files) cpSync(taxi(name), join(folder, name))
    const other = newLake()
    const run = await runTaxi(other, `${folder}/*`)
    expect(run.code).toBe(1)
    const step = stepOf(run.json(), 'bronze.raw_trips')
    expect(step).toMatchObject({ status: 'ok', rowsIn: 6_000 })
    expect(step.drift.map((one: { column: string; change: string }) => `${one.column} ${one.change}`)).toEqual([
      'cbd_congestion_fee extra',
      'test_bool extra',
    ])
    const refused = step.files.find((file: { status: string }) => file.status === 'refused')
    expect(refused).toMatchObject({ error: { code: 'SOURCE_FILE_UNREADABLE', retry: 'terminal' } })
    expect(refused.path).toContain('CORRUPT_truncated')
    expect(stepOf(run.json(), 'gold.hourly_demand').status).toBe('ok')

    const again = await runTaxi(other, `${folder}/*`)
    expect(again.code).toBe(1)
    expect(again.stdout).toContain('CORRUPT_truncated')
    expect(stepOf(again.json(), 'bronze.raw_trips').rowsIn).toBe(0)

    cpSync(taxi('yellow_tripdata_2025-02_sample5000.parquet'), join(folder, 'CORRUPT_truncated_yellow_tripdata_2024-01.parquet'))
    const mended = await runTaxi(other, `${folder}/*`)
    expect(mended.code).toBe(0)
    expect(stepOf(mended.json(), 'bronze.raw_trips').rowsIn).toBe(5_000)
  })

  test('the same record in another file is the same trip; the rows are counted', async () => {
    const folder = temporaryFolder()
    for (const name of ['a-2018-01.csv', 'b-2018-01.csv']) cpSync(taxi('yellow_tripdata_sample_2018-01.csv'), join(folder, name))
    const other = newLake()
    const run = (await runTaxi(other, `${folder}/*.csv`)).json()
    expect(stepOf(run, 'bronze.raw_trips').rowsIn).toBe(20_000)
    expect(stepOf(run, 'silver.trips')).toMatchObject({ rowsRead: 20_000, rowsIn: 10_000 })

    const oneByOne = newLake()
    await runTaxi(oneByOne, join(folder, 'a-2018-01.csv'))
    await runTaxi(oneByOne, `${folder}/*.csv`)
    expect(await contents(oneByOne, 'silver.trips')).toEqual(await contents(other, 'silver.trips'))
    expect(await heldIn(oneByOne)).toEqual(await heldIn(other))
  })

  test('a file that changed after it was taken is refused by name', async () => {
    const folder = temporaryFolder()
    const file = join(folder, 'trips-2018-01.csv')
    cpSync(taxi('yellow_tripdata_sample_2018-01.csv'), file)
    const other = newLake()
    await runTaxi(other, file)
    cpSync(taxi('yellow_tripdata_sample_2018-02.csv'), file)
    const run = await runTaxi(other, file)
    expect(run.code).toBe(1)
    expect(stepOf(run.json(), 'bronze.raw_trips').files[0]).toMatchObject({ status: 'refused', error: { code: 'SOURCE_FILE_CHANGED' } })
    expect((await contents(other, 'bronze.raw_trips')).rows).toBe(10_000)
  })

  test('synthetic and real rows are never in one table', async () => {
    const other = newLake()
    expect((await sluice('run', '--project', example, '--lake', other, '--var', 'rows=2000', '--json')).code).toBe(0)
    const run = await runTaxi(other, csvs)
    expect(run.code).toBe(2)
    expect(stepOf(run.json(), 'bronze.raw_trips').error).toMatchObject({ code: 'SOURCE_KINDS_MIXED' })
    expect((await contents(other, 'bronze.raw_trips')).rows).toBe(2_000)
  })

  test('the real zones take the place of the synthetic ones, and gold has their names', async () => {
    const other = newLake()
    await runTaxi(other, csvs.replace('201*', '2018-01'))
    const run = await runTaxi(other, csvs.replace('201*', '2018-01'), '--var', `zones=${taxi('../zones/taxi_zone_lookup.csv')}`)
    expect(run.code, run.stdout).toBe(0)
    const named = await sluice(
      'query',
      '--project',
      example,
      '--lake',
      other,
      '--json',
      "select count(*) as n from gold.revenue_by_day_and_zone where zone = 'JFK Airport'",
    )
    expect(Number(named.json().rows[0].n)).toBeGreaterThan(0)
  })

  test('a day of a gold table can be run again by itself', async () => {
    const other = newLake()
    await runTaxi(other, csvs.replace('201*', '2018-01'))
    const before = await contents(other, 'gold.hourly_demand')
    const run = await runTaxi(other, csvs.replace('201*', '2018-01'), 'gold.hourly_demand', '--from', '2018-01-05', '--to', '2018-01-06')
    expect(stepOf(run.json(), 'gold.hourly_demand')).toMatchObject({ status: 'ok', mode: 'interval' })
    expect(stepOf(run.json(), 'gold.hourly_demand').rowsIn).toBeLessThan(25)
    expect(await contents(other, 'gold.hourly_demand')).toEqual(before)
  })
})

describe('nyc-taxi without input', () => {
  test('generates trips, says so, and takes them once for a seed and size', async () => {
    const lake = newLake()
    const words = ['run', '--project', example, '--lake', lake, '--var', 'rows=5000']
    const run = await sluice(...words, '--json')
    expect(run.code, run.stderr).toBe(0)
    expect(stepOf(run.json(), 'bronze.raw_trips')).toMatchObject({ rowsIn: 5_000, reasons: ['new-files: 1 of 1 (synthetic)'] })
    const again = await sluice(...words)
    expect(again.stdout).toContain('Nothing is new')
    const plan = await sluice('plan', '--project', example, '--lake', lake, '--var', 'rows=6000')
    expect(plan.stdout).toContain('synthetic')
  })
})

test('a line that cannot be parsed is kept with its file and line', async () => {
  const folder = temporaryFolder()
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'ragged-2018-01.csv')
  const head = 'VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,trip_distance,fare_amount,total_amount\n'
  writeFileSync(file, `${head}1,2018-01-01 00:00:00,2018-01-01 00:10:00,1.5,8,9\n1,2,3\n2,2018-01-01 01:00:00,2018-01-01 01:10:00,x,8,9\n`)
  const lake = newLake()
  const run = await runTaxi(lake, file)
  expect(run.code, run.stdout).toBe(0)
  expect(stepOf(run.json(), 'bronze.raw_trips')).toMatchObject({ rowsIn: 3, rowsAccepted: 1, rowsQuarantined: 2 })
  const explained = (await sluice('quarantine', 'explain', 'bronze.raw_trips', '--project', example, '--lake', lake, '--json')).json()
  const byName = Object.fromEntries(
    explained.groups.map((group: { expectation: string; examples: unknown[] }) => [group.expectation, group.examples[0]]),
  )
  expect(byName['line_parsed']).toMatchObject({ _source_file: file, _source_row: '2', _raw: { line: '1,2,3', line_number: '3' } })
  expect(byName['value_converts']).toMatchObject({ _source_row: '3', fare_amount: 8, _raw: { trip_distance: 'x' } })
})
