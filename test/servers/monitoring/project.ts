import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type Ended, sluiceWith, temporaryFolder } from '../../fixtures.js'

/** A project as `sluice init` makes it (CSV to bronze, to silver with a quarantine, to gold), with everything that can be watched. */
export interface Shop {
  readonly folder: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** `run('generate', 'grafana')` is `sluice generate grafana --project FOLDER --json`. */
  sluice(...words: string[]): Promise<Ended>
  /** A file that arrives. */
  land(name: string, text: string): void
  /** Other rates are there to be fetched. */
  newRates(): void
  edit(file: string, from: string, to: string): void
}

export interface ShopOptions {
  /** Where alerts go; without it nowhere but to a file. */
  readonly receivers?: { readonly url: string; readonly smtp: string }
  readonly env?: Readonly<Record<string, string>>
  /** Where runs push to, as the project's configuration has it. */
  readonly pushgateway?: string
  /** How long a group waits for more, for a change, and until it is said again. */
  readonly timing?: string
}

/** What receivers ask for, by the environment. */
export const SECRETS = { PAGERDUTY_KEY: 'b'.repeat(32), HOOK_TOKEN: 'open-sesame' } as const

export async function shop({ receivers, env = {}, pushgateway, timing }: ShopOptions = {}): Promise<Shop> {
  const folder = join(temporaryFolder(), 'shop')
  const slack = receivers === undefined ? {} : { SLACK_WEBHOOK: `${receivers.url}/slack` }
  const environment = { ...SECRETS, ...slack, PUSHGATEWAY_URL: undefined, ...env }
  const made = await sluiceWith({ env: environment }, 'init', folder)
  expect(made.code, made.stderr).toBe(0)
  mkdirSync(join(folder, 'monitors'))
  writeFileSync(join(folder, 'datasets/bronze/rates.ts'), RATES)
  writeFileSync(join(folder, 'monitors/shop.ts'), MONITORS)
  const config = join(folder, 'sluice.config.ts')
  if (pushgateway !== undefined)
    writeFileSync(config, readFileSync(config, 'utf8').replace("lake: './lake',", `lake: './lake',\n  pushgateway: '${pushgateway}',`))
  if (receivers !== undefined) writeFileSync(join(folder, 'monitors/people.ts'), people(receivers, timing))
  let seed = 1
  return {
    folder,
    env: environment,
    sluice: (...words) => sluiceWith({ env: environment }, ...words, '--project', folder, '--json'),
    land: (name, text) => writeFileSync(join(folder, 'landing', name), text),
    edit(file, from, to) {
      const text = readText(folder, file)
      expect(text).toContain(from)
      writeFileSync(join(folder, file), text.replace(from, to))
    },
    newRates() {
      seed += 1
      writeFileSync(join(folder, 'datasets/bronze/rates.ts'), RATES.replace('seed: 1', `seed: ${seed}`))
    },
  }
}

/** A CSV file that ends in the middle of its first line: it is refused, and the run fails. */
export const TRUNCATED = 'orde'

/** A panel's query as Grafana asks it with all of every variable chosen. */
export function withVariables(expression: string): string {
  return expression.replaceAll('$__rate_interval', '4m').replaceAll('"$job"', '".+"').replaceAll('"$dataset"', '".*"')
}

export function readText(folder: string, path: string): string {
  return readFileSync(join(folder, path), 'utf8')
}

const RATES = `import { append, column, dataset, generator, sql } from 'sluice'
import { fetched } from '../../monitors/shop.js'

export const rates = dataset('bronze.rates', {
  description: 'Rates of exchange.',
  columns: { rate: column.double() },
  from: generator({
    name: 'rates',
    rows: 5,
    seed: 1,
    query: (rows) => {
      fetched.inc({ bank: 'north' })
      fetchSeconds.observe(0.25)
      return sql\`select (range / 10)::double as rate from range(\${rows})\`
    },
  }),
  write: append(),
})
`.replace('{ fetched }', '{ fetched, fetchSeconds }')

