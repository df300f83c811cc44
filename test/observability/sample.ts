import {
  type Alert,
  alert,
  annotation,
  barGauge,
  counter,
  dashboard,
  fires,
  gauge,
  gaugePanel,
  given,
  heatmap,
  histogram,
  labelVariable,
  line,
  type MetricDefinition,
  not,
  notifications,
  pie,
  type RuleGroup,
  ratio,
  receiver,
  record,
  row,
  ruleGroup,
  stat,
  staysQuiet,
  tablePanel,
  timeSeries,
  watchdog,
} from '../../src/observability/index.js'
import { slo } from '../../src/observability/slo.js'

/** A small shop's nightly batch: enough to draw every kind of panel and to page in every way. */

export const batches = counter('shop_batches_total', {
  help: 'Batches that ended.',
  labels: { dataset: '*', status: ['ok', 'failed'] },
})
export const rows = counter('shop_rows_total', { help: 'Rows written.', labels: { dataset: '*' } })
export const lastSuccess = gauge('shop_last_success_timestamp_seconds', {
  help: 'When a dataset was last written.',
  unit: 'timestamp_seconds',
  labels: { dataset: '*' },
})
export const waiting = gauge('shop_queue_rows', { help: 'Rows that wait.', unit: 'rows' })
export const stepDuration = histogram('shop_step_duration_seconds', {
  help: 'How long a step took.',
  unit: 'seconds',
  labels: { dataset: '*', step: ['read', 'write'] },
  buckets: [0.1, 1, 10],
})

export const rowsAnHour = record('dataset:shop_rows:increase1h', rows.increase('1h').sum('dataset'))

export const batchFailed = alert('BatchFailed', {
  when: batches.where({ status: 'failed' }).increase('1h').sum('dataset').gt(0),
  severity: 'critical',
  owner: 'shop',
  summary: ({ dataset }, value) => `${dataset} failed ${value.humanized} times in an hour`,
  description: 'A batch ended with an error; the table is as it was before.',
  steps: ['Look at the error: `sluice status`', 'Run it again: `sluice run`'],
  tests: [
    fires('when one failed', {
      series: [given(batches, { dataset: 'orders', status: 'failed' }, '0x30 1x30')],
      at: '50m',
    }),
    staysQuiet('when all went well', { series: [given(batches, { dataset: 'orders', status: 'ok' }, '0+1x60')], at: '50m' }),
  ],
})

export const datasetLate = alert('DatasetLate', {
  when: lastSuccess.age().gt('26h'),
  for: '10m',
  keepFiring: '5m',
  severity: 'warning',
  owner: 'shop',
  labels: { kind: 'freshness' },
  summary: ({ dataset }, value) => `${dataset} is ${value.duration} old`,
  description: ({ dataset }) => `${dataset} has not been written for more than a day and two hours.`,
  tests: [
    fires('when it is a day and a half old', { series: [given(lastSuccess, { dataset: 'orders' }, '0x432')], at: '36h', every: '5m' }),
    staysQuiet('when it is a day old', { series: [given(lastSuccess, { dataset: 'orders' }, '0x432')], at: '24h', every: '5m' }),
  ],
})

export const refusals = alert('BatchesRefused', {
  when: ratio(
    batches
      .where({ status: not('ok') })
      .increase('6h')
      .sum(),
    batches.increase('6h').sum(),
    { atLeast: 4 },
  ).gt(0.1),
  severity: 'info',
  summary: (_, value) => `${value.percentage} of batches fail`,
  description: 'More than a tenth of six hours’ batches failed.',
  tests: [
    fires(
      'when half fail',
      {
        series: [
          given(batches, { dataset: 'orders', status: 'failed' }, '0+1x20'),
          given(batches, { dataset: 'orders', status: 'ok' }, '0+1x20'),
        ],
        at: '20m',
      },
      [{}],
    ),
    staysQuiet('when few ran', {
      series: [
        given(batches, { dataset: 'orders', status: 'failed' }, '0 1x20'),
        given(batches, { dataset: 'orders', status: 'ok' }, '0 1x20'),
      ],
      at: '20m',
    }),
  ],
})

export const always: Alert = watchdog()

export const fresh = slo('shop_fresh', {
  good: lastSuccess.age().isAtMost('26h'),
  objective: 0.99,
  owner: 'shop',
  summary: ({ dataset }) => `${dataset} is late too often`,
})

export const groups: readonly RuleGroup[] = [
  ruleGroup('shop', { rules: [rowsAnHour, batchFailed, refusals, always] }),
  ruleGroup('shop_slow', { every: '5m', rules: [datasetLate] }),
  fresh,
]

