import type {
  ReportAlerts,
  ReportAnomalies,
  ReportColumnProfile,
  ReportDataset,
  ReportExpectation,
  ReportMetrics,
  ReportModel,
  ReportOperation,
  ReportPastRun,
  ReportPoint,
  ReportReconciliation,
  ReportSlowest,
  ReportStep,
  ReportSync,
  ReportSyncRun,
} from '../../src/report/model.js'

const idle: ReportStep = {
  dataset: '',
  layer: '',
  status: 'ok',
  reasons: [],
  rowsRead: 0,
  rowsIn: 0,
  rowsAccepted: 0,
  rowsQuarantined: 0,
  rowsWritten: 0,
  bytesWritten: 0,
  startedAt: '2026-01-14T06:00:00.000Z',
  durationMs: 0,
  version: 7,
  files: [],
  drift: [],
  expectations: [],
}

export function step(dataset: string, facts: Partial<ReportStep> = {}): ReportStep {
  return { ...idle, dataset, layer: dataset.split('.')[0] ?? '', ...facts }
}

export function expectation(name: string, evaluated: number, failed = 0, facts: Partial<ReportExpectation> = {}): ReportExpectation {
  const status = failed === 0 ? 'pass' : 'warn'
  return { name, description: '', action: 'quarantine', severity: 'warning', status, failed, evaluated, ...facts }
}

export function dataset(name: string, facts: Partial<ReportDataset> = {}): ReportDataset {
  const layer = name.split('.')[0] ?? ''
  const none = {
    description: '',
    reads: [],
    synthetic: true,
    rows: 0,
    bytes: 0,
    files: 0,
    version: 7,
    held: 0,
    profiledRows: 0,
    profile: [],
  }
  return { name, layer, ...none, ...facts }
}

function column(name: string, type: string, facts: Partial<ReportColumnProfile> = {}): ReportColumnProfile {
  return { column: name, type, pii: false, nulls: 0, distinct: null, min: null, max: null, mean: null, histogram: [], ...facts }
}

const bell = [2, 9, 40, 150, 420, 900, 1500, 1820, 1500, 980, 610, 400, 260, 160, 90, 55, 30, 14, 6, 2]
const twoPeaks = [320, 180, 90, 60, 70, 190, 480, 760, 820, 790, 760, 800, 840, 830, 860, 900, 1010, 1120, 1180, 990, 870, 800, 700, 520]

const tripColumns: readonly ReportColumnProfile[] = [
  column('trip_id', 'string', { distinct: 239_312, min: '0000a1f38c', max: 'ffffd0b921' }),
  column('pickup_at', 'timestamp', { distinct: 231_904, min: '2024-01-01T05:00:02Z', max: '2024-03-31T23:59:51Z', histogram: twoPeaks }),
  column('passenger_phone', 'string', { pii: true, nulls: 12_004, distinct: 201_332, min: '+1 212 555 0100', max: '+1 917 555 0199' }),
  column('passenger_count', 'integer', {
    nulls: 4_812,
    distinct: 7,
    min: '0',
    max: '6',
    mean: '1.3684921',
    histogram: [310, 18_900, 3_100, 620, 240, 130, 90],
  }),
  column('trip_distance', 'double', { unit: 'mi', distinct: 4_120, min: '0', max: '184.4', mean: '3.2271828', histogram: bell }),
  column('fare_amount', 'decimal(10,2)', {
    unit: 'USD',
    distinct: 5_018,
    min: '0.00',
    max: '1280.50',
    mean: '18.4467',
    histogram: bell.slice(3),
  }),
  column('payment_type', 'string', { distinct: 5, min: 'card', max: 'voided' }),
]

const goldColumns: readonly ReportColumnProfile[] = [
  column('day', 'date', { distinct: 91, min: '2024-01-01', max: '2024-03-31' }),
  column('zone', 'string', { distinct: 259, min: 'Allerton/Pelham Gardens', max: 'Yorkville West' }),
  column('trips', 'long', { distinct: 812, min: '1', max: '4021', mean: '12.8', histogram: [...bell].reverse().sort((a, b) => b - a) }),
  column('revenue', 'decimal(18,2)', { unit: 'USD', distinct: 17_002, min: '2.50', max: '118204.75', mean: '341.0862', histogram: bell }),
]

