import { datasetMention } from './anchors.js'
import { drawShare } from './charts.js'
import { count, duration, share } from './format.js'
import { type Html, html } from './html.js'
import type { ReportModel } from './model.js'
import { drawTable } from './table.js'

/** Where the time goes: of this run against what each dataset usually takes, and of all runs of a month. */
export function drawSlowest({ slowest, datasets }: ReportModel): Html {
  const { run, month } = slowest
  if (run.length === 0 && month.length === 0)
    return html`<section id="slowest"><h2>Slowest steps</h2><p>No step of the last 30 days had anything to do.</p></section>`
  const ofRun =
    run.length === 0
      ? html`<p class="note">No step of this run had anything to do.</p>`
      : drawTable({
          caption:
            'This run. Share: of the time of all its steps, which run side by side. Usual: the median of its other steps of 30 days.',
          label: 'Slowest steps of this run',
          columns: [
            { heading: 'Dataset' },
            { heading: 'Time', numeric: true },
            { heading: 'Share', numeric: true },
            { heading: html`<span class="hidden">Share, drawn</span>`, className: 'share' },
            { heading: 'Usual', numeric: true },
            { heading: 'Against it' },
          ],
          rows: run.map((one) => [
            datasetMention(one.dataset, datasets),
            duration(one.durationMs),
            share(one.share, 1),
            drawShare(one.share, `${one.dataset}: ${share(one.share, 1)} of the time of all steps`),
            one.usualMs === null ? '' : duration(one.usualMs),
            against(one.durationMs, one.usualMs),
          ]),
        })
  const ofMonth =
    month.length === 0
      ? html``
      : drawTable({
          caption: 'The last 30 days, by all the time that the steps of a dataset took.',
          label: 'Slowest datasets of 30 days',
          columns: [
            { heading: 'Dataset' },
            { heading: 'Together', numeric: true },
            { heading: 'Share', numeric: true },
            { heading: html`<span class="hidden">Share, drawn</span>`, className: 'share' },
            { heading: 'Steps', numeric: true },
            { heading: 'Median', numeric: true },
            { heading: 'Longest', numeric: true },
          ],
          rows: month.map((one) => [
            datasetMention(one.dataset, datasets),
            duration(one.totalMs),
            share(one.share, 1),
            drawShare(one.share, `${one.dataset}: ${share(one.share, 1)} of the time of all steps of 30 days`),
            count(one.steps),
            duration(one.usualMs),
            duration(one.longestMs),
          ]),
        })
  return html`<section id="slowest"><h2>Slowest steps</h2>${ofRun}${ofMonth}<p class="note">What would make them quicker: <code>sluice advise</code></p></section>`
}

/** Differences of less than a tenth, and of milliseconds, are chance. */
function against(took: number, usual: number | null): Html | string {
  if (usual === null) return 'nothing to compare with yet'
  if (Math.abs(took - usual) < 50 || Math.abs(took / usual - 1) < 0.1) return 'as usual'
  const times = took > usual ? took / usual : usual / took
  const said = `${times < 10 ? times.toFixed(1) : count(times)} times ${took > usual ? 'as long' : 'as quick'}`
  return took > 2 * usual ? html`<strong class="caution">${said}</strong>` : said
}
