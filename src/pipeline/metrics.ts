import { type Alert, alert, fires, given, record, ruleGroup, staysQuiet } from '../observability/alert.js'
import {
  annotation,
  type Dashboard,
  dashboard,
  gaugePanel,
  heatmap,
  labelVariable,
  line,
  pie,
  row,
  stat,
  tablePanel,
  timeSeries,
} from '../observability/dashboard.js'
import { counter, gauge, histogram } from '../observability/metric.js'
import { type DatasetAlertOptions, expectationPanels, gatePanels } from '../quality/metrics.js'
import { reconciliationPanels } from '../reconciliation/metrics.js'
import { sourcePanels } from '../sources/metrics.js'
import { syncPanels } from '../sync/metrics.js'
import { tablePanels } from '../table/metrics.js'

/** Runs and steps: how they ended, how long they took, when they last went well. */

const labels = { dataset: '*' } as const

export const runs = counter('sluice_runs_total', {
  help: 'Runs, by how they ended; one that was killed is counted by the next.',
  labels: { status: ['ok', 'failed', 'cancelled', 'interrupted'] },
})
/** A failure that a gauge says is seen at the first scrape; a counter's increase needs two. */
export const runFailed = gauge('sluice_run_failed', { help: '1 when the last run failed, 0 when it went well.' })
export const runSeconds = gauge('sluice_run_duration_seconds', { help: 'Seconds that the last run took.', unit: 'seconds' })
export const runEnded = gauge('sluice_run_last_timestamp_seconds', { help: 'When the last run ended.', unit: 'timestamp_seconds' })
export const runSucceeded = gauge('sluice_run_last_success_timestamp_seconds', {
  help: 'When a run last went well.',
  unit: 'timestamp_seconds',
})
export const runMemory = gauge('sluice_run_peak_memory_bytes', {
  help: 'Most memory that the last run held, of its process.',
  unit: 'bytes',
})
export const runCpu = counter('sluice_run_cpu_seconds_total', { help: 'Processor time of runs.', unit: 'seconds' })
export const errors = counter('sluice_errors_total', { help: 'Failures of steps and refused files, by their code.', labels: { code: '*' } })

export const steps = counter('sluice_steps_total', {
  help: 'Steps, by how they ended.',
  labels: { dataset: '*', status: ['ok', 'skipped', 'failed', 'blocked', 'cancelled'] },
})
export const stepSeconds = histogram('sluice_step_duration_seconds', {
  help: 'Seconds that steps took, those left out that had nothing to do.',
  unit: 'seconds',
  labels,
})
export const stepLastSeconds = gauge('sluice_step_last_duration_seconds', {
  help: 'Seconds that the last step took which had something to do.',
  unit: 'seconds',
  labels,
})
export const stepFailed = gauge('sluice_step_failed', {
  help: '1 when the last step of a dataset failed or refused a file, 0 when it went well.',
  labels,
})
export const stepSucceeded = gauge('sluice_step_last_success_timestamp_seconds', {
  help: 'When a dataset was last up to date: filled, or found to need nothing.',
  unit: 'timestamp_seconds',
  labels,
})
export const datasetChanged = gauge('sluice_dataset_last_change_timestamp_seconds', {
  help: 'When rows of a dataset last changed.',
  unit: 'timestamp_seconds',
  labels,
})
export const datasetInterval = gauge('sluice_dataset_interval_seconds', {
  help: 'How often a dataset is meant to be brought up to date.',
  unit: 'seconds',
  labels,
})
export const rows = counter('sluice_rows_total', {
  help: 'Rows, by where in a step they were counted.',
  labels: { dataset: '*', stage: ['read', 'in', 'written'] },
})

/** A run failed: at once, and by itself, however rarely runs come. */
export function lastRunFailed({ severity = 'critical', threshold: _, datasets: __, ...rest }: DatasetAlertOptions): Alert {
  return alert('RunFailed', {
    when: runFailed.now().gt(0),
    for: '0s',
    ...rest,
    severity,
    summary: 'The last run failed',
    description: 'At least one step failed or refused a file. What was committed stays; the next run goes on from there.',
    steps: ['See what failed: `sluice report`.', 'Mend the cause it names, then `sluice run`: nothing that is done is done again.'],
    tests: [
      fires('at the first failure', { series: [given(runFailed, {}, '1x2')], at: '1m' }),
      staysQuiet('when a run went well after it', { series: [given(runFailed, {}, '1x5 0x5')], at: '8m' }),
    ],
  })
}

export function datasetFailed({ datasets, severity = 'critical', threshold: _, ...rest }: DatasetAlertOptions): Alert {
  const orders = { dataset: 'silver.orders' }
  return alert('DatasetFailed', {
    when: stepFailed.where(datasets).now().gt(0),
    for: '0s',
    ...rest,
    severity,
    summary: ({ dataset }) => `${dataset} failed`,
    description: ({ dataset }) => `The last step of ${dataset} failed or refused a file. What depends on it was not brought up to date.`,
    steps: ['See why: `sluice report`.', 'Mend the cause it names, then `sluice run +DATASET+`.'],
    tests: [
      fires('at the first failure', { series: [given(stepFailed, orders, '1x2')], at: '1m' }, [orders]),
      staysQuiet('when it went well', { series: [given(stepFailed, orders, '0x5')], at: '3m' }),
    ],
  })
}