const datasets: readonly ReportDataset[] = [
  dataset('bronze.raw_trips', {
    description: 'Yellow-taxi records as they arrived, one row a line.',
    source: 'files ../data/yellow_tripdata_*.csv',
    rows: 240_000,
    bytes: 19_400_000,
    files: 24,
    profiledRows: 100_000,
    profile: tripColumns.slice(1),
  }),
  dataset('bronze.raw_zones', { source: 'files ../data/taxi_zone_lookup.csv', synthetic: false, rows: 265, bytes: 9_113, files: 1 }),
  dataset('silver.trips', {
    description: 'One completed yellow-taxi trip.',
    reads: ['bronze.raw_trips'],
    rows: 239_312,
    bytes: 14_100_000,
    files: 6,
    held: 688,
    profiledRows: 239_312,
    profile: tripColumns,
  }),
  dataset('silver.zones', { reads: ['bronze.raw_zones'], synthetic: false, rows: 265, bytes: 8_004, files: 1, version: 1 }),
  dataset('gold.revenue_by_day_and_zone', {
    description: 'Trips and revenue of each day and pick-up zone.',
    reads: ['silver.trips', 'silver.zones'],
    rows: 18_604,
    bytes: 402_113,
    files: 3,
    profiledRows: 18_604,
    profile: goldColumns,
  }),
  dataset('gold.hourly_demand', {
    reads: ['silver.trips'],
    rows: 2_184,
    bytes: 40_220,
    files: 1,
    profiledRows: 2_184,
    profile: goldColumns.slice(2, 3),
  }),
  dataset('gold.payment_mix_by_month', { reads: ['silver.trips'], rows: 15, bytes: 2_410, files: 1 }),
]

const tripExpectations: readonly ReportExpectation[] = [
  expectation('fare_not_negative', 240_000, 512, { description: 'fare_amount is at least 0' }),
  expectation('trip_under_6_hours', 240_000, 176, {
    description: 'dropoff_clock - pickup_clock < 6 * interval 1 hour',
    status: 'fail',
    severity: 'error',
  }),
  expectation('passengers_known', 240_000, 4_812, { action: 'warn', description: 'passenger_count is not null', severity: 'info' }),
  expectation('trip_id is unique', 240_000),
  expectation('row count at least 1', 1, 0, { action: 'fail', severity: 'error' }),
]

function steps(): readonly ReportStep[] {
  const at = (seconds: number, durationMs: number) => ({
    startedAt: new Date(Date.UTC(2026, 0, 14, 6, 0, 0) + seconds * 1000).toISOString(),
    durationMs,
  })
  const rows = (rowsIn: number, rowsQuarantined: number, bytesWritten: number) => {
    const accepted = rowsIn - rowsQuarantined
    return { rowsIn, rowsQuarantined, rowsAccepted: accepted, rowsWritten: accepted, bytesWritten }
  }
  const upstream = { reasons: ['upstream-changed: silver.trips'], rowsRead: 239_312 }
  return [
    step('bronze.raw_trips', {
      ...at(0.2, 4_310),
      ...rows(240_000, 0, 19_400_000),
      reasons: ['new-files: 24 files'],
      files: Array.from({ length: 24 }, (_, index) => ({
        path: `../data/yellow_tripdata_2024-${String(index + 1).padStart(2, '0')}.csv`,
        status: 'taken',
        rows: 10_000,
      })),
      expectations: [expectation('row count at least 1', 1, 0, { action: 'fail' })],
    }),
    step('bronze.raw_zones', { ...at(0.2, 120), status: 'skipped', reasons: ['no new files: 1 file already known'], version: 0 }),
    step('silver.trips', {
      ...at(4.6, 5_020),
      ...rows(240_000, 688, 14_100_000),
      rowsRead: 240_000,
      reasons: ['upstream-changed: bronze.raw_trips'],
      expectations: tripExpectations,
    }),
    step('silver.zones', { status: 'skipped', reasons: ['nothing new upstream'], version: 1 }),
    step('gold.revenue_by_day_and_zone', { ...at(9.7, 1_840), ...upstream, ...rows(18_604, 0, 402_113) }),
    step('gold.hourly_demand', {
      ...at(9.7, 900),
      ...upstream,
      ...rows(2_184, 0, 40_220),
      expectations: [expectation('demand_positive', 2_184)],
    }),
    step('gold.payment_mix_by_month', { ...at(10.6, 1_410), ...upstream, ...rows(15, 0, 2_410) }),
  ]
}

const history: readonly ReportPastRun[] = Array.from({ length: 23 }, (_, age) => ({
  runId: `01KEX${String(70_000 - age * 977)}`,
  status: age === 4 ? 'failed' : age === 11 ? 'interrupted' : 'ok',
  startedAt: new Date(Date.UTC(2026, 0, 14 - age, 6, 0, 0)).toISOString(),
  durationMs: 12_400 + ((age * 7_919) % 5_000),
  rowsWritten: age === 4 ? 0 : 500_115 - ((age * 61_331) % 140_000),
  rowsQuarantined: age === 4 ? 0 : 688 - ((age * 97) % 500),
}))

