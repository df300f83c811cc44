import { describe, expect, test } from 'vitest'
import { bytes, count, counted, duration, instant, measure, middleCut, share } from '../../src/report/format.js'
import { headlineOf } from '../../src/report/headline.js'
import { html, literal } from '../../src/report/html.js'
import { layOutLineage } from '../../src/report/lineage-layout.js'
import type { ReportDataset, ReportModel } from '../../src/report/model.js'
import { renderReport } from '../../src/report/page.js'
import { dataset, empty, expectation, failed, healthy, reconciliation, step, syncOf, syncRun, wide } from './sample.js'

describe('html', () => {
  test('escapes every value, in text and in attributes', () => {
    const value = `<b onclick="x('y')">&\``
    expect(String(html`<p title="${value}">${value}</p>`)).toBe(
      '<p title="&lt;b onclick=&quot;x(&#39;y&#39;)&quot;&gt;&amp;&#96;">&lt;b onclick=&quot;x(&#39;y&#39;)&quot;&gt;&amp;&#96;</p>',
    )
  })

  test('keeps what is markup already, and joins lists', () => {
    expect(String(html`<ul>${['<', html`<li>${1}</li>`, literal`<li>`]}</ul>`)).toBe('<ul>&lt;<li>1</li><li></ul>')
  })

  test('leaves nothing for what is absent', () => {
    expect(String(html`[${undefined}${null}${false}${''}]`)).toBe('[]')
  })

  test('is not fooled by a value that says it is markup', () => {
    const impostor = { toString: () => '<script>' } as unknown as string
    expect(String(html`${[String(impostor)]}`)).toBe('&lt;script&gt;')
    expect(() => String(html`${impostor}`)).toThrow(TypeError)
  })

  test('shows characters that are invisible or turn the text around', () => {
    expect(String(html`${'a\u0000b\u001b[31m\n\t'}`)).toBe('a␀b␛[31m\n\t')
    expect(String(html`${'exe.\u202efdp\u007f'}`)).toBe('exe.[U+202E]fdp␡')
  })
})

describe('numbers are written for people', () => {
  test.each([
    [count(1_234_567), '1,234,567'],
    [count(Number.NaN), '–'],
    [counted(1, 'row'), '1 row'],
    [counted(0, 'row'), '0 rows'],
    [duration(850.4), '850 ms'],
    [duration(999.6), '1.0 s'],
    [duration(12_412), '12.4 s'],
    [duration(59_960), '1 min 0 s'],
    [duration(185_000), '3 min 5 s'],
    [duration(7_440_000), '2 h 4 min'],
    [bytes(512), '512 B'],
    [bytes(32_715_571), '31.2 MiB'],
    [bytes(1024 ** 3 - 1), '1.0 GiB'],
    [share(688, 240_000), '0.29%'],
    [share(1, 10_000_000), '<0.01%'],
    [share(9_999_999, 10_000_000), '>99.99%'],
    [share(1, 0), '–'],
    [instant('2026-01-14T06:00:12.345Z'), '2026-01-14 06:00:12 UTC'],
    [instant('yesterday'), 'yesterday'],
    [measure('-1234567.123456'), '-1,234,567.1234'],
    [measure('1e9'), '1e9'],
    [middleCut('gold.revenue_by_day_and_zone', 15), 'gold.re…nd_zone'],
  ])('%s', (written, wanted) => expect(written).toBe(wanted))
})

