import { type Html, html } from './html.js'

export type Tone = 'good' | 'caution' | 'bad' | 'quiet'

/** How a status is shown: never by colour alone, always with a word and a symbol. */
export interface Mark {
  readonly symbol: string
  readonly word: string
  readonly tone: Tone
}

const marks: ReadonlyMap<string, Mark> = new Map<string, Mark>([
  ['ok', { symbol: '✓', word: 'ok', tone: 'good' }],
  ['skipped', { symbol: '–', word: 'skipped', tone: 'quiet' }],
  ['failed', { symbol: '✕', word: 'failed', tone: 'bad' }],
  ['blocked', { symbol: '⊘', word: 'blocked', tone: 'caution' }],
  ['cancelled', { symbol: '■', word: 'cancelled', tone: 'caution' }],
  ['interrupted', { symbol: '⚡', word: 'interrupted', tone: 'bad' }],
  ['never', { symbol: '–', word: 'never ran', tone: 'caution' }],
  ['pass', { symbol: '✓', word: 'passed', tone: 'good' }],
  ['warn', { symbol: '!', word: 'warned', tone: 'caution' }],
  ['fail', { symbol: '✕', word: 'failed', tone: 'bad' }],
  ['taken', { symbol: '✓', word: 'taken', tone: 'good' }],
  ['known', { symbol: '–', word: 'known', tone: 'quiet' }],
  ['refused', { symbol: '✕', word: 'refused', tone: 'bad' }],
])

/** The mark of a status; a status this version does not know is shown by its own name. */
export function markOf(status: string): Mark {
  return marks.get(status) ?? { symbol: '?', word: status, tone: 'quiet' }
}

export function drawMark({ symbol, word, tone }: Mark): Html {
  return html`<span class="mark ${tone}"><span class="symbol" aria-hidden="true">${symbol}</span> ${word}</span>`
}

export function statusMark(status: string): Html {
  return drawMark(markOf(status))
}

export const syntheticTag: Html = html`<span class="tag" title="These rows were generated; they describe nothing real.">synthetic</span>`
