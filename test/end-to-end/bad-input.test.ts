import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Ended, sluice, temporaryFolder } from '../fixtures.js'
import { example, newLake, runTaxi, stepOf, taxiProject } from './taxi.js'

const SILVER = 'datasets/silver/trips.ts'
let project = ''

/** `check` on a copy of the example with one thing changed. */
async function checkWith(change: (folder: string) => void, ...words: string[]): Promise<Ended> {
  project = taxiProject()
  change(project)
  const [command = 'check', ...rest] = words
  return sluice(command, ...rest, '--project', project, '--json')
}

function edit(folder: string, file: string, from: string | RegExp, to: string): void {
  const path = join(folder, file)
  const text = readFileSync(path, 'utf8')
  expect(text).toMatch(from)
  writeFileSync(path, text.replace(from, to))
}

function expectProblem(run: Ended, exit: number, code: string, place: Record<string, unknown> = {}): void {
  expect(run.stdout + run.stderr).not.toMatch(/\n {4}at |node:internal/)
  expect(run.code, run.stdout + run.stderr).toBe(exit)
  const document = run.json()
  const problems = document.problems ?? [document.error]
  const found = problems.find((problem: { code: string }) => problem.code === code)
  expect(found, JSON.stringify(problems)).toMatchObject({ code, ...place })
  expect(found.message.length).toBeGreaterThan(10)
  expect(found.hint.length).toBeGreaterThan(10)
}

describe('a project that is wrong', () => {
  test('a query reads a column that does not exist: file, line and column', async () => {
    const run = await checkWith((folder) => edit(folder, SILVER, 'try_cast(extra as', 'try_cast(extras as'))
    const text = readFileSync(join(project, SILVER), 'utf8')
    const at = text.indexOf('extras as')
    const line = text.slice(0, at).split('\n').length
    expectProblem(run, 2, 'QUERY_INVALID', { file: SILVER, line, column: at - text.lastIndexOf('\n', at) })
    expect(run.stdout).toContain('extras')
  })

  test('a query does not give a declared column', async () => {
    const run = await checkWith((folder) => edit(folder, 'datasets/gold/hourly-demand.ts', 'as mean_total', 'as mean_totals'))
    expectProblem(run, 2, 'DATASET_OUTPUT_MISMATCH', { file: 'datasets/gold/hourly-demand.ts' })
  })

  test('datasets read each other in a circle', async () => {
    const run = await checkWith((folder) => {
      mkdirSync(join(folder, 'datasets/loop'), { recursive: true })
      writeFileSync(
        join(folder, 'datasets/loop/circle.ts'),
        `import { column, dataset, overwrite, sql } from 'sluice'
const a = dataset('gold.a', { columns: { n: column.long() }, from: sql\`select 1 as n\`, write: overwrite() })
export const b = dataset('gold.b', { columns: { n: column.long() }, from: sql\`select n from \${a}\`, write: overwrite() })
export const again = dataset('gold.a', { columns: { n: column.long() }, from: sql\`select n from \${b}\`, write: overwrite() })
`,
      )
    })
    expectProblem(run, 2, 'DATASET_CYCLE', { file: 'datasets/loop/circle.ts' })
  })

  test('two datasets have one name', async () => {
    const run = await checkWith((folder) => cpSync(join(folder, SILVER), join(folder, 'datasets/silver/trips-copy.ts')))
    expectProblem(run, 2, 'DATASET_DUPLICATE')
  })

  test('an expectation names an unknown column', async () => {
    const run = await checkWith((folder) =>
      edit(folder, SILVER, "expect.column('trip_distance').atLeast(0)", "expect.column('trip_distances').atLeast(0)"),
    )
    expectProblem(run, 2, 'DATASET_COLUMN_UNKNOWN', { file: SILVER })
    expect(run.stdout).toContain('Did you mean \\"trip_distance\\"?')
  })

  test('a condition names an unknown column', async () => {
    const run = await checkWith((folder) =>
      edit(folder, SILVER, 'sql`dropoff_clock >= pickup_clock`', 'sql`dropoff_clock >= pickup_clocks`'),
    )
    expectProblem(run, 2, 'QUERY_INVALID', { file: SILVER })
  })

  test('a file has a syntax error', async () => {
    const run = await checkWith((folder) => edit(folder, SILVER, /$/, '\nconst = ;\n'))
    const lines = readFileSync(join(project, SILVER), 'utf8').split('\n').length
    expectProblem(run, 2, 'PROJECT_FILE_INVALID', { file: SILVER, line: lines - 1 })
  })

  test('a selector has a typo', async () => {
    expectProblem(await checkWith(() => {}, 'run', 'silver.tripz'), 2, 'SELECTOR_UNKNOWN')
  })

  test('a variable is unknown, or of another type', async () => {
    expectProblem(await checkWith(() => {}, 'run', '--var', 'max_trip_hour=7'), 2, 'VARIABLE_UNKNOWN')
    expectProblem(await checkWith(() => {}, 'run', '--var', 'max_trip_hours=seven'), 2, 'VARIABLE_INVALID')
  })

  test('an environment is unknown; there is no project', async () => {
    expectProblem(await checkWith(() => {}, 'plan', '--env', 'prod'), 2, 'PROJECT_ENVIRONMENT_UNKNOWN')
    expectProblem(await sluice('check', '--project', temporaryFolder(), '--json'), 2, 'PROJECT_NOT_FOUND')
  })

  test('no file matches the input', async () => {
    const run = await runTaxi(newLake(), join(temporaryFolder(), '*.csv'))
    expect(run.code).toBe(2)
    expect(stepOf(run.json(), 'bronze.raw_trips').error.code).toBe('SOURCE_NOT_FOUND')
    expect(stepOf(run.json(), 'silver.trips')).toMatchObject({ status: 'blocked' })
    expect(stepOf(run.json(), 'silver.zones')).toMatchObject({ status: 'ok' })
  })
})

