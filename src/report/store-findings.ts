import { count, counted, cut, instant, listed } from './format.js'
import { type Html, html } from './html.js'
import { drawMark, statusMark } from './marks.js'
import type { ReportCell, ReportModel, ReportReconciliation, ReportSync } from './model.js'
import { causesOf, verdictOf } from './reconciliations.js'
import { nameOf } from './syncs.js'
import { drawTable } from './table.js'

/** What is wrong with stores, worst first: syncs that failed, differences, rows refused, syncs that never ran. */
export function drawStoreFindings({ syncs, reconciliations }: ReportModel): readonly Html[] {
  const never = syncs.filter(({ history }) => history.length === 0)
  return [
    ...syncs.flatMap(drawFailure),
    ...reconciliations.filter(({ differences }) => differences > 0).map(drawDifferences),
    ...syncs.filter(({ deadLetters }) => deadLetters.rows > 0).map(drawRefused),
    ...(never.length > 0 ? [drawNever(never, syncs.length)] : []),
  ]
}

/** What the headline adds about stores: nothing while all is well. */
export function storesInShort({ syncs, reconciliations }: ReportModel): string {
  const failed = syncs.filter(({ history }) => history[0]?.status === 'failed').length
  const differing = reconciliations.filter(({ differences }) => differences > 0)
  const refused = syncs.reduce((sum, { deadLetters }) => sum + deadLetters.rows, 0)
  const never = syncs.filter(({ history }) => history.length === 0).length
  const differences = differing.reduce((sum, one) => sum + one.differences, 0)
  const facts = [
    ...(failed > 0 ? [`${counted(failed, 'sync')} failed`] : []),
    ...(differences > 0 ? [`${counted(differences, 'difference')} in ${listed(differing.map(({ to }) => to))}`] : []),
    ...(refused > 0 ? [`${counted(refused, 'row')} refused by stores`] : []),
    ...(never > 0 ? [`${counted(never, 'sync')} never ran`] : []),
  ]
  return facts.length === 0 ? '' : `Stores: ${facts.join('; ')}.`
}

function drawFailure({ name, history }: ReportSync): Html[] {
  const [last] = history
  if (last?.status !== 'failed') return []
  const { error } = last
  return [
    html`<article class="finding bad"><h3>${statusMark('failed')} ${nameOf(name)} ${error !== undefined && html`<code>${error.code}</code>`}</h3>
<p>${error?.message ?? 'No reason was recorded.'} <span class="facts">${instant(last.startedAt)}</span></p>${
      error !== undefined && error.hint !== '' && html`<p><strong>What to do:</strong> ${error.hint}</p>`
    }${drawCommand('Again:', `sluice sync ${name}`)}</article>`,
  ]
}

function drawDifferences(one: ReportReconciliation): Html {
  const since = one.writtenSince ? ' The sync has written to it since: look again.' : ''
  const mark = verdictOf(one)
  const tone = one.writtenSince ? 'caution' : 'bad'
  return html`<article class="finding ${tone}"><h3>${drawMark({ ...mark, tone })} ${nameOf(one.name)}</h3>
<p><strong>${counted(one.differences, 'difference')}</strong> between ${one.from} and ${one.to}: ${causesOf(one)}.${since} <span class="facts">Level ${one.level}, ${counted(one.compared, 'row')} compared, ${instant(one.startedAt)}</span></p>
${drawCommand(one.writtenSince ? 'Look again:' : 'What would make them equal:', one.writtenSince ? `sluice reconcile ${one.name}` : `sluice reconcile ${one.name} --plan`)}<p class="note"><a href="#reconciliations">Which rows</a></p></article>`
}

function drawRefused({ name, to, deadLetters }: ReportSync): Html {
  const { rows, reasons, samples, withheld } = deadLetters
  const mark = drawMark({ symbol: '!', word: 'rows refused', tone: 'caution' })
  const shown = reasons.map(({ reason, rows: number }) => html`<li><p><strong>${count(number)}</strong> ${cut(reason, 300)}</p></li>`)
  const columns = [...new Set(samples.flatMap(({ row }) => row.map(({ column }) => column)))]
  const cellOf = (row: readonly ReportCell[], column: string) => row.find((cell) => cell.column === column)?.value ?? null
  const table =
    samples.length > 0 &&
    html`<details><summary>Sample of ${counted(samples.length, 'refused row')}</summary>${drawTable({
      caption: html`<span class="hidden">Rows that ${to} refused</span>`,
      label: `Rows that ${to} refused`,
      columns: columns.map((heading) => ({ heading, className: 'value' })),
      rows: samples.map(({ row }) =>
        columns.map((column) => {
          const value = cellOf(row, column)
          return value === null ? html`<span class="null">null</span>` : cut(value, 60)
        }),
      ),
      rowHeaders: false,
    })}</details>`
  return html`<article class="finding caution"><h3>${mark} ${nameOf(name)}</h3>
<p>${to} lacks <strong>${counted(rows, 'row')}</strong> that it did not take. They are kept in the journal, <code>dead_letters</code>.</p><ul>${shown}</ul>${table}${
    withheld.length > 0 && html`<p class="note">Withheld, tagged <code>pii</code>: ${listed(withheld)}.</p>`
  }${drawCommand('Once they are mended:', `sluice sync ${name} --full`)}</article>`
}

function drawNever(never: readonly ReportSync[], all: number): Html {
  const which =
    never.length === all
      ? all === 1
        ? 'The one sync'
        : `None of ${counted(all, 'sync')}`
      : `${count(never.length)} of ${counted(all, 'sync')}`
  const said = never.length === all && all > 1 ? 'has run' : 'never ran'
  return html`<article class="finding caution"><h3>${statusMark('never')} ${listed(never.map(({ name }) => name))}</h3>
<p>${which} ${said}: their targets hold what others put there, or nothing.</p>${drawCommand('Bring them up to date:', 'sluice sync')}</article>`
}

function drawCommand(said: string, command: string): Html {
  return html`<p class="explain"><span>${said}</span> <code>${command}</code></p>`
}