/** @param threshold intervals without a success */
export function datasetStale({ datasets, threshold = 2, severity = 'critical', ...rest }: DatasetAlertOptions): Alert {
  const orders = { dataset: 'silver.orders' }
  const hours = Math.ceil(threshold) + 1
  return alert('DatasetStale', {
    when: stepSucceeded.where(datasets).age().gt(datasetInterval.where(datasets).now().times(threshold)),
    for: '0s',
    ...rest,
    severity,
    summary: ({ dataset }, value) => `${dataset} was last up to date ${value.duration} ago`,
    description: ({ dataset }) => `${dataset} has not gone well for ${threshold} of its intervals: runs fail, or none is started.`,
    steps: [
      'Does anything start runs? Look at the scheduler, and at `sluice_run_last_timestamp_seconds`.',
      'When runs fail: `sluice report` says why.',
      'When the dataset is meant to run more seldom, say so: `every` in its definition or in the project.',
    ],
    tests: [
      fires(
        'when nothing has run for long',
        {
          series: [given(stepSucceeded, orders, `0x${hours * 60}`), given(datasetInterval, orders, `3600x${hours * 60}`)],
          at: `${hours}h`,
        },
        [orders],
      ),
      staysQuiet('within the interval', {
        series: [given(stepSucceeded, orders, '0x90'), given(datasetInterval, orders, '3600x90')],
        at: '30m',
      }),
    ],
  })
}

/** @param threshold times its own average of a week */
export function datasetSlow({ datasets, threshold = 3, severity = 'warning', ...rest }: DatasetAlertOptions): Alert {
  const orders = { dataset: 'silver.orders' }
  const last = stepLastSeconds.where(datasets)
  return alert('DatasetSlow', {
    when: last.now().gt(last.avgOver('7d').times(threshold)).and(last.now().gt('1m')),
    for: '0s',
    ...rest,
    severity,
    summary: ({ dataset }, value) => `${dataset} took ${value.duration}`,
    description: ({ dataset }) =>
      `The last step of ${dataset} took more than ${threshold} times its average of a week, and more than a minute.`,
    steps: ['See where the time went, and what would help: `sluice advise`.', 'More rows than usual? `sluice report` has rows by run.'],
    tests: [
      fires(
        'when a step takes far longer than its history',
        { series: [given(stepLastSeconds, orders, `70x2000 ${70 * threshold * 2}x10`)], at: '2005m' },
        [orders],
      ),
      staysQuiet('when it is as it was', { series: [given(stepLastSeconds, orders, '70x2010')], at: '2005m' }),
      staysQuiet('when it is quick anyway', { series: [given(stepLastSeconds, orders, '1x2000 30x10')], at: '2005m' }),
    ],
  })
}

/** @param threshold intervals without a changed row */
export function datasetUnchanged({ datasets, threshold = 7, severity = 'info', ...rest }: DatasetAlertOptions): Alert {
  const orders = { dataset: 'silver.orders' }
  const hours = Math.ceil(threshold) + 1
  return alert('DatasetUnchanged', {
    when: datasetChanged.where(datasets).age().gt(datasetInterval.where(datasets).now().times(threshold)),
    for: '0s',
    ...rest,
    severity,
    summary: ({ dataset }, value) => `No row of ${dataset} has changed for ${value.duration}`,
    description: ({ dataset }) =>
      `Runs may go well while nothing new arrives: no row of ${dataset} has changed for ${threshold} of its intervals.`,
    steps: [
      'Does the source still deliver? Look at where its files or rows come from.',
      'When the dataset changes seldom by nature, silence this for it in `monitors/`, with the reason.',
    ],
    tests: [
      fires(
        'when nothing has changed for long',
        {
          series: [given(datasetChanged, orders, `0x${hours * 60}`), given(datasetInterval, orders, `3600x${hours * 60}`)],
          at: `${hours}h`,
        },
        [orders],
      ),
      staysQuiet('when it changed lately', {
        series: [given(datasetChanged, orders, '0x60'), given(datasetInterval, orders, '3600x60')],
        at: '50m',
      }),
    ],
  })
}

