import { datasetMention } from './anchors.js'
import { drawBars } from './charts.js'
import { count, counted, duration, instant } from './format.js'
import { type Content, type Html, html } from './html.js'
import { markOf, statusMark } from './marks.js'
import type { ReportCell, ReportModel, ReportSync, ReportSyncRun } from './model.js'
import { drawTable } from './table.js'

const drawnRuns = 40

/** What stores were brought up to date, when, and how quickly; undefined in a project without syncs. */
export function drawSyncs({ syncs, datasets }: ReportModel): Html | undefined {
  if (syncs.length === 0) return undefined
  const table = drawTable({
    caption: 'The last time that each ran. Time includes reading, and finding out what to write.',
    label: 'Syncs, the last time that each ran',
    columns: [
      { heading: 'Sync', className: 'lead' },
      { heading: 'Status' },
      { heading: 'When' },
      ...['Rows sent', 'Inserted', 'Updated', 'Deleted', 'Refused', 'Time', 'Rows/s'].map((heading) => ({ heading, numeric: true })),
    ],
    rows: syncs.map((one) => drawSync(one, datasets)),
  })
  const pasts = syncs.filter((one) => one.history.length > 1).map(drawPast)
  return html`<section id="syncs"><h2>Syncs</h2>${table}${pasts.length > 0 && html`<details><summary>${counted(pasts.length, 'sync')} over time</summary>${pasts}</details>`}</section>`
}

function drawSync(one: ReportSync, datasets: ReportModel['datasets']): readonly Content[] {
  const [last] = one.history
  const name = html`${nameOf(one.name)}<span class="reason">${datasetMention(one.from, datasets)} → <span class="name">${one.to}</span></span>`
  if (last === undefined) return [name, statusMark('never'), '', '', '', '', '', drawRefused(one), '', '']
  const written = last.inserted + last.updated + last.deleted
  return [
    name,
    html`${statusMark(last.status)}<span class="reason">${last.status === 'ok' && modes.get(last.mode)}</span>`,
    instant(last.startedAt),
    ...[last.rows, last.inserted, last.updated, last.deleted].map(count),
    drawRefused(one),
    duration(last.durationMs),
    written > 0 ? perSecond(last) : '',
  ]
}

const modes: ReadonlyMap<string, string> = new Map([
  ['nothing', 'nothing to do'],
  ['load', 'filled from empty'],
  ['changes', 'by what changed'],
  ['cursor', 'by its cursor'],
  ['compare', 'all rows compared'],
])

export function nameOf(name: string): Html {
  return html`<span class="name">${name}</span>`
}

/** Rows that the target lacks by now, whichever run refused them. */
function drawRefused({ deadLetters: { rows } }: ReportSync): Content {
  return rows > 0 ? html`<strong class="caution">${count(rows)}</strong>` : count(0)
}

function perSecond({ inserted, updated, deleted, durationMs }: ReportSyncRun): string {
  return durationMs > 0 ? count((inserted + updated + deleted) / (durationMs / 1000)) : '–'
}

interface Measure {
  readonly name: string
  readonly of: (run: ReportSyncRun) => number
  readonly written: (value: number) => string
}

const measures: readonly Measure[] = [
  { name: 'Rows sent', of: ({ rows }) => rows, written: count },
  { name: 'Refused', of: ({ deadLettered }) => deadLettered, written: count },
  { name: 'Time', of: ({ durationMs }) => durationMs, written: duration },
]

function drawPast({ name, history, runs }: ReportSync): Html {
  const recent = history.slice(0, drawnRuns).reverse()
  const charts = measures
    .filter(({ of }) => recent.some((run) => of(run) > 0))
    .map(({ name: measure, of, written }) => {
      const most = written(Math.max(0, ...recent.map(of)))
      const bars = recent.map((run, index) => ({
        value: of(run),
        label: `${instant(run.startedAt)}, ${markOf(run.status).word}: ${written(of(run))}`,
        tone: markOf(run.status).tone,
        symbol: run.status === 'ok' ? '' : markOf(run.status).symbol,
        current: index === recent.length - 1,
      }))
      return html`<figure><figcaption><strong>${measure}</strong> <span class="facts">at most ${most}</span></figcaption>${drawBars(
        bars,
        `${name}, ${measure}: the last ${counted(recent.length, 'run')}, at most ${most}`,
      )}</figure>`
    })
  return html`<div class="past"><h3>${nameOf(name)} <span class="facts">ran ${runs === 1 ? 'once' : `${count(runs)} times`}</span></h3><div class="charts">${charts}</div></div>`
}

/** `trip_id 0f31c9a0be, method mad` */
export function drawCells(cells: readonly ReportCell[]): Html {
  return html`${cells.map(({ column, value }, index) => html`${index > 0 && ', '}${column} ${value === null ? html`<span class="null">null</span>` : value}`)}`
}
