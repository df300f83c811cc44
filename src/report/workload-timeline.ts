import type { WorkloadAttempt, WorkloadKind, WorkloadResult } from '../sync/workload.js'
import { type Html, html, literal } from './html.js'

const WIDTH = 1200
const LEFT = 110
const RIGHT = 150
const TOP = 64
const LANE = 26
/** Marks nearer to each other than `TOUCHING` are one as long as that is smaller than `SMALL`: a minute has a hundred thousand of them. */
const TOUCHING = 0.3
const SMALL = 1.5

const COLOURS: Readonly<Record<WorkloadKind | 'failed', string>> = {
  insert: '#2b6cb0',
  update: '#b7791f',
  select: '#2f855a',
  failed: '#e53e3e',
}

type Timeline = Pick<WorkloadResult, 'workers' | 'attempts' | 'milliseconds'>

/**
 * A workload as an SVG file: a lane a worker, a mark an operation from its beginning to its end, coloured by kind. Attempts that failed,
 * deadlocks above all, are red, and stand out of their lane.
 */
export function workloadTimeline({ workers, attempts, milliseconds }: Timeline, title: string): string {
  const [inner, height] = [WIDTH - LEFT - RIGHT, TOP + workers.length * LANE + 44]
  const length = Math.max(1, milliseconds)
  const x = (at: number) => LEFT + Math.min(1, Math.max(0, at / length)) * inner
  const bottom = TOP + workers.length * LANE
  const lanes = workers.map(({ name, kind }, index) => {
    const own = attempts.filter((one) => one.worker === index)
    const failed = own.filter((one) => one.outcome !== 'done')
    const y = TOP + index * LANE
    const [done, red] = [marks(own, 'done', x), marks(failed, 'failed', x)]
    const said = `${own.length - failed.length} done${failed.length === 0 ? '' : `, ${failed.length} failed`}`
    return html`<g><line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y + LANE}" y2="${y + LANE}" stroke="#e2e8f0"/>
<text x="${LEFT - 10}" y="${y + LANE / 2 + 4}" text-anchor="end">${name}</text>
<path fill="${COLOURS[kind]}" d="${drawn(done, 0, y + 6, LANE - 11)}"/>
<path fill="${COLOURS[kind]}" fill-opacity="0.6" d="${drawn(done, 1, y + 6, LANE - 11)}"/>
<path fill="${COLOURS.failed}" d="${drawn(red, 0, y + 2, LANE - 3)}${drawn(red, 1, y + 2, LANE - 3)}"/>
<text x="${WIDTH - RIGHT + 10}" y="${y + LANE / 2 + 4}" fill="#4a5568">${said}</text></g>
`
  })
  const axis = ticks(length).map(
    (at) => html`<line x1="${fixed(x(at))}" x2="${fixed(x(at))}" y1="${TOP}" y2="${bottom + 5}" stroke="#cbd5e0"/>
<text x="${fixed(x(at))}" y="${bottom + 20}" text-anchor="middle" fill="#4a5568">${timeText(at, length)}</text>
`,
  )
  const shown = ['insert', 'update', 'select', 'failed'] as const
  const legend = shown.map((kind, index) => {
    const left = LEFT + index * 150
    const label = kind === 'failed' ? 'failed: deadlock, lock timeout, error' : kind
    return html`<rect x="${left}" y="36" width="12" height="12" fill="${COLOURS[kind]}"/><text x="${left + 18}" y="46">${label}</text>
`
  })
  const markup: Html = html`<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" font-family="system-ui, sans-serif" font-size="12" fill="#1a202c"><title>${title}</title>
${literal`<rect width="100%" height="100%" fill="#ffffff"/>`}
<text x="${LEFT}" y="22" font-size="15" font-weight="600">${title}</text>
${legend}${axis}${lanes}<text x="${LEFT}" y="${bottom + 38}" fill="#4a5568">Time since the workload began. A mark is one operation, from its beginning to its end; shades take turns; very short ones are drawn as one.</text>
</svg>
`
  return markup.toString()
}

type Span = readonly [from: number, to: number]

/** Where the marks of a lane begin and end. */
function marks(attempts: readonly WorkloadAttempt[], which: 'done' | 'failed', x: (at: number) => number): Span[] {
  const spans: [number, number][] = []
  const chosen = attempts.filter((one) => (one.outcome === 'done') === (which === 'done'))
  for (const { began, ended } of chosen.toSorted((one, other) => one.began - other.began)) {
    const from = x(began)
    // What is very short is still seen.
    const to = Math.max(from + (which === 'failed' ? 2 : 0.8), x(ended))
    const last = spans.at(-1)
    if (last !== undefined && from < last[1] + TOUCHING && to - last[0] < SMALL) last[1] = Math.max(last[1], to)
    else spans.push([Math.max(from, last?.[1] ?? from), to])
  }
  return spans
}

/** Every second mark as rectangles in one path: two shades in turn tell one operation from the next. */
function drawn(spans: readonly Span[], first: 0 | 1, top: number, height: number): string {
  const chosen = spans.filter((_, index) => index % 2 === first)
  return chosen.map(([from, to]) => `M${fixed(from)} ${top}h${fixed(to - from)}v${height}h${fixed(from - to)}z`).join('')
}

/** Round times, five to eleven of them. */
function ticks(length: number): number[] {
  const raw = length / 10
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = ([1, 2, 5, 10].find((one) => one * power >= raw) ?? 10) * power
  return Array.from({ length: Math.floor(length / step) + 1 }, (_, index) => index * step)
}

function timeText(at: number, length: number): string {
  if (length >= 2_000) return `${fixed(at / 1000)} s`
  return `${fixed(at)} ms`
}

function fixed(value: number): number {
  return Math.round(value * 100) / 100
}