/** Nothing has ever told of a run: what watches is not connected. */
export function runsAbsent({ severity = 'warning', threshold: _, datasets: __, ...rest }: DatasetAlertOptions): Alert {
  return alert('RunsUnknown', {
    when: runEnded.absent(),
    for: '15m',
    ...rest,
    severity,
    summary: 'No run has ever been seen',
    description: 'There is no record of a run. Nothing has run yet, or its metrics do not arrive here, and no other alert can fire.',
    steps: ['Has the project run? `sluice report`.', 'Does Prometheus reach `sluice serve` or the Pushgateway? Look at its targets page.'],
    tests: [
      fires('when nothing arrives', { series: [], at: '30m' }),
      staysQuiet('once a run was seen', { series: [given(runEnded, {}, '1700000000x60')], at: '30m' }),
    ],
  })
}

/** 1 for each dataset that went well within two of its intervals: what a freshness SLO counts. */
const fresh = stepSucceeded.age().max('dataset').isAtMost(datasetInterval.now().max('dataset').times(2))
export const datasetFresh = record('dataset:fresh:bool', fresh, '1 while a dataset went well within two of its intervals.')

export const freshnessRules = ruleGroup('sluice-recordings', { every: '1m', rules: [datasetFresh] })

const MINUTES_OK = [{ at: 1, colour: 'red' as const }]

export function overview(project: string): Dashboard {
  return dashboard('overview', {
    title: `${project}: overview`,
    description: 'Do runs go well, are the datasets fresh, how large is what they keep.',
    tags: ['sluice'],
    variables: [labelVariable(steps, 'dataset', 'Dataset')],
    links: [{ title: 'Data quality', to: 'data-quality' }],
    annotations: [annotation('Failed runs', runFailed.now().gt(0), 'A run failed')],
    rows: [
      row('Now', [
        stat('Last run', runFailed.now().max(), {
          description: 'How the last run ended.',
          values: { '0': { text: 'ok', colour: 'green' }, '1': { text: 'failed', colour: 'red' } },
          width: 4,
        }),
        stat('Since the last success', runSucceeded.age().min(), { description: 'Grows on when nothing runs.', unit: 's', width: 4 }),
        stat('Runs', runs.increase('1d').sum().orZero(), { description: 'In a day.', unit: 'short', width: 4 }),
        stat('Runs that failed', runs.where({ status: 'failed' }).increase('1d').sum().orZero(), {
          description: 'In a day.',
          unit: 'short',
          thresholds: MINUTES_OK,
          width: 4,
        }),
        gaugePanel('Fresh datasets', fresh.avg(), {
          description: 'Share of the datasets that went well within two of their intervals.',
          unit: 'percentunit',
          min: 0,
          max: 1,
          width: 4,
        }),
        pie(
          'Steps',
          line(steps.increase('1d').sum('status'), ({ status }) => status),
          { description: 'In a day, by how they ended.', unit: 'short', width: 4 },
        ),
      ]),
      row('Runs and steps', [
        timeSeries('Run time', line(runSeconds.now().max(), 'last run'), { description: 'Seconds that runs took.', width: 8 }),
        timeSeries(
          'Step time',
          line(stepLastSeconds.now().max('dataset'), ({ dataset }) => dataset),
          { description: 'Of the last step of each dataset that had something to do.', width: 8 },
        ),
        heatmap('Step time, as it lies', stepSeconds.buckets(), { description: 'How many steps took how long.', width: 8 }),
        timeSeries(
          'Rows',
          line(rows.where({ stage: 'written' }).rate().sum('dataset'), ({ dataset }) => dataset),
          { description: 'Rows written a second.', unit: 'rowsps', width: 12 },
        ),
        tablePanel('Since the last success', line(stepSucceeded.age().max('dataset')), {
          description: 'Of each dataset.',
          unit: 's',
          width: 12,
        }),
      ]),
      sourcePanels,
      tablePanels,
      row('Process', [
        timeSeries('Memory', line(runMemory.now().max(), 'peak of the last run'), { description: 'Most that a run held.', width: 8 }),
        timeSeries('Processor', line(runCpu.rate().sum(), 'cores'), {
          description: 'Processor seconds a second, of runs.',
          unit: 'short',
          width: 8,
        }),
        timeSeries('Errors', line(errors.increase('1h').sum().orZero(), 'errors'), {
          description: 'Failures of steps and refused files, in an hour.',
          unit: 'short',
          width: 8,
        }),
      ]),
    ],
  })
}

/** Of projects with syncs. */
export function storesBoard(project: string): Dashboard {
  return dashboard('stores', {
    title: `${project}: stores`,
    description: 'What syncs write, and whether their targets hold what they should.',
    tags: ['sluice'],
    links: [{ title: 'Overview', to: 'overview' }],
    rows: [syncPanels, reconciliationPanels],
  })
}

/** Without expectations there is none to draw. */
export function dataQuality(project: string, expectations: boolean): Dashboard {
  return dashboard('data-quality', {
    title: `${project}: data quality`,
    description: 'What gates found, what the quarantine holds.',
    tags: ['sluice'],
    variables: [labelVariable(steps, 'dataset', 'Dataset')],
    links: [{ title: 'Overview', to: 'overview' }],
    rows: expectations ? [gatePanels, expectationPanels] : [gatePanels],
  })
}