describe('the headline', () => {
  const of = (facts: Partial<ReportModel>) => headlineOf({ ...healthy, ...facts })

  test('gives the gate that held rows', () => {
    expect(headlineOf(healthy)).toEqual({
      sentence: '240,000 rows in; 239,312 accepted, 688 held at silver.trips.',
      detail: '5 datasets written: 500,115 rows, 32.4 MiB. Nothing new for 2 datasets.',
    })
  })

  test('counts rows once, where they came in, when nothing was held', () => {
    const steps = [
      step('bronze.raw_trips', { rowsIn: 10, rowsAccepted: 10, rowsWritten: 10 }),
      step('silver.trips', { rowsIn: 10, rowsAccepted: 10, rowsWritten: 10 }),
    ]
    expect(of({ steps }).sentence).toBe('10 rows in, all accepted.')
  })

  test('claims no acceptance across several gates', () => {
    const steps = [
      step('bronze.raw_trips', { rowsIn: 10, rowsAccepted: 8, rowsQuarantined: 2 }),
      step('silver.trips', { rowsIn: 8, rowsAccepted: 7, rowsQuarantined: 1 }),
    ]
    expect(of({ steps }).sentence).toBe('10 rows in; 3 held at 2 gates.')
  })

  test.each([
    ['ok', [], 'No steps ran.'],
    ['ok', ['skipped', 'skipped'], 'Nothing new.'],
    ['ok', ['ok'], 'No rows came in.'],
    ['failed', [], 'Failed before any step ran.'],
    ['failed', ['ok', 'failed', 'blocked'], 'Failed at silver.s1; 1 step blocked.'],
    ['failed', ['failed', 'failed'], 'Failed at 2 of 2 steps.'],
    ['cancelled', ['ok', 'cancelled'], 'Cancelled after 1 of 2 steps.'],
    ['interrupted', ['ok', 'cancelled', 'blocked'], 'Interrupted after 1 of 3 steps.'],
  ] as const)('a run that is %s with steps %j', (status, statuses, sentence) => {
    const steps = statuses.map((each, index) => step(`silver.s${index}`, { status: each }))
    expect(of({ run: { ...healthy.run, status }, steps }).sentence).toBe(sentence)
  })
})

describe('the lineage', () => {
  const layoutOf = (datasets: readonly ReportDataset[]) => {
    const layout = layOutLineage(datasets)
    return { ...layout, at: (name: string) => layout.nodes.find((node) => node.name === name) ?? expect.fail(`${name} is not drawn`) }
  }

  test('runs from left to right: sources, layers, and depth within a layer', () => {
    const { at, headings } = layoutOf([
      dataset('gold.b', { reads: ['gold.a'] }),
      dataset('gold.a', { reads: ['silver.a'] }),
      dataset('silver.a', { reads: ['bronze.a'] }),
      dataset('bronze.a', { source: 'files *.csv' }),
    ])
    const names = ['files *.csv', 'bronze.a', 'silver.a', 'gold.a', 'gold.b']
    expect(names.map((name) => at(name).x)).toEqual(names.map((name) => at(name).x).sort((a, b) => a - b))
    expect(new Set(names.map((name) => at(name).x)).size).toBe(5)
    expect(headings.map(({ text }) => text)).toEqual(['sources', 'bronze', 'silver', 'gold'])
  })

  test('draws what it reads from outside the report', () => {
    expect(layoutOf([dataset('gold.a', { reads: ['silver.elsewhere'] })]).at('silver.elsewhere').dataset).toBeUndefined()
  })

  test.each([
    ['a dataset that reads itself', [dataset('silver.a', { reads: ['silver.a'] })]],
    ['datasets that read each other', [dataset('silver.a', { reads: ['silver.b'] }), dataset('silver.b', { reads: ['silver.a'] })]],
    ['bronze that reads gold', [dataset('bronze.a', { reads: ['gold.a'] }), dataset('gold.a')]],
    ['layers of other names', [dataset('mart.a', { reads: ['raw.a'] }), dataset('raw.a')]],
    ['two datasets of one name', [dataset('gold.a'), dataset('gold.a')]],
  ])('survives %s', (_, datasets) => {
    const { width, height, edges } = layoutOf(datasets)
    const places = [width, height, ...edges.flatMap(({ points }) => points.flatMap(({ x, y }) => [x, y]))]
    expect(places.every(Number.isFinite)).toBe(true)
  })

  test('keeps fifty datasets apart, and edges off the nodes they pass', () => {
    const { nodes, edges, width, height } = layOutLineage(wide.datasets)
    expect(nodes.filter((node) => node.dataset !== undefined)).toHaveLength(50)
    for (const [index, a] of nodes.entries()) {
      expect(a.x >= 0 && a.y >= 0 && a.x + a.width <= width && a.y + a.height <= height).toBe(true)
      for (const b of nodes.slice(index + 1)) {
        const apart = a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y
        expect(apart, `${a.name} and ${b.name}`).toBe(true)
      }
    }
    const lanes = edges.flatMap(({ points }) => points.slice(1, -1))
    for (const { x, y } of lanes) {
      expect(nodes.some((node) => x >= node.x && x <= node.x + node.width && y >= node.y && y <= node.y + node.height)).toBe(false)
    }
  })
})

