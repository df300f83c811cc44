import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { GrafanaDashboard } from '../../../src/observability/grafana.js'
import { copyProject, example } from '../../end-to-end/taxi.js'
import { sluiceWith, temporaryFolder } from '../../fixtures.js'
import { type Databases, describeWithStores, newDatabases, onMysql } from './project.js'

/** As Grafana's MySQL data source writes its macros out, by their documentation. Times are in seconds. */
function writtenOut(
  sql: string,
  { from, to, interval }: { readonly from: number; readonly to: number; readonly interval: number },
): string {
  const seconds = (text: string) => {
    const [, number = '', unit = ''] = /^(\d+)([smhd])$/.exec(text.trim().replaceAll("'", '')) ?? []
    return Number(number) * ({ s: 1, m: 60, h: 3600, d: 86_400 }[unit] ?? Number.NaN)
  }
  // Longer names first: they begin as the shorter do. What follows the interval says how gaps are filled, which is Grafana's to do.
  return sql
    .replaceAll('$__interval_ms', String(interval * 1000))
    .replaceAll('$__interval', `${interval}s`)
    .replaceAll(/\$__timeGroupAlias\(([^,)]+),([^,)]+)(?:,[^)]+)?\)/g, (_, column, every) => {
      return `UNIX_TIMESTAMP(${column}) DIV ${seconds(every)} * ${seconds(every)} AS "time"`
    })
    .replaceAll(/\$__timeFilter\(([^)]+)\)/g, (_, column) => `${column} BETWEEN FROM_UNIXTIME(${from}) AND FROM_UNIXTIME(${to})`)
}

const board = JSON.parse(readFileSync(join(example, 'monitoring/grafana/dashboards/databases.json'), 'utf8')) as GrafanaDashboard
const queries = board.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ rawSql = '', format, datasource }) => ({ title, rawSql, format, datasource })),
)

describeWithStores('the dashboard of the taxi example', () => {
  let databases: Databases
  const project = join(temporaryFolder(), 'taxi')
  beforeAll(async () => {
    databases = await newDatabases()
    copyProject(project)
    const env = { MYSQL_URL: databases.mysql, MONGODB_URL: databases.mongodb }
    const commands = [
      'migrate up',
      'run --var rows=2000',
      'sync trips_to_warehouse trips_to_documents',
      'reconcile trips_to_warehouse trips_to_documents',
      'bench store --inserters 1 --updaters 1 --selectors 1 --inserts 5 --updates 2',
    ]
    for (const command of commands) {
      const done = await sluiceWith({ env }, ...command.split(' '), '--project', project, '--json')
      expect(done.code, `${command}: ${done.stdout}${done.stderr}`).toBe(0)
    }
  })
  afterAll(() => databases?.drop())

  const span = () => {
    const to = Math.ceil(Date.now() / 1000)
    return { from: to - 3600, to, interval: 60 }
  }

  test('has its six panels, all drawn from MySQL', () => {
    expect(board.title).toBe('NYC Taxi Database Monitoring')
    expect(queries.map(({ title }) => title)).toEqual([
      'CPU usage by database type',
      'Memory usage',
      'Query latency by operation',
      'Sync mismatches',
      'Error count',
      'Operations per minute',
    ])
    expect(new Set(queries.map(({ datasource }) => datasource.type))).toEqual(new Set(['mysql']))
  })

  test.each(queries)('$title has rows of a time, a name and a number, in order', async ({ rawSql, format }) => {
    expect(format).toBe('time_series')
    const sql = writtenOut(rawSql, span())
    expect(sql).not.toContain('$__')
    const rows = await onMysql(databases.mysql, sql)
    expect(rows).not.toEqual([])
    const times = rows.map(([time]) => Number(time))
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    for (const [time, metric, value] of rows) {
      expect(Math.abs(Number(time) - Date.now() / 1000)).toBeLessThan(3600)
      expect(String(metric)).toMatch(/^(mysql|mongodb|(sync|reconcile|workload) \w+)$/)
      expect(Number(value)).toBeGreaterThanOrEqual(0)
    }
    expect(new Set(rows.map(([, metric]) => metric)).size).toBeGreaterThan(1)
  })

  test('draws nothing of another time', async () => {
    const before = { from: 1_000_000_000, to: 1_000_003_600, interval: 60 }
    for (const { rawSql } of queries) expect(await onMysql(databases.mysql, writtenOut(rawSql, before))).toEqual([])
  })

  test('counts what was recorded', async () => {
    const { rawSql = '' } = queries.find(({ title }) => title === 'Operations per minute') ?? {}
    const drawn = await onMysql(databases.mysql, writtenOut(rawSql, span()))
    const [[recorded] = []] = await onMysql(databases.mysql, 'SELECT COUNT(*) FROM db_metrics')
    expect(drawn.reduce((sum, [, , value]) => sum + Number(value), 0)).toBe(Number(recorded))
  })
})
