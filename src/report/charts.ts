import { type Html, html } from './html.js'

/** A step's part of the run: where its time begins and how long it lasts, as shares of the whole. */
export function drawSpan(start: number, length: number, tone: string, label: string): Html {
  const x = percent(start)
  return html`<svg class="span" role="img" aria-label="${label}" width="100%" height="14"><title>${label}</title><line x1="0" x2="100%" y1="7" y2="7"/><rect class="${tone}" x="${x}" y="2" width="${percent(length)}" height="10" rx="2"/><rect class="${tone}" x="${x}" y="2" width="2" height="10"/></svg>`
}

/** Counts of equally wide buckets, as one shape: a page may hold a thousand of these. */
export function drawHistogram(counts: readonly number[], label: string): Html {
  const tallest = Math.max(...counts, 0)
  if (!(tallest > 0)) return html``
  const width = 120
  const height = 24
  const step = width / counts.length
  const gap = step > 3 ? 1 : 0
  const path = counts.map((value, index) => {
    if (!(value > 0)) return ''
    const tall = Math.max(1, (value / tallest) * height)
    return `M${fixed(index * step)} ${height}v${fixed(-tall)}h${fixed(step - gap)}v${fixed(tall)}z`
  })
  return html`<svg class="histogram" role="img" aria-label="${label}" width="${width}" height="${height + 1}" viewBox="0 0 ${width} ${height + 1}"><title>${label}</title><path d="${path.join('')}"/><line x1="0" x2="${width}" y1="${height + 0.5}" y2="${height + 0.5}"/></svg>`
}

export interface Bar {
  readonly value: number
  readonly label: string
  readonly tone: string
  /** Shown under the bar: what a colour alone must not say. */
  readonly symbol: string
  readonly current: boolean
}

const fewestSlots = 12
const barsHeight = 64

/** One bar a run, oldest first, as wide as the page allows. */
export function drawBars(bars: readonly Bar[], label: string): Html {
  const tallest = Math.max(...bars.map(({ value }) => value), 0)
  const slot = 1 / Math.max(bars.length, fewestSlots)
  return html`<svg class="bars" role="img" aria-label="${label}" width="100%" height="${barsHeight + 18}"><line x1="0" x2="100%" y1="${barsHeight + 0.5}" y2="${barsHeight + 0.5}"/>
${bars.map((bar, index) => drawBar(bar, index * slot, slot, tallest))}</svg>`
}

function drawBar({ value, label, tone, symbol, current }: Bar, start: number, slot: number, tallest: number): Html {
  const height = value > 0 ? Math.max(1, (value / tallest) * barsHeight) : 0
  const x = percent(start + slot * 0.12)
  const area = html`<rect class="${tone} ${current && 'current'}" x="${x}" y="${fixed(barsHeight - height)}" width="${percent(slot * 0.76)}" height="${fixed(height)}"/>`
  return html`<g><title>${label}</title>${area}<text class="${tone}" x="${percent(start + slot / 2)}" y="${barsHeight + 14}">${symbol}</text></g>`
}

export interface DistributionBar {
  /** From 0 to 39. */
  readonly bar: number
  readonly rows: number
  readonly odd: number
  readonly label: string
}

const distributionWidth = 400
const distributionHeight = 110

/** Rows by value on a logarithmic scale, the odd ones as narrower bars before the others: told by shape and not by colour alone. */
export function drawDistribution(bars: readonly DistributionBar[], most: number, label: string): Html {
  // One row is seen, and ten times as many are as much higher wherever one looks.
  const tall = (value: number) => (value > 0 ? (Math.log10(value) + 0.5) / (Math.log10(Math.max(1, most)) + 0.5) : 0) * distributionHeight
  const area = (name: string, x: number, width: number, height: number) =>
    height > 0 &&
    html`<rect class="${name}" x="${fixed(x)}" y="${fixed(distributionHeight - height)}" width="${fixed(width)}" height="${fixed(height)}"/>`
  const drawn = bars.map(({ bar, rows, odd, label: said }) => {
    const x = bar * (distributionWidth / 40)
    return html`<g><title>${said}</title>${area('all', x + 0.5, 9, tall(rows))}${area('odd', x + 3, 4, tall(odd))}</g>`
  })
  return html`<svg class="distribution" role="img" aria-label="${label}" width="100%" height="${distributionHeight + 2}" viewBox="0 0 ${distributionWidth} ${distributionHeight + 2}" preserveAspectRatio="none">${drawn}<line x1="0" x2="${distributionWidth}" y1="${distributionHeight + 0.5}" y2="${distributionHeight + 0.5}"/></svg>`
}

/** A part of a whole, as a bar. */
export function drawShare(part: number, label: string): Html {
  return html`<svg role="img" aria-label="${label}" width="100%" height="14"><title>${label}</title><line x1="0" x2="100%" y1="7" y2="7"/><rect x="0" y="2" width="${percent(part)}" height="10" rx="2"/></svg>`
}

export interface TimeChart {
  readonly points: readonly { readonly at: number; readonly value: number }[]
  /** Unix milliseconds: the left and the right edge. */
  readonly from: number
  readonly to: number
  /** `holds`: a line, each value until the next. `happens`: a dot each, and nothing between them. */
  readonly kind: 'holds' | 'happens'
  /** What the upper edge stands for; the lower is 0. */
  readonly top: number
  readonly height: number
  readonly label: string
}

/** Wide enough that rounding is not seen; the page stretches it. */
const timeWidth = 1000

/** Values over time, from 0. Strokes keep their width however the page stretches the chart. */
export function drawOverTime({ points, from, to, kind, top, height, label }: TimeChart): Html {
  const margin = 3
  const usable = points.filter(({ at, value }) => Number.isFinite(at) && Number.isFinite(value))
  const x = (at: number) => fixed(Math.min(1, Math.max(0, (at - from) / Math.max(1, to - from))) * timeWidth)
  const y = (value: number) => fixed(margin + (1 - Math.min(1, Math.max(0, top > 0 ? value / top : 0))) * (height - 2 * margin))
  const steps = usable.map(({ at, value }, index) => (index === 0 ? `M${x(at)} ${y(value)}` : `H${x(at)}V${y(value)}`))
  const path =
    kind === 'holds'
      ? `${steps.join('')}${usable.length > 0 ? `H${timeWidth}` : ''}`
      : usable.map(({ at, value }) => `M${x(at)} ${y(value)}h0`).join('')
  return html`<svg class="over-time ${kind}" role="img" aria-label="${label}" width="100%" height="${height}" viewBox="0 0 ${timeWidth} ${height}" preserveAspectRatio="none"><title>${label}</title><line x1="0" x2="${timeWidth}" y1="${margin}" y2="${margin}"/><line x1="0" x2="${timeWidth}" y1="${height - margin}" y2="${height - margin}"/><path d="${path}"/></svg>`
}

function percent(share: number): string {
  return `${fixed(Math.min(1, Math.max(0, share)) * 100)}%`
}

function fixed(value: number): number {
  return Number.isFinite(value) ? Math.round(value * 100) / 100 : 0
}