const NOW = Date.UTC(2026, 0, 14, 6, 0, 13)
const DAY = 86_400_000

/** One point a day, the oldest first. */
function daily(days: number, value: (age: number) => number): ReportPoint[] {
  return Array.from({ length: days }, (_, index) => ({ at: NOW - (days - 1 - index) * DAY - 13_000, value: value(days - 1 - index) }))
}

const metrics: ReportMetrics = {
  from: NOW - 59 * DAY - 13_000,
  to: NOW,
  runSeconds: daily(60, (age) => 12.4 + ((age * 7_919) % 5_000) / 1_000),
  rowsWritten: daily(60, (age) => 500_115 - ((age * 61_331) % 140_000)),
  datasets: ['bronze.raw_trips', 'silver.trips', 'gold.hourly_demand'].map((name, index) => ({
    dataset: name,
    quarantinedShare: index === 1 ? daily(60, (age) => (age % 7) / 1_000) : [],
    bytes: daily(60, (age) => (60 - age) * 323_000 * (3 - index)),
    files: daily(60, (age) => 1 + ((60 - age) % 20)),
  })),
}

const slowest: ReportSlowest = {
  run: [
    { dataset: 'silver.trips', durationMs: 5_020, share: 0.41, usualMs: 2_040 },
    { dataset: 'bronze.raw_trips', durationMs: 4_310, share: 0.35, usualMs: 4_280 },
    { dataset: 'gold.hourly_demand', durationMs: 900, share: 0.07, usualMs: null },
  ],
  month: [{ dataset: 'silver.trips', steps: 30, totalMs: 63_400, share: 0.61, usualMs: 2_040, longestMs: 5_020 }],
}

const alerts: ReportAlerts = {
  judgedAt: NOW,
  watched: 8,
  firing: [
    {
      alert: 'DatasetSlow',
      severity: 'warning',
      about: 'silver.trips',
      summary: 'silver.trips took 5 s',
      description: 'The last step of silver.trips took more than 3 times its average of a week.',
      since: NOW - 60_000,
    },
    {
      alert: 'RunFailed',
      severity: 'critical',
      about: '',
      summary: 'The last run failed',
      description: 'A step failed.',
      since: NOW - 1_000,
    },
  ],
  monitor: { turnedAt: NOW - 60_000, firing: ['RunFailed'], pending: ['DatasetSlow'] },
}

export function syncRun(facts: Partial<ReportSyncRun> = {}): ReportSyncRun {
  const none = { rows: 0, inserted: 0, updated: 0, deleted: 0, deadLettered: 0 }
  return { status: 'ok', mode: 'changes', startedAt: '2026-01-14T06:00:20.000Z', durationMs: 2_000, ...none, ...facts }
}

export function syncOf(name: string, facts: Partial<ReportSync> = {}): ReportSync {
  const deadLetters = { rows: 0, reasons: [], samples: [], withheld: [] }
  const history = facts.history ?? [syncRun()]
  return { name, description: '', from: 'silver.trips', to: 'warehouse.taxi_trips', runs: history.length, history, deadLetters, ...facts }
}

export function reconciliation(name: string, facts: Partial<ReportReconciliation> = {}): ReportReconciliation {
  const seen = { startedAt: '2026-01-14T06:00:30.000Z', level: 'rows', compared: 239_312, differences: 0, durationMs: 1_500 }
  const about = { from: 'silver.trips', to: 'warehouse.taxi_trips', byCause: [], samples: [], how: ['digests of 64 buckets: all alike'] }
  return { name, ...about, ...seen, writtenSince: false, history: [seen], ...facts }
}

const syncs: readonly ReportSync[] = [
  syncOf('trips_to_warehouse', {
    history: [
      syncRun({ rows: 1_000, inserted: 900, updated: 90, deleted: 10 }),
      syncRun({ mode: 'load', rows: 238_312, inserted: 238_312, durationMs: 4_000, startedAt: '2026-01-13T06:00:20.000Z' }),
    ],
  }),
]
const reconciliations = [reconciliation('trips_to_warehouse')]