describe('a place that cannot be written', () => {
  test('the lake is no place to write', async () => {
    const run = await sluice('run', '--project', example, '--lake', '/proc/nowhere', '--json')
    expectProblem(run, 2, 'STORAGE_DENIED')
  })

  test.runIf(process.platform === 'linux' && process.getuid?.() === 0)(
    'the disk fills: nothing half done, and it goes on when there is room',
    async () => {
      const disk = temporaryFolder()
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', disk])
      onTestFinished(() => void execFileSync('umount', ['-l', disk]))
      const words = ['run', '--project', example, '--lake', join(disk, 'lake'), '--var', 'rows=100000', '--json']
      const full = await sluice(...words)
      expect(full.stdout + full.stderr).not.toMatch(/\n {4}at |node:internal/)
      expect(full.code, full.stdout + full.stderr).toBe(75)
      expect(JSON.stringify(full.json())).toContain('STORAGE_FULL')
      execFileSync('mount', ['-o', 'remount,size=200m', disk])
      const run = await sluice(...words)
      expect(run.code, run.stdout + run.stderr).toBe(0)
      const counted = await sluice(
        'query',
        '--project',
        example,
        '--lake',
        join(disk, 'lake'),
        '--json',
        'select count(*) as n from bronze.raw_trips',
      )
      expect(Number(counted.json().rows[0].n)).toBe(100_000)
    },
  )
})

describe('files that are wrong', () => {
  const head = 'vendor_id,pickup_datetime,dropoff_datetime,trip_distance,fare_amount,total_amount'
  const line = '1,2018-01-01 00:00:00,2018-01-01 00:10:00,1.5,8,9'
  const cases: readonly (readonly [string, string | Buffer, { code: number; rowsIn: number; held: number; error?: string }])[] = [
    ['ragged', `${head}\n${line}\n1,2,3\n`, { code: 0, rowsIn: 2, held: 1 }],
    ['too long', `${head}\n${line}\n${line},4,5\n`, { code: 0, rowsIn: 2, held: 1 }],
    ['NUL', `${head}\n${line}\n${line.replace(',', ',\0')}\n`, { code: 0, rowsIn: 2, held: 1 }],
    [
      'broken UTF-8',
      Buffer.concat([Buffer.from(`${head}\n${line}\n1,`), Buffer.from([0xff, 0xfe]), Buffer.from(`,,,,\n`)]),
      { code: 0, rowsIn: 2, held: 1 },
    ],
    ['a quote left open', `${head}\n${line}\n"1,2018\n${line}\n`, { code: 0, rowsIn: 3, held: 1 }],
    ['a value of another type', `${head}\n${line}\n${line.replace('1.5', 'far')}\n`, { code: 0, rowsIn: 2, held: 1 }],
    [
      'half a passenger',
      `${head.replace('vendor_id', 'payment_type')}\n${line}\n${line.replace('1', '1.5')}\n`,
      { code: 0, rowsIn: 2, held: 1 },
    ],
    ['empty', '', { code: 1, rowsIn: 0, held: 0, error: 'SOURCE_FILE_EMPTY' }],
    ['a header alone', `${head}\n`, { code: 1, rowsIn: 0, held: 0, error: 'SOURCE_FILE_EMPTY' }],
    [
      'a header that names a column twice',
      `${head},vendor_id\n${line},2\n`,
      { code: 1, rowsIn: 0, held: 0, error: 'SOURCE_FILE_UNREADABLE' },
    ],
  ]
  test.each(cases)('%s', async (name, content, expected) => {
    const file = join(temporaryFolder(), `${name.replaceAll(' ', '-')}-2018-01.csv`)
    writeFileSync(file, content)
    const run = await runTaxi(newLake(), file)
    expect(run.stdout + run.stderr).not.toMatch(/\n {4}at |node:internal/)
    const step = stepOf(run.json(), 'bronze.raw_trips')
    expect([run.code, step.rowsIn, step.rowsQuarantined], run.stdout).toEqual([expected.code, expected.rowsIn, expected.held])
    if (expected.error !== undefined)
      expect(step.files[0]).toMatchObject({ status: 'refused', path: file, error: { code: expected.error } })
  })
})

describe('words that are wrong', () => {
  test('an unknown command or option names the near one', async () => {
    const command = await sluice('rnu')
    expect([command.code, command.stderr]).toEqual([2, expect.stringContaining('"run"')])
    const option = await sluice('run', '--projet', 'x')
    expect([option.code, option.stderr]).toEqual([2, expect.stringContaining('--project')])
  })

  test('every command explains itself with an example', async () => {
    const overview = (await sluice('--help')).stdout
    const names = [...overview.matchAll(/^ {2}sluice (\w+) {2,}/gm)].map((match) => match[1] ?? '')
    expect(names.length).toBeGreaterThan(10)
    for (const name of names) {
      const help = await sluice(name, '--help')
      expect([help.code, help.stdout], name).toEqual([0, expect.stringMatching(/--json[\s\S]*For example\n {2}sluice /)])
    }
  })
})
