import { createRequire } from 'node:module'
import type * as BarGauge from '@grafana/grafana-foundation-sdk/bargauge'
import type * as Common from '@grafana/grafana-foundation-sdk/common'
import type * as Dashboard from '@grafana/grafana-foundation-sdk/dashboard'
import type * as Gauge from '@grafana/grafana-foundation-sdk/gauge'
import type * as Heatmap from '@grafana/grafana-foundation-sdk/heatmap'
import type * as PieChart from '@grafana/grafana-foundation-sdk/piechart'
import type * as Stat from '@grafana/grafana-foundation-sdk/stat'
import type * as Table from '@grafana/grafana-foundation-sdk/table'
import type * as TimeSeries from '@grafana/grafana-foundation-sdk/timeseries'
import type * as Units from '@grafana/grafana-foundation-sdk/units'

const require = createRequire(import.meta.url)

/** Each part of Grafana's SDK, read when it is first used: together they take longer to read than most commands take to run. */
export const sdk = {
  get barGauge() {
    return require('@grafana/grafana-foundation-sdk/bargauge') as typeof BarGauge
  },
  get common() {
    return require('@grafana/grafana-foundation-sdk/common') as typeof Common
  },
  get dashboard() {
    return require('@grafana/grafana-foundation-sdk/dashboard') as typeof Dashboard
  },
  get gauge() {
    return require('@grafana/grafana-foundation-sdk/gauge') as typeof Gauge
  },
  get heatmap() {
    return require('@grafana/grafana-foundation-sdk/heatmap') as typeof Heatmap
  },
  get pieChart() {
    return require('@grafana/grafana-foundation-sdk/piechart') as typeof PieChart
  },
  get stat() {
    return require('@grafana/grafana-foundation-sdk/stat') as typeof Stat
  },
  get table() {
    return require('@grafana/grafana-foundation-sdk/table') as typeof Table
  },
  get timeSeries() {
    return require('@grafana/grafana-foundation-sdk/timeseries') as typeof TimeSeries
  },
  get units() {
    return require('@grafana/grafana-foundation-sdk/units') as typeof Units
  },
}