const anomalies: readonly ReportAnomalies[] = [
  {
    name: 'odd_trips',
    dataset: 'silver.trips',
    results: '_anomalies.odd_trips',
    votes: 1,
    history: [{ startedAt: '2026-01-14T06:00:40.000Z', judged: 239_000, found: 1_195, durationMs: 900 }],
    methods: [{ method: 'mad', threshold: 6, flagged: 1_195 }],
    distribution: {
      feature: 'fare_per_mile',
      low: -1,
      high: 3,
      bars: [
        [0, 120, 120],
        [20, 200_000, 0],
        [21, 38_000, 5],
        [39, 880, 880],
      ],
    },
    worst: [
      {
        key: [{ column: 'trip_id', value: '5510fe0a12' }],
        method: 'mad',
        feature: 'fare_per_mile',
        value: 9.8,
        score: 51.23456,
        threshold: 6,
        reason: 'fare_per_mile 9.8 is 51.2 robust deviations above 1.8, the median of rate_code_id 1',
      },
    ],
    behind: false,
  },
]

const operations: readonly ReportOperation[] = [
  {
    operation: 'sync trips_to_warehouse',
    store: 'mysql',
    times: 2,
    lastMs: 2_000,
    usualMs: 3_000,
    longestMs: 4_000,
    batchMs: 250,
    rows: 239_312,
    cpu: 0.42,
    memory: 0.05,
    mismatches: 0,
    errors: 0,
  },
]

/** A run that wrote five datasets and held 688 rows. */
export const healthy: ReportModel = {
  project: 'nyc-taxi',
  sluiceVersion: '0.1.0',
  lake: './lake',
  run: {
    runId: '01KEX70000',
    status: 'ok',
    startedAt: '2026-01-14T06:00:00.000Z',
    durationMs: 12_412,
    environment: 'production',
    variables: [
      { name: 'input', value: '../data/yellow_tripdata_*.csv' },
      { name: 'max_trip_hours', value: '6' },
    ],
  },
  steps: steps(),
  datasets,
  samples: [
    {
      dataset: 'silver.trips',
      expectation: 'fare_not_negative',
      explain: 'sluice quarantine explain silver.trips --expectation fare_not_negative',
      columns: ['trip_id', 'pickup_at', 'trip_distance', 'fare_amount', 'payment_type'],
      rows: [
        ['0f31c9a0be', '2024-01-03 08:12:44', '1.92', '-11.40', 'card'],
        ['77ab19d2c1', '2024-01-19 23:51:02', '0.00', '-3.00', null],
        ['c4401b77aa', '2024-02-27 17:30:10', '12.71', '-52.00', 'voided'],
      ],
      withheld: ['passenger_phone'],
    },
    {
      dataset: 'silver.trips',
      expectation: 'trip_under_6_hours',
      explain: 'sluice quarantine explain silver.trips --expectation trip_under_6_hours',
      columns: ['trip_id', 'pickup_clock', 'dropoff_clock', 'trip_distance'],
      rows: [['5510fe0a12', '2024-03-02 10:00:00', '2024-03-03 09:58:31', '0.61']],
      withheld: [],
    },
  ],
  history,
  slowest,
  syncs,
  reconciliations,
  anomalies,
  operations,
  metrics,
  alerts,
}

const corrupt = {
  code: 'SOURCE_FILE_UNREADABLE',
  message: '../data/yellow_tripdata_2024-13.csv is no CSV: line 4,113 has 3 fields, the header has 19.',
  hint: 'Fetch the file again, or move it out of the folder; the other files are not affected.',
}
const unreachable = {
  code: 'STORE_UNREACHABLE',
  message: 'mysql at db.example.com:3306/taxi does not answer: connect ECONNREFUSED.',
  hint: 'Is the server up, and the address right?',
}
const gateError = {
  code: 'GATE_FAILED',
  message: 'Expectation "row count at least 1000" of bronze.raw_trips failed: the batch has 0 rows.',
  hint: 'Look at the refused files below. Nothing was committed; run again when they are repaired.',
}