describe('the page', () => {
  test('says what ran, what was held, and how to have it explained', () => {
    const text = textOf(renderReport(healthy))
    expect(text).toContain('! held rows fare_not_negative silver.trips')
    expect(text).toContain('512 of 240,000 (0.21%) failed · action quarantine · severity warning')
    expect(text).toContain('sluice quarantine explain silver.trips --expectation fare_not_negative')
    expect(text).toContain('0f31c9a0be 2024-01-03 08:12:44 1.92 -11.40 card')
    expect(text).toContain('silver.trips upstream-changed: bronze.raw_trips synthetic ✓ ok')
    expect(text).toContain('5.0 s 240,000 240,000 239,312 688 239,312 13.4 MiB v7')
    expect(text).toContain('24 files of bronze.raw_trips: 24 taken; 240,000 rows')
    expect(text).toContain('measured on a sample of 100,000 of 240,000 rows')
    expect(text).toContain('max_trip_hours 6')
    expect(text).toContain('this run')
  })

  test('says why a run failed, which file was refused, and what drifted, once for all files', () => {
    const text = textOf(renderReport(failed))
    expect(text).toContain('✕ failed bronze.raw_trips GATE_FAILED')
    expect(text.split('the batch has 0 rows').length).toBe(2)
    expect(text).toContain('SOURCE_FILE_UNREADABLE ../data/yellow_tripdata_2024-13.csv is no CSV')
    expect(text).toContain('What to do: Fetch the file again')
    expect(text).toContain('✕ stopped the step row count at least 1000')
    expect(text).toContain(
      'airport_fee bronze.raw_trips missing double – filled with null ../data/yellow_tripdata_2024-12.csv and 1 more file',
    )
    expect(text).toContain('⊘ blocked')
  })

  test('shows an error of the run that no step has', () => {
    const error = { code: 'LAKE_LOCKED', message: 'Another run holds the lake.', hint: 'Wait for it.' }
    expect(textOf(renderReport({ ...empty, run: { ...empty.run, status: 'failed', error } }))).toContain('✕ failed The run LAKE_LOCKED')
  })

  test.each(['failed', 'cancelled', 'interrupted'] as const)(
    'does not call a run that is %s fine because no error was recorded',
    (status) => {
      const text = textOf(renderReport({ ...empty, run: { ...empty.run, status } }))
      expect(text).not.toContain('Nothing needs attention')
      expect(text).toContain(`${status} ; its records hold no error.`)
    },
  )

  test('has something to say when there is nothing', () => {
    const text = textOf(renderReport(empty))
    for (const said of ['No steps ran.', 'Nothing needs attention', 'This project has no datasets yet.', 'This is the first run']) {
      expect(text).toContain(said)
    }
    expect(textOf(renderReport({ ...healthy, history: [] }))).toContain('This is the first run')
    expect(textOf(renderReport(healthy))).toContain('No profile was taken')
  })

  test('says synthetic wherever it shows generated rows, and nowhere else', () => {
    expect(textOf(renderReport(healthy))).toContain('Sample of 3 failing rows synthetic')
    expect(textOf(renderReport(healthy))).toContain('measured on all 239,312 rows synthetic')
    const real = { ...healthy, datasets: healthy.datasets.map((each) => ({ ...each, synthetic: false })) }
    expect(textOf(renderReport(real))).not.toContain('synthetic')
  })

  test('shows no value of a column tagged pii, even one that should not have come this far', () => {
    const [sample] = healthy.samples
    if (sample === undefined) return expect.fail('the sample model has samples')
    const leaky = {
      ...healthy,
      samples: [
        {
          ...sample,
          columns: [...sample.columns, 'passenger_phone'],
          rows: sample.rows.map((row) => [...row, '+1 555 0142']),
          withheld: [],
        },
      ],
    }
    const page = renderReport(leaky)
    expect(page).not.toContain('+1 555 0142')
    expect(page).not.toContain('+1 212 555 0100')
    expect(textOf(page)).toContain('Withheld, tagged pii : passenger_phone')
  })

  test('puts what stopped the run before what held rows, and that before warnings', () => {
    const expectations = [
      expectation('warned', 9, 9, { action: 'warn' }),
      expectation('held', 9, 3),
      expectation('stopped', 9, 1, { action: 'fail', status: 'fail' }),
    ]
    const text = textOf(renderReport({ ...healthy, samples: [], steps: [step('silver.trips', { expectations })] }))
    const places = ['stopped the step stopped', 'held rows held', 'warned warned'].map((said) => text.indexOf(said))
    expect(places).toEqual([...places].sort((a, b) => a - b))
    expect(places).not.toContain(-1)
  })

  test('leaves out the tail of very long lists and says so', () => {
    const files = Array.from({ length: 10_000 }, (_, index) => ({ path: `part-${index}.csv`, status: 'known' as const, rows: 1 }))
    const page = renderReport({ ...empty, steps: [step('bronze.a', { files: [...files, { path: 'new.csv', status: 'taken', rows: 5 }] })] })
    expect(textOf(page)).toContain('new.csv ✓ taken')
    expect(textOf(page)).toContain('… and 9,801 more files.')
    expect(page.length).toBeLessThan(100_000)
  })

  test('draws a run whose records hold no usable times or counts', () => {
    const nan = { at: Number.NaN, value: Number.NaN }
    const oddNumbers = {
      metrics: {
        ...healthy.metrics,
        from: Number.NaN,
        runSeconds: [nan],
        datasets: [{ dataset: 'silver.trips', quarantinedShare: [nan], bytes: [nan], files: [] }],
      },
      slowest: { run: [{ dataset: 'silver.trips', durationMs: Number.NaN, share: Number.NaN, usualMs: Number.NaN }], month: [] },
      alerts: { ...healthy.alerts, judgedAt: Number.NaN },
      syncs: healthy.syncs.map((one) => ({ ...one, history: [syncRun({ durationMs: Number.NaN, inserted: Number.NaN, startedAt: '' })] })),
      reconciliations: healthy.reconciliations.map((one) => ({ ...one, compared: Number.NaN, startedAt: 'never' })),
      anomalies: healthy.anomalies.map((one) => ({
        ...one,
        methods: [{ method: 'mad', threshold: Number.NaN, flagged: Number.NaN }],
        distribution: { feature: 'fare', low: Number.NaN, high: Number.POSITIVE_INFINITY, bars: [[0, Number.NaN, 1] as const] },
      })),
      operations: healthy.operations.map((one) => ({ ...one, lastMs: Number.NaN, cpu: Number.NaN })),
    }
    const odd = step('silver.trips', { startedAt: 'never', durationMs: Number.NaN, rowsIn: Number.POSITIVE_INFINITY, bytesWritten: -1 })
    const page = renderReport({
      ...healthy,
      steps: [odd],
      history: healthy.history.map((past) => ({ ...past, durationMs: Number.NaN })),
      ...oddNumbers,
    })
    expect(page).not.toMatch(/NaN|Infinity|undefined|\[object/)
  })

  test('says what fires now, the worst first, and that it was judged as the page was drawn', () => {
    const text = textOf(renderReport(healthy))
    expect(text).toContain('2 alerts fire')
    expect(text.indexOf('✕ critical RunFailed')).toBeLessThan(text.indexOf('! warning DatasetSlow silver.trips'))
    expect(text).toContain('Holds for 1 min 0 s.')
    expect(text).toContain('8 alerts judged at 2026-01-14 06:00:13 UTC.')
    expect(text).toContain('1 firing (RunFailed), 1 pending (DatasetSlow)')
    const quiet = textOf(renderReport({ ...healthy, alerts: { ...healthy.alerts, firing: [], monitor: null } }))
    expect(quiet).toContain('No alert fires')
    expect(quiet).toContain('What fired before: sluice report')
    const past = {
      from: Date.UTC(2026, 0, 1),
      alerts: [
        { alert: 'DatasetSlow', severity: 'warning', times: 3, firingMs: 90_000, lastAt: Date.UTC(2026, 0, 13), about: ['silver.trips'] },
      ],
    }
    const told = textOf(renderReport({ ...healthy, alerts: { ...healthy.alerts, past } }))
    expect(told).toMatch(
      /Fired since 2026-01-01 00:00:00 UTC[\s\S]*DatasetSlow\s+warning\s+3\s+1 min 30 s\s+2026-01-13 00:00:00 UTC\s+silver\.trips/,
    )
    expect(textOf(renderReport({ ...healthy, alerts: { ...healthy.alerts, past: { from: past.from, alerts: [] } } }))).toContain(
      'None has fired since 2026-01-01',
    )
    expect(quiet).toContain('sluice monitor up has not run here')
    expect(textOf(renderReport(empty))).toContain('The project has no alerts.')
  })

  test('says where the time went, and what took longer than it usually does', () => {
    const text = textOf(renderReport(healthy))
    expect(text).toMatch(/silver\.trips 5\.0 s 41% 2\.0 s 2\.5 times as long/)
    expect(text).toContain('4.3 s as usual')
    expect(text).toContain('nothing to compare with yet')
    expect(text).toMatch(/silver\.trips 1 min 3 s 61% 30 2\.0 s 5\.0 s/)
    expect(textOf(renderReport(empty))).toContain('No step of the last 30 days had anything to do.')
  })

  test('draws metrics from 0 to the most there was, over the days there are', () => {
    const page = renderReport(healthy)
    expect(textOf(page)).toContain('From 2025-11-16 to 2026-01-14 UTC, 90 days at most. Every chart begins at 0')
    const chart = /Run time, 60 points, at most 17\.\d s, last 12\.4 s<\/title>.*?<path d="([^"]*)"/.exec(page)?.[1] ?? ''
    expect(chart.match(/h0/g)).toHaveLength(60)
    // A run is a dot at its moment; a table's size is a line that holds until the next point and to the edge.
    expect(chart).not.toMatch(/[HVL]/)
    expect(page).toMatch(/silver\.trips, Size: [^<]*<\/title>.*?<path d="M0 [\d.]+(H[\d.]+V[\d.]+){59}H1000"/)
    expect(textOf(renderReport(empty))).toContain('No metrics are kept yet')
  })

  test('names a dataset that the project no longer has, without a link to nowhere', () => {
    const [first] = healthy.slowest.month
    if (first === undefined) return expect.fail('the sample model has a month')
    const page = renderReport({ ...healthy, slowest: { ...healthy.slowest, month: [{ ...first, dataset: 'silver.gone' }] } })
    expect(page).toContain('<span class="name">silver.gone</span>')
    expect(page).not.toContain('#dataset-silver.gone')
  })

  test('says what each sync wrote, how quickly, and how it went before', () => {
    const page = renderReport(healthy)
    expect(textOf(page)).toMatch(
      /trips_to_warehouse silver\.trips → warehouse\.taxi_trips ✓ ok by what changed 2026-01-14 06:00:20 UTC 1,000 900 90 10 0 2\.0 s 500/,
    )
    expect(page).toContain('trips_to_warehouse, Rows sent: the last 2 runs, at most 238,312')
    // Nothing was ever refused: there is nothing to draw.
    expect(page).not.toContain('trips_to_warehouse, Refused')
    expect(textOf(page)).toContain('trips_to_warehouse silver.trips and warehouse.taxi_trips ✓ equal')
    expect(textOf(page)).toMatch(/sync trips_to_warehouse mysql 2 2\.0 s 3\.0 s 4\.0 s 250 ms 239,312 42% 5% 0 0/)
  })

  test('puts failed syncs, differences, refused rows and syncs that never ran among what needs attention, and into the headline', () => {
    const page = renderReport(failed)
    const attention = textOf(page.slice(page.indexOf('id="attention"'), page.indexOf('id="alerts"')))
    const places = [
      '✕ failed trips_to_warehouse STORE_UNREACHABLE',
      '≠ different trips_to_warehouse 12 differences between silver.trips and warehouse.taxi_trips: missing 7, null-vs-zero 5.',
      '! rows refused trips_to_warehouse warehouse.taxi_trips lacks 3 rows',
      'never ran trips_to_documents 1 of 2 syncs never ran',
    ].map((said) => attention.indexOf(said))
    expect(places).not.toContain(-1)
    expect(places).toEqual([...places].sort((a, b) => a - b))
    expect(attention).toContain("3 Out of range value for column 'fare_amount'")
    expect(attention).toContain('77ab19d2c1 429490.20 null')
    expect(attention).toContain('Withheld, tagged pii : passenger_phone')
    expect(headlineOf(failed).detail).toContain(
      'Stores: 1 sync failed; 12 differences in warehouse.taxi_trips; 3 rows refused by stores; 1 sync never ran.',
    )
    expect(headlineOf(healthy).detail).not.toContain('Stores')
    const text = textOf(page)
    expect(text).toContain('record_id 77ab19d2c1 tip_amount null 0.00 null-vs-zero')
    expect(text).toContain('record_id 0f31c9a0be the whole row there not there missing')
    expect(text).toContain('It never ran: sluice anomaly run odd_trips')
  })

  test('does not call differences current that a sync has written over', () => {
    const [one] = failed.reconciliations
    if (one === undefined) return expect.fail('the sample model has a reconciliation')
    const text = textOf(renderReport({ ...failed, reconciliations: [{ ...one, writtenSince: true }] }))
    expect(text).toContain('The sync has written to it since: look again.')
    expect(text).toContain('written to since')
  })

  test('says what was repaired, what was never looked at, and nothing of stores where there are none', () => {
    const syncs = [syncOf('a'), syncOf('b', { history: [syncRun({ mode: 'nothing' })] })]
    const text = textOf(renderReport({ ...healthy, syncs, reconciliations: [reconciliation('a', { repaired: 4 })] }))
    expect(text).toContain('✓ equal after repair')
    expect(text).toContain('4 repaired')
    expect(text).toContain('Never looked at: b .')
    expect(textOf(renderReport({ ...healthy, reconciliations: [] }))).toContain('was never looked at: sluice reconcile')
    for (const id of ['syncs', 'reconciliations', 'anomalies', 'operations']) expect(renderReport(empty)).not.toContain(`id="${id}"`)
    expect(textOf(renderReport({ ...empty, syncs, reconciliations: [reconciliation('a'), reconciliation('b')] }))).toContain(
      'Syncs went well, and no difference is known.',
    )
  })

  test('draws where odd rows lie, on a scale that grows by factors of ten, the odd ones within each bar', () => {
    const page = renderReport(healthy)
    expect(textOf(page)).toContain('1,195 of 239,000 rows (0.5%) are odd.')
    expect(textOf(page)).toContain('mad 239,000 1,195 0.5% 6')
    expect(textOf(page)).toContain('trip_id 5510fe0a12 51.23 fare_per_mile 9.8 is 51.2 robust deviations')
    const bars = [
      ...page.matchAll(
        /<title>([^<]*odd)<\/title>(?:<rect class="all"[^>]*height="([\d.]+)"\/>)?(?:<rect class="odd"[^>]*height="([\d.]+)"\/>)?/g,
      ),
    ]
    expect(bars.map(([, title, all, odd]) => [title, Number(all), odd === undefined ? 0 : Number(odd)])).toEqual([
      ['-1 to -0.9: 120 rows, 120 odd', 48.91, 48.91],
      ['1 to 1.1: 200,000 rows, 0 odd', 110, 0],
      ['1.1 to 1.2: 38,000 rows, 5 odd', expect.any(Number), expect.any(Number)],
      ['2.9 to 3: 880 rows, 880 odd', expect.any(Number), expect.any(Number)],
    ])
  })

  test('is the same every time', () => {
    expect(renderReport(healthy)).toBe(renderReport(healthy))
  })
})