export const metrics: readonly MetricDefinition[] = [
  batches,
  rows,
  lastSuccess,
  waiting,
  stepDuration,
  rowsAnHour,
  fresh.good,
  ...Object.values(fresh.errorRatio),
].map(({ definition }) => definition)

export const team = receiver('team', {
  slack: { url: { name: 'SLACK_WEBHOOK' }, channel: '#shop' },
  logFile: 'alerts.log',
})
export const oncall = receiver('oncall', {
  pagerDuty: { routingKey: { name: 'PAGERDUTY_KEY' } },
  email: {
    to: ['oncall@shop.test', 'night@shop.test'],
    from: 'alerts@shop.test',
    smtp: 'mail.shop.test:587',
    username: 'alerts',
    password: { name: 'SMTP_PASSWORD' },
  },
})
export const hook = receiver('hook', { webhook: { url: 'http://127.0.0.1:9/alerts', token: { name: 'HOOK_TOKEN' } } })

export const notified = notifications({
  default: team,
  routes: [
    { to: hook, match: { severity: ['critical', 'warning'], owner: 'shop' }, continue: true },
    { to: oncall, match: { severity: 'critical' } },
    { to: hook, match: { kind: 'freshness' }, repeat: '12h' },
  ],
  inhibit: [{ source: { alertname: 'BatchFailed', dataset: 'orders' }, target: { alertname: 'DatasetLate' }, equal: ['owner'] }],
})

export const shopDetails = dashboard('shop-details', {
  title: 'Shop: one dataset',
  variables: [labelVariable(rows, 'dataset')],
  rows: [
    row('Rows', [timeSeries('Rows a second', rows.rate().sum('dataset'), { description: 'How fast it is written.', unit: 'rowsps' })]),
  ],
})

/** A panel of every kind. */
export const shop = dashboard('shop', {
  title: 'Shop',
  description: 'What the nightly batch does.',
  tags: ['shop'],
  variables: [labelVariable(rows, 'dataset')],
  annotations: [
    annotation('Failures', batches.where({ status: 'failed' }).increase('5m').sum('dataset').gt(0), ({ dataset }) => `${dataset} failed`),
  ],
  links: [
    { title: 'One dataset', to: 'shop-details' },
    { title: 'How to', to: 'https://example.org/how-to' },
  ],
  rows: [
    row('Now', [
      stat('Failed today', batches.where({ status: 'failed' }).increase('1d').sum().orZero(), {
        description: 'Batches that failed; 0 is well.',
        thresholds: [{ at: 1, colour: 'red' }],
        drillDown: 'shop-details',
      }),
      stat('State', waiting.now().isGreater(100), {
        description: 'Whether the queue is short.',
        values: { 0: { text: 'short', colour: 'green' }, 1: { text: 'long', colour: 'red' } },
      }),
      stat(
        'Last written',
        line(lastSuccess.now().max('dataset'), ({ dataset }) => dataset),
        {
          description: 'When each dataset was last written.',
        },
      ),
      gaugePanel('Waiting', waiting.now(), {
        description: 'Rows in the queue.',
        min: 0,
        max: 1000,
        thresholds: [{ at: 500, colour: 'orange' }],
      }),
      barGauge('Rows in an hour', rowsAnHour.now(), { description: 'By dataset, from what is recorded.', unit: 'short', decimals: 0 }),
      pie('Batches', batches.increase('1d').sum('status'), { description: 'How batches of a day ended.' }),
    ]),
    row('Over time', [
      timeSeries(
        'Step time',
        [
          line(stepDuration.quantile(0.5, 'auto', 'step'), ({ step }) => `${step} p50`),
          line(stepDuration.quantile(0.95, 'auto', 'step'), ({ step }) => `${step} p95`),
        ],
        { description: 'How long steps take.', thresholds: [{ at: 5, colour: 'red' }], stacked: false },
      ),
      timeSeries('Rows a second', rows.rate().sum('dataset'), { description: 'How fast rows are written.', unit: 'rowsps', stacked: true }),
      heatmap('Step time, spread', stepDuration.buckets(), { description: 'How step times lie.', unit: 's' }),
    ]),
    row(
      'Tables',
      [
        tablePanel(
          'By dataset',
          [line(rows.increase('1d').sum('dataset'), () => 'Rows'), line(lastSuccess.age().max('dataset'), () => 'Age')],
          { description: 'What each dataset did today.', width: 24 },
        ),
        tablePanel(
          'Orders by day',
          { sql: 'SELECT day, orders FROM daily ORDER BY day' },
          { description: 'Straight from the store.', width: 12 },
        ),
        timeSeries(
          'Orders over time',
          { sql: 'SELECT day AS time, orders FROM daily ORDER BY day', format: 'time_series' },
          { description: 'Straight from the store.' },
        ),
      ],
      { collapsed: true },
    ),
  ],
})