/** A run whose first gate stopped it: a corrupt file, columns that drifted, all that reads it blocked. */
export const failed: ReportModel = {
  ...healthy,
  run: { ...healthy.run, status: 'failed', durationMs: 2_050, error: gateError },
  steps: healthy.steps.map((each) =>
    each.dataset === 'bronze.raw_trips'
      ? step(each.dataset, {
          status: 'failed',
          reasons: ['new-files: 2 files'],
          startedAt: each.startedAt,
          durationMs: 1_840,
          error: gateError,
          files: [
            { path: '../data/yellow_tripdata_2024-13.csv', status: 'refused', rows: 0, error: corrupt },
            { path: '../data/yellow_tripdata_2024-12.csv', status: 'taken', rows: 0, note: 'the file has a header and no lines' },
            { path: '../data/yellow_tripdata_2024-11.csv', status: 'known', rows: 10_000 },
          ],
          drift: ['2024-12', '2024-13'].flatMap((month) => [
            {
              column: 'airport_fee',
              change: 'missing',
              expected: 'double',
              arrived: '–',
              policy: 'filled with null',
              file: `../data/yellow_tripdata_${month}.csv`,
            },
            {
              column: 'cbd_congestion_fee',
              change: 'extra',
              expected: '–',
              arrived: 'double',
              policy: 'added',
              file: `../data/yellow_tripdata_${month}.csv`,
            },
          ]),
          expectations: [expectation('row count at least 1000', 1, 1, { action: 'fail', status: 'fail', severity: 'critical' })],
        })
      : step(
          each.dataset,
          each.dataset.endsWith('zones')
            ? { status: 'skipped', reasons: ['nothing new'] }
            : { status: 'blocked', reasons: ['blocked by bronze.raw_trips'] },
        ),
  ),
  samples: [],
  syncs: [
    syncOf('trips_to_warehouse', {
      history: [syncRun({ status: 'failed', mode: 'nothing', error: unreachable }), syncRun()],
      deadLetters: {
        rows: 3,
        reasons: [{ reason: "Out of range value for column 'fare_amount'", rows: 3 }],
        samples: [
          {
            row: [
              { column: 'record_id', value: '77ab19d2c1' },
              { column: 'fare_amount', value: '429490.20' },
              { column: 'tip_amount', value: null },
            ],
            reason: "Out of range value for column 'fare_amount'",
          },
        ],
        withheld: ['passenger_phone'],
      },
    }),
    syncOf('trips_to_documents', { from: 'warehouse.taxi_trips', to: 'documents.taxi_trips', history: [] }),
  ],
  reconciliations: [
    reconciliation('trips_to_warehouse', {
      differences: 12,
      byCause: [
        { cause: 'missing', count: 7 },
        { cause: 'null-vs-zero', count: 5 },
      ],
      samples: [
        { key: [{ column: 'record_id', value: '0f31c9a0be' }], column: null, left: null, right: null, cause: 'missing' },
        { key: [{ column: 'record_id', value: '77ab19d2c1' }], column: 'tip_amount', left: null, right: '0.00', cause: 'null-vs-zero' },
      ],
      history: [
        { startedAt: '2026-01-14T06:00:30.000Z', level: 'rows', compared: 239_312, differences: 12, durationMs: 1_500 },
        { startedAt: '2026-01-13T06:00:30.000Z', level: 'rows', compared: 238_312, differences: 0, durationMs: 1_500 },
      ],
    }),
  ],
  anomalies: [
    {
      name: 'odd_trips',
      dataset: 'silver.trips',
      results: '_anomalies.odd_trips',
      votes: 1,
      history: [],
      methods: [],
      worst: [],
      behind: false,
    },
  ],
  history: [
    { ...(history[0] as ReportPastRun), status: 'failed', rowsWritten: 0, rowsQuarantined: 0, durationMs: 2_050 },
    ...history.slice(1),
  ],
}

/** The first run of a project that has no datasets yet. */
export const empty: ReportModel = {
  ...healthy,
  run: { ...healthy.run, durationMs: 41, variables: [] },
  steps: [],
  datasets: [],
  samples: [],
  history: history.slice(0, 1),
  slowest: { run: [], month: [] },
  syncs: [],
  reconciliations: [],
  anomalies: [],
  operations: [],
  metrics: { from: NOW, to: NOW, runSeconds: [], rowsWritten: [], datasets: [] },
  alerts: { judgedAt: NOW, watched: 0, firing: [], monitor: null },
}

/** Fifty datasets that read each other across layers. */
export const wide: ReportModel = {
  ...healthy,
  datasets: Array.from({ length: 50 }, (_, index) => {
    const layer = index < 15 ? 'bronze' : index < 32 ? 'silver' : 'gold'
    const name = (number: number) =>
      `${number < 15 ? 'bronze' : number < 32 ? 'silver' : 'gold'}.entity_${number}${number % 9 === 0 ? '_with_a_rather_long_name_for_a_box' : ''}`
    const reads =
      index < 15
        ? []
        : index < 32
          ? [name(index - 15), name((index * 3) % 15)]
          : [name(15 + ((index * 5) % 17)), name(index % 15), ...(index > 45 ? [name(index - 6)] : [])]
    return dataset(name(index), { layer, reads, rows: index * 1_000, ...(index < 15 && { source: `topic orders_${index % 4}` }) })
  }),
  steps: [],
  samples: [],
}