describe('the page is safe to open and to send', () => {
  const pages = { healthy, failed, empty, wide }

  test.each(Object.entries(pages))('%s: nothing is fetched, and every link stays on the page', (_, model) => {
    const page = renderReport(model)
    expect(page).toContain(
      '<meta http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;;',
    )
    expect(page).not.toMatch(/https?:|@import|<link|<img|<iframe|<object|\ssrc=|\sstyle=/)
    const ids = new Set([...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id))
    for (const [, href = ''] of page.matchAll(/ href="([^"]*)"/g)) expect(href).toMatch(/^#/)
    const dead = [...page.matchAll(/ href="#([^"]*)"/g)].filter(([, id]) => !ids.has(id)).map(([, id]) => id)
    expect(dead).toEqual([])
  })

  test.each(Object.entries(pages))('%s: elements are closed in order', (_, model) => {
    expect(unbalanced(renderReport(model))).toEqual([])
  })

  const attacks = [
    '<script>alert(1)</script>',
    '</script><script>alert(1)</script>',
    '</style><img src=x onerror=alert(1)>',
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    '" autofocus onfocus="alert(1)',
    'javascript:alert(1)',
    '<!-- --><![CDATA[',
    '{{alert(1)}}&lt;b&gt;\u0000',
  ]
  const benign = new Set(Object.values(pages).flatMap((model) => shapes(renderReport(model))))

  test.each(attacks)('%j in every string field adds no element and no attribute', (attack) => {
    for (const model of [healthy, failed]) {
      for (const keep of [new Set<string>(), new Set(['status', 'action', 'change', 'startedAt'])]) {
        const page = renderReport(hostile(model, attack, keep))
        expect(shapes(page).filter((shape) => !benign.has(shape))).toEqual([])
        expect(unbalanced(page)).toEqual([])
        expect(page.split('<script>')).toHaveLength(2)
        expect(page.split('</style>')).toHaveLength(2)
        for (const [, href = ''] of page.matchAll(/ href="([^"]*)"/g)) expect(href).toMatch(/^#[\w.-]*$/)
      }
    }
  })
})