const MONITORS = `import {
  alert, annotation, barGauge, counter, dashboard, fires, gaugePanel, given, heatmap, histogram, labelVariable, line, pie, record, row,
  ruleGroup, slo, stat, staysQuiet, tablePanel, timeSeries,
} from 'sluice/observability'
import { quarantineRows, rows, runEnded, runFailed, tableRows } from 'sluice/metrics'

export const fetched = counter('shop_rates_fetched_total', { help: 'Rates fetched from a bank.', labels: { bank: '*' } })
export const fetchSeconds = histogram('shop_fetch_duration_seconds', { help: 'How long a fetch took.', unit: 'seconds', buckets: [0.1, 1] })

export const rowsAnHour = record('dataset:shop_rows:increase1h', rows.where({ stage: 'written' }).increase('1h').sum('dataset'))

export const rowsHeld = alert('RowsHeld', {
  when: quarantineRows.now().max('dataset').gt(0),
  severity: 'warning',
  owner: 'shop',
  summary: ({ dataset }, value) => \`\${dataset} holds \${value} rows\`,
  description: 'Rows broke an expectation and wait for somebody.',
  steps: ['See them: \`sluice quarantine ls\`'],
  tests: [
    fires('when one is held', { series: [given(quarantineRows, { dataset: 'silver.orders' }, '1x5')], at: '3m' }, [{ dataset: 'silver.orders' }]),
    staysQuiet('when none is', { series: [given(quarantineRows, { dataset: 'silver.orders' }, '0x5')], at: '3m' }),
  ],
})

export const shopRules = ruleGroup('shop', { rules: [rowsAnHour, rowsHeld] })

export const runsLately = slo('shop_runs', { good: runEnded.age().isAtMost('26h'), objective: 0.99, owner: 'shop', summary: 'The shop runs too seldom' })

export const board = dashboard('shop', {
  title: 'Shop',
  description: 'A panel of every kind.',
  variables: [labelVariable(rows, 'dataset')],
  annotations: [annotation('Failed', runFailed.now().gt(0), 'A run failed')],
  links: [{ title: 'Overview', to: 'overview' }],
  rows: [
    row('Now', [
      stat('Rates fetched', fetched.increase('1d').sum().orZero(), { description: 'Rates in a day.', unit: 'short' }),
      gaugePanel('Held', quarantineRows.now().max(), { description: 'Rows held.', min: 0, max: 10, unit: 'short' }),
      barGauge('Rows in an hour', rowsAnHour.now(), { description: 'By dataset.', unit: 'short' }),
      pie('Tables', line(tableRows.now().max('dataset'), ({ dataset }) => dataset), { description: 'Rows by table.', unit: 'short' }),
    ]),
    row('Over time', [
      timeSeries('Fetches', line(fetched.rate().sum('bank'), ({ bank }) => bank), { description: 'A second.', unit: 'ops' }),
      timeSeries('Fetch time', fetchSeconds.quantile(0.95, 'auto'), { description: 'The slowest twentieth.', unit: 's' }),
      heatmap('Fetch times', fetchSeconds.buckets(), { description: 'How they lie.', unit: 's' }),
      tablePanel('Held by dataset', line(quarantineRows.now().max('dataset')), { description: 'Rows.', unit: 'short' }),
      timeSeries('Runs in time', runsLately.good.now(), { description: '1 where a run ended within 26 hours.', unit: 'short' }),
      timeSeries('Late', runsLately.errorRatio['1h'].now(), { description: 'Share of the last hour.', unit: 'percentunit' }),
    ]),
  ],
})
`

function people(
  { url, smtp }: { readonly url: string; readonly smtp: string },
  timing = "groupWait: '0s', groupInterval: '1s', repeat: '1h'",
): string {
  return `import { env } from 'sluice'
import { notifications, receiver } from 'sluice/observability'

const oncall = receiver('oncall', {
  pagerDuty: { routingKey: env('PAGERDUTY_KEY'), url: '${url}/pagerduty' },
  email: { to: ['oncall@shop.test', 'night@shop.test'], from: 'alerts@shop.test', smtp: '${smtp}', tls: false },
})
const team = receiver('team', { slack: { url: env('SLACK_WEBHOOK'), channel: '#shop' } })
const archive = receiver('archive', { webhook: { url: '${url}/webhook', token: env('HOOK_TOKEN') } })

export const told = notifications({
  default: archive,
  routes: [
    { to: oncall, match: { severity: 'critical' }, repeat: REPEAT },
    { to: team, match: { severity: 'warning' }, repeat: REPEAT },
  ],
  ${timing},
})
`.replaceAll('REPEAT', /repeat: ('[^']+')/.exec(timing)?.[1] ?? "'1h'")
}
