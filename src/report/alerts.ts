import { datasetMention } from './anchors.js'
import { count, counted, duration, instant, listed } from './format.js'
import { type Html, html } from './html.js'
import { drawMark, type Mark } from './marks.js'
import type { ReportAlerts, ReportModel } from './model.js'
import { capped, drawTable } from './table.js'

type FiringAlert = ReportAlerts['firing'][number]

const WORST_FIRST = ['critical', 'warning', 'info']

/** What fires as the page is drawn, worst first. The run it is about may be an older one; the alerts are always those of now. */
export function drawAlerts({ alerts, datasets }: ReportModel): Html {
  const { firing, watched } = alerts
  if (watched === 0) return html`<section id="alerts"><h2>Alerts</h2><p>The project has no alerts.</p></section>`
  const rank = ({ severity }: FiringAlert) => (WORST_FIRST.includes(severity) ? WORST_FIRST.indexOf(severity) : WORST_FIRST.length)
  const { shown, rest } = capped(
    [...firing].sort((one, other) => rank(one) - rank(other)),
    30,
    'alert',
  )
  const heading = firing.length === 0 ? 'No alert fires' : `${counted(firing.length, 'alert')} ${firing.length === 1 ? 'fires' : 'fire'}`
  return html`<section id="alerts"><h2>${heading}</h2>${shown.map((one) => drawFiring(one, alerts.judgedAt, datasets))}${rest}
<p class="note">${counted(watched, 'alert')} judged at ${moment(alerts.judgedAt)}. ${drawMonitor(alerts)} ${alerts.past === undefined && html`What fired before: <code>sluice report</code>`}</p>${drawPast(alerts, datasets)}</section>`
}

function drawPast({ past }: ReportAlerts, datasets: ReportModel['datasets']): Html {
  if (past === undefined) return html``
  const since = instant(new Date(past.from).toISOString())
  if (past.alerts.length === 0) return html`<p>None has fired since ${since}.</p>`
  return drawTable({
    caption: html`Fired since ${since}, by replaying what was kept.`,
    label: 'Alerts that fired before',
    columns: [
      { heading: 'Alert' },
      { heading: 'Severity' },
      { heading: 'Times', numeric: true },
      { heading: 'Together', numeric: true },
      { heading: 'Last', numeric: true },
      { heading: 'Of' },
    ],
    rows: past.alerts.map((one) => [
      one.alert,
      one.severity,
      count(one.times),
      duration(one.firingMs),
      moment(one.lastAt),
      html`${one.about.map((name, index) => html`${index > 0 && ', '}${datasetMention(name, datasets)}`)}`,
    ]),
  })
}

function drawFiring(one: FiringAlert, judgedAt: number, datasets: ReportModel['datasets']): Html {
  const { tone, ...mark } = markOf(one.severity)
  return html`<div class="finding ${tone}"><h3>${drawMark({ ...mark, tone })} ${one.alert} ${datasetMention(one.about, datasets)}</h3><p>${one.summary}</p>
<p class="facts">${one.description} Holds for ${duration(judgedAt - one.since)}.</p></div>`
}

function markOf(severity: string): Mark {
  if (severity === 'critical') return { symbol: '✕', word: 'critical', tone: 'bad' }
  if (severity === 'warning') return { symbol: '!', word: 'warning', tone: 'caution' }
  return { symbol: '·', word: severity, tone: 'quiet' }
}

function drawMonitor({ monitor }: ReportAlerts): Html {
  if (monitor === null) return html`Nobody is told of them: <code>sluice monitor up</code> has not run here.`
  const held = [
    monitor.firing.length > 0 ? `${count(monitor.firing.length)} firing (${listed([...new Set(monitor.firing)])})` : 'none firing',
    ...(monitor.pending.length > 0 ? [`${count(monitor.pending.length)} pending (${listed([...new Set(monitor.pending)])})`] : []),
  ]
  return html`<code>sluice monitor</code> last looked at ${moment(monitor.turnedAt)}: ${held.join(', ')}.`
}

function moment(at: number): string {
  return Number.isFinite(at) ? instant(new Date(at).toISOString()) : '–'
}
