import { datasetMention } from './anchors.js'
import { drawBars } from './charts.js'
import { count, counted, cut, duration, instant } from './format.js'
import { type Content, type Html, html } from './html.js'
import { drawMark, type Mark } from './marks.js'
import type { ReportModel, ReportReconciliation } from './model.js'
import { drawCells, nameOf } from './syncs.js'
import { drawTable } from './table.js'

const drawnTimes = 40
const longestValue = 60

/** Whether targets hold what their sources have, by the last proof of each; undefined in a project without syncs. */
export function drawReconciliations({ reconciliations, syncs, datasets }: ReportModel): Html | undefined {
  if (syncs.length === 0) return undefined
  if (reconciliations.length === 0)
    return html`<section id="reconciliations"><h2>Reconciliations</h2><p>Whether targets hold what their sources have was never looked at: <code>sluice reconcile</code></p></section>`
  const unproved = syncs.filter((sync) => !reconciliations.some((one) => one.name === sync.name))
  const table = drawTable({
    caption: 'The last of each sync. Compared: rows of both sides, each key once.',
    label: 'Reconciliations, the last of each sync',
    columns: [
      { heading: 'Sync', className: 'lead' },
      { heading: 'Verdict' },
      { heading: 'When' },
      { heading: 'Level' },
      { heading: 'Compared', numeric: true },
      { heading: 'Differences', numeric: true },
      { heading: 'By cause' },
      { heading: 'Time', numeric: true },
    ],
    rows: reconciliations.map((one) => [
      html`${nameOf(one.name)}<span class="reason">${datasetMention(one.from, datasets)} and <span class="name">${one.to}</span></span>`,
      html`${drawMark(verdictOf(one))}${one.writtenSince && html`<span class="reason">written to since</span>`}`,
      instant(one.startedAt),
      one.level,
      count(one.compared),
      one.differences > 0 ? html`<strong class="bad">${count(one.differences)}</strong>` : count(0),
      causesOf(one),
      duration(one.durationMs),
    ]),
  })
  const never =
    unproved.length > 0 &&
    html`<p class="note">Never looked at: ${unproved.map(({ name }, index) => html`${index > 0 && ', '}${nameOf(name)}`)}.</p>`
  const pasts = reconciliations.filter((one) => one.history.length > 1).map(drawPast)
  return html`<section id="reconciliations"><h2>Reconciliations</h2>${table}${reconciliations.map(drawSamples)}${drawWays(reconciliations)}${never}${
    pasts.length > 0 && html`<details><summary>Differences over time</summary><div class="charts">${pasts}</div></details>`
  }</section>`
}

function drawWays(reconciliations: readonly ReportReconciliation[]): Html {
  const ways = reconciliations.map(({ name, how }) => html`<div><dt>${nameOf(name)}</dt><dd>${how.join('; ')}</dd></div>`)
  return html`<details><summary>How they were compared</summary><dl>${ways}</dl></details>`
}

export function verdictOf({ differences, repaired }: ReportReconciliation): Mark {
  if (differences > 0) return { symbol: '≠', word: 'different', tone: 'bad' }
  return { symbol: '✓', word: repaired === undefined ? 'equal' : 'equal after repair', tone: 'good' }
}

/** `missing 3, real 2` */
export function causesOf({ byCause, repaired }: ReportReconciliation): string {
  const causes = byCause.map(({ cause, count: found }) => `${cause} ${count(found)}`)
  return [...causes, ...(repaired === undefined ? [] : [`${count(repaired)} repaired`])].join(', ')
}

function drawSamples(one: ReportReconciliation): Html {
  if (one.samples.length === 0) return html``
  const table = drawTable({
    caption: html`<span class="hidden">Differences of ${one.name}</span>`,
    label: `Differences of ${one.name}`,
    columns: [
      { heading: 'Key', className: 'value' },
      { heading: 'Column', className: 'value' },
      { heading: one.from, className: 'value' },
      { heading: one.to, className: 'value' },
      { heading: 'Cause' },
    ],
    rows: one.samples.map(({ key, column, left, right, cause }) => [
      drawCells(key),
      column ?? 'the whole row',
      drawSide(column, left, cause === 'missing' ? 'there' : 'not there'),
      drawSide(column, right, cause === 'missing' ? 'not there' : 'there'),
      cause,
    ]),
    rowHeaders: false,
  })
  const rest = one.differences - one.samples.length
  return html`<details><summary>${nameOf(one.name)}: ${counted(one.samples.length, 'difference')}${rest > 0 && ` of ${count(one.differences)}`}</summary>${table}</details>`
}

function drawSide(column: string | null, value: string | null, presence: string): Content {
  if (column === null) return presence
  return value === null
    ? html`<span class="null">null</span>`
    : value === ''
      ? html`<span class="null">empty</span>`
      : cut(value, longestValue)
}

function drawPast({ name, history }: ReportReconciliation): Html {
  const recent = history.slice(0, drawnTimes).reverse()
  const most = count(Math.max(0, ...recent.map((one) => one.differences)))
  const bars = recent.map(({ startedAt, level, compared, differences }, index) => ({
    value: differences,
    label: `${instant(startedAt)}, level ${level}: ${counted(differences, 'difference')}, ${counted(compared, 'row')} compared`,
    tone: differences > 0 ? 'bad' : 'good',
    symbol: differences > 0 ? '≠' : '✓',
    current: index === recent.length - 1,
  }))
  return html`<figure><figcaption>${nameOf(name)} <span class="facts">at most ${most}</span></figcaption>${drawBars(bars, `${name}: differences of the last ${counted(recent.length, 'reconciliation')}, at most ${most}`)}</figure>`
}