/** The model with an attack before every string, save under the keys that choose what is drawn. Equal names stay equal. */
function hostile<T>(value: T, attack: string, keep: ReadonlySet<string>): T {
  if (typeof value === 'string') return `${attack}${value}` as T
  if (Array.isArray(value)) return value.map((item) => hostile(item, attack, keep)) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, keep.has(key) ? item : hostile(item, attack, keep)])) as T
}

const tag = /<(\/?)([a-zA-Z][\w-]*|!doctype)((?:\s+[\w:-]+(?:="[^"<>]*")?)*)\s*(\/?)>/g

function withoutStyleAndScript(page: string): string {
  return page.replace(/<(style|script)>[\s\S]*?<\/\1>/g, '')
}

/** Every element and attribute name of a page, and any `<` or `>` that is part of neither. */
function shapes(page: string): readonly string[] {
  const body = withoutStyleAndScript(page)
  const found = [...body.matchAll(tag)].flatMap(([, , name = '', attributes = '']) => [
    name,
    ...[...attributes.matchAll(/\s([\w:-]+)(?:="[^"]*")?/g)].map(([, attribute]) => `${name} ${attribute}`),
  ])
  return [...new Set([...found, ...(body.replace(tag, '').match(/[<>].{0,30}/g) ?? [])])]
}

function unbalanced(page: string): readonly string[] {
  const empties = new Set(['meta', 'br', '!doctype'])
  const open: string[] = []
  const wrong: string[] = []
  for (const [, end, name = '', , closed] of withoutStyleAndScript(page).matchAll(tag)) {
    if (closed === '/' || empties.has(name)) continue
    if (end !== '/') open.push(name)
    else if (open.pop() !== name) wrong.push(name)
  }
  return [...wrong, ...open]
}

function textOf(page: string): string {
  const entities: Record<string, string> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'", '&#96;': '`', '&amp;': '&' }
  const text = withoutStyleAndScript(page)
    .replace(/<title>.*?<\/title>/g, '')
    .replace(tag, ' ')
  return text.replace(/&[#\w]+;/g, (entity) => entities[entity] ?? entity).replace(/\s+/g, ' ')
}
