import { counted } from './format.js'
import { type Content, type Html, html } from './html.js'

export interface TableColumn {
  readonly heading: Content
  readonly numeric?: boolean
  readonly className?: string
}

export interface Table {
  readonly caption: Content
  /** Names the scroll box for those who do not see it; differs from table to table. */
  readonly label: string
  readonly columns: readonly TableColumn[]
  readonly rows: readonly (readonly Content[])[]
  /** False where the first cell does not name its row. */
  readonly rowHeaders?: boolean
}

/** A table that scrolls in a box of its own, so that the page never scrolls sideways. */
export function drawTable({ caption, label, columns, rows, rowHeaders = true }: Table): Html {
  return html`<div class="scroll" role="group" aria-label="${label}" tabindex="0"><table><caption>${caption}</caption>
<thead><tr>${columns.map((column) => html`<th scope="col"${classOf(column)}>${column.heading}</th>`)}</tr></thead>
<tbody>${rows.map((cells) => html`<tr>${cells.map((cell, index) => drawCell(cell, columns[index], rowHeaders && index === 0))}</tr>`)}</tbody></table></div>`
}

function drawCell(cell: Content, column: TableColumn | undefined, header: boolean): Html {
  const named = column === undefined ? undefined : classOf(column)
  return header ? html`<th scope="row"${named}>${cell}</th>` : html`<td${named}>${cell}</td>`
}

function classOf({ numeric = false, className = '' }: TableColumn): Html | undefined {
  const names = [numeric ? 'number' : '', className].filter(Boolean).join(' ')
  return names === '' ? undefined : html` class="${names}"`
}

/** The first of many, and a line that says how many are left out, so that ten thousand files do not make a page of ten megabytes. */
export function capped<T>(items: readonly T[], limit: number, noun: string): { readonly shown: readonly T[]; readonly rest: Html } {
  const left = items.length - limit
  return { shown: items.slice(0, limit), rest: left > 0 ? html`<p class="note">… and ${counted(left, `more ${noun}`)}.</p>` : html`` }
}
